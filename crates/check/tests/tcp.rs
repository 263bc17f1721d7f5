//! `TCP_CHECK` against real sockets: on loopback, and in a network namespace of its own where the test needs routes or
//! must not be seen.
#![expect(clippy::unwrap_used, reason = "a socket that cannot be had is a failed test")]
#![expect(dead_code, reason = "what tests share is not all used by each")]

mod support;

use core::time::Duration;
use socket2::{Domain, SockAddr, Socket, Type};
use standfast_check::{Inability, Reason, Verdict};
use standfast_model::InterfaceName;
use standfast_model::config::lvs::{Connect, Probe};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use support::{block_on, in_own_network, ip, to, without_descriptors};

fn check(connect: Connect) -> Verdict {
    block_on(standfast_check::run(&Probe::Tcp(connect)))
}

fn listener(address: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(address).unwrap();
    let target = listener.local_addr().unwrap();
    (listener, target)
}

/// An address of this machine where nobody listens.
fn closed(address: &str) -> SocketAddr {
    listener(address).1
}

/// A listener that accepts nothing, with the one connection that it has room for: the kernel drops the handshake of
/// the next.
fn silent() -> ((Socket, TcpStream), SocketAddr) {
    let full = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    full.bind(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).unwrap();
    full.listen(0).unwrap();
    let target = full.local_addr().unwrap().as_socket().unwrap();
    let first = TcpStream::connect(target).unwrap();
    ((full, first), target)
}

fn failed(reason: Reason) -> Verdict {
    Verdict::Failed(reason)
}

#[test]
fn a_listener_passes() {
    let (_listener, target) = listener("127.0.0.1:0");
    assert_eq!(check(to(target)), Verdict::Ok);
}

#[test]
fn an_ipv6_listener_passes_and_its_closed_port_does_not() {
    let (_listener, target) = listener("[::1]:0");
    assert_eq!(check(to(target)), Verdict::Ok);
    assert_eq!(check(to(closed("[::1]:0"))), failed(Reason::Refused));
}

#[test]
fn a_closed_port_is_refused() {
    let verdict = check(to(closed("127.1.0.2:0")));
    assert_eq!(verdict, failed(Reason::Refused));
    let Verdict::Failed(reason) = verdict else { unreachable!() };
    assert_eq!(reason.to_string(), "connection refused");
}

#[test]
fn a_server_that_does_not_answer_fails_at_the_limit_and_not_before() {
    let (_silent, target) = silent();
    let timeout = Duration::from_millis(300);
    let (verdict, took) = support::timed(|| check(Connect { timeout, ..to(target) }));
    assert_eq!(verdict, failed(Reason::TimedOut { after: timeout }));
    assert!(took >= timeout && took < timeout * 4, "took {took:?}");
    assert_eq!(Reason::TimedOut { after: timeout }.to_string(), "timed out after 0.3 s");
    assert_eq!(Reason::TimedOut { after: Duration::from_secs(3) }.to_string(), "timed out after 3 s");
}

#[test]
fn a_connection_to_itself_is_no_server() {
    let target = closed("127.1.0.1:0");
    let connect = Connect { bind_address: Some(target.ip()), bind_port: Some(target.port()), ..to(target) };
    assert_eq!(check(connect), failed(Reason::ConnectedToItself));
}

#[test]
fn the_connection_comes_from_the_bound_address_and_ends_in_order() {
    let (listener, target) = listener("127.0.0.1:0");
    let source: IpAddr = "127.9.8.7".parse().unwrap();
    assert_eq!(check(Connect { bind_address: Some(source), ..to(target) }), Verdict::Ok);
    let (mut stream, peer) = listener.accept().unwrap();
    assert_eq!(peer.ip(), source);
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn a_server_that_accepts_late_reads_the_end_of_the_connection_and_no_reset() {
    let (listener, target) = listener("127.0.0.1:0");
    for _ in 0..3 {
        assert_eq!(check(to(target)), Verdict::Ok);
        // BIND and others complain in their logs of a peer that is gone before they accept.
        let (mut stream, _) = listener.accept().unwrap();
        stream.peer_addr().unwrap();
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    }
}

#[test]
fn a_fixed_local_port_serves_one_check_after_the_other() {
    let (listener, target) = listener("127.0.0.1:0");
    let port = closed("127.1.0.3:0").port();
    for _ in 0..20 {
        assert_eq!(check(Connect { bind_port: Some(port), ..to(target) }), Verdict::Ok);
        assert_eq!(listener.accept().unwrap().1.port(), port);
    }
}

#[test]
fn two_checks_at_once_share_a_fixed_local_port() {
    let (_listener, target) = listener("127.0.0.1:0");
    let (_silent, slow) = silent();
    let port = Some(closed("127.1.0.4:0").port());
    let first = Probe::Tcp(Connect { bind_port: port, timeout: Duration::from_millis(300), ..to(slow) });
    let second = Probe::Tcp(Connect { bind_port: port, ..to(target) });
    let verdicts = block_on(async {
        let first = tokio::spawn(async move { standfast_check::run(&first).await });
        tokio::task::yield_now().await;
        let second = standfast_check::run(&second).await;
        (first.await.unwrap(), second)
    });
    assert_eq!(verdicts, (failed(Reason::TimedOut { after: Duration::from_millis(300) }), Verdict::Ok));
}

#[test]
fn a_local_port_that_someone_listens_on_is_not_the_servers_fault() {
    let (_listener, target) = listener("127.0.0.1:0");
    let (_other, busy) = listener("0.0.0.0:0");
    let verdict = check(Connect { bind_port: Some(busy.port()), ..to(target) });
    assert_eq!(verdict, Verdict::Unable(Inability::LocalPortInUse(busy.port())));
}

#[test]
fn a_bind_address_that_is_elsewhere_is_not_the_servers_fault() {
    let (_listener, target) = listener("127.0.0.1:0");
    let elsewhere: IpAddr = "192.0.2.77".parse().unwrap();
    let verdict = check(Connect { bind_address: Some(elsewhere), ..to(target) });
    assert_eq!(verdict, Verdict::Unable(Inability::NoSuchLocalAddress(elsewhere)));
}

#[test]
fn a_bind_interface_that_does_not_exist_is_not_the_servers_fault() {
    let (_listener, target) = listener("127.0.0.1:0");
    let name: InterfaceName = "nosuch0".parse().unwrap();
    let verdict = check(Connect { bind_interface: Some(name.clone()), ..to(target) });
    assert_eq!(verdict, Verdict::Unable(Inability::NoSuchInterface(name)));
}

#[test]
fn no_descriptor_left_is_not_the_servers_fault() {
    without_descriptors("no_descriptor_left_is_not_the_servers_fault", |take_all| {
        let (_listener, target) = listener("127.0.0.1:0");
        let runtime = support::runtime();
        let taken = take_all();
        let probe = Probe::Tcp(to(target));
        assert_eq!(runtime.block_on(standfast_check::run(&probe)), Verdict::Unable(Inability::OutOfDescriptors));
        drop(taken);
        assert_eq!(runtime.block_on(standfast_check::run(&probe)), Verdict::Ok);
    });
}

#[test]
fn what_cannot_be_reached_says_why() {
    in_own_network("what_cannot_be_reached_says_why", || {
        let target: SocketAddr = "192.0.2.1:80".parse().unwrap();
        assert_eq!(check(to(target)), failed(Reason::NetworkUnreachable));
        ip("link set lo up");
        ip("route add unreachable 192.0.2.0/24");
        assert_eq!(check(to(target)), failed(Reason::NoRouteToHost));
    });
}

#[test]
fn the_bound_interface_is_the_way() {
    in_own_network("the_bound_interface_is_the_way", || {
        ip("link set lo up");
        ip("link add v0 type veth peer name v1");
        let (_listener, target) = listener("127.0.0.1:0");
        let through = |name: &str| check(Connect { bind_interface: Some(name.parse().unwrap()), ..to(target) });
        assert_eq!(through("lo"), Verdict::Ok);
        assert_ne!(through("v0"), Verdict::Ok);
    });
}

#[test]
fn the_mark_is_on_the_probe() {
    in_own_network("the_mark_is_on_the_probe", || {
        ip("link set lo up");
        // Marked packets find no way, all others do.
        ip("rule add pref 10 lookup local");
        ip("rule del pref 0");
        ip("rule add pref 1 fwmark 7 unreachable");
        let (_listener, target) = listener("127.0.0.1:0");
        assert_eq!(check(Connect { mark: 7, ..to(target) }), failed(Reason::NetworkUnreachable));
        assert_eq!(check(Connect { mark: 8, ..to(target) }), Verdict::Ok);
        assert_eq!(check(to(target)), Verdict::Ok);
    });
}

#[test]
fn five_hundred_checks_at_once_leave_no_connection_open() {
    in_own_network("five_hundred_checks_at_once_leave_no_connection_open", || {
        ip("link set lo up");
        // With room for all of them, whenever its thread gets to run: what the kernel drops of a handshake comes again
        // seconds later, and so does its end.
        let roomy = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        roomy.bind(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).unwrap();
        roomy.listen(1024).unwrap();
        let target = roomy.local_addr().unwrap().as_socket().unwrap();
        let listener = TcpListener::from(roomy);
        std::thread::spawn(move || listener.incoming().for_each(drop));
        let probe = Probe::Tcp(to(target));
        let verdicts = block_on(async {
            let tasks: Vec<_> = (0..500)
                .map(|_| {
                    let probe = probe.clone();
                    tokio::spawn(async move { standfast_check::run(&probe).await })
                })
                .collect();
            let mut verdicts = Vec::new();
            for task in tasks {
                verdicts.push(task.await.unwrap());
            }
            verdicts
        });
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Ok), "{verdicts:?}");
        // State 0A of this file is LISTEN and 06 TIME_WAIT: every other is a connection that one side has not ended yet.
        let open = || {
            let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
            let states = sockets.lines().skip(1).filter_map(|line| line.split_whitespace().nth(3).map(str::to_owned));
            states.filter(|state| !matches!(state.as_str(), "0A" | "06")).count()
        };
        let (_, took) = support::timed(|| while open() > 0 {});
        assert!(took < Duration::from_secs(10), "{took:?}");
    });
}

#[test]
fn a_check_and_its_attempt_have_no_room_for_what_few_need() {
    let check = standfast_check::Prober::new(None).prepare(&Probe::Tcp(to(SocketAddr::from(([127, 0, 0, 1], 80)))));
    let attempt = size_of_val(&check.perform(standfast_model::Instant::ZERO));
    assert!(attempt <= 512, "thousands may be under way, and each has {attempt} bytes");
    let kept = size_of::<standfast_check::Check>();
    assert!(kept <= 128, "tens of thousands may be kept, and each has {kept} bytes");
}
