//! The loop of the `check` worker: performs the checks that the director asks for, reads and writes the IPVS table, and
//! hands back what came of it.
//!
//! It judges nothing. Each check is a task of its own; the director never asks for one twice at a time, so there are
//! never more than the configuration has checkers.

use crate::exit_status::ExitStatus;
use crate::journal;
use crate::link::Command;
use crate::worker::{WorkerContext, say_stopping};
use standfast_api::{CheckSlice, CheckStatus, ServiceStatus, Status};
use standfast_kernel::ipvs::{Ipvs, OpenError};
use standfast_kernel::timer::{Timer, boottime};
use standfast_lvs::{Action, CheckerId, Director, Event, Output, Verdict};
use std::collections::VecDeque;
use std::io;
use tokio::task::JoinSet;
use tracing::error;

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Ipvs(#[from] OpenError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs the worker until it is told to stop.
pub async fn run(context: WorkerContext<CheckSlice>) -> ExitStatus {
    match serve(context).await {
        Ok(()) => ExitStatus::Ok,
        Err(problem) => {
            error!("the check worker cannot go on: {problem}");
            match problem {
                // A master of a service that nothing balances is worse than none: the daemon ends.
                Problem::Ipvs(OpenError::NoIpvs) => ExitStatus::Fatal,
                Problem::Ipvs(OpenError::NoPermission) => ExitStatus::Permission,
                Problem::Ipvs(OpenError::Socket(_) | OpenError::Refused(_) | OpenError::Incomplete(_))
                | Problem::Io(_) => ExitStatus::INTERNAL,
            }
        }
    }
}

async fn serve(context: WorkerContext<CheckSlice>) -> Result<(), Problem> {
    let WorkerContext { slice, options, mut supervisor } = context;
    let mut worker = Worker {
        director: Director::new(slice.lvs, seed()),
        ipvs: Ipvs::open()?,
        checks: JoinSet::new(),
        output: Output::default(),
        changed: true,
    };
    let mut timer = Timer::new()?;
    worker.feed(Event::Start);
    supervisor.ready();
    loop {
        if core::mem::take(&mut worker.changed) {
            supervisor.status(Status::Check(worker.status()));
        }
        timer.arm(worker.director.next_deadline())?;
        tokio::select! {
            Command::Stop(reason) = supervisor.command() => {
                say_stopping(reason);
                worker.feed(Event::Shutdown { keep_table: options.dont_release_ipvs });
                return Ok(());
            }
            Some(finished) = worker.checks.join_next() => match finished {
                Ok((checker, verdict)) => worker.feed(Event::CheckFinished { checker, verdict }),
                // A check that panicked is our own bug: better a new worker than a checker that never runs again.
                Err(broken) => return Err(io::Error::other(broken).into()),
            },
            expired = timer.expired() => {
                expired?;
                worker.feed(Event::Wake);
            }
        }
    }
}

/// Spreads first checks within their `warmup`: it need not be secret, only differ between directors and starts.
fn seed() -> u64 {
    boottime().as_nanos() ^ (u64::from(std::process::id()) << 40)
}

struct Worker {
    director: Director,
    ipvs: Ipvs,
    checks: JoinSet<(CheckerId, Verdict)>,
    output: Output,
    /// Something happened that status shows: nothing does without a notice.
    changed: bool,
}

impl Worker {
    /// Hands the director an event, does what it asks for, and hands back the answers, until nothing is left to do.
    fn feed(&mut self, event: Event) {
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
                let Some(probe) = self.director.probe(checker).cloned() else { return };
                self.checks.spawn(async move { (checker, standfast_check::run(&probe).await) });
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

    fn status(&self) -> CheckStatus {
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
