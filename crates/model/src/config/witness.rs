//! Witnesses: whom a standby that hears nothing asks before it takes over, and what it makes of the answers. Beyond
//! keepalived.
//!
//! Who is asked (`witness NAME`) is the check worker's slice; what the answers mean (`witness` in an instance or a sync
//! group) is the vrrp worker's, which knows the witnesses by their names only.

use crate::Secret;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// Whom to ask, and how.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Witness {
    /// The name in the file.
    pub name: String,
    /// What is asked.
    pub kind: WitnessKind,
    /// `interval`: from one question to the next, 0.1..=3600 s, 1 s by default.
    pub interval: Duration,
    /// `timeout`: how long an answer may take, 0.05..=60 s, 1 s by default.
    pub timeout: Duration,
    /// `rise`: answers in a row until it is reachable again, at least 1.
    pub rise: u32,
    /// `fall`: questions in a row without an answer until it is unreachable, at least 1.
    pub fall: u32,
}

impl Witness {
    /// Configured witnesses, at most: each is asked every second.
    pub const MOST: usize = 64;
}

/// What a witness is asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum WitnessKind {
    /// `ping`: whether an echo comes back.
    Ping(IpAddr),
    /// `tcp`: whether a connection can be made.
    Tcp(SocketAddr),
    /// `etcd`: for a lease that one holds at a time.
    Etcd(Box<Etcd>),
}

impl WitnessKind {
    /// Whether one director at a time gets its consent.
    #[must_use]
    pub const fn is_lease(&self) -> bool {
        matches!(self, Self::Etcd(_))
    }
}

/// `etcd`: a key in an etcd v3 store that its holder keeps with a lease.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Etcd {
    /// `endpoint`: members of the store, at least one, asked in turn until one answers. Numeric, for a name would have to
    /// be looked up at the worst of times.
    pub endpoints: Vec<SocketAddr>,
    /// `lease_key`: the key in the store.
    pub key: String,
    /// `lease`: how long the key outlives its last renewal, whole seconds, 2..=3600, 10 by default.
    pub lease: Duration,
    /// `holder`: what this director calls itself in the store, unlike every other; none is `router_id` or the name of
    /// the host.
    pub holder: Option<String>,
    /// `user`
    pub user: Option<EtcdUser>,
    /// How it is spoken to where the endpoints begin with `https://`.
    pub tls: Option<EtcdTls>,
}

impl Etcd {
    /// Members of a store, at most: etcd itself advises no more than seven.
    pub const MOST_ENDPOINTS: usize = 7;
}

/// Who asks, for a store that wants to know.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EtcdUser {
    /// `user`
    pub name: String,
    /// `password`
    pub password: Secret,
}

/// How the members of a store are spoken to over TLS. Their certificates are always verified.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct EtcdTls {
    /// `ca`: the file with the authorities that are believed; none is those of the system.
    pub ca: Option<String>,
    /// `certificate` and `private_key`: the files with which this director says who it is.
    pub identity: Option<(String, String)>,
    /// `server_name`: whose certificate it must be; none is the numeric address of the endpoint.
    pub server_name: Option<String>,
}

/// Which witness: its place in [`super::instance::VrrpCommon::witnesses`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct WitnessId(pub u32);

/// A witness as the vrrp worker knows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NamedWitness {
    /// The name in the file.
    pub name: String,
    /// One director at a time gets its consent, and has to ask for it.
    pub lease: bool,
}

/// `witness` in an instance or a sync group: when a standby that hears nothing may take over.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WitnessPolicy {
    /// `use`: at least one, each once.
    pub witnesses: Vec<WitnessId>,
    /// `need`
    pub need: Need,
    /// `unreachable`
    pub unreachable: Unreachable,
    /// `lost`; keep where there is no lease.
    pub lost: LeaseLost,
}

/// How many witnesses must agree (`need`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Need {
    /// `all`
    All,
    /// `any`
    Any,
}

/// What the silence of a witness means (`unreachable`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Unreachable {
    /// `stay`: the same as its refusal.
    Stay,
    /// `take`: the same as its consent.
    Take,
}

/// What a master does whose lease could not be renewed (`lost`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LeaseLost {
    /// `keep`: it stays master.
    Keep,
    /// `step_down`: it resigns before the lease can be another's.
    StepDown,
}
