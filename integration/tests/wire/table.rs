//! Every combination of a peer, a form of VRRP that it speaks, the roles, and what happens to the master: the table of
//! all of them, a selection in which every two of these meet, and one case of it as it is played.
//!
//! The selection is what a usual run plays; with `LAB_ALL=1` (`scripts/test --all`) all of the table is.

use std::collections::BTreeSet;
use std::time::Duration;

use lab::seed::Daemon;
use lab::{Capture, Lab, Machine, Moment, Process, Result, pause};

use crate::form::{Form, holds, millis, plan, seconds};
use crate::frr::start_frr;

/// The variable that asks for all of the table.
const ALL: &str = "LAB_ALL";

/// A takeover on a machine that does much else at the same time may be so much late.
const LATE: Duration = millis(600);

/// Who stands on the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    /// Debian's keepalived.
    Keepalived,
    /// Debian's FRR, which knows no unicast, no password, and wants the virtual hardware address.
    Frr,
}

/// What happens to the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Kill,
    Power,
    Cable,
    Freeze,
    Terminate,
    /// Ours reads its configuration again, in whichever role; nothing may come of it. (keepalived 2.2.7 now and then
    /// resigns at a reload of its own.)
    Reload,
}

const FAILURES: [Failure; 6] =
    [Failure::Kill, Failure::Power, Failure::Cable, Failure::Freeze, Failure::Terminate, Failure::Reload];

/// The forms that differ in version, family, to whom, and from which hardware address. `true`: with a virtual hardware
/// address although the form has none by itself.
const FORMS: [(Form, bool); 12] = [
    (Form::V2, false),
    (Form::V2Vmac, false),
    (Form::V2Unicast, false),
    (Form::V2Unicast, true),
    (Form::V3, false),
    (Form::V3Vmac, false),
    (Form::V3Unicast, false),
    (Form::V3Unicast, true),
    (Form::V3Inet6, false),
    (Form::V3Inet6Vmac, false),
    (Form::V3Inet6Unicast, false),
    (Form::V3Inet6Unicast, true),
];

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Case {
    peer: Peer,
    form: Form,
    adds_vmac: bool,
    /// Whether standfastd is the master, and the peer its standby.
    ours_first: bool,
    failure: Failure,
}

impl Case {
    /// Its value in each column.
    fn values(self) -> Vec<(&'static str, String)> {
        let Self { peer, form, adds_vmac, ours_first, failure } = self;
        let name = format!("{form:?}");
        vec![
            ("peer", format!("{peer:?}")),
            ("version", if name.starts_with("V2") { "2" } else { "3" }.to_owned()),
            ("family", if form.is_inet6() { "IPv6" } else { "IPv4" }.to_owned()),
            ("cast", if name.contains("Unicast") { "unicast" } else { "multicast" }.to_owned()),
            ("vmac", (adds_vmac || form.has_vmac()).to_string()),
            ("ours first", ours_first.to_string()),
            ("failure", format!("{failure:?}")),
        ]
    }

    /// Every two of its values.
    fn pairs(self) -> BTreeSet<String> {
        let values = self.values();
        let pair = |one: usize, other: usize| Some(format!("{:?} {:?}", values.get(one)?, values.get(other)?));
        let indexes = (0..values.len()).flat_map(|one| (one + 1..values.len()).map(move |other| (one, other)));
        indexes.filter_map(|(one, other)| pair(one, other)).collect()
    }
}

/// Everything that the peers support.
fn table() -> Vec<Case> {
    let mut table = Vec::new();
    for peer in [Peer::Keepalived, Peer::Frr] {
        for (form, adds_vmac) in FORMS {
            if peer == Peer::Frr && (adds_vmac || !form.has_vmac()) {
                continue;
            }
            for ours_first in [true, false] {
                table.extend(FAILURES.map(|failure| Case { peer, form, adds_vmac, ours_first, failure }));
            }
        }
    }
    table
}

/// Rows in which every two values meet that meet anywhere in the table: the one with most that is new, again and again.
fn selection() -> Vec<Case> {
    let table = table();
    let mut missing: BTreeSet<String> = table.iter().flat_map(|case| case.pairs()).collect();
    let mut selection = Vec::new();
    while !missing.is_empty() {
        let gain = |case: &&Case| case.pairs().intersection(&missing).count();
        // The first of the best: `max_by_key` takes the last.
        let Some(best) = table.iter().rev().max_by_key(gain) else { break };
        missing = missing.difference(&best.pairs()).cloned().collect();
        selection.push(*best);
    }
    selection
}

/// A case as it is played.
struct Course {
    case: Case,
    lab: Lab,
    capture: Capture,
    first: Machine,
    second: Machine,
    /// What runs on `first`, and on `second`.
    processes: [Process; 2],
}

impl Course {
    fn start(case: Case) -> Result<Self> {
        let lab = plan("course").start()?;
        let capture = lab.lan("lan")?.capture_only("ip proto 112 or ip6 proto 112")?;
        let (first, second) = (lab.machine("first")?, lab.machine("second")?);
        let begin = Moment::now();
        let processes = [speak(case, &first, true)?, speak(case, &second, false)?];
        let course = Self { case, lab, capture, first, second, processes };
        course.speaks("first", begin)?;
        course.keeps("first")?;
        Ok(course)
    }

    /// When a director advertises for the first time after `after`.
    fn speaks(&self, who: &str, after: Moment) -> Result<Moment> {
        let limit = self.case.form.down() * 2 + seconds(20);
        let what = format!("an advertisement of {who}");
        let is_it = |seen: &lab::Seen<lab::Advert>| seen.from == who && seen.what.priority > 0;
        Ok(self.capture.wait_for_advert(&what, after, limit, is_it)?.at)
    }

    /// Waits until only this one advertises, for longer than the other would be silent that does not believe it; the
    /// addresses are where they belong.
    fn keeps(&self, who: &str) -> Result<()> {
        let Self { case, .. } = self;
        let (form, begin) = (case.form, self.speaks(who, Moment::now())?);
        pause(form.down() + form.interval() * 2);
        let adverts = self.capture.adverts()?;
        // Who gives up may have spoken at the same moment.
        let since: Vec<_> = adverts.iter().filter(|seen| seen.at > begin.after(form.interval())).collect();
        assert!(since.len() >= 3 && since.iter().all(|seen| seen.from == who), "{case:?}: {since:#?}");
        for (director, is_first) in [(&self.first, true), (&self.second, false)] {
            // FRR has them on a device that stands below the addresses, whoever is master; and a first director that is
            // dead or frozen has them still.
            let is_frr = case.peer == Peer::Frr && case.ours_first != is_first;
            if !is_frr && (who == "first" || !is_first) {
                holds(form, director, (who == "first") == is_first, seconds(5))?;
            }
        }
        Ok(())
    }

    fn happens(&mut self) -> Result<()> {
        let [master, standby] = &self.processes;
        match self.case.failure {
            Failure::Kill => self.first.run("pkill -KILL 'standfastd|keepalived|vrrpd|zebra'").map(drop),
            Failure::Power => self.first.cut_power(),
            Failure::Cable => self.first.unplug("eth0"),
            Failure::Freeze => self.first.freeze(),
            // It may take a while to end; what counts is what it says.
            Failure::Terminate => master.signal(nix::libc::SIGTERM),
            Failure::Reload => {
                let ours = if self.case.ours_first { master } else { standby };
                ours.signal(nix::libc::SIGHUP)?;
                ours.wait_for("Reload finished", seconds(10)).map(drop)
            }
        }
    }

    fn mend(&mut self) -> Result<()> {
        match self.case.failure {
            Failure::Reload => return Ok(()),
            Failure::Cable => return self.first.plug("eth0"),
            Failure::Freeze => return self.first.thaw(),
            Failure::Power => self.first.power_on()?,
            Failure::Terminate => {
                let [master, _] = &self.processes;
                master.wait(seconds(20))?;
            }
            Failure::Kill => {}
        }
        if self.case.peer == Peer::Frr && !self.case.ours_first {
            self.first.run("pkill -KILL zebra; ip link delete frr-vip 2>/dev/null; true")?;
        }
        let [master, _] = &mut self.processes;
        *master = speak(self.case, &self.first, true)?;
        Ok(())
    }

    /// The standby speaks when its time has come, and not before.
    fn is_taken_over(&self, begin: Moment) -> Result<()> {
        let Self { case, .. } = self;
        let taken = self.speaks("second", begin)?;
        let adverts = self.capture.adverts()?;
        let last = adverts.iter().filter(|seen| seen.from == "first" && seen.at < taken).max_by_key(|seen| seen.at);
        let Some(last) = last else { panic!("{case:?}: the first director never spoke") };
        let due = if last.what.priority == 0 { case.form.skew() } else { case.form.down() };
        let silence = taken.since(last.at);
        println!("{case:?}: taken over {silence:?} after the last advertisement, due after {due:?}");
        let is_frr = case.peer == Peer::Frr && case.ours_first;
        // FRR counts its skew in its own way, and its first advertisement may not leave.
        let (early, late) =
            if is_frr { (case.form.interval(), case.form.interval()) } else { (millis(1), Duration::ZERO) };
        assert!(silence + early > due, "{case:?}: too early, {silence:?} and not {due:?}");
        assert!(silence < due + late + LATE, "{case:?}: too late, {silence:?} and not {due:?}");
        self.keeps("second")
    }
}

/// Starts what the case has on a director.
fn speak(case: Case, director: &Machine, is_first: bool) -> Result<Process> {
    let conf = case.form.conf(is_first);
    let conf = if case.adds_vmac {
        conf.replace("    virtual_ipaddress {", "    use_vmac\n    virtual_ipaddress {")
    } else {
        conf
    };
    match (case.peer, case.ours_first == is_first) {
        (Peer::Keepalived | Peer::Frr, true) => Daemon::standfastd()?.start(director, &conf),
        (Peer::Keepalived, false) => Daemon::keepalived().start(director, &conf),
        (Peer::Frr, false) => start_frr(director, case.form, if is_first { 200 } else { 100 }),
    }
}

fn play(case: Case) -> Result<()> {
    let mut course = Course::start(case)?;
    let begin = Moment::now();
    course.happens()?;
    if case.failure == Failure::Reload {
        course.keeps("first")?;
    } else {
        course.is_taken_over(begin)?;
        course.mend()?;
        course.speaks("first", Moment::now())?;
        pause(case.form.down());
    }
    course.keeps("first")?;
    let ours = course.processes.iter().filter(|process| process.command().contains("standfastd"));
    for process in ours {
        assert!(!process.log().contains("refused advertisement"), "{case:?}: {}", process.log());
    }
    course.lab.finish()
}

/// Plays what is selected, or all, of one failure in one role.
fn plays(failure: Failure, ours_first: bool) -> Result<()> {
    let all = std::env::var_os(ALL).is_some_and(|value| !value.is_empty());
    let cases = if all { table() } else { selection() };
    let mut played = 0;
    for case in cases.into_iter().filter(|case| case.failure == failure && case.ours_first == ours_first) {
        play(case)?;
        played += 1;
    }
    assert!(played > 0, "{failure:?} is nowhere in the selection");
    Ok(())
}

#[test]
fn every_two_values_meet_in_the_selection_which_is_always_the_same() {
    let (table, selection) = (table(), selection());
    assert_eq!(table.len(), (12 + 3) * 2 * 6);
    let meet = |cases: &[Case]| cases.iter().flat_map(|case| case.pairs()).collect::<BTreeSet<_>>();
    assert_eq!(meet(&selection), meet(&table));
    assert_eq!(selection, self::selection());
    assert!(selection.len() < 25, "{}", selection.len());
    for failure in FAILURES {
        for ours_first in [true, false] {
            let has = |case: &&Case| case.failure == failure && case.ours_first == ours_first;
            assert!(selection.iter().any(|case| has(&case)), "{failure:?} {ours_first}");
        }
    }
}

#[test]
fn when_our_master_is_killed_the_peer_serves_until_it_is_back() -> Result<()> {
    plays(Failure::Kill, true)
}

#[test]
fn when_the_peer_is_killed_we_serve_until_it_is_back() -> Result<()> {
    plays(Failure::Kill, false)
}

#[test]
fn when_our_master_loses_power_the_peer_serves_until_it_is_back() -> Result<()> {
    plays(Failure::Power, true)
}

#[test]
fn when_the_peer_loses_power_we_serve_until_it_is_back() -> Result<()> {
    plays(Failure::Power, false)
}

#[test]
fn when_our_master_loses_its_cable_the_peer_serves_until_it_is_in_again() -> Result<()> {
    plays(Failure::Cable, true)
}

#[test]
fn when_the_peer_loses_its_cable_we_serve_until_it_is_in_again() -> Result<()> {
    plays(Failure::Cable, false)
}

#[test]
fn when_our_master_freezes_the_peer_serves_until_it_thaws() -> Result<()> {
    plays(Failure::Freeze, true)
}

#[test]
fn when_the_peer_freezes_we_serve_until_it_thaws() -> Result<()> {
    plays(Failure::Freeze, false)
}

#[test]
fn when_our_master_is_terminated_the_peer_serves_after_the_skew_time() -> Result<()> {
    plays(Failure::Terminate, true)
}

#[test]
fn when_the_peer_is_terminated_we_serve_after_the_skew_time() -> Result<()> {
    plays(Failure::Terminate, false)
}

#[test]
fn a_reload_of_our_master_is_nothing_to_the_peer() -> Result<()> {
    plays(Failure::Reload, true)
}

#[test]
fn a_reload_of_our_standby_is_nothing_to_the_peer() -> Result<()> {
    plays(Failure::Reload, false)
}
