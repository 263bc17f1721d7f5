//! Links and addresses: what the kernel has, what a node wants, and the operations between the two.
//!
//! It owns the comparison and nothing else: it sends no message and keeps no socket. An address is touched only if it
//! is ours.

pub mod diff;
pub mod observed;

pub use diff::{Operation, diff};
pub use observed::{Change, Link, Observed, ObservedAddress};
