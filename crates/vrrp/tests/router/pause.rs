//! A router that slept, and one that follows a killed predecessor.

use crate::lan::{FIRST, SECOND, World, advert_of, alone, ms, name, seed, us, v2, with_password, with_priority};
use standfast_model::config::vrrp::{Instance, InstanceId, Preempt};
use standfast_model::{Instant, Priority, Refusal, State};
use standfast_vrrp::{Event, Options, Output, Router};
use std::time::Duration;

#[test]
fn a_master_that_slept_past_its_time_listens_before_it_speaks() {
    let mut world = World::of([seed(150), seed(100)]);
    world.run(Duration::from_secs(10));
    world.sleep(0);
    world.run(Duration::from_secs(20));
    assert_eq!(world.holders(FIRST), [0, 1]);
    world.forget();
    world.thaw(0);
    world.run(Duration::from_millis(3_000));
    assert_eq!(world.holders(FIRST), [1]);
    assert_eq!(world.holders(SECOND), [1]);
    assert!(world.nodes[0].adverts(FIRST).is_empty() && world.nodes[0].adverts(SECOND).is_empty());
    let story = world.nodes[0].story();
    assert!(story[0].starts_with("30.000000 VI_E MASTER BACKUP: paused: sent nothing for 20."), "{story:?}");
    assert_eq!(story.len(), 2);
    // It has the higher priority, so it preempts by the ordinary rule.
    world.run(Duration::from_secs(1));
    assert_eq!(world.holders(FIRST), [0]);
}

#[test]
fn a_master_that_slept_with_nothing_in_its_queue_listens_too() {
    let mut world = World::of([alone(v2())]);
    world.run(Duration::from_secs(10));
    world.forget();
    world.now = ms(30_000);
    world.event(0, Event::Wake);
    assert_eq!(world.state(0, FIRST), State::Backup);
    assert!(world.nodes[0].adverts(FIRST).is_empty());
}

#[test]
fn a_master_that_slept_for_less_goes_on_with_one_advertisement() {
    // Last sent at 9.609375; 3.609375 less half of 0.609375 later it would be too late.
    for (late, state) in [(12_914_061, State::Master), (12_914_063, State::Backup)] {
        let mut world = World::of([alone(v2())]);
        world.run(Duration::from_secs(10));
        world.forget();
        world.now = us(late);
        world.event(0, Event::Wake);
        assert_eq!(world.state(0, FIRST), state, "{late}");
        assert_eq!(world.nodes[0].adverts(FIRST).len(), usize::from(state == State::Master));
    }
}

#[test]
fn timer_expired_backup_says_whose_takeover_a_late_master_must_expect() {
    // Three intervals and half of the skew: of our own priority 100, of a standby of 254, of one of 1.
    let owns = |instance: &mut Instance, other, preempt| {
        instance.options.timer_expired_backup = other;
        instance.preempt = preempt;
    };
    let other = Priority::new;
    for (standby, preempt, silence_us) in [
        (None, Preempt::Never, 3_304_687),
        (other(254), Preempt::Never, 3_003_906),
        (other(1), Preempt::Never, 3_498_046),
        // Who preempts is master by right, and the option is for who is not.
        (other(254), Preempt::After(Duration::ZERO), 3_304_687),
    ] {
        for (late, state) in [(silence_us - 2, State::Master), (silence_us + 2, State::Backup)] {
            let mut instance = v2();
            owns(&mut instance, standby, preempt);
            let mut world = World::of([alone(instance)]);
            world.run(Duration::from_secs(10));
            world.now = us(9_609_375 + late);
            world.event(0, Event::Wake);
            assert_eq!(world.state(0, FIRST), state, "{standby:?} {preempt:?} {late}");
        }
    }
}

#[test]
fn what_arrives_first_after_a_sleep_is_heard_as_a_backup_hears_it() {
    let mut world = World::of([alone(with_priority(v2(), 150))]);
    world.run(Duration::from_secs(10));
    world.forget();
    world.now = ms(30_000);
    // A master answers a lower priority at once; this one must not.
    world.hear(0, &advert_of(&v2(), 2, 100));
    assert!(world.nodes[0].adverts(FIRST).is_empty() && world.nodes[0].announcements(FIRST).is_empty());
    assert_eq!(world.state(0, FIRST), State::Backup);
    assert_eq!(world.nodes[0].router.next_deadline(), Some(ms(30_000) + Duration::from_nanos(3_414_062_500)));
}

#[test]
fn a_group_that_slept_has_no_deadline_left_behind_when_a_packet_comes_first() {
    let mut world = World::of([seed(150)]);
    world.run(Duration::from_secs(10));
    world.now = ms(30_000);
    world.hear(0, &advert_of(&with_password(v2(), "mypasswd"), 2, 100));
    assert_eq!([FIRST, SECOND].map(|id| world.state(0, id)), [State::Backup; 2]);
    assert_eq!(world.nodes[0].router.next_deadline(), Some(ms(30_000) + Duration::from_nanos(3_414_062_500)));
}

// REQ: VRRP3-6.4-01
#[test]
fn a_refused_packet_does_not_wake_a_sleeper() {
    let mut world = World::of([alone(v2())]);
    world.run(Duration::from_secs(10));
    world.now = ms(30_000);
    let mut packet = advert_of(&v2(), 2, 200);
    packet.ttl = 254;
    world.hear(0, &packet);
    assert_eq!(world.state(0, FIRST), State::Master);
}

#[test]
fn a_sleeper_that_is_told_to_stop_does_not_disturb_the_new_master() {
    let mut world = World::of([alone(v2())]);
    world.run(Duration::from_secs(10));
    world.forget();
    world.now = ms(30_000);
    world.event(0, Event::Shutdown);
    assert!(world.nodes[0].adverts(FIRST).is_empty());
    assert!(!world.nodes[0].router.holds(FIRST));
}

/// A router that starts at 100 s and is told when a predecessor sent its last advertisements.
fn successor(stamps: &[(InstanceId, Instant)]) -> World {
    let mut world = World::new();
    world.now = ms(100_000);
    let mut router = Router::new(seed(150));
    let mut out = Output::default();
    for (instance, advert_sent) in stamps.iter().copied() {
        router.handle(world.now, Event::Adopt { instance, advert_sent }, &mut out);
    }
    assert!(out.actions.is_empty());
    world.add_router(1, router);
    world
}

#[test]
fn a_successor_goes_on_in_the_rhythm_of_its_predecessor() {
    let mut world = successor(&[(FIRST, ms(99_700)), (SECOND, ms(99_800))]);
    assert_eq!([FIRST, SECOND].map(|id| world.state(0, id)), [State::Master; 2]);
    assert!(world.nodes[0].router.holds(FIRST));
    world.run(Duration::from_secs(2));
    assert_eq!(world.nodes[0].adverts(FIRST), [(100_700_000, 150), (101_700_000, 150)]);
    assert_eq!(world.nodes[0].adverts(SECOND), [(100_800_000, 150), (101_800_000, 150)]);
}

#[test]
fn a_successor_that_comes_late_but_not_too_late_speaks_at_once() {
    let mut world = successor(&[(FIRST, ms(97_000)), (SECOND, ms(99_800))]);
    world.run(Duration::from_millis(1));
    assert_eq!(world.nodes[0].adverts(FIRST), [(100_000_000, 150)]);
    world.run(Duration::from_secs(1));
    assert_eq!(world.nodes[0].adverts(FIRST)[1].0, 101_000_000, "on the grid again");
}

#[test]
fn a_stamp_is_young_for_the_down_interval_less_half_of_the_skew() {
    // 3.4140625 s less 0.20703125 s.
    for (age, state) in [(3_207_031_249, State::Master), (3_207_031_250, State::Backup)] {
        let stamp = ms(100_000) - Duration::from_nanos(age);
        let world = successor(&[(FIRST, stamp), (SECOND, stamp)]);
        assert_eq!(world.state(0, FIRST), state, "{age}");
    }
}

#[test]
fn a_successor_that_comes_too_late_listens_and_so_does_its_group() {
    for stamps in [
        vec![(FIRST, ms(96_000)), (SECOND, ms(99_900))],
        vec![(FIRST, ms(99_900))],
        vec![],
        // A stamp of the future is no stamp.
        vec![(FIRST, ms(100_001)), (SECOND, ms(99_900))],
    ] {
        let world = successor(&stamps);
        assert_eq!([FIRST, SECOND].map(|id| world.state(0, id)), [State::Backup; 2], "{stamps:?}");
    }
}

#[test]
fn a_successor_without_its_link_is_in_fault() {
    let mut world = World::new();
    let mut router = Router::new(alone(Instance { interface: name("eth7"), ..v2() }));
    let mut out = Output::default();
    router.handle(Instant::ZERO, Event::Adopt { instance: FIRST, advert_sent: Instant::ZERO }, &mut out);
    world.add_router(1, router);
    assert_eq!(world.state(0, FIRST), State::Fault);
}

#[test]
fn vrrp_delay_after_boot_counts_from_the_boot_and_not_from_the_start() {
    let mut config = alone(with_priority(v2(), 255));
    config.common.delay_after_boot = Duration::from_secs(30);
    for (started, startup_delay, first) in [(20, 0, 30), (20, 15, 35), (40, 0, 40)] {
        let options = Options { startup_delay: Duration::from_secs(startup_delay), ..Options::default() };
        let mut world = World::new();
        world.now = ms(started * 1_000);
        world.add_router(1, Router::with_options(config.clone(), options));
        world.run(Duration::from_secs(30));
        assert_eq!(world.nodes[0].adverts(FIRST)[0].0, first * 1_000_000);
    }
}

#[test]
fn during_the_startup_delay_nothing_is_sent_or_heard() {
    let options = Options { startup_delay: Duration::from_secs(10), ..Options::default() };
    for (priority, first) in [(255, 10_000_000), (100, 13_609_375)] {
        let mut world = World::new();
        world.add_router(1, Router::with_options(alone(with_priority(v2(), priority)), options));
        world.run(Duration::from_secs(5));
        world.hear(0, &advert_of(&v2(), 2, 200));
        world.carrier(0, 0, false);
        world.carrier(0, 0, true);
        assert_eq!(world.state(0, FIRST), State::Init);
        assert!(world.nodes[0].log.is_empty());
        let refused = world.nodes[0].router.counters(FIRST).refused(Refusal::NotListening);
        assert_eq!(refused, 1);
        world.run(Duration::from_secs(15));
        assert_eq!(world.nodes[0].adverts(FIRST)[0], (first, priority));
    }
}
