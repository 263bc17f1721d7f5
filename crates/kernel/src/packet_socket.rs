//! Ethernet frames out: gratuitous ARP and unsolicited neighbour advertisements.
//!
//! It builds no frame and decides on no repetition: it sends the octets it is given through the link it is told. What it
//! can receive is ARP, and only [`crate::claim_socket`] makes use of that.

use crate::async_fd::AsyncFd;
use crate::batch::{self, Datagram, Target};
use crate::claim_socket::keep_quiet;
use socket2::{Domain, Protocol, Socket, Type};
use standfast_model::InterfaceIndex;
use standfast_model::ipvs::Family;
use standfast_wire::arp;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Two addresses and the EtherType: less is no Ethernet frame.
pub const ETHERNET_HEADER_LEN: usize = 14;

/// A frame to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// Through which link.
    pub interface: InterfaceIndex,
    /// From the destination address on, without the checksum at the end. The kernel pads it to the link's minimum.
    pub bytes: &'a [u8],
}

/// How far a burst has come.
#[derive(Debug, Default)]
pub struct Burst {
    /// How many frames from the start have been dealt with: sent, or refused for a reason of their own. The rest is
    /// left because the queues are full (`ENOBUFS`, `EAGAIN`): offer it again after [`PacketSocket::writable`] or a
    /// moment later.
    pub done: usize,
    /// Those refused, by their place in the burst: no such link, link down, frame too long or too short.
    pub refused: Vec<(usize, io::Error)>,
}

/// A packet socket of ARP, on which nothing is queued before somebody listens for claims.
#[derive(Debug)]
pub struct PacketSocket {
    socket: AsyncFd<Socket>,
}

impl PacketSocket {
    /// Opens it.
    ///
    /// # Errors
    ///
    /// `EPERM` without `CAP_NET_RAW`; `EMFILE`, `ENFILE`.
    pub fn open() -> io::Result<Self> {
        let protocol = i32::from(arp::ETHER_TYPE.to_be());
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(protocol)))?;
        keep_quiet(&socket, Family::Inet)?;
        Ok(Self { socket: AsyncFd::new(socket)? })
    }

    pub(crate) fn socket(&self) -> &AsyncFd<Socket> {
        &self.socket
    }

    /// Sends frames in order until all are dealt with or the queues are full. It never waits.
    pub fn send(&self, frames: &[Frame<'_>]) -> Burst {
        let mut burst = Burst::default();
        while let Some(rest) = frames.get(burst.done..).filter(|rest| !rest.is_empty()) {
            let datagrams: Vec<Datagram<'_>> =
                rest.iter().take(batch::DATAGRAMS_PER_CALL).map_while(datagram).collect();
            if datagrams.is_empty() {
                // The kernel would say EINVAL; said here because there is no EtherType to hand over.
                burst.refused.push((burst.done, io::ErrorKind::InvalidInput.into()));
                burst.done += 1;
                continue;
            }
            match self.socket.try_write(|socket| batch::send(socket, &datagrams)) {
                Ok(Some(sent)) => burst.done += sent,
                Ok(None) => return burst,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => return burst,
                Err(error) => {
                    burst.refused.push((burst.done, error));
                    burst.done += 1;
                }
            }
        }
        burst
    }

    /// Waits until the socket has room for more. A full queue of the link itself (`ENOBUFS`) is not waited for here.
    ///
    /// # Errors
    ///
    /// If the runtime is shutting down.
    pub async fn writable(&self) -> io::Result<()> {
        self.socket.writable().await
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.get_ref().as_fd()
    }
}

/// None for what is too short to be a frame.
fn datagram<'a>(frame: &Frame<'a>) -> Option<Datagram<'a>> {
    let ethertype = match frame.bytes.get(ETHERNET_HEADER_LEN - 2..ETHERNET_HEADER_LEN)? {
        &[high, low] => u16::from_be_bytes([high, low]),
        _ => return None,
    };
    Some(Datagram { target: Target::Link { interface: frame.interface.0, ethertype }, bytes: frame.bytes })
}
