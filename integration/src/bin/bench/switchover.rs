//! How long a client goes without its address when an operator moves it to the other director and back: with
//! `standfast switchover` and its `--undo`. keepalived has no such order; what comes nearest is a lower priority, and then
//! the first one again, in its file and a reload.

use std::time::Duration;

use lab::seed::{CONF_PATH, Daemon};
use lab::{Machine, Result, pause};

use crate::Settings;
use crate::figures::{Book, Row};
use crate::pair::{Pair, Shape, millis};

/// The intervals, and how often each is measured, in a whole run and in a quick one.
const INTERVALS: [(Duration, u32, u32); 2] = [(Duration::from_secs(1), 4, 0), (Duration::from_millis(100), 5, 1)];

/// Below the other director's.
const LOW: u8 = 50;

pub(crate) fn measure(settings: &Settings, book: &mut Book) -> Result<()> {
    for (interval, runs) in settings.runs(INTERVALS) {
        let shape = Shape { interval, instances: 1, addresses: 1 };
        let mut rows =
            ["switchover (keepalived: a lower priority, reload)", "back again (--undo; the first priority, reload)"]
                .map(|what| Row::new(format!("{what}: outage of the client, adverts every {interval:?}"), "ms"))
                .map(|row| row.bounded(0.0));
        for (program, daemon) in settings.daemons.iter().enumerate() {
            let pair = Pair::start(daemon, shape)?;
            for _ in 0..runs {
                for (row, goes) in rows.iter_mut().zip([true, false]) {
                    row.add(program, moved(&pair, daemon, program == 0, goes)?);
                }
            }
            pair.lab.finish()?;
        }
        rows.into_iter().for_each(|row| book.add(row));
    }
    Ok(())
}

/// The outage of the client in milliseconds while the address goes to the second director, or comes back.
fn moved(pair: &Pair, daemon: &Daemon, is_ours: bool, goes: bool) -> Result<f64> {
    let probing = pair.probe()?;
    pause(Duration::from_millis(200));
    if is_ours {
        order(&pair.first, daemon, goes)?;
    } else {
        pair.first.put(CONF_PATH, if goes { pair.shape.conf_of(LOW) } else { pair.shape.conf(true) })?;
        pair.master.signal(nix::libc::SIGHUP)?;
    }
    pair.holds(if goes { &pair.second } else { &pair.first }, true)?;
    pair.holds(if goes { &pair.first } else { &pair.second }, false)?;
    pair.settle();
    Ok(probing.stop()?.longest_outage().map_or(0.0, |outage| millis(outage.length())))
}

fn order(director: &Machine, daemon: &Daemon, goes: bool) -> Result<()> {
    director.run(format!("{} switchover{}", daemon.command(), if goes { "" } else { " --undo" }).as_str())?;
    Ok(())
}
