//! Virtual and static addresses. Those of an instance are first the ones it advertises, then the excluded ones.

use super::{number, root};
use crate::address;
use crate::table::{Place, Table};
use crate::world::World;
use standfast_agentx::Value;
use standfast_model::{State, VirtualAddress};
use std::net::{IpAddr, Ipv4Addr};

pub(super) fn tables(world: &World) -> Vec<Table> {
    let of_nobody = (0..world.slice.vrrp.common.static_addresses.len()).map(|at| (vec![0, number(at)], [0, at, 0]));
    let of_instances = world.slice.vrrp.instances.iter().enumerate().flat_map(|(instance, found)| {
        let count = found.addresses.len() + found.excluded.len();
        (0..count).map(move |at| (vec![number(instance), number(at)], [instance + 1, at, 0]))
    });
    let columns = &[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    vec![Table::new(root().with(&[2, 6, 1]), columns, of_nobody.chain(of_instances), cell)]
}

/// The entry, whether it is held, and whether it is advertised.
fn entry(world: &World, owner: usize, at: usize) -> Option<(&VirtualAddress, bool, bool)> {
    let Some(place) = owner.checked_sub(1) else {
        return world.slice.vrrp.common.static_addresses.get(at).map(|entry| (entry, true, false));
    };
    let instance = world.instance(place)?;
    let held = world.state(place) == State::Master;
    match instance.addresses.get(at) {
        Some(entry) => Some((entry, held, true)),
        None => instance.excluded.get(at - instance.addresses.len()).map(|entry| (entry, held, false)),
    }
}

fn cell(world: &World, [owner, at, _]: Place, column: u32) -> Option<Value> {
    let (entry, held, advertised) = entry(world, owner, at)?;
    let net = entry.address;
    let of_instance = || owner.checked_sub(1).and_then(|place| world.instance(place)).map(|found| &found.interface);
    let interface = entry.interface.as_ref().or_else(of_instance);
    Some(match column {
        2 => address::kind(net.addr()),
        3 => address::value(net.addr()),
        4 if net.addr().is_ipv4() => address::value(IpAddr::V4(entry.broadcast.unwrap_or(Ipv4Addr::UNSPECIFIED))),
        5 => Value::unsigned(net.prefix_len()),
        6 => address::scope(entry.scope.get()),
        7 => Value::integer(world.index(interface?)),
        8 => Value::text(interface?.as_str()),
        9 => Value::text(entry.label.as_deref()?),
        10 => Value::truth(held),
        11 => Value::truth(advertised),
        12 => address::value(entry.options.peer?.addr()),
        _ => return None,
    })
}
