//! `UDP_CHECK`, `DNS_CHECK` and `PING_CHECK` against sockets of this process, and in a network namespace of its own
//! where the test needs routes and filters.
#![expect(clippy::unwrap_used, reason = "a socket that cannot be had is a failed test")]
#![expect(dead_code, reason = "what tests share is not all used by each")]

mod support;

use core::time::Duration;
use standfast_check::{Reason, Verdict};
use standfast_model::config::lvs::{Connect, Probe};
use standfast_model::config::probe::{Dns, DnsType, MaskedByte, Udp, UdpReply};
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use support::{block_on, in_own_network, ip, says, timed, to};

const TIMEOUT: Duration = Duration::from_millis(300);

fn hurried(target: SocketAddr) -> Connect {
    Connect { timeout: TIMEOUT, ..to(target) }
}

fn timed_out() -> Verdict {
    Verdict::Failed(Reason::TimedOut { after: TIMEOUT })
}

/// A server that answers each datagram with these, and what it got.
fn server(answers: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> (SocketAddr, Receiver<Vec<u8>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = [0; 65_535];
        while let Ok((length, peer)) = socket.recv_from(&mut bytes) {
            let datagram = bytes.get(..length).unwrap();
            for answer in answers(datagram) {
                socket.send_to(&answer, peer).unwrap();
            }
            if sender.send(datagram.to_vec()).is_err() {
                return;
            }
        }
    });
    (address, receiver)
}

fn check(probe: &Probe) -> Verdict {
    block_on(standfast_check::run(probe))
}

fn udp(connect: Connect, payload: Option<&[u8]>, reply: Option<UdpReply>) -> Verdict {
    check(&Probe::Udp(Udp { connect, payload: payload.map(<[u8]>::to_vec), reply }))
}

fn any_reply() -> Option<UdpReply> {
    Some(UdpReply { pattern: vec![], min_length: 0, max_length: 255 })
}

fn closed() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn silence_is_a_success_of_udp_unless_a_reply_is_required() {
    let (address, heard) = server(|_| vec![]);
    let (verdict, took) = timed(|| udp(hurried(address), None, None));
    assert_eq!(verdict, Verdict::Ok);
    assert!(took >= TIMEOUT, "{took:?}");
    assert_eq!(heard.recv().unwrap(), b"keepalived check - keepalived ch");
    assert_eq!(udp(hurried(address), Some(b"\x00\xff"), any_reply()), timed_out());
    assert_eq!(heard.recv().unwrap(), b"\x00\xff");
}

#[test]
fn a_closed_udp_port_is_refused() {
    assert_eq!(udp(to(closed()), None, None), Verdict::Failed(Reason::Refused));
    assert_eq!(udp(to(closed()), None, any_reply()), Verdict::Failed(Reason::Refused));
    let target = UdpSocket::bind("[::1]:0").unwrap().local_addr().unwrap();
    assert_eq!(udp(to(target), None, None), Verdict::Failed(Reason::Refused));
}

#[test]
fn a_reply_ends_the_check_and_is_looked_at() {
    let (address, _heard) = server(|_| vec![b"pong".to_vec()]);
    let pattern: Vec<_> = b"pong".iter().map(|value| MaskedByte { value: *value, mask: 0xff }).collect();
    let wanted = UdpReply { pattern, min_length: 4, max_length: 4 };
    let (verdict, took) = timed(|| udp(to(address), None, Some(wanted.clone())));
    assert_eq!(verdict, Verdict::Ok);
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(udp(to(address), None, None), Verdict::Ok);
    let longer = UdpReply { min_length: 5, max_length: 255, ..wanted };
    assert_eq!(udp(to(address), None, Some(longer)), says("a reply of 4 bytes, wanted 5 to 255"));
}

#[test]
fn a_datagram_from_elsewhere_is_no_reply() {
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let (_, peer) = socket.recv_from(&mut [0; 100]).unwrap();
        stranger.send_to(b"here", peer).unwrap();
    });
    assert_eq!(udp(hurried(address), None, any_reply()), timed_out());
}

fn dns(connect: Connect) -> Verdict {
    check(&Probe::Dns(Dns { connect, kind: DnsType::Mx, name: "example.com".to_owned() }))
}

/// The header of an answer: this id, these flags, no records.
fn answer(id: &[u8], flags: [u8; 2]) -> Vec<u8> {
    [id, &flags, &[0; 8]].concat()
}

#[test]
fn the_query_is_the_one_that_keepalived_sends() {
    let (address, heard) = server(|query| vec![answer(&query[..2], [0x81, 0x80])]);
    assert_eq!(dns(to(address)), Verdict::Ok);
    let query = heard.recv().unwrap();
    assert_eq!(&query[2..], b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x0f\x00\x01");
    let root = Dns { connect: to(address), kind: DnsType::Soa, name: ".".to_owned() };
    assert_eq!(check(&Probe::Dns(root)), Verdict::Ok);
    assert_eq!(&heard.recv().unwrap()[2..], b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x06\x00\x01");
}

#[test]
fn an_error_code_is_a_failure_and_says_which() {
    let (address, _heard) = server(|query| vec![answer(&query[..2], [0x81, 0x83])]);
    assert_eq!(dns(to(address)), says("NXDOMAIN for example.com"));
    let (address, _heard) = server(|query| vec![answer(&query[..2], [0x81, 0x82])]);
    assert_eq!(dns(to(address)), says("SERVFAIL for example.com"));
}

#[test]
fn another_id_a_query_and_nonsense_are_no_answers() {
    let (address, _heard) = server(|query| vec![answer(&[!query[0], query[1]], [0x81, 0x80])]);
    assert_eq!(dns(hurried(address)), timed_out());
    let (address, _heard) = server(|query| vec![query.to_vec()]);
    assert_eq!(dns(hurried(address)), timed_out());
    let (address, _heard) = server(|_| vec![vec![], vec![0; 11]]);
    assert_eq!(dns(hurried(address)), timed_out());
    // The right one may still come.
    let right = |query: &[u8]| vec![answer(&[!query[0], query[1]], [0x81, 0x80]), answer(&query[..2], [0x81, 0x80])];
    let (address, _heard) = server(right);
    assert_eq!(dns(hurried(address)), Verdict::Ok);
    let (address, _heard) = server(|_| vec![vec![0; 12]; 40]);
    assert_eq!(dns(to(address)), says("many datagrams, and none answers the query"));
    assert_eq!(dns(to(closed())), Verdict::Failed(Reason::Refused));
}

#[test]
fn a_name_that_dns_cannot_carry_is_not_the_servers_fault() {
    let name = "x".repeat(64);
    let query = Dns { connect: to(closed()), kind: DnsType::A, name: name.clone() };
    let Verdict::Unable(inability) = check(&Probe::Dns(query)) else { unreachable!() };
    assert!(inability.to_string().starts_with(&format!("name {name} cannot be asked for: ")), "{inability}");
}

fn ping(address: &str) -> Verdict {
    check(&Probe::Ping(hurried(SocketAddr::new(address.parse().unwrap(), 80))))
}

#[test]
fn an_echo_comes_back_or_does_not() {
    in_own_network("an_echo_comes_back_or_does_not", || {
        assert_eq!(ping("127.0.0.1"), Verdict::Failed(Reason::NetworkUnreachable));
        ip("link set lo up");
        // With a raw socket: nobody may have the kernel's own sockets for echo requests in a new namespace.
        assert_eq!(ping("127.0.0.1"), Verdict::Ok);
        assert_eq!(ping("::1"), Verdict::Ok);
        std::fs::write("/proc/sys/net/ipv4/ping_group_range", "0 0").unwrap();
        assert_eq!(ping("127.0.0.1"), Verdict::Ok);
        assert_eq!(ping("::1"), Verdict::Ok);
        std::fs::write("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1").unwrap();
        assert_eq!(ping("127.0.0.1"), timed_out());
        ip("link add v0 type veth peer name v1");
        ip("address add 192.0.2.1/24 dev v0");
        ip("link set v0 up");
        ip("link set v1 up");
        ip("route add unreachable 198.51.100.1");
        assert_eq!(ping("198.51.100.1"), Verdict::Failed(Reason::NoRouteToHost));
        ip("route add prohibit 198.51.100.2");
        assert!(matches!(ping("198.51.100.2"), Verdict::Failed(_)));
    });
}

#[test]
fn a_host_that_answers_no_arp_fails_udp_although_silence_is_a_success() {
    in_own_network("a_host_that_answers_no_arp_fails_udp_although_silence_is_a_success", || {
        ip("link set lo up");
        ip("link add v0 type veth peer name v1");
        ip("address add 192.0.2.1/24 dev v0");
        ip("link set v0 up");
        ip("link set v1 up");
        let target = "192.0.2.9:53".parse().unwrap();
        assert_eq!(udp(to(target), None, None), Verdict::Failed(Reason::NoRouteToHost));
        assert_eq!(dns(to(target)), Verdict::Failed(Reason::NoRouteToHost));
    });
}

#[test]
fn a_link_local_server_is_reached_over_the_bound_interface() {
    in_own_network("a_link_local_server_is_reached_over_the_bound_interface", || {
        ip("link set lo up");
        ip("link add v0 type veth peer name v1");
        ip("link set v1 up");
        ip("link set v0 up");
        ip("address add fe80::99/64 dev v0 nodad");
        let listener = std::net::TcpListener::bind("[::]:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let target: SocketAddr = format!("[fe80::99]:{port}").parse().unwrap();
        let bound = Connect { bind_interface: Some("v0".parse().unwrap()), ..to(target) };
        assert_eq!(check(&Probe::Tcp(bound.clone())), Verdict::Ok);
        assert_eq!(check(&Probe::Ping(bound)), Verdict::Ok);
        assert!(!matches!(check(&Probe::Tcp(to(target))), Verdict::Ok));
    });
}
