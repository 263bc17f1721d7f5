//! When things happen, to the microsecond: start, takeover, the grid of adverts, announcements.

use crate::lan::{FIRST, Packet, SECOND, World, advert_of, alone, micros, ms, us, v2, v3, v6, with_priority};
use standfast_model::config::VrrpConfig;
use standfast_model::config::vrrp::{Garp, InitialState, Instance, InstanceId};
use standfast_model::{AdvertInterval, State, Vrid};
use standfast_vrrp::{Action, Event};
use std::time::Duration;

fn centis(instance: Instance, centiseconds: u16) -> Instance {
    Instance { advert_interval: AdvertInterval::from_centiseconds(centiseconds).unwrap(), ..instance }
}

fn seconds(instance: Instance, seconds: u8) -> Instance {
    Instance { advert_interval: AdvertInterval::from_seconds(seconds).unwrap(), ..instance }
}

/// When a router alone on its LAN sends its first advertisement.
fn first_advert(instance: Instance) -> u64 {
    let mut world = World::of([alone(instance)]);
    world.run(Duration::from_secs(200));
    world.nodes[0].adverts(FIRST)[0].0
}

// REQ: VRRP2-6.4.1-02 VRRP3-6.4.1-02 VRRP2-6.4.1-01 VRRP3-6.4.1-01
#[test]
fn a_router_alone_takes_over_after_its_down_interval_and_an_owner_at_once() {
    for (instance, expected) in [
        (v2(), 3_609_375),
        (with_priority(v2(), 254), 3_007_812),
        (with_priority(v2(), 150), 3_414_062),
        (with_priority(v2(), 1), 3_996_093),
        (seconds(v2(), 5), 15_609_375),
        (v3(), 3_609_375),
        (centis(v3(), 25), 902_343),
        (centis(v3(), 1), 36_093),
        (with_priority(centis(v3(), 4095), 1), 163_640_039),
        (v6(), 3_609_375),
        (with_priority(v2(), 255), 0),
        (with_priority(v3(), 255), 0),
        // `state` has no influence: a router that does not own the addresses listens first.
        (Instance { initial_state: InitialState::Master, ..v2() }, 3_609_375),
        (Instance { down_timer_adverts: 1, ..v2() }, 1_609_375),
    ] {
        let told = format!("{:?} {} {}", instance.version, instance.priority, instance.advert_interval);
        assert_eq!(first_advert(instance), expected, "{told}");
    }
}

/// When a backup takes over that hears this packet at one second.
fn takeover_after(own: &Instance, heard: &Packet) -> u64 {
    let mut world = World::of([alone(own.clone())]);
    world.run_until(ms(1_000));
    world.hear(0, heard);
    world.run(Duration::from_secs(200));
    world.nodes[0].adverts(FIRST)[0].0 - 1_000_000
}

// REQ: VRRP2-6.4.2-05 VRRP2-6.4.2-06 VRRP3-6.4.2-05 VRRP3-6.4.2-06 VRRP3-6.1-01
#[test]
fn a_backup_waits_from_the_last_advertisement_and_by_the_masters_interval() {
    let owner = |like: &Instance| advert_of(like, 2, 255);
    for (own, heard, expected) in [
        (v2(), owner(&v2()), 3_609_375),
        (with_priority(v2(), 254), owner(&v2()), 3_007_812),
        // Version 3 waits by what the master says, and by its own again when it says nothing.
        (v3(), owner(&centis(v3(), 50)), 1_804_687),
        (centis(v3(), 50), owner(&v3()), 3_609_375),
        (v3(), owner(&centis(v3(), 25)), 902_343),
        (v6(), owner(&centis(v6(), 50)), 1_804_687),
        // Priority 0 leaves the skew alone, computed with the interval learned.
        (v2(), advert_of(&v2(), 2, 0), 609_375),
        (with_priority(v2(), 254), advert_of(&v2(), 2, 0), 7_812),
        (v3(), advert_of(&v3(), 2, 0), 609_375),
        // Equal priority is a master too: no address is compared by a backup.
        (v2(), advert_of(&v2(), 2, 100), 3_609_375),
    ] {
        let told = format!("{:?} {} hears {}", own.version, own.priority, heard.priority());
        assert_eq!(takeover_after(&own, &heard), expected, "{told}");
    }
}

// REQ: VRRP3-6.4.2-05 VRRP3-6.1-02 VRRP3-6.1-03
#[test]
fn the_interval_is_learned_for_skew_and_silence_and_forgotten_when_speaking() {
    let mut world = World::of([alone(v3())]);
    world.run_until(ms(1_000));
    for heard in [100, 25, 4095, 25] {
        world.hear(0, &advert_of(&centis(v3(), heard), 2, 200));
    }
    assert_eq!(micros(world.nodes[0].router.next_deadline().unwrap()), 1_902_343);
    world.hear(0, &advert_of(&v3(), 2, 0));
    assert_eq!(micros(world.nodes[0].router.next_deadline().unwrap()), 1_152_343);
    world.run_until(ms(3_000));
    let packets = world.nodes[0].packets(FIRST);
    let times: Vec<u64> = packets.iter().map(|(at, _)| micros(*at)).collect();
    assert_eq!(times, [1_152_343, 2_152_343]);
    // Octets 4 and 5: 100 centiseconds.
    assert!(packets.iter().all(|(_, packet)| packet.message[4..6] == [0, 100]));
}

// REQ: VRRP2-6.4.3-04 VRRP3-6.4.3-06
#[test]
fn ten_minutes_of_centiseconds_do_not_drift_however_late_the_timer_fires() {
    let mut world = World::of([alone(with_priority(centis(v3(), 1), 255))]);
    for slot in 1..=60_000_u64 {
        // Up to 9 ms late, never the same.
        world.now = us(slot * 10_000 + slot * 7_919 % 9_000);
        assert!(world.nodes[0].router.next_deadline().is_some_and(|at| at == us(slot * 10_000)), "slot {slot}");
        world.event(0, Event::Wake);
    }
    assert_eq!(world.nodes[0].adverts(FIRST).len(), 60_001);
}

#[test]
fn a_late_wake_sends_one_advertisement_and_returns_to_the_grid() {
    let mut world = World::of([alone(with_priority(v2(), 255))]);
    world.now = ms(2_900);
    world.event(0, Event::Wake);
    let adverts = world.nodes[0].adverts(FIRST);
    assert_eq!(adverts, [(0, 255), (2_900_000, 255)]);
    assert_eq!(world.nodes[0].router.next_deadline(), Some(ms(3_000)));
}

#[test]
fn a_wake_too_early_does_nothing() {
    for priority in [100, 255] {
        let mut world = World::of([alone(with_priority(v2(), priority))]);
        world.forget();
        let before = world.nodes[0].router.next_deadline();
        world.now = us(999_999);
        world.event(0, Event::Wake);
        assert_eq!((world.nodes[0].router.next_deadline(), world.nodes[0].log.len()), (before, 0));
    }
}

// REQ: VRRP2-7.2-03
#[test]
fn identification_counts_from_1_through_every_kind_of_advertisement_and_skips_0() {
    let mut world = garp_world(Garp { master_delay: Duration::ZERO, ..Garp::default() });
    for second in 1..=65_540 {
        world.run_until(ms(second * 1_000));
        world.forget_all_but_last();
        let Some((_, Action::Send { packet, .. })) = world.nodes[0].log.last() else { panic!("no advertisement") };
        let expected = if second + 1 > 65_535 { second + 1 - 65_535 } else { second + 1 };
        assert_eq!(u64::from(Packet::identification(packet)), expected);
    }
    world.hear(0, &advert_of(&v2(), 2, 100));
    world.event(0, Event::Shutdown);
    let identifications: Vec<u16> = world.nodes[0].sent().iter().map(|packet| Packet::identification(packet)).collect();
    assert_eq!(identifications, [6, 7, 8]);
}

fn garp_world(garp: Garp) -> World {
    World::of([alone(Instance { garp, ..with_priority(v2(), 255) })])
}

// REQ: KA-GARP-01 KA-GARP-02 ARP-2.3-03
#[test]
fn neighbours_are_told_at_takeover_and_once_more_after_the_delay() {
    let mut world = garp_world(Garp::default());
    world.run(Duration::from_secs(60));
    assert_eq!(world.nodes[0].announcements(FIRST), [(0, 5), (5_000_000, 5)]);
    let mut world = garp_world(Garp { master_delay: Duration::ZERO, master_repeat: 2, ..Garp::default() });
    world.run(Duration::from_secs(60));
    assert_eq!(world.nodes[0].announcements(FIRST), [(0, 2)]);
}

// REQ: KA-GARP-03
#[test]
fn refreshes_ride_on_advertisements_and_begin_after_delay_and_refresh() {
    let garp = Garp {
        master_delay: Duration::from_secs(2),
        master_repeat: 2,
        master_refresh: Duration::from_secs(2),
        master_refresh_repeat: 1,
        ..Garp::default()
    };
    let mut world = garp_world(garp);
    world.run(Duration::from_secs(9));
    assert_eq!(
        world.nodes[0].announcements(FIRST),
        [(0, 2), (2_000_000, 2), (4_000_000, 1), (6_000_000, 1), (8_000_000, 1)]
    );
}

// REQ: KA-GARP-04 VRRP2-6.4.3-07 VRRP3-6.4.3-09
#[test]
fn a_lower_priority_is_answered_at_once_and_the_neighbours_are_told_twice() {
    for instance in [v2(), v3(), v6()] {
        let mut world = World::of([alone(with_priority(instance.clone(), 255))]);
        world.run_until(ms(20_400));
        world.forget();
        world.hear(0, &advert_of(&instance, 2, 100));
        world.run_until(ms(30_000));
        let node = &world.nodes[0];
        let times: Vec<u64> = node.adverts(FIRST).into_iter().map(|(at, _)| at).take(3).collect();
        assert_eq!(times, [20_400_000, 21_400_000, 22_400_000], "the Adver_Timer restarts");
        assert_eq!(node.announcements(FIRST), [(20_400_000, 5), (25_400_000, 5)]);
        assert_eq!(node.router.state(FIRST), State::Master);
    }
}

// REQ: VRRP2-6.4.3-07
#[test]
fn lower_prio_no_advert_keeps_the_grid_and_still_tells_the_neighbours() {
    let instance = Instance { lower_prio_no_advert: true, ..with_priority(v2(), 255) };
    let mut world = World::of([alone(instance)]);
    world.run_until(ms(20_400));
    world.forget();
    world.hear(0, &advert_of(&v2(), 2, 100));
    world.run_until(ms(21_000));
    assert_eq!(world.nodes[0].adverts(FIRST), [(21_000_000, 255)]);
    assert_eq!(world.nodes[0].announcements(FIRST), [(20_400_000, 5)]);
}

#[test]
fn lower_prio_repeat_0_tells_nobody() {
    let garp = Garp { lower_prio_repeat: 0, ..Garp::default() };
    let mut world = garp_world(garp);
    world.run_until(ms(20_400));
    world.forget();
    world.hear(0, &advert_of(&v2(), 2, 100));
    world.run_until(ms(40_000));
    assert_eq!(world.nodes[0].announcements(FIRST), []);
}

#[test]
fn a_flood_of_lower_priorities_is_answered_once_a_centisecond() {
    let mut world = World::of([alone(with_priority(v2(), 255))]);
    world.run_until(ms(20_400));
    world.forget();
    for packet in 0..10_000 {
        world.now = ms(20_400) + Duration::from_micros(packet * 100);
        world.hear(0, &advert_of(&v2(), 2, if packet % 2 == 0 { 100 } else { 0 }));
    }
    let node = &world.nodes[0];
    assert_eq!(node.adverts(FIRST).len(), 100);
    assert!(node.announcements(FIRST).len() <= 100);
    assert_eq!(node.router.counters(FIRST).advert_received, 10_000);
}

// REQ: VRRP2-6.4.3-05 VRRP3-6.4.3-07
#[test]
fn a_master_answers_a_resignation_at_once_and_waits_a_full_interval_after_it() {
    for instance in [v2(), v3()] {
        let mut world = World::of([alone(with_priority(instance.clone(), 255))]);
        world.run_until(ms(20_400));
        world.forget();
        world.hear(0, &advert_of(&instance, 2, 0));
        world.run_until(ms(22_000));
        let times: Vec<u64> = world.nodes[0].adverts(FIRST).into_iter().map(|(at, _)| at).collect();
        assert_eq!(times, [20_400_000, 21_400_000]);
        assert_eq!(world.nodes[0].announcements(FIRST), []);
    }
}

/// When the two instances of a router that takes over one `apart` microseconds after the other advertise, in
/// microseconds, and how often it was woken for that.
fn shared(apart: u64, interval: AdvertInterval) -> (Vec<u64>, Vec<u64>) {
    let like = with_priority(Instance { advert_interval: interval, ..v3() }, 100);
    let other = Instance { name: "VI_2".to_owned(), vrid: Vrid::new(52).unwrap(), ..like.clone() };
    let config = VrrpConfig { instances: vec![like.clone(), other], ..VrrpConfig::default() };
    let mut world = World::of([config]);
    // A resignation each, so far apart: the timers follow.
    let one = u64::from(interval.centiseconds()) * 10_000;
    world.run_until(us(one));
    world.hear(0, &advert_of(&like, 9, 0));
    world.run_until(us(one + apart));
    let mut second = like;
    second.vrid = Vrid::new(52).unwrap();
    world.hear(0, &advert_of(&second, 9, 0));
    world.run_until(us(20_000_000));
    let times = |id| world.nodes[0].adverts(id).into_iter().map(|(at, _)| at).collect::<Vec<_>>();
    (times(FIRST), times(SECOND))
}

#[test]
fn advertisements_due_within_a_millisecond_leave_together_and_none_drifts() {
    let second = AdvertInterval::DEFAULT;
    let (first, other) = shared(900, second);
    assert_eq!(other[0] - first[0], 900, "to take over early is nobody's right");
    assert_eq!(first[1..], other[1..], "one wake");
    // Ten intervals on, the first is where it belongs.
    assert_eq!(first[10] - first[0], 10_000_000);
    let (first, other) = shared(1_100, second);
    assert!(first.iter().zip(&other).all(|(a, b)| b - a == 1_100), "too far apart");
    let half = AdvertInterval::from_centiseconds(50).unwrap();
    let (first, other) = shared(1_000, half);
    assert_eq!(first[5], other[5]);
    let tenth = AdvertInterval::from_centiseconds(1).unwrap();
    let (first, other) = shared(1_000, tenth);
    assert_eq!(first[5], other[5], "a tenth of ten milliseconds");
    // Of a short interval a tenth at most.
    let centisecond = AdvertInterval::from_centiseconds(1).unwrap();
    let (first, other) = shared(900, centisecond);
    assert_eq!(first[50], other[50]);
    let (first, other) = shared(1_001, centisecond);
    assert_eq!(other[50] - first[50], 1_001);
}

/// So many routers of one node, started in one moment; the second half in one sync group.
fn rack(count: u8) -> VrrpConfig {
    let instances = (1..=count).map(|vrid| {
        let one = centis(with_priority(v3(), 200), 10);
        Instance { name: format!("VI_{vrid}"), vrid: Vrid::new(vrid).unwrap(), ..one }
    });
    let members: Vec<u32> = (u32::from(count) / 2..u32::from(count)).collect();
    VrrpConfig { instances: instances.collect(), groups: vec![crate::lan::group(&members)], ..VrrpConfig::default() }
}

#[test]
fn many_routers_that_took_over_together_are_spread_over_the_interval_and_a_group_stays_together() {
    const COUNT: u8 = 240;
    let mut world = World::of([rack(COUNT)]);
    world.run(Duration::from_secs(2));
    let times: Vec<Vec<u64>> = (0..u32::from(COUNT))
        .map(|id| world.nodes[0].adverts(InstanceId(id)).into_iter().map(|(at, _)| at).collect())
        .collect();
    let down = 300_000 + 100_000 * 56 / 256;
    for of in &times {
        // The first when it is due, and then never later than an interval after the one before.
        assert_eq!(of[0], down);
        assert!(of.windows(2).all(|two| two[1] - two[0] <= 100_000), "{of:?}");
        // From the second on a grid.
        assert!(of[1..].windows(2).all(|two| two[1] - two[0] == 100_000), "{of:?}");
    }
    let seconds: Vec<u64> = times.iter().map(|of| of[1]).collect();
    let (alone, grouped) = seconds.split_at(usize::from(COUNT) / 2);
    assert!(grouped.iter().all(|at| *at == grouped[0]), "{grouped:?}");
    let mut moments = alone.to_vec();
    moments.sort_unstable();
    let most = moments.chunk_by(|a, b| b - a < 1_000).map(<[u64]>::len).max().unwrap();
    assert!(most <= 8, "{most} advertise within a millisecond");
}
