//! What has happened, as the journal has it: one line with its fields.

use serde::{Deserialize, Serialize};
use standfast_model::Instant;

/// Something happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// What.
    pub kind: EventKind,
}

impl Event {
    /// Octets that it takes encoded, at most.
    #[must_use]
    pub fn bytes(&self) -> usize {
        // Lengths and numbers take up to ten octets each.
        const NUMBERS: usize = 64;
        let fields = match &self.kind {
            EventKind::Said(said) => {
                let fields = said.fields.iter().map(|(name, value)| name.len() + value.len() + 20);
                said.process.len() + said.message.len() + fields.sum::<usize>()
            }
            EventKind::Lost { events: _ } => 0,
        };
        NUMBERS + fields
    }
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A process of the daemon said it in the journal.
    Said(Said),
    /// The process could not tell of so many events since the last it told of.
    Lost {
        /// How many.
        events: u64,
    },
}

/// A line of the journal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Said {
    /// The process, by its name in the system's log: `Keepalived_vrrp`.
    pub process: String,
    /// The severity of syslog: 3 error, 4 warning, 6 informational.
    pub severity: u8,
    /// The line.
    pub message: String,
    /// Its fields, among them `instance`, `service`, `server` (what it is about), `from`, `to`, `cause`, and `up` (servers of
    /// the service that are up).
    pub fields: Vec<(String, String)>,
}

impl Said {
    /// A field by its name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
