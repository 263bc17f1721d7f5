//! Bytes to values and back: VRRP advertisements, the headers around them, gratuitous ARP, neighbour advertisements,
//! BFD control packets, and what directors tell each other.
//!
//! Every protocol has two levels. A *view* borrows the octets, is panic-free after one length check and can print a
//! bad packet as fully as a good one. A *value* holds only what makes sense, and has `parse` and an emitter.
//!
//! Wire units (centiseconds, octets in network order) live only here. Nothing in this crate can panic on any input,
//! decides anything that needs configuration, or does I/O.

pub mod ah;
pub mod arp;
pub mod bfd;
pub mod checksum;
pub mod ethernet;
pub mod exchange;
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
    /// The authentication header (`auth_type AH`), if one was between IPv4 and VRRP.
    pub ah: Option<ah::Header<'a>>,
    /// The VRRP message: what follows the IP header, or the authentication header, cut to the length the IP header
    /// gives.
    pub message: &'a [u8],
}

/// Why octets are no IPv4 packet that could have an advertisement in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unreadable {
    /// The IPv4 header.
    #[error(transparent)]
    Ipv4(#[from] ipv4::Error),
    /// The authentication header.
    #[error(transparent)]
    Ah(#[from] ah::Error),
}

impl<'a> Received<'a> {
    /// A packet as a raw IPv4 socket delivers it, of protocol 112 or 51; another protocol is taken for 112.
    ///
    /// # Errors
    /// [`Unreadable`] for what is no whole packet, and for an authentication header that is none of ours.
    pub fn of_ipv4(interface: InterfaceIndex, packet: &'a [u8]) -> Result<Self, Unreadable> {
        let (header, payload) = ipv4::parse_header(packet)?;
        let ah = if header.protocol == ah::PROTOCOL { Some(ah::Header::of(packet, payload)?) } else { None };
        Ok(Self {
            interface,
            source: IpAddr::V4(header.source),
            destination: IpAddr::V4(header.destination),
            ttl: Some(header.ttl),
            ah,
            message: ah.map_or(payload, |ah| ah.message()),
        })
    }
}
