//! What goes over the channel between the supervisor and a worker.
//!
//! The supervisor speaks first: a [`ToWorker::Setup`] is in the channel before the worker exists, with the worker's
//! configuration as a descriptor, so a worker that was restarted waits for nobody. The worker answers with
//! [`FromWorker::Hello`], then [`FromWorker::Ready`], then what happens.

use crate::control::{Order, ServerOrder, SwitchoverOrder};
use crate::event::Event;
use crate::plan::Part;
use crate::status::{Snapshot, Status};
use core::fmt;
use serde::{Deserialize, Serialize};
use standfast_model::Witnessed;
use standfast_model::config::track::TrackedService;

/// Which worker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum WorkerKind {
    /// Scripts, FIFOs, mail; watches files and processes for the others.
    Runner,
    /// Health checks and IPVS.
    Check,
    /// Advertisements and virtual addresses.
    Vrrp,
    /// BFD sessions.
    Bfd,
    /// The control socket.
    Front,
}

impl WorkerKind {
    /// Every kind: the runner, then in the order in which keepalived starts its children, then who only looks on.
    pub const ALL: [Self; 5] = [Self::Runner, Self::Check, Self::Vrrp, Self::Bfd, Self::Front];

    /// The word for it on our own command line and in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Runner => "runner",
            Self::Check => "check",
            Self::Vrrp => "vrrp",
            Self::Bfd => "bfd",
            Self::Front => "front",
        }
    }

    /// The name in the system's log, as keepalived's child has it; keepalived has neither runner nor front.
    #[must_use]
    pub const fn log_identifier(self) -> &'static str {
        match self {
            Self::Runner => "Keepalived_runner",
            Self::Check => "Keepalived_healthcheckers",
            Self::Vrrp => "Keepalived_vrrp",
            Self::Bfd => "Keepalived_bfd",
            Self::Front => "Keepalived_front",
        }
    }
}

impl fmt::Display for WorkerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A syslog facility that keepalived's `-S` can name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Facility {
    /// `user` (1).
    User,
    /// `daemon` (3), the default.
    Daemon,
    /// `local0` to `local7` (16 to 23), by the digit 0..=7.
    Local(u8),
}

impl Facility {
    /// The number that syslog knows it by, 0..=23.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::User => 1,
            Self::Daemon => 3,
            Self::Local(digit) => 16 + digit % 8,
        }
    }
}

/// How a process logs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogSettings {
    /// `-l`: on standard error as well.
    pub console: bool,
    /// Not `-G`: to journald, or to syslog where there is no journald.
    pub system: bool,
    /// `-S`.
    pub facility: Facility,
    /// How often `-D` was given: 0 is normal, 1 detailed, 2 and more everything.
    pub detail: u8,
}

/// What of the command line concerns a worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct WorkerOptions {
    /// `-X`: remove virtual addresses when leaving MASTER even if this run did not add them.
    pub release_vips: bool,
    /// `-V`: leave virtual addresses in place at stop, and send no resignation.
    pub dont_release_vrrp: bool,
    /// `-I`: leave the IPVS table as it is at stop.
    pub dont_release_ipvs: bool,
    /// `-a`: log every change of an address.
    pub address_monitoring: bool,
    /// `-m`: core files are wanted, so the process stays dumpable.
    pub core_file: bool,
    /// `-u`: which permission bits new files never get; none is as the configuration says.
    pub umask: Option<u32>,
    /// Not from the command line: the worker takes the place of one that died, so what is done once at the start of the
    /// daemon is not done again.
    pub restarted: bool,
    /// Not from the command line: an operator wants this node to be master of nothing.
    pub maintenance: bool,
}

/// What a worker is told before anything else. The descriptor with it is a sealed memory file of the worker's slice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// What the supervisor takes the worker for; it must be what the worker takes itself for.
    pub kind: WorkerKind,
    /// How to log.
    pub log: LogSettings,
    /// From the command line.
    pub options: WorkerOptions,
}

/// Which edition of the configuration: that of the start is the first. It goes up with every reload, also with one
/// that puts an earlier configuration back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Generation(pub u32);

impl Generation {
    /// That of the start.
    pub const FIRST: Self = Self(1);

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

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
}

/// Who a worker is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// What it does.
    pub kind: WorkerKind,
    /// Its process id.
    pub pid: u32,
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
}
