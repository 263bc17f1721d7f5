//! Requests to rtnetlink as octets.

use super::routing;
use ipnet::IpNet;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol, AddressScope, CacheInfo,
};
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use standfast_model::config::route::PROTOCOL_KEEPALIVED;
use standfast_model::{InterfaceIndex, VirtualAddress};
use standfast_net::{Operation, entry};
use std::net::IpAddr;

const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;

/// A lifetime without end (`INFINITY_LIFE_TIME`), in seconds.
const FOREVER_SECONDS: u32 = u32::MAX;

/// Whether an address says who added it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum WithProtocol {
    Yes,
    No,
}

/// All links, without their counters, which are the larger part of a dump.
pub(super) fn get_links() -> Vec<u8> {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    serialize(RouteNetlinkMessage::GetLink(message), 0)
}

/// All addresses of both families.
pub(super) fn get_addresses() -> Vec<u8> {
    serialize(RouteNetlinkMessage::GetAddress(AddressMessage::default()), 0)
}

pub(super) fn operation(operation: &Operation, protocol: WithProtocol) -> Vec<u8> {
    match operation {
        Operation::Add { interface, address } => add(*interface, address, protocol),
        Operation::Remove { interface, address, peer } => remove(*interface, *address, *peer),
        Operation::AddRoute(entry) => routing::add_route(entry),
        Operation::RemoveRoute(entry) => routing::remove_route(entry),
        Operation::AddRule(rule) => routing::add_rule(rule),
        Operation::RemoveRule(rule) => routing::remove_rule(rule),
    }
}

/// As keepalived adds it: no broadcast address unless one is given; IPv6 without duplicate address detection, because
/// another router held the address a moment ago; an IPv6 host address deprecated (preferred for 0 s) unless
/// `preferred_lft` says otherwise, so that no connection of this machine starts from it.
fn add(interface: InterfaceIndex, virtual_address: &VirtualAddress, protocol: WithProtocol) -> Vec<u8> {
    let options = &virtual_address.options;
    let mut message = plain(interface, entry(virtual_address), options.peer);
    message.header.scope = AddressScope::from(virtual_address.scope.get());
    let mut flags = AddressFlags::empty();
    flags.set(AddressFlags::Noprefixroute, options.no_prefix_route);
    flags.set(AddressFlags::Mcautojoin, options.auto_join);
    let host = match virtual_address.address {
        IpNet::V4(_) => {
            message.attributes.extend(virtual_address.broadcast.map(AddressAttribute::Broadcast));
            message.attributes.extend(virtual_address.label.clone().map(AddressAttribute::Label));
            false
        }
        IpNet::V6(net) => {
            // REQ: VRRP3-8.2.2-04
            message.header.flags = AddressHeaderFlags::Nodad;
            flags.insert(AddressFlags::Nodad);
            flags.set(AddressFlags::Homeaddress, options.home);
            flags.set(AddressFlags::Managetempaddr, options.manage_temporary);
            net.prefix_len() == net.max_prefix_len()
        }
    };
    if !flags.is_empty() {
        message.attributes.push(AddressAttribute::Flags(flags));
    }
    if let Some(preferred) = options.preferred_lifetime.or(host.then_some(0)) {
        let mut lifetimes = CacheInfo::default();
        lifetimes.ifa_preferred = preferred;
        lifetimes.ifa_valid = FOREVER_SECONDS;
        message.attributes.push(AddressAttribute::CacheInfo(lifetimes));
    }
    if protocol == WithProtocol::Yes {
        message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL_KEEPALIVED)));
    }
    serialize(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
}

fn remove(interface: InterfaceIndex, address: IpNet, peer: Option<IpNet>) -> Vec<u8> {
    serialize(RouteNetlinkMessage::DelAddress(plain(interface, address, peer)), 0)
}

/// What an addition and a removal have in common: the address, the other end and the link.
fn plain(interface: InterfaceIndex, address: IpNet, peer: Option<IpNet>) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = match address.addr() {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.prefix_len = address.prefix_len();
    message.header.index = interface.0;
    message.attributes.push(AddressAttribute::Local(address.addr()));
    message.attributes.push(AddressAttribute::Address(peer.map_or(address.addr(), |peer| peer.addr())));
    message
}

fn serialize(message: RouteNetlinkMessage, flags: u16) -> Vec<u8> {
    let mut message = NetlinkMessage::new(Default::default(), NetlinkPayload::InnerMessage(message));
    message.header.flags = flags;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    // Every part of such a message is padded to four octets already, so that many can stand one behind the other.
    debug_assert!(bytes.len().is_multiple_of(4));
    bytes
}
