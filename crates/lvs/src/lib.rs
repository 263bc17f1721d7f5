//! Pool policy and the IPVS table: from check verdicts to the table that should be, and from there to the operations
//! that make the kernel's table so.
//!
//! [`Director`] owns every virtual server of the node. It performs no check and sends no message, and reads no clock:
//! it says which check to perform, when to read the kernel's table and what to change in it.

mod checker;
mod destinations;
pub mod diff;
pub mod director;
mod effort;
pub mod listing;
pub mod marking;
pub mod member;
pub mod notice;
pub mod occasion;
pub mod output;
mod pool;
mod random;
mod reconcile;
mod seats;
pub mod status;
pub mod table;
pub mod verdict;

pub use destinations::Destinations;
pub use diff::diff;
pub use director::{CheckerId, Director, Event, Memory, Order};
pub use listing::{Activity, Connections, Counted, Information, Listing, Statistics};
pub use marking::{Marked, Marking, Marks};
pub use member::Duty;
pub use notice::{Notice, ServerName, WeightSource, Weights};
pub use occasion::Occasion;
pub use output::{Action, Output, SyncRole};
pub use status::{Probes, ServerStatus, ServiceStatus};
pub use table::{Entry, Operation, Row, Table};
pub use verdict::{CheckWeight, Inability, Reason, Verdict};
