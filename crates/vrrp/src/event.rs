//! What can happen to a router.

use crate::router::Options;
use core::time::Duration;
use standfast_model::config::VrrpConfig;
use standfast_model::config::track::{BfdId, FileId, ProcessId, ScriptId, ServiceId};
use standfast_model::config::vrrp::InstanceId;
use standfast_model::config::witness::WitnessId;
use standfast_model::{Ended, Instant, InterfaceIndex, InterfaceName, MacAddress, Witnessed};
use standfast_wire::Received;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What the router needs to know of one interface that its configuration names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InterfaceFacts {
    /// The kernel's number; a re-created interface has a new one.
    pub index: InterfaceIndex,
    /// Administratively up and with carrier.
    pub up: bool,
    /// Addresses that one can send from, in the kernel's order, virtual addresses of this node left out.
    pub sources: Vec<IpAddr>,
}

/// One thing that happened. A packet that arrives in the same instant as a timer is handled before it, so that a
/// living master is never deposed by a tie.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// Before [`Event::Start`]: a predecessor was killed as master. An instance whose last advertisement is so young
    /// that no standby can have taken over starts as master at once; in a sync group all members must have one.
    Adopt {
        /// The instance.
        instance: InstanceId,
        /// When the predecessor sent its last advertisement.
        advert_sent: Instant,
    },
    /// Before [`Event::Start`]: how far the sequence numbers of `auth_type AH` were when a predecessor was killed
    /// ([`crate::Status::sequence`]). A successor that began anew would be refused for as long as the predecessor has run.
    Sequence {
        /// The instance.
        instance: InstanceId,
        /// The highest that was noted.
        highest: u32,
    },
    /// The configuration and the first facts of all interfaces are known: begin.
    Start,
    /// An interface appeared, changed or (none) does not exist.
    Interface {
        /// Its name in the configuration.
        name: &'a InterfaceName,
        /// What is known of it.
        facts: Option<InterfaceFacts>,
    },
    /// A VRRP packet arrived.
    Packet(Received<'a>),
    /// Somebody said by ARP or neighbour discovery that an address of the instance is its own (RFC 5227 2.4). It matters
    /// to a master that holds the address.
    Claimed {
        /// The instance.
        instance: InstanceId,
        /// The address.
        address: IpAddr,
        /// The link that it was said on.
        interface: &'a InterfaceName,
        /// Where it says that the address is: no MAC of this machine.
        mac: MacAddress,
    },
    /// A deadline may have passed.
    Wake,
    /// The kernel refused an operation that the instance needs for being master.
    OperationFailed {
        /// The instance.
        instance: InstanceId,
        /// The operation and the kernel's words.
        what: &'a str,
    },
    /// A run that [`crate::Action::RunScript`] asked for has ended. One that nobody asked for is ignored.
    ScriptEnded {
        /// Its place in [`standfast_model::config::instance::VrrpCommon::scripts`].
        script: ScriptId,
        /// How.
        outcome: Ended,
    },
    /// A `track_file` was read, at start and whenever it changed.
    FileRead {
        /// Its place in [`standfast_model::config::instance::VrrpCommon::files`].
        file: FileId,
        /// The number in it; none for a file that is missing, empty or says no number, which counts as 0.
        value: Option<i32>,
    },
    /// So many processes of a `vrrp_track_process` run, at start and whenever the number changed.
    ProcessCount {
        /// Its place in [`standfast_model::config::instance::VrrpCommon::processes`].
        process: ProcessId,
        /// How many.
        count: u32,
    },
    /// The quorum of a tracked virtual server was told. One that was never told of does no harm.
    QuorumTold {
        /// Its place in [`standfast_model::config::instance::VrrpCommon::services`].
        service: ServiceId,
        /// Whether the servers that are up reach it.
        has_quorum: bool,
    },
    /// A BFD session came up or went down. One that was never told of counts as down.
    BfdChanged {
        /// Its place in [`standfast_model::config::instance::VrrpCommon::bfd_sessions`].
        session: BfdId,
        /// Whether it is up.
        up: bool,
    },
    /// A witness was asked. One that was never told of has not answered.
    WitnessTold {
        /// Its place in [`standfast_model::config::instance::VrrpCommon::witnesses`].
        witness: WitnessId,
        /// What it says. A lease must be told of again before it ends, or it has ended.
        said: Witnessed,
    },
    /// What the clock of the wall shows at this moment, UTC since 1970: the sequence numbers of `auth_hmac` need it.
    /// Told before [`Event::Start`] and again whenever the clock was set, if [`crate::Router::wants_wall_clock`].
    WallClock {
        /// Seconds and fraction.
        unix: Duration,
    },
    /// The configuration was read again: apply the difference. Instances are numbered by the new configuration from
    /// the return of this call on, and so are trackers; no result of a script that was started before is told any more.
    Reload(Box<Reload>),
    /// An operator wants this node to be master of nothing, or lets it take part again. Nothing happens where it is so
    /// already. Before [`Event::Start`] it says how to begin.
    Maintenance {
        /// Master of nothing: every instance is in FAULT.
        on: bool,
    },
    /// An operator wants another router to be master: the instance, with its sync group, resigns and does not preempt
    /// whoever takes over. If nobody does it becomes master again when its Master_Down_Timer runs out.
    HandOver {
        /// The instance. What is not master is left as it is.
        instance: InstanceId,
        /// When it may preempt again at the latest; none is when [`Event::TakePart`] says so.
        until: Option<Instant>,
    },
    /// Before [`Event::Start`]: an operator had a predecessor hand the instance over, and that holds until then
    /// ([`crate::Status::stands_back`]). An owner begins as a backup as well.
    StandsBack {
        /// The instance.
        instance: InstanceId,
        /// When it may preempt again at the latest; the end of time is when [`Event::TakePart`] says so.
        until: Instant,
    },
    /// The instance, with its sync group, preempts again as it is configured to.
    TakePart {
        /// The instance.
        instance: InstanceId,
    },
    /// Resign and stop.
    Shutdown,
}

/// What a reload brings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reload {
    /// The whole new configuration.
    pub config: VrrpConfig,
    /// The new settings of the process; a startup delay is not observed again.
    pub options: Options,
    /// What is known of the interfaces that the new configuration names; one that is not here does not exist.
    pub interfaces: BTreeMap<InterfaceName, InterfaceFacts>,
}
