//! What the interfaces mean for an instance: whether it can take part, from which address it sends, and how much its
//! priority is worth.
//!
//! Pure functions of the configuration and the facts; it never acts on what it finds.

use crate::event::InterfaceFacts;
use crate::trackers::{Trackers, Verdict};
use standfast_model::config::instance::Peering;
use standfast_model::config::track::Tracked;
use standfast_model::config::vrrp::{Instance, SyncGroup, TrackedInterface};
use standfast_model::ipvs::Family;
use standfast_model::{Cause, InterfaceName};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What is known of every interface that exists.
pub(crate) type Facts = BTreeMap<InterfaceName, InterfaceFacts>;

fn is_up(facts: &Facts, interface: &InterfaceName) -> bool {
    facts.get(interface).is_some_and(|facts| facts.up)
}

/// The address advertisements are sent from: `mcast_src_ip`, else the first of the interface (IPv6: the first
/// link-local one).
pub(crate) fn source(instance: &Instance, facts: &Facts) -> Option<IpAddr> {
    // REQ: VRRP2-5.2.1-01 VRRP3-5.1.1.1-01 VRRP3-5.1.2.1-01
    if instance.source.is_some() {
        return instance.source;
    }
    let usable = |address: &&IpAddr| match (instance.family, address) {
        (Family::Inet, IpAddr::V4(_)) => true,
        (Family::Inet6, IpAddr::V6(address)) => address.is_unicast_link_local(),
        (Family::Inet, IpAddr::V6(_)) | (Family::Inet6, IpAddr::V4(_)) => false,
    };
    facts.get(&instance.interface)?.sources.iter().find(usable).copied()
}

/// The interfaces an instance tracks, its own and then its group's, with their weights as they count.
///
/// The members of a sync group must not differ in what moves their priorities, so their own weights count as 0 unless
/// `sync_group_tracking_weight` says otherwise. The group's own list is the same for all, and keeps its weights.
fn tracked<'a>(
    instance: &'a Instance,
    group: Option<&'a SyncGroup>,
) -> impl Iterator<Item = (&'a TrackedInterface, i16)> {
    let grouped = group.is_some_and(|group| !group.options.tracking_weight);
    let own = instance.track_interfaces.iter().map(move |entry| (entry, if grouped { 0 } else { entry.weight }));
    own.chain(group.into_iter().flat_map(|group| &group.track_interfaces).map(|entry| (entry, entry.weight)))
}

/// Everything else an instance tracks, its own and then its group's.
pub(crate) fn trackers<'a>(instance: &'a Instance, group: Option<&'a SyncGroup>) -> impl Iterator<Item = &'a Tracked> {
    instance.options.trackers.iter().chain(group.into_iter().flat_map(|group| &group.options.trackers))
}

/// The first reason why the instance cannot take part; none if it can.
pub(crate) fn fault(instance: &Instance, group: Option<&SyncGroup>, facts: &Facts, known: &Trackers) -> Option<Cause> {
    fault_of_interfaces(instance, group, facts).or_else(|| {
        trackers(instance, group).find_map(|entry| match known.verdict(entry) {
            Verdict::Fault(cause) => Some(cause),
            Verdict::Weight(_) => None,
        })
    })
}

fn fault_of_interfaces(instance: &Instance, group: Option<&SyncGroup>, facts: &Facts) -> Option<Cause> {
    let interface = &instance.interface;
    let Some(own) = facts.get(interface) else {
        return Some(Cause::InterfaceMissing { interface: interface.clone() });
    };
    if !own.up && !instance.dont_track_primary {
        return Some(Cause::LinkDown { interface: interface.clone() });
    }
    // REQ: VRRP3-5.1.2.1-01
    let lost = |source: IpAddr| instance.options.track_source && !own.sources.contains(&source);
    if source(instance, facts).is_none_or(lost) {
        return Some(Cause::NoSourceAddress { interface: interface.clone() });
    }
    // `unicast_fault_no_peer`
    if let Peering::Unicast(unicast) = &instance.options.peering
        && unicast.peers.is_empty()
    {
        return Some(Cause::NoPeer);
    }
    let tracked = tracked(instance, group).filter(|(_, weight)| *weight == 0);
    for (interface, reverse) in homes(instance)
        .chain(of_routing(instance))
        .filter(|home| *home != interface)
        .map(|home| (home, false))
        .chain(tracked.map(|(t, _)| (&t.interface, t.reverse)))
    {
        match (facts.get(interface), reverse) {
            (None, false) => return Some(Cause::InterfaceMissing { interface: interface.clone() }),
            (Some(facts), false) if !facts.up => return Some(Cause::LinkDown { interface: interface.clone() }),
            // `reverse` with weight 0: the interface must not be up.
            (Some(facts), true) if facts.up => return Some(Cause::LinkUp { interface: interface.clone() }),
            (Some(_), false | true) | (None, true) => {}
        }
    }
    None
}

/// The sum of the weights of everything tracked: positive ones count while up, negative ones while down, and
/// `reverse` turns the sign.
pub(crate) fn weight_sum(instance: &Instance, group: Option<&SyncGroup>, facts: &Facts, known: &Trackers) -> i32 {
    let others = trackers(instance, group).map(|entry| match known.verdict(entry) {
        Verdict::Weight(weight) => weight,
        Verdict::Fault(_) => 0,
    });
    tracked(instance, group)
        .map(|(entry, weight)| {
            let weight = i32::from(weight);
            let up = is_up(facts, &entry.interface);
            let counts = (weight > 0 && up) || (weight < 0 && !up);
            let sign = if entry.reverse { -1 } else { 1 };
            if counts { sign * weight } else { 0 }
        })
        .chain(others)
        .fold(0, i32::saturating_add)
}

/// Whether an instance sends through an interface or holds addresses on it, and not only tracks it.
pub(crate) fn lives_on(instance: &Instance, interface: &InterfaceName) -> bool {
    instance.interface == *interface || homes(instance).any(|home| home == interface)
}

/// The interfaces that addresses of the instance are on because they say so.
fn homes(instance: &Instance) -> impl Iterator<Item = &InterfaceName> {
    instance.addresses.iter().chain(&instance.excluded).filter_map(|entry| entry.interface.as_ref())
}

/// The interfaces that routes and rules of the instance name, but for those with `no_track`: a master without them
/// could not do what it is there for, so their loss is a FAULT (keepalived).
pub fn of_routing(instance: &Instance) -> impl Iterator<Item = &InterfaceName> {
    let options = &instance.options;
    let routes = options.routes.iter().filter(|route| !route.no_track);
    let ways = routes.flat_map(|route| core::iter::once(&route.hop).chain(&route.hops));
    let rules = options.rules.iter().filter(|rule| !rule.no_track);
    ways.filter_map(|hop| hop.interface.as_ref()).chain(rules.flat_map(|rule| [&rule.input, &rule.output]).flatten())
}

/// Every interface whose facts matter to an instance.
pub(crate) fn interfaces<'a>(
    instance: &'a Instance,
    group: Option<&'a SyncGroup>,
) -> impl Iterator<Item = &'a InterfaceName> {
    core::iter::once(&instance.interface)
        .chain(homes(instance))
        .chain(of_routing(instance))
        .chain(tracked(instance, group).map(|(entry, _)| &entry.interface))
}
