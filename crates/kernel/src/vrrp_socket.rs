//! The raw socket of one interface and one address family: advertisements in and out.
//!
//! It owns the socket options that VRRP asks for and nothing of the protocol: it neither checks a TTL nor knows what
//! an advertisement says, beyond the octet by which the kernel may filter. When an interface is re-created, the socket
//! is closed and opened anew by its owner, which also joins the group again.

use crate::async_fd::AsyncFd;
use crate::batch::{self, Datagram, Target};
use crate::bpf::{compare, statement};
use crate::inet6_packet;
use core::num::NonZeroU32;
use core::task::{Context, Poll};
use rustix::net::sockopt;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockFilter, Socket, Type};
use standfast_model::InterfaceIndex;
use standfast_model::ipvs::Family;
use standfast_wire::Received;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

/// The group of VRRP over IPv4 (RFC 9568 5.1.1.2).
pub const GROUP_INET: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// The group of VRRP over IPv6 (RFC 9568 5.1.2.2).
pub const GROUP_INET6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// VRRP's protocol number (RFC 9568 5.1.1.4).
const PROTOCOL_VRRP: i32 = 112;

/// The authentication header's protocol number (RFC 2402 2), in front of VRRP with `auth_type AH`.
const PROTOCOL_AH: i32 = 51;

/// Octets a receive buffer should have: no IP packet is longer than a quarter of it, so nothing is ever cut. The allocator
/// takes so large a piece from the system for itself, and what of it is never written to is no memory.
pub const RECEIVE_BUFFER_BYTES: usize = 262_144;

/// Octets the kernel may queue for us. A queued advertisement costs it up to 2304 octets, so 1 MiB, which the kernel
/// doubles, holds 255 virtual routers at one advertisement a second for over three seconds: about as long as a backup
/// waits before it takes over, after which older ones tell nothing.
const RECEIVE_QUEUE_BYTES: usize = 1 << 20;

/// Internetwork control (RFC 791 3.1, as keepalived): traffic class of IPv6. For IPv4 the caller writes the header.
const TRAFFIC_CLASS: u32 = 0xc0;

/// `TC_PRIO_CONTROL`: the queueing discipline's band for what must not wait behind bulk data.
const PRIORITY_CONTROL: u32 = 7;

/// The highest priority that needs no capability (`TC_PRIO_INTERACTIVE`).
const PRIORITY_UNPRIVILEGED: u32 = 6;

/// Where the checksum is in a VRRP message (RFC 9568 5.1): the kernel fills it in and checks it over IPv6.
const CHECKSUM_OFFSET: libc::c_int = 6;

/// Where the VRID is in a VRRP message.
const VRID_OFFSET: u32 = 1;

/// Octets of the authentication header in front of a message.
const AH_BYTES: u32 = 24;

/// What an authentication header in front of VRRP begins with: next header 112, 96 bits of value.
const AH_OF_VRRP: u32 = 0x7004;

/// Hop limit of multicast over IPv6 (RFC 9568 5.1.2.3). IPv6 unicast keeps the system's default, as in keepalived.
const HOP_LIMIT: u32 = 255;

/// An advertisement to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outgoing<'a> {
    /// IPv4: the packet with its header, in which the kernel still writes the header checksum. IPv6: the VRRP message
    /// alone; the kernel writes the header and the checksum.
    pub packet: &'a [u8],
    /// The group or a peer, of the socket's family.
    pub destination: IpAddr,
    /// IPv6: the source address; none leaves the choice to the kernel, which may choose a link-local virtual address.
    /// IPv4: not looked at, the header has it.
    pub source: Option<Ipv6Addr>,
    /// IPv6: the hop limit; none is 255 for a group and the system's for a peer. IPv4: not looked at.
    pub hop_limit: Option<u8>,
}

/// A raw socket for protocol 112, and one for protocol 51 while that is to be heard.
#[derive(Debug)]
pub struct VrrpSocket {
    socket: AsyncFd<Socket>,
    /// Hears authenticated advertisements. What is sent has its own header and leaves by the other one.
    ah: Option<AsyncFd<Socket>>,
    /// The octets that the kernel may queue, if somebody said so.
    queue_bytes: Option<u32>,
    interface: InterfaceIndex,
    family: Family,
    group: Option<IpAddr>,
}

impl VrrpSocket {
    /// Opens the socket on the interface and joins the group of the family.
    ///
    /// # Errors
    ///
    /// As [`Self::open_with_group`].
    pub fn open(interface: InterfaceIndex, family: Family) -> io::Result<Self> {
        let group = match family {
            Family::Inet => IpAddr::V4(GROUP_INET),
            Family::Inet6 => IpAddr::V6(GROUP_INET6),
        };
        Self::open_with_group(interface, family, Some(group))
    }

    /// Opens the socket with a group of the administrator's own (`vrrp_mcast_group4`, `vrrp_mcast_group6`), or with
    /// none where all is unicast.
    ///
    /// # Errors
    ///
    /// `EPERM` without `CAP_NET_RAW`; `ENODEV` if there is no such interface; `ENODEV` also if an interface has no
    /// IPv4 configuration at all to join with; `InvalidInput` if the group is of another family; `EMFILE`, `ENFILE`,
    /// `ENOBUFS`.
    pub fn open_with_group(interface: InterfaceIndex, family: Family, group: Option<IpAddr>) -> io::Result<Self> {
        let socket = AsyncFd::new(open(interface, family, group, PROTOCOL_VRRP)?)?;
        let opened = Self { socket, ah: None, queue_bytes: None, interface, family, group };
        opened.pass_all_vrids()?;
        Ok(opened)
    }

    /// Whether authenticated advertisements (protocol 51, `auth_type AH`) are heard as well. IPv4 alone has them. The
    /// caller says afterwards which VRIDs pass.
    ///
    /// # Errors
    ///
    /// As [`Self::open_with_group`].
    pub fn hear_ah(&mut self, heard: bool) -> io::Result<()> {
        match (heard && self.family == Family::Inet, &self.ah) {
            (true, Some(_)) | (false, None) => {}
            (false, Some(_)) => self.ah = None,
            (true, None) => {
                let socket = open(self.interface, self.family, self.group, PROTOCOL_AH)?;
                if let Some(bytes) = self.queue_bytes {
                    set_queue(&socket, usize::try_from(bytes).unwrap_or(usize::MAX))?;
                }
                socket.attach_filter(&ah_filter(None))?;
                self.ah = Some(AsyncFd::new(socket)?);
            }
        }
        Ok(())
    }

    /// The interface it is bound to.
    #[must_use]
    pub fn interface(&self) -> InterfaceIndex {
        self.interface
    }

    /// Its family.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// Octets the kernel may queue (`kernel_rx_buf_size`, `vrrp_rx_bufs_policy`); it doubles them for its own overhead.
    ///
    /// # Errors
    ///
    /// None that the kernel documents for a valid socket; passed on all the same.
    pub fn set_queue_bytes(&mut self, bytes: u32) -> io::Result<()> {
        self.queue_bytes = Some(bytes);
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.ah.iter().chain([&self.socket]).try_for_each(|socket| set_queue(socket.get_ref(), bytes))
    }

    /// From now on the kernel queues only messages of these VRIDs, so that a flood of others costs no wake-up. What is
    /// already queued stays. An empty list passes nothing.
    ///
    /// # Errors
    ///
    /// `ENOMEM` beyond `net.core.optmem_max`: then everything passes, as before.
    pub fn set_vrids(&self, vrids: &[u8]) -> io::Result<()> {
        if let Some(ah) = &self.ah {
            ah.get_ref().attach_filter(&ah_filter(Some(vrids)))?;
        }
        self.socket.get_ref().attach_filter(&filter(self.family, self.group, Some(vrids)))
    }

    /// Every VRID passes (`log_unknown_vrids`), as right after opening.
    ///
    /// # Errors
    ///
    /// As [`Self::set_vrids`].
    pub fn pass_all_vrids(&self) -> io::Result<()> {
        if let Some(ah) = &self.ah {
            ah.get_ref().attach_filter(&ah_filter(None))?;
        }
        self.socket.get_ref().attach_filter(&filter(self.family, self.group, None))
    }

    /// Waits until something may be there; then the caller drains with [`Self::recv`].
    ///
    /// # Errors
    ///
    /// If the runtime is shutting down.
    pub async fn readable(&self) -> io::Result<()> {
        core::future::poll_fn(|context| self.poll_readable(context)).await
    }

    /// As [`Self::readable`], for a caller that waits on many sockets in one future.
    ///
    /// # Errors
    ///
    /// If the runtime is shutting down.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Both are asked, for each must know whom to wake.
        let ah = self.ah.as_ref().map_or(Poll::Pending, |ah| ah.poll_readable(context));
        match self.socket.poll_readable(context) {
            Poll::Pending => ah,
            ready @ Poll::Ready(_) => ready,
        }
    }

    /// Takes one packet from the queue, or none if it is empty. It never waits, and finds also what arrived since the
    /// last wait.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the packet has no whole IP header or did not fit into `buffer`; it is then gone. `ENETDOWN`,
    /// `ENODEV` and the like tell of the interface.
    pub fn recv<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Option<Received<'a>>> {
        match self.family {
            Family::Inet => self.recv_inet(buffer),
            Family::Inet6 => self.recv_inet6(buffer),
        }
    }

    fn recv_inet<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Option<Received<'a>>> {
        let mut length = None;
        for socket in [&self.socket].into_iter().chain(&self.ah) {
            let read =
                |socket: &Socket| Ok(rustix::net::recv(socket, &mut *buffer, rustix::net::RecvFlags::DONTWAIT)?.0);
            length = socket.try_read(read)?;
            if length.is_some() {
                break;
            }
        }
        let Some(length) = length else { return Ok(None) };
        let packet = buffer.get(..length).unwrap_or_default();
        Received::of_ipv4(self.interface, packet)
            .map(Some)
            .map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))
    }

    fn recv_inet6<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Option<Received<'a>>> {
        let read = |socket: &Socket| inet6_packet::recv(socket.as_raw_fd(), &mut *buffer);
        let Some(packet) = self.socket.try_read(read)? else { return Ok(None) };
        // The kernel was asked for the destination; a packet without it could not be told from a unicast one.
        let (Some(source), Some(destination)) = (packet.source, packet.destination) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no addresses came with the packet"));
        };
        Ok(Some(Received {
            interface: self.interface,
            source: IpAddr::V6(source),
            destination: IpAddr::V6(destination),
            ttl: packet.hop_limit,
            ah: None,
            message: buffer.get(..packet.length).unwrap_or_default(),
        }))
    }

    /// Sends advertisements in order, many in one system call, and returns those that could not be sent by their
    /// place. It never waits: what finds no room is lost, as any advertisement may be, for the next one is due soon.
    pub fn send(&self, packets: &[Outgoing<'_>]) -> Vec<(usize, io::Error)> {
        let mut failed = Vec::new();
        let mut done = 0;
        while let Some(rest) = packets.get(done..).filter(|rest| !rest.is_empty()) {
            let datagrams: Vec<Datagram<'_>> =
                rest.iter().take(batch::DATAGRAMS_PER_CALL).map_while(|packet| self.datagram(packet)).collect();
            if datagrams.is_empty() {
                failed.push((done, io::ErrorKind::InvalidInput.into()));
                done += 1;
                continue;
            }
            match self.socket.try_write(|socket| batch::send(socket, &datagrams)) {
                Ok(Some(sent)) => done += sent,
                Ok(None) => {
                    failed.extend((done..packets.len()).map(|place| (place, io::ErrorKind::WouldBlock.into())));
                    return failed;
                }
                Err(error) => {
                    failed.push((done, error));
                    done += 1;
                }
            }
        }
        failed
    }

    /// None if the destination is of another family than the socket.
    fn datagram<'a>(&self, packet: &Outgoing<'a>) -> Option<Datagram<'a>> {
        let target = match (self.family, packet.destination) {
            (Family::Inet, IpAddr::V4(destination)) => Target::Inet(destination),
            (Family::Inet6, IpAddr::V6(destination)) => Target::Inet6 {
                destination,
                source: packet.source,
                interface: self.interface.0,
                hop_limit: packet.hop_limit,
            },
            (Family::Inet, IpAddr::V6(_)) | (Family::Inet6, IpAddr::V4(_)) => return None,
        };
        Some(Datagram { target, bytes: packet.packet })
    }
}

/// A raw socket of a protocol, bound and in the group.
fn open(interface: InterfaceIndex, family: Family, group: Option<IpAddr>, protocol: i32) -> io::Result<Socket> {
    let index = NonZeroU32::new(interface.0).ok_or(io::ErrorKind::InvalidInput)?;
    let domain = match family {
        Family::Inet => Domain::IPV4,
        Family::Inet6 => Domain::IPV6,
    };
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(protocol)))?;
    // Bound before anything else, so that no packet of another interface is queued meanwhile.
    bind_to_interface(&socket, index)?;
    set_queue(&socket, RECEIVE_QUEUE_BYTES)?;
    match (family, group) {
        (Family::Inet, None) => set_up_inet(&socket, index)?,
        (Family::Inet, Some(IpAddr::V4(group))) => {
            set_up_inet(&socket, index)?;
            // REQ: MC-JOIN-01 MC-JOIN-02
            socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index.get()))?;
        }
        (Family::Inet6, None) => set_up_inet6(&socket, index)?,
        (Family::Inet6, Some(IpAddr::V6(group))) => {
            set_up_inet6(&socket, index)?;
            // REQ: MC-JOIN-03
            socket.join_multicast_v6(&group, index.get())?;
        }
        (Family::Inet, Some(IpAddr::V6(_))) | (Family::Inet6, Some(IpAddr::V4(_))) => {
            return Err(io::ErrorKind::InvalidInput.into());
        }
    }
    // After the traffic class, which sets a priority of its own.
    socket.set_priority(PRIORITY_CONTROL).or_else(|_| socket.set_priority(PRIORITY_UNPRIVILEGED))?;
    Ok(socket)
}

/// By number, which no renaming can turn into another interface; kernels before 5.0 know only names.
fn bind_to_interface(socket: &Socket, index: NonZeroU32) -> io::Result<()> {
    // Binding by number succeeds for a number that no interface has; asking for its name does not (`ENODEV`).
    let name = rustix::net::netdevice::index_to_name(socket, index.get())?;
    match socket.bind_device_by_index_v4(Some(index)) {
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => socket.bind_device(Some(name.as_bytes())),
        other => other,
    }
}

/// Without `CAP_NET_ADMIN` the system's limit (`net.core.rmem_max`) holds, which does for a few routers.
fn set_queue(socket: &Socket, bytes: usize) -> io::Result<()> {
    sockopt::set_socket_recv_buffer_size_force(socket, bytes).or_else(|_| socket.set_recv_buffer_size(bytes).map(drop))
}

/// Whole packets go out; in comes only what this socket itself has joined, and never our own.
fn set_up_inet(socket: &Socket, index: NonZeroU32) -> io::Result<()> {
    socket.set_header_included_v4(true)?;
    // REQ: MC-JOIN-06
    socket.set_multicast_all_v4(false)?;
    socket.set_multicast_loop_v4(false)?;
    sockopt::set_ip_multicast_if_with_ifindex(socket, &Ipv4Addr::UNSPECIFIED, &Ipv4Addr::UNSPECIFIED, index.get())?;
    Ok(())
}

/// The kernel writes header and checksum, and tells hop limit and destination of what comes in.
fn set_up_inet6(socket: &Socket, index: NonZeroU32) -> io::Result<()> {
    match socket.set_multicast_all_v6(false) {
        // Before Linux 4.20 there is no such option; then a group that another socket has joined is heard as well.
        Err(error) if error.raw_os_error() != Some(libc::ENOPROTOOPT) => return Err(error),
        Ok(()) | Err(_) => {}
    }
    socket.set_multicast_loop_v6(false)?;
    socket.set_multicast_if_v6(index.get())?;
    socket.set_multicast_hops_v6(HOP_LIMIT)?;
    // REQ: VRRP3-7.2-02
    socket.set_tclass_v6(TRAFFIC_CLASS)?;
    socket.set_recv_hoplimit_v6(true)?;
    nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::Ipv6RecvPacketInfo, &true)?;
    set_checksum_offset(socket)
}

fn set_checksum_offset(socket: &Socket) -> io::Result<()> {
    #[expect(unsafe_code, reason = "no crate knows IPV6_CHECKSUM")]
    // SAFETY: the option takes one `int`, which lives until the call returns; the descriptor is borrowed from its owner.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_CHECKSUM,
            core::ptr::from_ref(&CHECKSUM_OFFSET).cast(),
            libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(4),
        )
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A classic BPF program: drop what goes to a group that is not ours, then pass the VRIDs of the list, or all.
///
/// A raw IPv4 socket is filtered from the IP header on, an IPv6 one from the message on. A message too short to have a
/// VRID is dropped, because a load beyond the end drops.
fn filter(family: Family, group: Option<IpAddr>, vrids: Option<&[u8]>) -> Vec<SockFilter> {
    let mut program = match family {
        // `IP_MULTICAST_ALL` has seen to the groups.
        Family::Inet => Vec::new(),
        Family::Inet6 => own_group_only(group),
    };
    if let Some(vrids) = vrids {
        let load = match family {
            Family::Inet => load_behind_ipv4(libc::BPF_B, VRID_OFFSET),
            Family::Inet6 => vec![statement(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, VRID_OFFSET)],
        };
        program.extend(vrids_only(load, vrids));
    }
    program.push(statement(libc::BPF_RET | libc::BPF_K, u32::MAX));
    program
}

/// A classic BPF program for protocol 51: drop what is not VRRP behind the header, then pass the VRIDs of the list, or all.
fn ah_filter(vrids: Option<&[u8]>) -> Vec<SockFilter> {
    let mut program = load_behind_ipv4(libc::BPF_H, 0);
    program.push(compare(AH_OF_VRRP, 1, 0));
    program.push(statement(libc::BPF_RET | libc::BPF_K, 0));
    if let Some(vrids) = vrids {
        program.extend(vrids_only(load_behind_ipv4(libc::BPF_B, AH_BYTES + VRID_OFFSET), vrids));
    }
    program.push(statement(libc::BPF_RET | libc::BPF_K, u32::MAX));
    program
}

/// Loads what is at this offset behind the IPv4 header.
fn load_behind_ipv4(size: u32, offset: u32) -> Vec<SockFilter> {
    vec![
        statement(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 0),
        statement(libc::BPF_LD | size | libc::BPF_IND, offset),
    ]
}

/// A raw IPv6 socket that is bound to no address hears every group that anything on this machine has joined on the
/// interface, whatever `IPV6_MULTICAST_ALL` says.
fn own_group_only(group: Option<IpAddr>) -> Vec<SockFilter> {
    /// Loads at this offset count from the IP header.
    const FROM_IP_HEADER: u32 = libc::SKF_NET_OFF.cast_unsigned();
    const DESTINATION_OFFSET: u32 = 24;
    const MULTICAST: u32 = 0xff;
    let load = |size: u32, offset: u32| {
        statement(libc::BPF_LD | size | libc::BPF_ABS, FROM_IP_HEADER.wrapping_add(DESTINATION_OFFSET + offset))
    };
    let mut compare_with_group = Vec::new();
    if let Some(IpAddr::V6(group)) = group {
        for (word, offset) in group.octets().chunks_exact(4).zip((0_u32..).step_by(4)) {
            let word = word.iter().fold(0, |word, octet| word << 8 | u32::from(*octet));
            // To the drop behind the last comparison, or past it if this is the last and equal.
            let to_drop = u8::try_from((12 - offset) / 2).unwrap_or(0);
            compare_with_group.push(load(libc::BPF_W, offset));
            compare_with_group.push(compare(word, u8::from(offset == 12), to_drop));
        }
    }
    compare_with_group.push(statement(libc::BPF_RET | libc::BPF_K, 0));
    let past_comparison = u8::try_from(compare_with_group.len()).unwrap_or(0);
    let mut program = vec![load(libc::BPF_B, 0), compare(MULTICAST, 0, past_comparison)];
    program.extend(compare_with_group);
    program
}

/// Falls through to the statement behind it for a VRID of the list and drops all others.
fn vrids_only(load_vrid: Vec<SockFilter>, vrids: &[u8]) -> Vec<SockFilter> {
    let mut program = load_vrid;
    // Each once and none for the VRID 0, which is not one: at most 255, as many as a jump can skip.
    let wanted: Vec<u8> = (1..=u8::MAX).filter(|vrid| vrids.contains(vrid)).collect();
    for (place, vrid) in wanted.iter().enumerate() {
        // On a match over the comparisons that are left and the drop behind them.
        let to_end = u8::try_from(wanted.len() - place).unwrap_or(u8::MAX);
        program.push(compare(u32::from(*vrid), to_end, 0));
    }
    program.push(statement(libc::BPF_RET | libc::BPF_K, 0));
    program
}
