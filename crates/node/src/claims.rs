//! Foreign claims on addresses that a master of this node holds: which addresses are listened for, whom a claim concerns,
//! and what is sent against it.
//!
//! It knows what is ours: a MAC of this machine claims nothing, and a virtual MAC that two directors share does not
//! either.

use crate::system::System;
use crate::vrrp::VrrpNode;
use standfast_model::config::vrrp::InstanceId;
use standfast_model::{Instant, InterfaceIndex, MacAddress, State};
use standfast_vrrp::Event;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Addresses that masters hold, by the link they live on.
pub(crate) type Watched = BTreeMap<(InterfaceIndex, IpAddr), InstanceId>;

impl VrrpNode {
    /// Somebody says on that link that the address is at this MAC.
    pub(crate) fn claimed(
        &mut self,
        now: Instant,
        interface: InterfaceIndex,
        address: IpAddr,
        mac: MacAddress,
        system: &mut impl System,
    ) {
        let Some(instance) = self.watched.get(&(interface, address)).copied() else { return };
        if self.observed.links().any(|link| link.mac == Some(mac)) {
            return;
        }
        let Some(name) = self.observed.link(interface).map(|link| link.name.clone()) else { return };
        self.feed(now, Event::Claimed { instance, address, interface: &name, mac }, system);
    }

    /// Listens for claims on what is held now, if that is something else than before. It comes behind everything that
    /// clients wait for.
    pub(crate) fn watch_claims(&mut self, system: &mut impl System) {
        if !self.unwatched || self.has_work() {
            return;
        }
        self.unwatched = false;
        let mut watched = Watched::new();
        for (id, instance) in (0..).map(InstanceId).zip(&self.config.instances) {
            // One that hands over waits for another to claim them.
            if self.stopping || self.router.state(id) != State::Master {
                continue;
            }
            for address in instance.addresses.iter().chain(&instance.excluded) {
                if let Some(home) = self.places.home(instance, address) {
                    watched.insert((home, address.address.addr()), id);
                }
            }
        }
        if watched != self.watched {
            let mut addresses: Vec<IpAddr> = watched.keys().map(|(_, address)| *address).collect();
            addresses.sort_unstable();
            addresses.dedup();
            system.watch_claims(&addresses);
            self.watched = watched;
        }
    }

    /// Announces one address once more.
    pub(crate) fn defend(&mut self, id: InstanceId, address: IpAddr) {
        let Some(instance) = self.instance(id) else { return };
        let mut all = instance.addresses.iter().chain(&instance.excluded);
        let wanted = all.find(|ours| ours.address.addr() == address);
        if let Some(announcement) = wanted.and_then(|ours| self.announced(instance, ours)) {
            self.backlog.defend(id, announcement.frame);
        }
    }
}
