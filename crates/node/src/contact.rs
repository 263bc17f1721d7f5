//! How a node reaches others and what it tells the router of its interfaces: sockets, ways of packets, announcements,
//! settings and the packet filter.

use crate::backlog::Rounds;
use crate::firewall;
use crate::holdings::Owner;
use crate::pacing::Announcement;
use crate::system::{Frame, Listen, Packet, Record, SocketKey, System};
use crate::vrrp::{Routes, VrrpNode, Way};
use ipnet::IpNet;
use standfast_model::config::instance::{Peering, ReceiveBuffer};
use standfast_model::config::route::PROTOCOL_KEEPALIVED;
use standfast_model::config::vrrp::{Authentication, Instance, InstanceId};
use standfast_model::ipvs::Family;
use standfast_model::{Instant, InterfaceIndex, InterfaceName, VirtualAddress};
use standfast_net::{Filter, Sysctl, entry};
use standfast_vrrp::{Event, InterfaceFacts, group, interfaces_of_routing};
use standfast_wire::arp;
use standfast_wire::ndisc::Unsolicited;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// AH's protocol number: its header lies between those of IPv4 and VRRP.
const PROTOCOL_AH: u8 = 51;

/// What the kernel needs to queue one advertisement of a usual size, and of one as long as the MTU.
const ADVERT_BYTES: u32 = 2304;

impl VrrpNode {
    /// The static addresses that somebody else has put there.
    pub(crate) fn not_ours(&self) -> BTreeSet<(InterfaceIndex, IpNet)> {
        let fixed = self.holdings.iter().filter(|holding| holding.owner == Owner::Static);
        let theirs = |(interface, address): &(InterfaceIndex, IpNet)| {
            let seen = self.observed.addresses(*interface).find(|seen| seen.address == *address);
            seen.is_some_and(|seen| seen.protocol != PROTOCOL_KEEPALIVED)
        };
        fixed.flat_map(|holding| holding.places()).filter(theirs).collect()
    }

    /// Whether a static entry or a route names the link.
    pub(crate) fn is_named(&self, name: &InterfaceName) -> bool {
        let common = &self.config.common;
        let routes = || self.config.instances.iter().flat_map(|i| &i.options.routes).chain(&common.static_routes);
        let of_routes = routes().flat_map(|route| core::iter::once(&route.hop).chain(&route.hops));
        let mut names = of_routes
            .filter_map(|hop| hop.interface.as_ref())
            .chain(routes().filter_map(|route| route.vrf.as_ref()))
            .chain(common.static_addresses.iter().filter_map(|address| address.interface.as_ref()));
        names.any(|other| other == name)
    }

    /// Tells the router of an interface, if it matters and differs from what was told.
    pub(crate) fn tell(&mut self, now: Instant, name: &InterfaceName, system: &mut impl System) {
        let facts = self.facts(name);
        match self.told.get_mut(name) {
            Some(told) if *told != facts => told.clone_from(&facts),
            Some(_) | None => return,
        }
        self.feed(now, Event::Interface { name, facts }, system);
    }

    pub(crate) fn facts(&self, name: &InterfaceName) -> Option<InterfaceFacts> {
        let link = self.observed.link_named(name)?;
        let usable = |address: IpNet| match self.homes.get(&(link.index, address)) {
            Some(Owner::Instance(id)) => self.owns(*id),
            Some(Owner::Static | Owner::Device(_)) | None => true,
        };
        let seen = self.observed.addresses(link.index).map(|seen| seen.address);
        let sources = seen.filter(|address| usable(*address)).map(|address| address.addr()).collect();
        let up = self.links.counts(name).unwrap_or(link.up && link.running);
        Some(InterfaceFacts { index: link.index, up, sources })
    }

    /// By which link each instance speaks: without a device of its own by its interface, with that one's MAC.
    // REQ: VRRP2-7.2-02
    pub(crate) fn ways(&self) -> Routes {
        let way = |instance: &Instance| {
            let below = self.places.link(&instance.interface)?;
            let interface = self.places.transmits_by(instance)?;
            let hop_limit = match (&instance.options.peering, instance.family) {
                (Peering::Unicast(unicast), Family::Inet6) => unicast.ttl,
                (Peering::Unicast(_), Family::Inet) | (Peering::Multicast { .. }, _) => None,
            };
            Some(((below, instance.family, instance.vrid.get()), Way { interface, hop_limit }))
        };
        self.config.instances.iter().filter_map(way).collect()
    }

    /// The packet as it leaves: by the device, if the instance has one to send from.
    pub(crate) fn outgoing(
        &self,
        interface: InterfaceIndex,
        source: IpAddr,
        destination: IpAddr,
        bytes: Vec<u8>,
    ) -> Packet {
        let family = Family::from(destination);
        let vrid = vrid(family, &bytes).unwrap_or(0);
        let way = self.ways.get(&(interface, family, vrid)).copied().unwrap_or(Way { interface, hop_limit: None });
        Packet { interface: way.interface, source, destination, bytes, hop_limit: way.hop_limit }
    }

    /// The sockets there should be.
    fn wanted(&self) -> BTreeMap<SocketKey, Listen> {
        let mut wanted: BTreeMap<SocketKey, Listen> = BTreeMap::new();
        let mut want = |interface: InterfaceIndex, instance: &Instance, vrid: Option<u8>| {
            let Some(link) = self.observed.link(interface) else { return };
            let group = group(instance, &self.config.common);
            let key = SocketKey { interface, family: instance.family, group };
            let socket = wanted.entry(key).or_insert_with(|| Listen {
                key,
                name: link.name.clone(),
                vrids: Vec::new(),
                ah: false,
                queue_bytes: None,
            });
            socket.vrids.extend(vrid);
            if vrid.is_some() {
                socket.ah |= matches!(instance.authentication, Authentication::Ah(_));
                socket.queue_bytes = socket.queue_bytes.max(self.queue_bytes(instance, link.mtu));
            }
        };
        for instance in &self.config.instances {
            let Some(below) = self.places.link(&instance.interface) else { continue };
            let Some(interface) = self.places.transmits_by(instance) else { continue };
            want(interface, instance, Some(instance.vrid.get()));
            if interface != below {
                // REQ: MC-JOIN-05
                // The membership is reported from the link below; the filter holds back what the device would report,
                // or switches would look for the virtual MAC behind a standby.
                want(below, instance, None);
            }
        }
        for socket in wanted.values_mut() {
            socket.vrids.sort_unstable();
        }
        wanted
    }

    /// `kernel_rx_buf_size`, else `vrrp_rx_bufs_policy`.
    fn queue_bytes(&self, instance: &Instance, mtu: u32) -> Option<u32> {
        instance.options.kernel_rx_buf_size.or(match self.config.common.receive_buffer {
            ReceiveBuffer::System => None,
            ReceiveBuffer::Mtu(count) => Some(count.saturating_mul(mtu.max(ADVERT_BYTES))),
            ReceiveBuffer::Adverts(count) => Some(count.saturating_mul(ADVERT_BYTES)),
            ReceiveBuffer::Bytes(bytes) => Some(bytes),
        })
    }

    /// Opens sockets on interfaces that are there. Comes back with the instances that have to do without: they are in
    /// FAULT until the router tries again.
    pub(crate) fn open_sockets(&mut self, system: &mut impl System) -> Vec<(InstanceId, String)> {
        let mut refused = Vec::new();
        for (key, socket) in self.wanted() {
            if self.listening.get(&key) == Some(&socket) {
                continue;
            }
            match system.listen(&socket) {
                Ok(()) => {
                    self.listening.insert(key, socket);
                }
                Err(words) => {
                    let what = format!("listening on {}: {words}", socket.name);
                    system.record(Record::Refused { what: what.clone() });
                    refused.extend(self.instances_by(key).into_iter().map(|id| (id, what.clone())));
                }
            }
        }
        refused
    }

    /// Closes the sockets that nobody wants any more.
    pub(crate) fn close_sockets(&mut self, system: &mut impl System) {
        let wanted = self.wanted();
        for key in self.listening.keys().filter(|key| !wanted.contains_key(key)).copied().collect::<Vec<_>>() {
            self.listening.remove(&key);
            system.unlisten(key);
        }
    }

    /// The instances that speak by the socket.
    fn instances_by(&self, key: SocketKey) -> Vec<InstanceId> {
        let needs = |instance: &Instance| {
            self.places.transmits_by(instance) == Some(key.interface)
                && instance.family == key.family
                && group(instance, &self.config.common) == key.group
        };
        let instances = (0..).map(InstanceId).zip(&self.config.instances);
        instances.filter(|(_, instance)| needs(instance)).map(|(id, _)| id).collect()
    }

    /// Settings of the kernel that the configuration asks for, beside those of devices.
    pub(crate) fn keep_settings(&self, system: &mut impl System) {
        let promoting = self.config.instances.iter().filter(|instance| instance.options.promote_secondaries);
        let mut settings: BTreeSet<Sysctl> = promoting
            .filter(|instance| self.places.link(&instance.interface).is_some())
            .map(|instance| Sysctl::promote_secondaries(&instance.interface))
            .collect();
        if self.config.common.disable_local_igmp {
            settings.insert(Sysctl::no_local_igmp());
        }
        if !settings.is_empty() {
            system.configure(&settings.into_iter().collect::<Vec<_>>());
        }
    }

    /// Makes the packet filter what the configuration and the links ask for, if that is something else than before.
    pub(crate) fn refresh_filter(&mut self, system: &mut impl System) {
        let filter = firewall::filter(&self.config, &self.places, &self.observed);
        if filter != self.filter {
            self.set_filter(filter.as_ref(), system);
            self.filter = filter;
        }
    }

    pub(crate) fn set_filter(&self, filter: Option<&Filter>, system: &mut impl System) {
        if let Err(words) = system.filter(filter) {
            let effect = match filter {
                Some(_) => "addresses with no_accept are answered, and virtual MACs report memberships",
                None => "the table stays",
            };
            system.record(Record::Refused { what: format!("setting the packet filter: {words}; {effect}") });
        }
    }

    /// One gratuitous ARP or neighbour advertisement per address, in configured order, as far as nothing says to pause
    /// between them; what is to be sent with pauses is queued with all its rounds before the first. An address that the
    /// kernel refused is not announced: nobody would answer for it.
    pub(crate) fn round(&mut self, now: Instant, id: InstanceId, rounds: Rounds) -> Vec<Frame> {
        let Some(instance) = self.instance(id) else { return Vec::new() };
        let addresses = instance.addresses.iter().chain(&instance.excluded);
        let all: Vec<Announcement> = addresses.filter_map(|address| self.announced(instance, address)).collect();
        let mut frames = Vec::with_capacity(all.len());
        for announcement in all {
            if !self.pacer.pauses(&announcement) {
                frames.push(announcement.frame);
            } else if rounds.first {
                self.pacer.admit(announcement, rounds.left);
            }
        }
        frames.extend(self.pacer.due(now));
        frames
    }

    /// `garp_extra_if`: masters announce again and again on links that carry no advertisement of theirs.
    pub(crate) fn arm_extra(&mut self, now: Instant) {
        let all = (0..).map(InstanceId).zip(&self.config.instances);
        for (id, extra) in all.filter_map(|(id, instance)| Some((id, instance.options.garp_extra_if?))) {
            if self.router.holds(id) {
                self.extra.entry(id).or_insert(now + extra.interval);
            } else {
                self.extra.remove(&id);
            }
        }
    }

    /// One announcement on each such link: on devices, or with `all` on every one that holds an address.
    pub(crate) fn extra_announcement(&self, id: InstanceId) -> Vec<Frame> {
        let Some(instance) = self.instance(id) else { return Vec::new() };
        let all = instance.options.garp_extra_if.is_some_and(|extra| extra.all);
        let advertised_by = self.places.transmits_by(instance);
        let mut links = BTreeSet::new();
        let addresses = instance.addresses.iter().chain(&instance.excluded);
        addresses
            .filter_map(|address| self.announced(instance, address))
            .map(|announcement| announcement.frame)
            .filter(|frame| Some(frame.interface) != advertised_by && (all || self.places.is_device(frame.interface)))
            .filter(|frame| links.insert(frame.interface))
            .collect()
    }

    /// Announcements whose turn has come.
    pub(crate) fn announce_due(&mut self, now: Instant, system: &mut impl System) {
        let mut frames = self.pacer.due(now);
        for id in self.extra.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect::<Vec<_>>() {
            // Armed anew from now on by the end of this call.
            self.extra.remove(&id);
            frames.extend(self.extra_announcement(id));
        }
        if !frames.is_empty() {
            system.announce(&frames);
        }
    }

    pub(crate) fn announced(&self, instance: &Instance, address: &VirtualAddress) -> Option<Announcement> {
        let interface = self.places.home(instance, address)?;
        let link = self.observed.link(interface).filter(|_| self.observed.has(interface, entry(address)))?;
        // REQ: ARP-KA-01 ARP-KA-02 VRRP2-8.2-02
        let mac = link.mac.filter(|_| !link.no_arp)?;
        let bytes = match address.address.addr() {
            IpAddr::V4(address) => arp::Frame::gratuitous(mac, address).emit().to_vec(),
            IpAddr::V6(address) => Unsolicited { address, mac, router: true }.emit().to_vec(),
        };
        let paced_by = self.observed.link(self.places.below(interface))?.name.clone();
        let frame = Frame { interface: link.index, bytes };
        Some(Announcement { paced_by, address: address.address.addr(), frame })
    }

    /// Whether the instance is the owner of its addresses: they are the interface's own, and it sends from them.
    fn owns(&self, id: InstanceId) -> bool {
        self.instance(id).is_some_and(|instance| instance.priority.is_owner())
    }

    pub(crate) fn instance(&self, id: InstanceId) -> Option<&Instance> {
        self.config.instances.get(usize::try_from(id.0).ok()?)
    }
}

/// The VRID of an advertisement as it is handed over: IPv4 with its header and maybe that of AH, IPv6 without.
fn vrid(family: Family, bytes: &[u8]) -> Option<u8> {
    let message = match family {
        Family::Inet6 => 0,
        Family::Inet => {
            let header = usize::from(bytes.first()? & 0x0f) * 4;
            match *bytes.get(9)? {
                PROTOCOL_AH => header + (usize::from(*bytes.get(header + 1)?) + 2) * 4,
                _ => header,
            }
        }
    };
    bytes.get(message + 1).copied()
}

/// Every interface whose state matters to an instance.
pub(crate) fn interfaces_of(instance: &Instance) -> impl Iterator<Item = &InterfaceName> {
    let addresses = instance.addresses.iter().chain(&instance.excluded);
    let tracked = instance.track_interfaces.iter().map(|t| &t.interface);
    core::iter::once(&instance.interface)
        .chain(addresses.filter_map(|a| a.interface.as_ref()))
        .chain(interfaces_of_routing(instance))
        .chain(tracked)
}
