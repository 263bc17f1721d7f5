//! The loop of the `bfd` worker: waits on its sockets, the timer and the link, and hands what came to the speaker.
//!
//! In every round what arrived is handled before what is due, in bounded portions: a flood delays no packet of ours for
//! long. Nobody is lost while a packet that came in time may lie in a socket: a machine that stood still for a moment loses no
//! living neighbour.

mod listeners;

use crate::bfd_notes::BfdNotes;
use crate::confinement::confine;
use crate::exit_status::ExitStatus;
use crate::link::{Command, NewSlice, SupervisorLink};
use crate::worker::{WorkerContext, say_stopping, set_schedule, slice_label};
use core::time::Duration;
use listeners::{Backlog, Listeners, PORTION};
use standfast_api::{BfdSessionStatus, BfdSlice, BfdStatus, Status, WorkerKind};
use standfast_bfd::{Action, Event, Note, Notice, Output, Path, Received, Speaker};
use standfast_kernel::bfd_socket::{BfdSender, RECEIVE_BUFFER_BYTES};
use standfast_kernel::process::memory::give_back_memory;
use standfast_kernel::process::schedule::Schedule;
use standfast_kernel::timer::{Timer, boottime};
use standfast_model::config::BfdConfig;
use standfast_model::config::track::BfdId;
use standfast_model::{Instant, bfd};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use tracing::{error, info, warn};

/// A session that is not up so long after the start is told as down: until then those who track it keep what they knew
/// of it from a worker that died.
const PATIENCE: Duration = Duration::from_secs(5);

/// A socket that could not be had is tried for again after this.
const RETRY: Duration = Duration::from_secs(1);

/// Runs the worker until it is told to stop.
pub(crate) async fn run(context: WorkerContext<BfdSlice>) -> ExitStatus {
    match serve(context).await {
        Ok(()) => ExitStatus::Ok,
        Err(problem) => {
            error!("the bfd worker cannot go on: {problem}");
            ExitStatus::INTERNAL
        }
    }
}

async fn serve(context: WorkerContext<BfdSlice>) -> io::Result<()> {
    let WorkerContext { slice, options: _, attached, mut supervisor } = context;
    let mut schedule = Schedule::current();
    set_schedule(&mut schedule, &slice.global.processes.bfd);
    let file = attached.into_iter().next().ok_or_else(|| io::Error::other("no file for notes of sessions"))?;
    let (mut worker, left) = Worker::start(slice.bfd, file)?;
    confine(WorkerKind::Bfd, false)?;
    let mut timer = Timer::new()?;
    for (session, note) in &left {
        worker.handle(boottime(), Event::Adopt { session: *session, note }, &mut supervisor);
    }
    worker.handle(boottime(), Event::Wake, &mut supervisor);
    supervisor.ready();
    give_back_memory();
    loop {
        let more = worker.round(&mut supervisor);
        timer.arm_by(worker.next_deadline())?;
        if worker.speaker.is_finished() {
            return Ok(());
        }
        tokio::select! {
            biased;
            command = supervisor.command(), if !worker.stopping => match command {
                Command::Stop(reason) => {
                    say_stopping(reason);
                    worker.stopping = true;
                    worker.handle(boottime(), Event::Shutdown, &mut supervisor);
                }
                Command::Reload(slice) => worker.reload(&slice, &mut schedule, &mut supervisor),
                Command::Report => supervisor.status(Status::Bfd(worker.status())),
                // It runs nothing and follows nobody.
                Command::Peer(..) | Command::Bfd { .. } | Command::SyncInstance { .. } | Command::Quorum { .. } | Command::Witness { .. } | Command::Lease { .. } | Command::Server { .. } | Command::Front(_) | Command::Agent(_) | Command::Maintenance { .. } | Command::Switchover { .. } | Command::Announce { .. } | Command::Conflict(_) | Command::Plan { .. } => {}
            },
            expired = timer.expired() => expired?,
            () = worker.listeners.readable() => {}
            () = tokio::task::yield_now(), if more => {}
        }
    }
}

/// Everything the loop owns.
struct Worker {
    speaker: Speaker,
    notes: BfdNotes,
    config: BfdConfig,
    listeners: Listeners,
    backlog: Backlog,
    /// None: it could not be had, and that has been said.
    senders: BTreeMap<Path, Option<BfdSender>>,
    retry_at: Option<Instant>,
    /// Until then sessions that are not up are not told as down.
    patient_until: Option<Instant>,
    told: BTreeMap<String, bool>,
    /// Empty between two events.
    output: Output,
    stopping: bool,
}

impl Worker {
    /// Also comes back with what a predecessor has noted.
    fn start(config: BfdConfig, file: OwnedFd) -> io::Result<(Self, Vec<(BfdId, Note)>)> {
        let mut seed = [0; 32];
        rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty())?;
        let (notes, left) = BfdNotes::take_over(file, &config.sessions);
        let mut worker = Self {
            speaker: Speaker::new(&config, seed),
            notes,
            config,
            listeners: Listeners::default(),
            backlog: Backlog::default(),
            senders: BTreeMap::new(),
            retry_at: None,
            patient_until: Some(boottime() + PATIENCE),
            told: BTreeMap::new(),
            output: Output::default(),
            stopping: false,
        };
        worker.open_listeners();
        Ok((worker, left))
    }

    /// What cannot be had is tried for again, and said once.
    fn open_listeners(&mut self) {
        if !self.listeners.serve(&self.config.sessions, self.retry_at.is_none()) {
            self.retry_at = Some(boottime() + RETRY);
        }
    }

    /// One round. True if something may be left over.
    fn round(&mut self, supervisor: &mut SupervisorLink) -> bool {
        // What is judged is this moment: all that arrived before it is told by then.
        let now = boottime();
        let more = self.drain(supervisor);
        let event = if self.backlog.is_over(more) { Event::Wake } else { Event::Speak };
        if self.retry_at.take_if(|at| *at <= now).is_some() {
            self.open_listeners();
            self.senders.retain(|_, sender| sender.is_some());
        }
        // Who looks from time to time also sends at these times what is nearly due.
        if self.listeners.looks_at().is_some() || self.speaker.next_deadline().is_some_and(|at| at <= now) {
            self.handle(now, event, supervisor);
        }
        if self.patient_until.take_if(|at| *at <= now).is_some() {
            self.give_up_waiting(supervisor);
        }
        self.notes.write(self.speaker.notes());
        more
    }

    fn drain(&mut self, supervisor: &mut SupervisorLink) -> bool {
        let (mut more, mut found) = (false, 0);
        let mut buffer = [0; RECEIVE_BUFFER_BYTES];
        for port in self.listeners.ports() {
            for taken in 0..=PORTION {
                if taken == PORTION {
                    more = true;
                    break;
                }
                match self.listeners.take(port, &mut buffer) {
                    Ok(Some(arrived)) => {
                        found += 1;
                        let received = Received {
                            multihop: port.multihop,
                            source: arrived.source,
                            destination: arrived.destination,
                            ttl: arrived.ttl,
                            payload: arrived.payload,
                        };
                        self.handle(boottime(), Event::Packet(received), supervisor);
                    }
                    Ok(None) => break,
                    // An error of the network that was queued, or a datagram without addresses: it is gone.
                    Err(_) => {}
                }
            }
        }
        self.listeners.found(boottime(), found);
        more
    }

    fn handle(&mut self, now: Instant, event: Event<'_>, supervisor: &mut SupervisorLink) {
        let mut output = core::mem::take(&mut self.output);
        self.speaker.handle(now, event, &mut output);
        // Who is killed after somebody was told that a session is lost has not noted that it is up.
        if output.actions.iter().any(|action| matches!(action, Action::Transition(_))) {
            self.notes.write(self.speaker.notes());
        }
        let mut changed = false;
        for action in output.actions.drain(..) {
            match action {
                Action::Send { path, packet } => self.send(path, &packet),
                Action::Transition(transition) => {
                    changed = true;
                    let standfast_bfd::Transition { session, neighbor, from, to, diagnostic } = transition;
                    let cause = if to == bfd::State::Down { format!(": {diagnostic}") } else { String::new() };
                    info!(session, %neighbor, %from, %to, cause = %diagnostic, "BFD_Instance({session}) Entering {to} state{cause}");
                }
                Action::Tell { session, up } => self.tell(session, up, supervisor),
                Action::Notice(Notice::GoesOn { session, neighbor, silent_for }) => {
                    changed = true;
                    let silent = silent_for.as_millis();
                    info!(session, %neighbor, "BFD_Instance({session}) goes on in Up state, neighbor heard {silent} ms ago");
                }
                Action::Notice(Notice::BeginsAnew { session, neighbor, silent_for }) => {
                    let silent = silent_for.as_millis();
                    info!(session, %neighbor, "BFD_Instance({session}) begins anew, neighbor heard {silent} ms ago");
                }
                Action::Notice(Notice::Refused { session, source, reason }) => {
                    let whose = session.map_or_else(String::new, |name| format!("BFD_Instance({name}) "));
                    warn!(%source, "{whose}packet from {source} refused: {reason}");
                }
            }
        }
        self.output = output;
        if changed {
            supervisor.status(Status::Bfd(self.status()));
        }
    }

    fn send(&mut self, path: Path, packet: &[u8]) {
        let Some(sender) = self.sender(path) else { return };
        // A neighbour that is not there is found out by its silence.
        let _ = sender.send(packet);
    }

    fn sender(&mut self, path: Path) -> Option<&BfdSender> {
        if !self.senders.contains_key(&path) {
            let wanted: Vec<Path> = self.speaker.paths().collect();
            self.senders.retain(|path, _| wanted.contains(path));
            let opened = BfdSender::open(path.source, path.source_port, path.destination, path.ttl);
            if let Err(error) = &opened {
                warn!("cannot send to {} from port {}: {error}", path.destination, path.source_port);
                self.retry_at = Some(boottime() + RETRY);
                if error.kind() == io::ErrorKind::AddrInUse {
                    // Nothing is sent because of this; the next packet goes from the other port.
                    self.speaker.handle(boottime(), Event::PortTaken(path.source_port), &mut Output::default());
                }
            }
            self.senders.insert(path, opened.ok());
        }
        self.senders.get(&path).and_then(Option::as_ref)
    }

    fn tell(&mut self, session: BfdId, up: bool, supervisor: &mut SupervisorLink) {
        let place = usize::try_from(session.0).unwrap_or(usize::MAX);
        let Some(session) = self.config.sessions.get(place) else { return };
        // Before everything is up, down is not news.
        if !up && self.patient_until.is_some() && !self.told.contains_key(&session.name) {
            return;
        }
        if self.told.insert(session.name.clone(), up) == Some(up) {
            return;
        }
        // Neither word means both.
        let (vrrp, checker) = (session.vrrp, session.checker);
        let told = [(WorkerKind::Vrrp, vrrp || !checker), (WorkerKind::Check, checker || !vrrp)];
        let told = told.into_iter().filter_map(|(kind, told)| told.then_some(kind)).collect();
        supervisor.bfd(session.name.clone(), up, told);
    }

    /// What has not come up since the start is down.
    fn give_up_waiting(&mut self, supervisor: &mut SupervisorLink) {
        for (place, status) in (0..).zip(self.speaker.status()) {
            if status.state != bfd::State::Up {
                self.tell(BfdId(place), false, supervisor);
            }
        }
    }

    fn reload(&mut self, slice: &NewSlice, schedule: &mut Schedule, supervisor: &mut SupervisorLink) {
        let outcome = slice.read::<BfdSlice>(slice_label(WorkerKind::Bfd)).map(|slice| {
            set_schedule(schedule, &slice.global.processes.bfd);
            self.config = slice.bfd;
            self.notes.renumber(&self.config.sessions);
            self.told.retain(|name, _| self.config.sessions.iter().any(|session| session.name == *name));
            self.open_listeners();
            self.handle(boottime(), Event::Reload(&self.config.clone()), supervisor);
        });
        supervisor.reloaded(slice.generation(), outcome);
    }

    fn next_deadline(&self) -> Option<Instant> {
        [self.speaker.next_deadline(), self.listeners.looks_at(), self.retry_at, self.patient_until]
            .into_iter()
            .flatten()
            .min()
    }

    fn status(&self) -> BfdStatus {
        let sessions = self.speaker.status().into_iter().map(|status| BfdSessionStatus {
            name: status.name,
            neighbor: status.neighbor,
            state: status.state,
            since: status.since,
            remote_state: status.remote_state,
            diagnostic: status.diagnostic,
            detection_time: status.detection_time,
            packets: [status.counters.sent, status.counters.received, status.counters.refused],
        });
        BfdStatus { at: boottime(), sessions: sessions.collect() }
    }
}
