//! `vrrp_instance`.

use super::{command, numbered, root};
use crate::address;
use crate::table::{Place, Table};
use crate::world::World;
use standfast_agentx::{Oid, SetError, Value};
use standfast_api::adjust::{Adjustment, Setting};
use standfast_model::config::instance::Peering;
use standfast_model::config::script::Deleted;
use standfast_model::config::vrrp::{Authentication, InitialState, Instance, Preempt};
use standfast_model::ipvs::Family;
use standfast_model::{Priority, State, Version};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const COLUMNS: &[u32] = &[
    2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
    33, 34, 35, 36,
];

pub(super) fn tables(world: &World) -> Vec<Table> {
    let rows = numbered(world.slice.vrrp.instances.len());
    vec![Table::new(entry(), COLUMNS, rows, instance)]
}

fn entry() -> Oid {
    root().with(&[2, 3, 1])
}

/// Which instance and what of it an object is that can be set.
///
/// # Errors
///
/// It cannot be, or not to that.
pub(crate) fn adjustment(world: &World, tables: &[Table], name: &Oid, value: &Value) -> Result<Adjustment, SetError> {
    let found = name.below(&entry()).and_then(|_| tables.iter().find_map(|table| table.find(name)));
    let (column, [at, ..]) = found.ok_or(SetError::NotWritable)?;
    let instance = world.instance(at).ok_or(SetError::NotWritable)?;
    // true(1), false(2), and preempt(1), noPreempt(2)
    let truth: fn(bool) -> Setting = match column {
        7 => |_| Setting::Priority(Priority::DEFAULT),
        13 => Setting::Preempt,
        27 if instance.version == Version::V3 => Setting::Accept,
        28 => Setting::PromoteSecondaries,
        29 => Setting::Linkbeat,
        33 => Setting::NotifyDeleted,
        _ => return Err(SetError::NotWritable),
    };
    let Value::Integer(number) = *value else { return Err(SetError::WrongType) };
    let setting = match (truth(number == 1), number) {
        (Setting::Priority(_), _) => {
            let priority = u8::try_from(number).ok().and_then(Priority::new);
            Setting::Priority(priority.ok_or(SetError::WrongValue)?)
        }
        (setting, 1 | 2) => setting,
        (_, _) => return Err(SetError::WrongValue),
    };
    let adjustment = Adjustment { instance: instance.name.clone(), setting };
    adjustment.fits(&world.slice.vrrp).map_err(|_| SetError::InconsistentValue)?;
    Ok(adjustment)
}

/// init(0), backup(1), master(2), fault(3), shutdown(5)
pub(crate) const fn state(state: State) -> Value {
    Value::Integer(match state {
        State::Init => 0,
        State::Backup => 1,
        State::Master => 2,
        State::Fault => 3,
        State::Stop => 5,
    })
}

/// `state` of the configuration.
pub(crate) const fn initial(instance: &Instance) -> Value {
    Value::Integer(match instance.initial_state {
        InitialState::Backup => 1,
        InitialState::Master => 2,
    })
}

fn instance(world: &World, [at, ..]: Place, column: u32) -> Option<Value> {
    let instance = world.instance(at)?;
    Some(match column {
        2 => Value::text(&instance.name),
        3 => Value::unsigned(instance.vrid.get()),
        4 | 6 => state(world.state(at)),
        5 => initial(instance),
        7 => Value::integer(instance.priority.get()),
        8 => Value::integer(world.status(at).map_or(instance.priority.get(), |status| status.priority)),
        9 => Value::truth(world.state(at) == State::Master),
        10 => Value::text(instance.interface.as_str()),
        11 => Value::truth(!instance.dont_track_primary),
        12 if instance.version == Version::V2 => Value::unsigned(instance.advert_interval.as_duration().as_secs()),
        12 => Value::unsigned(instance.advert_interval.centiseconds()),
        13 => Value::truth(instance.preempt != Preempt::Never),
        14 => Value::unsigned(match instance.preempt {
            Preempt::After(delay) => delay.as_secs(),
            Preempt::Never => 0,
        }),
        15 => Value::Integer(match instance.authentication {
            Authentication::None => 0,
            Authentication::Pass(_) => 1,
            Authentication::Ah(_) => 2,
        }),
        16 | 17 => sync_daemon(world, instance, column)?,
        18 => Value::text(group_of(world, at)?),
        19 => Value::unsigned(instance.garp.master_delay.as_secs()),
        20 => Value::truth(instance.options.smtp_alert),
        21..=26 | 31..=33 => notifications(instance, column)?,
        27 | 36 => of_version_3(instance, column)?,
        28 => Value::truth(instance.options.promote_secondaries),
        29 => {
            let common = &world.slice.vrrp.common;
            let polled = common.linkbeat.iter().any(|entry| entry.interface == instance.interface);
            Value::truth(common.linkbeat_polling || polled)
        }
        30 => Value::Integer(if instance.version == Version::V2 { 2 } else { 3 }),
        34 => address::kind(multicast(world, instance)?),
        35 => address::value(multicast(world, instance)?),
        _ => return None,
    })
}

fn sync_daemon(world: &World, instance: &Instance, column: u32) -> Option<Value> {
    let daemon = world.slice.lvs.common.sync_daemon.as_ref();
    let ours = daemon.filter(|daemon| daemon.instance.as_deref() == Some(instance.name.as_str()));
    if column == 16 { Some(Value::truth(ours.is_some())) } else { Some(Value::text(ours?.interface.as_str())) }
}

fn group_of(world: &World, at: usize) -> Option<&str> {
    let is_member = |id: &standfast_model::config::vrrp::InstanceId| usize::try_from(id.0).is_ok_and(|id| id == at);
    let group = world.slice.vrrp.groups.iter().find(|group| group.members.iter().any(is_member))?;
    Some(&group.name)
}

fn notifications(instance: &Instance, column: u32) -> Option<Value> {
    let notify = &instance.options.notify;
    let (told, deleted) = match &notify.deleted {
        Deleted::AsFault => (false, None),
        Deleted::AsDeleted => (true, None),
        Deleted::Run(script) => (true, Some(script)),
    };
    let scripts = [&notify.master, &notify.backup, &notify.fault, &notify.stop, &notify.any];
    match column {
        21 => Some(Value::truth(scripts.into_iter().any(Option::is_some))),
        22 => notify.master.as_ref().map(command),
        23 => notify.backup.as_ref().map(command),
        24 => notify.fault.as_ref().map(command),
        25 => notify.stop.as_ref().map(command),
        26 => notify.any.as_ref().map(command),
        31 => notify.master_rx_lower_pri.as_ref().map(command),
        32 => deleted.map(command),
        33 => Some(Value::truth(told)),
        _ => None,
    }
}

/// What version 2 has no word for: its `accept` is 0, and the checksum is none of its columns.
fn of_version_3(instance: &Instance, column: u32) -> Option<Value> {
    match (instance.version, column) {
        (Version::V2, 27) => Some(Value::Integer(0)),
        (Version::V2, _) => None,
        (Version::V3, 27) => Some(Value::truth(instance.options.accept)),
        (Version::V3, _) => Some(Value::truth(instance.options.v3_checksum_as_v2)),
    }
}

fn multicast(world: &World, instance: &Instance) -> Option<IpAddr> {
    let common = &world.slice.vrrp.common;
    let of_family = || match instance.family {
        Family::Inet => IpAddr::V4(common.multicast4.unwrap_or(Ipv4Addr::new(224, 0, 0, 18))),
        Family::Inet6 => IpAddr::V6(common.multicast6.unwrap_or(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12))),
    };
    match &instance.options.peering {
        Peering::Multicast { group } => Some(group.unwrap_or_else(of_family)),
        Peering::Unicast(_) => None,
    }
}
