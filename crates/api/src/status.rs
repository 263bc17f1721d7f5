//! What is so, as a worker saw it at one moment. Its size is bounded by the configuration: one entry per instance or
//! service and none per packet or connection.

use crate::packed::Packed;
use crate::snmp::TrafficTable;
use crate::worker::{Generation, WorkerKind};
use core::num::NonZeroU32;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use standfast_model::ipvs::{DestinationKey, ServiceKey};
use standfast_model::tracking::Known;
use standfast_model::{
    Cause, Claim, Instant, InterfaceName, Mismatch, Rival, Seldom, Silent, State, Transition, VirtualAddress, Vrid,
    VrrpCounters, bfd,
};
use std::net::{IpAddr, SocketAddr};

/// Everything that is known, as the supervisor put it together.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// Of the daemon itself.
    pub daemon: DaemonStatus,
    /// Of the `vrrp` worker, unless it does not run or has told nothing yet.
    pub vrrp: Option<VrrpStatus>,
    /// Of the `check` worker, unless it does not run or has told nothing yet. Packed, since there may be twenty thousand
    /// servers in it: see [`Self::check`].
    pub check: Option<Packed<CheckStatus>>,
    /// What other directors say of themselves (`peer`). The front puts it in, which is the one that hears them.
    #[serde(default)]
    pub peers: Vec<PeerStatus>,
}

impl Snapshot {
    /// The virtual servers, unpacked when this is first asked for and as long as this snapshot is held.
    #[must_use]
    pub fn check(&self) -> Option<&CheckStatus> {
        self.check.as_ref()?.get()
    }
}

/// Another director, as it says of itself every second.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PeerStatus {
    /// What it is called here.
    pub name: String,
    /// Where it is told.
    pub address: SocketAddr,
    /// When it was last heard; none if never.
    pub heard: Option<Instant>,
    /// Whether that is so short a time ago that what it says holds.
    pub alive: bool,
    /// The release that it runs; empty before it was heard.
    pub version: String,
    /// Virtual routers of which it is master while this director is.
    pub two_masters: Vec<TwoMasters>,
    /// In what it is configured differently, in words, at most one line for each field of each virtual router.
    pub differences: Vec<String>,
    /// Datagrams that were believed.
    pub accepted: u64,
    /// Datagrams from its address that were refused, by the reason; reasons without datagrams are left out.
    pub refused: Vec<(String, u64)>,
}

/// A virtual router with two masters, as the exchange with another director shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TwoMasters {
    /// The `vrrp_instance` here.
    pub instance: String,
    /// Its priority there, 1..=255.
    pub priority: u8,
    /// Since when it is known.
    pub since: Instant,
}

/// The daemon.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// When it was so.
    pub at: Instant,
    /// The same moment by the clock of the wall, UTC since 1970: what every other moment can be told by.
    pub unix: Duration,
    /// The release.
    pub version: String,
    /// The process id of the supervisor.
    pub pid: u32,
    /// When it started.
    pub started: Instant,
    /// The path of the configuration.
    pub configuration: String,
    /// Which edition of it is in force.
    pub generation: Generation,
    /// Since when.
    pub in_force_since: Instant,
    /// Why the last reload was refused, unless it was not.
    pub reload_refused: Option<String>,
    /// A reload is under way.
    pub reloading: bool,
    /// The new configuration is put back then, unless it is confirmed.
    pub confirm_until: Option<Instant>,
    /// The other processes.
    pub workers: Vec<WorkerStatus>,
}

/// A process of the daemon.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// What it does.
    pub kind: WorkerKind,
    /// Its process id, if it runs.
    pub pid: Option<u32>,
    /// Whether it does its work.
    pub ready: bool,
    /// How often it was started.
    pub starts: u32,
    /// What stands against its doing its work, in words: it dies again and again.
    pub trouble: Option<String>,
}

/// What one worker knows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Status {
    /// Of the `vrrp` worker.
    Vrrp(VrrpStatus),
    /// Of the `check` worker.
    Check(CheckReport),
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
    /// What is known of everything that is tracked.
    #[serde(default)]
    pub tracked: Known,
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
    /// The priority of the configuration, 1..=255.
    pub base_priority: u8,
    /// Who is master, if that is known and it is not us.
    pub master: Option<IpAddr>,
    /// The priority of that master.
    pub master_priority: Option<u8>,
    /// Its sync group.
    pub group: Option<String>,
    /// The addresses that it holds as master.
    pub addresses: Vec<VirtualAddress>,
    /// What an operator wants of it, in words, unless that it takes part as configured.
    pub ordered: Option<String>,
    /// Why it does not take over although it hears no master: what its witnesses say.
    #[serde(default)]
    pub held: Option<String>,
    /// Why it is in FAULT.
    pub fault: Option<Cause>,
    /// The last change of its state.
    pub last_transition: Option<Transition>,
    /// In what other routers are configured differently, as their advertisements show it.
    pub mismatches: Vec<Mismatch>,
    /// Who advertises as master beside us.
    pub rival: Option<Rival>,
    /// Who else says that addresses of ours are its own: a bounded number of them.
    #[serde(default)]
    pub claims: Vec<Claim>,
    /// What was counted since the worker started.
    pub counters: VrrpCounters,
}

/// All virtual servers, as their worker passes them on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CheckReport {
    /// Real servers that are up, of all virtual servers.
    pub live: u64,
    /// Real servers that are configured.
    pub total: u64,
    /// Each of them.
    pub status: Packed<CheckStatus>,
}

impl From<&CheckStatus> for CheckReport {
    fn from(status: &CheckStatus) -> Self {
        let sum = |of: fn(&ServiceStatus) -> u32| status.services.iter().map(|service| u64::from(of(service))).sum();
        Self { live: sum(|service| service.live), total: sum(|service| service.total), status: Packed::new(status) }
    }
}

/// All virtual servers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CheckStatus {
    /// When it was so.
    pub at: Instant,
    /// In the order of the configuration.
    pub services: Vec<ServiceStatus>,
    /// What the kernel counted, by service: only with `enable_snmp_checker`, which shows it.
    #[serde(default)]
    pub traffic: TrafficTable,
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
    /// The summed weight of the servers that are up.
    pub weight: u64,
    /// `quorum`.
    pub quorum: u32,
    /// Its real servers, in the order of the configuration.
    pub servers: Vec<ServerStatus>,
}

/// One real server of a virtual server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServerStatus {
    /// What the kernel knows it by.
    pub key: DestinationKey,
    /// Its weight when it is up.
    pub weight: u32,
    /// Whether all its checkers are up.
    pub up: bool,
    /// How long the last attempt of its checks took, the slowest of several, in microseconds, at most a good hour; none
    /// if it has no check over the network, or none has ended. Never 0: nothing is that fast.
    pub check_micros: Option<NonZeroU32>,
    /// What there is to say of few.
    pub remarks: Seldom<Remarks>,
}

/// What there is to say of few real servers: a site may have tens of thousands, and several processes know of each.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Remarks {
    /// What an operator wants of it, in a word, unless that it serves as configured.
    pub ordered: Option<String>,
    /// Why a checker last failed, or why one cannot be performed; none if there is nothing to say.
    pub trouble: Option<String>,
}

impl Silent for Remarks {
    const SILENCE: &'static Self = &Self { ordered: None, trouble: None };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_server_of_which_there_is_little_to_say_is_small() {
        assert!(size_of::<ServerStatus>() <= 40, "{} bytes", size_of::<ServerStatus>());
    }
}
