//! Witnesses of a pair: whether both directors ask the same, and whether one lease is enough for both.

use super::{Side, finding, place};
use crate::code::Code;
use crate::diagnostic::Diagnostics;
use crate::outline::Node;
use crate::source::Span;
use standfast_model::config::vrrp::InstanceId;
use standfast_model::config::witness::{Etcd, LeaseLost, Need, Unreachable, Witness, WitnessKind, WitnessPolicy};
use std::collections::BTreeSet;

/// A virtual router on one director: its side, its place there and its block.
pub(super) type Router<'s, 'c> = (&'s Side<'c>, InstanceId, Option<&'c Node>);

/// What an instance asks before it takes over, itself or with its group.
struct Asker<'c> {
    policy: Option<&'c WitnessPolicy>,
    witnesses: Vec<(&'c Witness, Option<&'c Node>)>,
    name: &'c str,
    own_name: Option<&'c str>,
    at: Option<Span>,
}

impl<'c> Asker<'c> {
    fn of((side, id, block): Router<'_, 'c>) -> Self {
        let config = side.config;
        let at = |id: u32| usize::try_from(id).unwrap_or(usize::MAX);
        let instance = config.vrrp.instances.get(at(id.0));
        let group = config.vrrp.groups.iter().find(|group| group.members.contains(&id));
        let own = instance.and_then(|instance| instance.options.witness.as_ref());
        let of_group = group.and_then(|group| group.options.witness.as_ref());
        let block = match (own, group) {
            (None, Some(group)) if of_group.is_some() => {
                side.block("vrrp_sync_group", |node| node.word(1) == group.name.as_bytes())
            }
            (Some(_), _) | (None, Some(_) | None) => block,
        };
        let policy = own.or(of_group);
        let named = policy.into_iter().flat_map(|policy| &policy.witnesses).filter_map(|id| {
            let name = &config.vrrp.common.witnesses.get(at(id.0))?.name;
            let witness = config.witnesses.iter().find(|witness| witness.name == *name)?;
            Some((witness, side.block("witness", |node| node.word(1) == name.as_bytes())))
        });
        Self {
            policy,
            witnesses: named.collect(),
            name: instance.map_or("", |instance| &instance.name),
            own_name: config.global.router_id.as_deref(),
            at: place(block, &["witness"]),
        }
    }

    fn leases(&self) -> Vec<(&'c Etcd, Option<Span>)> {
        let lease = |(witness, block): &(&'c Witness, Option<&'c Node>)| match &witness.kind {
            WitnessKind::Etcd(etcd) => Some((&**etcd, block.map(|block| block.span))),
            WitnessKind::Ping(_) | WitnessKind::Tcp(_) => None,
        };
        self.witnesses.iter().filter_map(lease).collect()
    }

    /// Whom it asks for nothing but an answer.
    fn reached(&self) -> BTreeSet<String> {
        let target = |(witness, _): &(&Witness, _)| match &witness.kind {
            WitnessKind::Ping(address) => Some(format!("ping {address}")),
            WitnessKind::Tcp(place) => Some(format!("tcp {place}")),
            WitnessKind::Etcd(_) => None,
        };
        self.witnesses.iter().filter_map(target).collect()
    }
}

/// Compares one virtual router of both.
pub(super) fn compare(routers: [Router<'_, '_>; 2], findings: &mut Diagnostics) {
    let [a, b] = routers.map(Asker::of);
    let (Some(first), Some(second)) = (a.policy, b.policy) else {
        if a.policy.is_some() != b.policy.is_some() {
            let headline = format!("`{}` asks witnesses on one director only", a.name);
            let label = |asker: &Asker<'_>| {
                if asker.policy.is_some() { "it asks here" } else { "nobody is asked here" }.to_owned()
            };
            findings.push(finding(Code::PairWitness, headline, (a.at, label(&a)), (b.at, label(&b))));
        }
        return;
    };
    if (first.need, first.unreachable, first.lost) != (second.need, second.unreachable, second.lost) {
        let headline = format!("`{}` makes something else of its witnesses on each director", a.name);
        findings.push(finding(Code::PairWitness, headline, (a.at, words(first)), (b.at, words(second))));
    }
    if a.reached() != b.reached() {
        let headline = format!("`{}` asks other witnesses on each director", a.name);
        let label = |asker: &Asker<'_>| asker.reached().into_iter().collect::<Vec<_>>().join(", ");
        findings.push(finding(Code::PairWitness, headline, (a.at, label(&a)), (b.at, label(&b))));
    }
    leases(&a, &b, findings);
}

/// A policy as the file has it.
fn words(policy: &WitnessPolicy) -> String {
    let need = match policy.need {
        Need::All => "all",
        Need::Any => "any",
    };
    let unreachable = match policy.unreachable {
        Unreachable::Stay => "stay",
        Unreachable::Take => "take",
    };
    let lost = match policy.lost {
        LeaseLost::Keep => "keep",
        LeaseLost::StepDown => "step_down",
    };
    format!("need {need}, unreachable {unreachable}, lost {lost}")
}

/// Both ask for the same keys in the same stores, under names of their own.
fn leases(a: &Asker<'_>, b: &Asker<'_>, findings: &mut Diagnostics) {
    let (ours, theirs) = (a.leases(), b.leases());
    let same = |x: &Etcd, y: &Etcd| x.key == y.key && x.endpoints.iter().any(|member| y.endpoints.contains(member));
    let lone = |of: &[(&Etcd, Option<Span>)], others: &[(&Etcd, Option<Span>)]| {
        of.iter()
            .find(|(own, _)| !others.iter().any(|(other, _)| same(own, other)))
            .map(|(etcd, span)| (etcd.key.clone(), *span))
    };
    let found = (lone(&ours, &theirs), lone(&theirs, &ours));
    if found != (None, None) {
        let headline = format!("`{}` has another lease on each director", a.name);
        let side = |lone: Option<(String, Option<Span>)>, asker: &Asker<'_>| match lone {
            Some((key, span)) => (span, format!("{key} in a store that the other director does not ask for it")),
            None => (asker.at, "no other lease here".to_owned()),
        };
        let found = finding(Code::PairLease, headline, side(found.0, a), side(found.1, b));
        findings.push(found.help("both directors have the same lease_key and at least one endpoint in common"));
    }
    for (own, span) in &ours {
        let Some((other, there)) = theirs.iter().find(|(other, _)| same(own, other)) else { continue };
        let holder = |etcd: &Etcd, asker: &Asker<'_>| etcd.holder.clone().or(asker.own_name.map(str::to_owned));
        let (Some(x), Some(y)) = (holder(own, a), holder(other, b)) else { continue };
        if x == y {
            let headline = format!("both directors call themselves `{x}` in the store");
            let label = || "the lease of one would be taken for that of the other".to_owned();
            let found = finding(Code::PairLease, headline, (*span, label()), (*there, label()));
            findings.push(found.help("write another holder, or another router_id, on each director"));
        }
    }
}
