//! Every counter of `keepalived.stats` that the election moves, and what status says.

use crate::lan::{FIRST, World, address, advert_of, alone, ms, v2, with_priority};
use standfast_model::{Cause, State, VrrpCounters};
use standfast_vrrp::Event;
use std::time::Duration;

#[test]
fn a_life_is_counted() {
    let mut world = World::of([alone(v2())]);
    // Takes over at 3.609375 and sends at 3.6, 4.6, 5.6, ... 9.6: seven.
    world.run_until(ms(10_000));
    for priority in [0, 50, 0] {
        // The third comes within a centisecond of the second and is not answered.
        world.run(Duration::from_millis(if priority == 50 { 20 } else { 5 }));
        world.hear(0, &advert_of(&v2(), 9, priority));
    }
    world.hear(0, &advert_of(&v2(), 9, 200));
    world.hear(0, &advert_of(&v2(), 9, 0));
    world.run(Duration::from_millis(650));
    world.event(0, Event::Shutdown);
    let mut expected = VrrpCounters::default();
    expected.advert_received = 5;
    // Seven regular, two answers, one at the second takeover, and the resignation.
    expected.advert_sent = 11;
    expected.become_master = 2;
    expected.release_master = 2;
    expected.priority_zero_received = 3;
    expected.priority_zero_sent = 1;
    // The 50.
    expected.two_masters = 1;
    assert_eq!(*world.nodes[0].router.counters(FIRST), expected);
}

#[test]
fn status_says_who_is_master_since_when_and_why() {
    let mut world = World::of([alone(with_priority(v2(), 150))]);
    let status = world.nodes[0].router.status(FIRST).unwrap();
    assert_eq!((status.state, status.since, status.master), (State::Backup, Some(ms(0)), None));
    assert_eq!(status.last_transition.unwrap().cause, Cause::Started);
    world.run_until(ms(1_000));
    world.hear(0, &advert_of(&v2(), 9, 200));
    let status = world.nodes[0].router.status(FIRST).unwrap();
    assert_eq!((status.since, status.master), (Some(ms(0)), Some((address(0, 9).into(), 200))));
    assert_eq!((status.advert_sent, status.held_back, status.fault), (None, false, None));
    world.run_until(ms(6_000));
    let status = world.nodes[0].router.status(FIRST).unwrap();
    let since = ms(1_000) + Duration::from_nanos(3_414_062_500);
    assert_eq!((status.state, status.priority, status.since), (State::Master, 150, Some(since)));
    assert_eq!(status.master, Some((address(0, 1).into(), 150)));
    assert_eq!(status.advert_sent, Some(since + Duration::from_secs(1)));
    world.carrier(0, 0, false);
    let status = world.nodes[0].router.status(FIRST).unwrap();
    assert_eq!((status.state, status.master, status.advert_sent), (State::Fault, None, None));
    assert!(matches!(status.fault, Some(Cause::LinkDown { .. })));
    world.event(0, Event::Shutdown);
    let status = world.nodes[0].router.status(FIRST).unwrap();
    assert_eq!((status.state, status.fault, status.since), (State::Stop, None, Some(ms(6_000))));
}
