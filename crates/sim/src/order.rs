//! What will happen and in which order: earlier first, and of one moment what was caused first.
//!
//! It owns no meaning. What is rare and large lies in a box, so that moving an event about costs little.

use crate::fault::Fault;
use crate::lan::{LanId, MachineId};
use crate::machine::{Datagram, Told};
use core::cmp::Reverse;
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
    /// What keeps a machine's lease looks after it.
    Lease(MachineId),
    /// Something goes wrong or is mended.
    Fault(Box<Fault>),
    /// The storm strikes.
    Storm,
}

/// Bits of a key below the order: which slot holds the event.
const SLOT_BITS: u32 = 24;

/// Everything that will happen. What is sorted is a number for each event, its time above its order above its slot, so
/// that little is moved; the events stay where they are until their time comes.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    queue: BinaryHeap<Reverse<u128>>,
    slots: Vec<Option<Event>>,
    free: Vec<usize>,
    /// Counts the events of a run: 2^40 of them, which no run lives to see.
    order: u64,
}

impl Agenda {
    /// # Panics
    /// With 2^24 events that wait at once: no cluster has so many packets under way.
    pub(crate) fn add(&mut self, at: Instant, event: Event) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        assert!(slot >> SLOT_BITS == 0, "too many events wait");
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(event);
        }
        self.queue.push(Reverse(u128::from(at.as_nanos()) << 64 | u128::from(self.order << SLOT_BITS | slot as u64)));
        self.order += 1;
    }

    /// When the next event is.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.queue.peek().map(|next| time_of(next.0))
    }

    /// Takes the next event, if it is not after `end`.
    pub(crate) fn take_until(&mut self, end: Instant) -> Option<(Instant, Event)> {
        let next = self.queue.peek()?.0;
        if time_of(next) > end {
            return None;
        }
        self.queue.pop();
        let slot = usize::try_from(next & ((1 << SLOT_BITS) - 1)).ok()?;
        self.free.push(slot);
        Some((time_of(next), self.slots.get_mut(slot)?.take()?))
    }
}

fn time_of(key: u128) -> Instant {
    // The upper half of 128 bits has 64.
    Instant::from_nanos(u64::try_from(key >> 64).unwrap_or(u64::MAX))
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
