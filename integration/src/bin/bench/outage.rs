//! How long a client goes without its address: when the master loses power, resigns, and takes over again.
//!
//! A sample of each in one lab: the power of the master is cut (SIGKILL and the end of the link in one moment), it comes
//! back and takes over, it is stopped with SIGTERM, it comes back again. Times are the kernel's stamps of what the LAN
//! carried, and the client's own, which asks four times a millisecond.

use std::time::Duration;

use lab::{Advert, Moment, Report, Result, Seen, pause};

use crate::Settings;
use crate::figures::{Book, Row};
use crate::pair::{Pair, Shape, between, millis};

/// The intervals, and how often each is measured, in a whole run and in a quick one.
const INTERVALS: [(Duration, u32, u32); 3] =
    [(Duration::from_secs(1), 10, 1), (Duration::from_millis(100), 20, 2), (Duration::from_millis(10), 20, 2)];

/// The blow falls at another place of the interval each time: so many places there are.
const PHASES: u32 = 10;

pub(crate) fn measure(settings: &Settings, book: &mut Book) -> Result<()> {
    for (interval, whole, quick) in INTERVALS {
        let shape = Shape { interval, instances: 1, addresses: 1 };
        let name = |what: &str| format!("{what}, adverts every {interval:?}");
        let mut rows = [
            Row::new(name("power cut: last advert to first answered packet"), "ms").bounded(millis(shape.down())),
            Row::new(name("power cut: last advert to the standby's first"), "ms").bounded(millis(shape.down())),
            Row::new(name("power cut: outage of the client"), "ms").bounded(millis(shape.down())),
            Row::new(name("SIGTERM: resignation to first answered packet"), "ms").bounded(millis(shape.skew())),
            Row::new(name("SIGTERM: outage of the client"), "ms").bounded(millis(shape.skew())),
            Row::new(name("failback: outage of the client"), "ms").bounded(0.0),
        ];
        for run in 0..if settings.quick { quick } else { whole } {
            for (program, daemon) in settings.daemons.iter().enumerate() {
                let mut pair = Pair::start(daemon, shape)?;
                let samples = one(&mut pair, run % PHASES)?;
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

fn one(pair: &mut Pair, phase: u32) -> Result<[f64; 6]> {
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

    let probing = pair.probe()?;
    let begin = Moment::now();
    pair.first.power_on()?;
    pair.start_first()?;
    pair.holds(&pair.first, true)?;
    pair.settle();
    let back = Window::of(begin, probing.stop()?);

    let probing = pair.probe()?;
    let begin = Moment::now();
    pair.master.signal(nix::libc::SIGTERM)?;
    pause(pair.shape.skew());
    pair.holds(&pair.second, true)?;
    pair.settle();
    let stop = Window::of(begin, probing.stop()?);

    let adverts = capture.adverts()?;
    let power = Handover::of(&adverts, cut.begin, |_| true);
    let resignation = Handover::of(&adverts, stop.begin, |advert| advert.priority == 0);
    let resigned = resignation.last.map(|last| last.after(pair.shape.skew()));
    Ok([
        milliseconds(power.last, cut.answered_after(power.taken)),
        milliseconds(power.last, power.taken),
        cut.outage(),
        milliseconds(resignation.last, stop.answered_after(resigned)),
        stop.outage(),
        back.outage(),
    ])
}

/// No number where one of the moments was not seen: it would be a wrong one.
fn milliseconds(from: Option<Moment>, to: Option<Moment>) -> f64 {
    from.zip(to).map_or(f64::NAN, |(from, to)| between(from, to))
}

/// Who spoke last and who first.
struct Handover {
    /// The last advertisement of the first director that counts, before the second took over.
    last: Option<Moment>,
    /// The first advertisement of the second director.
    taken: Option<Moment>,
}

impl Handover {
    /// What came after `begin`; the last advertisement may have come before.
    fn of(adverts: &[Seen<Advert>], begin: Moment, counts: impl Fn(&Advert) -> bool) -> Self {
        let from = |who: &'static str| adverts.iter().filter(move |seen| seen.from == who);
        let taken = from("second").map(|seen| seen.at).find(|at| *at > begin);
        let before = from("first").filter(|seen| taken.is_some_and(|taken| seen.at < taken) && counts(&seen.what));
        Self { last: before.map(|seen| seen.at).max(), taken }
    }
}

/// What the client saw from a moment on.
struct Window {
    begin: Moment,
    report: Report,
}

impl Window {
    fn of(begin: Moment, report: Report) -> Self {
        Self { begin, report }
    }

    /// In milliseconds.
    fn outage(&self) -> f64 {
        self.report.longest_outage().map_or(f64::NAN, |outage| millis(outage.length()))
    }

    /// The first answer to a request that was made after `moment` or shortly before it.
    fn answered_after(&self, moment: Option<Moment>) -> Option<Moment> {
        let moment = moment?;
        self.report.answered().map(|(sample, _)| sample.done).find(|done| *done >= moment)
    }
}
