//! What the sessions want done, in the order in which they want it done.

use core::time::Duration;
use standfast_model::bfd::{Diagnostic, State};
use standfast_model::config::track::BfdId;
use standfast_wire::bfd::{Error, LEN};
use std::net::{IpAddr, SocketAddr};

/// How a session's packets leave. Each needs a socket of its own, since the source port is the session's for life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Path {
    /// `source_ip`; none lets the kernel choose.
    pub source: Option<IpAddr>,
    /// 49152..=65535 (RFC 5881 4).
    pub source_port: u16,
    /// The neighbour, and port 3784 or 4784.
    pub destination: SocketAddr,
    /// TTL or hop limit.
    pub ttl: u8,
}

/// A session's state has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transition {
    /// The name in the configuration.
    pub session: String,
    /// The neighbour.
    pub neighbor: IpAddr,
    /// Before.
    pub from: State,
    /// After.
    pub to: State,
    /// What made it leave Up, and otherwise [`Diagnostic::NONE`].
    pub diagnostic: Diagnostic,
}

/// One thing to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Send this.
    Send {
        /// Through the socket of this path.
        path: Path,
        /// A whole control packet.
        packet: [u8; LEN],
    },
    /// Write this down.
    Transition(Transition),
    /// Tell whoever tracks the session. A neighbour that is administratively down is no failure and is not told (as
    /// keepalived does).
    Tell {
        /// Which, by its place in the configuration.
        session: BfdId,
        /// Whether it is up.
        up: bool,
    },
    /// Something an operator wants to read.
    Notice(Notice),
}

/// What an operator wants to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// A session goes on where a predecessor left it.
    GoesOn {
        /// The name in the configuration.
        session: String,
        /// The neighbour.
        neighbor: IpAddr,
        /// How long ago it was heard.
        silent_for: Duration,
    },
    /// A session that a predecessor left begins anew: one side may have lost the other meanwhile.
    BeginsAnew {
        /// The name in the configuration.
        session: String,
        /// The neighbour.
        neighbor: IpAddr,
        /// How long ago it was heard.
        silent_for: Duration,
    },
    /// A packet was refused. Said at most once until the session hears something good again.
    Refused {
        /// The session it was for, if that is known.
        session: Option<String>,
        /// Who sent it.
        source: IpAddr,
        /// Why.
        reason: Refusal,
    },
}

/// Why a packet changes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// It is none.
    #[error(transparent)]
    Malformed(#[from] Error),
    /// It came from farther away than it may (RFC 5881 5, `max_hops`).
    #[error("TTL {got:?}, at least {least} expected")]
    Ttl {
        /// What it came with.
        got: Option<u8>,
        /// `ttl` less `max_hops`.
        least: u8,
    },
    /// Its discriminator names no session of ours (RFC 5880 6.8.6).
    #[error("no session has discriminator {0:#010x}")]
    NoSuchDiscriminator(u32),
    /// No session has such a neighbour.
    #[error("no session with this neighbor")]
    NoSuchNeighbor,
}

/// Collects actions in order; reused between calls.
#[derive(Debug, Default)]
pub struct Output {
    /// The actions, first to last.
    pub actions: Vec<Action>,
}

impl Output {
    pub(crate) fn push(&mut self, action: Action) {
        self.actions.push(action);
    }
}
