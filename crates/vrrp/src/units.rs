//! Instances that move together: a sync group, or one instance alone.
//!
//! The rules of groups, and nothing of the protocol: what a single instance does is in [`crate::machine`].

use crate::batch::Batch;
use crate::links;
use crate::machine::Machine;
use crate::phase::{Peer, Phase};
use crate::receive::Heard;
use crate::trackers::Trackers;
use crate::witnesses::Witnesses;
use core::time::Duration;
use standfast_model::config::vrrp::{InstanceId, SyncGroup, VrrpConfig};
use standfast_model::{AdvertInterval, Cause, GroupTransition, Instant, State};

/// Which unit: its place in the router.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct UnitId(pub(crate) usize);

/// A sync group, or an instance that is in none.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    /// None for an instance alone.
    pub(crate) group: Option<SyncGroup>,
    /// In the order of the file, at least one.
    pub(crate) members: Vec<Machine>,
    /// The state its members last agreed on.
    pub(crate) agreed: State,
}

/// Splits a configuration into its units; says for each instance where it went.
pub(crate) fn split(config: VrrpConfig) -> (Vec<Unit>, Vec<(UnitId, usize)>) {
    let (count, common) = (config.instances.len(), config.common);
    let mut machines: Vec<Option<Machine>> = (0..)
        .map(InstanceId)
        .zip(config.instances)
        .map(|(id, instance)| Some(Machine::new(id, instance, &common)))
        .collect();
    let mut units = Vec::new();
    let mut take = |id: &InstanceId| machines.get_mut(usize::try_from(id.0).ok()?)?.take();
    for group in config.groups {
        let members: Vec<Machine> = group.members.iter().filter_map(&mut take).collect();
        if !members.is_empty() {
            units.push(Unit::new(Some(group), members));
        }
    }
    let alone = machines.into_iter().flatten().map(|machine| Unit::new(None, vec![machine]));
    units.extend(alone);
    let mut rank = 0;
    for unit in &mut units {
        // A group stays together: it fails over together.
        unit.members.iter_mut().for_each(|member| member.rank = rank);
        rank += u32::try_from(unit.members.len()).unwrap_or(u32::MAX);
    }
    let mut places = vec![(UnitId(usize::MAX), usize::MAX); count];
    for (unit, found) in units.iter().enumerate() {
        for (member, machine) in found.members.iter().enumerate() {
            if let Some(place) = usize::try_from(machine.id.0).ok().and_then(|id| places.get_mut(id)) {
                *place = (UnitId(unit), member);
            }
        }
    }
    (units, places)
}

impl Unit {
    fn new(group: Option<SyncGroup>, members: Vec<Machine>) -> Self {
        Self { group, members, agreed: State::Init }
    }

    /// Says that the group has moved, once all of its members have.
    pub(crate) fn report(&mut self, now: Instant, batch: &mut Batch) {
        let Some(group) = &self.group else { return };
        let Some(to) = self.members.first().map(|member| member.phase.state()) else { return };
        if to == self.agreed || self.members.iter().any(|member| member.phase.state() != to) {
            return;
        }
        let causes = || self.members.iter().filter_map(|member| Some(&member.last_transition.as_ref()?.cause));
        let own = causes().find(|cause| !matches!(cause, Cause::SyncGroup { .. }));
        let Some(cause) = own.or_else(|| causes().next()).cloned() else { return };
        let from = core::mem::replace(&mut self.agreed, to);
        batch.group_transition(GroupTransition { group: group.name.clone(), from, to, cause, at: now });
    }

    /// What made a member move that only follows.
    pub(crate) fn follows(&self, member: &str) -> Cause {
        let group = self.group.as_ref().map(|group| group.name.clone()).unwrap_or_default();
        Cause::SyncGroup { group, member: member.to_owned() }
    }

    /// The first member that cannot take part, with its reason.
    fn culprit(&self) -> Option<(String, Cause)> {
        self.members.iter().find_map(|member| Some((member.config.name.clone(), member.fault.clone()?)))
    }

    /// Whether a member waits in Initialize, and may leave it now: nothing that decides over its FAULT is unknown. A
    /// master that was killed does not wait for scripts to go on.
    pub(crate) fn can_begin(&self, now: Instant, known: &Trackers) -> bool {
        let group = self.group.as_ref();
        let pending = |member: &Machine| links::trackers(&member.config, group).any(|entry| known.pending(entry));
        let mut waiting = self.members.iter().filter(|member| member.waits()).peekable();
        waiting.peek().is_some() && (self.members.iter().all(|member| member.goes_on(now)) || !waiting.any(pending))
    }

    /// The members of a group that a reload put together must agree: a master gives way to a member that listens to
    /// another master already.
    pub(crate) fn agree(&mut self, now: Instant, batch: &mut Batch) {
        let Some(backup) = self.members.iter().find(|member| member.phase.backup().is_some()) else { return };
        let follows = self.follows(&backup.config.name);
        for member in self.members.iter_mut().filter(|member| member.phase.is_master()) {
            member.yield_to_group(now, follows.clone(), batch);
        }
    }

    /// Leaves Initialize.
    pub(crate) fn begin(&mut self, now: Instant, known: &Witnesses, batch: &mut Batch) {
        if let Some((culprit, _)) = self.culprit() {
            let follows = self.follows(&culprit);
            for member in self.members.iter_mut().filter(|member| member.waits()) {
                let cause = member.fault.clone().unwrap_or_else(|| follows.clone());
                member.become_fault(now, cause, batch);
            }
            self.fail(now, &culprit, batch);
            return;
        }
        if let Some(other) = self.members.iter().find(|member| !member.waits()) {
            // It joins a group that is there already.
            let (master, follows) = (other.phase.is_master(), self.follows(&other.config.name));
            for member in self.members.iter_mut().filter(|member| member.waits()) {
                match master {
                    true => member.become_master(now, follows.clone(), batch),
                    false => member.become_backup(now, follows.clone(), None, batch),
                }
            }
            return;
        }
        // Adoption is all or nothing, and so is the owners' right not to wait: a group has one state.
        let stamps: Option<Vec<Instant>> = self.members.iter().map(|member| member.adoptable(now)).collect();
        // REQ: VRRP2A-AH-07
        let owners = self.members.iter().all(|member| member.priority.is_owner() && !member.stands_back(now))
            && self.refusal(now, known).is_none();
        if let Some(stamps) = stamps {
            for (member, stamp) in self.members.iter_mut().zip(stamps) {
                member.adopt(now, stamp, Cause::Started, batch);
            }
        } else if owners {
            // REQ: VRRP2-6.4.1-01 VRRP3-6.4.1-01
            for member in &mut self.members {
                member.become_master(now, Cause::Owner, batch);
            }
        } else if self.members.iter().any(|member| member.succeeds) {
            for member in &mut self.members {
                member.become_master(now, Cause::Reloaded, batch);
            }
        } else {
            // REQ: VRRP2-6.4.1-02 VRRP3-6.4.1-02
            for member in &mut self.members {
                member.become_backup(now, Cause::Started, None, batch);
            }
        }
    }

    /// Acts on what has become of the members' own faults: one member in FAULT takes all along, and all come back
    /// when none has a reason left. `recovered` are the members whose own reason went away just now.
    pub(crate) fn settle(&mut self, now: Instant, recovered: &[InstanceId], batch: &mut Batch) {
        match self.culprit() {
            Some((culprit, _)) => self.fail(now, &culprit, batch),
            None => self.recover(now, recovered, batch),
        }
    }

    fn fail(&mut self, now: Instant, culprit: &str, batch: &mut Batch) {
        let follows = self.follows(culprit);
        for member in &mut self.members {
            let reason = member.fault.clone().unwrap_or_else(|| follows.clone());
            match &mut member.phase {
                Phase::Backup(_) | Phase::Master(_) => member.become_fault(now, reason, batch),
                Phase::Fault { cause, .. } => *cause = reason,
                Phase::Init { .. } | Phase::Stop => {}
            }
        }
    }

    fn recover(&mut self, now: Instant, recovered: &[InstanceId], batch: &mut Batch) {
        let first = self.members.iter().find(|member| recovered.contains(&member.id));
        let follows = first.map(|member| self.follows(&member.config.name));
        for member in &mut self.members {
            match &member.phase {
                // REQ: KA-FAULT-02
                Phase::Fault { .. } => {
                    let own = recovered.contains(&member.id);
                    let cause = follows.clone().filter(|_| !own).unwrap_or(Cause::Recovered);
                    member.become_backup(now, cause, None, batch);
                }
                Phase::Init { .. } | Phase::Backup(_) | Phase::Master(_) | Phase::Stop => {}
            }
        }
    }

    /// The down timer of a member ran out: it takes over, with the whole group or not at all.
    /// `refusal` is what a witness has against it.
    pub(crate) fn expire(&mut self, now: Instant, member: usize, refusal: Option<Cause>, batch: &mut Batch) {
        let Some(trigger) = self.members.get(member) else { return };
        let Some(backup) = trigger.phase.backup() else { return };
        let cause = match backup.resigned {
            Some(source) => Cause::MasterResigned { source },
            None => Cause::MasterSilent { waited: now.since(backup.silent_since) },
        };
        let interval = backup.interval;
        let others = || self.members.iter().enumerate().filter(|(place, _)| *place != member).map(|(_, m)| m);
        let master_already = others().any(|other| other.phase.is_master());
        let all_want = others().all(|other| other.phase.backup().is_some_and(|backup| backup.wants_master));
        if !master_already && !all_want {
            // Held back until the others want it too; the restarted timer asks again.
            let down_at = now + trigger.down_interval(interval);
            if let Some(backup) = self.members.get_mut(member).and_then(|trigger| trigger.phase.backup_mut()) {
                backup.down_at = down_at;
            }
            return;
        }
        if let Some(why) = refusal.filter(|_| !master_already) {
            return self.hold(now, member, why, batch);
        }
        let follows = self.follows(&trigger.config.name);
        for (place, other) in self.members.iter_mut().enumerate() {
            if other.phase.backup().is_some_and(|backup| backup.wants_master) {
                let cause = if place == member { cause.clone() } else { follows.clone() };
                other.become_master(now, cause, batch);
            }
        }
    }

    /// A member that is master gives way to a better router, and the group with it.
    pub(crate) fn give_way(&mut self, now: Instant, member: usize, cause: Cause, heard: &Heard, batch: &mut Batch) {
        let Some(first) = self.members.get_mut(member) else { return };
        // REQ: VRRP2-6.4.3-06 VRRP3-6.4.3-08
        if first.config.higher_prio_send_advert {
            first.advertise(now, batch);
        }
        let peer = heard.priority.map(|priority| (Peer { address: heard.source, priority }, heard.interval));
        self.fall_back(now, member, cause, peer, batch);
    }

    /// The node slept as master for so long that a standby must have taken over: listen, the group as well.
    pub(crate) fn wake_paused(&mut self, now: Instant, member: usize, silent: Duration, batch: &mut Batch) {
        self.fall_back(now, member, Cause::Paused { silent }, None, batch);
    }

    fn fall_back(
        &mut self,
        now: Instant,
        member: usize,
        cause: Cause,
        heard: Option<(Peer, AdvertInterval)>,
        batch: &mut Batch,
    ) {
        let Some(first) = self.members.get_mut(member) else { return };
        let name = first.config.name.clone();
        first.become_backup(now, cause, heard, batch);
        let follows = self.follows(&name);
        for other in self.members.iter_mut().filter(|other| other.phase.is_master()) {
            other.become_backup(now, follows.clone(), None, batch);
        }
    }

    /// A lower priority was heard by `member`: the neighbours on the LANs of the other members are told as well.
    pub(crate) fn announce_against_lower(&mut self, now: Instant, member: usize, batch: &mut Batch) {
        // REQ: KA-GARP-04
        for (place, other) in self.members.iter_mut().enumerate() {
            if place != member {
                other.announce_against_lower(now, batch);
            }
        }
    }
}
