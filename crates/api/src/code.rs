//! Values to bytes and back: two octets of version, then postcard.
//!
//! Postcard does not describe itself, so a value is only good for a reader of the same version; the version is looked
//! at before anything else. Whatever the bytes are, decoding ends in a value or an error.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Raised with every change of a type that is encoded here.
pub const PROTOCOL_VERSION: u16 = 1;

/// Why a value has no bytes.
pub use postcard::Error as EncodeError;

/// Why bytes are no value.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than the version.
    #[error("no version")]
    NoVersion,
    /// Written by another release.
    #[error("version {found}, this is version {PROTOCOL_VERSION}")]
    Version {
        /// What it says.
        found: u16,
    },
    /// Not a value of the expected type.
    #[error("malformed: {0}")]
    Malformed(EncodeError),
    /// Bytes are left after the value.
    #[error("{bytes} bytes too many")]
    Trailing {
        /// How many.
        bytes: usize,
    },
}

/// The bytes of a value, version first.
///
/// # Errors
///
/// None for the types of this crate: only maps and sequences of unknown length cannot be encoded.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, EncodeError> {
    postcard::to_extend(value, PROTOCOL_VERSION.to_le_bytes().to_vec())
}

/// The bytes of a value with secrets, or of one that is large: as [`encode`], but counted first, so that no buffer grows
/// and leaves a part of them behind.
///
/// # Errors
///
/// As [`encode`].
pub fn encode_counted<T: Serialize>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let Count(length) = postcard::to_extend(value, Count(0))?;
    let version = PROTOCOL_VERSION.to_le_bytes();
    let mut bytes = Vec::with_capacity(version.len() + length);
    bytes.extend_from_slice(&version);
    postcard::to_extend(value, bytes)
}

/// How many octets were written.
struct Count(usize);

impl Extend<u8> for Count {
    fn extend<I: IntoIterator<Item = u8>>(&mut self, octets: I) {
        self.0 += octets.into_iter().count();
    }
}

/// The value of some bytes.
///
/// # Errors
///
/// See [`DecodeError`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let body = bytes.get(check_version(bytes)?..).unwrap_or_default();
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(DecodeError::Trailing { bytes: rest.len() }),
        Err(error) => Err(DecodeError::Malformed(error)),
    }
}

/// Where the value begins, behind the version, which is looked at first.
pub(crate) fn check_version(bytes: &[u8]) -> Result<usize, DecodeError> {
    let Some((version, _)) = bytes.split_first_chunk::<2>() else { return Err(DecodeError::NoVersion) };
    match u16::from_le_bytes(*version) {
        PROTOCOL_VERSION => Ok(version.len()),
        found => Err(DecodeError::Version { found }),
    }
}
