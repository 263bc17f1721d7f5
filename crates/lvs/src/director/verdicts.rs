//! What verdicts do: from one check that ended to the server, its pool and their rows in the table.
//!
//! It owns this way and no state.

use super::tell::{self, name, server_occasion};
use super::{CheckerId, Director};
use crate::checker::Judgement;
use crate::notice::{Notice, ServerName, WeightSource};
use crate::output::Output;
use crate::pool::{Pool, PoolChange};
use crate::reconcile::Reconciler;
use crate::verdict::{Inability, Verdict};
use standfast_model::Instant;
use standfast_model::config::lvs::Probe;
use standfast_model::ipvs::DestinationKey;

impl Director {
    pub(super) fn check_finished(&mut self, now: Instant, checker: CheckerId, verdict: &Verdict, out: &mut Output) {
        // An answer to nothing that was asked is no information.
        let Some(seat) = self.seats.get_mut(checker).filter(|seat| seat.state.is_running()) else { return };
        let judgement = seat.state.finish(verdict);
        let mut retry = matches!(judgement, Judgement::Attempt { .. });
        self.judged(now, checker, judgement, verdict, out);
        for follower in self.seats.followers(checker) {
            let Some(seat) = self.seats.get_mut(follower) else { continue };
            let judgement = seat.state.finish(verdict);
            retry |= matches!(judgement, Judgement::Attempt { .. });
            self.judged(now, follower, judgement, verdict, out);
        }
        if let Some(seat) = self.seats.get_mut(checker) {
            let due = seat.state.next_due(now, retry);
            self.seats.schedule(checker, due);
        }
    }

    /// A check that watches something saw it change, unasked: that counts at once, without retries.
    pub(super) fn check_reported(&mut self, now: Instant, checker: CheckerId, verdict: &Verdict, out: &mut Output) {
        let Some(seat) = self.seats.get_mut(checker) else { return };
        if self.pools.get(seat.place.0).is_none_or(|pool| pool.suspended) {
            return;
        }
        let judgement = seat.state.report(verdict);
        self.judged(now, checker, judgement, verdict, out);
    }

    fn judged(&mut self, now: Instant, checker: CheckerId, judgement: Judgement, verdict: &Verdict, out: &mut Output) {
        let Some(seat) = self.seats.get(checker) else { return };
        let (at, place) = seat.place;
        let inability = (seat.told_inability().cloned(), seat.state.inability().cloned());
        let check = keyword(&seat.state.config().probe);
        let log_all = seat.state.config().timing.log_all_failures;
        let Some(pool) = self.pools.get_mut(at) else { return };
        let Some((real_server, _)) = pool.server(place) else { return };
        let server = name(pool, real_server);
        let went = match judgement {
            Judgement::StillUp | Judgement::Unknown => None,
            Judgement::StillDown { ref reason } | Judgement::ConfirmedDown { ref reason } => {
                if log_all || matches!(judgement, Judgement::ConfirmedDown { .. }) {
                    let reason = reason.clone();
                    out.notice(Notice::CheckFailed { server, check, attempt: 1, of: 1, reason });
                }
                None
            }
            Judgement::Attempt { attempt, of, reason } => {
                if log_all {
                    out.notice(Notice::CheckFailed { server, check, attempt, of, reason });
                }
                None
            }
            Judgement::WentDown { attempts, reason } => {
                out.notice(Notice::CheckerDown { server, check, attempts, reason: reason.clone() });
                Some(Err(reason))
            }
            Judgement::WentUp => {
                out.notice(Notice::CheckerUp { server, check });
                Some(Ok(()))
            }
        };
        if let Verdict::OkWithWeight(said) = verdict {
            self.weigh(now, (at, place), WeightSource::Check(check), out, |member| {
                member.weighed.said.insert(checker, *said);
            });
        }
        if let Some(went) = went {
            self.checker_went(now, (at, place), check, went, out);
        }
        self.note_inability(checker, inability, server, check, out);
    }

    /// One of the checkers of a server went up or down.
    fn checker_went(
        &mut self,
        now: Instant,
        (at, place): (usize, usize),
        check: &'static str,
        went: Result<(), crate::verdict::Reason>,
        out: &mut Output,
    ) {
        let Some(pool) = self.pools.get_mut(at) else { return };
        let up = went.is_ok();
        let changed = pool.change(place, |member| {
            let (was_up, served) = (member.is_up(), member.serves());
            let down = member.checkers_down;
            member.checkers_down = if up { down.saturating_sub(1) } else { down.saturating_add(1) };
            (was_up != member.is_up(), !served && member.serves())
        });
        let Some(((changed, came), made)) = changed else { return };
        let Some((config, _)) = pool.server(place) else { return };
        let (server, inhibited) = (name(pool, config), config.inhibit_on_failure);
        let reason = match &went {
            Ok(()) => format!("{check} succeeded"),
            Err(reason) => format!("{check} failed: {reason}"),
        };
        let occasion = server_occasion(pool.config(), config, up, reason);
        let occasion = occasion.of_checker(changed, self.common.no_checker_emails);
        match (went, changed) {
            (Ok(()), true) => out.notice(Notice::ServerUp { server, inhibited }),
            (Err(reason), true) => out.notice(Notice::ServerDown { server, inhibited, check, reason }),
            (Ok(()) | Err(_), false) => {}
        }
        if occasion.changed || occasion.mail {
            out.notify(occasion);
        }
        if came {
            self.recover(now, server, place);
        }
        if changed {
            // One that serves although it is down goes on growing: nothing else would give it its weight.
            let serves =
                self.pools.get(at).and_then(|pool| pool.server(place)).is_some_and(|(_, member)| member.serves());
            if !up && !serves {
                self.recovery.end(&server);
            }
            self.settle_change(now, at, server.server, made, out);
        }
    }

    /// Something changed what a server weighs.
    pub(super) fn weigh(
        &mut self,
        now: Instant,
        (at, place): (usize, usize),
        by: WeightSource,
        out: &mut Output,
        change: impl FnOnce(&mut crate::member::Member),
    ) {
        let Some(pool) = self.pools.get_mut(at) else { return };
        let Some((config, member)) = pool.server(place) else { return };
        let (server, from) = (name(pool, config), member.weight(config));
        let Some(((), made)) = pool.change(place, change) else { return };
        let Some((config, member)) = pool.server(place) else { return };
        let to = member.weight(config);
        if from != to {
            out.notice(Notice::WeightChanged { server, from, to, by });
            self.settle_change(now, at, server.server, made, out);
        }
    }

    /// A server of a pool changed: brings quorum, sorry server and table in line with that.
    pub(super) fn settle_change(
        &mut self,
        now: Instant,
        at: usize,
        server: DestinationKey,
        made: PoolChange,
        out: &mut Output,
    ) {
        if let Some(pool) = self.pools.get(at) {
            settle_change(pool, &mut self.reconciler, now, server, made, out);
        }
    }

    /// Counts who is kept from what: the first of a kind is told, and the end of the last one.
    fn note_inability(
        &mut self,
        checker: CheckerId,
        (before, after): (Option<Inability>, Option<Inability>),
        server: ServerName,
        check: &'static str,
        out: &mut Output,
    ) {
        if before == after {
            return;
        }
        if let Some(seat) = self.seats.get_mut(checker) {
            seat.tell_inability(after.clone());
        }
        if let Some(inability) = after {
            let concerned = self.unable.entry(inability.clone()).or_insert(0);
            *concerned += 1;
            if *concerned == 1 {
                out.notice(Notice::CheckUnable { server, check, inability });
            }
        }
        self.able_again(before, out);
    }

    /// One check fewer is kept from being made by that.
    pub(super) fn able_again(&mut self, inability: Option<Inability>, out: &mut Output) {
        if let Some(inability) = inability
            && let Some(concerned) = self.unable.get_mut(&inability)
        {
            *concerned = concerned.saturating_sub(1);
            if *concerned == 0 {
                self.unable.remove(&inability);
                out.notice(Notice::CheckAble { inability });
            }
        }
    }
}

/// Tells what a changed server made of its pool, and puts the rows concerned into the desired table.
fn settle_change(
    pool: &Pool,
    reconciler: &mut Reconciler,
    now: Instant,
    server: DestinationKey,
    made: PoolChange,
    out: &mut Output,
) {
    if let Some(change) = made.panic {
        tell::panic_changed(pool, change, out);
    }
    if let Some(change) = made.quorum {
        tell::quorum_changed(pool, change, out);
    }
    let all = made.panic.is_some() || (made.quorum.is_some() && pool.config().sorry_server.is_some());
    if all {
        pool.entries().for_each(|entry| reconciler.set_service(now, entry));
    } else {
        let row = pool.row(server);
        pool.keys().for_each(|service| reconciler.set_row(now, service, server, row));
    }
}

impl crate::occasion::Occasion {
    /// As one checker of several brings it about: mails tell it even if the server stays as it is, unless nobody wants
    /// that (`no_checker_emails`).
    fn of_checker(self, changed: bool, no_checker_emails: bool) -> Self {
        let mail = self.mail && (changed || !no_checker_emails);
        let script = self.script.filter(|_| changed);
        Self { changed, mail, script, ..self }
    }
}

/// keepalived's word for a checker.
pub(super) fn keyword(probe: &Probe) -> &'static str {
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
