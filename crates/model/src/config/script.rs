//! Commands that are run: by trackers, checkers, notifications and at start and stop.

use serde::{Deserialize, Serialize};

/// Whom a command runs as.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id; supplementary groups are this one alone.
    pub gid: u32,
}

/// A command with its words.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Script {
    /// Program and arguments, at least the program; bytes, since a path need not be UTF-8.
    pub words: Vec<Vec<u8>>,
    /// Whom it runs as; none is the daemon itself.
    pub identity: Option<Identity>,
}

/// Scripts of an instance or a sync group (`notify_*`, `notify`); none is not run.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Notify {
    /// `notify_master`
    pub master: Option<Script>,
    /// `notify_backup`
    pub backup: Option<Script>,
    /// `notify_fault`
    pub fault: Option<Script>,
    /// `notify_stop`
    pub stop: Option<Script>,
    /// `notify`: every transition, with kind, name, state and priority appended.
    pub any: Option<Script>,
    /// `notify_master_rx_lower_pri`; instances only.
    pub master_rx_lower_pri: Option<Script>,
    /// `notify_conflict`: somebody else says that an address is its own, or is master of the same router unheard, with
    /// kind, name, what, priority and a sentence appended; instances only.
    pub conflict: Option<Script>,
    /// `notify_deleted`; instances only.
    pub deleted: Deleted,
}

/// How the removal of an instance at a reload is told (`notify_deleted`).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Deleted {
    /// As FAULT.
    #[default]
    AsFault,
    /// As DELETED.
    AsDeleted,
    /// As DELETED, and by this script.
    Run(Script),
}

/// A named pipe that events are written to (`notify_fifo` and its like).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fifo {
    /// Where it is.
    pub path: String,
    /// Whose it is; none is the daemon's.
    pub owner: Option<Identity>,
    /// `*_script`: its reader, which gets the path as last argument.
    pub reader: Option<Script>,
}
