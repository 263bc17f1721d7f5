//! Which pid files there are, and whether another daemon runs.

use crate::command_line::PidFiles;
use standfast_api::WorkerKind;
use standfast_kernel::process::{PidFile, PidFileError};
use standfast_model::config::Global;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// The process name of keepalived. Before 2.2.8 it did not lock its pid files.
const KEEPALIVED: &str = "keepalived";

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum AlreadyRunning {
    /// Somebody holds the lock, or the file cannot be had.
    #[error(transparent)]
    Locked(#[from] PidFileError),
    /// keepalived runs without having locked its file. Two masters of the same addresses would follow.
    #[error("{}: keepalived is running as process {pid}", path.display())]
    Keepalived {
        /// The file.
        path: PathBuf,
        /// The number in it.
        pid: u32,
    },
}

impl AlreadyRunning {
    /// Whether a daemon runs, rather than the file being out of order.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        match self {
            Self::Keepalived { .. } | Self::Locked(PidFileError::AlreadyRunning { .. }) => true,
            Self::Locked(PidFileError::NotRegular { .. } | PidFileError::Io { .. }) => false,
        }
    }
}

/// keepalived's directory for pid files of which there may be several.
const DIRECTORY: &str = "/run/keepalived";

/// The pid files of this daemon: those that were named on the command line, and the others in the place that is the
/// configuration's (`use_pid_dir`, `instance`, `net_namespace`).
#[must_use]
pub fn placed(given: &PidFiles, global: &Global) -> PidFiles {
    let directory = global.use_pid_dir || global.instance.is_some() || global.net_namespace.is_some();
    let directory = Path::new(if directory { DIRECTORY } else { "/run" });
    let instance = global.instance.as_ref().map_or_else(String::new, |name| format!("_{}", name.replace('/', "_")));
    let place = |given: &Option<PathBuf>, name: &str| {
        Some(given.clone().unwrap_or_else(|| directory.join(format!("{name}{instance}.pid"))))
    };
    PidFiles {
        main: place(&given.main, "keepalived"),
        vrrp: place(&given.vrrp, "vrrp"),
        checkers: place(&given.checkers, "checkers"),
        bfd: place(&given.bfd, "bfd"),
    }
}

/// Makes the directory for pid files, if that is where they are.
///
/// # Errors
///
/// It cannot be made.
pub fn make_directory(files: &PidFiles) -> io::Result<()> {
    let wanted = [&files.main, &files.vrrp, &files.checkers, &files.bfd];
    if !wanted.into_iter().flatten().any(|path| path.starts_with(DIRECTORY)) {
        return Ok(());
    }
    match DirBuilder::new().mode(0o755).create(DIRECTORY) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    }
}

/// Removes the directory, if nobody has a file in there any more.
pub fn remove_directory() {
    // Another daemon's files keep it, and who has none has nothing to remove.
    let _ = std::fs::remove_dir(DIRECTORY);
}

/// Where the daemon's own pid file is.
#[must_use]
pub fn main_path(given: &PidFiles) -> &Path {
    given.main.as_deref().unwrap_or(Path::new("/run/keepalived.pid"))
}

/// Where a worker's pid file is, if it has one.
#[must_use]
pub fn worker_path(given: &PidFiles, kind: WorkerKind) -> Option<&Path> {
    Some(match kind {
        WorkerKind::Runner | WorkerKind::Front => return None,
        WorkerKind::Vrrp => given.vrrp.as_deref().unwrap_or(Path::new("/run/vrrp.pid")),
        WorkerKind::Bfd => given.bfd.as_deref().unwrap_or(Path::new("/run/bfd.pid")),
        WorkerKind::Check => given.checkers.as_deref().unwrap_or(Path::new("/run/checkers.pid")),
    })
}

/// Locks a pid file for this daemon.
///
/// # Errors
///
/// See [`AlreadyRunning`].
pub fn acquire(path: &Path) -> Result<PidFile, AlreadyRunning> {
    // The daemon will have left this directory by the time it removes the file.
    let absolute = std::path::absolute(path).map_err(|source| PidFileError::Io { path: path.to_owned(), source })?;
    let file = PidFile::acquire(&absolute)?;
    match file.previous() {
        Some(pid) if name_of(pid).is_some_and(|name| name == KEEPALIVED) && !is_of_ours(pid) => {
            Err(AlreadyRunning::Keepalived { path: absolute, pid })
        }
        Some(_) | None => Ok(file),
    }
}

/// Whether it is this process, or a worker of the program that was this process before.
fn is_of_ours(pid: u32) -> bool {
    let parent = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Behind the name, which may have anything in it: the state, then the parent.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let own = std::process::id();
    pid == own || parent() == Some(own)
}

fn name_of(pid: u32) -> Option<String> {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}
