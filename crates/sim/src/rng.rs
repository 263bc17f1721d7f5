//! The one source of chance of a simulation: a small generator whose whole state is its seed.
//!
//! It owns no entropy. The same seed gives the same numbers on every machine, so a run is data.

use core::time::Duration;

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators"): 64 bits of state, equidistributed.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator from its seed; every seed is as good as any other.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, 0 if there is none. The bias of the multiplication is below 2^-32 for the ends used here.
    pub fn below(&mut self, end: u64) -> u64 {
        u64::try_from((u128::from(self.bits()) * u128::from(end)) >> 64).unwrap_or(0)
    }

    /// A place in a collection of `len`, 0 if it is empty.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// True so often in a million.
    pub fn in_a_million(&mut self, times: u32) -> bool {
        // Most weather is fair: no number is drawn for what never happens.
        times > 0 && self.below(1_000_000) < u64::from(times)
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// A span from `low` to `high`, both included.
    pub fn span(&mut self, low: Duration, high: Duration) -> Duration {
        let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.between(nanos(low), nanos(high)))
    }

    /// A span from `low` to `high` whose logarithm is even: as often between 10 ms and 100 ms as between 1 s and 10 s.
    pub fn span_of_any_scale(&mut self, low: Duration, high: Duration) -> Duration {
        let mut doublings = 0;
        while low.saturating_mul(1 << (doublings + 1)) < high && doublings < 30 {
            doublings += 1;
        }
        let floor = low.saturating_mul(1 << self.between(0, doublings));
        self.span(floor, floor.saturating_mul(2)).min(high)
    }

    /// One of these; none of an empty slice.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.index(of.len()))
    }

    /// A generator of its own for a part of the simulation, so that what one part draws does not change the other.
    pub fn fork(&mut self) -> Self {
        Self(self.bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_numbers_come_from_seed_0() {
        let mut rng = Rng::new(0);
        let first = [rng.bits(), rng.bits(), rng.bits()];
        assert_eq!(first, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
    }

    #[test]
    fn ranges_are_kept_and_filled() {
        let mut rng = Rng::new(1);
        let mut seen = [0; 6];
        for _ in 0..6000 {
            seen[usize::try_from(rng.between(0, 5)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|times| (850..1150).contains(times)), "{seen:?}");
        let (low, high) = (Duration::from_millis(10), Duration::from_secs(60));
        let mut short = 0;
        for _ in 0..1000 {
            let span = rng.span_of_any_scale(low, high);
            assert!((low..=high).contains(&span));
            short += u32::from(span < Duration::from_secs(1));
        }
        assert!((400..700).contains(&short), "{short}");
        assert_eq!((rng.below(0), rng.index(0)), (0, 0));
    }
}
