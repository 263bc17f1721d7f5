//! What goes over the control socket: one request in one line of JSON, then the answers, each in one line of JSON.
//!
//! The forms carry a version, and everything else is only good for a reader of the same version.

use crate::adjust::Adjustment;
use crate::event::Event;
use crate::status::Snapshot;
use core::time::Duration;
use serde::{Deserialize, Serialize};

mod words;

/// Raised with every change that an older reader would misunderstand.
pub const CONTROL_VERSION: u16 = 1;

/// The longest request in bytes, its newline included. The longest of ours has the names of a service and a server.
pub const MAX_REQUEST_BYTES: usize = 4096;

/// A line from a client. There is one on a connection.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ask {
    /// [`CONTROL_VERSION`] of the client.
    pub version: u16,
    /// What it wants.
    pub request: Request,
}

/// What a client wants.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// How things are. Answered with [`Answer::Status`].
    Status {
        /// The workers are asked now, for counters and weights; else the last that they told.
        fresh: bool,
    },
    /// What has happened. Answered with as many [`Answer::Event`], and without `follow` with [`Answer::Done`].
    Events {
        /// How many of the last.
        last: u32,
        /// Go on with what happens from now on.
        follow: bool,
    },
    /// Something is to be done. Answered with [`Answer::Done`] or [`Answer::Refused`] when it has been.
    Order(Order),
}

/// Something to be done, for which more than the right to look is needed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Read the configuration again.
    Reload {
        /// Also if statements of it are ignored.
        force: bool,
        /// Put the old one back after so many seconds, unless it is confirmed until then.
        confirm_within_s: Option<u32>,
    },
    /// What was reloaded stays.
    Confirm,
    /// Something is wanted of a real server.
    Server(ServerOrder),
    /// Another router is to be master of what this one is.
    Switchover(SwitchoverOrder),
    /// This node is to be master of nothing, over restarts too, until it is let take part again.
    Maintenance {
        /// Master of nothing.
        on: bool,
    },
    /// How much is said in the log from now on, until the daemon ends.
    LogLevel(LogLevel),
    /// The program that is now in the daemon's place on the disk is to take over, in the same process and without anybody
    /// on the network noticing.
    Upgrade {
        /// Also if it is the program that runs already, or statements of the configuration are ignored by it.
        force: bool,
    },
    /// Every address that an instance holds is announced once. One that is not master holds none.
    Announce {
        /// The `vrrp_instance`.
        instance: String,
    },
    /// The files of a signal are to be written.
    Write(Files),
    /// These instances are to be otherwise until the next reload, all of it or nothing, at most
    /// [`crate::adjust::MAX_ADJUSTMENTS`] at once. Managers want it over SNMP; it is no order of the control socket.
    Adjust(Vec<Adjustment>),
    /// What would a reload do? Nothing is changed; the answer is a [`crate::plan::Plan`] in JSON. An order because the
    /// daemon reads the file, which whoever asks may not be able to.
    Plan {
        /// Another file than the configuration of the daemon.
        file: Option<String>,
    },
}

/// Files in keepalived's forms.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Files {
    /// As at SIGUSR1.
    Data,
    /// As at SIGUSR2.
    Stats {
        /// The counters begin at zero after it.
        clear: bool,
    },
}

/// How much is said in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// What happens.
    Info,
    /// As `-D`: also how it comes about.
    Debug,
    /// As `-D -D`: everything.
    Trace,
}

/// Another router is to be master.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SwitchoverOrder {
    /// The `vrrp_instance` or `vrrp_sync_group`; none is everything this node is master of.
    pub of: Option<String>,
    /// Preempt again as configured, instead.
    pub undo: bool,
    /// Preempt again as configured after so many seconds; none is when `undo` says so.
    pub for_s: Option<u32>,
}

/// Something is wanted of a real server, until something else is; over reloads and restarts of the worker, too.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServerOrder {
    /// Which one: `10.0.0.1:80`, or by its address alone all that have it.
    pub server: String,
    /// Of which virtual server: `192.0.2.1:80`, `TCP 192.0.2.1:80`, its address, or a firewall mark. None is all.
    pub of: Option<String>,
    /// What.
    pub wish: ServerWish,
}

/// What is wanted of a real server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerWish {
    /// It serves when its checks say so, with the configured weight.
    Ready,
    /// No new connections; it goes when the last one has ended, or after so many seconds.
    Drain {
        /// None waits for the last connection however long it takes.
        within_s: Option<u32>,
    },
    /// It goes now.
    Disable,
    /// This weight instead of the configured one, 0..=2147483647.
    Weight(u32),
}

/// A line to a client.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// How things are.
    Status(Box<Snapshot>),
    /// Something that has happened.
    Event(Box<Recorded>),
    /// There is no more, or it has been done; in words, which may be none.
    Done(String),
    /// Why not.
    Refused(Refusal),
}

/// Why a request was not answered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// Which kind of reason.
    pub reason: RefusalReason,
    /// In words.
    pub text: String,
}

/// The kinds of reasons.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// The request is no request of this version, or too long, or too slow.
    Malformed,
    /// Whoever asks may look and not touch.
    Forbidden,
    /// Too many ask at once.
    Busy,
    /// It was tried, or judged, and not done.
    Failed,
}

/// An event with its place in the history.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Recorded {
    /// Counted from 1 over the life of the history, in the order of arrival.
    pub number: u64,
    /// When it happened, UTC since 1970, by the clock of the wall at its arrival.
    pub unix: Duration,
    /// What.
    pub event: Event,
}
