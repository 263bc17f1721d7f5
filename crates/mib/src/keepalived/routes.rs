//! Virtual and static routes, and the ways of those that have several.

use super::{encap, number, root};
use crate::address;
use crate::table::{Place, Table};
use crate::world::World;
use standfast_agentx::Value;
use standfast_model::State;
use standfast_model::config::route::{Hop, MetricKind, PROTOCOL_KEEPALIVED, Route, RouteKind};

const COLUMNS: &[u32] = &[
    2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
    33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55,
];

/// Bit of the metric `features`: explicit congestion notification (`RTAX_FEATURE_ECN`).
const FEATURE_ECN: u32 = 1;

/// The routes of nobody (0) and of each instance.
fn owners(world: &World) -> impl Iterator<Item = (usize, &[Route])> {
    let of_nobody = core::iter::once(world.slice.vrrp.common.static_routes.as_slice());
    of_nobody.chain(world.slice.vrrp.instances.iter().map(|found| found.options.routes.as_slice())).enumerate()
}

pub(super) fn tables(world: &World) -> Vec<Table> {
    let rows = owners(world)
        .flat_map(|(owner, routes)| (0..routes.len()).map(move |at| (vec![index(owner), number(at)], [owner, at, 0])));
    vec![Table::new(root().with(&[2, 7, 1]), COLUMNS, rows, cell)]
}

pub(super) fn hop_tables(world: &World) -> Vec<Table> {
    let rows = owners(world).flat_map(|(owner, routes)| {
        routes.iter().enumerate().flat_map(move |(at, route)| {
            (0..route.hops.len()).map(move |hop| (vec![index(owner), number(at), number(hop)], [owner, at, hop]))
        })
    });
    let columns = &[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18];
    vec![Table::new(root().with(&[2, 11, 1]), columns, rows, hop)]
}

/// The index of an owner is its place: 0 is nobody.
fn index(owner: usize) -> u32 {
    u32::try_from(owner).unwrap_or(u32::MAX)
}

fn route(world: &World, owner: usize, at: usize) -> Option<&Route> {
    match owner.checked_sub(1) {
        None => world.slice.vrrp.common.static_routes.get(at),
        Some(place) => world.instance(place)?.options.routes.get(at),
    }
}

/// unicast(1), ecmp(2), blackhole(3), anycast(4), multicast(5), broadcast(6), unreachable(7), prohibit(8), throw(9),
/// nat(10)
fn kind(route: &Route) -> Option<Value> {
    let number = match route.kind {
        RouteKind::Unicast if !route.hops.is_empty() => 2,
        RouteKind::Unicast => 1,
        RouteKind::Blackhole => 3,
        RouteKind::Anycast => 4,
        RouteKind::Multicast => 5,
        RouteKind::Broadcast => 6,
        RouteKind::Unreachable => 7,
        RouteKind::Prohibit => 8,
        RouteKind::Throw => 9,
        RouteKind::Nat => 10,
        // The MIB has no number for it.
        RouteKind::Local => return None,
    };
    Some(Value::Integer(number))
}

fn cell(world: &World, [owner, at, _]: Place, column: u32) -> Option<Value> {
    let route = route(world, owner, at)?;
    let via = route.hop.via;
    Some(match column {
        2 => address::kind(route.destination.addr()),
        3 => address::value(route.destination.addr()),
        4 => Value::unsigned(route.destination.prefix_len()),
        5 => address::value(via?),
        7 => address::value(route.source?),
        8 => Value::unsigned(route.priority),
        9 => address::scope(route.scope.unwrap_or(0)),
        10 => kind(route)?,
        11 => Value::integer(world.index(route.hop.interface.as_ref()?)),
        12 => Value::text(route.hop.interface.as_ref()?.as_str()),
        13 => Value::unsigned(route.table),
        14 => Value::truth(owner.checked_sub(1).is_none_or(|place| world.state(place) == State::Master)),
        15 => address::value(route.from?.addr()),
        16 => Value::unsigned(route.from?.prefix_len()),
        17 if route.tos != 0 => Value::unsigned(route.tos),
        // What keepalived does not watch it does not mark as its own.
        18 if route.no_track && route.protocol == PROTOCOL_KEEPALIVED => return None,
        // The numbers of the MIB are the kernel's and one more.
        18 => Value::integer(i32::from(route.protocol) + 1),
        21 => Value::integer(route.expires?.as_secs()),
        19 | 20 | 22..=41 | 55 => metric(route, column)?,
        42 => Value::text(&route.congestion_control.as_ref()?.name),
        // low(1), medium(2), high(3); the kernel has 3, 0 and 1.
        43 => Value::Integer(match route.preference? {
            0 => 2,
            1 => 3,
            _ => 1,
        }),
        44 => encap::realm(route.hop.realms, false)?,
        45 => encap::realm(route.hop.realms, true)?,
        46..=54 => encap::cell(route.hop.encap.as_ref()?, column - 46)?,
        _ => return None,
    })
}

fn metric(route: &Route, column: u32) -> Option<Value> {
    let find = |kind| route.metrics.iter().find(|metric| metric.kind == kind);
    let value = |kind| find(kind).map(|metric| metric.value);
    let number = |kind| value(kind).map(Value::unsigned);
    let locked = |kind| find(kind).map(|metric| Value::truth(metric.locked));
    match column {
        19 => Some(Value::truth(value(MetricKind::Features).is_some_and(|features| features & FEATURE_ECN != 0))),
        20 => Some(Value::truth(value(MetricKind::QuickAck).is_some_and(|on| on != 0))),
        22 => number(MetricKind::Mtu),
        23 => locked(MetricKind::Mtu),
        24 => number(MetricKind::HopLimit),
        25 => number(MetricKind::AdvertisedMss),
        26 => locked(MetricKind::AdvertisedMss),
        // In milliseconds, of which the kernel has eighths and quarters.
        27 => value(MetricKind::Rtt).map(|eighths| Value::unsigned(eighths / 8)),
        28 => locked(MetricKind::Rtt),
        29 => value(MetricKind::RttVariance).map(|quarters| Value::unsigned(quarters / 4)),
        30 => locked(MetricKind::RttVariance),
        31 => number(MetricKind::Reordering),
        32 => locked(MetricKind::Reordering),
        33 => number(MetricKind::Window),
        34 => number(MetricKind::CongestionWindow),
        35 => locked(MetricKind::CongestionWindow),
        36 => number(MetricKind::SlowStartThreshold),
        37 => locked(MetricKind::SlowStartThreshold),
        38 => number(MetricKind::RtoMin),
        39 => locked(MetricKind::RtoMin),
        40 => number(MetricKind::InitialCongestionWindow),
        41 => number(MetricKind::InitialReceiveWindow),
        55 => value(MetricKind::FastOpenNoCookie).map(|on| Value::truth(on != 0)),
        _ => None,
    }
}

fn hop(world: &World, [owner, at, place]: Place, column: u32) -> Option<Value> {
    let route = route(world, owner, at)?;
    let Hop { via, interface, weight, onlink, encap, realms } = route.hops.get(place)?;
    Some(match column {
        2 => address::kind((*via)?),
        3 => address::value((*via)?),
        4 => Value::integer(world.index(interface.as_ref()?)),
        5 => Value::text(interface.as_ref()?.as_str()),
        6 => Value::unsigned(*weight),
        7 => Value::truth(*onlink),
        8 => encap::realm(*realms, false)?,
        9 => encap::realm(*realms, true)?,
        10..=18 => encap::cell(encap.as_ref()?, column - 10)?,
        _ => return None,
    })
}
