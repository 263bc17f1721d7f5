//! When the supervisor is told how the servers are: at once, but a large site not with every change of one of them.
//!
//! It owns dates and nothing else.

use core::time::Duration;
use standfast_model::Instant;

/// From one telling to the next, for each server that is in it. To make it, send it and take it in costs about a
/// microsecond a server in all processes together, so a site whose servers come and go without end pays a tenth of a
/// processor for it: twenty thousand servers are told of five times a second, twenty as often as anything happens.
const PAUSE_OF_ONE: Duration = Duration::from_micros(10);

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct News {
    /// Something happened that status shows: nothing does without a notice.
    changed: bool,
    /// Nothing is told before then.
    not_before: Instant,
}

impl Default for News {
    /// How things are at first is news.
    fn default() -> Self {
        Self { changed: true, not_before: Instant::ZERO }
    }
}

impl News {
    /// Something is different.
    pub(super) fn come(&mut self) {
        self.changed = true;
    }

    /// When it is to be told; none if nothing is.
    pub(super) fn next_deadline(self) -> Option<Instant> {
        self.changed.then_some(self.not_before)
    }

    /// All was told then, of so many servers.
    pub(super) fn told(&mut self, now: Instant, servers: usize) {
        let pause = PAUSE_OF_ONE.saturating_mul(u32::try_from(servers).unwrap_or(u32::MAX));
        *self = Self { changed: false, not_before: now + pause };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_once_is_told_at_once_and_what_changes_without_end_as_often_as_the_site_is_small() {
        for (servers, most) in [(1, 100_001), (20, 5001), (20_000, 6)] {
            let (mut news, mut told) = (News::default(), 0);
            let mut now = Instant::ZERO;
            for _ in 0..100_000 {
                news.come();
                if news.next_deadline().is_some_and(|due| due <= now) {
                    news.told(now, servers);
                    told += 1;
                    assert_eq!(news.next_deadline(), None);
                }
                now += Duration::from_micros(10);
            }
            assert!((most - 1..=most).contains(&told), "{told} times for {servers} servers in a second");
        }
    }
}
