//! A command of the configuration as a process: started with an identity, in a process group of its own, watched by
//! descriptor, signalled as a group.
//!
//! It inherits environment, directory, umask and network namespace of its caller and nothing else: no descriptor, no
//! signal disposition, no scheduling priority. What is run and for how long is the caller's business.

use crate::async_fd::AsyncFd;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open};
use rustix::thread::{Gid, Uid};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// Variables that change what a program is rather than what it does (keepalived removes the same).
const DANGEROUS_VARIABLES: [&str; 3] = ["IFS", "LD_PRELOAD", "LD_LIBRARY_PATH"];

/// `_NSIG` of all architectures but mips.
const LAST_SIGNAL: i32 = 64;

/// What reads a script whose first line does not say what reads it.
const SHELL: &str = "/bin/sh";

/// A command to be started.
#[derive(Debug)]
pub struct Spawn<'a> {
    /// The file, absolute.
    pub program: &'a Path,
    /// Its arguments, the first one is behind the program's name.
    pub arguments: &'a [OsString],
    /// User and group, none is those of the caller. Supplementary groups are the group alone.
    pub identity: Option<(u32, u32)>,
    /// Standard input, none is `/dev/null`.
    pub input: Option<OwnedFd>,
    /// Where standard output and standard error go, none is `/dev/null`.
    pub output: Option<OwnedFd>,
}

/// A command that was started and is not reaped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: Pid,
    watch: AsyncFd<OwnedFd>,
    by_shell: bool,
}

/// Starts it. It is told to terminate when the calling thread dies, unless it changes its credentials.
///
/// # Errors
///
/// Those of `fork`, `setuid`, `execve` and `pidfd_open`: `ENOENT`, `EACCES` and `EPERM` are the configuration's fault,
/// `EAGAIN`, `ENOMEM` and `EMFILE` pass.
#[expect(clippy::needless_pass_by_value, reason = "its descriptors are closed here when the child has them")]
pub fn spawn(command: Spawn<'_>) -> io::Result<Process> {
    match start(&mut prepare(command.program.as_os_str(), &[], &command)?) {
        Err(error) if error.raw_os_error() == Some(libc::ENOEXEC) => {
            // As a shell would do it: the file says nothing about its interpreter.
            let script = [command.program.as_os_str().to_owned()];
            start(&mut prepare(OsStr::new(SHELL), &script, &command)?)
                .map(|process| Process { by_shell: true, ..process })
        }
        outcome => outcome,
    }
}

fn prepare(program: &OsStr, first: &[OsString], spawn: &Spawn<'_>) -> io::Result<Command> {
    let stdio = |fd: &Option<OwnedFd>| match fd {
        Some(fd) => Ok(Stdio::from(fd.try_clone()?)),
        None => io::Result::Ok(Stdio::null()),
    };
    let mut command = Command::new(program);
    command.args(first).args(spawn.arguments).process_group(0);
    command.stdin(stdio(&spawn.input)?).stdout(stdio(&spawn.output)?).stderr(stdio(&spawn.output)?);
    for variable in DANGEROUS_VARIABLES {
        command.env_remove(variable);
    }
    let identity = spawn.identity;
    let parent = rustix::process::getpid();
    #[expect(unsafe_code, reason = "only between fork and exec can the child change its own identity")]
    // SAFETY: `become_script` makes system calls on integers and nothing else: it neither allocates nor takes a lock.
    unsafe {
        command.pre_exec(move || become_script(parent, identity))
    };
    Ok(command)
}

/// Runs in the child, between fork and exec. The standard library has reset the signal mask by then.
fn become_script(parent: Pid, identity: Option<(u32, u32)>) -> io::Result<()> {
    reset_signals();
    if let Some((uid, gid)) = identity {
        let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
        rustix::thread::set_thread_groups(&[group])?;
        rustix::thread::set_thread_res_gid(group, group, group)?;
        rustix::thread::set_thread_res_uid(user, user, user)?;
    }
    // Behind the identity: a change of credentials takes it back. A parent that died in between cannot tell any more.
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    if rustix::process::getppid() != Some(parent) {
        return Err(io::ErrorKind::Interrupted.into());
    }
    Ok(())
}

/// What our own caller ignored (a shell does that for what it starts in the background, the C library for its own
/// signals) is no business of a script.
fn reset_signals() {
    // All zeros is the default disposition, without flags, whatever the order of the fields.
    let default = [0_u64; 8];
    for signal in 1..=libc::c_long::from(LAST_SIGNAL) {
        #[expect(unsafe_code, reason = "the C library refuses the signals that it has ignored itself")]
        // SAFETY: the kernel reads a `struct sigaction` of at most 64 bytes and writes nothing; the mask has 8 bytes.
        // Signals that cannot be changed are refused, which is right.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), core::ptr::null_mut::<u64>(), 8_usize)
        };
    }
}

fn start(command: &mut Command) -> io::Result<Process> {
    let mut child = command.spawn()?;
    let watched = (|| {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
        let watch = AsyncFd::new(pidfd_open(pid, PidfdFlags::NONBLOCK)?)?;
        Ok((pid, watch))
    })();
    match watched {
        Ok((pid, watch)) => Ok(Process { child, pid, watch, by_shell: false }),
        Err(error) => {
            // Without a way to wait for it, it must not run.
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

impl Process {
    /// Its process id, which is that of its group too.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// It does not say what reads it, so a shell does.
    #[must_use]
    pub const fn by_shell(&self) -> bool {
        self.by_shell
    }

    /// Waits until it has ended; until [`Self::reap`] its number is nobody else's. Cancel-safe.
    ///
    /// # Errors
    ///
    /// If the runtime is shutting down.
    pub async fn ended(&self) -> io::Result<()> {
        self.watch.readable().await
    }

    /// Signals everything in its group, whatever is left of it.
    pub fn signal_group(&self, signal: Signal) {
        // No such group is what was wanted.
        let _ = kill_process_group(self.pid, signal);
    }

    /// Signals it alone, and not what it has started.
    pub fn signal(&self, signal: Signal) {
        let _ = kill_process(self.pid, signal);
    }

    /// How it ended; none if it has not.
    ///
    /// # Errors
    ///
    /// `ECHILD` if somebody else has waited for our children.
    pub fn reap(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }
}
