//! Thousands of checks a second on one thread, in the order and at the times of the director: how late they start, how
//! evenly they are spread, and what they cost with everything around them but the kernel's table.
//!
//! The server is another process, whose time does not count.
//!
//!   cargo bench -p standfast-check --bench pace [-- CHECKERS SECONDS]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program that measures and prints, or fails")]

use core::time::Duration;
use standfast_check::{Check, Prober, Verdict};
use standfast_kernel::process::schedule::allow_open_files;
use standfast_kernel::timer::{Timer, boottime};
use standfast_lvs::{Action, CheckerId, Director, Event, Output, Table};
use standfast_model::Instant;
use standfast_model::config::LvsConfig;
use standfast_model::config::lvs::{Checker, Connect, Probe, RealServer, Timing, VirtualServer};
use standfast_model::ipvs::{Forwarding, Protocol, ServiceKey};
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Real servers of each virtual server.
const SERVERS: u32 = 4;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if arguments.first().is_some_and(|word| word == "serve") {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        println!("{}", listener.local_addr().unwrap());
        return listener.incoming().for_each(drop);
    }
    let number = |at: usize, default: u32| arguments.get(at).map_or(default, |word| word.parse().unwrap());
    let (checkers, seconds) = (number(0, 5000), number(1, 10));
    let mut child = Command::new(std::env::current_exe().unwrap()).arg("serve").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    allow_open_files(u64::from(checkers) + 64).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = config(checkers, line.trim().parse().unwrap());
    runtime.block_on(pace(config, checkers, Duration::from_secs(seconds.into())));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// So many checkers, each once a second, all of the same server.
fn config(checkers: u32, target: SocketAddr) -> LvsConfig {
    let second = Duration::from_secs(1);
    let timing = Timing {
        delay_loop: second,
        retry: 1,
        delay_before_retry: second,
        warmup: second,
        alpha: false,
        log_all_failures: false,
    };
    let connect =
        Connect { target, bind_address: None, bind_port: None, bind_interface: None, timeout: second, mark: 0 };
    let address = |number: u32| SocketAddr::new(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | number)), 80);
    let virtual_servers = (0..checkers / SERVERS).map(|service| {
        let mut server = VirtualServer::plain(ServiceKey::Address {
            protocol: Protocol::Tcp,
            address: address(service).ip(),
            port: 80,
        });
        server.real_servers = (0..SERVERS)
            .map(|real| {
                let mut real = RealServer::plain(address(0x0080_0000 | (service * SERVERS + real)), Forwarding::Nat);
                real.checkers = [Checker { probe: Probe::Tcp(connect.clone()), timing }.into()].into();
                real
            })
            .collect();
        server
    });
    LvsConfig { virtual_servers: virtual_servers.collect(), ..LvsConfig::default() }
}

async fn pace(config: LvsConfig, checkers: u32, span: Duration) {
    let prober = Prober::new(None);
    let mut director = Director::new(config, 1);
    let checks: Vec<Arc<Check>> = director.probes().map(|(_, probe)| Arc::new(prober.prepare(probe))).collect();
    let mut timer = Timer::new().unwrap();
    let mut running: JoinSet<(CheckerId, Verdict)> = JoinSet::new();
    let mut output = Output::default();
    let (mut late, mut starts) = (Vec::new(), Vec::new());
    let start = boottime();
    // The first second is spent on the table and on first checks.
    let (from, until) = (start + Duration::from_secs(1), start + Duration::from_secs(1) + span);
    let mut used = None;
    let mut feed = |director: &mut Director, running: &mut JoinSet<(CheckerId, Verdict)>, event: Event| {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let due = director.next_deadline();
            let now = boottime();
            director.handle(now, event, &mut output);
            for action in core::mem::take(&mut output.actions) {
                if let Action::StartCheck(id) = action {
                    if now >= from {
                        starts.push(now);
                        late.extend(due.map(|due| now.since(due)));
                    }
                    let check = Arc::clone(checks.get(id.0).unwrap());
                    running.spawn(async move { (id, check.perform(boottime()).await.verdict) });
                } else if matches!(action, Action::Dump) {
                    events.push(Event::Observed(Table::default()));
                }
            }
        }
    };
    feed(&mut director, &mut running, Event::Start);
    while boottime() < until {
        if used.is_none() && boottime() >= from {
            used = Some(processor_time());
        }
        let due = director.next_deadline().into_iter().chain(prober.deadlines().next()).min();
        timer.arm(due).unwrap();
        tokio::select! {
            finished = running.join_next(), if !running.is_empty() => {
                let (checker, verdict) = finished.unwrap().unwrap();
                feed(&mut director, &mut running, Event::CheckFinished { checker, verdict });
            }
            () = prober.deadlines().sooner(due) => {}
            expired = timer.expired() => {
                expired.unwrap();
                prober.deadlines().pass(boottime());
                feed(&mut director, &mut running, Event::Wake);
            }
        }
    }
    let used = processor_time() - used.unwrap();
    report(checkers, &mut late, &starts, from, used, span);
}

fn report(checkers: u32, late: &mut [Duration], starts: &[Instant], from: Instant, used: Duration, span: Duration) {
    late.sort_unstable();
    let at = |share: usize| late.get((late.len() - 1) * share / 1000).unwrap().as_secs_f64() * 1e3;
    println!("{checkers} checkers once a second for {} s: {} checks", span.as_secs(), starts.len());
    println!("late by {:.2} ms (median), {:.2} ms (99 %), {:.2} ms (most)", at(500), at(990), at(1000));
    // How many start in each hundredth of a second: evenly spread they would be one in a hundred.
    let mut slots = vec![0_u32; usize::try_from(span.as_millis() / 10).unwrap() + 1];
    for start in starts {
        // One that was held up until the span was over counts for none.
        if let Some(slot) = slots.get_mut(usize::try_from(start.since(from).as_millis() / 10).unwrap()) {
            *slot += 1;
        }
    }
    slots.pop();
    let (least, most) = (slots.iter().min().unwrap(), slots.iter().max().unwrap());
    println!("{least} to {most} started in each hundredth of a second, evenly it would be {}", checkers / 100);
    let each = used.as_secs_f64() * 1e6 / f64::from(u32::try_from(starts.len()).unwrap());
    println!("{each:.1} us of processor time each, with the director");
}

/// User and system time of this process.
fn processor_time() -> Duration {
    let used = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
    let time = |value: nix::sys::time::TimeVal| {
        Duration::new(u64::try_from(value.tv_sec()).unwrap(), u32::try_from(value.tv_usec()).unwrap() * 1000)
    };
    time(used.user_time()) + time(used.system_time())
}
