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

/// The value of some bytes.
///
/// # Errors
///
/// See [`DecodeError`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let Some((version, body)) = bytes.split_first_chunk::<2>() else { return Err(DecodeError::NoVersion) };
    let found = u16::from_le_bytes(*version);
    if found != PROTOCOL_VERSION {
        return Err(DecodeError::Version { found });
    }
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(DecodeError::Trailing { bytes: rest.len() }),
        Err(error) => Err(DecodeError::Malformed(error)),
    }
}
