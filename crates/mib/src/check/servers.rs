//! `real_server`, and the sorry server, which comes before the others.

use super::defaults::Asked;
use super::services::tunnel;
use super::traffic::{self, Block};
use super::{forwarding, keys};
use crate::address;
use crate::keepalived::{command, number, program, root};
use crate::table::{Place, Table};
use crate::world::World;
use standfast_agentx::{Oid, Value};
use standfast_api::ServerStatus;
use standfast_api::snmp::{DestinationTraffic, Traffic};
use standfast_model::config::lvs::{CheckDefaults, RealServer, VirtualServer};
use std::net::SocketAddr;

const COLUMNS: &[u32] = &[
    2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
    33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61,
    62, 63,
];

/// The place of the sorry server, which is none of the real servers.
const SORRY: usize = usize::MAX;

/// The column that can be set.
pub(super) const WEIGHT: u32 = 7;

pub(super) fn entry() -> Oid {
    root().with(&[3, 4, 1])
}

pub(super) fn table(world: &World) -> Table {
    let rows = world.slice.lvs.virtual_servers.iter().enumerate().flat_map(|(service, found)| {
        let sorry = found.sorry_server.as_ref().map(|_| (vec![number(service), 1], [service, SORRY, 0]));
        let before = usize::from(sorry.is_some());
        let others = 0..found.real_servers.len();
        sorry.into_iter().chain(others.map(move |at| (vec![number(service), number(at + before)], [service, at, 0])))
    });
    Table::new(entry(), COLUMNS, rows, cell)
}

fn cell(world: &World, [place, at, _]: Place, column: u32) -> Option<Value> {
    let service = world.service(place)?;
    let Some(server) = service.real_servers.get(at) else { return sorry(world, service, column) };
    let status = world.service_status(place).and_then(|status| status.servers.get(at));
    match column {
        2 => Some(Value::Integer(1)),
        3 => Some(address::kind(server.address.ip())),
        4 => Some(address::value(server.address.ip())),
        5 => Some(Value::unsigned(server.address.port())),
        6 | 7 | 13 => told(server, status, column),
        14..=39 | 58..=62 => counted(world, service, server.address, column),
        41..=46 | 48..=51 => checks(service, server, column),
        52..=54 => tunnel(server.forwarding, column - 52),
        _ => configured(server, column),
    }
}

fn told(server: &RealServer, status: Option<&ServerStatus>, column: u32) -> Option<Value> {
    let up = status.is_some_and(|status| status.up);
    Some(match column {
        6 => Value::truth(up),
        7 => Value::integer(status.map_or(server.weight, |status| status.weight)),
        // That one failed is known, not how many more.
        13 => Value::unsigned(u32::from(!up)),
        _ => return None,
    })
}

fn counted(world: &World, service: &VirtualServer, server: SocketAddr, column: u32) -> Option<Value> {
    let mut sum = DestinationTraffic::default();
    for part in keys(service).filter_map(|key| world.traffic(key)) {
        let ours = part.destinations.iter().filter(|(key, _)| key.address == server.ip() && key.port == server.port());
        for (_, found) in ours {
            sum.total = Traffic::plus(sum.total, found.total);
            for (count, more) in sum.connections.iter_mut().zip(found.connections) {
                *count = count.saturating_add(more);
            }
        }
    }
    let [active, inactive, persistent] = sum.connections;
    match column {
        14 => Some(Value::unsigned(sum.total.connections)),
        15 => Some(Value::Gauge32(active)),
        16 => Some(Value::Gauge32(inactive)),
        17 => Some(Value::Gauge32(persistent)),
        18..=26 => traffic::cell(&sum.total, Block::Narrow(column - 18)),
        27..=39 => traffic::cell(&sum.total, Block::Wide(column - 27)),
        _ => traffic::cell(&sum.total, Block::Rates(column - 58)),
    }
}

fn checks(service: &VirtualServer, server: &RealServer, column: u32) -> Option<Value> {
    let said: &CheckDefaults = server.options.checks.as_deref().unwrap_or(&service.options.defaults.checks);
    Some(match column {
        // Its own, not that of its virtual server.
        41 => {
            let own = said.virtual_host.as_ref();
            Value::text(own.filter(|own| service.options.defaults.checks.virtual_host.as_ref() != Some(own))?)
        }
        42 => Value::truth(said.alpha),
        43 => Asked::Retry.seconds(said),
        44 => Asked::DelayBeforeRetry.seconds(said),
        45 => Asked::Warmup.seconds(said),
        46 => Asked::DelayLoop.seconds(said),
        48 => Asked::DelayBeforeRetry.micros(said),
        49 => Asked::Warmup.micros(said),
        50 => Asked::DelayLoop.micros(said),
        51 => Asked::ConnectTimeout.micros(said),
        _ => return None,
    })
}

fn configured(server: &RealServer, column: u32) -> Option<Value> {
    let options = &server.options;
    Some(match column {
        8 if server.upper_threshold != 0 => Value::unsigned(server.upper_threshold),
        9 if server.lower_threshold != 0 => Value::unsigned(server.lower_threshold),
        // remove(1), inhibit(2)
        10 => Value::truth(!server.inhibit_on_failure),
        11 => command(options.notify_up.as_ref()?),
        12 => command(options.notify_down.as_ref()?),
        40 => forwarding(server.forwarding),
        47 => Value::truth(server.smtp_alert),
        55 => Value::text(options.snmp_name.as_deref()?),
        56 => program(options.notify_up.as_ref()?)?,
        57 => program(options.notify_down.as_ref()?)?,
        _ => return None,
    })
}

fn sorry(world: &World, service: &VirtualServer, column: u32) -> Option<Value> {
    let server = service.sorry_server.as_ref()?;
    match column {
        2 => Some(Value::Integer(2)),
        3 => Some(address::kind(server.address.ip())),
        4 => Some(address::value(server.address.ip())),
        5 => Some(Value::unsigned(server.address.port())),
        14..=39 | 58..=62 => counted(world, service, server.address, column),
        40 => Some(forwarding(server.forwarding)),
        // It is not checked, and nobody is told of it.
        42 | 47 => Some(Value::truth(false)),
        43..=46 | 48..=51 => Some(Value::Gauge32(0)),
        52..=54 => tunnel(server.forwarding, column - 52),
        _ => None,
    }
}
