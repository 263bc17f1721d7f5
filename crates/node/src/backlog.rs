//! What the router has asked for and the kernel has not been told yet, done in pieces: between two of them the worker
//! looks at its sockets and its timers, so that a thousand addresses of one instance delay no advertisement of another.
//!
//! It owns the order: addresses before their announcements, announcements before the journal and those who want to be
//! notified. Advertisements never wait here; they leave the moment the router asks for them, so a resignation is on the
//! wire before an address goes. What was asked for and is no longer wanted is not done.

use crate::system::{Frame, Record, System};
use crate::upkeep::{Thing, subject};
use crate::vrrp::VrrpNode;
use standfast_model::Instant;
use standfast_model::config::track::ScriptId;
use standfast_model::config::vrrp::InstanceId;
use standfast_net::Operation;
use standfast_vrrp::Event;
use std::collections::VecDeque;

/// What a piece may cost, in frames. A frame takes the kernel 2 to 4 us, so a piece takes about 2 ms: less than the
/// advertisements of the shortest intervals are apart by.
const PIECE: usize = 512;

/// What an operation costs in frames: an address takes the kernel 10 to 30 us. A piece has room for 64 of them, which
/// is what one request to the kernel holds.
const OPERATION: usize = 8;

/// What a line of the journal and its notification cost in frames.
const RECORD: usize = 8;

/// How much may be done before the worker looks up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Credit(usize);

impl Credit {
    /// For whom something else waits already.
    pub(crate) const NONE: Self = Self(0);
    /// For a wake, and for an input that finds nothing waiting.
    pub(crate) const PIECE: Self = Self(PIECE);
    /// Where the worker has nothing else to do: before its start and at its end.
    pub(crate) const ALL: Self = Self(usize::MAX);

    fn spend(&mut self, frames: usize) {
        self.0 = self.0.saturating_sub(frames);
    }
}

/// What is told when the kernel has been.
#[derive(Clone, Debug)]
enum Told {
    Record(Box<Record>),
    Script(ScriptId),
}

/// Rounds of announcements that an instance is to make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rounds {
    /// How many, this one included.
    pub(crate) left: u32,
    /// None of them has been made.
    pub(crate) first: bool,
}

/// What waits, by kind. Each is bounded by the configuration: an instance is in it once per kind, but for records,
/// which come as states change, and for the addresses that are claimed by others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backlog {
    /// What separates the kernel from what is wanted is to be worked out anew.
    compare: bool,
    /// What separated them when it was last worked out, as far as it has not been done.
    operations: VecDeque<Operation>,
    /// Who announces its addresses and how many rounds of it. They take turns, so that every address is known before
    /// any is announced again.
    announcing: VecDeque<(InstanceId, Rounds)>,
    /// The round that is being sent.
    frames: VecDeque<(InstanceId, Frame)>,
    told: VecDeque<Told>,
}

impl Backlog {
    pub(crate) fn is_empty(&self) -> bool {
        !self.compare
            && self.operations.is_empty()
            && self.announcing.is_empty()
            && self.frames.is_empty()
            && self.told.is_empty()
    }

    /// Asks for everything to be as it is wanted.
    pub(crate) fn compare(&mut self) {
        self.compare = true;
    }

    pub(crate) fn announce(&mut self, instance: InstanceId, rounds: u32) {
        self.announcing.push_back((instance, Rounds { left: rounds, first: true }));
    }

    /// A frame that is sent as soon as what is being announced already has been.
    pub(crate) fn defend(&mut self, instance: InstanceId, frame: Frame) {
        self.frames.push_back((instance, frame));
    }

    pub(crate) fn record(&mut self, record: Record) {
        self.told.push_back(Told::Record(Box::new(record)));
    }

    pub(crate) fn run(&mut self, script: ScriptId) {
        self.told.push_back(Told::Script(script));
    }

    /// Whether the thing is as it is because its turn has not come, and through nobody's doing.
    pub(crate) fn concerns(&self, thing: Thing) -> bool {
        self.compare || self.operations.iter().any(|operation| subject(operation).0 == thing)
    }
}

impl VrrpNode {
    /// Works at what waits as far as there is credit.
    pub(crate) fn work(&mut self, now: Instant, system: &mut impl System) {
        while self.credit != Credit::NONE && !self.backlog.is_empty() {
            if core::mem::take(&mut self.backlog.compare) {
                self.compare(now, system);
            } else if !self.backlog.operations.is_empty() {
                self.operate(now, system);
            } else if !self.backlog.frames.is_empty() || !self.backlog.announcing.is_empty() {
                self.announce_next(now, system);
            } else if let Some(told) = self.backlog.told.pop_front() {
                self.credit.spend(RECORD);
                match told {
                    Told::Record(record) => system.record(*record),
                    Told::Script(script) => system.run_script(script),
                }
            }
        }
        self.worked_at = now;
    }

    /// Works out what is to be done. A device or socket that could not be had is tried for again as well: a master must
    /// not be deaf.
    fn compare(&mut self, now: Instant, system: &mut impl System) {
        let mut refused = Vec::new();
        self.unwatched = true;
        if !self.stopping {
            refused.extend(self.places.ensure(&mut self.observed, system));
            refused.extend(self.open_sockets(system));
        }
        let before = core::mem::take(&mut self.backlog.operations);
        let mut operations = self.operations();
        // What the kernel has taken along with another address is known only to the comparison that removed that one.
        operations.extend(before.into_iter().filter(|operation| self.is_still_wanted(operation)));
        self.backlog.operations = operations.into();
        if self.backlog.operations.is_empty() {
            self.settled();
        }
        for (instance, what) in refused {
            self.ask(now, Event::OperationFailed { instance, what: &what }, system);
        }
    }

    fn is_still_wanted(&self, operation: &Operation) -> bool {
        match operation {
            Operation::Add { .. } => self.owner_of(operation).is_some_and(|owner| self.holds(owner)),
            Operation::Remove { .. }
            | Operation::AddRoute(_)
            | Operation::RemoveRoute(_)
            | Operation::AddRule(_)
            | Operation::RemoveRule(_) => false,
        }
    }

    fn operate(&mut self, now: Instant, system: &mut impl System) {
        let most = self.credit.0.div_ceil(OPERATION).min(self.backlog.operations.len());
        self.credit.spend(most * OPERATION);
        let piece: Vec<Operation> = self.backlog.operations.drain(..most).collect();
        let refused = self.apply(&piece, system).refused;
        if self.backlog.operations.is_empty() {
            self.settled();
        }
        // Each refusal takes its instance out of MASTER, so this ends after one round per instance at the latest.
        for (instance, what) in refused {
            self.ask(now, Event::OperationFailed { instance, what: &what }, system);
        }
    }

    /// Everything is as it was wanted when it was last worked out.
    fn settled(&mut self) {
        self.retired.clear();
        let observed = &self.observed;
        self.pacer.retain(|a| observed.entries(a.frame.interface, a.address).next().is_some());
    }

    /// Sends what a piece has room for, taking up further rounds as far as they are needed for that.
    fn announce_next(&mut self, now: Instant, system: &mut impl System) {
        let room = self.credit.0;
        while self.backlog.frames.len() < room
            && let Some((id, rounds)) = self.backlog.announcing.pop_front()
        {
            // Who has lost its addresses has nothing to announce.
            if !self.router.holds(id) {
                continue;
            }
            let frames = self.round(now, id, rounds);
            // Those with pauses between them are in the pacer's hands now, with all their rounds.
            if rounds.left > 1 && !frames.is_empty() {
                self.backlog.announcing.push_back((id, Rounds { left: rounds.left - 1, first: false }));
            }
            self.backlog.frames.extend(frames.into_iter().map(|frame| (id, frame)));
        }
        let most = room.min(self.backlog.frames.len());
        self.credit.spend(most.max(1));
        let piece = self.backlog.frames.drain(..most).filter(|(id, _)| self.router.holds(*id));
        let frames: Vec<Frame> = piece.map(|(_, frame)| frame).collect();
        if !frames.is_empty() {
            system.announce(&frames);
        }
    }
}
