//! The director's side of the `check` worker: hands it events, and carries out what it asks for.
//!
//! It reads and writes the kernel's table and tells the journal. It performs no check itself and decides nothing.

use super::notify::Audience;
use super::probe::Probes;
use crate::journal;
use crate::runner_client::{Answer, RunnerClient};
use standfast_api::{CheckSlice, CheckStatus, ServiceStatus};
use standfast_kernel::ipvs::{Ipvs, OpenError, Refused};
use standfast_kernel::timer::boottime;
use standfast_lvs::{Action, Director, Event, Output};
use standfast_model::Instant;
use std::collections::VecDeque;
use tracing::{debug, warn};

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
    /// Where scripts are run and notifications told.
    pub(super) runner: RunnerClient,
    /// Who is to be told besides scripts.
    audience: Audience,
    output: Output,
    /// Something happened that status shows: nothing does without a notice.
    changed: bool,
}

impl Worker {
    /// A director for that configuration, and the kernel's table for it.
    pub(super) fn new(slice: CheckSlice) -> Result<Self, OpenError> {
        Ok(Self {
            audience: Audience::of(&slice),
            director: Director::new(slice.lvs, seed()),
            ipvs: Ipvs::open()?,
            probes: Probes::default(),
            runner: RunnerClient::new(),
            output: Output::default(),
            changed: true,
        })
    }

    /// Goes on with another configuration.
    pub(super) fn reload(&mut self, slice: CheckSlice) {
        self.audience = Audience::of(&slice);
        self.feed(Event::Reload(Box::new(slice.lvs)));
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

    /// Takes in what the runner says.
    pub(super) fn answered(&mut self, answer: Answer) {
        match answer {
            // Nothing was asked for yet that this would answer.
            Answer::Ended(_) | Answer::File { .. } | Answer::Processes { .. } => {}
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
            Action::CountConnections(services) => match self.ipvs.connections(&services) {
                Ok(activity) => answers.push_back(Event::Connections(activity)),
                // It asks again in a second.
                Err(refused) => debug!("connections cannot be counted: {refused}"),
            },
            Action::Flush => self.said("be emptied", Ipvs::flush),
            Action::SetTimeouts(timeouts) => self.said("take lvs_timeouts", |ipvs| ipvs.set_timeouts(timeouts)),
            Action::SetSyncDaemon(role) => {
                self.said("run the sync daemon as lvs_sync_daemon says", |ipvs| ipvs.set_sync_daemon(role.as_ref()));
            }
            Action::CancelCheck(checker) => self.probes.cancel(checker),
            Action::Notice(notice) => {
                self.changed = true;
                journal::pool(&notice);
            }
            Action::Notify(occasion) => self.audience.tell(*occasion, &mut self.runner),
        }
    }

    /// Does something to the whole of IPVS. A refusal is told: nothing else follows from it.
    fn said(&mut self, what: &str, change: impl FnOnce(&mut Ipvs) -> Result<(), Refused>) {
        if let Err(refused) = change(&mut self.ipvs) {
            warn!("IPVS will not {what}: {refused}");
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
