//! The subcommands that talk to a daemon, with the built daemon in namespaces of its own. Needs root, and standfastd
//! built beside standfast, as a build of the whole workspace has it.

use crate::common::{Files, Ran};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PAIR: &str = "
vrrp_instance VI_E {
    interface east
    virtual_router_id 51
    priority 255
    virtual_ipaddress {
        192.0.2.100/24
    }
}
";

/// The machine of the daemon, made by the shell that becomes it.
const SETUP: &str = "set -e
mount --make-rprivate /
mount -t tmpfs none /run
mount -t tmpfs none /var/lib
ip link set lo up
ip link add east type veth peer name west
ip address add 192.0.2.1/24 dev east
ip link set west up
ip link set east up
exec \"$0\" -n -l -G -f keepalived.conf";

pub(crate) struct Daemon {
    pub(crate) files: Files,
    child: Child,
    pub(crate) socket: PathBuf,
}

impl Daemon {
    pub(crate) fn start() -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_standfast")).with_file_name("standfastd");
        assert!(program.exists(), "{} is not built", program.display());
        let files = Files::new(&[("keepalived.conf", PAIR)]);
        let log = std::fs::File::create(files.directory.join("log")).unwrap();
        let child = Command::new("unshare")
            .args(["--net", "--mount", "sh", "-c", SETUP])
            .arg(program)
            .current_dir(&files.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let socket = PathBuf::from(format!("/proc/{}/root/run/standfast/control", child.id()));
        let daemon = Self { files, child, socket };
        daemon.wait_for("mastership", |daemon| daemon.run(&["status"]).out.contains("MASTER"));
        daemon
    }

    /// What a command prints in the daemon's namespaces.
    pub(crate) fn inside(&self, words: &[&str]) -> String {
        let pid = self.child.id().to_string();
        let nsenter = ["--target", &pid, "--net", "--mount"];
        let output = Command::new("nsenter").args(nsenter).args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        self.files.run(&[words, &["--socket", self.socket.to_str().unwrap()]].concat())
    }

    pub(crate) fn write(&self, text: &str) {
        std::fs::write(self.files.directory.join("keepalived.conf"), text).unwrap();
    }

    pub(crate) fn wait_for(&self, what: &str, so: impl Fn(&Self) -> bool) {
        for _ in 0..400 {
            if so(self) {
                return;
            }
            #[expect(clippy::disallowed_methods, reason = "a test has nothing else to wait on")]
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("waited for {what} in vain: {}", self.files.read("log"));
    }
}

impl Drop for Daemon {
    /// Killed alone, it is missed by its workers, which end in order.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn status_is_a_table_and_a_verdict_and_json() {
    let daemon = Daemon::start();
    let shown = daemon.run(&["status"]);
    assert_eq!(shown.status, 0, "{shown:?}");
    assert!(shown.out.starts_with("OK: 1 MASTER, 0 BACKUP\n"), "{}", shown.out);
    let row = shown.out.lines().find(|line| line.starts_with("VI_E")).unwrap();
    let cells: Vec<&str> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(
        (cells[0], cells[1], &cells[3..]),
        ("VI_E", "MASTER", &["255", "this node", "east", "51", "192.0.2.100/24"][..])
    );
    assert!(shown.out.contains("MASTER from INIT: address owner, priority 255"), "{}", shown.out);
    let json: serde_json::Value = serde_json::from_str(&daemon.run(&["status", "--json"]).out).unwrap();
    assert_eq!(json["vrrp"]["instances"][0]["name"], "VI_E");
    assert_eq!(json["daemon"]["generation"], 1);
    let stats = daemon.run(&["stats"]);
    assert!(stats.out.starts_with("VRRP Instance: VI_E\n  Advertisements:\n    Received: 0\n"), "{stats:?}");
}

#[test]
fn trouble_is_in_the_exit_status_and_in_the_first_line() {
    let daemon = Daemon::start();
    let pid = daemon.child.id().to_string();
    let link = |state: &str| {
        let words = ["--target", &pid, "--net", "ip", "link", "set", "east", state];
        assert!(Command::new("nsenter").args(words).status().unwrap().success());
    };
    link("down");
    daemon.wait_for("the fault", |daemon| daemon.run(&["status"]).status == 2);
    let shown = daemon.run(&["status"]);
    assert!(shown.out.starts_with("CRITICAL: VI_E is in FAULT: "), "{}", shown.out);
    let why = daemon.run(&["why", "VI_E"]);
    let last = why.out.lines().last().unwrap();
    assert!(last.contains("(VI_E) Entering FAULT STATE: ") && last.contains("east"), "{}", why.out);
    link("up");
    daemon.wait_for("the recovery", |daemon| daemon.run(&["status"]).status == 0);
    assert_eq!(daemon.run(&["why", "VI_NONE"]).status, 1);
}

#[test]
fn who_asks_no_daemon_or_a_frozen_one_is_told_so_in_time() {
    let files = Files::new(&[]);
    let ask = |words: &[&str]| files.run(&[words, &["--socket", "socket"]].concat());
    let nobody =
        |why: &str| format!("no daemon answers at socket: {why}; `systemctl status standfast` tells of the service\n");
    let none = ask(&["status"]);
    assert_eq!((none.status, none.out), (2, format!("CRITICAL: {}", nobody("there is no such socket"))));
    // It listens, as the kernel does for a process that is stopped, and says nothing.
    let frozen = UnixListener::bind(files.directory.join("socket")).unwrap();
    let [status, why] = [["status"], ["why"]].map(|words| ask(&words));
    let told = "the daemon gave no answer: not in time\n";
    assert_eq!((status.status, status.out), (3, format!("UNKNOWN: {told}")));
    assert_eq!((why.status, why.err), (1, format!("standfast: {told}")));
    drop(frozen);
    let gone = ask(&["stats"]);
    assert_eq!((gone.status, gone.err), (1, format!("standfast: {}", nobody("nobody listens there any more"))));
}

#[test]
fn a_reload_says_what_came_of_it_by_word_and_status() {
    let daemon = Daemon::start();
    let done = daemon.run(&["reload"]);
    assert_eq!((done.status, done.out.as_str()), (0, "configuration 2 is in force\n"), "{done:?}");
    daemon.write(&format!("no_such_keyword\n{PAIR}"));
    let refused = daemon.run(&["reload"]);
    assert_eq!(refused.status, 1);
    assert!(refused.err.contains("keepalived.conf:1:1"), "{refused:?}");
    let shown = daemon.run(&["status"]);
    assert_eq!(shown.status, 1);
    assert!(shown.out.starts_with("WARNING: last reload was refused"), "{}", shown.out);
    assert_eq!(daemon.run(&["reload", "--force", "--confirm", "60"]).status, 0);
    assert!(daemon.run(&["status"]).out.contains("unless: standfast confirm"));
    assert_eq!(daemon.run(&["confirm"]).status, 0);
    assert_eq!(daemon.run(&["status"]).status, 0);
    let events = daemon.run(&["events", "-n", "500"]);
    assert!(events.out.lines().any(|line| line.contains("Keepalived: Starting standfastd v")), "{}", events.out);
    assert!(events.out.lines().any(|line| line.contains("error Reload refused")), "{}", events.out);
    assert!(events.out.lines().any(|line| line.contains("is confirmed by user 0")), "{}", events.out);
}

#[test]
fn an_upgrade_says_who_took_over_or_why_nobody_did() {
    let daemon = Daemon::start();
    let refused = daemon.run(&["upgrade"]);
    assert_eq!(refused.status, 1, "{refused:?}");
    assert!(refused.err.contains("is the program that runs"), "{refused:?}");
    let done = daemon.run(&["upgrade", "--force"]);
    let release = env!("CARGO_PKG_VERSION");
    assert_eq!((done.status, done.out), (0, format!("upgraded from {release} to {release}\n")), "{}", done.err);
    daemon.wait_for("mastership", |daemon| daemon.run(&["status"]).out.contains("MASTER"));
    daemon.write("vrrp_instance {");
    let refused = daemon.run(&["upgrade", "--force"]);
    assert_eq!(refused.status, 1);
    assert!(refused.err.contains("keepalived.conf:1:1"), "{refused:?}");
}
