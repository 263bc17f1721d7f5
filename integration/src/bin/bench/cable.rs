//! How long a client goes without its address when the master's cable is pulled, and when it is plugged in again.

use std::time::Duration;

use lab::{Moment, Result, pause};

use crate::Settings;
use crate::figures::{Book, Row};
use crate::outage::{Handover, PHASES, Window, milliseconds};
use crate::pair::{Pair, Shape, millis};

/// The intervals, and how often each is measured, in a whole run and in a quick one.
const INTERVALS: [(Duration, u32, u32); 3] =
    [(Duration::from_secs(1), 3, 0), (Duration::from_millis(100), 5, 1), (Duration::from_millis(10), 5, 0)];

pub(crate) fn measure(settings: &Settings, book: &mut Book) -> Result<()> {
    for (interval, runs) in settings.runs(INTERVALS) {
        let shape = Shape { interval, instances: 1, addresses: 1 };
        let name = |what: &str| format!("{what}, adverts every {interval:?}");
        let mut rows = [
            Row::new(name("cable pulled: last advert to the standby's first"), "ms").bounded(millis(shape.down())),
            Row::new(name("cable pulled: outage of the client"), "ms").bounded(millis(shape.down())),
            Row::new(name("cable plugged in again: outage of the client"), "ms").bounded(0.0),
        ];
        for (program, daemon) in settings.daemons.iter().enumerate() {
            let pair = Pair::start(daemon, shape)?;
            for run in 0..runs {
                for (row, sample) in rows.iter_mut().zip(one(&pair, run * PHASES / runs)?) {
                    row.add(program, sample);
                }
            }
            pair.lab.finish()?;
        }
        rows.into_iter().for_each(|row| book.add(row));
    }
    Ok(())
}

fn one(pair: &Pair, phase: u32) -> Result<[f64; 3]> {
    let capture = pair.lab.lan("lan")?.capture_only("ip proto 112")?;
    let probing = pair.probe()?;
    let begin = Moment::now();
    capture.wait_for_advert("the master", begin, Duration::from_secs(5), |seen| seen.from == "first")?;
    pause(pair.shape.interval * phase / PHASES);
    let begin = Moment::now();
    pair.first.unplug("eth0")?;
    pause(pair.shape.down());
    pair.holds(&pair.second, true)?;
    pair.settle();
    let pulled = Window::of(begin, probing.stop()?);
    let adverts = capture.adverts()?;

    let probing = pair.probe()?;
    let begin = Moment::now();
    pair.first.plug("eth0")?;
    // The second gives the address up when the first has taken over; until then the first may not have it, or have kept
    // it.
    pair.holds(&pair.second, false)?;
    pair.holds(&pair.first, true)?;
    pair.settle();
    let plugged = Window::of(begin, probing.stop()?);

    let handover = Handover::of(&adverts, pulled.begin, |_| true);
    Ok([milliseconds(handover.last, handover.taken), pulled.outage(), plugged.outage()])
}
