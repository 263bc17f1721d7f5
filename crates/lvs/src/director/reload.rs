//! A new configuration in place of the old one, with the smallest change that makes it so.
//!
//! Services are matched by address, port and transport, by mark, or by the name of their group; servers by address and
//! port; checkers by what they do. What is matched keeps its state, its dates, its weight and its row in the kernel. It
//! owns the matching; what follows in the table is left to the comparison of tables.

use super::comparison::{Compared, Comparison};
use super::formers::Formers;
use super::tell::{self, REMOVING, quorum_occasion, server_occasion};
use super::{CheckerId, Director, Phase};
use crate::effort;
use crate::marking;
use crate::member::{Duty, Member};
use crate::notice::{Changes, Notice, ServerName};
use crate::output::{Action, Output};
use crate::pool::{Pool, PoolChange, key_of, keys_of, row_of};
use standfast_model::Instant;
use standfast_model::config::LvsConfig;
use standfast_model::config::lvs::{self as config, Probe, RealServer, VirtualServer};
use standfast_model::config::probe::TrackedFile;
use standfast_model::config::track::TrackFile;
use standfast_model::ipvs::ServiceKey;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a reload has to bear in mind while it goes through the services.
struct Passage<'a> {
    now: Instant,
    /// The files that `FILE_CHECK` names by their place in these lists, before and after.
    files: (&'a [TrackFile], &'a [TrackFile]),
    changes: Changes,
    /// Keys of services that may have gone.
    loose: Vec<ServiceKey>,
    /// Pools whose rows may have changed, with what the change made of them.
    changed: Vec<(usize, PoolChange)>,
    /// Pools that were not there.
    new: Vec<usize>,
    /// Servers that came up, or went down, by the change of their checkers alone.
    went: Vec<ServerName>,
    /// Checkers that have no date yet, and whether theirs is now.
    undated: Vec<(CheckerId, bool)>,
    /// A pool is in another place than before, or serves other services.
    moved: bool,
}

/// A server with its checkers, as it was before.
struct Former {
    config: RealServer,
    member: Member,
}

impl Director {
    pub(super) fn reload(&mut self, now: Instant, config: LvsConfig, out: &mut Output) {
        let LvsConfig { virtual_servers, common } = config;
        self.compare(virtual_servers);
        let mut comparison = self.comparison.take().unwrap_or_else(|| Comparison::new(0));
        let written = marking::written(comparison.configs(&self.pools));
        self.marks.settle(&common, &written, comparison.others_mut());
        let saved = self.probes_saved().saved;
        let former = core::mem::replace(&mut self.common, common);
        let files = core::mem::take(&mut self.common.track_files);
        let mut passage = Passage {
            now,
            files: (&former.track_files, &files),
            changes: Changes::default(),
            loose: Vec::new(),
            changed: Vec::new(),
            new: Vec::new(),
            went: Vec::new(),
            undated: Vec::new(),
            moved: false,
        };
        self.take_in(comparison, &mut passage, out);
        let Passage { changes, loose, changed, new, went, undated, moved, .. } = passage;
        self.common.track_files = files;
        if moved {
            self.find_places();
        } else {
            changed.iter().for_each(|(at, _)| self.find_seats(*at));
        }
        self.retire(now, &loose);
        for at in new.iter().copied().chain(changed.iter().map(|(at, _)| *at)) {
            if let Some(pool) = self.pools.get(at) {
                pool.entries().for_each(|entry| self.reconciler.set_service(now, entry));
            }
        }
        for server in went {
            self.tell_went(server, out);
        }
        for (at, made) in changed {
            if let Some(pool) = self.pools.get(at) {
                made.panic.into_iter().for_each(|change| tell::panic_changed(pool, change, out));
                made.quorum.into_iter().for_each(|change| tell::quorum_changed(pool, change, out));
            }
        }
        if self.phase == Phase::New {
            return;
        }
        if self.phase == Phase::Running {
            new.into_iter().for_each(|at| self.begin(at, out));
        }
        self.mark_packets(out);
        self.suspend_or_resume(now, out);
        self.date(now, undated);
        self.tell_of_sharing(saved, out);
        if former.timeouts != self.common.timeouts {
            out.push(Action::SetTimeouts(self.common.timeouts));
        }
        if former.sync_daemon != self.common.sync_daemon {
            self.set_sync_daemon(out);
        }
        self.reconciler.start(out);
        out.notice(Notice::Reloaded(changes));
    }

    /// Puts the pools of the new configuration in the place of the old ones. Should two go by the same name, they are
    /// matched in their order.
    fn take_in(&mut self, comparison: Comparison, passage: &mut Passage<'_>, out: &mut Output) {
        // A checker names its file by a place in a list, so with another list equal words may mean another file.
        let same_files = passage.files.0 == passage.files.1;
        let (compared, left) = comparison.end(&self.pools);
        passage.moved = !left.is_empty();
        let mut former: Vec<Option<Pool>> = core::mem::take(&mut self.pools).into_iter().map(Some).collect();
        let mut pools = Vec::with_capacity(compared.len());
        for one in compared {
            let at = pools.len();
            let place = one.place();
            passage.moved |= place != Some(at);
            let known = place.and_then(|place| former.get_mut(place)).and_then(Option::take);
            pools.push(match (known, one) {
                (Some(pool), Compared::Same(_)) if same_files => pool,
                (Some(pool), one) => {
                    let config = one.config().unwrap_or_else(|| pool.config().clone());
                    let same = *pool.config() == config;
                    if same && same_files {
                        pool
                    } else {
                        passage.changes.services_changed += usize::from(!same);
                        let (pool, made) = self.change_pool(pool, config, passage, out);
                        passage.changed.push((at, made));
                        pool
                    }
                }
                (None, one) => {
                    let Some(config) = one.config() else { continue };
                    passage.changes.services_added += 1;
                    passage.new.push(at);
                    let pool = self.fresh_pool(config);
                    let checkers = pool.servers().flat_map(|(_, member)| &member.checkers);
                    passage.undated.extend(checkers.map(|checker| (*checker, false)));
                    pool
                }
            });
        }
        self.pools = pools;
        for pool in left.into_iter().filter_map(|place| former.get_mut(place)?.take()) {
            passage.changes.services_removed += 1;
            passage.loose.extend(pool.keys());
            self.remove_pool(&pool, out);
        }
    }

    /// Takes what is ours no more out of the table.
    fn retire(&mut self, now: Instant, loose: &[ServiceKey]) {
        for key in loose {
            if self.place_of(key).is_none() {
                self.reconciler.retire(now, *key);
            }
        }
    }

    fn remove_pool(&mut self, pool: &Pool, out: &mut Output) {
        out.notice(Notice::ServiceRemoved { service: pool.key() });
        tell_gone(pool, REMOVING, false, out);
        for (server, member) in pool.servers() {
            self.recovery.end(&tell::name(pool, server));
            self.drains.end(&tell::name(pool, server));
            member.checkers.iter().for_each(|checker| self.remove_checker(*checker, out));
        }
    }

    fn remove_checker(&mut self, checker: CheckerId, out: &mut Output) {
        let Some(seat) = self.seats.remove(checker) else { return };
        if seat.state.is_running() {
            out.push(Action::CancelCheck(checker));
        }
        self.able_again(seat.told_inability().cloned(), out);
    }

    fn change_pool(
        &mut self,
        mut pool: Pool,
        config: VirtualServer,
        passage: &mut Passage<'_>,
        out: &mut Output,
    ) -> (Pool, PoolChange) {
        effort::looked_at(config.real_servers.len());
        passage.moved |= !pool.keys().eq(keys_of(&config));
        let kept: BTreeSet<ServiceKey> = keys_of(&config).collect();
        passage.loose.extend(pool.keys().filter(|key| !kept.contains(key)));
        if pool.key() != config.key {
            // A group that begins with another service now: what went by the name of the old one goes by the new.
            self.rename(&pool, config.key);
        }
        let servers = pool.take_servers().map(|(config, member)| Former { config, member });
        let of = |former: &Former| key_of(former.config.address);
        let mut former = Formers::new(servers);
        let mut members = Vec::with_capacity(config.real_servers.len());
        for server in &config.real_servers {
            members.push(match former.take(&key_of(server.address), of) {
                Some(found) if found.config == *server && passage.files.0 == passage.files.1 => found.member,
                Some(found) => {
                    let name = ServerName { service: config.key, server: key_of(server.address) };
                    self.change_server(found, server, name, passage, out)
                }
                None => {
                    passage.changes.servers_added += 1;
                    // It may have been on its way out.
                    self.drains.end(&ServerName { service: config.key, server: key_of(server.address) });
                    let checkers: Box<[CheckerId]> =
                        server.checkers.iter().map(|checker| self.seats.add(checker.clone(), (0, 0))).collect();
                    passage.undated.extend(checkers.iter().map(|checker| (*checker, false)));
                    let checkers_down = server.checkers.iter().map(|checker| u32::from(checker.timing.alpha)).sum();
                    Member { checkers, checkers_down, ..Member::default() }
                }
            });
        }
        let drain = config.options.drain;
        let made = pool.reconfigure(config, members);
        for gone in former.left(of) {
            passage.changes.servers_removed += 1;
            let server = ServerName { service: pool.key(), server: key_of(gone.config.address) };
            // One that had no connections to lose need not wait for their end.
            let serves = gone.member.duty != Duty::Off && (gone.member.is_up() || gone.member.held);
            let drain = drain.filter(|_| serves);
            out.notice(Notice::ServerRemoved { server, draining: drain.is_some() });
            if gone.member.is_up() {
                out.notify(server_occasion(pool.config(), &gone.config, false, REMOVING.to_owned()));
            }
            gone.member.checkers.iter().for_each(|checker| self.remove_checker(*checker, out));
            self.recovery.end(&server);
            self.drains.end(&server);
            if let Some(within) = drain {
                pool.leave(row_of(&gone.config, 0));
                self.drains.begin(passage.now, server, Some(passage.now + within));
            }
        }
        (pool, made)
    }

    /// Dates that were kept under the old name of a pool are kept under the new one.
    fn rename(&mut self, pool: &Pool, to: ServiceKey) {
        for (config, _) in pool.servers() {
            let server = key_of(config.address);
            let (old, new) = (ServerName { service: pool.key(), server }, ServerName { service: to, server });
            self.recovery.rename(&old, new);
            self.drains.rename(&old, new);
        }
    }

    /// A server that stays, with its checkers matched to the new ones. A check that it did not have before stands as
    /// the server stood: neither does a reload take out who serves, nor bring back who is down.
    fn change_server(
        &mut self,
        former: Former,
        server: &RealServer,
        name: ServerName,
        passage: &mut Passage<'_>,
        out: &mut Output,
    ) -> Member {
        let Former { config: _, mut member } = former;
        let was_up = member.is_up();
        let mut free = core::mem::take(&mut member.checkers).into_vec();
        let mut matched = Vec::with_capacity(server.checkers.len());
        for checker in &server.checkers {
            let fits = |id: &CheckerId, timing: bool| {
                self.seats.get(*id).is_some_and(|seat| {
                    same_probe(&seat.state.config().probe, &checker.probe, passage.files)
                        && (!timing || seat.state.config().timing == checker.timing)
                })
            };
            let found =
                free.iter().position(|id| fits(id, true)).or_else(|| free.iter().position(|id| fits(id, false)));
            let id = match found.map(|at| free.remove(at)) {
                Some(id) => {
                    self.keep_checker(id, checker, passage);
                    id
                }
                None => {
                    let id = self.seats.add(checker.clone(), (0, 0));
                    if let Some(seat) = self.seats.get_mut(id) {
                        seat.state.stand(was_up);
                    }
                    passage.undated.push((id, !was_up));
                    id
                }
            };
            matched.push(id);
        }
        for id in free {
            if member.weighed.said.contains_key(&id) {
                member.weighed.said.remove(&id);
            }
            self.remove_checker(id, out);
        }
        let down = |id: &CheckerId| u32::from(self.seats.get(*id).is_some_and(|seat| !seat.state.is_up()));
        member.checkers = matched.into();
        member.checkers_down = member.checkers.iter().map(down).sum();
        if was_up != member.is_up() {
            passage.went.push(name);
        }
        member
    }

    fn keep_checker(&mut self, id: CheckerId, config: &Arc<config::Checker>, passage: &mut Passage<'_>) {
        let Some(seat) = self.seats.get_mut(id) else { return };
        if seat.state.reconfigure(Arc::clone(config)) && !seat.state.is_running() && seat.leader.is_none() {
            let soonest = passage.now + self.random.part_of(config.timing.delay_loop);
            let due = self.seats.due(id);
            if due.is_some_and(|due| due > soonest) {
                self.first_due(id, soonest);
            }
        }
    }

    /// A server that changed sides because a checker of it is gone.
    fn tell_went(&self, server: ServerName, out: &mut Output) {
        let Some((_, pool)) = self.pool_of(&server) else { return };
        let Some((config, member)) = pool.place(server.server).and_then(|place| pool.server(place)) else { return };
        if member.is_up() {
            out.notice(Notice::ServerUp { server, inhibited: config.inhibit_on_failure });
        }
        out.notify(server_occasion(pool.config(), config, member.is_up(), "Reloaded".to_owned()));
    }

    /// Gives dates to checkers that have none: at once, or within their warm-up.
    fn date(&mut self, now: Instant, undated: Vec<(CheckerId, bool)>) {
        let urgent: BTreeSet<CheckerId> = undated.iter().filter(|(_, urgent)| *urgent).map(|(id, _)| *id).collect();
        for checker in self.share_checks_of(undated) {
            let Some(seat) = self.seats.get(checker) else { continue };
            let timing = &seat.state.config().timing;
            let within = if urgent.contains(&checker) {
                core::time::Duration::ZERO
            } else {
                timing.warmup.min(timing.delay_loop)
            };
            let due = now + self.random.part_of(within);
            self.first_due(checker, due);
        }
    }
}

/// Tells of a pool that goes: each server that is up, and the quorum.
pub(super) fn tell_gone(pool: &Pool, reason: &str, stopping: bool, out: &mut Output) {
    let service = pool.config();
    let servers = pool.servers().filter(|(_, member)| member.is_up());
    let servers = servers.map(|(server, _)| server_occasion(service, server, false, reason.to_owned()));
    let quorum = pool.has_quorum().then(|| quorum_occasion(service, false, reason.to_owned()));
    for occasion in servers.chain(quorum) {
        out.notify(crate::occasion::Occasion { stopping, ..occasion });
    }
}

/// Whether two checks do the same.
fn same_probe(before: &Probe, after: &Probe, (old, new): (&[TrackFile], &[TrackFile])) -> bool {
    match (before, after) {
        (Probe::File(before), Probe::File(after)) => {
            let place = |probe: &TrackedFile| usize::try_from(probe.file.0).unwrap_or(usize::MAX);
            (before.weight, before.reverse) == (after.weight, after.reverse)
                && old.get(place(before)) == new.get(place(after))
        }
        (
            Probe::Tcp(_)
            | Probe::Http(_)
            | Probe::Smtp(_)
            | Probe::Dns(_)
            | Probe::Misc(_)
            | Probe::Ping(_)
            | Probe::Udp(_)
            | Probe::File(_)
            | Probe::Bfd(_),
            _,
        ) => before == after,
    }
}
