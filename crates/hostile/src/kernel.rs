//! What the kernel tells over netlink, as no kernel would tell it.

use standfast_kernel::netlink::answers;
use standfast_kernel::process::events;
use standfast_kernel::{ipvs as kernel_ipvs, nftables as kernel_nftables, route as kernel_route};
use standfast_model::ipvs::Family;
use standfast_net::{Change, Observed};

/// A datagram of rtnetlink. What is told can be applied, and is there, or gone, then.
pub fn route(datagram: &[u8]) {
    let mut observed = Observed::default();
    for change in kernel_route::changes(datagram) {
        observed.apply(change.clone());
        match change {
            Change::Link(link) => assert_eq!(observed.link(link.index), Some(&link)),
            Change::LinkGone(index) => assert_eq!(observed.link(index), None),
            Change::Address(address) => assert!(observed.has(address.interface, address.address)),
            Change::AddressGone { interface, address } => {
                assert!(observed.addresses(interface).all(|present| present.address != address));
            }
            Change::Route(_) | Change::RouteGone(_) | Change::Rule(_) | Change::RuleGone(_) => {}
        }
    }
    for refused in answers(datagram).filter_map(Result::err) {
        assert!(!refused.to_string().is_empty());
    }
}

/// The payload of an IPVS message, read as everything that one can be. What is read prints.
pub fn ipvs(payload: &[u8]) {
    if let Some((service, _)) = kernel_ipvs::decode_service(payload) {
        assert!(!service.key.to_string().is_empty());
        assert!(service.persistence.is_none_or(|persistence| persistence.granularity <= 128));
    }
    for family in [Family::Inet, Family::Inet6] {
        if let Some((destination, _)) = kernel_ipvs::decode_destination(payload, family) {
            assert!(!destination.key.to_string().is_empty());
        }
    }
    let _ = (kernel_ipvs::info(payload), kernel_ipvs::timeouts(payload), kernel_ipvs::sync_daemon(payload));
}

/// A datagram of nftables. It is read to its end.
pub fn nftables(datagram: &[u8]) {
    let _ = kernel_nftables::read(datagram, "keepalived");
}

/// A datagram of the process connector. There are no more events than there is room for.
pub fn process_events(datagram: &[u8]) {
    assert!(events::decode(datagram).len() * 36 <= datagram.len());
}
