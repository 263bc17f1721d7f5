//! The short way round the loop of the worker, while there is nothing to wait for but connections of checks and the next
//! check: it waits in their own set of sockets, on the thread, and the runtime is asked for nothing.
//!
//! Each wait in the runtime takes readings of the clock and another look besides, and a check waits twice. It decides
//! nothing, and does what the loop would do.

use super::director::Worker;
use core::future::poll_fn;
use core::task::Poll;
use core::time::Duration;
use standfast_check::Lingered;
use standfast_kernel::timer::boottime;
use standfast_lvs::Event;
use std::io;

/// So long the worker stays with its checks before it looks at what else there is. What the supervisor says ends that at
/// once; what the runner and witnesses say, and that an address has come or gone, may be so late.
const STAY: Duration = Duration::from_millis(100);

/// With more under way than that the clock has gone on while they had their turns.
const CROWD: usize = 8;

impl Worker {
    /// Performs checks and takes in their verdicts until something else is to be looked at. To be called when the director
    /// has just been told the time.
    pub(super) async fn linger(&mut self) -> io::Result<()> {
        let end = self.latest + STAY;
        let mut went_on = false;
        loop {
            // Attempts that were begun or can go on are tasks of the runtime.
            let_others().await;
            let before = self.latest;
            while let Some((checker, verdict, ended)) = self.probes.already_finished()? {
                self.feed_at(ended, Event::CheckFinished { checker, verdict });
            }
            if (went_on && self.latest == before) || self.probes.under_way() > CROWD {
                self.latest = boottime();
            }
            let end = self.next_aside().map_or(end, |aside| aside.min(end));
            if self.latest >= end || self.is_busy() || !self.probes.wait_for_connections_alone() {
                return Ok(());
            }
            let due = self.next_check().filter(|due| *due <= end);
            if due.is_none() && self.probes.under_way() == 0 {
                return Ok(());
            }
            match self.probes.linger(due.unwrap_or(end).since(self.latest)) {
                Lingered::Called => return Ok(()),
                Lingered::News => went_on = true,
                Lingered::Late => {
                    let now = boottime();
                    self.probes.deadlines().pass(now);
                    self.feed_at(now, Event::Wake);
                    went_on = false;
                }
            }
        }
    }
}

/// Lets the tasks that are ready have their turns first. Other than tokio's `yield_now` it does not ask the kernel what
/// has come meanwhile.
async fn let_others() {
    let mut waited = false;
    poll_fn(|context| {
        if core::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
