//! The director: every virtual server of the node, its checks and its part of the kernel's table.
//!
//! [`Director`] is told the time and what happened, and answers what to do. It performs no check, sends no message and
//! reads no clock; the same configuration, seed and events give the same answers.

mod adoption;

use crate::checker::{Checker, Judgement};
use crate::notice::{Notice, ServerName, Weights};
use crate::output::{Action, Output};
use crate::pool::{Pool, QuorumChange, key_of};
use crate::random::Random;
use crate::reconcile::Reconciler;
use crate::status::{ServerStatus, ServiceStatus};
use crate::table::{Operation, Table};
use crate::verdict::{Inability, Verdict};
use standfast_model::Instant;
use standfast_model::config::LvsConfig;
use standfast_model::config::lvs::{self as config, Probe, VirtualServer};
use std::collections::{BTreeMap, BTreeSet};

/// One checker of one real server, numbered in the order of the configuration from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CheckerId(pub usize);

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Begin.
    Start,
    /// The check that `StartCheck` asked for came to an end.
    CheckFinished {
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
    /// Check no more, and take our services out of the table unless they shall stay (`--dont-release-ipvs`).
    Shutdown {
        /// Leave the table as it is.
        keep_table: bool,
    },
}

/// A checker in its place.
#[derive(Debug)]
struct Seat {
    pool: usize,
    server: usize,
    config: config::Checker,
    state: Checker,
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
#[derive(Debug)]
pub struct Director {
    pools: Vec<Pool>,
    /// Every checker in the order of the configuration, so that those of a pool follow each other.
    seats: Vec<Seat>,
    /// Which of them are whose: for each pool the number of its first one.
    first_seats: Vec<usize>,
    /// When which checker is due; one that is running is not in it.
    due: BTreeSet<(Instant, CheckerId)>,
    /// How many checkers each inability keeps from being performed.
    unable: BTreeMap<Inability, usize>,
    reconciler: Reconciler,
    random: Random,
    phase: Phase,
}

impl Director {
    /// A director for that configuration. The seed decides when within their `warmup` the first checks run: take it
    /// from the system's randomness in the daemon and from the scenario in a simulation.
    #[must_use]
    pub fn new(config: LvsConfig, seed: u64) -> Self {
        let mut pools = Vec::with_capacity(config.virtual_servers.len());
        let mut seats = Vec::new();
        let mut first_seats = Vec::with_capacity(pools.capacity());
        let mut desired = Table::default();
        for (pool, virtual_server) in config.virtual_servers.into_iter().enumerate() {
            first_seats.push(seats.len());
            let mut down = Vec::with_capacity(virtual_server.real_servers.len());
            for (server, real_server) in virtual_server.real_servers.iter().enumerate() {
                down.push(real_server.checkers.iter().filter(|checker| checker.timing.alpha).count());
                seats.extend(real_server.checkers.iter().map(|checker| {
                    let state = Checker::new(checker.timing);
                    Seat { pool, server, config: checker.clone(), state }
                }));
            }
            let state = Pool::new(virtual_server, down);
            desired.services.extend(state.entries().map(|entry| (entry.service.key, entry)));
            pools.push(state);
        }
        Self {
            pools,
            seats,
            first_seats,
            due: BTreeSet::new(),
            unable: BTreeMap::new(),
            reconciler: Reconciler::new(desired),
            random: Random::new(seed),
            phase: Phase::New,
        }
    }

    /// Takes in one event. Call it with [`Event::Wake`] as soon as [`Self::next_deadline`] has come; events that
    /// arrive meanwhile need no wake of their own before them.
    pub fn handle(&mut self, now: Instant, event: Event, out: &mut Output) {
        match (self.phase, event) {
            (Phase::New, Event::Start) => self.start(now, out),
            (Phase::Starting | Phase::Running, Event::CheckFinished { checker, verdict }) => {
                self.check_finished(now, checker, &verdict, out);
            }
            (Phase::Starting | Phase::Running, Event::Wake) => self.wake(now, out),
            (Phase::Starting | Phase::Running, Event::Observed(table)) => {
                self.settle(now, Some(&table), out);
                self.reconciler.observed(now, table, out);
            }
            (Phase::Starting | Phase::Running, Event::DumpFailed { error }) => {
                self.settle(now, None, out);
                self.reconciler.reading_failed(now, error, out);
            }
            (Phase::Starting | Phase::Running | Phase::Stopped, Event::OperationFailed { operation, error }) => {
                self.reconciler.refused(now, operation, error, out);
            }
            (Phase::New | Phase::Starting | Phase::Running, Event::Shutdown { keep_table }) => {
                // Before the start nothing was put into the table, and nothing of ours is in it to our knowledge.
                let keep_table = keep_table || self.phase == Phase::New;
                self.phase = Phase::Stopped;
                self.due.clear();
                self.reconciler.shutdown(keep_table, out);
            }
            // Out of order: a second start, answers to nothing that was asked, the rest of what was under way.
            (
                Phase::New,
                Event::CheckFinished { .. }
                | Event::Wake
                | Event::Observed(_)
                | Event::DumpFailed { .. }
                | Event::OperationFailed { .. },
            )
            | (Phase::Starting | Phase::Running | Phase::Stopped, Event::Start)
            | (
                Phase::Stopped,
                Event::CheckFinished { .. }
                | Event::Wake
                | Event::Observed(_)
                | Event::DumpFailed { .. }
                | Event::Shutdown { .. },
            ) => {}
        }
    }

    /// When [`Event::Wake`] is due next; a time that has passed is due now. None if only other events can bring
    /// anything about.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let check = self.due.first().map(|(due, _)| *due);
        check.into_iter().chain(self.reconciler.next_deadline()).min()
    }

    /// What the kernel's table should hold of our services.
    #[must_use]
    pub fn desired(&self) -> &Table {
        self.reconciler.desired()
    }

    /// What a checker does; none for a number that no checker has.
    #[must_use]
    pub fn probe(&self, checker: CheckerId) -> Option<&Probe> {
        self.seats.get(checker.0).map(|seat| &seat.config.probe)
    }

    /// The state of every virtual server, in the order of the configuration.
    pub fn status(&self) -> impl Iterator<Item = ServiceStatus> {
        let mut seats = self.seats.iter();
        self.pools.iter().map(move |pool| ServiceStatus {
            key: pool.key(),
            weights: weights(pool),
            quorum: pool.has_quorum(),
            sorry_server_in_use: pool.sorry_in_use(),
            servers: pool
                .servers()
                .map(|(server, up)| {
                    let seats: Vec<&Seat> = seats.by_ref().take(server.checkers.len()).collect();
                    ServerStatus {
                        key: key_of(server.address),
                        weight: server.weight,
                        up,
                        last_failure: seats.iter().find_map(|seat| seat.state.last_failure()),
                        inability: seats.iter().find_map(|seat| seat.state.inability().cloned()),
                    }
                })
                .collect(),
        })
    }

    fn start(&mut self, now: Instant, out: &mut Output) {
        self.phase = Phase::Starting;
        self.reconciler.start(out);
        for (number, seat) in self.seats.iter_mut().enumerate() {
            let due = now + self.random.part_of(seat.state.timing().warmup);
            seat.state.first_due(due);
            self.due.insert((due, CheckerId(number)));
        }
    }

    fn wake(&mut self, now: Instant, out: &mut Output) {
        while let Some((due, checker)) = self.due.first().copied()
            && due <= now
        {
            self.due.pop_first();
            if let Some(seat) = self.seats.get_mut(checker.0) {
                seat.state.start();
                out.push(Action::StartCheck(checker));
            }
        }
        if self.reconciler.next_deadline().is_some_and(|due| due <= now) {
            self.reconciler.wake(now, out);
        }
    }

    fn check_finished(&mut self, now: Instant, checker: CheckerId, verdict: &Verdict, out: &mut Output) {
        // An answer to nothing that was asked is no information.
        let Some(seat) = self.seats.get_mut(checker.0).filter(|seat| seat.state.is_running()) else { return };
        let before = seat.state.inability().cloned();
        let (judgement, due) = seat.state.finish(now, verdict);
        self.due.insert((due, checker));
        let Some(pool) = self.pools.get_mut(seat.pool) else { return };
        let Some(real_server) = pool.server(seat.server) else { return };
        let server = ServerName { service: pool.key(), server: key_of(real_server.address) };
        let check = keyword(&seat.config.probe);
        let inhibited = real_server.inhibit_on_failure;
        let log_all = seat.state.timing().log_all_failures;
        let changed = match judgement {
            Judgement::StillUp | Judgement::Unknown => false,
            Judgement::StillDown { ref reason } | Judgement::ConfirmedDown { ref reason } => {
                if log_all || matches!(judgement, Judgement::ConfirmedDown { .. }) {
                    let reason = reason.clone();
                    out.notice(Notice::CheckFailed { server, check, attempt: 1, of: 1, reason });
                }
                false
            }
            Judgement::Attempt { attempt, of, reason } => {
                if log_all {
                    out.notice(Notice::CheckFailed { server, check, attempt, of, reason });
                }
                false
            }
            Judgement::WentDown { attempts, reason } => {
                out.notice(Notice::CheckerDown { server, check, attempts, reason: reason.clone() });
                let changed = pool.checker_down(seat.server);
                if changed {
                    out.notice(Notice::ServerDown { server, inhibited, check, reason });
                }
                changed
            }
            Judgement::WentUp => {
                out.notice(Notice::CheckerUp { server, check });
                let changed = pool.checker_up(seat.server);
                if changed {
                    out.notice(Notice::ServerUp { server, inhibited });
                }
                changed
            }
        };
        let after = seat.state.inability().cloned();
        if changed {
            update(pool, seat.server, &mut self.reconciler, now, out);
        }
        self.note_inability(before, after, server, check, out);
    }

    /// Counts who is kept from what: the first of a kind is told, and the end of the last one.
    fn note_inability(
        &mut self,
        before: Option<Inability>,
        after: Option<Inability>,
        server: ServerName,
        check: &'static str,
        out: &mut Output,
    ) {
        if before == after {
            return;
        }
        if let Some(inability) = after {
            let concerned = self.unable.entry(inability.clone()).or_insert(0);
            *concerned += 1;
            if *concerned == 1 {
                out.notice(Notice::CheckUnable { server, check, inability });
            }
        }
        if let Some(inability) = before
            && let Some(concerned) = self.unable.get_mut(&inability)
        {
            *concerned -= 1;
            if *concerned == 0 {
                self.unable.remove(&inability);
                out.notice(Notice::CheckAble { inability });
            }
        }
    }
}

/// A server of the pool went up or down: brings quorum, sorry server and table in line with that.
fn update(pool: &mut Pool, server: usize, reconciler: &mut Reconciler, now: Instant, out: &mut Output) {
    let quorum = pool.judge_quorum();
    if let Some(change) = quorum {
        let (service, weights) = (pool.key(), weights(pool));
        out.notice(match change {
            QuorumChange::Gained => Notice::QuorumGained { service, weights },
            QuorumChange::Lost => Notice::QuorumLost { service, weights },
        });
        sorry_notice(pool, change, out);
    }
    if quorum.is_some() && pool.config().sorry_server.is_some() {
        pool.entries().for_each(|entry| reconciler.set_service(now, entry));
    } else if let Some((key, row)) = pool.row(server) {
        pool.keys().for_each(|service| reconciler.set_row(now, service, key, row));
    }
}

/// What a change of the quorum means for the sorry server, if there is one.
fn sorry_notice(pool: &Pool, change: QuorumChange, out: &mut Output) {
    if let Some(sorry) = &pool.config().sorry_server {
        let server = ServerName { service: pool.key(), server: key_of(sorry.address) };
        let inhibited = sorry.inhibit;
        out.notice(match change {
            QuorumChange::Lost => Notice::SorryServerIn { server, inhibited },
            QuorumChange::Gained => Notice::SorryServerOut { server, inhibited },
        });
    }
}

fn weights(pool: &Pool) -> Weights {
    let VirtualServer { quorum, hysteresis, .. } = *pool.config();
    Weights { quorum, hysteresis, live: pool.live_weight() }
}

/// keepalived's word for a checker.
fn keyword(probe: &Probe) -> &'static str {
    match probe {
        Probe::Tcp(_) => "TCP_CHECK",
        Probe::Http(http) => {
            if http.tls.is_some() {
                "SSL_GET"
            } else {
                "HTTP_GET"
            }
        }
        Probe::Smtp(_) => "SMTP_CHECK",
        Probe::Dns(_) => "DNS_CHECK",
        Probe::Misc(_) => "MISC_CHECK",
        Probe::Ping(_) => "PING_CHECK",
        Probe::Udp(_) => "UDP_CHECK",
        Probe::File(_) => "FILE_CHECK",
        Probe::Bfd(_) => "BFD_CHECK",
    }
}
