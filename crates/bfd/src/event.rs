//! What can happen to the sessions.

use standfast_model::config::BfdConfig;
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
    /// A datagram arrived.
    Packet(Received<'a>),
    /// A deadline may have passed.
    Wake,
    /// There is a new configuration. Sessions of the same name, addresses, port and TTL go on.
    Reload(&'a BfdConfig),
    /// Somebody else has this source port.
    PortTaken(u16),
    /// Say that every session is administratively down, and stop (RFC 5880 6.8.16).
    Shutdown,
}
