//! What is known of witnesses, and what it means for a takeover and for a mastership.
//!
//! It asks nobody and moves no state: who asks is outside, who moves is in [`crate::units`] and [`crate::router`].

use crate::batch::Batch;
use crate::machine::Machine;
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
    /// It is a predecessor's lease, of which nothing was said yet.
    presumed: bool,
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
        let unasked = |named: &NamedWitness| Known { named: named.clone(), said: Witnessed::Unasked, presumed: false };
        Self(common.witnesses.iter().map(unasked).collect())
    }

    /// Takes over what a predecessor knew of the same witnesses.
    pub(crate) fn inherit(&mut self, before: &Self) {
        for own in &mut self.0 {
            if let Some(known) = before.0.iter().find(|known| known.named == own.named) {
                own.said = known.said.clone();
                own.presumed = known.presumed;
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
                known.presumed = false;
                lapsed.push(id);
            }
        }
        lapsed
    }

    fn tell(&mut self, id: WitnessId, said: Witnessed) -> Change {
        let Some(known) = self.find_mut(id) else { return Change::None };
        let held = |said: &Witnessed| matches!(said, Witnessed::Held { .. });
        known.presumed = false;
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
    fn forget_lease(&mut self, id: WitnessId) {
        if let Some(known) = self.find_mut(id).filter(|known| known.named.lease) {
            (known.said, known.presumed) = (Witnessed::Unasked, false);
        }
    }

    /// The leases of a predecessor of which nothing was said yet.
    fn presumed(&self) -> Vec<WitnessId> {
        let all = (0..).map(WitnessId).zip(&self.0);
        all.filter(|(_, known)| known.presumed).map(|(id, _)| id).collect()
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

    /// When the mastership ends that leases stand behind, unless they are renewed; none if none does.
    fn lasts(&self, policy: &WitnessPolicy) -> Option<Instant> {
        if policy.lost == LeaseLost::Keep {
            return None;
        }
        let ends = policy.witnesses.iter().filter_map(|id| match self.find(*id)?.said {
            Witnessed::Held { until } => Some(until),
            Witnessed::Unasked | Witnessed::Reached | Witnessed::Refused { .. } | Witnessed::Unreachable { .. } => None,
        });
        match policy.need {
            Need::All => ends.min(),
            Need::Any => ends.max(),
        }
    }

    /// A predecessor had the leases that its mastership needed until then, and nobody has said more yet.
    fn presume(&mut self, policy: &WitnessPolicy, until: Instant) {
        for id in policy.witnesses.iter().filter(|_| policy.lost == LeaseLost::StepDown) {
            if let Some(known) =
                self.find_mut(*id).filter(|known| known.named.lease && known.said == Witnessed::Unasked)
            {
                (known.said, known.presumed) = (Witnessed::Held { until }, true);
            }
        }
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
    /// Whether a lease of a witness would be of use: an instance that is to ask for one is master, or would be if it had it.
    #[must_use]
    pub fn wants_lease(&self) -> bool {
        self.units.iter().filter(|unit| unit.is_witnessed()).flat_map(|unit| &unit.members).any(|member| {
            let held = member.phase.backup().is_some_and(|backup| backup.held.is_some());
            member.phase.is_master() || held
        })
    }

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

    /// When the last advertisement of a master is noted as sent: earlier than it was where the lease ends before a standby
    /// would take over, so that whoever goes on for a killed master does so no longer than the lease is sure to last.
    pub(crate) fn counts_as_sent(&self, id: InstanceId, sent: Instant) -> Instant {
        let unit = self.place(id).and_then(|(UnitId(unit), member)| Some((self.units.get(unit)?, member)));
        let Some((unit, machine)) = unit.and_then(|(unit, member)| Some((unit, unit.members.get(member)?))) else {
            return sent;
        };
        let end = unit.policies().filter_map(|policy| self.known.witnesses.lasts(policy)).min();
        end.map_or(sent, |end| sent.min(end - machine.longest_silence()))
    }

    /// Those who go on for a killed master have its lease for as long as its note is good, unless they are told otherwise.
    pub(crate) fn presume_leases(&mut self, now: Instant) {
        for unit in &self.units {
            let end = |machine: &Machine| Some(machine.adoptable(now)? + machine.longest_silence());
            let Some(end) = unit.members.iter().filter_map(end).min() else { continue };
            for policy in unit.policies() {
                self.known.witnesses.presume(policy, end);
            }
        }
    }

    /// What a predecessor had was for its mastership: where nobody goes on with that, it is no lease to take over by later.
    pub(crate) fn forget_presumed_leases(&mut self) {
        let presumed = self.known.witnesses.presumed();
        self.forget_unless(presumed, |phase| phase.is_master() || matches!(phase, Phase::Init { .. }));
    }

    /// Whoever is not master any more has no lease that it could take over by, and neither has a standby whose timer runs
    /// out in the same moment. One that other masters have too stays theirs.
    pub(crate) fn forget_leases_of_left(&mut self) {
        let left = self.batch.take_left();
        let units = left.iter().filter_map(|id| self.units.get(self.place(*id)?.0.0));
        let asked = units.flat_map(Unit::policies).flat_map(|policy| policy.witnesses.iter().copied()).collect();
        self.forget_unless(asked, Phase::is_master);
    }

    /// Forgets those leases on which no instance in such a phase stands.
    fn forget_unless(&mut self, leases: Vec<WitnessId>, stands: impl Fn(&Phase) -> bool) {
        for id in leases {
            let mut standing = self.units.iter().filter(|unit| unit.members.iter().any(|member| stands(&member.phase)));
            if !standing.any(|unit| unit.policies().any(|policy| policy.witnesses.contains(&id))) {
                self.known.witnesses.forget_lease(id);
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
