//! What is tracked and is no interface: scripts, files, processes, BFD sessions.

use crate::lan::{FIRST, SECOND, World, advert_of, alone, group, ms, seed, us, v2, with_priority};
use standfast_model::config::VrrpConfig;
use standfast_model::config::script::Script;
use standfast_model::config::track::{
    BfdId, FileId, ProcessId, ProcessMatch, ScriptId, ServiceId, TrackFile, TrackProcess, TrackScript, Tracked,
    TrackedService, Tracker,
};
use standfast_model::{Cause, Ended, State};
use standfast_vrrp::{Action, Event, Notice};
use std::time::Duration;

const SCRIPT: ScriptId = ScriptId(0);
const FILE: FileId = FileId(0);
const PROCESS: ProcessId = ProcessId(0);
const BFD: BfdId = BfdId(0);

fn script(name: &str, rise: u32, fall: u32) -> TrackScript {
    TrackScript {
        name: name.to_owned(),
        script: Script { words: vec![b"/bin/true".to_vec()], identity: None },
        interval: Duration::from_secs(2),
        timeout: Duration::from_secs(2),
        rise,
        fall,
        init_fail: false,
    }
}

fn process(quorum: u32, quorum_max: Option<u32>, terminate_ms: u64, fork_ms: u64) -> TrackProcess {
    TrackProcess {
        name: "haproxy".to_owned(),
        words: vec![b"haproxy".to_vec()],
        matching: ProcessMatch::Name,
        quorum,
        quorum_max,
        terminate_delay: Duration::from_millis(terminate_ms),
        fork_delay: Duration::from_millis(fork_ms),
    }
}

/// One instance of priority 150 that tracks everything there is with these entries.
fn config(entries: &[(Tracker, i16, bool)]) -> VrrpConfig {
    let mut config = alone(with_priority(v2(), 150));
    config.instances[0].options.trackers = entries
        .iter()
        .map(|(tracker, weight, reverse)| Tracked { tracker: *tracker, weight: *weight, reverse: *reverse })
        .collect();
    config.common.scripts = vec![script("chk", 1, 1)];
    config.common.files = vec![TrackFile { name: "load".to_owned(), path: "/run/load".to_owned(), init: None }];
    config.common.processes = vec![process(1, None, 0, 0)];
    config.common.bfd_sessions = vec!["peer".to_owned()];
    config
}

fn of_script(weight: i16) -> VrrpConfig {
    config(&[(Tracker::Script(SCRIPT), weight, false)])
}

fn ended(world: &mut World, outcome: Ended) {
    world.event(0, Event::ScriptEnded { script: SCRIPT, outcome });
}

fn exits(world: &mut World, status: i32) {
    ended(world, Ended::Exited(status));
}

/// When scripts were asked for, in milliseconds.
fn runs(world: &World) -> Vec<u64> {
    let asked = world.nodes[0].log.iter().filter(|(_, action)| matches!(action, Action::RunScript { .. }));
    asked.map(|(at, _)| at.as_nanos() / 1_000_000).collect()
}

fn priority(world: &World) -> u8 {
    world.nodes[0].router.status(FIRST).unwrap().priority
}

fn fault(world: &World) -> Option<String> {
    world.nodes[0].router.status(FIRST).unwrap().fault.map(ToString::to_string)
}

/// The script answers with this status whenever it is asked, for so long.
fn answering(world: &mut World, status: i32, seconds: u64) {
    // If it runs already; a result that nobody asked for means nothing.
    exits(world, status);
    for _ in 0..seconds * 10 {
        let before = runs(world).len();
        world.run(Duration::from_millis(100));
        if runs(world).len() > before {
            exits(world, status);
        }
    }
}

#[test]
fn a_script_is_started_at_once_and_then_from_start_to_start() {
    let mut world = World::of([of_script(0)]);
    assert_eq!(runs(&world), [0]);
    world.run_until(ms(1_500));
    exits(&mut world, 0);
    world.run_until(ms(7_000));
    // The run of the second 2 takes until 7: those of 4 and 6 are passed over.
    exits(&mut world, 0);
    world.run_until(ms(11_000));
    assert_eq!(runs(&world), [0, 2_000, 8_000]);
}

#[test]
fn nothing_begins_before_the_first_result_and_one_success_is_enough_for_it() {
    let mut config = of_script(0);
    config.common.scripts[0].rise = 5;
    let mut world = World::of([config]);
    world.run_until(ms(1_000));
    assert_eq!((world.state(0, FIRST), world.nodes[0].story().len()), (State::Init, 0));
    exits(&mut world, 0);
    assert_eq!(world.state(0, FIRST), State::Backup);
    answering(&mut world, 0, 5);
    assert_eq!(world.nodes[0].story()[1], "4.414062 VI_1 BACKUP MASTER: no advertisement for 3.414 s");
}

#[test]
fn a_first_result_that_is_bad_is_a_fault_that_names_it() {
    let mut config = of_script(0);
    config.common.scripts[0].fall = 5;
    let mut world = World::of([config]);
    exits(&mut world, 1);
    assert_eq!(world.nodes[0].story(), ["0.000000 VI_1 INIT FAULT: script chk exited 1"]);
}

#[test]
fn an_instance_whose_script_has_only_a_weight_begins_without_its_result() {
    for weight in [10, -10] {
        let mut world = World::of([of_script(weight)]);
        assert_eq!((world.state(0, FIRST), priority(&world)), (State::Backup, 150), "{weight}");
        exits(&mut world, 0);
        assert_eq!(priority(&world), if weight > 0 { 160 } else { 150 });
    }
}

#[test]
fn it_takes_fall_failures_in_a_row_to_fail_and_rise_successes_to_recover() {
    let mut config = of_script(0);
    config.common.scripts[0] = script("chk", 2, 3);
    let mut world = World::of([config]);
    exits(&mut world, 0);
    let mut seen = Vec::new();
    for status in [1, 1, 0, 1, 1, 1, 0, 1, 0, 0] {
        world.run(Duration::from_secs(2));
        exits(&mut world, status);
        seen.push(world.state(0, FIRST));
    }
    let alive = |at: usize| seen[at] != State::Fault;
    assert_eq!(
        (0..10).map(alive).collect::<Vec<_>>(),
        [true, true, true, true, true, false, false, false, false, true]
    );
}

#[test]
fn a_master_whose_script_fails_resigns_and_every_outcome_but_zero_is_a_failure() {
    for (outcome, words) in [
        (Ended::Exited(1), "script chk exited 1"),
        (Ended::Signalled(9), "script chk was ended by signal 9"),
        (Ended::TimedOut, "script chk timed out"),
        (Ended::NotRun("no such file".to_owned()), "script chk could not be run: no such file"),
    ] {
        let mut world = World::of([of_script(0)]);
        answering(&mut world, 0, 5);
        assert_eq!(world.state(0, FIRST), State::Master);
        world.run_until(ms(6_500));
        world.forget();
        ended(&mut world, outcome);
        assert_eq!(world.state(0, FIRST), State::Fault);
        assert_eq!(fault(&world).unwrap(), words);
        assert_eq!(world.nodes[0].adverts(FIRST), [(6_500_000, 0)], "one resignation, not two");
        assert!(!world.nodes[0].router.holds(FIRST));
        let bad = |notice: &&&Notice| matches!(notice, Notice::Tracked { good: false, .. });
        assert_eq!(world.nodes[0].notices().iter().filter(bad).count(), 1);
        // Failing on is no news, and to come back takes a whole Master_Down_Interval.
        answering(&mut world, 1, 10);
        assert_eq!(world.nodes[0].transitions().len(), 1);
        answering(&mut world, 0, 10);
        assert_eq!(world.state(0, FIRST), State::Master);
    }
}

#[test]
fn a_failing_script_with_a_weight_moves_the_priority_and_the_next_advertisement_says_it() {
    let mut with_notice = of_script(-60);
    with_notice.instances[0].options.notify_priority_changes = true;
    let mut world = World::of([with_notice, alone(with_priority(v2(), 100))]);
    answering(&mut world, 0, 6);
    assert_eq!(world.holders(FIRST), [0]);
    world.run_until(ms(8_000));
    world.forget();
    exits(&mut world, 1);
    assert_eq!((world.state(0, FIRST), priority(&world)), (State::Master, 90));
    let changes: Vec<_> = world.nodes[0]
        .log
        .iter()
        .filter_map(|(_, action)| {
            if let Action::Priority(change) = action {
                Some((change.from, change.to, change.state, change.cause.to_string()))
            } else {
                None
            }
        })
        .collect();
    assert_eq!(changes, [(150, 90, State::Master, "script chk exited 1".to_owned())]);
    let sent = world.nodes[0].adverts(FIRST).len();
    assert_eq!(sent, 0, "nothing leaves because a priority changed");
    world.run(Duration::from_secs(1));
    assert_eq!(world.nodes[0].adverts(FIRST)[0].1, 90);
    answering(&mut world, 1, 10);
    assert_eq!(world.holders(FIRST), [1]);
}

#[test]
fn a_backup_s_timer_moves_by_the_difference_of_the_skews() {
    let mut world = World::of([of_script(-50)]);
    let before = world.nodes[0].router.next_deadline();
    assert_eq!(before, Some(ms(2_000)), "the script");
    world.run_until(ms(3_000));
    exits(&mut world, 1);
    world.run_until(ms(3_600));
    assert_eq!(world.state(0, FIRST), State::Backup);
    world.run_until(us(3_609_376));
    assert_eq!(world.state(0, FIRST), State::Master, "3 s and the skew of 100, not that of 150");
}

#[test]
fn init_fail_means_failed_until_the_script_has_risen() {
    let mut config = of_script(0);
    config.common.scripts[0] = TrackScript { init_fail: true, ..script("chk", 2, 1) };
    let mut world = World::of([config]);
    assert_eq!(world.nodes[0].story(), ["0.000000 VI_1 INIT FAULT: script chk has no result yet"]);
    exits(&mut world, 0);
    assert_eq!(world.state(0, FIRST), State::Fault);
    world.run(Duration::from_secs(2));
    exits(&mut world, 0);
    assert_eq!(world.state(0, FIRST), State::Backup);
}

#[test]
fn a_result_that_nobody_asked_for_means_nothing() {
    let mut world = World::of([of_script(0)]);
    exits(&mut world, 0);
    exits(&mut world, 1);
    world.event(0, Event::ScriptEnded { script: ScriptId(77), outcome: Ended::Exited(1) });
    world.event(0, Event::FileRead { file: FileId(77), value: Some(1) });
    world.event(0, Event::ProcessCount { process: ProcessId(77), count: 0 });
    world.event(0, Event::BfdChanged { session: BfdId(77), up: true });
    assert_eq!(world.state(0, FIRST), State::Backup);
}

#[test]
fn reverse_turns_every_meaning_round() {
    let mut world = World::of([config(&[(Tracker::Script(SCRIPT), 0, true)])]);
    exits(&mut world, 0);
    assert_eq!(fault(&world).unwrap(), "script chk exited 0");
    for (weight, good, bad) in [(10, 140, 150), (-10, 150, 160)] {
        let mut world = World::of([config(&[(Tracker::Script(SCRIPT), weight, true)])]);
        exits(&mut world, 0);
        assert_eq!(priority(&world), good);
        world.run(Duration::from_secs(2));
        exits(&mut world, 1);
        assert_eq!(priority(&world), bad);
    }
}

#[test]
fn the_number_in_a_file_times_its_weight_is_added_and_minus_254_is_a_fault() {
    let of_file = |weight, reverse| config(&[(Tracker::File(FILE), weight, reverse)]);
    for (weight, reverse, value, expected) in [
        (1, false, Some(5), Some(155)),
        (1, false, Some(-5), Some(145)),
        (1, true, Some(5), Some(145)),
        (2, false, Some(-60), Some(30)),
        (1, false, None, Some(150)),
        (1, false, Some(1_000), Some(254)),
        (1, false, Some(-253), Some(1)),
        (1, false, Some(-254), None),
        (-2, false, Some(127), None),
        (254, false, Some(i32::MIN), None),
        (-254, true, Some(i32::MAX), Some(254)),
        (0, false, Some(0), Some(150)),
        (0, false, Some(7), None),
        (0, true, Some(7), Some(150)),
        (0, true, Some(0), None),
        (0, true, None, None),
    ] {
        let mut world = World::of([of_file(weight, reverse)]);
        world.event(0, Event::FileRead { file: FILE, value });
        let found = fault(&world).is_none().then(|| priority(&world));
        assert_eq!(found, expected, "weight {weight} reverse {reverse} value {value:?}");
    }
    let mut world = World::of([of_file(0, false)]);
    world.run(Duration::from_secs(60));
    assert_eq!(world.state(0, FIRST), State::Init, "nothing was read yet");
    world.event(0, Event::FileRead { file: FILE, value: Some(7) });
    assert_eq!(fault(&world).unwrap(), "track file load says 7");
    world.event(0, Event::FileRead { file: FILE, value: None });
    assert_eq!(world.state(0, FIRST), State::Backup);
}

fn counted(world: &mut World, count: u32) -> Option<String> {
    world.event(0, Event::ProcessCount { process: PROCESS, count });
    fault(world)
}

#[test]
fn too_few_and_too_many_processes_are_a_fault() {
    let mut config = config(&[(Tracker::Process(PROCESS), 0, false)]);
    config.common.processes = vec![process(2, Some(3), 0, 0)];
    let mut world = World::of([config.clone()]);
    world.run(Duration::from_secs(60));
    assert_eq!(world.state(0, FIRST), State::Init, "nothing was counted yet");
    let seen: Vec<bool> = (0..6).map(|count| counted(&mut world, count).is_none()).collect();
    assert_eq!(seen, [false, false, true, true, false, false]);
    config.common.processes = vec![process(0, Some(0), 0, 0)];
    let mut world = World::of([config]);
    assert_eq!(counted(&mut world, 0), None);
    assert_eq!(world.state(0, FIRST), State::Backup, "none is what is asked for");
    assert_eq!(counted(&mut world, 1).unwrap(), "1 process of haproxy runs");
}

#[test]
fn the_delays_of_a_process_are_waited_out_and_what_comes_back_meanwhile_was_never_away() {
    let mut config = config(&[(Tracker::Process(PROCESS), 0, false)]);
    config.common.processes = vec![process(1, None, 500, 2_000)];
    let mut world = World::of([config]);
    assert_eq!(counted(&mut world, 1), None, "the first count is taken as it is");
    world.run_until(ms(1_000));
    counted(&mut world, 0);
    world.run_until(ms(1_499));
    assert_eq!(counted(&mut world, 1), None);
    world.run_until(ms(2_000));
    assert_eq!(world.state(0, FIRST), State::Backup);
    counted(&mut world, 0);
    world.run_until(ms(2_499));
    assert_eq!(fault(&world), None);
    world.run_until(ms(2_500));
    assert_eq!(fault(&world).unwrap(), "0 processes of haproxy run");
    counted(&mut world, 1);
    world.run_until(ms(4_499));
    assert!(fault(&world).is_some());
    counted(&mut world, 2);
    world.run_until(ms(4_500));
    assert_eq!(fault(&world), None, "a second one does not start the wait anew");
}

#[test]
fn a_bfd_session_counts_as_down_until_it_is_up() {
    let mut world = World::of([config(&[(Tracker::Bfd(BFD), 0, false)])]);
    assert_eq!(fault(&world).unwrap(), "BFD session peer is down");
    world.event(0, Event::BfdChanged { session: BFD, up: true });
    assert_eq!(world.state(0, FIRST), State::Backup);
    world.run(Duration::from_secs(4));
    world.event(0, Event::BfdChanged { session: BFD, up: false });
    assert_eq!(fault(&world).unwrap(), "BFD session peer is down");
}

/// A configuration with one entry of `track_virtual_server`.
fn of_service(weight: i16) -> VrrpConfig {
    let mut config = config(&[(Tracker::Service(ServiceId(0)), weight, false)]);
    config.common.services = vec![TrackedService::Address("192.0.2.1".parse().unwrap(), 80)];
    config
}

fn quorum(world: &mut World, has_quorum: bool) {
    world.event(0, Event::QuorumTold { service: ServiceId(0), has_quorum });
}

#[test]
fn a_virtual_server_does_no_harm_until_it_is_known_to_be_below_its_quorum() {
    let mut world = World::of([of_service(0)]);
    assert_eq!(world.state(0, FIRST), State::Backup, "the first checks are not waited for");
    world.run(Duration::from_secs(4));
    assert_eq!(world.state(0, FIRST), State::Master);
    quorum(&mut world, false);
    assert_eq!(fault(&world).unwrap(), "virtual server 192.0.2.1 80 is below its quorum");
    quorum(&mut world, true);
    assert_eq!(world.state(0, FIRST), State::Backup);
}

#[test]
fn the_quorum_of_a_virtual_server_can_be_a_weight() {
    let mut world = World::of([of_service(-60)]);
    assert_eq!(priority(&world), 150);
    quorum(&mut world, false);
    assert_eq!((priority(&world), fault(&world)), (90, None));
    quorum(&mut world, true);
    assert_eq!(priority(&world), 150);
}

#[test]
fn weights_add_up_and_never_make_an_owner_or_a_resignation() {
    let all = [Tracker::Script(SCRIPT), Tracker::File(FILE), Tracker::Process(PROCESS), Tracker::Bfd(BFD)];
    let entries: Vec<_> = all.iter().map(|tracker| (*tracker, 40, false)).collect();
    let mut world = World::of([config(&entries)]);
    exits(&mut world, 0);
    assert_eq!(priority(&world), 190);
    counted(&mut world, 1);
    assert_eq!(priority(&world), 230);
    world.event(0, Event::BfdChanged { session: BFD, up: true });
    assert_eq!(priority(&world), 254);
    world.event(0, Event::FileRead { file: FILE, value: Some(-6) });
    assert_eq!(priority(&world), 30);
    world.event(0, Event::FileRead { file: FILE, value: Some(-250) });
    assert_eq!(world.state(0, FIRST), State::Fault);
}

#[test]
fn a_script_of_the_group_takes_all_members_along() {
    let mut config = seed(150);
    config.groups = vec![group(&[0, 1])];
    config.common.scripts = vec![script("chk", 1, 1)];
    config.groups[0].options.trackers = vec![Tracked { tracker: Tracker::Script(SCRIPT), weight: 0, reverse: false }];
    let mut world = World::of([config]);
    assert_eq!(world.state(0, SECOND), State::Init);
    answering(&mut world, 0, 5);
    assert_eq!([FIRST, SECOND].map(|id| world.state(0, id)), [State::Master; 2]);
    world.forget();
    answering(&mut world, 7, 3);
    assert_eq!([FIRST, SECOND].map(|id| world.state(0, id)), [State::Fault; 2]);
    let moves: Vec<_> = world.nodes[0]
        .log
        .iter()
        .filter_map(|(_, action)| {
            if let Action::GroupTransition(moved) = action {
                Some((moved.from, moved.to, moved.cause.to_string()))
            } else {
                None
            }
        })
        .collect();
    assert_eq!(moves, [(State::Master, State::Fault, "script chk exited 7".to_owned())]);
}

#[test]
fn who_takes_over_a_killed_master_does_not_wait_for_its_scripts() {
    let mut world = World::new();
    let mut config = of_script(0);
    config.instances[0].priority = standfast_model::Priority::DEFAULT;
    world.add_silently(1, standfast_vrrp::Router::new(config));
    world.now = ms(10_000);
    world.event(0, Event::Adopt { instance: FIRST, advert_sent: ms(9_500) });
    world.event(0, Event::Start);
    assert_eq!(world.state(0, FIRST), State::Master);
    exits(&mut world, 1);
    assert_eq!(world.state(0, FIRST), State::Fault, "but it hears what they say");
}

#[test]
fn who_takes_over_a_killed_master_takes_its_bfd_session_for_up_until_it_is_told_otherwise() {
    for (age, told, expected) in [
        (Duration::from_millis(500), None, State::Master),
        (Duration::from_millis(500), Some(true), State::Master),
        (Duration::from_millis(500), Some(false), State::Fault),
        // Who comes too late knows nothing of it, as at any start.
        (Duration::from_secs(5), None, State::Fault),
    ] {
        let mut world = World::new();
        let mut config = of_script(0);
        config.common.scripts.clear();
        config.common.bfd_sessions = vec!["other".to_owned()];
        let tracker = Tracker::Bfd(BFD);
        config.instances[0].options.trackers = vec![Tracked { tracker, weight: 0, reverse: false }];
        config.instances[0].priority = standfast_model::Priority::DEFAULT;
        world.add_silently(1, standfast_vrrp::Router::new(config));
        world.now = ms(10_000);
        let advert_sent = world.now - age;
        world.event(0, Event::Adopt { instance: FIRST, advert_sent });
        world.event(0, Event::Start);
        if let Some(up) = told {
            world.event(0, Event::BfdChanged { session: BFD, up });
        }
        assert_eq!(world.state(0, FIRST), expected, "{age:?} {told:?}");
    }
}

#[test]
fn a_change_of_priority_is_told_only_where_it_is_asked_for() {
    let mut world = World::of([of_script(10)]);
    exits(&mut world, 0);
    let told = world.nodes[0].log.iter().any(|(_, action)| matches!(action, Action::Priority(_)));
    assert!(!told && priority(&world) == 160);
}

#[test]
fn a_master_tells_of_a_lower_priority_at_most_once_a_centisecond() {
    let mut world = World::of([alone(with_priority(v2(), 200))]);
    world.run_until(ms(5_000));
    world.forget();
    for _ in 0..100 {
        let packet = advert_of(&v2(), 9, 50);
        world.hear(0, &packet);
        world.run(Duration::from_millis(1));
    }
    let told = world.nodes[0]
        .log
        .iter()
        .filter(|(_, action)| matches!(action, Action::LowerPriorityReceived { theirs: 50, .. }));
    assert_eq!(told.count(), 10);
}

#[test]
fn a_cause_of_every_tracker_says_what_it_saw() {
    let name = "x".to_owned();
    for (cause, words) in [
        (Cause::ScriptPending { script: name.clone() }, "script x has no result yet"),
        (Cause::File { file: name.clone(), value: -3 }, "track file x says -3"),
        (Cause::Process { process: name.clone(), count: 1 }, "1 process of x runs"),
        (Cause::Process { process: name.clone(), count: 2 }, "2 processes of x run"),
        (Cause::Bfd { session: name, up: true }, "BFD session x is up"),
    ] {
        assert_eq!(cause.to_string(), words);
    }
}
