//! The system's errors sorted by whose fault they are: the server's and the way to it, or this machine's.
//!
//! It owns the sorting and nothing else.

use standfast_lvs::{Inability, Reason, Verdict};
use std::io;

/// What an error of `connect` means.
///
/// Lack of descriptors, memory, local addresses and ports, and a refusal by a local packet filter say nothing about
/// the server. A missing route does: what the director cannot reach, it cannot forward to.
pub(crate) fn of_connect(error: &io::Error) -> Verdict {
    if let Some(inability) = local(error) {
        return Verdict::Unable(inability);
    }
    let errno = number(error);
    Verdict::Failed(match errno {
        libc::ECONNREFUSED => Reason::Refused,
        libc::ECONNRESET => Reason::Reset,
        libc::EHOSTUNREACH => Reason::NoRouteToHost,
        libc::ENETUNREACH => Reason::NetworkUnreachable,
        errno => Reason::System { errno },
    })
}

/// What an error means that came before any packet could leave.
pub(crate) fn of_set_up(error: &io::Error) -> Inability {
    local(error).unwrap_or_else(|| Inability::System { errno: number(error) })
}

/// The errors that lie on this machine, whichever call they come from.
fn local(error: &io::Error) -> Option<Inability> {
    match number(error) {
        libc::EMFILE | libc::ENFILE => Some(Inability::OutOfDescriptors),
        libc::ENOMEM | libc::ENOBUFS => Some(Inability::OutOfMemory),
        libc::EADDRNOTAVAIL | libc::EADDRINUSE | libc::EAGAIN => Some(Inability::NothingToConnectFrom),
        libc::EPERM => Some(Inability::NotPermitted),
        _ => None,
    }
}

/// The number of the error; 0 for one that the library made up itself.
pub(crate) fn number(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(0)
}
