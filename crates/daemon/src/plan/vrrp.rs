//! What the rehearsal of the `vrrp` worker says, in words.

use ipnet::IpNet;
use standfast_api::plan::Part;
use standfast_model::config::VrrpConfig;
use standfast_model::config::route::TABLE_MAIN;
use standfast_model::{InterfaceIndex, State, Transition};
use standfast_net::Operation;
use standfast_node::{Rehearsal, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The part of the `vrrp` worker.
#[must_use]
pub fn vrrp(before: &VrrpConfig, after: &VrrpConfig, rehearsal: &Rehearsal) -> Part {
    let words = Words { before, after, rehearsal };
    Part { operations: words.operations(), traffic: words.traffic() }
}

struct Words<'a> {
    before: &'a VrrpConfig,
    after: &'a VrrpConfig,
    rehearsal: &'a Rehearsal,
}

impl Words<'_> {
    fn operations(&self) -> Vec<String> {
        let mut removed = BTreeSet::new();
        self.rehearsal.steps.iter().filter_map(|step| self.step(step, &mut removed)).collect()
    }

    fn step(&self, step: &Step, removed: &mut BTreeSet<(InterfaceIndex, IpNet)>) -> Option<String> {
        Some(match step {
            Step::Operation(operation) => return self.operation(operation, removed),
            Step::MakeDevice(name, parent) => format!("make device {name} above {parent}"),
            Step::RemoveDevice(index) => format!("remove device {}", self.link(*index)),
            Step::Listen(name, _) => format!("listen on {name}"),
            Step::Unlisten(key) => format!("listen on {} no more", self.link(key.interface)),
            Step::Filter(Some(table)) => format!("replace the packet filter, table {table}"),
            Step::Filter(None) => "remove the packet filter".to_owned(),
            Step::Transition(change) => {
                format!("{}: {} becomes {} ({})", change.instance, change.from, change.to, change.cause)
            }
            Step::Deleted(name) => format!("{name}: ends"),
        })
    }

    fn operation(&self, operation: &Operation, removed: &mut BTreeSet<(InterfaceIndex, IpNet)>) -> Option<String> {
        Some(match operation {
            Operation::Add { interface, address } => {
                let place = (*interface, standfast_net::entry(address));
                // It goes along with another of its subnet unless the kernel is told otherwise, and is put back then.
                if self.rehearsal.held.contains(&place) && !removed.contains(&place) {
                    return None;
                }
                format!("add address {} to {}{}", address.address, self.link(*interface), self.whose(place.1.addr()))
            }
            Operation::Remove { interface, address, peer: _ } => {
                removed.insert((*interface, *address));
                format!("remove address {address} from {}{}", self.link(*interface), self.whose(address.addr()))
            }
            Operation::AddRoute(entry) => format!("add route to {}", route(entry)),
            Operation::RemoveRoute(entry) => format!("remove route to {}", route(entry)),
            Operation::AddRule(rule) => format!("add rule of preference {}", rule.preference),
            Operation::RemoveRule(rule) => format!("remove rule of preference {}", rule.preference),
        })
    }

    /// ` (VI_1)`, the instance that has the address, by the new configuration or by the old one.
    fn whose(&self, address: IpAddr) -> String {
        let of = |config: &VrrpConfig| {
            let has = |instance: &&standfast_model::config::vrrp::Instance| {
                instance.addresses.iter().chain(&instance.excluded).any(|entry| entry.address.addr() == address)
            };
            config.instances.iter().find(has).map(|instance| format!(" ({})", instance.name))
        };
        of(self.after).or_else(|| of(self.before)).unwrap_or_default()
    }

    fn link(&self, index: InterfaceIndex) -> String {
        self.rehearsal.links.get(&index).map_or_else(|| format!("interface {}", index.0), ToString::to_string)
    }

    fn traffic(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.rehearsal.steps.iter().filter_map(loses_mastership).collect();
        let leaves: BTreeSet<&str> =
            self.transitions().filter(|change| change.from == State::Master).map(name).collect();
        // Addresses by themselves, whatever their prefix: where each is at last, of those that were held.
        let mut last: BTreeMap<IpAddr, (bool, InterfaceIndex)> = BTreeMap::new();
        for step in &self.rehearsal.steps {
            match step {
                Step::Operation(Operation::Remove { interface, address, .. }) => {
                    last.entry(address.addr()).or_insert((false, *interface)).0 = false;
                }
                Step::Operation(Operation::Add { interface, address }) => {
                    if let Some(place) = last.get_mut(&address.address.addr()) {
                        *place = (true, *interface);
                    }
                }
                Step::Operation(Operation::RemoveRoute(entry)) => {
                    lines.push(format!("what takes the route to {} finds another one or none", route(entry)));
                }
                Step::Operation(Operation::RemoveRule(_) | Operation::AddRule(_) | Operation::AddRoute(_))
                | Step::MakeDevice(..)
                | Step::RemoveDevice(_)
                | Step::Listen(..)
                | Step::Unlisten(_)
                | Step::Filter(_)
                | Step::Transition(_)
                | Step::Deleted(_) => {}
            }
        }
        for (address, (here, interface)) in last {
            let stays = self.rehearsal.held.iter().any(|(held, net)| *held == interface && net.addr() == address);
            match (here, stays) {
                (true, true) => {
                    lines.push(format!(
                        "{address} is away for a moment, its connections live: it comes back to {}",
                        self.link(interface)
                    ));
                }
                (true, false) => lines.push(format!(
                    "{address} moves to {}: its neighbours are told at once, packets of that moment are lost",
                    self.link(interface)
                )),
                (false, _) => lines.push(self.goes(address, &leaves)),
            }
        }
        lines
    }

    fn goes(&self, address: IpAddr, leaves: &BTreeSet<&str>) -> String {
        let owner = self.before.instances.iter().find(|instance| {
            instance.addresses.iter().chain(&instance.excluded).any(|entry| entry.address.addr() == address)
        });
        let resigns = |name: &str| {
            leaves.contains(name)
                || self.rehearsal.steps.iter().any(|step| matches!(step, Step::Deleted(deleted) if deleted == name))
        };
        match owner {
            Some(instance) if resigns(&instance.name) => format!(
                "{address} leaves this node with {}, which resigns: without an answer until a standby that has it \
                 takes over (its skew time, less than {:?}), for good if there is none",
                instance.name,
                instance.advert_interval.as_duration()
            ),
            Some(_) | None => format!("{address} is served no more: its connections end"),
        }
    }

    fn transitions(&self) -> impl Iterator<Item = &Transition> {
        self.rehearsal.steps.iter().filter_map(|step| match step {
            Step::Transition(change) => Some(change),
            Step::Operation(_)
            | Step::MakeDevice(..)
            | Step::RemoveDevice(_)
            | Step::Listen(..)
            | Step::Unlisten(_)
            | Step::Filter(_)
            | Step::Deleted(_) => None,
        })
    }
}

fn name(change: &Transition) -> &str {
    &change.instance
}

fn loses_mastership(step: &Step) -> Option<String> {
    match step {
        Step::Transition(change) if change.from == State::Master && change.to != State::Master => {
            Some(format!("{} is master no more: {}", change.instance, change.cause))
        }
        Step::Transition(_)
        | Step::Operation(_)
        | Step::MakeDevice(..)
        | Step::RemoveDevice(_)
        | Step::Listen(..)
        | Step::Unlisten(_)
        | Step::Filter(_)
        | Step::Deleted(_) => None,
    }
}

fn route(entry: &standfast_net::RouteEntry) -> String {
    let via = entry.route.hop.via.map(|via| format!(" via {via}")).unwrap_or_default();
    let table = match (&entry.route.vrf, entry.route.table) {
        (Some(vrf), _) => format!(" in VRF {vrf}"),
        (None, TABLE_MAIN) => String::new(),
        (None, table) => format!(" in table {table}"),
    };
    format!("{}{via}{table}", entry.route.destination)
}
