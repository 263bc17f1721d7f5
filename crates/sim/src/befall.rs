//! Faults as they befall a cluster: each one changes kernels, LANs or lives, and the laws are told.
//!
//! It owns the effect and not the choice. A fault that does not apply (the machine is off already) does nothing.
#![expect(clippy::indexing_slicing, reason = "machines, LANs and routers are numbered by the vectors that hold them")]

use crate::fault::Fault;
use crate::lan::{LanId, MachineId, Weather};
use crate::laws::{Broken, Law, TOLD_WITHIN, broken};
use crate::machine::{Director, Life};
use crate::packet;
use crate::world::World;
use standfast_model::State;
use standfast_node::{Input, Reload};
use standfast_vrrp::Options;

impl<D: Director> World<D> {
    /// Lets a fault happen now.
    pub(crate) fn befall(&mut self, fault: Fault) -> Result<(), Broken> {
        self.trace.line(self.now, format_args!("{fault:?}"));
        if fault.disturbs() {
            self.laws.disturbed(self.now, &self.lans);
        }
        let disturbs = fault.disturbs();
        self.strike_with(fault)?;
        if disturbs {
            // Again, because LANs may be whole or broken now that were not before.
            self.laws.disturbed(self.now, &self.lans);
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
            Fault::Reload(id) => return self.reload(id),
            Fault::Reprioritise(id, priority) => {
                self.machines[id.0].config = self.scenario.reprioritised(id, priority);
                return self.reload(id);
            }
            Fault::Noise(lan, noise) => {
                if let Some(datagram) = packet::noise(&self.scenario, noise) {
                    self.transmit(lan, None, datagram);
                }
            }
        }
        Ok(())
    }

    /// The daemon reads the configuration of its machine.
    fn reload(&mut self, id: MachineId) -> Result<(), Broken> {
        if matches!(self.machines[id.0].life, Life::Frozen(..)) {
            // The signal waits for it.
            self.machines[id.0].reload_waits = true;
            return Ok(());
        }
        if self.machines[id.0].running().is_none() {
            return Ok(());
        }
        self.tally.reloads += 1;
        self.machines[id.0].take_on(&self.scenario);
        let config = self.machines[id.0].running.clone();
        self.act(id, Input::Reload(Box::new(Reload { config, options: Options::default() })))
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
        for waiting in waiting {
            self.catch_up(id, waiting)?;
        }
        self.act(id, Input::Wake)?;
        if core::mem::take(&mut self.machines[id.0].reload_waits) {
            self.reload(id)?;
        }
        match outslept.into_iter().find(|router| self.machines[id.0].holds(*router)) {
            Some(router) => broken(Law::ListensAfterPause, format!("machine {}, router {router}, {slept:?}", id.0)),
            None => Ok(()),
        }
    }

    fn stop(&mut self, id: MachineId) -> Result<(), Broken> {
        if self.machines[id.0].running().is_none() {
            return Ok(());
        }
        self.act(id, Input::Shutdown)?;
        let machine = &self.machines[id.0];
        for (number, router) in self.scenario.routers.iter().enumerate() {
            let left = router.addresses.iter().any(|address| machine.kernel.has(router.lan, *address));
            // What another program has just put there is its own.
            let excused = self.now < self.upset_until[id.0];
            if machine.states[number] != State::Stop || machine.holds(number) || (left && !excused) {
                return broken(
                    Law::CleanStop,
                    format!("machine {}, router {number}: {}", id.0, machine.states[number]),
                );
            }
        }
        self.machines[id.0].end_daemon();
        Ok(())
    }

    fn start(&mut self, id: MachineId) -> Result<(), Broken> {
        if !self.machines[id.0].begin_daemon(self.now, &self.scenario) {
            return Ok(());
        }
        let dump = self.machines[id.0].kernel.dump();
        self.unsure(id);
        self.upset_until[id.0] = self.now;
        self.act(id, Input::Start(dump))
    }
}
