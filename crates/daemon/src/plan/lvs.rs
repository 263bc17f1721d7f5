//! What the rehearsal of the `check` worker says, in words.

use standfast_api::plan::Part;
use standfast_lvs::{Action, Notice, Operation, Table};
use standfast_model::ipvs::{Destination, DestinationKey, ServiceKey};

/// The part of the `check` worker. `before` is the table as it should be before the reload.
#[must_use]
pub fn lvs(before: &Table, actions: &[Action]) -> Part {
    let mut part = Part::default();
    let leaving = |key: ServiceKey, server: DestinationKey| {
        actions.iter().any(|action| match action {
            Action::Notice(Notice::ServerRemoved { server: name, draining: true }) => {
                name.service == key && name.server == server
            }
            Action::Notice(_)
            | Action::StartCheck(_)
            | Action::CancelCheck(_)
            | Action::Dump
            | Action::Apply(_)
            | Action::CountConnections(_)
            | Action::Flush
            | Action::SetTimeouts(_)
            | Action::SetSyncDaemon(_)
            | Action::SetMarking(_)
            | Action::RemoveMarking(_)
            | Action::Notify(_) => false,
        })
    };
    for action in actions {
        match action {
            Action::Apply(operations) => {
                for operation in operations {
                    part.operations.push(words(before, operation));
                    part.traffic.extend(effect(before, operation, &leaving));
                }
            }
            Action::Flush => {
                part.operations.push("empty the whole IPVS table".to_owned());
                part.traffic.push("every connection through IPVS ends".to_owned());
            }
            Action::SetTimeouts(timeouts) => part.operations.push(format!(
                "set the timeouts of connections to {} {} {} s",
                timeouts.tcp, timeouts.tcp_fin, timeouts.udp
            )),
            Action::SetSyncDaemon(Some(role)) => part.operations.push(format!(
                "run the connection sync daemon on {} as {}",
                role.config.interface,
                if role.sends { "master" } else { "backup" }
            )),
            Action::SetMarking(marking) => {
                part.operations.push(format!("mark the packets of groups by the nftables table {}", marking.table));
            }
            Action::RemoveMarking(table) => {
                part.operations.push(format!("remove the nftables table {table}, which marks the packets of groups"));
            }
            Action::SetSyncDaemon(None) => part.operations.push("stop the connection sync daemon".to_owned()),
            Action::StartCheck(_)
            | Action::CancelCheck(_)
            | Action::Dump
            | Action::CountConnections(_)
            | Action::Notice(_)
            | Action::Notify(_) => {}
        }
    }
    part
}

fn service(key: &ServiceKey) -> String {
    // ipvsadm's columns are no columns here.
    key.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn former<'a>(before: &'a Table, key: &ServiceKey, server: &DestinationKey) -> Option<&'a Destination> {
    before.services.get(key)?.destinations.get(server)
}

fn words(before: &Table, operation: &Operation) -> String {
    match operation {
        Operation::AddService(new) => format!("add virtual server {}, scheduler {}", service(&new.key), new.scheduler),
        Operation::EditService(new) => {
            let scheduler = before.services.get(&new.key).map(|entry| &entry.service.scheduler);
            let change = match scheduler {
                Some(old) if *old != new.scheduler => format!(": scheduler {old} -> {}", new.scheduler),
                Some(_) | None => ": persistence or flags".to_owned(),
            };
            format!("edit virtual server {}{change}", service(&new.key))
        }
        Operation::RemoveService(key) => format!("remove virtual server {}", service(key)),
        Operation::AddDestination(key, new) => {
            format!("add real server {} to {}, {} weight {}", new.key, service(key), new.forwarding, new.weight)
        }
        Operation::EditDestination(key, new) => {
            let mut changes = Vec::new();
            if let Some(old) = former(before, key, &new.key) {
                if old.weight != new.weight {
                    changes.push(format!("weight {} -> {}", old.weight, new.weight));
                }
                if old.forwarding != new.forwarding {
                    changes.push(format!("{} -> {}", old.forwarding, new.forwarding));
                }
            }
            if changes.is_empty() {
                changes.push(format!("weight {}", new.weight));
            }
            format!("edit real server {} of {}: {}", new.key, service(key), changes.join(", "))
        }
        Operation::RemoveDestination(key, server) => format!("remove real server {server} from {}", service(key)),
    }
}

/// What traffic notices of it. New connections that go elsewhere, with old ones living on, are nothing to notice.
fn effect(
    before: &Table,
    operation: &Operation,
    leaving: &dyn Fn(ServiceKey, DestinationKey) -> bool,
) -> Option<String> {
    match operation {
        Operation::RemoveService(key) => Some(format!("{} is balanced no more: its connections end", service(key))),
        Operation::RemoveDestination(key, server) => {
            Some(format!("connections to {server} of {} end; with `drain` they could run out", service(key)))
        }
        Operation::EditDestination(key, new) if leaving(*key, new.key) => Some(format!(
            "{} of {} gets no new connections, and those it has are cut when the time of `drain` is over",
            new.key,
            service(key)
        )),
        Operation::EditDestination(key, new) => {
            let old = former(before, key, &new.key)?;
            (old.forwarding != new.forwarding).then(|| {
                format!(
                    "new connections to {} of {} go by {} instead of {}, which the server has to be set up for",
                    new.key,
                    service(key),
                    new.forwarding,
                    old.forwarding
                )
            })
        }
        Operation::AddService(_) | Operation::EditService(_) | Operation::AddDestination(..) => None,
    }
}
