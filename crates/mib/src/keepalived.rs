//! KEEPALIVED-MIB: the parts of the daemon and of VRRP.

mod addresses;
mod encap;
mod groups;
mod instances;
mod routes;
mod rules;
mod trackers;

use crate::address;
use crate::table::{Place, Table};
use crate::world::World;
use standfast_agentx::{Oid, Value};
use standfast_model::config::lvs::FlushOnStop;
use standfast_model::config::script::Script;
use std::net::IpAddr;

pub(crate) use instances::{adjustment, initial, state};

pub(crate) fn root() -> Oid {
    Oid::new(&[1, 3, 6, 1, 4, 1, 9586, 100, 5])
}

/// A command line, each word in quotes: `'/usr/bin/true' 'a'`.
pub(crate) fn command(script: &Script) -> Value {
    let words: Vec<String> = script.words.iter().map(|word| format!("'{}'", String::from_utf8_lossy(word))).collect();
    Value::text(&words.join(" "))
}

/// The program of a command.
pub(crate) fn program(script: &Script) -> Option<Value> {
    script.words.first().map(|word| Value::Octets(word.clone()))
}

/// Rows 1 to `count`.
fn numbered(count: usize) -> impl Iterator<Item = (Vec<u32>, Place)> {
    (0..count).map(|at| (vec![number(at)], [at, 0, 0]))
}

/// The number of the row of a place, counted from 1.
pub(crate) fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX).saturating_add(1)
}

pub(crate) fn global_tables(world: &World) -> Vec<Table> {
    let at = |rest: &[u32]| root().with(&[1]).with(rest);
    vec![
        Table::scalars(at(&[]), &[1, 2], global),
        Table::scalars(at(&[3]), &[1, 2, 3, 4], mail),
        Table::new(at(&[3, 5, 1]), &[2], numbered(world.slice.global.mail.to.len()), |world, [at, ..], _| {
            world.slice.global.mail.to.get(at).map(|address| Value::text(address))
        }),
        Table::scalars(at(&[3]), &[6, 7, 8, 9, 10], mail),
        Table::scalars(at(&[]), &[4, 5, 6, 7, 8, 9, 10, 11, 12], global),
    ]
}

pub(crate) fn vrrp_tables(world: &World) -> Vec<Table> {
    let mut tables = groups::tables(world);
    tables.extend(instances::tables(world));
    tables.extend(trackers::of_instances(world));
    tables.extend(addresses::tables(world));
    tables.extend(routes::tables(world));
    tables.extend(rules::tables(world));
    tables.extend(trackers::scripts(world));
    tables.extend(routes::hop_tables(world));
    tables.extend(trackers::rest(world));
    tables
}

fn global(world: &World, _: Place, column: u32) -> Option<Value> {
    let global = &world.slice.global;
    let common = &world.slice.lvs.common;
    Some(match column {
        1 => {
            let version = world.snapshot.as_ref().map_or("", |snapshot| snapshot.daemon.version.as_str());
            Value::text(&format!("standfast v{version}"))
        }
        2 => Value::text(world.router_id()),
        4 => Value::truth(global.snmp.traps),
        // netlink(1), polling(2)
        5 => Value::truth(!world.slice.vrrp.common.linkbeat_polling),
        6 => Value::truth(common.flush),
        7 => Value::Integer(1),
        8 => Value::text(global.net_namespace.as_deref().unwrap_or_default()),
        9 => Value::truth(global.dbus.enabled),
        10 => Value::truth(global.dynamic_interfaces),
        11 => Value::Integer(match common.flush_on_stop {
            FlushOnStop::All => 1,
            FlushOnStop::No => 2,
            FlushOnStop::OurServices => 3,
        }),
        12 => {
            let mut instances = world.slice.vrrp.instances.iter();
            Value::truth(instances.any(|instance| instance.options.v3_checksum_as_v2))
        }
        _ => return None,
    })
}

fn mail(world: &World, _: Place, column: u32) -> Option<Value> {
    let mail = &world.slice.global.mail;
    let alert = |place: usize| {
        Value::Integer(match mail.alerts.get(place).copied().flatten() {
            Some(true) => 1,
            Some(false) => 2,
            None => 3,
        })
    };
    let server = mail.server.as_ref();
    Some(match column {
        1 | 2 => {
            let (name, _) = server?;
            match (name.parse::<IpAddr>(), column) {
                (Ok(address), 1) => address::kind(address),
                (Ok(address), _) => address::value(address),
                // `dns`
                (Err(_), 1) => Value::Integer(16),
                (Err(_), _) => Value::text(name),
            }
        }
        3 => Value::unsigned(mail.timeout.map_or(30, |timeout| timeout.as_secs())),
        4 => Value::text(mail.from.as_deref()?),
        6 => Value::unsigned(server?.1),
        7 => Value::truth(!world.slice.vrrp.common.no_email_faults),
        8 => alert(0),
        9 => alert(1),
        10 => alert(2),
        _ => return None,
    })
}
