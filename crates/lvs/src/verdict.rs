//! What a health check can come back with.
//!
//! It owns the words between the one who performs a check and the one who judges it. Nothing here decides.

use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use standfast_model::InterfaceName;
use std::net::IpAddr;
use std::sync::Arc;

/// The outcome of one attempt of one check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The server does what the check asks for.
    Ok,
    /// It does, and the check says what weight it is worth (`misc_dynamic`, `FILE_CHECK`).
    OkWithWeight(CheckWeight),
    /// This attempt passed, and it is one part of several that together make the check (the pages of an `HTTP_GET`
    /// without `fast_recovery`): a check that is up stays up, one that is down waits for the other parts.
    OkSoFar,
    /// The server does not.
    Failed(Reason),
    /// The check could not be made, for a reason that lies on this machine: it says nothing of the server.
    Unable(Inability),
}

/// What a check says of the weight of its server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum CheckWeight {
    /// This one instead of the configured one: `misc_dynamic`, where the exit status is the weight and 2 more.
    Absolute(u32),
    /// So much is added to the configured one: `FILE_CHECK`, the number in the file by `weight`.
    Relative(i64),
}

/// Why a server did not pass.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// Nobody listens (`ECONNREFUSED`): the machine is there, the program is not.
    Refused,
    /// The connection was reset while it was made (`ECONNRESET`).
    Reset,
    /// No answer within the limit of the check (`connect_timeout`).
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// No way to the host (`EHOSTUNREACH`): no answer to ARP, or a router said so.
    NoRouteToHost,
    /// No route to its network (`ENETUNREACH`), which an interface without carrier can mean too.
    NetworkUnreachable,
    /// The kernel connected the probe to itself, which happens when a local target nobody listens on is hit by its
    /// own source port.
    ConnectedToItself,
    /// The server answered, and not as the check asks: the words of the check, which name what came and what was
    /// wanted. They are bounded, and hold nothing of the server that is not printable.
    Answer(Arc<str>),
    /// Another error of the system.
    System {
        /// Its number (`errno`).
        errno: i32,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::Reset => f.write_str("connection reset"),
            Self::TimedOut { after } => write!(f, "timed out after {} s", after.as_secs_f64()),
            Self::NoRouteToHost => f.write_str("no route to host"),
            Self::NetworkUnreachable => f.write_str("network is unreachable"),
            Self::ConnectedToItself => f.write_str("nobody listens (the probe met itself)"),
            Self::Answer(words) => f.write_str(words),
            Self::System { errno } => system(f, *errno),
        }
    }
}

/// Why a check could not be made.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Inability {
    /// This process or the machine has no descriptor left (`EMFILE`, `ENFILE`).
    OutOfDescriptors,
    /// The kernel has no memory for a socket (`ENOMEM`, `ENOBUFS`).
    OutOfMemory,
    /// No local address fits the target, or every local port is taken (`EADDRNOTAVAIL`, `EAGAIN`).
    NothingToConnectFrom,
    /// `bindto` names an address that is not on this machine.
    NoSuchLocalAddress(IpAddr),
    /// `bind_port` is in use.
    LocalPortInUse(u16),
    /// `bind_if` names an interface that does not exist.
    NoSuchInterface(InterfaceName),
    /// The kernel or a local packet filter forbids it (`EPERM`): `fwmark` needs CAP_NET_ADMIN.
    NotPermitted,
    /// What the configuration asks for cannot be had here (a certificate that cannot be read, a pattern that the
    /// library refuses, a session that nobody holds): the words of the check.
    NotPossible(Arc<str>),
    /// Another error before a packet could leave.
    System {
        /// Its number (`errno`).
        errno: i32,
    },
}

impl fmt::Display for Inability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfDescriptors => f.write_str("no file descriptor left"),
            Self::OutOfMemory => f.write_str("no memory for a socket"),
            Self::NothingToConnectFrom => f.write_str("no local address or port to connect from"),
            Self::NoSuchLocalAddress(address) => write!(f, "bindto address {address} is not on this machine"),
            Self::LocalPortInUse(port) => write!(f, "bind_port {port} is in use"),
            Self::NoSuchInterface(name) => write!(f, "bind_if interface {name} does not exist"),
            Self::NotPermitted => f.write_str("not permitted by the kernel or a local packet filter"),
            Self::NotPossible(words) => f.write_str(words),
            Self::System { errno } => system(f, *errno),
        }
    }
}

/// The system's words for an error, which begin with a capital letter.
fn system(f: &mut fmt::Formatter<'_>, errno: i32) -> fmt::Result {
    f.write_str(&std::io::Error::from_raw_os_error(errno).to_string().to_lowercase())
}
