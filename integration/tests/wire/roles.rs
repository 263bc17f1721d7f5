//! One of each kind on one wire, in either role: whatever happens to the master, the standby takes over when its time has
//! come, not before, and gives back. Four forms of VRRP, each through one failure after the other; every combination of
//! form, peer and failure is in `table`.

use lab::seed::{Daemon, nothing_was_refused};
use lab::{Exit, Moment, Result, pause};

use crate::form::{Duel, Form, GRACE, seconds};

/// All that may happen to a master, one after the other, and back to the beginning each time.
fn all_that_may_happen(name: &str, form: Form, daemons: [Daemon; 2]) -> Result<()> {
    let mut duel = Duel::start(name, form, daemons)?;
    the_standby_keeps_still(&duel)?;
    a_reload_moves_nothing(&duel)?;
    takes_over_after(&duel, "the kill", |duel| duel.first.run("pkill -KILL 'standfastd|keepalived'").map(drop))?;
    duel.start_first()?;
    gives_back(&duel)?;
    takes_over_after(&duel, "the power cut", |duel| duel.first.cut_power())?;
    duel.first.power_on()?;
    duel.start_first()?;
    gives_back(&duel)?;
    takes_over_after(&duel, "the pulled cable", |duel| duel.first.unplug("eth0"))?;
    duel.first.plug("eth0")?;
    gives_back(&duel)?;
    takes_over_after(&duel, "the freeze", |duel| duel.first.freeze())?;
    duel.first.thaw()?;
    gives_back(&duel)?;
    takes_over_from_who_resigns(&duel)?;
    [&duel.master, &duel.standby].into_iter().for_each(nothing_was_refused);
    duel.lab.finish()
}

fn the_standby_keeps_still(duel: &Duel) -> Result<()> {
    let begin = Moment::now();
    pause(duel.form.down() + duel.form.interval());
    assert_eq!(duel.said("second", begin, Moment::now())?, 0, "the standby believes the master");
    duel.holds(&duel.second, false)
}

fn a_reload_moves_nothing(duel: &Duel) -> Result<()> {
    let begin = Moment::now();
    // keepalived 2.2.7 now and then resigns at a reload, so it is spared.
    for ours in [&duel.master, &duel.standby].into_iter().filter(|daemon| daemon.command().contains("standfastd")) {
        ours.signal(nix::libc::SIGHUP)?;
    }
    pause(duel.form.down() + duel.form.interval());
    let adverts = duel.capture.adverts()?;
    let since: Vec<_> = adverts.iter().filter(|seen| seen.at > begin).collect();
    assert!(since.iter().all(|seen| seen.from == "first" && seen.what.priority > 0), "{since:#?}");
    assert!(since.len() >= 3, "the master goes on: {since:#?}");
    duel.holds(&duel.first, true)?;
    duel.holds(&duel.second, false)
}

fn takes_over_after(duel: &Duel, what: &str, fault: impl FnOnce(&Duel) -> Result<()>) -> Result<()> {
    let before = Moment::now();
    fault(duel)?;
    let taken = duel.speaks("second", before)?;
    let (silence, due) = (duel.silence_before(taken)?, duel.form.down());
    println!("{:?}, {what}: taken over {silence:?} after the last advertisement, due after {due:?}", duel.form);
    // The capture's clock is the wire's, the daemon's is its own: a millisecond between them.
    assert!(silence + std::time::Duration::from_millis(1) > due, "{what}: too early, {silence:?} and not {due:?}");
    assert!(silence < due + GRACE, "{what}: too late, {silence:?} and not {due:?}");
    duel.holds(&duel.second, true)
}

fn gives_back(duel: &Duel) -> Result<()> {
    duel.holds(&duel.first, true)?;
    duel.holds(&duel.second, false)?;
    let settled = Moment::now();
    let again = duel.speaks("first", settled)?;
    duel.speaks("first", again)?;
    assert_eq!(duel.said("second", settled, Moment::now())?, 0, "one master");
    Ok(())
}

fn takes_over_from_who_resigns(duel: &Duel) -> Result<()> {
    let before = Moment::now();
    let stopping = duel.master.clone();
    let stopped = std::thread::spawn(move || stopping.stop(seconds(10)));
    let taken = duel.speaks("second", before)?;
    let adverts = duel.capture.adverts()?;
    let resigned: Vec<_> =
        adverts.iter().filter(|seen| seen.from == "first" && seen.at > before && seen.what.priority == 0).collect();
    let [resignation] = resigned.as_slice() else { panic!("one resignation, and not {resigned:?}") };
    let (waited, due) = (taken.since(resignation.at), duel.form.skew());
    assert!(waited + std::time::Duration::from_millis(1) > due && waited < due + GRACE, "{waited:?} and not {due:?}");
    assert_eq!(stopped.join().expect("no panic")?, Exit::Status(0));
    duel.holds(&duel.second, true)?;
    duel.holds(&duel.first, false)
}

fn ours_first() -> Result<[Daemon; 2]> {
    Ok([Daemon::standfastd()?, Daemon::keepalived()])
}

fn theirs_first() -> Result<[Daemon; 2]> {
    Ok([Daemon::keepalived(), Daemon::standfastd()?])
}

#[test]
fn version_3_with_our_master() -> Result<()> {
    all_that_may_happen("v3-ours", Form::V3, ours_first()?)
}

#[test]
fn version_3_with_our_standby() -> Result<()> {
    all_that_may_happen("v3-theirs", Form::V3, theirs_first()?)
}

#[test]
fn version_2_to_a_peer_with_our_master() -> Result<()> {
    all_that_may_happen("v2uni-ours", Form::V2Unicast, ours_first()?)
}

#[test]
fn version_2_to_a_peer_with_our_standby() -> Result<()> {
    all_that_may_happen("v2uni-theirs", Form::V2Unicast, theirs_first()?)
}

// REQ: VRRP2A-5.3.6-03 VRRP2A-AH-04 VRRP2A-AH-05
#[test]
fn version_2_behind_an_authentication_header_with_our_master() -> Result<()> {
    all_that_may_happen("v2ah-ours", Form::V2Ah, ours_first()?)
}

// REQ: VRRP2A-5.3.6-03 VRRP2A-AH-04 VRRP2A-AH-05
#[test]
fn version_2_behind_an_authentication_header_with_our_standby() -> Result<()> {
    all_that_may_happen("v2ah-theirs", Form::V2Ah, theirs_first()?)
}

#[test]
fn version_3_over_ipv6_from_a_virtual_hardware_address_with_our_master() -> Result<()> {
    all_that_may_happen("v6vmac-ours", Form::V3Inet6Vmac, ours_first()?)
}

#[test]
fn version_3_over_ipv6_from_a_virtual_hardware_address_with_our_standby() -> Result<()> {
    all_that_may_happen("v6vmac-theirs", Form::V3Inet6Vmac, theirs_first()?)
}
