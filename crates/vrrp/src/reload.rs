//! A reload: the running instances are given their new configuration, and only what differs moves.
//!
//! An instance is recognised by interface, family and VRID, which is what other routers know it by; its name is free to
//! change. The rules of what a change does are here, the ways into states in [`crate::machine`] and [`crate::units`].

use crate::deadlines::Deadlines;
use crate::event::Reload;
use crate::machine::Machine;
use crate::phase::Phase;
use crate::receive::held;
use crate::router::{Router, watchers};
use crate::trackers::Trackers;
use crate::units::{self, Unit, UnitId};
use standfast_model::ipvs::Family;
use standfast_model::{Cause, Instant, InterfaceName, State};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// By what other routers know an instance.
type Key = (InterfaceName, Family, u8);

fn key(machine: &Machine) -> Key {
    (machine.config.interface.clone(), machine.config.family, machine.config.vrid.get())
}

impl Router {
    /// Applies the difference between the configuration that runs and a new one.
    pub(crate) fn reload(&mut self, now: Instant, reload: Reload) {
        if self.stopped {
            return;
        }
        let Reload { config, mut options, interfaces } = reload;
        options.log_unknown_vrids |= config.common.log_unknown_vrids;
        self.options = options;
        self.not_before = Instant::ZERO + config.common.delay_after_boot;
        let mut known = Trackers::new(&config.common);
        known.inherit(&self.known);
        self.known = known;
        self.facts = interfaces;
        self.names = self.facts.iter().map(|(name, facts)| (facts.index, name.clone())).collect();
        let common = config.common.clone();
        let (units, places) = units::split(config);
        let before = core::mem::replace(&mut self.units, units);
        self.places = places;
        self.deadlines = Deadlines::default();
        self.receivers.clear();
        (self.watchers, self.trackers) = watchers(&self.units);
        self.unclaimed.retain(|name, _| self.watchers.contains_key(name));
        let groups = before.iter().filter_map(Grouped::of).collect::<Vec<_>>();
        let mut old: BTreeMap<Key, Machine> =
            before.into_iter().flat_map(|unit| unit.members).map(|machine| (key(&machine), machine)).collect();
        let orphans = self.orphans(&old);
        // REQ: KA-HUP-01
        for unit in &mut self.units {
            for machine in &mut unit.members {
                match old.remove(&key(machine)) {
                    Some(known) => {
                        let fresh = core::mem::replace(machine, known);
                        machine.wall = self.wall;
                        machine.rank = fresh.rank;
                        machine.reconfigure(now, fresh.id, fresh.config, &common, &mut self.batch);
                    }
                    None => {
                        machine.phase = Phase::Init { begin_at: self.begins_at };
                        machine.wall = self.wall;
                        machine.succeeds = held(&machine.config).any(|address| orphans.contains(&address));
                    }
                }
            }
        }
        self.remove(now, old);
        self.move_on(now, &groups);
    }

    /// The addresses of masters that the instances which held them shall hold no more.
    fn orphans(&self, old: &BTreeMap<Key, Machine>) -> BTreeSet<IpAddr> {
        let mut orphans: BTreeSet<IpAddr> = old
            .values()
            .filter(|machine| machine.phase.is_master())
            .flat_map(|machine| held(&machine.config))
            .collect();
        for machine in self.units.iter().flat_map(|unit| &unit.members) {
            if old.get(&key(machine)).is_some_and(|known| known.phase.is_master()) {
                for address in held(&machine.config) {
                    orphans.remove(&address);
                }
            }
        }
        orphans
    }

    /// What the new configuration does not have resigns, unless another instance here goes on with its addresses: to
    /// resign would make a standby, that does not know of the change yet, take them.
    fn remove(&mut self, now: Instant, old: BTreeMap<Key, Machine>) {
        let machines = || self.units.iter().flat_map(|unit| &unit.members);
        let names: BTreeSet<&str> = machines().map(|machine| machine.config.name.as_str()).collect();
        let goes_on: BTreeSet<IpAddr> = machines()
            .filter(|machine| machine.succeeds || machine.phase.is_master())
            .flat_map(|machine| held(&machine.config))
            .collect();
        let batch = &mut self.batch;
        for mut machine in old.into_values() {
            if machine.phase.is_master() && !held(&machine.config).all(|address| goes_on.contains(&address)) {
                machine.resign_removed(now, batch);
            }
            if !names.contains(machine.config.name.as_str()) {
                batch.deleted(machine.config);
            }
        }
        batch.reconcile();
    }

    /// Lets every unit see what has become of it.
    fn move_on(&mut self, now: Instant, groups: &[Grouped]) {
        let mut recovered: BTreeMap<UnitId, Vec<_>> = BTreeMap::new();
        for id in self.ids() {
            self.look(now, id, Some(&Cause::Reloaded));
            let Some((unit, _)) = self.place(id) else { continue };
            let Some(machine) = self.machine(id) else { continue };
            if matches!(machine.phase, Phase::Fault { .. }) && machine.fault.is_none() {
                recovered.entry(unit).or_default().push(id);
            }
        }
        for unit in 0..self.units.len() {
            let recovered = recovered.remove(&UnitId(unit)).unwrap_or_default();
            let Some(unit) = self.units.get_mut(unit) else { continue };
            let regrouped = !groups.iter().any(|group| group.is(unit));
            if let Some(group) = groups.iter().find(|group| group.is_named_as(unit)) {
                unit.agreed = group.agreed;
            }
            unit.settle(now, &recovered, &mut self.batch);
            if self.begun && unit.can_begin(now, &self.known) {
                unit.begin(now, &self.known.witnesses, &mut self.batch);
            }
            if regrouped {
                unit.agree(now, &mut self.batch);
            }
        }
        self.forget_presumed_leases();
        if self.started {
            self.known.start(now);
            self.run_scripts(now);
        }
        self.rearm_all(now);
    }
}

/// What a sync group was before.
struct Grouped {
    name: String,
    members: BTreeSet<Key>,
    agreed: State,
}

impl Grouped {
    fn of(unit: &Unit) -> Option<Self> {
        let name = unit.group.as_ref()?.name.clone();
        Some(Self { name, members: unit.members.iter().map(key).collect(), agreed: unit.agreed })
    }

    fn is_named_as(&self, unit: &Unit) -> bool {
        unit.group.as_ref().is_some_and(|group| group.name == self.name)
    }

    /// Whether the same instances are together.
    fn is(&self, unit: &Unit) -> bool {
        unit.members.len() == self.members.len()
            && unit.members.iter().all(|member| self.members.contains(&key(member)))
    }
}
