//! A fuzzer without a guide: inputs that are kept, changed a little again and again. The same seed makes the same inputs in
//! the same order on every machine; how many of them is a matter of time.

use crate::{MAX_INPUT_BYTES, Target};
use core::time::Duration;
use standfast_kernel::timer::boottime;
use std::panic::{RefUnwindSafe, catch_unwind};

/// An input that takes longer hangs, as far as a worker is concerned: thousands of times what the slowest takes.
pub const SLOWEST: Duration = Duration::from_secs(5);

/// The most changes to one input: most of what a decoder does with it is to stay as it is.
const MOST_CHANGES: u64 = 6;

/// Numbers at which decoders decide.
const EDGES: [u64; 14] = [0, 1, 2, 4, 7, 8, 16, 20, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0x8000_0000, u64::MAX];

/// What came of some seconds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Run {
    /// Inputs that were tried.
    pub executions: u64,
    /// The first that panicked or hung.
    pub finding: Option<Vec<u8>>,
}

/// Tries inputs made of these until the time is over or one is a finding. The panic itself is said by the panic hook.
#[must_use]
pub fn run(target: &Target, inputs: &[Vec<u8>], seed: u64, time: Duration) -> Run {
    let mut changer = Changer { chance: seed, inputs };
    let mut run = Run::default();
    let end = boottime() + time;
    let mut begun = boottime();
    while begun < end {
        let input = changer.next();
        run.executions += 1;
        let survived = survives(target.run, &input);
        let now = boottime();
        if !survived || now.since(begun) > SLOWEST {
            run.finding = Some(input);
            break;
        }
        begun = now;
    }
    run
}

/// Whether an input is none that panics.
pub fn survives(run: impl Fn(&[u8]) + RefUnwindSafe, input: &[u8]) -> bool {
    catch_unwind(|| run(input)).is_ok()
}

struct Changer<'i> {
    chance: u64,
    inputs: &'i [Vec<u8>],
}

impl Changer<'_> {
    /// SplitMix64 (Steele, Lea, Flood).
    fn bits(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, 0 if there is none.
    fn below(&mut self, end: usize) -> usize {
        let wide = u128::from(self.bits()) * end as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }

    fn octet(&mut self) -> u8 {
        self.bits().to_le_bytes()[0]
    }

    /// One of the inputs; octets of chance where there are none.
    fn any(&mut self) -> Vec<u8> {
        let place = self.below(self.inputs.len());
        match self.inputs.get(place) {
            Some(input) => input.clone(),
            None => (0..self.below(200)).map(|_| self.octet()).collect(),
        }
    }

    fn next(&mut self) -> Vec<u8> {
        let mut octets = self.any();
        for _ in 0..=self.bits() % MOST_CHANGES {
            self.change(&mut octets);
        }
        octets.truncate(MAX_INPUT_BYTES);
        octets
    }

    fn change(&mut self, octets: &mut Vec<u8>) {
        let at = self.below(octets.len());
        match self.below(8) {
            0 => {
                let bit = 1 << self.below(8);
                octets.get_mut(at..).into_iter().flatten().take(1).for_each(|octet| *octet ^= bit);
            }
            1 => {
                let value = self.octet();
                octets.get_mut(at..).into_iter().flatten().take(1).for_each(|octet| *octet = value);
            }
            2 => self.number(at, octets),
            3 => octets.truncate(at),
            4 => {
                let end = at + self.below(octets.len() - at).min(64);
                octets.drain(at..end);
            }
            5 => {
                // A part of it again, or of another input: lists grow, lengths no longer fit.
                let part = if self.below(2) == 0 { octets.clone() } else { self.any() };
                let begin = self.below(part.len());
                let end = begin + self.below(part.len() - begin).min(256);
                octets.splice(at..at, part[begin..end].iter().copied());
            }
            6 => {
                // The end of another.
                let other = self.any();
                let begin = self.below(other.len());
                octets.truncate(at);
                octets.extend(&other[begin..]);
            }
            _ => {
                let value = self.octet();
                octets.insert(at, value);
            }
        }
    }

    /// A number of one to eight octets in either order, in the place of what stands there.
    fn number(&mut self, at: usize, octets: &mut [u8]) {
        let value = EDGES[self.below(EDGES.len())];
        let width = 1 << self.below(4);
        let mut written = value.to_le_bytes();
        if self.below(2) == 0 {
            written[..width].reverse();
        }
        for (place, octet) in octets.iter_mut().skip(at).zip(&written[..width]) {
            *place = *octet;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(20);

    fn target(run: fn(&[u8])) -> Target {
        Target { name: "planted", run }
    }

    #[test]
    fn a_mistake_behind_two_changes_of_a_good_input_is_found() {
        let planted =
            target(|octets| assert!(!(octets.starts_with(b"GET") && octets.len() < 8 && octets.contains(&0xff))));
        let run = run(&planted, &[b"GET / HTTP".to_vec()], 1, TIME);
        let found = run.finding.expect("nothing was found");
        assert!(found.starts_with(b"GET") && !survives(planted.run, &found));
        assert!(run.executions > 1);
    }

    #[test]
    fn what_holds_of_everything_holds_until_the_time_is_over() {
        let run = run(
            &target(|octets| assert!(octets.len() <= MAX_INPUT_BYTES)),
            &[vec![7; MAX_INPUT_BYTES]],
            1,
            Duration::from_millis(50),
        );
        assert_eq!(run.finding, None);
        assert!(run.executions > 10, "{run:?}");
    }

    #[test]
    fn the_same_seed_makes_the_same_inputs_and_another_makes_others() {
        let inputs = [vec![1, 2, 3, 4], vec![]];
        let made = |chance| {
            let mut changer = Changer { chance, inputs: &inputs };
            (0..100).map(|_| changer.next()).collect::<Vec<_>>()
        };
        assert_eq!(made(5), made(5));
        assert_ne!(made(5), made(6));
    }
}
