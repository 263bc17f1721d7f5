//! How often lines of one kind may be repeated.

use core::time::Duration;
use standfast_model::Instant;
use std::collections::BTreeMap;

/// Lets one of each kind pass per interval and counts the others.
#[derive(Debug)]
pub struct RateLimit<K> {
    interval: Duration,
    capacity: usize,
    kinds: BTreeMap<K, Held>,
}

#[derive(Debug)]
struct Held {
    /// When one last passed.
    passed: Instant,
    /// How many did not since.
    back: u64,
}

impl<K: Ord> RateLimit<K> {
    /// At most one of a kind per `interval`, and at most `capacity` kinds at a time: beyond them nothing new passes
    /// until an interval of one is over.
    #[must_use]
    pub const fn new(interval: Duration, capacity: usize) -> Self {
        Self { interval, capacity, kinds: BTreeMap::new() }
    }

    /// Whether one of this kind passes now: then it says how many of the kind were held back before it.
    pub fn admit(&mut self, now: Instant, kind: K) -> Option<u64> {
        let interval = self.interval;
        if let Some(held) = self.kinds.get_mut(&kind) {
            if now.since(held.passed) < interval {
                held.back = held.back.saturating_add(1);
                return None;
            }
            held.passed = now;
            return Some(core::mem::take(&mut held.back));
        }
        if self.kinds.len() >= self.capacity {
            self.kinds.retain(|_, held| now.since(held.passed) < interval);
        }
        if self.kinds.len() >= self.capacity {
            return None;
        }
        self.kinds.insert(kind, Held { passed: now, back: 0 });
        Some(0)
    }

    /// Forgets the kinds that `which` says: the next of each passes.
    pub fn forget(&mut self, which: impl Fn(&K) -> bool) {
        self.kinds.retain(|kind, _| !which(kind));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn one_of_a_kind_passes_per_interval_and_tells_how_many_did_not() {
        let mut limit = RateLimit::new(MINUTE, 10);
        assert_eq!(limit.admit(at(0), "a"), Some(0));
        for second in 1..60 {
            assert_eq!(limit.admit(at(second), "a"), None);
        }
        assert_eq!(limit.admit(at(30), "b"), Some(0), "kinds do not hold each other back");
        assert_eq!(limit.admit(at(60), "a"), Some(59));
        assert_eq!(limit.admit(at(120), "a"), Some(0));
    }

    #[test]
    fn a_flood_of_kinds_costs_no_memory_and_ends_with_the_interval() {
        let mut limit = RateLimit::new(MINUTE, 10);
        let passed = (0..1000_u32).filter(|kind| limit.admit(at(1), *kind).is_some()).count();
        assert_eq!(passed, 10);
        assert_eq!(limit.kinds.len(), 10);
        assert_eq!(limit.admit(at(61), 5000), Some(0));
    }

    #[test]
    fn what_is_forgotten_passes_again() {
        let mut limit = RateLimit::new(MINUTE, 10);
        for kind in ["a", "b"] {
            limit.admit(at(0), kind);
        }
        limit.forget(|kind| *kind == "a");
        assert_eq!(limit.admit(at(1), "a"), Some(0));
        assert_eq!(limit.admit(at(1), "b"), None);
    }
}
