//! What goes beyond keepalived: disbelief in too many failures, slow starts, orders of an operator, shared checks.

use crate::support::{
    World, checker, config, real_server, seconds, server_key, service_key, sorry_server, timing, virtual_server,
};
use core::time::Duration;
use standfast_lvs::{CheckWeight, Connections, Duty, Event, Order, Reason, ServerName, Verdict};
use standfast_model::config::LvsConfig;
use standfast_model::config::lvs::{LvsCommon, RealServer, Timing, VirtualServer};

const REFUSED: Verdict = Verdict::Failed(Reason::Refused);

fn servers(count: u16) -> Vec<RealServer> {
    (1..=count).map(|number| real_server(number, timing())).collect()
}

fn panicky(count: u16, percent: u8) -> VirtualServer {
    let mut service = virtual_server(1, servers(count));
    service.options.panic_threshold = Some(percent);
    service
}

/// Ends the checks under way, those of the servers in the list with a failure.
fn round(world: &mut World, down: &[usize]) {
    let down: Vec<usize> = down.iter().map(|number| number - 1).collect();
    world.live(seconds(3), |checker| if down.contains(&checker.0) { REFUSED } else { Verdict::Ok });
}

fn numbers(world: &World) -> Vec<u16> {
    world.kernel.weights(1).into_iter().filter(|(_, weight)| *weight > 0).map(|(number, _)| number).collect()
}

#[test]
fn with_too_few_servers_up_those_that_served_last_go_on() {
    let mut world = World::started(config(vec![panicky(4, 50)]));
    round(&mut world, &[]);
    round(&mut world, &[1]);
    assert_eq!(numbers(&world), [2, 3, 4]);
    world.said();
    round(&mut world, &[1, 2, 3, 4]);
    // Half of them are enough to be believed: 2 went. That 3 and 4 should have died as well is not believed.
    assert_eq!(numbers(&world), [3, 4]);
    let told = "Checks of VS [192.0.0.1]:tcp:80 are not believed, 1 of 4 servers up is below 50 percent: those that \
                served last go on";
    assert!(world.said().contains(&told.to_owned()));
    let status = world.director.status().next().unwrap();
    assert!(status.panic && status.quorum);
    assert_eq!(status.servers.iter().map(|server| server.held).collect::<Vec<_>>(), [false, false, true, true]);
    // Who is good for certain serves too, and stays in even if it fails again.
    round(&mut world, &[2, 3, 4]);
    assert_eq!(numbers(&world), [1, 3, 4]);
    round(&mut world, &[1, 2, 3, 4]);
    assert_eq!(numbers(&world), [1, 3, 4]);
    // Half of them are up again: the checks are believed.
    round(&mut world, &[3, 4]);
    assert_eq!(numbers(&world), [1, 2]);
    let told = "Checks of VS [192.0.0.1]:tcp:80 are believed again, 2 of 4 servers up";
    assert!(world.said().contains(&told.to_owned()));
}

#[test]
fn without_a_panic_threshold_the_last_server_goes_too() {
    let mut world = World::started(config(vec![virtual_server(1, servers(2))]));
    round(&mut world, &[]);
    round(&mut world, &[1, 2]);
    assert_eq!(numbers(&world), [0_u16; 0]);
}

#[test]
fn a_panic_keeps_the_quorum_and_the_sorry_server_out() {
    let service = VirtualServer { quorum: 2, sorry_server: Some(sorry_server(9, false)), ..panicky(3, 60) };
    let mut world = World::started(config(vec![service]));
    round(&mut world, &[]);
    round(&mut world, &[1, 2, 3]);
    assert_eq!(numbers(&world), [2, 3]);
}

#[test]
fn a_reload_without_the_threshold_ends_the_panic() {
    let mut world = World::started(config(vec![panicky(2, 100)]));
    round(&mut world, &[]);
    round(&mut world, &[1, 2]);
    assert_eq!(numbers(&world), [1, 2]);
    let mut other = panicky(2, 100);
    other.real_servers[0].weight = 3;
    world.event(Event::Reload(Box::new(config(vec![other]))));
    assert_eq!(numbers(&world), [1, 2]);
    world.event(Event::Reload(Box::new(config(vec![virtual_server(1, servers(2))]))));
    assert_eq!(numbers(&world), [0_u16; 0]);
}

fn slow(count: u16, time: Duration, weight: u32) -> VirtualServer {
    let mut service = virtual_server(1, servers(count));
    service.options.slow_start = time;
    service.real_servers.iter_mut().for_each(|server| server.weight = weight);
    service
}

#[test]
fn the_weight_of_a_server_that_came_back_grows_to_the_whole() {
    let mut world = World::started(config(vec![slow(2, seconds(20), 100)]));
    round(&mut world, &[]);
    round(&mut world, &[1]);
    assert_eq!(world.kernel.weights(1), [(2, 100)]);
    world.operations.clear();
    world.live(seconds(3), |_| Verdict::Ok);
    let weight = |world: &World| world.kernel.weights(1)[0].1;
    let mut seen = vec![weight(&world)];
    for _ in 0..24 {
        world.live(seconds(1), |_| Verdict::Ok);
        seen.push(weight(&world));
    }
    assert!(seen.is_sorted(), "{seen:?}");
    assert!(seen[0] < 20 && seen[10] > 40 && seen[10] < 70, "{seen:?}");
    assert_eq!(seen[24], 100);
    // The other one was never touched, and the steps are few.
    let edits = world.operations.iter().filter(|(operation, _)| operation.row().1 == Some(server_key(2))).count();
    assert_eq!(edits, 0);
    assert!((15..=21).contains(&world.operations.len()), "{}", world.operations.len());
    // The quorum counts the whole weight all the time.
    assert_eq!(world.director.status().next().unwrap().weights.live, 200);
}

#[test]
fn a_server_that_fails_while_it_recovers_and_is_not_believed_to_have_grows_to_its_whole_weight_all_the_same() {
    let mut service = slow(2, seconds(20), 100);
    service.options.panic_threshold = Some(100);
    let mut world = World::started(config(vec![service]));
    round(&mut world, &[]);
    let server = ServerName { service: service_key(1), server: server_key(1) };
    for order in [Order::Disable, Order::Ready] {
        world.event(Event::Order { server, order });
    }
    assert_eq!(world.kernel.weights(1), [(1, 1), (2, 100)]);
    round(&mut world, &[1]);
    assert!(world.director.status().next().unwrap().panic);
    world.live(seconds(21), |checker| if checker.0 == 0 { REFUSED } else { Verdict::Ok });
    assert_eq!(world.kernel.weights(1), [(1, 100), (2, 100)]);
}

#[test]
fn servers_that_are_up_from_the_start_have_their_whole_weight_at_once() {
    let mut world = World::started(config(vec![slow(2, seconds(20), 100)]));
    world.live(Duration::ZERO, |_| Verdict::Ok);
    assert_eq!(world.kernel.weights(1), [(1, 100), (2, 100)]);
    assert_eq!(world.operations.len(), 3);
}

#[test]
fn a_server_that_fails_while_it_recovers_goes_and_begins_anew() {
    let mut world = World::started(config(vec![slow(1, seconds(20), 100)]));
    round(&mut world, &[1]);
    world.live(seconds(10), |_| Verdict::Ok);
    assert!(world.kernel.weights(1)[0].1 > 20);
    world.live(seconds(3), |_| REFUSED);
    assert_eq!(world.kernel.weights(1), []);
    world.live(Duration::from_millis(3500), |_| Verdict::Ok);
    assert!(world.kernel.weights(1)[0].1 < 20, "{:?}", world.kernel.weights(1));
}

fn order(world: &mut World, server: u16, order: Order) {
    let server = ServerName { service: service_key(1), server: server_key(server) };
    assert!(world.director.has_server(&server));
    world.event(Event::Order { server, order });
}

fn connections(world: &mut World, server: u16, active: u32) {
    let count = Connections { active, inactive: 3, persistent: 1 };
    world.kernel.activity.insert((service_key(1), server_key(server)), count);
}

#[test]
fn a_drained_server_gets_nothing_new_and_goes_with_its_last_connection() {
    let mut world = World::started(config(vec![virtual_server(1, servers(2))]));
    connections(&mut world, 1, 2);
    order(&mut world, 1, Order::Drain { within: None });
    assert_eq!(world.kernel.weights(1), [(1, 0), (2, 1)]);
    world.live(seconds(100), |_| Verdict::Ok);
    assert_eq!(world.kernel.weights(1), [(1, 0), (2, 1)]);
    connections(&mut world, 1, 0);
    world.live(seconds(1), |_| Verdict::Ok);
    assert_eq!(world.kernel.weights(1), [(2, 1)]);
    // Its checks go on, and nothing but the operator brings it back: neither a success nor a reload.
    world.live(seconds(9), |_| Verdict::Ok);
    world.event(Event::Reload(Box::new(config(vec![virtual_server(1, servers(3))]))));
    assert_eq!(world.kernel.weights(1), [(2, 1), (3, 1)]);
    assert_eq!(world.director.status().next().unwrap().servers[0].duty, Duty::Off);
    order(&mut world, 1, Order::Ready);
    assert_eq!(world.kernel.weights(1), [(1, 1), (2, 1), (3, 1)]);
}

#[test]
fn a_drain_ends_at_its_limit_to_the_second() {
    let mut world = World::started(config(vec![virtual_server(1, servers(2))]));
    connections(&mut world, 1, 7);
    order(&mut world, 1, Order::Drain { within: Some(Duration::from_millis(2500)) });
    world.live(Duration::from_millis(2499), |_| Verdict::Ok);
    assert_eq!(world.kernel.weights(1), [(1, 0), (2, 1)]);
    world.said();
    world.live(Duration::from_millis(1), |_| Verdict::Ok);
    assert_eq!(world.kernel.weights(1), [(2, 1)]);
    assert_eq!(world.said(), ["Drained service [10.0.0.1]:tcp:80 of VS [192.0.0.1]:tcp:80: 7 connections cut"]);
    let counted = world.director.next_deadline().unwrap();
    assert!(counted > world.now, "nothing is counted any more");
}

#[test]
fn a_disabled_server_is_out_at_once_and_counts_for_no_quorum() {
    let service =
        VirtualServer { quorum: 2, sorry_server: Some(sorry_server(9, false)), ..virtual_server(1, servers(2)) };
    let mut world = World::started(config(vec![service]));
    order(&mut world, 2, Order::Disable);
    assert_eq!(world.kernel.weights(1), [(9, 1)]);
    order(&mut world, 2, Order::Ready);
    assert_eq!(world.kernel.weights(1), [(1, 1), (2, 1)]);
}

#[test]
fn a_server_that_fails_while_it_is_disabled_does_not_come_back_by_the_order() {
    let mut world = World::started(config(vec![virtual_server(1, servers(2))]));
    round(&mut world, &[]);
    order(&mut world, 2, Order::Disable);
    round(&mut world, &[2]);
    order(&mut world, 2, Order::Ready);
    assert_eq!(world.kernel.weights(1), [(1, 1)]);
    round(&mut world, &[]);
    assert_eq!(world.kernel.weights(1), [(1, 1), (2, 1)]);
}

#[test]
fn an_ordered_weight_stays_until_the_server_is_made_ready() {
    let mut world = World::started(config(vec![virtual_server(1, servers(2))]));
    world.said();
    order(&mut world, 1, Order::SetWeight(40));
    assert_eq!(world.kernel.weights(1), [(1, 40), (2, 1)]);
    assert_eq!(
        world.said(),
        ["Changing weight from 1 to 40 for service [10.0.0.1]:tcp:80 of VS [192.0.0.1]:tcp:80: operator"]
    );
    world.event(Event::Reload(Box::new(config(vec![virtual_server(1, servers(1))]))));
    assert_eq!(world.kernel.weights(1), [(1, 40)]);
    order(&mut world, 1, Order::Ready);
    assert_eq!(world.kernel.weights(1), [(1, 1)]);
}

#[test]
fn an_order_for_nobody_does_nothing() {
    let mut world = World::started(config(vec![virtual_server(1, servers(1))]));
    world.operations.clear();
    for (service, server) in [(1, 9), (9, 1)] {
        let server = ServerName { service: service_key(service), server: server_key(server) };
        assert!(!world.director.has_server(&server));
        world.event(Event::Order { server, order: Order::Disable });
    }
    assert_eq!(world.operations, []);
}

#[test]
fn a_check_that_says_a_weight_sets_it_and_the_quorum_counts_it() {
    let service =
        VirtualServer { quorum: 5, sorry_server: Some(sorry_server(9, false)), ..virtual_server(1, servers(2)) };
    let mut world = World::started(config(vec![service]));
    assert_eq!(world.kernel.weights(1), [(9, 1)]);
    world.finish(0, Verdict::OkWithWeight(CheckWeight::Absolute(4)));
    assert_eq!(world.kernel.weights(1), [(1, 4), (2, 1)]);
    world.said();
    world.pass(seconds(3));
    world.finish(0, Verdict::OkWithWeight(CheckWeight::Relative(-1)));
    assert_eq!(world.kernel.weights(1), [(9, 1)]);
    assert_eq!(
        world.said()[0],
        "Changing weight from 4 to 0 for service [10.0.0.1]:tcp:80 of VS [192.0.0.1]:tcp:80: TCP_CHECK"
    );
    // A success that says no weight leaves the one that was said.
    world.pass(seconds(3));
    world.finish(0, Verdict::OkWithWeight(CheckWeight::Absolute(30)));
    world.pass(seconds(3));
    world.finish(0, Verdict::Ok);
    assert_eq!(world.kernel.weights(1), [(1, 30), (2, 1)]);
}

#[test]
fn what_is_seen_unasked_counts_at_once_without_retries() {
    let patient = Timing { retry: 5, ..timing() };
    let mut world = World::started(config(vec![virtual_server(1, vec![real_server(1, patient)])]));
    world.finish(0, Verdict::Ok);
    let checker = standfast_lvs::CheckerId(0);
    world.event(Event::CheckReported { checker, verdict: REFUSED });
    assert_eq!(world.kernel.weights(1), []);
    world.event(Event::CheckReported { checker, verdict: Verdict::Ok });
    assert_eq!(world.kernel.weights(1), [(1, 1)]);
}

/// Three services that all check server 1 in the same way, and one of them server 2.
fn shared(share_checks: bool) -> LvsConfig {
    let services = [
        virtual_server(1, servers(1)),
        virtual_server(2, servers(2)),
        // It goes elsewhere for this one.
        virtual_server(
            3,
            vec![RealServer { checkers: [checker(1, timing()).into()].into(), ..real_server(3, timing()) }],
        ),
    ];
    LvsConfig { virtual_servers: services.to_vec(), common: LvsCommon { share_checks, ..LvsCommon::default() } }
}

#[test]
fn identical_checks_are_performed_once_and_their_verdict_counts_for_all() {
    let mut world = World::started(shared(true));
    let saved = world.director.probes_saved();
    assert_eq!((saved.checks, saved.saved), (4, 2));
    assert!(world.said().contains(&"Sharing checks: 2 of 4 get the verdict of another that is the same".to_owned()));
    assert_eq!(world.running.len(), 2);
    world.live(Duration::ZERO, |_| Verdict::Ok);
    world.live(seconds(3), |checker| if checker.0 == 0 { REFUSED } else { Verdict::Ok });
    assert_eq!([1, 2, 3].map(|service| world.kernel.weights(service)), [vec![], vec![(2, 1)], vec![]]);
    world.live(seconds(3), |_| Verdict::Ok);
    assert_eq!([1, 2, 3].map(|service| world.kernel.weights(service).len()), [1, 2, 1]);
    assert_eq!(world.started.len(), 6);
}

#[test]
fn without_share_checks_each_is_performed() {
    let world = World::started(shared(false));
    assert_eq!((world.running.len(), world.director.probes_saved().saved), (4, 0));
}

#[test]
fn when_the_service_that_performed_a_shared_check_goes_another_takes_over() {
    let mut world = World::started(shared(true));
    world.live(Duration::ZERO, |_| Verdict::Ok);
    let mut rest = shared(true);
    rest.virtual_servers.remove(0);
    world.event(Event::Reload(Box::new(rest)));
    assert_eq!(world.director.probes_saved().saved, 1);
    world.live_by(seconds(4), |_| REFUSED);
    assert_eq!([2, 3].map(|service| world.kernel.weights(service)), [vec![], vec![]]);
    // And each by itself when that is not wanted any more.
    let mut apart = shared(false);
    apart.virtual_servers.remove(0);
    world.event(Event::Reload(Box::new(apart)));
    assert_eq!(world.director.probes_saved().saved, 0);
    world.started.clear();
    world.live_by(seconds(3), |_| Verdict::Ok);
    assert_eq!(world.started.len(), 3);
    assert_eq!([2, 3].map(|service| world.kernel.weights(service).len()), [2, 1]);
}
