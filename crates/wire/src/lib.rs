//! Bytes to values and back: VRRP advertisements with every authentication, ARP, neighbour advertisements.
//!
//! Wire units live only here. Nothing in this crate can panic on any input, decides anything, or does I/O.

use standfast_model::InterfaceIndex;
use std::net::IpAddr;

/// A packet as it came from a raw socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received<'a> {
    /// The interface it came in through.
    pub interface: InterfaceIndex,
    /// From the IP header.
    pub source: IpAddr,
    /// From the IP header.
    pub destination: IpAddr,
    /// TTL or hop limit; none if the kernel did not tell, which never counts as 255.
    pub ttl: Option<u8>,
    /// What follows the IP header, cut to the length the IP header gives.
    pub message: &'a [u8],
}
