//! One virtual server: which of its servers serve, whether that makes a quorum, and so which rows it has in the table.
//!
//! It owns quorum, hysteresis, sorry server, `inhibit_on_failure` and `panic_threshold`. It knows no time and no
//! checks, only how many checkers of each server are down.

use crate::destinations::Destinations;
use crate::member::{Duty, Member};
use crate::table::Entry;
use standfast_model::config::lvs::{RealServer, SorryServer, VirtualServer};
use standfast_model::ipvs::{Destination, DestinationKey, Family, Persistence, Service, ServiceKey};
use standfast_model::{Seldom, Silent};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// So many servers are looked at one by one: that is no slower than a search, and there may be thousands of such pools.
const FEW: usize = 8;

/// The state of one virtual server.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    config: VirtualServer,
    /// One for each real server of the configuration.
    members: Vec<Member>,
    beside: Seldom<Beside>,
    tally: Tally,
    quorum: bool,
    panic: bool,
    /// Its address is not on this host, so its checks rest (`ha_suspend`).
    pub(crate) suspended: bool,
}

/// What a pool of few servers that stay has not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Beside {
    /// The places of the servers in the order of their keys, by which a server is found; none where they are so few that it
    /// is found by looking at each.
    by_key: Vec<u32>,
    /// Servers that the configuration has no more, and that keep their connections for a while.
    leaving: BTreeMap<DestinationKey, Destination>,
}

impl Silent for Beside {
    const SILENCE: &'static Self = &Self { by_key: Vec::new(), leaving: BTreeMap::new() };
}

/// What the servers come to, together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tally {
    /// The summed weight of those that serve. 64 bits: 2^32 servers of the largest weight fit.
    live_weight: u64,
    /// Those that are up, of those that the operator wants.
    up: u32,
    /// Those that the operator wants.
    wanted: u32,
}

/// A change of the quorum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum QuorumChange {
    Gained,
    Lost,
}

/// A change of whether the checks are believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PanicChange {
    Began,
    Ended,
}

/// What a changed server made of its pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct PoolChange {
    pub(crate) quorum: Option<QuorumChange>,
    pub(crate) panic: Option<PanicChange>,
}

impl Pool {
    /// A pool of those members, whose quorum follows from them alone.
    pub(crate) fn new(config: VirtualServer, members: Vec<Member>) -> Self {
        let mut pool = Self {
            beside: Beside { by_key: by_key(&config.real_servers), leaving: BTreeMap::new() }.into(),
            config,
            members,
            tally: Tally::default(),
            quorum: false,
            panic: false,
            suspended: false,
        };
        pool.adopt(false);
        pool
    }

    /// Goes on from the state of a predecessor. Its quorum matters, because it decides between the two thresholds.
    pub(crate) fn adopt(&mut self, quorum: bool) -> Option<QuorumChange> {
        self.count();
        self.quorum = quorum;
        self.judge_quorum()
    }

    /// The same pool with a changed configuration; answers whether that changed its quorum or its belief in the checks.
    pub(crate) fn reconfigure(&mut self, config: VirtualServer, members: Vec<Member>) -> PoolChange {
        let mut leaving = self.beside.leaving.clone();
        self.beside = Beside { by_key: by_key(&config.real_servers), leaving: BTreeMap::new() }.into();
        self.config = config;
        self.members = members;
        leaving.retain(|key, _| self.place(*key).is_none());
        if !leaving.is_empty() {
            self.beside.leaving = leaving;
        }
        self.count();
        let panic = self.judge_panic(None);
        PoolChange { quorum: self.judge_quorum(), panic }
    }

    /// Takes the servers out, in the order of the configuration: others come in their place.
    pub(crate) fn take_servers(&mut self) -> impl Iterator<Item = (RealServer, Member)> + use<> {
        core::mem::take(&mut self.config.real_servers).into_iter().zip(core::mem::take(&mut self.members))
    }

    pub(crate) fn key(&self) -> ServiceKey {
        self.config.key
    }

    pub(crate) fn config(&self) -> &VirtualServer {
        &self.config
    }

    pub(crate) fn live_weight(&self) -> u64 {
        self.tally.live_weight
    }

    /// How many servers are up, and of how many.
    pub(crate) fn up_of(&self) -> (usize, usize) {
        let count = |servers: u32| usize::try_from(servers).unwrap_or(usize::MAX);
        (count(self.tally.up), count(self.tally.wanted))
    }

    pub(crate) fn has_quorum(&self) -> bool {
        self.quorum
    }

    /// The checks are not believed.
    pub(crate) fn is_in_panic(&self) -> bool {
        self.panic
    }

    /// Goes on in the belief of a predecessor.
    pub(crate) fn set_panic(&mut self, panic: bool) {
        self.panic = panic;
    }

    /// Each server with its configuration, in the order of the configuration.
    pub(crate) fn servers(&self) -> impl Iterator<Item = (&RealServer, &Member)> {
        self.config.real_servers.iter().zip(&self.members)
    }

    pub(crate) fn server(&self, place: usize) -> Option<(&RealServer, &Member)> {
        self.config.real_servers.get(place).zip(self.members.get(place))
    }

    pub(crate) fn members_mut(&mut self) -> impl Iterator<Item = (&RealServer, &mut Member)> {
        self.config.real_servers.iter().zip(&mut self.members)
    }

    /// The place of a server in the configuration.
    pub(crate) fn place(&self, key: DestinationKey) -> Option<usize> {
        let at = |place: &u32| usize::try_from(*place).ok();
        let of = |place: &u32| self.config.real_servers.get(at(place)?).map(|server| key_of(server.address));
        if self.beside.by_key.is_empty() {
            return self.config.real_servers.iter().position(|server| key_of(server.address) == key);
        }
        let found = self.beside.by_key.binary_search_by(|place| of(place).cmp(&Some(key))).ok()?;
        at(self.beside.by_key.get(found)?)
    }

    /// Changes one server, and answers what its change answered and what that made of the pool.
    pub(crate) fn change<R>(&mut self, place: usize, change: impl FnOnce(&mut Member) -> R) -> Option<(R, PoolChange)> {
        let (config, member) = self.config.real_servers.get(place).zip(self.members.get_mut(place))?;
        let before = part(config, member);
        let was_up = member.is_up();
        let answer = change(member);
        let went_down = (was_up && !member.is_up()).then_some(place);
        // While the checks are not believed, that holds for this one too.
        member.held |= self.panic && went_down.is_some();
        let after = part(config, member);
        self.tally = self.tally.less(before).more(after);
        let panic = self.judge_panic(went_down);
        Some((answer, PoolChange { quorum: self.judge_quorum(), panic }))
    }

    fn count(&mut self) {
        let parts = self.config.real_servers.iter().zip(&self.members).map(|(config, member)| part(config, member));
        self.tally = parts.fold(Tally::default(), Tally::more);
    }

    /// Compares the live weight with the thresholds: gained at quorum + hysteresis, lost below quorum - hysteresis.
    /// Without any live weight there is never a quorum, even where 0 is asked for.
    fn judge_quorum(&mut self) -> Option<QuorumChange> {
        let (quorum, hysteresis) = (u64::from(self.config.quorum), u64::from(self.config.hysteresis));
        let live = self.tally.live_weight;
        if self.quorum && (live == 0 || live < quorum.saturating_sub(hysteresis)) {
            self.quorum = false;
            Some(QuorumChange::Lost)
        } else if !self.quorum && live > 0 && live >= quorum.saturating_add(hysteresis) {
            self.quorum = true;
            Some(QuorumChange::Gained)
        } else {
            None
        }
    }

    /// With fewer servers up than `panic_threshold` asks for, those that served last go on serving: that so many
    /// should have died is less likely than that the checks err. `went_down` served until this change.
    fn judge_panic(&mut self, went_down: Option<usize>) -> Option<PanicChange> {
        let percent = self.config.options.panic_threshold.map_or(0, u64::from);
        let below = u64::from(self.tally.up) * 100 < u64::from(self.tally.wanted) * percent;
        if below == self.panic {
            return None;
        }
        self.panic = below;
        for (place, member) in self.members.iter_mut().enumerate() {
            member.held = below && (member.is_up() || went_down == Some(place));
        }
        self.count();
        Some(if below { PanicChange::Began } else { PanicChange::Ended })
    }

    /// Whether the sorry server stands in for all others now.
    pub(crate) fn sorry_in_use(&self) -> bool {
        self.config.sorry_server.is_some() && !self.quorum
    }

    /// Every service that this pool serves: one, or all of a `virtual_server_group`.
    pub(crate) fn keys(&self) -> impl Iterator<Item = ServiceKey> {
        keys_of(&self.config)
    }

    /// What the table holds for each of its services: the same servers in all of them.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> {
        let mut destinations = self.destinations();
        let mut keys = self.keys().peekable();
        core::iter::from_fn(move || {
            let service = self.service(keys.next()?);
            // The last takes them as they are: most pools have one service, and some have twenty thousand servers.
            let last = keys.peek().is_none();
            let destinations = if last { core::mem::take(&mut destinations) } else { destinations.clone() };
            Some(Entry { service, destinations })
        })
    }

    fn destinations(&self) -> Destinations {
        let leaving = self.beside.leaving.values().copied();
        // In the order of their keys, where that is known.
        let place = |nth: usize| self.beside.by_key.get(nth).map_or(Some(nth), |place| usize::try_from(*place).ok());
        let servers = (0..self.members.len()).filter_map(|nth| self.destination(place(nth)?));
        let mut destinations: Destinations =
            if self.beside.leaving.is_empty() { servers.collect() } else { leaving.chain(servers).collect() };
        // Should it be one of the real servers too, it is the sorry server while that is in use.
        let stands_in = self.sorry_in_use();
        let fits = |sorry: &Destination| stands_in || destinations.get(&sorry.key).is_none();
        if let Some(sorry) = self.sorry_destination().filter(fits) {
            destinations.insert(sorry);
        }
        destinations
    }

    /// What the table holds of one server. Spares the work of [`Self::entries`] for a pool of many, after a change
    /// that concerned no other.
    pub(crate) fn row(&self, key: DestinationKey) -> Option<Destination> {
        let sorry = self.sorry_destination().filter(|sorry| sorry.key == key);
        if self.sorry_in_use() && sorry.is_some() {
            return sorry;
        }
        let own = self.place(key).and_then(|place| self.destination(place));
        own.or_else(|| self.beside.leaving.get(&key).copied()).or(sorry)
    }

    fn service(&self, key: ServiceKey) -> Service {
        // A length is one of the family of the first service; in the other family each client is for itself.
        let persistence = self.config.persistence.map(|persistence| match (key.family(), self.config.key.family()) {
            (family, first) if family == first => persistence,
            (Family::Inet, _) => Persistence { granularity: 32, ..persistence },
            (Family::Inet6, _) => Persistence { granularity: 128, ..persistence },
        });
        Service {
            key,
            scheduler: self.config.scheduler.clone(),
            flags: self.config.flags,
            persistence,
            one_packet: self.config.one_packet,
            persistence_engine: self.config.options.persistence_engine.clone(),
        }
    }

    /// The row that a server has by itself. One that serves is in with its weight, unless the sorry server stands in;
    /// one that does not stays with weight 0 if its failures only inhibit it, or while it drains.
    fn destination(&self, place: usize) -> Option<Destination> {
        let (server, member) = self.server(place)?;
        let weight = match member.duty {
            Duty::Off => return None,
            Duty::Draining => 0,
            Duty::Active if member.serves() && !self.sorry_in_use() => member.weight_shown(server),
            Duty::Active if server.inhibit_on_failure => 0,
            Duty::Active => return None,
        };
        Some(row_of(server, weight))
    }

    /// A server that is not configured any more keeps its row, with weight 0, until [`Self::gone`].
    pub(crate) fn leave(&mut self, row: Destination) {
        self.beside.leaving.insert(row.key, Destination { weight: 0, ..row });
    }

    /// Servers that are configured no more and have not gone.
    pub(crate) fn leaving(&self) -> impl Iterator<Item = &Destination> {
        self.beside.leaving.values()
    }

    /// A server that was leaving is gone. True if there was one.
    pub(crate) fn gone(&mut self, key: DestinationKey) -> bool {
        self.is_leaving(key) && self.beside.leaving.remove(&key).is_some()
    }

    pub(crate) fn is_leaving(&self, key: DestinationKey) -> bool {
        self.beside.leaving.contains_key(&key)
    }

    fn sorry_destination(&self) -> Option<Destination> {
        let SorryServer { address, forwarding, inhibit } = **self.config.sorry_server.as_ref()?;
        let weight = match (self.sorry_in_use(), inhibit) {
            (true, _) => 1,
            (false, true) => 0,
            (false, false) => return None,
        };
        Some(Destination { key: key_of(address), forwarding, weight, upper_threshold: 0, lower_threshold: 0 })
    }
}

impl Tally {
    fn more(self, other: Self) -> Self {
        Self {
            live_weight: self.live_weight.saturating_add(other.live_weight),
            up: self.up.saturating_add(other.up),
            wanted: self.wanted.saturating_add(other.wanted),
        }
    }

    fn less(self, other: Self) -> Self {
        Self {
            live_weight: self.live_weight.saturating_sub(other.live_weight),
            up: self.up.saturating_sub(other.up),
            wanted: self.wanted.saturating_sub(other.wanted),
        }
    }
}

/// What one server adds to the tally.
fn part(config: &RealServer, member: &Member) -> Tally {
    let wanted = member.duty == Duty::Active;
    Tally {
        live_weight: member.live_weight(config),
        up: u32::from(wanted && member.is_up()),
        wanted: u32::from(wanted),
    }
}

/// Every service of a virtual server: one, or all of its group.
pub(crate) fn keys_of(config: &VirtualServer) -> impl Iterator<Item = ServiceKey> {
    let others = config.options.group.as_ref().map_or(&[][..], |group| &group.others);
    core::iter::once(config.key).chain(others.iter().copied())
}

/// The places of servers in the order of their keys, if they are many.
fn by_key(servers: &[RealServer]) -> Vec<u32> {
    if servers.len() <= FEW {
        return Vec::new();
    }
    let mut places: Vec<u32> = (0..).take(servers.len()).collect();
    let key = |place: &u32| servers.get(usize::try_from(*place).ok()?).map(|server| key_of(server.address));
    places.sort_by_key(key);
    places
}

/// The row of a server with that weight.
pub(crate) fn row_of(server: &RealServer, weight: u32) -> Destination {
    Destination {
        key: key_of(server.address),
        forwarding: server.forwarding,
        weight,
        upper_threshold: server.upper_threshold,
        lower_threshold: server.lower_threshold,
    }
}

/// What IPVS knows a server at that address by.
pub(crate) fn key_of(address: SocketAddr) -> DestinationKey {
    DestinationKey { address: address.ip(), port: address.port() }
}
