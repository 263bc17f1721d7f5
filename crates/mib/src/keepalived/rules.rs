//! Virtual and static policy rules.

use super::{encap, number, root};
use crate::address;
use crate::table::{Place, Table};
use crate::world::World;
use standfast_agentx::Value;
use standfast_model::State;
use standfast_model::config::route::{PROTOCOL_KEEPALIVED, Rule, RuleAction};

const COLUMNS: &[u32] = &[
    2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
    33, 34, 35, 36, 37, 38,
];

pub(super) fn tables(world: &World) -> Vec<Table> {
    let of_nobody = core::iter::once(world.slice.vrrp.common.static_rules.len());
    let of_instances = world.slice.vrrp.instances.iter().map(|found| found.options.rules.len());
    let rows = of_nobody.chain(of_instances).enumerate().flat_map(|(owner, count)| {
        let index = u32::try_from(owner).unwrap_or(u32::MAX);
        (0..count).map(move |at| (vec![index, number(at)], [owner, at, 0]))
    });
    vec![Table::new(root().with(&[2, 8, 1]), COLUMNS, rows, cell)]
}

fn rule(world: &World, owner: usize, at: usize) -> Option<&Rule> {
    match owner.checked_sub(1) {
        None => world.slice.vrrp.common.static_rules.get(at),
        Some(place) => world.instance(place)?.options.rules.get(at),
    }
}

const fn table(action: RuleAction) -> Option<u32> {
    match action {
        RuleAction::Table(table) => Some(table),
        RuleAction::L3Master
        | RuleAction::Goto(_)
        | RuleAction::Nop
        | RuleAction::Blackhole
        | RuleAction::Unreachable
        | RuleAction::Prohibit => None,
    }
}

const fn action(action: RuleAction) -> Value {
    Value::Integer(match action {
        RuleAction::Table(_) | RuleAction::L3Master => 1,
        RuleAction::Goto(_) => 2,
        RuleAction::Nop => 3,
        RuleAction::Blackhole => 6,
        RuleAction::Unreachable => 7,
        RuleAction::Prohibit => 8,
    })
}

fn cell(world: &World, [owner, at, _]: Place, column: u32) -> Option<Value> {
    let rule = rule(world, owner, at)?;
    // The obsolete columns know one address.
    let either = rule.from.or(rule.to);
    Some(match column {
        2 if rule.from.is_some() => Value::text("from"),
        2 => Value::text(rule.to.map(|_| "to")?),
        3 => address::kind(either?.addr()),
        4 => address::value(either?.addr()),
        5 => Value::unsigned(either?.prefix_len()),
        6 | 24 => Value::unsigned(table(rule.action)?),
        7 => Value::truth(owner.checked_sub(1).is_none_or(|place| world.state(place) == State::Master)),
        8 => Value::truth(rule.invert),
        9 => address::kind(rule.to?.addr()),
        10 => address::value(rule.to?.addr()),
        11 => Value::unsigned(rule.to?.prefix_len()),
        12 => address::kind(rule.from?.addr()),
        13 => address::value(rule.from?.addr()),
        14 => Value::unsigned(rule.from?.prefix_len()),
        15 => Value::unsigned(rule.tos),
        16 => Value::unsigned(rule.mark?.0),
        17 => Value::unsigned(rule.mark?.1?),
        18 => encap::realm(rule.realms, false)?,
        19 => encap::realm(rule.realms, true)?,
        20 => Value::text(rule.input.as_ref()?.as_str()),
        21 => Value::text(rule.output.as_ref()?.as_str()),
        22 => match rule.action {
            RuleAction::Goto(target) => Value::unsigned(target),
            RuleAction::Table(_)
            | RuleAction::L3Master
            | RuleAction::Nop
            | RuleAction::Blackhole
            | RuleAction::Unreachable
            | RuleAction::Prohibit => return None,
        },
        23 => action(rule.action),
        25 => Value::unsigned(rule.preference),
        26..=38 => rest(rule, column)?,
        _ => return None,
    })
}

fn rest(rule: &Rule, column: u32) -> Option<Value> {
    match column {
        26 => rule.suppress_prefix_length.map(Value::unsigned),
        27 => rule.suppress_group.map(|group| Value::text(&group.to_string())),
        28 => rule.tunnel_id.map(|id| Value::unsigned(id >> 32)),
        29 => rule.tunnel_id.map(|id| Value::unsigned(id & 0xffff_ffff)),
        30 => rule.uids.map(|(first, _)| Value::unsigned(first)),
        31 => rule.uids.map(|(_, last)| Value::unsigned(last)),
        32 => (rule.action == RuleAction::L3Master).then(|| Value::truth(true)),
        33 => (rule.protocol != PROTOCOL_KEEPALIVED).then(|| Value::integer(i32::from(rule.protocol) + 1)),
        34 => rule.ip_protocol.map(Value::unsigned),
        35 => rule.source_ports.map(|(first, _)| Value::unsigned(first)),
        36 => rule.source_ports.map(|(_, last)| Value::unsigned(last)),
        37 => rule.destination_ports.map(|(first, _)| Value::unsigned(first)),
        38 => rule.destination_ports.map(|(_, last)| Value::unsigned(last)),
        _ => None,
    }
}
