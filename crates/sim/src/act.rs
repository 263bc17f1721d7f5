//! A machine acts: something reaches its daemon, and what the daemon does becomes packets under way, wakes to come and
//! lines of the trace.
//!
//! It judges nothing: what is seen of a machine is told to the laws in [`crate::observe`].
#![expect(clippy::indexing_slicing, reason = "machines, LANs and routers are numbered by the vectors that hold them")]

use crate::fault::Fault;
use crate::kernel::Effect;
use crate::lan::{LanId, MachineId};
use crate::laws::{Broken, LATENESS, Law, TOLD_WITHIN, broken};
use crate::machine::{Alarm, BACKLOG, Datagram, Director, Life, Told, Waiting};
use crate::order::Event;
use crate::packet;
use crate::scenario::{SCRIPT_TAKES, own_address};
use crate::world::World;
use core::time::Duration;
use standfast_model::Ended;
use standfast_model::config::track::ScriptId;
use standfast_net::Change;
use standfast_node::{Input, Record};
use standfast_wire::Received;
use std::rc::Rc;

impl<D: Director> World<D> {
    /// A packet reaches a machine: its daemon handles it, or it waits, or nobody is there.
    pub(crate) fn packet(&mut self, id: MachineId, lan: LanId, datagram: Rc<Datagram>) -> Result<(), Broken> {
        let machine = &mut self.machines[id.0];
        if !machine.kernel.carries(lan) {
            return Ok(());
        }
        match &mut machine.life {
            Life::Off | Life::Idle => Ok(()),
            Life::Frozen(_, waiting) => {
                let packets = waiting.iter().filter(|waiting| matches!(waiting, Waiting::Packet(..))).count();
                if packets < BACKLOG {
                    waiting.push_back(Waiting::Packet(lan, datagram));
                }
                Ok(())
            }
            Life::Running(_) => self.read(id, lan, &datagram),
        }
    }

    /// A daemon is told something by its own machine.
    pub(crate) fn told(&mut self, id: MachineId, life: u32, told: Told) -> Result<(), Broken> {
        let machine = &mut self.machines[id.0];
        // The monitor's socket ended with the daemon it was opened by.
        if machine.lives != life {
            return Ok(());
        }
        match &mut machine.life {
            Life::Off | Life::Idle => Ok(()),
            Life::Frozen(_, waiting) => {
                waiting.push_back(Waiting::Told(told));
                Ok(())
            }
            Life::Running(_) => self.hear_of(id, told),
        }
    }

    /// A daemon reads what waited for it.
    pub(crate) fn catch_up(&mut self, id: MachineId, waiting: Waiting) -> Result<(), Broken> {
        match waiting {
            Waiting::Told(told) => self.hear_of(id, told),
            Waiting::Packet(lan, datagram) => self.read(id, lan, &datagram),
        }
    }

    fn hear_of(&mut self, id: MachineId, told: Told) -> Result<(), Broken> {
        match told {
            Told::Change(change) => {
                let links = matches!(change, Change::Link(_) | Change::LinkGone(_));
                self.act(id, Input::Changed(change))?;
                if links {
                    self.machines[id.0].write_ledger();
                }
                Ok(())
            }
            Told::Ended(script, outcome) => self.act(id, Input::ScriptEnded { script, outcome }),
        }
    }

    fn read(&mut self, id: MachineId, lan: LanId, datagram: &Datagram) -> Result<(), Broken> {
        let kernel = &self.machines[id.0].kernel;
        let Some(interface) = kernel.link(lan).map(|link| link.index) else { return Ok(()) };
        let message = datagram.message();
        let vrid = message.get(1).copied().unwrap_or(0);
        let authenticated = datagram.is_authenticated();
        if !kernel.listens(interface, datagram.destination, vrid, authenticated) {
            return Ok(());
        }
        if authenticated {
            // A raw socket that cannot read a packet drops it.
            let received = Received::of_ipv4(interface, &datagram.octets);
            return received.map_or(Ok(()), |received| self.act(id, Input::Packet(received)));
        }
        let received = Received {
            interface,
            source: datagram.source,
            destination: datagram.destination,
            ttl: Some(datagram.ttl),
            ah: None,
            message,
        };
        self.act(id, Input::Packet(received))
    }

    /// A daemon handles an input, and what it did is taken up.
    pub(crate) fn act(&mut self, id: MachineId, input: Input<'_>) -> Result<(), Broken> {
        let now = self.now;
        let machine = &mut self.machines[id.0];
        let held = machine.held();
        let local = machine.local(now);
        let Life::Running(director) = &mut machine.life else { return Ok(()) };
        director.handle(local, input, &mut machine.kernel);
        let holding = machine.holding_now();
        let cut_short = machine.kernel.was_cut_short();
        let mut effects = machine.kernel.take_effects();
        if !effects.is_empty() {
            // Who was master at some moment of this step may have advertised in it.
            // Whoever was killed in the middle of it has not come to say so.
            let was = if cut_short { u64::MAX } else { held | self.held_before | machine.entering(&effects) };
            // An address that something else removed a moment ago may still be announced: the node has not heard of it.
            let excused = now < self.upset_until[id.0];
            if let Some(complaint) = machine.kernel.take_complaints().first().filter(|_| !excused) {
                return broken(Law::HonestAnnouncements, format!("machine {}: {complaint}", id.0));
            }
            if cut_short {
                self.disturbed();
            }
            let mut noted = false;
            for effect in effects.drain(..) {
                match effect {
                    Effect::Sent(packet) => {
                        noted = true;
                        self.sent(id, packet, was, holding)?;
                    }
                    Effect::Announced(_) => self.tally.announcements += 1,
                    Effect::Recorded(record) => {
                        noted |= matches!(record, Record::Transition(_));
                        self.recorded(id, &record)?;
                    }
                    Effect::Ran(script) => self.ran(id, script),
                }
            }
            let machine = &mut self.machines[id.0];
            machine.kernel.reuse(effects);
            // Whoever is killed in between has not come to it.
            if noted && !cut_short {
                machine.stamp();
            }
        }
        if cut_short {
            self.killed_at_work(id, held);
            return Ok(());
        }
        self.tell(id);
        self.arm(id);
        self.compare(id, holding)?;
        if holding != held {
            self.look();
        }
        Ok(())
    }

    /// The daemon was killed between two of the things that it did; its supervisor starts another one at once.
    pub(crate) fn killed_at_work(&mut self, id: MachineId, held: u64) {
        self.trace.line(self.now, format_args!("m{} is killed at work", id.0));
        let machine = &mut self.machines[id.0];
        machine.kill(self.now);
        // It may have let go of it, and not have come to note that.
        if let Some((_, last)) = &mut machine.killed {
            *last |= held;
        }
        self.disturbed();
        self.look();
        // The others may have heard of a master that is gone already, and wait again.
        for router in 0..self.scenario.routers.len() {
            self.laws.served_for_a_moment(self.now, router);
        }
        let back = self.rng.span(Duration::from_millis(5), Duration::from_millis(100));
        self.plan(self.now + back, Fault::Start(id));
    }

    /// Schedules the daemon's next wake, unless one that is scheduled comes in time to look at the deadline again.
    pub(crate) fn arm(&mut self, id: MachineId) {
        let machine = &mut self.machines[id.0];
        let Some(deadline) = machine.running().and_then(Director::next_deadline) else { return };
        let deadline = machine.global(deadline);
        if machine.alarm.is_some_and(|alarm| alarm.deadline <= deadline) {
            return;
        }
        // A scheduler is prompt nearly always.
        let latest = if self.rng.once_in(500) { LATENESS } else { Duration::from_micros(150) };
        let at = deadline.max(self.now) + self.rng.span(Duration::from_micros(1), latest);
        machine.alarm = Some(Alarm { at, deadline });
        self.schedule(at, Event::Wake(id));
    }

    /// A script was started: it ends after a while, as its machine is.
    fn ran(&mut self, id: MachineId, script: ScriptId) {
        let after = self.rng.span(Duration::from_millis(1), SCRIPT_TAKES);
        // What it sees is what is there when it starts.
        let outcome = Ended::Exited(i32::from(!self.machines[id.0].service_good));
        let life = self.machines[id.0].lives;
        self.schedule(self.now + after, Event::Told(id, life, Box::new(Told::Ended(script, outcome))));
    }

    /// The monitor will tell the daemon of what changed in the kernel.
    pub(crate) fn tell(&mut self, id: MachineId) {
        for change in self.machines[id.0].kernel.take_changes() {
            let after = self.rng.span(Duration::from_micros(50), TOLD_WITHIN - Duration::from_millis(1));
            let at = (self.now + after).max(self.told_until[id.0]);
            self.told_until[id.0] = at;
            let life = self.machines[id.0].lives;
            self.schedule(at, Event::Told(id, life, Box::new(Told::Change(change))));
        }
    }

    /// Sends a datagram to everyone else on a LAN; without a sender it comes from a host that is no machine of ours.
    pub(crate) fn transmit(&mut self, lan: LanId, from: Option<MachineId>, datagram: &Rc<Datagram>) {
        if from.is_some_and(|from| !self.machines[from.0].kernel.carries(lan)) {
            return;
        }
        let everybody = datagram.destination.is_multicast();
        let family = packet::family(datagram.destination);
        for to in (0..self.machines.len()).map(MachineId).filter(|to| Some(*to) != from) {
            if !everybody && datagram.destination != own_address(family, lan, to) {
                continue;
            }
            let ways = match from {
                Some(from) => self.lans[lan.0].ways(&mut self.rng, from, to),
                None => [Some(Duration::from_micros(100)), None],
            };
            for way in ways.into_iter().flatten() {
                let at = match from {
                    Some(from) => self.lans[lan.0].arrival(self.now, from, to, way),
                    None => self.now + way,
                };
                self.schedule(at, Event::Packet(to, lan, Rc::clone(datagram)));
            }
        }
    }
}
