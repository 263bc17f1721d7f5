//! Links, addresses, routes and rules: what the kernel has, what a node wants, and the operations between the two.
//!
//! It owns the comparison and nothing else: it sends no message and keeps no socket. An address is touched only if it
//! is ours.

pub mod device;
pub mod diff;
pub mod filter;
pub mod observed;
pub mod routing;

pub use device::{Device, DeviceKind, Sysctl};
pub use diff::{Operation, Ours, diff, entry};
pub use filter::Filter;
pub use observed::{Change, Link, Observed, ObservedAddress};
pub use routing::{Entry, ObservedRoute, RouteEntry};
