//! Which workers there are, what each is told before anything else, and who it says it is.

use core::fmt;
use serde::{Deserialize, Serialize};

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

/// Who a worker is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// What it does.
    pub kind: WorkerKind,
    /// Its process id.
    pub pid: u32,
}
