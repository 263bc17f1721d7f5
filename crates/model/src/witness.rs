//! What a witness says when it is asked whether a standby may take over.
//!
//! It owns the answers. Who asks, and what an answer means for an instance, is decided elsewhere.

use crate::Instant;
use core::fmt;
use serde::{Deserialize, Serialize};

/// The last that is known of a witness.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Witnessed {
    /// It has not answered yet, or nobody has asked it: a lease is only asked for by who would use it.
    #[default]
    Unasked,
    /// It answers.
    Reached,
    /// It gave us the lease, which nobody else gets before this moment.
    Held {
        /// When the lease may be somebody else's, by our own clock: counted from before we asked for it.
        until: Instant,
    },
    /// It answers, and the lease is somebody else's.
    Refused {
        /// Whose, as the store has it.
        holder: String,
    },
    /// It does not answer.
    Unreachable {
        /// Why, in words.
        why: String,
    },
}

impl fmt::Display for Witnessed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unasked => f.write_str("has not answered yet"),
            Self::Reached => f.write_str("answers"),
            Self::Held { .. } => f.write_str("gave us the lease"),
            Self::Refused { holder } => write!(f, "says that {holder} has the lease"),
            Self::Unreachable { why } => write!(f, "cannot be reached: {why}"),
        }
    }
}
