//! Where an instance lives: its interface, or a device of its own above it (`use_vmac`, `use_ipvlan`), and which link
//! its addresses and its advertisements use.
//!
//! The router knows interfaces as the configuration names them. Here their numbers become those of the devices on the
//! way out, and come back on the way in; the router never hears of a device.

use crate::system::System;
use standfast_model::config::VrrpConfig;
use standfast_model::config::instance::{Device as Configured, Peering};
use standfast_model::config::vrrp::{Instance, InstanceId};
use standfast_model::ipvs::Family;
use standfast_model::{AddressOptions, InterfaceIndex, InterfaceName, VirtualAddress};
use standfast_net::device::virtual_mac;
use standfast_net::{Change, Device, DeviceKind, Link, Observed};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Names tried beyond the first, counted from 1, when others have them.
const SPARE_NAMES: u8 = 9;

/// What tells one device of this node from another: a virtual MAC belongs to a link, a family and a VRID.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key {
    parent: InterfaceName,
    family: Family,
    vrid: u8,
}

/// A device that the configuration asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Wish {
    owner: InstanceId,
    name: Option<InterfaceName>,
    prefix: String,
    kind: DeviceKind,
    group: Option<u32>,
    inet6: bool,
    tells_of_parent: bool,
}

/// The devices of a node and the links of the machine by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    wishes: BTreeMap<Key, Wish>,
    made: BTreeMap<Key, Device>,
    indexes: BTreeMap<Key, InterfaceIndex>,
    links: BTreeMap<InterfaceName, InterfaceIndex>,
}

impl Places {
    /// The devices of a configuration; none is made yet.
    pub(crate) fn new(config: &VrrpConfig) -> Self {
        Self { wishes: wishes(config), ..Self::default() }
    }

    /// Becomes the places of another configuration, with the devices that both want; comes back with the devices that
    /// nobody wants any more.
    pub(crate) fn succeed(&mut self, next: Self) -> Vec<InterfaceIndex> {
        let former = core::mem::replace(self, next);
        let mut orphans = Vec::new();
        for (key, index) in former.indexes {
            let essence = |wish: &Wish| (wish.name.clone(), wish.prefix.clone(), wish.kind, wish.group, wish.inet6);
            let same = self.wishes.get(&key).map(essence) == former.wishes.get(&key).map(essence);
            match former.made.get(&key).filter(|_| same) {
                Some(device) => {
                    self.made.insert(key.clone(), device.clone());
                    self.indexes.insert(key, index);
                }
                None => orphans.push(index),
            }
        }
        self.links = former.links;
        orphans
    }

    /// Finds the links by name.
    pub(crate) fn find_links(&mut self, observed: &Observed) {
        self.links = observed.links().map(|link| (link.name.clone(), link.index)).collect();
    }

    /// Finds the links by name, and makes or mends the devices whose links below are there. Comes back with the
    /// instances whose devices cannot be had.
    pub(crate) fn ensure(&mut self, observed: &mut Observed, system: &mut impl System) -> Vec<(InstanceId, String)> {
        self.find_links(observed);
        let mut refused = Vec::new();
        for (key, wish) in &self.wishes {
            let mut known = self.indexes.get(key).and_then(|index| observed.link(*index));
            let Some(parent) = observed.link_named(&key.parent).cloned() else {
                // A link that has another name now still has the device, and the device our addresses until they go.
                if known.is_none() {
                    self.indexes.remove(key);
                }
                continue;
            };
            // Another link has the name: the device of the former is of no more use.
            let moved = known.filter(|device| device.parent.is_some_and(|below| below != parent.index));
            if let Some(index) = moved.map(|device| device.index) {
                system.remove_device(index);
                observed.apply(Change::LinkGone(index));
                known = None;
            }
            // While the link below is down the kernel lets none above it up.
            if known.is_some_and(|device| device.up || !parent.up) {
                continue;
            }
            let device = match (known, self.made.get(key)) {
                (Some(_), Some(device)) => Ok(device.clone()),
                (Some(_) | None, _) => device(key, wish, &parent, observed),
            };
            match device.and_then(|device| Ok((system.make_device(&device, &key.parent)?, device))) {
                Ok((link, device)) => {
                    self.links.insert(link.name.clone(), link.index);
                    self.indexes.insert(key.clone(), link.index);
                    self.made.insert(key.clone(), device);
                    observed.apply(Change::Link(link));
                }
                Err(words) => {
                    refused.push((
                        wish.owner,
                        format!("making a device on {} for VRID {}: {words}", key.parent, key.vrid),
                    ));
                }
            }
        }
        refused
    }

    /// Removes every device.
    pub(crate) fn remove_all(&mut self, system: &mut impl System) {
        for index in core::mem::take(&mut self.indexes).into_values() {
            system.remove_device(index);
        }
    }

    /// The number of the link of that name.
    pub(crate) fn link(&self, name: &InterfaceName) -> Option<InterfaceIndex> {
        self.links.get(name).copied()
    }

    /// Whether the link is a device of ours.
    pub(crate) fn is_device(&self, index: InterfaceIndex) -> bool {
        self.indexes.values().any(|device| *device == index)
    }

    /// Every device there is: the link below, its own number, and whether it is a VMAC.
    pub(crate) fn devices(&self) -> impl Iterator<Item = (InterfaceIndex, &Device)> {
        self.indexes.iter().filter_map(|(key, index)| Some((*index, self.made.get(key)?)))
    }

    /// The device of an instance; none if it has none, or not yet.
    pub(crate) fn device_of(&self, instance: &Instance) -> Option<InterfaceIndex> {
        self.indexes.get(&key(&instance.interface, instance.family, instance)).copied()
    }

    /// The link by which an instance sends and hears advertisements.
    pub(crate) fn transmits_by(&self, instance: &Instance) -> Option<InterfaceIndex> {
        if sends_from_device(instance) { self.device_of(instance) } else { self.link(&instance.interface) }
    }

    /// The interface of the configuration that stands for the link: the one below a device, else itself.
    pub(crate) fn below(&self, index: InterfaceIndex) -> InterfaceIndex {
        let key = self.indexes.iter().find(|(_, device)| **device == index).map(|(key, _)| key);
        key.and_then(|key| self.link(&key.parent)).unwrap_or(index)
    }

    /// The link that an address of the instance lives on.
    pub(crate) fn home(&self, instance: &Instance, address: &VirtualAddress) -> Option<InterfaceIndex> {
        let name = address.interface.as_ref().unwrap_or(&instance.interface);
        let family = address.address.addr().into();
        let own = key(name, family, instance);
        if wants_device_of_its_own(instance, address) {
            return self.indexes.get(&own).copied();
        }
        // IPv6 is off on a VMAC of IPv4, and the other way round nothing of it is needed.
        let on_device = match instance.options.device {
            Configured::Interface => false,
            Configured::Vmac(_) => family == instance.family,
            Configured::Ipvlan(_) => true,
        };
        if on_device && *name == instance.interface { self.device_of(instance) } else { self.link(name) }
    }

    /// Addresses that a device needs for itself: an ipvlan the one that it is given, an IPv6 VMAC a link-local one to
    /// send from, that of the interface below.
    pub(crate) fn own_address(
        &self,
        instance: &Instance,
        observed: &Observed,
    ) -> Option<(InterfaceIndex, VirtualAddress)> {
        let device = self.device_of(instance)?;
        let (address, lifetime) = match &instance.options.device {
            Configured::Interface => return None,
            Configured::Ipvlan(ipvlan) => (ipvlan.address.map(ipnet::IpNet::from)?, u32::MAX),
            Configured::Vmac(_) if instance.family == Family::Inet || !sends_from_device(instance) => return None,
            // Nothing else of this machine shall choose it.
            Configured::Vmac(_) => (self.link_local(instance, observed)?, 0),
        };
        let options = AddressOptions { no_dad: true, preferred_lifetime: Some(lifetime), ..AddressOptions::default() };
        Some((device, VirtualAddress { options, ..VirtualAddress::plain(address) }))
    }

    fn link_local(&self, instance: &Instance, observed: &Observed) -> Option<ipnet::IpNet> {
        let configured = instance.source.map(|source| ipnet::IpNet::new(source, 64));
        if let Some(Ok(source)) = configured {
            return Some(source);
        }
        let local = |address: &ipnet::IpNet| match address.addr() {
            IpAddr::V6(address) => address.is_unicast_link_local(),
            IpAddr::V4(_) => false,
        };
        let parent = self.link(&instance.interface)?;
        observed.addresses(parent).map(|seen| seen.address).find(local)
    }
}

/// Whether advertisements leave by the device: not with `vmac_xmit_base`, and not to peers, who answer to the
/// interface's own address.
fn sends_from_device(instance: &Instance) -> bool {
    let unicast = match instance.options.peering {
        Peering::Unicast(_) => true,
        Peering::Multicast { .. } => false,
    };
    match &instance.options.device {
        Configured::Interface => false,
        Configured::Vmac(vmac) => !vmac.transmit_base && !unicast,
        Configured::Ipvlan(_) => true,
    }
}

/// Whether an address has a VMAC that is not the instance's: one of another interface or another family
/// (`use_vmac_addr`), or `use_vmac` in its own line.
fn wants_device_of_its_own(instance: &Instance, address: &VirtualAddress) -> bool {
    let elsewhere = address.interface.as_ref().is_some_and(|name| *name != instance.interface)
        || Family::from(address.address.addr()) != instance.family;
    match &instance.options.device {
        Configured::Vmac(vmac) => elsewhere && (vmac.for_other_interfaces || address.options.use_vmac),
        Configured::Interface => address.options.use_vmac,
        Configured::Ipvlan(_) => elsewhere && address.options.use_vmac,
    }
}

fn key(parent: &InterfaceName, family: Family, instance: &Instance) -> Key {
    Key { parent: parent.clone(), family, vrid: instance.vrid.get() }
}

fn wishes(config: &VrrpConfig) -> BTreeMap<Key, Wish> {
    let mut wishes = BTreeMap::new();
    let prefix = config.common.vmac_prefix.clone().unwrap_or_else(|| "vrrp".to_owned());
    let address_prefix = config.common.vmac_address_prefix.clone().unwrap_or_else(|| prefix.clone());
    for (owner, instance) in (0..).map(InstanceId).zip(&config.instances) {
        let addresses = || instance.addresses.iter().chain(&instance.excluded);
        let own = match &instance.options.device {
            Configured::Interface => None,
            Configured::Vmac(vmac) => {
                let mac = vmac.address.unwrap_or_else(|| virtual_mac(instance.family, instance.vrid.get()));
                let inet6 = instance.family == Family::Inet6;
                Some((vmac.name.clone(), DeviceKind::Macvlan { mac }, vmac.group, inet6, vmac.netlink_notify))
            }
            Configured::Ipvlan(ipvlan) => {
                Some((ipvlan.name.clone(), DeviceKind::Ipvlan { mode: ipvlan.mode }, ipvlan.group, true, false))
            }
        };
        if let Some((name, kind, group, inet6, tells_of_parent)) = own {
            let wish = Wish { owner, name, prefix: prefix.clone(), kind, group, inet6, tells_of_parent };
            wishes.insert(key(&instance.interface, instance.family, instance), wish);
        }
        for address in addresses().filter(|address| wants_device_of_its_own(instance, address)) {
            let family = Family::from(address.address.addr());
            let parent = address.interface.as_ref().unwrap_or(&instance.interface);
            let kind = DeviceKind::Macvlan { mac: virtual_mac(family, instance.vrid.get()) };
            let inet6 = family == Family::Inet6;
            let (prefix, tells_of_parent) = (address_prefix.clone(), false);
            let wish = Wish { owner, name: None, prefix, kind, group: None, inet6, tells_of_parent };
            wishes.entry(key(parent, family, instance)).or_insert(wish);
        }
    }
    wishes
}

/// The device with a name that is free or that the device has already, as after a predecessor was killed.
fn device(key: &Key, wish: &Wish, parent: &Link, observed: &Observed) -> Result<Device, String> {
    let is_it = |link: &Link| {
        link.parent == Some(parent.index)
            && match wish.kind {
                DeviceKind::Macvlan { mac } => link.mac == Some(mac),
                DeviceKind::Ipvlan { .. } => true,
            }
    };
    let fits = |name: &InterfaceName| observed.link_named(name).is_none_or(is_it);
    let name = match &wish.name {
        Some(name) => Some(name.clone()).filter(fits),
        None => names(&wish.prefix, key).find(fits),
    };
    let name = name.ok_or_else(|| "every name for it belongs to another device".to_owned())?;
    let Wish { kind, group, inet6, tells_of_parent, .. } = *wish;
    Ok(Device { name, parent: parent.index, kind, group, inet6, tells_of_parent })
}

/// `PREFIX.VRID`, for IPv6 then `PREFIX6.VRID`, then `PREFIX1.VRID` and so on.
fn names(prefix: &str, key: &Key) -> impl Iterator<Item = InterfaceName> {
    let six = (key.family == Family::Inet6).then_some(6).into_iter();
    let numbers = core::iter::once(None).chain(six.chain(1..=SPARE_NAMES).map(Some));
    numbers.filter_map(move |number| {
        let number = number.map(|number: u8| number.to_string()).unwrap_or_default();
        format!("{prefix}{number}.{}", key.vrid).parse().ok()
    })
}

/// The configuration with what it leaves to be understood: an ipvlan's address is the one to send from.
#[must_use]
pub fn prepared(mut config: VrrpConfig) -> VrrpConfig {
    for instance in &mut config.instances {
        if let Configured::Ipvlan(ipvlan) = &instance.options.device {
            let address = ipvlan.address.filter(|address| Family::from(*address) == instance.family);
            instance.source = instance.source.or(address);
        }
    }
    config
}
