//! One health check over time: when it runs next, and what its verdicts add up to.
//!
//! It owns the timing and the counting of one check (`delay_loop`, `warmup`, `retry`, `delay_before_retry`, `alpha`).
//! It knows nothing of servers and pools, and performs nothing.

use crate::verdict::{Inability, Reason, Verdict};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use standfast_model::Instant;
use standfast_model::config::lvs as config;
use std::sync::Arc;

/// A `delay_loop` or `delay_before_retry` below this is taken for this. A refused connection comes back within
/// microseconds, so a check without pause would keep the worker busy with itself.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// What one check has come to.
#[derive(Clone, Debug)]
pub(crate) struct Checker {
    /// That of its server in the pool.
    config: Arc<config::Checker>,
    up: bool,
    /// A verdict has said something about the server.
    judged: bool,
    /// Failed attempts in a row since it was last good, while it still counts as up.
    failures: u32,
    /// When the last regular run was due. The grid of runs hangs on it, so that neither a slow check nor a late wake
    /// shifts the ones to come.
    slot: Instant,
    running: bool,
    last_failure: Option<Reason>,
    inability: Option<Inability>,
}

/// What of a check outlives its process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Memory {
    /// It is good.
    pub up: bool,
    /// A verdict has said so, and not only trust.
    pub judged: bool,
    /// Failed attempts in a row while it still counts as up.
    pub failures: u32,
}

/// What a verdict did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Judgement {
    /// Still good.
    StillUp,
    /// Bad until now.
    WentUp,
    /// An attempt failed, and there are more before it counts.
    Attempt {
        /// Which attempt this was, from 1.
        attempt: u32,
        /// How many there are before it counts.
        of: u32,
        /// Why it failed.
        reason: Reason,
    },
    /// So many attempts in a row failed: good until now.
    WentDown {
        /// How many.
        attempts: u32,
        /// Why the last one failed.
        reason: Reason,
    },
    /// Bad from the start (`alpha`, or adopted so), and its first attempt says the same.
    ConfirmedDown {
        /// Why it failed.
        reason: Reason,
    },
    /// Still bad.
    StillDown {
        /// Why it failed.
        reason: Reason,
    },
    /// No information.
    Unknown,
}

impl Checker {
    pub(crate) fn new(config: Arc<config::Checker>) -> Self {
        Self {
            up: !config.timing.alpha,
            config,
            judged: false,
            failures: 0,
            slot: Instant::ZERO,
            running: false,
            last_failure: None,
            inability: None,
        }
    }

    pub(crate) fn config(&self) -> &config::Checker {
        &self.config
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running
    }

    /// Why it failed when it last did, as long as it has not been good since.
    pub(crate) fn last_failure(&self) -> Option<Reason> {
        self.last_failure.clone()
    }

    /// What kept it from being made, as long as that lasts.
    pub(crate) fn inability(&self) -> Option<&Inability> {
        self.inability.as_ref()
    }

    /// Its first run is due at that time.
    pub(crate) fn first_due(&mut self, due: Instant) {
        self.slot = due;
    }

    /// Takes over what a predecessor thought of it, unless it has a verdict of its own: then it answers false. The next
    /// verdict still counts as the first.
    pub(crate) fn adopt(&mut self, up: bool) -> bool {
        if !self.judged {
            self.up = up;
        }
        !self.judged
    }

    pub(crate) fn start(&mut self) {
        self.running = true;
    }

    /// Stands as its server stood before it had this check; the next verdict counts as the first.
    pub(crate) fn stand(&mut self, up: bool) {
        self.up = up;
    }

    /// The attempt under way is given up: it counts for nothing.
    pub(crate) fn cancel(&mut self) {
        self.running = false;
    }

    /// Goes on with another configuration; its state stays. True if its next run may have been put off by the old one too
    /// far.
    pub(crate) fn reconfigure(&mut self, config: Arc<config::Checker>) -> bool {
        let sooner = config.timing.delay_loop < self.config.timing.delay_loop;
        self.config = config;
        sooner
    }

    /// What a successor may need of it.
    pub(crate) fn memory(&self) -> Memory {
        Memory { up: self.up, judged: self.judged, failures: self.failures }
    }

    /// Goes on from what a predecessor thought.
    pub(crate) fn remember(&mut self, memory: Memory) {
        let Memory { up, judged, failures } = memory;
        (self.up, self.judged, self.failures) = (up, judged, failures);
    }

    /// Takes in the verdict of the running attempt, and answers what it did. When the next attempt is due is for
    /// [`Self::next_due`] to say.
    pub(crate) fn finish(&mut self, verdict: &Verdict) -> Judgement {
        self.running = false;
        self.judge(verdict)
    }

    /// Takes in what was seen without an attempt: a failure counts at once.
    pub(crate) fn report(&mut self, verdict: &Verdict) -> Judgement {
        if matches!(verdict, Verdict::Failed(_)) {
            self.failures = self.config.timing.retry;
        }
        self.judge(verdict)
    }

    /// When the next attempt is due: after the pause before a retry, or at the next point of the grid. Always after
    /// `now`.
    pub(crate) fn next_due(&mut self, now: Instant, retry: bool) -> Instant {
        if retry { now + self.config.timing.delay_before_retry.max(SHORTEST_PAUSE) } else { self.next_slot(now) }
    }

    fn judge(&mut self, verdict: &Verdict) -> Judgement {
        match verdict {
            Verdict::Ok | Verdict::OkWithWeight(_) => {
                let was_up = self.up;
                self.up = true;
                self.judged = true;
                self.failures = 0;
                self.last_failure = None;
                self.inability = None;
                if was_up { Judgement::StillUp } else { Judgement::WentUp }
            }
            Verdict::OkSoFar => {
                self.judged = true;
                self.failures = 0;
                self.inability = None;
                if self.up { Judgement::StillUp } else { Judgement::Unknown }
            }
            Verdict::Failed(reason) => {
                let first = !self.judged;
                self.judged = true;
                self.last_failure = Some(reason.clone());
                self.inability = None;
                if self.up {
                    self.count_failure(first, reason.clone())
                } else if first {
                    Judgement::ConfirmedDown { reason: reason.clone() }
                } else {
                    Judgement::StillDown { reason: reason.clone() }
                }
            }
            Verdict::Unable(inability) => {
                self.inability = Some(inability.clone());
                Judgement::Unknown
            }
        }
    }

    /// A failed attempt while up. The very first attempt of all has no retries, as in keepalived: until then the
    /// server is in the table on trust.
    fn count_failure(&mut self, first: bool, reason: Reason) -> Judgement {
        let retries = if first { 0 } else { self.config.timing.retry };
        self.failures = self.failures.saturating_add(1);
        if self.failures > retries {
            let attempts = self.failures;
            self.up = false;
            self.failures = 0;
            Judgement::WentDown { attempts, reason }
        } else {
            Judgement::Attempt { attempt: self.failures, of: retries.saturating_add(1), reason }
        }
    }

    /// The next point of the grid after `now`. Points that have passed meanwhile are skipped, not made up for.
    fn next_slot(&mut self, now: Instant) -> Instant {
        let period = self.config.timing.delay_loop.max(SHORTEST_PAUSE).as_nanos();
        let passed = now.since(self.slot).as_nanos() / period;
        let ahead = period.saturating_mul(passed.saturating_add(1));
        self.slot += Duration::from_nanos(u64::try_from(ahead).unwrap_or(u64::MAX));
        self.slot
    }
}
