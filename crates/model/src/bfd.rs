//! The words of BFD (RFC 5880) that a status or a cause may hold.

use core::fmt;
use serde::{Deserialize, Serialize};

/// State of a session, as its owner says it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum State {
    /// Held down by its operator.
    AdminDown,
    /// Nothing is heard, or it is not answered yet.
    Down,
    /// The other side is heard, and does not hear us yet.
    Init,
    /// Both hear each other.
    Up,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        })
    }
}

/// Why a session left Up the last time (RFC 5880 4.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Diagnostic(u8);

impl Diagnostic {
    /// 0
    pub const NONE: Self = Self(0);
    /// 1: nothing was heard for the detection time.
    pub const TIME_EXPIRED: Self = Self(1);
    /// 3: the other side said that it is down.
    pub const NEIGHBOR_DOWN: Self = Self(3);
    /// 7: an operator, or the end of the daemon.
    pub const ADMIN_DOWN: Self = Self(7);

    /// From an octet whose upper three bits mean something else.
    #[must_use]
    pub const fn from_low_bits(octet: u8) -> Self {
        Self(octet & 0x1f)
    }

    /// The number on the wire, 0 to 31.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self.0 {
            0 => "no diagnostic",
            1 => "control detection time expired",
            2 => "echo function failed",
            3 => "neighbor signalled session down",
            4 => "forwarding plane reset",
            5 => "path down",
            6 => "concatenated path down",
            7 => "administratively down",
            8 => "reverse concatenated path down",
            _ => "reserved diagnostic",
        })
    }
}
