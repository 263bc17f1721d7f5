//! What a check costs: processor time and system calls of the side that checks, over loopback.
//!
//! The servers are another process, whose time does not count. It prints one line per kind of check, and before them what
//! the kernel alone takes for a connection that is made and ended: no check of ours can cost less.
//!
//!   cargo bench -p standfast-check --bench cost [-- CHECKS CONCURRENT]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program that measures and prints, or fails")]

use core::time::Duration;
use socket2::{Domain, Socket, Type};
use standfast_check::{Check, Prober, Verdict};
use standfast_kernel::timer::boottime;
use standfast_model::config::lvs::{Connect, Probe};
use standfast_model::config::probe::{Http, HttpVersion, Regex, Url};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinSet;

const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if arguments.first().is_some_and(|word| word == "serve") {
        return serve(arguments.get(1).is_some_and(|word| word == "http"));
    }
    let number = |at: usize, default: usize| arguments.get(at).map_or(default, |word| word.parse().unwrap());
    let (checks, concurrent) = (number(0, 50_000), number(1, 100));
    println!("{checks} checks of each kind, {concurrent} at a time");
    let only = arguments.get(2).map(String::as_str);
    if only.is_none() {
        let (mut server, target) = server("tcp");
        bare(target, checks, "reset", Some(Duration::ZERO));
        bare(target, checks, "ended in order, as a check ends it", None);
        server.kill().unwrap();
        server.wait().unwrap();
    }
    for (name, kind) in [("TCP_CHECK", "tcp"), ("HTTP_GET status", "http"), ("HTTP_GET digest", "http")] {
        if only.is_some_and(|only| !name.contains(only)) {
            continue;
        }
        let (mut server, target) = server(kind);
        let connect = Connect {
            target,
            bind_address: None,
            bind_port: None,
            bind_interface: None,
            timeout: Duration::from_secs(5),
            mark: 0,
        };
        let probe = if kind == "tcp" { Probe::Tcp(connect) } else { http(connect, name) };
        measure(name, &probe, checks, concurrent);
        server.kill().unwrap();
        server.wait().unwrap();
    }
}

fn http(connect: Connect, name: &str) -> Probe {
    let digest = [0x5d, 0x41, 0x40, 0x2a, 0xbc, 0x4b, 0x2a, 0x76, 0xb9, 0x71, 0x9d, 0x91, 0x10, 0x17, 0xc5, 0x92];
    let url = Url {
        path: "/health".to_owned(),
        virtual_host: Some("www.example.org".to_owned()),
        status_codes: vec![(200, 299)],
        digest: name.contains("digest").then_some(digest),
        regex: None::<Regex>,
        tls_compliant: false,
    };
    Probe::Http(Http { connect, tls: None, version: HttpVersion::Http10, fast_recovery: false, urls: vec![url] })
}

/// Connections one after the other, each in the few system calls that it takes.
fn bare(target: SocketAddr, connections: usize, ended: &str, linger: Option<Duration>) {
    let before = processor_time();
    for _ in 0..connections {
        let socket = Socket::new(Domain::for_address(target), Type::STREAM, None).unwrap();
        if linger.is_some() {
            socket.set_linger(linger).unwrap();
        }
        socket.connect(&target.into()).unwrap();
    }
    let used = (processor_time() - before).as_secs_f64() * 1e6;
    println!(
        "the kernel alone, {ended}: {:.1} us of processor time each",
        used / f64::from(u32::try_from(connections).unwrap())
    );
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn measure(name: &str, probe: &Probe, checks: usize, concurrent: usize) {
    let prober = Prober::new(None);
    let prepared: Vec<Arc<Check>> = (0..concurrent).map(|_| Arc::new(prober.prepare(probe))).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (start, before) = (Instant::now(), processor_time());
    runtime.block_on(async {
        let mut running = JoinSet::new();
        let spawn = |running: &mut JoinSet<(usize, Verdict)>, at: usize| {
            let check = Arc::clone(prepared.get(at).unwrap());
            running.spawn(async move { (at, check.perform(boottime()).await.verdict) });
        };
        for at in 0..concurrent {
            spawn(&mut running, at);
        }
        let mut left = checks.saturating_sub(concurrent);
        while let Some(finished) = running.join_next().await {
            let (at, verdict) = finished.unwrap();
            assert_eq!(verdict, Verdict::Ok);
            if left > 0 {
                left -= 1;
                spawn(&mut running, at);
            }
        }
    });
    let (took, used) = (start.elapsed(), processor_time() - before);
    let each = used.as_secs_f64() * 1e6 / f64::from(u32::try_from(checks).unwrap());
    println!(
        "{name}: {each:.1} us of processor time each, {:.0} a second",
        f64::from(u32::try_from(checks).unwrap()) / took.as_secs_f64()
    );
}

/// User and system time of this process.
fn processor_time() -> Duration {
    let used = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
    let time = |value: nix::sys::time::TimeVal| {
        Duration::new(u64::try_from(value.tv_sec()).unwrap(), u32::try_from(value.tv_usec()).unwrap() * 1000)
    };
    time(used.user_time()) + time(used.system_time())
}

fn server(kind: &str) -> (Child, SocketAddr) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["serve", kind])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().parse().unwrap())
}

/// Serves until it is ended.
fn serve(http: bool) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    let deal = |mut stream: TcpStream| {
        if http && stream.read(&mut [0; 1000]).is_ok() {
            let _ = stream.write_all(PAGE);
        }
    };
    for stream in listener.incoming().flatten() {
        deal(stream);
    }
}
