//! Maintenance and switchover: what an operator orders, on a pair.

use crate::lan::{FIRST, SECOND, World, alone, ms, seed, v2, with_priority};
use standfast_model::{Instant, State};
use standfast_vrrp::{Event, Output, Router};
use std::time::Duration;

/// The sample pair with its master, whose sync group has two instances.
fn pair() -> World {
    let mut world = World::of([seed(150), seed(100)]);
    world.run(Duration::from_secs(10));
    assert_eq!(states(&world), [[State::Master; 2], [State::Backup; 2]]);
    world.forget();
    world
}

fn states(world: &World) -> [[State; 2]; 2] {
    [0, 1].map(|node| [FIRST, SECOND].map(|instance| world.state(node, instance)))
}

fn hand_over(world: &mut World, until: Option<Instant>) {
    world.event(0, Event::HandOver { instance: FIRST, until });
}

const ELSEWHERE: [[State; 2]; 2] = [[State::Backup; 2], [State::Master; 2]];
const HERE: [[State; 2]; 2] = [[State::Master; 2], [State::Backup; 2]];

#[test]
fn a_master_told_to_hand_over_resigns_and_the_standby_has_the_group_after_its_skew() {
    let mut world = pair();
    hand_over(&mut world, None);
    for instance in [FIRST, SECOND] {
        assert_eq!(world.nodes[0].adverts(instance).iter().filter(|(_, priority)| *priority == 0).count(), 1);
    }
    let causes: Vec<String> = world.nodes[0].transitions().iter().map(|change| change.cause.to_string()).collect();
    assert_eq!(causes, ["operator: switchover", "sync group VG1 follows VI_E"]);
    // The skew of priority 100 is 609 ms.
    world.run(Duration::from_millis(650));
    assert_eq!(states(&world), ELSEWHERE);
}

#[test]
fn who_hands_over_holds_the_addresses_until_the_next_master_is_heard_and_no_longer() {
    let mut world = pair();
    let holds = |world: &World| [0, 1].map(|node| world.nodes[node].router.holds(FIRST));
    hand_over(&mut world, None);
    assert_eq!(holds(&world), [true, false]);
    world.run(Duration::from_millis(600));
    assert_eq!(holds(&world), [true, false], "nobody has taken over yet");
    world.run(Duration::from_millis(50));
    assert_eq!((states(&world), holds(&world)), (ELSEWHERE, [false, true]));
    // Neither a fault nor an end leaves them behind.
    for stop in [false, true] {
        let mut world = pair();
        hand_over(&mut world, None);
        if stop {
            world.event(0, Event::Shutdown);
        } else {
            world.carrier(0, 0, false);
        }
        assert!(!world.nodes[0].router.holds(FIRST), "{stop}");
        let resigned = world.nodes[0].adverts(FIRST).iter().filter(|(_, priority)| *priority == 0).count();
        assert_eq!(resigned, 1, "it has resigned already");
    }
}

#[test]
fn the_higher_priority_does_not_take_back_until_it_may() {
    let mut world = pair();
    hand_over(&mut world, None);
    world.run(Duration::from_secs(3600));
    assert_eq!(states(&world), ELSEWHERE);
    world.event(0, Event::TakePart { instance: SECOND });
    world.run(Duration::from_secs(10));
    assert_eq!(states(&world), HERE);
    hand_over(&mut world, Some(ms(3_700_000)));
    world.run(Duration::from_secs(60));
    assert_eq!(states(&world), ELSEWHERE);
    world.run(Duration::from_secs(60));
    assert_eq!(states(&world), HERE, "the time is over");
}

#[test]
fn who_handed_over_takes_over_when_the_other_dies_and_preempts_again_from_then_on() {
    let mut world = pair();
    hand_over(&mut world, None);
    world.run(Duration::from_secs(10));
    world.event(1, Event::Maintenance { on: true });
    world.run(Duration::from_secs(1));
    assert_eq!(states(&world), [[State::Master; 2], [State::Fault; 2]]);
    assert_eq!(world.nodes[0].router.status(FIRST).unwrap().stands_back, None);
}

#[test]
fn who_was_told_to_hand_over_and_was_killed_stands_back_after_a_new_start_even_as_an_owner() {
    for priority in [150, 255] {
        let mut world = World::new();
        world.add(2, alone(with_priority(v2(), 100)));
        world.run(Duration::from_secs(10));
        assert_eq!(world.state(0, FIRST), State::Master);
        let until = world.now + Duration::from_secs(60);
        let mut router = Router::new(alone(with_priority(v2(), priority)));
        router.handle(world.now, Event::StandsBack { instance: FIRST, until }, &mut Output::default());
        world.add_router(1, router);
        assert_eq!(world.state(1, FIRST), State::Backup, "{priority}");
        assert_eq!(world.nodes[1].router.status(FIRST).unwrap().stands_back, Some(until));
        world.run(Duration::from_secs(55));
        assert_eq!([0, 1].map(|node| world.state(node, FIRST)), [State::Master, State::Backup], "{priority}");
        world.run(Duration::from_secs(15));
        assert_eq!([0, 1].map(|node| world.state(node, FIRST)), [State::Backup, State::Master], "the time is over");
    }
}

#[test]
fn with_nobody_to_take_over_the_master_is_master_again_after_its_down_interval() {
    let mut world = World::of([alone(with_priority(v2(), 255))]);
    world.run(Duration::from_secs(1));
    hand_over(&mut world, None);
    assert_eq!(world.state(0, FIRST), State::Backup);
    assert!(world.nodes[0].router.holds(FIRST), "clients are answered all the time");
    world.run(Duration::from_millis(3_004));
    assert_eq!(world.state(0, FIRST), State::Master);
}

#[test]
fn a_backup_has_nothing_to_hand_over_and_goes_on_to_preempt() {
    let mut world = pair();
    world.event(1, Event::HandOver { instance: FIRST, until: None });
    assert_eq!(states(&world), HERE);
    assert_eq!(world.nodes[1].router.status(FIRST).unwrap().stands_back, None);
    assert!(world.nodes[1].transitions().is_empty());
}

#[test]
fn in_maintenance_a_node_is_master_of_nothing_whatever_happens_and_then_takes_part_again() {
    let mut world = pair();
    world.event(0, Event::Maintenance { on: true });
    assert_eq!(world.nodes[0].adverts(FIRST).iter().filter(|(_, priority)| *priority == 0).count(), 1);
    assert_eq!(world.nodes[0].transitions()[0].cause.to_string(), "operator: maintenance");
    world.run(Duration::from_secs(10));
    assert_eq!(states(&world), [[State::Fault; 2], [State::Master; 2]]);
    world.carrier(0, 0, false);
    world.carrier(0, 0, true);
    world.event(1, Event::Shutdown);
    world.run(Duration::from_secs(60));
    assert_eq!(states(&world)[0], [State::Fault; 2], "also when nobody is left");
    world.event(0, Event::Maintenance { on: false });
    world.run(Duration::from_secs(10));
    assert_eq!(states(&world)[0], [State::Master; 2]);
}
