//! Instances that move together: a sync group, or one instance alone.
//!
//! The rules of groups, and nothing of the protocol: what a single instance does is in [`crate::machine`].

use crate::batch::Batch;
use crate::machine::Machine;
use crate::phase::{Peer, Phase};
use crate::receive::Heard;
use core::time::Duration;
use standfast_model::config::vrrp::{InstanceId, SyncGroup, VrrpConfig};
use standfast_model::{AdvertInterval, Cause, Instant};

/// Which unit: its place in the router.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct UnitId(pub(crate) usize);

/// A sync group, or an instance that is in none.
#[derive(Debug)]
pub(crate) struct Unit {
    /// None for an instance alone.
    pub(crate) group: Option<SyncGroup>,
    /// In the order of the file, at least one.
    pub(crate) members: Vec<Machine>,
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
            units.push(Unit { group: Some(group), members });
        }
    }
    let alone = machines.into_iter().flatten().map(|machine| Unit { group: None, members: vec![machine] });
    units.extend(alone);
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
    /// What made a member move that only follows.
    fn follows(&self, member: &str) -> Cause {
        let group = self.group.as_ref().map(|group| group.name.clone()).unwrap_or_default();
        Cause::SyncGroup { group, member: member.to_owned() }
    }

    /// The first member that cannot take part, with its reason.
    fn culprit(&self) -> Option<(String, Cause)> {
        self.members.iter().find_map(|member| Some((member.config.name.clone(), member.fault.clone()?)))
    }

    /// Leaves Initialize.
    pub(crate) fn begin(&mut self, now: Instant, batch: &mut Batch) {
        if let Some((culprit, _)) = self.culprit() {
            let follows = self.follows(&culprit);
            for member in &mut self.members {
                let cause = member.fault.clone().unwrap_or_else(|| follows.clone());
                member.become_fault(now, cause, batch);
            }
            return;
        }
        // Adoption is all or nothing, and so is the owners' right not to wait: a group has one state.
        let stamps: Option<Vec<Instant>> = self.members.iter().map(|member| member.adoptable(now)).collect();
        let owners = self.members.iter().all(|member| member.priority.is_owner());
        if let Some(stamps) = stamps {
            for (member, stamp) in self.members.iter_mut().zip(stamps) {
                member.adopt(now, stamp, Cause::Started, batch);
            }
        } else if owners {
            // REQ: VRRP2-6.4.1-01 VRRP3-6.4.1-01
            for member in &mut self.members {
                member.become_master(now, Cause::Owner, batch);
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
    pub(crate) fn expire(&mut self, now: Instant, member: usize, batch: &mut Batch) {
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
