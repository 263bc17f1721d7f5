//! Every packet that a router refuses: what the octets alone decide is decided with its reason, and what needs the
//! configuration is left readable for who has it.
#![expect(clippy::unwrap_used, reason = "a vector that cannot be read is a failed test")]

#[cfg(test)]
mod table;

use standfast_model::{AdvertInterval, Password, Refusal};
use standfast_wire::vrrp::{Advert, AuthType, Coverage, Error, Kind, View};
use standfast_wire::{ipv4, vrrp};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use table::{Table, ipv6, split_ipv6};

const DEFAULT: &[Coverage] = &[Coverage::PseudoHeader];

/// What the octets alone are wrong in, first reason first.
const MALFORMED: [(&str, Error); 28] = [
    // A version nobody defines has no trailer, so it is measured before its version is looked at.
    ("V2-VER4", Error::TooLong { have: 20, need: 12 }),
    ("V2-TYPE2", Error::Type(2)),
    ("V2-TYPE0", Error::Type(0)),
    ("V2-NOTRAILER", Error::TooShort { have: 12, need: 20 }),
    ("V2-7OCTETS", Error::Short { have: 7 }),
    ("V2-8OCTETS", Error::TooShort { have: 8, need: 20 }),
    ("V2-TRAILING4", Error::TooLong { have: 24, need: 20 }),
    ("V2-COUNT2", Error::TooShort { have: 20, need: 24 }),
    ("V2-COUNT0", Error::TooLong { have: 20, need: 16 }),
    ("V2-CSUM", Error::Checksum { found: 0x5464, expected: 0x5465 }),
    ("V2-CSUM0", Error::Checksum { found: 0, expected: 0x5465 }),
    ("V2-INT0", Error::Interval),
    ("V2-VRID0", Error::Vrid),
    ("V2-TOTLEN39", Error::TooShort { have: 19, need: 20 }),
    ("V3-MSGONLY", Error::Checksum { found: 0x4402, expected: 0xa170 }),
    ("V3-CSUM", Error::Checksum { found: 0x1234, expected: 0xa170 }),
    ("V3-VER0", Error::Version(0)),
    ("V3-TYPE0", Error::Type(0)),
    ("V3-TYPE2", Error::Type(2)),
    ("V3-TRAILING8", Error::TooLong { have: 20, need: 12 }),
    ("V3-COUNT2", Error::TooShort { have: 12, need: 16 }),
    ("V3-COUNT0", Error::AddressCount),
    ("V3-INT0", Error::Interval),
    ("V6-CSUM", Error::Checksum { found: 0x1234, expected: 0xa1fc }),
    ("V6-MSGONLY", Error::Checksum { found: 0xd82b, expected: 0xd9fb }),
    ("V6-TRUNC", Error::TooShort { have: 24, need: 40 }),
    ("V6-8OCTETS", Error::TooShort { have: 8, need: 40 }),
    ("V6-TRAILING16", Error::TooLong { have: 56, need: 40 }),
];

fn refused() -> Table {
    Table::read(include_str!("refused.txt"))
}

/// The TTL and a view of an IPv4 packet's message.
fn ipv4_view(packet: &[u8]) -> Result<(ipv4::Header, View<'_>), Error> {
    let (header, message) = ipv4::parse_header(packet).unwrap();
    Ok((header, View::new(message, header.source.into(), header.destination.into())?))
}

/// The first reason why a packet is no valid advertisement of its own version, and the whole view of it.
fn first_reason(packet: &[u8], allowed: &[Coverage]) -> Result<(), Error> {
    if packet.first().is_some_and(|first| first >> 4 == 4) {
        Advert::<Ipv4Addr>::parse(&ipv4_view(packet)?.1, allowed).map(|_| ())
    } else {
        let (source, destination, message) = split_ipv6(packet);
        Advert::<Ipv6Addr>::parse(&View::new(message, source.into(), destination.into())?, allowed).map(|_| ())
    }
}

// REQ: VRRP2-7.1-02 VRRP2-7.1-03 VRRP2-7.1-07 VRRP2-5.3.1-01 VRRP2-5.3.2-01 VRRP2-5.3.8-01 VRRP2-5.3.3-01 VRRP3-5.2.2-01
// REQ: VRRP3-5.2.5-01 VRRP3-5.2.7-02 VRRP3-5.2.8-02 VRRP3-5.2.8-03 KA-BUG-02 VRRP3-7.1-06
#[test]
fn malformed_messages_are_refused_with_the_reason_that_comes_first() {
    let mut table = refused();
    for (name, reason) in MALFORMED {
        assert_eq!(first_reason(&table.take(name), DEFAULT), Err(reason), "{name}");
    }
}

/// What a valid packet of another router says, for the checks that need a configuration.
#[test]
fn what_only_a_configuration_can_refuse_is_valid_and_readable() {
    let mut table = refused();
    let mut valid = |name: &str| {
        let packet = table.take(name);
        assert_eq!(first_reason(&packet, DEFAULT), Ok(()), "{name}");
        packet
    };
    let view_of = |packet: &[u8], read: &dyn Fn(View<'_>) -> bool| read(ipv4_view(packet).unwrap().1);
    // REQ: VRRP2-5.2.3-02 VRRP3-5.1.1.3-01 VRRP3-5.1.2.3-01
    for (name, ttl) in [("V2-TTL254", 254), ("V2-TTL1", 1), ("V3-TTL254", 254)] {
        assert_eq!(ipv4_view(&valid(name)).unwrap().0.ttl, ttl, "{name}");
    }
    assert_eq!(valid("V6-HL254")[7], 254);
    // REQ: VRRP3-8.4.2-01
    for (name, version) in [("V2-VER3", 3), ("V3-V2", 2)] {
        assert!(view_of(&valid(name), &|view| view.version_nibble() == version), "{name}");
    }
    let version_2_in_ipv6 = valid("V6-V2");
    assert_eq!(version_2_in_ipv6[40] >> 4, 2);
    // REQ: VRRP2-5.3.6-02
    for (name, auth_type) in [("V2-AUTH1", AuthType::SimpleText), ("V2-AUTH3", AuthType::Unknown(3))] {
        assert!(view_of(&valid(name), &|view| view.auth_type() == auth_type), "{name}");
    }
    assert!(view_of(&valid("V2-PASS-NONE"), &|view| view.auth_type() == AuthType::None));
    // REQ: VRRP2A-5.3.10-01
    for name in ["V2-PASS-CASE", "V2-PASS-PREFIX", "V2-PASS-TAIL", "V2-PASS-PRIO0"] {
        let ours = Some(Password::truncating(b"s3cr3t"));
        assert!(view_of(&valid(name), &|view| view.password().is_some() && view.password() != ours), "{name}");
    }
    // REQ: VRRP2-7.1-06
    assert!(view_of(&valid("V2-INT2"), &|view| view.interval() == Ok(AdvertInterval::from_seconds(2).unwrap())));
    // REQ: VRRP2-7.1-08
    for (name, vrid) in [("V2-VRID52", 52), ("V3-VRID9", 9)] {
        assert!(view_of(&valid(name), &|view| view.vrid() == vrid && view.kind() == Kind::Advertisement), "{name}");
    }
    // REQ: VRRP2-7.1-05 VRRP3-7.1-04
    let other = [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 200))];
    for name in ["V2-ADDR", "V2-ADDR-OWNER", "V3-ADDR"] {
        assert!(view_of(&valid(name), &|view| view.addresses().eq(other)), "{name}");
    }
    assert!(view_of(&valid("V2-ADDR2"), &|view| view.addresses().len() == 2 && view.count() == 2));
    // REQ: VRRP2-7.1-09
    assert!(view_of(&valid("V2-UNICAST"), &|view| view.destination() == Ipv4Addr::new(192, 0, 2, 1)));
    assert!(view_of(&valid("V2-OWNSRC"), &|view| view.source() == Ipv4Addr::new(192, 0, 2, 1)));
    assert!(!ipv4::header_is_intact(&valid("V2-IPCSUM")));
    // REQ: VRRP3-5.2.9-02
    for (name, first) in [
        ("V6-GLOBALFIRST", "2001:db8::100"),
        ("V6-COUNT1", "2001:db8::100"),
        ("V6-ADDR", "fe80::100"),
        ("V6-SRCGLOBAL", "fe80::100"),
    ] {
        let packet = valid(name);
        let (source, destination, message) = split_ipv6(&packet);
        let view = View::new(message, source.into(), destination.into()).unwrap();
        assert_eq!(view.addresses().next(), Some(ipv6(first).into()), "{name}");
    }
    assert_eq!(ipv4::parse_header(&table.take("V2-FRAG")), Err(ipv4::Error::Fragment));
    for (name, _) in MALFORMED {
        table.take(name);
    }
    table.nothing_left_of(&["V"]);
}

// REQ: VRRP3-5.2.8-04 VRRP3-5.2.8-05 KA-BUG-03
#[test]
fn both_readings_of_the_version_3_checksum_can_be_allowed_and_told_apart_and_garbage_fits_neither() {
    let mut table = refused();
    let (message_only, default) = (table.take("V3-MSGONLY"), table.take("V3-ADDR"));
    let garbage = table.take("V3-CSUM");
    let read = |packet: &[u8], allowed: &[Coverage]| ipv4_view(packet).unwrap().1.check_checksum(allowed);
    assert_eq!(read(&message_only, &Coverage::BOTH), Ok(Coverage::MessageOnly));
    assert_eq!(read(&message_only, &[Coverage::MessageOnly]), Ok(Coverage::MessageOnly));
    assert_eq!(read(&default, &Coverage::BOTH), Ok(Coverage::PseudoHeader));
    assert!(read(&default, &[Coverage::MessageOnly]).is_err());
    for allowed in [&Coverage::BOTH[..], &[Coverage::MessageOnly], &[Coverage::PseudoHeader], &[]] {
        assert_eq!(read(&garbage, allowed).unwrap_err().refusal(), Refusal::Checksum, "{allowed:?}");
    }
}

/// Trailing octets aside, the order of the checks of keepalived is the order of `Advert::parse`.
// REQ: VRRP2-7.1-07
#[test]
fn a_packet_wrong_in_every_way_gives_the_reasons_in_order_as_it_is_mended() {
    let mut table = Table::read(include_str!("vectors.txt"));
    let mut packet = table.take("W-V3-4-100").split_off(14);
    let good = packet.clone();
    // Octets of the message: version and type, VRID, count, interval, checksum.
    for (at, wrong) in [(20, 0x42), (21, 0), (23, 2), (25, 0), (27, 0xff)] {
        packet[at] = wrong;
    }
    let mut reasons = vec![];
    for (at, right) in [(23, 0), (20, 0x32), (25, good[25]), (20, 0x31), (23, good[23]), (27, good[27])] {
        reasons.push(first_reason(&packet, DEFAULT).unwrap_err().refusal());
        if (at, right) == (23, 0) {
            packet[3] = 28;
        } else if at == 23 {
            packet[3] = 32;
        }
        packet[at] = right;
    }
    let refusal =
        [Refusal::Length, Refusal::Version, Refusal::Interval, Refusal::Type, Refusal::AddressCount, Refusal::Checksum];
    assert_eq!(reasons, refusal);
    // With VRID 0 the checksum is still wrong; made right, the VRID is the last reason.
    let (_, view) = ipv4_view(&packet).unwrap();
    let checksum = view.expected_checksum(Coverage::PseudoHeader).to_be_bytes();
    packet[26..28].copy_from_slice(&checksum);
    assert_eq!(first_reason(&packet, DEFAULT), Err(Error::Vrid));
    packet[21] = good[21];
    packet[26..28].copy_from_slice(&good[26..28]);
    assert_eq!(first_reason(&packet, DEFAULT), Ok(()));
}

// REQ: VRRP2-5.3.10-01 VRRP3-5.2.6-01
#[test]
fn garbage_that_must_be_ignored_is_ignored() {
    let mut table = Table::read(include_str!("vectors.txt"));
    let mend = |packet: &mut Vec<u8>| {
        let checksum = ipv4_view(packet).unwrap().1.expected_checksum(Coverage::PseudoHeader).to_be_bytes();
        packet[26..28].copy_from_slice(&checksum);
    };
    let mut trailer = table.take("W-V2-100").split_off(14);
    trailer[32..40].copy_from_slice(b"garbage!");
    mend(&mut trailer);
    let parse = |packet: &[u8]| Advert::<Ipv4Addr>::parse(&ipv4_view(packet).unwrap().1, DEFAULT).unwrap().0;
    let vrrp::Protocol::V2 { authentication, .. } = parse(&trailer).protocol else { panic!("version 2") };
    assert_eq!(authentication, vrrp::Authentication::None);
    let mut reserved = table.take("W-V3-4-100").split_off(14);
    reserved[24] |= 0xf0;
    mend(&mut reserved);
    assert_eq!(parse(&reserved).protocol, vrrp::Protocol::V3 { interval: AdvertInterval::DEFAULT });
}

// REQ: VRRP2-7.1-02
#[test]
fn no_truncation_of_a_packet_is_an_advertisement() {
    for name in ["W-V2-3ADDR", "W-V2-PASS-3", "W-V3-4-25CS"] {
        let packet = Table::read(include_str!("vectors.txt")).take(name).split_off(14);
        let (header, whole) = ipv4::parse_header(&packet).unwrap();
        for length in 0..whole.len() {
            let view = View::new(&whole[..length], header.source.into(), header.destination.into());
            let parsed = view.and_then(|view| Advert::<Ipv4Addr>::parse(&view, &Coverage::BOTH));
            assert_eq!(parsed.unwrap_err().refusal(), Refusal::Length, "{name} cut to {length}");
        }
    }
}
