//! `vrrp_sync_group`.

use super::{command, number, numbered, root, state};
use crate::table::{Place, Table};
use crate::world::World;
use standfast_agentx::Value;

pub(super) fn tables(world: &World) -> Vec<Table> {
    let groups = &world.slice.vrrp.groups;
    let members = groups.iter().enumerate().flat_map(|(group, found)| {
        (0..found.members.len()).map(move |member| (vec![number(group), number(member)], [group, member, 0]))
    });
    vec![
        Table::new(root().with(&[2, 1, 1]), &[2, 3, 4, 5, 6, 7, 8, 9, 10, 11], numbered(groups.len()), group),
        Table::new(root().with(&[2, 2, 1]), &[2], members, member),
    ]
}

fn group(world: &World, [at, ..]: Place, column: u32) -> Option<Value> {
    let group = world.slice.vrrp.groups.get(at)?;
    let notify = &group.options.notify;
    let scripts = [&notify.master, &notify.backup, &notify.fault, &notify.stop, &notify.any];
    Some(match column {
        2 => Value::text(&group.name),
        3 => state(world.group_state(group)),
        4 => Value::truth(group.options.smtp_alert),
        5 => Value::truth(scripts.into_iter().any(Option::is_some)),
        6 => command(notify.master.as_ref()?),
        7 => command(notify.backup.as_ref()?),
        8 => command(notify.fault.as_ref()?),
        9 => command(notify.any.as_ref()?),
        10 => Value::truth(group.options.tracking_weight),
        11 => command(notify.stop.as_ref()?),
        _ => return None,
    })
}

fn member(world: &World, [group, member, _]: Place, _: u32) -> Option<Value> {
    let id = world.slice.vrrp.groups.get(group)?.members.get(member)?;
    let instance = world.instance(usize::try_from(id.0).ok()?)?;
    Some(Value::text(&instance.name))
}
