//! Random numbers from a seed: the same seed gives the same numbers.
//!
//! Good enough to spread checks over time, and for nothing else.

use core::time::Duration;

/// The SplitMix64 generator (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A part of `whole`, from zero up to but not including it (zero of zero), in nanoseconds.
    pub(crate) fn part_of(&mut self, whole: Duration) -> Duration {
        let whole = u128::from(u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX));
        let part = (u128::from(self.next()) * whole) >> 64;
        Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_spread_over_the_whole_and_stay_below_it() {
        let mut random = Random::new(7);
        let parts: Vec<u64> =
            (0..1000).map(|_| u64::try_from(random.part_of(Duration::from_secs(10)).as_millis()).unwrap()).collect();
        assert!(parts.iter().all(|part| *part < 10_000));
        for tenth in 0..10 {
            let share = parts.iter().filter(|part| **part / 1000 == tenth).count();
            assert!((60..140).contains(&share), "{share} of 1000 in second {tenth}");
        }
        assert_eq!(random.part_of(Duration::ZERO), Duration::ZERO);
    }
}
