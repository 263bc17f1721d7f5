//! The director: every virtual server of the node, its checks and its part of the kernel's table.
//!
//! [`Director`] is told the time and what happened, and answers what to do. It performs no check, sends no message and
//! reads no clock; the same configuration, seed and events give the same answers.

mod adoption;
mod comparison;
mod formers;
mod memory;
mod operator;
mod recovery;
mod rehearsal;
mod reload;
mod suspend;
mod tell;
mod verdicts;

pub use memory::{CheckerMemory, Memory, ServerMemory, ServiceMemory};
pub use operator::Order;

use crate::effort;
use crate::listing::Activity;
use crate::marking::{self, Marking, Marks};
use crate::member::Member;
use crate::notice::{Notice, ServerName};
use crate::output::{Action, Output, SyncRole};
use crate::pool::{Pool, key_of};
use crate::random::Random;
use crate::reconcile::Reconciler;
use crate::seats::Seats;
use crate::status::{Probes, ServerStatus, ServiceStatus};
use crate::table::{Operation, Table};
use crate::verdict::{Inability, Verdict};
use comparison::Comparison;
use operator::Drains;
use recovery::Recovery;
use standfast_model::Instant;
use standfast_model::config::LvsConfig;
use standfast_model::config::lvs::{FlushOnStop, LvsCommon, Probe, Timeouts, VirtualServer};
use standfast_model::ipvs::ServiceKey;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// One checker of one real server. At the start they are numbered in the order of the configuration from 0; one that a
/// reload brings gets the next number, and no number is used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CheckerId(pub usize);

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Begin.
    Start,
    /// The configuration is this one now.
    Reload(Box<LvsConfig>),
    /// The check that `StartCheck` asked for came to an end.
    CheckFinished {
        /// Which.
        checker: CheckerId,
        /// With what.
        verdict: Verdict,
    },
    /// What a check watches changed, without an attempt that was asked for (`FILE_CHECK`, `BFD_CHECK`). It counts at
    /// once: there is nothing to retry.
    CheckReported {
        /// Which.
        checker: CheckerId,
        /// With what.
        verdict: Verdict,
    },
    /// A deadline may have passed.
    Wake,
    /// The kernel's table, as `Dump` asked for.
    Observed(Table),
    /// The table that `Dump` asked for cannot be had.
    DumpFailed {
        /// The kernel's words.
        error: String,
    },
    /// The kernel refused an operation of an `Apply`.
    OperationFailed {
        /// Which.
        operation: Operation,
        /// The kernel's words.
        error: String,
    },
    /// The connections that `CountConnections` asked for. A destination that is not in it has none.
    Connections(Activity),
    /// The addresses of this host, all of them (`ha_suspend`). Until the first of these every address counts as there.
    LocalAddresses(BTreeSet<IpAddr>),
    /// The VRRP instance of the connection sync daemon became master, or is no more.
    SyncInstance {
        /// It is master.
        master: bool,
    },
    /// An operator wants something of a server.
    Order {
        /// Which server.
        server: ServerName,
        /// What.
        order: Order,
    },
    /// Check no more, and take our services out of the table unless they shall stay (`--dont-release-ipvs`).
    Shutdown {
        /// Leave the table as it is.
        keep_table: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    New,
    /// Started, and nothing is known of the kernel's table yet.
    Starting,
    Running,
    Stopped,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Director {
    pools: Vec<Pool>,
    /// What was found of a configuration that is on its way.
    comparison: Option<Comparison>,
    marks: Marks,
    /// What the packet filter was last told.
    marking: Option<Marking>,
    /// The packet filter's table that a predecessor may have left.
    marking_left: Option<String>,
    /// The place of the pool of each service, in the order of the services. A tree has half as much room again.
    places: Box<[(ServiceKey, usize)]>,
    seats: Seats,
    common: LvsCommon,
    /// How many checkers each inability keeps from being performed.
    unable: BTreeMap<Inability, usize>,
    recovery: Recovery,
    drains: Drains,
    /// The addresses of this host, once they are known.
    here: Option<BTreeSet<IpAddr>>,
    /// The instance of the sync daemon is master.
    sync_master: bool,
    /// What a predecessor told of, so that it is not told again.
    told: BTreeSet<ServiceKey>,
    /// A predecessor of this one ran: the table is not to be emptied at the start.
    succeeds: bool,
    reconciler: Reconciler,
    random: Random,
    phase: Phase,
}

impl Director {
    /// A director for that configuration. The seed decides when within their `warmup` the first checks run: take it
    /// from the system's randomness in the daemon and from the scenario in a simulation.
    #[must_use]
    pub fn new(config: LvsConfig, seed: u64) -> Self {
        Self::with(config, Marks::default(), Random::new(seed))
    }

    fn with(mut config: LvsConfig, mut marks: Marks, random: Random) -> Self {
        let written = marking::written(config.virtual_servers.iter());
        marks.settle(&config.common, &written, config.virtual_servers.iter_mut());
        let LvsConfig { virtual_servers, common } = config;
        let mut director = Self {
            pools: Vec::with_capacity(virtual_servers.len()),
            comparison: None,
            marks,
            marking: None,
            marking_left: None,
            places: Box::default(),
            seats: Seats::default(),
            common,
            unable: BTreeMap::new(),
            recovery: Recovery::default(),
            drains: Drains::default(),
            here: None,
            sync_master: false,
            told: BTreeSet::new(),
            succeeds: false,
            reconciler: Reconciler::new(Table::default()),
            random,
            phase: Phase::New,
        };
        for mut virtual_server in virtual_servers {
            if let Some(before) = director.pools.last() {
                virtual_server.options.share(&before.config().options);
            }
            let pool = director.fresh_pool(virtual_server);
            director.pools.push(pool);
        }
        director.find_places();
        director.reconciler = Reconciler::new(director.pools.iter().flat_map(Pool::entries).collect());
        director
    }

    /// A pool that was not there, all its servers as their checks stand at first. Their seats get their places later.
    fn fresh_pool(&mut self, config: VirtualServer) -> Pool {
        effort::looked_at(config.real_servers.len());
        let members = config.real_servers.iter().map(|server| {
            let checkers = server.checkers.iter().map(|checker| self.seats.add(checker.clone(), (0, 0))).collect();
            let checkers_down = server.checkers.iter().map(|checker| u32::from(checker.timing.alpha)).sum();
            Member { checkers, checkers_down, ..Member::default() }
        });
        let members = members.collect();
        Pool::new(config, members)
    }

    /// Tells every seat where it is, and every service where its pool is.
    fn find_places(&mut self) {
        let of_pool = |(at, pool): (usize, &Pool)| pool.keys().map(move |key| (key, at)).collect::<Vec<_>>();
        let mut places: Vec<(ServiceKey, usize)> = self.pools.iter().enumerate().flat_map(of_pool).collect();
        // Should two pools have the same service, it is that of the first.
        places.sort_by_key(|(key, _)| *key);
        places.dedup_by_key(|(key, _)| *key);
        self.places = places.into();
        (0..self.pools.len()).for_each(|at| self.find_seats(at));
    }

    /// The place of the pool of a service.
    fn place_of(&self, service: &ServiceKey) -> Option<usize> {
        let found = self.places.binary_search_by_key(service, |(key, _)| *key).ok()?;
        self.places.get(found).map(|(_, at)| *at)
    }

    /// Tells every seat of one pool where it is.
    fn find_seats(&mut self, at: usize) {
        let Some(pool) = self.pools.get(at) else { return };
        for (place, (_, member)) in pool.servers().enumerate() {
            effort::looked_at(1);
            for checker in &member.checkers {
                if let Some(seat) = self.seats.get_mut(*checker) {
                    seat.place = (at, place);
                }
            }
        }
    }

    /// Takes in one event. Call it with [`Event::Wake`] as soon as [`Self::next_deadline`] has come; events that
    /// arrive meanwhile need no wake of their own before them.
    pub fn handle(&mut self, now: Instant, event: Event, out: &mut Output) {
        match self.phase {
            Phase::New => self.before_start(now, event, out),
            Phase::Starting | Phase::Running => self.started(now, event, out),
            Phase::Stopped => self.stopped(now, event, out),
        }
    }

    fn before_start(&mut self, now: Instant, event: Event, out: &mut Output) {
        match event {
            Event::Start => self.start(now, out),
            Event::Reload(config) => self.reload(now, *config, out),
            Event::LocalAddresses(here) => self.here = Some(here),
            Event::SyncInstance { master } => self.sync_master = master,
            // Nothing was put into the table, and nothing of ours is in it to our knowledge.
            Event::Shutdown { .. } => self.phase = Phase::Stopped,
            // Answers to nothing that was asked.
            Event::CheckFinished { .. }
            | Event::CheckReported { .. }
            | Event::Wake
            | Event::Observed(_)
            | Event::DumpFailed { .. }
            | Event::OperationFailed { .. }
            | Event::Connections(_)
            | Event::Order { .. } => {}
        }
    }

    fn started(&mut self, now: Instant, event: Event, out: &mut Output) {
        match event {
            Event::CheckFinished { checker, verdict } => self.check_finished(now, checker, &verdict, out),
            Event::CheckReported { checker, verdict } => self.check_reported(now, checker, &verdict, out),
            Event::Wake => self.wake(now, out),
            Event::Observed(table) => {
                self.settle(now, Some(&table), out);
                self.reconciler.observed(now, table, out);
            }
            Event::DumpFailed { error } => {
                self.settle(now, None, out);
                self.reconciler.reading_failed(now, error, out);
            }
            Event::OperationFailed { operation, error } => self.reconciler.refused(now, operation, error, out),
            Event::Connections(activity) => self.connections_counted(now, &activity, out),
            Event::LocalAddresses(here) => {
                self.here = Some(here);
                self.suspend_or_resume(now, out);
            }
            Event::SyncInstance { master } => {
                if core::mem::replace(&mut self.sync_master, master) != master {
                    self.set_sync_daemon(out);
                }
            }
            Event::Order { server, order } => self.order(now, server, order, out),
            Event::Reload(config) => self.reload(now, *config, out),
            Event::Shutdown { keep_table } => self.shutdown(keep_table, out),
            // A second start.
            Event::Start => {}
        }
    }

    fn stopped(&mut self, now: Instant, event: Event, out: &mut Output) {
        match event {
            Event::OperationFailed { operation, error } => self.reconciler.refused(now, operation, error, out),
            // The rest of what was under way.
            Event::Start
            | Event::Reload(_)
            | Event::CheckFinished { .. }
            | Event::CheckReported { .. }
            | Event::Wake
            | Event::Observed(_)
            | Event::DumpFailed { .. }
            | Event::Connections(_)
            | Event::LocalAddresses(_)
            | Event::SyncInstance { .. }
            | Event::Order { .. }
            | Event::Shutdown { .. } => {}
        }
    }

    /// When [`Event::Wake`] is due next; a time that has passed is due now. None if only other events can bring
    /// anything about.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::New | Phase::Stopped => return None,
            Phase::Starting | Phase::Running => {}
        }
        let own = [self.seats.first_due(), self.recovery.next(), self.drains.next(), self.reconciler.next_deadline()];
        own.into_iter().flatten().min()
    }

    /// What the kernel's table should hold of our services.
    #[must_use]
    pub fn desired(&self) -> &Table {
        self.reconciler.desired()
    }

    /// What a checker does; none for a number that no checker has.
    #[must_use]
    pub fn probe(&self, checker: CheckerId) -> Option<&Probe> {
        self.seats.get(checker).map(|seat| &seat.state.config().probe)
    }

    /// What every checker does, by its number. Those that watch something (`FILE_CHECK`, `BFD_CHECK`) are found here.
    pub fn probes(&self) -> impl Iterator<Item = (CheckerId, &Probe)> {
        self.seats.iter().map(|(checker, seat)| (checker, &seat.state.config().probe))
    }

    /// How many checks there are, and how many of them are performed (`share_checks`).
    #[must_use]
    pub fn probes_saved(&self) -> Probes {
        Probes { checks: self.seats.len(), saved: self.seats.led() }
    }

    /// Whether there is such a server, in one of our pools or on its way out of it.
    #[must_use]
    pub fn has_server(&self, server: &ServerName) -> bool {
        self.pool_of(server)
            .is_some_and(|(_, pool)| pool.place(server.server).is_some() || pool.is_leaving(server.server))
    }

    fn pool_of(&self, server: &ServerName) -> Option<(usize, &Pool)> {
        let at = self.place_of(&server.service)?;
        Some((at, self.pools.get(at)?))
    }

    /// How many servers of a virtual server are up, of those that the operator wants; none for a service that is not ours.
    #[must_use]
    pub fn servers_up(&self, service: &ServiceKey) -> Option<usize> {
        let pool = self.place_of(service).and_then(|at| self.pools.get(at))?;
        Some(pool.up_of().0)
    }

    /// The state of every virtual server, in the order of the configuration.
    pub fn status(&self) -> impl Iterator<Item = ServiceStatus> {
        self.pools.iter().map(|pool| ServiceStatus {
            key: pool.key(),
            weights: tell::weights(pool),
            quorum: pool.has_quorum(),
            sorry_server_in_use: pool.sorry_in_use(),
            panic: pool.is_in_panic(),
            suspended: pool.suspended,
            servers: pool
                .servers()
                .map(|(server, member)| {
                    let seats = || member.checkers.iter().filter_map(|checker| self.seats.get(*checker));
                    ServerStatus {
                        key: key_of(server.address),
                        weight: member.weight(server),
                        up: member.is_up(),
                        duty: member.duty,
                        held: member.held,
                        last_failure: seats().find_map(|seat| seat.state.last_failure()),
                        inability: seats().find_map(|seat| seat.state.inability().cloned()),
                        checkers: self.performers(&member.checkers),
                    }
                })
                .collect(),
        })
    }

    /// Who performs the checks of these checkers.
    fn performers(&self, checkers: &[CheckerId]) -> Vec<CheckerId> {
        let performer = |checker: &CheckerId| self.seats.get(*checker).and_then(|seat| seat.leader);
        checkers.iter().map(|checker| performer(checker).unwrap_or(*checker)).collect()
    }

    fn start(&mut self, now: Instant, out: &mut Output) {
        self.phase = Phase::Starting;
        if self.common.flush && !self.succeeds {
            out.push(Action::Flush);
        }
        if self.common.timeouts != Timeouts::default() {
            out.push(Action::SetTimeouts(self.common.timeouts));
        }
        if self.common.sync_daemon.is_some() {
            self.set_sync_daemon(out);
        }
        self.mark_packets(out);
        self.reconciler.start(out);
        self.suspend_or_resume(now, out);
        let idle = self.share_checks();
        self.tell_of_sharing(0, out);
        for checker in idle {
            let Some(seat) = self.seats.get_mut(checker) else { continue };
            let due = now + self.random.part_of(seat.state.config().timing.warmup);
            self.first_due(checker, due);
        }
    }

    /// The first run of a checker is due then, unless its pool rests.
    fn first_due(&mut self, checker: CheckerId, due: Instant) {
        let Some(seat) = self.seats.get_mut(checker) else { return };
        seat.state.first_due(due);
        if self.pools.get(seat.place.0).is_none_or(|pool| !pool.suspended) {
            self.seats.schedule(checker, due);
        }
    }

    /// Lets identical checks be performed once, if that is wanted. Those of pools that may rest run by themselves.
    fn share_checks(&mut self) -> Vec<CheckerId> {
        let pools = &self.pools;
        let alone =
            |seat: &crate::seats::Seat| pools.get(seat.place.0).is_none_or(|pool| pool.config().options.ha_suspend);
        self.seats.share(self.common.share_checks, alone)
    }

    /// As [`Self::share_checks`], where no others but these can be without a date: all are looked at only if some are led.
    fn share_checks_of(&mut self, undated: Vec<(CheckerId, bool)>) -> Vec<CheckerId> {
        if self.common.share_checks || self.seats.led() > 0 {
            return self.share_checks();
        }
        undated.into_iter().map(|(checker, _)| checker).collect()
    }

    /// Says how many checks are spared, if that is another number than before.
    fn tell_of_sharing(&self, before: usize, out: &mut Output) {
        let Probes { checks, saved } = self.probes_saved();
        if saved != before {
            out.notice(Notice::ChecksShared { checks, saved });
        }
    }

    /// Has packets marked as the configuration wants it now.
    fn mark_packets(&mut self, out: &mut Output) {
        let wanted = marking::marking(&self.common, self.pools.iter().map(Pool::config));
        let table = wanted.as_ref().map(|marking| &marking.table);
        for former in [self.marking_left.take(), self.marking.as_ref().map(|marking| marking.table.clone())] {
            if let Some(former) = former.filter(|former| Some(former) != table) {
                out.push(Action::RemoveMarking(former));
            }
        }
        if wanted != self.marking {
            out.actions.extend(wanted.clone().map(Action::SetMarking));
        }
        self.marking = wanted;
    }

    /// The sync daemon that should run: it sends on the master, and receives everywhere else.
    fn set_sync_daemon(&self, out: &mut Output) {
        let role = self
            .common
            .sync_daemon
            .clone()
            .map(|config| SyncRole { sends: self.sync_master && config.instance.is_some(), config });
        out.push(Action::SetSyncDaemon(role));
    }

    fn wake(&mut self, now: Instant, out: &mut Output) {
        while let Some(checker) = self.seats.pop_due(now) {
            if let Some(seat) = self.seats.get_mut(checker) {
                seat.state.start();
                out.push(Action::StartCheck(checker));
            }
        }
        self.recover_further(now);
        self.count_connections(now, out);
        if self.reconciler.next_deadline().is_some_and(|due| due <= now) {
            self.reconciler.wake(now, out);
        }
    }

    fn shutdown(&mut self, keep_table: bool, out: &mut Output) {
        self.phase = Phase::Stopped;
        self.seats.rest_all();
        for pool in self.pools.iter().filter(|pool| pool.config().options.omega) {
            reload::tell_gone(pool, tell::STOPPING, true, out);
        }
        if self.common.sync_daemon.is_some() {
            out.push(Action::SetSyncDaemon(None));
        }
        if let Some(marking) = self.marking.take().filter(|_| !keep_table) {
            out.push(Action::RemoveMarking(marking.table));
        }
        let flush = !keep_table && self.common.flush_on_stop == FlushOnStop::All;
        self.reconciler.shutdown(keep_table || flush, out);
        if flush {
            out.push(Action::Flush);
        }
    }
}
