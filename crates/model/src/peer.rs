//! What is known of other routers of the same virtual router: in what they are configured differently, and whether one
//! of them is master beside us. And who else, router or not, says that an address of ours is its own.

use crate::interface::{InterfaceName, MacAddress};
use crate::time::Instant;
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// In what the advertisements of another router differ from ours.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Field {
    /// `version`: its advertisements are refused.
    Version,
    /// `advert_int`: refused in version 2, followed in version 3 as far as it is master.
    Interval,
    /// `authentication` or `auth_hmac`: refused. No password is shown.
    Authentication,
    /// `virtual_ipaddress`: accepted all the same.
    Addresses,
    /// Sent by unicast where multicast is expected, or the other way round: refused.
    Destination,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "version",
            Self::Interval => "advertisement interval",
            Self::Authentication => "authentication",
            Self::Addresses => "addresses",
            Self::Destination => "destination",
        })
    }
}

/// A difference between another router's configuration and ours, as its advertisements show it. It stands until one of
/// them shows that it is gone, or until our own configuration is read again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mismatch {
    /// Where the advertisements come from, as their header says: a refused one proves nothing.
    pub peer: IpAddr,
    /// What differs.
    pub field: Field,
    /// What it says, in words.
    pub theirs: String,
    /// What we say, in words.
    pub ours: String,
    /// When it was seen first.
    pub since: Instant,
    /// When it was seen last.
    pub last: Instant,
    /// Advertisements that showed it.
    pub adverts: u64,
}

/// Another router that advertises as master while we do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rival {
    /// Where from. Its advertisements passed every check.
    pub address: IpAddr,
    /// Its priority, 1..=255.
    pub priority: u8,
    /// When it was heard first.
    pub since: Instant,
    /// When it was heard last.
    pub last: Instant,
    /// How often.
    pub adverts: u64,
}

impl Rival {
    /// From the first of its advertisements to the last.
    #[must_use]
    pub fn lasted(&self) -> Duration {
        self.last.since(self.since)
    }
}

/// Somebody who says by ARP or by neighbour discovery that an address is its own, while we hold it as master.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Claim {
    /// The address.
    pub address: IpAddr,
    /// The link that it was said on.
    pub interface: InterfaceName,
    /// Where it says that the address is. Of several the one that said so last.
    pub mac: MacAddress,
    /// When it was said first.
    pub since: Instant,
    /// When it was said last.
    pub last: Instant,
    /// How often it was heard: of a flood only a part is.
    pub times: u64,
}

impl Claim {
    /// From the first time it was said to the last.
    #[must_use]
    pub fn lasted(&self) -> Duration {
        self.last.since(self.since)
    }
}
