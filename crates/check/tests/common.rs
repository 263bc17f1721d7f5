//! The words that all checks share (`bindto`, `bind_port`, `bind_if`, `fwmark`), on every kind of check.
#![expect(clippy::unwrap_used, reason = "a socket that cannot be had is a failed test")]
#![expect(dead_code, reason = "what tests share is not all used by each")]

mod support;

use core::time::Duration;
use standfast_check::{Inability, Reason, Verdict};
use standfast_model::config::lvs::{Connect, Probe};
use standfast_model::config::probe::{Dns, DnsType, Http, HttpVersion, Smtp, Tls, Udp, Url};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use support::{block_on, in_own_network, ip, to};

/// A check of each kind.
fn kinds(connect: &Connect) -> [(&'static str, Probe); 7] {
    let url = Url {
        path: "/".to_owned(),
        virtual_host: None,
        status_codes: vec![(200, 299)],
        digest: None,
        regex: None,
        tls_compliant: false,
    };
    let http = |tls| {
        let (connect, urls) = (connect.clone(), vec![url.clone()]);
        Probe::Http(Http { connect, tls, version: HttpVersion::Http10, fast_recovery: false, urls })
    };
    [
        ("TCP_CHECK", Probe::Tcp(connect.clone())),
        ("HTTP_GET", http(None)),
        ("SSL_GET", http(Some(Tls::default()))),
        ("SMTP_CHECK", Probe::Smtp(Smtp { hosts: vec![connect.clone()], helo_name: "x".to_owned() })),
        ("DNS_CHECK", Probe::Dns(Dns { connect: connect.clone(), kind: DnsType::A, name: "x".to_owned() })),
        ("UDP_CHECK", Probe::Udp(Udp { connect: connect.clone(), payload: None, reply: None })),
        ("PING_CHECK", Probe::Ping(connect.clone())),
    ]
}

fn check(probe: &Probe) -> Verdict {
    block_on(standfast_check::run(probe))
}

/// Somewhere that refuses, TCP and UDP alike, and answers echo requests.
fn refusing() -> Connect {
    let target = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    Connect { timeout: Duration::from_millis(500), ..to(target) }
}

#[test]
fn a_bind_address_that_is_elsewhere_is_told_by_every_check() {
    let elsewhere = Ipv4Addr::new(192, 0, 2, 77).into();
    for (kind, probe) in kinds(&Connect { bind_address: Some(elsewhere), ..refusing() }) {
        assert_eq!(check(&probe), Verdict::Unable(Inability::NoSuchLocalAddress(elsewhere)), "{kind}");
    }
}

#[test]
fn a_bind_interface_that_does_not_exist_is_told_by_every_check() {
    let name = "nosuch0".parse().unwrap();
    for (kind, probe) in kinds(&Connect { bind_interface: Some(name), ..refusing() }) {
        let Verdict::Unable(inability) = check(&probe) else { unreachable!("{kind}") };
        assert_eq!(inability.to_string(), "bind_if interface nosuch0 does not exist", "{kind}");
    }
}

#[test]
fn a_bind_port_that_is_in_use_is_told_by_every_check_that_has_ports() {
    let tcp = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let _udp = UdpSocket::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).unwrap();
    for (kind, probe) in kinds(&Connect { bind_port: Some(port), ..refusing() }) {
        if kind != "PING_CHECK" {
            assert_eq!(check(&probe), Verdict::Unable(Inability::LocalPortInUse(port)), "{kind}");
        }
    }
}

#[test]
fn the_mark_decides_the_way_of_every_check() {
    in_own_network("the_mark_decides_the_way_of_every_check", || {
        ip("link set lo up");
        ip("rule add fwmark 7 pref 0 unreachable");
        // Ahead of the table of local addresses, which no rule may stand before otherwise.
        ip("rule del pref 0 lookup local");
        ip("rule add pref 1 lookup local");
        for (kind, probe) in kinds(&refusing()) {
            let verdict = check(&probe);
            let there = if kind == "PING_CHECK" { Verdict::Ok } else { Verdict::Failed(Reason::Refused) };
            assert_eq!(verdict, there, "{kind}");
        }
        for (kind, probe) in kinds(&Connect { mark: 7, ..refusing() }) {
            assert_eq!(check(&probe), Verdict::Failed(Reason::NetworkUnreachable), "{kind}");
        }
    });
}
