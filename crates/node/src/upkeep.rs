//! What the kernel has, brought in line with what the router wants: addresses, routes and rules of who is master, and
//! what stands from start to stop.

use crate::backlog::Rounds;
use crate::holdings::{Holding, Owner};
use crate::restore::RestoreLimit;
use crate::system::{Applied, Record, System};
use crate::vrrp::VrrpNode;
use ipnet::IpNet;
use standfast_model::config::route::PROTOCOL_KEEPALIVED;
use standfast_model::config::vrrp::InstanceId;
use standfast_model::{Instant, InterfaceIndex};
use standfast_net::{Change, Entry, ObservedAddress, Operation, Ours, diff, entry, routing};
use standfast_vrrp::Event;
use std::collections::BTreeSet;

/// What can be removed by somebody else and put back, as [`RestoreLimit`] counts it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Thing {
    Address(InterfaceIndex, IpNet),
    Route(u32, IpNet),
    Rule(u32),
}

/// The thing, and whether it is to be there.
pub(crate) fn subject(operation: &Operation) -> (Thing, bool) {
    match operation {
        Operation::Add { interface, address } => (Thing::Address(*interface, entry(address)), true),
        Operation::Remove { interface, address, peer: _ } => (Thing::Address(*interface, *address), false),
        Operation::AddRoute(route) => (Thing::Route(route.key().0, route.key().1), true),
        Operation::RemoveRoute(route) => (Thing::Route(route.key().0, route.key().1), false),
        Operation::AddRule(rule) => (Thing::Rule(rule.preference), true),
        Operation::RemoveRule(rule) => (Thing::Rule(rule.preference), false),
    }
}

/// What came of a batch of operations.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Whether the kernel's state is different now.
    pub(crate) changed: bool,
    /// Additions that were refused: whose address, and the kernel's words.
    pub(crate) refused: Vec<(InstanceId, String)>,
}

impl VrrpNode {
    /// Whether the owner has what is his now.
    pub(crate) fn holds(&self, owner: Owner) -> bool {
        match owner {
            Owner::Instance(id) => self.router.holds(id),
            Owner::Static | Owner::Device(_) => !self.stopping,
        }
    }

    /// What a killed predecessor has left of the places in which it might hold addresses: what bears our mark and is no
    /// place of ours now. A link that has got another name meanwhile is still the link of its number.
    #[must_use]
    pub fn leftovers(&self, places: &BTreeSet<(InterfaceIndex, IpNet)>) -> Vec<Operation> {
        let left = |(interface, address): &(InterfaceIndex, IpNet)| {
            let mut seen = self.observed.addresses(*interface).filter(|seen| seen.address == *address);
            seen.any(|seen| seen.protocol == PROTOCOL_KEEPALIVED)
        };
        let nobodys = places.iter().filter(|place| !self.homes.contains_key(place) && left(place));
        nobodys
            .map(|(interface, address)| Operation::Remove { interface: *interface, address: *address, peer: None })
            .collect()
    }

    /// Everything that separates the kernel from what is wanted. The kernel answers for what it has, and for nothing else:
    /// what a standby does not have it neither answers for nor takes.
    // REQ: VRRP2-6.4.2-01 VRRP2-6.4.2-02 VRRP2-6.4.3-01 VRRP2-8.4-01 ARP-2.1-01 ARP-2.5-01 ND-7.2.1-01
    // REQ: VRRP3-6.4.2-01 VRRP3-6.4.2-02 VRRP3-6.4.3-01 VRRP3-8.3.1-01
    pub(crate) fn operations(&self) -> Vec<Operation> {
        self.operations_of(|_| true)
    }

    /// The same for some owners: rules and routes go first and come last, for they lean on addresses.
    pub(crate) fn operations_of(&self, concerned: impl Fn(Owner) -> bool) -> Vec<Operation> {
        let mut ours = Ours::new();
        let (mut addresses, mut wanted, mut unwanted) = (Vec::new(), Vec::new(), Vec::new());
        for holding in self.holdings.iter().filter(|holding| concerned(holding.owner)) {
            note(&mut ours, holding, &self.foreign);
            if self.holds(holding.owner) {
                addresses.extend(holding.addresses.iter().cloned());
                wanted.extend(holding.entries.iter().cloned());
            } else {
                unwanted.extend(holding.entries.iter().cloned());
            }
        }
        for holding in &self.retired {
            note(&mut ours, holding, &self.foreign);
            unwanted.extend(holding.entries.iter().cloned());
        }
        let mut operations = routing::removals(&unwanted, &wanted, &self.observed);
        operations.extend(diff(&addresses, &ours, &self.observed));
        operations.extend(routing::additions(&wanted, &self.observed));
        operations
    }

    /// Adds what the kernel has taken along with something else: nobody's doing, so nothing is counted and told.
    pub(crate) fn restore_routing(&mut self, system: &mut impl System) {
        if self.holdings.iter().all(|holding| holding.entries.is_empty()) {
            return;
        }
        let routing = |operation: &Operation| match operation {
            Operation::AddRoute(entry) => !entry.route.no_track,
            Operation::AddRule(rule) => !rule.no_track,
            Operation::Add { .. } | Operation::Remove { .. } | Operation::RemoveRoute(_) | Operation::RemoveRule(_) => {
                false
            }
        };
        let operations: Vec<Operation> = self.operations().into_iter().filter(routing).collect();
        self.apply(&operations, system);
    }

    pub(crate) fn reconcile(&mut self, now: Instant, system: &mut impl System) {
        self.backlog.compare();
        self.work(now, system);
    }

    /// What stands from start to stop, and what devices need for themselves.
    pub(crate) fn reconcile_fixed(&mut self, now: Instant, system: &mut impl System) {
        let operations = self.operations_of(|owner| match owner {
            Owner::Static | Owner::Device(_) => true,
            Owner::Instance(_) => false,
        });
        for (instance, what) in self.apply(&operations, system).refused {
            self.feed(now, Event::OperationFailed { instance, what: &what }, system);
        }
    }

    /// Undoes whatever happened while nobody told us, or because of a link: what the kernel takes along with a link is
    /// nobody's doing, so only addresses count against [`RestoreLimit`].
    pub(crate) fn restore_all(&mut self, now: Instant, system: &mut impl System) {
        for operation in self.operations() {
            match operation {
                Operation::Add { .. } => self.restore(now, &operation, system),
                Operation::Remove { .. }
                | Operation::AddRoute(_)
                | Operation::RemoveRoute(_)
                | Operation::AddRule(_)
                | Operation::RemoveRule(_) => {
                    self.apply(core::slice::from_ref(&operation), system);
                }
            }
        }
    }

    /// Undoes what something else did to one thing of ours: what a master misses comes back, within [`RestoreLimit`],
    /// and what a standby was given goes, since two nodes would answer for it.
    pub(crate) fn restore_thing(&mut self, now: Instant, thing: Thing, system: &mut impl System) {
        if self.is_as_wanted(thing) || self.backlog.concerns(thing) {
            return;
        }
        let owners: Vec<Owner> = match thing {
            // By far the most frequent, and there may be thousands.
            Thing::Address(interface, address) => self.homes.get(&(interface, address)).copied().into_iter().collect(),
            Thing::Route(..) | Thing::Rule(_) => {
                self.holdings.iter().filter(|holding| has(holding, thing)).map(|holding| holding.owner).collect()
            }
        };
        if owners.is_empty() {
            return;
        }
        for operation in self.operations_of(|owner| owners.contains(&owner)) {
            if subject(&operation).0 == thing && !self.is_untracked(&operation) {
                self.restore(now, &operation, system);
            }
        }
    }

    /// Whether an address is there if its owner has it, and only then: nearly every notice is of what we did ourselves,
    /// and there may be thousands.
    fn is_as_wanted(&self, thing: Thing) -> bool {
        match thing {
            Thing::Address(interface, address) => {
                let owner = self.homes.get(&(interface, address));
                owner.is_some_and(|owner| self.holds(*owner) == self.observed.has(interface, address))
            }
            Thing::Route(..) | Thing::Rule(_) => false,
        }
    }

    /// `no_track`: that something else removes it is meant.
    fn is_untracked(&self, operation: &Operation) -> bool {
        match operation {
            Operation::Add { address, .. } => address.options.no_track,
            Operation::AddRoute(entry) => entry.route.no_track,
            Operation::AddRule(rule) => rule.no_track,
            Operation::Remove { .. } | Operation::RemoveRoute(_) | Operation::RemoveRule(_) => false,
        }
    }

    fn restore(&mut self, now: Instant, operation: &Operation, system: &mut impl System) {
        let (thing, wanted) = subject(operation);
        if !wanted {
            self.apply(core::slice::from_ref(operation), system);
            return;
        }
        let Some(owner) = self.owner_of(operation) else { return };
        if self.restores.entry(thing).or_default().allows(now) {
            self.put_back(now, owner, operation, system);
            return;
        }
        let what = format!(
            "something else removed {} {} times in {} s",
            words(operation),
            RestoreLimit::MOST,
            RestoreLimit::WINDOW.as_secs()
        );
        match owner {
            Owner::Instance(instance) | Owner::Device(instance) => {
                self.feed(now, Event::OperationFailed { instance, what: &what }, system);
            }
            Owner::Static => {
                for instance in self.track_group_of(operation) {
                    self.feed(now, Event::OperationFailed { instance, what: &what }, system);
                }
                system.record(Record::Refused { what });
            }
        }
    }

    fn put_back(&mut self, now: Instant, owner: Owner, operation: &Operation, system: &mut impl System) {
        let outcome = self.apply(core::slice::from_ref(operation), system);
        for (instance, what) in &outcome.refused {
            self.feed(now, Event::OperationFailed { instance: *instance, what }, system);
        }
        // The notice of a removal may arrive after we have added the address anew: then nothing was missing.
        if !outcome.changed {
            return;
        }
        self.restores.entry(subject(operation).0).or_default().count(now);
        match owner {
            Owner::Instance(instance) => {
                system.record(Record::Restored { instance, operation: operation.clone() });
                if let Operation::Add { .. } = operation {
                    let frames = self.round(now, instance, Rounds { left: 1, first: true });
                    system.announce(&frames);
                }
            }
            Owner::Static | Owner::Device(_) => {
                system.record(Record::StaticRestored { operation: operation.clone() });
            }
        }
    }

    /// `track_group`: the instances that cannot do without a static entry.
    fn track_group_of(&self, operation: &Operation) -> Vec<InstanceId> {
        let name = match operation {
            Operation::Add { address, .. } => address.options.track_group.as_ref(),
            Operation::AddRoute(entry) => entry.route.track_group.as_ref(),
            Operation::AddRule(rule) => rule.track_group.as_ref(),
            Operation::Remove { .. } | Operation::RemoveRoute(_) | Operation::RemoveRule(_) => None,
        };
        let groups = &self.config.common.track_groups;
        let group = name.and_then(|name| groups.iter().find(|group| group.name == *name));
        group.map_or(Vec::new(), |group| group.members.clone())
    }

    /// Whose the thing of an addition is.
    pub(crate) fn owner_of(&self, operation: &Operation) -> Option<Owner> {
        match operation {
            Operation::Add { interface, address } => self.homes.get(&(*interface, entry(address))).copied(),
            Operation::AddRoute(route) => {
                let is_it = |entry: &Entry| match entry {
                    Entry::Route(other) => *other == **route,
                    Entry::Rule(_) => false,
                };
                self.holdings.iter().find(|holding| holding.entries.iter().any(is_it)).map(|holding| holding.owner)
            }
            Operation::AddRule(rule) => {
                let is_it = |entry: &Entry| match entry {
                    Entry::Rule(other) => *other == **rule,
                    Entry::Route(_) => false,
                };
                self.holdings.iter().find(|holding| holding.entries.iter().any(is_it)).map(|holding| holding.owner)
            }
            Operation::Remove { .. } | Operation::RemoveRoute(_) | Operation::RemoveRule(_) => None,
        }
    }

    /// Applies operations and takes the successes into what was observed, so that the next comparison does not wait
    /// for the monitor.
    ///
    /// A refused address is its instance's failure, and a refused static entry that of its `track_group`. Another refused
    /// route or rule is only told: the service on the address
    /// can do without, and would not be better off elsewhere.
    pub(crate) fn apply(&mut self, operations: &[Operation], system: &mut impl System) -> Outcome {
        let mut outcome = Outcome::default();
        if operations.is_empty() {
            return outcome;
        }
        for (operation, result) in operations.iter().zip(system.apply(operations)) {
            match result {
                Ok(applied) => {
                    outcome.changed |= applied == Applied::Changed;
                    match operation {
                        Operation::RemoveRoute(entry) => self.observed.forget_route(entry),
                        Operation::Add { .. }
                        | Operation::Remove { .. }
                        | Operation::AddRoute(_)
                        | Operation::AddRule(_)
                        | Operation::RemoveRule(_) => self.observed.apply(effect(operation)),
                    }
                }
                Err(reason) => {
                    let what = match subject(operation).1 {
                        true => format!("adding {}: {reason}", words(operation)),
                        false => format!("removing {}: {reason}", words(operation)),
                    };
                    system.record(Record::Refused { what: what.clone() });
                    match (operation, self.owner_of(operation)) {
                        (Operation::Add { .. }, Some(Owner::Instance(id) | Owner::Device(id))) => {
                            outcome.refused.push((id, what));
                        }
                        (
                            Operation::Add { .. } | Operation::AddRoute(_) | Operation::AddRule(_),
                            Some(Owner::Static),
                        ) => {
                            let concerned = self.track_group_of(operation).into_iter();
                            outcome.refused.extend(concerned.map(|id| (id, what.clone())));
                        }
                        (
                            Operation::Add { .. }
                            | Operation::Remove { .. }
                            | Operation::AddRoute(_)
                            | Operation::RemoveRoute(_)
                            | Operation::AddRule(_)
                            | Operation::RemoveRule(_),
                            _,
                        ) => {}
                    }
                }
            }
        }
        outcome
    }
}

/// What the kernel has after it has done it.
fn effect(operation: &Operation) -> Change {
    match operation {
        Operation::Add { interface, address } => Change::Address(ObservedAddress {
            interface: *interface,
            address: entry(address),
            scope: address.scope.get(),
            secondary: false,
            protocol: PROTOCOL_KEEPALIVED,
        }),
        Operation::Remove { interface, address, peer: _ } => {
            Change::AddressGone { interface: *interface, address: *address }
        }
        Operation::AddRoute(entry) => Change::Route(Box::new(entry.expected())),
        Operation::RemoveRoute(entry) => Change::RouteGone(Box::new(entry.expected())),
        Operation::AddRule(rule) => Change::Rule(rule.clone()),
        Operation::RemoveRule(rule) => Change::RuleGone(rule.clone()),
    }
}

fn words(operation: &Operation) -> String {
    match operation {
        Operation::Add { address, .. } => address.address.to_string(),
        Operation::Remove { address, .. } => address.to_string(),
        Operation::AddRoute(entry) | Operation::RemoveRoute(entry) => format!("route to {}", entry.route.destination),
        Operation::AddRule(rule) | Operation::RemoveRule(rule) => format!("rule of preference {}", rule.preference),
    }
}

/// Adds the addresses of a holding to those that may be touched; a static address that was there before us may not.
fn note(ours: &mut Ours, holding: &Holding, foreign: &BTreeSet<(InterfaceIndex, IpNet)>) {
    for (interface, address) in &holding.addresses {
        let place = (*interface, entry(address));
        if holding.owner != Owner::Static || !foreign.contains(&place) {
            ours.insert(place, address.options.peer);
        }
    }
}

fn has(holding: &Holding, thing: Thing) -> bool {
    match thing {
        Thing::Address(interface, address) => holding.places().any(|place| place == (interface, address)),
        Thing::Route(table, destination) => holding.entries.iter().any(|entry| match entry {
            Entry::Route(route) => route.key() == (table, destination),
            Entry::Rule(_) => false,
        }),
        Thing::Rule(preference) => holding.entries.iter().any(|entry| match entry {
            Entry::Rule(rule) => rule.preference == preference,
            Entry::Route(_) => false,
        }),
    }
}
