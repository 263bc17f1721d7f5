//! The HMAC trailer that may follow an advertisement (`auth_hmac` of keepalived 2.4.2 and later): 28 octets, of either
//! version, over either family.
//!
//! It makes and verifies signatures and keeps no state: which key, which window and which sequence was the last is the
//! business of crate `vrrp`.

use super::View;
use core::time::Duration;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::net::IpAddr;

/// Octets of a trailer.
pub const PROOF_LEN: usize = 28;

/// The octets in front of the signature, which it covers.
const SIGNED_LEN: usize = 12;

/// Octets of a signature: HMAC-SHA256, cut.
const MAC_LEN: usize = 16;

/// HMAC-SHA256 cut to 16 octets, the only type there is.
const HMAC_SHA256_128: u8 = 1;

/// The number that orders the advertisements of one sender: UTC seconds since 1970, a fraction of a second in 1/65536,
/// and a counter. 64 bits that wrap around.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Sequence(u64);

impl Sequence {
    /// The first of a moment, UTC since 1970.
    #[must_use]
    pub fn at(unix: Duration) -> Self {
        let seconds = unix.as_secs() & u64::from(u32::MAX);
        let fraction = (u64::from(unix.subsec_nanos()) << 16) / 1_000_000_000;
        Self(seconds << 32 | fraction << 16)
    }

    /// From the wire.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// To the wire.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// Whether it comes after another, in serial arithmetic: nearer ahead of it than behind it.
    #[must_use]
    pub const fn is_after(self, other: Self) -> bool {
        let ahead = self.0.wrapping_sub(other.0);
        ahead != 0 && ahead < 1 << 63
    }

    /// How far its seconds are from those of a clock, and whether they are ahead of it.
    #[must_use]
    pub fn skew(self, unix: Duration) -> (Duration, bool) {
        let [a, b, c, d, ..] = self.0.to_be_bytes();
        let theirs = u32::from_be_bytes([a, b, c, d]);
        let [.., e, f, g, h] = unix.as_secs().to_be_bytes();
        let ours = u32::from_be_bytes([e, f, g, h]);
        let ahead = theirs.wrapping_sub(ours);
        if ahead < 1 << 31 {
            (Duration::from_secs(ahead.into()), true)
        } else {
            (Duration::from_secs(ours.wrapping_sub(theirs).into()), false)
        }
    }
}

/// Why a trailer is none, whatever the key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProofError {
    /// Another type than HMAC-SHA256-128.
    #[error("signature type {0}, not 1")]
    Type(u8),
    /// The reserved octets are not zero.
    #[error("reserved octets {0:#06x} in the signature")]
    Reserved(u16),
}

/// A trailer as it came or as it goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    octets: [u8; PROOF_LEN],
}

impl Proof {
    /// From the wire; whatever the octets are.
    #[must_use]
    pub const fn new(octets: [u8; PROOF_LEN]) -> Self {
        Self { octets }
    }

    /// To the wire.
    #[must_use]
    pub const fn octets(&self) -> &[u8; PROOF_LEN] {
        &self.octets
    }

    /// Checks type and reserved octets.
    ///
    /// # Errors
    /// [`ProofError`]: it is no trailer that anybody could verify.
    pub const fn check_form(&self) -> Result<(), ProofError> {
        let [kind, _, high, low, ..] = self.octets;
        match (kind, u16::from_be_bytes([high, low])) {
            (HMAC_SHA256_128, 0) => Ok(()),
            (HMAC_SHA256_128, reserved) => Err(ProofError::Reserved(reserved)),
            (other, _) => Err(ProofError::Type(other)),
        }
    }

    /// Which key it says it was signed with.
    #[must_use]
    pub const fn key_id(&self) -> u8 {
        self.octets[1]
    }

    /// Its place among the advertisements of its sender.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        let [_, _, _, _, a, b, c, d, e, f, g, h, ..] = self.octets;
        Sequence(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    /// Signs an advertisement, whose checksum field does not matter.
    #[must_use]
    pub fn sign(key: &[u8], key_id: u8, sequence: Sequence, source: IpAddr, advert: &[u8]) -> Self {
        let mut octets = [0; PROOF_LEN];
        let head = [HMAC_SHA256_128, key_id, 0, 0].into_iter().chain(sequence.0.to_be_bytes());
        octets.iter_mut().zip(head).for_each(|(to, from)| *to = from);
        let mut proof = Self { octets };
        if let Some(mac) = proof.mac(key, source, advert) {
            let signature = mac.finalize().into_bytes();
            proof.octets.iter_mut().skip(SIGNED_LEN).zip(signature).for_each(|(to, from)| *to = from);
        }
        proof
    }

    /// Whether this key signed this advertisement, as it came from this address. Takes as long for a wrong signature as
    /// for a right one.
    #[must_use]
    pub fn verifies(&self, key: &[u8], view: &View<'_>) -> bool {
        let (_, signature) = self.octets.split_at(SIGNED_LEN);
        self.mac(key, view.source(), view.octets()).is_some_and(|mac| mac.verify_truncated_left(signature).is_ok())
    }

    /// The HMAC of everything that is signed; none only for an advertisement shorter than its fixed part.
    fn mac(&self, key: &[u8], source: IpAddr, advert: &[u8]) -> Option<Hmac<Sha256>> {
        let (before, rest) = advert.split_first_chunk::<6>()?;
        let behind = rest.get(2..)?;
        let mut pseudo = [0; 20];
        let [version_type, vrid, ..] = *before;
        let family = if source.is_ipv4() { 4 } else { 6 };
        let address = match source {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let head = [family, version_type >> 4, vrid, 0].into_iter().chain(address);
        pseudo.iter_mut().zip(head).for_each(|(to, from)| *to = from);
        // No length of a key is refused by HMAC.
        let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
        let (signed, _) = self.octets.split_at(SIGNED_LEN);
        for part in [&pseudo[..], before, &[0, 0], behind, signed, &[0; MAC_LEN]] {
            mac.update(part);
        }
        Some(mac)
    }
}

impl core::fmt::Debug for Proof {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Proof(key {}, sequence {:#018x})", self.key_id(), self.sequence().bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_is_told_around_the_end_of_the_numbers() {
        let of = Sequence::from_bits;
        assert!(of(1).is_after(of(0)) && !of(0).is_after(of(1)) && !of(5).is_after(of(5)));
        assert!(of(0).is_after(of(u64::MAX)) && !of(u64::MAX).is_after(of(0)));
        assert_eq!(of(u64::MAX).next(), of(0));
    }

    #[test]
    fn a_moment_is_seconds_and_a_fraction_of_a_65536th() {
        let half = Sequence::at(Duration::new(0x1234_5678, 500_000_000));
        assert_eq!(half.bits(), 0x1234_5678_8000_0000);
        assert_eq!(half.skew(Duration::from_secs(0x1234_5670)), (Duration::from_secs(8), true));
        assert_eq!(half.skew(Duration::from_secs(0x1234_567a)), (Duration::from_secs(2), false));
        // 2106 and after: only the low 32 bits travel.
        let late = Duration::from_secs((1 << 32) + 3);
        assert_eq!(Sequence::at(late).skew(late), (Duration::ZERO, true));
        assert_eq!(Sequence::at(late).skew(Duration::from_secs((1 << 32) - 1)), (Duration::from_secs(4), true));
    }
}
