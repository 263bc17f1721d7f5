//! Known facts of one pair, from the packet to the address: how long each kind of takeover takes.
#![expect(clippy::unwrap_used, reason = "a fact that cannot be set up is a failed test")]

use core::time::Duration;
use ipnet::IpNet;
use standfast_model::config::vrrp::{Instance, Preempt};
use standfast_model::{AdvertInterval, Instant, Priority, Secret, Version, VirtualAddress, Vrid};
use standfast_node::VrrpNode;
use standfast_sim::fault::{Blows, Fault};
use standfast_sim::lan::{LanId, MachineId};
use standfast_sim::scenario::interface;
use standfast_sim::{Scenario, World};

const A: MachineId = MachineId(0);
const B: MachineId = MachineId(1);

/// What the scheduler, the LAN and the start of the daemon may add.
const TOLERANCE: Duration = Duration::from_micros(2_500);

fn instance(priority: u8) -> Instance {
    let mut instance = Instance::plain("VI", interface(LanId(0)), Vrid::new(51).unwrap());
    instance.priority = Priority::new(priority).unwrap();
    instance.addresses = vec![VirtualAddress::plain("10.0.0.100/32".parse::<IpNet>().unwrap())];
    instance
}

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

/// The pair after a calm minute.
fn settled(instances: Vec<Instance>) -> World<VrrpNode> {
    let mut world = World::new(Scenario::on_one_lan(1, instances), Blows::None, true);
    world.run_until(at(60)).unwrap();
    world
}

fn master(world: &World<VrrpNode>) -> Option<MachineId> {
    let holders = world.holders(0);
    assert!(holders.len() < 3);
    holders.first().copied().filter(|_| holders.len() == 1)
}

/// When the last line of the trace that has all `words` was written.
fn last_line(world: &World<VrrpNode>, words: &str) -> Instant {
    let line = world.trace().whole().unwrap().lines().rev().find(|line| line.contains(words)).unwrap();
    let (seconds, nanos) = line.split_once("s ").unwrap().0.split_once('.').unwrap();
    Instant::from_nanos(seconds.parse::<u64>().unwrap() * 1_000_000_000 + nanos.parse::<u64>().unwrap())
}

fn takes(took: Duration, expected: Duration) {
    assert!(expected <= took + TOLERANCE && took <= expected + TOLERANCE, "{took:?}, expected {expected:?}");
}

/// Lets a fault befall the master A, and says how long B takes to hold the addresses: since the fault, and since the last
/// advertisement of A.
fn takeover(instances: Vec<Instance>, fault: Fault) -> (Duration, Duration) {
    let mut world = settled(instances);
    assert_eq!(master(&world), Some(A));
    let struck = at(60) + Duration::from_millis(1);
    world.plan(struck, fault);
    world.run_until(struck).unwrap();
    let last = last_line(&world, "m0 r0 advertises");
    let taken = world.run_until_true(at(120), |world| master(world) == Some(B)).unwrap().unwrap();
    (taken.since(struck), taken.since(last))
}

// REQ: VRRP2-6.4.2-04
#[test]
fn a_standby_takes_over_three_intervals_and_its_skew_time_after_the_last_advert() {
    let (_, silent) = takeover(vec![instance(150), instance(100)], Fault::PowerCut(A));
    takes(silent, Duration::from_micros(3_609_375));
}

// REQ: VRRP2-6.4.2-05 VRRP2-6.4.3-03
#[test]
fn a_standby_takes_over_its_skew_time_after_a_resignation() {
    let (since, _) = takeover(vec![instance(150), instance(100)], Fault::Stop(A));
    takes(since, Duration::from_micros(609_375));
}

// REQ: KA-FAULT-01
#[test]
fn a_master_without_carrier_is_followed_as_a_silent_one() {
    let (_, silent) = takeover(vec![instance(150), instance(100)], Fault::Carrier(A, LanId(0), false));
    takes(silent, Duration::from_micros(3_609_375));
}

// REQ: VRRP3-6.1-01 VRRP3-6.1-03
#[test]
fn version_3_waits_by_the_interval_of_its_master() {
    let version_3 = |priority, centiseconds| {
        let advert_interval = AdvertInterval::from_centiseconds(centiseconds).unwrap();
        Instance { version: Version::V3, advert_interval, ..instance(priority) }
    };
    let (_, silent) = takeover(vec![version_3(150, 50), version_3(100, 100)], Fault::PowerCut(A));
    takes(silent, Duration::from_micros(1_804_687));
    let (since, _) = takeover(vec![version_3(150, 25), version_3(100, 100)], Fault::Stop(A));
    takes(since, Duration::from_micros(152_343));
}

/// A comes back after B has taken over; when it is master again after its start.
fn comes_back(preempt: Preempt) -> Option<Duration> {
    let with = |priority| Instance { preempt, ..instance(priority) };
    let mut world = settled(vec![with(150), with(100)]);
    // Under `nopreempt` whoever came first is master: it is to be A.
    world.plan(at(61), Fault::Stop(B));
    world.plan(at(70), Fault::Start(B));
    world.plan(at(80), Fault::PowerCut(A));
    world.plan(at(90), Fault::Start(A));
    world.run_until(at(90)).unwrap();
    assert_eq!(master(&world), Some(B));
    let back = world.run_until_true(at(120), |world| master(world) == Some(A)).unwrap();
    back.map(|back| back.since(at(90)))
}

// REQ: KA-PRE-01 KA-PRE-03
#[test]
fn a_better_router_comes_back_after_its_down_interval_and_never_under_nopreempt() {
    let back = comes_back(Preempt::After(Duration::ZERO)).unwrap();
    takes(back, Duration::from_micros(3_414_062));
    assert_eq!(comes_back(Preempt::Never), None);
}

// REQ: KA-PRE-02
#[test]
fn a_preempt_delay_is_kept_from_the_first_lower_advert_on() {
    let delay = Duration::from_secs(3);
    let back = comes_back(Preempt::After(delay)).unwrap();
    // The last advert that counted came within the delay, at most one interval before its end.
    let (least, most) = (Duration::from_micros(2_000_000 + 3_414_062), Duration::from_micros(4_000_000 + 3_414_062));
    assert!(least <= back && back <= most + TOLERANCE, "{back:?}");
}

// REQ: VRRP2-6.4.3-06
#[test]
fn of_two_masters_after_a_healed_split_the_better_one_stays() {
    let mut world = settled(vec![instance(150), instance(100)]);
    world.plan(at(60), Fault::Split(LanId(0), vec![0, 1]));
    world.plan(at(70), Fault::Heal(LanId(0)));
    world.run_until(at(69)).unwrap();
    assert_eq!(world.holders(0), [A, B]);
    let one = world.run_until_true(at(80), |world| master(world) == Some(A)).unwrap().unwrap();
    assert!(one.since(at(70)) <= Duration::from_secs(1) + TOLERANCE, "{:?}", one.since(at(70)));
}

// REQ: VRRP2-6.4.3-06 VRRP3-6.4.3-08
#[test]
fn of_two_equal_masters_the_one_with_the_higher_address_stays() {
    let mut world = settled(vec![instance(100), instance(100)]);
    world.plan(at(60), Fault::Split(LanId(0), vec![0, 1]));
    world.plan(at(70), Fault::Heal(LanId(0)));
    world.run_until(at(72)).unwrap();
    assert_eq!(world.holders(0), [B], "10.0.0.2 is higher than 10.0.0.1");
}

// REQ: VRRP3-6.4-01 KA-BUG-01
#[test]
fn ten_thousand_bad_packets_move_no_advertisement() {
    use standfast_sim::fault::{Noise, Wrong};
    let adverts = |noisy: bool| {
        let mut world = settled(vec![instance(150), instance(100)]);
        if noisy {
            for number in 0..10_000 {
                let wrong = Wrong::ALL[usize::try_from(number).unwrap() % Wrong::ALL.len()];
                let noise = Fault::Noise(LanId(0), Noise { router: 0, wrong, priority: 0 });
                world.plan(at(60) + Duration::from_millis(number), noise);
            }
        }
        world.run_until(at(80)).unwrap();
        let lines = world.trace().whole().unwrap().to_owned();
        let sent: Vec<String> = lines.lines().filter(|line| line.contains("advertises")).map(String::from).collect();
        // To the tenth of a second: the scheduler draws other numbers when more happens.
        sent.iter()
            .map(|line| line.split_once('.').map(|(s, rest)| (s.to_owned(), rest[..1].to_owned())))
            .collect::<Vec<_>>()
    };
    let quiet = adverts(false);
    assert!(quiet.len() >= 70, "{}", quiet.len());
    assert_eq!(adverts(true), quiet);
}

// REQ: KA-FAULT-01
#[test]
fn an_interface_that_gets_another_name_is_lost_with_its_addresses_and_comes_back_with_its_own() {
    let mut world = settled(vec![instance(150), instance(100)]);
    world.plan(at(60), Fault::Rename(A, LanId(0), true));
    world.plan(at(80), Fault::Rename(A, LanId(0), false));
    world.run_until(at(70)).unwrap();
    assert_eq!(master(&world), Some(B));
    let address = "10.0.0.100/32".parse::<IpNet>().unwrap();
    assert!(!world.kernel(A).has(LanId(0), address), "on a link that is not the configuration's");
    assert!(world.kernel(B).has(LanId(0), address));
    world.run_until(at(100)).unwrap();
    assert_eq!(master(&world), Some(A));
    assert!(world.kernel(A).has(LanId(0), address));
}

/// Whatever happened while no daemon ran, the one that comes next finds it by the number of the link.
#[test]
fn what_a_killed_master_left_on_a_link_that_was_renamed_meanwhile_goes_when_the_next_one_starts() {
    let address = "10.0.0.100/32".parse::<IpNet>().unwrap();
    let mut world = settled(vec![instance(150), instance(100)]);
    world.plan(at(60), Fault::Kill(A));
    world.plan(at(61), Fault::Rename(A, LanId(0), true));
    world.run_until(at(62)).unwrap();
    assert!(world.kernel(A).has(LanId(0), address));
    world.plan(at(62), Fault::Start(A));
    world.run_until(at(63)).unwrap();
    assert!(!world.kernel(A).has(LanId(0), address));
    // What somebody else puts there is not the daemon's to remove.
    world.plan(at(63), Fault::GiveAddresses(A, 0));
    world.plan(at(64), Fault::Kill(A));
    world.plan(at(65), Fault::Start(A));
    world.plan(at(66), Fault::Stop(A));
    world.run_until(at(67)).unwrap();
    assert!(world.kernel(A).has(LanId(0), address));
}

// REQ: VRRP3-8.4.2-01
#[test]
fn two_versions_of_the_protocol_hear_nothing_of_each_other_and_none_of_them_flaps() {
    let version_3 = Instance { version: Version::V3, ..instance(100) };
    let mut world: World<VrrpNode> =
        World::new(Scenario::on_one_lan(1, vec![instance(150), version_3]), Blows::None, true);
    // Both are masters, which is what the law of one holder is there to say.
    let report = world.run_until(at(60)).unwrap_err();
    assert_eq!(report.broken.law, standfast_sim::laws::Law::OneHolder);
    assert_eq!(world.holders(0), [A, B]);
    let whole = world.trace().whole().unwrap();
    assert_eq!(whole.lines().filter(|line| line.contains("->")).count(), 4, "to BACKUP and to MASTER, once each");
}

/// A pair that signs, and believes only what is signed.
fn signed(priority: u8) -> Instance {
    use standfast_model::config::instance::{Hmac, HmacKey, HmacMode, Replay};
    let key = |id: u8| HmacKey { id, octets: Secret::new(vec![id; 32]) };
    let mut instance = instance(priority);
    instance.options.hmac = Some(Hmac {
        keys: vec![key(1), key(2)],
        active: 1,
        time_window: Duration::from_secs(30),
        replay: Replay::Time,
        mode: HmacMode::Enforce,
    });
    instance
}

#[test]
fn a_resignation_that_is_sent_once_more_after_a_reboot_moves_nothing() {
    let mut world = settled(vec![signed(150), signed(100)]);
    // A resigns, comes back, and is master again; both are rebooted, one by one, and remember nothing.
    world.plan(at(60), Fault::Stop(A));
    world.plan(at(65), Fault::Start(A));
    world.plan(at(100), Fault::PowerCut(B));
    world.plan(at(101), Fault::Start(B));
    world.run_until(at(110)).unwrap();
    assert_eq!(master(&world), Some(A));
    let before = world.trace().whole().unwrap().lines().filter(|line| line.contains("->")).count();
    world.plan(at(110), Fault::Replay);
    world.run_until(at(130)).unwrap();
    assert_eq!(world.tally().replays, 1);
    assert_eq!(world.trace().whole().unwrap().lines().filter(|line| line.contains("->")).count(), before);
    assert!(world.tally().notices > 0, "it was refused with a word");
}

#[test]
fn a_wall_clock_that_steps_by_hours_parts_those_who_sign_and_nobody_else() {
    let parted = |instances: Vec<Instance>| {
        let mut world = settled(instances);
        world.plan(at(60), Fault::ClockWrong(A, 7_200));
        world.plan(at(90), Fault::ClockWrong(A, 0));
        world.run_until(at(80)).unwrap();
        let holders = world.holders(0).len();
        world.run_until(at(100)).unwrap();
        assert_eq!(master(&world), Some(A));
        holders
    };
    assert_eq!(parted(vec![instance(150), instance(100)]), 1);
    // A replay from two hours ago is what a clock so far back looks like: neither believes the other.
    assert_eq!(parted(vec![signed(150), signed(100)]), 2);
}

#[test]
fn a_key_is_rotated_on_both_without_a_move() {
    use standfast_sim::variation::Variation;
    let mut world = settled(vec![signed(150), signed(100)]);
    let before = world.tally().takeovers;
    world.plan(at(60), Fault::Reconfigure(Variation::OtherKey(0)));
    world.run_until(at(80)).unwrap();
    assert_eq!((master(&world), world.tally().takeovers), (Some(A), before));
    assert_eq!(world.tally().reloads, 2);
}

#[test]
fn a_daemon_that_starts_is_held_to_the_interval_that_it_reads_and_not_to_the_one_before() {
    use standfast_sim::variation::Variation;
    let slow = |priority| {
        let advert_interval = AdvertInterval::from_centiseconds(100).unwrap();
        Instance { version: Version::V3, advert_interval, ..instance(priority) }
    };
    let mut world = settled(vec![slow(150), slow(100)]);
    world.plan(at(60), Fault::Reconfigure(Variation::Faster(0)));
    world.plan(at(70), Fault::Stop(A));
    world.plan(at(71), Fault::Reconfigure(Variation::Drawn));
    world.plan(at(80), Fault::Start(A));
    world.run_until(at(120)).unwrap();
    assert_eq!(master(&world), Some(A));
}

#[test]
fn a_standby_that_is_given_another_vrid_while_its_master_is_gone_waits_its_whole_interval_again() {
    use standfast_sim::variation::Variation;
    let mut world = settled(vec![instance(150), instance(100)]);
    world.plan(at(60), Fault::PowerCut(A));
    world.plan(at(62), Fault::Reconfigure(Variation::OtherVrid(0)));
    let taken = world.run_until_true(at(80), |world| master(world) == Some(B)).unwrap().unwrap();
    let waited = taken.since(at(62));
    assert!(waited >= Duration::from_micros(3_609_375) && waited < Duration::from_millis(3_700), "{waited:?}");
    world.run_until(at(120)).unwrap();
}
