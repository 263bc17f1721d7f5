//! The exchange of states between named directors (`peer`): what each tells the others every second. Beyond keepalived.

use crate::Secret;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// `peer`, `peer_key`, `peer_listen`. It is for the front alone, which is the one that sends and hears.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Exchange {
    /// Where it is heard, at most [`Exchange::MAX_LISTEN`].
    pub listen: Vec<SocketAddr>,
    /// The other directors, at least one and at most [`Exchange::MAX_PEERS`], with unlike names and addresses.
    pub peers: Vec<ExchangePeer>,
    /// `peer_key`: what all of them know, 32 to 64 octets.
    pub peer_key: Secret,
}

impl Exchange {
    /// Where it is heard and sent to, unless another port is said.
    pub const PORT: u16 = 8113;

    /// One of each family, and one more of each.
    pub const MAX_LISTEN: usize = 4;

    /// Directors of one group.
    pub const MAX_PEERS: usize = 7;
}

/// Another director.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExchangePeer {
    /// What it is called here.
    pub name: String,
    /// Where it listens. What it sends must come from this address, from whatever port.
    pub address: SocketAddr,
}
