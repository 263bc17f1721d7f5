//! The messages of AgentX: bytes to values and back (RFC 2741 sections 5 and 6).
//!
//! Both byte orders are read; what is written is in network byte order. Every length is looked at before it is
//! believed, and nothing longer than [`MAX_PAYLOAD_BYTES`] is looked at at all.

mod read;
mod write;

use crate::{Oid, Value};
use core::fmt;

/// The length of a header in bytes.
pub const HEADER_BYTES: usize = 20;

/// The longest payload in bytes. What a manager asks for came in a datagram, which is no longer than this.
pub const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// The default priority of a registration (RFC 2741 section 6.2.3).
pub const DEFAULT_PRIORITY: u8 = 127;

/// Errors of AgentX and SNMP that sessions meet, by their numbers (RFC 2741 section 6.2.16).
pub mod error {
    /// All is well.
    pub const NO_ERROR: u16 = 0;
    /// The answer is too long.
    pub const TOO_BIG: u16 = 1;
    /// It was tried and did not work.
    pub const COMMIT_FAILED: u16 = 14;
    /// What was done cannot be undone.
    pub const UNDO_FAILED: u16 = 15;
    /// There is no such session.
    pub const NOT_OPEN: u16 = 257;
    /// There are no contexts here.
    pub const UNSUPPORTED_CONTEXT: u16 = 262;
    /// The message is not what its header says.
    pub const PARSE_ERROR: u16 = 266;
    /// A message that only a master agent answers.
    pub const PROCESSING_ERROR: u16 = 268;
}

/// What stands in front of every message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Header {
    /// `h.sessionID`
    pub session: u32,
    /// `h.transactionID`
    pub transaction: u32,
    /// `h.packetID`
    pub packet: u32,
}

/// A message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pdu {
    /// Of which session, and which question.
    pub header: Header,
    /// What it says.
    pub body: Body,
}

/// Which objects are asked for: from `start` on, and before `end` unless that is empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SearchRange {
    /// Where to begin.
    pub start: Oid,
    /// `start` itself counts.
    pub include: bool,
    /// Where to stop.
    pub end: Oid,
}

/// An object with its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VarBind {
    /// Its name.
    pub name: Oid,
    /// What it holds.
    pub value: Value,
}

/// Why a session is closed (RFC 2741 section 6.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CloseReason {
    /// 1
    Other,
    /// 2: the other side says what cannot be read.
    ParseError,
    /// 3
    ProtocolError,
    /// 4: no answer in time.
    Timeouts,
    /// 5: the one that says so goes.
    Shutdown,
    /// 6: the manager wants it.
    ByManager,
    /// Another number.
    Unknown(u8),
}

impl CloseReason {
    /// The reason of that number.
    #[must_use]
    pub const fn of(number: u8) -> Self {
        match number {
            1 => Self::Other,
            2 => Self::ParseError,
            3 => Self::ProtocolError,
            4 => Self::Timeouts,
            5 => Self::Shutdown,
            6 => Self::ByManager,
            other => Self::Unknown(other),
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Other => 1,
            Self::ParseError => 2,
            Self::ProtocolError => 3,
            Self::Timeouts => 4,
            Self::Shutdown => 5,
            Self::ByManager => 6,
            Self::Unknown(number) => number,
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other => f.write_str("no reason given"),
            Self::ParseError => f.write_str("it could not read what we said"),
            Self::ProtocolError => f.write_str("we said what was not to be said"),
            Self::Timeouts => f.write_str("we were too slow"),
            Self::Shutdown => f.write_str("it stops"),
            Self::ByManager => f.write_str("a manager wants it"),
            Self::Unknown(number) => write!(f, "reason {number}"),
        }
    }
}

/// What a message says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// Type 1: a session is wanted.
    Open {
        /// Seconds that an answer may take; 0 leaves it to the master agent.
        timeout: u8,
        /// Who we are, as an object identifier.
        id: Oid,
        /// And in words.
        description: String,
    },
    /// Type 2: the session is over.
    Close(CloseReason),
    /// Type 3: we answer for this part.
    Register {
        /// Seconds that an answer may take; 0 is that of the session.
        timeout: u8,
        /// The smaller wins.
        priority: u8,
        /// The part.
        subtree: Oid,
    },
    /// Type 4: we answer for it no longer.
    Unregister {
        /// As registered.
        priority: u8,
        /// As registered.
        subtree: Oid,
    },
    /// Type 5.
    Get(Vec<SearchRange>),
    /// Type 6.
    GetNext(Vec<SearchRange>),
    /// Type 7.
    GetBulk {
        /// Of so many ranges the next object only.
        non_repeaters: u16,
        /// Of the others so many.
        max_repetitions: u16,
        /// The ranges.
        ranges: Vec<SearchRange>,
    },
    /// Type 8: could these be set?
    TestSet(Vec<VarBind>),
    /// Type 9: set them.
    CommitSet,
    /// Type 10: take it back.
    UndoSet,
    /// Type 11: forget it. Not answered.
    CleanupSet,
    /// Type 12: a notification.
    Notify(Vec<VarBind>),
    /// Type 13: are you there?
    Ping,
    /// Types 14 to 17, which nobody sends to a subagent: index allocation and agent capabilities.
    Foreign(u8),
    /// Type 18: the answer.
    Response {
        /// `sysUpTime` of the master agent in hundredths of a second.
        uptime: u32,
        /// [`error`].
        error: u16,
        /// Which object is to blame, from 1; 0 is none.
        index: u16,
        /// The objects.
        objects: Vec<VarBind>,
    },
}

/// Why bytes are no message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// The header says another version than 1.
    #[error("version {0} of AgentX is not spoken here")]
    Version(u8),
    /// The header says an unknown type.
    #[error("there is no message of type {0}")]
    Kind(u8),
    /// The header promises too much, or what is no multiple of four.
    #[error("a payload of {0} bytes is not taken")]
    Length(u32),
    /// It is in a context that is not the default one.
    #[error("there are no contexts here")]
    Context,
    /// The payload ends too early.
    #[error("the payload ends in the middle of something")]
    Short,
    /// Something is left behind the payload's end.
    #[error("the payload goes on behind its end")]
    Long,
    /// An object identifier of more than 128 numbers.
    #[error("an object identifier is too long")]
    Oid,
    /// A value of an unknown type, or of a length that is not its type's.
    #[error("a value of type {0} is none")]
    Value(u16),
}

/// What a header says about the message behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// Who and what.
    pub header: Header,
    /// The type.
    pub kind: u8,
    /// The flags.
    pub flags: u8,
    /// The length of the payload in bytes, at most [`MAX_PAYLOAD_BYTES`].
    pub payload_bytes: usize,
}

impl Envelope {
    /// Numbers are in network byte order.
    pub(crate) const BIG_ENDIAN: u8 = 0x10;
    /// A context's name comes first.
    pub(crate) const CONTEXT: u8 = 0x08;

    /// Reads a header.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Version`] and [`DecodeError::Length`], after which nothing that follows can be believed.
    pub fn read(bytes: &[u8; HEADER_BYTES]) -> Result<Self, DecodeError> {
        read::envelope(bytes)
    }
}

impl Pdu {
    /// Reads the payload that belongs to a header.
    ///
    /// # Errors
    ///
    /// What is wrong with it; the next message can be read all the same.
    pub fn read(envelope: &Envelope, payload: &[u8]) -> Result<Self, DecodeError> {
        read::body(envelope, payload).map(|body| Self { header: envelope.header, body })
    }

    /// Reads a message from the beginning of `bytes`. None is that more is to come. Else the message, and how many bytes
    /// it took.
    ///
    /// # Errors
    ///
    /// See [`Envelope::read`] and [`Self::read`].
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, DecodeError> {
        let Some(head) = bytes.first_chunk() else { return Ok(None) };
        let envelope = Envelope::read(head)?;
        let end = HEADER_BYTES + envelope.payload_bytes;
        let Some(payload) = bytes.get(HEADER_BYTES..end) else { return Ok(None) };
        Self::read(&envelope, payload).map(|pdu| Some((pdu, end)))
    }

    /// Writes it behind `out`, in network byte order.
    pub fn encode(&self, out: &mut Vec<u8>) {
        write::pdu(self, out);
    }
}

#[cfg(test)]
mod tests;
