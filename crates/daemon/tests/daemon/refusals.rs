//! What ends before it has begun: tests of a configuration, wrong words, other daemons, missing rights.

use crate::machine::{Machine, PAIR, pid_in, wait_for};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// As printed in a document once: a brace too many in line 2.
const SURPLUS_BRACE: &str = "vrrp_instance VI_E {\n}\n}\n";

#[test]
fn the_samples_pass_the_test_and_the_misprint_does_not() {
    let machine = Machine::new();
    crate::machine::run("ip link add east type veth peer name west");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../etc/examples");
    for (name, status) in [("master", 0), ("standby", 0), ("master-as-printed", 5)] {
        let text = std::fs::read_to_string(examples.join(format!("{name}.conf"))).unwrap();
        // The samples name interfaces of their own machines.
        machine.write("keepalived.conf", &format!("global_defs {{\n dynamic_interfaces\n}}\n{text}"));
        std::fs::write(machine.path("stderr"), "").unwrap();
        assert_eq!(machine.status(&["-t"]), status, "{name}: {}", machine.read("stderr"));
        let errors = machine.read("stderr").lines().filter(|line| line.starts_with("error[")).count();
        assert_eq!(errors, if status == 0 { 0 } else { 2 }, "{name}: {}", machine.read("stderr"));
    }
}

#[test]
fn a_mistake_is_shown_with_its_line_on_standard_error() {
    let machine = Machine::new();
    machine.write("keepalived.conf", SURPLUS_BRACE);
    assert_eq!(machine.status(&["-t"]), 5);
    let report = machine.read("stderr");
    assert!(report.contains("/run/test/keepalived.conf:3:1"), "{report}");
    assert!(report.contains("3 | }"), "{report}");
}

#[test]
fn the_report_is_added_to_the_named_file_and_never_through_a_link() {
    let machine = Machine::new();
    machine.write("keepalived.conf", SURPLUS_BRACE);
    machine.write("report", "before\n");
    for times in 1..=2 {
        assert_eq!(machine.status(&["-treport"]), 5);
        let report = machine.read("report");
        assert!(report.starts_with("before\n"), "{report}");
        assert_eq!(report.matches("keepalived.conf:3:1").count(), times, "{report}");
    }
    assert_eq!(machine.read("stderr"), "");
    assert_eq!(machine.status(&["--config-test=new"]), 5);
    let mode = std::fs::metadata(machine.path("new")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::os::unix::fs::symlink(machine.path("report"), machine.path("link")).unwrap();
    let before = machine.read("report");
    assert_eq!(machine.status(&["-tlink"]), 1);
    assert_eq!(machine.read("report"), before);
}

#[test]
fn exit_statuses_of_refused_starts_are_those_of_keepalived() {
    let machine = Machine::new();
    for (words, status) in [
        (&["-n", "-f", "/run/test/nothing"][..], 6),
        (&["-f", "/run/test/nothing"], 6),
        (&["-t", "-f", "/run/test/nothing"], 4),
        (&["--no-such-option"], 1),
        (&["-f"], 1),
        (&["-T"], 1),
        (&["--signum=NONSENSE"], 1),
        (&["-n", "-s", "no-such-namespace"], 1),
        (&["--signum=STOP"], 0),
        (&["-v"], 0),
        (&["-h"], 0),
    ] {
        assert_eq!(machine.status(words), status, "{words:?}: {}", machine.read("stderr"));
    }
    machine.write("keepalived.conf", SURPLUS_BRACE);
    for words in [&["-n"][..], &[]] {
        assert_eq!(machine.status(words), 2, "{words:?}");
    }
    assert_eq!(pid_in("/run/keepalived.pid"), None, "a refused start leaves a pid file");
    assert!(!Path::new("/run/keepalived.pid").exists());
}

#[test]
fn a_refused_configuration_is_shown_and_logged() {
    let machine = Machine::new();
    let mut journal = crate::machine::Journal::listen();
    machine.write("keepalived.conf", SURPLUS_BRACE);
    assert_eq!(machine.status(&[]), 2);
    assert!(machine.read("stderr").contains("3 | }"), "{}", machine.read("stderr"));
    let entry = journal.wait_for("keepalived.conf:3:1: error[K");
    assert_eq!(entry["PRIORITY"], "3");
    assert_eq!(entry["SYSLOG_IDENTIFIER"], "Keepalived");
}

#[test]
fn a_second_daemon_is_refused_and_leaves_the_first_alone() {
    let machine = Machine::with_pair();
    let mut first = machine.start(&[]);
    let pids = (pid_in("/run/keepalived.pid"), pid_in("/run/vrrp.pid"));
    for words in [&["-n"][..], &[]] {
        // keepalived ends with 0 here, and unit files count on it.
        assert_eq!(machine.status(words), 0);
    }
    let said = format!("/run/keepalived.pid: already running as process {}", first.pid());
    assert_eq!(machine.read("stderr").matches(&format!("standfastd: daemon is already running: {said}")).count(), 2);
    assert_eq!((pid_in("/run/keepalived.pid"), pid_in("/run/vrrp.pid")), pids);
    assert!(first.is_running());
    assert_eq!(first.stop(), 0);
}

#[test]
fn a_daemon_that_shares_only_a_worker_s_pid_file_is_refused_and_leaves_nothing() {
    let machine = Machine::with_pair();
    let mut first = machine.start(&[]);
    assert_eq!(machine.status(&["-n", "-p", "/run/other.pid"]), 0);
    assert!(machine.read("stderr").contains("/run/vrrp.pid: already running"), "{}", machine.read("stderr"));
    assert!(!Path::new("/run/other.pid").exists());
    assert!(first.is_running());
}

#[test]
fn a_keepalived_that_does_not_lock_its_file_is_seen_all_the_same() {
    let machine = Machine::with_pair();
    // A program that waits, under the name of the other.
    let mut other = Command::new(machine.copy("/bin/sleep", "keepalived")).arg("60").spawn().unwrap();
    let name = format!("/proc/{}/comm", other.id());
    wait_for("its name", || std::fs::read_to_string(&name).unwrap() == "keepalived\n");
    let text = format!("{}\n", other.id());
    std::fs::write("/run/keepalived.pid", &text).unwrap();
    let status = machine.status(&["-n"]);
    let left = std::fs::read_to_string("/run/keepalived.pid").unwrap();
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(status, 0);
    assert!(machine.read("stderr").contains("keepalived is running as process"), "{}", machine.read("stderr"));
    assert_eq!(left, text, "the file of the other was touched");
    // The file of a dead one is taken over.
    let mut daemon = machine.start(&[]);
    assert_eq!(pid_in("/run/keepalived.pid"), Some(daemon.pid()));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_pid_file_that_is_a_link_is_refused() {
    let machine = Machine::with_pair();
    machine.write("precious", "data");
    std::os::unix::fs::symlink(machine.path("precious"), "/run/keepalived.pid").unwrap();
    assert_eq!(machine.status(&["-n"]), 1);
    assert_eq!(machine.read("precious"), "data");
    assert!(machine.read("stderr").contains("/run/keepalived.pid: not a regular file"), "{}", machine.read("stderr"));
}

#[test]
fn without_the_capabilities_the_status_is_four_and_says_which() {
    let machine = Machine::with_pair();
    // Where this user can read it.
    let program = machine.copy(env!("CARGO_BIN_EXE_standfastd"), "standfastd");
    std::fs::set_permissions(&machine.directory, std::fs::Permissions::from_mode(0o777)).unwrap();
    machine.write("keepalived.conf", PAIR);
    let mut command = machine.command_of(&program, &["-n"]);
    let status = command.uid(65534).gid(65534).status().unwrap();
    assert_eq!(status.code(), Some(4), "{}", machine.read("stderr"));
    let said = machine.read("stderr");
    assert!(said.contains("CAP_NET_ADMIN and CAP_NET_RAW needed: run as root"), "{said}");
}

#[test]
fn a_worker_cannot_be_started_by_hand() {
    let machine = Machine::new();
    for (word, said) in [
        ("--worker=vrrp", "standard input is no channel to a supervisor"),
        ("--worker=nonsense", "unknown worker \"nonsense\""),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_standfastd")).arg(word).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(said), "{text}");
    }
    drop(machine);
}

/// A filter by which the kernel answers one system call as one that has never heard of it (`struct sock_filter`s).
fn without(call: libc::c_long) -> [libc::sock_filter; 4] {
    let step = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
    let number = u32::try_from(call).unwrap();
    [
        // Load the number of the call; if it is this one, fail with ENOSYS; else let it pass.
        step(0x20, 0, 0),
        step(0x15, 1, number),
        step(0x06, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned()),
        step(0x06, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

#[test]
fn on_a_kernel_that_is_too_old_it_says_what_is_missing_and_which_one_to_use() {
    let machine = Machine::with_pair();
    for (call, what) in [
        (libc::SYS_pidfd_open, "this kernel lacks pidfd_open (Linux 5.3), by which scripts are waited for"),
        (libc::SYS_memfd_create, "this kernel lacks sealed memory files (Linux 3.17)"),
    ] {
        let mut filter = without(call);
        let forget = move || {
            let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
            #[expect(unsafe_code, reason = "a process can only be filtered from inside")]
            // SAFETY: the kernel reads the four instructions, which this closure owns, and writes nothing.
            let outcome =
                unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
            if outcome == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        };
        std::fs::write(machine.path("stderr"), "").unwrap();
        let mut command = machine.command(&["-n"]);
        #[expect(unsafe_code, reason = "between fork and exec")]
        // SAFETY: one system call; nothing is allocated and no lock is taken.
        unsafe {
            command.pre_exec(forget)
        };
        assert_eq!(command.status().unwrap().code(), Some(1), "{what}");
        let said = machine.read("stderr");
        assert!(said.contains(&format!("standfastd: {what}")), "{said}");
        assert!(said.contains("; Linux 5.3 or later is needed"), "{said}");
        assert!(!Path::new("/run/keepalived.pid").exists(), "nothing was begun");
    }
    // A test of a configuration needs none of that.
    assert_eq!(machine.status(&["-t"]), 0);
}
