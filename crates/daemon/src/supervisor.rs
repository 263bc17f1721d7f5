//! The supervisor: starts the workers, restarts what dies, stops them in order, and does nothing else.
//!
//! It opens no protocol socket and reads no byte from the network. It waits for signals, for messages of its workers
//! and for their restart and stop times, all in one loop and one task.

mod adjust;
mod backoff;
mod kept;
mod maintenance;
mod orders;
mod plan;
mod planning;
mod publisher;
mod reload;
mod summary;
mod timetable;
mod upgrade;
mod watchdog;
mod witness;
mod worker;

pub use plan::{Plan, PlanError, kinds_to_run, missing_capabilities, plan, plan_with, slice_of};

use crate::command_line::Options;
use crate::dump::Dump;
use crate::exit_status::ExitStatus;
use crate::service_manager::ServiceManager;
use crate::signals::{Received, Request, Signals};
use crate::succession::Inheritance;
use crate::tidiness::Tidiness;
use core::future::poll_fn;
use core::task::Poll;
use core::time::Duration;
use kept::Kept;
use planning::Planning;
use publisher::Publisher;
use reload::{Reloading, Unconfirmed, Wish};
use standfast_api::{Generation, ServiceStatus, Status, VrrpStatus, WorkerKind};
use standfast_kernel::memfd::MemfdError;
use standfast_kernel::process::OwnBinary;
use standfast_kernel::process::binary::release_signals;
use standfast_kernel::process::memory::give_back_memory;
use standfast_kernel::process::orphans;
use standfast_kernel::timer::boottime;
use standfast_model::config::lvs::VirtualServer;
use standfast_model::{Config, Instant, State, Witnessed};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use summary::summary;
use timetable::Timetable;
use tracing::{info, warn};
use upgrade::Upgrading;
use watchdog::Watchdog;
use worker::{End, Verdict, Worker};

/// What the daemon was started with, and what it reads a new configuration by.
#[derive(Debug)]
pub struct Origin {
    /// The command line, with an absolute path to the configuration: the daemon has left the directory of its start.
    pub options: Options,
    /// The configuration in force.
    pub config: Config,
    /// What another program has left that was this process before.
    pub inheritance: Option<Inheritance>,
}

/// What the supervisor is made of.
#[derive(Debug)]
pub struct Supervisor {
    binary: OwnBinary,
    options: Options,
    /// The configuration in force.
    config: Kept,
    generation: Generation,
    reloading: Option<Reloading>,
    /// A reload was asked for while one was under way: exactly one more follows, whoever asked how often.
    reload_again: Option<Wish>,
    /// What was in force before a reload that wants to be confirmed.
    unconfirmed: Option<Unconfirmed>,
    /// `reload_time_file`
    timetable: Option<Timetable>,
    in_force_since: Instant,
    started: Instant,
    publisher: Publisher,
    /// How things were when the statistics were last cleared; the `vrrp` worker itself only counts on.
    cleared: Option<VrrpStatus>,
    watchdog: Option<Watchdog>,
    /// The last reload was refused; shown until one succeeds.
    refused: Option<String>,
    workers: Vec<Worker>,
    /// BFD sessions by name, as their worker sees them.
    bfd: BTreeMap<String, Verdict>,
    /// What witnesses say, by name, as the `check` worker has told.
    witnesses: BTreeMap<String, Witnessed>,
    /// Until when at most the other workers wait for the runner, which runs `startup_script` first.
    held_back: Option<Instant>,
    signals: Signals,
    service_manager: ServiceManager,
    told_ready: bool,
    /// What is asked of a reload that may come.
    plannings: Vec<Planning>,
    /// Another program is asked whether it can take over.
    upgrading: Option<Upgrading>,
    tidiness: Tidiness,
    /// Set when the stop has begun: what the daemon will end with.
    stopping: Option<ExitStatus>,
}

impl Supervisor {
    /// Catches signals and starts the workers: those of the plans, and the front. Needs a runtime.
    ///
    /// # Errors
    ///
    /// If the signals cannot be caught or a slice cannot be put into memory.
    pub fn start(
        binary: OwnBinary,
        origin: Origin,
        plans: Vec<Plan>,
        service_manager: ServiceManager,
    ) -> Result<Self, SupervisorError> {
        let begun = boottime();
        let Origin { options, config, mut inheritance } = origin;
        let signals = Signals::catch()?;
        release_signals()?;
        let mut workers = Vec::new();
        for plan in plans {
            let kind = plan.setup.kind;
            let starts = inheritance.as_ref().map_or(0, |inheritance| inheritance.starts(kind));
            workers.push(Worker::new(plan)?.started_before(starts));
        }
        // The predecessor has run it.
        let startup = config.global.startup.as_ref().filter(|_| inheritance.is_none());
        let patience = startup.map(|script| script.timeout + LAST_SCRIPT);
        let held_back = patience.filter(|_| workers.iter().any(is_runner)).map(|patience| boottime() + patience);
        // Who may have an advertisement to send goes first.
        let may_start = |worker: &&mut Worker| held_back.is_none() || is_runner(worker);
        for first in [true, false] {
            let now = |worker: &&mut Worker| (worker.kind() == WorkerKind::Vrrp) == first;
            for worker in workers.iter_mut().filter(may_start).filter(now) {
                // Until now the one of before has done its work.
                inheritance.iter_mut().for_each(|inheritance| inheritance.kill(worker.kind()));
                worker.start(&binary);
            }
        }
        // What the front needs takes its time (the control socket's group is looked up), and nobody waits for it.
        let held = inheritance.as_ref().map_or_else(|| Ok(Vec::new()), |left| left.attached(WorkerKind::Front))?;
        let starts = inheritance.as_ref().map_or(0, |inheritance| inheritance.starts(WorkerKind::Front));
        let front = plan_with(WorkerKind::Front, &options, &config, held)?;
        let mut front = Worker::new(front)?.started_before(starts);
        if held_back.is_none() {
            inheritance.iter_mut().for_each(|inheritance| inheritance.kill(WorkerKind::Front));
            front.start(&binary);
        }
        workers.push(front);
        let (bfd, generation) = (upgrade::bfd_of(inheritance.as_ref()), upgrade::generation_of(inheritance.as_ref()));
        if let Some(mut inheritance) = inheritance {
            inheritance.dismiss();
            Self::say_upgraded(&inheritance.legacy, begun);
        }
        introduce(&mut workers);
        let timetable = Timetable::new(&config.global.reload);
        let config = Kept::new(config, check_slice(&workers));
        give_back_memory();
        Ok(Self {
            binary,
            options,
            config,
            generation,
            reloading: None,
            reload_again: None,
            unconfirmed: None,
            timetable,
            in_force_since: boottime(),
            started: boottime(),
            publisher: Publisher::new(),
            cleared: None,
            watchdog: Watchdog::new(service_manager.watchdog()),
            refused: None,
            workers,
            bfd,
            witnesses: BTreeMap::new(),
            held_back,
            signals,
            service_manager,
            told_ready: false,
            plannings: Vec::new(),
            upgrading: None,
            tidiness: Tidiness::default(),
            stopping: None,
        })
    }

    /// Runs until everything has stopped.
    pub async fn run(mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.stopping
                && !self.workers.iter().any(Worker::is_running)
            {
                for worker in self.workers {
                    worker.remove_pid_file();
                }
                return status;
            }
            self.settle_reload();
            self.settle_upgrade();
            self.tell_service_manager();
            self.publish();
            self.feed_watchdog();
            let deadline = self.next_deadline();
            tokio::select! {
                received = self.signals.next() => self.signalled(received),
                () = listen(&mut self.workers) => {}
                () = follow(self.timetable.as_mut()) => {}
                () = sleep_until(deadline) => self.wake(),
            }
            // A child's end is also looked for without its signal: that may have been merged with another.
            self.reap();
            self.bury_orphans();
            self.go_on_after_startup_script();
            introduce(&mut self.workers);
            self.relay_bfd();
            self.relay_quorum();
            self.relay_witnesses();
            self.relay_leases();
            self.relay_sync();
            self.stop_runner();
        }
    }

    fn signalled(&mut self, received: Received) {
        match received.request {
            Request::Interrupt if self.options.ignore_interrupt => info!("{received} ignored"),
            Request::Stop | Request::Interrupt => self.stop(ExitStatus::Ok, &received.to_string()),
            Request::Reload => self.reload(Wish::of_signal(received.to_string())),
            Request::Data => self.dump(&received, Dump::Data),
            Request::Stats => self.dump(&received, Dump::Stats { clear: false }),
            Request::StatsClear => self.dump(&received, Dump::Stats { clear: true }),
            Request::Json => self.dump(&received, Dump::Json),
            Request::ThreadDump => {
                warn!("{received} ignored: there are no threads; SIGUSR1 writes down what every process knows");
            }
            Request::Child => {}
        }
    }

    fn stop(&mut self, status: ExitStatus, why: &str) {
        if self.stopping.is_some() {
            info!("already stopping: {why}");
            return;
        }
        info!("Stopping: {why}");
        self.service_manager.stopping();
        self.stopping = Some(status);
        // The runner tells what the others say last: it goes behind them.
        for worker in self.workers.iter_mut().filter(|worker| !is_runner(worker)) {
            worker.stop(self.config.global.child_wait_time);
        }
        self.stop_runner();
    }

    /// Starts the other workers when the runner is ready, or will not be.
    fn go_on_after_startup_script(&mut self) {
        let Some(until) = self.held_back else { return };
        let waiting = self.workers.iter().any(|worker| is_runner(worker) && worker.is_running() && !worker.is_ready());
        if self.stopping.is_some() {
            self.held_back = None;
        } else if !waiting || until <= boottime() {
            self.held_back = None;
            for worker in self.workers.iter_mut().filter(|worker| !is_runner(worker) && !worker.is_running()) {
                worker.start(&self.binary);
            }
        }
    }

    /// Stops the runner when nobody is left who needs it.
    fn stop_runner(&mut self) {
        let needed = |worker: &Worker| match worker.kind() {
            WorkerKind::Check | WorkerKind::Vrrp | WorkerKind::Bfd => worker.is_running(),
            WorkerKind::Runner | WorkerKind::Front => false,
        };
        if self.stopping.is_none() || self.workers.iter().any(needed) {
            return;
        }
        let script = self.config.global.shutdown.as_ref().map_or(Duration::ZERO, |script| script.timeout + LAST_SCRIPT);
        for runner in self.workers.iter_mut().filter(|worker| is_runner(worker)) {
            runner.stop_once(self.config.global.child_wait_time + script);
        }
    }

    /// Tells the others what the `bfd` worker has found, and a new one what is known.
    fn relay_bfd(&mut self) {
        for verdict in self.workers.iter_mut().flat_map(Worker::take_verdicts) {
            self.bfd.insert(verdict.session.clone(), verdict);
        }
        for worker in &mut self.workers {
            self.bfd.values().for_each(|verdict| worker.tell_of_bfd(verdict));
        }
    }

    /// Tells the `vrrp` worker of the virtual servers that its instances track, as the `check` worker sees them. What a
    /// worker said that has died meanwhile holds until its successor says otherwise.
    fn relay_quorum(&mut self) {
        for service in &self.config.vrrp.common.services {
            let checked = self.workers.iter().find_map(|worker| match worker.status() {
                Some(Status::Check(checked)) => checked.status.get(),
                Some(Status::Vrrp(_) | Status::Bfd(_)) | None => None,
            });
            let Some(checked) = checked else { return };
            let tracked =
                self.config.lvs.virtual_servers.iter().enumerate().filter(|(_, server)| service.names(server));
            let mut states = tracked.filter_map(|(place, server)| seen_as(server, place, &checked.services));
            // Before its first look the worker knows none of them.
            let Some(first) = states.next() else { continue };
            let has_quorum = first.has_quorum && states.all(|state| state.has_quorum);
            for worker in self.workers.iter_mut().filter(|worker| worker.kind() == WorkerKind::Vrrp) {
                worker.tell_of_quorum(service, has_quorum);
            }
        }
    }

    /// Tells the `check` worker whether the instance of the connection sync daemon is master, as the `vrrp` worker says.
    fn relay_sync(&mut self) {
        let Some(daemon) = &self.config.lvs.common.sync_daemon else { return };
        let Some(name) = &daemon.instance else { return };
        let instances = self.workers.iter().filter_map(|worker| match worker.status() {
            Some(Status::Vrrp(vrrp)) => vrrp.instances.iter().find(|instance| instance.name == *name),
            Some(Status::Check(_) | Status::Bfd(_)) | None => None,
        });
        let Some(master) = instances.map(|instance| instance.state == State::Master).next() else { return };
        for worker in self.workers.iter_mut().filter(|worker| worker.kind() == WorkerKind::Check) {
            worker.tell_of_sync(master);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let workers = self.workers.iter().filter_map(Worker::next_deadline);
        let others = [
            self.publisher.next_deadline(),
            self.plannings.iter().map(|planning| planning.until).min(),
            self.unconfirmed.as_ref().map(|unconfirmed| unconfirmed.until),
            self.timetable.as_ref().and_then(Timetable::next_deadline),
            self.held_back,
            self.upgrading.as_ref().map(|upgrading| upgrading.until),
            self.watchdog.as_ref().map(|watchdog| watchdog.next),
            self.tidiness.next_deadline(),
        ];
        workers.chain(others.into_iter().flatten()).min()
    }

    fn wake(&mut self) {
        let now = boottime();
        self.take_back_unconfirmed(now);
        self.reload_by_timetable();
        self.tidiness.wake(now);
        for worker in &mut self.workers {
            worker.wake(now, &self.binary);
        }
    }

    fn reap(&mut self) {
        let ended: Vec<(usize, End, Duration)> = self
            .workers
            .iter_mut()
            .enumerate()
            .filter_map(|(index, worker)| worker.reap().map(|(end, ran)| (index, end, ran)))
            .collect();
        for (index, end, ran) in ended {
            let Some(worker) = self.workers.get_mut(index) else { continue };
            if worker.kind() == WorkerKind::Vrrp {
                // Its successor counts from zero.
                self.cleared = None;
            }
            if self.stopping.is_some() || worker.is_retired() {
                continue;
            }
            match end {
                // Nothing depends on who only looks on.
                End::Permanent(_) | End::Died if worker.kind() == WorkerKind::Front => {
                    worker.respawn(ran);
                    self.wake();
                }
                End::Permanent(_) if worker.died_of_reload(true) => worker.respawn(ran),
                End::Permanent(status) => {
                    let why = format!("a worker ended with status {status}, which a restart does not mend");
                    self.stop(status, &why);
                }
                End::Died if self.options.respawn => {
                    worker.died_of_reload(false);
                    worker.respawn(ran);
                    // The first restart is due at once.
                    self.wake();
                }
                End::Died => self.stop(ExitStatus::Ok, "a worker died and is not to be restarted"),
            }
        }
    }

    /// In a container we are the parent of what scripts have left behind. A program that is asked whether it can take over
    /// is waited for elsewhere.
    fn bury_orphans(&self) {
        if orphans::are_ours() && self.upgrading.is_none() {
            orphans::take_leave(|pid| self.workers.iter().any(|worker| worker.describe().pid == Some(pid)));
        }
    }

    fn tell_service_manager(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        if !self.told_ready && self.workers.iter().all(Worker::is_ready) {
            self.told_ready = true;
            self.service_manager.ready();
            info!("Startup complete");
        }
        self.service_manager.status(&summary(&self.workers, self.refused.as_deref()));
    }
}

/// Why a supervisor did not start.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// Of the kernel.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A slice does not go into memory.
    #[error("cannot hand over the configuration: {0}")]
    Memfd(#[from] MemfdError),
    /// The front has no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// What ending a `shutdown_script` that does not end takes.
const LAST_SCRIPT: Duration = Duration::from_secs(5);

fn is_runner(worker: &Worker) -> bool {
    worker.kind() == WorkerKind::Runner
}

/// What the `check` worker was given last; none without one.
fn check_slice(workers: &[Worker]) -> Option<&OwnedFd> {
    let check = workers.iter().find(|worker| worker.kind() == WorkerKind::Check && !worker.is_retired());
    check.map(Worker::slice)
}

/// Hands a new runner the way to every other worker, and a new worker the way to the runner.
fn introduce(workers: &mut [Worker]) {
    let Some(place) = workers.iter().position(is_runner) else { return };
    let (before, rest) = workers.split_at_mut(place);
    let Some((runner, behind)) = rest.split_first_mut() else { return };
    for worker in before.iter_mut().chain(behind) {
        if let Err(error) = worker.introduce(runner) {
            warn!("{} worker and runner do not know each other: {error}", worker.kind());
        }
    }
}

/// Waits until one of the workers has said something, and takes it in.
async fn listen(workers: &mut [Worker]) {
    let mut listening: Vec<_> = workers.iter_mut().map(|worker| Box::pin(worker.listen())).collect();
    poll_fn(|context| {
        // Everyone is polled, so that a talkative worker does not silence the others.
        let heard = listening.iter_mut().filter_map(|one| one.as_mut().poll(context).is_ready().then_some(())).count();
        if heard > 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

async fn follow(timetable: Option<&mut Timetable>) {
    match timetable {
        Some(timetable) => timetable.follow().await,
        None => core::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep(at.since(boottime())).await,
        None => core::future::pending().await,
    }
}
/// The state of a virtual server of the configuration among those that the `check` worker sees, which are in the same
/// order. One whose packets are marked (`nftables_ipvs`) may go by another mark there, which it had before a reload.
fn seen_as<'a>(server: &VirtualServer, place: usize, seen: &'a [ServiceStatus]) -> Option<&'a ServiceStatus> {
    if server.options.group.as_ref().is_some_and(|group| !group.marked.is_empty()) {
        let families = |status: &&ServiceStatus| status.key.family() == server.key.family();
        return seen.get(place).filter(families);
    }
    seen.iter().find(|seen| seen.key == server.key)
}
