//! `standfast upgrade`: another program takes over in the same process, and the network notices nothing; or it cannot, and
//! nothing changes.

use crate::adoption::{Peer, Wire};
use crate::machine::{Daemon, Machine, PAIR, becomes, pid_in, run, runs, wait_for};
use core::time::Duration;
use rustix::process::Signal;
use standfast_api::control::{Answer, Ask, CONTROL_VERSION, Order, Request};
use standfast_api::{Snapshot, WorkerKind};
use standfast_model::State;
use std::io::{BufRead, BufReader, Write};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};

/// The line in the journal that tells of a new program in charge.
const UPGRADED: &str = "Upgraded from ";

/// The answer of the daemon; none if it has gone before it answered.
fn ask(request: Request) -> Option<Answer> {
    let mut stream = UnixStream::connect("/run/standfast/control").ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let line = serde_json::to_string(&Ask { version: CONTROL_VERSION, request }).unwrap();
    stream.write_all(format!("{line}\n").as_bytes()).ok()?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).ok()?;
    serde_json::from_str(&answer).ok()
}

fn status() -> Option<Snapshot> {
    match ask(Request::Status { fresh: true })? {
        Answer::Status(snapshot) => Some(*snapshot),
        Answer::Event(_) | Answer::Done(_) | Answer::Refused(_) => None,
    }
}

/// What stands against an upgrade.
fn refusal(force: bool) -> String {
    match ask(Request::Order(Order::Upgrade { force })) {
        Some(Answer::Refused(refusal)) => refusal.text,
        other @ (Some(Answer::Status(_) | Answer::Event(_) | Answer::Done(_)) | None) => format!("{other:?}"),
    }
}

/// Another file with the same program, as a package puts it there.
pub(crate) fn replace(machine: &Machine, program: &Path) {
    let new = machine.copy(env!("CARGO_BIN_EXE_standfastd"), "new");
    std::fs::rename(new, program).unwrap();
}

/// A daemon that runs from a file of its own and is master.
pub(crate) fn started(machine: &Machine, words: &[&str]) -> (Daemon, PathBuf) {
    let program = machine.copy(env!("CARGO_BIN_EXE_standfastd"), "standfastd");
    let daemon = machine.start_command(&mut machine.command_of(&program, &[&["-n"], words].concat()));
    wait_for("the mastership", is_master);
    (daemon, program)
}

fn is_master() -> bool {
    let state = status().and_then(|now| Some(now.vrrp?.instances.first()?.state));
    state == Some(State::Master)
}

fn upgrades(machine: &Machine) -> usize {
    machine.read("stderr").matches(UPGRADED).count()
}

/// Upgrades and waits until the new program is in charge and ready.
pub(crate) fn upgrade(machine: &Machine) {
    let before = upgrades(machine);
    let answer = ask(Request::Order(Order::Upgrade { force: false }));
    assert!(!matches!(answer, Some(Answer::Refused(_))), "{answer:?}");
    wait_for("the new program", || upgrades(machine) > before);
    let ready = |now: Snapshot| now.daemon.workers.iter().all(|worker| worker.ready);
    wait_for("its workers", || status().is_some_and(ready));
}

fn workers(of: &Snapshot) -> Vec<(WorkerKind, u32)> {
    of.daemon.workers.iter().map(|worker| (worker.kind, worker.pid.unwrap())).collect()
}

/// At one interval: the peer never becomes master, and no two advertisements are farther apart than one and a half of it,
/// plus what a loaded machine may add.
fn upgraded_at(interval: &str, most: Duration) {
    let machine = Machine::with_pair();
    let text = PAIR.replace("advert_int 1", &format!("version 3\n    advert_int {interval}"));
    let text: String = text.split("    authentication {").next().unwrap().to_owned()
        + &text[text.find("    virtual_ipaddress").unwrap()..];
    machine.write("keepalived.conf", &text);
    let (mut daemon, program) = started(&machine, &[]);
    let _peer = Peer::start_with(&machine, &text);
    // The cable was unplugged to get to the peer.
    assert!(!becomes(Duration::from_secs(1), || false));
    wait_for("the mastership with a peer", is_master);
    assert!(!becomes(Duration::from_secs(1), || false));
    let takeovers = Peer::takeovers(&machine);
    let before = status().unwrap();
    let wire = Wire::tap("east");
    for phase in [50, 400, 900] {
        assert!(!becomes(Duration::from_millis(1000 + phase), || false));
        replace(&machine, &program);
        upgrade(&machine);
    }
    assert!(!becomes(Duration::from_millis(1500), || false));
    let (gap, adverts) = wire.longest_gap();
    eprintln!("longest gap {gap:?} among {adverts} advertisements at an interval of {interval} s");
    assert!(gap < most, "{gap:?}");
    assert_eq!(Peer::takeovers(&machine), takeovers, "{}", machine.read("peer"));
    let now = status().unwrap();
    assert_eq!(now.daemon.pid, before.daemon.pid, "the service manager would lose sight of it");
    assert_eq!(pid_in("/run/keepalived.pid"), Some(daemon.pid()));
    assert_ne!(now.daemon.started, before.daemon.started);
    assert_eq!(now.daemon.generation.0, before.daemon.generation.0 + 3);
    for (old, new) in workers(&before).into_iter().zip(workers(&now)) {
        assert!(old.0 == new.0 && old.1 != new.1 && !runs(old.1.cast_signed()), "{old:?} {new:?}");
    }
    let exe = std::fs::read_link(format!("/proc/{}/exe", daemon.pid())).unwrap();
    assert_eq!(exe, program);
    assert_eq!(std::fs::read_to_string(format!("/proc/{}/comm", daemon.pid())).unwrap(), "standfastd\n");
    assert_eq!(daemon.stop(), 0);
    wait_for("the peer's turn after an orderly stop", || Peer::takeovers(&machine) == takeovers + 1);
}

#[test]
fn an_upgrade_at_an_interval_of_a_second_is_no_failover() {
    upgraded_at("1", Duration::from_millis(1500 + 400));
}

#[test]
fn an_upgrade_at_an_interval_of_half_a_second_is_no_failover() {
    upgraded_at("0.5", Duration::from_millis(750 + 400));
}

/// The pair with a BFD session between its nodes that decides over FAULT.
fn with_bfd(neighbour: u8) -> String {
    let session = format!(
        "bfd_instance other {{\n neighbor_ip 192.0.2.{neighbour}\n min_tx 300\n min_rx 300\n multiplier 5\n}}\n"
    );
    session + &PAIR.replace("    advert_int 1\n", "    advert_int 1\n    track_bfd {\n        other\n    }\n")
}

#[test]
fn an_upgrade_of_a_master_whose_bfd_session_is_up_moves_neither() {
    let machine = Machine::with_pair();
    machine.write("keepalived.conf", &with_bfd(2));
    let program = machine.copy(env!("CARGO_BIN_EXE_standfastd"), "standfastd");
    let mut daemon = machine.start_command(&mut machine.command_of(&program, &["-n"]));
    let _peer = Peer::start_with(&machine, &with_bfd(1));
    let ups = || machine.read("stderr").matches("BFD_Instance(other) Entering Up state").count();
    wait_for("the session", || ups() == 1);
    wait_for("the mastership", is_master);
    let left = || {
        let said = machine.read("stderr");
        ["BACKUP", "FAULT"].map(|state| said.matches(&format!("(VI_E) Entering {state} STATE")).count())
    };
    let (before, takeovers) = (left(), Peer::takeovers(&machine));
    let wire = Wire::tap("east");
    replace(&machine, &program);
    upgrade(&machine);
    wait_for("the session to go on", || machine.read("stderr").contains("BFD_Instance(other) goes on in Up state"));
    // Longer than the patience with sessions that a predecessor had up.
    assert!(!becomes(Duration::from_secs(6), || !is_master()), "{}", machine.read("stderr"));
    let (gap, _) = wire.longest_gap();
    assert!(gap < Duration::from_millis(1500 + 400), "{gap:?}");
    assert_eq!((left(), Peer::takeovers(&machine)), (before, takeovers), "{}", machine.read("stderr"));
    assert_eq!(ups(), 1, "it never was down");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_program_that_cannot_take_over_changes_nothing() {
    let machine = Machine::with_pair();
    let (mut daemon, program) = started(&machine, &[]);
    let before = status().unwrap();
    assert!(refusal(false).contains("is the program that runs"), "{}", refusal(false));
    let put = |text: &str, mode: &str| {
        machine.write("new", text);
        run(&format!("chmod {mode} {}", machine.path("new").display()));
        std::fs::rename(machine.path("new"), &program).unwrap();
    };
    put("no program", "755");
    assert!(refusal(false).contains("cannot be executed"), "{}", refusal(false));
    put("no program", "644");
    assert!(refusal(false).contains("cannot be executed"), "{}", refusal(false));
    put("no program", "777");
    assert!(refusal(true).contains("that only root"), "{}", refusal(true));
    std::fs::remove_file(&program).unwrap();
    std::fs::rename(machine.copy("/bin/false", "false"), &program).unwrap();
    assert!(refusal(false).contains("does not say that it is a standfastd"), "{}", refusal(false));
    std::fs::rename(machine.copy("/bin/echo", "echo"), &program).unwrap();
    assert!(refusal(false).contains("does not say that it is a standfastd"), "{}", refusal(false));
    // A configuration that it cannot use, and one of which it would ignore a statement.
    replace(&machine, &program);
    machine.write("keepalived.conf", "vrrp_instance {");
    assert!(refusal(true).contains("keepalived.conf:1:1"), "{}", refusal(true));
    machine.write("keepalived.conf", &format!("no_such_word\n{PAIR}"));
    assert!(refusal(false).contains("no_such_word"), "{}", refusal(false));
    let now = status().unwrap();
    assert_eq!((workers(&now), now.daemon.started), (workers(&before), before.daemon.started));
    assert_eq!(upgrades(&machine), 0);
    // With force it may ignore one, as at a start.
    assert!(!matches!(ask(Request::Order(Order::Upgrade { force: true })), Some(Answer::Refused(_))));
    wait_for("the new program", || upgrades(&machine) == 1);
    wait_for("the mastership", is_master);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn what_operators_have_ordered_outlives_an_upgrade_and_the_next_program_can_be_upgraded_stopped_and_reloaded() {
    let machine = Machine::with_pair();
    let (mut daemon, program) = started(&machine, &["-D"]);
    ask(Request::Order(Order::Maintenance { on: true })).unwrap();
    replace(&machine, &program);
    upgrade(&machine);
    let fault = || status().and_then(|now| Some(now.vrrp?.instances.first()?.state)) == Some(State::Fault);
    assert!(fault() && !becomes(Duration::from_millis(500), || !fault()), "{:?}", status());
    ask(Request::Order(Order::Maintenance { on: false })).unwrap();
    wait_for("the mastership", is_master);
    replace(&machine, &program);
    upgrade(&machine);
    machine.write("keepalived.conf", &PAIR.replace("192.0.2.100", "192.0.2.101"));
    daemon.signal(Signal::HUP);
    wait_for("the reload", || {
        let output = std::process::Command::new("ip").args(["address", "show", "dev", "east"]).output().unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        shown.contains("192.0.2.101/24") && !shown.contains("192.0.2.100/24")
    });
    assert_eq!(daemon.stop(), 0);
    assert!(!Path::new("/run/keepalived.pid").exists() && !Path::new("/run/vrrp.pid").exists());
}

#[test]
fn the_service_manager_is_told_of_a_reload_and_keeps_its_process() {
    let machine = Machine::with_pair();
    let name = format!("standfast-test-upgrade-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let program = machine.copy(env!("CARGO_BIN_EXE_standfastd"), "standfastd");
    let mut command = machine.command_of(&program, &["-n"]);
    command.env("NOTIFY_SOCKET", format!("@{name}"));
    let mut daemon = machine.start_command(&mut command);
    replace(&machine, &program);
    upgrade(&machine);
    let ready = format!("READY=1\nMAINPID={}", daemon.pid());
    let mut told = Vec::new();
    wait_for("the second readiness", || {
        let mut bytes = [0; 1000];
        while let Ok(length) = socket.recv(&mut bytes) {
            told.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
        }
        told.iter().filter(|line| **line == ready).count() == 2
    });
    let place = |wanted: &str| told.iter().position(|line| line.starts_with(wanted)).unwrap();
    assert!(place("READY=1") < place("RELOADING=1\nMONOTONIC_USEC="), "{told:?}");
    assert!(!told.iter().any(|line| line.starts_with("STOPPING")), "{told:?}");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_daemon_in_the_background_is_upgraded_there() {
    let machine = Machine::with_pair();
    let program = machine.copy(env!("CARGO_BIN_EXE_standfastd"), "standfastd");
    let mut command = machine.command_of(&program, &["-l"]);
    assert!(command.status().unwrap().success());
    let pid = pid_in("/run/keepalived.pid").unwrap();
    wait_for("the mastership", is_master);
    replace(&machine, &program);
    let before = status().unwrap().daemon.started;
    ask(Request::Order(Order::Upgrade { force: false }));
    wait_for("the new program", || status().is_some_and(|now| now.daemon.started != before));
    wait_for("the mastership", is_master);
    assert_eq!(pid_in("/run/keepalived.pid"), Some(pid));
    machine.stop_in_background(pid);
}
