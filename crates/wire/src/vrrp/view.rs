//! The zero-copy view of a VRRP message: every field as it stands there, every check by itself.
//!
//! It never judges by configuration, never copies, and prints a bad message as fully as a good one.

use super::{Error, FIXED_LEN, GROUP_V4, PROTOCOL, Proof, TRAILER_LEN};
use crate::Received;
use crate::checksum::Sum;
use core::fmt;
use standfast_model::{AdvertInterval, Password, Version};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Type of a VRRP message (RFC 3768 5.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// 1, the only one defined.
    Advertisement,
    /// Any other, 0 or 2..=15.
    Unknown(u8),
}

/// Authentication type of version 2 (RFC 2338 5.3.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuthType {
    /// 0.
    None,
    /// 1, a password in clear.
    SimpleText,
    /// 2, IP authentication header; the message itself carries no proof.
    AuthenticationHeader,
    /// Any other: nobody defines it.
    Unknown(u8),
}

impl AuthType {
    /// From the octet.
    #[must_use]
    pub const fn from_octet(octet: u8) -> Self {
        match octet {
            0 => Self::None,
            1 => Self::SimpleText,
            2 => Self::AuthenticationHeader,
            other => Self::Unknown(other),
        }
    }

    /// The octet.
    #[must_use]
    pub const fn octet(self) -> u8 {
        match self {
            Self::None => 0,
            Self::SimpleText => 1,
            Self::AuthenticationHeader => 2,
            Self::Unknown(other) => other,
        }
    }
}

/// What the checksum of an advertisement covers besides the message. Only version 3 over IPv4 leaves a choice: RFC 5798
/// reads as if the pseudo-header were included, RFC 9568 says it is not. Version 2 never has it, IPv6 always has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Coverage {
    /// Message and pseudo-header: keepalived's default.
    PseudoHeader,
    /// The message alone: RFC 9568, and keepalived's `v3_checksum_as_v2`.
    MessageOnly,
    /// Message and a pseudo-header with the group 224.0.0.18 in it whatever the destination is: what keepalived before
    /// 1.3.6 sends by unicast (`old_unicast_checksum`).
    GroupPseudoHeader,
}

impl Coverage {
    /// Both readings, keepalived's default first.
    pub const BOTH: [Self; 2] = [Self::PseudoHeader, Self::MessageOnly];

    /// The coverage that really applies where `wish` is wished for.
    pub(super) const fn applying(version: u8, over_ipv6: bool, wish: Self) -> Self {
        match (over_ipv6, version) {
            // REQ: VRRP3-5.2.8-02 KA-V2V6-01
            (true, _) => Self::PseudoHeader,
            // REQ: VRRP2-5.3.8-01
            (false, 2) => Self::MessageOnly,
            (false, _) => wish,
        }
    }
}

/// The sum that a checksum is made from or verified with; the checksum field must be zero for the former.
pub(super) fn sum(source: IpAddr, destination: IpAddr, coverage: Coverage, message: &[u8]) -> Sum {
    let sum = match coverage {
        Coverage::MessageOnly => Sum::new(),
        Coverage::PseudoHeader => {
            let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
            Sum::new().add_pseudo_header(source, destination, length, PROTOCOL)
        }
        // REQ: VRRP3-5.2.8-06
        Coverage::GroupPseudoHeader => {
            let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
            Sum::new().add_pseudo_header(source, GROUP_V4.into(), length, PROTOCOL)
        }
    };
    sum.add_octets(message)
}

/// A VRRP message of at least eight octets, and the two addresses of the IP header its checksum may cover.
///
/// The addresses of the list have the family of the source.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct View<'a> {
    message: &'a [u8],
    fixed: &'a [u8; FIXED_LEN],
    rest: &'a [u8],
    source: IpAddr,
    destination: IpAddr,
}

impl<'a> View<'a> {
    /// Looks at what follows the IP header, cut to the length that header gives.
    ///
    /// # Errors
    /// [`Error::Short`] for less than eight octets; nothing else is checked.
    pub fn new(message: &'a [u8], source: IpAddr, destination: IpAddr) -> Result<Self, Error> {
        let (fixed, rest) = message.split_first_chunk::<FIXED_LEN>().ok_or(Error::Short { have: message.len() })?;
        Ok(Self { message, fixed, rest, source, destination })
    }

    /// Looks at a received packet.
    ///
    /// # Errors
    /// As [`View::new`].
    pub fn of(received: &Received<'a>) -> Result<Self, Error> {
        Self::new(received.message, received.source, received.destination)
    }

    /// The whole message.
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.message
    }

    /// The advertisement and the HMAC trailer behind it, if the message is longer than its count says by just that.
    #[must_use]
    pub fn split_proof(&self) -> Option<(Self, Proof)> {
        let (advert, proof) = self.message.split_at_checked(self.expected_len())?;
        let proof = Proof::new(proof.try_into().ok()?);
        Some((Self::new(advert, self.source, self.destination).ok()?, proof))
    }

    /// From the IP header.
    #[must_use]
    pub const fn source(&self) -> IpAddr {
        self.source
    }

    /// From the IP header.
    #[must_use]
    pub const fn destination(&self) -> IpAddr {
        self.destination
    }

    /// The version nibble, whatever it is.
    #[must_use]
    pub const fn version_nibble(&self) -> u8 {
        self.fixed[0] >> 4
    }

    /// The version.
    ///
    /// # Errors
    /// [`Error::Version`] for any but 2 and 3.
    pub const fn version(&self) -> Result<Version, Error> {
        match self.version_nibble() {
            2 => Ok(Version::V2),
            3 => Ok(Version::V3),
            other => Err(Error::Version(other)),
        }
    }

    /// The type.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self.fixed[0] & 0x0f {
            1 => Kind::Advertisement,
            other => Kind::Unknown(other),
        }
    }

    /// Checks the type.
    ///
    /// # Errors
    /// [`Error::Type`] for anything but an advertisement.
    pub const fn check_kind(&self) -> Result<(), Error> {
        // REQ: VRRP2-5.3.2-01 VRRP3-5.2.2-01
        match self.kind() {
            Kind::Advertisement => Ok(()),
            Kind::Unknown(other) => Err(Error::Type(other)),
        }
    }

    /// The VRID octet, 0 included.
    #[must_use]
    pub const fn vrid(&self) -> u8 {
        self.fixed[1]
    }

    /// The priority octet; 0 is a resignation.
    #[must_use]
    pub const fn priority(&self) -> u8 {
        self.fixed[2]
    }

    /// How many addresses the message says it has.
    #[must_use]
    pub const fn count(&self) -> u8 {
        self.fixed[3]
    }

    /// The authentication type, which only version 2 has.
    #[must_use]
    pub const fn auth_type(&self) -> AuthType {
        AuthType::from_octet(self.fixed[4])
    }

    /// The advertisement interval, read as the message's version reads it: whole seconds in version 2, and in any
    /// other the low 12 bits as centiseconds, the four reserved bits ignored.
    ///
    /// # Errors
    /// [`Error::Interval`] for 0, which no version allows.
    pub fn interval(&self) -> Result<AdvertInterval, Error> {
        let interval = if self.version_nibble() == 2 {
            AdvertInterval::from_seconds(self.fixed[5])
        } else {
            // REQ: VRRP3-5.2.6-01
            AdvertInterval::from_centiseconds(u16::from_be_bytes([self.fixed[4], self.fixed[5]]) & 0x0fff)
        };
        // REQ: VRRP3-5.2.7-02
        interval.ok_or(Error::Interval)
    }

    /// The checksum field.
    #[must_use]
    pub const fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.fixed[6], self.fixed[7]])
    }

    /// Octets of one address.
    const fn address_len(&self) -> usize {
        match self.source {
            IpAddr::V4(_) => 4,
            IpAddr::V6(_) => 16,
        }
    }

    /// Octets between the fixed part and the trailer, if the count is true.
    fn addresses_len(&self) -> usize {
        usize::from(self.count()) * self.address_len()
    }

    /// Whether a trailer belongs to such a message: version 2 over IPv4 (keepalived's version 2 over IPv6 has none).
    const fn has_trailer(&self) -> bool {
        // REQ: KA-V2V6-01
        self.version_nibble() == 2 && matches!(self.source, IpAddr::V4(_))
    }

    /// How long the message should be by its version, family and count.
    #[must_use]
    pub fn expected_len(&self) -> usize {
        FIXED_LEN + self.addresses_len() + if self.has_trailer() { TRAILER_LEN } else { 0 }
    }

    /// Checks the length against [`View::expected_len`], by the version in the message (as keepalived does: a message
    /// of another version is measured by its own).
    ///
    /// # Errors
    /// [`Error::TooShort`] or [`Error::TooLong`].
    pub fn check_len(&self) -> Result<(), Error> {
        let (have, need) = (self.message.len(), self.expected_len());
        match have.cmp(&need) {
            // REQ: VRRP2-7.1-02
            core::cmp::Ordering::Less => Err(Error::TooShort { have, need }),
            core::cmp::Ordering::Equal => Ok(()),
            // REQ: VRRP2-7.1-03
            core::cmp::Ordering::Greater => Err(Error::TooLong { have, need }),
        }
    }

    /// The addresses in the order of the message: as many as the count says and the octets hold.
    pub fn addresses(&self) -> impl ExactSizeIterator<Item = IpAddr> + 'a {
        // REQ: VRRP3-5.2.9-01
        let ipv4 = matches!(self.source, IpAddr::V4(_));
        let octets = self.rest.get(..self.addresses_len()).unwrap_or(self.rest);
        octets.chunks_exact(self.address_len()).map(move |chunk| {
            if ipv4 {
                IpAddr::V4(Ipv4Addr::from(chunk.first_chunk().copied().unwrap_or([0; 4])))
            } else {
                IpAddr::V6(Ipv6Addr::from(chunk.first_chunk().copied().unwrap_or([0; 16])))
            }
        })
    }

    /// The eight octets behind the addresses of a version 2 message over IPv4, if they are there.
    #[must_use]
    pub fn trailer(&self) -> Option<&'a [u8; TRAILER_LEN]> {
        if self.has_trailer() { self.rest.get(self.addresses_len()..)?.first_chunk() } else { None }
    }

    /// The trailer as a password, to be compared as a whole with the configured one.
    #[must_use]
    pub fn password(&self) -> Option<Password> {
        // REQ: VRRP2A-5.3.6-01
        self.trailer().map(|octets| Password::truncating(octets))
    }

    /// Checks that there is an address where there must be one: version 3 asks for it, version 2 does not.
    ///
    /// # Errors
    /// [`Error::AddressCount`].
    pub const fn check_count(&self) -> Result<(), Error> {
        // REQ: VRRP3-5.2.5-01
        // REQ: KA-CNT0-01
        if self.version_nibble() == 3 && self.count() == 0 { Err(Error::AddressCount) } else { Ok(()) }
    }

    /// The checksum that would be right under `wish`. Where the protocol leaves no choice the wish is ignored.
    #[must_use]
    pub fn expected_checksum(&self, wish: Coverage) -> u16 {
        let coverage = Coverage::applying(self.version_nibble(), self.source.is_ipv6(), wish);
        // Taking a word out of a one's complement sum is adding its complement (RFC 1624).
        sum(self.source, self.destination, coverage, self.message).add_word(!self.checksum()).checksum()
    }

    /// Checks the checksum under each reading of `allowed` in turn and says which one it fits. The readings differ for
    /// version 3 over IPv4 only; elsewhere the one that applies is tried and returned.
    ///
    /// # Errors
    /// [`Error::Checksum`] if none fits, and if `allowed` is empty.
    pub fn check_checksum(&self, allowed: &[Coverage]) -> Result<Coverage, Error> {
        // REQ: VRRP2-5.3.8-01 VRRP3-5.2.8-02 VRRP3-5.2.8-03 VRRP3-5.2.8-04 VRRP3-5.2.8-05
        // REQ: VRRP3-5.2.8-01 VRRP3-7.1-06
        for wish in allowed {
            let coverage = Coverage::applying(self.version_nibble(), self.source.is_ipv6(), *wish);
            if sum(self.source, self.destination, coverage, self.message).is_intact() {
                return Ok(coverage);
            }
        }
        let wish = allowed.first().copied().unwrap_or(Coverage::PseudoHeader);
        Err(Error::Checksum { found: self.checksum(), expected: self.expected_checksum(wish) })
    }
}

impl fmt::Display for View<'_> {
    /// One line with every field as it is. A password is masked, whosever it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [version_type, vrid, priority, count, high, low, ..] = *self.fixed;
        write!(f, "VRRPv{} type {}", version_type >> 4, version_type & 0x0f)?;
        write!(f, " {} > {} vrid {vrid} priority {priority} count {count}", self.source, self.destination)?;
        if self.version_nibble() == 2 {
            write!(f, " auth type {high} interval {low} s")?;
        } else {
            let field = u16::from_be_bytes([high, low]);
            write!(f, " reserved {:#x} interval {} cs", field >> 12, field & 0x0fff)?;
        }
        write!(
            f,
            " checksum {:#06x} length {} of {} addresses [",
            self.checksum(),
            self.message.len(),
            self.expected_len()
        )?;
        for (place, address) in self.addresses().enumerate() {
            write!(f, "{}{address}", if place == 0 { "" } else { ", " })?;
        }
        f.write_str("]")?;
        match (self.trailer(), self.auth_type()) {
            (None, _) => Ok(()),
            (Some(octets), AuthType::None) => write!(f, " trailer {:016x}", u64::from_be_bytes(*octets)),
            (Some(_), AuthType::SimpleText | AuthType::AuthenticationHeader | AuthType::Unknown(_)) => {
                f.write_str(" trailer ********")
            }
        }
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
