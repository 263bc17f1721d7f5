//! Stops and continues all processes of a machine, from outside of it. Looks at /proc and sends signals, nothing else.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::clock::{Moment, pause};

/// How long processes may take to stop: one in the middle of a long system call stops after it.
const LIMIT: Duration = Duration::from_secs(10);

/// Stops every process of the process namespace that `first` is the first of. Processes that another one traces are
/// left alone: they are a kernel's programs, and run only when that kernel lets them.
///
/// # Errors
/// One does not stop in time.
pub(crate) fn freeze(first: i32) -> io::Result<()> {
    let deadline = Moment::now().after(LIMIT);
    loop {
        // Again and again, because one may have forked before its turn came.
        let moving: Vec<i32> = members(first)?.into_iter().filter(|pid| is_moving(*pid)).collect();
        if moving.is_empty() {
            return Ok(());
        }
        if deadline.is_past() {
            return Err(io::Error::other(format!("{} processes do not stop", moving.len())));
        }
        send(&moving, Signal::SIGSTOP);
        pause(Duration::from_millis(1));
    }
}

/// Continues what [`freeze`] stopped.
///
/// # Errors
/// There is no such process.
pub(crate) fn thaw(first: i32) -> io::Result<()> {
    send(&members(first)?, Signal::SIGCONT);
    Ok(())
}

fn members(first: i32) -> io::Result<Vec<i32>> {
    let namespace = |pid: &str| fs::read_link(Path::new("/proc").join(pid).join("ns/pid"));
    let wanted = namespace(&first.to_string())?;
    let mut members = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        if let Some(name) = name.to_str()
            && let Ok(pid) = name.parse::<i32>()
            && namespace(name).is_ok_and(|found| found == wanted)
            && field(pid, "TracerPid").is_some_and(|tracer| tracer == "0")
        {
            members.push(pid);
        }
    }
    Ok(members)
}

/// Whether a process is neither stopped nor dead.
fn is_moving(pid: i32) -> bool {
    field(pid, "State").is_some_and(|state| !state.starts_with(['T', 't', 'Z', 'X']))
}

fn field(pid: i32, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()))
}

fn send(pids: &[i32], signal: Signal) {
    for pid in pids {
        // One that has ended meanwhile needs no signal.
        let _ = kill(Pid::from_raw(*pid), signal);
    }
}
