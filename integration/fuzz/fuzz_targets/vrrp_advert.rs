//! A VRRP message, read as if it had come over IPv4 and over IPv6. Nothing panics, everything prints, and what parses
//! is emitted and parsed again to the same advertisement.
#![no_main]

use libfuzzer_sys::fuzz_target;
use standfast_wire::ipv4;
use standfast_wire::vrrp::{Advert, Coverage, GROUP_V4, GROUP_V6, PROOF_LEN, Proof, View};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

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

fuzz_target!(|message: &[u8]| {
    Coverage::BOTH.map(|coverage| over_ipv4(message, coverage));
    over_ipv6(message);
});
