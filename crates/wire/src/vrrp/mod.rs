//! VRRP advertisements, version 2 (RFC 3768, authentication of RFC 2338) and version 3 (RFC 9568).
//!
//! [`View`] reads what came, each field and each check by itself, so that a receiver can check in the order it wants;
//! [`Advert`] is a whole and valid advertisement, parsed or to be sent. Neither knows any configuration: whether the
//! TTL, the password, the interval or the addresses are the right ones is decided in crate `vrrp`.

mod advert;
mod proof;
mod view;

pub use advert::{Address, Advert, Authentication, Protocol};
pub use proof::{PROOF_LEN, Proof, ProofError, Sequence};
pub use view::{AuthType, Coverage, Kind, View};

use standfast_model::{MacAddress, Refusal, Vrid};
use std::net::{Ipv4Addr, Ipv6Addr};

/// IP protocol and IPv6 next header of VRRP (RFC 3768 5.2.4).
pub const PROTOCOL: u8 = 112;

/// Where IPv4 advertisements go (RFC 3768 5.2.2, RFC 9568 5.1.1.2).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// Where IPv6 advertisements go (RFC 9568 5.1.2.2).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// Octets of the fixed part of every advertisement.
pub const FIXED_LEN: usize = 8;

/// Octets of authentication data behind the addresses of a version 2 advertisement over IPv4.
pub const TRAILER_LEN: usize = 8;

/// The longest advertisement: 255 IPv6 addresses. Nothing longer is worth a receive buffer.
pub const MESSAGE_MAX: usize = FIXED_LEN + 255 * 16;

/// The virtual router's MAC address for IPv4.
#[must_use]
pub const fn virtual_mac_v4(vrid: Vrid) -> MacAddress {
    // REQ: VRRP2-7.3-01 VRRP3-7.3-01
    MacAddress([0x00, 0x00, 0x5e, 0x00, 0x01, vrid.get()])
}

/// The virtual router's MAC address for IPv6.
#[must_use]
pub const fn virtual_mac_v6(vrid: Vrid) -> MacAddress {
    // REQ: VRRP3-7.3-01
    MacAddress([0x00, 0x00, 0x5e, 0x00, 0x02, vrid.get()])
}

/// Why octets are no valid advertisement, as far as the octets alone can tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// Less than the fixed part.
    #[error("{have} octets are no VRRP message")]
    Short {
        /// Octets there.
        have: usize,
    },
    /// Shorter than version and address count say.
    #[error("{have} octets where version and address count ask for {need}")]
    TooShort {
        /// Octets there.
        have: usize,
        /// Octets there should be.
        need: usize,
    },
    /// Longer than version and address count say. The RFCs would let it pass, keepalived 2.2.7 does not.
    #[error("{have} octets where version and address count ask for no more than {need}")]
    TooLong {
        /// Octets there.
        have: usize,
        /// Octets there should be.
        need: usize,
    },
    /// Neither version 2 nor version 3.
    #[error("version {0}")]
    Version(u8),
    /// VRID 0.
    #[error("VRID 0")]
    Vrid,
    /// An interval of 0.
    #[error("advertisement interval 0")]
    Interval,
    /// Not an advertisement.
    #[error("type {0}, not 1")]
    Type(u8),
    /// Version 3 without any address.
    #[error("no address in a version 3 advertisement")]
    AddressCount,
    /// The checksum does not fit.
    #[error("checksum {found:#06x}, expected {expected:#06x}")]
    Checksum {
        /// In the packet.
        found: u16,
        /// What it should be under the first reading that was allowed.
        expected: u16,
    },
}

impl Error {
    /// The reason under which such a packet is counted.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::Short { .. } | Self::TooShort { .. } | Self::TooLong { .. } => Refusal::Length,
            Self::Version(_) => Refusal::Version,
            Self::Vrid => Refusal::UnknownVrid,
            Self::Interval => Refusal::Interval,
            Self::Type(_) => Refusal::Type,
            Self::AddressCount => Refusal::AddressCount,
            Self::Checksum { .. } => Refusal::Checksum,
        }
    }
}
