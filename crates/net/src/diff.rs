//! Desired addresses against observed ones.
//!
//! It compares and nothing else. It knows two rules of the kernel: IPv4 may have an address twice on a link with
//! different prefix lengths, IPv6 may not.

use crate::{Observed, RouteEntry};
use ipnet::IpNet;
use standfast_model::config::route::Rule;
use standfast_model::{InterfaceIndex, VirtualAddress};
use std::collections::{BTreeMap, BTreeSet};

/// One request to the kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Add the address to the link.
    Add {
        /// The link.
        interface: InterfaceIndex,
        /// The address and its attributes; the interface in it has been resolved to the number beside it.
        address: VirtualAddress,
    },
    /// Remove the address from the link.
    Remove {
        /// The link.
        interface: InterfaceIndex,
        /// The address.
        address: IpNet,
        /// `peer`: the kernel finds an address with a peer only by both.
        peer: Option<IpNet>,
    },
    /// Add the route.
    AddRoute(Box<RouteEntry>),
    /// Remove the route.
    RemoveRoute(Box<RouteEntry>),
    /// Add the policy rule.
    AddRule(Box<Rule>),
    /// Remove the policy rule.
    RemoveRule(Box<Rule>),
}

/// Addresses that are ours to touch, with their peers.
pub type Ours = BTreeMap<(InterfaceIndex, IpNet), Option<IpNet>>;

/// The address as the kernel will tell it: with a peer it has the peer's prefix length.
#[must_use]
pub fn entry(address: &VirtualAddress) -> IpNet {
    let length = address.options.peer.map_or(address.address.prefix_len(), |peer| peer.prefix_len());
    IpNet::new(address.address.addr(), length).unwrap_or(address.address)
}

/// The operations that make `observed` hold all of `desired` and none of the rest of `ours`.
///
/// `ours` are all addresses that this node may ever touch: those of its configuration. An address that is in neither
/// set is someone else's and stays as it is. An address with another prefix length is another entry; but an IPv6
/// address that someone else has put on the link with another prefix length is there already, and the kernel would
/// refuse ours.
///
/// Removals come first, so that an address that moves between links is never on both, and an IPv6 address can change
/// its prefix length. Additions keep the order of `desired`; of two that
/// the kernel has only one place for, the first counts.
///
/// Removing the first IPv4 address of a subnet makes the kernel remove the others of that subnet with it, unless
/// `promote_secondaries` is set. So what is wanted of the subnet of a removed address is added again behind the
/// removals; where nothing was lost the kernel says that it is there.
#[must_use]
pub fn diff(desired: &[(InterfaceIndex, VirtualAddress)], ours: &Ours, observed: &Observed) -> Vec<Operation> {
    let wanted: BTreeSet<(InterfaceIndex, IpNet)> = desired.iter().map(|(i, a)| (*i, entry(a))).collect();
    let goes = |place: &(InterfaceIndex, IpNet)| ours.contains_key(place) && !wanted.contains(place);
    let removed = || ours.iter().filter(|(place, _)| goes(place) && observed.has(place.0, place.1));
    let subnets: BTreeSet<(InterfaceIndex, IpNet)> = removed()
        .filter(|((_, address), _)| matches!(address, IpNet::V4(net) if net.prefix_len() < 32))
        .map(|((interface, address), _)| (*interface, address.trunc()))
        .collect();
    let endangered = |place: (InterfaceIndex, IpNet)| subnets.contains(&(place.0, place.1.trunc()));
    let occupied = |(interface, address): (InterfaceIndex, IpNet)| match address {
        IpNet::V4(_) => observed.has(interface, address),
        IpNet::V6(net) => observed.entries(interface, net.addr().into()).any(|other| !goes(&(interface, other))),
    };
    let removals = removed().map(|((interface, address), peer)| Operation::Remove {
        interface: *interface,
        address: *address,
        peer: *peer,
    });
    let mut taken = BTreeSet::new();
    let missing = |(interface, a): &&(InterfaceIndex, VirtualAddress)| {
        let at = (*interface, entry(a));
        taken.insert((*interface, place(at.1))) && (!occupied(at) || endangered(at))
    };
    let additions = desired
        .iter()
        .filter(missing)
        .map(|(interface, address)| Operation::Add { interface: *interface, address: address.clone() });
    removals.chain(additions).collect()
}

/// What the kernel gives an entry of its own on a link: with IPv4 the address with its prefix length, with IPv6 the
/// address.
fn place(address: IpNet) -> IpNet {
    match address {
        IpNet::V4(_) => address,
        IpNet::V6(net) => IpNet::from(std::net::IpAddr::from(net.addr())),
    }
}
