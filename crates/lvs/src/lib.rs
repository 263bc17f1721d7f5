//! Pool policy and the IPVS table: from check verdicts to the table that should be, and from there to the operations
//! that make the kernel's table so.
//!
//! It performs no check and sends no message, and reads no clock.

pub mod table;

pub use table::{Entry, Operation, Table};
