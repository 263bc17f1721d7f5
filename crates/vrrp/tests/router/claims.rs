//! Others on the link who say that an address of a master is their own.

use crate::lan::{FIRST, World, advert_of, alone, facts, micros, ms, name, v2, vip, with_priority};
use standfast_model::config::vrrp::Instance;
use standfast_model::{MacAddress, State};
use standfast_vrrp::{Action, Event, Notice, Reload};
use std::net::IpAddr;
use std::time::Duration;

const INTRUDER: MacAddress = MacAddress([2, 0, 0, 0, 0, 0x66]);

const OTHER: MacAddress = MacAddress([2, 0, 0, 0, 0, 0x77]);

fn address() -> IpAddr {
    "192.0.2.100".parse().unwrap()
}

fn claim(world: &mut World, mac: MacAddress) {
    let interface = name("eth0");
    world.event(0, Event::Claimed { instance: FIRST, address: address(), interface: &interface, mac });
}

/// A router of priority 255, which is master from its start.
fn master() -> World {
    World::of([alone(with_priority(v2(), 255))])
}

/// When the address was defended, in milliseconds.
fn defended(world: &World) -> Vec<u64> {
    let log = &world.nodes[0].log;
    let is_it = |action: &Action| *action == Action::Defend { instance: FIRST, address: address() };
    log.iter().filter(|(_, action)| is_it(action)).map(|(at, _)| micros(*at) / 1000).collect()
}

/// Who was said to claim the address, and how often and how long one that is over did.
fn said(world: &World) -> (Vec<MacAddress>, Vec<(u64, Duration)>) {
    let notices = world.nodes[0].notices();
    let claimed =
        notices.iter().filter_map(|n| if let Notice::Claimed { claim, .. } = n { Some(claim.mac) } else { None });
    let over = notices.iter().filter_map(|notice| {
        if let Notice::ClaimOver { claim, .. } = notice { Some((claim.times, claim.lasted())) } else { None }
    });
    (claimed.collect(), over.collect())
}

// REQ: ARP-2.4-01
#[test]
fn a_foreign_claim_is_said_once_defended_at_most_every_ten_seconds_and_moves_no_state() {
    let mut world = master();
    world.run_until(ms(5_000));
    // Ten times a second for 25 s, and nothing from then on.
    for tenth in 0..250 {
        world.run_until(ms(5_000 + tenth * 100));
        claim(&mut world, INTRUDER);
    }
    world.run_until(ms(29_950));
    assert_eq!(defended(&world), [5_300, 15_300, 25_300]);
    assert_eq!(said(&world), (vec![INTRUDER], vec![]));
    let router = &world.nodes[0].router;
    let standing: Vec<_> = router.claims(FIRST).collect();
    assert_eq!((standing[0].mac, standing[0].since, standing[0].last), (INTRUDER, ms(5_000), ms(29_900)));
    assert_eq!((standing[0].times, standing.len(), router.counters(FIRST).foreign_claims), (250, 1, 1));
    assert_eq!(world.state(0, FIRST), State::Master);
    world.run_until(ms(59_800));
    // What was claimed after the last answer is answered when its turn has come.
    assert_eq!(defended(&world), [5_300, 15_300, 25_300, 35_300]);
    world.run_until(ms(60_000));
    assert_eq!(defended(&world).last(), Some(&59_900), "announced once more when it is over");
    assert_eq!(said(&world), (vec![INTRUDER], vec![(250, Duration::from_millis(24_900))]));
    assert_eq!(world.nodes[0].router.claims(FIRST).count(), 0);
    // Another time is another occurrence.
    claim(&mut world, INTRUDER);
    world.run_until(ms(61_000));
    assert_eq!((said(&world).0.len(), world.nodes[0].router.counters(FIRST).foreign_claims), (2, 2));
    assert_eq!(world.nodes[0].transitions().len(), 1, "none but that of the start");
}

#[test]
fn a_better_router_that_takes_over_has_claimed_nothing() {
    let mut world = World::of([alone(v2())]);
    world.run_until(ms(10_000));
    assert_eq!(world.state(0, FIRST), State::Master);
    // Its announcement overtakes its advertisement.
    claim(&mut world, OTHER);
    world.run_until(ms(10_200));
    world.hear(0, &advert_of(&v2(), 2, 200));
    claim(&mut world, OTHER);
    for second in 11..60 {
        world.run_until(ms(second * 1_000));
        world.hear(0, &advert_of(&v2(), 2, 200));
        claim(&mut world, OTHER);
    }
    assert_eq!((said(&world), defended(&world)), ((vec![], vec![]), vec![]));
    assert_eq!(world.nodes[0].router.counters(FIRST).foreign_claims, 0);
}

#[test]
fn the_last_words_of_the_master_of_before_are_no_claim() {
    let mut world = World::of([alone(v2())]);
    world.run_until(ms(3_500));
    claim(&mut world, OTHER);
    world.run_until(ms(3_620));
    assert_eq!(world.state(0, FIRST), State::Master);
    claim(&mut world, OTHER);
    world.run_until(ms(4_500));
    claim(&mut world, OTHER);
    world.run_until(ms(20_000));
    assert_eq!((said(&world), defended(&world)), ((vec![], vec![]), vec![]));
    claim(&mut world, OTHER);
    world.run_until(ms(20_400));
    assert_eq!(said(&world).0, [OTHER], "who has not let go by now has not heard us");
}

#[test]
fn another_claimant_is_news_and_a_flood_of_made_up_ones_is_not() {
    let mut world = master();
    world.run_until(ms(5_000));
    claim(&mut world, INTRUDER);
    world.run_until(ms(6_000));
    claim(&mut world, OTHER);
    world.run_until(ms(15_299));
    assert_eq!(said(&world).0, [INTRUDER]);
    world.run_until(ms(15_301));
    assert_eq!(said(&world).0, [INTRUDER, OTHER]);
    for frame in 0..10_000_u32 {
        let [a, b, c, d] = frame.to_be_bytes();
        world.run_until(ms(16_000 + u64::from(frame)));
        claim(&mut world, MacAddress([6, 0, a, b, c, d]));
    }
    world.run_until(ms(26_001));
    assert_eq!((said(&world).0.len(), defended(&world).len()), (3, 3));
    assert_eq!(world.nodes[0].router.claims(FIRST).count(), 1);
}

#[test]
fn an_address_that_a_reload_takes_away_is_claimed_from_nobody() {
    let mut world = master();
    world.run_until(ms(5_000));
    claim(&mut world, INTRUDER);
    world.run_until(ms(5_500));
    assert_eq!(world.nodes[0].router.claims(FIRST).count(), 1);
    let other = Instance { addresses: vec![vip("192.0.2.101/32")], ..with_priority(v2(), 255) };
    let interfaces = [(name("eth0"), facts(0, 1))].into();
    let config = alone(other);
    world.event(0, Event::Reload(Box::new(Reload { config, options: Default::default(), interfaces })));
    assert_eq!(world.nodes[0].router.claims(FIRST).count(), 0);
    world.run_until(ms(60_000));
    assert_eq!(defended(&world).len(), 1);
}
