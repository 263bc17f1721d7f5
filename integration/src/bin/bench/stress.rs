//! How even a master's advertisements are while something else asks for the machine: processes that never rest, requests
//! for data and for the status page, reloads, a flood of forged packets, a takeover of a thousand addresses by another
//! instance.

use std::time::Duration;

use lab::{Capture, Moment, Result, pause};

use crate::Settings;
use crate::figures::{Book, Row, percentile};
use crate::load::{SHAPES, window};
use crate::pair::{Pair, Shape, between, millis};

/// What goes on meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stress {
    Nothing,
    /// Two processes at full tilt on as many processors.
    Busy,
    /// Its data are asked for (SIGUSR1) fifty times a second.
    Asked,
    /// Its control socket is asked without a pause: only standfastd has one.
    Status,
    /// Its status page is fetched by four at a time without a pause: only standfastd has one.
    Page,
    /// Its configuration is read again twice a second.
    Reload,
    /// Forged advertisements, about as many as a sender manages.
    Flood,
}

/// Each with whether it is there for every number of instances and every interval, and in a quick run.
const STRESSES: [(Stress, bool, &str); 7] = [
    (Stress::Nothing, false, "nothing else"),
    (Stress::Busy, false, "beside two processes that never rest"),
    (Stress::Asked, false, "asked for its data 50 times a second"),
    (Stress::Status, false, "its control socket asked without a pause"),
    (Stress::Page, true, "its status page asked without a pause"),
    (Stress::Reload, true, "reloaded twice a second"),
    (Stress::Flood, false, "under a flood of forged packets"),
];

/// Instances and interval that are under every stress.
const WHOLE: (usize, Duration) = (1, Duration::from_millis(100));

/// Where the page is; in front of the configuration of a program that has one.
const PAGE: &str = "global_defs {\n    http_listen 192.0.2.1 8112\n}\n";

/// What a sender with a processor to itself about manages. With less it takes longer over as many.
const FLOOD_PER_SECOND: u64 = 150_000;

/// The instance that has nothing to do with the takeover beside it.
const BYSTANDER: u8 = 252;

pub(crate) fn measure(settings: &Settings, book: &mut Book) -> Result<()> {
    for ((instances, interval), ..) in SHAPES {
        let is_whole = (instances, interval) == WHOLE;
        if is_whole || !settings.quick {
            let all = is_whole && !settings.quick;
            let stresses: Vec<(Stress, &str)> = STRESSES
                .into_iter()
                .filter(|(_, always, _)| *always || all)
                .map(|(stress, _, words)| (stress, words))
                .collect();
            stressed(settings, book, Shape { interval, instances, addresses: 1 }, &stresses)?;
        }
    }
    if settings.quick { Ok(()) } else { bystander(settings, book) }
}

fn stressed(settings: &Settings, book: &mut Book, shape: Shape, stresses: &[(Stress, &str)]) -> Result<()> {
    let Shape { interval, instances, .. } = shape;
    let row = |which: &str, words: &str| {
        let what = format!("time between adverts less the interval, {which}, {instances} instances");
        Row::new(format!("{what}, adverts every {interval:?}, {words}"), "ms").bounded(0.0)
    };
    let mut rows: Vec<[Row; 2]> =
        stresses.iter().map(|(_, words)| ["p99", "most"].map(|which| row(which, words))).collect();
    let mut flooded = Row::new("the flood: forged packets a second", "1/s");
    for (program, daemon) in settings.daemons.iter().enumerate() {
        let has_page = program == 0;
        let page = if has_page { PAGE } else { "" };
        let pair = Pair::start_with(daemon, shape, [&(page.to_owned() + &shape.conf(true)), &shape.conf(false)])?;
        // Past the second round of announcements.
        pause(Duration::from_secs(6));
        for ((stress, _), [p99, most]) in stresses.iter().zip(&mut rows) {
            if matches!(stress, Stress::Status | Stress::Page) && !has_page {
                continue;
            }
            let (off, rate) = under(&pair, *stress, window(settings, interval), daemon.program())?;
            p99.add(program, percentile(&off, 99).unwrap_or(f64::NAN));
            most.add(program, percentile(&off, 100).unwrap_or(f64::NAN));
            if let Some(rate) = rate {
                flooded.add(program, rate);
            }
        }
        pair.lab.finish()?;
    }
    rows.into_iter().flatten().for_each(|row| book.add(row));
    if stresses.iter().any(|(stress, _)| *stress == Stress::Flood) {
        book.add(flooded);
    }
    Ok(())
}

/// The absolute differences from the interval in milliseconds, and how many packets a second a flood had.
fn under(pair: &Pair, stress: Stress, window: Duration, program: &str) -> Result<(Vec<f64>, Option<f64>)> {
    let capture = pair.lab.lan("lan")?.capture_only("ip proto 112 and src host 192.0.2.1")?;
    let begin = Moment::now();
    let rate = go_on(pair, stress, window, program)?;
    let off = unevenness(&capture, begin, pair.shape.interval, "first", |_| true)?;
    // Reloads and floods are over before the next is measured.
    pause(Duration::from_millis(500));
    Ok((off, rate))
}

/// Has what stresses the director go on for so long. A flood says how many packets a second it had.
fn go_on(pair: &Pair, stress: Stress, window: Duration, program: &str) -> Result<Option<f64>> {
    let main = pair.master.id();
    let command = program.replace("standfastd", "standfast");
    let (machine, line) = match stress {
        Stress::Nothing => {
            pause(window);
            return Ok(None);
        }
        Stress::Flood => {
            let begin = Moment::now();
            let sender = pair.client.send_packets("eth0", &[forged()], FLOOD_PER_SECOND, window)?;
            sender.wait(window * 10 + Duration::from_secs(30))?;
            let sent = sender.log().split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
            return Ok(sent.map(|sent| sent / millis(Moment::now().since(begin)) * 1000.0));
        }
        Stress::Busy => (&pair.first, "while :; do :; done & while :; do :; done".to_owned()),
        Stress::Asked => (&pair.first, format!("while kill -USR1 {main}; do sleep 0.02; done")),
        Stress::Status => {
            (&pair.first, format!("while {command} status --json >/dev/null 2>&1 || sleep 0.02; do :; done"))
        }
        Stress::Page => {
            pair.client.run("curl --silent --fail --max-time 2 --output /dev/null http://192.0.2.1:8112/")?;
            (
                &pair.client,
                "while ab -q -n 1000000 -t 60 -c 4 http://192.0.2.1:8112/ >/dev/null 2>&1; do :; done".to_owned(),
            )
        }
        Stress::Reload => (&pair.first, format!("while kill -HUP {main}; do sleep 0.5; done")),
    };
    let argv = ["timeout".to_owned(), window.as_secs_f64().to_string(), "bash".to_owned(), "-c".to_owned(), line];
    machine.spawn(argv.to_vec())?.wait(window + Duration::from_secs(5))?;
    Ok(None)
}

/// How far each advertisement of a machine is from where the one before puts it, in milliseconds.
pub(crate) fn unevenness(
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
    for _ in 0..3 {
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
