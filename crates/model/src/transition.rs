//! States and why they change. A transition without its cause cannot be built, so `why` is never a guess.

use crate::{Ended, Instant, InterfaceName, Witnessed};
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The state of a VRRP instance, in keepalived's words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum State {
    /// Not started yet (RFC: Initialize).
    Init,
    /// Listening to a master (RFC: Backup).
    Backup,
    /// Holding the addresses (RFC 3768: Master, RFC 9568: Active).
    Master,
    /// A link or tracked object is bad: neither sends nor listens.
    Fault,
    /// Shut down.
    Stop,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Init => "INIT",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
        })
    }
}

/// What made a transition happen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Cause {
    /// The daemon started and the instance can take part.
    Started,
    /// The instance is the address owner (priority 255): it does not wait for a master.
    Owner,
    /// No advertisement was accepted for the master down interval.
    MasterSilent {
        /// The interval that ran out.
        waited: Duration,
    },
    /// The master said with priority 0 that it leaves, and the skew time ran out.
    MasterResigned {
        /// The address of the master that left.
        source: IpAddr,
    },
    /// A router with a higher priority advertises.
    HigherPriority {
        /// Where the advertisement came from.
        source: IpAddr,
        /// Its priority.
        theirs: u8,
        /// Ours at that moment.
        ours: u8,
    },
    /// A router with our priority and a higher address advertises.
    HigherAddress {
        /// Where the advertisement came from.
        source: IpAddr,
        /// The priority both have.
        priority: u8,
    },
    /// The sync group moves, because another of its members did.
    SyncGroup {
        /// The group.
        group: String,
        /// The member that made it move.
        member: String,
    },
    /// The interface has no carrier or is administratively down.
    LinkDown {
        /// Which interface.
        interface: InterfaceName,
    },
    /// The interface does not exist.
    InterfaceMissing {
        /// Which interface.
        interface: InterfaceName,
    },
    /// The interface has no address to send from.
    NoSourceAddress {
        /// Which interface.
        interface: InterfaceName,
    },
    /// What stood against taking part is gone.
    Recovered,
    /// The kernel refused what a master needs.
    KernelRefused {
        /// The operation and the kernel's words.
        what: String,
    },
    /// Our own timers ran so late that a standby must have taken over: we listen before we speak.
    Paused {
        /// For how long nothing was sent.
        silent: Duration,
    },
    /// The daemon stops.
    Shutdown,
    /// An interface is up: of one that is tracked in reverse that is as bad as LinkDown of any other.
    LinkUp {
        /// Which interface.
        interface: InterfaceName,
    },
    /// `unicast_fault_no_peer`: there is nobody to advertise to.
    NoPeer,
    /// A track script (`vrrp_script`) ended so.
    Script {
        /// Its name.
        script: String,
        /// How.
        ended: Ended,
    },
    /// A track script that decides over FAULT has no result yet.
    ScriptPending {
        /// Its name.
        script: String,
    },
    /// The number in a `track_file`.
    File {
        /// The name of the `track_file`.
        file: String,
        /// The number; what cannot be read is 0.
        value: i32,
    },
    /// The number of processes that a `vrrp_track_process` counts.
    Process {
        /// Its name.
        process: String,
        /// How many run.
        count: u32,
    },
    /// A BFD session.
    Bfd {
        /// Its name.
        session: String,
        /// Whether it is up.
        up: bool,
    },
    /// `track_virtual_server`
    VirtualServer {
        /// The words of its head.
        service: String,
        /// Whether the servers that are up reach its quorum.
        has_quorum: bool,
    },
    /// The configuration was read again.
    Reloaded,
    /// `auth_hmac` is to sign with the time, which nobody has told yet.
    ClockUnknown,
    /// An operator wants this node to be master of nothing (`standfast maintenance on`).
    Maintenance,
    /// An operator wants another node to be master (`standfast switchover`).
    Switchover,
    /// A witness (`witness`) whose lease a master needs.
    Witness {
        /// Its name.
        witness: String,
        /// What it says.
        said: Witnessed,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("started"),
            Self::Owner => f.write_str("address owner, priority 255"),
            Self::MasterSilent { waited } => {
                write!(f, "no advertisement for {}.{:03} s", waited.as_secs(), waited.subsec_millis())
            }
            Self::MasterResigned { source } => write!(f, "master {source} resigned"),
            Self::HigherPriority { source, theirs, ours } => {
                write!(f, "advertisement from {source} with higher priority {theirs}, ours {ours}")
            }
            Self::HigherAddress { source, priority } => {
                write!(f, "advertisement from {source} with our priority {priority} and a higher address")
            }
            Self::SyncGroup { group, member } => write!(f, "sync group {group} follows {member}"),
            Self::LinkDown { interface } => write!(f, "link of {interface} is down"),
            Self::InterfaceMissing { interface } => write!(f, "interface {interface} does not exist"),
            Self::NoSourceAddress { interface } => write!(f, "interface {interface} has no address to send from"),
            Self::Recovered => f.write_str("fault cleared"),
            Self::KernelRefused { what } => write!(f, "kernel refused: {what}"),
            Self::Paused { silent } => {
                write!(f, "paused: sent nothing for {}.{:03} s", silent.as_secs(), silent.subsec_millis())
            }
            Self::Shutdown => f.write_str("shutdown"),
            Self::LinkUp { interface } => write!(f, "link of {interface} is up"),
            Self::NoPeer => f.write_str("no peer to send to"),
            Self::Script { script, ended } => write!(f, "script {script} {ended}"),
            Self::ScriptPending { script } => write!(f, "script {script} has no result yet"),
            Self::File { file, value } => write!(f, "track file {file} says {value}"),
            Self::Process { process, count: 1 } => write!(f, "1 process of {process} runs"),
            Self::Process { process, count } => write!(f, "{count} processes of {process} run"),
            Self::VirtualServer { service, has_quorum: true } => write!(f, "virtual server {service} has its quorum"),
            Self::VirtualServer { service, has_quorum: false } => {
                write!(f, "virtual server {service} is below its quorum")
            }
            Self::Bfd { session, up } => write!(f, "BFD session {session} is {}", if *up { "up" } else { "down" }),
            Self::ClockUnknown => f.write_str("the wall clock, which auth_hmac signs with, is not known"),
            Self::Reloaded => f.write_str("configuration read again"),
            Self::Maintenance => f.write_str("operator: maintenance"),
            Self::Switchover => f.write_str("operator: switchover"),
            Self::Witness { witness, said } => write!(f, "witness {witness} {said}"),
        }
    }
}

/// One change of state of one instance.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Transition {
    /// The `vrrp_instance`.
    pub instance: String,
    /// Its interface.
    pub interface: InterfaceName,
    /// The state it left.
    pub from: State,
    /// The state it entered.
    pub to: State,
    /// Why.
    pub cause: Cause,
    /// When.
    pub at: Instant,
    /// The effective priority after it.
    pub priority: u8,
}

/// One change of state of a sync group (`vrrp_sync_group`): its members have moved by then.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GroupTransition {
    /// The `vrrp_sync_group`.
    pub group: String,
    /// The state it left.
    pub from: State,
    /// The state it entered.
    pub to: State,
    /// What made the member move that made the group move.
    pub cause: Cause,
    /// When.
    pub at: Instant,
}

/// One change of an effective priority (`notify_priority_changes`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PriorityChange {
    /// The `vrrp_instance`.
    pub instance: String,
    /// Its state, which the change leaves as it is.
    pub state: State,
    /// The effective priority before, 1..=255.
    pub from: u8,
    /// The effective priority from now on, 1..=255.
    pub to: u8,
    /// What moved it.
    pub cause: Cause,
    /// When.
    pub at: Instant,
}
