//! Faults as they befall a cluster: each one changes kernels, LANs or lives, and the laws are told.
//!
//! It owns the effect and not the choice. A fault that does not apply (the machine is off already) does nothing.
#![expect(clippy::indexing_slicing, reason = "machines, LANs and routers are numbered by the vectors that hold them")]

use crate::fault::Fault;
use crate::lan::{LanId, MachineId, Weather};
use crate::laws::{Broken, Law, TOLD_WITHIN, broken};
use crate::machine::{Director, Life};
use crate::packet;
use crate::signing;
use crate::variation::{File, ROLLED_OUT_WITHIN};
use crate::world::World;
use core::time::Duration;
use ipnet::IpNet;
use standfast_model::config::witness::WitnessId;
use standfast_model::{State, Witnessed};
use standfast_node::{Input, Reload, System as _};
use standfast_vrrp::Options;
use std::rc::Rc;

impl<D: Director> World<D> {
    /// Lets a fault happen now.
    pub(crate) fn befall(&mut self, fault: Fault) -> Result<(), Broken> {
        self.trace.line(self.now, format_args!("{fault:?}"));
        // Clocks of walls matter to signatures, and to nothing else.
        let disturbs = fault.disturbs() && (self.scenario.signs() || !matches!(fault, Fault::ClockWrong(..)));
        if disturbs {
            self.disturbed();
        }
        self.strike_with(fault)?;
        if disturbs {
            // Again, because LANs may be whole or broken now that were not before.
            self.disturbed();
            self.look();
        }
        Ok(())
    }

    fn strike_with(&mut self, fault: Fault) -> Result<(), Broken> {
        match fault {
            Fault::Carrier(id, lan, on) => self.on_kernel(id, |kernel| kernel.set_carrier(lan, on)),
            Fault::Admin(id, lan, up) => self.on_kernel(id, |kernel| kernel.set_up(lan, up)),
            Fault::Unplug(id, lan) => self.on_kernel(id, |kernel| kernel.unplug(lan)),
            Fault::PlugIn(id, lan) => self.on_kernel(id, |kernel| kernel.plug_in(lan)),
            Fault::TakeAddresses(id, router) => self.on_addresses(id, router, false),
            // Where no configuration names them they are nobody's to take away.
            Fault::GiveAddresses(id, router) if self.machines[id.0].duties[router].is_none() => {}
            Fault::GiveAddresses(id, router) => self.on_addresses(id, router, true),
            Fault::RefuseAddress(id) => self.machines[id.0].kernel.refuse_additions(1),
            Fault::Freeze(id) => self.machines[id.0].freeze(self.now),
            Fault::Thaw(id) => return self.thaw(id),
            Fault::PowerCut(id) => self.machines[id.0].power_cut(),
            Fault::Kill(id) => self.machines[id.0].kill(self.now),
            Fault::Stop(id) => return self.stop(id),
            Fault::Start(id) => return self.start(id),
            Fault::Split(lan, parts) => self.lans[lan.0].split(parts),
            Fault::Heal(lan) => self.lans[lan.0].heal(),
            Fault::Deafen(lan, from, to) => self.lans[lan.0].deafen(from, to),
            Fault::Undeafen(lan, from, to) => self.lans[lan.0].undeafen(from, to),
            Fault::Weather(lan, weather) => self.weather(lan, weather),
            Fault::Resync(id) => {
                let dump = self.machines[id.0].kernel.dump();
                return self.act(id, Input::Resync(dump));
            }
            Fault::Service(id, good) => {
                self.machines[id.0].service_good = good;
                self.unsure(id);
            }
            Fault::Witness(id, witness, answers) => {
                let known = usize::try_from(witness.0).ok().and_then(|at| self.machines[id.0].answers.get_mut(at));
                known.into_iter().for_each(|known| *known = answers);
                return self.tell_witnesses(id);
            }
            Fault::StoreDown(down) => self.store.iter_mut().for_each(|store| store.down = down),
            Fault::StoreClock(fast_by) => self.store.iter_mut().for_each(|store| store.fast_by = fast_by),
            Fault::Reload(id) => return self.reload(id),
            Fault::Reprioritise(id, priority) => {
                self.rewrite(id, |file| file.priority = priority);
                return self.reload(id);
            }
            Fault::Dismiss(id, router) => {
                self.rewrite(id, |file| file.without = router);
                return self.reload(id);
            }
            Fault::Reconfigure(variation) => {
                for id in (0..self.machines.len()).map(MachineId) {
                    self.rewrite(id, |file| file.variation = variation);
                    let after = self.rng.span(Duration::ZERO, ROLLED_OUT_WITHIN);
                    self.plan(self.now + after, Fault::Reload(id));
                }
            }
            Fault::CutAfter(id, calls) => {
                if self.machines[id.0].running().is_some() {
                    self.machines[id.0].kernel.cut_after(calls);
                }
            }
            Fault::Rename(id, lan, foreign) => self.on_kernel(id, |kernel| kernel.rename(lan, foreign)),
            Fault::ClockWrong(id, by) => {
                self.machines[id.0].wall_wrong_by = by;
                return self.tell_wall(id);
            }
            Fault::Replay => {
                // What is younger may be new to who has just booted, as a packet that was held up on the way is.
                let old = self.now - self.scenario.time_window - Duration::from_secs(2);
                if let Some((lan, datagram)) = self.tape.before(old) {
                    self.tally.replays += 1;
                    self.transmit(lan, None, &datagram);
                }
            }
            Fault::Noise(lan, noise) => {
                if let Some(datagram) = packet::noise(&self.scenario, noise) {
                    self.transmit(lan, None, &Rc::new(datagram));
                }
            }
        }
        Ok(())
    }

    /// The laws are told how often a machine advertises by the configuration that it runs.
    fn pace(&mut self, id: MachineId) {
        for (router, duty) in self.machines[id.0].duties.iter().enumerate() {
            let Some(duty) = duty else { continue };
            self.laws.paces(self.now, router, id, duty.interval);
        }
    }

    /// The daemon is told what its wall's clock shows.
    fn tell_wall(&mut self, id: MachineId) -> Result<(), Broken> {
        let unix = signing::wall(self.now, self.machines[id.0].wall_wrong_by);
        self.act(id, Input::WallClock { unix })
    }

    /// The daemon is told what its witnesses say. Of a lease it is told by who keeps it.
    fn tell_witnesses(&mut self, id: MachineId) -> Result<(), Broken> {
        if self.store.is_some() {
            return Ok(());
        }
        for (witness, answers) in (0..).map(WitnessId).zip(self.machines[id.0].answers.clone()) {
            let said = if answers { Witnessed::Reached } else { Witnessed::Unreachable { why: "silence".to_owned() } };
            self.act(id, Input::WitnessTold { witness, said })?;
        }
        Ok(())
    }

    fn rewrite(&mut self, id: MachineId, change: impl FnOnce(&mut File)) {
        let machine = &mut self.machines[id.0];
        change(&mut machine.file);
        machine.config = self.scenario.written(id, machine.file);
    }

    /// The daemon reads the configuration of its machine.
    fn reload(&mut self, id: MachineId) -> Result<(), Broken> {
        if matches!(self.machines[id.0].life, Life::Frozen(..)) {
            // The signal waits for it.
            self.machines[id.0].reload_waits = true;
            return Ok(());
        }
        let machine = &mut self.machines[id.0];
        if machine.running().is_none() {
            return Ok(());
        }
        self.tally.reloads += 1;
        let (held, kept) = (machine.holding(), self.holdings(id));
        let machine = &mut self.machines[id.0];
        let before = machine.running.clone();
        let anew = machine.take_on(&self.scenario);
        let config = machine.running.clone();
        let left_alone = machine.left_alone(&before);
        let everything = before.instances.len() == config.instances.len();
        let nothing_new = everything && left_alone.count_ones() as usize == config.instances.len();
        machine.kernel.watch_removals();
        self.pace(id);
        if !nothing_new {
            self.disturbed();
        }
        (self.left_alone, self.held_before) = (left_alone, held);
        let acted = self.act(id, Input::Reload(Box::new(Reload { config, options: Options::default() })));
        (self.left_alone, self.held_before) = (0, 0);
        acted?;
        self.machines[id.0].write_ledger();
        self.look();
        // Who has begun anew waits for its whole down interval, and its group with it.
        for router in (0..self.scenario.routers.len()).filter(|router| anew >> router & 1 == 1) {
            for (member, _) in self.scenario.moving_with(router) {
                self.laws.waits_anew(self.now, member, id);
            }
        }
        self.kept(id, held, &kept)
    }

    /// What a machine holds as a master: LAN and address.
    fn holdings(&self, id: MachineId) -> Vec<(LanId, IpNet)> {
        let machine = &self.machines[id.0];
        let mut holdings = Vec::new();
        for (router, duty) in machine.duties.iter().enumerate().filter(|(router, _)| machine.holds(*router)) {
            let lan = self.scenario.routers[router].lan;
            holdings.extend(duty.iter().flat_map(|duty| &duty.addresses).map(|address| (lan, *address)));
        }
        holdings
    }

    /// Whether what a machine held before a reload, and is to hold after it, was never away.
    fn kept(&self, id: MachineId, held: u64, before: &[(LanId, IpNet)]) -> Result<(), Broken> {
        let machine = &self.machines[id.0];
        // Whoever was killed meanwhile keeps nothing, and a refusal is the kernel's.
        if machine.running().is_none() || self.excused[id.0] {
            return Ok(());
        }
        let lost = (0..machine.duties.len())
            .find(|router| held >> router & 1 == 1 && machine.duties[*router].is_some() && !machine.holds(*router));
        if let Some(router) = lost {
            return broken(Law::ReloadKeepsAddresses, format!("machine {} lost router {router}", id.0));
        }
        let after = self.holdings(id);
        match before.iter().find(|(lan, a)| after.contains(&(*lan, *a)) && machine.kernel.has_removed(*lan, *a)) {
            Some((_, address)) => {
                broken(Law::ReloadKeepsAddresses, format!("machine {} removed {address} meanwhile", id.0))
            }
            None => Ok(()),
        }
    }

    /// From now on the daemon learns, run by run, what its script has to say.
    fn unsure(&mut self, id: MachineId) {
        self.machines[id.0].unsure_until = self.now + self.scenario.scripts_settle_within;
    }

    fn on_kernel(&mut self, id: MachineId, change: impl FnOnce(&mut crate::kernel::Kernel)) {
        if matches!(self.machines[id.0].life, Life::Off) {
            return;
        }
        change(&mut self.machines[id.0].kernel);
        self.upset(id);
        self.tell(id);
    }

    /// For a moment the addresses of a machine need not follow its masters: the daemon has not been told yet.
    fn upset(&mut self, id: MachineId) {
        self.upset_until[id.0] = self.now + TOLD_WITHIN;
    }

    fn on_addresses(&mut self, id: MachineId, router: usize, give: bool) {
        let (lan, addresses) = {
            let router = &self.scenario.routers[router];
            (router.lan, router.addresses.clone())
        };
        self.on_kernel(id, |kernel| {
            for address in addresses {
                if give {
                    kernel.foreign_addition(lan, address);
                } else {
                    kernel.foreign_removal(lan, address);
                }
            }
        });
    }

    fn weather(&mut self, lan: LanId, weather: Weather) {
        self.lans[lan.0].weather = weather;
        for router in 0..self.scenario.routers.len() {
            let lans = self.scenario.moving_with(router).map(|(_, router)| &self.lans[router.lan.0]);
            let longest = lans.map(|lan| lan.weather.longest()).max().unwrap_or_default();
            self.laws.weather(self.now, router, longest);
        }
    }

    /// A machine goes on: the daemon reads what waited before its timers, which are late. What it held when it stood still
    /// for too long is not its own any more.
    fn thaw(&mut self, id: MachineId) -> Result<(), Broken> {
        let Some((since, waiting)) = self.machines[id.0].thaw() else { return Ok(()) };
        let slept = self.now.since(since);
        let outslept = self.machines[id.0].duties.iter().enumerate().filter_map(|(router, duty)| {
            let late = slept > duty.as_ref()?.outslept_after && self.machines[id.0].holds(router);
            late.then_some(router)
        });
        let outslept: Vec<usize> = outslept.collect();
        self.upset(id);
        self.unsure(id);
        self.look();
        // The daemon looks at the wall before it reads.
        self.tell_wall(id)?;
        self.tell_witnesses(id)?;
        for waiting in waiting {
            self.catch_up(id, waiting)?;
        }
        self.act(id, Input::Wake)?;
        if let Some(router) = outslept.into_iter().find(|router| self.machines[id.0].holds(*router)) {
            return broken(Law::ListensAfterPause, format!("machine {}, router {router}, {slept:?}", id.0));
        }
        // What is new in the configuration begins anew: an owner as master.
        if core::mem::take(&mut self.machines[id.0].reload_waits) {
            self.reload(id)?;
        }
        Ok(())
    }

    fn stop(&mut self, id: MachineId) -> Result<(), Broken> {
        if self.machines[id.0].running().is_none() {
            return Ok(());
        }
        self.act(id, Input::Shutdown)?;
        let machine = &self.machines[id.0];
        // Whoever was killed while it stopped leaves behind what it had not come to.
        if machine.running().is_none() {
            return Ok(());
        }
        for (number, router) in self.scenario.routers.iter().enumerate() {
            // What another program has put on a link that has another name is its own, and where no configuration names it,
            // and what it has just put anywhere.
            let ours = machine.kernel.is_known(router.lan) && machine.duties[number].is_some();
            let left = router.addresses.iter().any(|address| match ours {
                true => machine.kernel.has(router.lan, *address),
                false => machine.kernel.has_of_a_node(router.lan, *address),
            });
            let excused = self.now < self.upset_until[id.0];
            let stopped = machine.duties[number].is_none() || machine.states[number] == State::Stop;
            if !stopped || machine.holds(number) || (left && !excused) {
                return broken(
                    Law::CleanStop,
                    format!("machine {}, router {number}: {}", id.0, machine.states[number]),
                );
            }
        }
        self.machines[id.0].end_daemon();
        self.machines[id.0].ledger.clear();
        Ok(())
    }

    fn start(&mut self, id: MachineId) -> Result<(), Broken> {
        let killed = self.machines[id.0].killed.take();
        if !self.machines[id.0].begin_daemon(self.now, &self.scenario) {
            return Ok(());
        }
        self.pace(id);
        let machine = &self.machines[id.0];
        let ages: Vec<Option<Duration>> =
            (0..machine.duties.len()).map(|router| machine.stamp_age(router, self.now)).collect();
        // What else has happened since may have taken from it what it held.
        let alone = killed.filter(|(at, _)| self.laws.calm_before() <= *at);
        let dump = machine.kernel.dump();
        self.unsure(id);
        // What a predecessor has left behind is looked at when the daemon has started and has read the ledger, not before.
        self.upset_until[id.0] = self.now + Duration::from_nanos(1);
        self.tell_wall(id)?;
        self.act(id, Input::Start(dump))?;
        self.tell_witnesses(id)?;
        self.clear_leftovers(id)?;
        let held = killed.map_or(0, |(_, held)| held);
        self.succeeded(id, held, alone.is_some(), &ages)
    }

    /// A daemon that has started removes what a killed one has left in places that are nobody's now, and notes its own.
    fn clear_leftovers(&mut self, id: MachineId) -> Result<(), Broken> {
        self.upset_until[id.0] = self.now;
        let machine = &mut self.machines[id.0];
        let Some(director) = machine.running() else { return Ok(()) };
        let leftovers = director.leftovers(&machine.ledger);
        machine.kernel.apply(&leftovers);
        if machine.kernel.was_cut_short() {
            self.killed_at_work(id, 0);
            return Ok(());
        }
        machine.write_ledger();
        let holding = machine.holding();
        self.tell(id);
        self.compare(id, holding)
    }

    /// Whether a daemon that was just started holds what it may, and what it must.
    fn succeeded(&mut self, id: MachineId, held: u64, alone: bool, ages: &[Option<Duration>]) -> Result<(), Broken> {
        let machine = &self.machines[id.0];
        if machine.running().is_none() {
            return Ok(());
        }
        for (router, (duty, age)) in machine.duties.iter().zip(ages).enumerate() {
            let Some(duty) = duty else { continue };
            let (holds, was) = (machine.holds(router), held >> router & 1 == 1);
            let too_old = age.is_none_or(|age| age > duty.outslept_after);
            if holds && !duty.owns && (!was || too_old) {
                let how = format!("machine {} took router {router}; held: {was}, note: {age:?}", id.0);
                return broken(Law::AdoptsOrListens, how);
            }
            self.tally.adoptions += u64::from(holds && was);
            // In a group the members wait for one another, and links must be there for all of them.
            let fresh =
                |r: usize| ages[r].is_some_and(|age| age <= machine.duties[r].as_ref().map_or(age, |d| d.interval));
            let members = || self.scenario.moving_with(router).map(|(member, _)| member);
            let all_fresh = members().all(|r| fresh(r) && held >> r & 1 == 1) && self.links_carry(machine, router);
            if was && !holds && alone && all_fresh && !self.excused[id.0] && machine.service_good {
                return broken(Law::AdoptsOrListens, format!("machine {} dropped router {router}: {age:?}", id.0));
            }
        }
        Ok(())
    }
}
