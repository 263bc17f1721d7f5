//! An Ethernet frame, read as ARP. Nothing panics, everything prints, and what parses is emitted octet for octet.
#![no_main]

use libfuzzer_sys::fuzz_target;
use standfast_wire::arp::{FRAME_LEN, Frame, View};

fuzz_target!(|octets: &[u8]| {
    let Ok(view) = View::new(octets) else { return };
    assert!(!view.to_string().is_empty());
    let parsed = Frame::parse(octets);
    assert_eq!(parsed.is_ok(), view.check().is_ok());
    if let Ok(frame) = parsed {
        assert_eq!(frame.emit()[..], octets[..FRAME_LEN]);
        assert!(!(frame.is_gratuitous() && frame.is_probe()));
    }
});
