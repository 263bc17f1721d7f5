//! The checks that are under way: one task each.
//!
//! It performs what it is told to and hands back the verdicts. It judges nothing and knows no server. The director
//! never asks for a check twice at a time, so there are never more tasks than the configuration has checkers.

use standfast_lvs::{CheckerId, Verdict};
use standfast_model::config::lvs::Probe;
use std::io;
use tokio::task::JoinSet;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Probes {
    running: JoinSet<(CheckerId, Verdict)>,
}

impl Probes {
    /// Performs one attempt of a check; its verdict comes out of [`Self::finished`].
    pub(super) fn start(&mut self, checker: CheckerId, probe: &Probe) {
        let probe = probe.clone();
        self.running.spawn(async move { (checker, standfast_check::run(&probe).await) });
    }

    /// The next verdict; waits for ever while no check is under way. Cancel-safe, so it can stand in a `select!`.
    ///
    /// # Errors
    ///
    /// A check that panicked. That is our own bug: better a new worker than a checker that never runs again.
    pub(super) async fn finished(&mut self) -> io::Result<(CheckerId, Verdict)> {
        match self.running.join_next().await {
            Some(finished) => finished.map_err(io::Error::other),
            None => core::future::pending().await,
        }
    }
}
