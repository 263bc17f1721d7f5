//! The own program as an open descriptor: workers are started from it, so that they are always the same program as
//! their supervisor, whatever an upgrade has put in its place on the disk. And what is in its place: to be tried, and to
//! become.

use nix::sys::signal::SigSet;
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use std::ffi::{CString, OsStr, OsString};
use std::io::{self, PipeWriter};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What a worker must not inherit: it would speak to the service manager in the supervisor's name.
const SERVICE_MANAGER_VARIABLES: [&str; 6] =
    ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];

/// Set in the environment of a program that takes the place of its predecessor in the same process: its standard input is
/// the channel that the predecessor has filled.
pub const HANDOVER_VARIABLE: &str = "STANDFAST_HANDOVER";

/// What the kernel writes behind the path of a program that has been removed or replaced.
const GONE: &[u8] = b" (deleted)";

/// A program of ours: that of the calling process, or the one that is to follow it.
#[derive(Debug)]
pub struct OwnBinary {
    fd: OwnedFd,
    path: PathBuf,
}

/// Why what is on the disk cannot follow.
#[derive(Debug, thiserror::Error)]
pub enum NoSuccessor {
    /// It is what runs.
    #[error("{} is the program that runs", .0.display())]
    Same(PathBuf),
    /// Somebody else than root or the caller could have put it there.
    #[error("{}: not a regular file that only root, or the user of the daemon, can write", .0.display())]
    Unsafe(PathBuf),
    /// There is none, or it cannot be looked at.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl OwnBinary {
    /// Opens it. To be called early: it names what runs now only until the file is replaced in place.
    ///
    /// # Errors
    ///
    /// If `/proc` is not mounted.
    pub fn open() -> io::Result<Self> {
        let fd = open("/proc/self/exe", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let path = std::fs::read_link("/proc/self/exe")?.into_os_string().into_vec();
        let path = path.strip_suffix(GONE).unwrap_or(&path).to_vec();
        Ok(Self { fd, path: PathBuf::from(OsString::from_vec(path)) })
    }

    /// Where it was when it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The program that is in its place now. `same` says that it may be this very one.
    ///
    /// # Errors
    ///
    /// See [`NoSuccessor`].
    pub fn successor(&self, same: bool) -> Result<Self, NoSuccessor> {
        let failed = |source: rustix::io::Errno| NoSuccessor::Io { path: self.path.clone(), source: source.into() };
        let fd = open(&self.path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
        let (found, ours) = (fstat(&fd).map_err(failed)?, fstat(&self.fd).map_err(failed)?);
        if !same && (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino) {
            return Err(NoSuccessor::Same(self.path.clone()));
        }
        let owned = found.st_uid == 0 || found.st_uid == rustix::process::geteuid().as_raw();
        let regular = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
        if !regular || !owned || found.st_mode & 0o022 != 0 {
            return Err(NoSuccessor::Unsafe(self.path.clone()));
        }
        Ok(Self { fd, path: self.path.clone() })
    }

    /// Starts the program anew with `channel` as its standard input, in a process group of its own: a ^C at the
    /// terminal reaches the supervisor, which stops its workers in order.
    ///
    /// `title` becomes `argv[0]`, which `ps` shows. The child has standard output and error of the caller and no other
    /// descriptor, because everything else here is closed on exec.
    ///
    /// # Errors
    ///
    /// Those of `fork` and `exec`: `EAGAIN` and `ENOMEM` pass.
    pub fn spawn(&self, title: &str, arguments: &[&str], channel: OwnedFd) -> io::Result<Child> {
        let mut command = self.command();
        command.arg0(title).args(arguments).stdin(Stdio::from(channel)).process_group(0);
        command.spawn()
    }

    /// Runs the program to see what it says; nothing is its standard input.
    ///
    /// # Errors
    ///
    /// Those of `fork` and `exec`; among the latter are those of a file that is no program.
    pub fn try_out(&self, arguments: &[OsString], said: PipeWriter) -> io::Result<Child> {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said).process_group(0);
        command.spawn()
    }

    fn command(&self) -> Command {
        // The number is that of our descriptor and the child's copy of it, which lives until the exec has succeeded.
        let mut command = Command::new(self.name());
        for variable in SERVICE_MANAGER_VARIABLES {
            command.env_remove(variable);
        }
        command.env_remove(HANDOVER_VARIABLE);
        command
    }

    fn name(&self) -> String {
        format!("/proc/self/fd/{}", self.fd.as_raw_fd())
    }

    /// Becomes this program: the process keeps its number, its children and `channel`, as the standard input of the new
    /// program, and loses every other descriptor but standard output and error. Signals are held back until the new
    /// program [lets them through](release_signals). Comes back only if that failed, with everything as it was.
    ///
    /// To be called where there is one thread.
    pub fn replace_caller(&self, arguments: &[OsString], channel: OwnedFd) -> io::Error {
        match self.try_replace(arguments, channel) {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    fn try_replace(&self, arguments: &[OsString], channel: OwnedFd) -> io::Result<core::convert::Infallible> {
        let name = CString::new(self.name())?;
        let arguments = arguments.iter().map(|word| CString::new(word.as_bytes())).collect::<Result<Vec<_>, _>>()?;
        let environment: Vec<CString> = environment()?;
        let stdin = io::stdin().as_fd().try_clone_to_owned()?;
        let mask = SigSet::thread_get_mask()?;
        rustix::stdio::dup2_stdin(channel)?;
        // Until the new program has said what it does with them, most of them would end it.
        let outcome = SigSet::all().thread_block().and_then(|()| nix::unistd::execve(&name, &arguments, &environment));
        mask.thread_set_mask()?;
        rustix::stdio::dup2_stdin(stdin)?;
        Ok(outcome?)
    }
}

/// That of the calling process, with the word that says that there is a predecessor.
fn environment() -> io::Result<Vec<CString>> {
    let handed = |(name, _): &(OsString, OsString)| name != HANDOVER_VARIABLE;
    let said = (OsString::from(HANDOVER_VARIABLE), OsString::from("1"));
    let all = std::env::vars_os().filter(handed).chain([said]);
    let line = |(name, value): (OsString, OsString)| {
        let line = [name.as_bytes(), b"=", value.as_bytes()].concat();
        Ok(CString::new(line)?)
    };
    all.map(line).collect()
}

/// Whether the calling process was another program before, which has left something in standard input.
#[must_use]
pub fn has_predecessor() -> bool {
    std::env::var_os(HANDOVER_VARIABLE).as_deref() == Some(OsStr::new("1"))
}

/// Lets through the signals that a predecessor has held back. To be called when each of them has a handler, and before any
/// thread starts.
///
/// # Errors
///
/// None that the kernel documents.
pub fn release_signals() -> io::Result<()> {
    Ok(SigSet::all().thread_unblock()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn at(path: &Path) -> OwnBinary {
        OwnBinary { fd: open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap(), path: path.to_owned() }
    }

    #[test]
    fn a_successor_is_another_file_in_the_same_place_that_only_root_can_have_put_there() {
        let directory = std::env::temp_dir().join(format!("standfast-successor-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let path = directory.join("program");
        let put = |mode| {
            std::fs::write(directory.join("new"), "").unwrap();
            std::fs::set_permissions(directory.join("new"), std::fs::Permissions::from_mode(mode)).unwrap();
            std::fs::rename(directory.join("new"), &path).unwrap();
        };
        put(0o755);
        let first = at(&path);
        assert!(matches!(first.successor(false), Err(NoSuccessor::Same(_))));
        assert!(first.successor(true).is_ok());
        put(0o755);
        assert!(first.successor(false).is_ok());
        for mode in [0o775, 0o757] {
            put(mode);
            assert!(matches!(first.successor(true), Err(NoSuccessor::Unsafe(_))), "{mode:o}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(first.successor(true), Err(NoSuccessor::Io { .. })));
        std::fs::create_dir(&path).unwrap();
        assert!(matches!(first.successor(true), Err(NoSuccessor::Unsafe(_))));
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn what_cannot_be_executed_leaves_the_caller_as_it_was() {
        let path = std::env::temp_dir().join(format!("standfast-no-program-{}", std::process::id()));
        std::fs::write(&path, "no program").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let stdin = || fstat(io::stdin()).map(|found| (found.st_dev, found.st_ino)).unwrap();
        let (before, mask) = (stdin(), SigSet::thread_get_mask().unwrap());
        let (ours, _theirs) = crate::channel::pair().unwrap();
        let error = at(&path).replace_caller(&[OsString::from("x")], ours);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(error.raw_os_error(), Some(libc::ENOEXEC), "{error}");
        assert_eq!(stdin(), before);
        assert_eq!(SigSet::thread_get_mask().unwrap(), mask);
    }
}
