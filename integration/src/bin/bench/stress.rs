//! How even a master's advertisements are while something else asks for the machine: processes that never rest, requests
//! for data, reloads, a flood of forged packets, a takeover of a thousand addresses by another instance.

use std::time::Duration;

use lab::{Capture, Moment, Result, pause};

use crate::Settings;
use crate::figures::{Book, Row, percentile};
use crate::pair::{Pair, Shape, between, millis};

/// What goes on meanwhile. Each is a command of the director's, run in a loop, but for the flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stress {
    Nothing,
    /// Two processes at full tilt on as many processors.
    Busy,
    /// Its data are asked for (SIGUSR1) fifty times a second.
    Asked,
    /// Its control socket is asked without a pause: only standfastd has one.
    Status,
    /// Its configuration is read again twice a second.
    Reload,
    /// Forged advertisements, about as many as a sender manages.
    Flood,
}

const STRESSES: [(Stress, &str); 6] = [
    (Stress::Nothing, "nothing else"),
    (Stress::Busy, "beside two processes that never rest"),
    (Stress::Asked, "asked for its data 50 times a second"),
    (Stress::Status, "its control socket asked without a pause"),
    (Stress::Reload, "reloaded twice a second"),
    (Stress::Flood, "under a flood of forged packets"),
];

/// Instances, interval, and whether a quick run has it.
const SHAPES: [(usize, Duration, bool); 2] =
    [(1, Duration::from_millis(100), true), (50, Duration::from_millis(100), false)];

const WINDOW: Duration = Duration::from_secs(10);
const QUICK_WINDOW: Duration = Duration::from_secs(3);

/// What a sender with a processor to itself about manages. With less it takes longer over as many.
const FLOOD_PER_SECOND: u64 = 150_000;

/// The instance that has nothing to do with the takeover beside it.
const BYSTANDER: u8 = 252;

pub(crate) fn measure(settings: &Settings, book: &mut Book) -> Result<()> {
    for (instances, interval, _) in SHAPES.into_iter().filter(|(_, _, quick)| *quick || !settings.quick) {
        let shape = Shape { interval, instances, addresses: 1 };
        let mut rows: Vec<[Row; 2]> = STRESSES
            .iter()
            .map(|(_, words)| {
                ["p99", "most"].map(|which| {
                    let what = format!("time between adverts less the interval, {which}, {instances} instances");
                    Row::new(format!("{what}, adverts every {interval:?}, {words}"), "ms").bounded(0.0)
                })
            })
            .collect();
        let mut flooded = Row::new("the flood: forged packets a second", "1/s");
        for (program, daemon) in settings.daemons.iter().enumerate() {
            let pair = Pair::start(daemon, shape)?;
            // Past the second round of announcements.
            pause(Duration::from_secs(6));
            let window = if settings.quick { QUICK_WINDOW } else { WINDOW };
            for ((stress, _), [p99, most]) in STRESSES.iter().zip(&mut rows) {
                if *stress == Stress::Status && program > 0 {
                    continue;
                }
                let (off, rate) = under(&pair, *stress, window, daemon.program())?;
                p99.add(program, percentile(&off, 99).unwrap_or(f64::NAN));
                most.add(program, percentile(&off, 100).unwrap_or(f64::NAN));
                if let Some(rate) = rate {
                    flooded.add(program, rate);
                }
            }
            pair.lab.finish()?;
        }
        rows.into_iter().flatten().for_each(|row| book.add(row));
        book.add(flooded);
    }
    bystander(settings, book)
}

/// The absolute differences from the interval in milliseconds, and how many packets a second a flood had.
fn under(pair: &Pair, stress: Stress, window: Duration, program: &str) -> Result<(Vec<f64>, Option<f64>)> {
    let seconds = window.as_secs_f64();
    let main = pair.master.id();
    let command = program.replace("standfastd", "standfast");
    let line = match stress {
        Stress::Nothing | Stress::Flood => None,
        Stress::Busy => Some("while :; do :; done & while :; do :; done".to_owned()),
        Stress::Asked => Some(format!("while kill -USR1 {main}; do sleep 0.02; done")),
        Stress::Status => Some(format!("while {command} status --json >/dev/null 2>&1 || sleep 0.02; do :; done")),
        Stress::Reload => Some(format!("while kill -HUP {main}; do sleep 0.5; done")),
    };
    let capture = pair.lab.lan("lan")?.capture_only("ip proto 112 and src host 192.0.2.1")?;
    let begin = Moment::now();
    let mut rate = None;
    match line {
        Some(line) => {
            let argv = ["timeout".to_owned(), format!("{seconds}"), "bash".to_owned(), "-c".to_owned(), line];
            let process = pair.first.spawn(argv.to_vec())?;
            process.wait(window + Duration::from_secs(5))?;
        }
        None if stress == Stress::Flood => {
            let sender = pair.client.send_packets("eth0", &[forged()], FLOOD_PER_SECOND, window)?;
            sender.wait(window * 10 + Duration::from_secs(30))?;
            let sent = sender.log().split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
            rate = sent.map(|sent| sent / millis(Moment::now().since(begin)) * 1000.0);
        }
        None => pause(window),
    }
    let off = unevenness(&capture, begin, pair.shape.interval, "first", |_| true)?;
    // Reloads and floods are over before the next is measured.
    pause(Duration::from_millis(500));
    Ok((off, rate))
}

/// How far each advertisement of a machine is from where the one before puts it, in milliseconds.
fn unevenness(
    capture: &Capture,
    begin: Moment,
    interval: Duration,
    machine: &str,
    counts: impl Fn(u8) -> bool,
) -> Result<Vec<f64>> {
    let mut sent = std::collections::BTreeMap::<u8, Vec<Moment>>::new();
    for seen in capture.adverts()? {
        if seen.from == machine && seen.at > begin && counts(seen.what.vrid) {
            sent.entry(seen.what.vrid).or_default().push(seen.at);
        }
    }
    let mut off = Vec::new();
    for times in sent.values() {
        let gaps = times.iter().zip(times.iter().skip(1)).map(|(one, next)| between(*one, *next));
        off.extend(gaps.map(|gap| (gap - millis(interval)).abs()));
    }
    Ok(off)
}

/// An advertisement of version 3 for the first instance, of a lower priority and with a wrong checksum.
fn forged() -> Vec<u8> {
    let header = [0x45, 0xc0, 0, 32, 0, 0, 0, 0, 255, 112, 0, 0, 192, 0, 2, 50, 224, 0, 0, 18];
    let message = [0x31, 1, 50, 1, 0, 100, 0xde, 0xad, 192, 0, 2, 100];
    [&header[..], &message].concat()
}

/// How late an instance of 100 ms becomes while another one of the same director takes over a thousand addresses.
fn bystander(settings: &Settings, book: &mut Book) -> Result<()> {
    let shape = Shape { interval: Duration::from_millis(400), instances: 1, addresses: 1000 };
    let interval = Duration::from_millis(100);
    let what =
        "time between adverts less the interval, most, one instance at 100 ms while another takes over 1000 addresses";
    let mut row = Row::new(what, "ms").bounded(0.0);
    let conf = |is_first: bool, priority: u8| {
        format!(
            "{}vrrp_instance BY {{\n    state BACKUP\n    interface eth0\n    virtual_router_id {BYSTANDER}\n    priority \
             {priority}\n    version 3\n    advert_int 0.1\n    virtual_ipaddress {{\n        192.0.2.101/24\n    }}\n}}\n",
            shape.conf(is_first)
        )
    };
    for _ in 0..if settings.quick { 2 } else { 10 } {
        for (program, daemon) in settings.daemons.iter().enumerate() {
            // The second is master of the bystander, and takes over from the first.
            let pair = Pair::start_with(daemon, shape, [&conf(true, 50), &conf(false, 250)])?;
            let capture = pair.lab.lan("lan")?.capture_only("ip proto 112")?;
            pause(Duration::from_secs(1));
            let begin = Moment::now();
            pair.master.signal(nix::libc::SIGTERM)?;
            pair.holds(&pair.second, true)?;
            pause(Duration::from_secs(1));
            let off = unevenness(&capture, begin, interval, "second", |vrid| vrid == BYSTANDER)?;
            row.add(program, percentile(&off, 100).unwrap_or(f64::NAN));
            pair.lab.finish()?;
        }
    }
    book.add(row);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forged_has_the_length_that_it_says() {
        let packet = forged();
        assert_eq!((packet.len(), packet.get(3)), (32, Some(&32)));
    }
}
