//! What the calling process is: its name, its capabilities, its limits, its network namespace.

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{CapabilitySet, LinkNameSpaceType, capabilities, move_into_link_name_space};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;

/// A capability that a worker cannot do without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Capability {
    /// `CAP_NET_ADMIN`: addresses, routes, IPVS.
    NetAdmin,
    /// `CAP_NET_RAW`: raw and packet sockets.
    NetRaw,
    /// `CAP_NET_BIND_SERVICE`: ports below 1024 (`bind_port`).
    NetBindService,
    /// `CAP_SYS_NICE`: priorities and processors.
    SysNice,
    /// `CAP_IPC_LOCK`: memory that is not swapped.
    IpcLock,
    /// `CAP_SYS_RESOURCE`: limits above those that were given.
    SysResource,
    /// `CAP_SYS_ADMIN`: moving between namespaces, and much that nobody here needs.
    SysAdmin,
}

impl Capability {
    /// The name in `capabilities(7)`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::NetRaw => "CAP_NET_RAW",
            Self::NetBindService => "CAP_NET_BIND_SERVICE",
            Self::SysNice => "CAP_SYS_NICE",
            Self::IpcLock => "CAP_IPC_LOCK",
            Self::SysResource => "CAP_SYS_RESOURCE",
            Self::SysAdmin => "CAP_SYS_ADMIN",
        }
    }

    pub(super) const fn bit(self) -> CapabilitySet {
        match self {
            Self::NetAdmin => CapabilitySet::NET_ADMIN,
            Self::NetRaw => CapabilitySet::NET_RAW,
            Self::NetBindService => CapabilitySet::NET_BIND_SERVICE,
            Self::SysNice => CapabilitySet::SYS_NICE,
            Self::IpcLock => CapabilitySet::IPC_LOCK,
            Self::SysResource => CapabilitySet::SYS_RESOURCE,
            Self::SysAdmin => CapabilitySet::SYS_ADMIN,
        }
    }
}

/// Those of `needed` that are not in effect for the calling process.
///
/// # Errors
///
/// None that the kernel documents for the calling process; passed on all the same.
pub fn missing_capabilities(needed: &[Capability]) -> io::Result<Vec<Capability>> {
    let effective = capabilities(None)?.effective;
    Ok(needed.iter().filter(|capability| !effective.contains(capability.bit())).copied().collect())
}

/// Sets the name that `ps -e`, `top` and `/proc/PID/comm` show, cut to 15 bytes by the kernel. To be called before
/// any thread starts.
///
/// # Errors
///
/// `InvalidInput` for a name with a zero byte.
pub fn set_process_name(name: &str) -> io::Result<()> {
    let name = CString::new(name)?;
    Ok(rustix::thread::set_name(&name)?)
}

/// Nobody but root may read our memory or attach to us, and no core file is written: passwords are in there.
/// An exec takes it back.
///
/// # Errors
///
/// None that the kernel documents; passed on all the same.
pub fn forbid_dump() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Lifts the limit on core files (`-m`).
///
/// # Errors
///
/// `EPERM` without `CAP_SYS_RESOURCE` when the hard limit is lower.
pub fn allow_core_file() -> io::Result<()> {
    Ok(setrlimit(Resource::Core, Rlimit { current: None, maximum: None })?)
}

/// Sets which permission bits new files never get (`-u`), 0..=0o777.
pub fn set_umask(mask: u32) {
    rustix::process::umask(Mode::from_raw_mode(mask & 0o777));
}

/// Lets no descriptor that the caller of the program left open reach the workers: all but standard input, output and
/// error are marked closed on exec. To be called before anything of our own is opened.
///
/// # Errors
///
/// `ENOSYS` before Linux 5.11: then what was inherited is passed on.
pub fn forget_inherited_descriptors() -> io::Result<()> {
    let (first, last) = (3, libc::c_uint::MAX);
    // libc has a wrapper only where the C library is new enough.
    #[expect(unsafe_code, reason = "no crate in use offers close_range")]
    // SAFETY: three integers; with this flag nothing is closed, so no owner of a descriptor is deceived.
    let outcome = unsafe { libc::syscall(libc::SYS_close_range, first, last, libc::CLOSE_RANGE_CLOEXEC) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Moves the calling process into a network namespace made by `ip netns add` (`-s`). To be called before any thread
/// starts; workers inherit it.
///
/// # Errors
///
/// `ENOENT`: no such namespace; `EPERM` without `CAP_SYS_ADMIN`; `InvalidInput` for a name that is a path.
pub fn enter_network_namespace(name: &str) -> io::Result<()> {
    let namespace = network_namespace(Some(name))?;
    if FORMER_NAMESPACE.get().is_none() {
        // The first that was left is the one the program was started in.
        let _ = FORMER_NAMESPACE.set(own_network_namespace()?);
    }
    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}

/// The network namespace that the process was started in, once [`enter_network_namespace`] has left it.
static FORMER_NAMESPACE: OnceLock<OwnedFd> = OnceLock::new();

/// A network namespace made by `ip netns add`; without a name the one the process was started in.
///
/// # Errors
///
/// `ENOENT`: no such namespace; `InvalidInput` for a name that is a path.
pub fn network_namespace(name: Option<&str>) -> io::Result<OwnedFd> {
    let Some(name) = name else {
        return FORMER_NAMESPACE.get().map_or_else(own_network_namespace, OwnedFd::try_clone);
    };
    if name.is_empty() || name.contains('/') || name == "." || name == ".." {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not the name of a network namespace"));
    }
    Ok(open(Path::new("/run/netns").join(name), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

fn own_network_namespace() -> io::Result<OwnedFd> {
    Ok(open("/proc/thread-self/ns/net", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Does something in another network namespace, and comes back: what is opened there stays there. For a process of one
/// thread.
///
/// # Errors
///
/// `EPERM` without `CAP_SYS_ADMIN`. An error on the way back leaves the process in the other one: it must not go on.
pub fn in_network_namespace<T>(namespace: &impl AsFd, what: impl FnOnce() -> T) -> io::Result<T> {
    let here = own_network_namespace()?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
    let outcome = what();
    move_into_link_name_space(here.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok(outcome)
}

/// The first and last real-time signal numbers that the C library leaves to programs. keepalived's numbers count from
/// both ends, so they depend on the library.
#[must_use]
pub fn realtime_signals() -> (i32, i32) {
    (libc::SIGRTMIN(), libc::SIGRTMAX())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_names_and_never_paths() {
        for bad in ["", ".", "..", "../../proc/1/ns/net", "a/b"] {
            let error = enter_network_namespace(bad).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{bad:?}");
        }
        let error = enter_network_namespace("standfast-no-such-namespace").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_done_in_another_namespace_is_done_there_and_nothing_else_is() {
        // A thread of its own, for it is the thread that moves.
        let there = std::thread::spawn(|| {
            let before = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
            let old = own_network_namespace().unwrap();
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("namespaces need root");
            let new = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
            let seen = in_network_namespace(&old, || std::fs::read_link("/proc/thread-self/ns/net").unwrap()).unwrap();
            let after = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
            (before, new, seen, after)
        });
        let (before, new, seen, after) = there.join().unwrap();
        assert_ne!(before, new);
        assert_eq!((seen, after), (before, new));
    }

    #[test]
    fn what_is_missing_is_what_the_kernel_says_we_have_not() {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:\t")).unwrap();
        let effective = u64::from_str_radix(effective, 16).unwrap();
        let expected: Vec<_> = [(Capability::NetAdmin, 12), (Capability::NetRaw, 13)]
            .into_iter()
            .filter(|(_, bit)| effective & (1 << bit) == 0)
            .map(|(capability, _)| capability)
            .collect();
        assert_eq!(missing_capabilities(&[Capability::NetAdmin, Capability::NetRaw]).unwrap(), expected);
    }

    #[test]
    fn the_real_time_signals_of_the_c_library_leave_room_for_three() {
        let (first, last) = realtime_signals();
        assert!(first + 2 < last - 1, "{first}..={last}");
    }
}
