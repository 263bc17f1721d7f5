//! Numbers from a seed, for what a test does at random. The seed is printed and can be set, so that a run can be
//! repeated: what it does is the same again, when the machines do it is not.

use std::time::Duration;

use crate::clock::Moment;

/// The variable that sets the seed.
const SEED: &str = "LAB_SEED";

/// The variable that sets how often, or for how many minutes, a test does what it does.
const TIMES: &str = "LAB_TIMES";

/// How often a test shall do what it does: as `LAB_TIMES` says, else `unless_told`.
#[must_use]
pub fn times(unless_told: u64) -> u64 {
    std::env::var(TIMES).ok().and_then(|text| text.parse().ok()).unwrap_or(unless_told)
}

/// Numbers from a seed (splitmix64, Steele and others 2014).
#[derive(Clone, Debug)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// From the seed that `LAB_SEED` sets, or else from another one each time. Prints it.
    #[must_use]
    pub fn new() -> Self {
        let told = std::env::var(SEED).ok().and_then(|text| text.parse().ok());
        let seed = told.unwrap_or_else(|| Self::from_seed(Moment::now().as_nanos()).next() % 1_000_000);
        println!("{SEED}={seed}");
        Self::from_seed(seed)
    }

    /// From this seed.
    #[must_use]
    pub const fn from_seed(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A number below `limit`, or zero when that is zero.
    pub fn below(&mut self, limit: u64) -> u64 {
        // The limits are small: what the remainder prefers is not worth a rejection.
        self.next().checked_rem(limit).unwrap_or_default()
    }

    /// A time of at least `from` and less than `to`.
    pub fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let micros = u64::try_from(to.saturating_sub(from).as_micros()).unwrap_or(u64::MAX);
        from + Duration::from_micros(self.below(micros))
    }

    /// One of these.
    ///
    /// # Panics
    /// There are none.
    #[expect(clippy::indexing_slicing, reason = "the index is below the length")]
    pub fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        assert!(!of.is_empty(), "nothing to choose from");
        let index = usize::try_from(self.below(of.len() as u64)).unwrap_or_default();
        of[index]
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Default for Chance {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_they_stay_within_their_limits() {
        let draw = |seed| {
            let mut chance = Chance::from_seed(seed);
            (0..100).map(|_| chance.below(6)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert!((0..6).all(|face| draw(7).contains(&face)) && draw(7).iter().all(|face| *face < 6));
        let mut chance = Chance::from_seed(7);
        let (from, to) = (Duration::from_millis(5), Duration::from_millis(9));
        assert!((0..100).all(|_| (from..to).contains(&chance.between(from, to))));
        assert_eq!(chance.below(0), 0);
        assert_eq!(chance.one_of(&[3]), 3);
    }
}
