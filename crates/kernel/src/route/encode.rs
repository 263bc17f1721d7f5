//! Requests to rtnetlink as octets.

use ipnet::IpNet;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol, AddressScope, CacheInfo,
};
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use standfast_model::{InterfaceIndex, VirtualAddress};
use standfast_net::Operation;
use std::net::IpAddr;

/// `IFA_PROTO` of what we add: the number that iproute2 prints as `keepalived` (`rt_protos`).
const PROTOCOL_KEEPALIVED: u8 = 18;

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
        Operation::Remove { interface, address } => remove(*interface, *address),
    }
}

/// As keepalived adds it: no broadcast address unless one is given; IPv6 without duplicate address detection, because
/// another router held the address a moment ago; an IPv6 host address deprecated (preferred for 0 s), so that no
/// connection of this machine starts from it.
fn add(interface: InterfaceIndex, virtual_address: &VirtualAddress, protocol: WithProtocol) -> Vec<u8> {
    let mut message = plain(interface, virtual_address.address);
    message.header.scope = AddressScope::from(virtual_address.scope.get());
    match virtual_address.address {
        IpNet::V4(_) => {
            message.attributes.extend(virtual_address.broadcast.map(AddressAttribute::Broadcast));
            message.attributes.extend(virtual_address.label.clone().map(AddressAttribute::Label));
        }
        IpNet::V6(net) => {
            message.header.flags = AddressHeaderFlags::Nodad;
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
            if net.prefix_len() == net.max_prefix_len() {
                let mut lifetimes = CacheInfo::default();
                lifetimes.ifa_preferred = 0;
                lifetimes.ifa_valid = FOREVER_SECONDS;
                message.attributes.push(AddressAttribute::CacheInfo(lifetimes));
            }
        }
    }
    if protocol == WithProtocol::Yes {
        message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL_KEEPALIVED)));
    }
    serialize(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
}

fn remove(interface: InterfaceIndex, address: IpNet) -> Vec<u8> {
    serialize(RouteNetlinkMessage::DelAddress(plain(interface, address)), 0)
}

/// What an addition and a removal have in common: the address and its link.
fn plain(interface: InterfaceIndex, address: IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = match address.addr() {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.prefix_len = address.prefix_len();
    message.header.index = interface.0;
    message.attributes.push(AddressAttribute::Local(address.addr()));
    message.attributes.push(AddressAttribute::Address(address.addr()));
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
