//! One virtual server: which of its servers are up, whether that makes a quorum, and so which rows it has in the table.
//!
//! It owns quorum, hysteresis, sorry server and `inhibit_on_failure`. It knows no time and no checks, only how many
//! checkers of each server are down.

use crate::table::Entry;
use standfast_model::config::lvs::{RealServer, SorryServer, VirtualServer};
use standfast_model::ipvs::{Destination, DestinationKey, Service, ServiceKey};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// The state of one virtual server.
#[derive(Debug)]
pub(crate) struct Pool {
    config: VirtualServer,
    /// For each real server how many of its checkers are down; it is up when none is.
    checkers_down: Vec<usize>,
    /// The summed weight of the servers that are up. 64 bits: 2^32 servers of the largest weight fit.
    live_weight: u64,
    quorum: bool,
}

/// A change of the quorum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum QuorumChange {
    Gained,
    Lost,
}

impl Pool {
    /// A pool in which so many checkers of each server are down, and whose quorum follows from that alone.
    pub(crate) fn new(config: VirtualServer, checkers_down: Vec<usize>) -> Self {
        let mut pool = Self { config, checkers_down: Vec::new(), live_weight: 0, quorum: false };
        pool.adopt(checkers_down, false);
        pool
    }

    /// Goes on from the state of a predecessor. Its quorum matters, because it decides between the two thresholds.
    pub(crate) fn adopt(&mut self, checkers_down: Vec<usize>, quorum: bool) {
        self.checkers_down = checkers_down;
        self.live_weight = self.servers().filter(|(_, up)| *up).map(|(server, _)| u64::from(server.weight)).sum();
        self.quorum = quorum;
        self.judge_quorum();
    }

    pub(crate) fn key(&self) -> ServiceKey {
        self.config.key
    }

    pub(crate) fn config(&self) -> &VirtualServer {
        &self.config
    }

    pub(crate) fn live_weight(&self) -> u64 {
        self.live_weight
    }

    pub(crate) fn has_quorum(&self) -> bool {
        self.quorum
    }

    /// Each server and whether it is up, in the order of the configuration.
    pub(crate) fn servers(&self) -> impl Iterator<Item = (&RealServer, bool)> {
        self.config.real_servers.iter().zip(&self.checkers_down).map(|(server, down)| (server, *down == 0))
    }

    pub(crate) fn server(&self, server: usize) -> Option<&RealServer> {
        self.config.real_servers.get(server)
    }

    pub(crate) fn is_up(&self, server: usize) -> bool {
        self.checkers_down.get(server) == Some(&0)
    }

    /// A checker of that server went down. True if the server did so with it.
    pub(crate) fn checker_down(&mut self, server: usize) -> bool {
        let Some(down) = self.checkers_down.get_mut(server) else { return false };
        *down = down.saturating_add(1);
        let went_down = *down == 1;
        if went_down {
            self.live_weight = self.live_weight.saturating_sub(self.weight(server));
        }
        went_down
    }

    /// A checker of that server came up. True if the server did so with it.
    pub(crate) fn checker_up(&mut self, server: usize) -> bool {
        let Some(down) = self.checkers_down.get_mut(server) else { return false };
        let was_down = *down > 0;
        *down = down.saturating_sub(1);
        let came_up = was_down && *down == 0;
        if came_up {
            self.live_weight = self.live_weight.saturating_add(self.weight(server));
        }
        came_up
    }

    fn weight(&self, server: usize) -> u64 {
        self.server(server).map_or(0, |server| u64::from(server.weight))
    }

    /// Compares the live weight with the thresholds: gained at quorum + hysteresis, lost below quorum - hysteresis.
    /// Without any live weight there is never a quorum, even where 0 is asked for.
    pub(crate) fn judge_quorum(&mut self) -> Option<QuorumChange> {
        let (quorum, hysteresis) = (u64::from(self.config.quorum), u64::from(self.config.hysteresis));
        let live = self.live_weight;
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

    /// Whether the sorry server stands in for all others now.
    pub(crate) fn sorry_in_use(&self) -> bool {
        self.config.sorry_server.is_some() && !self.quorum
    }

    /// Every service that this pool serves: one, or all of a `virtual_server_group`.
    pub(crate) fn keys(&self) -> impl Iterator<Item = ServiceKey> {
        let others = self.config.options.group.as_ref().map_or(&[][..], |group| &group.others);
        core::iter::once(self.config.key).chain(others.iter().copied())
    }

    /// What the table holds for each of its services: the same servers in all of them.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> {
        let destinations = self.destinations();
        self.keys().map(move |key| Entry { service: self.service(key), destinations: destinations.clone() })
    }

    fn destinations(&self) -> BTreeMap<DestinationKey, Destination> {
        let mut destinations: BTreeMap<_, _> = (0..self.config.real_servers.len())
            .filter_map(|server| self.destination(server))
            .map(|destination| (destination.key, destination))
            .collect();
        if let Some(sorry) = self.sorry_destination() {
            // Should it be one of the real servers too, it is the sorry server while that is in use.
            if self.sorry_in_use() {
                destinations.insert(sorry.key, sorry);
            } else {
                destinations.entry(sorry.key).or_insert(sorry);
            }
        }
        destinations
    }

    /// The row of one server after it went up or down while the quorum stayed as it was: its key, and what the table
    /// holds there. Spares the work of [`Self::entries`] for a pool of many servers.
    pub(crate) fn row(&self, server: usize) -> Option<(DestinationKey, Option<Destination>)> {
        let key = key_of(self.server(server)?.address);
        let sorry = self.sorry_destination().filter(|sorry| sorry.key == key);
        let destination =
            if self.sorry_in_use() && sorry.is_some() { sorry } else { self.destination(server).or(sorry) };
        Some((key, destination))
    }

    fn service(&self, key: ServiceKey) -> Service {
        Service {
            key,
            scheduler: self.config.scheduler.clone(),
            flags: self.config.flags,
            persistence: self.config.persistence,
            one_packet: self.config.one_packet,
            persistence_engine: self.config.options.persistence_engine.clone(),
        }
    }

    /// The row that a server has by itself. One that is up is in with its weight, unless the sorry server stands in;
    /// one that is not in stays with weight 0 if its failures only inhibit it.
    fn destination(&self, server: usize) -> Option<Destination> {
        let up = self.is_up(server);
        let server = self.server(server)?;
        let weight = match (up && !self.sorry_in_use(), server.inhibit_on_failure) {
            (true, _) => server.weight,
            (false, true) => 0,
            (false, false) => return None,
        };
        Some(Destination {
            key: key_of(server.address),
            forwarding: server.forwarding,
            weight,
            upper_threshold: server.upper_threshold,
            lower_threshold: server.lower_threshold,
        })
    }

    fn sorry_destination(&self) -> Option<Destination> {
        let SorryServer { address, forwarding, inhibit } = *self.config.sorry_server.as_ref()?;
        let weight = match (self.sorry_in_use(), inhibit) {
            (true, _) => 1,
            (false, true) => 0,
            (false, false) => return None,
        };
        Some(Destination { key: key_of(address), forwarding, weight, upper_threshold: 0, lower_threshold: 0 })
    }
}

/// What IPVS knows a server at that address by.
pub(crate) fn key_of(address: SocketAddr) -> DestinationKey {
    DestinationKey { address: address.ip(), port: address.port() }
}
