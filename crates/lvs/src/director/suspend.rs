//! Virtual servers whose address is not on this host (`ha_suspend`).
//!
//! It owns when their checks rest. What the checks said stays.

use super::Director;
use crate::notice::Notice;
use crate::output::{Action, Output};
use core::time::Duration;
use standfast_model::Instant;
use standfast_model::config::lvs::VirtualServer;
use standfast_model::ipvs::ServiceKey;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Checks that were resting run within this time: a new master must not go by verdicts from before it was one.
const RESUME_WITHIN: Duration = Duration::from_secs(1);

impl Director {
    /// Brings every pool in line with the addresses of this host.
    pub(super) fn suspend_or_resume(&mut self, now: Instant, out: &mut Output) {
        let Some(here) = &self.here else { return };
        let mut resumed = Vec::new();
        for pool in &mut self.pools {
            let suspended = rests(pool.config(), here);
            if pool.suspended == suspended {
                continue;
            }
            pool.suspended = suspended;
            let service = pool.key();
            out.notice(if suspended { Notice::Suspended { service } } else { Notice::Resumed { service } });
            for checker in pool.servers().flat_map(|(_, member)| &member.checkers) {
                if !suspended {
                    resumed.push(*checker);
                    continue;
                }
                self.seats.rest(*checker);
                if let Some(seat) = self.seats.get_mut(*checker).filter(|seat| seat.state.is_running()) {
                    seat.state.cancel();
                    out.push(Action::CancelCheck(*checker));
                }
            }
        }
        for checker in resumed {
            let due = now + self.random.part_of(RESUME_WITHIN);
            self.first_due(checker, due);
        }
    }
}

/// Groups have no address of their own, and marks none at all: they never rest.
fn rests(config: &VirtualServer, here: &BTreeSet<IpAddr>) -> bool {
    let options = &config.options;
    match config.key {
        ServiceKey::Address { address, .. } => {
            options.ha_suspend && options.group.is_none() && !here.contains(&address)
        }
        ServiceKey::FirewallMark { .. } => false,
    }
}
