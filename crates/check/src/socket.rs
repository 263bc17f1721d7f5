//! A socket as the common words of the checks ask for it: `bindto`, `bind_port`, `bind_if`, `fwmark`.
//!
//! It owns the options before the connection, and sends nothing.

use crate::errno;
use core::time::Duration;
use nix::sys::socket::{SetSockOpt as _, sockopt};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use standfast_lvs::Inability;
use standfast_model::config::lvs::Connect;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::{TcpSocket, UdpSocket};

/// A TCP socket that is ready to connect.
///
/// With a `bind_port` closing it resets the connection (linger 0): otherwise that port could be used once a minute only.
/// Every other connection ends in order, since servers complain in their logs about what is reset before they took it.
pub(crate) fn tcp(connect: &Connect) -> Result<TcpSocket, Inability> {
    Ok(TcpSocket::from_std_stream(plain_tcp(connect)?.into()))
}

/// The same, and nobody waits for it yet.
pub(crate) fn plain_tcp(connect: &Connect) -> Result<Socket, Inability> {
    let socket = Socket::new(Domain::for_address(connect.target), Type::STREAM.nonblocking(), Some(Protocol::TCP))
        .map_err(|e| errno::of_set_up(&e))?;
    if connect.bind_port.is_some() {
        socket.set_linger(Some(Duration::ZERO)).map_err(|e| errno::of_set_up(&e))?;
    }
    apply(&socket, connect)?;
    Ok(socket)
}

/// A UDP socket of one peer: it hears no other, and is told what ICMP says about it.
pub(crate) fn udp(connect: &Connect) -> Result<UdpSocket, NoSocket> {
    let socket = Socket::new(Domain::for_address(connect.target), Type::DGRAM.nonblocking(), Some(Protocol::UDP))
        .map_err(|e| errno::of_set_up(&e))?;
    datagrams(socket, connect, connect.target)
}

/// An ICMP socket of one peer, and whether it is a raw one, which gets everything that the peer sends by ICMP.
///
/// The kernel has sockets for echo requests alone (`net.ipv4.ping_group_range` says whose groups may have them); where
/// they are not to be had, a raw socket does.
pub(crate) fn icmp(connect: &Connect) -> Result<(UdpSocket, bool), NoSocket> {
    let protocol = if connect.target.is_ipv4() { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
    let open = |kind: Type| Socket::new(Domain::for_address(connect.target), kind.nonblocking(), Some(protocol));
    let (socket, raw) = match open(Type::DGRAM) {
        Ok(socket) => (socket, false),
        Err(error) if matches!(errno::number(&error), libc::EACCES | libc::EPERM | libc::EPROTONOSUPPORT) => {
            (open(Type::RAW).map_err(|e| errno::of_set_up(&e))?, true)
        }
        Err(error) => return Err(errno::of_set_up(&error).into()),
    };
    // ICMP has no ports, and the kernel refuses a raw socket that names one.
    let mut target = connect.target;
    target.set_port(0);
    datagrams(socket, connect, target).map(|socket| (socket, raw))
}

fn datagrams(socket: Socket, connect: &Connect, target: SocketAddr) -> Result<UdpSocket, NoSocket> {
    apply(&socket, connect)?;
    // Otherwise the kernel keeps to itself what routers and hosts answer, all but a closed port.
    let told = match target {
        SocketAddr::V4(_) => sockopt::Ipv4RecvErr.set(&socket, &true),
        SocketAddr::V6(_) => sockopt::Ipv6RecvErr.set(&socket, &true),
    };
    told.map_err(|e| errno::of_set_up(&e.into()))?;
    socket.connect(&SockAddr::from(target)).map_err(NoSocket::Connect)?;
    UdpSocket::from_std(socket.into()).map_err(|e| errno::of_set_up(&e).into())
}

/// Why there is no connected socket.
#[derive(Debug)]
pub(crate) enum NoSocket {
    /// For a reason that lies here.
    Here(Inability),
    /// The kernel knows no way to the peer.
    Connect(io::Error),
}

impl From<Inability> for NoSocket {
    fn from(inability: Inability) -> Self {
        Self::Here(inability)
    }
}

/// The common words, on a socket of any kind that has neither address nor peer yet.
pub(crate) fn apply(socket: &Socket, connect: &Connect) -> Result<(), Inability> {
    if connect.mark != 0 {
        socket.set_mark(connect.mark).map_err(|e| errno::of_set_up(&e))?;
    }
    if let Some(name) = &connect.bind_interface {
        socket.bind_device(Some(name.as_str().as_bytes())).map_err(|e| match errno::number(&e) {
            libc::ENODEV => Inability::NoSuchInterface(name.clone()),
            _ => errno::of_set_up(&e),
        })?;
    }
    if let Some(local) = local_address(connect) {
        socket.set_reuse_address(true).map_err(|e| errno::of_set_up(&e))?;
        bind(socket, local)?;
    }
    Ok(())
}

/// Where to bind to; none leaves address and port to the kernel.
fn local_address(connect: &Connect) -> Option<SocketAddr> {
    let any = match connect.target {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    match (connect.bind_address, connect.bind_port) {
        (None, None) => None,
        (address, port) => Some(SocketAddr::new(address.unwrap_or(any), port.unwrap_or(0))),
    }
}

fn bind(socket: &Socket, local: SocketAddr) -> Result<(), Inability> {
    let explain = |error: &io::Error| match errno::number(error) {
        libc::EADDRNOTAVAIL => Inability::NoSuchLocalAddress(local.ip()),
        libc::EADDRINUSE if local.port() != 0 => Inability::LocalPortInUse(local.port()),
        libc::EADDRINUSE => Inability::NothingToConnectFrom,
        _ => errno::of_set_up(error),
    };
    socket.bind(&SockAddr::from(local)).map_err(|e| explain(&e))
}
