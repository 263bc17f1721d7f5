//! How long reading and checking a configuration (`-t`) takes and how much memory, on files that grow by one kind of
//! object, and how both grow. To be run where the interfaces `b0` to `b39` are: a `virtual_router_id` is used once on an
//! interface.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use lab::seed::Daemon;
use lab::{Error, Moment, Result, pause};

use crate::Settings;
use crate::figures::{Book, Row, Summary};
use crate::pair::millis;

/// What grows, and its sizes.
type Family = (&'static str, fn(usize) -> String, [usize; 4]);

const FAMILIES: [Family; 5] = [
    ("virtual servers of two real servers each", virtual_servers, [10, 100, 1000, 10_000]),
    ("VRRP instances", instances, [10, 100, 1000, 10_000]),
    ("real servers of one virtual server", real_servers, [10, 100, 1000, 10_000]),
    ("addresses of one instance", addresses, [10, 100, 1000, 10_000]),
    ("sync groups of two instances", groups, [10, 100, 1000, 5000]),
];

/// So many of the sizes a quick run has.
const QUICK_SIZES: usize = 3;

const RUNS: usize = 5;
const QUICK_RUNS: usize = 2;

/// A run that takes longer is ended: the slower program must not take the evening.
const LIMIT: Duration = Duration::from_mins(2);

/// How often it is looked whether a run has ended: finer than any figure.
const LOOK: Duration = Duration::from_micros(100);

/// Times below this above that of starting alone say nothing of growth.
const GROWN_MILLIS: f64 = 1.0;

pub(crate) fn measure(settings: &Settings, book: &mut Book) -> Result<()> {
    let path = std::env::temp_dir().join(format!("standfast-bench-{}.conf", std::process::id()));
    let measured = all(settings, book, &path);
    // Where nothing was written there is nothing to remove.
    let _ = std::fs::remove_file(&path);
    measured
}

fn all(settings: &Settings, book: &mut Book, path: &Path) -> Result<()> {
    let [empty, memory] = one(settings, path, "an empty file", "global_defs {\n}\n")?;
    let started = empty.samples.each_ref().map(|samples| median(samples));
    book.add(empty);
    book.add(memory);
    for (family, generate, sizes) in FAMILIES {
        let mut growth: [Vec<(f64, f64)>; 2] = [Vec::new(), Vec::new()];
        for size in sizes.into_iter().take(if settings.quick { QUICK_SIZES } else { sizes.len() }) {
            let [time, memory] = one(settings, path, &format!("{size} {family}"), &generate(size))?;
            for ((points, samples), started) in growth.iter_mut().zip(&time.samples).zip(started) {
                points.push((u32::try_from(size).map_or(f64::NAN, f64::from), median(samples) - started));
            }
            book.add(time);
            book.add(memory);
        }
        let mut row =
            Row::new(format!("configuration check: exponent of growth, {family}"), "1 is linear").bounded(1.0);
        for (program, points) in growth.iter().enumerate() {
            row.add(program, exponent(points));
        }
        book.add(row);
    }
    Ok(())
}

/// The time and the memory of both programs, in turns.
fn one(settings: &Settings, path: &Path, what: &str, text: &str) -> Result<[Row; 2]> {
    let io = |what: &str, source| Error::Io { what: what.to_owned(), source };
    std::fs::write(path, text).map_err(|source| io("writing a configuration", source))?;
    let mut time = Row::new(format!("configuration check: time, {what}"), "ms");
    let mut memory = Row::new(format!("configuration check: memory at most, {what}"), "KiB");
    for run in 0..if settings.quick { QUICK_RUNS } else { RUNS } {
        for (program, daemon) in settings.daemons.iter().enumerate() {
            time.add(program, timed(daemon, path).map_err(|source| io("running a program", source))?);
            if run == 0 {
                memory.add(program, most_memory(daemon, path).map_err(|source| io("running time", source))?);
            }
        }
    }
    Ok([time, memory])
}

/// Milliseconds from start to end; no number if it took too long.
fn timed(daemon: &Daemon, path: &Path) -> io::Result<f64> {
    let begin = Moment::now();
    let mut command = Command::new(daemon.program());
    let mut child = command.arg("-t").arg("-f").arg(path).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    while child.try_wait()?.is_none() {
        if Moment::now().since(begin) > LIMIT {
            child.kill()?;
            child.wait()?;
            return Ok(f64::NAN);
        }
        pause(LOOK);
    }
    Ok(millis(Moment::now().since(begin)))
}

/// In KiB, of a run of its own under `time`, which is small: a process inherits the mark of whoever started it.
fn most_memory(daemon: &Daemon, path: &Path) -> io::Result<f64> {
    let limit = LIMIT.as_secs().to_string();
    let said = Command::new("timeout")
        .args([limit.as_str(), "/usr/bin/time", "-q", "-f", "%M", daemon.program(), "-t", "-f"])
        .arg(path)
        .output()?;
    let text = String::from_utf8_lossy(&said.stderr);
    Ok(text.split_whitespace().next_back().and_then(|kib| kib.parse().ok()).unwrap_or(f64::NAN))
}

fn median(samples: &[f64]) -> f64 {
    Summary::of(samples).map_or(f64::NAN, |summary| summary.median)
}

/// The slope of the last two sizes, both logarithmic; no number while the time is that of starting.
fn exponent(points: &[(f64, f64)]) -> f64 {
    let grown: Vec<(f64, f64)> = points.iter().copied().filter(|(_, time)| *time > GROWN_MILLIS).collect();
    match grown.as_slice() {
        [.., (few, short), (many, long)] => (long / short).ln() / (many / few).ln(),
        _ => f64::NAN,
    }
}

fn address(number: usize) -> String {
    format!("10.{}.{}.{}", number >> 16 & 255, number >> 8 & 255, number & 255)
}

const SERVICE: &str = "    delay_loop 3\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n";

fn real_server(number: usize) -> String {
    let address = address(number);
    format!(
        "    real_server {address} 80 {{\n        weight 1\n        TCP_CHECK {{\n            connect_timeout 3\n        }}\n    }}\n"
    )
}

fn virtual_servers(count: usize) -> String {
    let of = |number: usize| {
        let servers = real_server(2 * number) + &real_server(2 * number + 1);
        format!("virtual_server 192.{} 80 {{\n{SERVICE}{servers}}}\n", &address(number)[3..])
    };
    (0..count).map(of).collect()
}

fn real_servers(count: usize) -> String {
    let servers: String = (0..count).map(real_server).collect();
    format!("virtual_server 192.0.2.1 80 {{\n{SERVICE}{servers}}}\n")
}

fn instances(count: usize) -> String {
    let of = |number: usize| {
        format!(
            "vrrp_instance V{number} {{\n    state BACKUP\n    interface b{}\n    virtual_router_id {}\n    priority 100\n    \
             advert_int 1\n    virtual_ipaddress {{\n        {}/32\n    }}\n}}\n",
            number / 255,
            number % 255 + 1,
            address(number)
        )
    };
    (0..count).map(of).collect()
}

fn addresses(count: usize) -> String {
    // An advertisement counts to 255; what is above that is held without being advertised.
    const ADVERTISED: usize = 20;
    let list = |from: usize, to: usize| -> String {
        (from..to).map(|number| format!("        {}/32\n", address(number))).collect()
    };
    let (advertised, others) = (list(0, count.min(ADVERTISED)), list(ADVERTISED, count));
    format!(
        "vrrp_instance V {{\n    state BACKUP\n    interface b0\n    virtual_router_id 1\n    virtual_ipaddress {{\n\
         {advertised}    }}\n    virtual_ipaddress_excluded {{\n{others}    }}\n}}\n"
    )
}

fn groups(count: usize) -> String {
    (0..count).fold(instances(2 * count), |mut text, number| {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "vrrp_sync_group G{number} {{\n    group {{\n        V{}\n        V{}\n    }}\n}}",
            2 * number,
            2 * number + 1
        );
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_as_many_objects_as_it_says() {
        assert_eq!(virtual_servers(300).matches("real_server").count(), 600);
        assert!(virtual_servers(300).contains("virtual_server 192.0.1.43 80 {"));
        assert!(instances(300).contains("interface b1\n    virtual_router_id 45\n"));
        assert_eq!(addresses(300).matches("/32").count(), 300);
        assert_eq!(groups(10).matches("vrrp_instance").count(), 20);
        assert!(groups(10).contains("        V18\n        V19\n"));
    }

    #[test]
    fn the_exponent_is_of_the_last_sizes_that_take_their_time() {
        assert!((exponent(&[(10.0, 0.1), (100.0, 2.0), (1000.0, 20.0), (10_000.0, 200.0)]) - 1.0).abs() < 1e-9);
        assert!((exponent(&[(100.0, 2.0), (1000.0, 200.0)]) - 2.0).abs() < 1e-9);
        assert!(exponent(&[(100.0, 0.2), (1000.0, 20.0)]).is_nan());
    }
}
