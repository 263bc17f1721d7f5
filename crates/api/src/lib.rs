//! What the processes of standfast say to each other: messages between supervisor and workers, status, events.
//!
//! - [`worker`]: which workers there are, and how one is set up
//! - [`message`]: what goes over the channel of a worker
//! - [`runner`]: what goes over a channel between the runner and another worker
//! - [`slice`](mod@slice): the part of the configuration that a worker gets
//! - [`snmp`]: what the front is told for SNMP
//! - [`status`]: what is so
//! - [`event`]: what has happened
//! - [`exchange`]: what the front knows of the exchange with other directors
//! - [`control`]: what goes over the control socket
//! - [`adjust`]: what of an instance can be set until the next reload
//! - [`plan`]: what a reload would do
//! - [`code`]: values to bytes and back, with a version in front
//! - [`packed`]: a value in its octets until somebody looks
//!
//! It opens no socket and decides nothing.

pub mod adjust;
pub mod code;
pub mod control;
pub mod event;
pub mod exchange;
pub mod message;
pub mod packed;
pub mod pieces;
pub mod plan;
pub mod runner;
pub mod slice;
pub mod snmp;
pub mod status;
pub mod worker;

pub use adjust::{Adjustment, Setting};
pub use code::{DecodeError, EncodeError, PROTOCOL_VERSION, decode, encode, encode_counted};
pub use event::{Event, EventKind, Said};
pub use message::{Conflict, FromFront, FromWorker, ToFront, ToWorker};
pub use packed::Packed;
pub use pieces::{Piece, Pieces};
pub use slice::{BfdSlice, CheckSlice, DbusInstance, DbusSlice, FrontSlice, RunnerSlice, Token, VrrpSlice};
pub use snmp::{SnmpSlice, TrafficTable};
pub use status::{
    BfdSessionStatus, BfdStatus, CheckReport, CheckStatus, DaemonStatus, InstanceStatus, PeerStatus, Remarks,
    ServerStatus, ServiceStatus, Snapshot, Status, TwoMasters, VrrpStatus, WorkerStatus,
};
pub use worker::{Facility, Generation, Hello, LogSettings, Setup, WorkerKind, WorkerOptions};
