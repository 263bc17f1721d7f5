//! The authentication header (RFC 2402) in front of a version 2 advertisement: `auth_type AH` of keepalived, HMAC-MD5-96
//! (RFC 2403) over the IPv4 header, itself and the message.
//!
//! It makes and verifies values and keeps no state: which sequence number was the last is the business of crate `vrrp`.

use crate::ipv4;
use core::fmt;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use standfast_model::Password;
use std::net::Ipv4Addr;

/// IP protocol of the header (RFC 2402 2).
pub const PROTOCOL: u8 = 51;

/// Octets of the header with its 96 bits of value.
pub const HEADER_LEN: usize = 24;

/// Octets of an integrity check value: HMAC-MD5, cut.
const ICV_LEN: usize = 12;

/// Where the value is in the header.
const ICV_AT: usize = HEADER_LEN - ICV_LEN;

/// The header in 32-bit words less two (RFC 2402 2.2).
const PAYLOAD_LEN: u8 = 4;

/// Why what follows an IPv4 header of protocol 51 is no authentication header of a VRRP message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// Less than the header.
    #[error("{have} octets are no authentication header")]
    Short {
        /// Octets there.
        have: usize,
    },
    /// Something else than VRRP is authenticated.
    #[error("authentication header in front of protocol {0}, not 112")]
    NextHeader(u8),
    /// A value of another length than 96 bits.
    #[error("authentication header of length {0}, not 4")]
    Length(u8),
    /// The IPv4 header has options. Nobody sends such advertisements, and which option is covered is a long story.
    #[error("options in an authenticated IPv4 header")]
    Options,
}

/// The authentication header of a packet that arrived, with all that it vouches for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The IPv4 header.
    outer: &'a [u8; ipv4::HEADER_LEN],
    octets: &'a [u8; HEADER_LEN],
    message: &'a [u8],
}

impl<'a> Header<'a> {
    /// Looks at a packet of protocol 51 that [`ipv4::parse_header`] has split into its header and this payload.
    ///
    /// # Errors
    /// [`Error`], in the order of its variants.
    pub fn of(packet: &'a [u8], payload: &'a [u8]) -> Result<Self, Error> {
        let have = payload.len();
        let (octets, message) = payload.split_first_chunk::<HEADER_LEN>().ok_or(Error::Short { have })?;
        // REQ: VRRP2A-AH-06
        let [next, length, ..] = *octets;
        if next != crate::vrrp::PROTOCOL {
            return Err(Error::NextHeader(next));
        }
        if length != PAYLOAD_LEN {
            return Err(Error::Length(length));
        }
        let outer = packet.first_chunk().filter(|outer: &&[u8; ipv4::HEADER_LEN]| outer[0] == 0x45);
        Ok(Self { outer: outer.ok_or(Error::Options)?, octets, message })
    }

    /// What it stands in front of.
    #[must_use]
    pub const fn message(&self) -> &'a [u8] {
        self.message
    }

    /// The security parameters index, which keepalived makes the sender's address.
    #[must_use]
    pub const fn spi(&self) -> Ipv4Addr {
        let [_, _, _, _, a, b, c, d, ..] = *self.octets;
        Ipv4Addr::new(a, b, c, d)
    }

    /// The sequence number.
    #[must_use]
    pub const fn sequence(&self) -> u32 {
        let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = *self.octets;
        u32::from_be_bytes([a, b, c, d])
    }

    /// Whether the key made the value, compared in constant time.
    #[must_use]
    pub fn verifies(&self, key: &Password) -> bool {
        let (covered, icv) = self.octets.split_at(ICV_AT);
        mac(key, self.outer, covered, self.message).is_some_and(|mac| mac.verify_truncated_left(icv).is_ok())
    }
}

impl fmt::Debug for Header<'_> {
    /// Not the value, which a guesser of weak keys could go by.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AH spi {} sequence {} in front of {} octets", self.spi(), self.sequence(), self.message.len())
    }
}

/// A whole packet of protocol 51 around a VRRP message.
pub(crate) fn emit(envelope: &ipv4::Envelope, key: &Password, sequence: u32, message: &[u8]) -> Vec<u8> {
    // REQ: VRRP2A-AH-01
    let mut header = [0; HEADER_LEN];
    let fixed = [[crate::vrrp::PROTOCOL, PAYLOAD_LEN, 0, 0], envelope.source.octets(), sequence.to_be_bytes()];
    for (place, octet) in header.iter_mut().zip(fixed.as_flattened()) {
        *place = *octet;
    }
    let mut packet = ipv4::emit_protocol(envelope, PROTOCOL, &[&header, message].concat());
    let outer = packet.first_chunk().copied().unwrap_or_default();
    let (covered, _) = header.split_at(ICV_AT);
    if let Some(mac) = mac(key, &outer, covered, message)
        && let Some(place) = packet.get_mut(ipv4::HEADER_LEN + ICV_AT..ipv4::HEADER_LEN + HEADER_LEN)
    {
        for (place, octet) in place.iter_mut().zip(mac.finalize().into_bytes()) {
            *place = octet;
        }
    }
    packet
}

/// Over the IPv4 header with what changes on the way taken as zero, the authentication header with zero for its value,
/// and the message. None never happens: HMAC takes a key of any length.
fn mac(key: &Password, outer: &[u8; ipv4::HEADER_LEN], covered: &[u8], message: &[u8]) -> Option<Hmac<Md5>> {
    // REQ: VRRP2A-AH-02 VRRP2A-5.3.6-03
    let mut outer = *outer;
    // Type of service, flags and fragment offset, checksum. The TTL is 255 to a group, where nobody may route it, and may
    // change on the way to a peer.
    let to_peer = outer[16] & 0xf0 != 0xe0;
    (outer[1], outer[6], outer[7], outer[10], outer[11]) = (0, 0, 0, 0, 0);
    if to_peer {
        outer[8] = 0;
    }
    let mac = Hmac::<Md5>::new_from_slice(key.octets()).ok()?;
    Some(mac.chain_update(outer).chain_update(covered).chain_update([0; ICV_LEN]).chain_update(message))
}
