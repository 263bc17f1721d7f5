//! What a worker is made of, without I/O: the core, what was last heard from the kernel, and the executor that turns
//! the core's wishes into operations in the right order.
//!
//! The daemon runs this with sockets behind [`system::System`], the simulator with values. There is no second copy.

pub mod restore;
pub mod system;
pub mod vrrp;

pub use system::{Applied, Frame, Listen, Packet, Record, SocketKey, System};
pub use vrrp::{Input, Reload, VrrpNode};
