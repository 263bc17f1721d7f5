//! What each process of the daemon may do once it works, as the kernel says it.

use crate::machine::{Machine, kill, pid_in, wait_for};
use rustix::process::Signal;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;

/// Everything at once: advertisements, BFD, balancing, a script.
const CONFIGURATION: &str = "
global_defs {
    script_user root
    enable_script_security
}
vrrp_script chk {
    script \"/usr/bin/true\"
    interval 1
}
bfd_instance peer {
    neighbor_ip 192.0.2.2
}
vrrp_instance VI_E {
    interface east
    virtual_router_id 51
    track_script {
        chk
    }
    virtual_ipaddress {
        192.0.2.100/24
    }
}
";

const BALANCED: &str = "
virtual_server 192.0.2.100 80 {
    real_server 192.0.2.5 80 {
        TCP_CHECK {
            connect_timeout 1
        }
    }
}
";

/// `CAP_NET_ADMIN`, `CAP_NET_RAW`, `CAP_NET_BIND_SERVICE`, `CAP_SYS_NICE`, `CAP_IPC_LOCK`, `CAP_SYS_RESOURCE`, by their bits.
const NETWORK: u64 = 1 << 12 | 1 << 13 | 1 << 10 | 1 << 23 | 1 << 14 | 1 << 24;

fn of(pid: i32, key: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim_start_matches(':').trim().to_owned()
}

fn capabilities(pid: i32, key: &str) -> u64 {
    u64::from_str_radix(&of(pid, key), 16).unwrap()
}

/// Processes of the daemon by their titles.
fn process(supervisor: i32, title: &str) -> i32 {
    let children = std::fs::read_to_string(format!("/proc/{supervisor}/task/{supervisor}/children")).unwrap();
    let titled = |pid: &i32| {
        std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap().starts_with(&format!("standfastd: {title}\0"))
    };
    let found = children.split_whitespace().map(|pid| pid.parse().unwrap()).find(titled);
    found.expect(title)
}

fn has_ipvs() -> bool {
    std::path::Path::new("/proc/net/ip_vs").exists()
}

#[test]
fn each_process_has_the_rights_that_it_needs_and_cannot_gain_others() {
    let machine = Machine::with_pair();
    let balanced = if has_ipvs() { BALANCED } else { "" };
    machine.write("keepalived.conf", &format!("{CONFIGURATION}{balanced}"));
    let mut daemon = machine.start(&[]);
    let own = std::process::id().cast_signed();
    let all = capabilities(own, "CapEff");
    let (seccomp, nnp) = (of(own, "Seccomp"), of(own, "NoNewPrivs"));
    let rights = |pid| ["CapEff", "CapPrm"].map(|key| capabilities(pid, key));
    let child = |title| process(daemon.pid(), title);
    // What scripts may need, the runner has; what starts it must have it too.
    for pid in [daemon.pid(), child("runner")] {
        assert_eq!((rights(pid), of(pid, "NoNewPrivs")), ([all; 2], nnp.clone()));
    }
    for title in ["vrrp", "bfd"] {
        assert_eq!(
            (rights(child(title)), of(child(title), "NoNewPrivs")),
            ([NETWORK & all; 2], "1".to_owned()),
            "{title}"
        );
        assert_eq!(of(child(title), "Seccomp"), seccomp);
    }
    let front = child("front");
    assert_eq!((rights(front), capabilities(front, "CapInh"), capabilities(front, "CapAmb")), ([0; 2], 0, 0));
    assert_ne!(of(front, "Uid"), "0\t0\t0\t0");
    let mut confined = vec![front];
    if has_ipvs() {
        let check = child("check");
        assert_eq!(rights(check), [NETWORK & all; 2]);
        confined.push(check);
    }
    for pid in confined {
        assert_eq!((of(pid, "Seccomp"), of(pid, "NoNewPrivs")), ("2".to_owned(), "1".to_owned()));
    }
    // They do their work all the same, also those that are started anew.
    kill(front, Signal::KILL);
    wait_for("an answer of another front", || {
        let Ok(mut stream) = UnixStream::connect("/run/standfast/control") else { return false };
        let asked = stream.write_all(b"{\"version\":1,\"request\":{\"status\":{\"fresh\":true}}}\n");
        let mut line = String::new();
        asked.is_ok() && BufReader::new(stream).read_line(&mut line).is_ok() && line.contains("VI_E")
    });
    assert_eq!(of(process(daemon.pid(), "front"), "Seccomp"), "2");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_process_that_crashes_writes_no_core_file_unless_that_is_wanted() {
    for (words, dumped) in [(&[][..], false), (&["-m"][..], true)] {
        let machine = Machine::with_pair();
        let mut command = machine.command(&[&["-n"], words].concat());
        // As a service manager with another idea of it would start us.
        let before = rustix::process::getrlimit(rustix::process::Resource::Core);
        let limit = rustix::process::Rlimit { current: before.maximum, ..before };
        rustix::process::setrlimit(rustix::process::Resource::Core, limit).unwrap();
        let mut daemon = machine.start_command(&mut command);
        rustix::process::setrlimit(rustix::process::Resource::Core, before).unwrap();
        kill(pid_in("/run/vrrp.pid").unwrap(), Signal::ABORT);
        wait_for("the crash", || machine.read("stderr").contains("was killed by signal 6"));
        let said = machine.read("stderr");
        // Where core files go to a program that is not here, none can be written: then only the refusal can be seen.
        let piped = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap().starts_with('|');
        assert!(said.contains("(core dumped)") == dumped || piped && dumped, "{words:?}: {said}");
        assert_eq!(daemon.stop(), 0);
    }
}
