//! What can happen to a router.

use standfast_model::config::vrrp::InstanceId;
use standfast_model::{Instant, InterfaceIndex, InterfaceName};
use standfast_wire::Received;
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
    /// A deadline may have passed.
    Wake,
    /// The kernel refused an operation that the instance needs for being master.
    OperationFailed {
        /// The instance.
        instance: InstanceId,
        /// The operation and the kernel's words.
        what: &'a str,
    },
    /// Resign and stop.
    Shutdown,
}
