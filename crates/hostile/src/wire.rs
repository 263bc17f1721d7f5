//! Packets of the network, VRRP aside: what parses is emitted as it came.

use standfast_wire::exchange::{Datagram, MAX_LEN, sign};
use standfast_wire::ndisc::Advertisement;
use standfast_wire::{arp as arp_frame, bfd, ipv4};
use std::net::Ipv6Addr;

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

/// An Ethernet frame, read as ARP. Everything prints, and what parses is emitted octet for octet.
pub fn arp(octets: &[u8]) {
    let Ok(view) = arp_frame::View::new(octets) else { return };
    assert!(!view.to_string().is_empty());
    let parsed = arp_frame::Frame::parse(octets);
    assert_eq!(parsed.is_ok(), view.check().is_ok());
    if let Ok(frame) = parsed {
        assert_eq!(frame.emit()[..], octets[..arp_frame::FRAME_LEN]);
        assert!(!(frame.is_gratuitous() && frame.is_probe()));
    }
}

/// An ICMPv6 message as a raw socket delivers it, read as a neighbour advertisement. What it says of an address stands in it,
/// and nothing that came through a router is believed.
pub fn neighbour_advertisement(octets: &[u8]) {
    const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    assert!(Advertisement::parse(octets, ALL_NODES, Some(254)).is_err());
    let Ok(advertisement) = Advertisement::parse(octets, ALL_NODES, Some(255)) else { return };
    assert_eq!(advertisement.target.octets()[..], octets[8..24]);
    assert!(!advertisement.target.is_multicast());
    if let Some(mac) = advertisement.mac {
        assert!(octets[24..].windows(6).any(|window| window == mac.0));
    }
}

/// An IPv4 packet as a raw socket delivers it. A payload lies within the packet behind a header.
pub fn ipv4_header(packet: &[u8]) {
    let _ = ipv4::header_is_intact(packet);
    if let Ok((header, payload)) = ipv4::parse_header(packet) {
        let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
        assert!(payload.len() + ipv4::HEADER_LEN <= total && total <= packet.len());
        assert!(packet[..total].ends_with(payload));
        assert_eq!(header.source.octets(), packet[12..16]);
        assert_eq!(header.destination.octets(), packet[16..20]);
    }
}

/// A UDP payload, read as a BFD control packet. What parses is emitted octet for octet up to the fields that are not ours
/// to say.
pub fn bfd_control(octets: &[u8]) {
    let Ok(packet) = bfd::Control::parse(octets) else { return };
    let emitted = packet.emit();
    assert_eq!(emitted[..3], octets[..3]);
    assert_eq!(usize::from(emitted[3]), bfd::LEN);
    assert_eq!(emitted[4..], octets[4..bfd::LEN]);
    assert_eq!(bfd::Control::parse(&emitted), Ok(packet));
}

/// A UDP payload as what another director says. It is signed first, for chance would not find a signature. What is opened
/// is sealed again to the same octets, up to the octets that mean nothing yet.
pub fn exchange(octets: &[u8]) {
    assert!(Datagram::open(octets, b"another key of thirty-two octets").is_err());
    let signed = sign([&b"SFX1"[..], octets].concat(), KEY);
    let Ok(datagram) = Datagram::open(&signed, KEY) else { return };
    let sealed = datagram.seal(KEY);
    assert!(sealed.len() <= MAX_LEN);
    assert_eq!(Datagram::open(&sealed, KEY), Ok(datagram));
}
