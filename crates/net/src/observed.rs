//! The kernel's links and addresses as last heard: a dump, kept current by the monitor's changes.

use ipnet::IpNet;
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
}

/// Everything last heard.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Observed {
    links: BTreeMap<InterfaceIndex, Link>,
    /// In the order in which the kernel lists them, which is the order in which it chooses a source.
    addresses: Vec<ObservedAddress>,
}

impl Observed {
    /// From a dump.
    #[must_use]
    pub fn new(links: Vec<Link>, addresses: Vec<ObservedAddress>) -> Self {
        Self { links: links.into_iter().map(|link| (link.index, link)).collect(), addresses }
    }

    /// Takes one change in.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Link(link) => {
                self.links.insert(link.index, link);
            }
            Change::LinkGone(index) => {
                self.links.remove(&index);
                self.addresses.retain(|a| a.interface != index);
            }
            Change::Address(new) => {
                match self.addresses.iter_mut().find(|a| a.interface == new.interface && a.address == new.address) {
                    Some(known) => *known = new,
                    None => self.addresses.push(new),
                }
            }
            Change::AddressGone { interface, address } => {
                self.addresses.retain(|a| a.interface != interface || a.address != address);
            }
        }
    }

    /// The link of that name.
    #[must_use]
    pub fn link_named(&self, name: &InterfaceName) -> Option<&Link> {
        self.links.values().find(|link| link.name == *name)
    }

    /// The link of that number.
    #[must_use]
    pub fn link(&self, index: InterfaceIndex) -> Option<&Link> {
        self.links.get(&index)
    }

    /// The addresses of one link, in the kernel's order.
    pub fn addresses(&self, interface: InterfaceIndex) -> impl Iterator<Item = &ObservedAddress> {
        self.addresses.iter().filter(move |a| a.interface == interface)
    }

    /// Whether the link has the address, whatever the prefix length.
    #[must_use]
    pub fn has(&self, interface: InterfaceIndex, address: IpAddr) -> bool {
        self.addresses(interface).any(|a| a.address.addr() == address)
    }
}
