//! What a manager sets of an instance: it counts, survives the worker, is told, and ends with the next reload.

#![expect(clippy::panic, clippy::wildcard_enum_match_arm, reason = "another answer than the one wanted fails the test")]

use super::{AGENT, advert, agent, listener, machine, said, send, start, wait_for_masters, walk};
use crate::adoption::pause;
use crate::front::{answer, status};
use crate::machine::{Daemon, becomes, kill, run, wait_for};
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use core::time::Duration;
use rustix::process::Signal;
use standfast_api::adjust::{Adjustment, Setting};
use standfast_api::control::{Answer, Order, Request};
use standfast_api::plan::Plan;
use standfast_api::{InstanceStatus, WorkerKind};
use standfast_model::State;
use std::process::Command;
use std::thread;

const ENTRY: &str = ".1.3.6.1.4.1.9586.100.5.2.3.1";

/// Sets these objects of the entry together, each to a number; what the agent says.
fn set(objects: &[(&str, i32)]) -> String {
    let words: Vec<String> = objects
        .iter()
        .flat_map(|(name, value)| [format!("{ENTRY}.{name}"), "i".to_owned(), value.to_string()])
        .collect();
    let words: Vec<&str> = ["-c", "private", AGENT].into_iter().chain(words.iter().map(String::as_str)).collect();
    said("snmpset", &words)
}

fn is_set(objects: &[(&str, i32)]) {
    let outcome = set(objects);
    for (name, value) in objects {
        assert!(outcome.contains(&format!("{ENTRY}.{name} = INTEGER: {value}")), "{outcome}");
    }
}

fn value(name: &str) -> Option<String> {
    walk(&format!("{ENTRY}.{name}")).into_values().next()
}

fn shows(name: &str, number: i32) -> bool {
    value(name) == Some(format!("INTEGER: {number}"))
}

fn instance(name: &str) -> InstanceStatus {
    let instances = status().vrrp.unwrap().instances;
    instances.into_iter().find(|instance| instance.name == name).unwrap()
}

fn reload(daemon: &Daemon, generations: u32) {
    let before = status().daemon.generation.0;
    daemon.signal(Signal::HUP);
    wait_for("the reload", || {
        let daemon = status().daemon;
        daemon.generation.0 >= before + generations && !daemon.reloading
    });
}

fn differences() -> Vec<String> {
    match answer(Request::Order(Order::Plan { file: None })) {
        Answer::Done(text) => serde_json::from_str::<Plan>(&text).unwrap().configuration,
        other => panic!("{other:?}"),
    }
}

fn filtered() -> String {
    let output = Command::new("nft").args(["list", "ruleset"]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn what_is_set_counts_outlives_the_worker_is_told_and_ends_with_the_next_reload() {
    let machine = machine();
    let _agent = agent(&machine);
    let mut daemon = start(&machine);
    wait_for_masters();
    assert!(differences().is_empty());
    is_set(&[("7.1", 120), ("7.2", 90)]);
    assert!(shows("7.1", 120) && shows("7.2", 90), "the master agent is told at once");
    wait_for("the effective priority", || instance("V1").priority == 120);
    let told = "(V1) priority 120 from now on until the next reload, set over SNMP";
    wait_for("the journal", || machine.read("stderr").contains(told));
    let ordered = instance("V1").ordered.unwrap();
    assert_eq!(ordered, "priority 120 instead of priority 150 over SNMP");
    let planned = differences();
    assert!(
        planned.iter().any(|line| line.contains("V1") && line.contains("120") && line.contains("150")),
        "{planned:?}"
    );

    // One that does not fit takes the others along, though they come first.
    let outcome = set(&[("7.1", 130), ("13.2", 9)]);
    assert!(outcome.contains("wrongValue") && shows("7.1", 120), "{outcome}");
    assert!(set(&[("7.1", 255)]).contains("inconsistentValue") && shows("7.1", 120));

    // What the kernel is told too.
    assert!(filtered().contains("192.0.2.30"));
    is_set(&[("27.4", 1), ("28.1", 1), ("29.1", 1), ("33.1", 1)]);
    wait_for("no filter", || !filtered().contains("192.0.2.30"));
    let promote = "/proc/sys/net/ipv4/conf/east/promote_secondaries";
    wait_for("the setting", || std::fs::read_to_string(promote).unwrap() == "1\n");
    assert!(shows("29.1", 1) && shows("33.1", 1));
    assert!(set(&[("28.1", 2)]).contains("inconsistentValue"), "it is put back at the end");

    // A worker that is killed comes back with it, and its instances stay masters.
    let worker = status().daemon.workers.into_iter().find(|worker| worker.kind == WorkerKind::Vrrp).unwrap();
    kill(worker.pid.unwrap().cast_signed(), Signal::KILL);
    wait_for("the successor", || {
        let snapshot = status();
        let successor = snapshot.daemon.workers.iter().find(|worker| worker.kind == WorkerKind::Vrrp);
        successor.and_then(|successor| successor.pid).is_some_and(|pid| Some(pid) != worker.pid)
            && snapshot.vrrp.is_some_and(|vrrp| vrrp.instances.iter().all(|instance| instance.state == State::Master))
    });
    assert_eq!((instance("V1").priority, instance("V2").base_priority), (120, 90));

    // A refused reload leaves it, a good one takes it back.
    let text = machine.read("keepalived.conf");
    machine.write("keepalived.conf", "}");
    daemon.signal(Signal::HUP);
    wait_for("the refusal", || status().daemon.reload_refused.is_some());
    is_set(&[("7.1", 121)]);
    assert!(status().daemon.reload_refused.is_some(), "nobody has mended the file");
    machine.write("keepalived.conf", &text);
    reload(&daemon, 1);
    assert!(shows("7.1", 150) && shows("7.2", 100) && shows("27.4", 2) && shows("29.1", 2), "as the file says");
    assert_eq!((instance("V1").ordered, instance("V1").priority), (None, 150));
    assert!(differences().is_empty());
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_reload_that_is_not_confirmed_is_taken_back_to_what_was_set() {
    let machine = machine();
    let _agent = agent(&machine);
    let mut daemon = start(&machine);
    wait_for_masters();
    is_set(&[("7.1", 120)]);
    let text = machine.read("keepalived.conf");
    machine.write("keepalived.conf", &text.replace("priority 150", "priority 140"));
    let confirm = Order::Reload { force: false, confirm_within_s: Some(6) };
    assert!(matches!(answer(Request::Order(confirm)), Answer::Done(_)));
    assert_eq!((instance("V1").base_priority, instance("V1").ordered), (140, None));
    // What is set meanwhile confirms nothing.
    is_set(&[("7.2", 77)]);
    assert!(status().daemon.confirm_until.is_some());
    wait_for("what was before", || instance("V1").base_priority == 120);
    assert_eq!((instance("V2").base_priority, instance("V2").ordered), (100, None));
    assert_eq!(instance("V1").ordered.as_deref(), Some("priority 120 instead of priority 150 over SNMP"));
    // Over the control socket nobody does it in SNMP's name.
    let adjustment = Adjustment { instance: "V1".to_owned(), setting: Setting::Preempt(false) };
    let outcome = answer(Request::Order(Order::Adjust(vec![adjustment])));
    assert!(matches!(&outcome, Answer::Refused(refusal) if refusal.text.contains("SNMP")), "{outcome:?}");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn priority_and_preemption_that_are_set_decide_who_is_master() {
    let machine = machine();
    let _listener = listener(&machine);
    let _agent = agent(&machine);
    let mut daemon = start(&machine);
    wait_for_masters();
    run("ip route add 224.0.0.18 dev west");
    let (speaks, priority) = (AtomicBool::new(true), AtomicU8::new(130));
    thread::scope(|scope| {
        // Another router of V1 that never yields.
        scope.spawn(|| {
            while speaks.load(Ordering::Relaxed) {
                send(&advert(255, b"s3cr3tpw", priority.load(Ordering::Relaxed)));
                pause(Duration::from_millis(250));
            }
        });
        let outcome = std::panic::catch_unwind(|| {
            assert!(!becomes(Duration::from_secs(2), || instance("V1").state != State::Master), "it has 150");
            is_set(&[("7.1", 120)]);
            wait_for("the backup", || instance("V1").state == State::Backup);
            let told = format!("{ENTRY}.4 = INTEGER: 1");
            wait_for("the trap", || machine.read("traps").contains(&told));
            is_set(&[("13.1", 2)]);
            priority.store(50, Ordering::Relaxed);
            // It has the higher priority again, and may not use it.
            assert!(!becomes(Duration::from_secs(5), || instance("V1").state != State::Backup));
            is_set(&[("13.1", 1)]);
            wait_for("the preemption", || instance("V1").state == State::Master);
        });
        speaks.store(false, Ordering::Relaxed);
        if let Err(failure) = outcome {
            std::panic::resume_unwind(failure);
        }
    });
    assert_eq!(daemon.stop(), 0);
}
