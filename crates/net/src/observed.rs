//! The kernel's links, addresses, routes and rules as last heard: a dump, kept current by the monitor's changes.

use crate::routing::{ObservedRoute, RouteEntry, same_rule};
use ipnet::IpNet;
use standfast_model::config::route::Rule;
use standfast_model::{InterfaceIndex, InterfaceName, MacAddress};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// One link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// The kernel's number.
    pub index: InterfaceIndex,
    /// Its present name.
    pub name: InterfaceName,
    /// Its Ethernet address; none where there is no such thing.
    pub mac: Option<MacAddress>,
    /// Administratively up (`IFF_UP`).
    pub up: bool,
    /// Has carrier (`IFF_RUNNING`).
    pub running: bool,
    /// `IFF_LOOPBACK`.
    pub loopback: bool,
    /// `IFF_NOARP`: nothing is announced on it.
    pub no_arp: bool,
    /// Largest payload in bytes.
    pub mtu: u32,
    /// The link below it, of a macvlan or an ipvlan (`IFLA_LINK`).
    pub parent: Option<InterfaceIndex>,
    /// The routing table of a VRF (`IFLA_VRF_TABLE`); none for any other link.
    pub vrf_table: Option<u32>,
}

/// One address on one link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObservedAddress {
    /// The link.
    pub interface: InterfaceIndex,
    /// The address with its prefix length.
    pub address: IpNet,
    /// The kernel's scope number.
    pub scope: u8,
    /// `IFA_F_SECONDARY` (IPv4): not one to send from by default.
    pub secondary: bool,
    /// `IFA_PROTO`: who says to have added it, 0 where the kernel does not tell (before 5.18).
    pub protocol: u8,
}

/// What the monitor tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A link is new or different.
    Link(Link),
    /// A link is gone, and its addresses with it.
    LinkGone(InterfaceIndex),
    /// An address is new or different.
    Address(ObservedAddress),
    /// An address is gone.
    AddressGone {
        /// The link it was on.
        interface: InterfaceIndex,
        /// The address.
        address: IpNet,
    },
    /// A route is new or different. Told only of routes with a protocol that was asked for.
    Route(Box<ObservedRoute>),
    /// A route is gone.
    RouteGone(Box<ObservedRoute>),
    /// A policy rule is new.
    Rule(Box<Rule>),
    /// A policy rule is gone.
    RuleGone(Box<Rule>),
}

/// Everything last heard.
///
/// Every question and every change costs the logarithm of what there is: a node may hold thousands of addresses, and
/// hears of each one when it adds it.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    links: BTreeMap<InterfaceIndex, Link>,
    /// The addresses of each link under a rising number, so that they stay in the order in which they were listed.
    addresses: BTreeMap<(InterfaceIndex, u64), ObservedAddress>,
    /// The number of each address.
    numbers: BTreeMap<(InterfaceIndex, IpNet), u64>,
    next_number: u64,
    /// By what the kernel finds them first.
    routes: BTreeMap<(u32, IpNet), Vec<ObservedRoute>>,
    /// By preference.
    rules: BTreeMap<u32, Vec<Rule>>,
}

impl PartialEq for Observed {
    /// The same links with the same addresses in the same order, however that came about.
    fn eq(&self, other: &Self) -> bool {
        self.links == other.links
            && self.addresses.values().eq(other.addresses.values())
            && self.routes == other.routes
            && self.rules == other.rules
    }
}

impl Eq for Observed {}

impl Observed {
    /// From a dump.
    #[must_use]
    pub fn new(links: Vec<Link>, addresses: Vec<ObservedAddress>) -> Self {
        let mut observed = Self::default();
        for link in links {
            observed.apply(Change::Link(link));
        }
        for address in addresses {
            observed.apply(Change::Address(address));
        }
        observed
    }

    /// Takes one change in. A new address comes last on its link; one that is known keeps its place.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Link(link) => {
                self.links.insert(link.index, link);
            }
            Change::LinkGone(index) => {
                self.links.remove(&index);
                self.forget_routes(index);
                let gone: Vec<_> = self.addresses(index).map(|a| a.address).collect();
                for address in gone {
                    self.forget(index, address);
                }
            }
            Change::Address(new) => {
                let number = *self.numbers.entry((new.interface, new.address)).or_insert_with(|| {
                    self.next_number += 1;
                    self.next_number
                });
                self.addresses.insert((new.interface, number), new);
            }
            Change::AddressGone { interface, address } => {
                self.forget(interface, address);
                // The kernel drops the IPv4 routes that prefer this source, without a word of it.
                self.retain_routes(|route| route.source != Some(address.addr()));
            }
            Change::Route(route) => {
                let known = self.routes.entry((route.table, route.destination)).or_default();
                if !known.contains(&route) {
                    known.push(*route);
                }
            }
            Change::RouteGone(route) => {
                if let Some(known) = self.routes.get_mut(&(route.table, route.destination)) {
                    known.retain(|other| !other.is_part_of(&route));
                }
            }
            Change::Rule(rule) => {
                let known = self.rules.entry(rule.preference).or_default();
                if !known.iter().any(|other| same_rule(other, &rule)) {
                    known.push(*rule);
                }
            }
            Change::RuleGone(rule) => {
                if let Some(known) = self.rules.get_mut(&rule.preference) {
                    known.retain(|other| !same_rule(other, &rule));
                }
            }
        }
    }

    fn retain_routes(&mut self, stays: impl Fn(&ObservedRoute) -> bool) {
        for known in self.routes.values_mut() {
            known.retain(&stays);
        }
    }

    /// Believes no longer what was heard of routes through that link, nor of those whose way is not known.
    ///
    /// The kernel drops IPv4 routes of a link that goes down without a word of it. What is forgotten is added again at
    /// the next comparison, and where it was there the kernel says so.
    pub fn forget_routes(&mut self, interface: InterfaceIndex) {
        self.retain_routes(|route| route.interface.is_some_and(|other| other != interface));
    }

    /// Believes that the route is gone.
    pub fn forget_route(&mut self, entry: &RouteEntry) {
        if let Some(known) = self.routes.get_mut(&entry.key()) {
            known.retain(|seen| !entry.is(seen));
        }
    }

    /// The routes that are the one wanted.
    pub fn routes_like<'a>(&'a self, entry: &'a RouteEntry) -> impl Iterator<Item = &'a ObservedRoute> {
        self.routes.get(&entry.key()).into_iter().flatten().filter(|seen| entry.is(seen))
    }

    /// Whether there is that rule.
    #[must_use]
    pub fn has_rule(&self, rule: &Rule) -> bool {
        self.rules.get(&rule.preference).is_some_and(|known| known.iter().any(|other| same_rule(other, rule)))
    }

    fn forget(&mut self, interface: InterfaceIndex, address: IpNet) {
        if let Some(number) = self.numbers.remove(&(interface, address)) {
            self.addresses.remove(&(interface, number));
        }
    }

    /// The link of that name.
    #[must_use]
    pub fn link_named(&self, name: &InterfaceName) -> Option<&Link> {
        self.links.values().find(|link| link.name == *name)
    }

    /// Every link, by number.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    /// The link of that number.
    #[must_use]
    pub fn link(&self, index: InterfaceIndex) -> Option<&Link> {
        self.links.get(&index)
    }

    /// The addresses of one link, in the kernel's order: the order in which it chooses a source.
    pub fn addresses(&self, interface: InterfaceIndex) -> impl Iterator<Item = &ObservedAddress> {
        self.addresses.range((interface, 0)..=(interface, u64::MAX)).map(|(_, address)| address)
    }

    /// Whether the link has exactly that address and prefix length.
    #[must_use]
    pub fn has(&self, interface: InterfaceIndex, address: IpNet) -> bool {
        self.numbers.contains_key(&(interface, address))
    }

    /// The entries of one link with that address, whatever their prefix lengths. IPv4 can have several, IPv6 one.
    pub fn entries(&self, interface: InterfaceIndex, address: IpAddr) -> impl Iterator<Item = IpNet> {
        let most = if address.is_ipv4() { 32 } else { 128 };
        (0..=most).filter_map(move |length| IpNet::new(address, length).ok()).filter(move |a| self.has(interface, *a))
    }
}
