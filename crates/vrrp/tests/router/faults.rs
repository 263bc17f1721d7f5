//! Links, addresses and a kernel that refuses: FAULT, the way back, and what priorities are worth.

use crate::lan::{
    FIRST, World, address, advert_of, alone, facts, link_local, micros, ms, tracked, us, v2, v3, v6, vip, with_priority,
};
use standfast_model::config::route::{Hop, Route, Rule, RuleAction};
use standfast_model::config::vrrp::Instance;
use standfast_model::ipvs::Family;
use standfast_model::{Cause, Instant, InterfaceIndex, InterfaceName, State, VirtualAddress};
use standfast_vrrp::{Event, InterfaceFacts};
use std::time::Duration;

fn master(instance: Instance) -> World {
    let mut world = World::of([alone(instance)]);
    world.run(Duration::from_secs(10));
    assert_eq!(world.state(0, FIRST), State::Master);
    world.forget();
    world
}

fn resignations(world: &World) -> usize {
    world.nodes[0].adverts(FIRST).iter().filter(|(_, priority)| *priority == 0).count()
}

fn last_cause(world: &World) -> String {
    world.nodes[0].transitions().last().unwrap().cause.to_string()
}

// REQ: KA-FAULT-01 VRRP2-5.3.4-02
#[test]
fn a_master_whose_tracked_link_dies_resigns_once_and_a_backup_says_nothing() {
    let instance = Instance { track_interfaces: vec![tracked("eth1", 0, false)], ..v2() };
    let mut world = master(instance.clone());
    world.carrier(0, 1, false);
    assert_eq!(resignations(&world), 1);
    assert_eq!(world.nodes[0].adverts(FIRST).len(), 1);
    assert_eq!(last_cause(&world), "link of eth1 is down");
    assert_eq!(world.nodes[0].router.counters(FIRST).priority_zero_sent, 1);
    let mut world = World::of([alone(instance)]);
    world.carrier(0, 1, false);
    assert_eq!(world.state(0, FIRST), State::Fault);
    assert!(world.nodes[0].adverts(FIRST).is_empty());
}

fn route(hop: Hop, hops: Vec<Hop>) -> Route {
    Route { hop, hops, ..Route::to("203.0.113.0/24".parse().unwrap()) }
}

fn rule(input: Option<InterfaceName>, output: Option<InterfaceName>) -> Rule {
    Rule { input, output, ..Rule::of_everything(Family::Inet, 100, RuleAction::Table(100)) }
}

#[test]
fn the_link_of_a_route_or_a_rule_is_tracked_unless_it_says_no_track() {
    let eth1 = || Some("eth1".parse::<InterfaceName>().unwrap());
    let by = |interface| Hop { interface, ..Hop::default() };
    let with = |routes: Vec<Route>, rules: Vec<Rule>| {
        let mut instance = v2();
        instance.options.routes = routes;
        instance.options.rules = rules;
        instance
    };
    let ways = [
        (vec![route(by(eth1()), vec![])], vec![]),
        (vec![route(by(None), vec![by(None), by(eth1())])], vec![]),
        (vec![], vec![rule(eth1(), None)]),
        (vec![], vec![rule(None, eth1())]),
    ];
    for (mut routes, mut rules) in ways {
        let mut world = master(with(routes.clone(), rules.clone()));
        world.carrier(0, 1, false);
        assert_eq!((world.state(0, FIRST), last_cause(&world)), (State::Fault, "link of eth1 is down".to_owned()));
        world.carrier(0, 1, true);
        assert_eq!(world.state(0, FIRST), State::Backup);
        routes.iter_mut().for_each(|route| route.no_track = true);
        rules.iter_mut().for_each(|rule| rule.no_track = true);
        let mut world = master(with(routes, rules));
        world.carrier(0, 1, false);
        assert_eq!(world.state(0, FIRST), State::Master, "no_track");
    }
}

#[test]
fn nothing_is_sent_through_a_dead_link_and_nothing_is_counted_as_sent() {
    let mut world = master(v2());
    let sent = world.nodes[0].router.counters(FIRST).advert_sent;
    world.carrier(0, 0, false);
    assert_eq!(world.state(0, FIRST), State::Fault);
    assert!(world.nodes[0].adverts(FIRST).is_empty());
    let counters = world.nodes[0].router.counters(FIRST);
    assert_eq!((counters.advert_sent, counters.priority_zero_sent, counters.release_master), (sent, 0, 1));
    world.run(Duration::from_secs(60));
    assert!(world.nodes[0].adverts(FIRST).is_empty(), "FAULT is silent");
    assert_eq!(world.nodes[0].router.next_deadline(), None);
}

// REQ: KA-FAULT-02
#[test]
fn back_from_fault_every_router_waits_a_full_down_interval() {
    for (priority, expected) in [(255, 3_003_906), (150, 3_414_062), (100, 3_609_375)] {
        for instance in [v2(), v3()] {
            let mut world = World::of([alone(with_priority(instance, priority))]);
            world.run(Duration::from_secs(10));
            world.carrier(0, 0, false);
            world.run(Duration::from_secs(10));
            world.forget();
            world.carrier(0, 0, true);
            assert_eq!(last_cause(&world), "fault cleared");
            world.run(Duration::from_secs(10));
            assert_eq!(world.nodes[0].adverts(FIRST)[0].0, 20_000_000 + expected, "{priority}");
        }
    }
}

#[test]
fn a_router_that_starts_without_its_link_starts_in_fault() {
    let mut world = World::new();
    world.add(1, alone(with_priority(v2(), 255)));
    // Nobody is told of eth7.
    let elsewhere = Instance { interface: "eth7".parse().unwrap(), ..v2() };
    world.add(2, alone(elsewhere));
    assert_eq!(world.nodes[1].story(), ["0.000000 VI_1 INIT FAULT: interface eth7 does not exist"]);
    assert_eq!(world.nodes[1].router.next_deadline(), None);
}

// REQ: VRRP2-5.2.1-01 VRRP3-5.1.1.1-01 VRRP3-5.1.2.1-01
#[test]
fn without_an_address_to_send_from_there_is_no_advertisement_and_a_reason() {
    let with = |sources: &[std::net::IpAddr]| Some(InterfaceFacts { sources: sources.to_vec(), ..facts(0, 1) });
    for (instance, useless) in [
        (v2(), link_local(1).into()),
        (v6(), address(0, 1).into()),
        // A global address is none to advertise from.
        (v6(), "2001:db8::1".parse().unwrap()),
    ] {
        let mut world = master(instance);
        world.replace(0, 0, with(&[useless]));
        assert_eq!(
            (world.state(0, FIRST), last_cause(&world)),
            (State::Fault, "interface eth0 has no address to send from".to_owned())
        );
        assert!(world.nodes[0].adverts(FIRST).is_empty());
        world.replace(0, 0, with(&[useless, address(0, 1).into(), link_local(1).into()]));
        assert_eq!(world.state(0, FIRST), State::Backup);
    }
    // `mcast_src_ip` is not looked for on the interface.
    let configured = Instance { source: Some("192.0.2.77".parse().unwrap()), ..v2() };
    let mut world = master(configured);
    world.replace(0, 0, with(&[]));
    world.run(Duration::from_secs(3));
    let sources: Vec<_> = world.nodes[0].packets(FIRST).iter().map(|(_, packet)| packet.source.to_string()).collect();
    assert_eq!(sources, ["192.0.2.77"; 3]);
}

#[test]
fn another_first_address_is_used_from_the_next_advertisement_on() {
    let mut world = master(v2());
    world.replace(0, 0, Some(InterfaceFacts { sources: vec![address(0, 9).into()], ..facts(0, 1) }));
    assert_eq!(world.state(0, FIRST), State::Master);
    world.run(Duration::from_secs(1));
    assert!(world.nodes[0].packets(FIRST).iter().all(|(_, packet)| packet.source == address(0, 9)));
    assert_eq!(world.nodes[0].packets(FIRST).len(), 1);
}

#[test]
fn an_interface_that_vanished_is_found_again_under_another_index() {
    let mut world = master(v2());
    world.replace(0, 0, None);
    assert_eq!(last_cause(&world), "interface eth0 does not exist");
    assert!(world.nodes[0].adverts(FIRST).is_empty(), "there is nothing to send through");
    world.replace(0, 0, Some(InterfaceFacts { index: InterfaceIndex(9), ..facts(0, 1) }));
    assert_eq!(world.state(0, FIRST), State::Backup);
    // Packets are for it under the new index only.
    let before = world.nodes[0].router.next_deadline();
    world.run(Duration::from_millis(100));
    let packet = advert_of(&v2(), 2, 200);
    world.event(0, Event::Packet(packet.received(InterfaceIndex(2))));
    assert_eq!(world.nodes[0].router.next_deadline(), before);
    world.event(0, Event::Packet(packet.received(InterfaceIndex(9))));
    assert_ne!(world.nodes[0].router.next_deadline(), before);
}

#[test]
fn an_interface_that_was_replaced_unseen_is_a_loss_and_a_return() {
    let mut world = master(v2());
    world.replace(0, 0, Some(InterfaceFacts { index: InterfaceIndex(9), ..facts(0, 1) }));
    let story = world.nodes[0].story();
    assert_eq!(
        story,
        ["10.000000 VI_1 MASTER FAULT: interface eth0 does not exist", "10.000000 VI_1 FAULT BACKUP: fault cleared",]
    );
    assert_eq!(resignations(&world), 0);
}

#[test]
fn the_home_of_an_address_that_was_replaced_unseen_is_a_loss_that_is_resigned_for() {
    let elsewhere = VirtualAddress { interface: Some("eth1".parse().unwrap()), ..vip("198.51.100.1/32") };
    let mut world = master(Instance { addresses: vec![elsewhere], ..v2() });
    world.replace(0, 1, Some(InterfaceFacts { index: InterfaceIndex(9), ..facts(1, 1) }));
    let states: Vec<State> = world.nodes[0].transitions().iter().map(|t| t.to).collect();
    assert_eq!((states, resignations(&world)), (vec![State::Fault, State::Backup], 1));
}

#[test]
fn a_tracked_interface_that_was_replaced_unseen_is_no_loss() {
    let mut world = master(Instance { track_interfaces: vec![tracked("eth1", 0, false)], ..v2() });
    world.replace(0, 1, Some(InterfaceFacts { index: InterfaceIndex(9), ..facts(1, 1) }));
    assert_eq!((world.state(0, FIRST), world.nodes[0].log.len()), (State::Master, 0));
}

#[test]
fn dont_track_primary_ignores_the_carrier_and_not_the_interface() {
    let mut world = master(Instance { dont_track_primary: true, ..v2() });
    world.carrier(0, 0, false);
    assert_eq!(world.state(0, FIRST), State::Master);
    world.replace(0, 0, None);
    assert_eq!(world.state(0, FIRST), State::Fault);
}

#[test]
fn the_interface_of_a_virtual_address_matters_as_well() {
    let elsewhere = VirtualAddress { interface: Some("eth1".parse().unwrap()), ..vip("198.51.100.1/32") };
    let instance = Instance { excluded: vec![elsewhere], ..v2() };
    let mut world = master(instance);
    world.carrier(0, 1, false);
    assert_eq!((world.state(0, FIRST), resignations(&world)), (State::Fault, 1));
    world.replace(0, 1, None);
    let why = world.nodes[0].router.status(FIRST).unwrap().fault.unwrap();
    assert!(matches!(why, Cause::InterfaceMissing { interface } if interface.as_str() == "eth1"));
}

#[test]
fn weights_count_while_up_or_while_down_and_reverse_turns_them() {
    for (weight, reverse, up, down) in [
        (20, false, 120, 100),
        (-20, false, 100, 80),
        (20, true, 80, 100),
        (-20, true, 100, 120),
        (253, false, 254, 100),
        (-253, false, 100, 1),
    ] {
        let instance = Instance { track_interfaces: vec![tracked("eth1", weight, reverse)], ..v2() };
        let mut world = World::of([alone(instance)]);
        let priority = |world: &World| world.nodes[0].router.status(FIRST).unwrap().priority;
        assert_eq!(priority(&world), up, "{weight} {reverse} up");
        world.carrier(0, 1, false);
        assert_eq!(priority(&world), down, "{weight} {reverse} down");
        assert_eq!(world.state(0, FIRST), State::Backup);
        world.replace(0, 1, None);
        assert_eq!(priority(&world), down, "{weight} {reverse} gone");
    }
}

// REQ: VRRP2-5.3.4-01
#[test]
fn weights_neither_make_nor_move_an_owner() {
    let track_interfaces = vec![tracked("eth1", -100, false)];
    let mut world = World::of([alone(Instance { track_interfaces, ..with_priority(v2(), 255) })]);
    world.carrier(0, 1, false);
    world.run(Duration::from_secs(3));
    assert!(world.nodes[0].adverts(FIRST).iter().all(|(_, priority)| *priority == 255));
}

#[test]
fn reverse_without_a_weight_is_fault_while_the_link_is_up() {
    let instance = Instance { track_interfaces: vec![tracked("eth1", 0, true)], ..v2() };
    let mut world = World::of([alone(instance)]);
    assert_eq!(world.state(0, FIRST), State::Fault);
    world.carrier(0, 1, false);
    assert_eq!(world.state(0, FIRST), State::Backup);
    world.replace(0, 1, None);
    assert_eq!(world.state(0, FIRST), State::Backup);
}

// REQ: KA-PRIO-01
#[test]
fn a_changed_priority_is_advertised_with_the_next_regular_advertisement() {
    let instance = Instance { track_interfaces: vec![tracked("eth1", -50, false)], ..with_priority(v2(), 150) };
    let mut world = master(instance);
    world.run_until(ms(10_500));
    world.forget();
    world.carrier(0, 1, false);
    assert!(world.nodes[0].adverts(FIRST).is_empty());
    world.run_until(ms(12_500));
    assert_eq!(world.nodes[0].adverts(FIRST), [(11_414_062, 100), (12_414_062, 100)]);
}

// REQ: KA-PRIO-01
#[test]
fn a_changed_priority_moves_a_running_down_timer_by_the_difference_of_the_skews() {
    for instance in [v2(), v3()] {
        let track_interfaces = vec![tracked("eth1", -50, false)];
        let mut world = World::of([alone(Instance { track_interfaces, ..with_priority(instance, 150) })]);
        world.run_until(ms(1_000));
        world.carrier(0, 1, false);
        assert_eq!(micros(world.nodes[0].router.next_deadline().unwrap()), 3_609_375);
        world.carrier(0, 1, true);
        assert_eq!(micros(world.nodes[0].router.next_deadline().unwrap()), 3_414_062);
        // Never into the past: what has been waited for already is due now.
        world.carrier(0, 1, false);
        world.run_until(us(3_500_000));
        world.carrier(0, 1, true);
        assert_eq!(world.nodes[0].router.next_deadline(), Some(us(3_500_000)));
    }
}

fn refuse(world: &mut World) {
    world.event(0, Event::OperationFailed { instance: FIRST, what: "adding 192.0.2.100/32: permission denied" });
}

#[test]
fn a_refused_operation_resigns_and_is_tried_again_with_a_bounded_back_off() {
    let mut world = master(v2());
    let mut waits = vec![];
    for _ in 0..9 {
        let at = world.now;
        refuse(&mut world);
        assert_eq!(world.state(0, FIRST), State::Fault);
        let retry = world.nodes[0].router.next_deadline().unwrap();
        waits.push(retry.since(at).as_secs());
        world.run_until(retry);
        assert_eq!(world.state(0, FIRST), State::Backup);
        world.run(Duration::from_micros(3_609_375));
        assert_eq!(world.state(0, FIRST), State::Master);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert_eq!(resignations(&world), 9);
    // What was calm for two minutes begins with a short wait again.
    world.run(Duration::from_secs(120));
    let at = world.now;
    refuse(&mut world);
    assert_eq!(world.nodes[0].router.next_deadline().unwrap().since(at), Duration::from_secs(1));
    assert_eq!(last_cause(&world), "kernel refused: adding 192.0.2.100/32: permission denied");
}

#[test]
fn several_refusals_of_one_takeover_are_one() {
    let mut world = master(v2());
    for _ in 0..20 {
        refuse(&mut world);
    }
    assert_eq!(world.nodes[0].router.next_deadline(), Some(world.now + Duration::from_secs(1)));
    assert_eq!(world.nodes[0].transitions().len(), 1);
}

#[test]
fn a_refusal_before_the_start_starts_in_fault_and_is_tried_again() {
    let mut world = World::new();
    let mut router = standfast_vrrp::Router::new(alone(v2()));
    let mut out = standfast_vrrp::Output::default();
    router.handle(Instant::ZERO, Event::OperationFailed { instance: FIRST, what: "listening on eth0" }, &mut out);
    assert!(out.actions.is_empty());
    world.add_router(1, router);
    assert_eq!(world.nodes[0].story(), ["0.000000 VI_1 INIT FAULT: kernel refused: listening on eth0"]);
    world.run(Duration::from_secs(1));
    assert_eq!(world.state(0, FIRST), State::Backup);
}

#[test]
fn a_link_that_comes_back_does_not_shorten_the_back_off() {
    let mut world = master(v2());
    refuse(&mut world);
    world.carrier(0, 0, false);
    world.carrier(0, 0, true);
    assert_eq!(world.state(0, FIRST), State::Fault);
    // And the end of the back-off does not make a dead link live.
    world.carrier(0, 0, false);
    world.run(Duration::from_secs(5));
    assert_eq!((world.state(0, FIRST), world.nodes[0].router.next_deadline()), (State::Fault, None));
    world.carrier(0, 0, true);
    assert_eq!(world.state(0, FIRST), State::Backup);
}
