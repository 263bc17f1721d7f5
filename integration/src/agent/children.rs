//! The children of an agent: starts them, reaps them and, when the agent is the first process of its namespace or
//! kernel, the orphans of others. Owns every wait; decides nothing about when a child must end.
//!
//! One thread waits for all. It looks at a dead child without reaping it, takes the table's lock, and reaps only then.
//! Because starting a child holds the same lock until the child stands in the table, no death is seen too early, and
//! because a process id stays taken until it is reaped, no signal can reach a stranger.

use std::collections::HashMap;
use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use super::protocol::Exit;

/// All children of this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Children {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    living: Mutex<HashMap<i32, Sender<Exit>>>,
    started: Condvar,
}

impl Children {
    /// Starts the thread that reaps.
    ///
    /// # Errors
    /// The kernel grants no thread.
    pub(crate) fn new() -> io::Result<Self> {
        let children = Self::default();
        let shared = Arc::clone(&children.shared);
        thread::Builder::new().name("reaper".to_owned()).spawn(move || shared.reap_for_ever())?;
        Ok(children)
    }

    /// Starts `command`; its end arrives on the receiver.
    ///
    /// # Errors
    /// As [`Command::spawn`].
    pub(crate) fn start(&self, command: &mut Command) -> io::Result<(Child, Receiver<Exit>)> {
        let mut living = self.shared.lock();
        let child = command.spawn()?;
        let (sender, receiver) = channel();
        living.insert(child.id().cast_signed(), sender);
        self.shared.started.notify_all();
        Ok((child, receiver))
    }

    /// Sends a signal to the process group of a child that is still in the table; later ones are dropped.
    pub(crate) fn signal(&self, child: u32, number: i32) {
        let living = self.shared.lock();
        let pid = child.cast_signed();
        if let (true, Ok(signal)) = (living.contains_key(&pid), Signal::try_from(number)) {
            let _ = killpg(Pid::from_raw(pid), signal);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Sender<Exit>>> {
        self.living.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reap_for_ever(&self) {
        loop {
            match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
                Ok(status) => {
                    let Some(pid) = status.pid() else { continue };
                    let mut living = self.lock();
                    // The library reaps a child itself when the program cannot be executed: then there is none here.
                    if waitpid(pid, Some(WaitPidFlag::WNOHANG)).is_ok()
                        && let (Some(exit), Some(sender)) = (exit_of(status), living.remove(&pid.as_raw()))
                    {
                        let _ = sender.send(exit);
                    }
                }
                Err(nix::errno::Errno::ECHILD) => {
                    // Nobody to wait for. Whatever becomes a child later descends from one that `start` announces.
                    let living = self.lock();
                    if living.is_empty() {
                        drop(self.started.wait(living));
                    }
                }
                Err(_) => {}
            }
        }
    }
}

fn exit_of(status: WaitStatus) -> Option<Exit> {
    match status {
        WaitStatus::Exited(_, code) => Some(Exit::Status(code)),
        WaitStatus::Signaled(_, signal, _) => Some(Exit::Signal(signal as i32)),
        WaitStatus::Stopped(..)
        | WaitStatus::PtraceEvent(..)
        | WaitStatus::PtraceSyscall(_)
        | WaitStatus::Continued(_)
        | WaitStatus::StillAlive => None,
    }
}
