//! What remains of a secret in the memory of the daemon's processes when the configuration has it no more: their memory
//! is searched from outside, as whoever gets hold of a process would.

use crate::machine::{Daemon, Machine, PAIR, becomes, wait_for};
use core::time::Duration;
use rustix::process::Signal;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// Eight characters, as long as a password of VRRP may be, that stand nowhere else.
const PASSWORD: &str = "q7%Zx4~K";

/// A key of the exchange between directors.
const PEER_KEY: &str = "Wm3-vT9uQz6+hB2yLr8=Xd5kNs1~Pf7c";

/// A key of signed advertisements.
const HMAC_KEY: &str = "Jg4%eR7wYb2&oC9aUt6*Ei3mSk8^Vh5n";

/// The octets of packets that carried the password over the wire in clear are no secret to the one who sends them, and are
/// not overwritten: as many places in the worker that advertises may have them until something else comes there.
const CARRIED: usize = 2;

/// The processes of a daemon: the supervisor and its workers, by name.
fn processes(daemon: &Daemon) -> Vec<(String, i32)> {
    let own = daemon.pid();
    let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap();
    let pids = children.split_whitespace().map(|pid| pid.parse().unwrap());
    let name = |pid: i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ").trim().to_owned()
    };
    core::iter::once(own).chain(pids).map(|pid| (name(pid), pid)).collect()
}

/// Where the octets are in what a process may write and shares with nobody: its heap, its stack, its globals.
fn places(pid: i32, needle: &[u8]) -> Vec<String> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut found = Vec::new();
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().unwrap(), words.next().unwrap());
        if !rights.starts_with("rw") || !rights.ends_with('p') {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let [from, to] = [from, to].map(|end| u64::from_str_radix(end, 16).unwrap());
        let mut octets = vec![0; usize::try_from(to - from).unwrap()];
        // Pages that were never touched, or that are the kernel's, cannot be read.
        if memory.read_exact_at(&mut octets, from).is_err() {
            continue;
        }
        let first = needle[0];
        let mut rest = octets.as_slice();
        while let Some(at) = rest.iter().position(|octet| *octet == first) {
            rest = &rest[at..];
            if rest.starts_with(needle) {
                let near = String::from_utf8_lossy(&rest[..rest.len().min(64)]).escape_debug().to_string();
                found.push(format!("{range} {} {near}", words.clone().last().unwrap_or_default()));
            }
            rest = &rest[1..];
        }
    }
    found
}

/// Every process that has it, and where.
fn holders(daemon: &Daemon, needle: &str) -> Vec<(String, Vec<String>)> {
    let all = processes(daemon).into_iter().map(|(name, pid)| (name, places(pid, needle.as_bytes())));
    all.filter(|(_, places)| !places.is_empty()).collect()
}

fn reload(machine: &Machine, daemon: &Daemon, text: &str) {
    let before = machine.read("stderr").matches("Reload finished").count();
    machine.write("keepalived.conf", text);
    daemon.signal(Signal::HUP);
    wait_for("the reload", || machine.read("stderr").matches("Reload finished").count() > before);
}

/// Two routers, one with the password and one with the signature, and the exchange.
fn with(password: &str, peer: &str, hmac: &str) -> String {
    let other = "vrrp_instance VI_H {\n interface east\n virtual_router_id 52\n version 3\n auth_hmac {\n \
                 key 1 HMAC\n active_key 1\n }\n virtual_ipaddress {\n 192.0.2.101/24\n }\n}\n";
    format!(
        "global_defs {{\n peer other 192.0.2.2\n peer_key {peer}\n}}\n{}{}",
        PAIR.replace("s3cr3tpw", password),
        other.replace("HMAC", hmac)
    )
}

#[test]
fn of_secrets_that_a_reload_has_taken_away_nothing_is_left_in_the_memory_of_any_process() {
    let machine = Machine::with_pair();
    machine.write("keepalived.conf", &with(PASSWORD, PEER_KEY, HMAC_KEY));
    let mut daemon = machine.start(&[]);
    wait_for("the advertisements", || machine.read("stderr").contains("(VI_E) Entering MASTER STATE"));
    for (what, secret) in [("password", PASSWORD), ("key of the exchange", PEER_KEY), ("key of signatures", HMAC_KEY)] {
        let before = holders(&daemon, secret);
        eprintln!("{what}: {before:#?}");
        assert!(!before.is_empty(), "the {what} is in use, so it can be found");
    }
    let other = with("an0therp", &PEER_KEY.replace("Wm3", "Xy4"), &HMAC_KEY.replace("Jg4", "Ab1"));
    reload(&machine, &daemon, &other);
    for (what, secret, carried) in
        [("password", PASSWORD, CARRIED), ("key of the exchange", PEER_KEY, 0), ("key of signatures", HMAC_KEY, 0)]
    {
        let mut left = Vec::new();
        let gone = becomes(Duration::from_secs(5), || {
            left = holders(&daemon, secret);
            left.iter().all(|(name, places)| name.contains("vrrp") && places.len() <= carried)
        });
        assert!(gone, "the {what} is still there: {left:#?}");
    }
    assert_eq!(daemon.stop(), 0);
}
