//! A UDP payload, read as a BFD control packet. Nothing panics, and what parses is emitted octet for octet up to the
//! fields that are not ours to say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use standfast_wire::bfd::{Control, LEN};

fuzz_target!(|octets: &[u8]| {
    let Ok(packet) = Control::parse(octets) else { return };
    let emitted = packet.emit();
    assert_eq!(emitted[..3], octets[..3]);
    assert_eq!(usize::from(emitted[3]), LEN);
    assert_eq!(emitted[4..], octets[4..LEN]);
    assert_eq!(Control::parse(&emitted), Ok(packet));
});
