//! What the kernel counted, in the columns that virtual and real servers have alike.

use standfast_agentx::Value;
use standfast_api::snmp::Traffic;

/// Which of the columns, counted from the first of their block. The blocks stand at different places in the two tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Block {
    /// Packets in and out as `Counter32`, octets in and out as `Counter64`, five rates as `Gauge32`.
    Narrow(u32),
    /// Connections and packets as `Counter64`, then each rate as a lower and an upper half.
    Wide(u32),
    /// Rates as `Counter64`.
    Rates(u32),
}

fn rate(traffic: &Traffic, place: u32) -> Option<u64> {
    let [packets_in, packets_out] = traffic.packets_per_second;
    let [bytes_in, bytes_out] = traffic.bytes_per_second;
    match place {
        0 => Some(traffic.connections_per_second),
        1 => Some(packets_in),
        2 => Some(packets_out),
        3 => Some(bytes_in),
        4 => Some(bytes_out),
        _ => None,
    }
}

pub(super) fn cell(traffic: &Traffic, block: Block) -> Option<Value> {
    let [packets_in, packets_out] = traffic.packets;
    let [bytes_in, bytes_out] = traffic.bytes;
    match block {
        Block::Narrow(0) => Some(Value::counter(packets_in)),
        Block::Narrow(1) => Some(Value::counter(packets_out)),
        Block::Narrow(2) => Some(Value::Counter64(bytes_in)),
        Block::Narrow(3) => Some(Value::Counter64(bytes_out)),
        Block::Narrow(place) => rate(traffic, place - 4).map(Value::unsigned),
        Block::Wide(0) => Some(Value::Counter64(traffic.connections)),
        Block::Wide(1) => Some(Value::Counter64(packets_in)),
        Block::Wide(2) => Some(Value::Counter64(packets_out)),
        Block::Wide(place) => {
            let whole = rate(traffic, (place - 3) / 2)?;
            let half = if (place - 3) % 2 == 0 { whole & 0xffff_ffff } else { whole >> 32 };
            Some(Value::unsigned(half))
        }
        Block::Rates(place) => rate(traffic, place).map(Value::Counter64),
    }
}
