//! Where a daemon lives that is not alone on its host: its network namespace, its pid files, its names.

use crate::machine::{Machine, PAIR, becomes, pid_in, run, runs};
use core::time::Duration;
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;

fn namespace_of(pid: i32) -> PathBuf {
    std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap()
}

fn name_of(pid: i32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().trim_end().to_owned()
}

/// A machine with a network namespace `blue` that has the interfaces, and none of them outside.
fn with_blue() -> Machine {
    let machine = Machine::new();
    run("ip netns add blue");
    run("ip -n blue link add east type veth peer name west");
    run("ip -n blue address add 192.0.2.1/24 dev east");
    run("ip -n blue link set west up");
    run("ip -n blue link set east up");
    machine
}

fn blue_has_the_address() -> bool {
    let shown = Command::new("ip").args(["-n", "blue", "-brief", "address", "show", "dev", "east"]).output().unwrap();
    String::from_utf8(shown.stdout).unwrap().contains("192.0.2.100/24")
}

#[test]
fn a_daemon_with_a_namespace_and_an_instance_lives_in_them() {
    const PATIENCE: Duration = Duration::from_secs(20);
    let machine = with_blue();
    machine.write("keepalived.conf", &format!("net_namespace blue\ninstance one\n{PAIR}"));
    let mut daemon = machine.start(&[]);
    let vrrp = pid_in("/run/keepalived/vrrp_one.pid").unwrap();
    assert_eq!(pid_in("/run/keepalived/keepalived_one.pid"), Some(daemon.pid()));
    let here = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    assert_ne!(namespace_of(vrrp), here);
    assert_eq!(namespace_of(vrrp), namespace_of(daemon.pid()));
    assert!(becomes(PATIENCE, blue_has_the_address), "{}", machine.read("stderr"));
    daemon.signal(Signal::HUP);
    assert!(becomes(PATIENCE, || machine.read("stderr").contains("Reload finished")));
    assert!(runs(vrrp));
    assert_eq!(daemon.stop(), 0);
    assert!(!blue_has_the_address());
    assert!(!Path::new("/run/keepalived").exists());
    assert_eq!(machine.status(&["-t"]), 0, "a test of the configuration looks elsewhere: {}", machine.read("stderr"));
    machine.write("keepalived.conf", &format!("net_namespace green\n{PAIR}"));
    assert_ne!(machine.status(&["-n"]), 0);
    let said = machine.read("stderr");
    assert!(said.contains("network namespace `green` does not exist"), "{said}");
}

#[test]
fn pid_files_have_a_directory_if_that_is_wanted() {
    let machine = Machine::with_pair();
    machine.write("keepalived.conf", &format!("use_pid_dir\n{PAIR}"));
    let mut daemon = machine.start(&[]);
    assert_eq!(pid_in("/run/keepalived/keepalived.pid"), Some(daemon.pid()));
    assert!(pid_in("/run/keepalived/vrrp.pid").is_some());
    assert!(!Path::new("/run/vrrp.pid").exists());
    assert_eq!(daemon.stop(), 0);
    assert!(!Path::new("/run/keepalived").exists());
}

/// Starts a daemon with these words of `global_defs`: the names of its process and of two workers.
fn names(words: &str) -> [String; 3] {
    let machine = Machine::with_pair();
    let bfd = "bfd_instance peer {\n neighbor_ip 192.0.2.2\n}\n";
    machine.write("keepalived.conf", &format!("global_defs {{\n{words}\n}}\n{bfd}{PAIR}"));
    let mut daemon = machine.start(&[]);
    let all = [Some(daemon.pid()), pid_in("/run/vrrp.pid"), pid_in("/run/bfd.pid")].map(|pid| name_of(pid.unwrap()));
    assert_eq!(daemon.stop(), 0);
    all
}

#[test]
fn workers_have_the_names_of_keepalived_if_that_is_wanted() {
    assert_eq!(names("process_names"), ["standfastd", "keepalived_vrrp", "keepalived_bfd"]);
}

#[test]
fn a_worker_without_a_name_has_that_of_its_daemon() {
    assert_eq!(names("process_name alpha\nvrrp_process_name beta"), ["alpha", "beta", "alpha"]);
}

#[test]
fn a_name_of_its_own_comes_before_that_of_its_kind() {
    assert_eq!(names("process_names\nbfd_process_name gamma"), ["standfastd", "keepalived_vrrp", "gamma"]);
}
