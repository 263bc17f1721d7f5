//! What a new configuration changes, and what it leaves alone.

use crate::model::{any_config, rows_of};
use crate::support::{
    World, checker, config, destination, group, real_server, seconds, server_address, service_key, sorry_server,
    timing, virtual_server,
};
use core::time::Duration;
use proptest::prelude::*;
use standfast_lvs::{Connections, Event, Operation, Reason, Verdict};
use standfast_model::config::LvsConfig;
use standfast_model::config::lvs::{Checker, Probe, RealServer, Timing, VirtualServer};
use standfast_model::ipvs::{DestinationKey, ServiceKey};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const REFUSED: Verdict = Verdict::Failed(Reason::Refused);

fn three(timing: Timing) -> VirtualServer {
    virtual_server(1, (1..=3).map(|number| real_server(number, timing)).collect())
}

fn only(service: VirtualServer) -> LvsConfig {
    config(vec![service])
}

/// Started, every check made once, with that of server 2 failed; operations and words so far forgotten.
fn second_is_down(config: LvsConfig) -> World {
    let mut world = World::started(config);
    world.live(Duration::ZERO, |checker| if checker.0 == 1 { REFUSED } else { Verdict::Ok });
    world.operations.clear();
    world.started.clear();
    world.said();
    world.occasions.clear();
    world
}

fn sent(world: &World) -> Vec<String> {
    world
        .operations
        .iter()
        .map(|(operation, done)| format!("{operation}{}", if *done { "" } else { " FAILED" }))
        .collect()
}

#[test]
fn the_same_configuration_again_changes_nothing_and_shifts_no_check() {
    let service = VirtualServer { sorry_server: Some(sorry_server(9, true)), ..three(timing()) };
    let mut world = second_is_down(only(service.clone()));
    world.pass(seconds(1));
    world.event(Event::Reload(Box::new(only(service))));
    assert_eq!(world.operations, []);
    assert_eq!(world.occasions, []);
    world.pass(seconds(2));
    assert_eq!(world.starts(0), [3000]);
    assert_eq!(
        world.said(),
        ["Reloaded: virtual servers 0 added, 0 removed, 0 changed; real servers in those that stayed 0 added, 0 \
             removed"]
    );
}

#[test]
fn who_was_down_stays_down_and_who_was_up_stays_up_wherever_they_stand_now() {
    let mut world = second_is_down(only(three(timing())));
    // In another order, behind another service, and with a fourth.
    let servers = [4, 3, 2, 1].map(|number| real_server(number, timing())).to_vec();
    let other = virtual_server(7, vec![real_server(1, timing())]);
    world.event(Event::Reload(Box::new(config(vec![other, virtual_server(1, servers)]))));
    assert_eq!(world.kernel.weights(1), [(1, 1), (3, 1), (4, 1)]);
    assert_eq!(
        sent(&world),
        [
            "add destination 10.0.0.4:80 to TCP  192.0.0.1:80",
            "add service TCP  192.0.0.7:80",
            "add destination 10.0.0.1:80 to TCP  192.0.0.7:80",
        ]
    );
    // The number of a checker is its own for good: that of server 2 is still 1.
    world.running.clear();
    world.pass(seconds(3));
    assert!(world.running.contains_key(&standfast_lvs::CheckerId(1)), "{:?}", world.running);
    world.finish(1, Verdict::Ok);
    assert_eq!(world.kernel.weights(1), [(1, 1), (2, 1), (3, 1), (4, 1)]);
}

#[test]
fn a_changed_attribute_is_an_edit_and_never_a_removal() {
    let mut world = second_is_down(only(three(timing())));
    let mut service = three(timing());
    service.scheduler = "wlc".parse().unwrap();
    service.real_servers[0].weight = 9;
    service.real_servers[2].upper_threshold = 100;
    world.event(Event::Reload(Box::new(only(service))));
    assert_eq!(
        sent(&world),
        [
            "edit service TCP  192.0.0.1:80",
            "edit destination 10.0.0.1:80 of TCP  192.0.0.1:80",
            "edit destination 10.0.0.3:80 of TCP  192.0.0.1:80",
        ]
    );
    assert_eq!(world.kernel.weights(1), [(1, 9), (3, 1)]);
    assert_eq!(world.occasions, []);
}

#[test]
fn one_changed_server_among_many_services_touches_one_row() {
    let services = |weight| {
        let mut services: Vec<_> =
            (0..200).map(|n| virtual_server(n, (0..4).map(|s| real_server(s, timing())).collect())).collect();
        services[100].real_servers[2].weight = weight;
        config(services)
    };
    let mut world = World::started(services(1));
    world.operations.clear();
    world.event(Event::Reload(Box::new(services(5))));
    assert_eq!(sent(&world), ["edit destination 10.0.0.2:80 of TCP  192.0.0.100:80"]);
    assert_eq!(world.kernel.dumps, 1);
}

#[test]
fn what_is_not_configured_any_more_goes_and_is_told() {
    let mut world = second_is_down(config(vec![three(timing()), virtual_server(5, vec![real_server(8, timing())])]));
    let mut service = three(timing());
    service.real_servers.truncate(2);
    world.event(Event::Reload(Box::new(only(service))));
    assert_eq!(
        sent(&world),
        ["remove destination 10.0.0.3:80 from TCP  192.0.0.1:80", "remove service TCP  192.0.0.5:80"]
    );
    let told: Vec<_> = world.occasions.iter().filter_map(standfast_lvs::Occasion::fifo_line).collect();
    assert_eq!(
        told,
        [
            "RS [10.0.0.3]:tcp:80 [192.0.0.1]:tcp:80 DOWN",
            "RS [10.0.0.8]:tcp:80 [192.0.0.5]:tcp:80 DOWN",
            "VS [192.0.0.5]:tcp:80 DOWN",
        ]
    );
    assert!(world.occasions.iter().all(|occasion| occasion.reason == "Removing" && !occasion.stopping));
    // Their checks run no more, and nothing of theirs is ours any more.
    world.started.clear();
    world.live(seconds(30), |_| Verdict::Ok);
    assert!(world.started.iter().all(|(_, checker)| checker.0 < 2), "{:?}", world.started);
    let foreign = crate::support::entry(5, &[destination(8, 1)]);
    world.kernel.table.services.insert(service_key(5), foreign.clone().into());
    world.live(seconds(30), |_| Verdict::Ok);
    assert_eq!(*world.kernel.table.services[&service_key(5)], foreign);
}

#[test]
fn a_removal_that_the_kernel_refuses_is_tried_again() {
    let mut world = second_is_down(config(vec![three(timing()), virtual_server(5, vec![real_server(8, timing())])]));
    world.kernel.locked.insert(service_key(5));
    world.event(Event::Reload(Box::new(only(three(timing())))));
    assert!(world.kernel.table.services.contains_key(&service_key(5)));
    world.kernel.locked.clear();
    world.live(seconds(2), |_| Verdict::Ok);
    assert!(!world.kernel.table.services.contains_key(&service_key(5)));
}

#[test]
fn an_answer_to_a_check_that_is_gone_counts_for_nobody() {
    let mut world = World::started(only(three(timing())));
    assert_eq!(world.running.len(), 3);
    let servers = vec![real_server(3, timing()), real_server(4, timing()), real_server(5, timing())];
    // The world asserts that the checks under way of those that go are cancelled.
    world.event(Event::Reload(Box::new(only(virtual_server(1, servers)))));
    for checker in [0, 1] {
        world.event(Event::CheckFinished { checker: standfast_lvs::CheckerId(checker), verdict: REFUSED });
    }
    assert_eq!(world.kernel.weights(1), [(3, 1), (4, 1), (5, 1)]);
}

#[test]
fn a_check_under_way_goes_on_over_a_reload_and_its_verdict_counts() {
    let mut world = World::started(only(three(timing())));
    let servers = vec![real_server(3, timing()), real_server(1, timing())];
    world.event(Event::Reload(Box::new(only(virtual_server(1, servers)))));
    world.finish(2, REFUSED);
    assert_eq!(world.kernel.weights(1), [(1, 1)]);
}

#[test]
fn a_check_that_a_server_did_not_have_stands_as_the_server_stood() {
    let mut world = second_is_down(only(three(timing())));
    let alpha = Timing { alpha: true, warmup: seconds(60), delay_loop: seconds(60), ..timing() };
    let mut service = three(timing());
    for (server, elsewhere) in service.real_servers.iter_mut().zip([11, 12, 13]) {
        server.checkers = [checker(elsewhere, alpha).into()].into();
    }
    world.running.clear();
    world.event(Event::Reload(Box::new(only(service))));
    assert_eq!(world.operations, []);
    assert_eq!(world.kernel.weights(1), [(1, 1), (3, 1)]);
    // The check of the one that is down runs at once.
    assert_eq!(world.running.len(), 1);
    world.finish_all(&Verdict::Ok);
    assert_eq!(world.kernel.weights(1), [(1, 1), (2, 1), (3, 1)]);
}

#[test]
fn a_server_whose_failing_check_is_gone_comes_up() {
    let mut service = three(timing());
    let one = service.real_servers[1].checkers[0].clone();
    let other: Arc<Checker> = checker(12, timing()).into();
    service.real_servers[1].checkers = [one, other.clone()].into();
    let mut world = second_is_down(only(service.clone()));
    service.real_servers[1].checkers = [other].into();
    world.event(Event::Reload(Box::new(only(service))));
    assert_eq!(world.kernel.weights(1), [(1, 1), (2, 1), (3, 1)]);
    assert!(world.said().contains(&"Adding service [10.0.0.2]:tcp:80 to VS [192.0.0.1]:tcp:80".to_owned()));
    assert_eq!(world.occasions.len(), 1);
    assert!(world.occasions[0].up);
}

#[test]
fn failures_counted_so_far_still_count() {
    let patient = Timing { retry: 2, delay_before_retry: seconds(1), ..timing() };
    let mut world = World::started(only(three(patient)));
    world.finish_all(&Verdict::Ok);
    world.pass(seconds(3));
    world.finish(0, REFUSED);
    world.pass(seconds(1));
    world.finish(0, REFUSED);
    let mut service = three(patient);
    service.real_servers[0].weight = 4;
    world.event(Event::Reload(Box::new(only(service))));
    world.pass(seconds(1));
    assert_eq!(world.kernel.weights(1), [(1, 4), (2, 1), (3, 1)]);
    world.finish(0, REFUSED);
    assert_eq!(world.kernel.weights(1), [(2, 1), (3, 1)]);
}

#[test]
fn a_shorter_interval_counts_from_the_reload_on() {
    let slow = Timing { delay_loop: seconds(600), ..timing() };
    let mut world = World::started(only(three(slow)));
    world.finish_all(&Verdict::Ok);
    world.event(Event::Reload(Box::new(only(three(timing())))));
    world.live(seconds(7), |_| Verdict::Ok);
    let starts = world.starts(0);
    assert_eq!(starts.len(), 4 - usize::from(starts[1] >= 1000), "{starts:?}");
    assert!(starts[1] <= 3000, "{starts:?}");
}

#[test]
fn a_quorum_that_hysteresis_held_is_held_over_a_reload_and_new_thresholds_count_at_once() {
    let service =
        |quorum| VirtualServer { quorum, hysteresis: 1, sorry_server: Some(sorry_server(9, false)), ..three(timing()) };
    // Two of three are up: enough to keep a quorum, too little to gain one.
    let mut world = second_is_down(only(service(2)));
    assert_eq!(world.kernel.weights(1), [(1, 1), (3, 1)]);
    let mut changed = service(2);
    changed.real_servers[0].upper_threshold = 7;
    world.event(Event::Reload(Box::new(only(changed))));
    assert_eq!(world.kernel.weights(1), [(1, 1), (3, 1)]);
    world.said();
    world.event(Event::Reload(Box::new(only(VirtualServer { hysteresis: 0, quorum: 3, ..service(3) }))));
    assert_eq!(world.kernel.weights(1), [(9, 1)]);
    assert!(world.said().contains(&"Lost quorum 3-0=3 > 2 for VS [192.0.0.1]:tcp:80".to_owned()));
    let lines: Vec<_> = world.occasions.iter().filter_map(standfast_lvs::Occasion::fifo_line).collect();
    assert_eq!(lines, ["VS [192.0.0.1]:tcp:80 DOWN"]);
}

#[test]
fn the_services_of_a_group_come_and_go_with_its_ranges() {
    let grouped = |first: u16, others: &[u16]| {
        let mut service = virtual_server(first, vec![real_server(1, timing()), real_server(2, timing())]);
        service.options.group = Some(group(others.iter().copied()));
        only(service)
    };
    let mut world = second_is_down(grouped(100, &[101, 102]));
    assert_eq!(world.kernel.weights(102), [(1, 1)]);
    world.event(Event::Reload(Box::new(grouped(101, &[102, 103]))));
    assert_eq!(
        sent(&world),
        [
            "add service TCP  192.0.0.103:80",
            "add destination 10.0.0.1:80 to TCP  192.0.0.103:80",
            "remove service TCP  192.0.0.100:80",
        ]
    );
    world.running.clear();
    world.pass(seconds(3));
    world.finish(1, Verdict::Ok);
    assert_eq!([101, 102, 103].map(|service| world.kernel.weights(service).len()), [2, 2, 2]);
}

#[test]
fn a_first_service_may_come_and_the_last_one_go() {
    let mut world = World::started(config(vec![]));
    world.event(Event::Reload(Box::new(only(three(timing())))));
    assert_eq!(world.kernel.weights(1), [(1, 1), (2, 1), (3, 1)]);
    world.event(Event::Reload(Box::new(config(vec![]))));
    assert!(world.kernel.table.services.is_empty());
    world.pass(seconds(30));
    assert_eq!(world.director.next_deadline(), None);
    world.event(Event::Reload(Box::new(only(three(timing())))));
    assert_eq!(world.kernel.weights(1), [(1, 1), (2, 1), (3, 1)]);
}

#[test]
fn with_drain_a_server_that_a_reload_takes_away_keeps_its_connections_for_a_while() {
    let service = |servers: &[u16]| {
        let mut service = virtual_server(1, servers.iter().map(|number| real_server(*number, timing())).collect());
        service.options.drain = Some(seconds(60));
        only(service)
    };
    let busy = |server: u16| {
        let count = Connections { active: 2, inactive: 5, persistent: 0 };
        ((service_key(1), crate::support::server_key(server)), count)
    };
    let mut world = second_is_down(service(&[1, 2, 3]));
    world.kernel.activity.extend([busy(1), busy(3)]);
    world.event(Event::Reload(Box::new(service(&[2]))));
    // The one that was down has no connections to lose.
    assert_eq!(world.kernel.weights(1), [(1, 0), (3, 0)]);
    world.live(seconds(10), |_| Verdict::Ok);
    assert_eq!(world.kernel.weights(1), [(1, 0), (2, 1), (3, 0)]);
    world.kernel.activity.clear();
    world.kernel.activity.extend([busy(3)]);
    world.live(seconds(2), |_| Verdict::Ok);
    assert_eq!(world.kernel.weights(1), [(2, 1), (3, 0)]);
    // Another reload does not disturb that.
    let mut again = service(&[2]);
    again.virtual_servers[0].real_servers[0].weight = 7;
    world.event(Event::Reload(Box::new(again)));
    assert_eq!(world.kernel.weights(1), [(2, 7), (3, 0)]);
    world.said();
    world.live(seconds(47), |_| Verdict::Ok);
    assert_eq!(world.kernel.weights(1), [(2, 7), (3, 0)]);
    world.live(seconds(2), |_| Verdict::Ok);
    assert_eq!(world.kernel.weights(1), [(2, 7)]);
    let told = "Drained service [10.0.0.3]:tcp:80 of VS [192.0.0.1]:tcp:80: 2 connections cut";
    assert_eq!(world.said(), [told]);
}

#[test]
fn a_server_that_drains_and_is_configured_again_serves_again() {
    let service = |servers: &[u16]| {
        let mut service = virtual_server(1, servers.iter().map(|number| real_server(*number, timing())).collect());
        service.options.drain = Some(seconds(60));
        only(service)
    };
    let mut world = second_is_down(service(&[1, 2, 3]));
    let count = Connections { active: 1, inactive: 0, persistent: 0 };
    world.kernel.activity.insert((service_key(1), crate::support::server_key(3)), count);
    world.event(Event::Reload(Box::new(service(&[1, 2]))));
    assert_eq!(world.kernel.weights(1), [(1, 1), (3, 0)]);
    world.operations.clear();
    world.event(Event::Reload(Box::new(service(&[1, 2, 3]))));
    assert_eq!(sent(&world), ["edit destination 10.0.0.3:80 of TCP  192.0.0.1:80"]);
    world.kernel.activity.clear();
    world.live(seconds(100), |_| Verdict::Ok);
    assert_eq!(world.kernel.weights(1), [(1, 1), (2, 1), (3, 1)]);
}

#[test]
fn a_reload_while_the_first_reading_is_under_way_takes_nothing_over_twice() {
    use standfast_lvs::{Action, Director, Output, Table};
    let mut director = Director::new(config(vec![three(timing()), virtual_server(5, vec![])]), 1);
    director.handle(crate::support::at(0), Event::Start, &mut Output::default());
    director.handle(crate::support::at(1), Event::Reload(Box::new(only(three(timing())))), &mut Output::default());
    let found: Table = crate::support::table([
        crate::support::entry(1, &[destination(1, 1)]),
        crate::support::entry(5, &[destination(1, 1)]),
    ]);
    let mut out = Output::default();
    director.handle(crate::support::at(2), Event::Observed(found), &mut out);
    assert_eq!(
        out.actions.last(),
        Some(&Action::Apply(vec![Operation::RemoveService(service_key(5))])),
        "{:?}",
        out.actions
    );
}

#[test]
fn a_target_of_a_check_that_changes_is_another_check() {
    let mut world = second_is_down(only(three(timing())));
    let mut service = three(timing());
    let Probe::Tcp(connect) = &mut Arc::make_mut(&mut service.real_servers[0].checkers[0]).probe else {
        panic!("not TCP")
    };
    connect.target = server_address(77);
    let service = VirtualServer {
        real_servers: service.real_servers.into_iter().map(|server| RealServer { weight: 2, ..server }).collect(),
        ..service
    };
    world.event(Event::Reload(Box::new(only(service))));
    let probes: Vec<usize> = world.director.probes().map(|(checker, _)| checker.0).collect();
    assert_eq!(probes, [1, 2, 3]);
    assert_eq!(world.kernel.weights(1), [(1, 2), (3, 2)]);
}

/// A configuration in which the past of a quorum makes no difference.
fn without_hysteresis(mut config: LvsConfig) -> LvsConfig {
    config.virtual_servers.iter_mut().for_each(|service| service.hysteresis = 0);
    config
}

/// Good or bad by where the check goes, whoever makes it.
fn by_target(bad: &BTreeSet<u8>) -> impl Fn(&Probe) -> Verdict {
    |probe| {
        let Probe::Tcp(connect) = probe else { unreachable!("{probe:?}") };
        let std::net::IpAddr::V4(address) = connect.target.ip() else { unreachable!("{probe:?}") };
        if bad.contains(&address.octets()[3]) { REFUSED } else { Verdict::Ok }
    }
}

/// What the kernel holds of every service: everything but its destinations.
fn services_of(world: &World) -> BTreeMap<ServiceKey, standfast_model::ipvs::Service> {
    world.kernel.table.services.iter().map(|(key, entry)| (*key, entry.service.clone())).collect()
}

/// Whether the operation takes a row away that is there before and after.
fn tears(operation: &Operation, stays: &impl Fn(ServiceKey, Option<DestinationKey>) -> bool) -> bool {
    match operation {
        Operation::RemoveService(key) => stays(*key, None),
        Operation::RemoveDestination(key, destination) => stays(*key, Some(*destination)),
        Operation::AddService(_)
        | Operation::EditService(_)
        | Operation::AddDestination(..)
        | Operation::EditDestination(..) => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn after_any_reloads_the_table_is_that_of_a_fresh_start_and_nothing_that_stays_was_taken_out_for_it(
        configs in proptest::collection::vec((any_config(), 0..9000_u64), 2..5),
        bad in proptest::collection::btree_set(1..5_u8, 0..4),
        seed in any::<u64>(),
    ) {
        let mut configs = configs.into_iter().map(|(config, millis)| (without_hysteresis(config), millis));
        let (first, millis) = configs.next().unwrap();
        let mut last = first.clone();
        let mut world = World::new(first, seed);
        world.event(Event::Start);
        world.live_by(Duration::from_millis(millis), by_target(&bad));
        for (config, millis) in configs {
            let (before, services_before) = (rows_of(&world), services_of(&world));
            world.operations.clear();
            world.event(Event::Reload(Box::new(config.clone())));
            let (after, services_after) = (rows_of(&world), services_of(&world));
            let stays = |service: ServiceKey, destination: Option<DestinationKey>| match destination {
                None => services_before.contains_key(&service) && services_after.contains_key(&service),
                Some(key) => before.contains_key(&(service, key)) && after.contains_key(&(service, key)),
            };
            for (operation, done) in &world.operations {
                prop_assert!(*done, "{operation} failed");
                prop_assert!(!tears(operation, &stays), "{operation}");
                let (service, destination) = operation.row();
                match destination {
                    None => prop_assert!(services_before.get(&service) != services_after.get(&service), "{operation}"),
                    // Forwarding and limits are the same in all of these, so the weight tells.
                    Some(key) => {
                        prop_assert!(before.get(&(service, key)) != after.get(&(service, key)), "{operation}");
                    }
                }
            }
            last = config;
            world.live_by(Duration::from_millis(millis), by_target(&bad));
        }
        world.live_by(seconds(20), by_target(&bad));
        let mut fresh = World::new(last, !seed);
        fresh.event(Event::Start);
        fresh.live_by(seconds(20), by_target(&bad));
        prop_assert_eq!(&world.kernel.table, &fresh.kernel.table);
        prop_assert_eq!(world.director.probes().count(), fresh.director.probes().count());
    }
}
