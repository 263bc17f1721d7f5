//! What a router wants done, in the order in which it wants it done.

use core::time::Duration;
use standfast_model::config::track::ScriptId;
use standfast_model::config::vrrp::{Instance, InstanceId};
use standfast_model::{
    AdvertInterval, Cause, Claim, Field, GroupTransition, InterfaceIndex, PriorityChange, Refusal, Transition,
};
use std::net::IpAddr;

/// One thing to do. Order matters: an advertisement leaves before the addresses move and before they are announced,
/// a resignation leaves before the addresses go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Send this packet.
    Send {
        /// Whose advertisement it is.
        instance: InstanceId,
        /// Through which interface.
        interface: InterfaceIndex,
        /// Where from: over IPv6 the kernel writes it, and must not choose another.
        source: IpAddr,
        /// Where to.
        destination: IpAddr,
        /// IPv4: the whole packet with its header. IPv6: the VRRP message, the kernel writes the header.
        packet: Vec<u8>,
    },
    /// What [`crate::Router::holds`] says has changed: bring the kernel's addresses in line now.
    Reconcile,
    /// Announce the addresses of the instance: so many rounds, each round one gratuitous ARP or unsolicited
    /// neighbour advertisement per address in configured order.
    Announce {
        /// Whose addresses.
        instance: InstanceId,
        /// How many rounds, at least 1.
        rounds: u32,
    },
    /// Announce this one address of the instance once: somebody else says that it is its own, or has stopped saying so.
    Defend {
        /// Whose address.
        instance: InstanceId,
        /// Which.
        address: IpAddr,
    },
    /// A state changed.
    Transition(Transition),
    /// A sync group changed its state, after the transitions of its members.
    GroupTransition(GroupTransition),
    /// An effective priority changed: what `notify_priority_changes` tells. Only for instances that ask for it.
    Priority(PriorityChange),
    /// A master heard a lower priority and answers it: what `notify_master_rx_lower_pri` tells, at most once per
    /// centisecond and instance.
    LowerPriorityReceived {
        /// The instance.
        instance: InstanceId,
        /// The priority heard.
        theirs: u8,
    },
    /// A reload removed the instance, which has stopped before: what `notify_deleted` tells. The new configuration does
    /// not know it any more, so it is here whole.
    Deleted(Box<Instance>),
    /// Run this track script now; [`crate::Event::ScriptEnded`] says what came of it. It is not asked for again before
    /// it has ended.
    RunScript {
        /// Its place in [`standfast_model::config::instance::VrrpCommon::scripts`].
        script: ScriptId,
    },
    /// Something an operator wants to read, said once per change and not once per packet.
    Notice(Notice),
}

/// What is worth a line in the journal besides transitions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// A packet was refused, for the first time since the reason was last different or the state changed.
    Refused {
        /// The instance, none where the VRID is unknown.
        instance: Option<InstanceId>,
        /// Where it came from.
        source: IpAddr,
        /// Why.
        reason: Refusal,
        /// What was received and what was expected, in words.
        detail: String,
    },
    /// A lower priority router advertises while we are master, or while we wait to preempt it.
    LowerPriority {
        /// The instance.
        instance: InstanceId,
        /// Where it came from.
        source: IpAddr,
        /// Its priority.
        theirs: u8,
        /// Ours.
        ours: u8,
    },
    /// The master's addresses are not ours: the pair is configured differently.
    AddressesDiffer {
        /// The instance.
        instance: InstanceId,
        /// Where it came from.
        source: IpAddr,
        /// What differs, in words.
        detail: String,
    },
    /// Version 3: another router advertises at another interval than ours. The master's is followed (RFC 9568 7.1).
    IntervalDiffers {
        /// The instance.
        instance: InstanceId,
        /// Where it came from.
        source: IpAddr,
        /// Its interval.
        theirs: AdvertInterval,
        /// Ours.
        ours: AdvertInterval,
        /// Whether it is our master, and therefore followed.
        followed: bool,
    },
    /// A router that was configured differently is not any more.
    Settled {
        /// The instance.
        instance: InstanceId,
        /// Whose advertisements.
        source: IpAddr,
        /// In what they differed.
        field: Field,
    },
    /// Another router was master beside us and is not any more: it fell silent, it resigned, or we gave way to it.
    TwoMasters {
        /// The instance.
        instance: InstanceId,
        /// The other.
        source: IpAddr,
        /// Its priority.
        priority: u8,
        /// From its first advertisement that we heard as master to its last.
        lasted: Duration,
        /// How many there were.
        adverts: u64,
    },
    /// Somebody says by ARP or neighbour discovery that an address which we hold as master is its own: said when it is
    /// found, and again when another than before says so.
    Claimed {
        /// The instance.
        instance: InstanceId,
        /// Which address, and who.
        claim: Claim,
    },
    /// Nobody else has said so for a while.
    ClaimOver {
        /// The instance.
        instance: InstanceId,
        /// What it was.
        claim: Claim,
    },
    /// Two routers have priority 255. The one with the lower address goes down to 254 and gives way.
    OwnerClash {
        /// The instance.
        instance: InstanceId,
        /// The other.
        source: IpAddr,
    },
    /// `auth_hmac`: the clock of a router that is believed differs from ours by more than half of what is allowed.
    ClockDiffers {
        /// The instance.
        instance: InstanceId,
        /// The other.
        source: IpAddr,
        /// By how much, whole seconds.
        skew: Duration,
        /// Whether it is ahead of ours.
        ahead: bool,
    },
    /// No master is heard, and a witness stands against a takeover. Or does not any more: a master is heard again.
    HeldBack {
        /// The instance.
        instance: InstanceId,
        /// What the witness says; none when a master is heard again.
        why: Option<Cause>,
    },
    /// Something that is tracked became good or bad.
    Tracked {
        /// What, and what is known of it.
        cause: Cause,
        /// Whether it is good now.
        good: bool,
    },
}

/// Collects actions in order; reused between calls.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// The actions, first to last.
    pub actions: Vec<Action>,
}
