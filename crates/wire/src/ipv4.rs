//! The IPv4 header in front of a VRRP message: parsed as a raw socket delivers it, written as keepalived writes it.
//!
//! It owns no socket and judges no TTL: what a header may say is for the receiver of the value to decide.

use crate::checksum::Sum;
use pnet_packet::ip::IpNextHeaderProtocol;
use pnet_packet::ipv4::{Ipv4Flags, Ipv4Packet, MutableIpv4Packet};
use std::net::Ipv4Addr;

/// Octets of a header without options.
pub const HEADER_LEN: usize = 20;

/// The flag "more fragments" among the three flags.
const MORE_FRAGMENTS: u8 = Ipv4Flags::MoreFragments;

/// Class selector 6, internetwork control (RFC 791 3.1; keepalived sends TOS 0xc0).
const DSCP_INTERNETWORK_CONTROL: u8 = 0xc0 >> 2;

/// What a received header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Who sent it.
    pub source: Ipv4Addr,
    /// Whom it was sent to.
    pub destination: Ipv4Addr,
    /// Time to live as received.
    pub ttl: u8,
    /// Protocol of the payload.
    pub protocol: u8,
    /// Identification.
    pub identification: u16,
    /// Type of service, DSCP and ECN.
    pub tos: u8,
}

/// Why octets are no complete IPv4 packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// Fewer octets than the fixed header has.
    #[error("{have} octets are no IPv4 header")]
    Short {
        /// Octets there.
        have: usize,
    },
    /// Another IP version.
    #[error("IP version {0}, not 4")]
    Version(u8),
    /// A header length below 20 octets, or beyond the packet.
    #[error("IPv4 header length of {0} octets is impossible here")]
    HeaderLength(usize),
    /// A total length below the header length.
    #[error("IPv4 total length of {0} octets is shorter than the header")]
    TotalLength(u16),
    /// The packet is shorter than its total length.
    #[error("{have} of {total} octets of an IPv4 packet")]
    Truncated {
        /// Octets there.
        have: usize,
        /// Octets the header promises.
        total: u16,
    },
    /// A fragment; the kernel reassembles, so a raw socket never shows one.
    #[error("a fragment of an IPv4 packet")]
    Fragment,
}

/// Splits a packet into what its header says and its payload: options skipped, octets beyond the total length (link
/// padding) cut off.
///
/// The header checksum is not looked at: the kernel has done it before a raw socket sees the packet. Who reads frames
/// without a kernel in between asks [`header_is_intact`] too.
///
/// # Errors
/// [`Error`], in the order of its variants, for everything that is not one whole IPv4 packet.
pub fn parse_header(packet: &[u8]) -> Result<(Header, &[u8]), Error> {
    let have = packet.len();
    let view = Ipv4Packet::new(packet).ok_or(Error::Short { have })?;
    if view.get_version() != 4 {
        return Err(Error::Version(view.get_version()));
    }
    let header_len = usize::from(view.get_header_length()) * 4;
    if header_len < HEADER_LEN || header_len > have {
        return Err(Error::HeaderLength(header_len));
    }
    let total = view.get_total_length();
    if usize::from(total) < header_len {
        return Err(Error::TotalLength(total));
    }
    // REQ: VRRP2-7.1-02 (what the IP total length cuts off is not there)
    let payload = packet.get(header_len..usize::from(total)).ok_or(Error::Truncated { have, total })?;
    if view.get_flags() & MORE_FRAGMENTS != 0 || view.get_fragment_offset() != 0 {
        return Err(Error::Fragment);
    }
    let header = Header {
        source: view.get_source(),
        destination: view.get_destination(),
        ttl: view.get_ttl(),
        protocol: view.get_next_level_protocol().0,
        identification: view.get_identification(),
        tos: (view.get_dscp() << 2) | view.get_ecn(),
    };
    Ok((header, payload))
}

/// Whether the header checksum is right. False for what [`parse_header`] would refuse for its lengths.
#[must_use]
pub fn header_is_intact(packet: &[u8]) -> bool {
    let header_len = packet.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
    header_len >= HEADER_LEN && packet.get(..header_len).is_some_and(|header| Sum::new().add_octets(header).is_intact())
}

/// What the sender of an IPv4 advertisement chooses; all else of the header is the same for every one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// The primary address of the sending interface, never a virtual one.
    pub source: Ipv4Addr,
    /// The group, or the peer in unicast mode.
    pub destination: Ipv4Addr,
    /// 1, 2, 3, ... per instance, never 0: the kernel would put a number of its own in place of 0.
    pub identification: u16,
}

/// A packet of protocol 112 around `message`: TOS 0xc0, fragment field 0, TTL 255, no options, checksum computed.
///
/// The message must leave room for its header within 65535 octets; advertisements have 1036 at most.
pub(crate) fn emit(envelope: &Envelope, message: &[u8]) -> Vec<u8> {
    // REQ: VRRP2-5.2.4-01
    emit_protocol(envelope, crate::vrrp::PROTOCOL, message)
}

/// The same with another protocol's payload.
pub(crate) fn emit_protocol(envelope: &Envelope, protocol: u8, message: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(HEADER_LEN + message.len());
    packet.extend([0; HEADER_LEN]);
    packet.extend_from_slice(message);
    let total = u16::try_from(packet.len()).unwrap_or(u16::MAX);
    if let Some(mut header) = MutableIpv4Packet::new(&mut packet) {
        header.set_version(4);
        header.set_header_length(5);
        // REQ: VRRP2-7.2-03
        header.set_dscp(DSCP_INTERNETWORK_CONTROL);
        header.set_total_length(total);
        header.set_identification(envelope.identification);
        // REQ: VRRP2-5.2.3-01 VRRP3-5.1.1.3-01
        header.set_ttl(255);
        header.set_next_level_protocol(IpNextHeaderProtocol(protocol));
        header.set_source(envelope.source);
        header.set_destination(envelope.destination);
        let checksum = pnet_packet::ipv4::checksum(&header.to_immutable());
        header.set_checksum(checksum);
    }
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ENVELOPE: Envelope =
        Envelope { source: Ipv4Addr::new(192, 0, 2, 1), destination: Ipv4Addr::new(224, 0, 0, 18), identification: 7 };

    fn packet() -> Vec<u8> {
        emit(&ENVELOPE, &[1, 2, 3, 4, 5, 6, 7, 8])
    }

    // REQ: VRRP2-5.2.3-01 VRRP2-5.2.4-01 VRRP2-7.2-03
    #[test]
    fn a_packet_written_reads_back() {
        let packet = packet();
        let (header, payload) = parse_header(&packet).unwrap();
        assert_eq!(payload, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(
            header,
            Header {
                source: ENVELOPE.source,
                destination: ENVELOPE.destination,
                ttl: 255,
                protocol: 112,
                identification: 7,
                tos: 0xc0,
            }
        );
        assert_eq!(packet[6..8], [0, 0], "fragment field");
        assert!(header_is_intact(&packet));
    }

    #[test]
    fn options_are_skipped_and_link_padding_is_cut() {
        let mut packet = packet();
        packet.splice(20..20, [0x94, 4, 0, 0]);
        packet[0] = 0x46;
        packet[3] += 4;
        packet.extend_from_slice(&[0; 14]);
        assert_eq!(parse_header(&packet).unwrap().1, [1, 2, 3, 4, 5, 6, 7, 8]);
        packet[0] = 0x4f;
        assert_eq!(parse_header(&packet), Err(Error::HeaderLength(60)));
    }

    #[test]
    fn what_is_not_one_whole_packet_is_refused_with_its_reason() {
        let whole = packet();
        assert_eq!(parse_header(&whole[..19]), Err(Error::Short { have: 19 }));
        assert_eq!(parse_header(&whole[..27]), Err(Error::Truncated { have: 27, total: 28 }));
        let with = |at: usize, octet: u8| {
            let mut packet = whole.clone();
            packet[at] = octet;
            parse_header(&packet).map(|_| ()).unwrap_err()
        };
        assert_eq!(with(0, 0x65), Error::Version(6));
        assert_eq!(with(0, 0x44), Error::HeaderLength(16));
        assert_eq!(with(3, 19), Error::TotalLength(19));
        assert_eq!(with(6, 0x20), Error::Fragment, "first");
        assert_eq!(with(7, 0x01), Error::Fragment, "last");
        let mut unfragmentable = whole.clone();
        unfragmentable[6] = 0x40;
        assert!(parse_header(&unfragmentable).is_ok(), "don't fragment is no fragment");
    }

    proptest! {
        #[test]
        fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..100), first in 0x40..0x50u8) {
            let _ = parse_header(&octets);
            let _ = header_is_intact(&octets);
            let mut likely = octets;
            if let Some(octet) = likely.first_mut() {
                *octet = first;
            }
            if let Ok((_, payload)) = parse_header(&likely) {
                prop_assert!(payload.len() <= likely.len() - HEADER_LEN);
            }
        }

        #[test]
        fn any_flipped_bit_of_a_header_is_seen(bit in 0..160usize) {
            let mut packet = packet();
            packet[bit / 8] ^= 0x80 >> (bit % 8);
            prop_assert!(!header_is_intact(&packet));
        }
    }
}
