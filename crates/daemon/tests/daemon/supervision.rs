//! What dies, what is restarted, what goes with whom.

use crate::adoption::Peer;
use crate::machine::{Machine, becomes, kill, pid_in, runs, wait_for};
use core::time::Duration;
use rustix::process::Signal;
use standfast_kernel::timer::boottime;
use std::path::Path;

fn worker() -> i32 {
    pid_in("/run/vrrp.pid").unwrap()
}

/// Waits for a worker with another number.
fn successor_of(old: i32) -> i32 {
    wait_for("another worker", || pid_in("/run/vrrp.pid").is_some_and(|pid| pid != old && runs(pid)));
    worker()
}

#[test]
fn a_killed_worker_is_back_at_once_under_a_new_number() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let first = worker();
    let killed = boottime();
    kill(first, Signal::KILL);
    let second = successor_of(first);
    let took = boottime().since(killed);
    assert!(took < Duration::from_millis(900), "{took:?}: longer than an advertisement interval");
    assert!(machine.read("stderr").contains("was killed by signal 9"));
    assert_eq!(daemon.stop(), 0);
    assert!(!runs(second));
    assert!(!Path::new("/run/vrrp.pid").exists());
}

fn has_address() -> bool {
    let output = std::process::Command::new("ip").args(["address", "show", "dev", "east"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().contains("192.0.2.100/24")
}

fn kill_often(times: usize) {
    for _ in 0..times {
        let old = worker();
        kill(old, Signal::KILL);
        successor_of(old);
    }
}

#[test]
fn a_worker_that_dies_again_and_again_gives_its_addresses_up_and_is_in_fault_for_a_while() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let _peer = Peer::start_with(&machine, crate::machine::PAIR);
    wait_for("the address", has_address);
    // Each is forgiven: nobody notices.
    kill_often(5);
    wait_for("the address", has_address);
    assert_eq!(Peer::takeovers(&machine), 0);
    let killed = boottime();
    kill_often(1);
    wait_for("the peer's turn", || Peer::takeovers(&machine) == 1);
    let took = boottime().since(killed);
    assert!(took < Duration::from_millis(2500), "{took:?}: it did not resign, the peer had to wait for its silence");
    let said = machine.read("stderr");
    assert!(said.contains("FAULT: the vrrp worker died 6 times in quick succession"), "{said}");
    assert!(said.contains("(VI_E) Entering FAULT STATE"), "{said}");
    wait_for("another try", || machine.read("stderr").contains("The vrrp worker takes part again"));
    wait_for("the address", has_address);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_worker_that_dies_even_in_fault_leaves_no_address_behind_until_a_reload_starts_anew() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    wait_for("the address", has_address);
    kill_often(5);
    wait_for("the address", has_address);
    // The first of these comes back in FAULT and dies before it has given up anything, as one does that dies of its
    // configuration. What follows has none.
    kill_often(2);
    wait_for("the end of the address", || !has_address());
    assert!(machine.read("stderr").contains("died 7 times in quick succession"), "{}", machine.read("stderr"));
    kill(worker(), Signal::KILL);
    assert!(!becomes(Duration::from_secs(2), has_address), "{}", machine.read("stderr"));
    let reloaded = boottime();
    daemon.signal(Signal::HUP);
    wait_for("the address", has_address);
    let took = boottime().since(reloaded);
    assert!(took < Duration::from_secs(6), "{took:?}: the rest was not ended");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_restarted_worker_needs_neither_the_files_nor_the_program_on_the_disk() {
    let machine = Machine::with_pair();
    let program = machine.copy(env!("CARGO_BIN_EXE_standfastd"), "standfastd");
    let mut daemon = machine.start_command(&mut machine.command_of(&program, &["-n"]));
    let first = worker();
    // An upgrade puts another file in the place of the program, and somebody is editing the configuration.
    machine.write("new", "#!/bin/false\n");
    std::fs::rename(machine.path("new"), &program).unwrap();
    machine.write("keepalived.conf", "vrrp_instance {");
    kill(first, Signal::KILL);
    let second = successor_of(first);
    wait_for("the address", || {
        let output = std::process::Command::new("ip").args(["address", "show", "dev", "east"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().contains("192.0.2.100/24")
    });
    let exe = std::fs::read_link(format!("/proc/{second}/exe")).unwrap().display().to_string();
    assert_eq!(exe, "/run/test/standfastd (deleted)");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn the_workers_of_a_killed_supervisor_end_in_order() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let orphan = worker();
    daemon.signal(Signal::KILL);
    daemon.end();
    wait_for("the end of the worker", || !runs(orphan));
    assert!(machine.read("stderr").contains("Stopping: supervisor has gone"), "{}", machine.read("stderr"));
    // What it left behind does not stand in the way of the next.
    std::fs::write(machine.path("stderr"), "").unwrap();
    let mut next = machine.start(&[]);
    assert_eq!(pid_in("/run/keepalived.pid"), Some(next.pid()));
    assert_eq!(next.stop(), 0);
}

#[test]
fn a_worker_that_is_terminated_by_itself_ends_in_order_and_is_restarted() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let first = worker();
    kill(first, Signal::TERM);
    successor_of(first);
    let said = machine.read("stderr");
    assert!(said.contains("Stopping: SIGTERM from process"), "{said}");
    assert!(said.contains(&format!("vrrp worker, pid {first}, exited with status 0")), "{said}");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn with_r_the_death_of_a_worker_is_the_end_of_the_daemon() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&["-R"]);
    kill(worker(), Signal::KILL);
    assert_eq!(daemon.end().code(), Some(0));
    assert!(!Path::new("/run/keepalived.pid").exists() && !Path::new("/run/vrrp.pid").exists());
}

#[test]
fn a_worker_that_does_not_answer_is_killed_when_its_time_is_over() {
    let machine = Machine::with_pair();
    machine.write("keepalived.conf", &format!("child_wait_time 1\n{}", crate::machine::PAIR));
    let mut daemon = machine.start(&[]);
    let frozen = worker();
    kill(frozen, Signal::STOP);
    let begun = boottime();
    assert_eq!(daemon.stop(), 0);
    let took = boottime().since(begun);
    assert!(!runs(frozen));
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(4), "{took:?}");
    assert!(machine.read("stderr").contains("does not stop, killed"), "{}", machine.read("stderr"));
    assert!(!Path::new("/run/vrrp.pid").exists());
}

#[test]
fn a_worker_that_is_slow_to_wake_stops_in_order_within_its_time() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let frozen = worker();
    kill(frozen, Signal::STOP);
    daemon.signal(Signal::TERM);
    assert!(!becomes(Duration::from_millis(500), || !daemon.is_running()));
    kill(frozen, Signal::CONT);
    assert_eq!(daemon.end().code(), Some(0));
    assert!(machine.read("stderr").contains(&format!("vrrp worker, pid {frozen}, exited with status 0")));
}

#[test]
fn a_worker_that_hangs_is_replaced_before_the_watchdog_of_the_service_manager_bites() {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let machine = Machine::with_pair();
    let name = format!("standfast-test-watchdog-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut command = machine.command(&["-n"]);
    command.env("NOTIFY_SOCKET", format!("@{name}")).env("WATCHDOG_USEC", "1500000");
    let mut daemon = machine.start_command(&mut command);
    let fed = || {
        let mut bytes = [0; 1000];
        let mut times = 0;
        while let Ok(length) = socket.recv(&mut bytes) {
            times += usize::from(bytes[..length].starts_with(b"WATCHDOG=1"));
        }
        times
    };
    assert!(!becomes(Duration::from_secs(2), || false));
    assert!((3..=6).contains(&fed()), "once in half a second, and no more");
    let first = worker();
    kill(first, Signal::STOP);
    let hangs = boottime();
    let second = successor_of(first);
    let took = boottime().since(hangs);
    assert!(took >= Duration::from_millis(400) && took < Duration::from_millis(1400), "{took:?}");
    assert!(runs(second) && machine.read("stderr").contains("it hangs: no sign of life"));
    assert!(fed() >= 1, "the daemon as a whole is well");
    assert_eq!(daemon.stop(), 0);
}
