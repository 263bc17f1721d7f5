//! The events that are remembered, in the order of their numbers.
//!
//! A director of thousands of services has thousands of them at its start, and looks at few. They say much the same in the
//! same words, so all but the last are kept compressed, many together: ten thousand take less than 400 kB.

use standfast_api::control::Recorded;
use standfast_api::{decode, encode};
use std::collections::VecDeque;

/// Events that are remembered at least: weeks of a calm pair, some minutes of one that flaps.
pub(super) const EVENTS: usize = 10_000;

/// As many are compressed, opened and forgotten together.
pub(super) const BLOCK: usize = 256;

/// More than a block has in octets: each of its events came in a message.
const BLOCK_OCTETS: usize = 64 << 20;

/// Of 10: what repeats is found by any of them, and a burst of events must not hold the front up.
const LEVEL: u8 = 4;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct History {
    blocks: VecDeque<Block>,
    /// Those after the blocks, fewer than would be one.
    last: Vec<Held>,
}

/// An event in its octets.
#[derive(Debug)]
struct Held {
    number: u64,
    octets: Vec<u8>,
}

/// The octets of [`BLOCK`] events, compressed.
#[derive(Debug)]
struct Block {
    /// The numbers of the first and of the last.
    numbers: (u64, u64),
    compressed: Box<[u8]>,
}

impl Block {
    fn of(held: &[Held]) -> Option<Self> {
        let octets: Vec<&[u8]> = held.iter().map(|held| &*held.octets).collect();
        let compressed = miniz_oxide::deflate::compress_to_vec(&encode(&octets).ok()?, LEVEL);
        Some(Self { numbers: (held.first()?.number, held.last()?.number), compressed: compressed.into() })
    }

    fn open(&self) -> Vec<Recorded> {
        let octets = miniz_oxide::inflate::decompress_to_vec_with_limit(&self.compressed, BLOCK_OCTETS);
        let events: Vec<Vec<u8>> = octets.ok().and_then(|octets| decode(&octets).ok()).unwrap_or_default();
        events.iter().filter_map(|octets| decode(octets).ok()).collect()
    }
}

impl History {
    /// Puts events behind the others, whose numbers are lower, and forgets the oldest of too many.
    pub(super) fn add<'a>(&mut self, events: impl IntoIterator<Item = &'a Recorded>) {
        for event in events {
            // What cannot be written has no form at all, and there is no such event.
            let Ok(octets) = encode(event) else { continue };
            self.last.push(Held { number: event.number, octets });
            if self.last.len() >= BLOCK {
                self.blocks.extend(Block::of(&self.last));
                self.last.clear();
            }
        }
        while (self.blocks.len().saturating_sub(1)) * BLOCK + self.last.len() >= EVENTS {
            self.blocks.pop_front();
        }
    }

    /// The number of the first of them, and of the last.
    pub(super) fn numbers(&self) -> Option<(u64, u64)> {
        let held = || self.last.iter().map(|held| (held.number, held.number));
        let mut all = self.blocks.iter().map(|block| block.numbers).chain(held());
        let (first, last) = all.next()?;
        Some((first, all.next_back().map_or(last, |(_, last)| last)))
    }

    /// The events from this number on.
    pub(super) fn from(&self, number: u64) -> impl DoubleEndedIterator<Item = Recorded> {
        let first = self.blocks.partition_point(|block| block.numbers.1 < number);
        let blocks = self.blocks.range(first..).flat_map(Block::open);
        let last = self.last.iter().filter_map(|held| decode(&held.octets).ok());
        blocks.chain(last).filter(move |event: &Recorded| event.number >= number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use standfast_api::{Event, EventKind, Said};
    use standfast_model::Instant;

    fn event(number: u64) -> Recorded {
        let fields =
            [("service", "TCP 192.0.2.1:80"), ("up", "4")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let said = Said {
            process: "Keepalived_healthcheckers".to_owned(),
            severity: 6,
            message: format!("Gained quorum {number}"),
            fields: fields.into(),
        };
        let event = Event { at: Instant::from_nanos(number), kind: EventKind::Said(said) };
        Recorded { number, unix: Duration::from_secs(number), event }
    }

    fn history(numbers: impl IntoIterator<Item = u64>) -> History {
        let mut history = History::default();
        history.add(&numbers.into_iter().map(event).collect::<Vec<_>>());
        history
    }

    #[test]
    fn events_come_back_as_they_were_from_a_number_on_also_where_one_is_missing() {
        assert_eq!(History::default().numbers(), None);
        let history = history([1, 2, 4, 5]);
        assert_eq!(history.numbers(), Some((1, 5)));
        let from = |number| history.from(number).collect::<Vec<_>>();
        assert_eq!(from(0), [1, 2, 4, 5].map(event));
        assert_eq!(from(3), [4, 5].map(event));
        assert_eq!(from(6), []);
        assert_eq!(history.from(2).next_back(), Some(event(5)));
    }

    #[test]
    fn of_many_the_oldest_are_forgotten_first_and_the_others_come_back_from_any_number_on_and_backwards() {
        let (block, limit) = (BLOCK as u64, EVENTS as u64);
        for last in [limit, limit + block - 1, limit + block, 3 * limit] {
            let history = history(1..=last);
            let (first, end) = history.numbers().unwrap();
            assert_eq!(end, last);
            assert!((limit..limit + block).contains(&(last - first + 1)), "{first} to {last}");
            for from in [first, first + 1, first + block, last - block, last] {
                assert!(history.from(from).eq((from..=last).map(event)), "{from} to {last}");
            }
            assert!(history.from(0).rev().eq((first..=last).rev().map(event)));
        }
    }

    #[test]
    fn what_is_remembered_of_many_services_takes_little_room() {
        let history = history(1..=EVENTS as u64);
        let octets: usize = history.blocks.iter().map(|block| block.compressed.len()).sum();
        assert!(octets < 40 * EVENTS, "{octets} bytes");
    }
}
