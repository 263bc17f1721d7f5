//! When checks run, and when a failure counts.

use crate::support::{World, at, config, real_server, seconds, service_key, timing, virtual_server};
use core::time::Duration;
use standfast_lvs::{Director, Event, Inability, Output, Reason, Verdict};
use standfast_model::config::LvsConfig;
use standfast_model::config::lvs::Timing;

const REFUSED: Verdict = Verdict::Failed(Reason::Refused);
const UNABLE: Verdict = Verdict::Unable(Inability::OutOfDescriptors);

fn one(timing: Timing) -> LvsConfig {
    config(vec![virtual_server(1, vec![real_server(1, timing)])])
}

fn up(world: &World) -> bool {
    !world.kernel.weights(1).is_empty()
}

#[test]
fn a_check_runs_every_delay_loop_from_start_to_start() {
    let mut world = World::started(one(timing()));
    for _ in 0..4 {
        // A check that takes a while does not shift the ones to come.
        world.pass(Duration::from_millis(700));
        world.finish(0, Verdict::Ok);
        world.pass(Duration::from_millis(2300));
    }
    assert_eq!(world.starts(0), [0, 3000, 6000, 9000, 12000]);
}

#[test]
fn a_check_that_takes_longer_than_delay_loop_skips_its_turns_and_never_overlaps_itself() {
    let mut world = World::started(one(timing()));
    world.pass(seconds(7));
    assert_eq!(world.starts(0), [0]);
    world.finish(0, Verdict::Ok);
    world.pass(seconds(2));
    assert_eq!(world.starts(0), [0, 9000]);
}

#[test]
fn late_wakes_do_not_pile_up() {
    let mut world = World::started(one(timing()));
    world.finish(0, Verdict::Ok);
    // The machine slept: ten turns were missed.
    world.now = at(1000 + 31_000);
    world.event(Event::Wake);
    world.finish(0, Verdict::Ok);
    world.pass(seconds(3));
    assert_eq!(world.starts(0), [0, 31_000, 33_000]);
}

#[test]
fn the_first_check_runs_within_warmup_and_the_seed_decides_when() {
    let first_due = |seed| {
        let mut director = Director::new(one(Timing { warmup: seconds(60), ..timing() }), seed);
        let mut out = Output::default();
        director.handle(at(0), Event::Start, &mut out);
        director.next_deadline().unwrap()
    };
    let dues: Vec<_> = (0..50).map(first_due).collect();
    assert!(dues.iter().all(|due| *due < at(60_000)));
    assert!(dues.iter().any(|due| *due < at(10_000)) && dues.iter().any(|due| *due > at(50_000)));
    assert_eq!(dues, (0..50).map(first_due).collect::<Vec<_>>());
}

#[test]
fn a_single_failure_is_enough_on_the_first_run() {
    let mut world = World::started(one(Timing { retry: 5, ..timing() }));
    assert!(up(&world));
    world.finish(0, REFUSED);
    assert!(!up(&world));
}

#[test]
fn later_a_failure_counts_after_all_retries_and_they_are_delay_before_retry_apart() {
    let patient = Timing { retry: 2, delay_before_retry: Duration::from_millis(500), ..timing() };
    let mut world = World::started(one(patient));
    world.finish(0, Verdict::Ok);
    world.pass(seconds(3));
    for attempt in 0..2 {
        world.pass(Duration::from_millis(100));
        world.finish(0, REFUSED);
        assert!(up(&world), "after attempt {attempt}");
        world.pass(Duration::from_millis(500));
    }
    world.finish(0, REFUSED);
    assert!(!up(&world));
    // From the end of an attempt to the start of the next; then the grid goes on.
    world.pass(seconds(2));
    assert_eq!(world.starts(0), [0, 3000, 3600, 4200, 6000]);
}

#[test]
fn a_success_between_failures_starts_the_count_anew() {
    let mut world = World::started(one(Timing { retry: 1, ..timing() }));
    world.finish(0, Verdict::Ok);
    world.pass(seconds(1));
    for _ in 0..3 {
        world.pass(seconds(2));
        world.finish(0, REFUSED);
        world.pass(seconds(1));
        world.finish(0, Verdict::Ok);
        assert!(up(&world));
    }
    assert_eq!(world.starts(0), [0, 3000, 4000, 6000, 7000, 9000, 10000]);
}

#[test]
fn while_down_there_is_one_attempt_per_delay_loop_and_one_success_is_enough() {
    let mut world = World::started(one(Timing { retry: 2, ..timing() }));
    world.finish(0, REFUSED);
    for _ in 0..3 {
        world.pass(seconds(3));
        world.finish(0, REFUSED);
        assert!(!up(&world));
    }
    world.pass(seconds(3));
    world.finish(0, Verdict::Ok);
    assert!(up(&world));
    assert_eq!(world.starts(0), [0, 3000, 6000, 9000, 12000]);
}

#[test]
fn alpha_keeps_a_server_out_until_its_first_success() {
    let mut world = World::started(one(Timing { alpha: true, ..timing() }));
    assert_eq!(world.kernel.weights(1), []);
    world.finish(0, REFUSED);
    assert_eq!(world.kernel.weights(1), []);
    world.pass(seconds(3));
    world.finish(0, Verdict::Ok);
    assert_eq!(world.kernel.weights(1), [(1, 1)]);
}

#[test]
fn a_check_that_cannot_be_made_changes_nothing_and_is_tried_again_at_the_next_turn() {
    let mut world = World::started(one(Timing { retry: 1, ..timing() }));
    world.finish(0, UNABLE);
    assert!(up(&world));
    world.pass(seconds(3));
    // It has told nothing, so this is still the first run, where one failure is enough.
    world.finish(0, REFUSED);
    assert!(!up(&world));
    world.pass(seconds(3));
    world.finish(0, UNABLE);
    assert!(!up(&world));
    assert_eq!(world.starts(0), [0, 3000, 6000]);
}

#[test]
fn a_check_that_cannot_be_made_neither_adds_to_nor_clears_the_count_of_failures() {
    let mut world = World::started(one(Timing { retry: 1, ..timing() }));
    world.finish(0, Verdict::Ok);
    world.pass(seconds(3));
    world.finish(0, REFUSED);
    world.pass(seconds(1));
    world.finish(0, UNABLE);
    assert!(up(&world));
    world.pass(seconds(2));
    world.finish(0, REFUSED);
    assert!(!up(&world));
    assert_eq!(world.starts(0), [0, 3000, 4000, 6000]);
}

#[test]
fn what_keeps_checks_from_being_made_is_told_once_for_all_and_so_is_its_end() {
    let servers = (1..=3).map(|number| real_server(number, timing())).collect();
    let mut world = World::started(config(vec![virtual_server(1, servers)]));
    world.said();
    for _ in 0..3 {
        world.finish_all(&UNABLE);
        world.pass(seconds(3));
    }
    let told = "TCP_CHECK of [10.0.0.1]:tcp:80 for VS [192.0.0.1]:tcp:80 cannot be made, servers keep their state: \
                no file descriptor left";
    assert_eq!(world.said(), [told]);
    world.finish(0, Verdict::Ok);
    world.finish(1, REFUSED);
    assert!(!world.said().iter().any(|line| line.contains("again")));
    world.finish(2, Verdict::Ok);
    assert_eq!(world.said(), ["checks can be made again, which could not: no file descriptor left"]);
}

#[test]
fn a_different_inability_is_told_too() {
    let mut world = World::started(one(timing()));
    world.said();
    world.finish(0, UNABLE);
    world.said();
    world.pass(seconds(3));
    world.finish(0, Verdict::Unable(Inability::NotPermitted));
    let said = world.said();
    assert_eq!(said.len(), 2);
    assert!(said[0].ends_with("not permitted by the kernel or a local packet filter"), "{said:?}");
    assert!(said[1].starts_with("checks can be made again"), "{said:?}");
}

#[test]
fn every_attempt_that_fails_is_told_only_with_log_all_failures() {
    for log_all_failures in [false, true] {
        let mut world = World::started(one(Timing { retry: 2, log_all_failures, ..timing() }));
        world.finish(0, Verdict::Ok);
        world.pass(seconds(3));
        world.said();
        world.finish(0, REFUSED);
        let told =
            "TCP_CHECK of [10.0.0.1]:tcp:80 for VS [192.0.0.1]:tcp:80 failed, attempt 1 of 3: connection refused";
        let expected: &[&str] = if log_all_failures { &[told] } else { &[] };
        assert_eq!(world.said(), expected);
    }
}

#[test]
fn a_server_that_is_down_from_the_start_says_once_why_it_does_not_come() {
    let mut world = World::started(one(Timing { alpha: true, ..timing() }));
    world.said();
    world.finish(0, REFUSED);
    let told = "TCP_CHECK of [10.0.0.1]:tcp:80 for VS [192.0.0.1]:tcp:80 failed, attempt 1 of 1: connection refused";
    assert_eq!(world.said(), [told]);
    world.pass(seconds(3));
    world.finish(0, REFUSED);
    assert_eq!(world.said(), [""; 0]);
}

#[test]
fn an_answer_to_nothing_that_was_asked_is_ignored() {
    let mut world = World::started(one(timing()));
    world.finish(0, Verdict::Ok);
    for checker in [0, 7] {
        world.event(Event::CheckFinished { checker: standfast_lvs::CheckerId(checker), verdict: REFUSED });
    }
    assert!(up(&world));
    assert_eq!(world.director.desired().services[&service_key(1)].destinations.len(), 1);
}

#[test]
fn a_delay_of_nothing_does_not_spin() {
    let hasty = Timing { delay_loop: Duration::ZERO, delay_before_retry: Duration::ZERO, retry: u32::MAX, ..timing() };
    let mut world = World::started(one(hasty));
    world.live(Duration::from_millis(20), |_| Verdict::Ok);
    world.live(Duration::from_millis(20), |_| REFUSED);
    assert!((30..=42).contains(&world.started.len()), "{} checks in 40 ms", world.started.len());
}

#[test]
fn a_part_of_a_check_keeps_up_what_is_up_and_does_not_raise_what_is_down() {
    let mut world = World::started(one(Timing { retry: 1, ..timing() }));
    world.finish(0, Verdict::Ok);
    world.pass(seconds(3));
    world.finish(0, REFUSED);
    world.pass(seconds(1));
    // A part that passed ends the row of failures.
    world.finish(0, Verdict::OkSoFar);
    world.pass(seconds(3));
    world.finish(0, REFUSED);
    assert!(up(&world));
    world.pass(seconds(1));
    world.finish(0, REFUSED);
    assert!(!up(&world));
    world.pass(seconds(3));
    world.finish(0, Verdict::OkSoFar);
    assert!(!up(&world));
    world.pass(seconds(3));
    world.finish(0, Verdict::Ok);
    assert!(up(&world));
}

#[test]
fn a_recovered_page_is_asked_for_at_the_interval_and_not_at_the_pause_between_attempts() {
    let mut world = World::started(one(Timing { delay_before_retry: seconds(7), ..timing() }));
    for _ in 0..3 {
        world.finish(0, REFUSED);
        world.pass(seconds(3));
    }
    assert_eq!(world.starts(0), [0, 3000, 6000, 9000]);
    assert!(!up(&world));
    world.finish(0, Verdict::Ok);
    assert!(up(&world));
}

/// The server dies and comes back at every part of an interval of 3 s; one that is dead shows it after `connect_timeout`.
#[test]
fn a_dead_server_is_out_within_an_interval_and_a_connect_timeout_and_back_within_an_interval() {
    let timeout = seconds(1);
    let timed_out = Verdict::Failed(Reason::TimedOut { after: timeout });
    let tick = Duration::from_millis(50);
    // Runs to that moment; a check that was begun while the server was dead takes its whole time.
    let run = |world: &mut World, dead: bool, until| {
        while world.now < until {
            if let Some((checker, begun)) = world.running.first_key_value().map(|(id, begun)| (id.0, *begun)) {
                if !dead && begun == world.now {
                    world.finish(checker, Verdict::Ok);
                } else if world.now >= begun + timeout {
                    world.finish(checker, timed_out.clone());
                }
            }
            world.pass(tick);
        }
    };
    for offset in (0..3000).step_by(150).map(Duration::from_millis) {
        let mut world = World::started(one(timing()));
        let died = at(7000) + offset;
        run(&mut world, false, died);
        assert!(up(&world), "{offset:?}");
        run(&mut world, true, died + seconds(3) + timeout + tick);
        assert!(!up(&world), "dead since {offset:?} and still in");
        let back = world.now;
        run(&mut world, false, back + seconds(3) + tick);
        assert!(up(&world), "back and still out, {offset:?}");
    }
}

#[test]
fn the_checks_of_many_servers_are_spread_over_the_interval() {
    let timing = Timing { warmup: seconds(3), ..timing() };
    let servers = (1..=600).map(|number| real_server(number, timing)).collect();
    let mut world = World::new(config(vec![virtual_server(1, servers)]), 7);
    world.event(Event::Start);
    world.live(seconds(3), |_| Verdict::Ok);
    world.started.clear();
    let begin = world.now;
    world.live(seconds(3), |_| Verdict::Ok);
    let mut tenths = [0; 10];
    for (when, _) in &world.started {
        tenths[usize::try_from(when.since(begin).as_millis() / 300).unwrap().min(9)] += 1;
    }
    assert_eq!(tenths.iter().sum::<i32>(), 600, "each once in an interval");
    assert!(tenths.iter().all(|count| (30..=90).contains(count)), "{tenths:?}");
}
