//! Every checker of the node under a number of its own, and when each is due.
//!
//! It owns numbers and dates. What a verdict means is not decided here.

use crate::checker::Checker;
use crate::director::CheckerId;
use crate::verdict::Inability;
use standfast_model::Instant;
use standfast_model::config::lvs::{self as config, Probe};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A checker in its place.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    /// The place of its pool, and of its server there.
    pub(crate) place: (usize, usize),
    pub(crate) state: Checker,
    /// Another one performs the same check and shares its verdicts with this one.
    pub(crate) leader: Option<CheckerId>,
    due: Option<Instant>,
    /// What keeps it from being made, as it was counted last.
    inability: Option<Inability>,
}

impl Seat {
    /// What keeps it from being made, as it was counted last.
    pub(crate) fn told_inability(&self) -> Option<&Inability> {
        self.inability.as_ref()
    }

    pub(crate) fn tell_inability(&mut self, inability: Option<Inability>) {
        self.inability = inability;
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seats {
    /// Each in a place of its own: a tree has room for many more than there are.
    seats: BTreeMap<CheckerId, Box<Seat>>,
    /// Numbers are never used twice: a late answer to a checker that is gone must find nobody.
    next: usize,
    /// When which checker is due; one that is running, rests or is led by another is not in it.
    due: BTreeSet<(Instant, CheckerId)>,
    /// Who gets the verdicts of whom.
    followers: BTreeMap<CheckerId, Vec<CheckerId>>,
}

impl Seats {
    pub(crate) fn add(&mut self, config: Arc<config::Checker>, place: (usize, usize)) -> CheckerId {
        let id = CheckerId(self.next);
        self.next = self.next.saturating_add(1);
        let state = Checker::new(config);
        let seat = Seat { place, state, leader: None, due: None, inability: None };
        self.seats.insert(id, Box::new(seat));
        id
    }

    pub(crate) fn remove(&mut self, id: CheckerId) -> Option<Seat> {
        self.rest(id);
        self.followers.remove(&id);
        self.seats.remove(&id).map(|seat| *seat)
    }

    pub(crate) fn get(&self, id: CheckerId) -> Option<&Seat> {
        self.seats.get(&id).map(|seat| &**seat)
    }

    pub(crate) fn get_mut(&mut self, id: CheckerId) -> Option<&mut Seat> {
        self.seats.get_mut(&id).map(|seat| &mut **seat)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (CheckerId, &Seat)> {
        self.seats.iter().map(|(id, seat)| (*id, &**seat))
    }

    pub(crate) fn len(&self) -> usize {
        self.seats.len()
    }

    /// Those that are led by another.
    pub(crate) fn led(&self) -> usize {
        self.followers.values().map(Vec::len).sum()
    }

    /// The next run of that checker is due then, instead of any other date that was set.
    pub(crate) fn schedule(&mut self, id: CheckerId, due: Instant) {
        self.rest(id);
        if let Some(seat) = self.seats.get_mut(&id).filter(|seat| seat.leader.is_none()) {
            seat.due = Some(due);
            self.due.insert((due, id));
        }
    }

    /// No run of that checker is due.
    pub(crate) fn rest(&mut self, id: CheckerId) {
        if let Some(due) = self.seats.get_mut(&id).and_then(|seat| seat.due.take()) {
            self.due.remove(&(due, id));
        }
    }

    pub(crate) fn rest_all(&mut self) {
        self.due.clear();
        self.seats.values_mut().for_each(|seat| seat.due = None);
    }

    /// When that checker is due.
    pub(crate) fn due(&self, id: CheckerId) -> Option<Instant> {
        self.get(id)?.due
    }

    /// When the first of all is due.
    pub(crate) fn first_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Takes the first that is due by now off the list.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<CheckerId> {
        let (due, id) = self.due.first().copied().filter(|(due, _)| *due <= now)?;
        self.due.remove(&(due, id));
        self.seats.get_mut(&id)?.due = None;
        Some(id)
    }

    /// Those that get the verdicts of that one besides it.
    pub(crate) fn followers(&self, id: CheckerId) -> Vec<CheckerId> {
        self.followers.get(&id).cloned().unwrap_or_default()
    }

    /// Lets the first of all checkers with the same probe and timing lead the others, or each perform its own. Answers
    /// who performs its own check and has no date for it. `alone` says which are not shared.
    pub(crate) fn share(&mut self, share: bool, alone: impl Fn(&Seat) -> bool) -> Vec<CheckerId> {
        crate::effort::looked_at(self.seats.len());
        if share || !self.followers.is_empty() {
            let mut leaders: BTreeMap<(&Probe, &config::Timing), CheckerId> = BTreeMap::new();
            let mut led = Vec::new();
            for (id, seat) in self.seats.iter().filter(|(_, seat)| share && !alone(seat)) {
                let leader = *leaders.entry((&seat.state.config().probe, &seat.state.config().timing)).or_insert(*id);
                if leader != *id {
                    led.push((*id, leader));
                }
            }
            self.followers.clear();
            self.seats.values_mut().for_each(|seat| seat.leader = None);
            for (id, leader) in led {
                self.rest(id);
                self.followers.entry(leader).or_default().push(id);
                if let Some(seat) = self.seats.get_mut(&id) {
                    seat.leader = Some(leader);
                }
            }
        }
        let idle = |seat: &Seat| seat.leader.is_none() && seat.due.is_none() && !seat.state.is_running();
        self.seats.iter().filter(|(_, seat)| idle(seat)).map(|(id, _)| *id).collect()
    }
}
