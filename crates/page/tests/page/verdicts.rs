//! What is said of a status in the words of monitors, wherever that is: page, `/healthz`, `standfast status`.

use crate::fixture::snapshot;
use standfast_api::Snapshot;
use standfast_model::{Cause, State};
use standfast_page::judgement::{Remark, Verdict, judge};
use std::time::Duration;

fn remarks(snapshot: &Snapshot) -> Vec<(Verdict, String)> {
    judge(snapshot).1.into_iter().map(|Remark { verdict, text }| (verdict, text)).collect()
}

/// The site of the fixture without its troubles.
fn calm() -> Snapshot {
    let mut snapshot = snapshot(1);
    let instances = &mut snapshot.vrrp.as_mut().unwrap().instances;
    instances.truncate(2);
    instances[0].rival = None;
    instances[0].claims.clear();
    instances[1].mismatches.clear();
    snapshot
}

#[test]
fn nothing_is_said_where_nothing_is_wrong() {
    assert_eq!(judge(&calm()), (Verdict::Ok, Vec::new()));
}

#[test]
fn what_is_worst_comes_first() {
    let (verdict, remarks) = judge(&snapshot(1));
    let said: Vec<(Verdict, &str)> = remarks.iter().map(|remark| (remark.verdict, remark.text.as_str())).collect();
    let expected = [
        (Verdict::Critical, "VI_WEB has another master: 192.0.2.9, priority 90"),
        (Verdict::Critical, "VI_WEB: another host says that 198.51.100.11 is its own: 02:00:00:00:00:66 on eth0"),
        (Verdict::Critical, "VI_STORAGE_REPLICATION is in FAULT: link of eth1 is down"),
        (Verdict::Warning, "VI_DNS: advertisement interval of 192.0.2.9 is 2 s, ours 1 s"),
    ];
    assert_eq!((verdict, said.as_slice()), (Verdict::Critical, expected.as_slice()));
}

#[test]
fn a_difference_counts_while_its_router_speaks_and_ten_minutes_more() {
    let mut seen = snapshot(1);
    let (now, mut known) = (seen.daemon.at, seen.vrrp.take().unwrap().instances.remove(1).mismatches.remove(0));
    let mut found = |silent: Duration| {
        let mut snapshot = calm();
        known.last = now - silent;
        snapshot.vrrp.as_mut().unwrap().instances[1].mismatches.push(known.clone());
        (judge(&snapshot).0, remarks(&snapshot).len())
    };
    assert_eq!(found(Duration::from_secs(599)), (Verdict::Warning, 1));
    // Whoever is silent is a standby, which may have been mended and cannot say so.
    assert_eq!(found(Duration::from_secs(600)), (Verdict::Ok, 0));
}

#[test]
fn maintenance_is_a_warning_and_no_fault() {
    let mut snapshot = calm();
    let instance = &mut snapshot.vrrp.as_mut().unwrap().instances[0];
    (instance.state, instance.fault) = (State::Fault, Some(Cause::Maintenance));
    instance.ordered = Some("maintenance".to_owned());
    assert_eq!(remarks(&snapshot), [(Verdict::Warning, "VI_WEB: maintenance".to_owned())]);
}

#[test]
fn a_worker_that_dies_again_and_again_is_critical_though_it_runs_now() {
    let mut snapshot = calm();
    snapshot.daemon.workers[1].trouble = Some("dies again and again".to_owned());
    assert_eq!(remarks(&snapshot), [(Verdict::Critical, "check worker dies again and again".to_owned())]);
    snapshot.daemon.workers[1].pid = None;
    snapshot.daemon.workers[1].trouble = None;
    // The front is who answers: that it runs need not be said.
    snapshot.daemon.workers[3].pid = None;
    assert_eq!(remarks(&snapshot), [(Verdict::Critical, "check worker does not run".to_owned())]);
}
