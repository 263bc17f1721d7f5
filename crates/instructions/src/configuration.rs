//! Texts of configurations, and reading them.

use standfast_conf::host::Memory;
use standfast_conf::{Options, load};
use standfast_model::Config;
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;

/// Where the text is on the machine that is a value.
const FILE: &str = "/etc/keepalived/keepalived.conf";

/// Virtual servers in a configuration.
pub(crate) const SERVICES: usize = 100;

/// Real servers of each.
pub(crate) const SERVERS: usize = 10;

/// Virtual servers with TCP checks, as people write them; the last real server has the weight that is given.
fn services(last_weight: u32) -> String {
    let mut text = String::new();
    for service in 0..SERVICES {
        let _ = writeln!(text, "virtual_server 192.0.2.{} {} {{", service % 250 + 1, 80 + service / 250);
        text.push_str("    delay_loop 6\n    lb_algo wlc\n    lb_kind DR\n    protocol TCP\n\n");
        for server in 0..SERVERS {
            let _ = writeln!(text, "    real_server 10.0.{service}.{} 80 {{", server + 1);
            let is_last = (service, server) == (SERVICES - 1, SERVERS - 1);
            let _ = writeln!(text, "        weight {}", if is_last { last_weight } else { 1 });
            text.push_str("        TCP_CHECK {\n            connect_timeout 3\n        }\n    }\n");
        }
        text.push_str("}\n\n");
    }
    text
}

fn machine(text: String) -> Memory {
    Memory::new().with_any_interface().file(FILE, text)
}

/// The configuration that a text means.
///
/// # Panics
/// If it means none: every text is one of ours.
#[must_use]
#[expect(clippy::expect_used, reason = "a text of ours that is no configuration is our own bug")]
pub(crate) fn of(text: String) -> Config {
    let loaded = load(&machine(text), Path::new(FILE), &Options::default());
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    loaded.config.expect("a configuration")
}

/// That of the virtual servers.
#[must_use]
pub(crate) fn of_services() -> Config {
    of(services(1))
}

/// The same with another weight of the last real server.
#[must_use]
pub(crate) fn of_services_weighted(last_weight: u32) -> Config {
    of(services(last_weight))
}

/// Reads the configuration of the virtual servers.
pub(crate) fn read(times: u32) {
    let machine = machine(services(1));
    for _ in 0..times {
        black_box(load(black_box(&machine), Path::new(FILE), &Options::default()));
    }
}
