//! What a director takes over from the kernel's table when it starts.
//!
//! A worker that is restarted finds the table of the one before it. It goes on from there, so that neither a server
//! that is down comes back for a moment, nor one that is up goes away for one. It owns this one step and no state.

use super::tell::{self, server_occasion};
use super::{CheckerId, Director, Phase, key_of};
use crate::notice::Notice;
use crate::output::Output;
use crate::table::{Entry, Table};
use standfast_model::Instant;
use standfast_model::config::lvs::{RealServer, VirtualServer};

impl Director {
    /// The first answer about the kernel's table (none: it cannot be read): takes over what it tells of the time
    /// before us, and says where each service stands.
    pub(super) fn settle(&mut self, now: Instant, table: Option<&Table>, out: &mut Output) {
        if self.phase != Phase::Starting {
            return;
        }
        self.phase = Phase::Running;
        for at in 0..self.pools.len() {
            let found = self.pools.get(at).and_then(|pool| table?.services.get(&pool.key()));
            // What a predecessor remembered is more than what its table shows.
            if let Some(found) = found.filter(|found| !self.told.contains(&found.service.key)) {
                self.adopt(now, at, found, out);
            }
            self.begin(at, out);
        }
    }

    /// Says where a service stands when it begins.
    pub(super) fn begin(&mut self, at: usize, out: &mut Output) {
        let Some(pool) = self.pools.get(at) else { return };
        // A predecessor has told of this one, and nothing has changed.
        if self.told.remove(&pool.key()) {
            return;
        }
        tell::quorum_begins(pool, out);
        if self.common.initial_notifies {
            for (server, _) in pool.servers().filter(|(_, member)| member.is_up()) {
                let occasion = server_occasion(pool.config(), server, true, "Starting".to_owned());
                out.notify(crate::occasion::Occasion { mail: false, ..occasion });
            }
        }
    }

    /// A service of ours is in the kernel already: a predecessor that was killed, or was told to leave its table, put
    /// it there. A server that is not in it was taken out for a reason, so it stays out; one that is in it stays in,
    /// `alpha` or not. The checks of those that are out run at once, because a server that is merely new must not
    /// wait for long.
    fn adopt(&mut self, now: Instant, at: usize, found: &Entry, out: &mut Output) {
        let Some(pool) = self.pools.get_mut(at) else { return };
        let mut urgent: Vec<CheckerId> = Vec::new();
        let mut left_out = 0_usize;
        let mut any_in = false;
        for (server, member) in pool.members_mut() {
            let up = was_in(server, found);
            any_in |= up;
            member.checkers_down = 0;
            for checker in &member.checkers {
                let Some(seat) = self.seats.get_mut(*checker) else { continue };
                if seat.state.adopt(up) && !up {
                    urgent.push(seat.leader.unwrap_or(*checker));
                }
                member.checkers_down += u32::from(!seat.state.is_up());
            }
            left_out += usize::from(!member.is_up());
        }
        let quorum = any_in && !sorry_was_in_use(pool.config(), found);
        pool.adopt(quorum);
        if left_out > 0 {
            out.notice(Notice::Adopted { service: pool.key(), out: left_out });
        }
        pool.entries().for_each(|entry| self.reconciler.set_service(now, entry));
        for checker in urgent {
            if self.seats.due(checker).is_some() {
                self.first_due(checker, now);
            }
        }
    }
}

/// Whether the server was up, by what is in the table. Weight 0 of one that its failures inhibit can mean that it was
/// down or that the sorry server stood in; the check that runs at once will tell.
fn was_in(server: &RealServer, found: &Entry) -> bool {
    found
        .destinations
        .get(&key_of(server.address))
        .is_some_and(|row| row.weight > 0 || server.weight == 0 || !server.inhibit_on_failure)
}

fn sorry_was_in_use(config: &VirtualServer, found: &Entry) -> bool {
    config
        .sorry_server
        .as_ref()
        .is_some_and(|sorry| found.destinations.get(&key_of(sorry.address)).is_some_and(|row| row.weight > 0))
}
