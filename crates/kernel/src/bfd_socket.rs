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
use std::os::fd::{AsRawFd, OwnedFd};

/// Octets a receive buffer should have: a control packet has 24, one with authentication up to 255, and what is longer
/// than this is none.
pub const RECEIVE_BUFFER_BYTES: usize = 512;

/// What a listening socket may hold of packets that nobody has read yet, in the kernel's count of some 800 octets each (a
/// driver may need more): those of a hundred sessions of 50 ms while the machine stands still for a second. Without it the
/// packets of some sessions are lost to a pause that is not long enough to lose a neighbour.
const QUEUE_BYTES: usize = 1 << 20;

/// More packets than a listening socket holds: who has taken so many has taken all that was there when he began.
pub const HELD_PACKETS: usize = 4096;

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
    socket: Socket,
    /// A second descriptor of the socket, which the runtime waits on. None: it is not waited on, and what comes wakes nobody.
    watched: Option<AsyncFd<OwnedFd>>,
}

impl BfdListener {
    /// Opens it on every address of the family, and waits on it.
    ///
    /// # Errors
    ///
    /// `EADDRINUSE` if another BFD daemon runs here; `EAFNOSUPPORT` without IPv6 in the kernel; `EMFILE`, `ENFILE`.
    pub fn open(family: Family, port: u16) -> io::Result<Self> {
        let socket = open(family)?;
        // Beyond the limit of the system, where we may.
        setsockopt(&socket, sockopt::RcvBufForce, &QUEUE_BYTES)
            .or_else(|_| setsockopt(&socket, sockopt::RcvBuf, &QUEUE_BYTES))?;
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
        let mut listener = Self { socket, watched: None };
        listener.watch()?;
        Ok(listener)
    }

    /// Waits on it from now on, also for what is there already.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE`, `ENOMEM`; it is then not waited on.
    pub fn watch(&mut self) -> io::Result<()> {
        if self.watched.is_none() {
            self.watched = Some(AsyncFd::new(OwnedFd::from(self.socket.try_clone()?))?);
        }
        Ok(())
    }

    /// Waits on it no more: a caller that looks by itself is not woken by each of many datagrams.
    pub fn look_away(&mut self) {
        self.watched = None;
    }

    /// Whether something may be there; for a caller that waits on many sockets in one future. Never, while it is not waited
    /// on.
    ///
    /// # Errors
    ///
    /// If the runtime is shutting down.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watched.as_ref().map_or(Poll::Pending, |watched| watched.poll_readable(context))
    }

    /// Takes one datagram from the queue, or none if it is empty. It never waits.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the kernel did not say where it came from and went to; it is then gone.
    pub fn recv<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Option<Arrived<'a>>> {
        let taken = match &self.watched {
            Some(watched) => watched.try_read(|_| recv_with_info(&self.socket, &mut *buffer))?,
            None => match recv_with_info(&self.socket, &mut *buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
                taken => Some(taken?),
            },
        };
        let Some(Info { length, source, destination, ttl }) = taken else { return Ok(None) };
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
    destination: SockAddr,
    /// The kernel keeps the way to the destination instead of looking for it with each packet.
    connected: bool,
}

impl BfdSender {
    /// Opens it on this port, at the address given or at whichever the kernel chooses for each packet.
    ///
    /// # Errors
    ///
    /// `EADDRINUSE` if somebody has the port; `EADDRNOTAVAIL` if the address is not here; `EMFILE`, `ENFILE`.
    pub fn open(source: Option<IpAddr>, port: u16, destination: SocketAddr, ttl: u8) -> io::Result<Self> {
        let family = if destination.is_ipv4() { Family::Inet } else { Family::Inet6 };
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
        let destination = SockAddr::from(destination);
        // Who names no source wants the kernel's choice anew with each packet. Where there is no way yet each packet looks.
        let connected = source.is_some() && socket.connect(&destination).is_ok();
        Ok(Self { socket, destination, connected })
    }

    /// Sends one packet. It never waits: what finds no room is lost, as any packet may be.
    ///
    /// # Errors
    ///
    /// `ENETUNREACH`, `ENETDOWN` and the like.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        let sent = if self.connected {
            // What the network said of an earlier packet is told instead of sending this one, once.
            self.socket.send(packet).or_else(|_| self.socket.send(packet))
        } else {
            self.socket.send_to(packet, &self.destination)
        };
        sent.map(drop)
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

    fn port_of(listener: &BfdListener) -> u16 {
        listener.socket.local_addr().unwrap().as_socket().unwrap().port()
    }

    /// Ports of the loopback that nobody has: the kernel chooses them.
    fn exchange(family: Family, source: Option<IpAddr>, address: IpAddr, ttl: u8) {
        let mut listener = BfdListener::open(family, 0).unwrap();
        let sender = BfdSender::open(source, 0, SocketAddr::new(address, port_of(&listener)), ttl).unwrap();
        assert_eq!(sender.connected, source.is_some());
        let mut buffer = [0; RECEIVE_BUFFER_BYTES];
        // Once while it is waited on, and once while it is not.
        for _ in 0..2 {
            sender.send(b"hello").unwrap();
            let arrived = listener.recv(&mut buffer).unwrap().unwrap();
            assert_eq!(arrived, Arrived { source: address, destination: address, ttl: Some(ttl), payload: b"hello" });
            assert!(listener.recv(&mut buffer).unwrap().is_none());
            listener.look_away();
        }
    }

    // REQ: BFD1-5-01
    #[tokio::test]
    async fn what_arrives_comes_with_its_addresses_and_its_ttl() {
        let inet = Ipv4Addr::LOCALHOST.into();
        exchange(Family::Inet, Some(inet), inet, 255);
        exchange(Family::Inet, None, inet, 3);
        let inet6 = Ipv6Addr::LOCALHOST.into();
        exchange(Family::Inet6, Some(inet6), inet6, 64);
    }

    #[tokio::test]
    async fn what_comes_while_nobody_can_read_is_held() {
        let listener = BfdListener::open(Family::Inet, 0).unwrap();
        let local = Ipv4Addr::LOCALHOST.into();
        let sender = BfdSender::open(Some(local), 0, SocketAddr::new(local, port_of(&listener)), 255).unwrap();
        // Who may not go beyond the limit of the system has that much, and holds less.
        let may = setsockopt(&sender.socket, sockopt::RcvBufForce, &QUEUE_BYTES).is_ok();
        let limit: usize = std::fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap().trim().parse().unwrap();
        assert_eq!(
            listener.socket.recv_buffer_size().unwrap(),
            2 * if may { QUEUE_BYTES } else { limit.min(QUEUE_BYTES) }
        );
        let (mut sent, mut held) = (0, 0);
        while sent < HELD_PACKETS + 1 {
            sender.send(&[0; 24]).unwrap();
            sent += 1;
        }
        while listener.recv(&mut [0; RECEIVE_BUFFER_BYTES]).unwrap().is_some() {
            held += 1;
        }
        assert!(held > if may { 1500 } else { 200 }, "{held}");
        assert!(held <= HELD_PACKETS, "{held}");
    }

    #[tokio::test]
    async fn what_is_not_waited_on_wakes_nobody_and_waits() {
        let mut listener = BfdListener::open(Family::Inet, 0).unwrap();
        let local = Ipv4Addr::LOCALHOST.into();
        let sender = BfdSender::open(Some(local), 0, SocketAddr::new(local, port_of(&listener)), 255).unwrap();
        listener.look_away();
        sender.send(b"hello").unwrap();
        let woken = async |listener: &BfdListener| {
            let readable = core::future::poll_fn(|context| listener.poll_readable(context));
            tokio::time::timeout(core::time::Duration::from_millis(100), readable).await.is_ok()
        };
        assert!(!woken(&listener).await);
        listener.watch().unwrap();
        assert!(woken(&listener).await, "what came before is not seen");
        assert!(listener.recv(&mut [0; RECEIVE_BUFFER_BYTES]).unwrap().is_some());
    }

    #[tokio::test]
    async fn a_packet_that_nobody_wanted_does_not_cost_the_next_one() {
        let local: IpAddr = Ipv4Addr::LOCALHOST.into();
        let closed = BfdListener::open(Family::Inet, 0).unwrap();
        let port = port_of(&closed);
        drop(closed);
        let sender = BfdSender::open(Some(local), 0, SocketAddr::new(local, port), 255).unwrap();
        sender.send(b"lost").unwrap();
        let listener = BfdListener::open(Family::Inet, port).unwrap();
        sender.send(b"hello").unwrap();
        assert!(listener.recv(&mut [0; RECEIVE_BUFFER_BYTES]).unwrap().is_some());
    }

    #[tokio::test]
    async fn a_port_that_somebody_has_is_an_error() {
        let listener = BfdListener::open(Family::Inet, 0).unwrap();
        let port = port_of(&listener);
        let second = BfdListener::open(Family::Inet, port).map(|_| ());
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let local = Ipv4Addr::LOCALHOST.into();
        let taken = BfdSender::open(Some(local), port, SocketAddr::new(local, 3784), 255).map(|_| ());
        assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
