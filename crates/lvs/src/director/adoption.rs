//! What a director takes over from the kernel's table when it starts.
//!
//! A worker that is restarted finds the table of the one before it. It goes on from there, so that neither a server
//! that is down comes back for a moment, nor one that is up goes away for one. It owns this one step and no state.

use super::{CheckerId, Director, Phase, key_of, sorry_notice, weights};
use crate::notice::Notice;
use crate::output::Output;
use crate::pool::QuorumChange;
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
        for number in 0..self.pools.len() {
            let found = self.pools.get(number).and_then(|pool| table?.services.get(&pool.key()));
            if let Some(found) = found {
                self.adopt(now, number, found, out);
            }
            let Some(pool) = self.pools.get(number) else { continue };
            let (service, weights) = (pool.key(), weights(pool));
            if pool.has_quorum() {
                out.notice(Notice::QuorumGained { service, weights });
            } else {
                out.notice(Notice::StartedWithoutQuorum { service, weights });
                sorry_notice(pool, QuorumChange::Lost, out);
            }
        }
    }

    /// A service of ours is in the kernel already: a predecessor that was killed, or was told to leave its table, put
    /// it there. A server that is not in it was taken out for a reason, so it stays out; one that is in it stays in,
    /// `alpha` or not. The checks of those that are out run at once, because a server that is merely new must not
    /// wait for long.
    fn adopt(&mut self, now: Instant, number: usize, found: &Entry, out: &mut Output) {
        let Some(pool) = self.pools.get_mut(number) else { return };
        let was_in: Vec<bool> = pool.config().real_servers.iter().map(|server| was_in(server, found)).collect();
        let mut down = vec![0_usize; was_in.len()];
        let first = self.first_seats.get(number).copied().unwrap_or(self.seats.len());
        for (number, seat) in self.seats.iter_mut().enumerate().skip(first).take_while(|(_, seat)| seat.pool == number)
        {
            let up = was_in.get(seat.server).copied().unwrap_or(true);
            let waiting = seat.state.adopt(up).filter(|_| !up);
            if let Some(due) = waiting
                && self.due.remove(&(due, CheckerId(number)))
            {
                seat.state.first_due(now);
                self.due.insert((now, CheckerId(number)));
            }
            if let Some(down) = down.get_mut(seat.server) {
                *down += usize::from(!seat.state.is_up());
            }
        }
        let left_out = down.iter().filter(|down| **down > 0).count();
        let quorum = was_in.contains(&true) && !sorry_was_in_use(pool.config(), found);
        pool.adopt(down, quorum);
        if left_out > 0 {
            out.notice(Notice::Adopted { service: pool.key(), out: left_out });
        }
        pool.entries().for_each(|entry| self.reconciler.set_service(now, entry));
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
