//! Reload: what is refused changes nothing, what is needed starts, what is needed no more stops.

use crate::machine::{Daemon, Machine, PAIR, becomes, pid_in, runs, wait_for};
use core::time::Duration;
use rustix::process::Signal;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

/// Reloads and waits for the word that says what came of it; that is returned.
fn reload(machine: &Machine, daemon: &Daemon) -> String {
    let outcomes = || {
        let said = machine.read("stderr");
        let lines = said.lines().filter(|line| line.contains("Reload finished") || line.contains("Reload refused"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = outcomes().len();
    daemon.signal(Signal::HUP);
    wait_for("the outcome of the reload", || outcomes().len() > before);
    outcomes().pop().unwrap()
}

fn has_address(address: &str) -> bool {
    let output = std::process::Command::new("ip").args(["address", "show", "dev", "east"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().contains(address)
}

#[test]
fn a_refused_file_changes_nothing_and_says_where_it_is_wrong() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    wait_for("the address", || has_address("192.0.2.100/24"));
    let worker = pid_in("/run/vrrp.pid");
    for (text, place) in [
        // Nothing can be made of the first, and keepalived would go on with the second and another address.
        (format!("{PAIR}\n}}\n"), "keepalived.conf:17:1: error[K"),
        (PAIR.replace("priority 150", "priority 1500").replace("2.100", "2.101"), "keepalived.conf:6:"),
    ] {
        machine.write("keepalived.conf", &text);
        let outcome = reload(&machine, &daemon);
        assert!(outcome.contains("Reload refused, the running configuration stays"), "{outcome}");
        assert!(outcome.contains(place), "{outcome}");
        assert_eq!(pid_in("/run/vrrp.pid"), worker);
        assert!(has_address("192.0.2.100/24") && !has_address("192.0.2.101"));
    }
    // A worker that dies meanwhile comes back with what was in force.
    crate::machine::kill(worker.unwrap(), Signal::KILL);
    wait_for("another worker", || pid_in("/run/vrrp.pid").is_some_and(|pid| Some(pid) != worker && runs(pid)));
    wait_for("the address", || has_address("192.0.2.100/24"));
    assert!(!has_address("192.0.2.101"));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn an_unchanged_file_is_told_to_nobody_and_is_in_force() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let worker = pid_in("/run/vrrp.pid");
    machine.write("keepalived.conf", &format!("! a comment\n{PAIR}"));
    let outcome = reload(&machine, &daemon);
    assert!(outcome.contains("configuration 2 is in force"), "{outcome}");
    assert_eq!(pid_in("/run/vrrp.pid"), worker);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_worker_is_stopped_in_order_when_nothing_needs_it_and_started_when_something_does() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let worker = pid_in("/run/vrrp.pid").unwrap();
    wait_for("the address", || has_address("192.0.2.100/24"));
    machine.write("keepalived.conf", "! nothing\n");
    let outcome = reload(&machine, &daemon);
    assert!(outcome.contains("Reload finished"), "{outcome}");
    assert!(!runs(worker) && !Path::new("/run/vrrp.pid").exists() && !has_address("192.0.2.100/24"));
    assert!(machine.read("stderr").contains(&format!("vrrp worker, pid {worker}, exited with status 0")));
    machine.write("keepalived.conf", PAIR);
    let outcome = reload(&machine, &daemon);
    assert!(outcome.contains("configuration 3 is in force"), "{outcome}");
    assert!(runs(pid_in("/run/vrrp.pid").unwrap()));
    wait_for("the address", || has_address("192.0.2.100/24"));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_reload_that_asks_for_what_the_kernel_has_not_is_undone() {
    if Path::new("/proc/net/ip_vs").exists() {
        return; // This kernel has IPVS: here the worker would start.
    }
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let worker = pid_in("/run/vrrp.pid");
    let servers = "virtual_server 192.0.2.100 80 {\n real_server 192.0.2.5 80 {\n }\n}\n";
    machine.write("keepalived.conf", &format!("{PAIR}{servers}"));
    let outcome = reload(&machine, &daemon);
    assert!(outcome.contains("Reload refused") && outcome.contains("check worker"), "{outcome}");
    assert_eq!(pid_in("/run/vrrp.pid"), worker, "the worker that has nothing to do with it was touched");
    assert!(!Path::new("/run/checkers.pid").exists());
    assert!(daemon.is_running());
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn what_only_a_restart_can_change_is_refused_by_name() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    machine.write("keepalived.conf", &format!("instance blue\n{PAIR}"));
    let outcome = reload(&machine, &daemon);
    assert!(outcome.contains("instance cannot be changed by a reload"), "{outcome}");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn the_service_manager_hears_of_a_reload_and_why_it_was_refused() {
    let machine = Machine::with_pair();
    let name = format!("standfast-test-reload-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut daemon = machine.start_command(machine.command(&["-n"]).env("NOTIFY_SOCKET", format!("@{name}")));
    let mut heard = Vec::new();
    let mut hear = |text: &str| {
        assert!(
            becomes(Duration::from_secs(20), || {
                let mut bytes = [0; 1000];
                while let Ok(length) = socket.recv(&mut bytes) {
                    heard.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
                }
                let found = heard.iter().position(|said| said.starts_with(text));
                found.map(|index| heard.drain(..=index).next_back().unwrap()).is_some()
            }),
            "{text}: {heard:?}"
        );
    };
    hear("READY=1\nMAINPID=");
    machine.write("keepalived.conf", "vrrp_instance {\n");
    daemon.signal(Signal::HUP);
    hear("RELOADING=1\nMONOTONIC_USEC=");
    hear("READY=1");
    // The status goes on telling how things are, and of the refusal, until a reload succeeds.
    wait_for("the refusal in the status", || {
        let mut bytes = [0; 1000];
        socket.recv(&mut bytes).is_ok_and(|length| {
            let said = String::from_utf8_lossy(&bytes[..length]).into_owned();
            said.starts_with("STATUS=") && said.contains("last reload refused: ") && said.contains("keepalived.conf:1:")
        })
    });
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn the_reload_file_is_there_while_a_reload_is_and_the_report_is_where_it_was_asked_for() {
    let machine = Machine::with_pair();
    let globals = "global_defs {\n reload_file /run/test/reloading\n reload_check_config /run/test/report\n}\n";
    machine.write("keepalived.conf", &format!("{globals}{PAIR}"));
    let mut daemon = machine.start(&[]);
    let worker = pid_in("/run/vrrp.pid").unwrap();
    // A worker that does not read keeps the reload going.
    crate::machine::kill(worker, Signal::STOP);
    machine.write("keepalived.conf", &globals.replace("}", " smtp_connect_timeout 12\n}"));
    daemon.signal(Signal::HUP);
    wait_for("the marker", || Path::new("/run/test/reloading").exists());
    crate::machine::kill(worker, Signal::CONT);
    wait_for("the end of the marker", || !Path::new("/run/test/reloading").exists());
    machine.write("keepalived.conf", &format!("{globals}{PAIR}\n}}\n"));
    assert!(reload(&machine, &daemon).contains("Reload refused"));
    assert!(machine.read("report").contains("keepalived.conf:"), "{}", machine.read("report"));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn an_address_is_added_to_a_master_and_its_old_one_stays_where_it_is() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let worker = pid_in("/run/vrrp.pid");
    wait_for("the address", || has_address("192.0.2.100/24"));
    machine.write("keepalived.conf", &PAIR.replace("192.0.2.100/24", "192.0.2.100/24\n192.0.2.101/24"));
    let outcome = reload(&machine, &daemon);
    assert!(outcome.contains("Reload finished"), "{outcome}");
    assert!(has_address("192.0.2.100/24") && has_address("192.0.2.101/24"));
    assert_eq!(pid_in("/run/vrrp.pid"), worker);
    // Renamed, and the first address gone.
    machine.write("keepalived.conf", &PAIR.replace("192.0.2.100/24", "192.0.2.101/24").replace("VI_E", "VI_X"));
    let outcome = reload(&machine, &daemon);
    assert!(outcome.contains("Reload finished"), "{outcome}");
    assert!(!has_address("192.0.2.100/24") && has_address("192.0.2.101/24"));
    let said = machine.read("stderr");
    assert_eq!(said.matches(" STATE").count(), 2, "BACKUP at the start, MASTER, and nothing since: {said}");
    assert_eq!(daemon.stop(), 0);
    assert!(machine.read("stderr").contains("(VI_X) Entering STOP STATE"), "it has its new name in the journal");
}

/// So many seconds from now, as `reload_time_file` wants it.
fn time_of_day(seconds_from_now: i64) -> String {
    let output = std::process::Command::new("date")
        .args(["-u", "-d", &format!("{seconds_from_now} seconds"), "+%H:%M:%SZ"])
        .output();
    String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned()
}

#[test]
fn the_time_file_says_when_to_reload_and_is_gone_afterwards() {
    let machine = Machine::with_pair();
    let global = "global_defs {\n reload_time_file /run/test/when\n}\n";
    machine.write("keepalived.conf", &format!("{global}{PAIR}"));
    let mut daemon = machine.start(&[]);
    wait_for("the address", || has_address("192.0.2.100/24"));
    machine.write("keepalived.conf", &format!("{global}{}", PAIR.replace("2.100", "2.101")));
    machine.write("when", "in a minute\n");
    wait_for("the complaint", || machine.read("stderr").contains("\"in a minute\" is no time: write HH:MM:SS"));
    machine.write("when", &time_of_day(600));
    wait_for("the plan", || machine.read("stderr").contains("Reload at "));
    machine.write("when", &format!("{}\n", time_of_day(2)));
    wait_for("the new address", || has_address("192.0.2.101/24"));
    assert!(machine.read("stderr").contains("Reloading: reload_time_file"));
    assert!(!machine.path("when").exists(), "it would ask for the same reload tomorrow");
    // A time that is withdrawn is not kept.
    machine.write("when", &time_of_day(600));
    wait_for("another plan", || machine.read("stderr").matches("Reload at ").count() == 3);
    std::fs::remove_file(machine.path("when")).unwrap();
    wait_for("its end", || machine.read("stderr").contains("No reload any more"));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_time_file_that_is_to_be_repeated_stays_for_tomorrow() {
    let machine = Machine::with_pair();
    machine.write("when", &time_of_day(3));
    let global = "global_defs {\n reload_time_file /run/test/when\n reload_repeat\n}\n";
    machine.write("keepalived.conf", &format!("{global}{PAIR}"));
    let mut daemon = machine.start(&[]);
    wait_for("the reload", || machine.read("stderr").contains("configuration 2 is in force"));
    assert!(machine.path("when").exists());
    wait_for("the plan of tomorrow", || machine.read("stderr").matches("Reload at ").count() >= 2);
    assert_eq!(machine.read("stderr").matches("Reloading:").count(), 1);
    assert_eq!(daemon.stop(), 0);
}
