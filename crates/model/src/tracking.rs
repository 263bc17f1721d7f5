//! What came of looking at something that is tracked, in the words of a cause.
//!
//! It owns no tracker and weighs nothing: what is tracked is configuration, what it means is decided in crate `vrrp`.

use core::fmt;
use serde::{Deserialize, Serialize};

/// How one run of a command ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Ended {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// Its time was up and it was killed (`timeout`).
    TimedOut,
    /// It never ran; why, in words.
    NotRun(String),
}

impl Ended {
    /// Whether a track script means by it that all is well: exit status 0 alone does (keepalived).
    #[must_use]
    pub const fn is_good(&self) -> bool {
        matches!(self, Self::Exited(0))
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exited {status}"),
            Self::Signalled(signal) => write!(f, "was ended by signal {signal}"),
            Self::TimedOut => f.write_str("timed out"),
            Self::NotRun(why) => write!(f, "could not be run: {why}"),
        }
    }
}

/// What is known of everything that is tracked, each in the order of the configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Known {
    /// `vrrp_script`s
    pub scripts: Vec<ScriptState>,
    /// The numbers in `track_file`s.
    pub files: Vec<i32>,
    /// How many of each `vrrp_track_process` run, none before they were counted, and whether that is enough.
    pub processes: Vec<(Option<u32>, bool)>,
    /// Whether each BFD session is up.
    pub bfd_sessions: Vec<bool>,
}

/// What is known of a `vrrp_script`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ScriptState {
    /// It has no result yet.
    Pending,
    /// It has no result yet and counts as failed until then (`init_fail`).
    PendingBad,
    /// Good.
    Good,
    /// Bad.
    Bad,
}
