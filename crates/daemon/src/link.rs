//! A worker's end of the channel to its supervisor.
//!
//! Everything a worker is told to do comes out of [`SupervisorLink::command`], whichever way it came: a message, a
//! signal, or the end of the channel when the supervisor has died. What the worker tells goes out when there is
//! room: nothing here ever makes the worker wait.

use crate::log;
use crate::signals::{Received, Request, Signals};
use core::fmt;
use core::time::Duration;
use serde::Serialize;
use serde::de::DeserializeOwned;
use standfast_api::control::{ServerOrder, SwitchoverOrder};
use standfast_api::plan::Part;
use standfast_api::{
    Conflict, EncodeError, Event, EventKind, FromWorker, Generation, Status, ToFront, ToWorker, WorkerKind, decode,
    encode, encode_counted,
};
use standfast_kernel::channel::{Channel, Incoming, MAX_MESSAGE_BYTES, Outbox, Outgoing, Received as Message};
use standfast_kernel::memfd::{self, Label};
use standfast_kernel::timer::boottime;
use standfast_model::config::track::TrackedService;
use standfast_model::{Instant, Secret, Witnessed};
use std::io;
use std::os::fd::OwnedFd;
use tracing::{debug, warn};

/// Events that wait for room: a change of every instance and every server of a large site.
const WAITING_EVENTS: usize = 4096;

/// Messages of many events each that wait for room before no more of them are made: with as much as each may hold some
/// megabytes.
pub(crate) const WAITING_BATCHES: usize = 64;

/// Octets of the events that share a message. The rest of what a message may hold is room for a long one of them.
const BATCH_BYTES: usize = MAX_MESSAGE_BYTES / 2;

/// What a long status is labelled with.
pub const LONG_STATUS: Label = Label { kind: 1, version: standfast_api::PROTOCOL_VERSION as u32 };

/// What a worker is to do.
#[derive(Debug)]
pub enum Command {
    /// Stop in order, then return.
    Stop(StopReason),
    /// Go on with another configuration, and answer with [`SupervisorLink::reloaded`].
    Reload(NewSlice),
    /// Tell a status now.
    Report,
    /// A BFD session is up or down.
    Bfd {
        /// Its name.
        session: String,
        /// Whether it is up.
        up: bool,
    },
    /// A tracked virtual server has its quorum, or lost it.
    Quorum {
        /// The words of its head.
        service: TrackedService,
        /// Whether it has.
        has_quorum: bool,
    },
    /// What a witness says now.
    Witness {
        /// Its name.
        witness: String,
        /// What it says.
        said: Witnessed,
    },
    /// The lease of a witness is wanted, or wanted no more.
    Lease {
        /// Its name.
        witness: String,
        /// Whether it is.
        wanted: bool,
    },
    /// The instance of `lvs_sync_daemon` is master, or is not.
    SyncInstance {
        /// Whether it is.
        master: bool,
    },
    /// Something is wanted of real servers; to be answered with [`SupervisorLink::answer`].
    Server {
        /// The number of the order.
        number: u64,
        /// What is wanted.
        order: ServerOrder,
    },
    /// An operator wants this node to be master of nothing, or lets it take part again.
    Maintenance {
        /// Master of nothing.
        on: bool,
    },
    /// Another router is to be master; to be answered with [`SupervisorLink::answer`].
    Switchover {
        /// The number of the order.
        number: u64,
        /// What is wanted.
        order: SwitchoverOrder,
    },
    /// The addresses of an instance are to be announced; to be answered with [`SupervisorLink::answer`].
    Announce {
        /// The number of the order.
        number: u64,
        /// The `vrrp_instance`.
        instance: String,
    },
    /// Whoever wants to be notified of conflicts is to be told of this one.
    Conflict(Conflict),
    /// What would that configuration do? To be answered with [`SupervisorLink::planned`].
    Plan {
        /// The number of the question.
        number: u64,
        /// The configuration.
        slice: NewSlice,
    },
    /// What only the front is told.
    Front(ToFront),
    /// A connection to SNMP's master agent.
    Agent(OwnedFd),
    /// The way to another worker: for the runner that to the worker of this kind, for others that to the runner.
    Peer(WorkerKind, OwnedFd),
}

/// A new edition of the worker's part of the configuration, in the memory file it came in.
#[derive(Debug)]
pub struct NewSlice {
    generation: Generation,
    memory: OwnedFd,
    /// What else came with it, as it came with the first.
    attached: Vec<OwnedFd>,
}

impl NewSlice {
    /// Which edition it is.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// What else came with it: of the front, what it was also started with.
    #[must_use]
    pub fn take_attached(&mut self) -> Vec<OwnedFd> {
        core::mem::take(&mut self.attached)
    }

    /// Reads it. `label` is that of the worker's slices.
    ///
    /// # Errors
    ///
    /// What is wrong with the memory file or with what it holds, in words.
    pub fn read<S: DeserializeOwned>(&self, label: Label) -> Result<S, String> {
        decode(self.octets(label)?.octets()).map_err(|error| error.to_string())
    }

    /// Its octets, for who reads it a piece at a time.
    ///
    /// # Errors
    ///
    /// What is wrong with the memory file, in words.
    pub fn octets(&self, label: Label) -> Result<Secret, String> {
        memfd::read(&self.memory, label).map(Secret::new).map_err(|error| error.to_string())
    }
}

/// How long a worker whose supervisor has died goes on before it leaves. Whoever kills all of the daemon kills one after the
/// other: a worker that gave up its addresses in between would leave nothing that a successor could adopt.
const GRACE: Duration = Duration::from_millis(100);

/// Why a worker is to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopReason {
    /// The supervisor says so.
    Asked,
    /// A signal sent to the worker itself.
    Signal(Received),
    /// The supervisor has died.
    SupervisorGone,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("told to stop"),
            Self::Signal(received) => write!(f, "{received}"),
            Self::SupervisorGone => f.write_str("supervisor has gone"),
        }
    }
}

/// The channel to the supervisor, with what waits to be said.
#[derive(Debug)]
pub struct SupervisorLink {
    channel: Channel,
    signals: Signals,
    outbox: Outbox,
    told_lost: u64,
    stop: Option<StopReason>,
    /// The supervisor has died; when that becomes a reason to stop.
    bereft: Option<Instant>,
    /// What was said and is to be handed on: one message is taken at a time.
    heard: Option<Command>,
}

impl SupervisorLink {
    pub(crate) const fn new(channel: Channel, signals: Signals) -> Self {
        Self {
            channel,
            signals,
            outbox: Outbox::new(WAITING_EVENTS),
            told_lost: 0,
            stop: None,
            bereft: None,
            heard: None,
        }
    }

    /// Something that can be read from while the supervisor has said what [`Self::command`] has not yet brought: for who
    /// waits elsewhere.
    ///
    /// # Errors
    ///
    /// `EMFILE`: no descriptor is left.
    pub fn call(&self) -> io::Result<OwnedFd> {
        self.channel.try_clone()
    }

    /// Waits for what to do next. Cancel-safe, so it can stand in a `select!`; it also sends what waits.
    ///
    /// A stop that was said once is said again at every call.
    pub async fn command(&mut self) -> Command {
        loop {
            self.flush();
            if let Some(reason) = self.stop {
                return Command::Stop(reason);
            }
            if let Some(command) = self.heard.take() {
                return command;
            }
            let waiting = !self.outbox.is_empty();
            let bereft = self.bereft;
            tokio::select! {
                () = until(bereft) => {
                    self.stop = Some(StopReason::SupervisorGone);
                }
                incoming = self.channel.receive(), if bereft.is_none() => match incoming {
                    Ok(Incoming::Closed) => self.bereft = Some(boottime() + GRACE),
                    Ok(Incoming::Message(message)) => self.take(message),
                    // The channel is of no use any more, and without it the end of the supervisor would go unseen.
                    Err(error) => {
                        warn!("channel to the supervisor broke: {error}");
                        self.bereft = Some(boottime() + GRACE);
                    }
                },
                received = self.signals.next() => self.signalled(received),
                // An error means that the runtime ends, which ends this loop as well.
                _ = pending_room(&self.channel, waiting) => {}
            }
        }
    }

    fn take(&mut self, message: Message) {
        match decode(&message.bytes) {
            Ok(ToWorker::Shutdown) => self.stop = Some(StopReason::Asked),
            Ok(ToWorker::Bfd { session, up }) => self.heard = Some(Command::Bfd { session, up }),
            Ok(ToWorker::Quorum { service, has_quorum }) => {
                self.heard = Some(Command::Quorum { service, has_quorum });
            }
            Ok(ToWorker::Witness { witness, said }) => self.heard = Some(Command::Witness { witness, said }),
            Ok(ToWorker::Lease { witness, wanted }) => self.heard = Some(Command::Lease { witness, wanted }),
            Ok(ToWorker::SyncInstance { master }) => self.heard = Some(Command::SyncInstance { master }),
            // Whoever waits here has come round its loop.
            Ok(ToWorker::Ping) => self.tell(&FromWorker::Alive),
            Ok(ToWorker::Report) => self.heard = Some(Command::Report),
            Ok(ToWorker::Server { number, order }) => self.heard = Some(Command::Server { number, order }),
            Ok(ToWorker::Maintenance { on }) => self.heard = Some(Command::Maintenance { on }),
            Ok(ToWorker::Switchover { number, order }) => self.heard = Some(Command::Switchover { number, order }),
            Ok(ToWorker::Announce { number, instance }) => self.heard = Some(Command::Announce { number, instance }),
            Ok(ToWorker::Conflict(conflict)) => self.heard = Some(Command::Conflict(conflict)),
            Ok(ToWorker::LogDetail(detail)) => log::set_detail(detail),
            Ok(ToWorker::Plan { number }) => match message.descriptors.into_iter().next() {
                Some(memory) => {
                    let slice = NewSlice { generation: Generation::FIRST, memory, attached: Vec::new() };
                    self.heard = Some(Command::Plan { number, slice });
                }
                None => self.planned(number, Err("it came without configuration".to_owned())),
            },
            Ok(ToWorker::Front(ToFront::LongSnapshot)) => match long_snapshot(message.descriptors.first()) {
                Ok(snapshot) => self.heard = Some(Command::Front(snapshot)),
                Err(error) => warn!("supervisor sent a long snapshot that is none: {error}"),
            },
            Ok(ToWorker::Front(message)) => self.heard = Some(Command::Front(message)),
            Ok(ToWorker::Reload(generation)) => {
                let mut descriptors = message.descriptors.into_iter();
                match descriptors.next() {
                    Some(memory) => {
                        let attached = descriptors.collect();
                        self.heard = Some(Command::Reload(NewSlice { generation, memory, attached }));
                    }
                    None => self.reloaded(generation, Err("it came without configuration".to_owned())),
                }
            }
            Ok(ToWorker::Agent) => match message.descriptors.into_iter().next() {
                Some(socket) => self.heard = Some(Command::Agent(socket)),
                None => warn!("supervisor sent no connection to the master agent"),
            },
            Ok(ToWorker::Peer(kind)) => match message.descriptors.into_iter().next() {
                Some(end) => self.heard = Some(Command::Peer(kind, end)),
                None => warn!("supervisor sent no way to the {kind} worker"),
            },
            Ok(ToWorker::Setup(_)) => warn!("supervisor sent a second setup, ignored"),
            Err(error) => warn!("supervisor sent what is no message: {error}"),
        }
    }

    fn signalled(&mut self, received: Received) {
        match received.request {
            Request::Stop => self.stop = Some(StopReason::Signal(received)),
            // A terminal's ^C goes to the supervisor, which stops its workers in order.
            Request::Interrupt | Request::Child => {}
            Request::Reload
            | Request::Data
            | Request::Stats
            | Request::StatsClear
            | Request::Json
            | Request::ThreadDump => {
                warn!("{received}: {} is the supervisor's business, ignored here", received.request.words());
            }
        }
    }

    /// Says it. When too much waits already it is dropped and counted.
    pub fn tell(&mut self, message: &FromWorker) {
        self.event_or_ready(message);
    }

    /// The worker has its sockets and does its work.
    pub fn ready(&mut self) {
        self.event_or_ready(&FromWorker::Ready);
    }

    /// The answer to [`Command::Reload`]: the new configuration is in force, or why it is not.
    pub fn reloaded(&mut self, generation: Generation, outcome: Result<(), String>) {
        self.event_or_ready(&FromWorker::Reloaded { generation, refused: outcome.err() });
    }

    /// What came of an order, in words.
    pub fn answer(&mut self, number: u64, outcome: Result<String, String>) {
        self.tell(&FromWorker::Answer { number, outcome });
    }

    /// The answer to [`Command::Plan`].
    pub fn planned(&mut self, number: u64, outcome: Result<Part, String>) {
        self.tell(&FromWorker::Planned { number, outcome: outcome.map(Part::clipped) });
    }

    /// What is so now; a status that still waits is replaced.
    pub fn status(&mut self, status: Status) {
        match outgoing(&FromWorker::Status(status)) {
            Ok(message) => self.outbox.state(message),
            Err(error) => warn!("status cannot be told: {error}"),
        }
        self.flush();
    }

    /// Who tracks a BFD session is to know. As an event it is not replaced by a later one.
    pub fn bfd(&mut self, session: String, up: bool, told: Vec<WorkerKind>) {
        self.event_or_ready(&FromWorker::Bfd { session, up, told });
    }

    /// Something happened. When too much waits already it is dropped and counted; the count is told.
    pub fn event(&mut self, event: Event) {
        self.event_or_ready(&FromWorker::Event(event));
    }

    fn event_or_ready(&mut self, message: &FromWorker) {
        match encode(message) {
            Ok(bytes) => self.outbox.record(bytes.into()),
            Err(error) => warn!("event cannot be told: {error}"),
        }
        self.flush();
    }

    /// What was said in the journal is told as well, many lines in a message. While many messages wait it stays where it
    /// was said, and its number is limited there.
    fn tell_lines(&mut self) {
        if self.outbox.waiting() > WAITING_BATCHES {
            return;
        }
        for events in batches(log::take_told()) {
            match encode(&FromWorker::Events(events)) {
                Ok(bytes) => self.outbox.record(bytes.into()),
                Err(error) => debug!("event cannot be told: {error}"),
            }
        }
    }

    /// Sends what there is room for. The end of the channel shows when it is next read.
    fn flush(&mut self) {
        self.tell_lines();
        let lost = self.outbox.dropped();
        match self.outbox.flush(&self.channel) {
            Ok(true) if lost > self.told_lost => {
                let events = lost - self.told_lost;
                self.told_lost = lost;
                self.event_or_ready(&FromWorker::Event(Event { at: boottime(), kind: EventKind::Lost { events } }));
            }
            Ok(_) => {}
            Err(error) => {
                debug!("supervisor not told: {error}");
                // What cannot be sent now never can: kept, it would keep the worker awake.
                self.outbox = Outbox::new(WAITING_EVENTS);
                self.told_lost = 0;
            }
        }
    }
}

/// The events in their order, as many to a message as fit.
pub(crate) fn batches(events: impl IntoIterator<Item = Event>) -> Vec<Vec<Event>> {
    let mut batches: Vec<Vec<Event>> = Vec::new();
    let mut bytes = 0;
    for event in events {
        bytes += event.bytes();
        match batches.last_mut() {
            Some(batch) if bytes <= BATCH_BYTES => batch.push(event),
            Some(_) | None => {
                bytes = event.bytes();
                batches.push(vec![event]);
            }
        }
    }
    batches
}

/// Waits until then; for ever where there is no such time. It looks at no clock for that: it is asked in every round.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep(at.since(boottime())).await,
        None => core::future::pending().await,
    }
}

/// Waits for room if something waits for it, else for ever.
async fn pending_room(channel: &Channel, waiting: bool) -> io::Result<()> {
    if waiting { channel.writable().await } else { core::future::pending().await }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum StatusError {
    #[error(transparent)]
    Code(#[from] EncodeError),
    #[error(transparent)]
    Memory(#[from] memfd::MemfdError),
}

/// A message, or a memory file and the word that it comes along.
pub(crate) fn outgoing(message: &FromWorker) -> Result<Outgoing, StatusError> {
    envelope(message, &FromWorker::LongStatus)
}

/// A message, or if it is too long a memory file with it and `long`, the word that it comes along.
pub(crate) fn envelope<M: Serialize>(message: &M, long: &M) -> Result<Outgoing, StatusError> {
    let bytes = encode_counted(message)?;
    if bytes.len() <= MAX_MESSAGE_BYTES {
        return Ok(bytes.into());
    }
    let descriptor = Some(memfd::write("standfast-status", LONG_STATUS, &bytes)?);
    Ok(Outgoing { bytes: encode(long)?, descriptor })
}

fn long_snapshot(memory: Option<&OwnedFd>) -> Result<ToFront, String> {
    let memory = memory.ok_or("without descriptor")?;
    let bytes = memfd::read(memory, LONG_STATUS).map_err(|error| error.to_string())?;
    match decode(&bytes).map_err(|error| error.to_string())? {
        ToWorker::Front(snapshot @ (ToFront::Snapshot(_) | ToFront::SnapshotOfOthers(_))) => Ok(snapshot),
        ToWorker::Front(_)
        | ToWorker::Server { .. }
        | ToWorker::Setup(_)
        | ToWorker::Reload(_)
        | ToWorker::Ping
        | ToWorker::Report
        | ToWorker::Maintenance { .. }
        | ToWorker::Switchover { .. }
        | ToWorker::LogDetail(_)
        | ToWorker::Plan { .. }
        | ToWorker::Peer(_)
        | ToWorker::Bfd { .. }
        | ToWorker::Quorum { .. }
        | ToWorker::Witness { .. }
        | ToWorker::Lease { .. }
        | ToWorker::SyncInstance { .. }
        | ToWorker::Announce { .. }
        | ToWorker::Conflict(_)
        | ToWorker::Agent
        | ToWorker::Shutdown => Err("another message".to_owned()),
    }
}

#[cfg(test)]
mod tests;
