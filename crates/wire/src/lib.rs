//! Bytes to values and back: VRRP advertisements, the IPv4 header around them, gratuitous ARP, neighbour advertisements,
//! BFD control packets.
//!
//! Every protocol has two levels. A *view* borrows the octets, is panic-free after one length check and can print a
//! bad packet as fully as a good one. A *value* holds only what makes sense, and has `parse` and an emitter.
//!
//! Wire units (centiseconds, octets in network order) live only here. Nothing in this crate can panic on any input,
//! decides anything that needs configuration, or does I/O.

pub mod arp;
pub mod bfd;
pub mod checksum;
pub mod ethernet;
pub mod ipv4;
pub mod ndisc;
pub mod vrrp;

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
