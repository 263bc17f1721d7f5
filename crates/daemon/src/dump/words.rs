//! How keepalived writes commands, addresses and moments in its dumps.

use core::time::Duration;
use standfast_api::DaemonStatus;
use standfast_model::config::script::Script;
use standfast_model::config::vrrp::Instance;
use standfast_model::{Instant, Scope, VirtualAddress};

/// A command line, each word in quotes: `'/usr/bin/true' 'a'`.
pub(super) fn command(script: &Script) -> String {
    let words: Vec<String> = script.words.iter().map(|word| format!("'{}'", String::from_utf8_lossy(word))).collect();
    words.join(" ")
}

/// `192.0.2.100/24 dev east scope global set`; the prefix of a host's own address is left out, `set` says that it is
/// held.
pub(super) fn address(instance: &Instance, entry: &VirtualAddress, held: bool) -> String {
    let net = entry.address;
    let mut text = net.addr().to_string();
    if net.prefix_len() != net.max_prefix_len() {
        text.push_str(&format!("/{}", net.prefix_len()));
    }
    if let Some(broadcast) = entry.broadcast {
        text.push_str(&format!(" brd {broadcast}"));
    }
    let interface = entry.interface.as_ref().unwrap_or(&instance.interface);
    text.push_str(&format!(" dev {interface}"));
    if net.addr().is_ipv4() {
        text.push_str(&format!(" scope {}", scope(entry.scope)));
    }
    if let Some(label) = &entry.label {
        text.push_str(&format!(" label {label}"));
    }
    if held {
        text.push_str(" set");
    }
    text
}

fn scope(scope: Scope) -> String {
    match scope {
        Scope::Global => "global".to_owned(),
        Scope::Site => "site".to_owned(),
        Scope::Link => "link".to_owned(),
        Scope::Host => "host".to_owned(),
        Scope::Nowhere => "nowhere".to_owned(),
        Scope::Other(number) => number.to_string(),
    }
}

/// A moment as seconds since 1970 with six decimals, by the wall clock of the status.
pub(super) fn unix(daemon: &DaemonStatus, at: Instant) -> String {
    let then = daemon.unix.saturating_sub(daemon.at.since(at));
    format!("{}.{:06}", then.as_secs(), then.subsec_micros())
}

/// Seconds as C's `%g` writes them: `1`, `0.5`.
pub(super) fn seconds(duration: Duration) -> String {
    let text = format!("{}.{:06}", duration.as_secs(), duration.subsec_micros());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
