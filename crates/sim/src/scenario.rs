//! A cluster drawn from a seed: LANs, machines, virtual routers, and the configuration of every machine.
//!
//! It owns what does not change while a simulation runs. It draws only configurations that an administrator may mean:
//! versions, passwords and version 2 intervals agree, since routers that disagree are rightly both masters.

use crate::kernel::Card;
use crate::lan::{LanId, MachineId};
use crate::rng::Rng;
use crate::signing::hmac;
use crate::variation::other_vrid;
use core::time::Duration;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use standfast_model::config::VrrpConfig;
use standfast_model::config::instance::{Hmac, HmacMode, InstanceOptions, Peer, Peering, Unicast};
use standfast_model::config::script::Script;
use standfast_model::config::track::{ScriptId, TrackScript, Tracked, Tracker};
use standfast_model::config::vrrp::{
    Authentication, Garp, InitialState, Instance, InstanceId, Preempt, SyncGroup, TrackedInterface,
};
use standfast_model::config::witness::{LeaseLost, NamedWitness, Need, Unreachable, WitnessId, WitnessPolicy};
use standfast_model::ipvs::Family;
use standfast_model::{AdvertInterval, InterfaceName, MacAddress, Password, Priority, Version, VirtualAddress, Vrid};
use standfast_wire::vrrp::{GROUP_V4, GROUP_V6};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The first VRID, and the one that would stand in for an impossible one.
const VRID: Vrid = match Vrid::new(51) {
    Some(vrid) => vrid,
    None => unreachable!(),
};

/// `auth_pass` of all that have one.
#[must_use]
pub fn password() -> Password {
    Password::truncating(b"s3cr3t")
}

/// The longest that a track script runs.
pub const SCRIPT_TAKES: Duration = Duration::from_millis(300);

/// One virtual router as all its machines know it. Its number is that of the instance on every machine.
#[derive(Clone, Debug)]
pub struct VirtualRouter {
    /// The LAN it advertises on and serves.
    pub lan: LanId,
    /// Its VRID.
    pub vrid: Vrid,
    /// The version it speaks.
    pub version: Version,
    /// The family it speaks.
    pub family: Family,
    /// The group it speaks to; none if its machines speak to one another by unicast.
    pub group: Option<IpAddr>,
    /// Everything it holds.
    pub addresses: Vec<IpNet>,
    /// An upper bound of the master down interval of any machine, whatever interval it has learned.
    pub down_at_most: Duration,
    /// Whether it moves with others.
    pub grouped: bool,
    /// Whether its advertisements are signed, by some machines at least.
    pub signed: bool,
    /// Whether its advertisements are numbered: `auth_type AH`.
    pub numbered: bool,
    /// The longest interval of all machines.
    pub slowest: Duration,
}

/// One machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its network cards, one for each LAN in order.
    pub cards: Vec<Card>,
    /// What its daemon is told.
    pub config: VrrpConfig,
    /// How far its clock is ahead of simulated time: machines did not boot together.
    pub clock_ahead: Duration,
}

/// A cluster.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it was drawn from, and what the faults are drawn from.
    pub seed: u64,
    /// How many LANs.
    pub lans: usize,
    /// The machines.
    pub machines: Vec<Machine>,
    /// The virtual routers.
    pub routers: Vec<VirtualRouter>,
    /// Longest `preempt_delay` of all.
    pub preempt_delay_at_most: Duration,
    /// How far the clocks of two walls may be apart for those that sign to hear each other.
    pub time_window: Duration,
    /// How many witnesses each machine asks.
    pub witnesses: usize,
    /// How long the lease lasts that machines need to be masters, if they need one: their only witness.
    pub lease: Option<Duration>,
    /// How long after a change of what they look at all track scripts have said so.
    pub scripts_settle_within: Duration,
}

impl Scenario {
    /// Draws a cluster.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let lans = rng.index(3) + 1;
        let machines = rng.index(6) + 2;
        let grouped = rng.once_in(2);
        // In a group the machines keep their order for every member, as people configure it.
        let shared = priorities(&mut rng, machines, grouped);
        let track = rng.once_in(3).then(|| track(&mut rng, lans));
        let time_window = Duration::from_secs(rng.between(1, 300));
        let mut routers = Vec::new();
        let mut configs = vec![VrrpConfig::default(); machines];
        for number in 0..=rng.index(4) {
            let plan = Plan::draw(&mut rng, number, lans, time_window);
            let priorities = if grouped { shared.clone() } else { priorities(&mut rng, machines, false) };
            let mut instances = Vec::new();
            for (id, priority) in (0..).map(MachineId).zip(priorities) {
                let mut instance = plan.instance(&mut rng, priority, track.clone());
                instance.options.peering = plan.peering(id, machines);
                instances.push(instance);
            }
            routers.extend(router_of(plan.lan, &instances));
            for (config, instance) in configs.iter_mut().zip(instances) {
                config.instances.push(instance);
            }
        }
        if grouped && routers.len() > 1 {
            routers.iter_mut().for_each(|router| router.grouped = true);
            let members: Vec<_> = (0..).map(InstanceId).take(routers.len()).collect();
            let group =
                SyncGroup { name: "G".to_owned(), members, track_interfaces: Vec::new(), options: Default::default() };
            configs.iter_mut().for_each(|config| config.groups.push(group.clone()));
        }
        let scripts_settle_within = match rng.once_in(2) {
            true => script(&mut rng, &mut configs),
            false => Duration::ZERO,
        };
        // Drawn apart, so that the rest of the cluster is the same with and without.
        let mut of_witnesses = Rng::new(seed.rotate_left(32) ^ 0x57_17_4e_55);
        let witnesses = if of_witnesses.once_in(3) { witnesses(&mut of_witnesses, &mut configs) } else { 0 };
        let leased = witnesses == 0 && of_witnesses.once_in(4);
        let lease = leased.then(|| lease(&mut of_witnesses, &mut configs));
        let witnesses = if leased { 1 } else { witnesses };
        let delays = configs.iter().flat_map(|config| &config.instances).map(preempt_delay);
        let preempt_delay_at_most = delays.max().unwrap_or_default();
        let machines =
            (0..).map(MachineId).zip(configs).map(|(id, config)| machine(&mut rng, id, lans, config)).collect();
        Self {
            seed,
            lans,
            machines,
            routers,
            preempt_delay_at_most,
            time_window,
            witnesses,
            lease,
            scripts_settle_within,
        }
    }

    /// One virtual router on one LAN, `eth0` everywhere; one machine for each instance.
    #[must_use]
    pub fn on_one_lan(seed: u64, instances: Vec<Instance>) -> Self {
        let mut rng = Rng::new(seed);
        let routers = router_of(LanId(0), &instances).into_iter().collect();
        let preempt_delay_at_most = instances.iter().map(preempt_delay).max().unwrap_or_default();
        let plan = |(id, instance)| {
            let config = VrrpConfig { instances: vec![instance], groups: Vec::new(), ..VrrpConfig::default() };
            machine(&mut rng, id, 1, config)
        };
        let machines = (0..).map(MachineId).zip(instances).map(plan).collect();
        Self {
            seed,
            lans: 1,
            machines,
            routers,
            preempt_delay_at_most,
            time_window: Duration::from_secs(30),
            witnesses: 0,
            lease: None,
            scripts_settle_within: Duration::ZERO,
        }
    }

    /// Whether any virtual router is signed.
    #[must_use]
    pub fn signs(&self) -> bool {
        self.routers.iter().any(|router| router.signed)
    }

    /// The number of the virtual router that other routers on a LAN know so.
    #[must_use]
    pub fn router_at(&self, lan: LanId, family: Family, vrid: Vrid) -> Option<usize> {
        let is_it = |router: &VirtualRouter| {
            (router.lan, router.family) == (lan, family) && (vrid == router.vrid || vrid == other_vrid(router.vrid))
        };
        self.routers.iter().position(is_it)
    }

    /// The number of the virtual router that an instance belongs to.
    #[must_use]
    pub fn router_of(&self, instance: &Instance) -> Option<usize> {
        let lan = (0..self.lans).map(LanId).find(|lan| interface(*lan) == instance.interface)?;
        self.router_at(lan, instance.family, instance.vrid)
    }

    /// The instance of a virtual router on each machine.
    pub fn instances(&self, router: usize) -> impl Iterator<Item = &Instance> {
        self.machines.iter().filter_map(move |machine| machine.config.instances.get(router))
    }

    /// A virtual router and those that move with it, with their numbers.
    pub fn moving_with(&self, router: usize) -> impl Iterator<Item = (usize, &VirtualRouter)> {
        let grouped = self.routers.get(router).is_some_and(|router| router.grouped);
        self.routers.iter().enumerate().filter(move |(number, other)| *number == router || (grouped && other.grouped))
    }

    /// How long each machine waits at most after another one's resignation: its skew time, or the skew time of priority 1
    /// where tracking may lower its priority; in a sync group the longest of all members, because they move when all may.
    pub fn skews_at_most(&self, router: usize, resigns: usize) -> impl Iterator<Item = Duration> {
        (0..self.machines.len()).map(move |machine| {
            let members = self.moving_with(router);
            members.filter_map(|(member, _)| self.skew_at_most(member, resigns, machine)).max().unwrap_or_default()
        })
    }

    fn skew_at_most(&self, router: usize, resigns: usize, machine: usize) -> Option<Duration> {
        let instance = self.instances(router).nth(machine)?;
        let config = &self.machines.get(machine)?.config;
        let of_group = config.groups.iter().flat_map(|group| &group.options.trackers);
        let scripted = instance.options.trackers.iter().chain(of_group).any(|tracked| tracked.weight < 0);
        let tracked = scripted || instance.track_interfaces.iter().any(|tracked| tracked.weight < 0);
        let priority = if tracked && !instance.priority.is_owner() { 1 } else { instance.priority.get() };
        let base = match instance.version {
            Version::V2 => Duration::from_secs(1),
            // The interval learned from whoever resigns.
            Version::V3 => self.instances(router).nth(resigns)?.advert_interval.as_duration(),
        };
        Some(base * (256 - u32::from(priority)) / 256)
    }

    /// How long a master may be silent before every standby with its interval has taken over.
    #[must_use]
    pub fn outslept_after(instance: &Instance) -> Duration {
        let interval = instance.advert_interval.as_duration();
        let skew = match instance.version {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => interval,
        };
        interval * u32::from(instance.down_timer_adverts) + skew
    }

    /// How long after the last disturbance everything must have come to rest: whoever should not be master has yielded
    /// within one interval, and a better one waits for its delay and a down interval, at most twice if a group moves.
    #[must_use]
    pub fn settles_within(&self) -> Duration {
        let down = self.routers.iter().map(|router| router.down_at_most).max().unwrap_or_default();
        // The lease of somebody who is gone ends by a clock that may be slow.
        let lease = self.lease.map(|lasts| lasts * 2).unwrap_or_default();
        down * 3 + self.preempt_delay_at_most + self.scripts_settle_within + lease + Duration::from_secs(1)
    }
}

const fn preempt_delay(instance: &Instance) -> Duration {
    match instance.preempt {
        Preempt::After(delay) => delay,
        Preempt::Never => Duration::ZERO,
    }
}

/// Name of the card in a LAN, the same on every machine.
///
/// # Panics
/// If there are more LANs than 15 characters can number.
#[must_use]
#[expect(clippy::expect_used, reason = "a simulation that cannot name its interfaces is our own bug")]
pub fn interface(lan: LanId) -> InterfaceName {
    format!("eth{}", lan.0).parse().expect("a name of letters and digits")
}

/// The priority of each machine: distinct, or now and then two equal ones, or with an owner.
fn priorities(rng: &mut Rng, machines: usize, grouped: bool) -> Vec<Priority> {
    let mut drawn: Vec<u8> = Vec::new();
    while drawn.len() < machines {
        let priority = u8::try_from(rng.between(1, 254)).unwrap_or(100);
        if !drawn.contains(&priority) || rng.once_in(2) {
            drawn.push(priority);
        }
    }
    if !grouped && rng.once_in(6) {
        let owner = rng.index(machines);
        drawn.iter_mut().skip(owner).take(1).for_each(|priority| *priority = 255);
    }
    if rng.once_in(5)
        && let Some(first) = drawn.first().copied()
        && first < 255
    {
        drawn.iter_mut().skip(1).take(1).for_each(|priority| *priority = first);
    }
    drawn.into_iter().filter_map(Priority::new).collect()
}

/// A tracked interface: the last LAN, whose loss is a fault or costs or brings some priority.
fn track(rng: &mut Rng, lans: usize) -> Vec<TrackedInterface> {
    let weight = rng.pick(&[0, 0, -60, 40]).copied().unwrap_or(0);
    vec![TrackedInterface { interface: interface(LanId(lans - 1)), weight, reverse: false }]
}

/// Gives every machine a track script, whose failure is a fault or costs or brings some priority; says within which time
/// it has said that something changed.
fn script(rng: &mut Rng, configs: &mut [VrrpConfig]) -> Duration {
    let interval = Duration::from_millis(rng.between(200, 3_000));
    let (rise, fall) = (rng.between(1, 3), rng.between(1, 3));
    let weight = rng.pick(&[0, 0, -60, 40]).copied().unwrap_or(0);
    let of = |runs: u64| u32::try_from(runs).unwrap_or(1);
    for config in configs {
        config.common.scripts.push(TrackScript {
            name: "service".to_owned(),
            script: Script { words: vec![b"/usr/bin/service".to_vec()], identity: None },
            interval,
            timeout: interval,
            rise: of(rise),
            fall: of(fall),
            init_fail: false,
        });
        let tracked = Tracked { tracker: Tracker::Script(ScriptId(0)), weight, reverse: false };
        // What a group tracks moves all of its members alike.
        match config.groups.first_mut() {
            Some(group) => group.options.trackers.push(tracked),
            None => config.instances.iter_mut().for_each(|instance| instance.options.trackers.push(tracked)),
        }
    }
    // A run that has begun, the runs that it takes, each of which may pass over the next, and what a run takes.
    interval * of(2 * rise.max(fall) + 2) + SCRIPT_TAKES
}

/// Gives every machine one witness or two, without which its standbys stay; says how many.
fn witnesses(rng: &mut Rng, configs: &mut [VrrpConfig]) -> usize {
    let count = rng.index(2) + 1;
    let ids = (0..).map(WitnessId).take(count);
    let policy = WitnessPolicy {
        witnesses: ids.collect(),
        need: if rng.once_in(2) { Need::All } else { Need::Any },
        unreachable: if rng.once_in(5) { Unreachable::Take } else { Unreachable::Stay },
        lost: LeaseLost::Keep,
    };
    ask(configs, &policy, false);
    count
}

/// Gives every machine a lease without which nobody is master; says how long it lasts.
fn lease(rng: &mut Rng, configs: &mut [VrrpConfig]) -> Duration {
    let (unreachable, lost) = (Unreachable::Stay, LeaseLost::StepDown);
    ask(configs, &WitnessPolicy { witnesses: vec![WitnessId(0)], need: Need::All, unreachable, lost }, true);
    Duration::from_secs(rng.between(2, 10))
}

fn ask(configs: &mut [VrrpConfig], policy: &WitnessPolicy, lease: bool) {
    for config in configs {
        let named = policy.witnesses.iter().map(|id| NamedWitness { name: format!("w{}", id.0), lease });
        config.common.witnesses = named.collect();
        match config.groups.first_mut() {
            Some(group) => group.options.witness = Some(policy.clone()),
            None => config.instances.iter_mut().for_each(|one| one.options.witness = Some(policy.clone())),
        }
    }
}

/// What the machines of one virtual router have in common.
struct Plan {
    number: usize,
    lan: LanId,
    vrid: Vrid,
    version: Version,
    family: Family,
    authentication: Authentication,
    interval: AdvertInterval,
    /// Version 3 machines may advertise at rates of their own. Not together with the two options that change who answers
    /// whom: a loser's last advert would teach the others its short interval right after the master's long one, so that
    /// they take over before the master speaks again, in turns and for ever.
    mixed_rates: bool,
    preempt: Preempt,
    addresses: Vec<IpNet>,
    excluded: Vec<IpNet>,
    down_timer_adverts: u8,
    speaks: Speaks,
    /// The checksum of version 3 over IPv4 covers the message alone.
    message_only: bool,
    /// `auth_hmac`, with the modes that its machines may have.
    signed: Option<(Hmac, [HmacMode; 2])>,
}

/// How the machines of a virtual router speak to one another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Speaks {
    Group,
    OtherGroup,
    Each { only_to_peers: bool },
}

impl Plan {
    fn draw(rng: &mut Rng, number: usize, lans: usize, time_window: Duration) -> Self {
        let (version, family) = match rng.below(3) {
            0 => (Version::V2, Family::Inet),
            1 => (Version::V3, Family::Inet),
            _ => (Version::V3, Family::Inet6),
        };
        let signed = rng.once_in(4).then(|| hmac(rng, time_window));
        let authentication = match (version, rng.below(6)) {
            (Version::V2, 0 | 1) if signed.is_none() => Authentication::Pass(password()),
            (Version::V2, 2) if signed.is_none() => Authentication::Ah(password()),
            (Version::V2 | Version::V3, _) => Authentication::None,
        };
        let octet = u8::try_from(number).unwrap_or(0);
        let preempt = match rng.below(4) {
            0 => Preempt::Never,
            1 => Preempt::After(Duration::from_secs(rng.between(1, 8))),
            _ => Preempt::After(Duration::ZERO),
        };
        let speaks = match rng.below(6) {
            0 => Speaks::Each { only_to_peers: rng.once_in(2) },
            1 => Speaks::OtherGroup,
            _ => Speaks::Group,
        };
        Self {
            number,
            speaks,
            message_only: rng.once_in(4),
            signed,
            lan: LanId(rng.index(lans)),
            vrid: Vrid::new(51 + octet).unwrap_or(VRID),
            version,
            family,
            authentication,
            interval: interval(rng, version),
            mixed_rates: version == Version::V3 && rng.once_in(4),
            preempt,
            addresses: addresses(family, octet, 100),
            excluded: if rng.once_in(4) { addresses(family, octet, 200) } else { Vec::new() },
            down_timer_adverts: if rng.once_in(5) { 2 + u8::try_from(rng.below(4)).unwrap_or(1) } else { 3 },
        }
    }

    fn peering(&self, id: MachineId, machines: usize) -> Peering {
        let another: IpAddr = match self.family {
            Family::Inet => Ipv4Addr::new(224, 0, 0, 81).into(),
            Family::Inet6 => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x81).into(),
        };
        match self.speaks {
            Speaks::Group => Peering::Multicast { group: None },
            Speaks::OtherGroup => Peering::Multicast { group: Some(another) },
            Speaks::Each { only_to_peers } => {
                let others = (0..machines).map(MachineId).filter(|other| *other != id);
                let peer =
                    |other| Peer { address: own_address(self.family, self.lan, other), min_ttl: 0, max_ttl: 255 };
                Peering::Unicast(Unicast { peers: others.map(peer).collect(), ttl: None, check_source: only_to_peers })
            }
        }
    }

    fn instance(&self, rng: &mut Rng, priority: Priority, track: Option<Vec<TrackedInterface>>) -> Instance {
        let plain = |addresses: &[IpNet]| addresses.iter().copied().map(VirtualAddress::plain).collect();
        let hmac = self
            .signed
            .as_ref()
            .map(|(hmac, modes)| Hmac { mode: rng.pick(modes).copied().unwrap_or(hmac.mode), ..hmac.clone() });
        let preempt = if priority.is_owner() { Preempt::After(Duration::ZERO) } else { self.preempt };
        Instance {
            name: format!("VI_{}", self.number),
            interface: interface(self.lan),
            vrid: self.vrid,
            version: self.version,
            family: self.family,
            initial_state: if rng.once_in(2) { InitialState::Master } else { InitialState::Backup },
            priority,
            advert_interval: if self.mixed_rates { interval(rng, self.version) } else { self.interval },
            authentication: self.authentication.clone(),
            addresses: plain(&self.addresses),
            excluded: plain(&self.excluded),
            preempt,
            garp: Garp::default(),
            source: None,
            down_timer_adverts: self.down_timer_adverts,
            lower_prio_no_advert: rng.once_in(8) && !self.mixed_rates,
            higher_prio_send_advert: rng.once_in(8) && !self.mixed_rates,
            dont_track_primary: false,
            track_interfaces: track.unwrap_or_default(),
            options: InstanceOptions { v3_checksum_as_v2: self.message_only, hmac, ..InstanceOptions::default() },
        }
    }
}

/// What all know of a virtual router, from the instances of all machines.
fn router_of(lan: LanId, instances: &[Instance]) -> Option<VirtualRouter> {
    let first = instances.first()?;
    let slowest = instances.iter().map(|instance| instance.advert_interval.as_duration()).max()?;
    let adverts = instances.iter().map(|instance| instance.down_timer_adverts).max()?;
    // Skew is below one second in version 2 and below one interval in version 3.
    let skew = match first.version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => slowest,
    };
    Some(VirtualRouter {
        lan,
        vrid: first.vrid,
        version: first.version,
        family: first.family,
        group: group_of(first),
        addresses: first.addresses.iter().chain(&first.excluded).map(|entry| entry.address).collect(),
        down_at_most: slowest * u32::from(adverts) + skew,
        grouped: false,
        signed: first.options.hmac.is_some(),
        numbered: matches!(first.authentication, Authentication::Ah(_)),
        slowest,
    })
}

fn group_of(instance: &Instance) -> Option<IpAddr> {
    let usual: IpAddr = match instance.family {
        Family::Inet => GROUP_V4.into(),
        Family::Inet6 => GROUP_V6.into(),
    };
    match &instance.options.peering {
        Peering::Multicast { group } => Some(group.unwrap_or(usual)),
        Peering::Unicast(_) => None,
    }
}

/// Mostly seconds, as in the field, and every form of haste now and then: a cluster that advertises ten times a second
/// costs as much time as ten others, and shows nothing in it that the others do not show.
fn interval(rng: &mut Rng, version: Version) -> AdvertInterval {
    let drawn = match version {
        Version::V2 => rng.pick(&[1, 1, 1, 2, 2, 3, 5]).copied().and_then(AdvertInterval::from_seconds),
        Version::V3 => AdvertInterval::from_centiseconds(match rng.below(40) {
            0 => 10,
            1 => 25,
            2 => 50,
            3..17 => 100,
            17..27 => 200,
            27..35 => 300,
            _ => 500,
        }),
    };
    drawn.unwrap_or(AdvertInterval::DEFAULT)
}

/// Two addresses of a virtual router; over IPv6 the first is link-local.
fn addresses(family: Family, router: u8, last: u8) -> Vec<IpNet> {
    let low = u16::from(last);
    let hosts: [IpNet; 2] = match family {
        Family::Inet => [0, 1].map(|n| Ipv4Net::from(Ipv4Addr::new(10, 100, router, last + n)).into()),
        Family::Inet6 => [0xfe80, 0xfd00]
            .map(|prefix| Ipv6Net::from(Ipv6Addr::new(prefix, 0, 0, 0, 0, 1, u16::from(router), low)).into()),
    };
    hosts.to_vec()
}

/// What a machine has on a LAN from boot on: link-local over IPv6.
#[must_use]
pub fn own_address(family: Family, lan: LanId, machine: MachineId) -> IpAddr {
    let octet = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
    let (lan, host) = (octet(lan.0), octet(machine.0 + 1));
    match family {
        Family::Inet => Ipv4Addr::new(10, lan, 0, host).into(),
        Family::Inet6 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, lan.into(), host.into()).into(),
    }
}

fn machine(rng: &mut Rng, id: MachineId, lans: usize, config: VrrpConfig) -> Machine {
    let octet = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
    let card = |lan: usize| {
        let own = |family, length| IpNet::new(own_address(family, LanId(lan), id), length).ok();
        Card {
            lan: LanId(lan),
            name: interface(LanId(lan)),
            mac: MacAddress([2, 0, 0, octet(lan), 0, octet(id.0 + 1)]),
            addresses: [own(Family::Inet, 24), own(Family::Inet6, 64)].into_iter().flatten().collect(),
        }
    };
    let clock_ahead = rng.span(Duration::from_secs(1), Duration::from_secs(1 << 24));
    Machine { cards: (0..lans).map(card).collect(), config, clock_ahead }
}
