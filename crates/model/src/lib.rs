//! The vocabulary every other crate speaks: VRRP's, IPVS's and keepalived's words as types that cannot hold a
//! wrong value, the validated configuration, transitions with their causes, counters, and integer time.
//!
//! It owns no behaviour: nothing here reads a clock, a file or a socket, and nothing decides.

pub mod address;
pub mod bfd;
pub mod config;
pub mod counters;
pub mod interface;
pub mod ipvs;
mod name;
pub mod peer;
mod secret;
pub mod seldom;
pub mod shared;
pub mod time;
pub mod tracking;
pub mod transition;
pub mod vrrp;
pub mod witness;

pub use address::{AddressOptions, Scope, VirtualAddress};
pub use config::Config;
pub use counters::{Refusal, VrrpCounters};
pub use interface::{InterfaceIndex, InterfaceName, MacAddress};
pub use peer::{Claim, Field, Mismatch, Rival};
pub use secret::Secret;
pub use seldom::{Seldom, Silent};
pub use shared::Shared;
pub use time::Instant;
pub use tracking::Ended;
pub use transition::{Cause, GroupTransition, PriorityChange, State, Transition};
pub use vrrp::{AdvertInterval, Password, Priority, Version, Vrid};
pub use witness::Witnessed;
