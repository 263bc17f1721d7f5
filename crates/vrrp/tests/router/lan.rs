//! Routers on LANs in virtual time: every step jumps to the next deadline or delivery, so a simulated hour costs what
//! happens in it. Packets take as long as they are told to, links can be cut, routers can sleep.

use standfast_model::config::VrrpConfig;
use standfast_model::config::vrrp::{
    Authentication, Garp, InitialState, Instance, InstanceId, Preempt, SyncGroup, TrackedInterface,
};
use standfast_model::ipvs::Family;
use standfast_model::{
    AdvertInterval, Instant, InterfaceIndex, InterfaceName, Password, Priority, State, Version, VirtualAddress, Vrid,
};
use standfast_vrrp::{Action, Event, InterfaceFacts, Output, Router};
use standfast_wire::vrrp::{self, Protocol};
use standfast_wire::{Received, ipv4};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// A moment in microseconds.
pub(crate) fn us(micros: u64) -> Instant {
    Instant::from_nanos(micros * 1_000)
}

/// A moment in milliseconds.
pub(crate) fn ms(millis: u64) -> Instant {
    us(millis * 1_000)
}

/// Microseconds since boot.
pub(crate) fn micros(at: Instant) -> u64 {
    at.as_nanos() / 1_000
}

/// Octets of hexadecimal digits.
pub(crate) fn octets(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "{digits}");
    digits.as_bytes().chunks(2).map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

/// Source, destination and payload of an IPv6 packet without extension headers.
pub(crate) fn split_ipv6(packet: &[u8]) -> (Ipv6Addr, Ipv6Addr, &[u8]) {
    let address = |at: usize| Ipv6Addr::from(*packet[at..].first_chunk::<16>().unwrap());
    let length = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
    (address(8), address(24), &packet[40..40 + length])
}

/// A frame that keepalived sent, by its name in the vectors of crate `wire`.
pub(crate) fn frame_of(name: &str) -> Vec<u8> {
    let vectors = include_str!("../../../wire/tests/vectors.txt");
    let mut lines = vectors.lines().filter_map(|line| line.split_once(' '));
    octets(lines.find(|(found, _)| *found == name).unwrap().1.trim())
}

/// An interface name.
pub(crate) fn name(text: &str) -> InterfaceName {
    text.parse().unwrap()
}

/// A plain virtual address.
pub(crate) fn vip(text: &str) -> VirtualAddress {
    VirtualAddress::plain(text.parse().unwrap())
}

/// An instance of version 2 on eth0: VRID 51, priority 100, one second, 192.0.2.100.
pub(crate) fn v2() -> Instance {
    Instance {
        name: "VI_1".to_owned(),
        interface: name("eth0"),
        vrid: Vrid::new(51).unwrap(),
        version: Version::V2,
        family: Family::Inet,
        initial_state: InitialState::Backup,
        priority: Priority::DEFAULT,
        advert_interval: AdvertInterval::DEFAULT,
        authentication: Authentication::None,
        addresses: vec![vip("192.0.2.100/32")],
        excluded: vec![],
        preempt: Preempt::After(Duration::ZERO),
        garp: Garp::default(),
        source: None,
        down_timer_adverts: 3,
        lower_prio_no_advert: false,
        higher_prio_send_advert: false,
        dont_track_primary: false,
        track_interfaces: vec![],
        options: Default::default(),
    }
}

/// [`v2`] in version 3.
pub(crate) fn v3() -> Instance {
    Instance { version: Version::V3, ..v2() }
}

/// An instance of version 3 for fe80::100 and 2001:db8::100.
pub(crate) fn v6() -> Instance {
    Instance { family: Family::Inet6, addresses: vec![vip("fe80::100/64"), vip("2001:db8::100/64")], ..v3() }
}

/// The same with another priority.
pub(crate) fn with_priority(instance: Instance, priority: u8) -> Instance {
    Instance { priority: Priority::new(priority).unwrap(), ..instance }
}

/// The same with a password.
pub(crate) fn with_password(instance: Instance, password: &str) -> Instance {
    Instance { authentication: Authentication::Pass(Password::truncating(password.as_bytes())), ..instance }
}

/// A configuration of one instance.
pub(crate) fn alone(instance: Instance) -> VrrpConfig {
    VrrpConfig { instances: vec![instance], ..VrrpConfig::default() }
}

/// A tracked interface.
pub(crate) fn tracked(interface: &str, weight: i16, reverse: bool) -> TrackedInterface {
    TrackedInterface { interface: name(interface), weight, reverse }
}

/// A sync group of the instances with these numbers.
pub(crate) fn group(members: &[u32]) -> SyncGroup {
    SyncGroup {
        name: "VG1".to_owned(),
        members: members.iter().copied().map(InstanceId).collect(),
        track_interfaces: vec![],
        options: Default::default(),
    }
}

/// The two instances of the sample pair, in one sync group.
pub(crate) fn seed(priority: u8) -> VrrpConfig {
    let external = Instance {
        name: "VI_E".to_owned(),
        addresses: vec![vip("192.168.1.200/32"), vip("192.168.1.202/32")],
        ..with_password(with_priority(v2(), priority), "mypasswd")
    };
    let internal = Instance {
        name: "VI_I".to_owned(),
        interface: name("eth1"),
        vrid: Vrid::new(52).unwrap(),
        addresses: vec![vip("10.0.100.200/32")],
        ..external.clone()
    };
    VrrpConfig { instances: vec![external, internal], groups: vec![group(&[0, 1])], ..VrrpConfig::default() }
}

/// The first instance of a configuration.
pub(crate) const FIRST: InstanceId = InstanceId(0);
/// The second.
pub(crate) const SECOND: InstanceId = InstanceId(1);

/// A packet on its way or arrived, without its IP header.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) ttl: u8,
    pub(crate) message: Vec<u8>,
    /// The whole IPv4 packet, if there is an authentication header in it.
    pub(crate) authenticated: Option<Vec<u8>>,
}

impl Packet {
    /// What a router gave out: with its header for IPv4, the message alone for IPv6.
    pub(crate) fn sent(source: IpAddr, destination: IpAddr, packet: &[u8]) -> Self {
        match destination {
            IpAddr::V4(_) => Self::ipv4(packet),
            IpAddr::V6(_) => Self { source, destination, ttl: 255, message: packet.to_vec(), authenticated: None },
        }
    }

    /// A whole IPv4 packet.
    pub(crate) fn ipv4(packet: &[u8]) -> Self {
        let received = Received::of_ipv4(InterfaceIndex(2), packet).unwrap();
        Self {
            source: received.source,
            destination: received.destination,
            ttl: received.ttl.unwrap(),
            message: received.message.to_vec(),
            authenticated: received.ah.map(|_| packet.to_vec()),
        }
    }

    pub(crate) fn priority(&self) -> u8 {
        self.message[2]
    }

    /// The identification is the business of IPv4 alone, so it is read from the whole packet.
    pub(crate) fn identification(packet: &[u8]) -> u16 {
        ipv4::parse_header(packet).unwrap().0.identification
    }

    pub(crate) fn received(&self, interface: InterfaceIndex) -> Received<'_> {
        if let Some(packet) = &self.authenticated {
            return Received::of_ipv4(interface, packet).unwrap();
        }
        Received {
            interface,
            source: self.source,
            destination: self.destination,
            ttl: Some(self.ttl),
            ah: None,
            message: &self.message,
        }
    }
}

/// What another router would send for this instance; priority 0 resigns.
pub(crate) fn advert(like: &Instance, source: IpAddr, priority: u8) -> Packet {
    let interval = like.advert_interval;
    let protocol = match like.version {
        Version::V2 => Protocol::V2 {
            interval,
            authentication: match like.authentication.clone() {
                Authentication::None => vrrp::Authentication::None,
                Authentication::Pass(password) => vrrp::Authentication::Pass(password),
                Authentication::Ah(_) => vrrp::Authentication::Header,
            },
        },
        Version::V3 => Protocol::V3 { interval },
    };
    let (vrid, priority) = (like.vrid, Priority::new(priority));
    let addresses = like.addresses.iter().map(|entry| entry.address.addr());
    match source {
        IpAddr::V4(source) => {
            let addresses = addresses.filter_map(<Ipv4Addr as vrrp::Address>::of).collect();
            let envelope = ipv4::Envelope { source, destination: vrrp::GROUP_V4, identification: 1 };
            let advert = vrrp::Advert { vrid, priority, protocol, addresses };
            Packet::ipv4(&advert.emit_packet(&envelope, vrrp::Coverage::PseudoHeader))
        }
        IpAddr::V6(source) => {
            let addresses = addresses.filter_map(<Ipv6Addr as vrrp::Address>::of).collect();
            let advert = vrrp::Advert { vrid, priority, protocol, addresses };
            let message = advert.emit_message(source, vrrp::GROUP_V6);
            let destination = vrrp::GROUP_V6.into();
            Packet { source: source.into(), destination, ttl: 255, message, authenticated: None }
        }
    }
}

/// [`advert`] from a host on LAN 0.
pub(crate) fn advert_of(like: &Instance, host: u8, priority: u8) -> Packet {
    let source = match like.family {
        Family::Inet => address(0, host).into(),
        Family::Inet6 => link_local(host).into(),
    };
    advert(like, source, priority)
}

/// Which LAN an interface is plugged into: eth0 into 0, eth1 into 1.
type Lan = usize;

/// A router with its interfaces and all that it asked for.
pub(crate) struct Node {
    pub(crate) router: Router,
    /// Last octet of its addresses.
    pub(crate) host: u8,
    pub(crate) asleep: bool,
    pub(crate) dead: bool,
    interfaces: BTreeMap<Lan, InterfaceFacts>,
    /// What arrived while it slept.
    queue: VecDeque<(Lan, Packet)>,
    pub(crate) log: Vec<(Instant, Action)>,
}

fn interface_of(lan: Lan) -> InterfaceName {
    name(&format!("eth{lan}"))
}

/// The address of a host on a LAN.
pub(crate) fn address(lan: Lan, host: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2 + u8::try_from(lan).unwrap(), host)
}

/// The link-local address of a host.
pub(crate) fn link_local(host: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(host))
}

/// What a router is told of its interface on a LAN.
pub(crate) fn facts(lan: Lan, host: u8) -> InterfaceFacts {
    InterfaceFacts {
        index: InterfaceIndex(2 + u32::try_from(lan).unwrap()),
        up: true,
        sources: vec![address(lan, host).into(), link_local(host).into()],
    }
}

/// Two LANs and the routers on them.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) nodes: Vec<Node>,
    /// Hosts that do not hear one another, per LAN.
    cuts: BTreeSet<(Lan, u8, u8)>,
    /// How long a packet takes.
    pub(crate) delay: Duration,
    flying: BTreeMap<(Instant, u64), (usize, Lan, Packet)>,
    sent: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            now: Instant::ZERO,
            nodes: vec![],
            cuts: BTreeSet::new(),
            delay: Duration::from_micros(100),
            flying: BTreeMap::new(),
            sent: 0,
        }
    }

    /// A world of routers that start now, with hosts 1, 2, 3...
    pub(crate) fn of(configs: impl IntoIterator<Item = VrrpConfig>) -> Self {
        let mut world = Self::new();
        for (host, config) in (1..).zip(configs) {
            world.add(host, config);
        }
        world
    }

    /// Starts a router; gives its place.
    pub(crate) fn add(&mut self, host: u8, config: VrrpConfig) -> usize {
        let router = Router::new(config);
        self.add_router(host, router)
    }

    /// Starts a router that has been made already.
    pub(crate) fn add_router(&mut self, host: u8, router: Router) -> usize {
        let place = self.add_silently(host, router);
        self.event(place, Event::Start);
        place
    }

    /// Tells a router of its interfaces and does not start it.
    pub(crate) fn add_silently(&mut self, host: u8, router: Router) -> usize {
        let interfaces = (0..2).map(|lan| (lan, facts(lan, host))).collect();
        let node = Node { router, host, asleep: false, dead: false, interfaces, queue: VecDeque::new(), log: vec![] };
        self.nodes.push(node);
        let place = self.nodes.len() - 1;
        for lan in 0..2 {
            self.tell(place, lan);
        }
        place
    }

    /// Tells a router again what it knows of its first interface.
    pub(crate) fn retell(&mut self, place: usize) {
        self.tell(place, 0);
    }

    fn tell(&mut self, place: usize, lan: Lan) {
        let known = self.nodes[place].interfaces.get(&lan).cloned();
        self.event(place, Event::Interface { name: &interface_of(lan), facts: known });
    }

    /// Lets one router handle one event now, and delivers what it sends.
    pub(crate) fn event(&mut self, place: usize, event: Event<'_>) {
        let mut out = Output::default();
        self.nodes[place].router.handle(self.now, event, &mut out);
        for action in out.actions {
            if let Action::Send { interface, source, destination, packet, .. } = &action {
                let from = self.nodes[place].host;
                let lan = usize::try_from(interface.0).unwrap() - 2;
                let packet = Packet::sent(*source, *destination, packet);
                let is_for = |host| {
                    let own = [IpAddr::from(address(lan, host)), link_local(host).into()];
                    destination.is_multicast() || own.contains(destination)
                };
                for to in (0..self.nodes.len()).filter(|to| *to != place && is_for(self.nodes[*to].host)) {
                    if !self.cuts.contains(&(lan, from, self.nodes[to].host)) {
                        self.sent += 1;
                        self.flying.insert((self.now + self.delay, self.sent), (to, lan, packet.clone()));
                    }
                }
            }
            self.nodes[place].log.push((self.now, action));
        }
    }

    fn deliver(&mut self, to: usize, lan: Lan, packet: Packet) {
        let node = &mut self.nodes[to];
        if node.dead || !node.interfaces.get(&lan).is_some_and(|facts| facts.up) {
            return;
        }
        if node.asleep {
            node.queue.push_back((lan, packet));
            return;
        }
        let index = node.interfaces[&lan].index;
        self.event(to, Event::Packet(packet.received(index)));
    }

    /// One router hears a packet on LAN 0 now.
    pub(crate) fn hear(&mut self, place: usize, packet: &Packet) {
        self.deliver(place, 0, packet.clone());
    }

    /// Forgets what was logged so far.
    pub(crate) fn forget(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.log.clear());
    }

    /// Forgets all but the last thing logged, so that a long run stays small.
    pub(crate) fn forget_all_but_last(&mut self) {
        for node in &mut self.nodes {
            node.log.drain(..node.log.len().saturating_sub(1));
        }
    }

    /// The next moment at which anything happens.
    fn next(&self) -> Option<Instant> {
        let awake = self.nodes.iter().filter(|node| !node.asleep && !node.dead);
        let timers = awake.filter_map(|node| node.router.next_deadline());
        timers.chain(self.flying.keys().next().map(|(at, _)| *at)).min()
    }

    /// Lets time pass until `end`, packets before timers.
    pub(crate) fn run_until(&mut self, end: Instant) {
        while let Some(at) = self.next().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (to, lan, packet) = entry.remove();
                self.deliver(to, lan, packet);
            }
            for place in 0..self.nodes.len() {
                let node = &self.nodes[place];
                if !node.asleep && !node.dead && node.router.next_deadline().is_some_and(|at| at <= self.now) {
                    self.event(place, Event::Wake);
                    let next = self.nodes[place].router.next_deadline();
                    assert!(next.is_none_or(|at| at > self.now), "a deadline is left behind: {next:?}");
                }
            }
        }
        self.now = end;
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    /// Nobody of one set hears anybody of the other on a LAN.
    pub(crate) fn cut(&mut self, lan: Lan, hosts: &[u8], others: &[u8]) {
        for a in hosts {
            for b in others {
                self.cuts.extend([(lan, *a, *b), (lan, *b, *a)]);
            }
        }
    }

    /// Everybody hears everybody again.
    pub(crate) fn heal(&mut self) {
        self.cuts.clear();
    }

    /// The carrier of one interface goes or comes.
    pub(crate) fn carrier(&mut self, place: usize, lan: Lan, up: bool) {
        self.nodes[place].interfaces.get_mut(&lan).unwrap().up = up;
        self.tell(place, lan);
    }

    /// The interface vanishes or appears, perhaps with another index.
    pub(crate) fn replace(&mut self, place: usize, lan: Lan, facts: Option<InterfaceFacts>) {
        match facts {
            Some(facts) => self.nodes[place].interfaces.insert(lan, facts),
            None => self.nodes[place].interfaces.remove(&lan),
        };
        self.tell(place, lan);
    }

    /// The process is stopped; what arrives waits in its sockets.
    pub(crate) fn sleep(&mut self, place: usize) {
        self.nodes[place].asleep = true;
    }

    /// It goes on: first what has arrived, then the timers.
    pub(crate) fn thaw(&mut self, place: usize) {
        self.nodes[place].asleep = false;
        while let Some((lan, packet)) = self.nodes[place].queue.pop_front() {
            self.deliver(place, lan, packet);
        }
    }

    /// The machine is gone without a word.
    pub(crate) fn kill(&mut self, place: usize) {
        self.nodes[place].dead = true;
    }

    /// It resigns and is gone.
    pub(crate) fn shutdown(&mut self, place: usize) {
        self.event(place, Event::Shutdown);
        self.nodes[place].dead = true;
    }

    pub(crate) fn state(&self, place: usize, instance: InstanceId) -> State {
        self.nodes[place].router.state(instance)
    }

    /// The living routers that hold an instance.
    pub(crate) fn holders(&self, instance: InstanceId) -> Vec<usize> {
        let holds = |place: &usize| !self.nodes[*place].dead && self.nodes[*place].router.holds(instance);
        (0..self.nodes.len()).filter(holds).collect()
    }
}
