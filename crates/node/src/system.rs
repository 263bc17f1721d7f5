//! What a node needs done. The daemon does it with system calls, the simulator with values.

use standfast_model::config::track::ScriptId;
use standfast_model::config::vrrp::{Instance, InstanceId};
use standfast_model::ipvs::Family;
use standfast_model::{GroupTransition, InterfaceIndex, InterfaceName, PriorityChange, Transition};
use standfast_net::{Device, Filter, Link, Operation, Sysctl};
use standfast_vrrp::{Notice, Router};
use std::net::IpAddr;

/// What tells one socket of a node from another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SocketKey {
    /// Where.
    pub interface: InterfaceIndex,
    /// Which protocol carries the advertisements.
    pub family: Family,
    /// The multicast group it joins; none for what comes and goes by unicast.
    pub group: Option<IpAddr>,
}

impl SocketKey {
    /// The socket that a packet to `destination` leaves by.
    #[must_use]
    pub fn towards(interface: InterfaceIndex, destination: IpAddr) -> Self {
        Self { interface, family: destination.into(), group: destination.is_multicast().then_some(destination) }
    }
}

/// A socket that should be open: adverts of these VRIDs on this interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listen {
    /// Which one.
    pub key: SocketKey,
    /// The interface's name, for error messages.
    pub name: InterfaceName,
    /// The VRIDs configured there, ascending; nothing else is worth waking up for. None where the group is only joined
    /// so that its membership is reported from the link below a device.
    pub vrids: Vec<u8>,
    /// Whether protocol 51 is to be heard as well: an instance there has `auth_type AH`.
    pub ah: bool,
    /// Octets the kernel may queue (`kernel_rx_buf_size`, `vrrp_rx_bufs_policy`); none leaves it to the socket's owner.
    pub queue_bytes: Option<u32>,
}

/// An advertisement to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Through which interface.
    pub interface: InterfaceIndex,
    /// Where from, as the header has it or (IPv6) shall have it.
    pub source: IpAddr,
    /// Where to, which says by which socket ([`SocketKey::towards`]).
    pub destination: IpAddr,
    /// IPv4: with its header. IPv6: the VRRP message alone.
    pub bytes: Vec<u8>,
    /// IPv6: the hop limit (`unicast_ttl`); none is the socket's, 255 for groups. IPv4 has it in its header.
    pub hop_limit: Option<u8>,
}

/// An Ethernet frame to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Through which interface.
    pub interface: InterfaceIndex,
    /// The frame from its destination address on, without checksum.
    pub bytes: Vec<u8>,
}

/// What goes into the journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// An instance changed state.
    Transition(Transition),
    /// A sync group changed state.
    GroupTransition(GroupTransition),
    /// The priority of an instance that wants it told changed.
    Priority(PriorityChange),
    /// A master heard a lower priority.
    LowerPriorityReceived {
        /// The master.
        instance: InstanceId,
        /// The priority heard.
        theirs: u8,
    },
    /// A reload removed the instance.
    Deleted(Box<Instance>),
    /// The core has something to say.
    Notice(Notice),
    /// Something else removed an address that a master holds; it is back.
    Restored {
        /// Whose address.
        instance: InstanceId,
        /// What put it back.
        operation: Operation,
    },
    /// Something else removed a static address, route or rule; it is back.
    StaticRestored {
        /// What put it back.
        operation: Operation,
    },
    /// The kernel refused an operation.
    Refused {
        /// The operation and the kernel's words.
        what: String,
    },
}

/// How an operation succeeded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applied {
    /// The kernel's state is different now.
    Changed,
    /// It was so already: the address was there, or was gone.
    AlreadySo,
}

/// The machine a node runs on. Calls are made in the order in which things must happen, and each has happened when
/// it returns.
pub trait System {
    /// Opens the socket, or changes which VRIDs it passes.
    ///
    /// # Errors
    /// The kernel's words, if the socket cannot be had.
    fn listen(&mut self, socket: &Listen) -> Result<(), String>;

    /// Closes the socket.
    fn unlisten(&mut self, key: SocketKey);

    /// Instances of the router are masters no more. Told before anything of it is sent or done, so that who comes after
    /// a death in the middle of it takes none of them for a master.
    fn stepping_down(&mut self, _router: &Router) {}

    /// Sends advertisements, in order. One that cannot leave is lost, as any packet may be: the next is due soon.
    fn send(&mut self, packets: &[Packet]);

    /// Sends frames, in order.
    fn announce(&mut self, frames: &[Frame]);

    /// Makes the device above the link of that name, with its settings, and sets it up; or finds it there and sets it up.
    /// Comes back with the link that it is.
    ///
    /// # Errors
    /// The kernel's words. A machine that has no such devices says so.
    fn make_device(&mut self, device: &Device, parent: &InterfaceName) -> Result<Link, String> {
        Err(format!("{} above {parent}: no such devices here", device.name))
    }

    /// Removes a device that [`Self::make_device`] has made or found.
    fn remove_device(&mut self, _index: InterfaceIndex) {}

    /// Changes settings of the kernel. The first value found of each is kept for [`Self::restore_settings`].
    fn configure(&mut self, _settings: &[Sysctl]) {}

    /// Gives settings their first values back, those excepted that somebody else has changed since.
    fn restore_settings(&mut self) {}

    /// Listens for those who say that one of these addresses, ascending, is their own, and for no others:
    /// [`crate::Input::Claimed`] tells of them. A machine that cannot listen does without.
    fn watch_claims(&mut self, _addresses: &[IpAddr]) {}

    /// Makes the packet filter this, whatever was there of ours before; none removes it.
    ///
    /// # Errors
    /// The kernel's words. A machine without packet filter says so.
    fn filter(&mut self, filter: Option<&Filter>) -> Result<(), String> {
        filter.map_or(Ok(()), |filter| Err(format!("table {}: no packet filter here", filter.table)))
    }

    /// Adds and removes addresses, routes and rules, in order; one result each, refusals in the kernel's words.
    fn apply(&mut self, operations: &[Operation]) -> Vec<Result<Applied, String>>;

    /// Has a track script run; [`crate::Input::ScriptEnded`] brings what came of it.
    fn run_script(&mut self, script: ScriptId);

    /// Takes a record for the journal and for those who want to be notified.
    fn record(&mut self, record: Record);
}
