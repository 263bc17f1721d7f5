//! Two and three routers on one LAN: who becomes master, and who gives way to whom.

use crate::lan::{
    FIRST, SECOND, World, address, advert, advert_of, alone, link_local, micros, ms, us, v2, v3, v6, with_priority,
};
use standfast_model::config::VrrpConfig;
use standfast_model::config::vrrp::{Instance, Preempt};
use standfast_model::{AdvertInterval, Cause, Refusal, State};
use standfast_vrrp::Notice;
use std::time::Duration;

const PREEMPT: Preempt = Preempt::After(Duration::ZERO);

fn pair(instance: &Instance, priorities: [u8; 2]) -> World {
    World::of(priorities.map(|priority| alone(with_priority(instance.clone(), priority))))
}

// REQ: VRRP2-6.4.2-06
#[test]
fn of_equal_priorities_the_first_to_fire_is_master_and_stays_it() {
    for instance in [v2(), v3(), v6()] {
        let mut world = World::of([alone(instance.clone())]);
        world.run(Duration::from_secs(1));
        world.add(2, alone(instance));
        world.run(Duration::from_secs(600));
        assert_eq!(world.holders(FIRST), [0]);
        assert_eq!(world.nodes[1].transitions().len(), 1, "{:?}", world.nodes[1].story());
    }
}

// REQ: VRRP2-6.4.3-06 VRRP3-6.4.3-08
#[test]
fn of_two_equal_masters_the_higher_address_stays() {
    for instance in [v2(), v3(), v6()] {
        // Started in one instant they both fire, for neither hears the other in time.
        let mut world = pair(&instance, [100, 100]);
        world.run_until(us(3_609_375));
        assert_eq!(world.holders(FIRST), [0, 1]);
        world.run(Duration::from_millis(1));
        assert_eq!(world.holders(FIRST), [1]);
        world.run(Duration::from_secs(600));
        assert_eq!(world.holders(FIRST), [1]);
        assert_eq!(world.nodes[0].transitions().len(), 3, "{:?}", world.nodes[0].story());
    }
}

// REQ: VRRP2-6.4.3-06 VRRP3-6.4.3-08
#[test]
fn addresses_are_compared_as_big_endian_numbers() {
    let v4 = |text: &str| text.parse().unwrap();
    let gives_way = |instance: &Instance, theirs| {
        let mut world = World::new();
        world.add(1, alone(instance.clone()));
        world.run(Duration::from_secs(5));
        assert_eq!(world.state(0, FIRST), State::Master);
        world.hear(0, &advert(instance, theirs, 100));
        world.state(0, FIRST) == State::Backup
    };
    // We are 192.0.2.1 and fe80::1.
    assert!(gives_way(&v2(), v4("192.0.2.2")));
    assert!(!gives_way(&v2(), v4("192.0.1.250")));
    assert!(!gives_way(&v2(), v4("0.0.0.0")));
    assert!(gives_way(&v2(), v4("200.0.0.0")));
    assert!(gives_way(&v6(), v4("fe80::2")));
    assert!(gives_way(&v6(), v4("fe80::1:0:0:0")));
    assert!(!gives_way(&v6(), v4("fe7f:ffff::1")));
}

// REQ: VRRP3-8.4.2-01
#[test]
fn a_version_2_and_a_version_3_router_are_both_master() {
    let mut world = World::of([alone(with_priority(v2(), 150)), alone(with_priority(v3(), 100))]);
    world.run(Duration::from_secs(60));
    assert_eq!(world.holders(FIRST), [0, 1]);
    // REQ: KA-BUG-01
    // Each keeps its own rhythm, whatever the other sends.
    let times: Vec<u64> = world.nodes[1].adverts(FIRST).into_iter().map(|(at, _)| at).collect();
    assert!(times.windows(2).all(|two| two[1] - two[0] == 1_000_000), "{times:?}");
}

// REQ: VRRP2-7.1-06 KA-BUG-01
#[test]
fn different_intervals_in_version_2_make_two_masters_that_both_go_on() {
    let slow = Instance { advert_interval: AdvertInterval::from_seconds(2).unwrap(), ..with_priority(v2(), 100) };
    let mut world = World::of([alone(with_priority(v2(), 150)), alone(slow)]);
    world.run_until(ms(60_700));
    assert_eq!(world.holders(FIRST), [0, 1]);
    let count = |node: usize| world.nodes[node].adverts(FIRST).len();
    assert_eq!((count(0), count(1)), (58, 28));
    let refused = |node: usize| world.nodes[node].router.counters(FIRST).refused(Refusal::Interval);
    assert_eq!((refused(0), refused(1)), (28, 58));
    // Said once per state and not once per packet.
    let said = |node: usize| world.nodes[node].notices().len();
    assert!(said(0) <= 2 && said(1) <= 2, "{:?}", world.nodes[0].notices());
}

// REQ: VRRP3-7.1-03
#[test]
fn different_intervals_in_version_3_are_followed_and_said_once() {
    let fast = Instance { advert_interval: AdvertInterval::from_centiseconds(50).unwrap(), ..with_priority(v3(), 150) };
    let mut world = World::of([alone(fast), alone(v3())]);
    world.run(Duration::from_secs(600));
    assert_eq!(world.holders(FIRST), [0]);
    let notices = world.nodes[1].notices();
    assert!(matches!(notices[..], [Notice::IntervalDiffers { .. }]), "{notices:?}");
}

// REQ: KA-PRE-01
#[test]
fn preemption_takes_a_whole_down_interval_of_the_higher_priority() {
    for instance in [v2(), v3(), v6()] {
        let mut world = pair(&instance, [100, 150]);
        world.kill(1);
        world.run_until(ms(5_010));
        assert_eq!(world.holders(FIRST), [0]);
        world.add(3, alone(with_priority(instance, 150)));
        world.run(Duration::from_secs(600));
        assert_eq!(world.nodes[2].adverts(FIRST)[0], (5_010_000 + 3_414_062, 150));
        assert_eq!(world.holders(FIRST), [2]);
        let last = world.nodes[0].transitions().last().unwrap().cause.clone();
        assert!(matches!(last, Cause::HigherPriority { theirs: 150, ours: 100, .. }), "{last}");
        // The one that gave way said nothing: no resignation, no advertisement after the other's.
        let (last_sent, priority) = *world.nodes[0].adverts(FIRST).last().unwrap();
        assert!(last_sent < 8_424_063 && priority == 100);
    }
}

// REQ: KA-PRE-02
#[test]
fn preempt_delay_defers_from_the_first_lower_advertisement_on() {
    let instance = Instance { preempt: Preempt::After(Duration::from_secs(3)), ..with_priority(v2(), 150) };
    let mut world = World::of([alone(v2())]);
    // The master's adverts are at .609375; the other starts at 5.01 and hears the first at 5.6.
    world.run_until(ms(5_010));
    world.add(2, alone(instance));
    world.run_until(ms(20_000));
    // Heard at 5.609475 (first), 6.6, 7.6 (last inside 3 s); 8.609475 is exactly 3 s later and no longer deferred to.
    assert_eq!(world.nodes[1].adverts(FIRST)[0], (7_609_475 + 3_414_062, 150));
}

// REQ: KA-PRE-02
#[test]
fn an_equal_or_higher_advertisement_starts_the_preempt_delay_anew() {
    let instance = Instance { preempt: Preempt::After(Duration::from_secs(10)), ..with_priority(v2(), 150) };
    let mut world = World::of([alone(instance)]);
    for second in 1..=15 {
        world.run_until(ms(second * 1_000));
        world.hear(0, &advert_of(&v2(), 2, if second == 3 { 150 } else { 100 }));
    }
    world.run(Duration::from_secs(10));
    // Deferred from 4 s on, so until 14 s: the last advertisement that counts is that of 13 s.
    assert_eq!(world.nodes[0].adverts(FIRST)[0].0, 13_000_000 + 3_414_062);
}

// REQ: KA-PRE-03 VRRP2-6.4.2-06 VRRP3-6.4.2-06
#[test]
fn nopreempt_waits_until_the_master_leaves_or_dies() {
    for instance in [v2(), v3()] {
        let never = Instance { preempt: Preempt::Never, ..with_priority(instance.clone(), 150) };
        for resigns in [true, false] {
            let mut world = World::of([alone(instance.clone())]);
            world.run(Duration::from_secs(5));
            world.add(2, alone(never.clone()));
            world.run(Duration::from_secs(600));
            assert_eq!(world.holders(FIRST), [0]);
            let last = world.nodes[0].adverts(FIRST).last().unwrap().0;
            let at = micros(world.now);
            if resigns {
                world.shutdown(0);
            } else {
                world.kill(0);
            }
            world.run(Duration::from_secs(5));
            let expected = if resigns { at + 100 + 414_062 } else { last + 100 + 3_414_062 };
            assert_eq!(world.nodes[1].adverts(FIRST)[0].0, expected);
        }
    }
}

// REQ: VRRP3-6.4.3-10
#[test]
fn nopreempt_does_not_protect_a_master() {
    let never = Instance { preempt: Preempt::Never, ..v2() };
    let mut world = World::of([alone(never)]);
    world.run(Duration::from_secs(5));
    world.hear(0, &advert_of(&v2(), 2, 101));
    assert_eq!(world.state(0, FIRST), State::Backup);
}

// REQ: VRRP2-6.1-01 VRRP3-6.1-04
#[test]
fn an_owner_preempts_whatever_is_configured() {
    let never = Instance { preempt: Preempt::Never, ..with_priority(v2(), 255) };
    let mut world = World::of([alone(never)]);
    // In FAULT and back it is a backup that hears a lower master.
    world.carrier(0, 0, false);
    world.run(Duration::from_secs(1));
    world.carrier(0, 0, true);
    let back = micros(world.now);
    for second in 0..3 {
        world.run_until(us(back) + Duration::from_secs(second));
        world.hear(0, &advert_of(&v2(), 2, 254));
    }
    world.run(Duration::from_secs(5));
    // REQ: KA-FAULT-02
    let first = world.nodes[0].adverts(FIRST).into_iter().find(|(at, _)| *at > back).unwrap();
    assert_eq!(first, (back + 3_003_906, 255));
}

// REQ: KA-OWN-01 VRRP2-7.1-04 VRRP3-7.1-02 VRRP3-8.3.2-01
#[test]
fn of_two_owners_the_lower_address_steps_down_to_254_for_good() {
    for instance in [v2(), v3(), v6()] {
        let mut world = pair(&instance, [255, 255]);
        world.run(Duration::from_secs(1));
        assert_eq!(world.holders(FIRST), [1]);
        assert_eq!(world.nodes[0].router.status(FIRST).unwrap().priority, 254);
        assert_eq!(world.nodes[1].router.status(FIRST).unwrap().priority, 255);
        assert!(world.nodes[0].notices().iter().any(|notice| matches!(notice, Notice::OwnerClash { .. })));
        world.kill(1);
        world.run(Duration::from_secs(5));
        assert_eq!(world.nodes[0].adverts(FIRST).last().unwrap().1, 254);
        // The links do not make it an owner again.
        world.carrier(0, 0, false);
        world.carrier(0, 0, true);
        assert_eq!(world.nodes[0].router.status(FIRST).unwrap().priority, 254);
    }
}

#[test]
fn higher_prio_send_advert_speaks_once_more_before_it_yields() {
    for (speaks, expected) in [(false, 0), (true, 1)] {
        let instance = Instance { higher_prio_send_advert: speaks, ..v2() };
        let mut world = World::of([alone(instance)]);
        world.run(Duration::from_secs(5));
        world.forget();
        world.hear(0, &advert_of(&v2(), 2, 200));
        assert_eq!(world.nodes[0].adverts(FIRST).len(), expected);
        assert_eq!(world.state(0, FIRST), State::Backup);
    }
}

#[test]
fn three_routers_hand_over_in_the_order_of_their_priorities() {
    let mut world = World::of([200, 150, 100].map(|priority| alone(with_priority(v2(), priority))));
    world.run(Duration::from_secs(20));
    assert_eq!(world.holders(FIRST), [0]);
    world.shutdown(0);
    world.run(Duration::from_secs(1));
    assert_eq!(world.holders(FIRST), [1]);
    world.kill(1);
    world.run(Duration::from_secs(4));
    assert_eq!(world.holders(FIRST), [2]);
    // Nobody else ever held it, and nobody moved twice.
    let moves: Vec<usize> = world.nodes.iter().map(|node| node.transitions().len()).collect();
    assert_eq!(moves, [3, 2, 2]);
}

#[test]
fn a_partition_has_a_master_on_each_side_and_its_end_leaves_the_higher_one() {
    let mut world = World::of([150, 100, 120].map(|priority| alone(with_priority(v2(), priority))));
    world.run(Duration::from_secs(10));
    world.cut(0, &[1], &[2, 3]);
    world.run(Duration::from_secs(10));
    assert_eq!(world.holders(FIRST), [0, 2]);
    world.heal();
    world.run(Duration::from_secs(2));
    assert_eq!(world.holders(FIRST), [0]);
    world.run(Duration::from_secs(600));
    assert_eq!(world.holders(FIRST), [0]);
    assert_eq!(world.nodes[0].transitions().len(), 2, "{:?}", world.nodes[0].story());
}

// REQ: VRRP3-5.2.3-01
#[test]
fn one_vrid_on_ipv4_and_ipv6_is_two_virtual_routers() {
    let config = |priority| VrrpConfig {
        instances: vec![
            Instance { name: "VI_4".to_owned(), ..with_priority(v3(), priority) },
            Instance { name: "VI_6".to_owned(), ..with_priority(v6(), priority) },
        ],
        ..VrrpConfig::default()
    };
    let mut world = World::of([config(150), config(100)]);
    world.run(Duration::from_secs(10));
    assert_eq!((world.holders(FIRST), world.holders(SECOND)), (vec![0], vec![0]));
    // IPv6 alone loses its address to send from.
    let mut facts = crate::lan::facts(0, 1);
    facts.sources = vec![address(0, 1).into()];
    world.replace(0, 0, Some(facts));
    assert_eq!(world.nodes[0].transitions().len(), 5);
    world.run(Duration::from_secs(10));
    assert_eq!((world.holders(FIRST), world.holders(SECOND)), (vec![0], vec![1]));
    assert!(world.nodes[1].packets(SECOND).iter().all(|(_, packet)| packet.source == link_local(2)));
}

#[test]
fn a_preempt_delay_of_zero_is_plain_preemption() {
    let instance = Instance { preempt: PREEMPT, ..with_priority(v2(), 150) };
    let mut world = World::of([alone(instance)]);
    world.run_until(ms(1_000));
    let before = world.nodes[0].router.next_deadline();
    // REQ: VRRP2-6.4.2-07
    world.hear(0, &advert_of(&v2(), 2, 100));
    assert_eq!(world.nodes[0].router.next_deadline(), before);
    assert!(matches!(world.nodes[0].notices()[..], [Notice::LowerPriority { theirs: 100, ours: 150, .. }]));
}

// REQ: VRRP3-6.4.2-07
#[test]
fn an_ignored_advertisement_teaches_no_interval() {
    let fast = Instance { advert_interval: AdvertInterval::from_centiseconds(25).unwrap(), ..v3() };
    let mut world = World::of([alone(with_priority(v3(), 150))]);
    world.run_until(ms(1_000));
    world.hear(0, &advert_of(&fast, 2, 100));
    world.hear(0, &advert_of(&v3(), 2, 0));
    assert_eq!(micros(world.nodes[0].router.next_deadline().unwrap()), 1_000_000 + 414_062);
}
