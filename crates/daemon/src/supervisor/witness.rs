//! What witnesses say on its way to the `vrrp` worker, and which leases it wants on its way to the `check` worker.
//!
//! Both are states and no events: a worker that was restarted is told what holds, and nothing is told twice.

use super::Supervisor;
use standfast_api::{Status, VrrpStatus, WorkerKind};
use standfast_model::State;
use standfast_model::config::VrrpConfig;
use standfast_model::config::vrrp::InstanceId;
use standfast_model::config::witness::WitnessId;

impl Supervisor {
    /// Tells the `vrrp` worker what witnesses say. What a worker said that has died meanwhile holds until its successor
    /// says otherwise; a lease ends by itself.
    pub(super) fn relay_witnesses(&mut self) {
        for (witness, said) in self.workers.iter_mut().flat_map(super::Worker::take_witnessed) {
            self.witnesses.insert(witness, said);
        }
        let named = &self.config.vrrp.common.witnesses;
        self.witnesses.retain(|witness, _| named.iter().any(|named| named.name == *witness));
        for worker in self.workers.iter_mut().filter(|worker| worker.kind() == WorkerKind::Vrrp) {
            self.witnesses.iter().for_each(|(witness, said)| worker.tell_of_witness(witness, said));
        }
    }

    /// Tells the `check` worker which leases are wanted: those of masters, and of whoever would be master. While the
    /// `vrrp` worker says nothing nothing changes.
    pub(super) fn relay_leases(&mut self) {
        let leases = (0..).map(WitnessId).zip(&self.config.vrrp.common.witnesses).filter(|(_, named)| named.lease);
        for (id, named) in leases {
            let status = self.workers.iter().find_map(|worker| match worker.status() {
                Some(Status::Vrrp(status)) => Some(status),
                Some(Status::Check(_) | Status::Bfd(_)) | None => None,
            });
            let Some(status) = status else { return };
            let wanted = is_wanted(id, &self.config.vrrp, status);
            for worker in self.workers.iter_mut().filter(|worker| worker.kind() == WorkerKind::Check) {
                worker.tell_of_lease(&named.name, wanted);
            }
        }
    }
}

fn is_wanted(id: WitnessId, config: &VrrpConfig, status: &VrrpStatus) -> bool {
    let concerned = (0..).map(InstanceId).zip(&config.instances).filter(|(place, instance)| {
        let group = config.groups.iter().find(|group| group.members.contains(place));
        let policies = [instance.options.witness.as_ref(), group.and_then(|group| group.options.witness.as_ref())];
        policies.into_iter().flatten().any(|policy| policy.witnesses.contains(&id))
    });
    let would = |name: &str| {
        let known = status.instances.iter().find(|known| known.name == name);
        known.is_some_and(|known| known.state == State::Master || known.held.is_some())
    };
    concerned.map(|(_, instance)| instance.name.as_str()).any(would)
}
