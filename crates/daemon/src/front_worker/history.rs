//! The events that are remembered, in the order of their numbers.
//!
//! A director of thousands of services has thousands of them at its start, and looks at few. Each is kept in the octets
//! that it is sent in: as values, with a place in memory for each of their words, five thousand took 1.2 MB more.

use standfast_api::control::Recorded;
use standfast_api::{decode, encode};
use std::collections::VecDeque;

/// Events that are remembered: weeks of a calm pair, some minutes of one that flaps.
pub(super) const EVENTS: usize = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct History {
    held: VecDeque<Held>,
}

#[derive(Debug)]
struct Held {
    number: u64,
    octets: Box<[u8]>,
}

impl History {
    /// Puts events behind the others, whose numbers are lower, and forgets the oldest of too many.
    pub(super) fn add<'a>(&mut self, events: impl IntoIterator<Item = &'a Recorded>) {
        // What cannot be written has no form at all, and there is no such event.
        let held = |event: &Recorded| Some(Held { number: event.number, octets: encode(event).ok()?.into() });
        self.held.extend(events.into_iter().filter_map(held));
        let surplus = self.held.len().saturating_sub(EVENTS);
        self.held.drain(..surplus);
    }

    /// The number of the first of them, and of the last.
    pub(super) fn numbers(&self) -> Option<(u64, u64)> {
        Some((self.held.front()?.number, self.held.back()?.number))
    }

    /// The events from this number on.
    pub(super) fn from(&self, number: u64) -> impl DoubleEndedIterator<Item = Recorded> {
        let first = self.held.partition_point(|held| held.number < number);
        self.held.range(first..).filter_map(|held| decode(&held.octets).ok())
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
    fn the_oldest_are_forgotten_first() {
        let last = EVENTS as u64 + 3;
        assert_eq!(history(1..=last).numbers(), Some((4, last)));
    }
}
