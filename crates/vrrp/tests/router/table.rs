//! The whole table: every state against every event, in both versions, as a text to be read and compared exactly.
//!
//! `BLESS=1` writes the text anew; it is to be read line by line before it is committed.

use crate::lan::{FIRST, World, address, advert, advert_of, alone, facts, ms, seed, v2, v3, with_priority};
use standfast_model::config::vrrp::{Instance, Preempt};
use standfast_model::{AdvertInterval, Instant, InterfaceIndex, State, Version};
use standfast_vrrp::{Action, Event, InterfaceFacts, Notice, Options, Output, Router};
use std::fmt::Write as _;
use std::time::Duration;

const EXPECTED: &str = include_str!("state_event.txt");

/// We are 192.0.2.5, so that there are lower and higher addresses.
const US: u8 = 5;

/// How a situation is reached.
type Reach = fn(&Instance) -> World;

fn world_of(instance: Instance, options: Options) -> World {
    let mut world = World::new();
    world.add_router(US, Router::with_options(alone(instance), options));
    world
}

fn started(instance: &Instance) -> World {
    world_of(instance.clone(), Options::default())
}

fn backup(instance: &Instance) -> World {
    let mut world = started(instance);
    for second in 1..=10 {
        world.run_until(ms(second * 1_000));
        world.hear(0, &advert_of(instance, 9, 150));
    }
    world
}

fn master(instance: &Instance) -> World {
    let mut world = started(instance);
    world.run_until(ms(10_000));
    world
}

const SITUATIONS: [(&str, Reach); 13] = [
    ("INIT, not started", |instance| {
        let mut world = World::new();
        world.add_silently(US, Router::new(alone(instance.clone())));
        world
    }),
    ("INIT, in the startup delay of 20 s", |instance| {
        let options = Options { startup_delay: Duration::from_secs(20), ..Options::default() };
        let mut world = world_of(instance.clone(), options);
        world.run_until(ms(10_000));
        world
    }),
    ("BACKUP, heard 150 at 10.0 s", backup),
    ("BACKUP with nopreempt, heard 150 at 10.0 s", |instance| {
        backup(&Instance { preempt: Preempt::Never, ..instance.clone() })
    }),
    ("BACKUP with preempt_delay 60 s, heard 150 at 10.0 s", |instance| {
        backup(&Instance { preempt: Preempt::After(Duration::from_secs(60)), ..instance.clone() })
    }),
    ("BACKUP, master resigned at 10.0 s", |instance| {
        let mut world = backup(instance);
        world.hear(0, &advert_of(instance, 9, 0));
        world
    }),
    ("BACKUP, held back by its sync group since 3.6 s", |instance| {
        let mut config = seed(100);
        config.instances[0] = instance.clone();
        let mut world = World::new();
        world.add_router(US, Router::new(config.clone()));
        for second in 1..=10 {
            world.run_until(ms(second * 1_000));
            let other = advert(&config.instances[1], address(1, 9).into(), 150);
            world.event(0, Event::Packet(other.received(InterfaceIndex(3))));
        }
        world
    }),
    ("MASTER", master),
    ("MASTER with 255", |instance| master(&with_priority(instance.clone(), 255))),
    ("MASTER, has slept for 30 s", |instance| {
        let mut world = master(instance);
        world.now = ms(39_600);
        world
    }),
    ("FAULT, own link down", |instance| {
        let mut world = master(instance);
        world.carrier(0, 0, false);
        world
    }),
    ("FAULT, kernel refused at 10.0 s", |instance| {
        let mut world = master(instance);
        world.event(0, Event::OperationFailed { instance: FIRST, what: "adding 192.0.2.100/32" });
        world
    }),
    ("STOP", |instance| {
        let mut world = master(instance);
        world.event(0, Event::Shutdown);
        world
    }),
];

/// How an event is made to happen; the instance says what other routers send.
type Happen = fn(&mut World, &Instance);

const EVENTS: [(&str, Happen); 22] = [
    ("adoption of a stamp 0.4 s old", |world, _| {
        let advert_sent = world.now - Duration::from_millis(400);
        world.event(0, Event::Adopt { instance: FIRST, advert_sent });
    }),
    ("start", |world, _| world.event(0, Event::Start)),
    ("interface as it was", |world, _| world.retell(0)),
    ("own link down", |world, _| world.carrier(0, 0, false)),
    ("own link up", |world, _| world.carrier(0, 0, true)),
    ("own interface gone", |world, _| world.replace(0, 0, None)),
    ("own interface replaced", |world, _| {
        world.replace(0, 0, Some(InterfaceFacts { index: InterfaceIndex(77), ..facts(0, US) }));
    }),
    ("no source address left", |world, _| {
        world.replace(0, 0, Some(InterfaceFacts { sources: vec![], ..facts(0, US) }));
    }),
    ("another interface down", |world, _| world.carrier(0, 1, false)),
    ("advert 0", |world, like| world.hear(0, &advert_of(like, 9, 0))),
    ("advert 50", |world, like| world.hear(0, &advert_of(like, 9, 50))),
    ("advert 100 from a lower address", |world, like| world.hear(0, &advert_of(like, 2, 100))),
    ("advert 100 from a higher address", |world, like| world.hear(0, &advert_of(like, 9, 100))),
    ("advert 200", |world, like| world.hear(0, &advert_of(like, 9, 200))),
    ("advert 255 from a lower address", |world, like| world.hear(0, &advert_of(like, 2, 255))),
    ("advert 255 from a higher address", |world, like| world.hear(0, &advert_of(like, 9, 255))),
    ("advert 200 with a wrong checksum", |world, like| {
        let mut packet = advert_of(like, 9, 200);
        packet.message[6] ^= 1;
        world.hear(0, &packet);
    }),
    ("advert 200 from our own address", |world, like| world.hear(0, &advert_of(like, US, 200))),
    ("wake 1 us early", |world, _| wake(world, |at| at - Duration::from_micros(1))),
    ("wake in time", |world, _| wake(world, |at| at)),
    ("operation failed", |world, _| {
        world.event(0, Event::OperationFailed { instance: FIRST, what: "adding 192.0.2.100/32" });
    }),
    ("shutdown", |world, _| world.event(0, Event::Shutdown)),
];

fn wake(world: &mut World, when: impl Fn(Instant) -> Instant) {
    if let Some(at) = world.nodes[0].router.next_deadline() {
        world.now = world.now.max(when(at));
    }
    world.event(0, Event::Wake);
}

fn seconds(at: Instant, from: Instant) -> String {
    let (sign, span) = if at < from { ("-", from.since(at)) } else { ("", at.since(from)) };
    format!("{sign}{}.{:06}", span.as_secs(), span.subsec_micros())
}

fn words(action: &Action) -> String {
    match action {
        Action::Send { instance, packet, .. } => format!("send {} by {}", packet[22], instance.0),
        Action::Reconcile => "reconcile".to_owned(),
        Action::Announce { instance, rounds } => format!("announce {rounds} by {}", instance.0),
        Action::Defend { instance, address } => format!("defend {address} by {}", instance.0),
        Action::Transition(t) => format!("{} {} to {} ({})", t.instance, t.from, t.to, t.cause),
        Action::GroupTransition(t) => format!("group {} {} to {} ({})", t.group, t.from, t.to, t.cause),
        Action::Priority(p) => format!("{} priority {} to {} ({})", p.instance, p.from, p.to, p.cause),
        Action::LowerPriorityReceived { instance, theirs } => format!("heard lower {theirs} by {}", instance.0),
        Action::Deleted(instance) => format!("deleted {}", instance.name),
        Action::RunScript { script } => format!("run script {}", script.0),
        Action::Notice(notice) => match notice {
            Notice::Tracked { cause, good } => format!("notice {cause}: {good}"),
            Notice::Refused { reason, detail, .. } => format!("notice {reason}: {detail}"),
            Notice::LowerPriority { theirs, ours, .. } => format!("notice lower {theirs} than {ours}"),
            Notice::AddressesDiffer { detail, .. } => format!("notice {detail}"),
            Notice::IntervalDiffers { theirs, ours, .. } => format!("notice interval {theirs} and not {ours}"),
            Notice::ClockDiffers { skew, ahead, .. } => format!("notice clock {skew:?} {ahead}"),
            Notice::Settled { field, .. } => format!("notice settled {field}"),
            Notice::Claimed { claim, .. } => format!("notice {} claimed by {}", claim.address, claim.mac),
            Notice::ClaimOver { claim, .. } => format!("notice {} claimed {} times", claim.address, claim.times),
            Notice::TwoMasters { priority, adverts, .. } => format!("notice two masters {priority} {adverts}"),
            Notice::OwnerClash { .. } => "notice owner clash".to_owned(),
            Notice::HeldBack { why, .. } => format!("notice held back {why:?}"),
        },
    }
}

fn line(event: &str, before: (State, Option<Instant>), world: &World) -> String {
    let router = &world.nodes[0].router;
    let (state, deadline) = (router.state(FIRST), router.next_deadline());
    let mut line = format!("  {event:<34}");
    if state != before.0 {
        let _ = write!(line, " -> {state}");
    }
    if deadline != before.1 {
        let _ = write!(line, " due in {}", deadline.map_or_else(|| "never".to_owned(), |at| seconds(at, world.now)));
    }
    if (state, deadline) == before {
        line.push_str(" -");
    }
    for (_, action) in &world.nodes[0].log {
        let _ = write!(line, "; {}", words(action));
    }
    line
}

fn table() -> String {
    let mut text = String::new();
    for instance in [v2(), v3()] {
        for (situation, reach) in SITUATIONS {
            let title = format!("version {}, {situation}", instance.version.get());
            let reached = || {
                let mut world = reach(&instance);
                world.now += Duration::from_millis(400);
                world.forget();
                world
            };
            let world = reached();
            let deadline = world.nodes[0].router.next_deadline();
            let due = deadline.map_or_else(|| "never".to_owned(), |at| format!("in {}", seconds(at, world.now)));
            let _ = writeln!(text, "{title}: due {due}");
            // Who sends every half second shows what version 3 learns.
            let like = match instance.version {
                Version::V2 => instance.clone(),
                Version::V3 => {
                    Instance { advert_interval: AdvertInterval::from_centiseconds(50).unwrap(), ..instance.clone() }
                }
            };
            for (event, happen) in EVENTS {
                let mut world = reached();
                let before = (world.state(0, FIRST), world.nodes[0].router.next_deadline());
                happen(&mut world, &like);
                let _ = writeln!(text, "{}", line(event, before, &world));
            }
            text.push('\n');
        }
    }
    text
}

// REQ: VRRP2-6.4.2-03 VRRP2-6.4.3-03 VRRP3-6.4.2-03 VRRP3-6.4.3-05 VRRP2-6.4.2-05 VRRP2-6.4.2-06 VRRP2-6.4.2-07
// REQ: VRRP2-6.4.3-05 VRRP2-6.4.3-06 VRRP2-6.4.3-07 VRRP3-6.4.2-05 VRRP3-6.4.2-06 VRRP3-6.4.2-07 VRRP3-6.4.3-07
// REQ: VRRP3-6.4.3-08 VRRP3-6.4.3-09
#[test]
fn every_state_meets_every_event_as_the_table_says() {
    let table = table();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/router/state_event.txt"), &table).unwrap();
        return;
    }
    for (number, (expected, found)) in EXPECTED.lines().zip(table.lines()).enumerate() {
        assert_eq!(found, expected, "line {}", number + 1);
    }
    assert_eq!(table.lines().count(), EXPECTED.lines().count());
}

/// Events are handled whatever was handed over before; the table's own collector is no part of the router.
#[test]
fn what_is_in_the_output_already_stays_first() {
    let mut router = Router::new(alone(v2()));
    let mut out = Output { actions: vec![Action::Reconcile] };
    router.handle(Instant::ZERO, Event::Start, &mut out);
    assert_eq!(out.actions.first(), Some(&Action::Reconcile));
    assert_eq!(out.actions.len(), 2);
}
