//! The control socket of the built daemon: what it answers to whom, and what a hostile client can do.

#![expect(clippy::panic, clippy::wildcard_enum_match_arm, reason = "another answer than the one wanted fails the test")]

use crate::machine::{Machine, PAIR, becomes, kill, runs, wait_for};
use core::time::Duration;
use rustix::process::Signal;
use standfast_api::control::{Answer, Ask, CONTROL_VERSION, MAX_REQUEST_BYTES, Order, RefusalReason, Request};
use standfast_api::{EventKind, Snapshot, WorkerKind};
use standfast_model::State;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;

const SOCKET: &str = "/run/standfast/control";

fn connect() -> UnixStream {
    let stream = UnixStream::connect(SOCKET).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

pub(crate) fn ask(request: Request) -> BufReader<UnixStream> {
    let mut stream = connect();
    let mut line = serde_json::to_vec(&Ask { version: CONTROL_VERSION, request }).unwrap();
    line.push(b'\n');
    stream.write_all(&line).unwrap();
    BufReader::new(stream)
}

fn next(reader: &mut BufReader<UnixStream>) -> Answer {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

pub(crate) fn answer(request: Request) -> Answer {
    next(&mut ask(request))
}

pub(crate) fn status() -> Snapshot {
    match answer(Request::Status { fresh: true }) {
        Answer::Status(snapshot) => *snapshot,
        other => panic!("{other:?}"),
    }
}

fn refused(answer: Answer) -> (RefusalReason, String) {
    match answer {
        Answer::Refused(refusal) => (refusal.reason, refusal.text),
        other => panic!("{other:?}"),
    }
}

/// Messages of the last events.
fn events(last: u32) -> Vec<String> {
    let mut reader = ask(Request::Events { last, follow: false });
    let mut messages = Vec::new();
    loop {
        match next(&mut reader) {
            Answer::Event(recorded) => match recorded.event.kind {
                EventKind::Said(said) => messages.push(said.message),
                EventKind::Lost { events } => panic!("{events} lost"),
            },
            Answer::Done(_) => return messages,
            other => panic!("{other:?}"),
        }
    }
}

fn front(snapshot: &Snapshot) -> i32 {
    let worker = snapshot.daemon.workers.iter().find(|worker| worker.kind == WorkerKind::Front).unwrap();
    worker.pid.unwrap().cast_signed()
}

fn wait_for_master() -> Snapshot {
    let mut last = None;
    wait_for("the mastership", || {
        let now = status();
        let master = now.vrrp.as_ref().is_some_and(|vrrp| vrrp.instances[0].state == State::Master);
        last = Some(now);
        master
    });
    last.unwrap()
}

#[test]
fn the_status_is_that_of_now_with_counters_and_causes() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let first = wait_for_master();
    assert_eq!(first.daemon.pid, daemon.pid().cast_unsigned());
    assert_eq!((first.daemon.generation.0, first.daemon.reload_refused), (1, None));
    let instance = &first.vrrp.unwrap().instances[0];
    assert_eq!((instance.name.as_str(), instance.priority, instance.vrid.get()), ("VI_E", 150, 51));
    assert_eq!(instance.addresses[0].address.to_string(), "192.0.2.100/24");
    let cause = instance.last_transition.as_ref().unwrap().cause.to_string();
    assert!(cause.starts_with("no advertisement for 3."), "{cause}");
    assert!(first.check.is_none());
    // Nothing changes but the count of advertisements: only a fresh status knows it.
    let sent = instance.counters.advert_sent;
    wait_for("another advertisement", || status().vrrp.unwrap().instances[0].counters.advert_sent > sent);
    assert_eq!(daemon.stop(), 0);
    assert!(UnixStream::connect(SOCKET).is_err(), "nobody is there any more");
}

#[test]
fn events_are_the_lines_of_the_journal_and_outlive_the_daemon() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    wait_for_master();
    wait_for("the event", || events(100).iter().any(|line| line.starts_with("(VI_E) Entering MASTER STATE: no adv")));
    let before = events(100);
    assert!(before.iter().any(|line| line.starts_with("Starting standfastd v")), "{before:?}");
    assert_eq!(before.iter().filter(|line| line.contains("Entering MASTER")).count(), 1, "{before:?}");
    assert_eq!(events(1).len(), 1);
    // Who follows hears what happens from then on.
    let mut follower = ask(Request::Events { last: 1, follow: true });
    assert!(matches!(next(&mut follower), Answer::Event(_)), "from here on it is heard");
    machine.write("keepalived.conf", "}");
    daemon.signal(Signal::HUP);
    let Answer::Event(heard) = next(&mut follower) else { panic!("no event") };
    let EventKind::Said(said) = heard.event.kind else { panic!("lost") };
    assert!(said.message.starts_with("Reloading: SIGHUP from process"), "{}", said.message);
    assert_eq!(said.process, "Keepalived");
    assert!(status().daemon.reload_refused.unwrap().contains("keepalived.conf:1:1"));
    machine.write("keepalived.conf", PAIR);
    assert_eq!(daemon.stop(), 0);
    std::fs::write(machine.path("stderr"), "").unwrap();
    let mut daemon = machine.start(&[]);
    wait_for("the new line", || {
        events(1000).iter().filter(|line| line.starts_with("Starting standfastd")).count() == 2
    });
    assert!(events(1000).iter().any(|line| line.starts_with("(VI_E) Entering MASTER STATE: no adv")));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn an_ordered_reload_answers_when_it_is_over_and_says_why_it_was_refused() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let reload = |force| answer(Request::Order(Order::Reload { force, confirm_within_s: None }));
    assert_eq!(reload(false), Answer::Done("configuration 2 is in force".to_owned()));
    machine.write("keepalived.conf", &format!("nonsense_keyword 7\n{PAIR}"));
    let (reason, text) = refused(reload(false));
    assert_eq!(reason, RefusalReason::Failed);
    assert!(text.contains("keepalived.conf:1:1"), "{text}");
    assert_eq!(reload(true), Answer::Done("configuration 3 is in force".to_owned()));
    machine.write("keepalived.conf", "}");
    assert_eq!(refused(reload(true)).0, RefusalReason::Failed, "what is fatal cannot be forced");
    assert_eq!(daemon.stop(), 0);
}

fn has_address(address: &str) -> bool {
    let output = std::process::Command::new("ip").args(["address", "show", "dev", "east"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().contains(address)
}

#[test]
fn an_unconfirmed_configuration_gives_way_to_the_one_before_it_and_a_confirmed_one_stays() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    wait_for_master();
    let with_confirmation = |seconds| Request::Order(Order::Reload { force: false, confirm_within_s: Some(seconds) });
    machine.write("keepalived.conf", &PAIR.replace("192.0.2.100", "192.0.2.101"));
    assert!(matches!(answer(with_confirmation(1)), Answer::Done(_)));
    assert!(has_address("192.0.2.101") && !has_address("192.0.2.100"));
    assert!(status().daemon.confirm_until.is_some());
    wait_for("the old configuration", || has_address("192.0.2.100") && !has_address("192.0.2.101"));
    assert!(status().daemon.confirm_until.is_none());
    assert!(matches!(answer(with_confirmation(1)), Answer::Done(_)));
    assert!(matches!(answer(Request::Order(Order::Confirm)), Answer::Done(_)));
    assert!(!becomes(Duration::from_millis(1500), || has_address("192.0.2.100")));
    assert!(has_address("192.0.2.101"));
    assert_eq!(refused(answer(Request::Order(Order::Confirm))).1, "there is nothing to confirm");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn the_front_has_no_rights_and_its_death_closes_no_door() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let pid = front(&status());
    let said = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    assert!(!field("Uid:").split('\t').any(|uid| uid == "0"), "{said}");
    assert_eq!(field("Groups:"), "");
    assert_eq!((field("CapEff:"), field("CapPrm:")), ("0".repeat(16), "0".repeat(16)));
    assert_eq!(field("NoNewPrivs:"), "1");
    kill(pid, Signal::KILL);
    // Who connects now waits for the successor and is not refused.
    let after = status();
    assert!(runs(front(&after)) && front(&after) != pid);
    assert!(after.daemon.workers.iter().any(|worker| worker.kind == WorkerKind::Front && worker.starts == 2));
    assert!(daemon.is_running());
    assert_eq!(daemon.stop(), 0);
}

/// Connects as another user.
fn connect_as(uid: u32) -> std::io::Result<UnixStream> {
    // Of this thread alone, which ends then.
    let as_user = move || {
        #[expect(unsafe_code, reason = "the C library's own function changes every thread of the process")]
        // SAFETY: integers, and an empty list; nobody else's memory is concerned.
        let outcomes = unsafe {
            [
                libc::syscall(libc::SYS_setgroups, 0, core::ptr::null::<libc::gid_t>()),
                libc::syscall(libc::SYS_setresgid, uid, uid, uid),
                libc::syscall(libc::SYS_setresuid, uid, uid, uid),
            ]
        };
        assert_eq!(outcomes, [0; 3]);
        UnixStream::connect(SOCKET)
    };
    std::thread::spawn(as_user).join().unwrap()
}

#[test]
fn who_is_not_in_the_group_cannot_connect_and_who_is_may_look_but_not_order() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let found = std::fs::metadata(SOCKET).unwrap();
    assert_eq!((found.permissions().mode() & 0o777, found.uid()), (0o660, 0));
    assert_eq!(connect_as(12_345).unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
    std::fs::set_permissions(SOCKET, std::fs::Permissions::from_mode(0o666)).unwrap();
    for (request, allowed) in [
        (Request::Status { fresh: true }, true),
        (Request::Order(Order::Reload { force: false, confirm_within_s: None }), false),
    ] {
        let mut stream = connect_as(12_345).unwrap();
        let mut line = serde_json::to_vec(&Ask { version: CONTROL_VERSION, request }).unwrap();
        line.push(b'\n');
        stream.write_all(&line).unwrap();
        match next(&mut BufReader::new(stream)) {
            Answer::Status(_) => assert!(allowed),
            other => {
                assert!(!allowed);
                assert_eq!(refused(other).0, RefusalReason::Forbidden);
            }
        }
    }
    assert_eq!(status().daemon.generation.0, 1);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn what_is_no_request_is_told_so_and_harms_nobody() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let long = vec![b'x'; MAX_REQUEST_BYTES * 100];
    for (bytes, text) in [
        (&b"\n"[..], "no request"),
        (b"{}\n", "no request"),
        (b"\xff\xfe\n", "no request"),
        (b"[[[[[[[[[[[[[[[[[[\n", "no request"),
        (b"{\"version\":1,\"request\":\"../../etc/passwd\"}\n", "no request"),
        (b"{\"version\":2,\"request\":{\"status\":{\"fresh\":true}}}\n", "version 2 of the request"),
        (&long, "no line of at most"),
    ] {
        let mut stream = connect();
        // What is too long is not read to its end.
        let _ = stream.write_all(bytes);
        let mut line = String::new();
        if BufReader::new(stream).read_line(&mut line).is_ok() && !line.is_empty() {
            let (reason, said) = refused(serde_json::from_str(&line).unwrap());
            assert_eq!(reason, RefusalReason::Malformed);
            assert!(said.contains(text), "{said}");
        } else {
            assert!(bytes.len() > MAX_REQUEST_BYTES, "no answer to {bytes:?}");
        }
    }
    status();
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn clients_beyond_the_limit_are_turned_away_and_silent_ones_make_room() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let worker = crate::machine::pid_in("/run/vrrp.pid");
    let mut silent: Vec<UnixStream> = (0..200).map(|_| connect()).collect();
    let busy = silent.iter_mut().filter_map(|stream| {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said);
        said.contains("\"busy\"").then_some(())
    });
    // Each of the others is told after some seconds that it said nothing.
    assert_eq!(busy.count(), 200 - 64);
    drop(silent);
    status();
    assert_eq!(crate::machine::pid_in("/run/vrrp.pid"), worker);
    assert_eq!(daemon.stop(), 0);
}
