//! What many instances cost: processor time and memory of a master and of its standby, and how even the advertisements
//! come.

use std::collections::BTreeMap;
use std::time::Duration;

use lab::{Machine, Moment, Result, pause};

use crate::Settings;
use crate::figures::{Book, Row, percentile};
use crate::pair::{Pair, Shape, between, millis};

/// Instances, interval, and how often each is measured, in a whole run and in a quick one.
pub(crate) const SHAPES: [((usize, Duration), u32, u32); 9] = [
    ((1, Duration::from_secs(1)), 1, 0),
    ((1, Duration::from_millis(100)), 1, 0),
    ((1, Duration::from_millis(10)), 1, 0),
    ((50, Duration::from_secs(1)), 1, 0),
    ((50, Duration::from_millis(100)), 1, 0),
    ((50, Duration::from_millis(10)), 1, 0),
    ((250, Duration::from_secs(1)), 1, 0),
    ((250, Duration::from_millis(100)), 5, 1),
    ((250, Duration::from_millis(10)), 1, 0),
];

/// How long each is watched, and so many intervals at least.
const WINDOW: Duration = Duration::from_secs(5);
const QUICK_WINDOW: Duration = Duration::from_secs(3);
const INTERVALS: u32 = 10;

/// Of every process of the daemon, the nanoseconds that its threads have run, and its proportional memory in KiB.
const COST: &str = "for p in $(pgrep 'standfastd|keepalived'); do \
    cat /proc/$p/task/*/schedstat 2>/dev/null | while read -r run rest; do echo run $run; done; \
    grep '^Pss:' /proc/$p/smaps_rollup 2>/dev/null; done";

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    run_nanos: f64,
    pub(crate) pss_kib: f64,
}

impl Cost {
    pub(crate) fn read(director: &Machine) -> Result<(Self, Moment)> {
        let text = director.run(COST)?;
        let mut cost = Self::default();
        for line in text.lines() {
            match line.split_whitespace().collect::<Vec<_>>().as_slice() {
                ["run", nanos] => cost.run_nanos += nanos.parse().unwrap_or(0.0),
                ["Pss:", kib, _] => cost.pss_kib += kib.parse().unwrap_or(0.0),
                _ => {}
            }
        }
        Ok((cost, Moment::now()))
    }

    /// The share of a core in percent, from this reading to a later one.
    pub(crate) fn share(self, from: Moment, later: Self, to: Moment) -> f64 {
        (later.run_nanos - self.run_nanos) / 10_000.0 / millis(to.since(from))
    }
}

/// How long adverts are watched.
pub(crate) fn window(settings: &Settings, interval: Duration) -> Duration {
    if settings.quick { QUICK_WINDOW } else { WINDOW.max(interval * INTERVALS) }
}

pub(crate) fn measure(settings: &Settings, book: &mut Book) -> Result<()> {
    for ((instances, interval), runs) in settings.runs(SHAPES) {
        let shape = Shape { interval, instances, addresses: 1 };
        let name = |what: &str| format!("{what}, {instances} instances, adverts every {interval:?}");
        let mut rows = [
            Row::new(name("processor as master"), "% of a core"),
            Row::new(name("processor as standby"), "% of a core"),
            Row::new(name("memory (PSS) of all processes, master"), "KiB"),
            Row::new(name("memory (PSS) of all processes, standby"), "KiB"),
            Row::new(name("adverts a second and instance"), "1/s").bounded(1.0 / interval.as_secs_f64()),
            Row::new(name("time between adverts less the interval, p50"), "ms").bounded(0.0),
            Row::new(name("time between adverts less the interval, p99"), "ms").bounded(0.0),
            Row::new(name("time between adverts less the interval, most"), "ms").bounded(0.0),
        ];
        for _ in 0..runs {
            for (program, daemon) in settings.daemons.iter().enumerate() {
                let pair = Pair::start(daemon, shape)?;
                // Past the second round of announcements.
                pause(Duration::from_secs(6));
                let samples = one(&pair, window(settings, interval))?;
                for (row, sample) in rows.iter_mut().zip(samples) {
                    row.add(program, sample);
                }
                pair.lab.finish()?;
            }
        }
        rows.into_iter().for_each(|row| book.add(row));
    }
    Ok(())
}

fn one(pair: &Pair, window: Duration) -> Result<[f64; 8]> {
    let (master, master_from) = Cost::read(&pair.first)?;
    let (standby, standby_from) = Cost::read(&pair.second)?;
    pause(window);
    let (master_after, master_to) = Cost::read(&pair.first)?;
    let (standby_after, standby_to) = Cost::read(&pair.second)?;
    // Listening to the LAN costs the machine something, so it is done after what it costs is known.
    let capture = pair.lab.lan("lan")?.capture_only("ip proto 112")?;
    let begin = Moment::now();
    pause(window);
    let mut sent: BTreeMap<u8, Vec<Moment>> = BTreeMap::new();
    for advert in capture.adverts()?.into_iter().filter(|seen| seen.from == "first" && seen.at > begin) {
        sent.entry(advert.what.vrid).or_default().push(advert.at);
    }
    let interval = millis(pair.shape.interval);
    let (mut off, mut rates) = (Vec::new(), Vec::new());
    for times in sent.values() {
        off.extend(times.iter().zip(times.iter().skip(1)).map(|(one, next)| (between(*one, *next) - interval).abs()));
        if let (Some(first), Some(last)) = (times.first(), times.last()) {
            let gaps = u32::try_from(times.len() - 1).map_or(0.0, f64::from);
            rates.push(gaps * 1000.0 / millis(last.since(*first)));
        }
    }
    let at = |percent| percentile(&off, percent).unwrap_or(f64::NAN);
    Ok([
        master.share(master_from, master_after, master_to),
        standby.share(standby_from, standby_after, standby_to),
        master_after.pss_kib,
        standby_after.pss_kib,
        percentile(&rates, 50).unwrap_or(f64::NAN),
        at(50),
        at(99),
        at(100),
    ])
}
