//! The state of the pools, to be shown.
//!
//! It owns the values that leave the core, and no state of its own.

use crate::director::CheckerId;
use crate::member::Duty;
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
    /// Whether so few servers are up that the checks are not believed (`panic_threshold`).
    pub panic: bool,
    /// Whether its checks rest, since its address is not on this host (`ha_suspend`).
    pub suspended: bool,
    /// Its real servers, in the order of the configuration.
    pub servers: Vec<ServerStatus>,
}

/// The state of one real server, to be shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerStatus {
    /// Which.
    pub key: DestinationKey,
    /// Its weight: the configured one or the operator's, with what its checks add.
    pub weight: u32,
    /// Whether all its checkers are up.
    pub up: bool,
    /// What the operator wants of it.
    pub duty: Duty,
    /// Whether it serves although it is not up, because the checks are not believed.
    pub held: bool,
    /// Why its first failing checker last failed; none if no attempt has failed since each was last good.
    pub last_failure: Option<Reason>,
    /// Why its first checker that cannot be performed cannot; none if all can.
    pub inability: Option<Inability>,
    /// The checkers whose verdicts it goes by: its own, or those that others with the same probe share with it.
    pub checkers: Vec<CheckerId>,
}

/// How many checks there are, and how many of them are performed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probes {
    /// Checkers of all servers.
    pub checks: usize,
    /// Those that get the verdict of another with the same probe (`share_checks`).
    pub saved: usize,
}
