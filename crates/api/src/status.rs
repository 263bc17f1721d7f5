//! What is so, as a worker saw it at one moment. Its size is bounded by the configuration: one entry per instance or
//! service and none per packet or connection.

use core::time::Duration;
use serde::{Deserialize, Serialize};
use standfast_model::ipvs::ServiceKey;
use standfast_model::{Instant, InterfaceName, State, Vrid, VrrpCounters, bfd};
use std::net::IpAddr;

/// What one worker knows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Status {
    /// Of the `vrrp` worker.
    Vrrp(VrrpStatus),
    /// Of the `check` worker.
    Check(CheckStatus),
    /// Of the `bfd` worker.
    Bfd(BfdStatus),
}

/// All BFD sessions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BfdStatus {
    /// When it was so.
    pub at: Instant,
    /// In the order of the configuration.
    pub sessions: Vec<BfdSessionStatus>,
}

/// One BFD session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BfdSessionStatus {
    /// The `bfd_instance`.
    pub name: String,
    /// Its neighbour.
    pub neighbor: IpAddr,
    /// Its state.
    pub state: bfd::State,
    /// When it entered that state; none before the first change.
    pub since: Option<Instant>,
    /// The neighbour's state, as it said last.
    pub remote_state: bfd::State,
    /// Why it left Up the last time.
    pub diagnostic: bfd::Diagnostic,
    /// How long the neighbour may be silent; zero before it has spoken.
    pub detection_time: Duration,
    /// Packets sent, received and refused.
    pub packets: [u64; 3],
}

/// All virtual routers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VrrpStatus {
    /// When it was so.
    pub at: Instant,
    /// In the order of the configuration.
    pub instances: Vec<InstanceStatus>,
}

/// One virtual router.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// The `vrrp_instance`.
    pub name: String,
    /// Its interface.
    pub interface: InterfaceName,
    /// The virtual router id.
    pub vrid: Vrid,
    /// Its state.
    pub state: State,
    /// When it entered that state.
    pub since: Instant,
    /// The effective priority, 1..=255.
    pub priority: u8,
    /// Who is master, if that is known and it is not us.
    pub master: Option<IpAddr>,
    /// What was counted since the worker started.
    pub counters: VrrpCounters,
}

/// All virtual servers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CheckStatus {
    /// When it was so.
    pub at: Instant,
    /// In the order of the configuration.
    pub services: Vec<ServiceStatus>,
}

/// One virtual server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// What the kernel knows it by.
    pub key: ServiceKey,
    /// Real servers that are up.
    pub live: u32,
    /// Real servers that are configured.
    pub total: u32,
    /// Whether the weight of the live ones reaches the quorum.
    pub has_quorum: bool,
    /// Whether the sorry server is in use.
    pub on_sorry_server: bool,
}
