//! What an operator asks of a server, and servers that leave gently.
//!
//! It owns orders and drains. An order lasts until another one, over reloads too.

use super::{Director, ServerName};
use crate::listing::{Activity, Connections};
use crate::member::Duty;
use crate::notice::{Notice, WeightSource};
use crate::output::{Action, Output};
use core::time::Duration;
use standfast_model::Instant;
use standfast_model::ipvs::{Protocol, ServiceKey};
use std::collections::{BTreeMap, BTreeSet};

/// From one count of connections to the next, while a server drains: who waits for it waits so long too long at most.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// What an operator asks of a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Serve when the checks say so, with the configured weight.
    Ready,
    /// No new connections; out of the table when the last one has ended, or that time has passed.
    Drain {
        /// The limit; none waits for the last connection however long it takes.
        within: Option<Duration>,
    },
    /// Out of the table now.
    Disable,
    /// This weight instead of the configured one, 0..=2147483647.
    SetWeight(u32),
}

/// Servers that drain, each with its limit.
#[derive(Clone, Debug, Default)]
pub(super) struct Drains {
    limits: BTreeMap<ServerName, Option<Instant>>,
    count_due: Option<Instant>,
}

impl Drains {
    pub(super) fn next(&self) -> Option<Instant> {
        self.count_due
    }

    pub(super) fn begin(&mut self, now: Instant, server: ServerName, limit: Option<Instant>) {
        self.limits.insert(server, limit);
        self.count_due.get_or_insert(now);
    }

    pub(super) fn end(&mut self, server: &ServerName) {
        self.limits.remove(server);
        if self.limits.is_empty() {
            self.count_due = None;
        }
    }

    /// The same server goes by another name.
    pub(super) fn rename(&mut self, old: &ServerName, new: ServerName) {
        if let Some(limit) = self.limits.remove(old) {
            self.limits.insert(new, limit);
        }
    }

    pub(super) fn limit(&self, server: &ServerName) -> Option<Instant> {
        self.limits.get(server).copied().flatten()
    }
}

impl Director {
    pub(super) fn order(&mut self, now: Instant, server: ServerName, order: Order, out: &mut Output) {
        let Some((at, pool)) = self.pool_of(&server) else { return };
        // Whatever service of a group was named, the pool is known by its first.
        let server = ServerName { service: pool.key(), ..server };
        let Some(place) = pool.place(server.server) else { return };
        match order {
            Order::Ready => {
                self.weigh(now, (at, place), WeightSource::Operator, out, |member| member.weighed.ordered = None);
                self.set_duty(now, (at, place), server, Duty::Active, out);
            }
            Order::SetWeight(weight) => {
                self.weigh(now, (at, place), WeightSource::Operator, out, |member| {
                    member.weighed.ordered = Some(weight);
                });
            }
            Order::Disable => self.set_duty(now, (at, place), server, Duty::Off, out),
            Order::Drain { within } => {
                self.set_duty(now, (at, place), server, Duty::Draining, out);
                self.drains.begin(now, server, within.map(|within| now + within));
            }
        }
    }

    fn set_duty(
        &mut self,
        now: Instant,
        (at, place): (usize, usize),
        server: ServerName,
        duty: Duty,
        out: &mut Output,
    ) {
        self.drains.end(&server);
        let Some(pool) = self.pools.get_mut(at) else { return };
        let changed = pool.change(place, |member| core::mem::replace(&mut member.duty, duty) != duty);
        let Some((true, made)) = changed else { return };
        out.notice(Notice::Ordered { server, duty });
        match duty {
            Duty::Active => self.recover(now, server, place),
            Duty::Draining | Duty::Off => self.recovery.end(&server),
        }
        self.settle_change(now, at, server.server, made, out);
    }

    /// Asks for the connections of the services in which servers drain, when it is time to.
    pub(super) fn count_connections(&mut self, now: Instant, out: &mut Output) {
        if self.drains.count_due.is_none_or(|due| due > now) {
            return;
        }
        let soonest = self.drains.limits.values().flatten().filter(|limit| **limit > now).min();
        let next = now + COUNT_INTERVAL;
        self.drains.count_due = Some(soonest.map_or(next, |limit| next.min(*limit)));
        let pools: BTreeSet<usize> =
            self.drains.limits.keys().filter_map(|server| self.place_of(&server.service)).collect();
        let services = pools.into_iter().filter_map(|at| self.pools.get(at)).flat_map(|pool| pool.keys());
        out.push(Action::CountConnections(services.collect()));
    }

    /// Those that drained to the end, or whose time is over, leave the table.
    pub(super) fn connections_counted(&mut self, now: Instant, activity: &Activity, out: &mut Output) {
        let drains: Vec<_> = self.drains.limits.iter().map(|(server, limit)| (*server, *limit)).collect();
        for (server, limit) in drains {
            let Some((at, pool)) = self.pool_of(&server) else {
                self.drains.end(&server);
                continue;
            };
            let open = |key: ServiceKey| activity.get(&(key, server.server)).map_or(0, |count| open(key, *count));
            let cut = pool.keys().map(open).fold(0, u64::saturating_add);
            if cut > 0 && limit.is_none_or(|limit| now < limit) {
                continue;
            }
            self.drains.end(&server);
            out.notice(Notice::Drained { server, cut });
            let Some(pool) = self.pools.get_mut(at) else { continue };
            let made = match pool.place(server.server) {
                Some(place) => pool.change(place, |member| member.duty = Duty::Off).map(|((), made)| made),
                None => pool.gone(server.server).then(Default::default),
            };
            self.settle_change(now, at, server.server, made.unwrap_or_default(), out);
        }
    }
}

/// Connections that would be cut. TCP and SCTP connections that are closing count as ended; UDP knows no other than
/// inactive ones.
fn open(service: ServiceKey, count: Connections) -> u64 {
    let inactive = match service {
        ServiceKey::Address { protocol: Protocol::Tcp | Protocol::Sctp, .. } => 0,
        ServiceKey::Address { protocol: Protocol::Udp, .. } | ServiceKey::FirewallMark { .. } => count.inactive,
    };
    u64::from(count.active) + u64::from(inactive)
}
