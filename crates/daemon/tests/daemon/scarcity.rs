//! What the machine has no more of: descriptors, space on a disk, room for what the kernel tells. The master stays master,
//! and what cannot be had is said.

use crate::adoption::Wire;
use crate::machine::{Machine, PAIR, becomes, kill, pid_in, run, wait_for};
use core::time::Duration;
use rustix::process::Signal;
use std::fmt::Write as _;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

fn has_address() -> bool {
    let output = Command::new("ip").args(["address", "show", "dev", "east"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().contains("192.0.2.100/24")
}

fn entered(machine: &Machine, state: &str) -> usize {
    machine.read("stderr").matches(&format!("(VI_E) Entering {state} STATE")).count()
}

#[test]
fn with_hardly_a_descriptor_left_and_a_flood_of_clients_the_master_goes_on() {
    let machine = Machine::with_pair();
    let log = std::fs::File::create(machine.path("stderr")).unwrap();
    let mut command = Command::new("prlimit");
    command.args(["--nofile=36:36", env!("CARGO_BIN_EXE_standfastd"), "-n", "-f"]).arg(machine.path("keepalived.conf"));
    command.env_remove("NOTIFY_SOCKET").stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let mut daemon = machine.start_command(&mut command);
    wait_for("the address", has_address);
    let wire = Wire::tap("east");
    let clients: Vec<UnixStream> =
        (0..100).filter_map(|_| UnixStream::connect("/run/standfast/control").ok()).collect();
    assert!(clients.len() > 40, "{}", clients.len());
    wait_for("a word of it", || machine.read("stderr").contains("no client can be taken"));
    assert!(!becomes(Duration::from_secs(3), || !has_address()));
    let (gap, _) = wire.longest_gap();
    assert!(gap < Duration::from_millis(1600), "{gap:?}");
    drop(clients);
    assert_eq!((entered(&machine, "MASTER"), entered(&machine, "FAULT")), (1, 0));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn on_full_disks_the_daemon_starts_is_master_and_says_what_it_cannot_keep() {
    let machine = Machine::with_pair();
    std::fs::create_dir_all("/run/standfast").unwrap();
    for place in ["/run/standfast", "/var/lib/standfast"] {
        run(&format!("mount -t tmpfs -o size=4k,mode=755 tmpfs {place}"));
        std::fs::write(format!("{place}/filler"), [0; 4096]).unwrap();
    }
    let mut daemon = machine.start(&[]);
    wait_for("the address", has_address);
    let said = machine.read("stderr");
    assert!(said.contains("times of advertisements cannot be kept"), "{said}");
    // A worker that dies listens first, as its predecessor could not say when it was heard last; nothing else is lost.
    kill(pid_in("/run/vrrp.pid").unwrap(), Signal::KILL);
    wait_for("another mastership", || entered(&machine, "MASTER") == 2 && has_address());
    assert_eq!(daemon.stop(), 0);
    assert!(!has_address());
}

#[test]
fn what_the_kernel_had_no_room_to_tell_is_looked_up_and_the_address_comes_back() {
    let machine = Machine::with_pair();
    machine.write("keepalived.conf", &format!("global_defs {{\n vrrp_netlink_monitor_rcv_bufs 4096\n}}\n{PAIR}"));
    let mut daemon = machine.start(&[]);
    wait_for("the address", has_address);
    let mut batch = String::new();
    for count in 0..2000_u32 {
        let _ = writeln!(batch, "address add 10.{}.{}.1/32 dev lo", count / 250, count % 250);
    }
    // Nobody reads meanwhile, so that the room is used up; the address goes in the middle.
    batch.push_str("address del 192.0.2.100/24 dev east\n");
    for count in 0..2000_u32 {
        let _ = writeln!(batch, "address del 10.{}.{}.1/32 dev lo", count / 250, count % 250);
    }
    machine.write("batch", &batch);
    let worker = pid_in("/run/vrrp.pid").unwrap();
    kill(worker, Signal::STOP);
    run(&format!("ip -batch {}", machine.path("batch").display()));
    assert!(!has_address());
    kill(worker, Signal::CONT);
    wait_for("the address again", has_address);
    assert_eq!(pid_in("/run/vrrp.pid"), Some(worker), "it died of it");
    assert_eq!(entered(&machine, "FAULT"), 0);
    assert_eq!(daemon.stop(), 0);
}
