//! What a client notices when the master's `vrrp` process, or the whole daemon, is killed and started again at once: by
//! its supervisor, or by a shell in the service manager's place.

use std::time::Duration;

use lab::{Result, pause};

use crate::Settings;
use crate::figures::{Book, Row};
use crate::pair::{Pair, Shape, millis};

/// The intervals, and how often each is measured, in a whole run and in a quick one.
const INTERVALS: [(Duration, u32, u32); 3] =
    [(Duration::from_secs(1), 3, 0), (Duration::from_millis(100), 5, 1), (Duration::from_millis(10), 5, 0)];

pub(crate) fn measure(settings: &Settings, book: &mut Book) -> Result<()> {
    for (interval, runs) in settings.runs(INTERVALS) {
        let shape = Shape { interval, instances: 1, addresses: 1 };
        let mut rows = ["the vrrp process", "the whole daemon, started again at once"]
            .map(|what| Row::new(format!("SIGKILL of {what}: outage of the client, adverts every {interval:?}"), "ms"))
            .map(|row| row.bounded(0.0));
        for _ in 0..runs {
            for (program, daemon) in settings.daemons.iter().enumerate() {
                let mut pair = Pair::start(daemon, shape)?;
                let [worker, all] = &mut rows;
                worker.add(program, killed_worker(&pair)?);
                all.add(program, killed_daemon(&mut pair)?);
                pair.lab.finish()?;
            }
        }
        rows.into_iter().for_each(|row| book.add(row));
    }
    Ok(())
}

/// The children of the main process that speak VRRP: keepalived without checkers has no other.
fn killed_worker(pair: &Pair) -> Result<f64> {
    let main = pair.master.id();
    let find = format!(
        "children=$(pgrep -P {main}); vrrp=$(for p in $children; do grep -qz -- --worker=vrrp /proc/$p/cmdline && echo \
         $p; done); kill -KILL ${{vrrp:-$children}}"
    );
    let probing = pair.probe()?;
    pause(Duration::from_millis(200));
    pair.first.run(["bash", "-c", &find])?;
    over(pair)?;
    Ok(outage(&probing.stop()?))
}

fn killed_daemon(pair: &mut Pair) -> Result<f64> {
    let probing = pair.probe()?;
    pause(Duration::from_millis(200));
    // All of it stands still before the first of them dies, so that none of them can take leave. Who starts it again waits
    // until they are gone, as a service manager does.
    let main = pair.master.id();
    let line = format!(
        "all=\"{main} $(pgrep -P {main} | tr '\\n' ' ')\"; kill -STOP $all; kill -KILL $all; for p in \
         $all; do while [ -e /proc/$p/exe ]; do :; done; done"
    );
    pair.first.run(["bash", "-c", &line])?;
    pair.start_first()?;
    over(pair)?;
    Ok(outage(&probing.stop()?))
}

/// Waits until whatever follows is over: a takeover by the other one, and what the first needs to come back.
fn over(pair: &Pair) -> Result<()> {
    pause(pair.shape.down() * 2 + Duration::from_millis(500));
    pair.holds(&pair.first, true)?;
    pair.settle();
    Ok(())
}

fn outage(report: &lab::Report) -> f64 {
    report.longest_outage().map_or(0.0, |outage| millis(outage.length()))
}
