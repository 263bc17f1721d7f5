//! Desired addresses against observed ones.
//!
//! It compares and nothing else. It knows two rules of the kernel: IPv4 may have an address twice on a link with
//! different prefix lengths, IPv6 may not.

use crate::Observed;
use ipnet::IpNet;
use standfast_model::{InterfaceIndex, VirtualAddress};
use std::collections::BTreeSet;

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
    },
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
/// `promote_secondaries` is set. That is not foreseen here: it is seen when it has happened, and the next comparison
/// adds what is missing.
#[must_use]
pub fn diff(
    desired: &[(InterfaceIndex, VirtualAddress)],
    ours: &BTreeSet<(InterfaceIndex, IpNet)>,
    observed: &Observed,
) -> Vec<Operation> {
    let wanted: BTreeSet<(InterfaceIndex, IpNet)> = desired.iter().map(|(i, a)| (*i, a.address)).collect();
    let goes = |entry: &(InterfaceIndex, IpNet)| ours.contains(entry) && !wanted.contains(entry);
    let removals = ours
        .iter()
        .filter(|entry| goes(entry) && observed.has(entry.0, entry.1))
        .map(|(interface, address)| Operation::Remove { interface: *interface, address: *address });
    let occupied = |interface: InterfaceIndex, address: IpNet| match address {
        IpNet::V4(_) => observed.has(interface, address),
        IpNet::V6(net) => observed.entries(interface, net.addr().into()).any(|entry| !goes(&(interface, entry))),
    };
    let mut taken = BTreeSet::new();
    let additions = desired
        .iter()
        .filter(|(interface, a)| taken.insert((*interface, place(a.address))) && !occupied(*interface, a.address))
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
