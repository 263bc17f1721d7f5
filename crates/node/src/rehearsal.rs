//! A reload rehearsed: a copy of the node goes through it on a machine that only writes down what it is asked to do.
//!
//! It is the reload's own code on the node's own knowledge of the kernel. Neither node nor kernel is touched.

use crate::holdings::Owner;
use crate::input::{Input, Reload};
use crate::system::{Applied, Frame, Listen, Packet, Record, SocketKey, System};
use crate::vrrp::VrrpNode;
use ipnet::IpNet;
use standfast_model::config::track::ScriptId;
use standfast_model::{Instant, InterfaceIndex, InterfaceName, Transition};
use standfast_net::{Device, Filter, Link, Operation};
use std::collections::{BTreeMap, BTreeSet};

/// Devices that a rehearsal makes are numbered from here: the kernel counts up from 1 and never came so far.
const FIRST_DEVICE: u32 = 1 << 30;

/// Pieces of work after the reload itself before the rehearsal is over: far more than any reload has.
const MOST_WAKES: usize = 10_000;

/// One thing that a reload would do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Ask this of the kernel.
    Operation(Operation),
    /// Make this device above the link of that name.
    MakeDevice(InterfaceName, InterfaceName),
    /// Remove this device.
    RemoveDevice(InterfaceIndex),
    /// Listen there.
    Listen(InterfaceName, SocketKey),
    /// Listen there no more.
    Unlisten(SocketKey),
    /// Replace the packet filter of this table, or remove ours.
    Filter(Option<String>),
    /// An instance changes its state.
    Transition(Transition),
    /// An instance is removed from the configuration.
    Deleted(String),
}

/// What came of a rehearsal.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rehearsal {
    /// In this order.
    pub steps: Vec<Step>,
    /// The names of links, those of devices that would be made included.
    pub links: BTreeMap<InterfaceIndex, InterfaceName>,
    /// Addresses that are held before it, by this node as master or as static ones.
    pub held: BTreeSet<(InterfaceIndex, IpNet)>,
}

impl VrrpNode {
    /// What [`Input::Reload`] would do now.
    #[must_use]
    pub fn rehearse(&self, now: Instant, reload: Reload) -> Rehearsal {
        let name = |link: &Link| (link.index, link.name.clone());
        let held =
            self.homes.iter().filter(|(place, owner)| self.observed.has(place.0, place.1) && self.stands(**owner));
        let mut stage = Stage {
            rehearsal: Rehearsal {
                links: self.observed.links().map(name).collect(),
                held: held.map(|(place, _)| *place).collect(),
                ..Rehearsal::default()
            },
            listening: self.listening.keys().copied().collect(),
            devices: 0,
        };
        let mut copy = self.clone();
        copy.handle(now, Input::Reload(Box::new(reload)), &mut stage);
        for _ in 0..MOST_WAKES {
            if !copy.has_work() {
                break;
            }
            copy.handle(now, Input::Wake, &mut stage);
        }
        stage.rehearsal
    }

    fn stands(&self, owner: Owner) -> bool {
        match owner {
            Owner::Static | Owner::Device(_) => true,
            Owner::Instance(instance) => self.router.holds(instance),
        }
    }
}

/// The machine of a rehearsal: whatever is asked of it succeeds.
struct Stage {
    rehearsal: Rehearsal,
    listening: BTreeSet<SocketKey>,
    devices: u32,
}

impl Stage {
    fn note(&mut self, step: Step) {
        self.rehearsal.steps.push(step);
    }
}

impl System for Stage {
    fn listen(&mut self, socket: &Listen) -> Result<(), String> {
        // One that is open is only told of other VRIDs.
        if self.listening.insert(socket.key) {
            self.note(Step::Listen(socket.name.clone(), socket.key));
        }
        Ok(())
    }

    fn unlisten(&mut self, key: SocketKey) {
        self.listening.remove(&key);
        self.note(Step::Unlisten(key));
    }

    fn send(&mut self, _packets: &[Packet]) {}

    fn announce(&mut self, _frames: &[Frame]) {}

    fn make_device(&mut self, device: &Device, parent: &InterfaceName) -> Result<Link, String> {
        let index = InterfaceIndex(FIRST_DEVICE + self.devices);
        self.devices += 1;
        self.rehearsal.links.insert(index, device.name.clone());
        self.note(Step::MakeDevice(device.name.clone(), parent.clone()));
        Ok(Link {
            index,
            name: device.name.clone(),
            mac: None,
            up: true,
            running: true,
            loopback: false,
            no_arp: false,
            mtu: 1500,
            parent: Some(device.parent),
            vrf_table: None,
        })
    }

    fn remove_device(&mut self, index: InterfaceIndex) {
        self.note(Step::RemoveDevice(index));
    }

    fn filter(&mut self, filter: Option<&Filter>) -> Result<(), String> {
        self.note(Step::Filter(filter.map(|filter| filter.table.clone())));
        Ok(())
    }

    fn apply(&mut self, operations: &[Operation]) -> Vec<Result<Applied, String>> {
        self.rehearsal.steps.extend(operations.iter().cloned().map(Step::Operation));
        operations.iter().map(|_| Ok(Applied::Changed)).collect()
    }

    fn run_script(&mut self, _script: ScriptId) {}

    fn record(&mut self, record: Record) {
        match record {
            Record::Transition(transition) => self.note(Step::Transition(transition)),
            Record::Deleted(instance) => self.note(Step::Deleted(instance.name)),
            Record::GroupTransition(_)
            | Record::Priority(_)
            | Record::LowerPriorityReceived { .. }
            | Record::Notice(_)
            | Record::Restored { .. }
            | Record::StaticRestored { .. }
            | Record::Refused { .. } => {}
        }
    }
}
