//! A configuration of any bytes: it is read to its end, never panics, and every diagnostic can be shown.

#![no_main]

use libfuzzer_sys::fuzz_target;
use standfast_conf::host::Memory;
use standfast_conf::{Options, load, render, render_line, start_refused};
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let host = Memory::new().with_any_interface().file("/k.conf", bytes);
    let loaded = load(&host, Path::new("k.conf"), &Options::default());
    for diagnostic in &loaded.diagnostics {
        assert!(render(diagnostic, &loaded.sources, false).contains(diagnostic.code.id()));
        assert!(!render_line(diagnostic, &loaded.sources).contains('\n'));
    }
    assert_eq!(loaded.config.is_none(), start_refused(&loaded.diagnostics));
});
