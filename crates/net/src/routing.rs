//! Routes and policy rules that a node wants, beside those that the kernel has.
//!
//! It knows when an entry of the kernel is the one that was asked for, although the kernel fills in what was left
//! open, and what separates the two sets. It sends nothing.

use crate::{Observed, Operation};
use ipnet::IpNet;
use standfast_model::InterfaceIndex;
use standfast_model::config::route::{Route, RouteKind, Rule};
use std::net::IpAddr;

/// Metric of an IPv6 route that was given none (`IP6_RT_PRIO_USER`).
const INET6_DEFAULT_PRIORITY: u32 = 1024;

/// A route of the configuration whose links have been found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteEntry {
    /// As configured.
    pub route: Route,
    /// The link of `dev`, where one is named.
    pub interface: Option<InterfaceIndex>,
    /// The links of `nexthop ... dev`, one for each of [`Route::hops`].
    pub hop_interfaces: Vec<Option<InterfaceIndex>>,
}

/// A route as the kernel tells it, as far as one can be told from another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ObservedRoute {
    /// Which table.
    pub table: u32,
    /// Where to.
    pub destination: IpNet,
    /// `from`, IPv6.
    pub from: Option<IpNet>,
    /// Type of service.
    pub tos: u8,
    /// The metric; the kernel's default is told as such (IPv6: 1024).
    pub priority: u32,
    /// Who says to have added it.
    pub protocol: u8,
    /// `unicast`, `blackhole`, ...; none for a kind of the future.
    pub kind: Option<RouteKind>,
    /// The gateway of a route with one way.
    pub gateway: Option<IpAddr>,
    /// The link of a route with one way; the kernel names `lo` for an IPv6 route that leads nowhere.
    pub interface: Option<InterfaceIndex>,
    /// The preferred source.
    pub source: Option<IpAddr>,
}

impl ObservedRoute {
    /// Whether what is known of a route is true of the other as well.
    #[must_use]
    pub fn is_part_of(&self, other: &Self) -> bool {
        let way = self.gateway.is_none_or(|gateway| other.gateway == Some(gateway))
            && self.interface.is_none_or(|interface| other.interface == Some(interface))
            && self.source.is_none_or(|source| other.source == Some(source));
        let (mut this, mut that) = (self.clone(), other.clone());
        for route in [&mut this, &mut that] {
            (route.gateway, route.interface, route.source) = (None, None, None);
        }
        way && this == that
    }
}

impl RouteEntry {
    /// What the kernel has after it has taken the route, as far as the configuration says it.
    #[must_use]
    pub fn expected(&self) -> ObservedRoute {
        let route = &self.route;
        ObservedRoute {
            table: route.table,
            destination: route.destination.trunc(),
            from: route.from.filter(|from| from.prefix_len() > 0).map(|from| from.trunc()),
            tos: route.tos,
            priority: self.priority(),
            protocol: route.protocol,
            kind: Some(route.kind),
            gateway: route.hop.via,
            interface: self.interface,
            source: route.source,
        }
    }

    /// Whether the kernel's route is this one: the fields that the kernel tells routes apart by are the same, and those
    /// that the configuration leaves open are anything.
    ///
    /// The ways of a multipath route are not compared: the kernel takes single ones out and in as links come and go.
    #[must_use]
    pub fn is(&self, seen: &ObservedRoute) -> bool {
        let route = &self.route;
        let same_way = !route.hops.is_empty()
            || (route.hop.via.is_none_or(|via| seen.gateway == Some(via))
                && self.interface.is_none_or(|interface| seen.interface == Some(interface)));
        seen.table == route.table
            && seen.destination == route.destination.trunc()
            && seen.from == route.from.filter(|from| from.prefix_len() > 0).map(|from| from.trunc())
            && seen.tos == route.tos
            && seen.priority == self.priority()
            && seen.protocol == route.protocol
            && seen.kind == Some(route.kind)
            && same_way
    }

    /// The metric that the kernel will tell.
    fn priority(&self) -> u32 {
        match (self.route.destination, self.route.priority) {
            (IpNet::V6(_), 0) => INET6_DEFAULT_PRIORITY,
            (_, priority) => priority,
        }
    }

    /// By what the kernel finds routes first.
    #[must_use]
    pub fn key(&self) -> (u32, IpNet) {
        (self.route.table, self.route.destination.trunc())
    }
}

/// Whether two rules are the same to the kernel: what only this program cares for is not compared.
#[must_use]
pub fn same_rule(a: &Rule, b: &Rule) -> bool {
    let essence = |rule: &Rule| Rule {
        from: rule.from.filter(|from| from.prefix_len() > 0).map(|from| from.trunc()),
        to: rule.to.filter(|to| to.prefix_len() > 0).map(|to| to.trunc()),
        // A mask of ones is what no mask means.
        mark: rule.mark.map(|(mark, mask)| (mark, Some(mask.unwrap_or(u32::MAX)))),
        no_track: false,
        track_group: None,
        ..rule.clone()
    };
    essence(a) == essence(b)
}

/// A route or a rule, in the order in which they are added; they are removed in the reverse order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// A route.
    Route(RouteEntry),
    /// A rule.
    Rule(Rule),
}

impl Entry {
    /// Whether the kernel has it.
    #[must_use]
    pub fn is_in(&self, observed: &Observed) -> bool {
        match self {
            Self::Route(entry) => observed.routes_like(entry).next().is_some(),
            Self::Rule(rule) => observed.has_rule(rule),
        }
    }

    /// What adds it.
    #[must_use]
    pub fn addition(&self) -> Operation {
        match self {
            Self::Route(entry) => Operation::AddRoute(Box::new(entry.clone())),
            Self::Rule(rule) => Operation::AddRule(Box::new(rule.clone())),
        }
    }

    /// What removes it.
    #[must_use]
    pub fn removal(&self) -> Operation {
        match self {
            Self::Route(entry) => Operation::RemoveRoute(Box::new(entry.clone())),
            Self::Rule(rule) => Operation::RemoveRule(Box::new(rule.clone())),
        }
    }
}

/// The removals, rules before routes, that leave none of `unwanted` in the kernel. One that `desired` has as well
/// stays: two instances may want the same.
#[must_use]
pub fn removals(unwanted: &[Entry], desired: &[Entry], observed: &Observed) -> Vec<Operation> {
    let goes = |entry: &&Entry| entry.is_in(observed) && !desired.contains(entry);
    unwanted.iter().rev().filter(goes).map(Entry::removal).collect()
}

/// The additions, in order, after which the kernel has all of `desired`.
#[must_use]
pub fn additions(desired: &[Entry], observed: &Observed) -> Vec<Operation> {
    desired.iter().filter(|entry| !entry.is_in(observed)).map(Entry::addition).collect()
}
