//! `encap` of a route or of one of its ways: the same nine columns in both tables.

use crate::address;
use standfast_agentx::Value;
use standfast_model::config::route::Encap;
use standfast_model::ipvs::Family;

/// The column that is the `place`th from the type of the encapsulation on.
pub(super) fn cell(encap: &Encap, place: u32) -> Option<Value> {
    match encap {
        Encap::Mpls(labels) => match place {
            0 => Some(Value::Integer(1)),
            1 => {
                let labels: Vec<String> = labels.iter().map(u32::to_string).collect();
                Some(Value::text(&labels.join("/")))
            }
            _ => None,
        },
        Encap::Ip { family, id, destination, source, tos, ttl, flags } => match place {
            0 => Some(Value::Integer(match family {
                Family::Inet => 2,
                Family::Inet6 => 4,
            })),
            2 => id.map(Value::Counter64),
            3 => destination.map(address::value),
            4 => source.map(address::value),
            5 => tos.map(Value::unsigned),
            6 => ttl.map(Value::unsigned),
            7 => flags.map(Value::unsigned),
            _ => None,
        },
        Encap::Ila(locator) => match place {
            0 => Some(Value::Integer(3)),
            8 => Some(Value::Counter64(*locator)),
            _ => None,
        },
    }
}

/// `realms`: the destination in the lower 16 bits, the source in the upper ones.
pub(super) fn realm(realms: Option<u32>, source: bool) -> Option<Value> {
    let realms = realms?;
    let found = if source { realms >> 16 } else { realms & 0xffff };
    (found != 0).then(|| Value::unsigned(found))
}
