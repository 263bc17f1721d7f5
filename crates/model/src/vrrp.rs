//! The values of VRRP: router id, priority, version, interval, password.

use crate::Secret;
use core::fmt;
use core::num::NonZeroU8;
use core::time::Duration;
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroize as _;

/// Virtual router id, 1..=255 (RFC 3768 5.3.3; 0 is invalid and there is no default).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// None for 0.
    #[must_use]
    pub const fn new(id: u8) -> Option<Self> {
        match NonZeroU8::new(id) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// The octet on the wire.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A router's priority, 1..=255: 255 is the address owner, 100 the default (RFC 3768 5.3.4).
///
/// The 0 of a resignation exists only in an advertisement, so it is not a value of this type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Priority(NonZeroU8);

impl Priority {
    /// 255, the owner of the addresses.
    pub const OWNER: Self = Self(NonZeroU8::MAX);
    /// 100, what a router has that was given none.
    pub const DEFAULT: Self = match NonZeroU8::new(100) {
        Some(p) => Self(p),
        None => Self::OWNER,
    };

    /// None for 0.
    #[must_use]
    pub const fn new(priority: u8) -> Option<Self> {
        match NonZeroU8::new(priority) {
            Some(p) => Some(Self(p)),
            None => None,
        }
    }

    /// The octet on the wire.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }

    /// Whether this is the address owner's priority.
    #[must_use]
    pub const fn is_owner(self) -> bool {
        self.get() == 255
    }

    /// This base priority with the sum of all tracking weights: clamped to 1..=254, and an owner stays 255
    /// (keepalived: weights never move a base priority of 255 and never reach it).
    #[must_use]
    pub fn with_weight(self, sum: i32) -> Self {
        if self.is_owner() {
            return self;
        }
        let clamped = i32::from(self.get()).saturating_add(sum).clamp(1, 254);
        u8::try_from(clamped).ok().and_then(Self::new).unwrap_or(self)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The protocol version an instance speaks; it refuses the other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Version {
    /// RFC 3768: IPv4, whole seconds, authentication of RFC 2338.
    V2,
    /// RFC 9568: IPv4 and IPv6, centiseconds.
    V3,
}

impl Version {
    /// The nibble on the wire.
    #[must_use]
    pub const fn get(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

/// Time between two advertisements: whole seconds 1..=255 in version 2 (RFC 3768 5.3.7), centiseconds 1..=4095 in
/// version 3 (RFC 9568 5.2.7). Kept in centiseconds, the finest unit either can say.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct AdvertInterval {
    centiseconds: u16,
}

impl AdvertInterval {
    /// One second, the default of both versions.
    pub const DEFAULT: Self = Self { centiseconds: 100 };

    /// A version 2 interval; none for 0.
    #[must_use]
    pub const fn from_seconds(seconds: u8) -> Option<Self> {
        if seconds == 0 { None } else { Some(Self { centiseconds: seconds as u16 * 100 }) }
    }

    /// A version 3 interval; none outside 1..=4095.
    #[must_use]
    pub const fn from_centiseconds(centiseconds: u16) -> Option<Self> {
        if centiseconds == 0 || centiseconds > 4095 { None } else { Some(Self { centiseconds }) }
    }

    /// The interval in centiseconds, 1..=25500.
    #[must_use]
    pub const fn centiseconds(self) -> u16 {
        self.centiseconds
    }

    /// The octet of version 2, if the interval is a whole number of seconds.
    #[must_use]
    pub fn whole_seconds(self) -> Option<u8> {
        if self.centiseconds.is_multiple_of(100) { u8::try_from(self.centiseconds / 100).ok() } else { None }
    }

    /// The interval as a span of time.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.centiseconds as u64 * 10)
    }
}

impl fmt::Display for AdvertInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.whole_seconds() {
            Some(seconds) => write!(f, "{seconds} s"),
            None => write!(f, "{}.{:02} s", self.centiseconds / 100, self.centiseconds % 100),
        }
    }
}

/// The eight octets of simple-text authentication (RFC 2338 5.3.10; keepalived's `auth_pass`), zero-filled.
///
/// It never appears in a log, for `Debug` masks it, and is overwritten when it is dropped. It has a place of its own:
/// whoever is moved together with it leaves no copy behind.
#[derive(Clone, Deserialize)]
#[serde(from = "Secret")]
pub struct Password(Box<[u8; 8]>);

impl Password {
    /// The first eight octets of `text`, zero-filled.
    #[must_use]
    // REQ: VRRP2A-5.3.6-02
    pub fn truncating(text: &[u8]) -> Self {
        let mut octets = Box::new([0; 8]);
        for (to, from) in octets.iter_mut().zip(text) {
            *to = *from;
        }
        Self(octets)
    }

    /// What goes into the trailer.
    #[must_use]
    pub fn octets(&self) -> &[u8; 8] {
        &self.0
    }
}

impl From<Secret> for Password {
    /// As [`Self::truncating`].
    fn from(secret: Secret) -> Self {
        Self::truncating(secret.octets())
    }
}

impl Serialize for Password {
    /// As a [`Secret`].
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_slice().serialize(serializer)
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PartialEq for Password {
    /// Compares all eight octets whatever they are, so that time does not tell how many were right.
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0.iter()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}

impl Eq for Password {}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(********)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracking_weights_never_reach_owner_or_resignation() {
        let base = Priority::DEFAULT;
        assert_eq!(base.with_weight(1000).get(), 254);
        assert_eq!(base.with_weight(-1000).get(), 1);
        assert_eq!(base.with_weight(i32::MAX).get(), 254);
        assert_eq!(Priority::OWNER.with_weight(-200), Priority::OWNER);
    }

    #[test]
    fn an_interval_knows_which_version_can_say_it() {
        assert_eq!(AdvertInterval::from_seconds(0), None);
        assert_eq!(AdvertInterval::from_centiseconds(4096), None);
        assert_eq!(AdvertInterval::from_seconds(255).unwrap().centiseconds(), 25_500);
        assert_eq!(AdvertInterval::from_centiseconds(150).unwrap().whole_seconds(), None);
        assert_eq!(AdvertInterval::from_centiseconds(200).unwrap().whole_seconds(), Some(2));
    }

    #[test]
    fn a_password_is_cut_to_eight_octets_and_never_shown() {
        assert_eq!(Password::truncating(b"abcdefghijk").octets(), b"abcdefgh");
        assert_ne!(Password::truncating(b"s3cr3t"), Password::truncating(b"s3cr3"));
        assert!(!format!("{:?}", Password::truncating(b"s3cr3t")).contains("s3c"));
    }
}
