//! Events in the form that programs get: `/api/v1/events` and the stream of the page.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use standfast_api::EventKind;
use standfast_api::control::Recorded;
use std::collections::BTreeMap;

/// Something that has happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Happened {
    /// Counted from 1 over the life of the history.
    pub number: u64,
    /// When, in milliseconds since 1970, UTC.
    pub at_unix_ms: u64,
    /// What it is about: `transition`, `quorum`, `server`, `daemon` or `lost`.
    pub about: About,
    /// The process that said it, by its name in the system's log; empty where events were lost.
    pub process: String,
    /// The severity of syslog: 3 error, 4 warning, 6 informational.
    pub severity: u8,
    /// The line.
    pub message: String,
    /// Its fields.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
}

/// What an event is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// A virtual router or sync group changed its state.
    Transition,
    /// A virtual server gained or lost its quorum.
    Quorum,
    /// A real server came or went.
    Server,
    /// Anything else that the daemon said.
    Daemon,
    /// Events were lost here.
    Lost,
}

impl About {
    /// Whether it is a change that belongs on a time line.
    #[must_use]
    pub const fn is_change(self) -> bool {
        match self {
            Self::Transition | Self::Quorum | Self::Server => true,
            Self::Daemon | Self::Lost => false,
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Transition => "router",
            Self::Quorum => "service",
            Self::Server => "server",
            Self::Daemon => "daemon",
            Self::Lost => "lost",
        }
    }
}

/// What the lines of a real server that came or went begin with.
const OF_SERVERS: [&str; 4] = ["Adding ", "Removing ", "Enabling ", "Disabling "];

/// What the lines of a quorum begin with.
const OF_QUORUM: [&str; 2] = ["Gained quorum", "Lost quorum"];

impl Happened {
    /// The event in this form.
    #[must_use]
    pub fn of(recorded: &Recorded) -> Self {
        let at_unix_ms = u64::try_from(recorded.unix.as_millis()).unwrap_or(u64::MAX);
        match &recorded.event.kind {
            EventKind::Said(said) => {
                let begins = |words: &[&str]| words.iter().any(|word| said.message.starts_with(word));
                let about = if said.field("to").is_some() {
                    About::Transition
                } else if begins(&OF_QUORUM) {
                    About::Quorum
                } else if begins(&OF_SERVERS) {
                    About::Server
                } else {
                    About::Daemon
                };
                Self {
                    number: recorded.number,
                    at_unix_ms,
                    about,
                    process: said.process.clone(),
                    severity: said.severity,
                    message: said.message.clone(),
                    fields: said.fields.iter().cloned().collect(),
                }
            }
            EventKind::Lost { events } => Self {
                number: recorded.number,
                at_unix_ms,
                about: About::Lost,
                process: String::new(),
                severity: 4,
                message: format!("{events} events were lost here"),
                fields: BTreeMap::new(),
            },
        }
    }
}
