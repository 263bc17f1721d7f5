//! What a director makes of a table that it finds.

use crate::support::{
    World, at, config, destination, entry, real_server, seconds, server_key, service_key, sorry_server, table, timing,
    virtual_server,
};
use standfast_lvs::{Action, Director, Event, Operation, Output, Reason, Table, Verdict};
use standfast_model::config::LvsConfig;
use standfast_model::config::lvs::{RealServer, Timing, VirtualServer};
use std::collections::BTreeSet;

const REFUSED: Verdict = Verdict::Failed(Reason::Refused);

fn late() -> Timing {
    Timing { warmup: seconds(60), delay_loop: seconds(60), ..timing() }
}

fn three(timing: Timing) -> VirtualServer {
    virtual_server(1, (1..=3).map(|number| real_server(number, timing)).collect())
}

fn only(service: VirtualServer) -> LvsConfig {
    config(vec![service])
}

/// Starts with that table in the kernel.
fn found(config: LvsConfig, table: Table) -> World {
    let mut world = World::new(config, 1);
    world.kernel.table = table;
    world.event(Event::Start);
    world
}

#[test]
fn a_restart_changes_nothing_while_the_servers_stay_as_they_are() {
    let service = VirtualServer { sorry_server: Some(sorry_server(9, true)), ..three(timing()) };
    let down = |number: usize| number == 1;
    let mut before = World::started(only(service.clone()));
    let verdict = |checker: standfast_lvs::CheckerId| if down(checker.0) { REFUSED } else { Verdict::Ok };
    before.live(seconds(10), verdict);
    let mut after = found(only(service), before.kernel.table.clone());
    after.live(seconds(30), verdict);
    assert_eq!(after.operations, []);
    assert_eq!(after.kernel.weights(1), [(1, 1), (3, 1), (9, 0)]);
}

#[test]
fn a_restart_without_quorum_leaves_the_sorry_server_in() {
    let service = VirtualServer { quorum: 2, sorry_server: Some(sorry_server(9, false)), ..three(timing()) };
    let mut world = found(only(service), table([entry(1, &[destination(9, 1)])]));
    assert_eq!(world.operations, []);
    world.finish(0, Verdict::Ok);
    assert_eq!(world.operations, []);
    world.finish(1, Verdict::Ok);
    assert_eq!(world.kernel.weights(1), [(1, 1), (2, 1)]);
}

#[test]
fn a_server_that_was_out_stays_out_until_its_check_which_runs_at_once() {
    let mut world = found(only(three(late())), table([entry(1, &[destination(1, 1), destination(3, 1)])]));
    assert_eq!(world.kernel.weights(1), [(1, 1), (3, 1)]);
    assert_eq!(world.starts(1), [0]);
    assert!(world.starts(0).is_empty() && world.starts(2).is_empty());
    assert_eq!(world.said()[0], "Adopted VS [192.0.0.1]:tcp:80 as found, servers out until checked: 1");
    world.finish(1, Verdict::Ok);
    assert_eq!(world.kernel.weights(1), [(1, 1), (2, 1), (3, 1)]);
    world.pass(seconds(60));
    assert_eq!(world.starts(1), [0, 60_000]);
}

#[test]
fn an_alpha_server_that_was_in_stays_in_until_its_first_failure() {
    let alpha = Timing { alpha: true, retry: 3, ..late() };
    let mut world = found(only(three(alpha)), table([entry(1, &[destination(1, 1)])]));
    assert_eq!(world.kernel.weights(1), [(1, 1)]);
    world.live(seconds(60), |_| REFUSED);
    assert_eq!(world.kernel.weights(1), []);
}

#[test]
fn a_quorum_that_hysteresis_held_is_held_on() {
    let service =
        || VirtualServer { quorum: 2, hysteresis: 1, sorry_server: Some(sorry_server(9, false)), ..three(timing()) };
    // Two of three: enough to keep a quorum, too little to gain one.
    let held = found(only(service()), table([entry(1, &[destination(1, 1), destination(2, 1)])]));
    assert_eq!(held.operations, []);
    assert_eq!(held.kernel.weights(1), [(1, 1), (2, 1)]);
}

#[test]
fn a_server_without_checkers_comes_in_whatever_was_found() {
    let mut service = three(timing());
    service.real_servers[1].checkers = [].into();
    let world = found(only(service), table([entry(1, &[destination(1, 1), destination(3, 1)])]));
    assert_eq!(world.kernel.weights(1), [(1, 1), (2, 1), (3, 1)]);
}

#[test]
fn weight_0_of_an_inhibited_server_is_one_that_was_out() {
    let mut service = three(late());
    service.real_servers[0] = RealServer { inhibit_on_failure: true, ..real_server(1, late()) };
    let world = found(only(service), table([entry(1, &[destination(1, 0), destination(2, 0), destination(3, 1)])]));
    // The second has weight 0 for no reason of ours: it gets its own again.
    assert_eq!(world.kernel.weights(1), [(1, 0), (2, 1), (3, 1)]);
    assert_eq!(world.starts(0), [0]);
}

#[test]
fn what_was_configured_differently_is_edited_in_place() {
    let mut found_entry = entry(1, &[destination(1, 9), destination(2, 1), destination(3, 1), destination(44, 1)]);
    found_entry.service.scheduler = "wlc".parse().unwrap();
    let world = found(only(three(timing())), table([found_entry]));
    assert_eq!(world.kernel.weights(1), [(1, 1), (2, 1), (3, 1)]);
    let kinds: Vec<_> = world
        .operations
        .iter()
        .map(|(operation, _)| match operation {
            Operation::EditService(_) => "edit service",
            Operation::EditDestination(..) => "edit destination",
            Operation::RemoveDestination(..) => "remove destination",
            Operation::AddService(_) | Operation::RemoveService(_) | Operation::AddDestination(..) => "other",
        })
        .collect();
    assert_eq!(kinds, ["edit service", "edit destination", "remove destination"]);
}

#[test]
fn a_verdict_that_came_before_the_table_stands() {
    let mut director = Director::new(only(three(late())), 1);
    let mut out = Output::default();
    director.handle(at(0), Event::Start, &mut out);
    let mut heard = BTreeSet::new();
    while heard.len() < 3 {
        let now = director.next_deadline().unwrap();
        let mut out = Output::default();
        director.handle(now, Event::Wake, &mut out);
        for action in out.actions {
            let Action::StartCheck(checker) = action else { panic!("{action:?}") };
            let verdict = if checker.0 == 0 { REFUSED } else { Verdict::Ok };
            director.handle(now, Event::CheckFinished { checker, verdict }, &mut Output::default());
            heard.insert(checker);
        }
    }
    let found = table([entry(1, &[destination(1, 1), destination(2, 1)])]);
    let mut out = Output::default();
    director.handle(at(60_000), Event::Observed(found), &mut out);
    let applied = vec![
        Operation::AddDestination(service_key(1), destination(3, 1)),
        Operation::RemoveDestination(service_key(1), server_key(1)),
    ];
    assert_eq!(out.actions.last(), Some(&Action::Apply(applied)));
}

#[test]
fn a_table_that_could_not_be_read_at_first_is_not_taken_over_later() {
    let mut world = World::new(only(three(timing())), 1);
    world.kernel.silent = true;
    world.event(Event::Start);
    world.finish(0, REFUSED);
    world.kernel.silent = false;
    world.kernel.table = table([entry(1, &[destination(1, 1)])]);
    world.live(seconds(2), |_| Verdict::Ok);
    assert_eq!(world.kernel.weights(1), [(2, 1), (3, 1)]);
}
