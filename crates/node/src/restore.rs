//! How often an address is put back before we stop fighting for it.

use core::time::Duration;
use standfast_model::Instant;
use std::collections::VecDeque;

/// Five times in ten seconds: a network manager that renews a lease removes our address once and is content; one
/// that does it again and again is configured against us, and two programs that undo each other's work help nobody.
#[derive(Clone, Debug, Default)]
pub struct RestoreLimit {
    recent: VecDeque<Instant>,
}

impl RestoreLimit {
    /// Restorations allowed within [`Self::WINDOW`].
    pub const MOST: usize = 5;
    /// The window.
    pub const WINDOW: Duration = Duration::from_secs(10);

    /// Whether one more is allowed now.
    pub fn allows(&mut self, now: Instant) -> bool {
        while self.recent.front().is_some_and(|first| now.since(*first) >= Self::WINDOW) {
            self.recent.pop_front();
        }
        self.recent.len() < Self::MOST
    }

    /// Counts one that was needed.
    pub fn count(&mut self, now: Instant) {
        if self.recent.len() < Self::MOST {
            self.recent.push_back(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_restoration_in_ten_seconds_is_refused_and_the_window_slides() {
        let mut limit = RestoreLimit::default();
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        for second in 0..5 {
            assert!(limit.allows(at(second)));
            limit.count(at(second));
        }
        assert!(!limit.allows(at(9)));
        assert!(limit.allows(at(10)));
        limit.count(at(10));
        assert!(!limit.allows(at(10)));
    }
}
