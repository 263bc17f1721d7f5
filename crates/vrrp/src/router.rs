//! The router: finds whom an event concerns, lets it act, and keeps the index of deadlines true.
//!
//! It owns every instance; it does no I/O and reads no clock. The protocol is in [`crate::hear`] and
//! [`crate::machine`], the rules of sync groups in [`crate::units`].

use crate::batch::Batch;
use crate::deadlines::Deadlines;
use crate::event::{Event, InterfaceFacts};
use crate::hear::Consequence;
use crate::links::{self, Facts};
use crate::machine::Machine;
use crate::notices::Memory;
use crate::output::{Notice, Output};
use crate::phase::Phase;
use crate::receive::{self, Flaw};
use crate::units::{self, Unit, UnitId};
use core::time::Duration;
use standfast_model::config::VrrpConfig;
use standfast_model::config::vrrp::InstanceId;
use standfast_model::ipvs::Family;
use standfast_model::{Instant, InterfaceIndex, InterfaceName, VrrpCounters};
use standfast_wire::Received;
use standfast_wire::vrrp::Error;
use std::collections::{BTreeMap, BTreeSet};

/// Settings of the whole process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// `vrrp_startup_delay`: so long after the start every instance stays in INIT and refuses what it receives.
    pub startup_delay: Duration,
    /// `log_unknown_vrids`, if the configuration does not say it already: a packet for a VRID that nobody has is worth a notice.
    pub log_unknown_vrids: bool,
}

/// Packets on an interface that no instance could be blamed for.
#[derive(Debug, Default)]
struct Unclaimed {
    counters: VrrpCounters,
    memory: Memory,
}

/// Whose deadlines a packet can have moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reach {
    Nothing,
    Member,
    Unit,
}

/// All virtual routers of a node.
#[derive(Debug)]
pub struct Router {
    options: Options,
    /// `vrrp_delay_after_boot`: no instance begins before.
    not_before: Instant,
    units: Vec<Unit>,
    /// Where each instance is, by its id.
    places: Vec<(UnitId, usize)>,
    /// Whom a packet is for.
    receivers: BTreeMap<(InterfaceIndex, Family, u8), InstanceId>,
    /// Whom an interface matters to.
    watchers: BTreeMap<InterfaceName, Vec<InstanceId>>,
    facts: Facts,
    /// The interfaces of `facts` by their numbers.
    names: BTreeMap<InterfaceIndex, InterfaceName>,
    deadlines: Deadlines,
    unclaimed: BTreeMap<InterfaceName, Unclaimed>,
    /// The counters of an instance that does not exist.
    pub(crate) nobody: VrrpCounters,
    batch: Batch,
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
        let (units, places) = units::split(config);
        let mut watchers: BTreeMap<InterfaceName, BTreeSet<InstanceId>> = BTreeMap::new();
        for unit in &units {
            for machine in &unit.members {
                for name in links::interfaces(&machine.config, unit.group.as_ref()) {
                    watchers.entry(name.clone()).or_default().insert(machine.id);
                }
            }
        }
        Self {
            options,
            not_before,
            units,
            places,
            receivers: BTreeMap::new(),
            watchers: watchers.into_iter().map(|(name, ids)| (name, ids.into_iter().collect())).collect(),
            facts: Facts::new(),
            names: BTreeMap::new(),
            deadlines: Deadlines::default(),
            unclaimed: BTreeMap::new(),
            nobody: VrrpCounters::default(),
            batch: Batch::default(),
        }
    }

    /// Handles one event at `now`, which never goes back. What it asks for is appended to `out`.
    pub fn handle(&mut self, now: Instant, event: Event<'_>, out: &mut Output) {
        match event {
            Event::Adopt { instance, advert_sent } => self.adopt(instance, advert_sent),
            Event::Start => self.start(now),
            Event::Interface { name, facts } => self.interface(now, name, facts),
            Event::Packet(packet) => self.packet(now, &packet),
            Event::Wake => self.wake(now),
            Event::OperationFailed { instance, what } => self.operation_failed(now, instance, what),
            Event::Shutdown => self.shutdown(now),
        }
        self.batch.flush(out);
    }

    /// When [`Event::Wake`] is due; none while nothing is waited for.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first()
    }

    fn adopt(&mut self, id: InstanceId, advert_sent: Instant) {
        if let Some(machine) = self.machine_mut(id) {
            machine.adopted = Some(advert_sent);
        }
    }

    fn start(&mut self, now: Instant) {
        for id in self.ids() {
            self.look(now, id);
        }
        let at = (now + self.options.startup_delay).max(self.not_before);
        if at == now {
            self.begin(now);
            return;
        }
        for machine in self.units.iter_mut().flat_map(|unit| &mut unit.members) {
            if let Phase::Init { begin_at: begin_at @ None } = &mut machine.phase {
                *begin_at = Some(at);
            }
        }
        self.rearm_all();
    }

    /// Every instance that waits in INIT leaves it.
    fn begin(&mut self, now: Instant) {
        for unit in &mut self.units {
            if unit.members.iter().any(|member| matches!(member.phase, Phase::Init { .. })) {
                unit.begin(now, &mut self.batch);
            }
        }
        self.rearm_all();
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
            self.interface_changed(now, name, |machine| links::lives_on(&machine.config, name));
        }
        match facts {
            Some(facts) => {
                self.names.insert(facts.index, name.clone());
                self.facts.insert(name.clone(), facts)
            }
            None => self.facts.remove(name),
        };
        self.interface_changed(now, name, |_| true);
    }

    fn interface_changed(&mut self, now: Instant, name: &InterfaceName, concerns: impl Fn(&Machine) -> bool) {
        let mut watchers = self.watchers.get(name).cloned().unwrap_or_default();
        watchers.retain(|id| self.machine(*id).is_some_and(&concerns));
        let mut recovered: BTreeMap<UnitId, Vec<InstanceId>> = BTreeMap::new();
        for id in watchers {
            let faulty = self.machine(id).is_some_and(|machine| machine.fault.is_some());
            self.look(now, id);
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

    /// Looks at the interfaces with the eyes of one instance. The caller acts on what is seen and rearms.
    fn look(&mut self, now: Instant, id: InstanceId) {
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
        machine.look(unit.group.as_ref(), &self.facts);
        machine.reweigh(now, links::weight_sum(&machine.config, unit.group.as_ref(), &self.facts));
    }

    fn settle(&mut self, now: Instant, unit: UnitId, recovered: &[InstanceId]) {
        self.act_on_unit(unit, |unit, batch| unit.settle(now, recovered, batch));
    }

    fn packet(&mut self, now: Instant, packet: &Received<'_>) {
        let vrid = receive::vrid_of(packet);
        let family = Family::from(packet.source);
        let receiver = vrid.and_then(|vrid| self.receivers.get(&(packet.interface, family, vrid)).copied());
        match receiver.and_then(|id| self.place(id)) {
            Some((unit, member)) => match self.packet_for(now, packet, unit, member) {
                Reach::Nothing => {}
                Reach::Member => self.rearm_member(unit, member),
                Reach::Unit => self.rearm_unit(unit),
            },
            None => self.packet_for_nobody(now, packet, vrid),
        }
    }

    fn packet_for(&mut self, now: Instant, packet: &Received<'_>, unit: UnitId, member: usize) -> Reach {
        let Some(unit) = self.units.get_mut(unit.0) else { return Reach::Nothing };
        let Some(machine) = unit.members.get_mut(member) else { return Reach::Nothing };
        let batch = &mut self.batch;
        let ours = self.facts.get(&machine.config.interface).map_or(&[][..], |facts| &facts.sources);
        let checked = match &machine.phase {
            Phase::Backup(_) | Phase::Master(_) if machine.ignores_all() => {
                Err(Flaw::NotListening(machine.phase.state()))
            }
            Phase::Backup(_) | Phase::Master(_) => receive::check(&machine.config, &machine.partners, ours, packet),
            Phase::Init { .. } | Phase::Fault { .. } | Phase::Stop => Err(Flaw::NotListening(machine.phase.state())),
        };
        let (heard, view) = match checked {
            Ok(accepted) => accepted,
            Err(flaw) => {
                // REQ: VRRP3-6.4-01 KA-BUG-01
                machine.refused(now, packet.source, &flaw, batch);
                return Reach::Nothing;
            }
        };
        // Receiving comes before late timers: a master that slept takes the news as the backup that it has become.
        let paused = machine.paused(now);
        if let Some(silent) = paused {
            unit.wake_paused(now, member, silent, batch);
        }
        let Some(machine) = unit.members.get_mut(member) else { return Reach::Nothing };
        machine.compare(now, &heard, &view, batch);
        match machine.hear(now, &heard, batch) {
            Consequence::None if paused.is_none() => return Reach::Member,
            Consequence::None => {}
            Consequence::Yield(cause) => unit.give_way(now, member, cause, &heard, batch),
            Consequence::Lower => unit.announce_against_lower(now, member, batch),
        }
        Reach::Unit
    }

    fn packet_for_nobody(&mut self, now: Instant, packet: &Received<'_>, vrid: Option<u8>) {
        // One entry per interface of the configuration, so that it cannot grow with what arrives.
        let Some(name) = self.names.get(&packet.interface) else { return };
        let unclaimed = self.unclaimed.entry(name.clone()).or_default();
        let flaw = match vrid {
            Some(vrid) => Flaw::UnknownVrid(vrid),
            None => Flaw::Octets(Error::Short { have: packet.message.len() }),
        };
        let (source, reason) = (packet.source, flaw.refusal());
        unclaimed.counters.refuse(reason);
        // REQ: VRRP2-7.1-08
        if self.options.log_unknown_vrids && unclaimed.memory.refused(now, source, reason) {
            self.batch.notice(Notice::Refused { instance: None, source, reason, detail: flaw.to_string() });
        }
    }

    fn wake(&mut self, now: Instant) {
        let due = self.deadlines.due_at(now);
        // First all that slept too long, so that none of them advertises; then all timers are seen to have run out, so
        // that a sync group whose members' timers ran out together moves at once.
        let mut begins = false;
        for id in &due {
            let Some((unit, member)) = self.place(*id) else { continue };
            if let Some(silent) = self.machine(*id).and_then(|machine| machine.paused(now)) {
                self.act_on_unit(unit, |unit, batch| unit.wake_paused(now, member, silent, batch));
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
    }

    /// Does what a deadline that has passed asks for, if it still stands.
    fn fire(&mut self, now: Instant, id: InstanceId) {
        let Some((unit, member)) = self.place(id) else { return };
        let Some(machine) = self.machine_mut(id) else { return };
        match &machine.phase {
            Phase::Backup(backup) if backup.down_at <= now => {
                self.act_on_unit(unit, |unit, batch| unit.expire(now, member, batch));
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
                self.look(now, id);
                self.settle(now, unit, &[id]);
            }
            Phase::Backup(_) | Phase::Fault { .. } | Phase::Init { .. } | Phase::Stop => {}
        }
    }

    fn operation_failed(&mut self, now: Instant, id: InstanceId, what: &str) {
        let Some((unit, _)) = self.place(id) else { return };
        let Some(machine) = self.machine_mut(id) else { return };
        machine.refuse(now, what);
        self.look(now, id);
        self.settle(now, unit, &[]);
    }

    fn shutdown(&mut self, now: Instant) {
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
        self.rearm_all();
    }

    fn act_on_unit(&mut self, id: UnitId, act: impl FnOnce(&mut Unit, &mut Batch)) {
        if let Some(unit) = self.units.get_mut(id.0) {
            act(unit, &mut self.batch);
        }
        self.rearm_unit(id);
    }

    fn rearm_member(&mut self, unit: UnitId, member: usize) {
        if let Some(machine) = self.units.get_mut(unit.0).and_then(|unit| unit.members.get_mut(member)) {
            rearm(&mut self.deadlines, machine);
        }
    }

    fn rearm_unit(&mut self, unit: UnitId) {
        for machine in self.units.get_mut(unit.0).into_iter().flat_map(|unit| &mut unit.members) {
            rearm(&mut self.deadlines, machine);
        }
    }

    fn rearm_all(&mut self) {
        for machine in self.units.iter_mut().flat_map(|unit| &mut unit.members) {
            rearm(&mut self.deadlines, machine);
        }
    }

    fn ids(&self) -> impl Iterator<Item = InstanceId> + use<> {
        (0..u32::try_from(self.places.len()).unwrap_or(u32::MAX)).map(InstanceId)
    }

    fn place(&self, id: InstanceId) -> Option<(UnitId, usize)> {
        self.places.get(usize::try_from(id.0).ok()?).copied()
    }

    pub(crate) fn machine(&self, id: InstanceId) -> Option<&Machine> {
        let (unit, member) = self.place(id)?;
        self.units.get(unit.0)?.members.get(member)
    }

    fn machine_mut(&mut self, id: InstanceId) -> Option<&mut Machine> {
        let (unit, member) = self.place(id)?;
        self.units.get_mut(unit.0)?.members.get_mut(member)
    }

    /// What was refused on an interface of the configuration without being meant for any instance; none if nothing.
    #[must_use]
    pub fn unclaimed(&self, interface: &InterfaceName) -> Option<&VrrpCounters> {
        self.unclaimed.get(interface).map(|unclaimed| &unclaimed.counters)
    }
}

fn rearm(deadlines: &mut Deadlines, machine: &mut Machine) {
    let deadline = machine.phase.deadline();
    deadlines.change(machine.id, machine.armed, deadline);
    machine.armed = deadline;
}
