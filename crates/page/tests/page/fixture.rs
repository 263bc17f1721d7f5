//! A site to look at: two directors, some virtual routers, as many virtual servers as wanted, a month of history.

use core::num::NonZeroU32;
use core::time::Duration;
use standfast_api::control::Recorded;
use standfast_api::{
    CheckStatus, DaemonStatus, Event, EventKind, Generation, InstanceStatus, Packed, Remarks, Said, ServerStatus,
    ServiceStatus, Snapshot, VrrpStatus, WorkerKind, WorkerStatus,
};
use standfast_model::ipvs::{DestinationKey, Protocol, ServiceKey};
use standfast_model::tracking::Known;
use standfast_model::{
    Cause, Claim, Field, Instant, InterfaceName, MacAddress, Mismatch, Refusal, Rival, State, Transition,
    VirtualAddress, Vrid, VrrpCounters,
};
use standfast_page::directors::Director;
use standfast_page::happened::Happened;
use standfast_page::history::{Availability, Condition, History};
use standfast_page::page::{Sheet, document};
use standfast_page::report::{Beside, Report, conditions, service_name};
use standfast_page::traffic::{Samples, Traffic};
use std::net::{IpAddr, Ipv4Addr};

/// 2026-11-21 10:21:40 UTC.
pub(crate) const NOW_MS: u64 = 1_795_256_500_000;

const MINUTE_MS: u64 = 60_000;

/// A moment so many seconds before now.
fn ago(seconds: u64) -> Instant {
    Instant::from_nanos(5_000_000_000_000_000) - Duration::from_secs(seconds)
}

fn address(text: &str) -> VirtualAddress {
    VirtualAddress {
        address: text.parse().unwrap(),
        interface: None,
        label: None,
        scope: standfast_model::Scope::Global,
        broadcast: None,
        options: standfast_model::AddressOptions::default(),
    }
}

pub(crate) fn instance(name: &str, vrid: u8, state: State, addresses: &[&str]) -> InstanceStatus {
    let source = "192.0.2.3".parse().unwrap();
    let (cause, from) = match state {
        State::Master => (Cause::MasterSilent { waited: Duration::from_millis(3414) }, State::Backup),
        State::Backup => (Cause::HigherPriority { source, theirs: 150, ours: 100 }, State::Master),
        State::Fault => (Cause::LinkDown { interface: "eth1".parse().unwrap() }, State::Master),
        State::Init | State::Stop => (Cause::Started, State::Init),
    };
    let interface: InterfaceName = "eth0".parse().unwrap();
    let mut counters = VrrpCounters::default();
    (counters.advert_sent, counters.advert_received, counters.become_master) = (91_234, 17, 2);
    counters.refuse(Refusal::Checksum);
    InstanceStatus {
        name: name.to_owned(),
        interface: interface.clone(),
        vrid: Vrid::new(vrid).unwrap(),
        state,
        since: ago(11_000),
        priority: if state == State::Fault { 100 } else { 150 },
        base_priority: 150,
        master: (state == State::Backup).then_some(source),
        master_priority: (state == State::Backup).then_some(150),
        group: None,
        addresses: addresses.iter().map(|text| address(text)).collect(),
        held: None,
        fault: (state == State::Fault).then(|| cause.clone()),
        last_transition: Some(Transition {
            instance: name.to_owned(),
            interface,
            from,
            to: state,
            cause,
            at: ago(11_000),
            priority: 150,
        }),
        counters,
        ordered: None,
        mismatches: Vec::new(),
        rival: None,
        claims: Vec::new(),
    }
}

fn service(number: u32) -> ServiceStatus {
    let address = IpAddr::V4(Ipv4Addr::from(0xc633_6400 + number / 8));
    let port = [80, 443, 25, 53, 993, 5060, 8080, 8443][number as usize % 8];
    let protocol = if port == 53 { Protocol::Udp } else { Protocol::Tcp };
    let bad = number % 61 == 7;
    let servers: Vec<ServerStatus> = (0..4_u32)
        .map(|index| {
            let up = !(bad || number % 23 == 5 && index == 2);
            ServerStatus {
                key: DestinationKey { address: IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number * 8 + index)), port },
                weight: 10,
                up,
                check_micros: NonZeroU32::new((number % 40) * 130 + index * 4200 + 310),
                remarks: Remarks {
                    ordered: (number % 23 == 5 && index == 1).then(|| "draining".to_owned()),
                    trouble: (!up).then(|| match index {
                        0 => "connection refused".to_owned(),
                        1 => "HTTP status 503 of http://10.0.0.9/health?deep=yes, 200 is wanted".to_owned(),
                        _ => "no answer within 3.000 s".to_owned(),
                    }),
                }
                .into(),
            }
        })
        .collect();
    let live = u32::try_from(servers.iter().filter(|server| server.up).count()).unwrap();
    ServiceStatus {
        key: ServiceKey::Address { address, port, protocol },
        live,
        total: 4,
        has_quorum: live > 0,
        on_sorry_server: bad && number.is_multiple_of(2),
        weight: u64::from(live) * 10,
        quorum: 1,
        servers,
    }
}

/// A status with so many virtual servers.
pub(crate) fn snapshot(services: u32) -> Snapshot {
    let worker = |kind, pid| WorkerStatus { kind, pid: Some(pid), ready: true, starts: 1, trouble: None };
    let daemon = DaemonStatus {
        at: ago(0),
        unix: Duration::from_millis(NOW_MS),
        version: "0.1.0".to_owned(),
        pid: 812,
        started: ago(1_000_000),
        configuration: "/etc/keepalived/keepalived.conf".to_owned(),
        generation: Generation(3),
        in_force_since: ago(80_000),
        reload_refused: None,
        reloading: false,
        confirm_until: None,
        workers: [WorkerKind::Runner, WorkerKind::Check, WorkerKind::Vrrp, WorkerKind::Front]
            .into_iter()
            .zip(813..)
            .map(|(kind, pid)| worker(kind, pid))
            .collect(),
    };
    let mut instances = vec![
        instance("VI_WEB", 51, State::Master, &["198.51.100.10/24", "198.51.100.11/24", "2001:db8:100::10/64"]),
        instance("VI_DNS", 52, State::Backup, &["198.51.100.53/24"]),
        instance("VI_STORAGE_REPLICATION", 53, State::Fault, &["10.20.30.40/24"]),
    ];
    let peer = "192.0.2.9".parse().unwrap();
    let (since, last) = (ago(400), ago(2));
    instances[0].rival = Some(Rival { address: peer, priority: 90, since, last, adverts: 398 });
    instances[0].claims.push(Claim {
        address: "198.51.100.11".parse().unwrap(),
        interface: "eth0".parse().unwrap(),
        mac: MacAddress([2, 0, 0, 0, 0, 0x66]),
        since,
        last,
        times: 12,
    });
    instances[0].counters.foreign_claims = 3;
    instances[1].mismatches.push(Mismatch {
        peer,
        field: Field::Interval,
        theirs: "2 s".to_owned(),
        ours: "1 s".to_owned(),
        since,
        last,
        adverts: 398,
    });
    let check = CheckStatus { at: ago(0), services: (0..services).map(service).collect(), traffic: Vec::new() };
    Snapshot {
        daemon,
        vrrp: Some(VrrpStatus { at: ago(0), instances, tracked: Known::default() }),
        check: Some(Packed::new(&check)),
        peers: Vec::new(),
    }
}

/// A site.
pub(crate) struct Site {
    pub(crate) snapshot: Snapshot,
    pub(crate) history: History,
    pub(crate) samples: Samples,
    pub(crate) traffic: Traffic,
    pub(crate) directors: Vec<Director>,
    pub(crate) events: Vec<Happened>,
}

impl Beside for Site {
    fn availability(&self, key: &str) -> Option<Availability> {
        self.history.availability(key, NOW_MS)
    }

    fn traffic(&self) -> Option<&Traffic> {
        Some(&self.traffic)
    }
}

impl Site {
    pub(crate) fn new(services: u32) -> Self {
        let snapshot = snapshot(services);
        let mut site = Self {
            history: history(&snapshot),
            samples: samples(&snapshot),
            traffic: traffic(&snapshot),
            directors: Vec::new(),
            events: events(),
            snapshot,
        };
        let mut other = site.report();
        other.node.name = "lb-west".to_owned();
        for (instance, state) in other.instances.iter_mut().zip(["BACKUP", "MASTER", "MASTER"]) {
            state.clone_into(&mut instance.state);
        }
        site.directors =
            vec![director("lb-west", Ok(other)), director("lb-south", Err("no answer within 2 s".to_owned()))];
        site
    }

    pub(crate) fn report(&self) -> Report {
        Report::of(&self.snapshot, "lb-east.example.org", self)
    }

    pub(crate) fn document(&self, takes_orders: bool) -> String {
        document(&Sheet {
            report: &self.report(),
            directors: &self.directors,
            history: &self.history,
            samples: &self.samples,
            events: &self.events,
            now_unix_ms: NOW_MS,
            takes_orders,
        })
    }
}

fn director(name: &str, said: Result<Report, String>) -> Director {
    let answered_unix_ms = Some(NOW_MS - 95 * 1000);
    Director { name: name.to_owned(), address: "192.0.2.3:8112".to_owned(), said, answered_unix_ms }
}

/// A month, the last day of which was eventful for some.
fn history(snapshot: &Snapshot) -> History {
    let mut history = History::default();
    let now = conditions(snapshot, |_| false);
    let all = |condition: Condition| -> Vec<(String, Condition)> {
        now.iter().map(|(key, _)| (key.clone(), condition)).collect()
    };
    history.observe(NOW_MS - 30 * 1440 * MINUTE_MS, &all(Condition::Here));
    for (minutes, length, every) in [(20_000, 9, 1), (1100, 4, 3), (700, 12, 5), (300, 45, 7)] {
        let mut during = all(Condition::Here);
        during.iter_mut().step_by(every).for_each(|(_, condition)| *condition = Condition::Down);
        history.observe(NOW_MS - minutes * MINUTE_MS, &during);
        let mut after = all(Condition::Here);
        after.iter_mut().step_by(2).for_each(|(_, condition)| *condition = Condition::Elsewhere);
        history.observe(NOW_MS - (minutes - length) * MINUTE_MS, &after);
    }
    history.observe(NOW_MS - 180 * MINUTE_MS, &now);
    history
}

fn samples(snapshot: &Snapshot) -> Samples {
    let mut samples = Samples::default();
    let names: Vec<String> =
        snapshot.check().into_iter().flat_map(|check| &check.services).map(|one| service_name(&one.key)).collect();
    for step in 0..90_u64 {
        let value = |index: usize| 40 + (step * 7 + index as u64 * 13) % 23 + (step * step / 90) % 30;
        samples.add(names.iter().enumerate().map(|(index, name)| (name.as_str(), value(index))));
    }
    samples
}

fn traffic(snapshot: &Snapshot) -> Traffic {
    let mut text = String::new();
    for service in snapshot.check().into_iter().flat_map(|check| &check.services) {
        let ServiceKey::Address { address: IpAddr::V4(address), port, protocol } = service.key else { continue };
        text.push_str(&format!("{protocol} {:08X}:{port:04X} wrr\n", u32::from(address)));
        for server in service.servers.iter().filter(|server| server.up) {
            let IpAddr::V4(address) = server.key.address else { continue };
            text.push_str(&format!("  -> {:08X}:{:04X} Masq 10 17 203\n", u32::from(address), server.key.port));
        }
    }
    Traffic::read(&text)
}

fn events() -> Vec<Happened> {
    let said = |number: u64, minutes: u64, severity, message: &str, fields: &[(&str, &str)]| {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let process = "Keepalived_vrrp".to_owned();
        let kind = EventKind::Said(Said { process, severity, message: message.to_owned(), fields });
        let unix = Duration::from_millis(NOW_MS - minutes * MINUTE_MS);
        Happened::of(&Recorded { number, unix, event: Event { at: Instant::ZERO, kind } })
    };
    vec![
        said(9, 3, 4, "Removing service [10.0.0.58]:tcp:993 from VS [198.51.100.0]:tcp:993: connection refused", &[]),
        said(8, 180, 4, "(VI_STORAGE_REPLICATION) Entering FAULT STATE: link of eth1 is down", &[("to", "FAULT")]),
        said(7, 181, 6, "(VI_WEB) Entering MASTER STATE: no advertisement for 3.414 s", &[("to", "MASTER")]),
        said(
            6,
            185,
            6,
            "(VI_DNS) Entering BACKUP STATE: advertisement from 192.0.2.3 with higher priority 150, ours 100",
            &[("to", "BACKUP")],
        ),
    ]
}
