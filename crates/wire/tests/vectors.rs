//! Every valid vector decodes to what it is meant to say and encodes to the same octets again.

#![expect(clippy::unwrap_used, reason = "a vector that cannot be read is a failed test")]

#[cfg(test)]
mod table;

use standfast_model::{AdvertInterval, MacAddress, Password, Priority, Vrid};
use standfast_wire::vrrp::{Advert, Authentication, Coverage, Protocol, View};
use standfast_wire::{arp, ethernet, ipv4, ndisc, vrrp};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use table::{Table, ipv6};

const A: MacAddress = MacAddress([2, 0, 0, 0, 0, 0x0a]);
const ROUTER_A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const ROUTER_B: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

fn vectors() -> Table {
    Table::read(include_str!("vectors.txt"))
}

fn vrid(id: u8) -> Vrid {
    Vrid::new(id).unwrap()
}

fn v2(seconds: u8, authentication: Authentication) -> Protocol {
    Protocol::V2 { interval: AdvertInterval::from_seconds(seconds).unwrap(), authentication }
}

fn v3(centiseconds: u16) -> Protocol {
    Protocol::V3 { interval: AdvertInterval::from_centiseconds(centiseconds).unwrap() }
}

fn pass(password: &str) -> Authentication {
    Authentication::Pass(Password::truncating(password.as_bytes()))
}

/// What an IPv4 vector is meant to say.
struct Case {
    name: &'static str,
    vrid: u8,
    priority: u8,
    protocol: Protocol,
    addresses: &'static [[u8; 4]],
    destination: Ipv4Addr,
    identification: u16,
    coverage: Coverage,
}

/// W-V2-100 and W-V3-4-100 with a name and the differences of the others.
fn case(name: &'static str, priority: u8, protocol: Protocol) -> Case {
    let coverage = match protocol {
        Protocol::V2 { .. } => Coverage::MessageOnly,
        Protocol::V3 { .. } => Coverage::PseudoHeader,
    };
    let (addresses, destination) = (&[[192, 0, 2, 100]][..], vrrp::GROUP_V4);
    Case { name, vrid: 51, priority, protocol, addresses, destination, identification: 1, coverage }
}

fn ipv4_cases() -> Vec<Case> {
    let none = || Authentication::None;
    vec![
        case("W-V2-100", 100, v2(1, none())),
        case("W-V2-255", 255, v2(1, none())),
        case("W-V2-VMAC", 255, v2(1, none())),
        Case { identification: 4, ..case("W-V2-PRIO0", 0, v2(1, none())) },
        Case {
            vrid: 1,
            addresses: &[[192, 0, 2, 9], [192, 0, 2, 8], [192, 0, 2, 10]],
            ..case("W-V2-3ADDR", 255, v2(5, none()))
        },
        Case {
            vrid: 52,
            addresses: &[[192, 0, 2, 101], [192, 0, 2, 102], [198, 51, 100, 7]],
            ..case("W-V2-PASS-3", 255, v2(1, pass("s3cr3t")))
        },
        Case { vrid: 54, ..case("W-V2-PASS-LONG", 255, v2(1, pass("abcdefghijk"))) },
        Case { vrid: 55, addresses: &[], ..case("W-V2-COUNT0", 255, v2(1, none())) },
        Case { destination: ROUTER_B, ..case("W-V2-UNI", 255, v2(1, none())) },
        case("W-V3-4-100", 100, v3(100)),
        case("W-V3-4-1", 255, v3(100)),
        Case { identification: 4, ..case("W-V3-4-PRIO0", 0, v3(100)) },
        Case { vrid: 7, addresses: &[[192, 0, 2, 100], [192, 0, 2, 101]], ..case("W-V3-4-25CS", 255, v3(25)) },
        Case { vrid: 255, ..case("W-V3-4-MAX", 255, v3(4095)) },
        Case { destination: ROUTER_B, ..case("W-V3-4-UNI", 255, v3(100)) },
        Case { coverage: Coverage::MessageOnly, ..case("W-V3-4-9568", 100, v3(100)) },
    ]
}

// REQ: VRRP2-5.2.2-01 VRRP2-5.2.3-01 VRRP2-5.2.4-01 VRRP2-5.3.1-01 VRRP2-5.3.2-01 VRRP2-5.3.3-01 VRRP2-5.3.4-01
// REQ: VRRP2-5.3.5-01 VRRP2-5.3.6-01 VRRP2-5.3.7-01 VRRP2-5.3.8-01 VRRP2-5.3.9-01 VRRP2-5.3.10-01 VRRP2-7.2-03
// REQ: VRRP2A-5.3.6-01 VRRP2A-5.3.6-02 VRRP2A-5.3.8-01 KA-CNT0-01 VRRP2-7.3-01
// REQ: VRRP3-5.1.1.2-01 VRRP3-5.1.1.3-01 VRRP3-5.2.1-01 VRRP3-5.2.4-01 VRRP3-5.2.7-01 VRRP3-5.2.9-01
// REQ: VRRP3-5.2.8-03 VRRP3-5.2.8-04
#[test]
fn ipv4_adverts_decode_to_their_values_and_encode_to_their_octets() {
    let mut table = vectors();
    for case in ipv4_cases() {
        let name = case.name;
        let frame = table.take(name);
        let (link, packet) = ethernet::Header::parse(&frame).unwrap();
        let (header, message) = ipv4::parse_header(packet).unwrap();
        assert!(ipv4::header_is_intact(packet), "{name}");
        assert_eq!((header.protocol, header.ttl, header.tos), (112, 255, 0xc0), "{name}");
        let envelope =
            ipv4::Envelope { source: ROUTER_A, destination: case.destination, identification: case.identification };
        assert_eq!(
            (header.source, header.destination, header.identification),
            (envelope.source, envelope.destination, envelope.identification),
            "{name}"
        );
        let expected = Advert {
            vrid: vrid(case.vrid),
            priority: Priority::new(case.priority),
            protocol: case.protocol,
            addresses: case.addresses.iter().copied().map(Ipv4Addr::from).collect(),
        };
        let view = View::new(message, header.source.into(), header.destination.into()).unwrap();
        let parsed = Advert::parse(&view, &[case.coverage]);
        assert_eq!(parsed, Ok((expected.clone(), case.coverage)), "{name}: {view}");
        assert_eq!(expected.emit_packet(&envelope, case.coverage), packet, "{name}");
        let source = if name == "W-V2-VMAC" { vrrp::virtual_mac_v4(vrid(51)) } else { A };
        assert_eq!(link.source, source, "{name}");
    }
    table.nothing_left_of(&["W-V2-1", "W-V2-2", "W-V2-3", "W-V2-P", "W-V2-C", "W-V2-U", "W-V2-V", "W-V3-4"]);
}

fn link_local_first() -> Vec<Ipv6Addr> {
    vec![ipv6("fe80::100"), ipv6("2001:db8::100")]
}

// REQ: VRRP3-5.1.2.2-01 VRRP3-5.2.8-02 VRRP3-5.2.9-01 VRRP3-5.2.9-02 KA-V2V6-01 VRRP3-7.3-01
#[test]
fn ipv6_adverts_decode_to_their_values_and_encode_to_their_octets() {
    let mut table = vectors();
    let group = vrrp::GROUP_V6;
    for (name, vrid_, priority, protocol, destination) in [
        ("W-V3-6-LL", 51, 255, v3(100), group),
        ("W-V3-6-PRIO0", 51, 0, v3(100), group),
        ("W-V3-6-VMAC", 51, 255, v3(100), group),
        ("W-V3-6-UNI", 51, 255, v3(100), ipv6("fe80::2")),
        ("W-V2-IN-V6", 52, 255, v2(1, Authentication::None), group),
    ] {
        let frame = table.take(name);
        let (link, packet) = ethernet::Header::parse(&frame).unwrap();
        let (source, to, message) = table::split_ipv6(packet);
        assert_eq!((source, to), (ipv6("fe80::1"), destination), "{name}");
        let addresses = link_local_first();
        let expected = Advert { vrid: vrid(vrid_), priority: Priority::new(priority), protocol, addresses };
        let view = View::new(message, source.into(), to.into()).unwrap();
        let parsed = Advert::parse(&view, &[Coverage::MessageOnly]);
        assert_eq!(parsed, Ok((expected.clone(), Coverage::PseudoHeader)), "{name}: {view}");
        assert_eq!(expected.emit_message(source, to), message, "{name}");
        let source = if name == "W-V3-6-VMAC" { vrrp::virtual_mac_v6(vrid(51)) } else { A };
        assert_eq!(link.source, source, "{name}");
    }
    table.nothing_left_of(&["W-V3-6", "W-V2-IN"]);
}

// REQ: KA-V2V6-01
#[test]
fn version_2_over_ipv6_announces_no_authentication_it_has_no_room_for() {
    let protocol = v2(1, pass("s3cr3t"));
    let advert = Advert { vrid: vrid(52), priority: Some(Priority::OWNER), protocol, addresses: link_local_first() };
    let frame = vectors().take("W-V2-IN-V6");
    assert_eq!(advert.emit_message(ipv6("fe80::1"), vrrp::GROUP_V6), frame[54..]);
}

// REQ: ARP-2.3-01 ARP-2.3-02 VRRP2-7.3-01
#[test]
fn gratuitous_arp_has_keepaliveds_octets_and_every_form_of_it_is_understood() {
    let mut table = vectors();
    let vip = Ipv4Addr::new(192, 0, 2, 100);
    for (name, mac) in [("W-GARP-PHYS", A), ("W-GARP-VMAC", vrrp::virtual_mac_v4(vrid(51)))] {
        let frame = table.take(name);
        assert_eq!(arp::Frame::gratuitous(mac, vip).emit()[..], frame, "{name}");
        assert_eq!(arp::Frame::parse(&frame), Ok(arp::Frame::gratuitous(mac, vip)), "{name}");
    }
    let announcement = table.take("W-GARP-5227");
    let parsed = arp::Frame::parse(&announcement).unwrap();
    assert_eq!(parsed, arp::Frame { target_mac: MacAddress([0; 6]), ..arp::Frame::gratuitous(A, vip) });
    assert!(parsed.is_gratuitous() && !parsed.is_probe());
    assert_eq!(parsed.emit()[..], announcement);
    table.nothing_left_of(&["W-GARP"]);
}

// REQ: ND-4.4-01 ND-4.4-02 ND-4.4-03 ND-4.4-04 ND-7.2.6-01 VRRP3-7.3-01
#[test]
fn unsolicited_neighbour_advertisements_have_keepaliveds_octets() {
    let mut table = vectors();
    let (global, link_local) = (ipv6("2001:db8::100"), ipv6("fe80::100"));
    for (name, address, mac, router) in [
        ("W-NA-HOST", global, A, false),
        ("W-NA-ROUTER", global, A, true),
        ("W-NA-LL-ROUTER", link_local, A, true),
        ("W-NA-VMAC", link_local, vrrp::virtual_mac_v6(vrid(51)), false),
    ] {
        assert_eq!(ndisc::Unsolicited { address, mac, router }.emit()[..], table.take(name), "{name}");
    }
    table.nothing_left_of(&["W-NA"]);
}

/// The ICMPv6 message of an unsolicited advertisement, as a raw socket delivers it.
fn neighbour_advertisement() -> Vec<u8> {
    let address = ipv6("2001:db8::100");
    ndisc::Unsolicited { address, mac: A, router: true }.emit()[54..].to_vec()
}

#[test]
fn a_neighbour_advertisement_says_where_an_address_is() {
    let group = ipv6("ff02::1");
    let message = neighbour_advertisement();
    let (target, mac) = (ipv6("2001:db8::100"), Some(A));
    let known = Ok(ndisc::Advertisement { target, mac });
    assert_eq!(ndisc::Advertisement::parse(&message, group, Some(255)), known);
    // Without the option it says nothing of a MAC; behind one that nobody knows it still does.
    let silent = Ok(ndisc::Advertisement { target, mac: None });
    assert_eq!(ndisc::Advertisement::parse(&message[..24], group, Some(255)), silent);
    let nonce = [&message[..24], &[14, 1, 1, 2, 3, 4, 5, 6], &message[24..]].concat();
    assert_eq!(ndisc::Advertisement::parse(&nonce, group, Some(255)), known);
    // Another medium's address is none of Ethernet's; of two addresses the first counts.
    let long = [&message[..24], &[2, 2], &[9; 14], &message[24..], &[2, 1, 9, 9, 9, 9, 9, 9]].concat();
    assert_eq!(ndisc::Advertisement::parse(&long, group, Some(255)), known);
}

// REQ: ND-7.1-01
#[test]
fn a_neighbour_advertisement_that_is_none_is_refused() {
    use ndisc::{Advertisement, Error};
    let (group, host) = (ipv6("ff02::1"), ipv6("fe80::1"));
    let message = neighbour_advertisement();
    let with = |place: usize, octet: u8| {
        let mut message = message.clone();
        message[place] = octet;
        message
    };
    assert_eq!(Advertisement::parse(&message, group, Some(254)), Err(Error::HopLimit(Some(254))));
    assert_eq!(Advertisement::parse(&message, group, None), Err(Error::HopLimit(None)));
    for have in 0..24 {
        assert_eq!(Advertisement::parse(&message[..have], group, Some(255)), Err(Error::Short { have }));
    }
    assert_eq!(Advertisement::parse(&with(0, 135), group, Some(255)), Err(Error::Kind { kind: 135, code: 0 }));
    assert_eq!(Advertisement::parse(&with(1, 1), group, Some(255)), Err(Error::Kind { kind: 136, code: 1 }));
    let target = ipv6("ff01:db8::100");
    let at_group = [&message[..8], &target.octets(), &message[24..]].concat();
    assert_eq!(Advertisement::parse(&at_group, group, Some(255)), Err(Error::Target(target)));
    let solicited = with(4, 0x60);
    assert_eq!(Advertisement::parse(&solicited, group, Some(255)), Err(Error::Solicited(group)));
    assert!(Advertisement::parse(&solicited, host, Some(255)).is_ok(), "to who asked");
    for length in [0, 2, 255] {
        let wrong = with(25, length);
        assert_eq!(Advertisement::parse(&wrong, group, Some(255)), Err(Error::Option { at: 24 }), "{length}");
    }
    let cut = [&message[..], &[1]].concat();
    assert_eq!(Advertisement::parse(&cut, group, Some(255)), Err(Error::Option { at: 32 }));
}

// REQ: VRRP2A-5.3.10-01 (a password cannot be read in a log)
#[test]
fn a_packet_is_printed_in_full_but_for_its_password() {
    let print = |name: &str| {
        let frame = vectors().take(name);
        let (header, message) = ipv4::parse_header(&frame[14..]).unwrap();
        View::new(message, IpAddr::V4(header.source), IpAddr::V4(header.destination)).unwrap().to_string()
    };
    assert_eq!(
        print("W-V2-100"),
        "VRRPv2 type 1 192.0.2.1 > 224.0.0.18 vrid 51 priority 100 count 1 auth type 0 interval 1 s checksum 0xb865 \
         length 20 of 20 addresses [192.0.2.100] trailer 0000000000000000"
    );
    assert_eq!(
        print("W-V2-PASS-3"),
        "VRRPv2 type 1 192.0.2.1 > 224.0.0.18 vrid 52 priority 255 count 3 auth type 1 interval 1 s checksum 0x25a5 \
         length 28 of 28 addresses [192.0.2.101, 192.0.2.102, 198.51.100.7] trailer ********"
    );
    assert_eq!(
        print("W-V3-4-25CS"),
        "VRRPv3 type 1 192.0.2.1 > 224.0.0.18 vrid 7 priority 255 count 2 reserved 0x0 interval 25 cs checksum 0xa87d \
         length 16 of 16 addresses [192.0.2.100, 192.0.2.101]"
    );
}
