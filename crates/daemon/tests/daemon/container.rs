//! The daemon as the first process of a container: a root that cannot be written to, a small `/dev`, a `/run` in memory, no
//! journal, nobody else who would take leave of orphans, and the capabilities of the command in `etc/doc/container.md` and
//! no other.

use crate::machine::{Daemon, Machine, kill, runs, wait_for};
use rustix::process::Signal;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

/// What an image has and what its runtime mounts, made by the shell that becomes the daemon. The programs and libraries are
/// this machine's.
const SETUP: &str = r#"set -e
program=$1 image=/run/test/image
mount --make-rprivate /
mount -t tmpfs none $image
cd $image
mkdir usr etc etc/keepalived dev proc run tmp var
for place in bin sbin lib lib64; do test -e /$place && ln -s usr/$place $place; done
mount --bind /usr usr
mount -o remount,bind,ro usr
touch standfastd dev/null
mount --bind $program standfastd
mount --bind /dev/null dev/null
cp /run/test/keepalived.conf etc/keepalived/
cp /run/test/script /run/test/hangs etc/keepalived/
cp /etc/passwd /etc/group etc/
mount -t proc proc proc
mount -t tmpfs -o size=16m none run
mkdir -m 1777 run/scripts
mount -o remount,ro $image
! touch etc/here 2>/dev/null
exec chroot . setpriv --bounding-set "$2" /standfastd -n -l -D
"#;

/// A child that ends after its parent has: it becomes a child of the first process.
const SCRIPT: &str = "#!/bin/sh\n(sleep 0.2; exit 3) &\necho \"$3 $(id -un)\" >> /run/scripts/told\n";

/// One that has to be killed.
const HANGS: &str = "#!/bin/sh\nexec sleep 1000\n";

const CONF: &str = "
global_defs {
    enable_script_security
    script_user nobody
}
vrrp_script hangs {
    script /etc/keepalived/hangs
    interval 1
    timeout 1
    weight -1
}
vrrp_instance VI_E {
    interface east
    virtual_router_id 51
    version 3
    priority 150
    no_accept
    virtual_ipaddress {
        192.0.2.100/24
    }
    track_script {
        hangs
    }
    notify /etc/keepalived/script
}
";

/// What the daemon was tried with, and the number of each (capability.h).
const CAPABILITIES: [(&str, u32); 6] =
    [("CHOWN", 0), ("KILL", 5), ("SETGID", 6), ("SETUID", 7), ("NET_ADMIN", 12), ("NET_RAW", 13)];

/// The capabilities that the document gives a container: for `setpriv`, and as the kernel shows them.
fn documented() -> (String, u64) {
    let document = include_str!("../../../../etc/doc/container.md");
    let mut set = "-all".to_owned();
    let mut bits = 0;
    for name in document.split("--cap-add ").skip(1).filter_map(|rest| rest.split_whitespace().next()) {
        set.push_str(&format!(",+{}", name.to_lowercase()));
        let (_, bit) = CAPABILITIES.iter().find(|(known, _)| *known == name).expect("the daemon was tried with each");
        bits |= 1 << bit;
    }
    (set, bits)
}

/// A daemon that is process 1 where it is.
struct Container {
    machine: Machine,
    runtime: Daemon,
    /// Its number out here.
    pid: i32,
}

impl Container {
    fn start() -> Self {
        let machine = Machine::with_pair();
        machine.write("keepalived.conf", CONF);
        for (name, text) in [("script", SCRIPT), ("hangs", HANGS)] {
            machine.write(name, text);
            std::fs::set_permissions(machine.path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        std::fs::create_dir(machine.path("image")).unwrap();
        let log = std::fs::File::create(machine.path("stderr")).unwrap();
        let child = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", SETUP, "sh"])
            .args([env!("CARGO_BIN_EXE_standfastd"), &documented().0])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let runtime = Daemon::of(child);
        wait_for("the mastership", || machine.read("stderr").contains("Entering MASTER STATE"));
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", runtime.pid())).unwrap();
        let pid = children.trim().parse().unwrap();
        Self { machine, runtime, pid }
    }

    fn file(&self, path: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/root{path}", self.pid)).unwrap_or_default()
    }

    /// The processes of [`HANGS`].
    fn hanging(&self) -> Vec<String> {
        let processes = std::fs::read_dir(format!("/proc/{}/root/proc", self.pid)).unwrap();
        let names = processes.filter_map(|entry| entry.unwrap().file_name().into_string().ok());
        names.filter(|pid| self.file(&format!("/proc/{pid}/cmdline")) == "sleep\x001000\0").collect()
    }

    /// The states of the children of the first process, as `ps` has them.
    fn children(&self) -> Vec<(i32, char)> {
        let children = self.file(&format!("/proc/{0}/task/{0}/children", 1));
        let state =
            |pid: i32| self.file(&format!("/proc/{pid}/stat")).rsplit(") ").next().and_then(|s| s.chars().next());
        children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .filter_map(|pid| Some((pid, state(pid)?)))
            .collect()
    }
}

fn said_by(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn holds_address() -> bool {
    said_by("ip address show dev east").contains("192.0.2.100")
}

#[test]
fn as_process_1_with_a_read_only_root_it_serves_buries_orphans_and_stops_on_sigterm() {
    let mut container = Container::start();
    assert!(holds_address());
    assert_eq!(container.file("/run/keepalived.pid"), "1\n");
    let bounding = container.file("/proc/1/status");
    let bounding = bounding.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap().trim();
    assert_eq!(u64::from_str_radix(bounding, 16).unwrap(), documented().1);
    wait_for("the script", || container.file("/run/scripts/told").contains("MASTER nobody"));
    wait_for("the packet filter of no_accept", || said_by("nft list ruleset").contains("192.0.2.100"));
    wait_for("a script that hangs", || !container.hanging().is_empty());
    let hanging = container.hanging();
    wait_for("its end", || container.hanging().iter().all(|pid| !hanging.contains(pid)));
    // What the scripts left behind has ended, and nobody is a zombie: runner, vrrp and front are all that is left.
    let settled = |container: &Container| {
        let children = container.children();
        children.len() == 3 && children.iter().all(|(_, state)| *state != 'Z')
    };
    wait_for("the burial of the orphans", || settled(&container));
    // A worker that dies is no orphan: its end is heard by who restarts it.
    let vrrp = container.file("/run/vrrp.pid").trim().to_owned();
    let inside = format!("--target={}", container.pid);
    let killed = Command::new("nsenter").args([&inside, "--pid", "--mount", "kill", "-KILL", &vrrp]).status().unwrap();
    assert!(killed.success());
    wait_for("the successor", || ![vrrp.as_str(), ""].contains(&container.file("/run/vrrp.pid").trim()));
    wait_for("all workers", || settled(&container));
    assert!(holds_address(), "{}", container.machine.read("stderr"));
    // A runtime stops a container by SIGTERM to its first process, which gets no signal that it does not want.
    let pid = container.pid;
    kill(pid, Signal::TERM);
    assert_eq!(container.runtime.end().code(), Some(0), "{}", container.machine.read("stderr"));
    assert!(!runs(pid) && !holds_address());
    let log = container.machine.read("stderr");
    assert!(!log.to_lowercase().contains("read-only"), "{log}");
}
