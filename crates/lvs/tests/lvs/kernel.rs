//! What a director does about the kernel's table: who else is in it, who changes it, what it refuses.

use crate::support::{
    World, at, config, destination, entry, real_server, seconds, server_key, service_key, sorry_server, table, timing,
    virtual_server,
};
use standfast_lvs::{Action, Director, Event, Operation, Output, Reason, Table, Verdict};
use standfast_model::config::LvsConfig;
use standfast_model::config::lvs::VirtualServer;

const REFUSED: Verdict = Verdict::Failed(Reason::Refused);

/// Two services of two servers each.
fn two() -> LvsConfig {
    let service =
        |number: u16| virtual_server(number, vec![real_server(number, timing()), real_server(number + 100, timing())]);
    config(vec![service(1), service(2)])
}

fn alive(world: &mut World, time: u64) {
    world.live(seconds(time), |_| Verdict::Ok);
}

#[test]
fn nothing_is_applied_before_the_table_was_read() {
    let mut director = Director::new(two(), 0);
    let mut out = Output::default();
    director.handle(at(0), Event::Start, &mut out);
    assert_eq!(out.actions, [Action::Dump]);
    let mut out = Output::default();
    director.handle(at(5), Event::Wake, &mut out);
    assert!(out.actions.iter().all(|action| matches!(action, Action::StartCheck(_))), "{:?}", out.actions);
    let mut out = Output::default();
    director.handle(at(9), Event::Observed(Table::default()), &mut out);
    assert!(matches!(out.actions.last(), Some(Action::Apply(operations)) if operations.len() == 6));
}

#[test]
fn services_of_others_stay_through_start_checks_and_stop() {
    let foreign = entry(7, &[destination(1, 3)]);
    let mut world = World::new(two(), 0);
    world.kernel.table = table([foreign.clone()]);
    world.event(Event::Start);
    alive(&mut world, 5);
    world.live(seconds(20), |_| REFUSED);
    assert_eq!(*world.kernel.table.services[&service_key(7)], foreign);
    world.event(Event::Shutdown { keep_table: false });
    assert_eq!(world.kernel.table, table([foreign]));
}

#[test]
fn a_change_by_someone_else_is_set_right_at_the_next_reading_and_told() {
    let mut world = World::started(two());
    alive(&mut world, 1);
    world.said();
    let before = world.kernel.table.clone();
    world.kernel.table.services.remove(&service_key(1));
    let second = world.kernel.table.services.get_mut(&service_key(2)).unwrap();
    second.destinations.insert(destination(55, 1));
    alive(&mut world, 10);
    assert_eq!(world.kernel.table, before);
    assert_eq!(
        world.said(),
        ["IPVS table was changed by someone else, set right by 4 operations: add service TCP  192.0.0.1:80, ..."]
    );
    alive(&mut world, 60);
    assert_eq!(world.said(), [""; 0]);
}

#[test]
fn someone_who_changes_the_table_again_and_again_is_told_of_once_until_they_rest() {
    let mut world = World::started(two());
    let meddle = |world: &mut World| {
        world.kernel.table.services.remove(&service_key(1));
        alive(world, 10);
        assert_eq!(world.kernel.weights(1), [(1, 1), (101, 1)]);
        world.said().into_iter().filter(|line| line.contains("someone else")).count()
    };
    let told: usize = (0..5).map(|_| meddle(&mut world)).sum();
    assert_eq!(told, 1);
    alive(&mut world, 20);
    assert_eq!(meddle(&mut world), 1);
}

#[test]
fn the_table_is_read_every_ten_seconds_and_no_more() {
    let mut world = World::started(two());
    alive(&mut world, 100);
    assert_eq!(world.kernel.dumps, 11);
    assert_eq!(world.operations.len(), 6);
}

#[test]
fn our_own_changes_are_not_told_as_someone_elses() {
    let mut world = World::started(two());
    world.said();
    for round in 0..40 {
        world.live(seconds(1), |_| if round % 8 < 4 { Verdict::Ok } else { REFUSED });
    }
    assert!(world.operations.iter().all(|(_, done)| *done));
    assert!(!world.said().iter().any(|line| line.contains("someone else")));
}

/// A director that has asked for its table a second time, with what the kernel holds.
fn reading() -> (Director, Table, standfast_model::Instant) {
    let mut director = Director::new(two(), 0);
    let mut out = Output::default();
    director.handle(at(0), Event::Start, &mut out);
    director.handle(at(0), Event::Wake, &mut out);
    director.handle(at(0), Event::Observed(Table::default()), &mut out);
    let held = director.desired().clone();
    let due = director.next_deadline().unwrap();
    let mut out = Output::default();
    director.handle(due, Event::Wake, &mut out);
    assert_eq!(out.actions, [Action::Dump]);
    (director, held, due)
}

#[test]
fn a_verdict_while_the_table_is_being_read_is_applied_at_once_and_an_older_reading_does_not_undo_it() {
    let (mut director, held, due) = reading();
    let checker = standfast_lvs::CheckerId(0);
    director.handle(due, Event::CheckFinished { checker, verdict: REFUSED }, &mut Output::default());
    assert!(director.next_deadline().unwrap() <= due);
    let mut out = Output::default();
    director.handle(due, Event::Wake, &mut out);
    let expected = Operation::RemoveDestination(service_key(1), server_key(1));
    assert_eq!(out.actions, [Action::Apply(vec![expected])]);
    // What was read may be from before that, or from after: it is the same to us, and nobody else's doing.
    let mut out = Output::default();
    director.handle(due, Event::Observed(held.clone()), &mut out);
    assert_eq!(out.actions, []);
    // The next reading is believed again.
    let later = director.next_deadline().unwrap();
    director.handle(later, Event::Wake, &mut Output::default());
    let mut out = Output::default();
    director.handle(later, Event::Observed(held), &mut out);
    assert!(
        matches!(out.actions.last(), Some(Action::Apply(operations)) if operations.len() == 1),
        "{:?}",
        out.actions
    );
}

#[test]
fn a_refusal_while_the_table_is_being_read_is_tried_again_soon() {
    let (mut director, held, due) = reading();
    let operation = Operation::RemoveDestination(service_key(1), server_key(1));
    director.handle(due, Event::OperationFailed { operation, error: String::new() }, &mut Output::default());
    director.handle(due, Event::Observed(held), &mut Output::default());
    assert!(director.next_deadline().unwrap().since(due) <= seconds(1));
}

#[test]
fn large_tables_are_read_less_often_so_that_reading_never_keeps_the_machine_busy() {
    let services = (0..20_000).map(|number| virtual_server(number, vec![])).collect();
    let mut world = World::started(config(services));
    world.pass(seconds(19));
    assert_eq!(world.kernel.dumps, 1);
    world.pass(seconds(2));
    assert_eq!(world.kernel.dumps, 2);
}

#[test]
fn verdicts_that_come_in_together_are_applied_together() {
    let mut world = World::started(two());
    let mut out = Output::default();
    for checker in 0..4 {
        let event = Event::CheckFinished { checker: standfast_lvs::CheckerId(checker), verdict: REFUSED };
        world.director.handle(world.now, event, &mut out);
    }
    assert!(world.director.next_deadline().unwrap() <= world.now);
    world.director.handle(world.now, Event::Wake, &mut out);
    let applied: Vec<_> =
        out.actions.iter().filter_map(|a| if let Action::Apply(ops) = a { Some(ops.len()) } else { None }).collect();
    assert_eq!(applied, [4]);
}

#[test]
fn a_refusal_is_told_once_tried_again_at_growing_intervals_and_stops_no_other_service() {
    let mut world = World::new(two(), 0);
    world.kernel.locked.insert(service_key(1));
    world.event(Event::Start);
    let told = "IPVS refused to add service TCP  192.0.0.1:80, trying again: locked by the test";
    let refusals = |said: Vec<String>| said.into_iter().filter(|line| line.contains("IPVS")).collect::<Vec<_>>();
    assert_eq!(refusals(world.said()), [told]);
    assert_eq!(world.kernel.weights(2), [(2, 1), (102, 1)]);
    // Read at 0, 1, 3, 7, 15, and from there every 10 seconds.
    let dumps: Vec<usize> = [1, 2, 4, 8, 10, 10]
        .into_iter()
        .map(|time| {
            alive(&mut world, time);
            world.kernel.dumps
        })
        .collect();
    assert_eq!(dumps, [2, 3, 4, 5, 6, 7]);
    assert_eq!(refusals(world.said()), [""; 0]);
    world.kernel.locked.clear();
    alive(&mut world, 10);
    assert_eq!(world.kernel.weights(1), [(1, 1), (101, 1)]);
    assert_eq!(refusals(world.said()), [""; 0]);
    // It is over: the next one is told again, and tried again soon.
    alive(&mut world, 20);
    world.kernel.locked.insert(service_key(1));
    world.live(seconds(3), |_| REFUSED);
    assert_eq!(refusals(world.said()).len(), 2);
}

#[test]
fn a_table_that_cannot_be_read_is_told_once_and_checks_go_on() {
    let mut world = World::new(two(), 0);
    world.kernel.silent = true;
    world.event(Event::Start);
    alive(&mut world, 30);
    let said = world.said();
    let told: Vec<_> = said.iter().filter(|line| line.contains("cannot be read")).collect();
    assert_eq!(told, ["IPVS table cannot be read, trying again: silent by the test"]);
    assert_eq!(world.starts(0).len(), 11);
    assert_eq!(world.operations, []);
    world.kernel.silent = false;
    alive(&mut world, 10);
    assert_eq!(world.kernel.weights(1), [(1, 1), (101, 1)]);
}

#[test]
fn shutdown_takes_our_services_out_and_ends_everything() {
    let mut world = World::started(two());
    alive(&mut world, 1);
    world.operations.clear();
    world.event(Event::Shutdown { keep_table: false });
    assert_eq!(world.kernel.table, Table::default());
    // A service goes with its destinations: one operation each.
    assert_eq!(world.operations.len(), 2);
    assert_eq!(world.director.next_deadline(), None);
    let (started, operations) = (world.started.len(), world.operations.len());
    world.finish_all(&REFUSED);
    for event in [Event::Start, Event::Wake, Event::Observed(Table::default()), Event::Shutdown { keep_table: false }] {
        world.now += seconds(60);
        world.event(event);
    }
    assert_eq!((world.started.len(), world.operations.len()), (started, operations));
}

#[test]
fn shutdown_may_leave_the_table_as_it_is() {
    let mut world = World::started(two());
    alive(&mut world, 1);
    let before = world.kernel.table.clone();
    world.event(Event::Shutdown { keep_table: true });
    assert_eq!(world.kernel.table, before);
    assert_eq!(world.director.next_deadline(), None);
}

#[test]
fn shutdown_in_the_middle_of_a_reading_removes_what_might_be_there() {
    let mut director = Director::new(two(), 0);
    let mut out = Output::default();
    director.handle(at(0), Event::Start, &mut out);
    let mut out = Output::default();
    director.handle(at(0), Event::Shutdown { keep_table: false }, &mut out);
    let expected = [1, 2].map(|number| Operation::RemoveService(service_key(number))).to_vec();
    assert_eq!(out.actions, [Action::Apply(expected)]);
}

#[test]
fn shutdown_removes_what_someone_else_just_put_back() {
    let mut world = World::started(two());
    alive(&mut world, 1);
    let ours = world.kernel.table.clone();
    world.kernel.table = Table::default();
    alive(&mut world, 5);
    world.kernel.table = ours;
    world.event(Event::Shutdown { keep_table: false });
    assert_eq!(world.kernel.table, Table::default());
}

#[test]
fn shutdown_leaves_a_table_alone_that_never_could_be_read() {
    let mut world = World::new(two(), 0);
    world.kernel.silent = true;
    world.event(Event::Start);
    alive(&mut world, 5);
    world.event(Event::Shutdown { keep_table: false });
    assert_eq!(world.operations, []);
}

#[test]
fn a_director_without_services_leaves_the_kernel_alone() {
    let mut world = World::started(config(vec![]));
    alive(&mut world, 30);
    world.event(Event::Shutdown { keep_table: false });
    assert_eq!((world.kernel.dumps, world.operations.len()), (0, 0));
}

#[test]
fn a_pool_that_changes_sides_is_never_empty_in_between() {
    let service = VirtualServer {
        sorry_server: Some(sorry_server(9, false)),
        ..virtual_server(1, vec![real_server(1, timing()), real_server(2, timing())])
    };
    let mut world = World::started(config(vec![VirtualServer { quorum: 2, ..service }]));
    world.operations.clear();
    world.finish(0, REFUSED);
    let sent: Vec<String> = world.operations.iter().map(|(operation, _)| operation.to_string()).collect();
    assert_eq!(
        sent,
        [
            "add destination 10.0.0.9:80 to TCP  192.0.0.1:80",
            "remove destination 10.0.0.1:80 from TCP  192.0.0.1:80",
            "remove destination 10.0.0.2:80 from TCP  192.0.0.1:80",
        ]
    );
}
