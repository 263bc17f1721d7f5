//! The parts of a report, made of what the workers told.

use super::{
    Beside, Change, Claim, Counters, Instance, Mismatch, Node, Peer, Refused, Rival, Server, Service, Worker,
    instance_key, service_name,
};
use crate::traffic::Traffic;
use core::time::Duration;
use standfast_api::{DaemonStatus, InstanceStatus, PeerStatus, ServerStatus, ServiceStatus, WorkerStatus};
use standfast_model::ipvs::ServiceKey;
use standfast_model::{self as model, Instant, Refusal, Transition, VrrpCounters};

/// Moments of the daemon's clock by that of the wall.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    at: Instant,
    unix: Duration,
}

impl Clock {
    pub(super) const fn of(daemon: &DaemonStatus) -> Self {
        Self { at: daemon.at, unix: daemon.unix }
    }

    fn unix_ms(self, moment: Instant) -> u64 {
        let unix = if moment <= self.at {
            self.unix.saturating_sub(self.at.since(moment))
        } else {
            self.unix.saturating_add(moment.since(self.at))
        };
        millis(unix)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn node(daemon: &DaemonStatus, clock: Clock, name: &str) -> Node {
    Node {
        name: name.to_owned(),
        release: daemon.version.clone(),
        pid: daemon.pid,
        at_unix_ms: millis(daemon.unix),
        started_unix_ms: clock.unix_ms(daemon.started),
        configuration: daemon.configuration.clone(),
        generation: daemon.generation.0,
        in_force_since_unix_ms: clock.unix_ms(daemon.in_force_since),
        reload_refused: daemon.reload_refused.clone(),
        confirm_until_unix_ms: daemon.confirm_until.map(|until| clock.unix_ms(until)),
        workers: daemon.workers.iter().map(worker).collect(),
    }
}

fn worker(status: &WorkerStatus) -> Worker {
    Worker { kind: status.kind.to_string(), pid: status.pid, ready: status.ready, starts: status.starts }
}

pub(super) fn instance(status: &InstanceStatus, clock: Clock, beside: &impl Beside) -> Instance {
    Instance {
        name: status.name.clone(),
        interface: status.interface.to_string(),
        vrid: status.vrid.get(),
        state: status.state.to_string(),
        since_unix_ms: clock.unix_ms(status.since),
        priority: status.priority,
        base_priority: status.base_priority,
        master: status.master.map(|address| address.to_string()),
        master_priority: status.master_priority,
        ordered: status.ordered.clone(),
        rival: status.rival.as_ref().map(|one| rival(one, clock)),
        claims: status.claims.iter().map(|one| claim(one, clock)).collect(),
        mismatches: status.mismatches.iter().map(|one| mismatch(one, clock)).collect(),
        group: status.group.clone(),
        addresses: status.addresses.iter().map(|address| address.address.to_string()).collect(),
        fault: status.fault.as_ref().map(ToString::to_string),
        last_change: status.last_transition.as_ref().map(|one| change(one, clock)),
        counters: counters(&status.counters),
        availability: beside.availability(&instance_key(&status.name)),
    }
}

fn rival(seen: &model::Rival, clock: Clock) -> Rival {
    Rival {
        address: seen.address.to_string(),
        priority: seen.priority,
        since_unix_ms: clock.unix_ms(seen.since),
        last_unix_ms: clock.unix_ms(seen.last),
    }
}

fn claim(seen: &model::Claim, clock: Clock) -> Claim {
    Claim {
        address: seen.address.to_string(),
        interface: seen.interface.to_string(),
        mac: seen.mac.to_string(),
        since_unix_ms: clock.unix_ms(seen.since),
        last_unix_ms: clock.unix_ms(seen.last),
        times: seen.times,
    }
}

fn mismatch(seen: &model::Mismatch, clock: Clock) -> Mismatch {
    Mismatch {
        peer: seen.peer.to_string(),
        what: seen.field.to_string(),
        theirs: seen.theirs.clone(),
        ours: seen.ours.clone(),
        last_unix_ms: clock.unix_ms(seen.last),
    }
}

fn change(last: &Transition, clock: Clock) -> Change {
    Change {
        from: last.from.to_string(),
        to: last.to.to_string(),
        cause: last.cause.to_string(),
        at_unix_ms: clock.unix_ms(last.at),
    }
}

fn counters(counted: &VrrpCounters) -> Counters {
    let refused = Refusal::ALL.into_iter().map(|reason| (reason, counted.refused(reason)));
    let refused = refused.filter(|(_, packets)| *packets > 0);
    Counters {
        adverts_received: counted.advert_received,
        adverts_sent: counted.advert_sent,
        became_master: counted.become_master,
        released_master: counted.release_master,
        priority_zero_received: counted.priority_zero_received,
        priority_zero_sent: counted.priority_zero_sent,
        address_list_differs: counted.address_list_differs,
        foreign_claims: counted.foreign_claims,
        refused: refused.map(|(reason, packets)| Refused { reason: reason.to_string(), packets }).collect(),
    }
}

pub(super) fn peer(status: &PeerStatus, clock: Clock) -> Peer {
    let refused = status.refused.iter();
    Peer {
        name: status.name.clone(),
        address: status.address.to_string(),
        alive: status.alive,
        heard_unix_ms: status.heard.map(|at| clock.unix_ms(at)),
        release: status.version.clone(),
        two_masters: status.two_masters.iter().map(|clash| clash.instance.clone()).collect(),
        differences: status.differences.clone(),
        accepted: status.accepted,
        refused: refused.map(|(why, count)| Refused { reason: why.clone(), packets: *count }).collect(),
    }
}

pub(super) fn service(status: &ServiceStatus, beside: &impl Beside) -> Service {
    let name = service_name(&status.key);
    let traffic = beside.traffic();
    Service {
        live: status.live,
        total: status.total,
        has_quorum: status.has_quorum,
        on_sorry_server: status.on_sorry_server,
        weight: status.weight,
        quorum: status.quorum,
        connections: traffic.and_then(|traffic| traffic.of_service(&status.key)),
        availability: beside.availability(&name),
        servers: status.servers.iter().map(|one| server(one, &status.key, traffic)).collect(),
        name,
    }
}

fn server(status: &ServerStatus, service: &ServiceKey, traffic: Option<&Traffic>) -> Server {
    Server {
        name: status.key.to_string(),
        weight: status.weight,
        up: status.up,
        ordered: status.remarks.ordered.clone(),
        trouble: status.remarks.trouble.clone(),
        check_us: status.check_micros.map(|micros| micros.get().into()),
        connections: traffic.and_then(|traffic| traffic.of_server(service, &status.key)),
    }
}
