//! What unit tests of several modules begin with. It is in no program.

use core::time::Duration;
use standfast_api::{DaemonStatus, Generation, Snapshot};
use standfast_model::Instant;

/// A daemon that has just started and said nothing yet.
pub(crate) fn daemon() -> DaemonStatus {
    DaemonStatus {
        at: Instant::ZERO,
        unix: Duration::ZERO,
        version: String::new(),
        pid: 1,
        started: Instant::ZERO,
        configuration: String::new(),
        generation: Generation::FIRST,
        in_force_since: Instant::ZERO,
        reload_refused: None,
        reloading: false,
        confirm_until: None,
        workers: Vec::new(),
    }
}

/// It, and nothing of any worker.
pub(crate) fn snapshot() -> Snapshot {
    Snapshot { daemon: daemon(), vrrp: None, check: None, peers: Vec::new() }
}
