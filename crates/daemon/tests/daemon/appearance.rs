//! What administrators, monitoring and old scripts see of a daemon: its pid files, its lines in syslog, the numbers of its
//! signals, its exit statuses. Beside keepalived, on the same machine, one after the other.

use crate::machine::{Machine, kill, pid_in, run, runs, wait_for};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

const KEEPALIVED: &str = "/usr/sbin/keepalived";
const OURS: &str = env!("CARGO_BIN_EXE_standfastd");

/// What one daemon shows of itself while an interface comes and goes.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// What the command that starts it in the background ends with.
    started: i32,
    /// The pid files by name: the permissions, and whether the process of that number runs.
    pid_files: BTreeMap<String, (u32, bool)>,
    /// Whether a second one is refused, and with which status.
    second: Option<i32>,
    /// What is left of the pid files at the end.
    left: Vec<String>,
}

/// A line of syslog: priority and facility, who, and what.
type Line = (String, String, String);

fn pid_files() -> BTreeMap<String, (u32, bool)> {
    let files = std::fs::read_dir("/run").unwrap().map(Result::unwrap);
    let pid_files = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "pid"));
    pid_files
        .map(|file| {
            let pid = pid_in(file.path().to_str().unwrap());
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            (file.file_name().to_string_lossy().into_owned(), (mode, pid.is_some_and(runs)))
        })
        .collect()
}

/// Adds what has come. The stamp that `syslog(3)` writes into a line is left out, as syslog daemons do.
fn hear(syslog: &UnixDatagram, lines: &mut Vec<Line>) {
    let mut buffer = [0; 65536];
    while let Ok(length) = syslog.recv(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let (priority, rest) = text.split_once('>').unwrap();
        let from = rest.find("Keepalived").unwrap_or(0);
        let (who, what) = rest[from..].split_once(": ").unwrap();
        let who = who.split('[').next().unwrap();
        lines.push((priority.trim_start_matches('<').to_owned(), who.to_owned(), what.trim_end().to_owned()));
    }
}

fn story(machine: &Machine, program: &str) -> (Seen, Vec<Line>) {
    let _ = std::fs::remove_file("/dev/log");
    let syslog = UnixDatagram::bind("/dev/log").unwrap();
    syslog.set_nonblocking(true).unwrap();
    let mut lines = Vec::new();
    let end = |words: &[&str]| machine.command_of(Path::new(program), words).status().unwrap().code();
    let started = end(&[]).unwrap();
    wait_for("the pid file", || pid_in("/run/keepalived.pid").is_some());
    let daemon = pid_in("/run/keepalived.pid").unwrap();
    let mut until = |text: &str, count: usize| {
        wait_for(text, || {
            hear(&syslog, &mut lines);
            lines.iter().filter(|(_, _, what)| what.contains(text)).count() >= count
        });
    };
    until("Entering MASTER STATE", 1);
    let pid_files_at_work = pid_files();
    let second = end(&["-n"]);
    run("ip link set west down");
    until("Entering FAULT STATE", 1);
    run("ip link set west up");
    until("Entering MASTER STATE", 2);
    kill(daemon, Signal::TERM);
    machine.take_leave_of(daemon);
    hear(&syslog, &mut lines);
    let left = pid_files().into_keys().collect();
    (Seen { started, pid_files: pid_files_at_work, second, left }, lines)
}

/// The lines that say which state an instance enters; the last one, STOP, keepalived does not say.
fn states(lines: &[Line]) -> Vec<&Line> {
    let entering = |(_, _, what): &&Line| what.starts_with("(VI_E) Entering ") && !what.contains("STOP STATE");
    lines.iter().filter(entering).collect()
}

#[test]
fn pid_files_exit_statuses_and_lines_of_syslog_are_those_of_keepalived() {
    if !Path::new(KEEPALIVED).exists() {
        eprintln!("not compared: there is no {KEEPALIVED}");
        return;
    }
    let machine = Machine::with_pair();
    let (theirs, their_lines) = story(&machine, KEEPALIVED);
    let (ours, our_lines) = story(&machine, OURS);
    assert_eq!(ours, theirs);
    assert_eq!(ours.pid_files.len(), 2, "of the daemon and of its worker: {ours:?}");
    let (states_of_ours, states_of_theirs) = (states(&our_lines), states(&their_lines));
    assert_eq!(states_of_ours.len(), states_of_theirs.len(), "{our_lines:#?}\n{their_lines:#?}");
    for (ours, theirs) in states_of_ours.iter().zip(&states_of_theirs) {
        // Behind keepalived's words ours give the reason, and a fault is a warning (facility daemon, 3; info 6, warning 4).
        let priority = if ours.2.contains("FAULT") { "28" } else { &theirs.0 };
        assert_eq!((ours.0.as_str(), &ours.1), (priority, &theirs.1), "{ours:?} {theirs:?}");
        assert!(ours.2.starts_with(&theirs.2), "{ours:?} {theirs:?}");
    }
    for words in ["Starting ", "Stopped "] {
        let says = |lines: &[Line]| lines.iter().any(|(_, who, what)| who == "Keepalived" && what.starts_with(words));
        assert!(says(&our_lines) && says(&their_lines), "{words}: {our_lines:#?}\n{their_lines:#?}");
    }
}

#[test]
fn the_numbers_of_signals_are_those_of_keepalived() {
    if !Path::new(KEEPALIVED).exists() {
        eprintln!("not compared: there is no {KEEPALIVED}");
        return;
    }
    for name in ["STOP", "RELOAD", "DATA", "STATS", "STATS_CLEAR", "JSON", "NONSENSE"] {
        let of = |program: &str| {
            let output = Command::new(program).arg(format!("--signum={name}")).output().unwrap();
            (output.status.code(), String::from_utf8(output.stdout).unwrap().trim().to_owned())
        };
        assert_eq!(of(OURS), of(KEEPALIVED), "{name}");
    }
}
