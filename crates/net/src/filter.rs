//! What the packet filter has to drop: traffic to and from addresses that are not to be talked to (`no_accept`), and
//! membership reports from virtual MACs.
//!
//! The filter stands from start to stop. An address that is not held is not local, so nothing is dropped for it: a
//! change of state needs no change of the filter, and there is no moment without it.

use standfast_model::ipvs::Family;
use standfast_model::{InterfaceIndex, InterfaceName};
use std::net::{IpAddr, Ipv6Addr};

/// The whole of our table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Filter {
    /// `nftables`: the table's name.
    pub table: String,
    /// `nftables_priority` of the base chains.
    pub priority: i32,
    /// `nftables_counters`
    pub counters: bool,
    /// `nftables_ifindex`: links by number and not by name.
    pub by_index: bool,
    /// Addresses of instances with `no_accept`, ascending, each once.
    pub closed: Vec<IpAddr>,
    /// The same for link-local addresses, which belong to a link.
    pub closed_on: Vec<(Port, Ipv6Addr)>,
    /// Devices from which no membership report and no router solicitation may leave.
    pub devices: Vec<Port>,
}

/// A link as a rule names it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Port {
    /// Its number.
    pub index: InterfaceIndex,
    /// Its name.
    pub name: InterfaceName,
}

impl Filter {
    /// Whether there is anything to drop at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.closed_on.is_empty() && self.devices.is_empty()
    }

    /// Whether there is anything to drop of that family.
    #[must_use]
    pub fn concerns(&self, family: Family) -> bool {
        let closed = self.closed.iter().any(|address| Family::from(*address) == family);
        let closed_on = family == Family::Inet6 && !self.closed_on.is_empty();
        closed || closed_on || !self.devices.is_empty()
    }
}
