//! What a director leaves to its successor, should its process die: what its checks and its operator had said.
//!
//! The kernel's table tells who was in it, but not why, not how often an attempt had failed, and nothing of services
//! whose configuration is gone. It owns these values and their way out and in.

use super::{Director, Phase, ServerName};
use crate::checker;
use crate::marking::Marks;
use crate::member::Duty;
use crate::verdict::CheckWeight;
use serde::{Deserialize, Serialize};
use standfast_model::Instant;
use standfast_model::config::LvsConfig;
use standfast_model::ipvs::{Destination, DestinationKey, ServiceKey};
use std::collections::BTreeMap;

/// All that is left to a successor.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    /// Every virtual server.
    pub services: Vec<ServiceMemory>,
    /// Every service that may be in the kernel's table because of us.
    pub applied: Vec<ServiceKey>,
    /// The instance of the connection sync daemon is master.
    pub sync_master: bool,
    /// The marks of groups.
    pub marks: Marks,
    /// The packet filter's table that marks packets for us.
    pub marking_table: Option<String>,
}

/// One virtual server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServiceMemory {
    /// The first of its services.
    pub key: ServiceKey,
    /// It has a quorum.
    pub quorum: bool,
    /// Its checks are not believed.
    pub panic: bool,
    /// Its servers.
    pub servers: Vec<ServerMemory>,
    /// Servers that are configured no more and may keep their connections until then.
    pub leaving: Vec<(Destination, Option<Instant>)>,
}

/// One real server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServerMemory {
    /// Which.
    pub key: DestinationKey,
    /// What the operator wants of it.
    pub duty: Duty,
    /// The weight that the operator gave it.
    pub ordered_weight: Option<u32>,
    /// It serves because its checks are not believed.
    pub held: bool,
    /// How long it may drain.
    pub drain_until: Option<Instant>,
    /// Its checkers, in the order of the configuration.
    pub checkers: Vec<CheckerMemory>,
}

/// One checker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CheckerMemory {
    /// What it had come to.
    pub state: checker::Memory,
    /// What it said of the weight of its server.
    pub weight: Option<CheckWeight>,
}

impl Director {
    /// What a successor needs to go on as if nothing had happened.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let services = self.pools.iter().map(|pool| ServiceMemory {
            key: pool.key(),
            quorum: pool.has_quorum(),
            panic: pool.is_in_panic(),
            leaving: pool
                .leaving()
                .map(|row| (*row, self.drains.limit(&ServerName { service: pool.key(), server: row.key })))
                .collect(),
            servers: pool
                .servers()
                .map(|(server, member)| {
                    let key = super::key_of(server.address);
                    let checker = |id| {
                        let state = self.seats.get(id)?.state.memory();
                        Some(CheckerMemory { state, weight: member.weighed.said.get(&id).copied() })
                    };
                    ServerMemory {
                        key,
                        duty: member.duty,
                        ordered_weight: member.weighed.ordered,
                        held: member.held,
                        drain_until: self.drains.limit(&ServerName { service: pool.key(), server: key }),
                        checkers: member.checkers.iter().filter_map(|id| checker(*id)).collect(),
                    }
                })
                .collect(),
        });
        let applied = self.reconciler.ours().copied().collect();
        Memory {
            services: services.collect(),
            applied,
            sync_master: self.sync_master,
            marks: self.marks.clone(),
            marking_table: self.marking.as_ref().map(|marking| marking.table.clone()),
        }
    }

    /// Goes on from what a predecessor left. To be called before [`super::Event::Start`], else it does nothing. What
    /// is not configured any more leaves the table; what has other checkers now starts anew.
    pub fn remember(&mut self, memory: Memory) {
        if self.phase != Phase::New {
            return;
        }
        if memory.marks != self.marks {
            // What is known goes by the marks that were in use.
            let virtual_servers = self.pools.iter().map(|pool| pool.config().clone()).collect();
            let config = LvsConfig { virtual_servers, common: self.common.clone() };
            let here = self.here.take();
            *self = Self { here, ..Self::with(config, memory.marks, self.random.clone()) };
        }
        self.marking_left = memory.marking_table;
        self.succeeds = true;
        self.sync_master = memory.sync_master;
        for service in memory.services {
            let Some(at) = self.place_of(&service.key) else { continue };
            self.remember_service(at, service);
        }
        self.reconciler.adopt(memory.applied);
    }

    fn remember_service(&mut self, at: usize, memory: ServiceMemory) {
        let Some(pool) = self.pools.get_mut(at).filter(|pool| pool.key() == memory.key) else { return };
        let mut servers: BTreeMap<DestinationKey, ServerMemory> =
            memory.servers.into_iter().map(|server| (server.key, server)).collect();
        for (config, member) in pool.members_mut() {
            let Some(server) = servers.remove(&super::key_of(config.address)) else { continue };
            (member.duty, member.held) = (server.duty, server.held);
            if member.weighed.ordered != server.ordered_weight {
                member.weighed.ordered = server.ordered_weight;
            }
            if member.duty == Duty::Draining {
                let name = ServerName { service: memory.key, server: server.key };
                self.drains.begin(Instant::ZERO, name, server.drain_until);
            }
            if server.checkers.len() != member.checkers.len() {
                continue;
            }
            member.checkers_down = 0;
            for (id, checker) in member.checkers.iter().zip(server.checkers) {
                let Some(seat) = self.seats.get_mut(*id) else { continue };
                seat.state.remember(checker.state);
                member.checkers_down += u32::from(!seat.state.is_up());
                if let Some(weight) = checker.weight {
                    member.weighed.said.insert(*id, weight);
                }
            }
        }
        for (row, until) in memory.leaving {
            if pool.place(row.key).is_none() {
                pool.leave(row);
                self.drains.begin(Instant::ZERO, ServerName { service: memory.key, server: row.key }, until);
            }
        }
        pool.set_panic(memory.panic);
        pool.adopt(memory.quorum);
        self.told.insert(memory.key);
        pool.entries().for_each(|entry| self.reconciler.set_service(Instant::ZERO, entry));
    }
}
