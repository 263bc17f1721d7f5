//! A UDP payload as what another director says. It is signed first, for chance would not find a signature. Nothing panics,
//! and what is opened is sealed again to the same octets, up to the octets that mean nothing yet.
#![no_main]

use libfuzzer_sys::fuzz_target;
use standfast_wire::exchange::{Datagram, MAX_LEN, sign};

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

fuzz_target!(|octets: &[u8]| {
    assert!(Datagram::open(octets, b"another key of thirty-two octets").is_err());
    let signed = sign([&b"SFX1"[..], octets].concat(), KEY);
    let Ok(datagram) = Datagram::open(&signed, KEY) else { return };
    let sealed = datagram.seal(KEY);
    assert!(sealed.len() <= MAX_LEN);
    assert_eq!(Datagram::open(&sealed, KEY), Ok(datagram));
});
