//! What will happen and in which order: earlier first, and of one moment what was caused first.
//!
//! It owns no meaning. What is rare and large lies in a box, so that moving an event about costs little.

use crate::fault::Fault;
use crate::lan::{LanId, MachineId};
use crate::machine::{Datagram, Told};
use core::cmp::{Ordering, Reverse};
use standfast_model::Instant;
use std::collections::BinaryHeap;
use std::rc::Rc;

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Event {
    /// A packet reaches a machine.
    Packet(MachineId, LanId, Rc<Datagram>),
    /// A daemon, if it is still the one of that number, is told something.
    Told(MachineId, u32, Box<Told>),
    /// A daemon's deadline may have come.
    Wake(MachineId),
    /// Something goes wrong or is mended.
    Fault(Box<Fault>),
    /// The storm strikes.
    Storm,
}

/// An event in the queue.
#[derive(Debug)]
struct Scheduled {
    at: Instant,
    order: u64,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// Everything that will happen.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    queue: BinaryHeap<Reverse<Scheduled>>,
    order: u64,
}

impl Agenda {
    pub(crate) fn add(&mut self, at: Instant, event: Event) {
        let order = self.order;
        self.order += 1;
        self.queue.push(Reverse(Scheduled { at, order, event }));
    }

    /// When the next event is.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.queue.peek().map(|next| next.0.at)
    }

    /// Takes the next event, if it is not after `end`.
    pub(crate) fn take_until(&mut self, end: Instant) -> Option<(Instant, Event)> {
        self.queue.peek().filter(|next| next.0.at <= end)?;
        self.queue.pop().map(|next| (next.0.at, next.0.event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_moment_what_was_caused_first_comes_first_and_nothing_comes_early() {
        let at = Instant::from_nanos;
        let mut agenda = Agenda::default();
        for (moment, machine) in [(20, 1), (10, 2), (20, 3), (10, 4)] {
            agenda.add(at(moment), Event::Wake(MachineId(machine)));
        }
        assert_eq!(agenda.next_at(), Some(at(10)));
        let mut came = Vec::new();
        while let Some((_, Event::Wake(machine))) = agenda.take_until(at(19)) {
            came.push(machine.0);
        }
        assert_eq!(came, [2, 4]);
        while let Some((_, Event::Wake(machine))) = agenda.take_until(at(20)) {
            came.push(machine.0);
        }
        assert_eq!(came, [2, 4, 1, 3]);
    }
}
