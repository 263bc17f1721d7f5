//! What the machine has no more of: descriptors, space on a disk, room for what the kernel tells. The master stays master,
//! and what cannot be had is said.

use crate::adoption::{Peer, Wire};
use crate::front::status;
use crate::machine::{Machine, PAIR, becomes, kill, pid_in, run, wait_for};
use core::time::Duration;
use rustix::process::Signal;
use standfast_api::WorkerKind;
use standfast_api::control::{Ask, CONTROL_VERSION, Request};
use standfast_kernel::timer::boottime;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
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

fn first_number(status: &str, key: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// The process gets no more memory than it has.
fn starve(pid: i32) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let [uid, gid, size] = ["Uid:", "Gid:", "VmSize:"].map(|key| first_number(&status, key));
    // As its user, who may do that where root of a container may not.
    let limit = format!("prlimit --pid {pid} --as={0}:{0}", size * 1024);
    run(&format!("setpriv --reuid={uid} --regid={gid} --clear-groups {limit}"));
}

#[test]
fn a_worker_that_gets_no_more_memory_has_what_it_needs_and_a_front_that_gets_none_harms_nobody() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let peer = Peer::start_with(&machine, PAIR);
    wait_for("the address", has_address);
    let worker = pid_in("/run/vrrp.pid").unwrap();
    let workers = status().daemon.workers;
    let front = workers.into_iter().find(|worker| worker.kind == WorkerKind::Front).and_then(|front| front.pid);
    let takeovers = Peer::takeovers(&machine);
    let wire = Wire::tap("east");
    starve(worker);
    starve(front.unwrap().cast_signed());
    // Requests that have to be kept until their lines end, from as many as may come.
    let clients: Vec<UnixStream> =
        (0..100).filter_map(|_| UnixStream::connect("/run/standfast/control").ok()).collect();
    for mut client in &clients {
        let _ = client.write_all(&[b' '; 4_000]);
    }
    assert!(!becomes(Duration::from_secs(4), || !has_address()));
    drop(clients);
    // This front or the next one answers when it has taken leave of them.
    wait_for("an answer", || {
        let request = Ask { version: CONTROL_VERSION, request: Request::Status { fresh: true } };
        let asked = UnixStream::connect("/run/standfast/control").and_then(|mut stream| {
            stream.write_all(format!("{}\n", serde_json::to_string(&request).unwrap()).as_bytes())?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).map(|_| answer)
        });
        asked.is_ok_and(|answer| answer.contains("VI_E"))
    });
    let (gap, adverts) = wire.longest_gap();
    assert!(gap < Duration::from_millis(1_900) && adverts >= 3, "{gap:?}, {adverts} advertisements");
    assert_eq!(pid_in("/run/vrrp.pid"), Some(worker), "it wanted more: {}", machine.read("stderr"));
    assert_eq!(Peer::takeovers(&machine), takeovers);
    drop(peer);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_name_server_that_never_answers_delays_no_advertisement_no_mastership_and_not_the_end() {
    let machine = Machine::with_pair();
    // Nobody has this address, and whoever asks waits for five seconds and then asks again.
    machine.write("resolv.conf", "nameserver 192.0.2.99\noptions timeout:5 attempts:5\n");
    run(&format!("mount --bind {} /etc/resolv.conf", machine.path("resolv.conf").display()));
    let mail = "notification_email {\n a@example.org\n }\n smtp_server mail.example.org\n smtp_alert_vrrp";
    machine.write("keepalived.conf", &format!("global_defs {{\n {mail}\n}}\n{PAIR}"));
    let begun = boottime();
    let mut daemon = machine.start(&[]);
    wait_for("the address", has_address);
    let wire = Wire::tap("east");
    // The mail of this mastership hangs, and so does that of the next.
    run("ip link set west down");
    wait_for("FAULT", || entered(&machine, "FAULT") == 1);
    run("ip link set west up");
    wait_for("another mastership", || entered(&machine, "MASTER") == 2);
    assert!(boottime().since(begun) < Duration::from_secs(20), "{:?}", boottime().since(begun));
    let mailer = || Command::new("pgrep").args(["-f", "[-]-mailer"]).output().unwrap().stdout;
    assert!(!mailer().is_empty(), "no mail is under way, so nothing was shown");
    let began = boottime();
    assert_eq!(daemon.stop(), 0);
    let took = boottime().since(began);
    assert!(took < Duration::from_secs(8), "{took:?}");
    let (gap, adverts) = wire.longest_gap();
    eprintln!("{adverts} advertisements, {gap:?} apart at most");
    assert!(adverts >= 2);
}
