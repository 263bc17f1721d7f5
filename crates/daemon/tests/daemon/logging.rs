//! What arrives in the journal, in syslog and on the console; and that none of them can hold the daemon up.

use crate::machine::{Journal, Machine, PAIR, pid_in, run, wait_for};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};

#[test]
fn a_transition_arrives_in_the_journal_with_its_fields() {
    let machine = Machine::with_pair();
    let mut journal = Journal::listen();
    let daemon = machine.start_in_background(&[]);
    let entry = journal.wait_for("(VI_E) Entering MASTER STATE");
    let worker = pid_in("/run/vrrp.pid").unwrap();
    for (field, value) in [
        ("SYSLOG_IDENTIFIER", "Keepalived_vrrp"),
        ("SYSLOG_FACILITY", "3"),
        ("SYSLOG_PID", &worker.to_string()),
        ("PRIORITY", "6"),
        ("VRRP_INSTANCE", "VI_E"),
        ("INTERFACE", "east"),
        ("FROM_STATE", "BACKUP"),
        ("TO_STATE", "MASTER"),
    ] {
        assert_eq!(entry.get(field).map(String::as_str), Some(value), "{field} of {entry:?}");
    }
    assert_eq!(entry["MESSAGE"], format!("(VI_E) Entering MASTER STATE: {}", entry["CAUSE"]));
    assert!(entry["CAUSE"].starts_with("no advertisement for "), "{entry:?}");
    let begin = journal.wait_for("Startup complete");
    assert_eq!(begin["SYSLOG_IDENTIFIER"], "Keepalived");
    assert_eq!(begin["SYSLOG_PID"], daemon.to_string(), "the number of the process that left the terminal");
    machine.stop_in_background(daemon);
    journal.read();
    let secret = journal.entries.iter().any(|entry| entry.values().any(|value| value.contains("s3cr3tpw")));
    assert!(!secret, "the password is in the journal");
}

#[test]
fn the_journal_of_systemd_itself_finds_a_transition_by_its_fields() {
    let machine = Machine::with_pair();
    let mut journald = RealJournald::start();
    let daemon = machine.start_in_background(&[]);
    let mut found = String::new();
    wait_for("the transition in journalctl", || {
        let fields = [
            "VRRP_INSTANCE=VI_E",
            "TO_STATE=MASTER",
            "STANDFAST_EVENT=vrrp-master",
            "MESSAGE_ID=47eaa0992cb6916d86dc283cf0480ff9",
        ];
        let query = ["-D", "/run/log/journal", "-q", "-o", "cat", "-t", "Keepalived_vrrp"].into_iter().chain(fields);
        let output = Command::new("journalctl").args(query).output().unwrap();
        found = String::from_utf8(output.stdout).unwrap();
        !found.is_empty()
    });
    machine.stop_in_background(daemon);
    journald.stop();
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.len(), 1, "{found}");
    assert!(lines[0].starts_with("(VI_E) Entering MASTER STATE: no advertisement for "), "{found}");
}

/// systemd's own, alone in the machine's `/run`.
struct RealJournald(Child);

impl RealJournald {
    fn start() -> Self {
        // It keeps to itself: neither the disk nor the kernel's own messages are its business here.
        std::fs::create_dir_all("/run/systemd/journald.conf.d").unwrap();
        let alone = "[Journal]\nStorage=volatile\nAudit=no\nReadKMsg=no\nForwardToWall=no\n";
        std::fs::write("/run/systemd/journald.conf.d/alone.conf", alone).unwrap();
        let child = Command::new("/lib/systemd/systemd-journald").stdin(Stdio::null()).spawn().unwrap();
        wait_for("journald", || Path::new("/run/systemd/journal/socket").exists());
        Self(child)
    }

    fn stop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for RealJournald {
    fn drop(&mut self) {
        self.stop();
    }
}

#[test]
fn a_dumped_configuration_shows_what_was_understood_and_no_password() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&["-d"]);
    let said = machine.read("stderr");
    assert!(said.contains("192.0.2.100/24"), "{said}");
    assert!(!said.contains("s3cr3tpw"), "the password is on the log");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_log_file_has_the_lines_of_every_process_and_outlives_the_terminal() {
    let machine = Machine::with_pair();
    machine.write("log", "what was there before\n");
    let daemon = machine.start_in_background(&["-g/run/test/log", "--flush-log-file", "-G"]);
    let logged = || machine.read("log");
    wait_for("a master", || logged().contains("(VI_E) Entering MASTER STATE"));
    let log = logged();
    assert!(log.starts_with("what was there before\n"), "{log}");
    for identifier in [" Keepalived[", " Keepalived_vrrp["] {
        assert!(log.contains(identifier), "no line of{identifier}: {log}");
    }
    let terminal = std::fs::read_link(format!("/proc/{daemon}/fd/1")).unwrap();
    assert_eq!(terminal, Path::new("/run/test/log"), "a daemon keeps no terminal");
    machine.stop_in_background(daemon);
    assert!(logged().contains("Stopped standfastd"), "{}", logged());
    // Nobody is led elsewhere by a link.
    std::os::unix::fs::symlink("/run/test/log", "/run/test/link").unwrap();
    assert_eq!(machine.status(&["-n", "-g/run/test/link"]), 1);
    assert!(machine.read("stderr").contains("cannot log to /run/test/link"), "{}", machine.read("stderr"));
}

#[test]
fn a_core_pattern_is_the_kernel_s_while_the_daemon_runs() {
    let machine = Machine::with_pair();
    // The kernel's own is every machine's: this one sees a file in its place.
    let kernel = "/proc/sys/kernel/core_pattern";
    machine.write("pattern", "|/usr/lib/handler %p\n");
    run(&format!("mount --bind /run/test/pattern {kernel}"));
    let mut daemon = machine.start(&["-M/var/core.%p"]);
    assert_eq!(machine.read("pattern"), "/var/core.%p");
    assert_eq!(daemon.stop(), 0);
    assert_eq!(machine.read("pattern"), "|/usr/lib/handler %p\n");
}

#[test]
fn the_facility_and_the_detail_are_those_of_the_command_line() {
    let machine = Machine::with_pair();
    let mut journal = Journal::listen();
    let daemon = machine.start_in_background(&["-S", "local3", "--perf"]);
    let entry = journal.wait_for("option --perf is for keepalived's own processes and does nothing");
    assert_eq!((entry["SYSLOG_FACILITY"].as_str(), entry["PRIORITY"].as_str()), ("19", "4"));
    let worker = journal.wait_for("Starting vrrp worker");
    assert_eq!(worker["SYSLOG_FACILITY"], "19");
    machine.stop_in_background(daemon);
}

#[test]
fn without_journald_the_lines_go_to_syslog() {
    let machine = Machine::with_pair();
    let syslog = UnixDatagram::bind("/dev/log").unwrap();
    syslog.set_nonblocking(true).unwrap();
    let daemon = machine.start_in_background(&[]);
    let mut lines = Vec::new();
    let mut buffer = [0; 65536];
    wait_for("a transition in syslog", || {
        while let Ok(length) = syslog.recv(&mut buffer) {
            lines.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        lines.iter().any(|line| line.contains("Entering MASTER STATE"))
    });
    let worker = pid_in("/run/vrrp.pid").unwrap();
    machine.stop_in_background(daemon);
    assert!(lines.contains(&format!("<30>Keepalived[{daemon}]: Startup complete")), "{lines:?}");
    assert!(lines.contains(&format!("<30>Keepalived_vrrp[{worker}]: Starting vrrp worker, pid {worker}")), "{lines:?}");
    assert_eq!(machine.read("stderr"), "");
}

#[test]
fn with_l_the_console_has_every_process_s_lines_in_one_piece() {
    let machine = Machine::with_pair();
    let mut journal = Journal::listen();
    let mut daemon = machine.start(&["-l"]);
    journal.wait_for("Startup complete");
    assert_eq!(daemon.stop(), 0);
    let said = machine.read("stderr");
    assert!(said.contains("Keepalived_vrrp[") && said.contains("Keepalived["), "{said}");
    for line in said.lines() {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        assert!(words[0].starts_with("20") && words[0].ends_with('Z') && words[1].ends_with("]:"), "{line}");
    }
}

#[test]
fn with_g_nothing_is_logged_anywhere() {
    let machine = Machine::with_pair();
    let mut journal = Journal::listen();
    let daemon = machine.start_in_background(&["-G"]);
    machine.stop_in_background(daemon);
    journal.read();
    assert!(journal.entries.is_empty(), "{:?}", journal.entries);
    assert_eq!(machine.read("stderr"), "");
}

#[test]
fn a_journal_that_nobody_reads_holds_nothing_up_and_the_loss_is_told() {
    let machine = Machine::with_pair();
    // Thousands of lines at the start: more than any queue of a datagram socket takes.
    let mut text = String::new();
    for vrid in 1..=200 {
        text.push_str(
            &PAIR
                .replace("VI_E", &format!("VI_{vrid}"))
                .replace(" 51", &format!(" {vrid}"))
                .replace("192.0.2.100", &format!("192.0.3.{vrid}")),
        );
    }
    machine.write("keepalived.conf", &text);
    let mut journal = Journal::listen();
    let daemon = machine.start_in_background(&["-d"]);
    let worker = pid_in("/run/vrrp.pid").unwrap();
    wait_for("a master", || {
        let output = Command::new("ip").args(["address", "show", "dev", "east"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().contains("192.0.3.200/24")
    });
    assert!(crate::machine::runs(worker));
    journal.read();
    let read = journal.entries.len();
    crate::machine::kill(daemon, rustix::process::Signal::TERM);
    let told = journal.wait_for("log lines before this one were lost");
    assert!(told["LOST"].parse::<u64>().unwrap() > 0);
    machine.take_leave_of(daemon);
    assert!(read < 5000, "{read} lines fitted: nothing was proven");
}
