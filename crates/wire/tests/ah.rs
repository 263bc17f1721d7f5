//! The authentication header of version 2: keepalived's octets in both directions, and every octet that it guards.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a vector that cannot be read is a failed test")]

use standfast_model::{AdvertInterval, InterfaceIndex, Password, Priority, Vrid};
use standfast_wire::vrrp::{Advert, Authentication, Coverage, GROUP_V4, Protocol, View};
use standfast_wire::{Received, Unreadable, ah, ipv4};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The vectors that no test has looked at yet.
struct Table(BTreeMap<&'static str, Vec<u8>>);

impl Table {
    fn take(&mut self, name: &str) -> Vec<u8> {
        self.0.remove(name).unwrap_or_else(|| panic!("no vector {name}, or taken twice"))
    }

    fn nothing_left_of(&self, prefix: &str) {
        assert!(!self.0.keys().any(|name| name.starts_with(prefix)), "not tested: {:?}", self.0.keys());
    }
}

fn octets(digits: &str) -> Vec<u8> {
    let pairs = digits.trim().as_bytes().chunks(2);
    pairs.map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

fn vectors() -> Table {
    let lines = include_str!("ah.txt").lines().filter(|line| !line.starts_with('#'));
    Table(lines.map(|line| line.split_once(' ').unwrap()).map(|(name, digits)| (name, octets(digits))).collect())
}

fn key() -> Password {
    Password::truncating(b"s3cr3t")
}

fn received(packet: &[u8]) -> Result<Received<'_>, Unreadable> {
    Received::of_ipv4(InterfaceIndex(2), packet)
}

fn header(packet: &[u8]) -> ah::Header<'_> {
    received(packet).unwrap().ah.unwrap()
}

fn advert(vrid: u8, priority: u8) -> Advert<Ipv4Addr> {
    let protocol = Protocol::V2 { interval: AdvertInterval::DEFAULT, authentication: Authentication::Header };
    let addresses = vec![Ipv4Addr::new(192, 0, 2, 100)];
    Advert { vrid: Vrid::new(vrid).unwrap(), priority: Priority::new(priority), protocol, addresses }
}

// REQ: VRRP2A-5.3.6-03 VRRP2A-AH-01 VRRP2A-AH-02
#[test]
fn authenticated_adverts_encode_to_keepaliveds_octets_and_decode_again() {
    let mut table = vectors();
    let source = Ipv4Addr::new(192, 0, 2, 1);
    for (name, vrid, priority, destination, number) in [
        ("GOOD-1", 53, 255, GROUP_V4, 1),
        ("GOOD-PRIO0", 53, 0, GROUP_V4, 4),
        // The TTL is not covered where it may change on the way.
        ("GOOD-UNI-2", 51, 200, Ipv4Addr::new(192, 0, 2, 2), 1),
        ("GOOD-UNI-3", 51, 200, Ipv4Addr::new(192, 0, 2, 3), 1),
    ] {
        let packet = table.take(name);
        let envelope = ipv4::Envelope { source, destination, identification: number };
        let expected = advert(vrid, priority);
        let emitted = expected.emit_authenticated_packet(&envelope, &key(), u32::from(number));
        assert_eq!(emitted, packet, "{name}");
        assert!(ipv4::header_is_intact(&emitted), "{name}");
        let received = received(&packet).unwrap();
        let header = received.ah.unwrap();
        assert!(header.verifies(&key()), "{name}");
        assert_eq!((header.spi(), header.sequence()), (source, u32::from(number)), "{name}");
        let view = View::of(&received).unwrap();
        assert_eq!(Advert::parse(&view, &Coverage::BOTH), Ok((expected, Coverage::MessageOnly)), "{name}");
    }
    table.nothing_left_of("GOOD");
}

// REQ: VRRP2A-5.3.6-03 VRRP2A-AH-02
#[test]
fn every_octet_is_guarded_but_for_those_that_change_on_the_way() {
    let mut table = vectors();
    // Type of service, fragments, checksum; to a peer the TTL as well.
    for (name, free) in [("GOOD-1", &[1, 6, 7, 10, 11][..]), ("GOOD-UNI-2", &[1, 6, 7, 8, 10, 11])] {
        let good = table.take(name);
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                let believed = received(&bad).ok().and_then(|packet| packet.ah).is_some_and(|ah| ah.verifies(&key()));
                // A fragment is no packet, whoever vouches for it.
                let fragment = at == 7 || (at == 6 && bit <= 5);
                assert_eq!(believed, free.contains(&at) && !fragment, "{name}: octet {at}, bit {bit}");
            }
        }
        assert!(!header(&good).verifies(&Password::truncating(b"s3cr3")), "{name}: a prefix of the key");
        assert!(!header(&good).verifies(&Password::truncating(b"")), "{name}: no key");
    }
}

// REQ: VRRP2A-AH-06
#[test]
fn what_keepalived_refuses_is_told_apart() {
    let mut table = vectors();
    for (name, sequence) in [("AH-REPLAY", 5000), ("AH-OLD", 4999), ("AH-TTL", 5006)] {
        let packet = table.take(name);
        assert!(header(&packet).verifies(&key()), "{name}");
        assert_eq!(header(&packet).sequence(), sequence, "{name}");
    }
    for name in ["AH-KEY", "AH-ICV", "AH-PRIO", "AH-SPI"] {
        assert!(!header(&table.take(name)).verifies(&key()), "{name}");
    }
    assert_eq!(received(&table.take("AH-NEXT")), Err(Unreadable::Ah(ah::Error::NextHeader(17))));
    for name in ["AH-INNER-CSUM", "AH-INNER-AUTH"] {
        assert!(header(&table.take(name)).verifies(&key()), "{name}: the flaw is inside");
    }
    table.nothing_left_of("AH");
}

#[test]
fn what_is_no_header_of_a_vrrp_message_is_refused_whatever_its_length() {
    let good = vectors().take("GOOD-1");
    for length in 0..=good.len() {
        let mut cut = good[..length].to_vec();
        if length >= 20 {
            cut[3] = u8::try_from(length).unwrap();
        }
        assert_eq!(received(&cut).is_ok(), length >= 44, "{length} octets");
    }
    let mut long = good.clone();
    long[21] = 5;
    assert_eq!(received(&long), Err(Unreadable::Ah(ah::Error::Length(5))));
    let mut options = good.clone();
    options[0] = 0x46;
    options.splice(20..20, [1, 1, 1, 1]);
    options[3] += 4;
    assert_eq!(received(&options), Err(Unreadable::Ah(ah::Error::Options)));
    assert!(!format!("{:?}", header(&good)).contains("dc63"), "the value is not shown");
}
