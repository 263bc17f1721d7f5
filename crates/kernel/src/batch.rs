//! Many datagrams in one system call: `sendmmsg` for raw and packet sockets.
//!
//! It owns the C structures of that call and their lifetimes, and knows neither VRRP nor ARP. It never waits.

use core::mem::size_of;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};

/// Datagrams per system call. One call for 64 short packets takes well under a millisecond, so a burst of thousands
/// leaves room for other work between calls; the kernel's own limit is 1024.
pub(crate) const DATAGRAMS_PER_CALL: usize = 64;

/// Room for one `in6_pktinfo` and one hop limit with their headers: nothing else is ever sent beside a datagram.
const CONTROL_BYTES: usize = 64;

/// Where a datagram goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// An IPv4 host or group, through the interface the socket is bound to.
    Inet(Ipv4Addr),
    /// An IPv6 host or group on the link of that number, from that source if one is given.
    Inet6 {
        /// Host or group.
        destination: Ipv6Addr,
        /// What goes into the header; none leaves the choice to the kernel.
        source: Option<Ipv6Addr>,
        /// The kernel's number of the link.
        interface: u32,
        /// What goes into the header; none is the socket's.
        hop_limit: Option<u8>,
    },
    /// A whole Ethernet frame through the link of that number.
    Link {
        /// The kernel's number of the link.
        interface: u32,
        /// The frame's EtherType.
        ethertype: u16,
    },
}

/// One datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Datagram<'a> {
    pub(crate) target: Target,
    pub(crate) bytes: &'a [u8],
}

/// A control buffer with the alignment of `cmsghdr`.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control {
    bytes: [u8; CONTROL_BYTES],
}

/// The address of a target, large enough for each kind.
#[derive(Clone, Copy)]
union Address {
    inet: libc::sockaddr_in,
    inet6: libc::sockaddr_in6,
    link: libc::sockaddr_ll,
}

/// Sends as many of the first [`DATAGRAMS_PER_CALL`] datagrams as the kernel takes and says how many that were, at
/// least one; an error is that of the first datagram.
///
/// If the kernel stops after some, the error of the one it stopped at is that of the next call.
pub(crate) fn send(socket: impl AsFd, datagrams: &[Datagram<'_>]) -> io::Result<usize> {
    let datagrams = datagrams.get(..DATAGRAMS_PER_CALL).unwrap_or(datagrams);
    if datagrams.is_empty() {
        return Ok(0);
    }
    // Each vector is complete before a pointer into it is taken, and none is touched again before the call.
    let mut addresses: Vec<(Address, usize)> = datagrams.iter().map(|d| address(d.target)).collect();
    let mut vectors: Vec<libc::iovec> = datagrams
        .iter()
        .map(|d| libc::iovec { iov_base: d.bytes.as_ptr().cast_mut().cast(), iov_len: d.bytes.len() })
        .collect();
    let mut controls: Vec<(Control, usize)> = datagrams.iter().map(|d| control(d.target)).collect();
    let mut headers: Vec<libc::mmsghdr> = addresses
        .iter_mut()
        .zip(&mut vectors)
        .zip(&mut controls)
        .map(|(((address, address_len), vector), (control, control_len))| {
            let mut header = empty_header();
            header.msg_hdr.msg_name = core::ptr::from_mut(address).cast();
            header.msg_hdr.msg_namelen = libc::socklen_t::try_from(*address_len).unwrap_or(0);
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            if *control_len > 0 {
                header.msg_hdr.msg_control = core::ptr::from_mut(control).cast();
                header.msg_hdr.msg_controllen = *control_len as _;
            }
            header
        })
        .collect();
    let count = libc::c_uint::try_from(headers.len()).unwrap_or(0);
    #[expect(unsafe_code, reason = "no crate offers sendmmsg to link-layer addresses and with IPv6 packet information")]
    // SAFETY: every header points to an address, one iovec and possibly a control buffer that live in the vectors
    // above until the end of this function and that nothing else touches; the kernel only reads through them and
    // writes `msg_len` of the headers, which are ours alone. The descriptor is open for as long as it is borrowed.
    let sent = unsafe {
        libc::sendmmsg(
            socket.as_fd().as_raw_fd(),
            headers.as_mut_ptr(),
            count,
            (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// A header of zeros: no address, no data.
fn empty_header() -> libc::mmsghdr {
    #[expect(unsafe_code, reason = "the C structure has private padding on some targets and no constructor")]
    // SAFETY: `mmsghdr` consists of integers and raw pointers, for all of which zero is a valid value.
    unsafe {
        core::mem::zeroed()
    }
}

/// A port of 0 and a scope where the family has one: raw sockets know no ports.
fn address(target: Target) -> (Address, usize) {
    match target {
        Target::Inet(destination) => {
            let inet = libc::sockaddr_in {
                sin_family: family(libc::AF_INET),
                sin_port: 0,
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(destination.octets()) },
                sin_zero: [0; 8],
            };
            (Address { inet }, size_of::<libc::sockaddr_in>())
        }
        Target::Inet6 { destination, interface, source: _, hop_limit: _ } => {
            let inet6 = libc::sockaddr_in6 {
                sin6_family: family(libc::AF_INET6),
                sin6_port: 0,
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: destination.octets() },
                sin6_scope_id: interface,
            };
            (Address { inet6 }, size_of::<libc::sockaddr_in6>())
        }
        Target::Link { interface, ethertype } => {
            let link = libc::sockaddr_ll {
                sll_family: family(libc::AF_PACKET),
                sll_protocol: ethertype.to_be(),
                // An index beyond i32 cannot exist: the kernel counts in `int`.
                sll_ifindex: i32::try_from(interface).unwrap_or(0),
                sll_hatype: 0,
                sll_pkttype: 0,
                sll_halen: 0,
                sll_addr: [0; 8],
            };
            (Address { link }, size_of::<libc::sockaddr_ll>())
        }
    }
}

fn family(number: libc::c_int) -> libc::sa_family_t {
    libc::sa_family_t::try_from(number).unwrap_or(0)
}

/// `IPV6_PKTINFO` with the source and the link and `IPV6_HOPLIMIT`, as far as there is something to set: each a `cmsghdr`
/// (length, level, type) with an `in6_pktinfo` (16 octets of address, link as native u32) or an `int`. The second value
/// is the length in use.
fn control(target: Target) -> (Control, usize) {
    let Target::Inet6 { source, interface, hop_limit, destination: _ } = target else {
        return (Control { bytes: [0; CONTROL_BYTES] }, 0);
    };
    let mut bytes = Vec::with_capacity(CONTROL_BYTES);
    if let Some(source) = source {
        let info = source.octets().into_iter().chain(interface.to_ne_bytes()).collect::<Vec<u8>>();
        ancillary(&mut bytes, libc::IPV6_PKTINFO, &info);
    }
    if let Some(hop_limit) = hop_limit {
        ancillary(&mut bytes, libc::IPV6_HOPLIMIT, &libc::c_int::from(hop_limit).to_ne_bytes());
    }
    let mut filled = Control { bytes: [0; CONTROL_BYTES] };
    for (to, from) in filled.bytes.iter_mut().zip(&bytes) {
        *to = *from;
    }
    (filled, bytes.len())
}

/// One message, padded to the alignment of `cmsghdr` (`CMSG_SPACE`).
fn ancillary(bytes: &mut Vec<u8>, kind: libc::c_int, payload: &[u8]) {
    let length = size_of::<libc::cmsghdr>() + payload.len();
    bytes.extend(length.to_ne_bytes());
    bytes.extend(libc::IPPROTO_IPV6.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(align_of::<libc::cmsghdr>()), 0);
}

/// The layout written by [`control`] is the one `cmsghdr` has: `cmsg_len` is as wide as `usize` on Linux with glibc,
/// and nothing lies between header and payload.
const _: () = {
    assert!(size_of::<libc::cmsghdr>() == size_of::<usize>() + 8);
    assert!(size_of::<libc::cmsghdr>().is_multiple_of(align_of::<usize>()));
    assert!(2 * size_of::<libc::cmsghdr>() + size_of::<libc::in6_pktinfo>() + 12 <= CONTROL_BYTES);
    assert!(align_of::<Control>() >= align_of::<libc::cmsghdr>());
};
