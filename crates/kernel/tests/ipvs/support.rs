//! A namespace with a table of its own, rows in few words, and what `ipvsadm` says of them.

use nix::sched::{CloneFlags, unshare};
use standfast_kernel::ipvs::{Ipvs, Outcome, Refused};
use standfast_lvs::{Entry, Operation, Table};
use standfast_model::ipvs::{
    Destination, DestinationKey, Family, Forwarding, Protocol, SchedulerFlags, Service, ServiceKey,
};
use std::process::Command;

/// IPVS in a fresh network namespace, which this thread is in from now on.
pub(crate) fn ipvs() -> Ipvs {
    unshare(CloneFlags::CLONE_NEWNET).expect("unshare(CLONE_NEWNET): run these tests as root");
    // Until the first local route is there, the kernel takes no address for one of a host and no destination.
    run("ip link set lo up");
    Ipvs::open().unwrap()
}

pub(crate) fn run(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What `ipvsadm -Sn` prints, sorted, without the blanks it leaves behind.
pub(crate) fn listing() -> Vec<String> {
    let mut lines: Vec<String> = run("ipvsadm -Sn").lines().map(|line| line.trim_end().to_owned()).collect();
    lines.sort();
    lines
}

pub(crate) fn key(protocol: Protocol, address: &str, port: u16) -> ServiceKey {
    ServiceKey::Address { address: address.parse().unwrap(), port, protocol }
}

pub(crate) fn mark(mark: u32, family: Family) -> ServiceKey {
    ServiceKey::FirewallMark { mark, family }
}

pub(crate) fn service(key: ServiceKey, scheduler: &str) -> Service {
    Service {
        key,
        scheduler: scheduler.parse().unwrap(),
        flags: SchedulerFlags::default(),
        persistence: None,
        one_packet: false,
        persistence_engine: None,
    }
}

pub(crate) fn destination_key(address: &str, port: u16) -> DestinationKey {
    DestinationKey { address: address.parse().unwrap(), port }
}

pub(crate) fn destination(address: &str, port: u16, forwarding: Forwarding) -> Destination {
    Destination { key: destination_key(address, port), forwarding, weight: 1, upper_threshold: 0, lower_threshold: 0 }
}

/// The table of those services and destinations.
pub(crate) fn table(rows: &[(&Service, &[Destination])]) -> Table {
    let entry = |service: &Service, destinations: &[Destination]| Entry {
        service: service.clone(),
        destinations: destinations.iter().copied().collect(),
    };
    rows.iter().map(|(service, d)| entry(service, d)).collect()
}

pub(crate) fn changed(outcomes: &[Result<Outcome, Refused>]) {
    let other = outcomes.iter().enumerate().find(|(_, outcome)| **outcome != Ok(Outcome::Changed));
    assert!(other.is_none(), "operation {other:?}");
}

/// Adds each service with its destinations, then compares the dump with what was added.
pub(crate) fn round_trip(ipvs: &mut Ipvs, rows: &[(&Service, &[Destination])]) {
    let mut operations = Vec::new();
    for (service, destinations) in rows {
        operations.push(Operation::AddService((*service).clone()));
        operations.extend(destinations.iter().map(|d| Operation::AddDestination(service.key, *d)));
    }
    changed(&ipvs.apply(&operations));
    assert_eq!(ipvs.dump().unwrap(), table(rows));
}
