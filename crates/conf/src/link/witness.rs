//! Witnesses: who is used, and that nothing about them is left to guess.
//!
//! A mistake here is fatal: to run without the witness that somebody asked for would be two masters one day.

use super::etcd;
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::host::Host;
use crate::lower::Draft;
use crate::lower::witness::{KindDraft, PolicyDraft, WitnessDraft};
use crate::source::Span;
use core::time::Duration;
use standfast_model::config::instance::VrrpCommon;
use standfast_model::config::vrrp::{InstanceId, VrrpConfig};
use standfast_model::config::witness::{LeaseLost, NamedWitness, Witness, WitnessId, WitnessKind, WitnessPolicy};
use std::collections::BTreeMap;

/// `interval` and `timeout` when nobody says them.
const SECOND: Duration = Duration::from_secs(1);

/// The policy of an instance or a group; the witnesses that it uses are added to those that are known.
pub(super) fn policy(
    written: Option<&PolicyDraft>,
    draft: &Draft,
    common: &mut VrrpCommon,
    diagnostics: &mut Diagnostics,
) -> Option<WitnessPolicy> {
    let written = written?;
    let mut witnesses = Vec::new();
    let mut lease = false;
    for name in &written.names {
        let Some((_, defined)) = draft.witnesses.get(&name.value) else {
            let headline = format!("no witness is called `{}`", name.value);
            let mut diagnostic = Diagnostic::new(Code::UnknownWitness, headline, name.span, "it is not defined");
            if let Some(near) = diagnostics.nearest(name.value.as_bytes(), draft.witnesses.names()) {
                diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
            }
            diagnostics.push(diagnostic);
            continue;
        };
        let named = NamedWitness { name: name.value.clone(), lease: matches!(defined.kind, Some(KindDraft::Etcd(_))) };
        lease |= named.lease;
        let known = common.witnesses.iter().position(|known| *known == named);
        let at = known.unwrap_or_else(|| {
            common.witnesses.push(named);
            common.witnesses.len() - 1
        });
        let id = WitnessId(u32::try_from(at).unwrap_or(u32::MAX));
        if !witnesses.contains(&id) {
            witnesses.push(id);
        }
    }
    let mut unsaid = |what: &str, help: &str| {
        let headline = format!("the witnesses here are used without `{what}`");
        let label = "what is to happen must be written down";
        diagnostics.push(Diagnostic::new(Code::WitnessPolicy, headline, written.head, label).help(help));
    };
    if written.names.is_empty() {
        unsaid("use", "name at least one: use NAME");
    }
    if written.need.is_none() {
        unsaid("need", "need all: every witness must agree to a takeover; need any: one is enough");
    }
    if written.unreachable.is_none() {
        let help =
            "unreachable stay: a witness that does not answer forbids the takeover; unreachable take: it allows it";
        unsaid("unreachable", help);
    }
    if lease && written.lost.is_none() {
        let help =
            "lost step_down: a master whose lease cannot be renewed resigns before it ends; lost keep: it stays master";
        unsaid("lost", help);
    }
    Some(WitnessPolicy {
        witnesses,
        need: written.need?,
        unreachable: written.unreachable?,
        lost: written.lost.unwrap_or(LeaseLost::Keep),
    })
}

/// The witnesses that are used. A lease is one unit's: two instances that move on their own could not share it.
pub(super) fn used(draft: &Draft, vrrp: &VrrpConfig, host: &dyn Host, diagnostics: &mut Diagnostics) -> Vec<Witness> {
    let names: Vec<&str> = vrrp.common.witnesses.iter().map(|named| named.name.as_str()).collect();
    if names.len() > Witness::MOST {
        let span = draft.witnesses.span(names.get(Witness::MOST).copied().unwrap_or_default());
        let headline = format!("more than {} witnesses", Witness::MOST);
        if let Some(span) = span {
            diagnostics.push(Diagnostic::new(Code::UselessWitness, headline, span, "this is one too many"));
        }
    }
    shared_leases(draft, vrrp, diagnostics);
    let defined = names.into_iter().filter_map(|name| {
        let (_, defined) = draft.witnesses.get(name)?;
        let head = draft.witnesses.span(name)?;
        witness(name, head, defined, host, diagnostics)
    });
    defined.collect()
}

fn shared_leases(draft: &Draft, vrrp: &VrrpConfig, diagnostics: &mut Diagnostics) {
    let mut holders: BTreeMap<WitnessId, (Option<usize>, InstanceId)> = BTreeMap::new();
    for (at, instance) in (0..).map(InstanceId).zip(&vrrp.instances) {
        let group = vrrp.groups.iter().position(|group| group.members.contains(&at));
        let of_group = group.and_then(|group| vrrp.groups.get(group)?.options.witness.as_ref());
        let policies = [instance.options.witness.as_ref(), of_group].into_iter().flatten();
        for id in policies.flat_map(|policy| &policy.witnesses) {
            let Some(named) = usize::try_from(id.0).ok().and_then(|id| vrrp.common.witnesses.get(id)) else { continue };
            let first = holders.entry(*id).or_insert((group, at));
            let same = first.1 == at || (group.is_some() && first.0 == group);
            if !named.lease || same {
                continue;
            }
            let Some(span) = draft.witnesses.span(&named.name) else { continue };
            let headline = format!("the lease of witness `{}` is used by two that move on their own", named.name);
            let label = format!("instance `{}` is the second", instance.name);
            let diagnostic = Diagnostic::new(Code::UselessWitness, headline, span, label);
            diagnostics.push(diagnostic.help("give each a witness of its own, or put them into one vrrp_sync_group"));
        }
    }
}

fn witness(
    name: &str,
    head: Span,
    defined: &WitnessDraft,
    host: &dyn Host,
    diagnostics: &mut Diagnostics,
) -> Option<Witness> {
    let kind = match &defined.kind {
        Some(KindDraft::Ping(address)) => WitnessKind::Ping(*address),
        Some(KindDraft::Tcp(place)) => WitnessKind::Tcp(*place),
        Some(KindDraft::Etcd(etcd)) => WitnessKind::Etcd(Box::new(etcd::store(etcd, host, diagnostics)?)),
        None => {
            let headline = format!("witness `{name}` asks nothing");
            let diagnostic = Diagnostic::new(Code::UselessWitness, headline, head, "it needs ping, tcp or etcd");
            diagnostics.push(diagnostic);
            return None;
        }
    };
    Some(Witness {
        name: name.to_owned(),
        kind,
        interval: defined.interval.unwrap_or(SECOND),
        timeout: defined.timeout.unwrap_or(SECOND),
        rise: defined.rise.unwrap_or(1),
        fall: defined.fall.unwrap_or(2),
    })
}
