//! The `vrrp` worker without its sockets: the router, what the kernel was last heard to hold, and the executor.

use crate::restore::RestoreLimit;
use crate::system::{Applied, Frame, Listen, Packet, Record, SocketKey, System};
use core::time::Duration;
use ipnet::IpNet;
use standfast_model::config::VrrpConfig;
use standfast_model::config::track::{BfdId, FileId, ProcessId, ScriptId};
use standfast_model::config::vrrp::{Instance, InstanceId};
use standfast_model::{Ended, Instant, InterfaceIndex, InterfaceName, VirtualAddress};
use standfast_net::{Change, Observed, ObservedAddress, Operation, diff};
use standfast_vrrp::{Action, Event, InterfaceFacts, Options, Output, Router, group};
use standfast_wire::ndisc::Unsolicited;
use standfast_wire::{Received, arp};
use std::collections::{BTreeMap, BTreeSet};
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
    /// What the clock of the wall shows now, UTC since 1970.
    WallClock {
        /// Seconds and fraction.
        unix: Duration,
    },
    /// The configuration was read again: apply the difference.
    Reload(Box<Reload>),
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

/// A node of a virtual router: everything the worker is but the system calls.
#[derive(Debug)]
pub struct VrrpNode {
    config: VrrpConfig,
    router: Router,
    observed: Observed,
    /// Where each of our addresses lives and whose it is: everything on the machine that is ours to touch. An
    /// address whose link does not exist is not in it.
    homes: BTreeMap<(InterfaceIndex, IpNet), InstanceId>,
    /// Interfaces the router has been told of, to tell it only of differences.
    told: BTreeMap<InterfaceName, Option<InterfaceFacts>>,
    /// Sockets that are open.
    listening: BTreeMap<SocketKey, Listen>,
    restores: BTreeMap<InstanceId, RestoreLimit>,
    /// Ours before the reload that is being applied, and not any more.
    retired: BTreeSet<(InterfaceIndex, IpNet)>,
    output: Output,
}

impl VrrpNode {
    /// A node that has not been started.
    #[must_use]
    pub fn new(config: VrrpConfig, router: Router) -> Self {
        let told = names_of(&config).map(|name| (name.clone(), None)).collect();
        Self {
            config,
            router,
            observed: Observed::default(),
            homes: BTreeMap::new(),
            told,
            listening: BTreeMap::new(),
            restores: BTreeMap::new(),
            retired: BTreeSet::new(),
            output: Output::default(),
        }
    }

    /// The configuration it runs.
    #[must_use]
    pub fn config(&self) -> &VrrpConfig {
        &self.config
    }

    /// The core, to read its state from.
    #[must_use]
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// When [`Input::Wake`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.router.next_deadline()
    }

    /// Handles one input; everything it asks for has been done when this returns.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, system: &mut impl System) {
        match input {
            Input::Start(observed) => {
                self.observed = observed;
                self.links_changed(now, system);
                self.feed(now, Event::Start, system);
                // Addresses that a killed predecessor left behind go before anyone relies on them.
                self.reconcile(now, system);
            }
            Input::Resync(observed) => {
                self.observed = observed;
                self.links_changed(now, system);
                self.restore_all(now, system);
            }
            Input::Changed(change @ (Change::Link(_) | Change::LinkGone(_))) => {
                self.observed.apply(change);
                self.links_changed(now, system);
                self.restore_all(now, system);
            }
            Input::Changed(change @ (Change::Address(_) | Change::AddressGone { .. })) => {
                self.address_changed(now, change, system);
            }
            Input::Packet(packet) => self.feed(now, Event::Packet(packet), system),
            Input::Wake => self.feed(now, Event::Wake, system),
            Input::ScriptEnded { script, outcome } => self.feed(now, Event::ScriptEnded { script, outcome }, system),
            Input::FileRead { file, value } => self.feed(now, Event::FileRead { file, value }, system),
            Input::ProcessCount { process, count } => self.feed(now, Event::ProcessCount { process, count }, system),
            Input::BfdChanged { session, up } => self.feed(now, Event::BfdChanged { session, up }, system),
            Input::WallClock { unix } => self.feed(now, Event::WallClock { unix }, system),
            Input::Reload(reload) => self.reload(now, *reload, system),
            Input::Shutdown => {
                self.feed(now, Event::Shutdown, system);
                for key in core::mem::take(&mut self.listening).into_keys() {
                    system.unlisten(key);
                }
            }
        }
    }

    /// Runs another configuration from now on. What was ours stays ours until it is gone, so that the router's first
    /// wish under the new configuration removes what the new one does not have.
    fn reload(&mut self, now: Instant, reload: Reload, system: &mut impl System) {
        let Reload { config, options } = reload;
        self.config = config.clone();
        self.restores.clear();
        let before = core::mem::take(&mut self.homes);
        self.find_homes();
        self.retired = before.into_keys().filter(|home| !self.homes.contains_key(home)).collect();
        self.told = names_of(&self.config).map(|name| (name.clone(), self.facts(name))).collect();
        let interfaces = self.told.iter().filter_map(|(name, facts)| Some((name.clone(), facts.clone()?))).collect();
        // Who is to be heard from now on is listened to before anybody waits for them.
        let refused = self.open_sockets(system);
        self.feed(now, Event::Reload(Box::new(standfast_vrrp::Reload { config, options, interfaces })), system);
        self.retired.clear();
        for (instance, what) in refused {
            self.feed(now, Event::OperationFailed { instance, what: &what }, system);
        }
    }

    fn find_homes(&mut self) {
        self.homes = self
            .instances()
            .flat_map(|(id, instance)| addresses_of(instance).map(move |address| (id, instance, address)))
            .filter_map(|(id, instance, address)| Some(((self.home(instance, address)?, address.address), id)))
            .collect();
    }

    /// Links came, went or changed: find every address its home again, and tell the router.
    fn links_changed(&mut self, now: Instant, system: &mut impl System) {
        self.find_homes();
        self.listen(now, system);
        for name in self.told.keys().cloned().collect::<Vec<_>>() {
            self.tell(now, &name, system);
        }
    }

    fn address_changed(&mut self, now: Instant, change: Change, system: &mut impl System) {
        let (interface, address) = match &change {
            Change::Address(new) => (new.interface, new.address),
            Change::AddressGone { interface, address } => (*interface, *address),
            Change::Link(_) | Change::LinkGone(_) => return,
        };
        self.observed.apply(change);
        if let Some(id) = self.homes.get(&(interface, address)).copied() {
            let concerned = |operation: &Operation| match operation {
                Operation::Add { interface: i, address: a } => (*i, a.address) == (interface, address),
                Operation::Remove { interface: i, address: a } => (*i, *a) == (interface, address),
            };
            for operation in self.operations_of(&[id]).into_iter().filter(concerned) {
                self.restore(now, &operation, system);
            }
        } else if let Some(name) = self.observed.link(interface).map(|link| link.name.clone()) {
            self.tell(now, &name, system);
        }
    }

    /// Lets the router handle one event and does what it asks, then feeds back what the kernel refused.
    fn feed(&mut self, now: Instant, event: Event<'_>, system: &mut impl System) {
        let mut output = core::mem::take(&mut self.output);
        self.router.handle(now, event, &mut output);
        let mut refused = self.perform(&mut output, system);
        // Each refusal takes its instance out of MASTER, so this ends after one round per instance at the latest.
        while let Some((instance, what)) = refused.pop() {
            self.router.handle(now, Event::OperationFailed { instance, what: &what }, &mut output);
            refused.extend(self.perform(&mut output, system));
        }
        self.output = output;
    }

    /// Does what the router asked for, in order; neighbours of one kind go to the system in one call.
    fn perform(&mut self, output: &mut Output, system: &mut impl System) -> Vec<(InstanceId, String)> {
        let mut refused = Vec::new();
        let mut packets = Vec::new();
        let mut frames = Vec::new();
        for action in output.actions.drain(..) {
            if !packets.is_empty() && !matches!(action, Action::Send { .. }) {
                system.send(&packets);
                packets.clear();
            }
            if !frames.is_empty() && !matches!(action, Action::Announce { .. }) {
                system.announce(&frames);
                frames.clear();
            }
            match action {
                Action::Send { instance: _, interface, source, destination, packet } => {
                    packets.push(Packet { interface, source, destination, bytes: packet });
                }
                Action::Reconcile => {
                    // A socket that could not be had is tried for again as well: a master must not be deaf.
                    refused.extend(self.open_sockets(system));
                    let operations = self.operations();
                    refused.extend(self.apply(&operations, system).refused);
                }
                Action::Announce { instance, rounds } => frames.extend(self.announcement(instance, rounds)),
                Action::Transition(transition) => system.record(Record::Transition(transition)),
                Action::GroupTransition(transition) => system.record(Record::GroupTransition(transition)),
                Action::Priority(change) => system.record(Record::Priority(change)),
                Action::LowerPriorityReceived { instance, theirs } => {
                    system.record(Record::LowerPriorityReceived { instance, theirs });
                }
                Action::Deleted(instance) => system.record(Record::Deleted(instance)),
                Action::RunScript { script } => system.run_script(script),
                Action::Notice(notice) => system.record(Record::Notice(notice)),
            }
        }
        if !packets.is_empty() {
            system.send(&packets);
        }
        if !frames.is_empty() {
            system.announce(&frames);
        }
        refused
    }

    fn reconcile(&mut self, now: Instant, system: &mut impl System) {
        let operations = self.operations();
        for (instance, what) in self.apply(&operations, system).refused {
            self.feed(now, Event::OperationFailed { instance, what: &what }, system);
        }
    }

    fn restore_all(&mut self, now: Instant, system: &mut impl System) {
        for operation in self.operations() {
            self.restore(now, &operation, system);
        }
    }

    /// Undoes what something else did to one of our addresses: one that a master misses comes back, within
    /// [`RestoreLimit`], and one that a standby was given goes, since two nodes would answer for it.
    fn restore(&mut self, now: Instant, operation: &Operation, system: &mut impl System) {
        let Operation::Add { interface, address } = operation else {
            self.apply(core::slice::from_ref(operation), system);
            return;
        };
        let Some(instance) = self.homes.get(&(*interface, address.address)).copied() else { return };
        if self.restores.entry(instance).or_default().allows(now) {
            self.put_back(now, instance, operation, system);
            return;
        }
        let what = format!(
            "something else removed {} {} times in {} s",
            address.address,
            RestoreLimit::MOST,
            RestoreLimit::WINDOW.as_secs()
        );
        self.feed(now, Event::OperationFailed { instance, what: &what }, system);
    }

    fn put_back(&mut self, now: Instant, instance: InstanceId, operation: &Operation, system: &mut impl System) {
        let outcome = self.apply(core::slice::from_ref(operation), system);
        for (instance, what) in &outcome.refused {
            self.feed(now, Event::OperationFailed { instance: *instance, what }, system);
        }
        // The notice of a removal may arrive after we have added the address anew: then nothing was missing.
        if outcome.changed {
            self.restores.entry(instance).or_default().count(now);
            system.record(Record::Restored { instance, operation: operation.clone() });
            system.announce(&self.announcement(instance, 1));
        }
    }

    fn operations(&self) -> Vec<Operation> {
        let all: Vec<InstanceId> = self.instances().map(|(id, _)| id).collect();
        self.operations_of(&all)
    }

    /// What separates the addresses of these instances from what the router wants of them.
    fn operations_of(&self, instances: &[InstanceId]) -> Vec<Operation> {
        let mut ours = self.retired.clone();
        let mut desired = Vec::new();
        for id in instances {
            let Some(instance) = self.instance(*id) else { continue };
            let holds = self.router.holds(*id);
            for address in addresses_of(instance) {
                let Some(interface) = self.home(instance, address) else { continue };
                ours.insert((interface, address.address));
                if holds {
                    desired.push((interface, address.clone()));
                }
            }
        }
        diff(&desired, &ours, &self.observed)
    }

    /// Applies operations and takes the successes into what was observed, so that the next comparison does not wait
    /// for the monitor.
    fn apply(&mut self, operations: &[Operation], system: &mut impl System) -> Outcome {
        let mut outcome = Outcome::default();
        if operations.is_empty() {
            return outcome;
        }
        for (operation, result) in operations.iter().zip(system.apply(operations)) {
            match (operation, result) {
                (Operation::Add { interface, address }, Ok(applied)) => {
                    outcome.changed |= applied == Applied::Changed;
                    self.observed.apply(Change::Address(ObservedAddress {
                        interface: *interface,
                        address: address.address,
                        scope: address.scope.get(),
                        secondary: false,
                        protocol: 0,
                    }));
                }
                (Operation::Remove { interface, address }, Ok(applied)) => {
                    outcome.changed |= applied == Applied::Changed;
                    self.observed.apply(Change::AddressGone { interface: *interface, address: *address });
                }
                (Operation::Add { interface, address }, Err(words)) => {
                    let what = format!("adding {}: {words}", address.address);
                    system.record(Record::Refused { what: what.clone() });
                    let owner = self.homes.get(&(*interface, address.address));
                    outcome.refused.extend(owner.map(|instance| (*instance, what)));
                }
                (Operation::Remove { address, .. }, Err(words)) => {
                    system.record(Record::Refused { what: format!("removing {address}: {words}") });
                }
            }
        }
        outcome
    }

    /// Tells the router of an interface, if it matters and differs from what was told.
    fn tell(&mut self, now: Instant, name: &InterfaceName, system: &mut impl System) {
        let facts = self.facts(name);
        match self.told.get_mut(name) {
            Some(told) if *told != facts => told.clone_from(&facts),
            Some(_) | None => return,
        }
        self.feed(now, Event::Interface { name, facts }, system);
    }

    fn facts(&self, name: &InterfaceName) -> Option<InterfaceFacts> {
        let link = self.observed.link_named(name)?;
        let sources = self
            .observed
            .addresses(link.index)
            .filter(|a| self.homes.get(&(link.index, a.address)).is_none_or(|id| self.owns(*id)))
            .map(|a| a.address.addr())
            .collect();
        Some(InterfaceFacts { index: link.index, up: link.up && link.running, sources })
    }

    fn listen(&mut self, now: Instant, system: &mut impl System) {
        for (instance, what) in self.open_sockets(system) {
            self.feed(now, Event::OperationFailed { instance, what: &what }, system);
        }
    }

    /// Opens sockets on interfaces that are there and closes those of interfaces that are gone. Comes back with the
    /// instances that have to do without: they are in FAULT until the router tries again.
    fn open_sockets(&mut self, system: &mut impl System) -> Vec<(InstanceId, String)> {
        let mut wanted: BTreeMap<SocketKey, Listen> = BTreeMap::new();
        for (_, instance) in self.instances() {
            let Some(link) = self.observed.link_named(&instance.interface) else { continue };
            let group = group(instance, &self.config.common);
            let key = SocketKey { interface: link.index, family: instance.family, group };
            let socket =
                wanted.entry(key).or_insert_with(|| Listen { key, name: link.name.clone(), vrids: Vec::new() });
            socket.vrids.push(instance.vrid.get());
        }
        for key in self.listening.keys().filter(|key| !wanted.contains_key(key)).copied().collect::<Vec<_>>() {
            self.listening.remove(&key);
            system.unlisten(key);
        }
        let mut refused = Vec::new();
        for (key, mut socket) in wanted {
            socket.vrids.sort_unstable();
            if self.listening.get(&key) == Some(&socket) {
                continue;
            }
            match system.listen(&socket) {
                Ok(()) => {
                    self.listening.insert(key, socket);
                }
                Err(words) => {
                    let what = format!("listening on {}: {words}", socket.name);
                    system.record(Record::Refused { what: what.clone() });
                    refused.extend(self.instances_on(&socket.name, key).into_iter().map(|id| (id, what.clone())));
                }
            }
        }
        refused
    }

    /// One gratuitous ARP or neighbour advertisement per address and round, in configured order. An address that the
    /// kernel refused is not announced: nobody would answer for it.
    fn announcement(&self, id: InstanceId, rounds: u32) -> Vec<Frame> {
        let Some(instance) = self.instance(id) else { return Vec::new() };
        let round: Vec<Frame> = addresses_of(instance)
            .filter_map(|address| {
                let interface = self.home(instance, address)?;
                let link = self.observed.link(interface).filter(|_| self.observed.has(interface, address.address))?;
                let mac = link.mac.filter(|_| !link.no_arp)?;
                let bytes = match address.address.addr() {
                    IpAddr::V4(address) => arp::Frame::gratuitous(mac, address).emit().to_vec(),
                    IpAddr::V6(address) => Unsolicited { address, mac, router: true }.emit().to_vec(),
                };
                Some(Frame { interface: link.index, bytes })
            })
            .collect();
        (0..rounds).flat_map(|_| round.iter().cloned()).collect()
    }

    fn instances(&self) -> impl Iterator<Item = (InstanceId, &Instance)> {
        (0..).map(InstanceId).zip(&self.config.instances)
    }

    /// Whether the instance is the owner of its addresses: they are the interface's own, and it sends from them.
    fn owns(&self, id: InstanceId) -> bool {
        self.instance(id).is_some_and(|instance| instance.priority.is_owner())
    }

    fn instance(&self, id: InstanceId) -> Option<&Instance> {
        self.config.instances.get(usize::try_from(id.0).ok()?)
    }

    /// The instances that need the socket.
    fn instances_on(&self, name: &InterfaceName, key: SocketKey) -> Vec<InstanceId> {
        let needs = |instance: &Instance| {
            instance.interface == *name
                && instance.family == key.family
                && group(instance, &self.config.common) == key.group
        };
        self.instances().filter(|(_, instance)| needs(instance)).map(|(id, _)| id).collect()
    }

    /// The link an address lives on, if it exists.
    fn home(&self, instance: &Instance, address: &VirtualAddress) -> Option<InterfaceIndex> {
        let name = address.interface.as_ref().unwrap_or(&instance.interface);
        self.observed.link_named(name).map(|link| link.index)
    }
}

/// What came of a batch of operations.
#[derive(Debug, Default)]
struct Outcome {
    /// Whether the kernel's state is different now.
    changed: bool,
    /// Additions that were refused: whose address, and the kernel's words.
    refused: Vec<(InstanceId, String)>,
}

/// Every address of an instance, in the order in which they are announced.
fn addresses_of(instance: &Instance) -> impl Iterator<Item = &VirtualAddress> {
    instance.addresses.iter().chain(&instance.excluded)
}

/// Every interface whose state matters.
fn names_of(config: &VrrpConfig) -> impl Iterator<Item = &InterfaceName> {
    let of_groups = config.groups.iter().flat_map(|group| &group.track_interfaces).map(|t| &t.interface);
    config.instances.iter().flat_map(interfaces_of).chain(of_groups)
}

/// Every interface whose state matters to an instance.
fn interfaces_of(instance: &Instance) -> impl Iterator<Item = &InterfaceName> {
    let homes = addresses_of(instance).filter_map(|a| a.interface.as_ref());
    let tracked = instance.track_interfaces.iter().map(|t| &t.interface);
    core::iter::once(&instance.interface).chain(homes).chain(tracked)
}
