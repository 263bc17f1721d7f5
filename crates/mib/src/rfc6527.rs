//! VRRPV3-MIB (RFC 6527), which also answers for virtual routers of version 2, as keepalived's does.

use crate::address;
use crate::rfc2787::{hardware, refused_by_all, state};
use crate::table::{Place, Table};
use crate::world::World;
use standfast_agentx::{Oid, Value};
use standfast_api::InstanceStatus;
use standfast_model::config::vrrp::{Instance, Preempt};
use standfast_model::ipvs::Family;
use standfast_model::{Cause, Refusal, State};

pub(crate) fn root() -> Oid {
    Oid::new(&[1, 3, 6, 1, 2, 1, 207])
}

pub(crate) fn index(world: &World, instance: &Instance) -> Vec<u32> {
    let family = match instance.family {
        Family::Inet => 1,
        Family::Inet6 => 2,
    };
    vec![world.index(&instance.interface), u32::from(instance.vrid.get()), family]
}

fn rows(world: &World) -> Vec<(Vec<u32>, Place)> {
    let all = world.slice.vrrp.instances.iter().enumerate();
    all.map(|(at, instance)| (index(world, instance), [at, 0, 0])).collect()
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
        Table::new(root().with(&[1, 1, 1, 1]), &[3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13], rows(world), operation),
        Table::new(root().with(&[1, 1, 2, 1]), &[2], addresses, |_, _, _| Some(Value::Integer(1))),
        Table::scalars(root().with(&[1, 2]), &[1, 2, 3, 4], statistics),
        Table::new(root().with(&[1, 2, 5, 1]), &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13], rows(world), statistic),
    ]
}

/// The address of the master, or nothing of that length.
pub(crate) fn master(world: &World, at: usize, instance: &Instance) -> Value {
    let own = || world.source(instance);
    let known = match world.state(at) {
        State::Master => own(),
        State::Init | State::Backup | State::Fault | State::Stop => world.status(at).and_then(|status| status.master),
    };
    known.map_or_else(|| nowhere(instance), address::value)
}

fn nowhere(instance: &Instance) -> Value {
    Value::Octets(match instance.family {
        Family::Inet => vec![0; 4],
        Family::Inet6 => vec![0; 16],
    })
}

fn operation(world: &World, [at, ..]: Place, column: u32) -> Option<Value> {
    let instance = world.instance(at)?;
    Some(match column {
        3 => master(world, at, instance),
        4 => world.source(instance).map_or_else(|| nowhere(instance), address::value),
        5 => hardware(world, instance),
        6 => state(world.state(at)),
        7 => Value::unsigned(instance.priority.get()),
        8 => Value::integer(instance.addresses.len()),
        9 => Value::integer(instance.advert_interval.centiseconds()),
        10 => Value::truth(instance.preempt != Preempt::Never),
        11 => Value::truth(instance.options.accept),
        12 => Value::TimeTicks(world.up_since(at).map_or(0, |since| world.ticks_since(since))),
        13 => Value::Integer(1),
        _ => return None,
    })
}

fn statistics(world: &World, _: Place, column: u32) -> Option<Value> {
    let reason = match column {
        1 => Refusal::Checksum,
        2 => Refusal::Version,
        3 => Refusal::UnknownVrid,
        4 => return Some(Value::TimeTicks(0)),
        _ => return None,
    };
    Some(Value::Counter64(refused_by_all(world, reason)))
}

/// notMaster(0), priority(1), preempted(2), masterNoResponse(3)
pub(crate) fn new_master_reason(status: Option<&InstanceStatus>) -> Value {
    let Some(status) = status.filter(|status| status.counters.become_master > 0) else { return Value::Integer(0) };
    let cause = status.last_transition.as_ref().filter(|last| last.to == State::Master).map(|last| &last.cause);
    let resigned = matches!(cause, Some(Cause::MasterResigned { .. } | Cause::Owner));
    Value::Integer(if resigned { 1 } else { 3 })
}

/// noError(0), ipTtlError(1), versionError(2), checksumError(3), vrIdError(4)
pub(crate) const fn protocol_error(reason: Refusal) -> Option<i32> {
    match reason {
        Refusal::Ttl => Some(1),
        Refusal::Version => Some(2),
        Refusal::Checksum => Some(3),
        Refusal::UnknownVrid => Some(4),
        Refusal::Length
        | Refusal::Type
        | Refusal::AuthTypeUnknown
        | Refusal::AuthTypeMismatch
        | Refusal::AuthFailure
        | Refusal::Interval
        | Refusal::AddressCount
        | Refusal::Destination
        | Refusal::OwnAddress
        | Refusal::NotListening
        | Refusal::ProofMissing
        | Refusal::ProofMalformed
        | Refusal::ProofKey
        | Refusal::ProofInvalid
        | Refusal::ProofStale
        | Refusal::ProofReplay => None,
    }
}

fn statistic(world: &World, [at, ..]: Place, column: u32) -> Option<Value> {
    let instance = world.instance(at)?;
    let status = world.status(at)?;
    let counters = &status.counters;
    let errors = || Refusal::ALL.into_iter().filter(|reason| counters.refused(*reason) > 0).find_map(protocol_error);
    Some(match column {
        1 => Value::counter(counters.become_master),
        2 => new_master_reason(Some(status)),
        3 => Value::Counter64(counters.advert_received),
        4 => Value::Counter64(counters.refused(Refusal::Interval)),
        5 => Value::Counter64(counters.refused(Refusal::Ttl)),
        6 => Value::Integer(errors().unwrap_or(0)),
        7 => Value::Counter64(counters.priority_zero_received),
        8 => Value::Counter64(counters.priority_zero_sent),
        9 => Value::Counter64(counters.refused(Refusal::Type)),
        10 => Value::Counter64(counters.address_list_differs),
        11 => Value::Counter64(counters.refused(Refusal::Length)),
        12 => Value::TimeTicks(0),
        13 => Value::unsigned(instance.advert_interval.as_duration().as_millis()),
        _ => return None,
    })
}
