//! How long to wait before a worker that died is started again: keepalived's `calc_restart_delay`.

use core::time::Duration;

/// A worker that ran so long was well: its next start is immediate again.
const GOOD_RUN: Duration = Duration::from_secs(60);

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);

/// The wait before the next start: 0, 1, 2, 4 ... 60 s for deaths in quick succession.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) const fn new() -> Self {
        Self { next: Duration::ZERO }
    }

    /// How long to wait now that the worker died after running for `ran`.
    pub(super) fn delay(&mut self, ran: Duration) -> Duration {
        if ran >= GOOD_RUN {
            self.next = Duration::ZERO;
        }
        let delay = self.next;
        self.next = delay.saturating_mul(2).clamp(Duration::from_secs(1), LONGEST);
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
        let delays: Vec<u64> = (0..10).map(|_| seconds(&mut backoff, 0)).collect();
        assert_eq!(delays, [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn a_worker_that_ran_for_a_minute_is_back_at_once() {
        let mut backoff = Backoff::new();
        for _ in 0..5 {
            seconds(&mut backoff, 59);
        }
        assert_eq!(seconds(&mut backoff, 60), 0);
        assert_eq!(seconds(&mut backoff, 0), 1);
    }
}
