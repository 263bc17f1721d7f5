//! Every message survives the way through bytes, and no bytes can do harm.

#![expect(clippy::unwrap_used, reason = "a sample that cannot be made is a failed test")]

use core::num::NonZeroU32;
use proptest::prelude::*;
use standfast_api::adjust::{Adjustment, Setting};
use standfast_api::control::{Answer, Ask, CONTROL_VERSION, Order, Recorded, Request, ServerOrder, ServerWish};
use standfast_api::snmp::ServiceTraffic;
use standfast_api::{
    CheckSlice, CheckStatus, DaemonStatus, DecodeError, Event, EventKind, Facility, FromFront, FromWorker, Generation,
    Hello, InstanceStatus, LogSettings, PROTOCOL_VERSION, Remarks, Said, ServerStatus, ServiceStatus, Setup, Snapshot,
    Status, ToFront, ToWorker, VrrpSlice, VrrpStatus, WorkerKind, WorkerOptions, WorkerStatus, decode, encode,
    encode_counted,
};
use standfast_model::ipvs::{DestinationKey, Protocol, ServiceKey};
use standfast_model::tracking::{Known, ScriptState};
use standfast_model::{
    Cause, Claim, Field, Instant, MacAddress, Mismatch, Priority, Refusal, Rival, State, Vrid, VrrpCounters,
};
use std::time::Duration;

fn service() -> ServiceKey {
    ServiceKey::Address { address: "192.0.2.1".parse().unwrap(), port: 53, protocol: Protocol::Udp }
}

fn setup() -> Setup {
    Setup {
        kind: WorkerKind::Vrrp,
        log: LogSettings { console: true, system: false, facility: Facility::Local(7), detail: 2 },
        options: WorkerOptions { dont_release_ipvs: true, ..WorkerOptions::default() },
    }
}

fn status() -> Status {
    let mut counters = VrrpCounters::default();
    counters.advert_sent = u64::MAX;
    counters.refuse(Refusal::NotListening);
    Status::Vrrp(VrrpStatus {
        at: Instant::from_nanos(u64::MAX),
        instances: vec![InstanceStatus {
            name: "VI_E".to_owned(),
            interface: "eth0".parse().unwrap(),
            vrid: Vrid::new(51).unwrap(),
            state: State::Master,
            since: Instant::ZERO,
            priority: 150,
            base_priority: 100,
            master: Some("fe80::1".parse().unwrap()),
            master_priority: Some(200),
            group: Some("G".to_owned()),
            addresses: Vec::new(),
            ordered: Some("maintenance".to_owned()),
            held: None,
            fault: Some(Cause::Started),
            last_transition: None,
            mismatches: vec![Mismatch {
                peer: "192.0.2.2".parse().unwrap(),
                field: Field::Version,
                theirs: "2".to_owned(),
                ours: "3".to_owned(),
                since: Instant::ZERO,
                last: Instant::ZERO,
                adverts: u64::MAX,
            }],
            rival: Some(Rival {
                address: "fe80::2".parse().unwrap(),
                priority: 1,
                since: Instant::ZERO,
                last: Instant::ZERO,
                adverts: 1,
            }),
            claims: vec![Claim {
                address: "2001:db8::100".parse().unwrap(),
                interface: "eth0".parse().unwrap(),
                mac: MacAddress([2, 0, 0, 0, 0, 0x0b]),
                since: Instant::ZERO,
                last: Instant::ZERO,
                times: 7,
            }],
            counters,
        }],
        tracked: Known {
            scripts: vec![ScriptState::PendingBad],
            files: vec![-1],
            processes: vec![(None, false)],
            bfd_sessions: vec![true],
        },
    })
}

fn server_order(wish: ServerWish) -> ServerOrder {
    ServerOrder { server: "10.0.0.1:80".to_owned(), of: Some("TCP 192.0.2.1:80".to_owned()), wish }
}

fn snapshot() -> Snapshot {
    let vrrp = match status() {
        Status::Vrrp(vrrp) => Some(vrrp),
        Status::Check(_) | Status::Bfd(_) => None,
    };
    let daemon = DaemonStatus {
        at: Instant::from_nanos(5),
        unix: Duration::from_nanos(u64::MAX),
        version: "0.1.0".to_owned(),
        pid: 1,
        started: Instant::ZERO,
        configuration: "/etc/keepalived/keepalived.conf".to_owned(),
        generation: Generation(3),
        in_force_since: Instant::ZERO,
        reload_refused: Some("keepalived.conf:3:1".to_owned()),
        reloading: true,
        confirm_until: Some(Instant::from_nanos(9)),
        workers: vec![WorkerStatus { kind: WorkerKind::Vrrp, pid: Some(7), ready: true, starts: 2, trouble: None }],
    };
    Snapshot { daemon, vrrp, check: None, peers: Vec::new() }
}

fn from_worker() -> Vec<FromWorker> {
    let server = ServerStatus {
        key: DestinationKey { address: "2001:db8::2".parse().unwrap(), port: 80 },
        weight: 3,
        up: false,
        check_micros: Some(NonZeroU32::MAX),
        remarks: Remarks { ordered: Some("draining".to_owned()), trouble: Some("connection refused".to_owned()) }
            .into(),
    };
    let check = CheckStatus {
        at: Instant::ZERO,
        services: vec![ServiceStatus {
            key: service(),
            live: 1,
            total: 2,
            has_quorum: true,
            on_sorry_server: false,
            weight: 3,
            quorum: 1,
            servers: vec![server],
        }],
        traffic: vec![(service(), ServiceTraffic::default())],
    };
    let event = |kind| FromWorker::Event(Event { at: Instant::from_nanos(9), kind });
    vec![
        FromWorker::Hello(Hello { kind: WorkerKind::Check, pid: 4_194_304 }),
        FromWorker::Ready,
        FromWorker::Alive,
        FromWorker::Status(status()),
        FromWorker::Status(Status::Check((&check).into())),
        FromWorker::LongStatus,
        event(EventKind::Said(Said {
            process: "Keepalived_vrrp".to_owned(),
            severity: 4,
            message: "(VI_E) Entering FAULT STATE".to_owned(),
            fields: vec![("instance".to_owned(), "VI_E".to_owned())],
        })),
        FromWorker::Front(FromFront::Order {
            number: 7,
            uid: 1000,
            order: Order::Reload { force: true, confirm_within_s: Some(60) },
        }),
        FromWorker::Front(FromFront::Refresh { number: 8 }),
        FromWorker::Answer { number: 9, outcome: Ok("done".to_owned()) },
        event(EventKind::Lost { events: 3 }),
        FromWorker::Reloaded { generation: Generation::FIRST, refused: None },
        FromWorker::Reloaded { generation: Generation(u32::MAX), refused: Some("no".to_owned()) },
    ]
}

#[test]
fn every_message_comes_back_as_it_went() {
    let messages = [
        ToWorker::Setup(setup()),
        ToWorker::Reload(Generation(2)),
        ToWorker::Report,
        ToWorker::Ping,
        ToWorker::Peer(WorkerKind::Runner),
        ToWorker::Front(ToFront::Snapshot(Box::new(snapshot()))),
        ToWorker::Front(ToFront::LongSnapshot),
        ToWorker::Front(ToFront::Answer { number: 3, outcome: Err("no".to_owned()) }),
        ToWorker::Server { number: 5, order: server_order(ServerWish::Drain { within_s: Some(3) }) },
        ToWorker::Shutdown,
    ];
    for message in messages {
        assert_eq!(decode::<ToWorker>(&encode(&message).unwrap()).unwrap(), message);
    }
    for message in from_worker() {
        assert_eq!(decode::<FromWorker>(&encode(&message).unwrap()).unwrap(), message);
    }
}

#[test]
fn what_is_counted_first_is_the_same_in_a_buffer_that_never_grew() {
    for message in from_worker() {
        let counted = encode_counted(&message).unwrap();
        assert_eq!(counted, encode(&message).unwrap());
        assert_eq!(counted.capacity(), counted.len(), "{message:?}");
    }
}

#[test]
fn what_goes_over_the_control_socket_comes_back_as_it_went_and_has_no_line_break() {
    let requests = [
        Request::Status { fresh: true },
        Request::Events { last: 3, follow: false },
        Request::Order(Order::Reload { force: false, confirm_within_s: None }),
        Request::Order(Order::Confirm),
        Request::Order(Order::Upgrade { force: true }),
        Request::Order(Order::Adjust(vec![Adjustment {
            instance: "V1".to_owned(),
            setting: Setting::Priority(Priority::OWNER),
        }])),
        Request::Order(Order::Server(server_order(ServerWish::Weight(7)))),
    ];
    for request in requests {
        let ask = Ask { version: CONTROL_VERSION, request };
        let line = serde_json::to_string(&ask).unwrap();
        assert_eq!(serde_json::from_str::<Ask>(&line).unwrap(), ask);
    }
    let event = Event { at: Instant::ZERO, kind: EventKind::Lost { events: 1 } };
    let answers = [
        Answer::Status(Box::new(snapshot())),
        Answer::Event(Box::new(Recorded { number: 1, unix: Duration::from_millis(1), event })),
        Answer::Done("two\nlines".to_owned()),
    ];
    for answer in answers {
        let line = serde_json::to_string(&answer).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Answer>(&line).unwrap(), answer);
    }
}

#[test]
fn the_forms_on_the_control_socket_are_those_that_are_written_down() {
    let ask = Ask { version: 1, request: Request::Status { fresh: false } };
    assert_eq!(serde_json::to_string(&ask).unwrap(), r#"{"version":1,"request":{"status":{"fresh":false}}}"#);
    let ask = Ask { version: 1, request: Request::Order(Order::Confirm) };
    assert_eq!(serde_json::to_string(&ask).unwrap(), r#"{"version":1,"request":{"order":"confirm"}}"#);
}

#[test]
fn another_version_is_refused_by_number() {
    let mut bytes = encode(&ToWorker::Shutdown).unwrap();
    bytes[..2].copy_from_slice(&(PROTOCOL_VERSION + 1).to_le_bytes());
    let error = decode::<ToWorker>(&bytes).unwrap_err();
    assert_eq!(error, DecodeError::Version { found: PROTOCOL_VERSION + 1 });
}

#[test]
fn a_message_cut_anywhere_or_with_a_tail_is_refused() {
    for message in from_worker() {
        let mut bytes = encode(&message).unwrap();
        for length in 0..bytes.len() {
            assert!(decode::<FromWorker>(&bytes[..length]).is_err(), "{length} bytes of {message:?}");
        }
        bytes.push(0);
        assert_eq!(decode::<FromWorker>(&bytes).unwrap_err(), DecodeError::Trailing { bytes: 1 });
    }
}

#[test]
fn a_length_that_lies_costs_no_memory() {
    // A status of instances, as many as the number says: 2^63.
    let mut bytes = PROTOCOL_VERSION.to_le_bytes().to_vec();
    bytes.extend([2, 0, 0]);
    bytes.extend([0xff; 9]);
    bytes.push(1);
    assert!(matches!(decode::<FromWorker>(&bytes), Err(DecodeError::Malformed(_))));
}

#[test]
fn facilities_have_the_numbers_of_syslog() {
    assert_eq!(
        [Facility::User, Facility::Daemon, Facility::Local(0), Facility::Local(7)].map(Facility::number),
        [1, 3, 16, 23]
    );
    // A digit that no command line can give stays a facility all the same.
    assert!((0..=u8::MAX).all(|digit| Facility::Local(digit).number() <= 23));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_a_value_or_an_error(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = PROTOCOL_VERSION.to_le_bytes().to_vec();
        bytes.extend(body);
        if let Ok(message) = decode::<FromWorker>(&bytes) {
            // What was accepted is a value that can be said again.
            prop_assert_eq!(decode::<FromWorker>(&encode(&message).unwrap()).unwrap(), message);
        }
        let _ = decode::<ToWorker>(&bytes);
        let _ = decode::<VrrpSlice>(&bytes);
        let _ = decode::<CheckSlice>(&bytes);
    }

    #[test]
    fn a_damaged_message_is_a_value_or_an_error(which in 0..9_usize, at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let mut bytes = encode(&from_worker()[which]).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = with;
        let _ = decode::<FromWorker>(&bytes);
    }
}

#[test]
fn every_message_to_and_from_the_runner_comes_back_as_it_went() {
    use standfast_api::runner::{
        FromRunner, Line, Mail, Notification, RequestId, RunOutcome, RunRequest, ToRunner, Watch, WatchedProcess,
    };
    use standfast_model::Ended;
    use standfast_model::config::script::{Identity, Script};
    use standfast_model::config::track::{InitFile, ProcessMatch, TrackFile};
    let id = RequestId(u64::MAX);
    let script = Script { words: vec![b"/a".to_vec(), vec![0xff, b' ']], identity: Some(Identity { uid: 1, gid: 2 }) };
    let line = Some(Line { text: "INSTANCE \"VI_1\" MASTER 100".to_owned(), state: true });
    let mail = Some(Mail { subject: "s".to_owned(), body: "b".to_owned() });
    let subject = "INSTANCE VI_1".to_owned();
    let init = Some(InitFile { value: i32::MIN, overwrite: true });
    let files = vec![TrackFile { name: "f".to_owned(), path: "/f".to_owned(), init }];
    let processes = vec![WatchedProcess { words: script.words.clone(), matching: ProcessMatch::Initial }];
    for message in [
        ToRunner::Run(RunRequest { id, script: script.clone(), deadline: Duration::from_nanos(1) }),
        ToRunner::Notify(Notification { id, subject, scripts: vec![script.clone(), script], line, mail }),
        ToRunner::Watch(Watch { serial: u32::MAX, files, processes }),
    ] {
        assert_eq!(decode::<ToRunner>(&encode(&message).unwrap()).unwrap(), message);
    }
    let outcome = |ended| FromRunner::Ended(RunOutcome { id, ended, output: "no".to_owned() });
    for message in [
        outcome(Ended::Exited(255)),
        outcome(Ended::Signalled(9)),
        outcome(Ended::TimedOut),
        outcome(Ended::NotRun("why".to_owned())),
        FromRunner::Told(id),
        FromRunner::File { watch: 1, index: 2, value: Some(-1) },
        FromRunner::File { watch: 1, index: 2, value: None },
        FromRunner::Processes { watch: 1, index: 2, count: 3 },
    ] {
        assert_eq!(decode::<FromRunner>(&encode(&message).unwrap()).unwrap(), message);
    }
}
