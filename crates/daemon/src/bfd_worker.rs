//! The loop of the `bfd` worker: waits on its sockets, the timer and the link, and hands what came to the speaker.
//!
//! In every round what arrived is handled before what is due, in bounded portions: a flood delays no packet of ours for
//! long, and a late timer loses no living neighbour.

use crate::confinement::confine;
use crate::exit_status::ExitStatus;
use crate::link::{Command, NewSlice, SupervisorLink};
use crate::worker::{WorkerContext, say_stopping, set_schedule, slice_label};
use core::future::poll_fn;
use core::task::{Context, Poll};
use core::time::Duration;
use standfast_api::{BfdSessionStatus, BfdSlice, BfdStatus, Status, WorkerKind};
use standfast_bfd::{Action, Event, Notice, Output, Path, Received, Speaker};
use standfast_kernel::bfd_socket::{BfdListener, BfdSender, RECEIVE_BUFFER_BYTES};
use standfast_kernel::process::memory::give_back_memory;
use standfast_kernel::process::schedule::Schedule;
use standfast_kernel::timer::{Timer, boottime};
use standfast_model::config::BfdConfig;
use standfast_model::config::bfd::BfdSession;
use standfast_model::config::track::BfdId;
use standfast_model::ipvs::Family;
use standfast_model::{Instant, bfd};
use standfast_wire::bfd::{PORT_MULTIHOP, PORT_SINGLE_HOP};
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use tracing::{error, info, warn};

/// Datagrams taken from one socket before the timer is looked at again: a full portion takes well under a millisecond.
const PORTION: usize = 64;

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
    let WorkerContext { slice, options: _, attached: _, mut supervisor } = context;
    let mut schedule = Schedule::current();
    set_schedule(&mut schedule, &slice.global.processes.bfd);
    let mut worker = Worker::start(slice.bfd)?;
    confine(WorkerKind::Bfd, false)?;
    let mut timer = Timer::new()?;
    worker.handle(Event::Wake, &mut supervisor);
    supervisor.ready();
    give_back_memory();
    loop {
        let more = worker.round(&mut supervisor);
        timer.arm(worker.next_deadline())?;
        if worker.speaker.is_finished() {
            return Ok(());
        }
        tokio::select! {
            biased;
            command = supervisor.command(), if !worker.stopping => match command {
                Command::Stop(reason) => {
                    say_stopping(reason);
                    worker.stopping = true;
                    worker.handle(Event::Shutdown, &mut supervisor);
                }
                Command::Reload(slice) => worker.reload(&slice, &mut schedule, &mut supervisor),
                Command::Report => supervisor.status(Status::Bfd(worker.status())),
                // It runs nothing and follows nobody.
                Command::Peer(..) | Command::Bfd { .. } | Command::SyncInstance { .. } | Command::Quorum { .. } | Command::Witness { .. } | Command::Lease { .. } | Command::Server { .. } | Command::Front(_) | Command::Agent(_) | Command::Maintenance { .. } | Command::Switchover { .. } | Command::Announce { .. } | Command::Plan { .. } => {}
            },
            expired = timer.expired() => expired?,
            () = worker.readable() => {}
            () = tokio::task::yield_now(), if more => {}
        }
    }
}

/// A port that is listened to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Port {
    family: Family,
    multihop: bool,
}

impl Port {
    const fn of(session: &BfdSession) -> Self {
        let family = match session.neighbor {
            IpAddr::V4(_) => Family::Inet,
            IpAddr::V6(_) => Family::Inet6,
        };
        Self { family, multihop: session.multihop }
    }

    fn open(self) -> io::Result<BfdListener> {
        BfdListener::open(self.family, if self.multihop { PORT_MULTIHOP } else { PORT_SINGLE_HOP })
    }
}

/// Everything the loop owns.
struct Worker {
    speaker: Speaker,
    config: BfdConfig,
    listeners: BTreeMap<Port, BfdListener>,
    /// None: it could not be had, and that has been said.
    senders: BTreeMap<Path, Option<BfdSender>>,
    retry_at: Option<Instant>,
    /// Until then sessions that are not up are not told as down.
    patient_until: Option<Instant>,
    told: BTreeMap<String, bool>,
    buffer: [u8; RECEIVE_BUFFER_BYTES],
    stopping: bool,
}

impl Worker {
    fn start(config: BfdConfig) -> io::Result<Self> {
        let mut seed = [0; 32];
        rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty())?;
        let mut worker = Self {
            speaker: Speaker::new(&config, seed),
            config,
            listeners: BTreeMap::new(),
            senders: BTreeMap::new(),
            retry_at: None,
            patient_until: Some(boottime() + PATIENCE),
            told: BTreeMap::new(),
            buffer: [0; RECEIVE_BUFFER_BYTES],
            stopping: false,
        };
        worker.open_listeners();
        Ok(worker)
    }

    /// Listens where a session is, and nowhere else. What cannot be had is tried for again.
    fn open_listeners(&mut self) {
        let wanted: Vec<Port> = self.config.sessions.iter().map(Port::of).collect();
        self.listeners.retain(|port, _| wanted.contains(port));
        for port in wanted {
            if self.listeners.contains_key(&port) {
                continue;
            }
            match port.open() {
                Ok(listener) => drop(self.listeners.insert(port, listener)),
                Err(error) => {
                    if self.retry_at.is_none() {
                        let number = if port.multihop { PORT_MULTIHOP } else { PORT_SINGLE_HOP };
                        error!(
                            "cannot listen on UDP port {number}, sessions stay down: {error}; does another BFD daemon run here?"
                        );
                    }
                    self.retry_at = Some(boottime() + RETRY);
                }
            }
        }
    }

    /// One round. True if something may be left over.
    fn round(&mut self, supervisor: &mut SupervisorLink) -> bool {
        let more = self.drain(supervisor);
        let now = boottime();
        if self.retry_at.take_if(|at| *at <= now).is_some() {
            self.open_listeners();
            self.senders.retain(|_, sender| sender.is_some());
        }
        if self.speaker.next_deadline().is_some_and(|at| at <= now) {
            self.handle(Event::Wake, supervisor);
        }
        if self.patient_until.take_if(|at| *at <= now).is_some() {
            self.give_up_waiting(supervisor);
        }
        more
    }

    fn drain(&mut self, supervisor: &mut SupervisorLink) -> bool {
        let mut more = false;
        let mut buffer = self.buffer;
        for port in self.listeners.keys().copied().collect::<Vec<_>>() {
            for taken in 0..=PORTION {
                more |= taken == PORTION;
                let Some(listener) = self.listeners.get(&port).filter(|_| taken < PORTION) else { break };
                match listener.recv(&mut buffer) {
                    Ok(Some(arrived)) => {
                        let received = Received {
                            multihop: port.multihop,
                            source: arrived.source,
                            destination: arrived.destination,
                            ttl: arrived.ttl,
                            payload: arrived.payload,
                        };
                        self.handle(Event::Packet(received), supervisor);
                    }
                    Ok(None) => break,
                    // An error of the network that was queued, or a datagram without addresses: it is gone.
                    Err(_) => {}
                }
            }
        }
        more
    }

    fn handle(&mut self, event: Event<'_>, supervisor: &mut SupervisorLink) {
        let mut output = Output::default();
        self.speaker.handle(boottime(), event, &mut output);
        let mut changed = false;
        for action in output.actions {
            match action {
                Action::Send { path, packet } => self.send(path, &packet),
                Action::Transition(transition) => {
                    changed = true;
                    let standfast_bfd::Transition { session, neighbor, from, to, diagnostic } = transition;
                    let cause = if to == bfd::State::Down { format!(": {diagnostic}") } else { String::new() };
                    info!(session, %neighbor, %from, %to, cause = %diagnostic, "BFD_Instance({session}) Entering {to} state{cause}");
                }
                Action::Tell { session, up } => self.tell(session, up, supervisor),
                Action::Notice(Notice::Refused { session, source, reason }) => {
                    let whose = session.map_or_else(String::new, |name| format!("BFD_Instance({name}) "));
                    warn!(%source, "{whose}packet from {source} refused: {reason}");
                }
            }
        }
        if changed {
            supervisor.status(Status::Bfd(self.status()));
        }
    }

    fn send(&mut self, path: Path, packet: &[u8]) {
        let Some(sender) = self.sender(path) else { return };
        // A neighbour that is not there is found out by its silence.
        let _ = sender.send(path.destination, packet);
    }

    fn sender(&mut self, path: Path) -> Option<&BfdSender> {
        if !self.senders.contains_key(&path) {
            let wanted: Vec<Path> = self.speaker.paths().collect();
            self.senders.retain(|path, _| wanted.contains(path));
            let family = if path.destination.is_ipv4() { Family::Inet } else { Family::Inet6 };
            let opened = BfdSender::open(family, path.source, path.source_port, path.ttl);
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
            self.told.retain(|name, _| self.config.sessions.iter().any(|session| session.name == *name));
            self.open_listeners();
            self.handle(Event::Reload(&self.config.clone()), supervisor);
        });
        supervisor.reloaded(slice.generation(), outcome);
    }

    fn next_deadline(&self) -> Option<Instant> {
        [self.speaker.next_deadline(), self.retry_at, self.patient_until].into_iter().flatten().min()
    }

    /// Waits until a socket may have something.
    async fn readable(&self) {
        poll_fn(|context: &mut Context<'_>| {
            // Each is asked, so that each wakes us.
            let ready = self.listeners.values().filter(|listener| listener.poll_readable(context).is_ready()).count();
            if ready > 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
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
