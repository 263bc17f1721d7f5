//! The payload of an IPVS message, read as a service and as a destination of either family. Nothing panics, and what is
//! read prints.
#![no_main]

use libfuzzer_sys::fuzz_target;
use standfast_kernel::ipvs::{decode_destination, decode_service};
use standfast_model::ipvs::Family;

fuzz_target!(|payload: &[u8]| {
    if let Some((service, _)) = decode_service(payload) {
        assert!(!service.key.to_string().is_empty());
        assert!(service.persistence.is_none_or(|persistence| persistence.granularity <= 128));
    }
    for family in [Family::Inet, Family::Inet6] {
        if let Some((destination, _)) = decode_destination(payload, family) {
            assert!(!destination.key.to_string().is_empty());
        }
    }
});
