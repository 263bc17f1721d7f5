//! What goes over the channel between the supervisor and a worker.
//!
//! The supervisor speaks first: a [`ToWorker::Setup`] is in the channel before the worker exists, with the worker's
//! configuration as a descriptor, so a worker that was restarted waits for nobody. The worker answers with
//! [`FromWorker::Hello`], then [`FromWorker::Ready`], then what happens.

use crate::control::{Order, ServerOrder, SwitchoverOrder};
use crate::event::Event;
use crate::plan::Part;
use crate::status::{Snapshot, Status};
use crate::worker::{Generation, Hello, Setup, WorkerKind};
use serde::{Deserialize, Serialize};
use standfast_model::Witnessed;
use standfast_model::config::track::TrackedService;

/// From the supervisor to a worker.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ToWorker {
    /// The first message of a channel.
    Setup(Setup),
    /// The configuration has changed: the worker's whole new slice is in the sealed memory file that comes along. It
    /// is applied as the smallest change, and answered with [`FromWorker::Reloaded`].
    Reload(Generation),
    /// The way to another worker comes along: to the runner that to the worker of this kind, to that worker that to the
    /// runner. It replaces an earlier one.
    Peer(WorkerKind),
    /// A BFD session of this name is up or down.
    Bfd {
        /// Its name in the configuration.
        session: String,
        /// Whether it is up.
        up: bool,
    },
    /// A virtual server that instances track has its quorum, or lost it.
    Quorum {
        /// The words of its head.
        service: TrackedService,
        /// Whether it has.
        has_quorum: bool,
    },
    /// To the `vrrp` worker: what a witness says now.
    Witness {
        /// Its name in the configuration.
        witness: String,
        /// What it says.
        said: Witnessed,
    },
    /// To the `check` worker: the lease of a witness is wanted, or wanted no more.
    Lease {
        /// Its name in the configuration.
        witness: String,
        /// Whether it is.
        wanted: bool,
    },
    /// The instance of `lvs_sync_daemon` is master, or is not.
    SyncInstance {
        /// Whether it is.
        master: bool,
    },
    /// Say [`FromWorker::Alive`] as soon as the loop comes round: who hangs does not.
    Ping,
    /// Tell a status now, although nothing may have changed: counters and weights have.
    Report,
    /// To the `check` worker: something is wanted of real servers. Answered with [`FromWorker::Answer`].
    Server {
        /// The number of the order.
        number: u64,
        /// What is wanted.
        order: ServerOrder,
    },
    /// To the `vrrp` worker: an operator wants this node to be master of nothing, or lets it take part again.
    Maintenance {
        /// Master of nothing.
        on: bool,
    },
    /// To the `vrrp` worker: another router is to be master. Answered with [`FromWorker::Answer`].
    Switchover {
        /// The number of the order.
        number: u64,
        /// What is wanted.
        order: SwitchoverOrder,
    },
    /// To the `vrrp` worker: every address that an instance holds is to be announced once. Answered with
    /// [`FromWorker::Answer`].
    Announce {
        /// The number of the order; 0 is nobody's, and nobody gets the answer.
        number: u64,
        /// The `vrrp_instance`.
        instance: String,
    },
    /// Say so much from now on: 0 is normal, 1 detailed, 2 and more everything.
    LogDetail(u8),
    /// What would a reload to the slice in the sealed memory file that comes along do? Answered with
    /// [`FromWorker::Planned`]; nothing is changed.
    Plan {
        /// The number of the question.
        number: u64,
    },
    /// What only the front is told.
    Front(ToFront),
    /// To the front: a connection to SNMP's master agent, perhaps still being made, comes along.
    Agent,
    /// Stop in order: resign, take addresses and services away as configured, end with status 0.
    Shutdown,
    /// To the `vrrp` worker: whoever wants to be notified of conflicts is to be told of this one.
    Conflict(Conflict),
}

/// The exchange of states has found that a peer is master of what an instance of ours is master of, or that this is over.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Conflict {
    /// The `vrrp_instance`.
    pub instance: String,
    /// The peer.
    pub with: String,
    /// It is over.
    pub over: bool,
    /// What is so, in a sentence.
    pub text: String,
}

/// From a worker to the supervisor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FromWorker {
    /// The first message of a worker.
    Hello(Hello),
    /// It has its sockets and does its work.
    Ready,
    /// What is so now. Only the latest counts.
    Status(Status),
    /// As [`Self::Status`], too long for a message: it is in the sealed memory file that comes along.
    LongStatus,
    /// Something happened.
    Event(Event),
    /// Several things happened, in this order.
    Events(Vec<Event>),
    /// Of the `bfd` worker: whoever tracks this session is to know.
    Bfd {
        /// Its name in the configuration.
        session: String,
        /// Whether it is up.
        up: bool,
        /// Who is told (`vrrp`, `checker`).
        told: Vec<WorkerKind>,
    },
    /// Of the `check` worker: what a witness says now.
    Witness {
        /// Its name in the configuration.
        witness: String,
        /// What it says.
        said: Witnessed,
    },
    /// The answer to [`ToWorker::Ping`].
    Alive,
    /// What came of an order.
    Answer {
        /// Its number.
        number: u64,
        /// In words.
        outcome: Result<String, String>,
    },
    /// The answer to [`ToWorker::Plan`].
    Planned {
        /// The number of the question.
        number: u64,
        /// What it would do, or why that cannot be said.
        outcome: Result<Part, String>,
    },
    /// What only the front says.
    Front(FromFront),
    /// The answer to [`ToWorker::Reload`].
    Reloaded {
        /// Which one it was.
        generation: Generation,
        /// None if the new slice is what the worker runs now. Else why it is not; then nothing has changed.
        refused: Option<String>,
    },
}

/// From the supervisor to the front.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ToFront {
    /// How things are. Only the latest counts.
    Snapshot(Box<Snapshot>),
    /// As [`Self::Snapshot`], too long for a message: it is in the sealed memory file that comes along.
    LongSnapshot,
    /// Something happened.
    Event(Event),
    /// Several things happened, in this order.
    Events(Vec<Event>),
    /// What came of a [`FromFront`].
    Answer {
        /// Its number.
        number: u64,
        /// In words.
        outcome: Result<String, String>,
    },
    /// As [`Self::Snapshot`], but for the virtual servers, of which nothing is in it: they are as they were said last.
    SnapshotOfOthers(Box<Snapshot>),
}

/// From the front to the supervisor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FromFront {
    /// Something is to be done.
    Order {
        /// Counted by the front.
        number: u64,
        /// Who gives it.
        uid: u32,
        /// What is to be done.
        order: Order,
    },
    /// A connection to SNMP's master agent is wanted; it comes before the answer.
    Agent {
        /// Counted by the front.
        number: u64,
    },
    /// Every worker is to be asked for its status; a snapshot comes before the answer.
    Refresh {
        /// Counted by the front.
        number: u64,
    },
    /// The exchange with peers has found a conflict, or its end.
    Conflict {
        /// Counted by the front.
        number: u64,
        /// What it has found.
        conflict: Conflict,
    },
}
