//! VRRP-MIB (RFC 2787): virtual routers of version 2.

use crate::address;
use crate::table::{Place, Table};
use crate::world::World;
use standfast_agentx::{Oid, Value};
use standfast_model::config::instance::Device;
use standfast_model::config::vrrp::{Authentication, Instance, Preempt};
use standfast_model::{Refusal, State, Version};

pub(crate) fn root() -> Oid {
    Oid::new(&[1, 3, 6, 1, 2, 1, 68])
}

/// Instances of version 2 with the index of their row.
fn rows(world: &World) -> Vec<(Vec<u32>, Place)> {
    let all = world.slice.vrrp.instances.iter().enumerate();
    let ours = all.filter(|(_, instance)| instance.version == Version::V2);
    ours.map(|(at, instance)| (index(world, instance), [at, 0, 0])).collect()
}

pub(crate) fn index(world: &World, instance: &Instance) -> Vec<u32> {
    vec![world.index(&instance.interface), u32::from(instance.vrid.get())]
}

pub(crate) fn tables(world: &World) -> Vec<Table> {
    let mut addresses = Vec::new();
    for (index, [at, ..]) in rows(world) {
        for vip in world.instance(at).into_iter().flat_map(|instance| &instance.addresses) {
            let mut index = index.clone();
            index.extend(address::index(vip.address.addr()));
            addresses.push((index, [at, 0, 0]));
        }
    }
    vec![
        Table::scalars(root().with(&[1]), &[1, 2], operations),
        Table::new(root().with(&[1, 3, 1]), &[2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15], rows(world), operation),
        Table::new(root().with(&[1, 4, 1]), &[2], addresses, |_, _, _| Some(Value::Integer(1))),
        Table::scalars(root().with(&[2]), &[1, 2, 3], statistics),
        Table::new(root().with(&[2, 4, 1]), &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], rows(world), statistic),
    ]
}

fn operations(world: &World, _: Place, column: u32) -> Option<Value> {
    match column {
        1 => Some(Value::Integer(2)),
        2 => Some(Value::truth(world.slice.global.snmp.traps)),
        _ => None,
    }
}

/// initialize(1), backup(2), master(3)
pub(crate) const fn state(state: State) -> Value {
    Value::Integer(match state {
        State::Init | State::Fault | State::Stop => 1,
        State::Backup => 2,
        State::Master => 3,
    })
}

/// What addresses are announced with: the virtual address of a VMAC, else that of the interface.
pub(crate) fn hardware(world: &World, instance: &Instance) -> Value {
    let vmac = [0, 0, 0x5e, 0, if instance.addresses.iter().any(|vip| vip.address.addr().is_ipv6()) { 2 } else { 1 }];
    match &instance.options.device {
        Device::Vmac(_) => Value::Octets(vmac.into_iter().chain([instance.vrid.get()]).collect()),
        Device::Interface | Device::Ipvlan(_) => {
            let own = world.interface(&instance.interface).and_then(|interface| interface.hardware);
            Value::Octets(own.unwrap_or_default().to_vec())
        }
    }
}

fn operation(world: &World, [at, ..]: Place, column: u32) -> Option<Value> {
    let instance = world.instance(at)?;
    let status = world.status(at);
    Some(match column {
        2 => hardware(world, instance),
        3 => state(world.state(at)),
        4 | 14 | 15 => Value::Integer(1),
        5 => Value::integer(instance.priority.get()),
        6 => Value::integer(instance.addresses.len()),
        7 if world.state(at) == State::Master => address::v4(world.source(instance)),
        7 => address::v4(status.and_then(|status| status.master)),
        8 => address::v4(world.source(instance)),
        9 => Value::Integer(match instance.authentication {
            Authentication::None => 1,
            Authentication::Pass(_) => 2,
            Authentication::Ah(_) => 3,
        }),
        11 => Value::integer(instance.advert_interval.as_duration().as_secs()),
        12 => Value::truth(instance.preempt != Preempt::Never),
        13 => Value::TimeTicks(world.up_since(at).map_or(0, |since| world.ticks_at(since))),
        _ => return None,
    })
}

/// Packets refused by all instances for a reason.
pub(crate) fn refused_by_all(world: &World, reason: Refusal) -> u64 {
    let instances = world.snapshot.as_ref().and_then(|snapshot| snapshot.vrrp.as_ref());
    let instances = instances.into_iter().flat_map(|vrrp| &vrrp.instances);
    instances.fold(0, |sum, instance| sum.saturating_add(instance.counters.refused(reason)))
}

fn statistics(world: &World, _: Place, column: u32) -> Option<Value> {
    let reason = match column {
        1 => Refusal::Checksum,
        2 => Refusal::Version,
        3 => Refusal::UnknownVrid,
        _ => return None,
    };
    Some(Value::counter(refused_by_all(world, reason)))
}

fn statistic(world: &World, [at, ..]: Place, column: u32) -> Option<Value> {
    let counters = &world.status(at)?.counters;
    Some(Value::counter(match column {
        1 => counters.become_master,
        2 => counters.advert_received,
        3 => counters.refused(Refusal::Interval),
        4 => counters.refused(Refusal::AuthFailure),
        5 => counters.refused(Refusal::Ttl),
        6 => counters.priority_zero_received,
        7 => counters.priority_zero_sent,
        8 => counters.refused(Refusal::Type),
        9 => counters.address_list_differs,
        10 => counters.refused(Refusal::AuthTypeUnknown),
        11 => counters.refused(Refusal::AuthTypeMismatch),
        12 => counters.refused(Refusal::Length),
        _ => return None,
    }))
}
