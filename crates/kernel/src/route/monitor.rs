//! Changes of links and addresses as the kernel tells them.
//!
//! Subscribe first ([`Monitor::open`]), then dump, then take the changes: whatever happened in between is told again,
//! and being told twice does no harm. It keeps no picture of its own.

use super::concerns;
use super::decode::changes;
use crate::async_fd::AsyncFd;
use crate::netlink::{receive_now, set_queue};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use standfast_model::config::global::NetlinkBuffer;
use standfast_net::Change;
use std::collections::VecDeque;
use std::io;

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV6_IFADDR`: no neighbour ever wakes us, and no route or rule where the
/// configuration has none.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;

/// `RTMGRP_IPV4_ROUTE`, `RTMGRP_IPV6_ROUTE`, `RTMGRP_IPV4_RULE` and `RTNLGRP_IPV6_RULE`.
const ROUTING_GROUPS: u32 = 0x40 | 0x400 | 0x80 | 0x4_0000;

/// Octets read at once; the kernel sends each change by itself, the largest (a link with many virtual functions) in
/// less than 32 KiB.
const RECEIVE_BYTES: usize = crate::netlink::RECEIVE_BYTES;

/// Octets the kernel may queue. A change of an address takes it about 1 KiB, so the 2 MiB it makes of this hold a
/// burst of two thousand; beyond it says so, and the caller dumps.
const QUEUE_BYTES: usize = 1 << 20;

/// Datagrams thrown away at an overrun before it is reported: more than the queue can hold, so that what is told
/// afterwards is newer than the overrun, and an end even if changes come faster than they are read.
const DISCARD_LIMIT: usize = 16_384;

/// What the monitor tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MonitorEvent {
    /// One change.
    Change(Change),
    /// Changes were lost: dump anew before believing the next one.
    Overrun,
}

/// A subscription.
#[derive(Debug)]
pub struct Monitor {
    socket: AsyncFd<Socket>,
    buffer: Vec<u8>,
    /// The rest of the last datagram: at most what [`RECEIVE_BYTES`] can hold.
    pending: VecDeque<Change>,
    /// Whose routes and rules are told.
    protocols: Vec<u8>,
}

impl Monitor {
    /// Subscribes. From here on no change is missed, or an overrun says so.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE`, `ENOBUFS`.
    pub fn open() -> io::Result<Self> {
        Self::open_with_queue(QUEUE_BYTES)
    }

    /// The same with the routes and rules of those protocols (`RTPROT_*`), told with the rest.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_with_routing(protocols: &[u8]) -> io::Result<Self> {
        Self::subscribe(QUEUE_BYTES, protocols)
    }

    /// The same with a queue of another size, in octets; the kernel doubles it.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_with_queue(queue_bytes: usize) -> io::Result<Self> {
        Self::subscribe(queue_bytes, &[])
    }

    fn subscribe(queue_bytes: usize, protocols: &[u8]) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        if rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, queue_bytes).is_err() {
            // Not privileged in this user namespace: as much as the system's limit allows.
            rustix::net::sockopt::set_socket_recv_buffer_size(&socket, queue_bytes)?;
        }
        let groups = if protocols.is_empty() { GROUPS } else { GROUPS | ROUTING_GROUPS };
        socket.bind(&SocketAddr::new(0, groups))?;
        Ok(Self {
            socket: AsyncFd::new(socket)?,
            buffer: vec![0; RECEIVE_BYTES],
            pending: VecDeque::new(),
            protocols: protocols.to_vec(),
        })
    }

    /// Gives the receive queue another size (`vrrp_netlink_monitor_rcv_bufs`).
    ///
    /// # Errors
    ///
    /// `EPERM` if it is to be forced and is not allowed to be.
    pub fn set_queue(&self, queue: NetlinkBuffer) -> io::Result<()> {
        set_queue(self.socket.get_ref(), queue)
    }

    /// The octets the kernel may queue, its own overhead included.
    ///
    /// # Errors
    ///
    /// None that the kernel documents for a valid socket; passed on all the same.
    pub fn queue_bytes(&self) -> io::Result<usize> {
        Ok(rustix::net::sockopt::socket_recv_buffer_size(self.socket.get_ref())?)
    }

    /// The next event if there is one. It never waits.
    ///
    /// # Errors
    ///
    /// Those of `recv` other than an overrun: the subscription is of no more use.
    pub fn try_next(&mut self) -> io::Result<Option<MonitorEvent>> {
        loop {
            if let Some(change) = self.pending.pop_front() {
                return Ok(Some(MonitorEvent::Change(change)));
            }
            let (socket, buffer) = (&self.socket, &mut self.buffer);
            match socket.try_read(|socket| receive_now(socket, buffer)) {
                Ok(None) => return Ok(None),
                Ok(Some(length)) => {
                    let datagram = self.buffer.get(..length).unwrap_or_default();
                    let protocols = &self.protocols;
                    self.pending.extend(changes(datagram).filter(|change| concerns(change, protocols)));
                }
                Err(error) if is_loss(&error) => {
                    self.discard()?;
                    return Ok(Some(MonitorEvent::Overrun));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits for the next event. Dropping the future loses none.
    ///
    /// # Errors
    ///
    /// As [`Self::try_next`].
    pub async fn next(&mut self) -> io::Result<MonitorEvent> {
        loop {
            if let Some(event) = self.try_next()? {
                return Ok(event);
            }
            self.socket.readable().await?;
        }
    }

    /// What is still queued is older than the loss: applied after a new dump it could undo what the dump has shown.
    fn discard(&mut self) -> io::Result<()> {
        let (socket, buffer) = (&self.socket, &mut self.buffer);
        for _ in 0..DISCARD_LIMIT {
            match socket.try_read(|socket| receive_now(socket, buffer)) {
                Ok(None) => return Ok(()),
                Ok(Some(_)) => {}
                Err(error) if is_loss(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The queue was full, or a message did not fit: in both cases a change is lost.
fn is_loss(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::EMSGSIZE))
}
