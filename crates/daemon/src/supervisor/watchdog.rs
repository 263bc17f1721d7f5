//! The watchdog of the service manager: fed while every worker comes round its loop, and a worker that does not is killed
//! before the whole daemon is.
//!
//! Its successor adopts what it held. Only a supervisor that hangs itself is the service manager's case.

use super::Supervisor;
use super::worker::Worker;
use core::time::Duration;
use standfast_api::WorkerKind;
use standfast_kernel::timer::boottime;
use standfast_model::Instant;

/// The state of the watchdog, where the service manager has one.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// From one question to the next: a third of the manager's own limit, so that there is time for a worker to be
    /// missed twice, killed and replaced.
    interval: Duration,
    /// When the workers are asked next.
    pub(super) next: Instant,
}

impl Watchdog {
    pub(super) fn new(limit: Option<Duration>) -> Option<Self> {
        limit.map(|limit| Self { interval: limit / 3, next: Instant::ZERO })
    }
}

impl Supervisor {
    /// Asks the workers whether they live, kills who has not answered the last question, feeds the watchdog.
    pub(super) fn feed_watchdog(&mut self) {
        let now = boottime();
        let Some(watchdog) = &mut self.watchdog else { return };
        if watchdog.next > now {
            return;
        }
        // What was lost in a pause of the machine is not made up for.
        watchdog.next = now + watchdog.interval;
        // Who stops has other things to do, and a limit of its own; nothing depends on the front.
        let asked = |worker: &&mut Worker| worker.kind() != WorkerKind::Front;
        if self.stopping.is_none() {
            self.workers.iter_mut().filter(asked).for_each(Worker::ping);
        }
        self.service_manager.alive();
    }
}
