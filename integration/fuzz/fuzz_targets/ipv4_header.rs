//! An IPv4 packet as a raw socket delivers it. Nothing panics, and a payload lies within the packet behind a header.
#![no_main]

use libfuzzer_sys::fuzz_target;
use standfast_wire::ipv4::{HEADER_LEN, header_is_intact, parse_header};

fuzz_target!(|packet: &[u8]| {
    let _ = header_is_intact(packet);
    if let Ok((header, payload)) = parse_header(packet) {
        let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
        assert!(payload.len() + HEADER_LEN <= total && total <= packet.len());
        assert!(packet[..total].ends_with(payload));
        assert_eq!(header.source.octets(), packet[12..16]);
        assert_eq!(header.destination.octets(), packet[16..20]);
    }
});
