//! Colours, shapes and words: each meaning has all three.

use crate::directors::Mastership;
use crate::judgement::Verdict;
use crate::moment;
use crate::report::{Server, Service};
use core::time::Duration;
use maud::{Markup, html};

/// What something means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    /// As it should be, and active.
    Good,
    /// As it should be, and waiting.
    Quiet,
    /// To be looked at.
    Warn,
    /// Not as it should be.
    Bad,
    /// Not known.
    None,
}

impl Class {
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Quiet | Self::None => "none",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }

    pub(super) const fn shape(self) -> &'static str {
        match self {
            Self::Good => "\u{25cf}",
            Self::Quiet => "\u{25cb}",
            Self::Warn => "\u{25b2}",
            Self::Bad => "\u{2716}",
            Self::None => "\u{2013}",
        }
    }
}

/// A length of time in words.
pub(super) fn length(ms: u64) -> String {
    moment::length(Duration::from_millis(ms))
}

/// A moment, for people and for machines.
pub(super) fn time(unix_ms: u64) -> Markup {
    let unix = Duration::from_millis(unix_ms);
    html! { time datetime=(moment::iso(unix)) { (moment::utc(unix)) } }
}

/// A shape and a word.
pub(super) fn mark(class: Class, word: &str) -> Markup {
    html! { span class={ "s " (class.class()) } { i aria-hidden="true" { (class.shape()) } (word) } }
}

pub(super) const fn of_verdict(verdict: Verdict) -> Class {
    match verdict {
        Verdict::Ok => Class::Good,
        Verdict::Warning => Class::Warn,
        Verdict::Critical => Class::Bad,
    }
}

/// A state of a virtual router, as any director says it: a word of another release is only shown.
pub(super) fn of_state(state: &str) -> Class {
    match state {
        "MASTER" => Class::Good,
        "BACKUP" => Class::Quiet,
        "FAULT" => Class::Bad,
        "INIT" => Class::Warn,
        _ => Class::None,
    }
}

pub(super) const fn of_mastership(mastership: Mastership) -> Option<(Class, &'static str)> {
    match mastership {
        Mastership::One => Some((Class::Good, "one master")),
        Mastership::Several => Some((Class::Bad, "more than one master")),
        Mastership::Nobody => Some((Class::Bad, "no master")),
        Mastership::Unknown => None,
    }
}

pub(super) const fn of_service(service: &Service) -> (Class, &'static str) {
    match (service.has_quorum, service.on_sorry_server) {
        (_, true) => (Class::Warn, "sorry server"),
        (false, false) => (Class::Bad, "no quorum"),
        (true, false) if service.live < service.total => (Class::Warn, "degraded"),
        (true, false) => (Class::Good, "up"),
    }
}

pub(super) fn of_server(server: &Server) -> (Class, &str) {
    match (server.up, server.ordered.as_deref()) {
        (false, _) => (Class::Bad, "down"),
        (true, Some(word)) => (Class::Warn, word),
        (true, None) => (Class::Good, "up"),
    }
}
