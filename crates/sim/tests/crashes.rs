//! A daemon that is killed between any two things that it does, and a machine that stands still, on both sides of the edge
//! between going on and listening first.
#![expect(clippy::unwrap_used, reason = "a pair that cannot be set up is a failed test")]

use core::time::Duration;
use ipnet::IpNet;
use standfast_model::config::vrrp::{Instance, Preempt};
use standfast_model::{AdvertInterval, Instant, Priority, Version, VirtualAddress, Vrid};
use standfast_node::VrrpNode;
use standfast_sim::fault::{Blows, Fault};
use standfast_sim::lan::{LanId, MachineId};
use standfast_sim::scenario::interface;
use standfast_sim::{Scenario, World};

const A: MachineId = MachineId(0);
const B: MachineId = MachineId(1);

/// More things than a daemon does in a takeover: every one of them is a place to be killed at.
const CALLS: u32 = 60;

fn instance(priority: u8, centiseconds: u16) -> Instance {
    let mut instance = Instance::plain("VI", interface(LanId(0)), Vrid::new(51).unwrap());
    instance.version = Version::V3;
    instance.advert_interval = AdvertInterval::from_centiseconds(centiseconds).unwrap();
    instance.priority = Priority::new(priority).unwrap();
    instance.addresses = ["10.0.0.100/32", "10.0.0.101/32", "10.0.0.102/32"]
        .map(|address| VirtualAddress::plain(address.parse::<IpNet>().unwrap()))
        .to_vec();
    instance
}

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn settled(seed: u64, instances: Vec<Instance>) -> World<VrrpNode> {
    let mut world = World::new(Scenario::on_one_lan(seed, instances), Blows::None, true);
    world.run_until(at(30)).unwrap();
    assert_eq!(world.holders(0), [A]);
    world
}

/// When each line of the trace that has all of `words` was written, from `since` on.
fn lines(world: &World<VrrpNode>, words: &[&str], since: Instant) -> Vec<Instant> {
    let written = |line: &str| {
        let (seconds, nanos) = line.split_once("s ")?.0.split_once('.')?;
        Some(Instant::from_nanos(seconds.parse::<u64>().ok()? * 1_000_000_000 + nanos.parse::<u64>().ok()?))
    };
    let whole = world.trace().whole().unwrap();
    let matching = whole.lines().filter(|line| words.iter().all(|word| line.contains(word)));
    matching.filter_map(written).filter(|at| *at >= since).collect()
}

#[test]
fn a_master_killed_between_any_two_things_it_does_is_followed_by_a_successor_that_nobody_misses() {
    for centiseconds in [10, 20, 50, 100] {
        for cut in 0..CALLS {
            let mut world = settled(cut.into(), vec![instance(150, centiseconds), instance(100, centiseconds)]);
            world.plan(at(30), Fault::CutAfter(A, cut % 8));
            // Announcements are most of what a master does when something was taken from it.
            if cut >= 8 {
                world.plan(at(30), Fault::TakeAddresses(A, 0));
            }
            world.run_until(at(50)).unwrap();
            assert_eq!(lines(&world, &["is killed at work"], at(30)).len(), 1, "{centiseconds} cs, cut {cut}");
            assert_eq!(world.holders(0), [A]);
            assert_eq!(lines(&world, &["m1 VI", "->"], at(30)), [], "a failover; {centiseconds} cs, cut {cut}");
            assert_eq!(world.tally().adoptions, 1, "{centiseconds} cs, cut {cut}");
            if centiseconds >= 50 {
                let sent = lines(&world, &["m0 r0 advertises"], at(25));
                let gap = sent.windows(2).map(|two| two[1].since(two[0])).max().unwrap();
                let bound = Duration::from_millis(u64::from(centiseconds) * 15);
                assert!(gap <= bound, "{gap:?} without advertisement; {centiseconds} cs, cut {cut}");
            }
        }
    }
}

#[test]
fn a_standby_killed_between_any_two_things_of_its_takeover_takes_over_all_the_same() {
    for centiseconds in [10, 20, 50, 100] {
        let down = Duration::from_millis(u64::from(centiseconds) * 10) * 4;
        let mut killed = 0;
        for cut in 0..CALLS {
            let mut world = settled(cut.into(), vec![instance(150, centiseconds), instance(100, centiseconds)]);
            world.plan(at(30), Fault::PowerCut(A));
            world.plan(at(30), Fault::CutAfter(B, cut));
            world.run_until(at(30) + down * 3).unwrap();
            killed += lines(&world, &["is killed at work"], at(30)).len();
            // Killed before it could note that it spoke, it listens for a second time.
            assert_eq!(world.holders(0), [B], "{centiseconds} cs, cut {cut}");
        }
        assert!(killed > 20, "{killed} were killed at work");
    }
}

/// A stands still from just after an advertisement on, for so long; when it went on.
fn freezes(preempt: Preempt, slept: Duration) -> (World<VrrpNode>, Instant) {
    let with = |priority| Instance { preempt, ..instance(priority, 100) };
    let mut world = settled(1, vec![with(150), with(100)]);
    world.run_until(at(40)).unwrap();
    let last = lines(&world, &["m0 r0 advertises"], at(30)).last().copied().unwrap();
    let thaw = last + slept;
    // A moment later, so that it stands still after that advertisement and not before it.
    world.plan(at(40), Fault::Freeze(A));
    world.plan(thaw, Fault::Thaw(A));
    world.run_until(at(80)).unwrap();
    (world, thaw)
}

/// 3 s, and the skew times of priorities 150 and 100 at an interval of 1 s.
const DOWN: [Duration; 2] = [Duration::from_micros(3_414_062), Duration::from_micros(3_609_375)];

#[test]
fn a_master_that_stood_still_for_less_than_its_down_interval_goes_on_and_nobody_moves() {
    for preempt in [Preempt::Never, Preempt::After(Duration::ZERO)] {
        // Half of its skew is what an advertisement may need to get there.
        let (world, thaw) = freezes(preempt, DOWN[0] - Duration::from_millis(210));
        assert_eq!(lines(&world, &["VI", "->"], at(35)), [], "{preempt:?}");
        assert_eq!(world.holders(0), [A]);
        assert_eq!(lines(&world, &["m0 r0 advertises"], thaw).first(), Some(&thaw), "it speaks at once");
    }
}

#[test]
fn a_master_that_stood_still_for_longer_says_nothing_before_it_has_listened() {
    for preempt in [Preempt::Never, Preempt::After(Duration::ZERO)] {
        // Just past its own edge while nobody has taken over yet, just past the standby's, and long past it.
        for slept in [DOWN[0] - Duration::from_millis(200), DOWN[1] + Duration::from_millis(5), DOWN[1] * 3] {
            let (world, thaw) = freezes(preempt, slept);
            let yields = lines(&world, &["m0 VI", "MASTER -> BACKUP"], thaw);
            assert_eq!(yields.first(), Some(&thaw), "{preempt:?}, {slept:?}");
            let back = lines(&world, &["m0 VI", "BACKUP -> MASTER"], thaw).first().copied();
            let spoke = lines(&world, &["m0 r0 advertises"], thaw).first().copied();
            assert_eq!(spoke, back, "{preempt:?}, {slept:?}: it speaks as master only");
            match preempt {
                Preempt::Never => assert_eq!((back, world.holders(0)), (None, vec![B]), "{slept:?}"),
                Preempt::After(_) => {
                    let listened = back.unwrap().since(thaw);
                    assert!(listened >= DOWN[0], "{listened:?}");
                    assert_eq!(world.holders(0), [A]);
                }
            }
        }
    }
}

#[test]
fn a_daemon_killed_and_away_for_longer_than_the_down_interval_listens_first() {
    for (away, adopts) in [(Duration::from_millis(3_100), true), (Duration::from_millis(3_300), false)] {
        let mut world = settled(1, vec![instance(150, 100), instance(100, 100)]);
        world.run_until(at(40)).unwrap();
        let last = lines(&world, &["m0 r0 advertises"], at(30)).last().copied().unwrap();
        world.plan(at(40), Fault::Kill(A));
        world.plan(last + away, Fault::Start(A));
        world.run_until(last + away).unwrap();
        assert_eq!(world.holders(0), if adopts { vec![A] } else { vec![] }, "{away:?}");
        assert_eq!(world.tally().adoptions, u64::from(adopts));
    }
}
