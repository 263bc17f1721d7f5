//! `bfd_instance`.

use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The slice of the `bfd` worker.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct BfdConfig {
    /// In the order of the file; names are unique.
    pub sessions: Vec<BfdSession>,
}

/// One BFD session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BfdSession {
    /// The name in the file, 1 to 31 bytes.
    pub name: String,
    /// `neighbor_ip`
    pub neighbor: IpAddr,
    /// `source_ip`
    pub source: Option<IpAddr>,
    /// `min_rx`, 1..=4294967 ms.
    pub min_rx: Duration,
    /// `min_tx`, 1..=4294967 ms.
    pub min_tx: Duration,
    /// `idle_tx`, 1000..=4294967 ms.
    pub idle_tx: Duration,
    /// `multiplier`, 1..=255.
    pub multiplier: u8,
    /// `passive`: silent until the neighbour speaks.
    pub passive: bool,
    /// `ttl`, `hoplimit`: 1..=255.
    pub ttl: u8,
    /// `max_hops`: how far a packet may have come; none is not checked.
    pub max_hops: Option<u8>,
    /// `multihop`: port 4784.
    pub multihop: bool,
    /// `vrrp`, `checker`: who is told.
    pub vrrp: bool,
    /// See `vrrp`.
    pub checker: bool,
}
