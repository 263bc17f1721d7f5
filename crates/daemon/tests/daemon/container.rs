//! The daemon as the first process of a container: a root that cannot be written to, a small `/dev`, a `/run` in memory, no
//! journal, nobody else who would take leave of orphans.

use crate::machine::{Daemon, Machine, PAIR, kill, runs, wait_for};
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
cp /run/test/script etc/keepalived/
cp /etc/passwd /etc/group etc/
mount -t proc proc proc
mount -t tmpfs -o size=16m none run
mount -o remount,ro $image
! touch etc/here 2>/dev/null
exec chroot . /standfastd -n -l -D
"#;

/// A child that ends after its parent has: it becomes a child of the first process.
const SCRIPT: &str = "#!/bin/sh\n(sleep 0.2; exit 3) &\necho \"$3\" >> /run/told\n";

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
        let notify = "    notify /etc/keepalived/script\n}\n";
        let conf = format!("global_defs {{\n enable_script_security\n script_user root\n}}\n{PAIR}");
        machine.write("keepalived.conf", &conf.replace("    }\n}\n", &format!("    }}\n{notify}")));
        machine.write("script", SCRIPT);
        std::fs::set_permissions(machine.path("script"), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir(machine.path("image")).unwrap();
        let log = std::fs::File::create(machine.path("stderr")).unwrap();
        let child = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", SETUP, "sh"])
            .arg(env!("CARGO_BIN_EXE_standfastd"))
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

fn holds_address() -> bool {
    let output = Command::new("ip").args(["address", "show", "dev", "east"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().contains("192.0.2.100")
}

#[test]
fn as_process_1_with_a_read_only_root_it_serves_buries_orphans_and_stops_on_sigterm() {
    let mut container = Container::start();
    assert!(holds_address());
    assert_eq!(container.file("/run/keepalived.pid"), "1\n");
    wait_for("the script", || container.file("/run/told").contains("MASTER"));
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
