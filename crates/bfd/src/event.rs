//! What can happen to the sessions.

use crate::note::Note;
use standfast_model::config::BfdConfig;
use standfast_model::config::track::BfdId;
use std::net::IpAddr;

/// A datagram as it came from a socket of port 3784 or 4784.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received<'a> {
    /// Whether it came to the port of sessions over several hops.
    pub multihop: bool,
    /// From the IP header.
    pub source: IpAddr,
    /// From the IP header.
    pub destination: IpAddr,
    /// TTL or hop limit; none if the kernel did not tell, which satisfies no limit.
    pub ttl: Option<u8>,
    /// What follows the UDP header.
    pub payload: &'a [u8],
}

/// One thing that happened. What arrived is handled before what is due: a living neighbour is never lost by a tie.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Before the first [`Event::Wake`]: a predecessor was killed while this session was up. It goes on if, going by the
    /// note, the detection time is over on neither side; who comes in that very moment or later begins anew. The neighbour
    /// then has a whole detection time to say something, for nobody listened: one that died together with the predecessor
    /// is lost after less than two detection times, however often successors follow each other.
    Adopt {
        /// The session, by its place in the configuration.
        session: BfdId,
        /// What was noted of it.
        note: &'a Note,
    },
    /// A datagram arrived.
    Packet(Received<'a>),
    /// A deadline may have passed, and packets may wait that nobody has read yet: what is due is sent, and nobody is lost.
    Speak,
    /// A deadline may have passed, and everything that had arrived by then was told before.
    Wake,
    /// There is a new configuration. Sessions of the same name, addresses, port and TTL go on.
    Reload(&'a BfdConfig),
    /// Somebody else has this source port.
    PortTaken(u16),
    /// Say that every session is administratively down, and stop (RFC 5880 6.8.16).
    Shutdown,
}
