//! KEEPALIVED-MIB: virtual servers, real servers and what the kernel counted.

mod defaults;
mod servers;
mod services;
mod traffic;

use crate::address;
use crate::keepalived::root;
use crate::table::{Place, Table};
use crate::world::World;
use standfast_agentx::{Oid, Value};
use standfast_model::config::lvs::VirtualServer;
use standfast_model::ipvs::{Forwarding, Protocol, ServiceKey};
use std::net::SocketAddr;

pub(crate) use services::kind;

pub(crate) fn tables(world: &World) -> Vec<Table> {
    let at = |rest: &[u32]| root().with(&[3]).with(rest);
    let mut names: Vec<usize> = Vec::new();
    let services = &world.slice.lvs.virtual_servers;
    for (place, service) in services.iter().enumerate() {
        let name = |service: &VirtualServer| service.options.group.as_ref().map(|group| group.name.clone());
        // Several virtual servers may share a group: it is one row.
        let known = |other: &usize| services.get(*other).and_then(name) == name(service);
        if service.options.group.is_some() && !names.iter().any(known) {
            names.push(place);
        }
    }
    let groups: Vec<_> =
        names.iter().enumerate().map(|(row, place)| (vec![crate::keepalived::number(row)], [*place, 0, 0])).collect();
    let members = names.iter().enumerate().flat_map(|(row, place)| {
        let count = services.get(*place).map_or(0, |service| keys(service).count());
        let place = *place;
        (0..count).map(move |at| (vec![crate::keepalived::number(row), crate::keepalived::number(at)], [place, at, 0]))
    });
    vec![
        Table::new(at(&[1, 1]), &[2], groups, |world, [place, ..], _| {
            world.service(place)?.options.group.as_ref().map(|group| Value::text(&group.name))
        }),
        Table::new(at(&[2, 1]), &[2, 3, 4, 5, 8], members, member),
        services::table(world),
        servers::table(world),
        Table::scalars(at(&[6]), &[1, 2, 3, 4, 5, 6, 7, 8, 9], sync_daemon),
        Table::scalars(at(&[7]), &[1, 2, 3], timeouts),
    ]
}

/// All services that a pool serves.
pub(crate) fn keys(service: &VirtualServer) -> impl Iterator<Item = &ServiceKey> {
    core::iter::once(&service.key).chain(service.options.group.iter().flat_map(|group| &group.others))
}

fn member(world: &World, [place, at, _]: Place, column: u32) -> Option<Value> {
    let key = keys(world.service(place)?).nth(at)?;
    match (key, column) {
        (ServiceKey::FirewallMark { .. }, 2) => Some(Value::Integer(1)),
        (ServiceKey::FirewallMark { mark, .. }, 3) => Some(Value::unsigned(*mark)),
        (ServiceKey::FirewallMark { .. }, _) | (ServiceKey::Address { .. }, 3) => None,
        (ServiceKey::Address { .. }, 2) => Some(Value::Integer(2)),
        (ServiceKey::Address { address, .. }, 4) => Some(address::kind(*address)),
        (ServiceKey::Address { address, .. }, 5) => Some(address::value(*address)),
        (ServiceKey::Address { port, .. }, _) => Some(Value::unsigned(*port)),
    }
}

fn sync_daemon(world: &World, _: Place, column: u32) -> Option<Value> {
    let daemon = world.slice.lvs.common.sync_daemon.as_ref();
    if column == 1 {
        return Some(Value::truth(daemon.is_some()));
    }
    let daemon = daemon?;
    Some(match column {
        2 => Value::text(daemon.interface.as_str()),
        3 => Value::text(daemon.instance.as_deref()?),
        4 => Value::integer(daemon.id),
        5 => Value::integer(daemon.max_length.unwrap_or(0)),
        6 => Value::integer(daemon.port.unwrap_or(0)),
        7 => Value::integer(daemon.ttl.unwrap_or(0)),
        8 => address::kind(daemon.group?),
        9 => address::value(daemon.group?),
        _ => return None,
    })
}

fn timeouts(world: &World, _: Place, column: u32) -> Option<Value> {
    let timeouts = &world.slice.lvs.common.timeouts;
    let seconds = match column {
        1 => timeouts.tcp,
        2 => timeouts.tcp_fin,
        3 => timeouts.udp,
        _ => return None,
    };
    // Zero leaves the kernel's, which nobody here knows.
    (seconds != 0).then(|| Value::integer(seconds))
}

/// nat(1), dr(2), tun(3)
fn forwarding(forwarding: Forwarding) -> Value {
    Value::Integer(match forwarding {
        Forwarding::Nat | Forwarding::Local => 1,
        Forwarding::DirectRouting => 2,
        Forwarding::Tunnel(_) => 3,
    })
}

/// Whose weight an object is: the virtual and the real server, in the words of an order.
pub(crate) fn weight_at(world: &World, tables: &[Table], name: &Oid) -> Option<(String, String)> {
    name.below(&servers::entry())?;
    let (column, [service, server, _]) = tables.iter().find_map(|table| table.find(name))?;
    let service = world.service(service).filter(|_| column == servers::WEIGHT)?;
    let address: SocketAddr = service.real_servers.get(server)?.address;
    Some((words(world.own_key(service)?), address.to_string()))
}

/// A service in the words of an order.
fn words(key: &ServiceKey) -> String {
    match *key {
        ServiceKey::Address { address, port, protocol } => format!("{protocol} {}", SocketAddr::new(address, port)),
        ServiceKey::FirewallMark { mark, .. } => mark.to_string(),
    }
}

/// Whether a service is one of TCP, which is what the notifications say of its protocol.
pub(crate) fn is_tcp(key: &ServiceKey) -> bool {
    matches!(key, ServiceKey::Address { protocol: Protocol::Tcp, .. })
}
