//! The children of others: as the first process of a pid namespace (a container) we become the parent of everything whose
//! own parent has died, and nobody else takes leave of it.

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};

/// Orphans that are taken leave of at once. Each that is left announces itself again, or is met the next time.
const AT_ONCE: u32 = 64;

/// Whether orphans become our children: we are the first process of our pid namespace.
#[must_use]
pub fn are_ours() -> bool {
    std::process::id() == 1
}

/// Takes leave of children that have ended and are not `known`, and returns how many they were. One that is known stays
/// for who waits for it.
pub fn take_leave(known: impl Fn(u32) -> bool) -> u32 {
    for count in 0..AT_ONCE {
        // It is looked at first, for how a known one ended is for another to hear.
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let ended = waitid(Id::All, look).ok().as_ref().and_then(WaitStatus::pid);
        let Some(pid) = ended.filter(|pid| !known(pid.as_raw().cast_unsigned())) else { return count };
        if matches!(waitpid(pid, Some(WaitPidFlag::WNOHANG)), Err(Errno::ECHILD)) {
            return count;
        }
    }
    AT_ONCE
}
