//! How good or bad a status is, in the words of monitors: the page, `/healthz`, `standfast status` and `standfast watch`
//! say the same.

use crate::report::service_name;
use core::time::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use standfast_api::{DaemonStatus, InstanceStatus, PeerStatus, ServiceStatus, Snapshot, TwoMasters, WorkerKind};
use standfast_model::{Cause, Claim, Instant, Mismatch, State};

/// A rival that was not heard for so long has given way, or nobody hears it any more.
const RIVALRY: Duration = Duration::from_secs(30);

/// A router that has been silent for so long may have been mended meanwhile: a standby says nothing that would show it.
/// What differs with a master is seen by its standby with each advertisement, and goes on counting there.
const HEARSAY: Duration = Duration::from_mins(10);

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
    let mut remarks = Remarks::default();
    workers(&snapshot.daemon, &mut remarks);
    for status in snapshot.vrrp.iter().flat_map(|vrrp| &vrrp.instances) {
        instance(status, snapshot.daemon.at, &mut remarks);
    }
    for status in &snapshot.peers {
        peer(status, &mut remarks);
    }
    for status in snapshot.check().into_iter().flat_map(|check| &check.services) {
        service(status, &mut remarks);
    }
    if let Some(why) = &snapshot.daemon.reload_refused {
        remarks.warning(format!("last reload was refused: {why}"));
    }
    if snapshot.daemon.confirm_until.is_some() {
        remarks.warning("configuration is not confirmed".to_owned());
    }
    let Remarks(mut remarks) = remarks;
    let verdict = remarks.iter().map(|remark| remark.verdict).max().unwrap_or(Verdict::Ok);
    remarks.sort_by_key(|remark| core::cmp::Reverse(remark.verdict));
    (verdict, remarks)
}

/// What there is to say so far.
#[derive(Default)]
struct Remarks(Vec<Remark>);

impl Remarks {
    fn critical(&mut self, text: String) {
        self.0.push(Remark { verdict: Verdict::Critical, text });
    }

    fn warning(&mut self, text: String) {
        self.0.push(Remark { verdict: Verdict::Warning, text });
    }
}

fn workers(daemon: &DaemonStatus, remarks: &mut Remarks) {
    for worker in daemon.workers.iter().filter(|worker| worker.kind != WorkerKind::Front) {
        match (worker.pid, worker.ready) {
            (None, _) => remarks.critical(format!("{} worker does not run", worker.kind)),
            (Some(_), false) => remarks.warning(format!("{} worker is starting", worker.kind)),
            (Some(_), true) => {}
        }
    }
    for worker in &daemon.workers {
        if let Some(trouble) = &worker.trouble {
            remarks.critical(format!("{} worker {trouble}", worker.kind));
        }
    }
}

fn instance(status: &InstanceStatus, now: Instant, remarks: &mut Remarks) {
    let name = &status.name;
    // Maintenance is said as the order that it is.
    if status.state == State::Fault && status.fault != Some(Cause::Maintenance) {
        let why = status.fault.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
        remarks.critical(format!("{name} is in FAULT{why}"));
    }
    if let Some(rival) = status.rival.filter(|rival| now.since(rival.last) < RIVALRY) {
        remarks.critical(format!("{name} has another master: {}, priority {}", rival.address, rival.priority));
    }
    for Claim { address, interface, mac, .. } in &status.claims {
        remarks.critical(format!("{name}: another host says that {address} is its own: {mac} on {interface}"));
    }
    let recent = status.mismatches.iter().filter(|mismatch| now.since(mismatch.last) < HEARSAY);
    for Mismatch { peer, field, theirs, ours, .. } in recent {
        remarks.warning(format!("{name}: {field} of {peer} is {theirs}, ours {ours}"));
    }
    if let Some(held) = &status.held {
        remarks.warning(format!("{name} hears no master and does not take over: {held}"));
    }
    if let Some(ordered) = &status.ordered {
        remarks.warning(format!("{name}: {ordered}"));
    }
}

fn peer(status: &PeerStatus, remarks: &mut Remarks) {
    let name = &status.name;
    for TwoMasters { instance, priority, .. } in &status.two_masters {
        let text = format!("{instance}: two masters: seen by peer exchange: {name} is master with priority {priority}");
        remarks.critical(text);
    }
    if !status.alive {
        remarks.warning(format!("peer {name} is not heard"));
    }
    for difference in &status.differences {
        remarks.warning(format!("peer {name} differs: {difference}"));
    }
}

fn service(status: &ServiceStatus, remarks: &mut Remarks) {
    let name = service_name(&status.key);
    let up = format!("{} of {} servers up", status.live, status.total);
    if status.on_sorry_server {
        remarks.warning(format!("{name} is on its sorry server, {up}"));
    } else if !status.has_quorum {
        remarks.critical(format!("{name} has no quorum, {up}"));
    } else if status.live < status.total {
        remarks.warning(format!("{name}: {up}"));
    }
}
