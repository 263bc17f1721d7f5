//! How good or bad a status is, in the words of monitors: the page, `/healthz`, `standfast status` and `standfast watch`
//! say the same.

use core::time::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use standfast_api::{Snapshot, WorkerKind};
use standfast_model::{Cause, Claim, Mismatch, State};

/// A rival that was not heard for so long has given way, or nobody hears it any more.
const RIVALRY: Duration = Duration::from_secs(30);

/// How good or bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It serves, and something is not as it should be.
    Warning,
    /// Something that should be served is not.
    Critical,
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        }
    }
}

/// Something to be said about it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Remark {
    /// How bad it is.
    pub verdict: Verdict,
    /// In words.
    pub text: String,
}

/// How good or bad a status is on the whole, and what there is to say about that, the worst first.
#[must_use]
pub fn judge(snapshot: &Snapshot) -> (Verdict, Vec<Remark>) {
    let mut remarks: Vec<Remark> = Vec::new();
    let mut remark = |verdict, text: String| remarks.push(Remark { verdict, text });
    for worker in snapshot.daemon.workers.iter().filter(|worker| worker.kind != WorkerKind::Front) {
        match (worker.pid, worker.ready) {
            (None, _) => remark(Verdict::Critical, format!("{} worker does not run", worker.kind)),
            (Some(_), false) => remark(Verdict::Warning, format!("{} worker is starting", worker.kind)),
            (Some(_), true) => {}
        }
    }
    for worker in &snapshot.daemon.workers {
        if let Some(trouble) = &worker.trouble {
            remark(Verdict::Critical, format!("{} worker {trouble}", worker.kind));
        }
    }
    for instance in snapshot.vrrp.iter().flat_map(|vrrp| &vrrp.instances) {
        // Maintenance is said as the order that it is.
        if instance.state == State::Fault && instance.fault != Some(Cause::Maintenance) {
            let why = instance.fault.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
            remark(Verdict::Critical, format!("{} is in FAULT{why}", instance.name));
        }
        if let Some(rival) = instance.rival.filter(|rival| snapshot.daemon.at.since(rival.last) < RIVALRY) {
            let text = format!("{} has another master: {}, priority {}", instance.name, rival.address, rival.priority);
            remark(Verdict::Critical, text);
        }
        for claim in &instance.claims {
            let Claim { address, interface, mac, .. } = claim;
            let text = format!("{}: another host says that {address} is its own: {mac} on {interface}", instance.name);
            remark(Verdict::Critical, text);
        }
        for mismatch in &instance.mismatches {
            let Mismatch { peer, field, theirs, ours, .. } = mismatch;
            let text = format!("{}: {field} of {peer} is {theirs}, ours {ours}", instance.name);
            remark(Verdict::Warning, text);
        }
        if let Some(held) = &instance.held {
            remark(Verdict::Warning, format!("{} hears no master and does not take over: {held}", instance.name));
        }
        if let Some(ordered) = &instance.ordered {
            remark(Verdict::Warning, format!("{}: {ordered}", instance.name));
        }
    }
    for peer in &snapshot.peers {
        for clash in &peer.two_masters {
            let text = format!(
                "{}: two masters: seen by peer exchange: {} is master with priority {}",
                clash.instance, peer.name, clash.priority
            );
            remark(Verdict::Critical, text);
        }
        if !peer.alive {
            remark(Verdict::Warning, format!("peer {} is not heard", peer.name));
        }
        for difference in &peer.differences {
            remark(Verdict::Warning, format!("peer {} differs: {difference}", peer.name));
        }
    }
    for service in snapshot.check.iter().flat_map(|check| &check.services) {
        let name = crate::report::service_name(&service.key);
        let up = format!("{} of {} servers up", service.live, service.total);
        if service.on_sorry_server {
            remark(Verdict::Warning, format!("{name} is on its sorry server, {up}"));
        } else if !service.has_quorum {
            remark(Verdict::Critical, format!("{name} has no quorum, {up}"));
        } else if service.live < service.total {
            remark(Verdict::Warning, format!("{name}: {up}"));
        }
    }
    if let Some(why) = &snapshot.daemon.reload_refused {
        remark(Verdict::Warning, format!("last reload was refused: {why}"));
    }
    if snapshot.daemon.confirm_until.is_some() {
        remark(Verdict::Warning, "configuration is not confirmed".to_owned());
    }
    let verdict = remarks.iter().map(|remark| remark.verdict).max().unwrap_or(Verdict::Ok);
    remarks.sort_by_key(|remark| core::cmp::Reverse(remark.verdict));
    (verdict, remarks)
}
