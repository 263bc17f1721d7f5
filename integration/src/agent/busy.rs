//! Watches the processes of a name until they have nothing more to do, and says how long they ran and when they came to
//! rest. Reads /proc and nothing else.

use std::fs;
use std::io;
use std::time::Duration;

use crate::clock::{Moment, RealTimeOffset, pause};

/// How often the processes are looked at: finer than any figure that is taken from it.
const LOOK: Duration = Duration::from_millis(5);

/// How much of that they may run and count as at rest: a timer or a status line is no work.
const REST: Duration = Duration::from_micros(300);

/// How often it is asked who they are: a worker may start later.
const SEARCH: Duration = Duration::from_millis(50);

/// Watches the processes whose name begins with `name`, which ends no later than `limit_millis` from now, and as soon as
/// they have rested for `quiet_millis`. Says the nanoseconds that they have run since, and CLOCK_REALTIME in
/// nanoseconds when they came to rest.
pub(super) fn busy(name: &str, quiet_millis: u64, limit_millis: u64) -> io::Result<()> {
    let (quiet, limit) = (Duration::from_millis(quiet_millis), Duration::from_millis(limit_millis));
    let begin = Moment::now();
    let offset = RealTimeOffset::measure();
    println!("watching");
    let mut pids = members(name)?;
    let at_first = ran(&pids);
    let (mut before, mut searched, mut worked) = (at_first, begin, None);
    loop {
        pause(LOOK);
        let now = Moment::now();
        if now.since(searched) > SEARCH {
            pids = members(name)?;
            searched = now;
        }
        let runs = ran(&pids);
        if runs > before + REST {
            worked = Some((now, runs));
        }
        before = runs;
        let rested = worked.is_some_and(|(last, _)| now.since(last) > quiet);
        if rested || now.since(begin) > limit {
            let (last, runs) = worked.unwrap_or((now, runs));
            println!("ran {} until {}", runs.saturating_sub(at_first).as_nanos(), offset.realtime(last));
            return Ok(());
        }
    }
}

fn members(name: &str) -> io::Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse() else { continue };
        if fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.starts_with(name)) {
            pids.push(pid);
        }
    }
    Ok(pids)
}

/// How long these processes have run. One that has ended counts for nothing.
fn ran(pids: &[u32]) -> Duration {
    let nanos = |pid: &u32| -> u64 {
        let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
        text.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
    };
    Duration::from_nanos(pids.iter().map(nanos).sum())
}
