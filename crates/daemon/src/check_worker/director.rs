//! The director's side of the `check` worker: hands it events, and carries out what it asks for.
//!
//! It reads and writes the kernel's table and tells the journal. It performs no check itself and decides nothing.

use super::probe::Probes;
use crate::journal;
use standfast_api::{CheckStatus, ServiceStatus};
use standfast_kernel::ipvs::{Ipvs, OpenError};
use standfast_kernel::timer::boottime;
use standfast_lvs::{Action, Director, Event, Output};
use standfast_model::Instant;
use standfast_model::config::LvsConfig;
use std::collections::VecDeque;

/// Spreads first checks within their `warmup`: it need not be secret, only differ between directors and starts.
fn seed() -> u64 {
    boottime().as_nanos() ^ (u64::from(std::process::id()) << 40)
}

/// See the module.
pub(super) struct Worker {
    director: Director,
    ipvs: Ipvs,
    /// The checks under way.
    pub(super) probes: Probes,
    output: Output,
    /// Something happened that status shows: nothing does without a notice.
    changed: bool,
}

impl Worker {
    /// A director for that configuration, and the kernel's table for it.
    pub(super) fn new(config: LvsConfig) -> Result<Self, OpenError> {
        Ok(Self {
            director: Director::new(config, seed()),
            ipvs: Ipvs::open()?,
            probes: Probes::default(),
            output: Output::default(),
            changed: true,
        })
    }

    /// When the director has something to do of itself.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.director.next_deadline()
    }

    /// Whether anything that status shows has changed since this was last asked.
    pub(super) fn has_changed(&mut self) -> bool {
        core::mem::take(&mut self.changed)
    }

    /// Hands the director an event, does what it asks for, and hands back the answers, until nothing is left to do.
    pub(super) fn feed(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            self.director.handle(boottime(), event, &mut self.output);
            for action in core::mem::take(&mut self.output.actions) {
                self.perform(action, &mut events);
            }
        }
    }

    fn perform(&mut self, action: Action, answers: &mut VecDeque<Event>) {
        match action {
            Action::StartCheck(checker) => {
                if let Some(probe) = self.director.probe(checker) {
                    self.probes.start(checker, probe);
                }
            }
            Action::Dump => answers.push_back(match self.ipvs.dump() {
                Ok(table) => Event::Observed(table),
                Err(refused) => Event::DumpFailed { error: refused.to_string() },
            }),
            Action::Apply(operations) => {
                let results = self.ipvs.apply(&operations);
                let refused = operations.into_iter().zip(results).filter_map(|(operation, result)| {
                    Some(Event::OperationFailed { operation, error: result.err()?.to_string() })
                });
                answers.extend(refused);
            }
            Action::Notice(notice) => {
                self.changed = true;
                journal::pool(&notice);
            }
        }
    }

    /// What is so now.
    pub(super) fn status(&self) -> CheckStatus {
        let count = |servers: usize| u32::try_from(servers).unwrap_or(u32::MAX);
        let services = self.director.status().map(|service| ServiceStatus {
            key: service.key,
            live: count(service.servers.iter().filter(|server| server.up).count()),
            total: count(service.servers.len()),
            has_quorum: service.quorum,
            on_sorry_server: service.sorry_server_in_use,
        });
        CheckStatus { at: boottime(), services: services.collect() }
    }
}
