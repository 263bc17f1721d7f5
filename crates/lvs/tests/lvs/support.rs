//! A kernel's table and a world around a director, as values, for the tests.
//!
//! The kernel here is strict: it refuses what IPVS refuses, so that an operation too many is a failed test.

use core::time::Duration;
use standfast_lvs::{
    Action, Activity, CheckerId, Destinations, Director, Entry, Event, Marking, Notice, Occasion, Operation, Output,
    SyncRole, Table, Verdict,
};
use standfast_model::Instant;
use standfast_model::config::LvsConfig;
use standfast_model::config::lvs::{
    Checker, Connect, Probe, RealServer, ServiceGroup, SorryServer, Timeouts, Timing, VirtualServer,
};
use standfast_model::ipvs::{Destination, DestinationKey, Forwarding, Protocol, SchedulerFlags, Service, ServiceKey};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

/// The service on 192.0.2.0/24 with that last byte.
pub(crate) fn service_key(number: u16) -> ServiceKey {
    let [high, low] = number.to_be_bytes();
    ServiceKey::Address { address: Ipv4Addr::new(192, 0, high, low).into(), port: 80, protocol: Protocol::Tcp }
}

pub(crate) fn server_address(number: u16) -> SocketAddr {
    let [high, low] = number.to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(10, 0, high, low), 80))
}

pub(crate) fn server_key(number: u16) -> DestinationKey {
    let address = server_address(number);
    DestinationKey { address: address.ip(), port: address.port() }
}

pub(crate) fn service(number: u16) -> Service {
    Service {
        key: service_key(number),
        scheduler: "rr".parse().unwrap(),
        flags: SchedulerFlags::default(),
        persistence: None,
        one_packet: false,
        persistence_engine: None,
    }
}

pub(crate) fn destination(number: u16, weight: u32) -> Destination {
    Destination { key: server_key(number), forwarding: Forwarding::Nat, weight, upper_threshold: 0, lower_threshold: 0 }
}

pub(crate) fn entry(number: u16, destinations: &[Destination]) -> Entry {
    Entry { service: service(number), destinations: destinations.iter().copied().collect() }
}

pub(crate) fn table(entries: impl IntoIterator<Item = Entry>) -> Table {
    entries.into_iter().collect()
}

/// `delay_loop 3`, first check at once, no retries.
pub(crate) fn timing() -> Timing {
    Timing {
        delay_loop: seconds(3),
        retry: 0,
        delay_before_retry: seconds(1),
        warmup: Duration::ZERO,
        alpha: false,
        log_all_failures: false,
    }
}

pub(crate) fn checker(server: u16, timing: Timing) -> Checker {
    let connect = Connect {
        target: server_address(server),
        bind_address: None,
        bind_port: None,
        bind_interface: None,
        timeout: seconds(1),
        mark: 0,
    };
    Checker { probe: Probe::Tcp(connect), timing }
}

/// A server of weight 1 with one checker.
pub(crate) fn real_server(number: u16, timing: Timing) -> RealServer {
    RealServer {
        address: server_address(number),
        weight: 1,
        forwarding: Forwarding::Nat,
        upper_threshold: 0,
        lower_threshold: 0,
        inhibit_on_failure: false,
        smtp_alert: false,
        checkers: [checker(number, timing).into()].into(),
        options: Default::default(),
    }
}

pub(crate) fn sorry_server(number: u16, inhibit: bool) -> Box<SorryServer> {
    Box::new(SorryServer { address: server_address(number), forwarding: Forwarding::Nat, inhibit })
}

/// A group with these services besides the first.
pub(crate) fn group(others: impl IntoIterator<Item = u16>) -> ServiceGroup {
    ServiceGroup { name: "group".to_owned(), others: others.into_iter().map(service_key).collect(), marked: Vec::new() }
}

pub(crate) fn virtual_server(number: u16, real_servers: Vec<RealServer>) -> VirtualServer {
    VirtualServer {
        key: service_key(number),
        scheduler: "rr".parse().unwrap(),
        flags: SchedulerFlags::default(),
        persistence: None,
        one_packet: false,
        quorum: 1,
        hysteresis: 0,
        sorry_server: None,
        real_servers,
        options: Default::default(),
    }
}

pub(crate) fn config(virtual_servers: Vec<VirtualServer>) -> LvsConfig {
    LvsConfig { virtual_servers, ..LvsConfig::default() }
}

/// IPVS as far as these tests go.
#[derive(Default, Debug)]
pub(crate) struct Kernel {
    pub(crate) table: Table,
    /// Rows on which every operation is refused.
    pub(crate) locked: BTreeSet<ServiceKey>,
    /// No dump can be had.
    pub(crate) silent: bool,
    /// How often the table was read.
    pub(crate) dumps: usize,
    /// How often it was emptied.
    pub(crate) flushes: usize,
    /// Connections of destinations.
    pub(crate) activity: Activity,
    pub(crate) timeouts: Timeouts,
    /// Every order about sync daemons.
    pub(crate) sync_daemons: Vec<Option<SyncRole>>,
    /// Every order about marking packets: a table that is to be there, or the name of one that is not.
    pub(crate) markings: Vec<Result<Marking, String>>,
}

impl Kernel {
    /// Does what the operation says, or says what IPVS would.
    pub(crate) fn apply(&mut self, operation: &Operation) -> Result<(), &'static str> {
        if self.locked.contains(&operation.row().0) {
            return Err("locked by the test");
        }
        let services = &mut self.table.services;
        match operation {
            Operation::AddService(service) => {
                let new = Entry { service: service.clone(), destinations: Destinations::default() };
                let free = !services.contains_key(&service.key);
                free.then(|| drop(services.insert(service.key, new.into()))).ok_or("service exists")
            }
            Operation::EditService(service) => {
                let entry = services.get_mut(&service.key).ok_or("no such service")?;
                let differs = entry.service != *service;
                entry.service = service.clone();
                differs.then_some(()).ok_or("edit of a service that changes nothing")
            }
            Operation::RemoveService(key) => services.remove(key).map(drop).ok_or("no such service"),
            Operation::AddDestination(key, destination) => {
                let entry = services.get_mut(key).ok_or("no such service")?;
                let old = entry.destinations.insert(*destination);
                old.is_none().then_some(()).ok_or("destination exists")
            }
            Operation::EditDestination(key, destination) => {
                let entry = services.get_mut(key).ok_or("no such service")?;
                let row = *entry.destinations.get(&destination.key).ok_or("no such destination")?;
                entry.destinations.insert(*destination);
                (row != *destination).then_some(()).ok_or("edit of a destination that changes nothing")
            }
            Operation::RemoveDestination(key, destination) => {
                let entry = services.get_mut(key).ok_or("no such service")?;
                entry.destinations.remove(destination).map(drop).ok_or("no such destination")
            }
        }
    }

    /// The weights of one service's rows, by the last two bytes of their address.
    pub(crate) fn weights(&self, service: u16) -> Vec<(u16, u32)> {
        let entry = &self.table.services[&service_key(service)];
        entry.destinations.iter().map(|row| (number_of(row.key), row.weight)).collect()
    }
}

fn number_of(key: DestinationKey) -> u16 {
    let std::net::IpAddr::V4(address) = key.address else { unreachable!("the tests' servers are IPv4") };
    let [_, _, high, low] = address.octets();
    u16::from_be_bytes([high, low])
}

/// A director with a kernel, in virtual time. It performs no checks: the test finishes those that were started.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) director: Director,
    pub(crate) kernel: Kernel,
    /// Checks under way, with when they were started.
    pub(crate) running: BTreeMap<CheckerId, Instant>,
    /// Every check ever started.
    pub(crate) started: Vec<(Instant, CheckerId)>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) occasions: Vec<Occasion>,
    /// Every operation ever sent, with whether it succeeded.
    pub(crate) operations: Vec<(Operation, bool)>,
}

impl World {
    /// Not started yet.
    pub(crate) fn new(config: LvsConfig, seed: u64) -> Self {
        Self {
            now: at(1000),
            director: Director::new(config, seed),
            kernel: Kernel::default(),
            running: BTreeMap::new(),
            started: Vec::new(),
            notices: Vec::new(),
            occasions: Vec::new(),
            operations: Vec::new(),
        }
    }

    /// Started, with the checks that are due at once under way and the table in the kernel.
    pub(crate) fn started(config: LvsConfig) -> Self {
        let mut world = Self::new(config, 0);
        world.event(Event::Start);
        world
    }

    /// Hands one event over and does all that follows from it at the same time.
    pub(crate) fn event(&mut self, event: Event) {
        let mut events = std::collections::VecDeque::from([event]);
        while let Some(event) = events.pop_front().or_else(|| self.is_due().then_some(Event::Wake)) {
            let mut out = Output::default();
            self.director.handle(self.now, event, &mut out);
            for action in out.actions {
                self.act(action, &mut events);
            }
        }
    }

    fn is_due(&self) -> bool {
        self.director.next_deadline().is_some_and(|due| due <= self.now)
    }

    fn act(&mut self, action: Action, events: &mut std::collections::VecDeque<Event>) {
        match action {
            Action::StartCheck(checker) => {
                self.started.push((self.now, checker));
                assert!(self.running.insert(checker, self.now).is_none(), "{checker:?} overlaps itself");
            }
            Action::Dump if self.kernel.silent => {
                events.push_back(Event::DumpFailed { error: "silent by the test".to_owned() });
            }
            Action::Dump => {
                self.kernel.dumps += 1;
                events.push_back(Event::Observed(self.kernel.table.clone()));
            }
            Action::Apply(operations) => {
                assert!(!operations.is_empty());
                for operation in operations {
                    let result = self.kernel.apply(&operation);
                    self.operations.push((operation.clone(), result.is_ok()));
                    if let Err(error) = result {
                        events.push_back(Event::OperationFailed { operation, error: error.to_owned() });
                    }
                }
            }
            Action::CancelCheck(checker) => {
                assert!(self.running.remove(&checker).is_some(), "{checker:?} is not under way");
            }
            Action::CountConnections(services) => {
                let counted = self.kernel.activity.iter().filter(|((service, _), _)| services.contains(service));
                events.push_back(Event::Connections(counted.map(|(row, count)| (*row, *count)).collect()));
            }
            Action::Flush => {
                self.kernel.flushes += 1;
                self.kernel.table = Table::default();
            }
            Action::SetTimeouts(timeouts) => self.kernel.timeouts = timeouts,
            Action::SetSyncDaemon(role) => self.kernel.sync_daemons.push(role),
            Action::SetMarking(marking) => self.kernel.markings.push(Ok(marking)),
            Action::RemoveMarking(table) => self.kernel.markings.push(Err(table)),
            Action::Notice(notice) => self.notices.push(notice),
            Action::Notify(occasion) => self.occasions.push(*occasion),
        }
    }

    /// Lets time pass, with every deadline on the way met to the nanosecond.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.director.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.event(Event::Wake);
        }
        self.now = end;
    }

    /// Ends a check that is under way.
    pub(crate) fn finish(&mut self, checker: usize, verdict: Verdict) {
        let checker = CheckerId(checker);
        assert!(self.running.remove(&checker).is_some(), "{checker:?} is not under way");
        self.event(Event::CheckFinished { checker, verdict });
    }

    /// Ends every check that is under way with the same verdict.
    pub(crate) fn finish_all(&mut self, verdict: &Verdict) {
        for checker in core::mem::take(&mut self.running).into_keys() {
            self.event(Event::CheckFinished { checker, verdict: verdict.clone() });
        }
    }

    /// Lets time pass, every check on the way ending at once, by what the test says of it.
    pub(crate) fn live(&mut self, time: Duration, verdict: impl Fn(CheckerId) -> Verdict) {
        let end = self.now + time;
        loop {
            for checker in core::mem::take(&mut self.running).into_keys() {
                self.event(Event::CheckFinished { checker, verdict: verdict(checker) });
            }
            let Some(due) = self.director.next_deadline().filter(|due| *due <= end) else { break };
            self.now = self.now.max(due);
            self.event(Event::Wake);
        }
        self.now = end;
    }

    /// As [`Self::live`], with verdicts by what a check does.
    pub(crate) fn live_by(&mut self, time: Duration, verdict: impl Fn(&Probe) -> Verdict) {
        let end = self.now + time;
        loop {
            for checker in core::mem::take(&mut self.running).into_keys() {
                let verdict = verdict(self.director.probe(checker).unwrap());
                self.event(Event::CheckFinished { checker, verdict });
            }
            let Some(due) = self.director.next_deadline().filter(|due| *due <= end) else { break };
            self.now = self.now.max(due);
            self.event(Event::Wake);
        }
        self.now = end;
    }

    /// When that checker was started, in milliseconds since the start of the world.
    pub(crate) fn starts(&self, checker: usize) -> Vec<u128> {
        let of = |(_, id): &&(Instant, CheckerId)| id.0 == checker;
        self.started.iter().filter(of).map(|(when, _)| when.since(at(1000)).as_millis()).collect()
    }

    /// The notices since last asked, as the journal shows them.
    pub(crate) fn said(&mut self) -> Vec<String> {
        core::mem::take(&mut self.notices).iter().map(ToString::to_string).collect()
    }
}
