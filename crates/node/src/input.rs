//! What reaches the `vrrp` worker, as the node is told of it.

use core::time::Duration;
use standfast_model::config::VrrpConfig;
use standfast_model::config::track::{BfdId, FileId, ProcessId, ScriptId, ServiceId};
use standfast_model::config::vrrp::InstanceId;
use standfast_model::config::witness::WitnessId;
use standfast_model::{Ended, Instant, InterfaceIndex, MacAddress, Witnessed};
use standfast_net::{Change, Observed};
use standfast_vrrp::Options;
use standfast_wire::Received;
use std::net::IpAddr;

/// One thing that reached the worker.
#[derive(Debug)]
pub enum Input<'a> {
    /// The first dump; the monitor was subscribed before it was taken.
    Start(Observed),
    /// A new dump, because the monitor lost some changes.
    Resync(Observed),
    /// One change from the monitor.
    Changed(Change),
    /// A VRRP packet.
    Packet(Received<'a>),
    /// Somebody says that an address is its own, one of those that [`crate::System::watch_claims`] asked for.
    Claimed {
        /// The link that it was heard on.
        interface: InterfaceIndex,
        /// The address.
        address: IpAddr,
        /// Where it is, as that one says.
        mac: MacAddress,
    },
    /// A deadline may have passed.
    Wake,
    /// A track script has ended.
    ScriptEnded {
        /// Which.
        script: ScriptId,
        /// How.
        outcome: Ended,
    },
    /// A track file was read.
    FileRead {
        /// Which.
        file: FileId,
        /// The number in it; none if there is none.
        value: Option<i32>,
    },
    /// Tracked processes were counted.
    ProcessCount {
        /// Which.
        process: ProcessId,
        /// How many run.
        count: u32,
    },
    /// A BFD session changed.
    BfdChanged {
        /// Which.
        session: BfdId,
        /// Whether it is up.
        up: bool,
    },
    /// The quorum of a tracked virtual server was told.
    QuorumTold {
        /// Which.
        service: ServiceId,
        /// Whether it has it.
        has_quorum: bool,
    },
    /// A witness was asked.
    WitnessTold {
        /// Which.
        witness: WitnessId,
        /// What it says.
        said: Witnessed,
    },
    /// What the clock of the wall shows now, UTC since 1970.
    WallClock {
        /// Seconds and fraction.
        unix: Duration,
    },
    /// The configuration was read again: apply the difference.
    Reload(Box<Reload>),
    /// An operator wants this node to be master of nothing, or lets it take part again.
    Maintenance {
        /// Master of nothing.
        on: bool,
    },
    /// An operator wants another router to be master.
    HandOver {
        /// Which instance, with its sync group.
        instance: InstanceId,
        /// When it may preempt again at the latest.
        until: Option<Instant>,
    },
    /// An instance, with its sync group, preempts again as configured.
    TakePart {
        /// Which.
        instance: InstanceId,
    },
    /// Every address that an instance holds is to be announced once more. One that is not master announces nothing.
    Announce {
        /// Which.
        instance: InstanceId,
    },
    /// Resign, remove the addresses, stop.
    Shutdown,
}

/// What a reload brings to a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reload {
    /// The whole new configuration.
    pub config: VrrpConfig,
    /// The new settings of the process.
    pub options: Options,
}
