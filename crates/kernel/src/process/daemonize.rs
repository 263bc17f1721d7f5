//! Leaving the terminal: fork, new session, fork again, so that no terminal can ever become ours.
//!
//! The process that was started waits until the daemon says it has got as far as its pid files, and then ends with
//! the daemon's word: whoever started it sees a failure as an exit status and finds the pid files when it succeeds.

use rustix::fs::{Mode, OFlags, open};
use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::OwnedFd;

/// The process that waits in the foreground for the daemon's word.
#[derive(Debug)]
pub struct Launcher {
    pipe: OwnedFd,
    keep_output: bool,
}

impl Launcher {
    /// Lets the waiting process end with this status, and gives up the terminal: standard input, output and error
    /// become `/dev/null`, the latter two unless they were to be kept.
    ///
    /// Dropping the launcher instead, or dying, lets it end with 1.
    ///
    /// # Errors
    ///
    /// If there is no `/dev/null`. A launcher that has gone is no error: nobody asks any more.
    pub fn release(self, status: u8) -> io::Result<()> {
        let null = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
        rustix::stdio::dup2_stdin(&null)?;
        if !self.keep_output {
            rustix::stdio::dup2_stdout(&null)?;
            rustix::stdio::dup2_stderr(&null)?;
        }
        // Rust ignores SIGPIPE, so a launcher that was killed is only an error here.
        let _ = File::from(self.pipe).write_all(&[status]);
        Ok(())
    }
}

/// Goes on in a new process without terminal, in the directory `/`. The calling process does not return: it ends when
/// the daemon [releases](Launcher::release) it.
///
/// # Errors
///
/// Those of `pipe`, `fork` and `setsid`, before anything has changed.
///
/// # Panics
///
/// If the process has more than one thread: the others would be missing in the child, which would be our own mistake.
pub fn daemonize(keep_output: bool) -> io::Result<Launcher> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    assert_eq!(threads, 1, "daemonize with more than one thread");
    let (reader, writer) = io::pipe()?;
    if fork()? {
        drop(writer);
        wait_for_word(reader);
    }
    drop(reader);
    rustix::process::setsid()?;
    // Whoever leads a session can acquire a terminal; the next child leads none.
    if fork()? {
        std::process::exit(0);
    }
    rustix::process::chdir("/")?;
    Ok(Launcher { pipe: writer.into(), keep_output })
}

/// Whether we are the parent.
fn fork() -> io::Result<bool> {
    #[expect(unsafe_code, reason = "a fork without exec is what leaving the terminal is")]
    // SAFETY: the process has one thread, so no lock can be held by a thread that the child lacks.
    let outcome = unsafe { nix::unistd::fork() }?;
    Ok(outcome.is_parent())
}

fn wait_for_word(mut reader: PipeReader) -> ! {
    let mut status = [1];
    // An end without a word leaves the 1: the daemon died before it had got anywhere.
    let _ = reader.read(&mut status);
    let [status] = status;
    std::process::exit(i32::from(status));
}
