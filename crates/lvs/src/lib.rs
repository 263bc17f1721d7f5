//! Pool policy and the IPVS table: from check verdicts to the table that should be, and from there to the operations
//! that make the kernel's table so.
//!
//! It performs no check and sends no message, and reads no clock.

pub mod diff;
pub mod listing;
pub mod table;
pub mod verdict;

pub use diff::diff;
pub use listing::{Activity, Connections, Information, Listing};
pub use table::{Entry, Operation, Row, Table};
pub use verdict::{Inability, Reason, Verdict};
