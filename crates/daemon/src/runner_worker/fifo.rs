//! One notify FIFO: made, opened, written to without ever waiting, and its reader script.
//!
//! Lines keep their order. While nobody reads, the pipe fills; then lines wait here, of each subject's states only the
//! latest, so that a reader that comes late or reads slowly learns how things are. A reader script that ends is started
//! again and told the state of everything; keepalived leaves it dead.

use super::job;
use super::program::Policy;
use core::time::Duration;
use rustix::fs::{CWD, FileType, Gid, Mode, OFlags, Uid, fchown, fstat, mknodat, open, stat, unlink};
use rustix::process::Signal;
use standfast_api::runner::Line;
use standfast_kernel::async_fd::AsyncFd;
use standfast_kernel::process::script::Process;
use standfast_model::config::script::{Fifo as Config, Script};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use tokio::sync::mpsc;
use tracing::{error, info, warn};

/// Lines that may wait, of events that are no states. Of more the oldest are dropped.
const WAITING_EVENTS: usize = 4096;

/// A longer write need not be atomic (`PIPE_BUF`); no line of ours is.
const LONGEST_LINE: usize = 4096;

/// The pause before a reader script is started again, doubled for each that ends at once.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// A line and whom it is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ToFifo {
    pub(super) subject: String,
    pub(super) line: Line,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Fifo {
    config: Config,
    policy: Policy,
    pipe: AsyncFd<OwnedFd>,
    made: bool,
    waiting: VecDeque<ToFifo>,
    /// The latest state of every subject, in the order in which they came about.
    states: Vec<ToFifo>,
    reader: Option<Process>,
    pause: Duration,
}

impl Fifo {
    /// Opens it, made before if there was none, and starts its reader script.
    pub(super) fn open(config: Config, policy: Policy) -> io::Result<Self> {
        let (pipe, made) = open_pipe(&config)?;
        let pipe = AsyncFd::new(pipe)?;
        let (waiting, states) = (VecDeque::new(), Vec::new());
        let mut fifo = Self { config, policy, pipe, made, waiting, states, reader: None, pause: PAUSES.0 };
        fifo.start_reader();
        Ok(fifo)
    }

    fn start_reader(&mut self) {
        let Some(reader) = &self.config.reader else { return };
        let mut words = reader.words.clone();
        words.push(self.config.path.clone().into_bytes());
        match job::launch(&Script { words, identity: reader.identity }, self.policy, None) {
            Ok(process) => self.reader = Some(process),
            Err(why) => error!("the reader of {} cannot be run: {why}", self.config.path),
        }
    }

    /// Writes what comes until nothing more can come, then ends the reader and takes the FIFO away if it was made here.
    pub(super) async fn serve(mut self, mut lines: mpsc::UnboundedReceiver<ToFifo>) {
        loop {
            let restart = self.config.reader.is_some() && self.reader.is_none();
            tokio::select! {
                line = lines.recv() => match line {
                    Some(line) => self.take(line),
                    None => break,
                },
                _ = self.pipe.writable(), if !self.waiting.is_empty() => self.flush(),
                () = ended(self.reader.as_ref()) => self.reader_ended(),
                () = tokio::time::sleep(self.pause), if restart => self.restart_reader(),
            }
        }
        self.flush();
        self.close();
    }

    fn take(&mut self, new: ToFifo) {
        if new.line.text.len() >= LONGEST_LINE || new.line.text.contains('\n') {
            warn!("a line about {} is not written to {}: it is no line", new.subject, self.config.path);
            return;
        }
        let same = |old: &ToFifo| old.line.state && old.subject == new.subject;
        if new.line.state {
            self.states.retain(|old| !same(old));
            self.states.push(new.clone());
            self.waiting.retain(|old| !same(old));
        }
        self.waiting.push_back(new);
        let events = self.waiting.iter().filter(|waiting| !waiting.line.state).count();
        if events > WAITING_EVENTS
            && let Some(oldest) = self.waiting.iter().position(|waiting| !waiting.line.state)
        {
            self.waiting.remove(oldest);
        }
        self.flush();
    }

    fn flush(&mut self) {
        while let Some(first) = self.waiting.front() {
            let line = format!("{}\n", first.line.text);
            match self.pipe.try_write(|fd| Ok(rustix::io::write(fd, line.as_bytes())?)) {
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(error) => warn!("cannot write to {}: {error}", self.config.path),
            }
            self.waiting.pop_front();
        }
    }

    fn reader_ended(&mut self) {
        let Some(mut reader) = self.reader.take() else { return };
        let how = reader.reap().ok().flatten().map_or_else(|| "ended".to_owned(), |status| format!("ended: {status}"));
        warn!("the reader of {} {how}; started again in {} s", self.config.path, self.pause.as_secs());
    }

    /// The new reader knows nothing of what the last one was told.
    fn restart_reader(&mut self) {
        self.pause = (self.pause * 2).min(PAUSES.1);
        self.start_reader();
        for state in &self.states {
            if !self.waiting.contains(state) {
                self.waiting.push_back(state.clone());
            }
        }
        self.flush();
    }

    fn close(&mut self) {
        if let Some(reader) = &self.reader {
            reader.signal_group(Signal::TERM);
        }
        if !self.made {
            return;
        }
        let ours = fstat(self.pipe.get_ref()).map(|s| (s.st_dev, s.st_ino));
        if stat(self.config.path.as_str()).map(|s| (s.st_dev, s.st_ino)) == ours
            && let Err(error) = unlink(self.config.path.as_str())
        {
            info!("cannot remove {}: {error}", self.config.path);
        }
    }
}

/// Waits for ever where there is no process.
async fn ended(process: Option<&Process>) {
    match process {
        // An error means that the runtime ends, and all this with it.
        Some(process) => drop(process.ended().await),
        None => core::future::pending().await,
    }
}

/// The FIFO, and whether it was made here. What is no FIFO, or somebody else's, is not used.
fn open_pipe(config: &Config) -> io::Result<(OwnedFd, bool)> {
    let path = config.path.as_str();
    let made = match mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0) {
        Ok(()) => true,
        Err(rustix::io::Errno::EXIST) => false,
        Err(error) => return Err(error.into()),
    };
    // Opened for reading as well, a FIFO without reader takes lines and breaks nothing.
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let pipe = open(path, flags, Mode::empty())?;
    let found = fstat(&pipe)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::Fifo {
        return Err(io::Error::other("it is there and no FIFO"));
    }
    let own = rustix::process::geteuid().as_raw();
    match config.owner {
        Some(owner) if made => fchown(&pipe, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)))?,
        _ if found.st_uid == own || config.owner.is_some_and(|owner| owner.uid == found.st_uid) => {}
        _ => return Err(io::Error::other(format!("it belongs to user {}", found.st_uid))),
    }
    Ok((pipe, made))
}
