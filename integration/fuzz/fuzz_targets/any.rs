//! The target that `STANDFAST_TARGET` names, given what libFuzzer makes up.
#![no_main]

use libfuzzer_sys::fuzz_target;
use standfast_hostile::{Target, find};
use std::sync::LazyLock;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("STANDFAST_TARGET").unwrap_or_default();
    find(&name).unwrap_or_else(|| panic!("STANDFAST_TARGET={name} is no target: see hostile --list"))
});

fuzz_target!(|octets: &[u8]| (TARGET.run)(octets));
