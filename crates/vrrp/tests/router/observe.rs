//! What is remembered of other routers: in what they differ, and who is master beside us.

use crate::lan::{FIRST, World, advert, advert_of, alone, ms, v2, v3, vip, with_password, with_priority};
use standfast_model::config::vrrp::Instance;
use standfast_model::{AdvertInterval, Field};
use standfast_vrrp::Notice;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Field, what they say, what we say, and how often it was seen.
fn mismatches(world: &World) -> Vec<(Field, String, String, u64)> {
    let status = world.nodes[0].router.status(FIRST).unwrap();
    status.mismatches.iter().map(|m| (m.field, m.theirs.clone(), m.ours.clone(), m.adverts)).collect()
}

fn settled(world: &World) -> Vec<Field> {
    let notices = world.nodes[0].notices();
    notices
        .iter()
        .filter_map(|notice| if let Notice::Settled { field, .. } = notice { Some(*field) } else { None })
        .collect()
}

#[test]
fn every_difference_of_a_pair_shows_both_sides_until_it_is_gone() {
    let other_addresses = Instance { addresses: vec![vip("192.0.2.101/32")], ..v2() };
    let slow = Instance { advert_interval: AdvertInterval::from_seconds(2).unwrap(), ..v2() };
    for (ours, theirs, field, said, wanted) in [
        (v2(), v3(), Field::Version, "3", "2"),
        (v2(), slow, Field::Interval, "2 s", "1 s"),
        (v2(), with_password(v2(), "secret"), Field::Authentication, "type 1", "type 0"),
        (
            with_password(v2(), "s3cr3t"),
            with_password(v2(), "secret"),
            Field::Authentication,
            "another password",
            "type 1",
        ),
        (v2(), other_addresses, Field::Addresses, "192.0.2.101", "192.0.2.100"),
    ] {
        let mut world = World::of([alone(ours.clone())]);
        for _ in 0..3 {
            world.hear(0, &advert_of(&theirs, 2, 200));
        }
        assert_eq!(mismatches(&world), [(field, said.to_owned(), wanted.to_owned(), 3)]);
        assert_eq!(world.nodes[0].notices().len(), 1, "said once: {:?}", world.nodes[0].notices());
        // Another router that is as it should be says nothing about this one.
        world.hear(0, &advert_of(&ours, 3, 200));
        assert_eq!((mismatches(&world).len(), settled(&world)), (1, vec![]));
        world.hear(0, &advert_of(&ours, 2, 200));
        assert_eq!((mismatches(&world), settled(&world)), (vec![], vec![field]));
    }
}

#[test]
fn made_up_senders_cost_a_bounded_number_of_records() {
    let mut world = World::of([alone(v2())]);
    for host in 2..250 {
        world.now += Duration::from_millis(1);
        world.hear(0, &advert(&v3(), IpAddr::V4(Ipv4Addr::new(198, 51, 100, host)), 200));
    }
    let status = world.nodes[0].router.status(FIRST).unwrap();
    assert_eq!(status.mismatches.len(), 16);
    let last = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 249));
    assert!(status.mismatches.iter().any(|mismatch| mismatch.peer == last), "the newest is known");
}

// REQ: VRRP3-7.1-03
#[test]
fn only_the_interval_of_the_master_is_called_followed() {
    let fast = Instance { advert_interval: AdvertInterval::from_centiseconds(50).unwrap(), ..v3() };
    let followed = |world: &World| {
        let notices = world.nodes[0].notices();
        let said: Vec<bool> = notices
            .iter()
            .filter_map(|n| if let Notice::IntervalDiffers { followed, .. } = n { Some(*followed) } else { None })
            .collect();
        said
    };
    let mut standby = World::of([alone(v3())]);
    standby.hear(0, &advert_of(&fast, 2, 200));
    assert_eq!(followed(&standby), [true]);
    let mut master = World::of([alone(with_priority(v3(), 255))]);
    master.hear(0, &advert_of(&fast, 2, 50));
    assert_eq!(followed(&master), [false]);
    assert_eq!(mismatches(&master), [(Field::Interval, "0.50 s".to_owned(), "1 s".to_owned(), 1)]);
}

#[test]
fn a_rival_is_counted_once_and_told_of_when_it_is_silent() {
    let mut world = World::of([alone(with_priority(v2(), 255))]);
    world.run_until(ms(500));
    for tenth in [6, 16, 26] {
        world.run_until(ms(tenth * 100));
        world.hear(0, &advert_of(&v2(), 2, 100));
    }
    let status = world.nodes[0].router.status(FIRST).unwrap();
    let rival = status.rival.unwrap();
    assert_eq!((rival.priority, rival.adverts, rival.since, rival.last), (100, 3, ms(600), ms(2_600)));
    assert_eq!(world.nodes[0].router.counters(FIRST).two_masters, 1);
    let told = |world: &World| -> Vec<(u8, Duration, u64)> {
        let notices = world.nodes[0].notices();
        let told = notices.iter().filter_map(|notice| {
            if let Notice::TwoMasters { priority, lasted, adverts, .. } = notice {
                Some((*priority, *lasted, *adverts))
            } else {
                None
            }
        });
        told.collect()
    };
    assert_eq!(told(&world), []);
    world.run_until(ms(8_000));
    assert_eq!(told(&world), [(100, Duration::from_secs(2), 3)]);
    assert_eq!(world.nodes[0].router.status(FIRST).unwrap().rival, None);
    // Another time is another occurrence, and a resignation ends it at once.
    world.hear(0, &advert_of(&v2(), 2, 100));
    world.hear(0, &advert_of(&v2(), 2, 0));
    assert_eq!((told(&world).len(), world.nodes[0].router.counters(FIRST).two_masters), (2, 2));
}

#[test]
fn a_master_that_gives_way_tells_how_long_there_were_two() {
    let mut world = World::of([alone(with_priority(v2(), 150))]);
    world.run_until(ms(10_000));
    world.hear(0, &advert_of(&v2(), 2, 100));
    world.run_until(ms(11_000));
    world.hear(0, &advert_of(&v2(), 2, 100));
    world.hear(0, &advert_of(&v2(), 2, 200));
    let notices = world.nodes[0].notices();
    let lasted =
        notices.iter().find_map(|n| if let Notice::TwoMasters { lasted, .. } = n { Some(*lasted) } else { None });
    assert_eq!(lasted, Some(Duration::from_secs(1)));
}
