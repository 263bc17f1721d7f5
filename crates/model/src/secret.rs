//! What nobody may read who does not have to: passwords, keys, tokens.
//!
//! It owns how long they stay in memory and what of them is ever shown. It does not know what they are for.

use core::fmt;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

/// A secret of any length, or what holds one: a file, a message. It is overwritten when it is dropped, compared in a time
/// that does not tell how much was right, and `Debug` masks it.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Of its octets, which are moved and not copied.
    #[must_use]
    pub const fn new(octets: Vec<u8>) -> Self {
        Self(octets)
    }

    /// Whether these are the octets. How long that takes does not tell how much of them was right.
    #[must_use]
    pub fn is(&self, octets: &[u8]) -> bool {
        let differing = self.0.iter().zip(octets).fold(0_u8, |differing, (a, b)| differing | (a ^ b));
        core::hint::black_box(differing) == 0 && self.0.len() == octets.len()
    }

    /// The octets, for whoever signs or shows them to the one they are meant for.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.0)
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_itself_and_nothing_else_and_never_shown() {
        let secret = Secret::from("s3cr3t".to_owned());
        assert_eq!(secret, Secret::new(b"s3cr3t".to_vec()));
        for other in ["s3cr3T", "s3cr3", "s3cr3t ", ""] {
            assert_ne!(secret, Secret::from(other.to_owned()), "{other:?}");
        }
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "******** Some(********)");
        assert_eq!(secret.octets(), b"s3cr3t");
    }
}
