//! What goes over the channel between supervisor and workers, and a slice of the configuration. Nothing panics, and
//! what is a value is still that value after another way through octets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use standfast_api::{CheckSlice, FromWorker, PROTOCOL_VERSION, ToWorker, VrrpSlice, decode, encode};

/// Chance would not find the version that is looked at first.
fn with_version(body: &[u8]) -> Vec<u8> {
    [&PROTOCOL_VERSION.to_le_bytes(), body].concat()
}

macro_rules! comes_back {
    ($type:ty, $octets:expr) => {
        if let Ok(value) = decode::<$type>($octets) {
            let again = encode(&value).expect("a value without octets");
            assert_eq!(decode::<$type>(&again).as_ref(), Ok(&value));
        }
    };
}

fuzz_target!(|octets: &[u8]| {
    let _ = decode::<ToWorker>(octets);
    let octets = with_version(octets);
    comes_back!(ToWorker, &octets);
    comes_back!(FromWorker, &octets);
    comes_back!(VrrpSlice, &octets);
    comes_back!(CheckSlice, &octets);
});
