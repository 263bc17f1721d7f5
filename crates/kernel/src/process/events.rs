//! Processes that begin, become another program, change their name or end, anywhere on the machine, as the kernel tells
//! it (process connector, `linux/cn_proc.h`).
//!
//! The kernel tells it in the first network namespace only, and to `CAP_NET_ADMIN` only: a caller in another namespace
//! has its socket made in that of the first process. Threads are left out. Which process matters is the caller's
//! business.

use crate::async_fd::AsyncFd;
use core::time::Duration;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recvfrom, send, socket_with, sockopt,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Events that fit into the queue at once: a few thousand, for machines on which a build runs.
const QUEUE_BYTES: usize = 1024 * 1024;

/// One event is 76 octets with all its headers; more may come in one datagram.
const RECEIVE_BYTES: usize = 4096;

/// How long the kernel may take to say that it will tell. It says so within the request.
const PATIENCE: Duration = Duration::from_millis(100);

const NETLINK_CONNECTOR: u32 = 11;
const CN_IDX_PROC: u32 = 1;
const CN_VAL_PROC: u32 = 1;
const PROC_CN_MCAST_LISTEN: u32 = 1;
const NLMSG_DONE: u16 = 3;

/// `struct nlmsghdr` and `struct cn_msg`.
const HEADERS_BYTES: usize = 16 + 20;

/// What happened to a process, known by its number (that of its first thread).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProcessEvent {
    /// It began as a copy of another.
    Forked {
        /// The new one.
        child: u32,
        /// Of which it is a copy.
        parent: u32,
    },
    /// It became another program.
    Executed(u32),
    /// It changed its name.
    Renamed(u32),
    /// It ended.
    Exited(u32),
    /// Events were lost: whoever counts must count anew.
    Lost,
}

/// The way on which the kernel tells.
#[derive(Debug)]
pub struct ProcessEvents {
    socket: AsyncFd<OwnedFd>,
}

impl ProcessEvents {
    /// Subscribes. `queue_bytes` is how much may wait, 0 is enough for a busy machine; beyond the system's limit only
    /// with `force`.
    ///
    /// # Errors
    ///
    /// `EPERM` without `CAP_NET_ADMIN`; `ECONNREFUSED` if the first network namespace is out of reach; `TimedOut` if the
    /// kernel has no process connector, or in another process namespace than the first.
    pub fn subscribe(queue_bytes: usize, force: bool) -> io::Result<Self> {
        let socket = match open_here(queue_bytes, force) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                // A thread has a namespace of its own: ours is left as it is.
                let outside = std::thread::spawn(move || {
                    enter_first_namespace()?;
                    open_here(queue_bytes, force)
                });
                outside.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?
            }
            outcome => outcome?,
        };
        Ok(Self { socket: AsyncFd::new(socket)? })
    }

    /// Waits for something. Cancel-safe.
    ///
    /// # Errors
    ///
    /// If the runtime is shutting down.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// What is there now, at most one datagram of it; none is nothing.
    ///
    /// # Errors
    ///
    /// What the kernel says of a socket that is of no use any more.
    pub fn try_next(&self) -> io::Result<Option<Vec<ProcessEvent>>> {
        let mut buffer = [0; RECEIVE_BYTES];
        let received = self.socket.try_read(|socket| match recvfrom(socket, &mut buffer, RecvFlags::DONTWAIT) {
            Ok((_, length, from)) => Ok(Some((length, from))),
            Err(rustix::io::Errno::NOBUFS) => Ok(None),
            Err(error) => Err(error.into()),
        })?;
        Ok(match received {
            None => None,
            Some(None) => Some(vec![ProcessEvent::Lost]),
            Some(Some((length, from))) => {
                let kernel = from.and_then(|from| SocketAddrNetlink::try_from(from).ok()).is_some_and(|a| a.pid() == 0);
                Some(if kernel { decode(buffer.get(..length).unwrap_or_default()) } else { Vec::new() })
            }
        })
    }
}

/// A subscribed socket of the calling thread's network namespace.
fn open_here(queue_bytes: usize, force: bool) -> io::Result<OwnedFd> {
    let protocol = rustix::net::Protocol::from_raw(
        core::num::NonZeroU32::new(NETLINK_CONNECTOR).ok_or(io::ErrorKind::InvalidInput)?,
    );
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(protocol))?;
    let bytes = if queue_bytes == 0 { QUEUE_BYTES } else { queue_bytes };
    if (queue_bytes != 0 && !force) || sockopt::set_socket_recv_buffer_size_force(&socket, bytes).is_err() {
        sockopt::set_socket_recv_buffer_size(&socket, bytes)?;
    }
    bind(&socket, &SocketAddrNetlink::new(0, CN_IDX_PROC))?;
    send(&socket, &subscription(), SendFlags::DONTWAIT)?;
    wait_for_consent(&socket)?;
    Ok(socket)
}

fn enter_first_namespace() -> io::Result<()> {
    let namespace = open("/proc/1/ns/net", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}

fn subscription() -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADERS_BYTES + 4);
    message.extend(40_u32.to_ne_bytes());
    message.extend(NLMSG_DONE.to_ne_bytes());
    message.extend([0; 10]);
    message.extend(CN_IDX_PROC.to_ne_bytes());
    message.extend(CN_VAL_PROC.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(4_u16.to_ne_bytes());
    message.extend([0; 2]);
    message.extend(PROC_CN_MCAST_LISTEN.to_ne_bytes());
    message
}

/// The answer to the subscription may come behind the first events.
fn wait_for_consent(socket: &OwnedFd) -> io::Result<()> {
    let deadline = crate::timer::boottime() + PATIENCE;
    let mut buffer = [0; RECEIVE_BYTES];
    loop {
        let left = deadline.since(crate::timer::boottime());
        let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
        if left.is_zero() || poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&wait))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let length = match recvfrom(socket, &mut buffer, RecvFlags::DONTWAIT) {
            Ok((_, length, _)) => length,
            Err(rustix::io::Errno::NOBUFS | rustix::io::Errno::AGAIN) => continue,
            Err(error) => return Err(error.into()),
        };
        for event in messages(buffer.get(..length).unwrap_or_default()) {
            if event.what == 0 {
                return match event.number(0) {
                    Some(0) => Ok(()),
                    Some(errno) => Err(io::Error::from_raw_os_error(i32::try_from(errno).unwrap_or(libc::EPERM))),
                    None => Err(io::ErrorKind::InvalidData.into()),
                };
            }
        }
    }
}

/// `struct proc_event`.
struct Raw<'a> {
    what: u32,
    data: &'a [u8],
}

impl Raw<'_> {
    /// The number in the given place of its own part.
    fn number(&self, place: usize) -> Option<u32> {
        u32_at(self.data, place.checked_mul(4)?)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_ne_bytes(*four))
}

/// The events of a datagram, whatever its bytes are.
fn messages(mut datagram: &[u8]) -> Vec<Raw<'_>> {
    let mut found = Vec::new();
    while let Some(length) = u32_at(datagram, 0).and_then(|length| usize::try_from(length).ok()) {
        let Some(message) = datagram.get(..length).filter(|message| message.len() >= HEADERS_BYTES) else { break };
        let ours = u32_at(message, 16) == Some(CN_IDX_PROC) && u32_at(message, 20) == Some(CN_VAL_PROC);
        let event = message.get(HEADERS_BYTES..).unwrap_or_default();
        // what, processor, time stamp
        if let (true, Some(what), Some(data)) = (ours, u32_at(event, 0), event.get(16..)) {
            found.push(Raw { what, data });
        }
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// The events of a datagram, whatever its octets are. Threads and what cannot be read are left out.
#[must_use]
pub fn decode(datagram: &[u8]) -> Vec<ProcessEvent> {
    messages(datagram).iter().filter_map(event_of).collect()
}

fn event_of(raw: &Raw<'_>) -> Option<ProcessEvent> {
    // Each part begins with the numbers of thread and process; they differ in all threads but the first.
    let process = |thread: usize| raw.number(thread + 1).filter(|process| raw.number(thread) == Some(*process));
    match raw.what {
        0x1 => Some(ProcessEvent::Forked { child: process(2)?, parent: raw.number(1)? }),
        0x2 => Some(ProcessEvent::Executed(raw.number(1)?)),
        0x200 => Some(ProcessEvent::Renamed(process(0)?)),
        0x8000_0000 => Some(ProcessEvent::Exited(process(0)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(what: u32, numbers: &[u32]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(u32::try_from(HEADERS_BYTES + 16 + numbers.len() * 4).unwrap().to_ne_bytes());
        bytes.extend([0; 12]);
        bytes.extend(CN_IDX_PROC.to_ne_bytes());
        bytes.extend(CN_VAL_PROC.to_ne_bytes());
        bytes.extend([0; 12]);
        bytes.extend(what.to_ne_bytes());
        bytes.extend([0; 12]);
        bytes.extend(numbers.iter().flat_map(|number| number.to_ne_bytes()));
        bytes
    }

    #[test]
    fn processes_are_told_and_threads_are_not() {
        let datagram = [
            message(1, &[10, 10, 11, 11]),
            message(1, &[10, 10, 12, 10]),
            message(2, &[11, 11]),
            message(0x200, &[11, 11, 0, 0, 0, 0]),
            message(0x200, &[12, 10, 0, 0, 0, 0]),
            message(4, &[11, 11, 0, 0]),
            message(0x8000_0000, &[12, 10, 0, 17, 0, 0]),
            message(0x8000_0000, &[11, 11, 0, 17, 0, 0]),
        ];
        let expected = [
            ProcessEvent::Forked { child: 11, parent: 10 },
            ProcessEvent::Executed(11),
            ProcessEvent::Renamed(11),
            ProcessEvent::Exited(11),
        ];
        assert_eq!(decode(&datagram.concat()), expected);
    }

    #[test]
    fn what_is_cut_short_or_of_another_connector_is_no_event() {
        let whole = message(1, &[10, 10, 11, 11]);
        for length in 0..whole.len() {
            assert!(decode(&whole[..length]).is_empty(), "{length}");
        }
        let mut other = whole;
        other[16] ^= 1;
        assert!(decode(&other).is_empty());
    }

    #[tokio::test]
    async fn the_queue_is_as_long_as_it_is_to_be() {
        let bytes = |bytes, force| match ProcessEvents::subscribe(bytes, force) {
            // The kernel counts its own use of it and doubles what is asked for.
            Ok(events) => Some(sockopt::socket_recv_buffer_size(events.socket.get_ref()).unwrap() / 2),
            // Not the first network namespace, or no right: there is nothing to have.
            Err(error) => {
                eprintln!("not tried: {error}");
                None
            }
        };
        let limit = std::fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap().trim().parse().unwrap();
        let beyond: usize = limit + 65_536;
        for (asked, force, expected) in [(65_536, false, 65_536), (beyond, false, limit), (beyond, true, beyond)] {
            if let Some(found) = bytes(asked, force) {
                assert_eq!(found, expected, "{asked} {force}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _decoded = decode(&bytes);
        }
    }
}
