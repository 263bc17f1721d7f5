//! Who says on any link of the machine that an address is its own: ARP and neighbour advertisements in.
//!
//! One socket for each family serves all links, so that hundreds of virtual routers cost no more than one; that of ARP is
//! the one that announcements leave by, for the end of each packet socket takes the kernel many milliseconds. The kernel
//! passes only what may be about the addresses asked for; whether it is a claim, and what follows, the caller decides.

use crate::async_fd::AsyncFd;
use crate::bpf::{compare, jump, statement};
use crate::inet6_packet;
use crate::packet_socket::PacketSocket;
use core::task::{Context, Poll};
use nix::sys::socket::{LinkAddr, MsgFlags, recvmsg};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use standfast_model::ipvs::Family;
use standfast_model::{InterfaceIndex, MacAddress};
use standfast_wire::arp;
use standfast_wire::ndisc::Advertisement;
use std::io::{self, IoSliceMut};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;

/// Octets the kernel may queue: some sixty frames, as many as are looked at in one go. What finds no room is lost, and
/// whoever claims an address does so again.
const QUEUE_BYTES: usize = 1 << 16;

/// Ranges of addresses that a program of the kernel tells apart, at two instructions each. Addresses of one service lie
/// close together; beyond so many ranges the nearest are taken as one, and the caller hears of some that are not his.
const RANGES: usize = 64;

/// Octets of a frame that are looked at: ARP is 42, and a neighbour advertisement has no more options than fit in here.
const FRAME_BYTES: usize = 1536;

/// Where an ARP frame has the address of its sender.
const SENDER_OFFSET: u32 = 28;

/// Where a neighbour advertisement has the last 32 bits of its target, which tell addresses of one prefix apart.
const TARGET_OFFSET: u32 = 20;

const NEIGHBOUR_ADVERTISEMENT: u32 = 136;

/// Somebody says that an address is its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claimed {
    /// The link that it was heard on.
    pub interface: InterfaceIndex,
    /// The address.
    pub address: IpAddr,
    /// Where it is, as that one says.
    pub mac: MacAddress,
}

/// A socket that hears claims of one family.
#[derive(Debug)]
pub enum ClaimSocket {
    /// By ARP.
    Inet(Rc<PacketSocket>),
    /// By neighbour discovery: a raw socket of ICMPv6, which costs other packets nothing.
    Inet6(AsyncFd<Socket>),
}

impl ClaimSocket {
    /// Opens the one for IPv6, in the network namespace of the calling thread. It hears nothing before
    /// [`Self::listen_for`].
    ///
    /// # Errors
    ///
    /// `EPERM` without `CAP_NET_RAW`; `EAFNOSUPPORT` without IPv6; `EMFILE`, `ENFILE`.
    pub fn open_inet6() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
        keep_quiet(&socket, Family::Inet6)?;
        socket.set_recv_hoplimit_v6(true)?;
        nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::Ipv6RecvPacketInfo, &true)?;
        Ok(Self::Inet6(AsyncFd::new(socket)?))
    }

    /// From now on the kernel queues what may be about one of these addresses, and of none if there are none; those of
    /// another family are left out. What is already queued stays.
    ///
    /// # Errors
    ///
    /// `ENOMEM` beyond `net.core.optmem_max`: then it is as before.
    pub fn listen_for(&self, addresses: &[IpAddr]) -> io::Result<()> {
        match self {
            Self::Inet(socket) => socket.socket().get_ref().attach_filter(&program(Family::Inet, addresses)),
            Self::Inet6(socket) => socket.get_ref().attach_filter(&program(Family::Inet6, addresses)),
        }
    }

    /// Whether something may be there, for a caller that waits on many sockets in one future.
    ///
    /// # Errors
    ///
    /// If the runtime is shutting down.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Inet(socket) => socket.socket().poll_readable(context),
            Self::Inet6(socket) => socket.poll_readable(context),
        }
    }

    /// Takes one frame from the queue, or none if it is empty: a claim, or nothing if it is something else. It never waits.
    ///
    /// # Errors
    ///
    /// `ENETDOWN` and the like tell of a link; `InvalidData` of a packet that is far too long.
    pub fn recv(&self) -> io::Result<Option<Option<Claimed>>> {
        match self {
            Self::Inet(socket) => socket.socket().try_read(|socket| recv_arp(socket.as_raw_fd())),
            Self::Inet6(socket) => socket.try_read(|socket| recv_advertisement(socket.as_raw_fd())),
        }
    }
}

/// Lets a new socket queue nothing, and little later. What came before is looked at by whoever reads, as all that passes.
pub(crate) fn keep_quiet(socket: &Socket, family: Family) -> io::Result<()> {
    socket.attach_filter(&program(family, &[]))?;
    socket.set_recv_buffer_size(QUEUE_BYTES)
}

fn recv_arp(socket: RawFd) -> io::Result<Option<Claimed>> {
    let mut buffer = [0; FRAME_BYTES];
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let received = recvmsg::<LinkAddr>(socket, &mut parts, None, MsgFlags::MSG_DONTWAIT)?;
    let interface = received.address.and_then(|link| u32::try_from(link.ifindex()).ok());
    let length = received.bytes;
    let frame = arp::Frame::parse(buffer.get(..length).unwrap_or_default());
    Ok(interface.zip(frame.ok()).map(|(interface, frame)| Claimed {
        interface: InterfaceIndex(interface),
        address: IpAddr::V4(frame.sender_ip),
        mac: frame.sender_mac,
    }))
}

fn recv_advertisement(socket: RawFd) -> io::Result<Option<Claimed>> {
    let mut buffer = [0; FRAME_BYTES];
    let packet = inet6_packet::recv(socket, &mut buffer)?;
    let message = buffer.get(..packet.length).unwrap_or_default();
    let claimed = || {
        let advertisement = Advertisement::parse(message, packet.destination?, packet.hop_limit).ok()?;
        Some(Claimed {
            interface: packet.interface?,
            address: IpAddr::V6(advertisement.target),
            mac: advertisement.mac?,
        })
    };
    Ok(claimed())
}

/// A classic BPF program that passes what may be about one of the addresses.
fn program(family: Family, addresses: &[IpAddr]) -> Vec<SockFilter> {
    const DROP: u32 = libc::BPF_RET | libc::BPF_K;
    let ranges = ranges(addresses.iter().filter_map(|address| key(family, *address)).collect());
    if ranges.is_empty() {
        return vec![statement(DROP, 0)];
    }
    let mut program = match family {
        Family::Inet => {
            let kind = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE).cast_unsigned();
            vec![
                // Frames of a VLAN that has no link here are shown as those of another host on the link below.
                statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, kind),
                compare(u32::from(libc::PACKET_OTHERHOST), 0, 1),
                statement(DROP, 0),
                statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, SENDER_OFFSET),
            ]
        }
        Family::Inet6 => vec![
            statement(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0),
            compare(NEIGHBOUR_ADVERTISEMENT, 1, 0),
            statement(DROP, 0),
            statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, TARGET_OFFSET),
        ],
    };
    for (place, (first, last)) in ranges.iter().enumerate() {
        // Over the ranges that are left and the drop behind them.
        let to_pass = u8::try_from((ranges.len() - place) * 2 - 1).unwrap_or(u8::MAX);
        program.push(jump(libc::BPF_JGE, *first, 0, 1));
        program.push(jump(libc::BPF_JGT, *last, 0, to_pass));
    }
    program.push(statement(DROP, 0));
    program.push(statement(DROP, u32::MAX));
    program
}

/// What the kernel compares: an IPv4 address, or the last 32 bits of an IPv6 one. None for another family.
fn key(family: Family, address: IpAddr) -> Option<u32> {
    match (family, address) {
        (Family::Inet, IpAddr::V4(address)) => Some(u32::from(address)),
        (Family::Inet6, IpAddr::V6(address)) => {
            let [.., a, b, c, d] = address.octets();
            Some(u32::from_be_bytes([a, b, c, d]))
        }
        (Family::Inet, IpAddr::V6(_)) | (Family::Inet6, IpAddr::V4(_)) => None,
    }
}

/// The keys in at most [`RANGES`] ranges, first and last included, ascending: apart where the widest gaps are.
fn ranges(mut keys: Vec<u32>) -> Vec<(u32, u32)> {
    keys.sort_unstable();
    keys.dedup();
    let gaps = keys.iter().zip(keys.iter().skip(1)).map(|(one, next)| next - one).filter(|gap| *gap > 1);
    let mut widest: Vec<u32> = gaps.collect();
    widest.sort_unstable_by(|one, other| other.cmp(one));
    // Gaps as wide as the first that has no place any more are closed as well.
    let least = widest.get(RANGES - 1).map_or(2, |gap| gap.saturating_add(1));
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for key in keys {
        match ranges.last_mut() {
            Some((_, last)) if key - *last < least => *last = key,
            Some(_) | None => ranges.push((key, key)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_addresses_are_one_range() {
        assert_eq!(ranges(vec![]), []);
        assert_eq!(ranges(vec![7, 5, 6, 9, 5]), [(5, 7), (9, 9)]);
        assert_eq!(ranges(vec![u32::MAX, 0]), [(0, 0), (u32::MAX, u32::MAX)]);
    }

    #[test]
    fn however_many_addresses_there_are_the_ranges_are_few_and_leave_none_out() {
        for spread in [2_u32, 3, 1000] {
            let keys: Vec<u32> = (0..5000).map(|n| n * spread + n / 100 * 77).collect();
            let ranges = ranges(keys.clone());
            assert!(ranges.len() <= RANGES, "{}", ranges.len());
            assert!(ranges.iter().zip(ranges.iter().skip(1)).all(|(one, next)| one.1 < next.0));
            for key in keys {
                assert!(ranges.iter().any(|(first, last)| (*first..=*last).contains(&key)), "{key} of {spread}");
            }
            // The longest program is one that the kernel takes, and whose jumps fit.
            assert!(2 * ranges.len() < usize::from(u8::MAX));
        }
    }
}
