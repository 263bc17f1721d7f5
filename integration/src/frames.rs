//! What the lab reads from a captured Ethernet frame: VRRP advertisements, ARP, and neighbour advertisements. Written
//! apart from the daemon's own decoder, so that the two cannot share a mistake. Keeps what it does not know as it is,
//! and never panics on a frame.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// A hardware address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

/// What a frame is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A VRRP advertisement.
    Advert(Advert),
    /// An ARP packet.
    Arp(Arp),
    /// An IPv6 neighbour advertisement.
    Neighbour(Neighbour),
    /// Something else, or one of the above and broken.
    Other,
}

/// A VRRP advertisement (RFC 3768 section 5, RFC 5798 section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    /// Where from.
    pub source: IpAddr,
    /// Where to: 224.0.0.18, ff02::12, or a peer.
    pub destination: IpAddr,
    /// The TTL or hop limit; 255 unless a router forwarded it or somebody plays tricks.
    pub ttl: u8,
    /// 2 or 3.
    pub version: u8,
    /// The virtual router, 1 to 255.
    pub vrid: u8,
    /// 0 when the sender resigns, 255 when it owns the addresses.
    pub priority: u8,
    /// The authentication type of version 2: 0 none, 1 password, 2 keepalived's AH. Zero in version 3.
    pub auth_type: u8,
    /// The advertisement interval.
    pub interval: Duration,
    /// The virtual addresses.
    pub addresses: Vec<IpAddr>,
}

/// An ARP packet for IPv4 over Ethernet (RFC 826).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arp {
    /// 1 for a request, 2 for a reply.
    pub operation: u16,
    /// The sender's hardware address.
    pub sender: Mac,
    /// The sender's address.
    pub sender_address: Ipv4Addr,
    /// The target's address.
    pub target_address: Ipv4Addr,
}

impl Arp {
    /// Whether it is gratuitous: it announces an address to whoever hears it (RFC 5227 section 3).
    #[must_use]
    pub fn is_gratuitous(&self) -> bool {
        self.sender_address == self.target_address
    }
}

/// A neighbour advertisement (RFC 4861 section 4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The address that is announced.
    pub target: Ipv6Addr,
    /// The hardware address given for it, if any.
    pub mac: Option<Mac>,
    /// Whether a solicitation is being answered.
    pub solicited: bool,
    /// Whether what is known shall be replaced.
    pub overrides: bool,
}

/// A frame, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where to.
    pub destination: Mac,
    /// Where from.
    pub source: Mac,
    /// What.
    pub content: Content,
}

impl Frame {
    /// Takes a frame apart; `None` when it is too short for an Ethernet header.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = Cursor(bytes);
        let destination = Mac(rest.array()?);
        let source = Mac(rest.array()?);
        let content = match rest.u16()? {
            0x0800 => ipv4(rest),
            0x0806 => arp(rest),
            0x86dd => ipv6(rest),
            _ => None,
        };
        Some(Self { destination, source, content: content.unwrap_or(Content::Other) })
    }
}

const VRRP: u8 = 112;
const AUTHENTICATION_HEADER: u8 = 51;
const ICMPV6: u8 = 58;

fn ipv4(packet: Cursor<'_>) -> Option<Content> {
    let mut header = packet;
    let first = header.u8()?;
    let header_length = usize::from(first & 0x0f) * 4;
    header.skip(1)?;
    let total = usize::from(header.u16()?);
    header.skip(4)?;
    let ttl = header.u8()?;
    let protocol = header.u8()?;
    header.skip(2)?;
    let source = IpAddr::from(header.array::<4>()?);
    let destination = IpAddr::from(header.array::<4>()?);
    // Short frames are padded; the packet says where it ends.
    let mut payload = Cursor(packet.0.get(header_length..total)?);
    match protocol {
        VRRP => advert(payload, source, destination, ttl),
        AUTHENTICATION_HEADER => {
            let next = payload.u8()?;
            let length = usize::from(payload.u8()?) * 4 + 8;
            payload.skip(length.checked_sub(2)?)?;
            if next == VRRP { advert(payload, source, destination, ttl) } else { None }
        }
        _ => None,
    }
}

fn ipv6(mut packet: Cursor<'_>) -> Option<Content> {
    packet.skip(4)?;
    let length = usize::from(packet.u16()?);
    let next = packet.u8()?;
    let hop_limit = packet.u8()?;
    let source = IpAddr::from(packet.array::<16>()?);
    let destination = IpAddr::from(packet.array::<16>()?);
    let payload = Cursor(packet.0.get(..length)?);
    match next {
        VRRP => advert(payload, source, destination, hop_limit),
        ICMPV6 => neighbour(payload),
        _ => None,
    }
}

fn advert(mut packet: Cursor<'_>, source: IpAddr, destination: IpAddr, ttl: u8) -> Option<Content> {
    let first = packet.u8()?;
    let (version, kind) = (first >> 4, first & 0x0f);
    if kind != 1 {
        return None;
    }
    let vrid = packet.u8()?;
    let priority = packet.u8()?;
    let count = packet.u8()?;
    let timing = packet.u16()?;
    let (auth_type, interval) = match version {
        2 => (u8::try_from(timing >> 8).ok()?, Duration::from_secs(u64::from(timing & 0xff))),
        3 => (0, Duration::from_millis(u64::from(timing & 0x0fff) * 10)),
        _ => return None,
    };
    packet.skip(2)?;
    let addresses = (0..count)
        .map(|_| match source {
            IpAddr::V4(_) => packet.array::<4>().map(IpAddr::from),
            IpAddr::V6(_) => packet.array::<16>().map(IpAddr::from),
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Content::Advert(Advert { source, destination, ttl, version, vrid, priority, auth_type, interval, addresses }))
}

fn arp(mut packet: Cursor<'_>) -> Option<Content> {
    let (hardware, protocol, lengths) = (packet.u16()?, packet.u16()?, packet.u16()?);
    if (hardware, protocol, lengths) != (1, 0x0800, 0x0604) {
        return None;
    }
    let operation = packet.u16()?;
    let sender = Mac(packet.array()?);
    let sender_address = Ipv4Addr::from(packet.array::<4>()?);
    packet.skip(6)?;
    let target_address = Ipv4Addr::from(packet.array::<4>()?);
    Some(Content::Arp(Arp { operation, sender, sender_address, target_address }))
}

fn neighbour(mut packet: Cursor<'_>) -> Option<Content> {
    const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
    const TARGET_LINK_LAYER_ADDRESS: u8 = 2;
    if packet.u8()? != NEIGHBOUR_ADVERTISEMENT {
        return None;
    }
    packet.skip(3)?;
    let flags = packet.u8()?;
    packet.skip(3)?;
    let target = Ipv6Addr::from(packet.array::<16>()?);
    let mac = match (packet.u8(), packet.u8()) {
        (Some(TARGET_LINK_LAYER_ADDRESS), Some(1)) => Some(Mac(packet.array()?)),
        (Some(_) | None, _) => None,
    };
    Some(Content::Neighbour(Neighbour { target, mac, solicited: flags & 0x40 != 0, overrides: flags & 0x20 != 0 }))
}

/// The bytes that have not been read yet.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn skip(&mut self, length: usize) -> Option<()> {
        self.take(length).map(|_| ())
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// As RFC 3768 lays it out: VRID 51, priority 150, password "mypasswd", two addresses, one second.
    const V2: &str = "01005e000012 021ab0010100 0800
        45c0 002c 0001 0000 ff70 0000 c0a8010b e0000012
        21 33 96 02 01 01 0000 c0a801c8 c0a801ca 6d797061 73737764";

    #[test]
    fn an_advertisement_of_version_2_is_read() {
        let frame = Frame::parse(&bytes(V2)).unwrap();
        assert_eq!(frame.destination.to_string(), "01:00:5e:00:00:12");
        assert_eq!(frame.source.to_string(), "02:1a:b0:01:01:00");
        let Content::Advert(advert) = frame.content else { panic!("{frame:?}") };
        assert_eq!(
            advert,
            Advert {
                source: "192.168.1.11".parse().unwrap(),
                destination: "224.0.0.18".parse().unwrap(),
                ttl: 255,
                version: 2,
                vrid: 51,
                priority: 150,
                auth_type: 1,
                interval: Duration::from_secs(1),
                addresses: vec!["192.168.1.200".parse().unwrap(), "192.168.1.202".parse().unwrap()],
            }
        );
    }

    #[test]
    fn an_advertisement_of_version_3_counts_in_hundredths_of_a_second() {
        let frame = bytes(
            "333300000012 021ab0010100 86dd 6c000000 0018 70 ff
             fe800000000000000000000000000001 ff020000000000000000000000000012
             31 07 64 01 0064 0000 fe800000000000000000000000000099",
        );
        let Content::Advert(advert) = Frame::parse(&frame).unwrap().content else { panic!() };
        assert_eq!((advert.version, advert.vrid, advert.priority), (3, 7, 100));
        assert_eq!(advert.interval, Duration::from_secs(1));
        assert_eq!(advert.addresses, ["fe80::99".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn a_gratuitous_arp_is_told_from_a_question() {
        let announce =
            "ffffffffffff 021ab0010100 0806 0001 0800 06 04 0001 021ab0010100 c0a801c8 ffffffffffff c0a801c8";
        let Content::Arp(arp) = Frame::parse(&bytes(announce)).unwrap().content else { panic!() };
        assert!(arp.is_gratuitous());
        assert_eq!(arp.sender_address, Ipv4Addr::new(192, 168, 1, 200));
        let ask = announce.replace("ffffffffffff c0a801c8", "000000000000 c0a80132");
        let Content::Arp(arp) = Frame::parse(&bytes(&ask)).unwrap().content else { panic!() };
        assert!(!arp.is_gratuitous());
    }

    #[test]
    fn a_neighbour_advertisement_is_read_with_its_flags() {
        let frame = bytes(
            "333300000001 021ab0010100 86dd 60000000 0020 3a ff
             fe800000000000000000000000000001 ff020000000000000000000000000001
             88 00 0000 a0000000 20010db8000000000000000000000099 02 01 021ab0010100",
        );
        let Content::Neighbour(neighbour) = Frame::parse(&frame).unwrap().content else { panic!() };
        assert_eq!(neighbour.target, "2001:db8::99".parse::<Ipv6Addr>().unwrap());
        assert_eq!(neighbour.mac, Some(Mac([2, 0x1a, 0xb0, 1, 1, 0])));
        assert!(neighbour.overrides && !neighbour.solicited);
    }

    #[test]
    fn a_frame_that_breaks_off_anywhere_is_something_else() {
        let whole = bytes(V2);
        // The last eight bytes are the password, which is not read, but the packet's length still counts them.
        for cut in 14..whole.len() {
            assert_eq!(Frame::parse(&whole[..cut]).unwrap().content, Content::Other, "cut at {cut}");
        }
        for cut in 0..14 {
            assert_eq!(Frame::parse(&whole[..cut]), None);
        }
    }
}
