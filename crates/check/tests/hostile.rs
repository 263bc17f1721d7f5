//! Back ends that mean harm: what the tests of each check do not have already, and what all of it may cost in memory.
#![expect(clippy::unwrap_used, reason = "a socket that cannot be had is a failed test")]
#![expect(dead_code, reason = "what tests share is not all used by each")]

mod support;

use core::time::Duration;
use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::ssl::{Ssl, SslContext, SslContextBuilder, SslMethod, SslStream, SslVersion};
use openssl::x509::X509;
use standfast_check::{Inability, Prober, Reason, Verdict};
use standfast_model::config::lvs::Probe;
use standfast_model::config::probe::{Dns, DnsType, Http, HttpVersion, Regex, Tls, Url};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use support::server::{Peer, Server, pause};
use support::{block_on, says, timed, to};
use tokio::task::JoinSet;

const TIMEOUT: Duration = Duration::from_millis(300);

fn page(target: SocketAddr, tls: bool, regex: Option<&str>) -> Http {
    let regex = regex.map(|pattern| Regex {
        pattern: pattern.as_bytes().to_vec(),
        no_match: false,
        options: Vec::new(),
        min_offset: 0,
        max_offset: None,
        stack: None,
    });
    let url = Url {
        path: "/".to_owned(),
        virtual_host: None,
        status_codes: vec![(200, 299)],
        digest: None,
        regex,
        tls_compliant: false,
    };
    let tls = tls.then(Tls::default);
    Http { connect: to(target), tls, version: HttpVersion::Http10, fast_recovery: false, urls: vec![url] }
}

fn check(server: &Server, tls: bool) -> Verdict {
    block_on(standfast_check::run(&Probe::Http(page(server.address, tls, None))))
}

#[test]
fn a_reset_is_a_failure_at_every_stage_of_an_answer() {
    let stages: [&[u8]; 4] =
        [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"HTTP/1.1 200 OK\r\n"];
    for stage in stages {
        let server = Server::new(move |peer| {
            peer.hear();
            peer.say(stage);
            // What was said is to arrive before the reset.
            pause(Duration::from_millis(20));
            peer.reset();
        });
        assert_eq!(check(&server, false), Verdict::Failed(Reason::Reset), "{}", String::from_utf8_lossy(stage));
    }
    // Before anything was asked.
    let verdict = check(&Server::new(Peer::reset), false);
    assert!(matches!(verdict, Verdict::Failed(_)), "{verdict:?}");
}

/// A TLS server; the certificate is one of its own, and sent as often again as is said.
fn tls(
    again: usize,
    configure: impl FnOnce(&mut SslContextBuilder),
    deal: fn(SslStream<std::net::TcpStream>),
) -> Server {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(1000).unwrap()).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    let certificate = builder.build();
    let mut builder = SslContext::builder(SslMethod::tls_server()).unwrap();
    builder.set_private_key(&key).unwrap();
    builder.set_certificate(&certificate).unwrap();
    for _ in 0..again {
        builder.add_extra_chain_cert(certificate.clone()).unwrap();
    }
    configure(&mut builder);
    let context = builder.build();
    Server::new(move |peer| {
        let mut stream = SslStream::new(Ssl::new(&context).unwrap(), peer.stream.try_clone().unwrap()).unwrap();
        if stream.accept().is_ok() {
            deal(stream);
        }
    })
}

#[test]
fn a_handshake_of_nonsense_or_in_drops_ends_with_a_reason() {
    let nonsense = Server::new(|peer| {
        peer.hear();
        // A record of the right type and version, and a message of no type.
        peer.say(&[&[22, 3, 3, 0, 200][..], &[0xff; 200]].concat());
        peer.wait();
    });
    let Verdict::Failed(reason) = check(&nonsense, true) else { unreachable!() };
    assert!(reason.to_string().starts_with("TLS handshake failed: "), "{reason}");
    let drops = Server::new(|peer| {
        peer.hear();
        // A handshake record of 16 KiB, a byte at a time.
        for byte in [22, 3, 3, 0x40, 0].iter().chain([2; 16 << 10].iter()) {
            pause(Duration::from_millis(20));
            if !peer.say(&[*byte]) {
                return;
            }
        }
    });
    let mut hurried = page(drops.address, true, None);
    hurried.connect.timeout = TIMEOUT;
    let (verdict, took) = timed(|| block_on(standfast_check::run(&Probe::Http(hurried))));
    assert_eq!(verdict, Verdict::Failed(Reason::TimedOut { after: TIMEOUT }));
    // Sixteen thousand drops would take more than five minutes.
    assert!(took < TIMEOUT * 20, "{took:?}");
}

#[test]
fn a_server_of_an_older_tls_than_this_machine_allows_says_so() {
    let old = tls(
        0,
        |builder| {
            builder.set_max_proto_version(Some(SslVersion::TLS1)).unwrap();
            builder.set_cipher_list("ALL:@SECLEVEL=0").unwrap();
        },
        drop,
    );
    let Verdict::Failed(reason) = check(&old, true) else { unreachable!() };
    assert!(reason.to_string().starts_with("TLS handshake failed: "), "{reason}");
}

#[test]
fn a_chain_of_certificates_without_end_is_not_taken_in() {
    fn answer(mut stream: SslStream<std::net::TcpStream>) {
        let _ = stream.read(&mut [0; 1000]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
    assert_eq!(check(&tls(10, |_| {}, answer), true), Verdict::Ok);
    // OpenSSL takes 100 KiB.
    assert_eq!(check(&tls(300, |_| {}, answer), true), says("TLS handshake failed: excessive message size"));
}

#[test]
fn an_endless_body_over_tls_is_cut() {
    let endless = tls(
        0,
        |_| {},
        |mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(&[b'x'; 1 << 14]).is_ok() {}
        },
    );
    assert_eq!(check(&endless, true), Verdict::Ok);
}

/// Answers each query with its id, as a good answer, and this behind the header.
fn names(rest: Vec<u8>, flags: [u8; 2]) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut bytes = [0; 600];
        while let Ok((_, peer)) = socket.recv_from(&mut bytes) {
            let counts = [0, 1, 0, 1, 0, 0, 0, 0];
            let _ = socket.send_to(&[&bytes[..2], &flags, &counts, &rest].concat(), peer);
        }
    });
    address
}

#[test]
fn what_stands_behind_the_header_of_a_dns_answer_can_do_no_harm() {
    let ask = |target| {
        let probe = Probe::Dns(Dns { connect: to(target), kind: DnsType::A, name: "example.com".to_owned() });
        block_on(standfast_check::run(&probe))
    };
    let other_question = b"\x05other\x00\x00\x10\x00\x01".to_vec();
    // A name that points at itself, and two that point at each other.
    let loops = b"\xc0\x0c\x00\x01\x00\x01\xc0\x1c\x00\x01\x00\x01\xc0\x0c".to_vec();
    // Only the header counts, as in keepalived; what is cut short is an answer all the same.
    for rest in [other_question, loops, vec![0xc0; 65_000], Vec::new()] {
        for flags in [[0x81, 0x80], [0x83, 0x80]] {
            assert_eq!(ask(names(rest.clone(), flags)), Verdict::Ok, "{} bytes", rest.len());
        }
    }
}

/// The most memory that this process has ever held, in KiB.
fn peak_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn two_hundred_endless_pages_at_once_cost_no_more_memory_than_all_checks_may_hold() {
    let endless = Server::new(|peer| {
        peer.hear();
        peer.say(b"HTTP/1.1 200 OK\r\n\r\n");
        while peer.say(&[b'x'; 1 << 14]) {}
    });
    let prober = Prober::new(None);
    // Each wants a page of 1 MiB, and all together may hold 64 MiB.
    let mut http = page(endless.address, false, Some("nowhere"));
    http.connect.timeout = Duration::from_secs(20);
    let probe = Probe::Http(http);
    let before = peak_kib();
    let verdicts = block_on(async {
        let mut running = JoinSet::new();
        for _ in 0..200 {
            let check = Arc::new(prober.prepare(&probe));
            running.spawn(async move { check.attempt().await });
        }
        running.join_all().await
    });
    let refused = verdicts.iter().filter(|verdict| **verdict == Verdict::Unable(Inability::OutOfMemory)).count();
    let judged = verdicts.iter().filter(|verdict| **verdict == says("the regex matches nothing in /")).count();
    assert_eq!(refused + judged, 200, "{verdicts:?}");
    assert!(judged > 0, "nobody had room");
    let grown = peak_kib() - before;
    // Buffers double when they grow, and two hundred threads of the server have their stacks.
    assert!(grown < 170 << 10, "{grown} KiB");
}

/// keepalived copied the status code of an answer into a fixed place of its heap, however long it was.
#[test]
fn cve_2018_19115_a_status_code_of_any_length_and_form_is_a_failure_and_nothing_else() {
    let codes: [Vec<u8>; 8] = [
        b"2".repeat(100_000),
        b"200".repeat(2000),
        b" ".repeat(10_000),
        vec![0xff; 5000],
        b"0x200".to_vec(),
        b"-200".to_vec(),
        b"99999999999999999999".to_vec(),
        Vec::new(),
    ];
    for code in codes {
        let shown = String::from_utf8_lossy(&code[..code.len().min(20)]).into_owned();
        let answer = [b"HTTP/1.1 ", &code[..], b" OK\r\nContent-Length: 0\r\n\r\n"].concat();
        let server = Server::new(move |peer| {
            peer.hear();
            peer.say(&answer);
        });
        let verdict = check(&server, false);
        assert!(matches!(verdict, Verdict::Failed(_)), "{shown}: {verdict:?}");
    }
}
