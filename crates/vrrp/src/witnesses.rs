//! What is known of witnesses, and what it means for a takeover and for a mastership.
//!
//! It asks nobody and moves no state: who asks is outside, who moves is in [`crate::units`] and [`crate::router`].

use crate::batch::Batch;
use crate::output::Notice;
use crate::phase::Phase;
use crate::router::Router;
use crate::units::{Unit, UnitId};
use standfast_model::config::instance::VrrpCommon;
use standfast_model::config::vrrp::InstanceId;
use standfast_model::config::witness::{LeaseLost, NamedWitness, Need, Unreachable, WitnessId, WitnessPolicy};
use standfast_model::{Cause, Instant, Witnessed};

/// Witnesses by their ids.
#[derive(Clone, Debug, Default)]
pub(crate) struct Witnesses(Vec<Known>);

#[derive(Clone, Debug)]
struct Known {
    named: NamedWitness,
    said: Witnessed,
}

/// What has become of a witness.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Change {
    /// It says what it said.
    None,
    /// Something else.
    Other,
    /// The lease that we had is ours no more, or somebody else has it.
    LeaseGone,
}

impl Witnesses {
    /// Nobody has been asked yet.
    pub(crate) fn new(common: &VrrpCommon) -> Self {
        let unasked = |named: &NamedWitness| Known { named: named.clone(), said: Witnessed::Unasked };
        Self(common.witnesses.iter().map(unasked).collect())
    }

    /// Takes over what a predecessor knew of the same witnesses.
    pub(crate) fn inherit(&mut self, before: &Self) {
        for own in &mut self.0 {
            if let Some(known) = before.0.iter().find(|known| known.named == own.named) {
                own.said = known.said.clone();
            }
        }
    }

    /// When the first lease ends that is ours.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let ends = self.0.iter().filter_map(|known| match known.said {
            Witnessed::Held { until } => Some(until),
            Witnessed::Unasked | Witnessed::Reached | Witnessed::Refused { .. } | Witnessed::Unreachable { .. } => None,
        });
        ends.min()
    }

    /// The leases that have ended because nobody said that they were renewed.
    fn lapse(&mut self, now: Instant) -> Vec<WitnessId> {
        let mut lapsed = Vec::new();
        for (id, known) in (0..).map(WitnessId).zip(&mut self.0) {
            if matches!(known.said, Witnessed::Held { until } if until <= now) {
                known.said = Witnessed::Unreachable { why: "the lease was not renewed in time".to_owned() };
                lapsed.push(id);
            }
        }
        lapsed
    }

    fn tell(&mut self, id: WitnessId, said: Witnessed) -> Change {
        let Some(known) = self.find_mut(id) else { return Change::None };
        let held = |said: &Witnessed| matches!(said, Witnessed::Held { .. });
        let before = core::mem::replace(&mut known.said, said);
        if before == known.said {
            Change::None
        } else if (held(&before) && !held(&known.said)) || matches!(known.said, Witnessed::Refused { .. }) {
            Change::LeaseGone
        } else {
            Change::Other
        }
    }

    /// A lease is only as good as the mastership that it was asked for.
    fn forget_leases(&mut self, policy: &WitnessPolicy) {
        for id in &policy.witnesses {
            if let Some(known) = self.find_mut(*id).filter(|known| known.named.lease) {
                known.said = Witnessed::Unasked;
            }
        }
    }

    /// Why a takeover is not allowed; none if it is. `patiently`: whoever has not answered by now counts as silent.
    fn refusal(&self, policy: &WitnessPolicy, now: Instant, patiently: bool) -> Option<Cause> {
        let silence = policy.unreachable == Unreachable::Take;
        let agrees = |known: &&Known| match &known.said {
            Witnessed::Reached => true,
            Witnessed::Held { until } => now < *until || silence,
            Witnessed::Refused { .. } => false,
            Witnessed::Unreachable { .. } => silence,
            Witnessed::Unasked => patiently && silence,
        };
        let mut asked = policy.witnesses.iter().filter_map(|id| self.find(*id));
        let against = asked.clone().find(|known| !agrees(known));
        let agreed = match policy.need {
            Need::All => against.is_none(),
            Need::Any => asked.any(|known| agrees(&known)),
        };
        if agreed { None } else { against.map(Known::cause) }
    }

    /// Why a master has to step down because its lease is gone; none if it need not.
    fn loss(&self, policy: &WitnessPolicy) -> Option<Cause> {
        if policy.lost == LeaseLost::Keep {
            return None;
        }
        let gone = |known: &&Known| matches!(known.said, Witnessed::Refused { .. } | Witnessed::Unreachable { .. });
        let mut leases = policy.witnesses.iter().filter_map(|id| self.find(*id)).filter(|known| known.named.lease);
        let first = leases.clone().find(gone)?;
        let lost = match policy.need {
            Need::All => true,
            Need::Any => leases.all(|known| gone(&known)),
        };
        lost.then(|| first.cause())
    }

    fn find(&self, id: WitnessId) -> Option<&Known> {
        self.0.get(usize::try_from(id.0).ok()?)
    }

    fn find_mut(&mut self, id: WitnessId) -> Option<&mut Known> {
        self.0.get_mut(usize::try_from(id.0).ok()?)
    }
}

impl Known {
    fn cause(&self) -> Cause {
        Cause::Witness { witness: self.named.name.clone(), said: self.said.clone() }
    }
}

impl Unit {
    /// Whether it asks anything of witnesses.
    pub(crate) fn is_witnessed(&self) -> bool {
        self.policies().next().is_some()
    }

    /// What the group and each member ask of witnesses.
    fn policies(&self) -> impl Iterator<Item = &WitnessPolicy> {
        let group = self.group.iter().filter_map(|group| group.options.witness.as_ref());
        group.chain(self.members.iter().filter_map(|member| member.config.options.witness.as_ref()))
    }

    /// Why its members may not take over now; none if they may, or if nobody is to be asked.
    pub(crate) fn refusal(&self, now: Instant, known: &Witnesses) -> Option<Cause> {
        // Who is held back for the second time has waited for a whole Master_Down_Interval for an answer.
        let held = |phase: &Phase| phase.backup().is_some_and(|backup| backup.held.is_some());
        let patiently = self.members.iter().any(|member| held(&member.phase));
        self.policies().find_map(|policy| known.refusal(policy, now, patiently))
    }

    /// A member does not take over although its timer ran out. The restarted timer asks again, and so does every answer.
    pub(crate) fn hold(&mut self, now: Instant, member: usize, why: Cause, batch: &mut Batch) {
        let Some(machine) = self.members.get_mut(member) else { return };
        let Some(interval) = machine.phase.backup().map(|backup| backup.interval) else { return };
        let down_at = now + machine.down_interval(interval);
        let instance = machine.id;
        let Some(backup) = machine.phase.backup_mut() else { return };
        backup.down_at = down_at;
        backup.wants_master = true;
        if backup.held.as_ref() != Some(&why) {
            backup.held = Some(why.clone());
            batch.notice(Notice::HeldBack { instance, why: Some(why) });
        }
    }

    /// The lease that its masters need is gone: they resign, before anybody else can have it.
    fn lose_lease(&mut self, now: Instant, why: &Cause, batch: &mut Batch) {
        for member in self.members.iter_mut().filter(|member| member.phase.is_master()) {
            member.yield_to_group(now, why.clone(), batch);
        }
    }
}

impl Router {
    /// A witness was told of.
    pub(crate) fn witness_told(&mut self, now: Instant, id: WitnessId, said: Witnessed) {
        match self.known.witnesses.tell(id, said) {
            Change::None => {}
            Change::Other => self.witness_changed(now, id, false),
            Change::LeaseGone => self.witness_changed(now, id, true),
        }
    }

    /// Leases that nobody said were renewed end here, whoever has died or hangs.
    pub(crate) fn lapse_leases(&mut self, now: Instant) {
        for id in self.known.witnesses.lapse(now) {
            self.witness_changed(now, id, true);
        }
    }

    /// Whoever is not master any more has no lease that it could take over by.
    pub(crate) fn forget_leases(&mut self, left: Vec<InstanceId>) {
        for id in left {
            let Some((UnitId(unit), _)) = self.place(id) else { continue };
            let Some(unit) = self.units.get(unit) else { continue };
            if unit.members.iter().any(|member| member.phase.is_master()) {
                continue;
            }
            for policy in unit.policies() {
                self.known.witnesses.forget_leases(policy);
            }
        }
    }

    fn witness_changed(&mut self, now: Instant, id: WitnessId, lease_gone: bool) {
        for place in 0..self.units.len() {
            let Some(unit) = self.units.get(place) else { continue };
            if !unit.policies().any(|policy| policy.witnesses.contains(&id)) {
                continue;
            }
            let known = &self.known.witnesses;
            let loss = if lease_gone { unit.policies().find_map(|policy| known.loss(policy)) } else { None };
            if let Some(why) = loss {
                self.act_on_unit(now, UnitId(place), |unit, batch| unit.lose_lease(now, &why, batch));
                continue;
            }
            let held = |phase: &Phase| phase.backup().is_some_and(|backup| backup.held.is_some());
            let Some(member) = unit.members.iter().position(|member| held(&member.phase)) else { continue };
            let refusal = unit.refusal(now, known);
            self.act_on_unit(now, UnitId(place), |unit, batch| match refusal {
                None => unit.expire(now, member, None, batch),
                Some(why) => unit.still_held(member, why, batch),
            });
        }
    }
}

impl Unit {
    /// It is held back for another reason than before; the timer goes on.
    fn still_held(&mut self, member: usize, why: Cause, batch: &mut Batch) {
        let Some(machine) = self.members.get_mut(member) else { return };
        let instance = machine.id;
        let Some(backup) = machine.phase.backup_mut() else { return };
        if backup.held.as_ref() != Some(&why) {
            backup.held = Some(why.clone());
            batch.notice(Notice::HeldBack { instance, why: Some(why) });
        }
    }
}
