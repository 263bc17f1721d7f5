//! What a daemon hands to the program that takes its place in the same process (`standfast upgrade`), and how that takes
//! it over.
//!
//! The old program leaves a channel in standard input. In it are what the new one cannot know (a memory file in JSON,
//! which another release can read) and the workers that still do their work: their numbers, the channels that keep them
//! from missing their supervisor, and the files and sockets that they share with it. Nothing here judges whether the
//! new program will do; see [`judge`].

pub mod judge;

use crate::command_line::{Options, PidFiles};
use core::time::Duration;
use rustix::event::{Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde::{Deserialize, Serialize};
use standfast_api::{Generation, WorkerKind};
use standfast_kernel::channel::{self, Incoming, ReceiveError, SendError};
use standfast_kernel::memfd::{self, Label, MemfdError};
use standfast_kernel::process::binary::has_predecessor;
use standfast_kernel::timer::boottime;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

/// The form of what is handed over. A program that says another number when it is asked is not taken as a successor.
pub const VERSION: u32 = 1;

const LABEL: Label = Label { kind: 8, version: VERSION };

/// How long a killed worker may take to be gone: the kernel takes back its memory and sockets meanwhile.
const DYING: Duration = Duration::from_secs(2);

/// How long a worker that the new configuration does not need may take to leave in order.
const LEAVING: Duration = Duration::from_secs(5);

/// How often it is looked whether a process has gone.
const LOOK_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// What the new program cannot know.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Legacy {
    /// The release that ran before.
    pub version: String,
    /// The configuration by its absolute path: the daemon may have left the directory of its start.
    pub configuration: PathBuf,
    /// The pid files of the daemon, `vrrp`, `check` and `bfd`, likewise.
    pub pid_files: [Option<PathBuf>; 4],
    /// How much is said in the log.
    pub log_detail: u8,
    /// The edition of the configuration.
    pub generation: u32,
    /// This node is master of nothing. It is in a file as well, unless that could not be written.
    pub maintenance: bool,
    /// What is known of BFD sessions: name, whether it is up, who is told by the names of workers.
    pub bfd: Vec<(String, bool, Vec<String>)>,
    /// Workers by their names, in the order of the messages that follow.
    pub workers: Vec<Heir>,
}

impl Default for Legacy {
    fn default() -> Self {
        Self {
            version: String::new(),
            configuration: PathBuf::new(),
            pid_files: [const { None }; 4],
            log_detail: 0,
            generation: Generation::FIRST.0,
            maintenance: false,
            bfd: Vec::new(),
            workers: Vec::new(),
        }
    }
}

/// A worker as the new program is told of it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Heir {
    /// What it does.
    pub kind: String,
    /// Its process.
    pub pid: i32,
    /// How often it was started.
    pub starts: u32,
}

/// A worker with what is open for it.
#[derive(Debug)]
pub struct Entrusted {
    /// What it is.
    pub heir: Heir,
    /// Our end of its channel: as long as it is open, the worker has a supervisor.
    pub channel: OwnedFd,
    /// What was attached to its slice.
    pub attached: Vec<OwnedFd>,
}

/// Why nothing could be handed over or taken.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// There is a word of a predecessor, and nothing of his.
    #[error("there is no channel of a predecessor in standard input")]
    NoChannel,
    /// The channel ends too early, or says something else.
    #[error("what the predecessor left is not complete")]
    Incomplete,
    /// Not as many messages or descriptors as were wanted find room.
    #[error(transparent)]
    Send(#[from] SendError),
    /// Something came that was not sent so.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    /// Of the memory file.
    #[error(transparent)]
    Memory(#[from] MemfdError),
    /// Of its text.
    #[error(transparent)]
    Text(#[from] serde_json::Error),
    /// Of the kernel.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Puts everything into a channel whose other end the new program will find in its standard input.
///
/// # Errors
///
/// See [`HandoverError`]; nothing has changed then.
pub fn pack(legacy: &Legacy, workers: &[Entrusted]) -> Result<OwnedFd, HandoverError> {
    let (ours, theirs) = channel::pair()?;
    let memory = memfd::write("standfast-handover", LABEL, serde_json::to_string(legacy)?.as_bytes())?;
    let stdin = io::stdin();
    channel::send(&ours, b"legacy", &[memory.as_fd(), stdin.as_fd()])?;
    for Entrusted { heir, channel, attached } in workers {
        let descriptors: Vec<_> = core::iter::once(channel).chain(attached).map(AsFd::as_fd).collect();
        channel::send(&ours, heir.kind.as_bytes(), &descriptors)?;
    }
    Ok(theirs)
}

/// What a predecessor left: see [`take`].
#[derive(Debug)]
pub struct Inheritance {
    /// What could not be known.
    pub legacy: Legacy,
    workers: Vec<Entrusted>,
}

/// Takes what a predecessor in this process has left, if there was one, and gives standard input back to whom it was. To be
/// called before anything is read from there.
///
/// # Errors
///
/// See [`HandoverError`].
pub fn take() -> Result<Option<Inheritance>, HandoverError> {
    if !has_predecessor() {
        return Ok(None);
    }
    let stdin = io::stdin();
    if !channel::is_channel(&stdin) {
        return Err(HandoverError::NoChannel);
    }
    let (inheritance, before) = unpack(&stdin.as_fd().try_clone_to_owned()?)?;
    rustix::stdio::dup2_stdin(before).map_err(io::Error::from)?;
    Ok(Some(inheritance))
}

/// What is in the channel, and the standard input of before.
fn unpack(channel: &OwnedFd) -> Result<(Inheritance, OwnedFd), HandoverError> {
    let mut first = next(channel)?.into_iter();
    let (Some(memory), Some(stdin)) = (first.next(), first.next()) else { return Err(HandoverError::Incomplete) };
    let legacy: Legacy = serde_json::from_slice(&memfd::read(&memory, LABEL)?)?;
    let mut workers = Vec::new();
    for heir in &legacy.workers {
        let mut descriptors = next(channel)?.into_iter();
        let channel = descriptors.next().ok_or(HandoverError::Incomplete)?;
        workers.push(Entrusted { heir: heir.clone(), channel, attached: descriptors.collect() });
    }
    Ok((Inheritance { legacy, workers }, stdin))
}

fn next(channel: &OwnedFd) -> Result<Vec<OwnedFd>, HandoverError> {
    match channel::receive_now(channel)? {
        Some(Incoming::Message(message)) => Ok(message.descriptors),
        Some(Incoming::Closed) | None => Err(HandoverError::Incomplete),
    }
}

impl Legacy {
    /// The command line goes on meaning what it meant for the predecessor.
    #[must_use]
    pub fn applied(&self, options: &Options) -> Options {
        let [main, vrrp, checkers, bfd] = self.pid_files.clone();
        let mut options = options.clone();
        options.configuration.clone_from(&self.configuration);
        options.pid_files = PidFiles { main, vrrp, checkers, bfd };
        options.log.detail = self.log_detail;
        options
    }
}

impl Inheritance {
    /// The files and sockets of a worker, once more: the worker goes on using its own.
    ///
    /// # Errors
    ///
    /// `EMFILE`: no descriptor is left.
    pub fn attached(&self, kind: WorkerKind) -> io::Result<Vec<OwnedFd>> {
        self.of(kind).map_or_else(|| Ok(Vec::new()), |worker| worker.attached.iter().map(OwnedFd::try_clone).collect())
    }

    /// How often a worker was started.
    #[must_use]
    pub fn starts(&self, kind: WorkerKind) -> u32 {
        self.of(kind).map_or(0, |worker| worker.heir.starts)
    }

    fn of(&self, kind: WorkerKind) -> Option<&Entrusted> {
        self.workers.iter().find(|worker| worker.heir.kind == kind.name())
    }

    /// Kills a worker of the predecessor, whose successor adopts what it held.
    pub fn kill(&mut self, kind: WorkerKind) {
        self.end(kind, Signal::KILL, DYING);
    }

    /// Lets the workers go for which there is nothing to do any more, in order.
    pub fn dismiss(&mut self) {
        while let Some(kind) = self.workers.first().map(|worker| worker.heir.kind.clone()) {
            match WorkerKind::ALL.into_iter().find(|known| known.name() == kind) {
                Some(kind) => self.end(kind, Signal::TERM, LEAVING),
                // Of a kind that this release does not have.
                None => self.workers.retain(|worker| worker.heir.kind != kind),
            }
        }
    }

    fn end(&mut self, kind: WorkerKind, signal: Signal, patience: Duration) {
        let Some(place) = self.workers.iter().position(|worker| worker.heir.kind == kind.name()) else { return };
        let worker = self.workers.swap_remove(place);
        let Some(pid) = Pid::from_raw(worker.heir.pid) else { return };
        if !end(pid, signal, patience) {
            tracing::warn!("the {kind} worker of before, pid {pid}, does not stop, killed");
            end(pid, Signal::KILL, DYING);
        }
    }
}

/// Ends a child and takes leave of it. False if it does not go.
fn end(pid: Pid, signal: Signal, patience: Duration) -> bool {
    // Who has died meanwhile is a child that is waited for all the same.
    let _ = kill_process(pid, signal);
    let until = boottime() + patience;
    while let Ok(None) = waitpid(Some(pid), WaitOptions::NOHANG) {
        if boottime() >= until || poll(&mut [], Some(&LOOK_AGAIN)).is_err() {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd as _;

    fn example() -> (Legacy, Vec<Entrusted>) {
        let heir = Heir { kind: "vrrp".to_owned(), pid: 4711, starts: 3 };
        let open = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let worker =
            Entrusted { heir: heir.clone(), channel: channel::pair().unwrap().0, attached: vec![open(), open()] };
        let legacy = Legacy {
            version: "0.1.0".to_owned(),
            configuration: PathBuf::from("/etc/keepalived/keepalived.conf"),
            pid_files: [Some(PathBuf::from("/run/keepalived.pid")), None, None, None],
            log_detail: 2,
            generation: 7,
            maintenance: true,
            bfd: vec![("peer".to_owned(), true, vec!["vrrp".to_owned()])],
            workers: vec![heir],
        };
        (legacy, vec![worker])
    }

    #[test]
    fn what_is_handed_over_arrives_whole_with_its_descriptors() {
        let (legacy, workers) = example();
        let channel = pack(&legacy, &workers).unwrap();
        let (found, stdin) = unpack(&channel).unwrap();
        assert_eq!(found.legacy, legacy);
        assert_eq!(found.starts(WorkerKind::Vrrp), 3);
        assert_eq!(found.attached(WorkerKind::Vrrp).unwrap().len(), 2);
        assert_eq!((found.starts(WorkerKind::Check), found.attached(WorkerKind::Check).unwrap().len()), (0, 0));
        assert_ne!(stdin.as_raw_fd(), 0);
        let options = found.legacy.applied(&Options::default());
        assert_eq!(options.log.detail, 2);
        assert_eq!(options.pid_files.main, Some(PathBuf::from("/run/keepalived.pid")));
    }

    #[test]
    fn what_is_cut_short_or_of_another_form_is_refused() {
        let (mut legacy, workers) = example();
        let (ours, theirs) = channel::pair().unwrap();
        assert!(matches!(unpack(&theirs), Err(HandoverError::Incomplete)));
        channel::send(&ours, b"legacy", &[theirs.as_fd(), theirs.as_fd()]).unwrap();
        assert!(matches!(unpack(&theirs), Err(HandoverError::Memory(_))));
        legacy.workers.push(Heir { kind: "check".to_owned(), pid: 4712, starts: 1 });
        let channel = pack(&legacy, &workers).unwrap();
        assert!(matches!(unpack(&channel), Err(HandoverError::Incomplete)));
    }

    #[test]
    fn a_later_release_may_say_more_and_an_earlier_one_less() {
        let text = r#"{"version":"9.9","news":[1,2],"workers":[{"kind":"vrrp","pid":7,"more":true}]}"#;
        let legacy: Legacy = serde_json::from_str(text).unwrap();
        assert_eq!((legacy.version.as_str(), legacy.generation, legacy.maintenance), ("9.9", 1, false));
        assert_eq!(legacy.workers, [Heir { kind: "vrrp".to_owned(), pid: 7, starts: 0 }]);
    }
}
