//! What a worker is made of, without I/O: the core, what was last heard from the kernel, and the executor that turns
//! the core's wishes into operations in the right order.
//!
//! The daemon runs this with sockets behind [`system::System`], the simulator with values. There is no second copy.

mod backlog;
mod claims;
mod contact;
mod debounce;
mod firewall;
mod holdings;
mod input;
mod pacing;
mod places;
mod rehearsal;
pub mod restore;
pub mod system;
mod upkeep;
pub mod vrrp;

pub use holdings::routing_protocols;
pub use input::{Input, Reload};
pub use places::prepared;
pub use rehearsal::{Rehearsal, Step};
pub use system::{Applied, Frame, Listen, Packet, Record, SocketKey, System};
pub use vrrp::VrrpNode;
