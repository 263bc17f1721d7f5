//! The pair for as long as one likes, with one random fault after the other under traffic. Whatever a client notices is
//! explained by a fault and lasts no longer than that fault may last; in between it notices nothing. At the end the
//! daemons have the memory and the descriptors that they had at the beginning.
//!
//! The client also asks each director's own address, which its kernel answers without any daemon: for as long as that is
//! silent too the machine stood still, and nobody could have served.

use std::collections::BTreeMap;
use std::time::Duration;

use lab::{Chance, Machine, Moment, Probe, Probing, Report, Result, Said, pause, times};

use crate::faults::Fault;
use crate::rack::{Rack, WEB, millis, seconds};
use crate::wanted::Wanted;

/// What a process has: resident memory in kilobytes, and descriptors.
type Usage = (u64, u64);

/// Every process of the daemon with what it has, a line each: `check 4711 22`.
const USAGE: &str = "for p in $(pgrep standfastd); do \
    set -- $(tr '\\0' ' ' <\"/proc/$p/cmdline\"); case \"$1\" in *:) w=$2;; *) w=supervisor;; esac; \
    r=0; while read -r k v _; do [ \"$k\" = VmRSS: ] && r=$v; done <\"/proc/$p/status\"; \
    set -- /proc/$p/fd/*; echo \"$w $r $#\"; done";

/// A fault, and what it may explain.
#[derive(Debug)]
struct Window {
    fault: Fault,
    from: Moment,
    to: Moment,
}

#[test]
fn every_outage_has_its_fault_and_its_bound_and_nothing_grows() -> Result<()> {
    let mut chance = Chance::new();
    let minutes = times(2);
    let mut wanted = Wanted::all();
    let mut rack = Rack::start("soaked", &wanted)?;
    let talking = rack.talk(4)?;
    // A packet that gets lost on the way of a new connection is sent again after a second, and that is no loss.
    let requests = rack.client.probe(&Probe::http(WEB)?.every(millis(20)).patience(seconds(3)))?;
    let kernels = Kernels::asked_by(&rack.client)?;
    pause(seconds(2));
    let mut usage = Usages::default();
    usage.note(&rack)?;
    let (mut windows, end) = (Vec::new(), Moment::now().after(seconds(minutes * 60)));
    let mut one_fault = || {
        pause(chance.between(millis(300), seconds(2)));
        let fault = Fault::any(&mut chance);
        println!("{} {fault:?}", Moment::now());
        let from = Moment::now();
        fault.happen(&mut rack, &mut wanted, &mut chance)?;
        settle(&rack, &wanted)?;
        windows.push(Window { fault, from, to: Moment::now() });
        usage.note(&rack)
    };
    let mut happened = Ok(());
    while happened.is_ok() && !end.is_past() {
        happened = one_fault();
    }
    pause(seconds(2));
    if let Err(error) = &happened {
        // What the client saw until then is judged all the same.
        println!("the lab broke off: {error}");
    }
    let report = requests.stop()?;
    explained(&report, &windows, &kernels.stop()?);
    happened?;
    let mut broken = 0;
    for transcript in talking {
        let transcript = transcript.stop()?;
        for word in transcript.broken() {
            let excuse = windows.iter().any(|window| window.from <= word.done && word.sent <= window.to);
            assert!(excuse, "a conversation broke for no reason: {word:?}");
            broken += 1;
        }
        assert!(transcript.words.iter().any(|word| matches!(word.said, Said::Repeated(_))));
    }
    let late = report.answered().filter(|(sample, _)| sample.done.since(sample.sent) > millis(900)).count();
    println!(
        "{minutes} min: {} faults, {} requests, {late} answered at a second attempt, {} lost, {broken} conversations broken",
        windows.len(),
        report.samples.len(),
        report.lost()
    );
    usage.judge();
    rack.lab.finish()
}

/// Waits until the master serves with both tables as they are wanted.
fn settle(rack: &Rack, wanted: &Wanted) -> Result<()> {
    rack.holds(&rack.master, true)?;
    rack.holds(&rack.standby, false)?;
    for director in rack.directors() {
        rack.table_becomes(director, wanted)?;
    }
    // What was on its way when it was mended has an outcome.
    pause(seconds(3));
    Ok(())
}

/// The kernels of both directors, asked for what they answer without a daemon.
struct Kernels<T> {
    master: T,
    standby: T,
}

impl Kernels<Probing> {
    fn asked_by(client: &Machine) -> Result<Self> {
        let ask = |address| client.probe(&Probe::ping(address)?.every(millis(20)).patience(millis(500)));
        Ok(Self { master: ask("192.168.1.11")?, standby: ask("192.168.1.12")? })
    }

    fn stop(self) -> Result<Kernels<Report>> {
        Ok(Kernels { master: self.master.stop()?, standby: self.standby.stop()? })
    }
}

impl Kernels<Report> {
    /// How long who had to serve meanwhile stood still: the standby where the master is kept from it.
    fn stood_still(&self, parts_master: bool, from: Moment, to: Moment) -> Duration {
        gap(&if parts_master { &self.standby } else { &self.master }.between(from, to))
    }
}

fn gap(report: &Report) -> Duration {
    report.longest_outage().map_or(Duration::ZERO, |outage| outage.length())
}

/// Every lost request lies in the window of a fault that may lose some, and no gap is longer than its fault's bound.
fn explained(report: &Report, windows: &[Window], kernels: &Kernels<Report>) {
    for sample in report.samples.iter().filter(|sample| sample.outcome.is_err()) {
        let excuse = windows.iter().find(|window| window.from <= sample.done && sample.sent <= window.to);
        assert!(excuse.is_some_and(|window| window.fault.may_lose()), "lost for no reason: {sample:?}, {excuse:?}");
    }
    let mut worst: BTreeMap<String, (Duration, Duration)> = BTreeMap::new();
    let (mut quiet_since, mut stood_still) = (Moment::from_nanos(0), Duration::ZERO);
    for Window { fault, from, to } in windows {
        let bound = fault.bound() + kernels.stood_still(fault.parts_master(), *from, *to);
        let outage = gap(&report.between(*from, *to));
        assert!(outage <= bound, "{fault:?}: no answer for {outage:?}, at most {bound:?}");
        let mut before = report.between(quiet_since, *from);
        // What the fault overtook on its way is the fault's.
        before.samples.retain(|sample| sample.done <= *from);
        let (quiet, still) = (gap(&before), kernels.stood_still(false, quiet_since, *from));
        assert!(quiet < seconds(1) + still, "before {fault:?}, when nothing happened: no answer for {quiet:?}");
        stood_still += still;
        quiet_since = *to;
        let kind = format!("{fault:?}");
        let kind = kind.split(',').next().unwrap_or_default().trim_end_matches(')').to_owned();
        let entry = worst.entry(kind).or_default();
        *entry = (entry.0.max(outage), bound.max(entry.1));
    }
    println!("between the faults the master stood still for {stood_still:?}, the longest times added up");
    for (kind, (outage, bound)) in worst {
        println!("{kind}): longest outage {outage:?}, at most {bound:?}");
    }
}

/// What each process of each director has, over time.
#[derive(Default)]
struct Usages(BTreeMap<(String, String), Vec<Usage>>);

impl Usages {
    fn note(&mut self, rack: &Rack) -> Result<()> {
        for director in rack.directors() {
            for (process, usage) in usage_of(director)? {
                self.0.entry((director.name().to_owned(), process)).or_default().push(usage);
            }
        }
        Ok(())
    }

    fn judge(&self) {
        for ((director, process), samples) in &self.0 {
            let Some((first, last)) = samples.first().zip(samples.last()) else { continue };
            let most = samples.iter().fold((0, 0), |most: Usage, one| (most.0.max(one.0), most.1.max(one.1)));
            println!(
                "{director} {process}: {} kB and {} descriptors at first, {} and {} at last, {} and {} at most",
                first.0, first.1, last.0, last.1, most.0, most.1
            );
            // Pages that are touched for the first time by a reload or a takeover, and no more.
            assert!(most.0 <= first.0 + first.0 / 4 + 4_096, "{director} {process} grows: {samples:?} kB");
            // A check or a client of the control socket that is under way.
            assert!(most.1 <= first.1 + 8, "{director} {process} keeps descriptors: {samples:?}");
        }
        assert!(self.0.len() >= 10, "five processes of each of two directors: {:?}", self.0.keys());
    }
}

fn usage_of(director: &Machine) -> Result<Vec<(String, Usage)>> {
    let said = director.run(USAGE)?;
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let process = words.next()?.to_owned();
        Some((process, (words.next()?.parse().ok()?, words.next()?.parse().ok()?)))
    };
    Ok(said.lines().filter_map(line).filter(|(_, usage): &(String, Usage)| usage.0 > 0).collect())
}
