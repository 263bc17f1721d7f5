//! The state of the pools, to be shown.
//!
//! It owns the values that leave the core, and no state of its own.

use crate::notice::Weights;
use crate::verdict::{Inability, Reason};
use standfast_model::ipvs::{DestinationKey, ServiceKey};

/// The state of one virtual server, to be shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceStatus {
    /// Which.
    pub key: ServiceKey,
    /// `quorum`, `hysteresis` and the summed weight of the servers that are up.
    pub weights: Weights,
    /// Whether there is a quorum.
    pub quorum: bool,
    /// Whether the sorry server stands in.
    pub sorry_server_in_use: bool,
    /// Its real servers, in the order of the configuration.
    pub servers: Vec<ServerStatus>,
}

/// The state of one real server, to be shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerStatus {
    /// Which.
    pub key: DestinationKey,
    /// Its configured weight.
    pub weight: u32,
    /// Whether all its checkers are up.
    pub up: bool,
    /// Why its first failing checker last failed; none if no attempt has failed since each was last good.
    pub last_failure: Option<Reason>,
    /// Why its first checker that cannot be performed cannot; none if all can.
    pub inability: Option<Inability>,
}
