//! The slow start of servers that came back (`slow_start`).
//!
//! It owns when whose weight grows. How a share becomes a weight is the server's business.

use super::{Director, ServerName};
use crate::member::Member;
use core::time::Duration;
use standfast_model::Instant;
use std::collections::{BTreeMap, BTreeSet};

/// A recovery takes so many steps: each is an edit in the kernel, and smaller ones would not be noticed.
const STEPS: u32 = 20;

/// No step is shorter: below that the kernel's schedulers would see a jump anyway.
const SHORTEST_STEP: Duration = Duration::from_millis(100);

/// Servers that recover.
#[derive(Clone, Debug, Default)]
pub(super) struct Recovery {
    since: BTreeMap<ServerName, (Instant, Instant)>,
    steps: BTreeSet<(Instant, ServerName)>,
}

impl Recovery {
    pub(super) fn next(&self) -> Option<Instant> {
        self.steps.first().map(|(due, _)| *due)
    }

    fn begin(&mut self, server: ServerName, since: Instant, step: Instant) {
        self.end(&server);
        self.since.insert(server, (since, step));
        self.steps.insert((step, server));
    }

    pub(super) fn end(&mut self, server: &ServerName) {
        if let Some((_, step)) = self.since.remove(server) {
            self.steps.remove(&(step, *server));
        }
    }

    /// The same server goes by another name.
    pub(super) fn rename(&mut self, old: &ServerName, new: ServerName) {
        if let Some((since, step)) = self.since.get(old).copied() {
            self.end(old);
            self.begin(new, since, step);
        }
    }

    /// The next one whose step is due, and since when it recovers.
    fn pop(&mut self, now: Instant) -> Option<(ServerName, Instant)> {
        let (due, server) = self.steps.first().copied().filter(|(due, _)| *due <= now)?;
        self.steps.remove(&(due, server));
        let (since, _) = self.since.remove(&server)?;
        Some((server, since))
    }
}

impl Director {
    /// A server serves again: from now on its weight grows, if that is wanted.
    pub(super) fn recover(&mut self, now: Instant, server: ServerName, place: usize) {
        let Some(at) = self.place_of(&server.service) else { return };
        let Some(pool) = self.pools.get_mut(at) else { return };
        let whole = pool.config().options.slow_start;
        let share = (!whole.is_zero()).then_some(0);
        pool.change(place, |member| set_share(member, share));
        if share.is_some() {
            self.recovery.begin(server, now, now + step(whole));
        } else {
            self.recovery.end(&server);
        }
    }

    /// Takes the steps that are due.
    pub(super) fn recover_further(&mut self, now: Instant) {
        while let Some((server, since)) = self.recovery.pop(now) {
            let Some(at) = self.place_of(&server.service) else { continue };
            let Some(pool) = self.pools.get_mut(at) else { continue };
            let Some(place) = pool.place(server.server) else { continue };
            let whole = pool.config().options.slow_start;
            let elapsed = now.since(since);
            let share = (elapsed < whole).then(|| {
                let share = elapsed.as_nanos().saturating_mul(1000) / whole.as_nanos().max(1);
                u32::try_from(share).unwrap_or(1000)
            });
            pool.change(place, |member| set_share(member, share));
            let row = pool.row(server.server);
            pool.keys().for_each(|service| self.reconciler.set_row(now, service, server.server, row));
            if share.is_some() {
                self.recovery.begin(server, since, now + step(whole));
            }
        }
    }
}

/// A server that never recovered keeps no note of it.
fn set_share(member: &mut Member, share: Option<u32>) {
    if member.weighed.share != share {
        member.weighed.share = share;
    }
}

fn step(whole: Duration) -> Duration {
    (whole / STEPS).max(SHORTEST_STEP)
}
