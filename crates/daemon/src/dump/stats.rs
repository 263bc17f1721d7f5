//! `keepalived.stats`: the counters of every instance, line by line as keepalived has them.

use core::fmt::Write as _;
use standfast_api::VrrpStatus;
use standfast_model::{Refusal, VrrpCounters};

/// The text, instances in the order of the configuration.
#[must_use]
pub fn stats(vrrp: &VrrpStatus) -> String {
    let mut text = String::new();
    for instance in &vrrp.instances {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "VRRP Instance: {}", instance.name);
        for (title, lines) in sections(&instance.counters) {
            match lines.as_slice() {
                // A section of one number has no title of its own.
                [("", count)] => {
                    let _ = writeln!(text, "  {title}: {count}");
                }
                lines => {
                    let _ = writeln!(text, "  {title}:");
                    for (label, count) in lines {
                        let _ = writeln!(text, "    {label}: {count}");
                    }
                }
            }
        }
    }
    text
}

type Section = (&'static str, Vec<(&'static str, u64)>);

fn sections(counters: &VrrpCounters) -> Vec<Section> {
    let of = |reason| counters.refused(reason);
    vec![
        ("Advertisements", vec![("Received", counters.advert_received), ("Sent", counters.advert_sent)]),
        ("Became master", vec![("", counters.become_master)]),
        ("Released master", vec![("", counters.release_master)]),
        (
            "Packet Errors",
            vec![
                ("Length", of(Refusal::Length)),
                ("TTL", of(Refusal::Ttl)),
                ("Invalid Type", of(Refusal::Type)),
                ("Advertisement Interval", of(Refusal::Interval)),
                ("Address List", counters.address_list_differs),
            ],
        ),
        (
            "Authentication Errors",
            vec![
                ("Invalid Type", of(Refusal::AuthTypeUnknown)),
                ("Type Mismatch", of(Refusal::AuthTypeMismatch)),
                ("Failure", of(Refusal::AuthFailure)),
            ],
        ),
        (
            "Authentication Extension Errors",
            vec![
                ("Missing", of(Refusal::ProofMissing)),
                ("Malformed", of(Refusal::ProofMalformed)),
                ("Unknown Key", of(Refusal::ProofKey)),
                ("Invalid HMAC", of(Refusal::ProofInvalid)),
                ("Stale", of(Refusal::ProofStale)),
                ("Replay", of(Refusal::ProofReplay)),
            ],
        ),
        ("Priority Zero", vec![("Received", counters.priority_zero_received), ("Sent", counters.priority_zero_sent)]),
    ]
}
