//! What health checks cost and how punctual they are, in a kernel that has IPVS: see [`crate::lvs`] for what its figures
//! are good for. Checks are counted by the host that answers them, and timed by what its LAN carries.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use lab::{Capture, Machine, Moment, Result, pause, until};

use crate::Settings;
use crate::figures::{Book, Row, percentile};
use crate::lvs::{CONF, Director, LIMIT};
use crate::pair::{between, millis};

/// Real servers, seconds between two checks of each, how they are checked, and whether a quick run has it. Those of a kind
/// follow one another, the fewest first.
const SHAPES: [(usize, u64, Kind, bool); 10] = [
    (100, 1, Kind::Tcp, true),
    (1000, 5, Kind::Tcp, false),
    (10_000, 20, Kind::Tcp, false),
    // More than such a kernel manages: how many each program does.
    (5000, 1, Kind::Tcp, false),
    (100, 1, Kind::Http, false),
    (1000, 5, Kind::Http, false),
    (10_000, 20, Kind::Http, false),
    (100, 1, Kind::Https, false),
    (1000, 5, Kind::Https, false),
    (10_000, 40, Kind::Https, false),
];

/// How long the cost is watched at least; for how punctual they are it is half as long again as the interval at least.
const WINDOW: Duration = Duration::from_secs(10);
const QUICK_WINDOW: Duration = Duration::from_secs(3);

/// How long their system calls are counted.
const COUNT: Duration = Duration::from_secs(4);
const QUICK_COUNT: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Tcp,
    Http,
    Https,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
        }
    }

    fn port(self) -> u16 {
        if self == Self::Https { 443 } else { 80 }
    }

    /// What is said over a connection, where that can be said without a library.
    fn request(self) -> Option<&'static str> {
        match self {
            Self::Tcp => Some(""),
            Self::Http => Some("GET / HTTP/1.0\r\n\r\n"),
            Self::Https => None,
        }
    }

    fn checker(self) -> &'static str {
        match self {
            Self::Tcp => "TCP_CHECK {\n            connect_timeout 2\n        }",
            Self::Http => {
                "HTTP_GET {\n            url {\n                path /\n                status_code 200\n            }\n            \
                 connect_timeout 2\n        }"
            }
            Self::Https => {
                "SSL_GET {\n            url {\n                path /\n                status_code 200\n            }\n            \
                 connect_timeout 2\n        }"
            }
        }
    }
}

pub(crate) fn measure(settings: &Settings, book: &mut Book) -> Result<()> {
    let chosen = |kind: Kind, quick: bool| match &settings.only {
        Some(only) => only == kind.name(),
        None => quick || !settings.quick,
    };
    // Of the fewest servers of a kind: how many they are, and the memory of both programs.
    let mut fewest: Option<(Kind, usize, [f64; 2])> = None;
    for (servers, every, kind, _) in SHAPES.into_iter().filter(|(_, _, kind, quick)| chosen(*kind, *quick)) {
        let name = |what: &str| format!("{what}, {servers} real servers, {} every {every} s", kind.name());
        let count = |servers: usize| u32::try_from(servers).map_or(f64::NAN, f64::from);
        let interval = Duration::from_secs(every);
        let rate = count(servers) / interval.as_secs_f64();
        let mut rows = [
            // Readings of the clock are system calls in user-mode Linux only: elsewhere the vDSO answers.
            Row::new(name("system calls of a check, but for readings of the clock"), "calls"),
            Row::new(name("processor of a check"), "us"),
            Row::new(name("checks a second"), "1/s").bounded(rate),
            Row::new(name("memory (PSS) of all processes"), "KiB"),
            Row::new(name("time between checks of a server less the interval, p50"), "ms").bounded(0.0),
            Row::new(name("time between checks of a server less the interval, p99"), "ms").bounded(0.0),
            Row::new(name("most checks in a tenth of a second"), "checks").bounded(rate / 10.0),
        ];
        if let Some(plain) = if settings.quick { None } else { plain(settings, servers, interval, kind)? } {
            let what = "processor of a connection whose program does nothing else";
            let mut row = Row::new(name(what), "us");
            row.add(0, plain);
            book.add(row);
        }
        let mut memory = [f64::NAN; 2];
        for (program, memory) in memory.iter_mut().enumerate() {
            let samples = one(settings, program, servers, interval, kind)?;
            for (row, sample) in rows.iter_mut().zip(samples) {
                row.add(program, sample);
            }
            *memory = samples[3];
        }
        rows.into_iter().for_each(|row| book.add(row));
        match fewest.filter(|(of, ..)| *of == kind) {
            None => fewest = Some((kind, servers, memory)),
            Some((_, few, before)) => {
                let mut row = Row::new(name(&format!("memory (PSS) of each real server beyond {few}")), "KiB");
                for (program, (after, before)) in memory.iter().zip(before).enumerate() {
                    row.add(program, (after - before) / count(servers - few));
                }
                book.add(row);
            }
        }
    }
    Ok(())
}

fn one(settings: &Settings, program: usize, servers: usize, interval: Duration, kind: Kind) -> Result<[f64; 7]> {
    let (director, path) = Director::start(settings, program)?;
    let host = director.lab.machine("servers")?;
    serve(&host)?;
    director.machine.put(CONF, conf(servers, interval, kind))?;
    let (process, _) = director.run(&path)?;
    all_in_the_table(&director, servers)?;
    pause(interval + Duration::from_secs(3));
    let least = if settings.quick { QUICK_WINDOW } else { WINDOW };
    let (before, from) = (opened(&host)?, Moment::now());
    let window = least.max(interval);
    // It never rests, so it is watched for the whole span.
    let watch = director.machine.watch(&director.name, window * 2, window)?;
    let (ran, _) = watch.rested()?;
    let made = opened(&host)? - before;
    let rate = made / Moment::now().since(from).as_secs_f64();
    let memory = director.memory()?;
    // Listening and counting cost the machine something, so they are done after what checks cost is known.
    let capture = director.lab.lan("lan")?.capture_only("tcp[tcpflags] == tcp-syn")?;
    pause(least.max(interval * 3 / 2 + Duration::from_secs(1)));
    let [p50, p99, most] = punctual(&capture, interval)?;
    drop(capture);
    let called = calls(&director, if settings.quick { QUICK_COUNT } else { COUNT }, kind)?;
    process.stop(LIMIT)?;
    director.lab.finish()?;
    Ok([called, ran.as_secs_f64() * 1e6 / made, rate, memory, p50, p99, most])
}

/// What it takes to make as many connections as there are checks and to do nothing else, in microseconds of processor each:
/// nearly all of it is the kernel's.
fn plain(settings: &Settings, servers: usize, interval: Duration, kind: Kind) -> Result<Option<f64>> {
    let Some(request) = kind.request() else { return Ok(None) };
    let (director, _) = Director::start(settings, 0)?;
    serve(&director.lab.machine("servers")?)?;
    let targets: Vec<SocketAddr> = (0..servers).map(|number| (address(number), kind.port()).into()).collect();
    let per_second = u32::try_from(servers).unwrap_or(u32::MAX) / u32::try_from(interval.as_secs()).unwrap_or(1).max(1);
    let each = director.machine.cost_of_connections(&targets, per_second, WINDOW, request)?;
    director.lab.finish()?;
    Ok(Some(each.as_secs_f64() * 1e6))
}

/// Waits until as many servers are in the kernel's table.
pub(crate) fn all_in_the_table(director: &Director, servers: usize) -> Result<()> {
    until("every server was in the table", LIMIT, || {
        pause(Duration::from_millis(500));
        director.servers().is_ok_and(|found| found == servers)
    })
    .map(drop)
}

/// The system calls of a check, but for readings of the clock.
fn calls(director: &Director, span: Duration, kind: Kind) -> Result<f64> {
    let calls = director.calls(span)?;
    let of = |names: &'static [&'static str]| {
        calls.iter().filter(move |(name, _)| names.contains(&name.as_str())).map(|(_, calls)| *calls)
    };
    // As many checks as were begun while the calls were counted.
    let begun: f64 = of(&["connect"]).sum();
    let clocks: f64 = of(&["clock_gettime", "time", "gettimeofday"]).sum();
    tell(&format!("{} by {}", kind.name(), director.name), &calls, begun);
    Ok((of(&["total"]).sum::<f64>() - clocks) / begun)
}

/// One host that answers for every real server, HTTP and HTTPS.
pub(crate) fn serve(host: &Machine) -> Result<()> {
    host.run("ip route add local 10.1.0.0/16 dev lo")?;
    host.run(
        "mkdir -p /run/lab-tls && openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=servers \
         -keyout /run/lab-tls/key -out /run/lab-tls/certificate",
    )?;
    host.serve_web_also(
        "servers",
        "listen 443 ssl; ssl_certificate /run/lab-tls/certificate; ssl_certificate_key /run/lab-tls/key;",
    )?;
    Ok(())
}

fn address(number: usize) -> Ipv4Addr {
    let octet = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
    Ipv4Addr::new(10, 1, octet(number / 250), octet(number % 250 + 1))
}

pub(crate) fn conf(servers: usize, interval: Duration, kind: Kind) -> String {
    let (port, checker) = (kind.port(), kind.checker());
    let real: String = (0..servers)
        .map(|number| {
            let address = address(number);
            format!("    real_server {address} {port} {{\n        weight 1\n        {checker}\n    }}\n")
        })
        .collect();
    format!(
        "virtual_server 172.16.0.1 {port} {{\n    delay_loop {}\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n{real}}}\n",
        interval.as_secs()
    )
}

/// Connections that the host has answered; those of its own making are counted apart.
fn opened(host: &Machine) -> Result<f64> {
    let text = host.run("grep '^Tcp:' /proc/net/snmp | tail -n 1")?;
    Ok(text.split_whitespace().nth(6).and_then(|count| count.parse().ok()).unwrap_or(f64::NAN))
}

/// How far the checks of each server are from their interval (p50, p99 in milliseconds), and how many came in the
/// fullest tenth of a second.
fn punctual(capture: &Capture, interval: Duration) -> Result<[f64; 3]> {
    const TENTH_NANOS: u64 = 100_000_000;
    let mut begun: BTreeMap<[u8; 4], Vec<Moment>> = BTreeMap::new();
    let mut tenths: BTreeMap<u64, u32> = BTreeMap::new();
    for syn in capture.octets()? {
        // The destination of an IPv4 packet in an Ethernet frame.
        let Some(Ok(server)) = syn.what.get(30..34).map(<[u8; 4]>::try_from) else { continue };
        begun.entry(server).or_default().push(syn.at);
        *tenths.entry(syn.at.as_nanos() / TENTH_NANOS).or_default() += 1;
    }
    let off: Vec<f64> = (begun.values())
        .flat_map(|times| times.iter().zip(times.iter().skip(1)))
        .map(|(one, next)| (between(*one, *next) - millis(interval)).abs())
        .collect();
    let at = |percent| percentile(&off, percent).unwrap_or(f64::NAN);
    Ok([at(50), at(99), tenths.values().max().copied().map_or(f64::NAN, f64::from)])
}

/// Which system calls a check consists of, besides the table: what to look at when a row asks why.
fn tell(whose: &str, calls: &[(String, f64)], checks: f64) {
    let each = calls.iter().map(|(name, calls)| format!("{name} {:.2}", calls / checks));
    eprintln!("a check of {whose}: {}", each.collect::<Vec<_>>().join(", "));
}
