//! A VRRP message, read as if it had come over IPv4 and over IPv6. Nothing panics, everything prints, and what parses
//! is emitted and parsed again to the same advertisement.

use core::time::Duration;
use standfast_model::{InterfaceIndex, Password};
use standfast_wire::vrrp::{Advert, Coverage, GROUP_V4, GROUP_V6, PROOF_LEN, Proof, View};
use standfast_wire::{Received, ah, ipv4};
use std::net::{Ipv4Addr, Ipv6Addr};

const ENVELOPE: ipv4::Envelope =
    ipv4::Envelope { source: Ipv4Addr::new(192, 0, 2, 1), destination: GROUP_V4, identification: 1 };
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// Mends the checksum, which chance would hardly ever find.
fn mended(message: &[u8], view: &View<'_>, coverage: Coverage) -> Vec<u8> {
    let mut mended = message.to_vec();
    mended[6..8].copy_from_slice(&view.expected_checksum(coverage).to_be_bytes());
    mended
}

fn look_at(view: &View<'_>) {
    assert!(!view.to_string().is_empty());
    assert!(view.addresses().len() <= usize::from(view.count()));
    assert_eq!(view.trailer().is_some(), view.password().is_some());
}

/// A trailer that is there can be looked at, whatever its octets are, and is no other key's.
fn prove(view: &View<'_>) {
    let Some((advert, proof)) = view.split_proof() else { return };
    assert_eq!(advert.octets().len() + PROOF_LEN, view.octets().len());
    let _ = (proof.check_form(), proof.sequence().skew(Duration::from_secs(1)));
    let ours = Proof::sign(&[7; 32], proof.key_id(), proof.sequence(), advert.source(), advert.octets());
    assert!(ours.verifies(&[7; 32], &advert) && !ours.verifies(&[8; 32], &advert));
}

fn over_ipv4(message: &[u8], coverage: Coverage) {
    let of = |message| View::new(message, ENVELOPE.source.into(), ENVELOPE.destination.into());
    let Ok(view) = of(message) else { return };
    look_at(&view);
    prove(&view);
    let _ = Advert::<Ipv6Addr>::parse(&view, &Coverage::BOTH);
    let message = mended(message, &view, coverage);
    let view = of(&message).expect("as long as before");
    let Ok((advert, _)) = Advert::<Ipv4Addr>::parse(&view, &[coverage]) else { return };
    let packet = advert.emit_packet(&ENVELOPE, coverage);
    let (_, emitted) = ipv4::parse_header(&packet).expect("our own packet");
    assert_eq!(emitted.len(), message.len());
    let view = of(emitted).expect("our own message");
    assert_eq!(Advert::parse(&view, &[coverage]).expect("our own advertisement").0, advert);
}

fn over_ipv6(message: &[u8]) {
    let of = |message| View::new(message, LINK_LOCAL.into(), GROUP_V6.into());
    let Ok(view) = of(message) else { return };
    look_at(&view);
    prove(&view);
    let message = mended(message, &view, Coverage::PseudoHeader);
    let view = of(&message).expect("as long as before");
    let Ok((advert, _)) = Advert::<Ipv6Addr>::parse(&view, &Coverage::BOTH) else { return };
    let emitted = advert.emit_message(LINK_LOCAL, GROUP_V6);
    assert_eq!(emitted.len(), message.len());
    let view = of(&emitted).expect("our own message");
    assert_eq!(Advert::parse(&view, &Coverage::BOTH).expect("our own advertisement").0, advert);
}

/// Any packet of any length behind any IPv4 header, as a socket for protocol 51 delivers it.
fn authenticated(packet: &[u8]) {
    let key = Password::truncating(b"s3cr3t");
    if let Ok(Received { ah: Some(header), message, .. }) = Received::of_ipv4(InterfaceIndex(2), packet) {
        assert!(!header.verifies(&key), "a value that nobody made");
        assert_eq!(header.message(), message);
        assert!(!format!("{header:?}").is_empty());
    }
    // What is in front of a message that is one, is as long as it should be and believed.
    let Ok(view) = View::new(packet, ENVELOPE.source.into(), ENVELOPE.destination.into()) else { return };
    let message = mended(packet, &view, Coverage::MessageOnly);
    let view = View::new(&message, ENVELOPE.source.into(), ENVELOPE.destination.into()).expect("as long as before");
    let Ok((advert, _)) = Advert::<Ipv4Addr>::parse(&view, &[Coverage::MessageOnly]) else { return };
    let emitted = advert.emit_authenticated_packet(&ENVELOPE, &key, 7);
    assert_eq!(emitted.len(), 20 + ah::HEADER_LEN + message.len());
    let received = Received::of_ipv4(InterfaceIndex(2), &emitted).expect("our own packet");
    assert!(received.ah.is_some_and(|header| header.verifies(&key) && header.sequence() == 7));
}

/// A message without its IP header.
pub fn advert(message: &[u8]) {
    authenticated(message);
    for coverage in Coverage::BOTH {
        over_ipv4(message, coverage);
    }
    over_ipv6(message);
}
