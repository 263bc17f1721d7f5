//! Desired addresses against observed ones.

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
/// set is someone else's and stays as it is. Removals come first, so that an address that moves between links is
/// never on both. Additions keep the order of `desired`.
#[must_use]
pub fn diff(
    desired: &[(InterfaceIndex, VirtualAddress)],
    ours: &BTreeSet<(InterfaceIndex, IpNet)>,
    observed: &Observed,
) -> Vec<Operation> {
    let wanted: BTreeSet<(InterfaceIndex, IpNet)> = desired.iter().map(|(i, a)| (*i, a.address)).collect();
    let present =
        |interface: InterfaceIndex, address: IpNet| observed.addresses(interface).any(|a| a.address == address);
    let removals = ours
        .iter()
        .filter(|entry| !wanted.contains(entry) && present(entry.0, entry.1))
        .map(|(interface, address)| Operation::Remove { interface: *interface, address: *address });
    let additions = desired
        .iter()
        .filter(|(interface, address)| !present(*interface, address.address))
        .map(|(interface, address)| Operation::Add { interface: *interface, address: address.clone() });
    removals.chain(additions).collect()
}
