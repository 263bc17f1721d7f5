//! What an instance holds while it is master, and what stands from start to stop, with every link found.
//!
//! Pure data, made anew when links or the configuration change.

use crate::places::Places;
use ipnet::IpNet;
use standfast_model::config::VrrpConfig;
use standfast_model::config::route::{Route, Rule};
use standfast_model::config::vrrp::{Instance, InstanceId};
use standfast_model::{InterfaceIndex, InterfaceName, VirtualAddress};
use standfast_net::{Entry, Observed, RouteEntry, entry};
use std::collections::BTreeSet;

/// Whose something is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Owner {
    /// Nobody's in particular: `static_ipaddress`, `static_routes`, `static_rules`.
    Static,
    /// An instance's, while it is master.
    Instance(InstanceId),
    /// A device's, while it exists; the instance is the one that has the device.
    Device(InstanceId),
}

/// Addresses, routes and rules of one owner, in the order in which they are added.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Holding {
    pub(crate) owner: Owner,
    pub(crate) addresses: Vec<(InterfaceIndex, VirtualAddress)>,
    pub(crate) entries: Vec<Entry>,
}

impl Holding {
    fn new(owner: Owner) -> Self {
        Self { owner, addresses: Vec::new(), entries: Vec::new() }
    }

    /// What of it none of the others has.
    pub(crate) fn without(mut self, others: &[Self]) -> Self {
        let places: BTreeSet<(InterfaceIndex, IpNet)> = others.iter().flat_map(Self::places).collect();
        self.addresses.retain(|(interface, address)| !places.contains(&(*interface, entry(address))));
        self.entries.retain(|entry| !others.iter().any(|other| other.entries.contains(entry)));
        self
    }

    /// Where each address is, as the kernel tells it.
    pub(crate) fn places(&self) -> impl Iterator<Item = (InterfaceIndex, IpNet)> {
        self.addresses.iter().map(|(interface, address)| (*interface, entry(address)))
    }
}

/// Everything the configuration can ask for, as far as its links exist: one holding per instance, in their order,
/// then those of devices and the static one.
pub(crate) fn all(config: &VrrpConfig, places: &Places, observed: &Observed) -> Vec<Holding> {
    let instances = || (0..).map(InstanceId).zip(&config.instances);
    let of_instances = instances().map(|(id, instance)| of_instance(id, instance, places, observed));
    let of_devices = instances().filter_map(|(id, instance)| {
        let addresses = vec![places.own_address(instance, observed)?];
        Some(Holding { addresses, ..Holding::new(Owner::Device(id)) })
    });
    of_instances.chain(of_devices).chain([fixed(config, places, observed)]).collect()
}

fn of_instance(id: InstanceId, instance: &Instance, places: &Places, observed: &Observed) -> Holding {
    let addresses = instance.addresses.iter().chain(&instance.excluded);
    let addresses = addresses.filter_map(|address| Some((places.home(instance, address)?, address.clone()))).collect();
    let entries = entries(&instance.options.routes, &instance.options.rules, places, observed);
    Holding { addresses, entries, ..Holding::new(Owner::Instance(id)) }
}

fn fixed(config: &VrrpConfig, places: &Places, observed: &Observed) -> Holding {
    let common = &config.common;
    let addresses = common
        .static_addresses
        .iter()
        .filter_map(|address| Some((places.link(address.interface.as_ref()?)?, address.clone())))
        .collect();
    let entries = entries(&common.static_routes, &common.static_rules, places, observed);
    Holding { addresses, entries, ..Holding::new(Owner::Static) }
}

/// Routes before rules: a rule that leads to an empty table would lose packets meanwhile.
fn entries(routes: &[Route], rules: &[Rule], places: &Places, observed: &Observed) -> Vec<Entry> {
    let find = |name: &Option<InterfaceName>| match name {
        None => Some(None),
        Some(name) => places.link(name).map(Some),
    };
    // Without its VRF a route has no table: in any other it would lead packets that it was never meant for.
    let table = |route: &Route| match &route.vrf {
        None => Some(route.table),
        Some(name) => observed.link(places.link(name)?)?.vrf_table,
    };
    let routes = routes.iter().filter_map(|route| {
        let interface = find(&route.hop.interface)?;
        let hop_interfaces = route.hops.iter().map(|hop| find(&hop.interface)).collect::<Option<Vec<_>>>()?;
        let route = Route { table: table(route)?, ..route.clone() };
        Some(Entry::Route(RouteEntry { route, interface, hop_interfaces }))
    });
    routes.chain(rules.iter().cloned().map(Entry::Rule)).collect()
}

/// The protocols of all routes and rules of a configuration, ascending, each once: what the monitor has to tell of.
#[must_use]
pub fn routing_protocols(config: &VrrpConfig) -> Vec<u8> {
    let common = &config.common;
    let routes = config.instances.iter().flat_map(|i| &i.options.routes).chain(&common.static_routes);
    let rules = config.instances.iter().flat_map(|i| &i.options.rules).chain(&common.static_rules);
    let mut protocols: Vec<u8> = routes.map(|r| r.protocol).chain(rules.map(|r| r.protocol)).collect();
    protocols.sort_unstable();
    protocols.dedup();
    protocols
}
