//! The own program as an open descriptor: workers are started from it, so that they are always the same program as
//! their supervisor, whatever an upgrade has put in its place on the disk.

use rustix::fs::{Mode, OFlags, open};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// What a worker must not inherit: it would speak to the service manager in the supervisor's name.
const SERVICE_MANAGER_VARIABLES: [&str; 6] =
    ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];

/// The program of the calling process.
#[derive(Debug)]
pub struct OwnBinary {
    fd: OwnedFd,
}

impl OwnBinary {
    /// Opens it. To be called early: it names what runs now only until the file is replaced in place.
    ///
    /// # Errors
    ///
    /// If `/proc` is not mounted.
    pub fn open() -> io::Result<Self> {
        let fd = open("/proc/self/exe", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { fd })
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
        // The number is that of our descriptor and the child's copy of it, which lives until the exec has succeeded.
        let mut command = Command::new(format!("/proc/self/fd/{}", self.fd.as_raw_fd()));
        command.arg0(title).args(arguments).stdin(Stdio::from(channel)).process_group(0);
        for variable in SERVICE_MANAGER_VARIABLES {
            command.env_remove(variable);
        }
        command.spawn()
    }
}
