//! The sockets of the exchange with other directors (`peer_listen`), which only the supervisor can open: in whichever
//! network namespace, at whichever port.

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
use standfast_model::config::exchange::Exchange;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use tracing::warn;

/// The sockets that the settings want. One that is held already at the same address is kept. What cannot be had is said:
/// nothing but the exchange depends on it.
pub(crate) fn sockets(exchange: Option<&Exchange>, held: &[OwnedFd]) -> Vec<OwnedFd> {
    let mut sockets = Vec::new();
    for address in exchange.iter().flat_map(|exchange| &exchange.listen) {
        let kept = held.iter().find(|held| address_of(held).is_some_and(|held| held == *address));
        let socket = match kept {
            Some(kept) => kept.try_clone(),
            None => bound(*address),
        };
        match socket {
            Ok(socket) => sockets.push(socket),
            Err(error) => warn!("peer_listen {address}: {error}; no peer is heard there"),
        }
    }
    sockets
}

/// Where it is heard, if it is a socket of the exchange.
pub(crate) fn address_of(descriptor: &OwnedFd) -> Option<SocketAddr> {
    if sockopt::socket_type(descriptor).ok()? != SocketType::DGRAM {
        return None;
    }
    UdpSocket::from(descriptor.try_clone().ok()?).local_addr().ok()
}

fn bound(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    if address.is_ipv4() {
        sockopt::set_ip_freebind(&socket, true)?;
    } else {
        sockopt::set_ipv6_freebind(&socket, true)?;
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &address)?;
    Ok(socket)
}
