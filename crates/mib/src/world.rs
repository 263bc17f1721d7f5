//! What the objects are made of, and how things are found in it.

use standfast_api::snmp::ServiceTraffic;
use standfast_api::{InstanceStatus, ServiceStatus, Snapshot, SnmpSlice};
use standfast_model::config::lvs::VirtualServer;
use standfast_model::config::vrrp::{Instance, SyncGroup};
use standfast_model::ipvs::ServiceKey;
use standfast_model::tracking::Known;
use standfast_model::{Instant, InterfaceName, State};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

/// What is known of a network interface, which no status tells.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Interface {
    /// Its number.
    pub index: u32,
    /// Its hardware address.
    pub hardware: Option<[u8; 6]>,
    /// Its addresses, in the kernel's order.
    pub addresses: Vec<IpAddr>,
}

/// Network interfaces by name.
pub type Interfaces = BTreeMap<String, Interface>;

/// Everything that objects are made of.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The configuration, as far as it is shown, with the firewall marks that are in force.
    pub slice: Rc<SnmpSlice>,
    configured: Rc<SnmpSlice>,
    /// The status of checks is of this configuration: a place here is a place there.
    in_step: bool,
    /// How things are; none before anything was told.
    pub snapshot: Option<Rc<Snapshot>>,
    /// The interfaces of this host.
    pub interfaces: Rc<Interfaces>,
    traffic: BTreeMap<ServiceKey, usize>,
}

fn is_marked(service: &VirtualServer) -> bool {
    service.options.group.as_ref().is_some_and(|group| !group.marked.is_empty())
}

/// Whether a status is of these virtual servers, as far as their keys tell.
fn is_of(services: &[VirtualServer], statuses: &[ServiceStatus]) -> bool {
    let fits = |(service, status): (&VirtualServer, &ServiceStatus)| {
        let family = |key: &ServiceKey| matches!(key, ServiceKey::FirewallMark { .. }).then(|| key.family());
        let marks = is_marked(service) && family(&service.key).is_some() && family(&service.key) == family(&status.key);
        marks || service.key == status.key
    };
    services.len() == statuses.len() && services.iter().zip(statuses).all(fits)
}

/// The same with the marks that the status tells.
fn with_marks(mut slice: Rc<SnmpSlice>, statuses: &[ServiceStatus]) -> Rc<SnmpSlice> {
    let differ = |(service, status): (&VirtualServer, &ServiceStatus)| service.key != status.key;
    if slice.lvs.virtual_servers.iter().zip(statuses).any(differ) {
        for (service, status) in Rc::make_mut(&mut slice).lvs.virtual_servers.iter_mut().zip(statuses) {
            if let ServiceKey::FirewallMark { mark, .. } = status.key {
                service.set_mark(mark);
            }
        }
    }
    slice
}

impl World {
    /// One of these.
    #[must_use]
    pub fn new(slice: Rc<SnmpSlice>, snapshot: Option<Rc<Snapshot>>, interfaces: Rc<Interfaces>) -> Self {
        let check = snapshot.as_ref().and_then(|snapshot| snapshot.check());
        let services = check.map_or(&[][..], |check| &check.services);
        let in_step = is_of(&slice.lvs.virtual_servers, services);
        let configured = Rc::clone(&slice);
        let slice = if in_step { with_marks(slice, services) } else { slice };
        let traffic =
            check.into_iter().flat_map(|check| &check.traffic).enumerate().map(|(at, (key, _))| (*key, at)).collect();
        Self { slice, configured, in_step, snapshot, interfaces, traffic }
    }

    /// Whether it is made of these.
    #[must_use]
    pub fn is_of(&self, slice: &Rc<SnmpSlice>, snapshot: Option<&Rc<Snapshot>>, interfaces: &Rc<Interfaces>) -> bool {
        let told = match (&self.snapshot, snapshot) {
            (Some(one), Some(other)) => Rc::ptr_eq(one, other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        told && Rc::ptr_eq(&self.configured, slice) && Rc::ptr_eq(&self.interfaces, interfaces)
    }

    pub(crate) fn instance(&self, place: usize) -> Option<&Instance> {
        self.slice.vrrp.instances.get(place)
    }

    /// The status of an instance: it may be that of another configuration still, or already.
    pub(crate) fn status(&self, place: usize) -> Option<&InstanceStatus> {
        let name = &self.instance(place)?.name;
        let all = &self.snapshot.as_ref()?.vrrp.as_ref()?.instances;
        let there = all.get(place).filter(|status| status.name == *name);
        there.or_else(|| all.iter().find(|status| status.name == *name))
    }

    pub(crate) fn state(&self, place: usize) -> State {
        self.status(place).map_or(State::Init, |status| status.state)
    }

    /// Since when an instance takes part, if it does: the daemon's start, unless it was in FAULT since.
    pub(crate) fn up_since(&self, place: usize) -> Option<Instant> {
        let status = self.status(place)?;
        let started = self.snapshot.as_ref()?.daemon.started;
        let last = status.last_transition.as_ref();
        let left = last.filter(|last| matches!(last.from, State::Init | State::Fault)).map(|last| last.at);
        match status.state {
            State::Backup | State::Master => Some(left.unwrap_or(started)),
            State::Init | State::Fault | State::Stop => None,
        }
    }

    /// The state of a group is that of its members, and while they move that of the one furthest behind.
    pub(crate) fn group_state(&self, group: &SyncGroup) -> State {
        let states = || group.members.iter().map(|id| self.state(usize::try_from(id.0).unwrap_or(usize::MAX)));
        let worst_first = [State::Fault, State::Stop, State::Init, State::Backup];
        worst_first.into_iter().find(|state| states().any(|member| member == *state)).unwrap_or(State::Master)
    }

    pub(crate) fn tracked(&self) -> Option<&Known> {
        Some(&self.snapshot.as_ref()?.vrrp.as_ref()?.tracked)
    }

    pub(crate) fn service(&self, place: usize) -> Option<&VirtualServer> {
        self.slice.lvs.virtual_servers.get(place)
    }

    pub(crate) fn service_status(&self, place: usize) -> Option<&ServiceStatus> {
        let service = self.service(place)?;
        let all = &self.snapshot.as_ref()?.check()?.services;
        if self.in_step {
            return all.get(place);
        }
        let key = self.own_key(service)?;
        all.iter().find(|status| status.key == *key)
    }

    /// What the kernel knows a virtual server by. None while its mark is not known: that of the configuration may be another
    /// group's, because a group keeps its mark through reloads (`nftables_ipvs`).
    pub(crate) fn own_key<'s>(&self, service: &'s VirtualServer) -> Option<&'s ServiceKey> {
        (self.in_step || !is_marked(service)).then_some(&service.key)
    }

    pub(crate) fn traffic(&self, key: &ServiceKey) -> Option<&ServiceTraffic> {
        let at = self.traffic.get(key)?;
        self.snapshot.as_ref()?.check()?.traffic.get(*at).map(|(_, traffic)| traffic)
    }

    pub(crate) fn interface(&self, name: &InterfaceName) -> Option<&Interface> {
        self.interfaces.get(name.as_str())
    }

    /// The number of an interface; 0 is none.
    pub(crate) fn index(&self, name: &InterfaceName) -> u32 {
        self.interface(name).map_or(0, |interface| interface.index)
    }

    /// Where an instance's advertisements come from.
    pub(crate) fn source(&self, instance: &Instance) -> Option<IpAddr> {
        let own = || {
            let wanted = |address: &&IpAddr| match (address, instance.addresses.first().map(|vip| vip.address.addr())) {
                (IpAddr::V6(own), Some(IpAddr::V6(_))) => own.is_unicast_link_local(),
                (IpAddr::V4(_), Some(IpAddr::V4(_)) | None) => true,
                (IpAddr::V4(_), Some(IpAddr::V6(_))) | (IpAddr::V6(_), Some(IpAddr::V4(_)) | None) => false,
            };
            let virtual_ones = |address: &&IpAddr| instance.addresses.iter().all(|vip| vip.address.addr() != **address);
            let interface = self.interface(&instance.interface)?;
            interface.addresses.iter().filter(wanted).find(virtual_ones).copied()
        };
        instance.source.or_else(own)
    }

    /// The name of this router.
    pub(crate) fn router_id(&self) -> &str {
        self.slice.global.router_id.as_deref().unwrap_or(&self.slice.host)
    }

    /// Hundredths of a second from the start of the daemon to a moment.
    pub(crate) fn ticks_at(&self, at: Instant) -> u32 {
        let Some(snapshot) = &self.snapshot else { return 0 };
        ticks(at.since(snapshot.daemon.started))
    }

    /// Hundredths of a second from a moment to now.
    pub(crate) fn ticks_since(&self, at: Instant) -> u32 {
        let Some(snapshot) = &self.snapshot else { return 0 };
        ticks(snapshot.daemon.at.since(at))
    }
}

/// Hundredths of a second, which begin again at 0 after 497 days (RFC 2578 section 7.1.8).
fn ticks(duration: core::time::Duration) -> u32 {
    u32::try_from(duration.as_millis() / 10 % (1 << 32)).unwrap_or(0)
}
