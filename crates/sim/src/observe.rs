//! What an observer with eyes everywhere sees of the machines, told to the laws.
//!
//! It changes nothing but the trace and the tally.
#![expect(clippy::indexing_slicing, reason = "machines, LANs and routers are numbered by the vectors that hold them")]

use crate::lan::{Lan, LanId, MachineId};
use crate::laws::{Broken, Law, Sent, Sight, broken};
use crate::machine::{Director, Machine};
use crate::packet;
use crate::scenario::{VirtualRouter, interface};
use crate::world::World;
use ipnet::IpNet;
use standfast_model::config::instance::HmacMode;
use standfast_model::{Cause, State, Transition};
use standfast_node::{Packet, Record};
use std::rc::Rc;

impl<D: Director> World<D> {
    /// A machine has sent an advertisement. `was` and `holds` are one bit for each virtual router: master at some moment
    /// of the step, and holding now.
    pub(crate) fn sent(&mut self, id: MachineId, packet: Packet, was: u64, holds: u64) -> Result<(), Broken> {
        let kernel = &self.machines[id.0].kernel;
        // A link may be gone without the daemon knowing yet.
        let Some(lan) = kernel.lan(packet.interface) else { return Ok(()) };
        // REQ: VRRP2-5.2.1-01 VRRP3-5.1.1.1-01 VRRP3-5.1.2.1-01
        let own = kernel.sends_from(packet.interface, packet.source);
        let (datagram, advert) = match packet::read(packet) {
            Ok(read) if own => read,
            Ok((datagram, advert)) => {
                return broken(
                    Law::HonestAdverts,
                    format!("machine {} sent {advert:?} from {}", id.0, datagram.source),
                );
            }
            Err(words) => return broken(Law::HonestAdverts, format!("machine {} sent: {words}", id.0)),
        };
        let Some(router) = self.scenario.router_at(lan, packet::family(datagram.source), advert.vrid) else {
            return broken(Law::HonestAdverts, format!("machine {} advertises VRID {}", id.0, advert.vrid));
        };
        if let Some(sequence) = advert.sequence {
            self.in_sequence(id, router, sequence)?;
        }
        let resigns = advert.priority.is_none();
        self.tally.adverts += 1;
        self.tally.resignations += u64::from(resigns);
        let priority = advert.priority.map_or(0, standfast_model::Priority::get);
        self.trace.advert(self.now, id, router, priority);
        // A reload may have given it another number, under which it goes on with what is left to it, and the one with the
        // former number leaves.
        let goes_on = self.machines[id.0].instance_of(router).is_none_or(|instance| instance.vrid == advert.vrid);
        let usable = |r: &VirtualRouter| self.machines[id.0].kernel.is_usable(r.lan);
        let leaves = resigns && goes_on && self.scenario.moving_with(router).all(|(_, r)| usable(r));
        let bit = |set: u64| set >> router & 1 == 1;
        let holds = bit(holds) && (goes_on || !resigns);
        self.laws.sent(self.now, Sent { by: id, router, resigns, leaves, was: bit(was), holds })?;
        if resigns {
            for (router, _) in self.scenario.moving_with(router) {
                self.laws.served_for_a_moment(self.now, router);
            }
        }
        let datagram = Rc::new(datagram);
        if advert.signed {
            self.tape.hear(self.now, lan, resigns, &datagram);
        }
        self.transmit(lan, Some(id), &datagram);
        Ok(())
    }

    /// `auth_type AH`: what a daemon sends is numbered upwards, from what its predecessor noted on. To each of several
    /// peers it may send the same.
    // REQ: VRRP2A-AH-03
    fn in_sequence(&mut self, id: MachineId, router: usize, sequence: u32) -> Result<(), Broken> {
        let (last, at) = core::mem::replace(&mut self.machines[id.0].sequences[router], (sequence, self.now));
        if sequence > last || (sequence == last && at == self.now) {
            return Ok(());
        }
        broken(Law::HonestAdverts, format!("machine {} sent {sequence} of router {router} after {last}", id.0))
    }

    /// A machine has written something into its journal.
    pub(crate) fn recorded(&mut self, id: MachineId, record: &Record) -> Result<(), Broken> {
        match record {
            Record::Transition(transition) => self.moved(id, transition),
            Record::GroupTransition(_)
            | Record::Priority(_)
            | Record::LowerPriorityReceived { .. }
            | Record::Deleted(_) => Ok(()),
            Record::Notice(_) => {
                self.tally.notices += 1;
                Ok(())
            }
            Record::StaticRestored { .. } => {
                self.tally.restored += 1;
                Ok(())
            }
            Record::Restored { instance, .. } => {
                self.tally.restored += 1;
                self.trace.line(self.now, format_args!("m{} r{} restores an address", id.0, instance.0));
                Ok(())
            }
            Record::Refused { what } => {
                self.trace.line(self.now, format_args!("m{} refused: {what}", id.0));
                // The node waits before it asks again.
                self.excused[id.0] = true;
                self.look();
                Ok(())
            }
        }
    }

    fn moved(&mut self, id: MachineId, transition: &Transition) -> Result<(), Broken> {
        let Transition { instance, from, to, cause, at, priority, .. } = transition;
        let what = format!("m{} {instance} {from} -> {to} ({priority}): {cause}", id.0);
        self.trace.line(self.now, format_args!("{what}"));
        let machine = &mut self.machines[id.0];
        machine.compared = None;
        let Some(router) = machine.router_named(instance) else {
            return broken(Law::StatesConnect, what);
        };
        if *at != machine.local(self.now) {
            return broken(Law::StatesConnect, format!("{what}, dated {at:?} at {:?}", machine.local(self.now)));
        }
        let refused = matches!(cause, Cause::KernelRefused { .. });
        if self.left_alone >> router & 1 == 1 && !refused {
            return broken(Law::ReloadLeavesAlone, what);
        }
        if (*from, *to) == (State::Backup, State::Master) && !machine.may_take_over(self.now) {
            return broken(Law::AsksWitnesses, what);
        }
        let known = core::mem::replace(&mut machine.states[router], *to);
        if !machine.states.contains(&State::Master) && known == State::Master {
            // The lease was for that mastership.
            machine.lease_until = None;
        }
        self.tally.transitions += 1;
        self.tally.takeovers += u64::from(*to == State::Master);
        self.excused[id.0] |= refused;
        if self.excused[id.0] {
            // The kernel's refusal, and its end some time later, are disturbances of their own.
            self.disturbed();
            self.excused[id.0] = self.machines[id.0].states.contains(&State::Fault);
            self.look();
        }
        self.laws.moved(self.now, &what, *from, *to, known)
    }

    /// Compares what a machine has with what it is, unless nothing of either has changed.
    pub(crate) fn compare(&mut self, id: MachineId, holding: u64) -> Result<(), Broken> {
        let machine = &self.machines[id.0];
        if holding != 0 && machine.scripted && !machine.service_good && self.now > machine.unsure_until {
            return broken(Law::FailedTakeNoPart, format!("machine {} holds {}", id.0, holding.trailing_zeros()));
        }
        let seen = (machine.kernel.generation(), holding);
        if machine.compared == Some(seen) {
            return Ok(());
        }
        self.group_agrees(id)?;
        if self.now < self.upset_until[id.0] {
            self.machines[id.0].compared = None;
            return Ok(());
        }
        self.addresses_follow(id)?;
        self.machines[id.0].compared = Some(seen);
        Ok(())
    }

    fn addresses_follow(&self, id: MachineId) -> Result<(), Broken> {
        let machine = &self.machines[id.0];
        let masters = || machine.duties.iter().zip(&machine.states).filter(|(_, state)| **state == State::Master);
        for (number, router) in self.scenario.routers.iter().enumerate() {
            let master = machine.states[number] == State::Master;
            // A reload may have given an address to another instance.
            let wanted = |address: &IpNet| {
                masters().any(|(duty, _)| duty.as_ref().is_some_and(|duty| duty.addresses.contains(address)))
            };
            // What no configuration names and another program has put there is nobody's here.
            let ours = machine.duties[number].is_some();
            let has = |address: &IpNet| match ours || wanted(address) {
                true => machine.kernel.has(router.lan, *address),
                false => machine.kernel.has_of_a_node(router.lan, *address),
            };
            let wrong = machine.holds(number) != master
                || router.addresses.iter().any(|address| has(address) != wanted(address));
            // A link that has another name is not the daemon's to look after.
            if wrong && machine.kernel.is_known(router.lan) {
                let has: Vec<_> = router.addresses.iter().filter(|a| machine.kernel.has(router.lan, **a)).collect();
                let how = format!("machine {} is {} of router {number}", id.0, machine.states[number]);
                return broken(
                    Law::AddressesFollowMaster,
                    format!("{how}, holds {}, has {has:?}", machine.holds(number)),
                );
            }
        }
        Ok(())
    }

    fn group_agrees(&self, id: MachineId) -> Result<(), Broken> {
        let machine = &self.machines[id.0];
        for group in &machine.running.groups {
            let grouped = machine.duties.iter().zip(&machine.states).filter_map(|(duty, state)| {
                let duty = duty.as_ref()?;
                group.members.contains(&duty.instance).then_some(state)
            });
            let mut states = grouped;
            let first = states.next();
            if states.any(|state| Some(state) != first) {
                return broken(Law::GroupMovesTogether, format!("machine {}: {:?}", id.0, machine.states));
            }
        }
        Ok(())
    }

    /// Tells the laws that something has happened which the cluster may show.
    pub(crate) fn disturbed(&mut self) {
        let right = |machine: &Machine<D>| machine.wall_wrong_by == 0;
        let hear = self.lans.iter().all(Lan::is_whole) && (!self.scenario.signs() || self.machines.iter().all(right));
        self.laws.disturbed(self.now, hear);
    }

    /// Shows the laws what an observer sees of every virtual router now.
    pub(crate) fn look(&mut self) {
        for router in 0..self.scenario.routers.len() {
            let lan = self.scenario.routers[router].lan;
            let holds: Vec<bool> =
                self.machines.iter().map(|machine| machine.holds(router) && machine.kernel.carries(lan)).collect();
            let healthy = self.machines.iter().map(|machine| self.is_healthy(machine, router)).collect();
            // A group follows one of its members, so that a member is served if anybody holds it.
            let grouped = self.scenario.routers[router].grouped;
            let signs: Vec<bool> = self.machines.iter().map(|machine| signs(machine, router)).collect();
            let wrong_by = |machine: usize| self.machines[machine].wall_wrong_by;
            let hears = |to: usize, from: usize| {
                let believes = !signs[from] || wrong_by(to) == wrong_by(from);
                grouped || (believes && self.lans[lan.0].hears(MachineId(to), MachineId(from)))
            };
            let served =
                (0..holds.len()).map(|to| (0..holds.len()).any(|from| holds[from] && hears(to, from))).collect();
            self.laws.look(self.now, router, Sight { holds, healthy, served });
        }
    }

    /// Whether every link carries that a machine's membership of a virtual router depends on.
    pub(crate) fn links_carry(&self, machine: &Machine<D>, router: usize) -> bool {
        let needs = |number: usize, r: &VirtualRouter, lan: LanId| {
            let Some(instance) = machine.instance_of(number) else { return false };
            // In a group every weight counts as 0.
            let mut tracked = instance.track_interfaces.iter().filter(|t| t.weight == 0 || r.grouped);
            lan == r.lan || tracked.any(|t| t.interface == interface(lan))
        };
        let carries = |number, r| {
            let lans = (0..self.scenario.lans).map(LanId);
            lans.filter(|lan| needs(number, r, *lan)).all(|lan| machine.kernel.is_usable(lan))
        };
        self.scenario.moving_with(router).all(|(number, r)| carries(number, r))
    }

    /// Whether a machine could be master of a virtual router: it runs, and nothing stands against it.
    fn is_healthy(&self, machine: &Machine<D>, router: usize) -> bool {
        let failed = machine.scripted && (!machine.service_good || self.now < machine.unsure_until);
        machine.running().is_some()
            && machine.duties[router].is_some()
            && !self.excused[machine.id.0]
            && !failed
            && machine.may_take_over(self.now)
            && self.links_carry(machine, router)
    }
}

/// Whether a machine signs the advertisements of a virtual router.
fn signs<D: Director>(machine: &Machine<D>, router: usize) -> bool {
    let hmac = machine.instance_of(router).and_then(|instance| instance.options.hmac.as_ref());
    hmac.is_some_and(|hmac| match hmac.mode {
        HmacMode::Enforce | HmacMode::Permissive => true,
        HmacMode::ReceiveOnly => false,
    })
}
