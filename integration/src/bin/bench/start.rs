//! How soon a daemon that owns its address speaks: from its execution to its first advertisement; and how
//! large its program is.

use std::time::Duration;

use lab::{Backend, Error, Moment, Plan, Result};

use crate::Settings;
use crate::figures::{Book, Row};
use crate::pair::{Shape, between};

const RUNS: usize = 10;
const QUICK_RUNS: usize = 3;

/// The configuration, where the lab puts it.
const CONF: &str = "/etc/keepalived/keepalived.conf";

pub(crate) fn measure(settings: &Settings, book: &mut Book) -> Result<()> {
    let shape = Shape { interval: Duration::from_secs(1), instances: 1, addresses: 1 };
    let mut row = Row::new("start: execution to first advert of an owner", "ms");
    let mut plan = Plan::new("start");
    plan.backend(Backend::Namespaces);
    let lan = plan.lan("lan");
    plan.director("first").card(lan, ["192.0.2.1/24"]);
    let lab = plan.start()?;
    let director = lab.machine("first")?;
    // keepalived takes an owner for one when the state says so too.
    director.put(CONF, shape.conf_of(255).replace("state BACKUP", "state MASTER"))?;
    for _ in 0..if settings.quick { QUICK_RUNS } else { RUNS } {
        for (program, daemon) in settings.daemons.iter().enumerate() {
            let capture = lab.lan("lan")?.capture_only("ip proto 112")?;
            let begin = Moment::now();
            // The shell says the time and becomes the daemon: nothing of the lab is in between.
            let line = format!("echo at $EPOCHREALTIME; exec {} -n -l -f {CONF}", daemon.program());
            let process = director.spawn(["bash", "-c", &line])?;
            let advert = capture.wait_for_advert("an advertisement", begin, Duration::from_secs(10), |_| true)?;
            process.stop(Duration::from_secs(10))?;
            let log = process.log();
            let at = log.lines().find_map(|line| line.strip_prefix("at ")).and_then(nanos).unwrap_or(0);
            row.add(program, between(capture.moment(at), advert.at));
        }
    }
    book.add(row);
    lab.finish()?;
    size(settings, book)
}

/// What a director's disk keeps: the program as a package ships it. keepalived brings no library of its own, nor do we.
fn size(settings: &Settings, book: &mut Book) -> Result<()> {
    let mut row = Row::new("the program on disk, without its symbols", "KiB");
    let stripped = std::env::temp_dir().join(format!("standfast-bench-{}", std::process::id()));
    for (program, daemon) in settings.daemons.iter().enumerate() {
        let done = std::process::Command::new("strip").arg("-o").arg(&stripped).arg(daemon.program()).status();
        let done = done.map_err(|source| Error::Io { what: "running strip".to_owned(), source })?;
        let kib = std::fs::metadata(&stripped).ok().filter(|_| done.success()).map(|file| file.len() / 1024);
        row.add(program, kib.and_then(|kib| u32::try_from(kib).ok()).map_or(f64::NAN, f64::from));
        // Nobody else has a file of this name; where strip failed there is none.
        let _ = std::fs::remove_file(&stripped);
    }
    book.add(row);
    Ok(())
}

/// Of seconds and microseconds of the epoch.
fn nanos(text: &str) -> Option<u64> {
    let (seconds, micros) = text.trim().split_once('.')?;
    Some((seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?) * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_the_shell_is_read() {
        assert_eq!(nanos("1700000000.000123\n"), Some(1_700_000_000_000_123_000));
        assert_eq!(nanos("now"), None);
    }
}
