//! Octets of rtnetlink to changes of links, addresses, routes and rules.
//!
//! Only the few attributes that a virtual router needs are looked at. A newer kernel's unknown ones, or one of a length
//! that nobody expects, never cost us the link they belong to.

use super::routing::{RTM_DELROUTE, RTM_DELRULE, RTM_NEWROUTE, RTM_NEWRULE};
use super::routing_decode;
use crate::netlink::{attributes, messages};
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
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VRF_TABLE: u16 = 1;

/// `struct ifaddrmsg`.
const ADDRESS_HEADER_BYTES: usize = 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;

/// All that a datagram of the kernel tells, in its order; what cannot be read is passed over.
pub fn changes(datagram: &[u8]) -> impl Iterator<Item = Change> {
    messages(datagram).filter_map(|message| decode(message.kind, message.payload))
}

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
        RTM_NEWROUTE => routing_decode::route(payload).map(Box::new).map(Change::Route),
        RTM_DELROUTE => routing_decode::route(payload).map(Box::new).map(Change::RouteGone),
        RTM_NEWRULE => routing_decode::rule(payload).map(Box::new).map(Change::Rule),
        RTM_DELRULE => routing_decode::rule(payload).map(Box::new).map(Change::RuleGone),
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
    let (mut name, mut mac, mut mtu, mut parent, mut vrf_table) = (None, None, None, None, None);
    for attribute in attributes(payload.get(LINK_HEADER_BYTES..)?) {
        match attribute.kind() {
            IFLA_IFNAME => name = text(&attribute).and_then(|text| text.parse::<InterfaceName>().ok()),
            IFLA_ADDRESS if ethernet => mac = attribute.value().try_into().ok().map(MacAddress),
            IFLA_MTU => mtu = attribute.value().try_into().ok().map(u32::from_ne_bytes),
            IFLA_LINK => parent = attribute.value().try_into().ok().map(u32::from_ne_bytes),
            IFLA_LINKINFO => vrf_table = table_of_vrf(attribute.value()),
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
        parent: parent.map(InterfaceIndex),
        vrf_table,
    })
}

/// The table of a VRF, by what a link of some kind tells of itself. The kernel tells the kind before the rest; another
/// kind's numbers mean something else.
fn table_of_vrf(info: &[u8]) -> Option<u32> {
    let mut is_vrf = false;
    for attribute in attributes(info) {
        match attribute.kind() {
            IFLA_INFO_KIND => is_vrf = text(&attribute).is_some_and(|kind| kind == "vrf"),
            IFLA_INFO_DATA if is_vrf => {
                let table = attributes(attribute.value()).find(|inner| inner.kind() == IFLA_VRF_TABLE)?;
                return table.value().try_into().ok().map(u32::from_ne_bytes);
            }
            _ => {}
        }
    }
    None
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An attribute with its padding.
    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut octets = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
        octets.resize(octets.len().next_multiple_of(4), 0);
        octets
    }

    /// Link 7: Ethernet, UP and RUNNING, in the words of a kernel that also says things we do not know.
    fn link_payload() -> Vec<u8> {
        let mut payload = vec![0, 0];
        payload.extend(1_u16.to_ne_bytes());
        payload.extend(7_u32.to_ne_bytes());
        payload.extend(0x41_u32.to_ne_bytes());
        payload.extend([0; 4]);
        payload.extend(attribute(0x3fff, b"from the future"));
        payload.extend(attribute(IFLA_IFNAME, b"eth0\0"));
        payload.extend(attribute(IFLA_MTU, &9000_u32.to_ne_bytes()));
        payload.extend(attribute(IFLA_ADDRESS, &[2, 0, 0, 0, 0, 7]));
        payload
    }

    fn link() -> Link {
        Link {
            index: InterfaceIndex(7),
            name: "eth0".parse().unwrap(),
            mac: Some(MacAddress([2, 0, 0, 0, 0, 7])),
            up: true,
            running: true,
            loopback: false,
            no_arp: false,
            mtu: 9000,
            parent: None,
            vrf_table: None,
        }
    }

    fn address_payload(flags: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut payload = vec![2, 24, flags, 253];
        payload.extend(7_u32.to_ne_bytes());
        payload.extend(attributes.concat());
        payload
    }

    #[test]
    fn a_link_is_read_past_attributes_of_the_future() {
        assert_eq!(decode(RTM_NEWLINK, &link_payload()), Some(Change::Link(link())));
        assert_eq!(decode(RTM_DELLINK, &link_payload()), Some(Change::LinkGone(InterfaceIndex(7))));
    }

    #[test]
    fn a_vrf_tells_its_table_and_nothing_else_has_one() {
        let with = |kind: &[u8], kind_first: bool| {
            let data = attribute(IFLA_INFO_DATA, &attribute(IFLA_VRF_TABLE, &1010_u32.to_ne_bytes()));
            let kind = attribute(IFLA_INFO_KIND, kind);
            let info = if kind_first { [kind, data].concat() } else { [data, kind].concat() };
            let payload = [link_payload(), attribute(IFLA_LINKINFO, &info)].concat();
            decode(RTM_NEWLINK, &payload)
        };
        assert_eq!(with(b"vrf\0", true), Some(Change::Link(Link { vrf_table: Some(1010), ..link() })));
        // IFLA_MACVLAN_MODE has the same number.
        assert_eq!(with(b"macvlan\0", true), Some(Change::Link(link())));
        assert_eq!(with(b"vrf\0", false), Some(Change::Link(link())), "of a kind that is not known yet");
        for cut in 0..12 {
            let info = attribute(IFLA_LINKINFO, &attribute(IFLA_INFO_KIND, b"vrf\0")[..8]);
            let payload = [link_payload(), info].concat();
            assert!(decode(RTM_NEWLINK, &payload[..payload.len() - cut]).is_some());
        }
    }

    #[test]
    fn a_bridges_word_on_its_port_is_passed_over() {
        let mut payload = link_payload();
        payload[0] = u8::try_from(libc::AF_BRIDGE).unwrap();
        assert_eq!(decode(RTM_NEWLINK, &payload), None);
        assert_eq!(decode(RTM_DELLINK, &payload), None);
    }

    #[test]
    fn a_hardware_address_that_is_not_ethernet_is_none() {
        let mut payload = link_payload();
        // ARPHRD_INFINIBAND, and its addresses have 20 octets.
        payload[2..4].copy_from_slice(&32_u16.to_ne_bytes());
        assert_eq!(decode(RTM_NEWLINK, &payload), Some(Change::Link(Link { mac: None, ..link() })));
        let mut long = link_payload();
        long.extend(attribute(IFLA_ADDRESS, &[1; 20]));
        assert_eq!(decode(RTM_NEWLINK, &long), Some(Change::Link(Link { mac: None, ..link() })));
    }

    #[test]
    fn a_link_that_no_configuration_can_name_is_none() {
        for name in [&b"\xff\xfe\0"[..], b"\0", b"", b"sixteen-bytes-xx\0"] {
            let mut payload = link_payload();
            payload.extend(attribute(IFLA_IFNAME, name));
            assert_eq!(decode(RTM_NEWLINK, &payload), None, "{name:?}");
        }
    }

    #[test]
    fn the_wide_flags_of_an_address_overrule_the_narrow_ones() {
        let local = attribute(IFA_LOCAL, &[192, 0, 2, 1]);
        let read = |flags: u8, attributes: &[Vec<u8>]| match decode(RTM_NEWADDR, &address_payload(flags, attributes)) {
            Some(Change::Address(address)) => address,
            other => panic!("{other:?}"),
        };
        assert!(read(1, core::slice::from_ref(&local)).secondary);
        assert!(!read(1, &[local.clone(), attribute(IFA_FLAGS, &0x80_u32.to_ne_bytes())]).secondary);
        let whole = read(0, &[attribute(IFA_ADDRESS, &[192, 0, 2, 9]), local, attribute(IFA_PROTO, &[18])]);
        assert_eq!(
            whole,
            ObservedAddress {
                interface: InterfaceIndex(7),
                address: "192.0.2.1/24".parse().unwrap(),
                scope: 253,
                secondary: false,
                protocol: 18
            }
        );
    }

    #[test]
    fn an_address_of_impossible_length_or_prefix_is_none() {
        let local = attribute(IFA_LOCAL, &[192, 0, 2, 1]);
        let mut payload = address_payload(0, &[local]);
        payload[1] = 33;
        assert_eq!(decode(RTM_NEWADDR, &payload), None);
        for octets in [&[][..], &[1, 2, 3], &[0; 16]] {
            assert_eq!(decode(RTM_NEWADDR, &address_payload(0, &[attribute(IFA_LOCAL, octets)])), None);
        }
        assert_eq!(decode(RTM_NEWADDR, &address_payload(0, &[])), None);
    }

    #[test]
    fn every_cut_of_a_message_is_read_as_less_or_as_nothing() {
        let payload = link_payload();
        // The two octets of padding at the end are nobody's.
        for length in 0..payload.len() - 2 {
            let cut = decode(RTM_NEWLINK, &payload[..length]);
            assert!(cut.is_none() || cut == Some(Change::Link(Link { mac: None, ..link() })), "{length}: {cut:?}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_make_the_decoder_panic(kind in 14_u16..24, payload in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(kind, &payload);
        }

        #[test]
        fn no_change_of_a_good_message_makes_the_decoder_panic(
            kind in 16_u16..22,
            changed in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        ) {
            let mut payload = link_payload();
            for (place, octet) in changed {
                let place = place.index(payload.len());
                payload[place] = octet;
            }
            let _ = decode(kind, &payload);
        }

        #[test]
        fn no_datagram_makes_the_decoder_panic(datagram in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = changes(&datagram).count();
        }
    }
}
