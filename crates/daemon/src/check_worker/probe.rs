//! The checks that are under way: one task each.
//!
//! It performs what it is told to and hands back the verdicts. It judges nothing and knows no server. The director
//! never asks for a check twice at a time, so there are never more tasks than the configuration has checkers.

use standfast_lvs::{CheckerId, Verdict};
use standfast_model::config::lvs::Probe;
use std::collections::HashMap;
use std::io;
use tokio::task::{AbortHandle, JoinSet};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Probes {
    running: JoinSet<(CheckerId, Verdict)>,
    handles: HashMap<CheckerId, AbortHandle>,
}

impl Probes {
    /// Performs one attempt of a check; its verdict comes out of [`Self::finished`].
    pub(super) fn start(&mut self, checker: CheckerId, probe: &Probe) {
        let probe = probe.clone();
        let handle = self.running.spawn(async move { (checker, standfast_check::run(&probe).await) });
        self.handles.insert(checker, handle);
    }

    /// Gives the attempt under way up: no verdict comes of it.
    pub(super) fn cancel(&mut self, checker: CheckerId) {
        if let Some(handle) = self.handles.remove(&checker) {
            handle.abort();
        }
    }

    /// The next verdict; waits for ever while no check is under way. Cancel-safe, so it can stand in a `select!`.
    ///
    /// # Errors
    ///
    /// A check that panicked. That is our own bug: better a new worker than a checker that never runs again.
    pub(super) async fn finished(&mut self) -> io::Result<(CheckerId, Verdict)> {
        loop {
            match self.running.join_next().await {
                Some(Ok((checker, verdict))) => {
                    // One that was given up just as it ended is known no more; a newer attempt of it is another task.
                    if self.handles.remove(&checker).is_some() {
                        return Ok((checker, verdict));
                    }
                }
                Some(Err(error)) if error.is_cancelled() => {}
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => return core::future::pending().await,
            }
        }
    }
}
