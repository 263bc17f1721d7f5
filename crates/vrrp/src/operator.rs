//! What an operator orders: maintenance, and that another router is to be master.
//!
//! The orders themselves; what becomes of a fault is in [`crate::units`], the ways into states in [`crate::machine`].

use crate::batch::Batch;
use crate::machine::Machine;
use crate::router::Router;
use crate::units::Unit;
use standfast_model::config::vrrp::InstanceId;
use standfast_model::{Cause, Instant};

/// The end of an order that no time ends.
const UNTIL_UNDONE: Instant = Instant::from_nanos(u64::MAX);

impl Router {
    /// Every instance leaves the election, or is free to take part in it again.
    pub(crate) fn maintain(&mut self, now: Instant, on: bool) {
        if core::mem::replace(&mut self.maintenance, on) == on || !self.started || self.stopped {
            return;
        }
        let all: Vec<InstanceId> = self.ids().collect();
        self.reassess(now, all, Some(&Cause::Maintenance));
    }

    /// The unit of the instance gives up what it is master of.
    pub(crate) fn hand_over(&mut self, now: Instant, id: InstanceId, until: Option<Instant>) {
        let Some((unit, member)) = self.place(id) else { return };
        let until = until.unwrap_or(UNTIL_UNDONE);
        self.act_on_unit(now, unit, |unit, batch| unit.hand_over(now, member, until, batch));
    }

    /// A predecessor was told to hand over.
    pub(crate) fn stand_back(&mut self, id: InstanceId, until: Instant) {
        if let Some(machine) = self.machine_mut(id) {
            machine.stands_back = Some(until);
        }
    }

    /// The unit of the instance preempts again.
    pub(crate) fn take_part(&mut self, id: InstanceId) {
        let Some((unit, _)) = self.place(id) else { return };
        for machine in self.units.get_mut(unit.0).into_iter().flat_map(|unit| &mut unit.members) {
            machine.stands_back = None;
        }
    }
}

impl Machine {
    /// Whether it leaves the mastership to whoever else wants it.
    pub(crate) fn stands_back(&self, now: Instant) -> bool {
        self.stands_back.is_some_and(|until| now < until)
    }
}

impl Unit {
    fn hand_over(&mut self, now: Instant, member: usize, until: Instant, batch: &mut Batch) {
        let Some(name) = self.members.get(member).map(|member| member.config.name.clone()) else { return };
        let follows = self.follows(&name);
        // The lease of a witness is given up with the mastership, and so are the addresses that it was for.
        let lingers = !self.is_witnessed();
        for (place, machine) in self.members.iter_mut().enumerate().filter(|(_, machine)| machine.phase.is_master()) {
            let cause = if place == member { Cause::Switchover } else { follows.clone() };
            machine.yield_to_group(now, cause, batch);
            machine.stands_back = Some(until);
            if let Some(backup) = machine.phase.backup_mut() {
                backup.lingers = lingers;
            }
        }
    }
}
