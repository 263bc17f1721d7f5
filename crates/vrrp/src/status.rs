//! What can be read from a router: for status, counters and tests. It changes nothing.

use crate::phase::{Peer, Phase};
use crate::receive::wanted_authentication;
use crate::router::Router;
use standfast_model::config::vrrp::{Authentication, InstanceId};
use standfast_model::tracking::Known;
use standfast_model::{Cause, Claim, Instant, Mismatch, Rival, State, Transition, VrrpCounters};
use std::net::IpAddr;

/// One instance as an operator sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status<'a> {
    /// Its state.
    pub state: State,
    /// The effective priority, 1..=255.
    pub priority: u8,
    /// Since when it is in that state; none before the start.
    pub since: Option<Instant>,
    /// The master's address and priority: our own while master, else the last one accepted in this state.
    pub master: Option<(IpAddr, u8)>,
    /// Why it is in FAULT; none in any other state.
    pub fault: Option<&'a Cause>,
    /// The last change of state.
    pub last_transition: Option<&'a Transition>,
    /// When it sent its last advertisement as the master that it is, or earlier if the lease that it needs ends before a
    /// standby would take over; none in any other state. This is the stamp that [`crate::Event::Adopt`] wants.
    pub advert_sent: Option<Instant>,
    /// `auth_type AH`: the highest sequence number sent or accepted; none with any other authentication. It is what
    /// [`crate::Event::Sequence`] wants.
    pub sequence: Option<u32>,
    /// In what other routers are configured differently, as their advertisements show it: 16 entries at most.
    pub mismatches: &'a [Mismatch],
    /// Who advertises as master beside us; none unless we are master.
    pub rival: Option<Rival>,
    /// The timer ran out, and the sync group or a witness holds it back.
    pub held_back: bool,
    /// What a witness says that holds it back, if that is what does.
    pub held: Option<&'a Cause>,
    /// Until when it preempts nobody because of [`crate::Event::HandOver`]; the end of time is until it is told otherwise.
    /// It is what [`crate::Event::StandsBack`] wants.
    pub stands_back: Option<Instant>,
}

impl Router {
    /// Whether the kernel should hold the instance's addresses. False for an instance that does not exist.
    #[must_use]
    pub fn holds(&self, id: InstanceId) -> bool {
        self.machine(id).is_some_and(|machine| machine.phase.holds())
    }

    /// The state; [`State::Stop`] for an instance that does not exist.
    #[must_use]
    pub fn state(&self, id: InstanceId) -> State {
        self.machine(id).map_or(State::Stop, |machine| machine.phase.state())
    }

    /// The counters; zeros for an instance that does not exist.
    #[must_use]
    pub fn counters(&self, id: InstanceId) -> &VrrpCounters {
        self.machine(id).map_or(&self.nobody, |machine| &machine.counters)
    }

    /// What is known of everything that is tracked.
    #[must_use]
    pub fn tracked(&self) -> Known {
        self.known.known()
    }

    /// Who else says that addresses of the instance are its own, in the order of the addresses; nobody unless it is master.
    pub fn claims(&self, id: InstanceId) -> impl Iterator<Item = &Claim> {
        self.machine(id).and_then(|machine| machine.phase.master()).into_iter().flat_map(|master| master.claims.told())
    }

    /// Everything an operator wants to know of an instance, if it exists.
    #[must_use]
    pub fn status(&self, id: InstanceId) -> Option<Status<'_>> {
        let machine = self.machine(id)?;
        let (master, fault) = match &machine.phase {
            Phase::Backup(backup) => (backup.master.map(|Peer { address, priority }| (address, priority.get())), None),
            Phase::Master(_) => (machine.source.map(|source| (source, machine.priority.get())), None),
            Phase::Fault { cause, .. } => (None, Some(cause)),
            Phase::Init { .. } | Phase::Stop => (None, None),
        };
        Some(Status {
            state: machine.phase.state(),
            priority: machine.priority.get(),
            since: machine.since,
            master,
            fault,
            last_transition: machine.last_transition.as_ref(),
            advert_sent: machine.phase.master().map(|master| self.counts_as_sent(id, master.advert_sent)),
            sequence: matches!(wanted_authentication(&machine.config), Authentication::Ah(_))
                .then_some(machine.ah_sequence),
            mismatches: machine.differences.all(),
            rival: machine.phase.master().and_then(|master| master.rival),
            held: machine.phase.backup().and_then(|backup| backup.held.as_ref()),
            held_back: machine.phase.backup().is_some_and(|backup| backup.wants_master),
            stands_back: machine.stands_back,
        })
    }
}
