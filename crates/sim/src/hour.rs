//! One stormy hour of one cluster, both drawn from a seed; and the least of its storm that still breaks the law.

use crate::fault::Blows;
use crate::laws::Law;
use crate::{Director, Report, Scenario, World};
use core::time::Duration;
use standfast_model::Instant;

/// Runs that making a storm smaller may take. One takes a twentieth of a second, so this is a minute.
const RUNS: u32 = 1_000;

/// An hour to run: a run is a function of this.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hour {
    /// What the cluster, its storm and the chances of its LANs are drawn from.
    pub seed: u64,
    /// What of the storm strikes.
    pub blows: Blows,
}

impl Hour {
    /// The hour of a seed, with all of its storm.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        Self { seed, blows: Blows::All }
    }

    /// Runs it.
    ///
    /// # Errors
    /// The first law that was broken.
    pub fn run<D: Director>(&self, whole_trace: bool) -> (World<D>, Result<(), Box<Report>>) {
        let mut world = World::new(Scenario::draw(self.seed), self.blows.clone(), whole_trace);
        let ran = world.run_until(Instant::ZERO + Duration::from_secs(3600));
        (world, ran)
    }

    /// The same hour with as few blows as still break the same law, none of which can be left out; itself if it breaks
    /// none.
    #[must_use]
    pub fn smallest<D: Director>(&self) -> Self {
        let (world, ran) = self.run::<D>(false);
        let Err(report) = ran else { return self.clone() };
        let broken = |blows: &[u32]| self.breaks::<D>(report.broken.law, blows);
        Self { seed: self.seed, blows: Blows::only(&smallest(world.struck(), RUNS, broken)) }
    }

    fn breaks<D: Director>(&self, law: Law, blows: &[u32]) -> bool {
        let hour = Self { seed: self.seed, blows: Blows::only(blows) };
        hour.run::<D>(false).1.is_err_and(|report| report.broken.law == law)
    }
}

/// The smallest part of `whole` found that still `fails`, by leaving out ever smaller pieces (Zeller, Hildebrandt:
/// "Simplifying and isolating failure-inducing input"). After `runs` tries the smallest so far.
fn smallest(whole: &[u32], mut runs: u32, mut fails: impl FnMut(&[u32]) -> bool) -> Vec<u32> {
    let mut found = whole.to_vec();
    let mut piece = found.len().div_ceil(2).max(1);
    while !found.is_empty() {
        let mut start = 0;
        let before = found.len();
        while start < found.len() && runs > 0 {
            runs -= 1;
            let without = |(place, _): &(usize, &u32)| !(start..start + piece).contains(place);
            let rest: Vec<u32> = found.iter().enumerate().filter(without).map(|(_, blow)| *blow).collect();
            if fails(&rest) {
                found = rest;
            } else {
                start += piece;
            }
        }
        // Single blows are gone through again until none can be left out: what went may have made another needless.
        if runs == 0 || (piece == 1 && found.len() == before) {
            break;
        }
        piece = piece.div_ceil(2);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_come_together_is_all_that_is_left() {
        let whole: Vec<u32> = (0..100).collect();
        let needs = |wanted: &'static [u32]| move |part: &[u32]| wanted.iter().all(|blow| part.contains(blow));
        assert_eq!(smallest(&whole, 1_000, needs(&[17])), [17]);
        assert_eq!(smallest(&whole, 1_000, needs(&[3, 50, 99])), [3, 50, 99]);
        assert_eq!(smallest(&whole, 1_000, needs(&[])), [0_u32; 0]);
    }

    #[test]
    fn a_blow_that_only_another_made_needed_goes_with_it() {
        // 5 needs 4 as long as 3 is there.
        let fails = |part: &[u32]| part.contains(&5) && (part.contains(&4) || !part.contains(&3));
        assert_eq!(smallest(&[1, 2, 3, 4, 5], 1_000, fails), [5]);
    }

    #[test]
    fn the_tries_have_an_end() {
        let whole: Vec<u32> = (0..1_000).collect();
        let mut tries = 0;
        let found = smallest(&whole, 20, |part| {
            tries += 1;
            part.len() > 990
        });
        assert_eq!(tries, 20);
        assert!(found.len() > 990);
    }
}
