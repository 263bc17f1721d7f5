//! VRRP election, sync groups and tracking: events and the time in, packets, transitions and the desired state out.
//!
//! [`Router`] owns every instance of the node, so that a sync group is a local rule and not messages. It opens no
//! socket, arms no timer, reads no clock and touches no address: it says what to send and what to hold, in order.

pub mod event;
pub mod output;
pub mod timing;

mod batch;
mod claims;
mod deadlines;
mod deliver;
mod hear;
mod links;
mod machine;
mod notices;
mod observe;
mod operator;
mod peering;
mod phase;
mod receive;
mod reload;
mod router;
mod sealing;
mod speak;
mod status;
mod trackers;
mod units;
mod witnesses;

pub use event::{Event, InterfaceFacts, Reload};
pub use links::of_routing as interfaces_of_routing;
pub use output::{Action, Notice, Output};
pub use peering::group;
pub use router::{Options, Router};
pub use status::Status;
