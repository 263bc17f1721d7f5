//! What an object holds.

use crate::Oid;
use std::net::Ipv4Addr;

/// The value of an object, or that there is none (RFC 2741 section 5.4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// `Integer32`, `INTEGER`: type 2.
    Integer(i32),
    /// `OCTET STRING`: type 4.
    Octets(Vec<u8>),
    /// Nothing: type 5.
    Null,
    /// `OBJECT IDENTIFIER`: type 6.
    Oid(Oid),
    /// `IpAddress`: type 64.
    IpAddress(Ipv4Addr),
    /// `Counter32`: type 65.
    Counter32(u32),
    /// `Gauge32`, `Unsigned32`: type 66.
    Gauge32(u32),
    /// `TimeTicks`, in hundredths of a second: type 67.
    TimeTicks(u32),
    /// `Opaque`: type 68.
    Opaque(Vec<u8>),
    /// `Counter64`: type 70.
    Counter64(u64),
    /// There is no such object: type 128.
    NoSuchObject,
    /// There is such an object, but none of that index: type 129.
    NoSuchInstance,
    /// Nothing comes behind it: type 130.
    EndOfMibView,
}

impl Value {
    /// A text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Octets(text.as_bytes().to_vec())
    }

    /// A `TruthValue` (RFC 2579): true is 1, false is 2. Most pairs of words are numbered alike.
    #[must_use]
    pub const fn truth(yes: bool) -> Self {
        Self::Integer(if yes { 1 } else { 2 })
    }

    /// A number as `Unsigned32`; what is beyond is the largest.
    #[must_use]
    pub fn unsigned(number: impl TryInto<u32>) -> Self {
        Self::Gauge32(number.try_into().unwrap_or(u32::MAX))
    }

    /// A number as `Integer32`; what is beyond is the largest.
    #[must_use]
    pub fn integer(number: impl TryInto<i32>) -> Self {
        Self::Integer(number.try_into().unwrap_or(i32::MAX))
    }

    /// A count as `Counter32`, which begins again at 0 (RFC 2578 section 7.1.6).
    #[must_use]
    pub const fn counter(count: u64) -> Self {
        let [_, _, _, _, a, b, c, d] = count.to_be_bytes();
        Self::Counter32(u32::from_be_bytes([a, b, c, d]))
    }

    /// The number of its type on the wire.
    #[must_use]
    pub const fn kind(&self) -> u16 {
        match self {
            Self::Integer(_) => 2,
            Self::Octets(_) => 4,
            Self::Null => 5,
            Self::Oid(_) => 6,
            Self::IpAddress(_) => 64,
            Self::Counter32(_) => 65,
            Self::Gauge32(_) => 66,
            Self::TimeTicks(_) => 67,
            Self::Opaque(_) => 68,
            Self::Counter64(_) => 70,
            Self::NoSuchObject => 128,
            Self::NoSuchInstance => 129,
            Self::EndOfMibView => 130,
        }
    }
}
