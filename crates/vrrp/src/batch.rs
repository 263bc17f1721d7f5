//! What one event asks for, put in the order in which it must be done.
//!
//! Several instances may move in one instant. Every advertisement then leaves before the first address moves, and the
//! addresses move once; whoever collects actions need not think of that order.

use crate::output::{Action, Notice, Output};
use standfast_model::config::track::ScriptId;
use standfast_model::config::vrrp::{Instance, InstanceId};
use standfast_model::{GroupTransition, PriorityChange, Transition};
use std::net::IpAddr;

/// Actions by kind; each kind keeps the order in which it was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    sends: Vec<Action>,
    reconcile: bool,
    announces: Vec<Action>,
    records: Vec<Action>,
    runs: Vec<Action>,
    left: Vec<InstanceId>,
}

impl Batch {
    pub(crate) fn sends_anything(&self) -> bool {
        !self.sends.is_empty()
    }

    pub(crate) fn send(&mut self, action: Action) {
        self.sends.push(action);
    }

    pub(crate) fn reconcile(&mut self) {
        self.reconcile = true;
    }

    pub(crate) fn announce(&mut self, instance: InstanceId, rounds: u32) {
        self.announces.push(Action::Announce { instance, rounds });
    }

    pub(crate) fn defend(&mut self, instance: InstanceId, address: IpAddr) {
        self.announces.push(Action::Defend { instance, address });
    }

    pub(crate) fn transition(&mut self, transition: Transition) {
        self.records.push(Action::Transition(transition));
    }

    pub(crate) fn group_transition(&mut self, transition: GroupTransition) {
        self.records.push(Action::GroupTransition(transition));
    }

    pub(crate) fn priority(&mut self, change: PriorityChange) {
        self.records.push(Action::Priority(change));
    }

    pub(crate) fn lower_priority_received(&mut self, instance: InstanceId, theirs: u8) {
        self.records.push(Action::LowerPriorityReceived { instance, theirs });
    }

    pub(crate) fn deleted(&mut self, instance: Instance) {
        self.records.push(Action::Deleted(Box::new(instance)));
    }

    pub(crate) fn run_script(&mut self, script: ScriptId) {
        self.runs.push(Action::RunScript { script });
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        self.records.push(Action::Notice(notice));
    }

    /// An instance is master no more.
    pub(crate) fn left_master(&mut self, instance: InstanceId) {
        self.left.push(instance);
    }

    /// Those that are master no more since this was last asked.
    pub(crate) fn take_left(&mut self) -> Vec<InstanceId> {
        core::mem::take(&mut self.left)
    }

    /// Moves everything into `out`: advertisements, one reconciliation, announcements, what to record, what to run.
    pub(crate) fn flush(&mut self, out: &mut Output) {
        out.actions.append(&mut self.sends);
        if core::mem::take(&mut self.reconcile) {
            out.actions.push(Action::Reconcile);
        }
        out.actions.append(&mut self.announces);
        out.actions.append(&mut self.records);
        out.actions.append(&mut self.runs);
    }
}
