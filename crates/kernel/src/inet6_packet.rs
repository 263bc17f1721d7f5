//! A packet from a raw IPv6 socket with what its header said, which the kernel tells beside it.
//!
//! The socket must have been asked for it (`IPV6_RECVPKTINFO`, `IPV6_RECVHOPLIMIT`): what was not told is none.

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, SockaddrLike, recvmsg};
use standfast_model::InterfaceIndex;
use std::io::{self, IoSliceMut};
use std::net::Ipv6Addr;
use std::os::fd::RawFd;

/// Ancillary data as the kernel writes it: one `in6_pktinfo` (40 octets with header) and one `int` (24).
#[repr(C, align(8))]
struct Ancillary([u8; 64]);

/// What came with an IPv6 packet.
pub(crate) struct Inet6Packet {
    pub(crate) length: usize,
    pub(crate) interface: Option<InterfaceIndex>,
    pub(crate) source: Option<Ipv6Addr>,
    pub(crate) destination: Option<Ipv6Addr>,
    pub(crate) hop_limit: Option<u8>,
}

/// Takes one packet from the queue. It never waits.
pub(crate) fn recv(socket: RawFd, buffer: &mut [u8]) -> io::Result<Inet6Packet> {
    let mut ancillary = Ancillary([0; 64]);
    let mut parts = [IoSliceMut::new(buffer)];
    let received = recvmsg::<SockaddrIn6>(socket, &mut parts, Some(&mut ancillary.0), MsgFlags::MSG_DONTWAIT)?;
    if received.flags.contains(MsgFlags::MSG_TRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a packet longer than the receive buffer"));
    }
    let mut packet = Inet6Packet {
        length: received.bytes,
        interface: None,
        source: received.address.filter(|a| a.family() == Some(nix::sys::socket::AddressFamily::Inet6)).map(|a| a.ip()),
        destination: None,
        hop_limit: None,
    };
    for message in received.cmsgs()? {
        #[expect(clippy::wildcard_enum_match_arm, reason = "of some thirty kinds of ancillary data we asked for two")]
        match message {
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                packet.destination = Some(info.ipi6_addr.s6_addr.into());
                packet.interface = Some(InterfaceIndex(info.ipi6_ifindex));
            }
            ControlMessageOwned::Ipv6HopLimit(limit) => packet.hop_limit = u8::try_from(limit).ok(),
            _ => {}
        }
    }
    Ok(packet)
}
