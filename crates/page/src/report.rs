//! How things are, in the form that programs get: `/api/v1/status`.
//!
//! Names and units of this form are a promise: fields are added, never changed. Moments are milliseconds since 1970, UTC.
//! Another director's report is read with the same types, so what is not known there may be missing.

use crate::history::{Availability, Condition};
use crate::judgement::{Remark, Verdict, judge};
use crate::traffic::Traffic;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use standfast_api::{InstanceStatus, Snapshot};
use standfast_model::State;
use standfast_model::ipvs::ServiceKey;

mod made;

/// The form. Raised when a field changes its meaning or goes.
pub const VERSION: u16 = 1;

/// How a director is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The form: 1.
    pub version: u16,
    /// The director and its daemon.
    pub node: Node,
    /// How good or bad it is, on the whole.
    pub verdict: Verdict,
    /// What there is to say about that, the worst first.
    pub remarks: Vec<Remark>,
    /// Virtual routers, in the order of the configuration.
    #[serde(default)]
    pub instances: Vec<Instance>,
    /// Virtual servers, in the order of the configuration.
    #[serde(default)]
    pub services: Vec<Service>,
    /// Other directors with which states are exchanged (`peer`), in the order of the configuration.
    #[serde(default)]
    pub peers: Vec<Peer>,
}

/// Another director, as it says of itself every second.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Peer {
    /// What it is called here.
    pub name: String,
    /// Where it is told.
    pub address: String,
    /// Whether it was heard in the last seconds.
    pub alive: bool,
    /// When it was last heard; none if never.
    pub heard_unix_ms: Option<u64>,
    /// The release that it runs; empty before it was heard.
    pub release: String,
    /// The instances here of which it is master too, while the advertisements do not arrive.
    pub two_masters: Vec<String>,
    /// In what it is configured differently, in words.
    pub differences: Vec<String>,
    /// Datagrams that were believed.
    pub accepted: u64,
    /// Datagrams from its address that were refused, by the reason; reasons without datagrams are left out.
    pub refused: Vec<Refused>,
}

/// A director and its daemon.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Node {
    /// `router_id`, or the name of the host.
    pub name: String,
    /// The release.
    pub release: String,
    /// The process id of the supervisor.
    pub pid: u32,
    /// When it was as the report says.
    pub at_unix_ms: u64,
    /// When the daemon was started.
    pub started_unix_ms: u64,
    /// The path of the configuration.
    pub configuration: String,
    /// Which edition of it is in force; the one of the start is 1.
    pub generation: u32,
    /// Since when.
    pub in_force_since_unix_ms: u64,
    /// Why the last reload was refused, unless it was not.
    pub reload_refused: Option<String>,
    /// The configuration before comes back then, unless the new one is confirmed.
    pub confirm_until_unix_ms: Option<u64>,
    /// The processes of the daemon.
    #[serde(default)]
    pub workers: Vec<Worker>,
}

/// A process of the daemon.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Worker {
    /// `runner`, `check`, `vrrp`, `bfd` or `front`.
    pub kind: String,
    /// Its process id, if it runs.
    pub pid: Option<u32>,
    /// Whether it does its work.
    pub ready: bool,
    /// How often it was started.
    pub starts: u32,
}

/// A virtual router.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Instance {
    /// The `vrrp_instance`.
    pub name: String,
    /// Its interface.
    pub interface: String,
    /// The virtual router id, 1 to 255.
    pub vrid: u8,
    /// `INIT`, `BACKUP`, `MASTER`, `FAULT` or `STOP`.
    pub state: String,
    /// Since when.
    pub since_unix_ms: u64,
    /// The effective priority, 1 to 255.
    pub priority: u8,
    /// The configured priority.
    pub base_priority: u8,
    /// The address of the master, if that is known and another node.
    pub master: Option<String>,
    /// The priority of that master.
    pub master_priority: Option<u8>,
    /// What an operator wants of it, in words, unless that it takes part as configured.
    #[serde(default)]
    pub ordered: Option<String>,
    /// Another router that advertises as master while this one does.
    #[serde(default)]
    pub rival: Option<Rival>,
    /// Hosts that say of addresses which this one holds that they are their own.
    #[serde(default)]
    pub claims: Vec<Claim>,
    /// In what other routers are configured differently.
    #[serde(default)]
    pub mismatches: Vec<Mismatch>,
    /// Its sync group.
    pub group: Option<String>,
    /// Its virtual addresses, with prefix lengths.
    pub addresses: Vec<String>,
    /// Why it is in FAULT.
    pub fault: Option<String>,
    /// The last change of its state.
    pub last_change: Option<Change>,
    /// What was counted since the process started.
    pub counters: Counters,
    /// How long its addresses were served, as far as this node knows.
    pub availability: Option<Availability>,
}

/// Another router that advertises as master while this one does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Rival {
    /// Where from.
    pub address: String,
    /// Its priority, 1 to 255.
    pub priority: u8,
    /// When it was heard first.
    pub since_unix_ms: u64,
    /// When it was heard last.
    pub last_unix_ms: u64,
}

/// A host that says by ARP or neighbour discovery that an address which this one holds is its own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    /// The address.
    pub address: String,
    /// The link that it was said on.
    pub interface: String,
    /// Where the address is, as the host says.
    pub mac: String,
    /// When it was heard first.
    pub since_unix_ms: u64,
    /// When it was heard last.
    pub last_unix_ms: u64,
    /// How often; of a flood only a part is heard.
    pub times: u64,
}

/// A difference between another router's configuration and this one's, as its advertisements show it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Mismatch {
    /// Where the advertisements come from.
    pub peer: String,
    /// What differs, in words.
    pub what: String,
    /// What it says.
    pub theirs: String,
    /// What this one says.
    pub ours: String,
    /// When it was seen last.
    pub last_unix_ms: u64,
}

/// A change of state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The state before.
    pub from: String,
    /// The state after.
    pub to: String,
    /// Why.
    pub cause: String,
    /// When.
    pub at_unix_ms: u64,
}

/// Counters of a virtual router.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Counters {
    /// Accepted advertisements.
    pub adverts_received: u64,
    /// Advertisements sent.
    pub adverts_sent: u64,
    /// Times MASTER was entered.
    pub became_master: u64,
    /// Times MASTER was left.
    pub released_master: u64,
    /// Accepted advertisements with priority 0: a master said that it leaves.
    pub priority_zero_received: u64,
    /// Advertisements with priority 0 sent.
    pub priority_zero_sent: u64,
    /// Accepted advertisements whose addresses are not ours.
    pub address_list_differs: u64,
    /// Times another host was found to say that an address which this one holds is its own.
    #[serde(default)]
    pub foreign_claims: u64,
    /// Refused packets, by the reason; reasons without packets are left out.
    #[serde(default)]
    pub refused: Vec<Refused>,
}

/// Packets refused for one reason.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Refused {
    /// In words.
    pub reason: String,
    /// How many.
    pub packets: u64,
}

/// A virtual server.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Service {
    /// `TCP 192.0.2.1:80`, `UDP [2001:db8::1]:53`, `FWM 7`.
    pub name: String,
    /// Real servers that are up.
    pub live: u32,
    /// Real servers that are configured.
    pub total: u32,
    /// Whether the weight of the live ones reaches the quorum.
    pub has_quorum: bool,
    /// Whether the sorry server stands in.
    pub on_sorry_server: bool,
    /// The summed weight of the servers that are up.
    pub weight: u64,
    /// `quorum`.
    pub quorum: u32,
    /// Connections through this node, if the kernel lets us see them.
    pub connections: Option<Connections>,
    /// How long it was served, as this node saw it.
    pub availability: Option<Availability>,
    /// Its real servers, in the order of the configuration.
    #[serde(default)]
    pub servers: Vec<Server>,
}

/// Connections as IPVS counts them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Connections {
    /// Established.
    pub active: u64,
    /// All others that are remembered.
    pub inactive: u64,
}

/// A real server of a virtual server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Server {
    /// `10.0.0.1:80`
    pub name: String,
    /// Its weight when it is up.
    pub weight: u32,
    /// Whether all its checks are good.
    pub up: bool,
    /// What an operator wants of it, in a word, unless that it serves as configured.
    pub ordered: Option<String>,
    /// Why a check last failed, or why one cannot be made; none if there is nothing to say.
    pub trouble: Option<String>,
    /// How long its last check took, the slowest of several, in microseconds; none if it has none over the network.
    #[serde(default)]
    pub check_us: Option<u64>,
    /// Connections through this node, if the kernel lets us see them.
    pub connections: Option<Connections>,
}

/// The name of a virtual server with single blanks.
#[must_use]
pub fn service_name(key: &ServiceKey) -> String {
    key.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a report has beside the status.
pub trait Beside {
    /// How long what is known by this key was served.
    fn availability(&self, key: &str) -> Option<Availability>;

    /// Connections of the kernel.
    fn traffic(&self) -> Option<&Traffic>;
}

impl Report {
    /// The report of a status.
    #[must_use]
    pub fn of(snapshot: &Snapshot, name: &str, beside: &impl Beside) -> Self {
        let (verdict, remarks) = judge(snapshot);
        let clock = made::Clock::of(&snapshot.daemon);
        let instances = snapshot.vrrp.iter().flat_map(|vrrp| &vrrp.instances);
        let services = snapshot.check().into_iter().flat_map(|check| &check.services);
        Self {
            version: VERSION,
            node: made::node(&snapshot.daemon, clock, name),
            verdict,
            remarks,
            instances: instances.map(|status| made::instance(status, clock, beside)).collect(),
            services: services.map(|status| made::service(status, beside)).collect(),
            peers: snapshot.peers.iter().map(|status| made::peer(status, clock)).collect(),
        }
    }

    /// Without what only takes room: the real servers.
    #[must_use]
    pub fn without_servers(mut self) -> Self {
        self.services.iter_mut().for_each(|service| service.servers.clear());
        self
    }
}

/// The key by which the history knows a virtual router.
#[must_use]
pub fn instance_key(name: &str) -> String {
    format!("vrrp {name}")
}

/// What the history is to know of a status: each virtual router and virtual server by its key. `elsewhere` says whether
/// another director is known to be master of an instance.
#[must_use]
pub fn conditions(snapshot: &Snapshot, elsewhere: impl Fn(&InstanceStatus) -> bool) -> Vec<(String, Condition)> {
    let instances = snapshot.vrrp.iter().flat_map(|vrrp| &vrrp.instances).map(|instance| {
        let condition = match instance.state {
            State::Master => Condition::Here,
            State::Backup if instance.master.is_some() => Condition::Elsewhere,
            State::Fault | State::Backup if elsewhere(instance) => Condition::Elsewhere,
            State::Fault => Condition::Down,
            // It listens whether there is a master: nothing is known yet.
            State::Init | State::Backup | State::Stop => Condition::Unknown,
        };
        (instance_key(&instance.name), condition)
    });
    let services = snapshot.check().into_iter().flat_map(|check| &check.services).map(|service| {
        let condition = match (service.has_quorum, service.on_sorry_server) {
            (_, true) => Condition::Degraded,
            (true, false) => Condition::Here,
            (false, false) => Condition::Down,
        };
        (service_name(&service.key), condition)
    });
    instances.chain(services).collect()
}
