//! One command from its start to its end: found, started, listened to, ended when its time is up.

use super::program::{self, Policy};
use core::time::Duration;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Signal;
use standfast_api::runner::MAX_OUTPUT_BYTES;
use standfast_kernel::async_fd::AsyncFd;
use standfast_kernel::process::script::{Process, Spawn, spawn};
use standfast_model::Ended;
use standfast_model::config::script::Script;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use tracing::{info, warn};

/// How long a process group has between TERM and KILL (keepalived).
const GRACE: Duration = Duration::from_secs(2);

/// How long a killed process may take to go: longer takes only one that the kernel holds, for example on a dead disk.
const LAST_BREATH: Duration = Duration::from_secs(2);

/// How long output is waited for when the command has ended but something that it started still could write.
const LATE_OUTPUT: Duration = Duration::from_millis(50);

/// The program, for messages.
pub(super) fn shown(script: &Script) -> String {
    script.words.first().map(|word| String::from_utf8_lossy(word).into_owned()).unwrap_or_default()
}

/// Starts a script as it stands in the configuration.
///
/// # Errors
///
/// Why it cannot be, in words.
pub(super) fn launch(script: &Script, policy: Policy, output: Option<OwnedFd>) -> Result<Process, String> {
    let (word, rest) = script.words.split_first().ok_or("it has no words")?;
    let mut arguments: Vec<OsString> = rest.iter().map(|word| OsString::from_vec(word.clone())).collect();
    let program = match word.strip_prefix(b"<") {
        // A shell's way to ask whether a file can be opened.
        Some(file) => {
            let shell_words = ["-c", "exec <\"$1\"", "sh"].map(OsString::from);
            arguments = shell_words.into_iter().chain([OsString::from_vec(file.trim_ascii().to_vec())]).collect();
            Path::new("/bin/sh").to_owned()
        }
        None => program::find(word, script.identity, policy)?,
    };
    let identity = script.identity.map(|identity| (identity.uid, identity.gid));
    let process = spawn(Spawn { program: &program, arguments: &arguments, identity, input: None, output })
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if process.by_shell() {
        info!("{} does not say what reads it, so /bin/sh does: add a line #!/bin/sh at its top", program.display());
    }
    Ok(process)
}

/// Runs a script whose end matters. It never takes longer than `deadline` and a few seconds.
pub(super) async fn check(script: &Script, policy: Policy, deadline: Duration) -> (Ended, String) {
    run(deadline, |output| launch(script, policy, Some(output))).await
}

/// As [`check`], for what `start` starts with the pipe it is given as its output.
pub(super) async fn run(deadline: Duration, start: impl FnOnce(OwnedFd) -> Result<Process, String>) -> (Ended, String) {
    let not_run = |why| (Ended::NotRun(why), String::new());
    let (reader, writer) = match pipe_with(PipeFlags::CLOEXEC).map_err(io::Error::from) {
        Ok((reader, writer)) => (AsyncFd::new(reader), writer),
        Err(error) => return not_run(error.to_string()),
    };
    let reader = match reader {
        Ok(reader) => reader,
        Err(error) => return not_run(error.to_string()),
    };
    let mut guarded = match start(writer) {
        Ok(process) => Guarded(Some(process)),
        Err(why) => return not_run(why),
    };
    let mut output = Vec::new();
    let mut in_time = true;
    if let Some(process) = &guarded.0 {
        in_time = tokio::time::timeout(deadline, until_end(process, &reader, &mut output)).await.is_ok();
        if !in_time {
            end_group(process).await;
        }
    }
    let late = tokio::time::timeout(LATE_OUTPUT, read_to_end(&reader, &mut output)).await;
    if late.is_err() && in_time {
        keep_reading(reader);
    }
    let ended = match guarded.0.take().map(|mut process| process.reap()) {
        _ if !in_time => Ended::TimedOut,
        Some(Ok(Some(status))) => match (status.code(), status.signal()) {
            (Some(code), _) => Ended::Exited(code),
            (None, Some(signal)) => Ended::Signalled(signal),
            (None, None) => Ended::NotRun("it ended in no known way".to_owned()),
        },
        Some(Ok(None)) | None => Ended::NotRun("it ended and is still there".to_owned()),
        Some(Err(error)) => Ended::NotRun(format!("its end was not seen: {error}")),
    };
    (ended, text(&output))
}

/// A process whose group is killed when nobody waits for its end any more: the worker that wanted it has died, and its
/// successor starts it anew.
struct Guarded(Option<Process>);

impl Drop for Guarded {
    fn drop(&mut self) {
        let Some(mut process) = self.0.take() else { return };
        process.signal_group(Signal::KILL);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = process.ended().await;
                let _ = process.reap();
            });
        }
    }
}

/// Waits for the end of a process, reading what it writes: what nobody reads would stop it.
async fn until_end(process: &Process, reader: &AsyncFd<OwnedFd>, output: &mut Vec<u8>) {
    tokio::select! {
        biased;
        // An error means that the runtime ends, and all this with it.
        _ = process.ended() => {}
        () = async {
            read_to_end(reader, output).await;
            core::future::pending::<()>().await;
        } => {}
    }
}

async fn read_to_end(reader: &AsyncFd<OwnedFd>, output: &mut Vec<u8>) {
    let mut buffer = [0; 4096];
    loop {
        match reader.try_read(|fd| Ok(rustix::io::read(fd, &mut buffer)?)) {
            Ok(Some(0)) | Err(_) => return,
            Ok(Some(length)) => {
                let room = MAX_OUTPUT_BYTES.saturating_sub(output.len());
                output.extend(buffer.iter().take(length.min(room)));
            }
            Ok(None) => {
                if reader.readable().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Something that the command left running still has our pipe: its last words shall not kill it. Not for ever, or a
/// check that leaves something behind each time would take all our descriptors.
fn keep_reading(reader: AsyncFd<OwnedFd>) {
    tokio::spawn(async move {
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(GRACE, read_to_end(&reader, &mut rest)).await;
    });
}

/// Ends a process and everything in its group.
pub(super) async fn end_group(process: &Process) {
    process.signal_group(Signal::TERM);
    let gone = tokio::time::timeout(GRACE, process.ended()).await.is_ok();
    // Its leader is not reaped yet, so the number still means this group and no other. What ignored the first signal
    // is in it: the kernel signals a group in one go, whatever it forks meanwhile.
    process.signal_group(Signal::KILL);
    if !gone && tokio::time::timeout(LAST_BREATH, process.ended()).await.is_err() {
        warn!("process {} cannot be killed: the kernel holds it", process.pid());
    }
}

fn text(output: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(output).into_owned();
    // What is no UTF-8 grows when it is replaced.
    let end = (0..=MAX_OUTPUT_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end);
    text
}
