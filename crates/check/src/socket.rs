//! A socket as the common words of the checks ask for it: `bindto`, `bind_port`, `bind_if`, `fwmark`.
//!
//! It owns the options before the connection, and sends nothing.

use crate::errno;
use core::time::Duration;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use standfast_lvs::Inability;
use standfast_model::config::lvs::Connect;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::TcpSocket;

/// A TCP socket that is ready to connect.
///
/// Closing it resets the connection (linger 0): thousands of checks a minute would otherwise each leave a local port
/// in TIME_WAIT for a minute, and a fixed `bind_port` could be used once a minute only.
pub(crate) fn tcp(connect: &Connect) -> Result<TcpSocket, Inability> {
    let socket = Socket::new(Domain::for_address(connect.target), Type::STREAM.nonblocking(), Some(Protocol::TCP))
        .map_err(|e| errno::of_set_up(&e))?;
    socket.set_linger(Some(Duration::ZERO)).map_err(|e| errno::of_set_up(&e))?;
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
        bind(&socket, local)?;
    }
    Ok(TcpSocket::from_std_stream(socket.into()))
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
