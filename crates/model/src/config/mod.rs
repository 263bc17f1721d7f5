//! The validated configuration. What is in it is consistent: names are unique, references resolve, numbers are in
//! range. Only `conf` makes one from text; everything else may trust it.
//!
//! Each worker gets its slice and nothing else: the check worker never sees a password.

pub mod bfd;
pub mod exchange;
pub mod global;
pub mod instance;
pub mod lvs;
pub mod probe;
pub mod route;
pub mod script;
pub mod track;
pub mod vrrp;
pub mod witness;

pub use bfd::BfdConfig;
pub use global::Global;
pub use lvs::LvsConfig;
pub use vrrp::VrrpConfig;

use serde::{Deserialize, Serialize};

/// All of keepalived.conf, understood.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Config {
    /// `global_defs` and the process-wide root keywords.
    pub global: Global,
    /// Virtual routers and sync groups.
    pub vrrp: VrrpConfig,
    /// Virtual servers.
    pub lvs: LvsConfig,
    /// BFD sessions.
    pub bfd: BfdConfig,
    /// `witness NAME`, those that are used.
    pub witnesses: Vec<witness::Witness>,
    /// `peer` and what belongs to it.
    pub exchange: Option<exchange::Exchange>,
}
