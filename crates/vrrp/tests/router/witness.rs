//! Witnesses: a standby that hears nothing takes over only if they agree, and a master that loses its lease leaves.

use crate::lan::{FIRST, SECOND, World, advert_of, alone, group, ms, v2, with_priority};
use standfast_model::config::VrrpConfig;
use standfast_model::config::witness::{LeaseLost, NamedWitness, Need, Unreachable, WitnessId, WitnessPolicy};
use standfast_model::{Instant, State, Witnessed};
use standfast_vrrp::{Event, Notice, Router};
use std::time::Duration;

const GATEWAY: WitnessId = WitnessId(0);
const LEASE: WitnessId = WitnessId(1);

fn policy(witnesses: &[WitnessId], need: Need, unreachable: Unreachable, lost: LeaseLost) -> WitnessPolicy {
    WitnessPolicy { witnesses: witnesses.to_vec(), need, unreachable, lost }
}

/// One instance of priority 150 with that policy; its timer runs out after 3.414 s.
fn config(policy: WitnessPolicy) -> VrrpConfig {
    let mut config = alone(with_priority(v2(), 150));
    config.instances[0].options.witness = Some(policy);
    config.common.witnesses = vec![
        NamedWitness { name: "gateway".to_owned(), lease: false },
        NamedWitness { name: "store".to_owned(), lease: true },
    ];
    config
}

fn stay(witnesses: &[WitnessId]) -> VrrpConfig {
    config(policy(witnesses, Need::All, Unreachable::Stay, LeaseLost::StepDown))
}

fn tell(world: &mut World, witness: WitnessId, said: Witnessed) {
    world.event(0, Event::WitnessTold { witness, said });
}

fn unreachable() -> Witnessed {
    Witnessed::Unreachable { why: "no route to host".to_owned() }
}

fn refused() -> Witnessed {
    Witnessed::Refused { holder: "west".to_owned() }
}

fn held(until: Instant) -> Witnessed {
    Witnessed::Held { until }
}

fn state(world: &World) -> State {
    world.state(0, FIRST)
}

/// What was said about being held back, in order.
fn said(world: &World) -> Vec<String> {
    let why = |notice: &Notice| {
        let Notice::HeldBack { why, .. } = notice else { return None };
        Some(why.as_ref().map_or("over".to_owned(), ToString::to_string))
    };
    let held = world.nodes[0].notices().into_iter().filter_map(why);
    held.collect()
}

#[test]
fn a_standby_takes_over_in_time_if_its_witness_answers() {
    let mut world = World::of([stay(&[GATEWAY])]);
    tell(&mut world, GATEWAY, Witnessed::Reached);
    world.run_until(ms(3_500));
    assert_eq!(world.nodes[0].story()[1], "3.414062 VI_1 BACKUP MASTER: no advertisement for 3.414 s");
    assert!(said(&world).is_empty());
}

#[test]
fn a_standby_that_cannot_reach_its_witness_stays_says_why_once_and_takes_over_the_moment_it_can() {
    let mut world = World::of([stay(&[GATEWAY])]);
    tell(&mut world, GATEWAY, unreachable());
    world.run_until(ms(60_000));
    assert_eq!(state(&world), State::Backup);
    let why = "witness gateway cannot be reached: no route to host";
    assert_eq!(said(&world), [why]);
    let status = world.nodes[0].router.status(FIRST).unwrap();
    assert_eq!((status.held.unwrap().to_string().as_str(), status.held_back), (why, true));
    tell(&mut world, GATEWAY, Witnessed::Reached);
    assert_eq!(world.nodes[0].story()[1], "60.000000 VI_1 BACKUP MASTER: no advertisement for 60.000 s");
    assert_eq!(world.nodes[0].router.status(FIRST).unwrap().held, None);
    // A master does not leave because its witness does.
    tell(&mut world, GATEWAY, unreachable());
    world.run(Duration::from_secs(10));
    assert_eq!(state(&world), State::Master);
}

#[test]
fn a_master_that_is_heard_again_ends_the_wish() {
    let mut world = World::of([stay(&[GATEWAY])]);
    tell(&mut world, GATEWAY, unreachable());
    world.run_until(ms(5_000));
    world.hear(0, &advert_of(&v2(), 9, 200));
    assert_eq!(said(&world).last().unwrap(), "over");
    tell(&mut world, GATEWAY, Witnessed::Reached);
    assert_eq!(state(&world), State::Backup);
    world.run(Duration::from_secs(4));
    assert_eq!(state(&world), State::Master, "silence counts from the last advertisement");
}

#[test]
fn whoever_has_not_answered_is_waited_for_once_and_then_counts_as_silent() {
    for (unreachable, expected) in [(Unreachable::Stay, State::Backup), (Unreachable::Take, State::Master)] {
        let mut world = World::of([config(policy(&[GATEWAY], Need::All, unreachable, LeaseLost::Keep))]);
        world.run_until(ms(6_000));
        assert_eq!(state(&world), State::Backup, "{unreachable:?}");
        world.run_until(ms(30_000));
        assert_eq!(state(&world), expected, "{unreachable:?}");
    }
}

#[test]
fn need_and_unreachable_decide_as_they_are_written() {
    let reached = || Witnessed::Reached;
    let late = || held(ms(100_000));
    // What the gateway and the store say, and whether that is enough: for all or any of them, if silence forbids or allows.
    for (gateway, store, enough) in [
        (reached(), late(), [true, true, true, true]),
        (reached(), refused(), [false, true, false, true]),
        (reached(), unreachable(), [false, true, true, true]),
        (unreachable(), late(), [false, true, true, true]),
        (unreachable(), refused(), [false, false, false, true]),
        (unreachable(), unreachable(), [false, false, true, true]),
    ] {
        let policies = [
            (Need::All, Unreachable::Stay),
            (Need::Any, Unreachable::Stay),
            (Need::All, Unreachable::Take),
            (Need::Any, Unreachable::Take),
        ];
        for ((need, silence), enough) in policies.into_iter().zip(enough) {
            let mut world = World::of([config(policy(&[GATEWAY, LEASE], need, silence, LeaseLost::Keep))]);
            tell(&mut world, GATEWAY, gateway.clone());
            tell(&mut world, LEASE, store.clone());
            world.run_until(ms(3_500));
            assert_eq!(state(&world) == State::Master, enough, "{gateway} {store} {need:?} {silence:?}");
        }
    }
}

#[test]
fn a_lease_that_is_not_renewed_ends_the_mastership_before_it_ends_whoever_hangs() {
    let mut world = World::of([stay(&[LEASE])]);
    world.run_until(ms(3_500));
    assert_eq!(said(&world), ["witness store has not answered yet"]);
    tell(&mut world, LEASE, held(ms(10_000)));
    assert_eq!(state(&world), State::Master);
    world.run_until(ms(8_000));
    tell(&mut world, LEASE, held(ms(15_000)));
    world.run_until(ms(14_999));
    assert_eq!(state(&world), State::Master);
    // Nobody says anything more.
    world.run_until(ms(15_001));
    let story = world.nodes[0].story();
    let last = "15.000000 VI_1 MASTER BACKUP: witness store cannot be reached: the lease was not renewed in time";
    assert_eq!(story.last().unwrap(), last);
    assert_eq!(world.nodes[0].router.counters(FIRST).priority_zero_sent, 1, "it resigns");
    world.run_until(ms(60_000));
    assert_eq!(state(&world), State::Backup);
}

/// A router that goes on at 100 s for a master that was killed, told of its last advertisement.
fn goes_on_from(advert_sent: Instant) -> World {
    let mut world = World::new();
    world.now = ms(100_000);
    world.add_silently(1, Router::new(stay(&[LEASE])));
    world.event(0, Event::Adopt { instance: FIRST, advert_sent });
    world.event(0, Event::Start);
    world
}

#[test]
fn who_goes_on_for_a_killed_master_does_so_no_longer_than_its_lease_was_sure_to_last() {
    // What a master notes: its last advertisement, or what makes a successor's time end with the lease.
    let mut master = World::of([stay(&[LEASE])]);
    tell(&mut master, LEASE, held(ms(100_000)));
    master.run_until(ms(4_000));
    let noted = |world: &World| world.nodes[0].router.status(FIRST).unwrap().advert_sent.unwrap();
    assert_eq!(noted(&master), ms(3_414) + Duration::from_nanos(62_500));
    tell(&mut master, LEASE, held(ms(5_000)));
    let early = noted(&master);
    assert!(early < ms(2_000), "{early:?}");
    // That note is good until then, and not a moment longer.
    let ago = ms(5_000).since(early);
    for (age, expected) in
        [(Duration::ZERO, State::Master), (ago - Duration::from_millis(1), State::Master), (ago, State::Backup)]
    {
        assert_eq!(state(&goes_on_from(ms(100_000) - age)), expected, "{age:?}");
    }
    // And who hears nothing of the lease meanwhile resigns when it may be another's.
    let mut silent = goes_on_from(ms(99_000));
    silent.run_until(ms(99_000) + ago - Duration::from_millis(1));
    assert_eq!(state(&silent), State::Master);
    silent.run_until(ms(99_000) + ago);
    assert_eq!(state(&silent), State::Backup);
    let mut renewed = goes_on_from(ms(99_000));
    tell(&mut renewed, LEASE, held(ms(110_000)));
    renewed.run_until(ms(109_999));
    assert_eq!(state(&renewed), State::Master);
}

#[test]
fn a_lease_that_somebody_else_has_ends_the_mastership_at_once_unless_it_is_to_be_kept() {
    for (lost, expected) in [(LeaseLost::StepDown, State::Backup), (LeaseLost::Keep, State::Master)] {
        let mut world = World::of([config(policy(&[LEASE], Need::All, Unreachable::Stay, lost))]);
        tell(&mut world, LEASE, held(ms(100_000)));
        world.run_until(ms(4_000));
        assert_eq!(state(&world), State::Master);
        tell(&mut world, LEASE, refused());
        assert_eq!(state(&world), expected, "{lost:?}");
    }
}

#[test]
fn a_lease_is_forgotten_with_the_mastership_that_it_was_for() {
    let mut world = World::of([stay(&[LEASE])]);
    tell(&mut world, LEASE, held(ms(100_000)));
    world.run_until(ms(4_000));
    world.hear(0, &advert_of(&v2(), 9, 200));
    assert_eq!(state(&world), State::Backup);
    world.run(Duration::from_secs(5));
    assert_eq!(state(&world), State::Backup, "the lease was given back, and asking again comes first");
    tell(&mut world, LEASE, held(ms(200_000)));
    assert_eq!(state(&world), State::Master);
}

#[test]
fn an_owner_asks_its_witnesses_too() {
    let mut config = stay(&[GATEWAY]);
    config.instances[0].priority = standfast_model::Priority::OWNER;
    let mut world = World::of([config]);
    world.run_until(ms(10_000));
    assert_eq!(state(&world), State::Backup);
    tell(&mut world, GATEWAY, Witnessed::Reached);
    assert_eq!(state(&world), State::Master);
}

#[test]
fn a_sync_group_is_held_back_and_steps_down_as_one() {
    let mut config = stay(&[LEASE]);
    let mut second = config.instances[0].clone();
    second.options.witness = None;
    (second.name, second.vrid) = ("VI_2".to_owned(), standfast_model::Vrid::new(52).unwrap());
    second.addresses = vec![crate::lan::vip("192.0.2.102/32")];
    config.instances.push(second);
    config.groups = vec![group(&[0, 1])];
    let states = |world: &World| [world.state(0, FIRST), world.state(0, SECOND)];
    let mut world = World::of([config]);
    tell(&mut world, LEASE, refused());
    world.run_until(ms(20_000));
    assert_eq!(states(&world), [State::Backup; 2]);
    tell(&mut world, LEASE, held(ms(30_000)));
    assert_eq!(states(&world), [State::Master; 2]);
    world.run_until(ms(30_001));
    assert_eq!(states(&world), [State::Backup; 2]);
}

/// Two instances that stand alone and ask for the same lease, both master.
fn two_masters_by_one_lease() -> World {
    let mut config = stay(&[LEASE]);
    let mut second = config.instances[0].clone();
    (second.name, second.vrid) = ("VI_2".to_owned(), standfast_model::Vrid::new(52).unwrap());
    second.addresses = vec![crate::lan::vip("192.0.2.102/32")];
    config.instances.push(second);
    let mut world = World::of([config]);
    tell(&mut world, LEASE, held(ms(20_000)));
    world.run_until(ms(4_000));
    assert_eq!([world.state(0, FIRST), world.state(0, SECOND)], [State::Master; 2]);
    world
}

#[test]
fn a_lease_that_one_master_leaves_binds_the_others_who_stand_on_it() {
    for told in [None, Some(unreachable()), Some(refused())] {
        let mut world = two_masters_by_one_lease();
        world.hear(0, &advert_of(&v2(), 9, 200));
        assert_eq!([world.state(0, FIRST), world.state(0, SECOND)], [State::Backup, State::Master], "{told:?}");
        match told.clone() {
            Some(said) => tell(&mut world, LEASE, said),
            None => world.run_until(ms(20_000)),
        }
        assert_eq!(world.state(0, SECOND), State::Backup, "{told:?}");
    }
}

#[test]
fn a_lease_that_the_last_master_leaves_is_no_standby_s_whose_timer_runs_out_in_that_moment() {
    let mut world = two_masters_by_one_lease();
    world.hear(0, &advert_of(&v2(), 9, 200));
    world.sleep(0);
    world.run_until(ms(9_000));
    world.thaw(0);
    world.run_until(ms(9_000));
    assert_eq!([world.state(0, FIRST), world.state(0, SECOND)], [State::Backup; 2]);
    assert!(said(&world).last().unwrap().contains("has not answered yet"), "{:?}", said(&world));
    tell(&mut world, LEASE, held(ms(40_000)));
    assert_eq!([world.state(0, FIRST), world.state(0, SECOND)], [State::Master, State::Backup]);
}

#[test]
fn who_does_not_go_on_for_a_killed_master_has_no_lease_of_it_to_take_over_by() {
    let mut world = World::new();
    world.now = ms(100_000);
    world.add_silently(1, Router::new(stay(&[LEASE])));
    world.carrier(0, 0, false);
    world.event(0, Event::Adopt { instance: FIRST, advert_sent: ms(99_999) });
    world.event(0, Event::Start);
    assert_eq!(state(&world), State::Fault);
    world.carrier(0, 0, true);
    // Somebody else had the lease meanwhile, and resigns: the timer runs out long before the lease of old would.
    world.hear(0, &advert_of(&v2(), 9, 0));
    world.run_until(ms(120_000));
    let story = world.nodes[0].story();
    assert_eq!(
        story,
        ["100.000000 VI_1 INIT FAULT: link of eth0 is down", "100.000000 VI_1 FAULT BACKUP: fault cleared"]
    );
}
