//! How even a master's advertisements are while the same daemon's checker is at full tilt, in a kernel that has IPVS: see
//! [`crate::lvs`] for what its figures are good for.

use std::time::Duration;

use lab::{Moment, Result, pause};

use crate::Settings;
use crate::checks::{Kind, all_in_the_table, conf, serve};
use crate::figures::{Book, Row, percentile};
use crate::load::window;
use crate::lvs::{CONF, Director, LIMIT};
use crate::pair::Shape;
use crate::stress::unevenness;

/// Instances and interval. Such a kernel has one processor, and 250 instances at 10 ms would be more than it sends.
const SHAPES: [(usize, Duration); 4] = [
    (1, Duration::from_millis(10)),
    (1, Duration::from_millis(100)),
    (50, Duration::from_millis(100)),
    (250, Duration::from_secs(1)),
];

/// Each is checked once a second, which is most of what such a kernel manages.
const SERVERS: usize = 1000;

const PRIORITY: u8 = 200;

pub(crate) fn measure(settings: &Settings, book: &mut Book) -> Result<()> {
    for (instances, interval) in SHAPES {
        let shape = Shape { interval, instances, addresses: 1 };
        let row = |which: &str, words: &str| {
            let what =
                format!("user-mode Linux: time between adverts less the interval, {which}, {instances} instances");
            Row::new(format!("{what}, adverts every {interval:?}, {words}"), "ms").bounded(0.0)
        };
        let words = [String::from("nothing else"), format!("beside {SERVERS} TCP checks a second")];
        let mut rows = words.map(|words| ["p99", "most"].map(|which| row(which, &words)));
        for program in 0..settings.daemons.len() {
            for (rows, figures) in rows.iter_mut().zip(one(settings, program, shape)?) {
                rows.iter_mut().zip(figures).for_each(|(row, figure)| row.add(program, figure));
            }
        }
        rows.into_iter().flatten().for_each(|row| book.add(row));
    }
    Ok(())
}

/// Alone, then beside checks: p99 and the most in milliseconds.
fn one(settings: &Settings, program: usize, shape: Shape) -> Result<[[f64; 2]; 2]> {
    let (director, path) = Director::start(settings, program)?;
    serve(&director.lab.machine("servers")?)?;
    let mut figures = [[f64::NAN; 2]; 2];
    for (servers, figures) in [0, SERVERS].into_iter().zip(&mut figures) {
        let checks = if servers == 0 { String::new() } else { conf(servers, Duration::from_secs(1), Kind::Tcp) };
        director.machine.put(CONF, shape.conf_of(PRIORITY) + &checks)?;
        let (process, _) = director.run(&path)?;
        // Past the second round of announcements, and with every server found out to live.
        pause(shape.interval * 4 + Duration::from_secs(6));
        all_in_the_table(&director, servers)?;
        let capture = director.lab.lan("lan")?.capture_only("ip proto 112")?;
        let begin = Moment::now();
        pause(window(settings, shape.interval));
        let off = unevenness(&capture, begin, shape.interval, "director", |_| true)?;
        *figures = [99, 100].map(|percent| percentile(&off, percent).unwrap_or(f64::NAN));
        process.stop(LIMIT)?;
    }
    director.lab.finish()?;
    Ok(figures)
}
