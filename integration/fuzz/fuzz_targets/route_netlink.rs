//! A datagram of rtnetlink. Nothing panics, and what is told can be applied.
#![no_main]

use libfuzzer_sys::fuzz_target;
use standfast_kernel::route::changes;
use standfast_net::{Change, Observed};

fuzz_target!(|datagram: &[u8]| {
    let mut observed = Observed::default();
    for change in changes(datagram) {
        observed.apply(change.clone());
        match change {
            Change::Link(link) => assert_eq!(observed.link(link.index), Some(&link)),
            Change::LinkGone(index) => assert_eq!(observed.link(index), None),
            Change::Address(address) => assert!(observed.has(address.interface, address.address.addr())),
            Change::AddressGone { interface, address } => {
                assert!(observed.addresses(interface).all(|present| present.address != address));
            }
        }
    }
});
