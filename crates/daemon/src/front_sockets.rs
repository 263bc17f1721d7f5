//! The sockets of the front, which only the supervisor can open: at low ports, and in whichever network namespace. Those
//! of the page (`http_listen`) and those of the exchange with other directors (`peer_listen`).

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
use standfast_model::Config;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use tracing::warn;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// What a socket is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// The page, over TCP.
    Page,
    /// The exchange, over UDP.
    Exchange,
}

/// The sockets that the configuration wants. One that is held already at the same address is kept, with the clients that
/// wait at it. What cannot be had is said: nothing else depends on it.
pub(crate) fn sockets(config: &Config, held: &[OwnedFd]) -> Vec<OwnedFd> {
    let page = config.global.http.listen.iter().map(|address| (Purpose::Page, *address));
    let exchange = config.exchange.iter().flat_map(|exchange| &exchange.listen);
    let exchange = exchange.map(|address| (Purpose::Exchange, *address));
    page.chain(exchange).filter_map(|(purpose, address)| socket(purpose, address, held)).collect()
}

fn socket(purpose: Purpose, address: SocketAddr, held: &[OwnedFd]) -> Option<OwnedFd> {
    let kept = held.iter().find(|held| use_of(held) == Some((purpose, address)));
    let socket = kept.map_or_else(|| bound(purpose, address), OwnedFd::try_clone);
    let said = |error: &io::Error| match purpose {
        Purpose::Page => warn!("http_listen {address}: {error}; the page is not served there"),
        Purpose::Exchange => warn!("peer_listen {address}: {error}; no peer is heard there"),
    };
    socket.inspect_err(said).ok()
}

/// What a descriptor is for and where, if it is a socket of the front.
pub(crate) fn use_of(descriptor: &OwnedFd) -> Option<(Purpose, SocketAddr)> {
    let kind = sockopt::socket_type(descriptor).ok()?;
    if kind == SocketType::DGRAM {
        return Some((Purpose::Exchange, UdpSocket::from(descriptor.try_clone().ok()?).local_addr().ok()?));
    }
    if !sockopt::socket_acceptconn(descriptor).unwrap_or(false) {
        return None;
    }
    Some((Purpose::Page, TcpListener::from(descriptor.try_clone().ok()?).local_addr().ok()?))
}

fn bound(purpose: Purpose, address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = match purpose {
        Purpose::Page => SocketType::STREAM,
        Purpose::Exchange => SocketType::DGRAM,
    };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    // A virtual address may be on another node now.
    if address.is_ipv4() {
        sockopt::set_ip_freebind(&socket, true)?;
    } else {
        sockopt::set_ipv6_freebind(&socket, true)?;
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    match purpose {
        Purpose::Page => {
            sockopt::set_socket_reuseaddr(&socket, true)?;
            bind(&socket, &address)?;
            listen(&socket, BACKLOG)?;
        }
        Purpose::Exchange => bind(&socket, &address)?,
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_is_held_is_kept_and_one_that_is_in_use_is_done_without() {
        for purpose in [Purpose::Page, Purpose::Exchange] {
            let first = bound(purpose, "127.0.0.1:0".parse().unwrap()).unwrap();
            let (_, address) = use_of(&first).unwrap();
            assert!(socket(purpose, address, &[]).is_none(), "the address is in use");
            let null = std::fs::File::open("/dev/null").unwrap().into();
            let kept = socket(purpose, address, &[null, first]).unwrap();
            assert_eq!(use_of(&kept), Some((purpose, address)));
            // An address that is not here yet can be listened at.
            assert!(bound(purpose, "192.0.2.77:0".parse().unwrap()).is_ok());
        }
    }
}
