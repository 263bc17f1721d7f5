//! A datagram, read as the answer to a query: only one with the query's id and the mark of a response is one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use standfast_check::dns::{Reply, read};

fuzz_target!(|input: (u16, &[u8])| {
    let (id, octets) = input;
    match read(id, octets) {
        Reply::Answer => assert!(octets.len() >= 12 && octets[3] & 0x0f == 0),
        Reply::Refusal(code) => assert!(!code.to_string().is_empty()),
        Reply::Other => return,
    }
    assert!(octets[..2] == id.to_be_bytes() && octets[2] & 0x80 != 0);
});
