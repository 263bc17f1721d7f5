//! How long to wait before a worker that died is started again.
//!
//! keepalived waits from the second death on. A few deaths are forgiven here: the successor adopts what the dead one held,
//! and that is only worth something within an advertisement interval.

use core::time::Duration;

/// A worker that ran so long was well: it is forgiven what was before.
const GOOD_RUN: Duration = Duration::from_secs(60);

/// Deaths in quick succession that are answered with an immediate start. A worker that dies of its start uses them up
/// in a second; one that is killed by hand or by a bug that shows now and then does not come to the end of them.
const FORGIVEN: u32 = 5;

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);

/// The wait before the next start: none five times, then 1, 2, 4 ... 60 s for deaths in quick succession.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Backoff {
    forgiven: u32,
    next: Duration,
    deaths: u32,
}

impl Backoff {
    pub(super) const fn new() -> Self {
        Self { forgiven: 0, next: Duration::from_secs(1), deaths: 0 }
    }

    /// Deaths in quick succession, the last one included.
    pub(super) const fn deaths(self) -> u32 {
        self.deaths
    }

    /// How long to wait now that the worker died after running for `ran`.
    pub(super) fn delay(&mut self, ran: Duration) -> Duration {
        if ran >= GOOD_RUN {
            *self = Self::new();
        }
        self.deaths = self.deaths.saturating_add(1);
        if self.forgiven < FORGIVEN {
            self.forgiven += 1;
            return Duration::ZERO;
        }
        let delay = self.next;
        self.next = delay.saturating_mul(2).min(LONGEST);
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(backoff: &mut Backoff, ran: u64) -> u64 {
        backoff.delay(Duration::from_secs(ran)).as_secs()
    }

    #[test]
    fn deaths_in_quick_succession_wait_longer_up_to_a_minute() {
        let mut backoff = Backoff::new();
        let delays: Vec<u64> = (0..14).map(|_| seconds(&mut backoff, 0)).collect();
        assert_eq!(delays, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn a_worker_that_ran_for_a_minute_is_back_at_once() {
        let mut backoff = Backoff::new();
        for _ in 0..10 {
            seconds(&mut backoff, 59);
        }
        let delays = [60, 0, 0, 0, 0, 0].map(|ran| seconds(&mut backoff, ran));
        assert_eq!(delays, [0, 0, 0, 0, 0, 1]);
    }
}
