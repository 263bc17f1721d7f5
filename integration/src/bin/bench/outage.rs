//! How long a client goes without its address: when the master loses power, resigns, and takes over again.
//!
//! A sample of each in one lab: the power of the master is cut (SIGKILL and the end of the link in one moment), it comes
//! back and takes over, it is stopped with SIGTERM, it comes back as a host that does not forward, and is stopped again.
//! Times are the kernel's stamps of what the LAN carried, and the client's own, which asks four times a millisecond.

use std::time::Duration;

use lab::{Advert, Moment, Report, Result, Seen, pause};

use crate::Settings;
use crate::figures::{Book, Row};
use crate::pair::{Pair, Shape, between, millis};

/// The intervals, and how often each is measured, in a whole run and in a quick one.
const INTERVALS: [(Duration, u32, u32); 3] =
    [(Duration::from_secs(1), 5, 0), (Duration::from_millis(100), 10, 1), (Duration::from_millis(10), 10, 1)];

/// The blow falls at another place of the interval each time: so many places there are.
pub(crate) const PHASES: u32 = 10;

pub(crate) fn measure(settings: &Settings, book: &mut Book) -> Result<()> {
    for (interval, runs) in settings.runs(INTERVALS) {
        let shape = Shape { interval, instances: 1, addresses: 1 };
        let name = |what: &str| format!("{what}, adverts every {interval:?}");
        let mut rows = [
            Row::new(name("power cut: last advert to first answered packet"), "ms").bounded(millis(shape.down())),
            Row::new(name("power cut: last advert to the standby's first"), "ms").bounded(millis(shape.down())),
            Row::new(name("power cut: outage of the client"), "ms").bounded(millis(shape.down())),
            Row::new(name("SIGTERM: resignation to first answered packet"), "ms").bounded(millis(shape.skew())),
            Row::new(name("SIGTERM: outage of the client"), "ms").bounded(millis(shape.skew())),
            Row::new(name("SIGTERM, no forwarding: resignation to first answered packet"), "ms")
                .bounded(millis(shape.skew())),
            Row::new(name("failback: outage of the client"), "ms").bounded(0.0),
        ];
        for run in 0..runs {
            for (program, daemon) in settings.daemons.iter().enumerate() {
                let mut pair = Pair::start(daemon, shape)?;
                let samples = one(&mut pair, run * PHASES / runs)?;
                pair.lab.finish()?;
                for (row, sample) in rows.iter_mut().zip(samples) {
                    row.add(program, sample);
                }
            }
        }
        rows.into_iter().for_each(|row| book.add(row));
    }
    Ok(())
}

fn one(pair: &mut Pair, phase: u32) -> Result<[f64; 7]> {
    let capture = pair.lab.lan("lan")?.capture_only("ip proto 112")?;
    let probing = pair.probe()?;
    let begin = Moment::now();
    capture.wait_for_advert("the master", begin, Duration::from_secs(5), |seen| seen.from == "first")?;
    pause(pair.shape.interval * phase / PHASES);
    let begin = Moment::now();
    pair.first.cut_power()?;
    pause(pair.shape.down());
    pair.holds(&pair.second, true)?;
    pair.settle();
    let cut = Window::of(begin, probing.stop()?);

    let back = returned(pair, true)?;
    let stop = stopped(pair)?;
    // A director that forwards holds a hundred packets for an address whose owner it asks for, and lets them all go when
    // that owner announces itself: what the client asks then waits for them.
    pair.first.run("sysctl -qw net.ipv4.ip_forward=0")?;
    returned(pair, false)?;
    let stop_of_host = stopped(pair)?;

    let adverts = capture.adverts()?;
    let power = Handover::of(&adverts, cut.begin, |_| true);
    let after_resignation = |stop: &Window| {
        let last = Handover::of(&adverts, stop.begin, |advert| advert.priority == 0).last;
        milliseconds(last, stop.answered_after(last.map(|last| last.after(pair.shape.skew()))))
    };
    Ok([
        milliseconds(power.last, cut.answered_after(power.taken)),
        milliseconds(power.last, power.taken),
        cut.outage(),
        after_resignation(&stop),
        stop.outage(),
        after_resignation(&stop_of_host),
        back.outage(),
    ])
}

/// The first director starts again, with its machine if that was off, and takes over.
fn returned(pair: &mut Pair, was_off: bool) -> Result<Window> {
    let probing = pair.probe()?;
    let begin = Moment::now();
    if was_off {
        pair.first.power_on()?;
    }
    pair.start_first()?;
    pair.holds(&pair.first, true)?;
    pair.settle();
    Ok(Window::of(begin, probing.stop()?))
}

/// The first director is stopped, and the second takes over.
fn stopped(pair: &Pair) -> Result<Window> {
    let probing = pair.probe()?;
    let begin = Moment::now();
    pair.master.signal(nix::libc::SIGTERM)?;
    pause(pair.shape.skew());
    pair.holds(&pair.second, true)?;
    pair.settle();
    pair.master.wait(Duration::from_secs(10))?;
    Ok(Window::of(begin, probing.stop()?))
}

/// No number where one of the moments was not seen: it would be a wrong one.
pub(crate) fn milliseconds(from: Option<Moment>, to: Option<Moment>) -> f64 {
    from.zip(to).map_or(f64::NAN, |(from, to)| between(from, to))
}

/// Who spoke last and who first.
pub(crate) struct Handover {
    /// The last advertisement of the first director that counts, before the second took over.
    pub(crate) last: Option<Moment>,
    /// The first advertisement of the second director.
    pub(crate) taken: Option<Moment>,
}

impl Handover {
    /// What came after `begin`; the last advertisement may have come before.
    pub(crate) fn of(adverts: &[Seen<Advert>], begin: Moment, counts: impl Fn(&Advert) -> bool) -> Self {
        let from = |who: &'static str| adverts.iter().filter(move |seen| seen.from == who);
        let taken = from("second").map(|seen| seen.at).find(|at| *at > begin);
        let before = from("first").filter(|seen| taken.is_some_and(|taken| seen.at < taken) && counts(&seen.what));
        Self { last: before.map(|seen| seen.at).max(), taken }
    }
}

/// What the client saw from a moment on.
pub(crate) struct Window {
    pub(crate) begin: Moment,
    report: Report,
}

impl Window {
    pub(crate) fn of(begin: Moment, report: Report) -> Self {
        Self { begin, report }
    }

    /// In milliseconds.
    pub(crate) fn outage(&self) -> f64 {
        self.report.longest_outage().map_or(f64::NAN, |outage| millis(outage.length()))
    }

    /// The first answer to a request that was made after `moment` or shortly before it.
    fn answered_after(&self, moment: Option<Moment>) -> Option<Moment> {
        let moment = moment?;
        self.report.answered().map(|(sample, _)| sample.done).find(|done| *done >= moment)
    }
}
