//! The sample pair: two directors on two LANs, one sync group each, priorities 150 and 100.

use crate::lan::{FIRST, SECOND, World, micros, seed};
use standfast_model::State;
use std::time::Duration;

const A: usize = 0;
const B: usize = 1;

fn pair() -> World {
    let mut world = World::of([seed(150), seed(100)]);
    world.run(Duration::from_secs(10));
    assert_eq!((world.holders(FIRST), world.holders(SECOND)), (vec![A], vec![A]));
    world
}

#[test]
fn the_higher_priority_takes_both_lans_in_one_instant_and_keeps_them() {
    let mut world = pair();
    world.run(Duration::from_secs(3600));
    assert_eq!(
        world.nodes[A].story(),
        [
            "0.000000 VI_E INIT BACKUP: started",
            "0.000000 VI_I INIT BACKUP: started",
            "3.414062 VI_E BACKUP MASTER: no advertisement for 3.414 s",
            "3.414062 VI_I BACKUP MASTER: sync group VG1 follows VI_E",
        ]
    );
    assert_eq!(world.nodes[B].transitions().len(), 2, "{:?}", world.nodes[B].story());
    assert_eq!(world.nodes[A].adverts(FIRST).len(), 3607);
    assert!(world.nodes[B].adverts(FIRST).is_empty());
}

#[test]
fn a_dead_master_is_replaced_within_the_down_interval_of_the_standby() {
    let mut world = pair();
    world.kill(A);
    let (last, _) = *world.nodes[A].adverts(FIRST).last().unwrap();
    world.run(Duration::from_secs(5));
    let (first, priority) = world.nodes[B].adverts(FIRST)[0];
    // A packet takes 100 us here.
    assert_eq!((first, priority), (last + 100 + 3_609_375, 100));
    assert_eq!(world.nodes[B].adverts(SECOND)[0].0, first);
}

#[test]
fn a_master_that_leaves_is_replaced_after_the_skew_time() {
    let mut world = pair();
    let left = micros(world.now);
    world.shutdown(A);
    assert_eq!(*world.nodes[A].adverts(FIRST).last().unwrap(), (left, 0));
    world.run(Duration::from_secs(1));
    assert_eq!(world.nodes[B].adverts(FIRST)[0].0, left + 100 + 609_375);
    assert_eq!((world.holders(FIRST), world.holders(SECOND)), (vec![B], vec![B]));
}

#[test]
fn one_dead_link_moves_both_lans() {
    let mut world = pair();
    world.carrier(A, 0, false);
    assert_eq!((world.state(A, FIRST), world.state(A, SECOND)), (State::Fault, State::Fault));
    assert_eq!(world.nodes[A].adverts(SECOND).last().unwrap().1, 0, "the living LAN is told");
    assert_ne!(world.nodes[A].adverts(FIRST).last().unwrap().1, 0, "nothing can leave through a dead link");
    world.run(Duration::from_secs(4));
    assert_eq!((world.holders(FIRST), world.holders(SECOND)), (vec![B], vec![B]));
    // It comes back: a full down interval, then both move back in one instant.
    world.carrier(A, 0, true);
    assert_eq!((world.state(A, FIRST), world.state(A, SECOND)), (State::Backup, State::Backup));
    let back = micros(world.now);
    world.run(Duration::from_secs(4));
    assert_eq!((world.holders(FIRST), world.holders(SECOND)), (vec![A], vec![A]));
    let moved: Vec<u64> = [FIRST, SECOND]
        .map(|instance| world.nodes[A].adverts(instance).into_iter().map(|(at, _)| at).find(|at| *at > back).unwrap())
        .to_vec();
    assert_eq!(moved, [back + 3_414_062; 2]);
}
