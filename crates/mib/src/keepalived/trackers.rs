//! What is tracked, and who tracks it: scripts, files, processes, BFD sessions and interfaces.

use super::{command, number, numbered, program, root};
use crate::table::{Place, Table};
use crate::world::World;
use core::time::Duration;
use standfast_agentx::Value;
use standfast_model::config::track::{ProcessMatch, Tracked, Tracker};
use standfast_model::config::vrrp::TrackedInterface;
use standfast_model::tracking::ScriptState;

/// The kinds of trackers that have tables of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Script,
    File,
    Bfd,
    Process,
}

impl Kind {
    /// The place of what an entry names among its kind; none if it is of another.
    fn place(self, tracker: Tracker) -> Option<usize> {
        let id = match (self, tracker) {
            (Self::Script, Tracker::Script(id)) => id.0,
            (Self::File, Tracker::File(id)) => id.0,
            (Self::Bfd, Tracker::Bfd(id)) => id.0,
            (Self::Process, Tracker::Process(id)) => id.0,
            (
                Self::Script | Self::File | Self::Bfd | Self::Process,
                Tracker::Script(_) | Tracker::File(_) | Tracker::Bfd(_) | Tracker::Process(_) | Tracker::Service(_),
            ) => return None,
        };
        usize::try_from(id).ok()
    }

    fn name(self, world: &World, at: usize) -> Option<&str> {
        let common = &world.slice.vrrp.common;
        match self {
            Self::Script => common.scripts.get(at).map(|found| found.name.as_str()),
            Self::File => common.files.get(at).map(|found| found.name.as_str()),
            Self::Bfd => common.bfd_sessions.get(at).map(String::as_str),
            Self::Process => common.processes.get(at).map(|found| found.name.as_str()),
        }
    }
}

/// The track lists of instances, or of groups.
fn lists(world: &World, of_groups: bool) -> Vec<&[Tracked]> {
    let (instances, groups) = (&world.slice.vrrp.instances, &world.slice.vrrp.groups);
    if of_groups {
        groups.iter().map(|found| found.options.trackers.as_slice()).collect()
    } else {
        instances.iter().map(|found| found.options.trackers.as_slice()).collect()
    }
}

/// Rows of the entries of a kind, each numbered among those of its list.
fn rows(world: &World, kind: Kind, of_groups: bool) -> Vec<(Vec<u32>, Place)> {
    let mut rows = Vec::new();
    for (owner, entries) in lists(world, of_groups).into_iter().enumerate() {
        let ours = entries.iter().enumerate().filter(|(_, entry)| kind.place(entry.tracker).is_some());
        for (place, (at, _)) in ours.enumerate() {
            rows.push((vec![number(owner), number(place)], [owner, at, usize::from(of_groups)]));
        }
    }
    rows
}

fn entry(world: &World, kind: Kind, [owner, at, of_groups]: Place, column: u32) -> Option<Value> {
    let vrrp = &world.slice.vrrp;
    let entries = if of_groups == 1 {
        &vrrp.groups.get(owner)?.options.trackers
    } else {
        &vrrp.instances.get(owner)?.options.trackers
    };
    let entry = entries.get(at)?;
    match column {
        2 => kind.name(world, kind.place(entry.tracker)?).map(Value::text),
        3 => Some(Value::Integer(entry.weight.into())),
        4 => Some(Value::truth(entry.reverse)),
        _ => None,
    }
}

fn entries(world: &World, kind: Kind, of_groups: bool, table: u32) -> Table {
    let cell = match kind {
        Kind::Script => |world: &World, place, column| entry(world, Kind::Script, place, column),
        Kind::File => |world: &World, place, column| entry(world, Kind::File, place, column),
        Kind::Bfd => |world: &World, place, column| entry(world, Kind::Bfd, place, column),
        Kind::Process => |world: &World, place, column| entry(world, Kind::Process, place, column),
    };
    Table::new(root().with(&[2, table, 1]), &[2, 3, 4], rows(world, kind, of_groups), cell)
}

fn interface_rows<'w>(
    world: &World,
    lists: impl Iterator<Item = &'w Vec<TrackedInterface>>,
    of_groups: usize,
) -> Vec<(Vec<u32>, Place)> {
    let lists = lists.enumerate().flat_map(|(owner, list)| {
        let entries = list.iter().enumerate();
        entries.map(move |(at, entry)| (vec![number(owner), world.index(&entry.interface)], [owner, at, of_groups]))
    });
    lists.collect()
}

fn interface(world: &World, [owner, at, of_groups]: Place, column: u32) -> Option<Value> {
    let vrrp = &world.slice.vrrp;
    let entries = if of_groups == 1 {
        &vrrp.groups.get(owner)?.track_interfaces
    } else {
        &vrrp.instances.get(owner)?.track_interfaces
    };
    let entry = entries.get(at)?;
    match column {
        1 => Some(Value::text(entry.interface.as_str())),
        2 => Some(Value::Integer(entry.weight.into())),
        3 => Some(Value::truth(entry.reverse)),
        _ => None,
    }
}

/// Tables 4 and 5: what instances track.
pub(super) fn of_instances(world: &World) -> Vec<Table> {
    let lists = world.slice.vrrp.instances.iter().map(|found| &found.track_interfaces);
    let interfaces = interface_rows(world, lists, 0);
    vec![Table::new(root().with(&[2, 4, 1]), &[1, 2, 3], interfaces, interface), entries(world, Kind::Script, false, 5)]
}

/// Table 9: `vrrp_script`.
pub(super) fn scripts(world: &World) -> Vec<Table> {
    let rows = numbered(world.slice.vrrp.common.scripts.len());
    vec![Table::new(root().with(&[2, 9, 1]), &[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], rows, script)]
}

/// Tables 12 to 22.
pub(super) fn rest(world: &World) -> Vec<Table> {
    let common = &world.slice.vrrp.common;
    let lists = world.slice.vrrp.groups.iter().map(|found| &found.track_interfaces);
    let interfaces = interface_rows(world, lists, 1);
    vec![
        entries(world, Kind::File, false, 12),
        Table::new(root().with(&[2, 13, 1]), &[2, 3, 4, 5, 6], numbered(common.files.len()), file),
        Table::new(root().with(&[2, 14, 1]), &[1, 2, 3], interfaces, interface),
        entries(world, Kind::Script, true, 15),
        entries(world, Kind::File, true, 16),
        entries(world, Kind::Bfd, false, 17),
        Table::new(root().with(&[2, 18, 1]), &[2, 3, 4, 5], numbered(common.bfd_sessions.len()), session),
        entries(world, Kind::Bfd, true, 19),
        entries(world, Kind::Process, false, 20),
        Table::new(
            root().with(&[2, 21, 1]),
            &[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
            numbered(common.processes.len()),
            process,
        ),
        entries(world, Kind::Process, true, 22),
    ]
}

fn weight(weights: &[(i16, bool)], at: usize) -> Value {
    Value::Integer(weights.get(at).map_or(0, |(weight, _)| (*weight).into()))
}

fn reverse(weights: &[(i16, bool)], at: usize) -> Value {
    Value::truth(weights.get(at).is_some_and(|(_, reverse)| *reverse))
}

/// Microseconds; what is beyond 71 minutes is the largest number.
pub(crate) fn micros(duration: Duration) -> Value {
    Value::unsigned(duration.as_micros())
}

fn script(world: &World, [at, ..]: Place, column: u32) -> Option<Value> {
    let common = &world.slice.vrrp.common;
    let script = common.scripts.get(at)?;
    Some(match column {
        2 => Value::text(&script.name),
        3 => command(&script.script),
        4 => Value::integer(script.interval.as_secs()),
        5 => weight(&common.own_weights.scripts, at),
        6 => Value::Integer(match world.tracked().and_then(|tracked| tracked.scripts.get(at)) {
            Some(ScriptState::Pending) | None => 1,
            Some(ScriptState::Bad) => 2,
            Some(ScriptState::Good) => 3,
            Some(ScriptState::PendingBad) => 5,
        }),
        7 => Value::unsigned(script.rise),
        8 => Value::unsigned(script.fall),
        9 => reverse(&common.own_weights.scripts, at),
        10 => program(&script.script)?,
        11 => micros(script.interval),
        12 => micros(script.timeout),
        _ => return None,
    })
}

fn file(world: &World, [at, ..]: Place, column: u32) -> Option<Value> {
    let common = &world.slice.vrrp.common;
    let file = common.files.get(at)?;
    Some(match column {
        2 => Value::text(&file.name),
        3 => Value::text(&file.path),
        4 => Value::Integer(world.tracked().and_then(|tracked| tracked.files.get(at)).copied().unwrap_or(0)),
        5 => weight(&common.own_weights.files, at),
        6 => reverse(&common.own_weights.files, at),
        _ => return None,
    })
}

fn session(world: &World, [at, ..]: Place, column: u32) -> Option<Value> {
    let common = &world.slice.vrrp.common;
    let up = || world.tracked().and_then(|tracked| tracked.bfd_sessions.get(at)).copied().unwrap_or(false);
    Some(match column {
        2 => Value::text(common.bfd_sessions.get(at)?),
        3 => Value::Integer(up().into()),
        4 => weight(&common.own_weights.bfd_sessions, at),
        5 => reverse(&common.own_weights.bfd_sessions, at),
        _ => return None,
    })
}

fn process(world: &World, [at, ..]: Place, column: u32) -> Option<Value> {
    let common = &world.slice.vrrp.common;
    let process = common.processes.get(at)?;
    let (count, good) = world.tracked().and_then(|tracked| tracked.processes.get(at)).copied().unwrap_or((None, false));
    let word = |word: &Vec<u8>| String::from_utf8_lossy(word).into_owned();
    Some(match column {
        2 => Value::text(&process.name),
        3 => Value::text(&process.words.first().map(word)?),
        4 => {
            let words: Vec<String> = process.words.iter().skip(1).map(word).collect();
            if words.is_empty() {
                return None;
            }
            Value::text(&words.join(" "))
        }
        5 => Value::Integer(match process.matching {
            ProcessMatch::Name | ProcessMatch::Command => 0,
            ProcessMatch::Exact => 1,
            ProcessMatch::Partial => 2,
            ProcessMatch::Initial => 3,
        }),
        6 => weight(&common.own_weights.processes, at),
        7 => reverse(&common.own_weights.processes, at),
        8 => Value::unsigned(process.quorum),
        9 => process.quorum_max.map_or(Value::Integer(-1), Value::integer),
        10 => micros(process.fork_delay),
        11 => micros(process.terminate_delay),
        12 => Value::truth(process.matching != ProcessMatch::Name),
        13 => Value::integer(count.unwrap_or(0)),
        14 => Value::truth(good),
        _ => return None,
    })
}
