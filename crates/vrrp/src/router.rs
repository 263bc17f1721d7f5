//! The router: finds whom an event concerns, lets it act, and keeps the index of deadlines true.
//!
//! It owns every instance; it does no I/O and reads no clock. Packets come in by [`crate::deliver`]; the
//! protocol is in [`crate::hear`] and [`crate::machine`], the rules of sync groups in [`crate::units`].

use crate::batch::Batch;
use crate::deadlines::Deadlines;
use crate::event::{Event, InterfaceFacts};
use crate::links::{self, Facts};
use crate::machine::{self, Machine};
use crate::notices::Memory;
use crate::output::{Notice, Output};
use crate::phase::Phase;
use crate::trackers::Trackers;
use crate::units::{self, Unit, UnitId};
use core::time::Duration;
use standfast_model::config::VrrpConfig;
use standfast_model::config::track::Tracker;
use standfast_model::config::vrrp::InstanceId;
use standfast_model::ipvs::Family;
use standfast_model::{Cause, Instant, InterfaceIndex, InterfaceName, MacAddress, VrrpCounters};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Settings of the whole process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// `vrrp_startup_delay`: so long after the start every instance stays in INIT and refuses what it receives.
    pub startup_delay: Duration,
    /// `log_unknown_vrids`, if the configuration does not say it already: a packet for a VRID that nobody has is worth a notice.
    pub log_unknown_vrids: bool,
}

/// How much earlier than it is due an advertisement may leave with others.
const SHARED_WAKE: Duration = Duration::from_millis(1);

/// Packets on an interface that no instance could be blamed for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unclaimed {
    pub(crate) counters: VrrpCounters,
    pub(crate) memory: Memory,
}

/// All virtual routers of a node.
#[derive(Clone, Debug)]
pub struct Router {
    pub(crate) options: Options,
    /// `vrrp_delay_after_boot`: no instance begins before.
    pub(crate) not_before: Instant,
    pub(crate) units: Vec<Unit>,
    /// Where each instance is, by its id.
    pub(crate) places: Vec<(UnitId, usize)>,
    /// Whom a packet is for.
    // REQ: VRRP3-5.2.3-01
    pub(crate) receivers: BTreeMap<(InterfaceIndex, Family, u8), InstanceId>,
    /// Whom an interface matters to.
    pub(crate) watchers: BTreeMap<InterfaceName, Vec<InstanceId>>,
    pub(crate) facts: Facts,
    /// The interfaces of `facts` by their numbers.
    pub(crate) names: BTreeMap<InterfaceIndex, InterfaceName>,
    /// What is known of everything else that is tracked.
    pub(crate) known: Trackers,
    /// Whom a tracker matters to.
    pub(crate) trackers: BTreeMap<Tracker, Vec<InstanceId>>,
    /// [`Event::Start`] has been.
    pub(crate) started: bool,
    /// The end of the wait before the beginning, once it is known.
    pub(crate) begins_at: Option<Instant>,
    /// That wait is over.
    pub(crate) begun: bool,
    /// [`Event::Shutdown`] has been.
    pub(crate) stopped: bool,
    /// An operator wants this node to be master of nothing.
    pub(crate) maintenance: bool,
    /// What the wall's clock showed, and when.
    pub(crate) wall: Option<(Instant, Duration)>,
    pub(crate) deadlines: Deadlines,
    pub(crate) unclaimed: BTreeMap<InterfaceName, Unclaimed>,
    /// The counters of an instance that does not exist.
    pub(crate) nobody: VrrpCounters,
    pub(crate) batch: Batch,
}

impl Router {
    /// A router that has not been started, with the default [`Options`].
    #[must_use]
    pub fn new(config: VrrpConfig) -> Self {
        Self::with_options(config, Options::default())
    }

    /// A router that has not been started.
    ///
    /// [`Event::Interface`] tells it of the interfaces, before [`Event::Start`] and whenever they change.
    #[must_use]
    pub fn with_options(config: VrrpConfig, mut options: Options) -> Self {
        options.log_unknown_vrids |= config.common.log_unknown_vrids;
        let not_before = Instant::ZERO + config.common.delay_after_boot;
        let known = Trackers::new(&config.common);
        let (units, places) = units::split(config);
        let (watchers, trackers) = watchers(&units);
        Self {
            options,
            not_before,
            units,
            places,
            receivers: BTreeMap::new(),
            watchers,
            facts: Facts::new(),
            names: BTreeMap::new(),
            known,
            trackers,
            started: false,
            begins_at: None,
            begun: false,
            stopped: false,
            maintenance: false,
            wall: None,
            deadlines: Deadlines::default(),
            unclaimed: BTreeMap::new(),
            nobody: VrrpCounters::default(),
            batch: Batch::default(),
        }
    }

    /// Handles one event at `now`, which never goes back. What it asks for is appended to `out`.
    pub fn handle(&mut self, now: Instant, event: Event<'_>, out: &mut Output) {
        match event {
            Event::Adopt { instance, advert_sent } => self.adopt(now, instance, advert_sent),
            Event::Sequence { instance, highest } => self.go_on_from(instance, highest),
            Event::Start => self.start(now),
            Event::Interface { name, facts } => self.interface(now, name, facts),
            Event::Packet(packet) => self.packet(now, &packet),
            Event::Claimed { instance, address, interface, mac } => {
                self.claimed(now, instance, address, interface, mac);
            }
            Event::Wake => self.wake(now),
            Event::OperationFailed { instance, what } => self.operation_failed(now, instance, what),
            Event::ScriptEnded { script, outcome } => {
                if self.known.script_ended(script, outcome) {
                    self.tracker_changed(now, Tracker::Script(script));
                }
            }
            Event::FileRead { file, value } => {
                if self.known.file_read(file, value) {
                    self.tracker_changed(now, Tracker::File(file));
                }
            }
            Event::ProcessCount { process, count } => {
                if self.known.process_count(now, process, count) {
                    self.tracker_changed(now, Tracker::Process(process));
                }
            }
            Event::BfdChanged { session, up } => {
                if self.known.bfd_changed(session, up) {
                    self.tracker_changed(now, Tracker::Bfd(session));
                }
            }
            Event::QuorumTold { service, has_quorum } => {
                if self.known.quorum_told(service, has_quorum) {
                    self.tracker_changed(now, Tracker::Service(service));
                }
            }
            Event::WitnessTold { witness, said } => self.witness_told(now, witness, said),
            Event::WallClock { unix } => self.wall_clock(now, unix),
            Event::Reload(reload) => self.reload(now, *reload),
            Event::Maintenance { on } => self.maintain(now, on),
            Event::HandOver { instance, until } => self.hand_over(now, instance, until),
            Event::StandsBack { instance, until } => self.stand_back(instance, until),
            Event::TakePart { instance } => self.take_part(instance),
            Event::Shutdown => self.shutdown(now),
        }
        self.forget_leases_of_left();
        self.batch.flush(out);
    }

    /// When [`Event::Wake`] is due; none while nothing is waited for.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        match (self.deadlines.first(), self.known.next_deadline()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    fn claimed(&mut self, now: Instant, id: InstanceId, address: IpAddr, interface: &InterfaceName, mac: MacAddress) {
        let Some((unit, member)) = self.place(id) else { return };
        if let Some(machine) = self.machine_mut(id) {
            machine.hear_claim(now, address, interface, mac);
        }
        self.rearm_member(unit, member);
    }

    fn wall_clock(&mut self, now: Instant, unix: Duration) {
        let known = self.wall.replace((now, unix)).is_some();
        // Who signs could not take part without it.
        let signers: Vec<InstanceId> = self
            .ids()
            .filter(|id| self.machine(*id).is_some_and(|machine| machine.config.options.hmac.is_some()))
            .collect();
        for id in &signers {
            if let Some(machine) = self.machine_mut(*id) {
                machine.wall = Some((now, unix));
            }
        }
        if self.started && !known {
            self.reassess(now, signers, None);
            if self.begun {
                self.begin(now);
            }
        }
    }

    /// Whether any instance needs [`Event::WallClock`].
    #[must_use]
    pub fn wants_wall_clock(&self) -> bool {
        self.units.iter().flat_map(|unit| &unit.members).any(|machine| machine.config.options.hmac.is_some())
    }

    fn adopt(&mut self, now: Instant, id: InstanceId, advert_sent: Instant) {
        let Some((UnitId(unit), member)) = self.place(id) else { return };
        let Some(unit) = self.units.get_mut(unit) else { return };
        let Some(machine) = unit.members.get_mut(member) else { return };
        machine.adopted = Some(advert_sent);
        if machine.adoptable(now).is_some() {
            let of_group = unit.group.iter().flat_map(|group| &group.options.trackers);
            of_group.chain(&machine.config.options.trackers).for_each(|entry| self.known.presume(entry));
        }
    }

    fn go_on_from(&mut self, id: InstanceId, highest: u32) {
        if let Some(machine) = self.machine_mut(id) {
            machine.ah_sequence = machine.ah_sequence.max(highest);
            machine.ah_floor = highest.saturating_add(machine::UNNOTED_ADVERTS);
        }
    }

    fn start(&mut self, now: Instant) {
        for id in self.ids() {
            self.look(now, id, None);
        }
        self.started = true;
        self.known.start(now);
        self.run_scripts(now);
        let at = (now + self.options.startup_delay).max(self.not_before);
        self.begins_at = Some(at);
        if at == now {
            self.begin(now);
            return;
        }
        for machine in self.units.iter_mut().flat_map(|unit| &mut unit.members) {
            if let Phase::Init { begin_at: begin_at @ None } = &mut machine.phase {
                *begin_at = Some(at);
            }
        }
        self.rearm_all(now);
    }

    /// Every instance that waits in INIT leaves it, but for those that wait for the first result of a script.
    fn begin(&mut self, now: Instant) {
        self.begun = true;
        self.presume_leases(now);
        for unit in &mut self.units {
            if unit.can_begin(now, &self.known) {
                unit.begin(now, &self.known.witnesses, &mut self.batch);
                continue;
            }
            for member in &mut unit.members {
                if let Phase::Init { begin_at } = &mut member.phase {
                    *begin_at = None;
                }
            }
        }
        self.forget_presumed_leases();
        self.rearm_all(now);
    }

    pub(crate) fn run_scripts(&mut self, now: Instant) {
        for script in self.known.run_due(now) {
            self.batch.run_script(script);
        }
    }

    /// Something tracked means something else now.
    fn tracker_changed(&mut self, now: Instant, tracker: Tracker) {
        let Some(cause) = self.known.cause(tracker) else { return };
        if let Some(good) = self.known.good(tracker) {
            self.batch.notice(Notice::Tracked { cause: cause.clone(), good });
        }
        let watchers = self.trackers.get(&tracker).cloned().unwrap_or_default();
        self.reassess(now, watchers, Some(&cause));
        if self.begun {
            self.begin(now);
        }
    }

    fn interface(&mut self, now: Instant, name: &InterfaceName, facts: Option<InterfaceFacts>) {
        let before = self.facts.get(name);
        // What nothing in the configuration names is not kept.
        if before == facts.as_ref() || !self.watchers.contains_key(name) {
            return;
        }
        let replaced = matches!((before, &facts), (Some(before), Some(after)) if before.index != after.index);
        if let Some(before) = before {
            self.names.remove(&before.index);
        }
        // A new interface under the old name has neither our addresses nor our group membership: the old one's loss
        // comes first, whoever forgot to report it. Who only tracks it has lost nothing.
        if replaced {
            self.facts.remove(name);
            let gone = Cause::InterfaceMissing { interface: name.clone() };
            self.interface_changed(now, name, &gone, |machine| links::lives_on(&machine.config, name));
        }
        let cause = match &facts {
            Some(facts) if facts.up => Cause::LinkUp { interface: name.clone() },
            Some(_) => Cause::LinkDown { interface: name.clone() },
            None => Cause::InterfaceMissing { interface: name.clone() },
        };
        match facts {
            Some(facts) => {
                self.names.insert(facts.index, name.clone());
                self.facts.insert(name.clone(), facts)
            }
            None => self.facts.remove(name),
        };
        self.interface_changed(now, name, &cause, |_| true);
    }

    fn interface_changed(
        &mut self,
        now: Instant,
        name: &InterfaceName,
        cause: &Cause,
        concerns: impl Fn(&Machine) -> bool,
    ) {
        let mut watchers = self.watchers.get(name).cloned().unwrap_or_default();
        watchers.retain(|id| self.machine(*id).is_some_and(&concerns));
        self.reassess(now, watchers, Some(cause));
    }

    /// Looks at the world anew with the eyes of these instances, and acts on what has become of their faults.
    pub(crate) fn reassess(&mut self, now: Instant, instances: Vec<InstanceId>, cause: Option<&Cause>) {
        let mut recovered: BTreeMap<UnitId, Vec<InstanceId>> = BTreeMap::new();
        for id in instances {
            let faulty = self.machine(id).is_some_and(|machine| machine.fault.is_some());
            self.look(now, id, cause);
            let Some((unit, _)) = self.place(id) else { continue };
            let entry = recovered.entry(unit).or_default();
            if faulty && self.machine(id).is_some_and(|machine| machine.fault.is_none()) {
                entry.push(id);
            }
        }
        for (unit, recovered) in recovered {
            self.settle(now, unit, &recovered);
        }
    }

    /// Looks at the world with the eyes of one instance. The caller acts on what is seen and rearms.
    pub(crate) fn look(&mut self, now: Instant, id: InstanceId, cause: Option<&Cause>) {
        let Some((UnitId(unit), member)) = self.place(id) else { return };
        let Some(unit) = self.units.get_mut(unit) else { return };
        let Some(machine) = unit.members.get_mut(member) else { return };
        let key = |index| (index, machine.config.family, machine.config.vrid.get());
        if let Some(index) = machine.interface
            && self.receivers.get(&key(index)) == Some(&id)
        {
            self.receivers.remove(&key(index));
        }
        let index = self.facts.get(&machine.config.interface).map(|facts| facts.index);
        if let Some(index) = index {
            self.receivers.insert(key(index), id);
        }
        let group = unit.group.as_ref();
        machine.look(group, &self.facts, &self.known, self.maintenance);
        let sum = links::weight_sum(&machine.config, group, &self.facts, &self.known);
        machine.reweigh(now, sum, cause, &mut self.batch);
    }

    fn settle(&mut self, now: Instant, unit: UnitId, recovered: &[InstanceId]) {
        self.act_on_unit(now, unit, |unit, batch| unit.settle(now, recovered, batch));
    }

    fn wake(&mut self, now: Instant) {
        if self.known.next_deadline().is_some_and(|at| at <= now) {
            self.run_scripts(now);
            for process in self.known.turn_due(now) {
                self.tracker_changed(now, Tracker::Process(process));
            }
            self.lapse_leases(now);
        }
        let due = self.deadlines.due_at(now);
        // First all that slept too long, so that none of them advertises; then all timers are seen to have run out, so
        // that a sync group whose members' timers ran out together moves at once.
        let mut begins = false;
        for id in &due {
            let Some((unit, member)) = self.place(*id) else { continue };
            if let Some(silent) = self.machine(*id).and_then(|machine| machine.paused(now)) {
                self.act_on_unit(now, unit, |unit, batch| unit.wake_paused(now, member, silent, batch));
            }
            let Some(machine) = self.machine_mut(*id) else { continue };
            match &mut machine.phase {
                Phase::Backup(backup) => backup.wants_master |= backup.down_at <= now,
                Phase::Init { begin_at } => begins |= begin_at.is_some_and(|at| at <= now),
                Phase::Master(_) | Phase::Fault { .. } | Phase::Stop => {}
            }
        }
        if begins {
            self.begin(now);
        }
        for id in due {
            self.fire(now, id);
        }
        self.share_wake(now);
    }

    /// Advertisements that are due within a moment leave together with those that are due now: one wake, and one call
    /// to send. Each keeps to the grid of its own due times.
    fn share_wake(&mut self, now: Instant) {
        if !self.batch.sends_anything() {
            return;
        }
        for id in self.deadlines.due_at(now + SHARED_WAKE) {
            let Some((unit, member)) = self.place(id) else { continue };
            let Some(machine) = self.units.get_mut(unit.0).and_then(|unit| unit.members.get_mut(member)) else {
                continue;
            };
            machine.fire_early(now, SHARED_WAKE, &mut self.batch);
            rearm(&mut self.deadlines, machine);
        }
    }

    /// Does what a deadline that has passed asks for, if it still stands.
    fn fire(&mut self, now: Instant, id: InstanceId) {
        let Some((unit, member)) = self.place(id) else { return };
        let Some(machine) = self.machine_mut(id) else { return };
        match &machine.phase {
            Phase::Backup(backup) if backup.down_at <= now => {
                let refusal = self.units.get(unit.0).and_then(|unit| unit.refusal(now, &self.known.witnesses));
                self.act_on_unit(now, unit, |unit, batch| unit.expire(now, member, refusal, batch));
            }
            Phase::Master(_) => {
                let Some(machine) = self.units.get_mut(unit.0).and_then(|unit| unit.members.get_mut(member)) else {
                    return;
                };
                machine.fire(now, &mut self.batch);
                rearm(&mut self.deadlines, machine);
            }
            Phase::Fault { retry_at: Some(at), .. } if *at <= now => {
                machine.retry();
                // Whoever listens for us may have failed as well: it gets a chance to try again.
                self.batch.reconcile();
                self.look(now, id, None);
                self.settle(now, unit, &[id]);
            }
            Phase::Backup(_) | Phase::Fault { .. } | Phase::Init { .. } | Phase::Stop => {}
        }
    }

    fn operation_failed(&mut self, now: Instant, id: InstanceId, what: &str) {
        let Some((unit, _)) = self.place(id) else { return };
        let Some(machine) = self.machine_mut(id) else { return };
        machine.refuse(now, what);
        self.look(now, id, None);
        self.settle(now, unit, &[]);
    }

    fn shutdown(&mut self, now: Instant) {
        self.stopped = true;
        for unit in &mut self.units {
            for machine in &mut unit.members {
                match &machine.phase {
                    Phase::Init { .. } | Phase::Backup(_) | Phase::Master(_) | Phase::Fault { .. } => {
                        machine.become_stop(now, &mut self.batch);
                    }
                    Phase::Stop => {}
                }
            }
        }
        self.rearm_all(now);
    }

    pub(crate) fn act_on_unit(&mut self, now: Instant, id: UnitId, act: impl FnOnce(&mut Unit, &mut Batch)) {
        if let Some(unit) = self.units.get_mut(id.0) {
            act(unit, &mut self.batch);
        }
        self.forget_leases_of_left();
        self.rearm_unit(now, id);
    }

    pub(crate) fn rearm_member(&mut self, unit: UnitId, member: usize) {
        if let Some(machine) = self.units.get_mut(unit.0).and_then(|unit| unit.members.get_mut(member)) {
            rearm(&mut self.deadlines, machine);
        }
    }

    pub(crate) fn rearm_unit(&mut self, now: Instant, unit: UnitId) {
        if let Some(unit) = self.units.get_mut(unit.0) {
            rearm_all_of(now, unit, &mut self.deadlines, &mut self.batch);
        }
    }

    pub(crate) fn rearm_all(&mut self, now: Instant) {
        for unit in &mut self.units {
            rearm_all_of(now, unit, &mut self.deadlines, &mut self.batch);
        }
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = InstanceId> + use<> {
        (0..u32::try_from(self.places.len()).unwrap_or(u32::MAX)).map(InstanceId)
    }

    pub(crate) fn place(&self, id: InstanceId) -> Option<(UnitId, usize)> {
        self.places.get(usize::try_from(id.0).ok()?).copied()
    }

    pub(crate) fn machine(&self, id: InstanceId) -> Option<&Machine> {
        let (unit, member) = self.place(id)?;
        self.units.get(unit.0)?.members.get(member)
    }

    pub(crate) fn machine_mut(&mut self, id: InstanceId) -> Option<&mut Machine> {
        let (unit, member) = self.place(id)?;
        self.units.get_mut(unit.0)?.members.get_mut(member)
    }

    /// What was refused on an interface of the configuration without being meant for any instance; none if nothing.
    #[must_use]
    pub fn unclaimed(&self, interface: &InterfaceName) -> Option<&VrrpCounters> {
        self.unclaimed.get(interface).map(|unclaimed| &unclaimed.counters)
    }
}

/// What the wall's clock shows now, if it was told once.
pub(crate) fn wall_at(told: Option<(Instant, Duration)>, now: Instant) -> Option<Duration> {
    told.map(|(at, unix)| unix.saturating_add(now.since(at)))
}

/// Whom an interface matters to, and whom a tracker.
pub(crate) type Watchers = (BTreeMap<InterfaceName, Vec<InstanceId>>, BTreeMap<Tracker, Vec<InstanceId>>);

pub(crate) fn watchers(units: &[Unit]) -> Watchers {
    let mut interfaces: BTreeMap<InterfaceName, BTreeSet<InstanceId>> = BTreeMap::new();
    let mut trackers: BTreeMap<Tracker, BTreeSet<InstanceId>> = BTreeMap::new();
    for unit in units {
        for machine in &unit.members {
            for name in links::interfaces(&machine.config, unit.group.as_ref()) {
                interfaces.entry(name.clone()).or_default().insert(machine.id);
            }
            for entry in links::trackers(&machine.config, unit.group.as_ref()) {
                trackers.entry(entry.tracker).or_default().insert(machine.id);
            }
        }
    }
    let lists = |ids: BTreeSet<InstanceId>| ids.into_iter().collect();
    (
        interfaces.into_iter().map(|(name, ids)| (name, lists(ids))).collect(),
        trackers.into_iter().map(|(tracker, ids)| (tracker, lists(ids))).collect(),
    )
}

fn rearm_all_of(now: Instant, unit: &mut Unit, deadlines: &mut Deadlines, batch: &mut Batch) {
    for machine in &mut unit.members {
        rearm(deadlines, machine);
    }
    unit.report(now, batch);
}

fn rearm(deadlines: &mut Deadlines, machine: &mut Machine) {
    let deadline = machine.phase.deadline();
    deadlines.change(machine.id, machine.armed, deadline);
    machine.armed = deadline;
}
