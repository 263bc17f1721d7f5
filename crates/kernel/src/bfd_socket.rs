//! UDP sockets of BFD: one that hears everything that comes to a port, and one for each session to send from.
//!
//! It owns the socket options that RFC 5881 asks for and nothing of the protocol: it checks no TTL, it tells it.

use crate::async_fd::AsyncFd;
use core::task::{Context, Poll};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use standfast_model::ipvs::Family;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

/// Octets a receive buffer should have: a control packet has 24, one with authentication up to 255, and what is longer
/// than this is none.
pub const RECEIVE_BUFFER_BYTES: usize = 512;

/// Internetwork control (RFC 5881 says nothing; RFC 2474 and every router use it for control packets).
const TRAFFIC_CLASS: u32 = 0xc0;

/// `TC_PRIO_CONTROL`, and the highest that needs no capability.
const PRIORITIES: [u32; 2] = [7, 6];

/// A datagram that came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrived<'a> {
    /// From the IP header.
    pub source: IpAddr,
    /// From the IP header.
    pub destination: IpAddr,
    /// TTL or hop limit, if the kernel told.
    pub ttl: Option<u8>,
    /// What follows the UDP header, cut to the buffer.
    pub payload: &'a [u8],
}

/// The socket that hears one port over one family.
#[derive(Debug)]
pub struct BfdListener {
    socket: AsyncFd<Socket>,
}

impl BfdListener {
    /// Opens it on every address of the family.
    ///
    /// # Errors
    ///
    /// `EADDRINUSE` if another BFD daemon runs here; `EAFNOSUPPORT` without IPv6 in the kernel; `EMFILE`, `ENFILE`.
    pub fn open(family: Family, port: u16) -> io::Result<Self> {
        let socket = open(family)?;
        let any = match family {
            Family::Inet => {
                setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?;
                setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
                IpAddr::from(Ipv4Addr::UNSPECIFIED)
            }
            Family::Inet6 => {
                setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
                setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
                IpAddr::from(Ipv6Addr::UNSPECIFIED)
            }
        };
        socket.bind(&SockAddr::from(SocketAddr::new(any, port)))?;
        Ok(Self { socket: AsyncFd::new(socket)? })
    }

    /// Whether something may be there; for a caller that waits on many sockets in one future.
    ///
    /// # Errors
    ///
    /// If the runtime is shutting down.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_readable(context)
    }

    /// Takes one datagram from the queue, or none if it is empty. It never waits.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the kernel did not say where it came from and went to; it is then gone.
    pub fn recv<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Option<Arrived<'a>>> {
        let read = |socket: &Socket| recv_with_info(socket, &mut *buffer);
        let Some(Info { length, source, destination, ttl }) = self.socket.try_read(read)? else { return Ok(None) };
        let (Some(source), Some(destination)) = (source, destination) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no addresses came with the datagram"));
        };
        Ok(Some(Arrived { source, destination, ttl, payload: buffer.get(..length).unwrap_or_default() }))
    }
}

/// The socket that one session sends from.
#[derive(Debug)]
pub struct BfdSender {
    socket: Socket,
}

impl BfdSender {
    /// Opens it on this port, at the address given or at whichever the kernel chooses for each packet.
    ///
    /// # Errors
    ///
    /// `EADDRINUSE` if somebody has the port; `EADDRNOTAVAIL` if the address is not here; `EMFILE`, `ENFILE`.
    pub fn open(family: Family, source: Option<IpAddr>, port: u16, ttl: u8) -> io::Result<Self> {
        let socket = open(family)?;
        let any: IpAddr = match family {
            Family::Inet => {
                socket.set_ttl_v4(ttl.into())?;
                socket.set_tos_v4(TRAFFIC_CLASS)?;
                Ipv4Addr::UNSPECIFIED.into()
            }
            Family::Inet6 => {
                socket.set_unicast_hops_v6(ttl.into())?;
                socket.set_tclass_v6(TRAFFIC_CLASS)?;
                Ipv6Addr::UNSPECIFIED.into()
            }
        };
        // After the traffic class, which sets a priority of its own. Without one the packet waits behind bulk data.
        let _ = PRIORITIES.into_iter().find(|priority| socket.set_priority(*priority).is_ok());
        socket.bind(&SockAddr::from(SocketAddr::new(source.unwrap_or(any), port)))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }

    /// Sends one packet. It never waits: what finds no room is lost, as any packet may be.
    ///
    /// # Errors
    ///
    /// `ENETUNREACH`, `ENETDOWN` and the like; `ECONNREFUSED` tells of an earlier packet that nobody wanted.
    pub fn send(&self, destination: SocketAddr, packet: &[u8]) -> io::Result<()> {
        self.socket.send_to(packet, &SockAddr::from(destination)).map(|_| ())
    }
}

fn open(family: Family) -> io::Result<Socket> {
    let domain = match family {
        Family::Inet => Domain::IPV4,
        Family::Inet6 => Domain::IPV6,
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if family == Family::Inet6 {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// What came with a datagram.
struct Info {
    length: usize,
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    ttl: Option<u8>,
}

/// Ancillary data as the kernel writes it: one `in6_pktinfo` (40 octets with header) and one `int` (24).
#[repr(C, align(8))]
struct Ancillary([u8; 64]);

fn recv_with_info(socket: &Socket, buffer: &mut [u8]) -> io::Result<Info> {
    let mut ancillary = Ancillary([0; 64]);
    let mut parts = [IoSliceMut::new(buffer)];
    let received =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut ancillary.0), MsgFlags::MSG_DONTWAIT)?;
    let source = received.address.and_then(|address| {
        let inet = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        inet.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    });
    let mut info = Info { length: received.bytes, source, destination: None, ttl: None };
    for message in received.cmsgs()? {
        #[expect(clippy::wildcard_enum_match_arm, reason = "of some thirty kinds of ancillary data we asked for four")]
        match message {
            ControlMessageOwned::Ipv4PacketInfo(of) => {
                info.destination = Some(Ipv4Addr::from(u32::from_be(of.ipi_addr.s_addr)).into());
            }
            ControlMessageOwned::Ipv6PacketInfo(of) => {
                info.destination = Some(Ipv6Addr::from(of.ipi6_addr.s6_addr).into());
            }
            ControlMessageOwned::Ipv4Ttl(ttl) | ControlMessageOwned::Ipv6HopLimit(ttl) => {
                info.ttl = u8::try_from(ttl).ok();
            }
            _ => {}
        }
    }
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ports of the loopback that nobody has: the kernel chooses them.
    fn exchange(family: Family, address: IpAddr, ttl: u8) {
        let listener = BfdListener::open(family, 0).unwrap();
        let port = listener.socket.get_ref().local_addr().unwrap().as_socket().unwrap().port();
        let sender = BfdSender::open(family, Some(address), 0, ttl).unwrap();
        sender.send(SocketAddr::new(address, port), b"hello").unwrap();
        let mut buffer = [0; RECEIVE_BUFFER_BYTES];
        let arrived = listener.recv(&mut buffer).unwrap().unwrap();
        assert_eq!(arrived, Arrived { source: address, destination: address, ttl: Some(ttl), payload: b"hello" });
        assert!(listener.recv(&mut buffer).unwrap().is_none());
    }

    // REQ: BFD1-5-01
    #[tokio::test]
    async fn what_arrives_comes_with_its_addresses_and_its_ttl() {
        exchange(Family::Inet, Ipv4Addr::LOCALHOST.into(), 255);
        exchange(Family::Inet, Ipv4Addr::LOCALHOST.into(), 3);
        exchange(Family::Inet6, Ipv6Addr::LOCALHOST.into(), 64);
    }

    #[tokio::test]
    async fn a_port_that_somebody_has_is_an_error() {
        let listener = BfdListener::open(Family::Inet, 0).unwrap();
        let port = listener.socket.get_ref().local_addr().unwrap().as_socket().unwrap().port();
        let second = BfdListener::open(Family::Inet, port).map(|_| ());
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let taken = BfdSender::open(Family::Inet, Some(Ipv4Addr::LOCALHOST.into()), port, 255).map(|_| ());
        assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
