//! Octets of rtnetlink to changes of links and addresses.
//!
//! Only the few attributes that a virtual router needs are looked at. A newer kernel's unknown ones, or one of a length
//! that nobody expects, never cost us the link they belong to.

use crate::netlink::attributes;
use ipnet::IpNet;
use netlink_packet_core::NlaBuffer;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressFlags, AddressHeader, AddressHeaderFlags};
use netlink_packet_route::link::{LinkFlags, LinkHeader, LinkLayerType};
use standfast_model::{InterfaceIndex, InterfaceName, MacAddress};
use standfast_net::{Change, Link, ObservedAddress};
use std::net::IpAddr;

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;

/// `struct ifinfomsg`.
const LINK_HEADER_BYTES: usize = 16;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;

/// `struct ifaddrmsg`.
const ADDRESS_HEADER_BYTES: usize = 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;

/// What a message says, by its type and the octets behind the netlink header.
///
/// None for a message of another type or family, for one that lacks what a link or an address must have, and for a
/// link whose name is not text: no configuration can name it.
#[must_use]
pub fn decode(message_type: u16, payload: &[u8]) -> Option<Change> {
    match message_type {
        RTM_NEWLINK => link(payload).map(Change::Link),
        RTM_DELLINK => link_header(payload).map(|header| Change::LinkGone(InterfaceIndex(header.index))),
        RTM_NEWADDR => address(payload).map(Change::Address),
        RTM_DELADDR => {
            address(payload).map(|gone| Change::AddressGone { interface: gone.interface, address: gone.address })
        }
        _ => None,
    }
}

/// A bridge tells in the same words, with a family of its own, that a port has left it: that link is still there.
fn link_header(payload: &[u8]) -> Option<LinkHeader> {
    LinkHeader::parse(payload).ok().filter(|header| header.interface_family == AddressFamily::Unspec)
}

fn link(payload: &[u8]) -> Option<Link> {
    let header = link_header(payload)?;
    let ethernet = header.link_layer_type == LinkLayerType::Ether;
    let (mut name, mut mac, mut mtu) = (None, None, None);
    for attribute in attributes(payload.get(LINK_HEADER_BYTES..)?) {
        match attribute.kind() {
            IFLA_IFNAME => name = text(&attribute).and_then(|text| text.parse::<InterfaceName>().ok()),
            IFLA_ADDRESS if ethernet => mac = attribute.value().try_into().ok().map(MacAddress),
            IFLA_MTU => mtu = attribute.value().try_into().ok().map(u32::from_ne_bytes),
            _ => {}
        }
    }
    Some(Link {
        index: InterfaceIndex(header.index),
        name: name?,
        mac,
        up: header.flags.contains(LinkFlags::Up),
        running: header.flags.contains(LinkFlags::Running),
        loopback: header.flags.contains(LinkFlags::Loopback),
        no_arp: header.flags.contains(LinkFlags::Noarp),
        mtu: mtu?,
    })
}

fn address(payload: &[u8]) -> Option<ObservedAddress> {
    let header = AddressHeader::parse(payload).ok()?;
    let (mut local, mut address, mut flags, mut protocol) = (None, None, None, 0);
    for attribute in attributes(payload.get(ADDRESS_HEADER_BYTES..)?) {
        let value = attribute.value();
        match attribute.kind() {
            IFA_LOCAL => local = ip(header.family, value),
            IFA_ADDRESS => address = ip(header.family, value),
            IFA_FLAGS => flags = value.try_into().ok().map(u32::from_ne_bytes),
            IFA_PROTO => protocol = value.first().copied().unwrap_or(0),
            _ => {}
        }
    }
    let secondary = match flags {
        Some(flags) => AddressFlags::from_bits_retain(flags).contains(AddressFlags::Secondary),
        None => header.flags.contains(AddressHeaderFlags::Secondary),
    };
    Some(ObservedAddress {
        interface: InterfaceIndex(header.index),
        // With a peer, `IFA_ADDRESS` is the peer's and `IFA_LOCAL` ours; without, IPv6 has only the former.
        address: IpNet::new(local.or(address)?, header.prefix_len).ok()?,
        scope: header.scope.into(),
        // The same bit says "temporary" (RFC 8981) for IPv6, where every address may be sent from.
        secondary: secondary && header.family == AddressFamily::Inet,
        protocol,
    })
}

fn ip(family: AddressFamily, value: &[u8]) -> Option<IpAddr> {
    if family == AddressFamily::Inet {
        <[u8; 4]>::try_from(value).ok().map(IpAddr::from)
    } else if family == AddressFamily::Inet6 {
        <[u8; 16]>::try_from(value).ok().map(IpAddr::from)
    } else {
        None
    }
}

/// Up to the first NUL.
fn text(attribute: &NlaBuffer<&[u8]>) -> Option<String> {
    let value = attribute.value();
    let end = value.iter().position(|octet| *octet == 0).unwrap_or(value.len());
    core::str::from_utf8(value.get(..end)?).ok().map(str::to_owned)
}
