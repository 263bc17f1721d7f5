//! AgentX (RFC 2741), the side of the subagent: object identifiers, the messages as values, and the session with the
//! master agent as a state machine.
//!
//! - [`oid`]: names of objects
//! - [`value`]: what an object holds
//! - [`pdu`]: messages to bytes and back
//! - [`session`]: what is said when
//! - [`mib`]: what the session asks for answers
//!
//! It opens no socket, reads no clock and knows no object.

pub mod mib;
pub mod oid;
pub mod pdu;
pub mod session;
pub mod value;

pub use mib::{Mib, SetError};
pub use oid::Oid;
pub use pdu::{Body, DecodeError, Header, Pdu, VarBind};
pub use session::{Ended, Happened, Identity, RECONNECT_AFTER, Session};
pub use value::Value;
