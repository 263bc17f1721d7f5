//! The loop of the `check` worker: performs the checks that the director asks for, reads and writes the IPVS table, and
//! hands back what came of it.
//!
//! It judges nothing. What a check does is `probe`'s business, what the table is told `director`'s.

mod addresses;
mod director;
mod incoming;
mod lease;
mod linger;
mod marker;
mod news;
mod notify;
mod orders;
mod probe;
mod table;
mod traffic;
mod witness;

use crate::confinement::confine;
use crate::exit_status::ExitStatus;
use crate::journal;
use crate::link::{Command, SupervisorLink};
use crate::worker::{WorkerContext, say_stopping, set_schedule, slice_label};
use director::Worker;
use standfast_api::{CheckSlice, CheckStatus, FromWorker, Generation, Status, TrafficTable, WorkerKind};
use standfast_kernel::ipvs::OpenError;
use standfast_kernel::process::memory::give_back_memory;
use standfast_kernel::process::schedule::Schedule;
use standfast_kernel::timer::{Timer, boottime};
use standfast_lvs::Event;
use std::io;
use std::os::fd::OwnedFd;
use tracing::error;
use witness::Witnesses;

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
    let WorkerContext { slice, options, attached, mut supervisor } = context;
    let mut schedule = Schedule::current();
    set_schedule(&mut schedule, &slice.global.processes.checker);
    confine(WorkerKind::Check, slice.global.net_namespace_ipvs.is_some())?;
    let mut witnesses = Witnesses::of(&slice);
    let begun = begin(slice, attached, options.restarted, (&mut supervisor, &mut witnesses, &mut schedule)).await?;
    let Some(mut worker) = begun else { return Ok(()) };
    let mut timer = Timer::new()?;
    let deadlines = worker.probes.deadlines().clone();
    worker.probes.heed(supervisor.call()?);
    supervisor.ready();
    give_back_memory();
    loop {
        if worker.is_overdue() {
            go_on(&mut worker, &mut supervisor, &mut witnesses, &mut schedule);
        }
        worker.note();
        if let Some(status) = worker.news() {
            supervisor.status(Status::Check(status));
        }
        worker.tidy_up();
        let due = worker.next_deadline();
        timer.arm(due)?;
        tokio::select! {
            // What follows a configuration may rest upon it.
            command = supervisor.command(), if !worker.is_receiving() => match command {
                Command::Stop(reason) => {
                    say_stopping(reason);
                    worker.stop(options.dont_release_ipvs);
                    worker.runner.last_words().await;
                    witnesses.release().await;
                    return Ok(());
                }
                Command::Reload(slice) => match slice.octets(slice_label(WorkerKind::Check)) {
                    Ok(octets) => worker.receive(slice.generation(), octets),
                    Err(why) => supervisor.reloaded(slice.generation(), Err(why)),
                },
                Command::Peer(_, way) => worker.runner.connect(way),
                Command::Bfd { session, up } => worker.bfd_changed(&session, up),
                Command::SyncInstance { master } => worker.feed(Event::SyncInstance { master }),
                Command::Lease { witness, wanted } => witnesses.want(&witness, wanted),
                Command::Report => {
                    worker.read_traffic();
                    supervisor.status(Status::Check(worker.tell()));
                }
                Command::Server { number, order } => supervisor.answer(number, worker.order(&order)),
                Command::Plan { number, slice } => {
                    let new = slice.read::<CheckSlice>(slice_label(WorkerKind::Check));
                    supervisor.planned(number, new.and_then(|new| worker.plan(new)));
                }
                // Not for this worker.
                Command::Front(_) | Command::Agent(_) | Command::Quorum { .. } | Command::Witness { .. } | Command::Maintenance { .. } | Command::Switchover { .. } | Command::Announce { .. } | Command::Conflict(_) => {}
            },
            finished = worker.probes.finished() => {
                let (checker, verdict, ended) = finished?;
                worker.feed_at(ended, Event::CheckFinished { checker, verdict });
                worker.linger().await?;
            }
            moved = Worker::moved(&mut worker.local) => {
                moved?;
                worker.addresses_changed();
            }
            (witness, said) = witnesses.next() => {
                journal::witness(&witness, &said);
                supervisor.tell(&FromWorker::Witness { witness, said });
            }
            answer = worker.runner.next() => worker.answered(answer),
            // Something is left to be done, and everything else is looked at in between.
            () = tokio::task::yield_now(), if worker.is_busy() => {
                go_on(&mut worker, &mut supervisor, &mut witnesses, &mut schedule);
            }
            // The timer is to be armed anew.
            () = deadlines.sooner(due) => {}
            now = timer.expired_at() => {
                let now = now?;
                deadlines.pass(now);
                worker.feed_at(now, Event::Wake);
                worker.linger().await?;
            }
        }
    }
}

/// Does one piece of what is left to be done.
fn go_on(worker: &mut Worker, supervisor: &mut SupervisorLink, witnesses: &mut Witnesses, schedule: &mut Schedule) {
    if let Some((generation, arrived)) = worker.work() {
        supervisor.reloaded(
            generation,
            arrived.map(|new| {
                witnesses.configure(&new.slice);
                set_schedule(schedule, &new.slice.global.processes.checker);
                worker.reload(new);
            }),
        );
    }
}

/// The worker of what there is to balance, once there is anything; none when it was told to stop before.
async fn begin(
    slice: CheckSlice,
    attached: Vec<OwnedFd>,
    restarted: bool,
    (supervisor, witnesses, schedule): (&mut SupervisorLink, &mut Witnesses, &mut Schedule),
) -> Result<Option<Worker>, Problem> {
    if has_pool(&slice) {
        return Worker::new(slice, attached, restarted).map(Some);
    }
    supervisor.ready();
    let Some((generation, slice)) = without_pool(supervisor, witnesses, schedule).await else { return Ok(None) };
    // Nobody is balanced yet, and a kernel that cannot balance is found out by whoever asked for it.
    let worker = Worker::new(*slice, attached, false)?;
    supervisor.reloaded(generation, Ok(()));
    Ok(Some(worker))
}

/// Whether there is anything to balance: a worker that is there for witnesses alone leaves IPVS alone.
fn has_pool(slice: &CheckSlice) -> bool {
    let lvs = &slice.lvs;
    slice.witnesses.is_empty() || !lvs.virtual_servers.is_empty() || lvs.common.sync_daemon.is_some()
}

/// Asks witnesses and does nothing else, until there is something to balance; none when it was told to stop.
async fn without_pool(
    supervisor: &mut SupervisorLink,
    witnesses: &mut Witnesses,
    schedule: &mut Schedule,
) -> Option<(Generation, Box<CheckSlice>)> {
    loop {
        tokio::select! {
            command = supervisor.command() => match command {
                Command::Stop(reason) => {
                    say_stopping(reason);
                    witnesses.release().await;
                    return None;
                }
                Command::Reload(slice) => {
                    let generation = slice.generation();
                    match slice.read::<CheckSlice>(slice_label(WorkerKind::Check)) {
                        Ok(new) => {
                            set_schedule(schedule, &new.global.processes.checker);
                            witnesses.configure(&new);
                            if has_pool(&new) {
                                return Some((generation, Box::new(new)));
                            }
                            supervisor.reloaded(generation, Ok(()));
                        }
                        Err(why) => supervisor.reloaded(generation, Err(why)),
                    }
                }
                Command::Lease { witness, wanted } => witnesses.want(&witness, wanted),
                Command::Report => {
                    let none =
                        CheckStatus { at: boottime(), services: Vec::new(), traffic: TrafficTable::default() };
                    supervisor.status(Status::Check((&none).into()));
                }
                Command::Server { number, .. } => {
                    supervisor.answer(number, Err("there is no virtual server".to_owned()));
                }
                Command::Plan { number, .. } => {
                    supervisor.planned(number, Err("there was no virtual server before".to_owned()));
                }
                // There is nothing that would follow from these.
                Command::Peer(..)
                | Command::Bfd { .. }
                | Command::SyncInstance { .. }
                | Command::Front(_)
                | Command::Agent(_)
                | Command::Quorum { .. }
                | Command::Witness { .. }
                | Command::Maintenance { .. }
                | Command::Switchover { .. }
                | Command::Announce { .. }
                | Command::Conflict(_) => {}
            },
            (witness, said) = witnesses.next() => {
                journal::witness(&witness, &said);
                supervisor.tell(&FromWorker::Witness { witness, said });
            }
        }
    }
}
