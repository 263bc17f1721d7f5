//! The first processes of what the lab is made of: the wires that hold it together, a machine made of namespaces, and
//! the holder of a kernel's processes. Each sets its surroundings up, says [`READY`], and serves or waits.
//!
//! When such a process dies, the kernel kills whatever lives in its process namespace and drops its mounts and
//! interfaces. That is how the lab is torn down, and nothing here needs to clean up after itself.

use std::fs;
use std::io::{self, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::root;
use super::serve::Agent;
use crate::clock::pause;

/// What an agent writes on its standard output when it serves.
pub(crate) const READY: &str = "lab-agent: ready";

/// Where the wires keep the lab's files: on a file system in memory that only the lab sees, and that is gone with it.
pub(crate) const STATE: &str = "/run/lab";

/// The nice level of all of a lab among the sessions of this machine: a busy machine shall not look like a slow daemon.
const SESSION_NICE: &str = "-10";

/// The socket of the agent of `machine`, below [`STATE`].
pub(crate) fn socket_name(machine: &str) -> String {
    format!("{machine}.sock")
}

/// The name that the wires' own socket has among the machines': no machine may have it.
pub(crate) const WIRES: &str = "wires";

/// What a machine made of namespaces is told before it starts, and a kernel's machine too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Its host name.
    pub(crate) name: String,
    /// Where the layers of its root file system are kept.
    pub(crate) layers: PathBuf,
    /// Directories of this machine to be seen in it even when they lie on another file system.
    pub(crate) visible: Vec<PathBuf>,
    /// Settings below /proc/sys.
    pub(crate) sysctls: Vec<(String, String)>,
}

impl Setup {
    /// Reads what the lab has written.
    ///
    /// # Errors
    /// It is not there, or is something else.
    pub(super) fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> io::Result<T> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }
}

/// The wires: the first process of the lab, and the one whose death ends it. It dies when its standard input ends, that
/// is when whoever made the lab is gone, in whatever way.
pub(crate) fn wires() -> ExitCode {
    let lifeline = thread::Builder::new().name("lifeline".to_owned()).spawn(|| {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        std::process::exit(0)
    });
    ended("wires", lifeline.and_then(|_| serve_wires()))
}

fn serve_wires() -> io::Result<io::Error> {
    // An interrupt from the keyboard is for the lab's user, who may want to look before the lab goes.
    nix::unistd::setsid()?;
    root::keep_mounts_private()?;
    root::mount_new("proc", Path::new("/proc"), None)?;
    let _ = fs::write("/proc/self/autogroup", SESSION_NICE);
    root::mount_new("tmpfs", Path::new("/run"), Some("mode=755"))?;
    fs::create_dir_all(STATE)?;
    // The bridges and the ends of cables shall not speak IPv6 of their own accord.
    root::set_sysctls(&[
        ("net/ipv6/conf/all/disable_ipv6".to_owned(), "1".to_owned()),
        ("net/ipv6/conf/default/disable_ipv6".to_owned(), "1".to_owned()),
    ])?;
    let listener = UnixListener::bind(Path::new(STATE).join(socket_name(WIRES)))?;
    let agent = Agent::new(None)?;
    say_ready();
    Ok(agent.serve_unix(&listener))
}

/// A machine made of namespaces, set up as the file at `setup` says.
pub(crate) fn machine(setup: &Path) -> ExitCode {
    ended("machine", serve_machine(setup))
}

fn serve_machine(setup: &Path) -> io::Result<io::Error> {
    let setup: Setup = Setup::read(setup)?;
    root::keep_mounts_private()?;
    let socket = Path::new(STATE).join(socket_name(&setup.name));
    // Left over when this machine had its power cut.
    let _ = fs::remove_file(&socket);
    let listener = UnixListener::bind(socket)?;
    // A network file system or a disk of its own below / is not seen through a layer over /, so it is shown.
    let layered = root::overlay(&setup.layers)?;
    bind_devices(&layered)?;
    root::furnish(&layered)?;
    for directory in setup.visible.iter().filter(|directory| root::is_hidden(directory)) {
        root::show(directory, &layered)?;
    }
    root::enter(&layered)?;
    nix::unistd::sethostname(&setup.name)?;
    root::set_sysctls(&setup.sysctls)?;
    let agent = Agent::new(None)?;
    say_ready();
    Ok(agent.serve_unix(&listener))
}

/// A directory of the few devices that programs need, and none of this machine's disks.
fn bind_devices(layered: &Path) -> io::Result<()> {
    let dev = layered.join("dev");
    root::mount_new("tmpfs", &dev, Some("mode=755"))?;
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        root::show_file(&Path::new("/dev").join(name), &dev.join(name))?;
    }
    root::link(Path::new("pts/ptmx"), &dev.join("ptmx"))?;
    root::link(Path::new("/proc/self/fd"), &dev.join("fd"))?;
    for (number, name) in ["stdin", "stdout", "stderr"].into_iter().enumerate() {
        root::link(&PathBuf::from(format!("/proc/self/fd/{number}")), &dev.join(name))?;
    }
    Ok(())
}

/// Runs a kernel's process as its only child and ends with it. It is the first process of a namespace, so that every
/// process the kernel makes for itself and its programs dies in the same moment as this one.
pub(crate) fn power(turn: usize, argv: &[String]) -> ExitCode {
    let Some((program, arguments)) = argv.split_first() else {
        return ended("power", Err(io::Error::other("an empty command")));
    };
    let run = || {
        root::keep_mounts_private()?;
        root::mount_new("proc", Path::new("/proc"), None)?;
        keep_to_one_processor(turn)?;
        let mut child = Command::new(program).args(arguments).stdin(Stdio::null()).spawn()?;
        prefer_session_of(child.id());
        let status = child.wait()?;
        Ok(io::Error::other(format!("{program}: {status}")))
    };
    ended("power", run())
}

/// A user-mode kernel hands over to the processes of its programs and back with each system call and page fault, and runs
/// one of them at a time. From one processor to another that takes several times as long as on the same one, and how long
/// changes from minute to minute.
fn keep_to_one_processor(turn: usize) -> io::Result<()> {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this)?;
    let allowed: Vec<usize> = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).collect();
    let Some(cpu) = turn.checked_rem(allowed.len()).and_then(|place| allowed.get(place)) else { return Ok(()) };
    let mut one = CpuSet::new();
    one.set(*cpu)?;
    Ok(sched_setaffinity(this, &one)?)
}

/// Where the kernel shares the processor out among sessions, nice levels count within one only; so the session gets a
/// level of its own. A user-mode kernel begins a session soon after its start, which is waited for. Not every kernel
/// has this, and without it the nice levels do.
fn prefer_session_of(pid: u32) {
    let path = format!("/proc/{pid}/autogroup");
    let group = |path: &str| fs::read_to_string(path).ok().and_then(|text| text.split(' ').next().map(str::to_owned));
    let own = group("/proc/self/autogroup");
    for _ in 0..100 {
        if own.is_none() || group(&path) != own {
            break;
        }
        pause(Duration::from_millis(5));
    }
    let _ = fs::write(path, SESSION_NICE);
}

pub(super) fn say_ready() {
    let mut out = io::stdout().lock();
    // Whoever waits for it sees the end of the pipe otherwise.
    let _ = writeln!(out, "{READY}");
    let _ = out.flush();
}

fn ended(what: &str, why: io::Result<io::Error>) -> ExitCode {
    let (Ok(error) | Err(error)) = why;
    let _ = writeln!(io::stderr(), "lab-agent {what}: {error}");
    ExitCode::FAILURE
}
