//! `virtual_server`.

use super::defaults::Asked;
use super::traffic::{self, Block};
use super::{forwarding, keys};
use crate::address;
use crate::keepalived::{command, number, program, root};
use crate::table::{Place, Table};
use crate::world::World;
use standfast_agentx::Value;
use standfast_api::snmp::Traffic;
use standfast_model::config::lvs::VirtualServer;
use standfast_model::ipvs::{Family, Forwarding, Protocol, ServiceKey, Tunnel, TunnelChecksum};
use std::net::{IpAddr, Ipv4Addr};

const COLUMNS: &[u32] = &[
    2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
    33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61,
    62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78,
];

pub(super) fn table(world: &World) -> Table {
    let rows = (0..world.slice.lvs.virtual_servers.len()).map(|at| (vec![number(at)], [at, 0, 0]));
    Table::new(root().with(&[3, 3, 1]), COLUMNS, rows, cell)
}

/// fwmark(1), ip(2), group(3)
pub(crate) fn kind(service: &VirtualServer) -> Value {
    Value::Integer(match (&service.options.group, &service.key) {
        (Some(_), _) => 3,
        (None, ServiceKey::FirewallMark { .. }) => 1,
        (None, ServiceKey::Address { .. }) => 2,
    })
}

/// tcp(1), udp(2), sctp(3); a mark has none.
fn protocol(key: &ServiceKey) -> Option<Value> {
    Some(Value::Integer(match key {
        ServiceKey::Address { protocol: Protocol::Tcp, .. } => 1,
        ServiceKey::Address { protocol: Protocol::Udp, .. } => 2,
        ServiceKey::Address { protocol: Protocol::Sctp, .. } => 3,
        ServiceKey::FirewallMark { .. } => return None,
    }))
}

fn scheduler(name: &str) -> Value {
    let known = ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos"];
    let place = known.iter().position(|known| *known == name);
    place.map_or(Value::Integer(99), |place| Value::integer(place + 1))
}

/// The forwarding that a virtual server says, else that of its first real server.
fn forwarding_of(service: &VirtualServer) -> Forwarding {
    let first = || service.real_servers.first().map(|server| server.forwarding);
    service.options.defaults.forwarding.or_else(first).unwrap_or(Forwarding::Nat)
}

fn cell(world: &World, [at, ..]: Place, column: u32) -> Option<Value> {
    let service = world.service(at)?;
    match column {
        2..=7 | 71 => identity(service, column),
        11 | 20 | 21 | 23 => status(world, at, service, column),
        27..=36 | 38..=50 | 74..=78 => counted(world, service, column),
        13..=15 | 51 => persistence(service, column),
        16 | 57..=59 | 64..=67 => checks(service, column),
        37 | 52..=55 | 62 | 63 => flags(service, column),
        68..=70 => tunnel(forwarding_of(service), column - 68),
        _ => configured(service, column),
    }
}

fn identity(service: &VirtualServer, column: u32) -> Option<Value> {
    match (column, &service.options.group, &service.key) {
        (2, _, _) => Some(kind(service)),
        (71, _, _) => service.options.snmp_name.as_deref().map(Value::text),
        (3, Some(group), _) => Some(Value::text(&group.name)),
        (4, None, ServiceKey::FirewallMark { mark, .. }) => Some(Value::unsigned(*mark)),
        (5, None, ServiceKey::Address { address, .. }) => Some(address::kind(*address)),
        (6, None, ServiceKey::Address { address, .. }) => Some(address::value(*address)),
        (7, None, ServiceKey::Address { port, .. }) => Some(Value::unsigned(*port)),
        _ => None,
    }
}

fn status(world: &World, at: usize, service: &VirtualServer, column: u32) -> Option<Value> {
    let status = world.service_status(at);
    Some(match column {
        11 => Value::truth(status.is_some_and(|status| status.live > 0)),
        20 => Value::unsigned(service.real_servers.len()),
        21 => Value::unsigned(status.map_or(0, |status| status.live)),
        23 => Value::truth(status.is_some_and(|status| status.has_quorum)),
        _ => return None,
    })
}

fn counted(world: &World, service: &VirtualServer, column: u32) -> Option<Value> {
    let parts = keys(service).filter_map(|key| world.traffic(key));
    let traffic = parts.fold(Traffic::default(), |sum, part| sum.plus(part.total));
    match column {
        27 => Some(Value::unsigned(traffic.connections)),
        28..=36 => traffic::cell(&traffic, Block::Narrow(column - 28)),
        38..=50 => traffic::cell(&traffic, Block::Wide(column - 38)),
        _ => traffic::cell(&traffic, Block::Rates(column - 74)),
    }
}

fn persistence(service: &VirtualServer, column: u32) -> Option<Value> {
    let persistence = service.persistence;
    match (column, service.key.family()) {
        (13, _) => Some(Value::truth(persistence.is_some())),
        (14, _) => Some(Value::unsigned(persistence?.timeout_seconds)),
        (15, Family::Inet) => {
            let length = persistence.map_or(32, |persistence| persistence.granularity);
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length.into())).unwrap_or(0);
            Some(address::value(IpAddr::V4(Ipv4Addr::from(mask))))
        }
        (51, Family::Inet6) => Some(Value::unsigned(persistence?.granularity)),
        _ => None,
    }
}

fn checks(service: &VirtualServer, column: u32) -> Option<Value> {
    let said = &service.options.defaults.checks;
    Some(match column {
        16 => Asked::DelayLoop.seconds(said),
        57 => Asked::Retry.seconds(said),
        58 => Asked::DelayBeforeRetry.seconds(said),
        59 => Asked::Warmup.seconds(said),
        64 => Asked::DelayLoop.micros(said),
        65 => Asked::DelayBeforeRetry.micros(said),
        66 => Asked::Warmup.micros(said),
        67 => Asked::ConnectTimeout.micros(said),
        _ => return None,
    })
}

fn flags(service: &VirtualServer, column: u32) -> Option<Value> {
    let flags = service.flags;
    Some(match column {
        37 => Value::truth(service.one_packet),
        // `hashed`, which nobody has to say: the kernel sets it.
        52 => Value::truth(false),
        // The schedulers share their flags.
        53 | 62 => Value::truth(flags.first),
        54 | 63 => Value::truth(flags.second),
        55 => Value::truth(flags.third),
        _ => return None,
    })
}

/// ipip(1), gue(2), gre(3); the port of GUE; nocsum(1), csum(2), remcsum(3)
pub(super) fn tunnel(forwarding: Forwarding, place: u32) -> Option<Value> {
    let tunnel = match forwarding {
        Forwarding::Tunnel(tunnel) => tunnel,
        Forwarding::Nat | Forwarding::DirectRouting | Forwarding::Local => return None,
    };
    let checksum = |checksum| {
        Some(Value::Integer(match checksum {
            TunnelChecksum::None => 1,
            TunnelChecksum::Checksum => 2,
            TunnelChecksum::Remote => 3,
        }))
    };
    match (tunnel, place) {
        (Tunnel::Ipip, 0) => Some(Value::Integer(1)),
        (Tunnel::Gue { .. }, 0) => Some(Value::Integer(2)),
        (Tunnel::Gre { .. }, 0) => Some(Value::Integer(3)),
        (Tunnel::Gue { port, .. }, 1) => Some(Value::unsigned(port)),
        (Tunnel::Gue { checksum: found, .. } | Tunnel::Gre { checksum: found }, 2) => checksum(found),
        (Tunnel::Ipip | Tunnel::Gue { .. } | Tunnel::Gre { .. }, _) => None,
    }
}

fn configured(service: &VirtualServer, column: u32) -> Option<Value> {
    let options = &service.options;
    Some(match column {
        8 => protocol(&service.key)?,
        9 => scheduler(service.scheduler.as_str()),
        10 => forwarding(forwarding_of(service)),
        12 => Value::text(options.defaults.checks.virtual_host.as_deref()?),
        17 => Value::truth(options.ha_suspend),
        18 => Value::truth(options.defaults.checks.alpha),
        19 => Value::truth(options.omega),
        22 => Value::unsigned(service.quorum),
        24 => command(options.quorum_up.as_ref()?),
        25 => command(options.quorum_down.as_ref()?),
        26 => Value::unsigned(service.hysteresis),
        // remove(1), inhibit(2)
        56 => Value::truth(!options.defaults.inhibit_on_failure),
        60 => Value::integer(options.defaults.weight.unwrap_or(1)),
        61 => Value::truth(options.smtp_alert),
        72 => program(options.quorum_up.as_ref()?)?,
        73 => program(options.quorum_down.as_ref()?)?,
        _ => return None,
    })
}
