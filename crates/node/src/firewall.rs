//! What of a configuration the packet filter has to know.
//!
//! It is worked out once per configuration and change of links, and not per change of state
//! ([`standfast_net::filter`]).

use crate::places::Places;
use standfast_model::config::VrrpConfig;
use standfast_model::config::instance::Nftables;
use standfast_net::filter::{Filter, Port};
use standfast_net::{DeviceKind, Observed};
use std::net::IpAddr;

/// keepalived's name of the table, and its priority, where the configuration has none.
const DEFAULT_TABLE: &str = "keepalived";
const DEFAULT_PRIORITY: i32 = -1;

/// The filter of a configuration; none if nothing is to be dropped.
///
/// The owner of its addresses accepts whatever is said (RFC 9568 6.1, Accept_Mode).
// REQ: KA-ACC-01 VRRP2-6.4.3-02 VRRP3-6.4.3-04
pub(crate) fn filter(config: &VrrpConfig, places: &Places, observed: &Observed) -> Option<Filter> {
    let said = config.common.nftables.clone();
    let nftables = said.unwrap_or_else(|| Nftables {
        table: DEFAULT_TABLE.to_owned(),
        priority: DEFAULT_PRIORITY,
        by_index: false,
        counters: false,
    });
    let port = |index| observed.link(index).map(|link| Port { index, name: link.name.clone() });
    let (mut closed, mut closed_on) = (Vec::new(), Vec::new());
    let closing = config.instances.iter().filter(|i| !i.options.accept && !i.priority.is_owner());
    for instance in closing {
        for address in instance.addresses.iter().chain(&instance.excluded) {
            match address.address.addr() {
                IpAddr::V6(local) if local.is_unicast_link_local() => {
                    closed_on.extend(places.home(instance, address).and_then(port).map(|port| (port, local)));
                }
                other @ (IpAddr::V4(_) | IpAddr::V6(_)) => closed.push(other),
            }
        }
    }
    closed.sort_unstable();
    closed.dedup();
    closed_on.sort_unstable();
    closed_on.dedup();
    let vmacs = places.devices().filter(|(_, device)| match device.kind {
        DeviceKind::Macvlan { .. } => true,
        DeviceKind::Ipvlan { .. } => false,
    });
    let filter = Filter {
        table: nftables.table,
        priority: nftables.priority,
        counters: nftables.counters,
        by_index: nftables.by_index,
        closed,
        closed_on,
        devices: vmacs.filter_map(|(index, _)| port(index)).collect(),
    };
    (!filter.is_empty()).then_some(filter)
}
