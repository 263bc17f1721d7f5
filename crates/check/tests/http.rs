//! `HTTP_GET` against servers of this process, honest and hostile.
#![expect(clippy::unwrap_used, reason = "a socket that cannot be had is a failed test")]
#![expect(dead_code, reason = "what tests share is not all used by each")]

mod support;

use core::time::Duration;
use standfast_check::{Check, Prober, Reason, Verdict};
use standfast_model::config::lvs::Probe;
use standfast_model::config::probe::{Http, HttpVersion, Regex, Url};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::server::{Server, pause};
use support::{block_on, says, timed, to};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const TIMEOUT: Duration = Duration::from_millis(300);

fn url(path: &str) -> Url {
    Url {
        path: path.to_owned(),
        virtual_host: None,
        status_codes: vec![(200, 299)],
        digest: None,
        regex: None,
        tls_compliant: false,
    }
}

fn http(target: SocketAddr, urls: Vec<Url>) -> Http {
    Http { connect: to(target), tls: None, version: HttpVersion::Http10, fast_recovery: false, urls }
}

fn prepare(http: Http) -> Check {
    Prober::new(None).prepare(&Probe::Http(http))
}

fn attempt(check: &Check) -> Verdict {
    block_on(check.attempt())
}

fn check(server: &Server, url: Url) -> Verdict {
    attempt(&prepare(http(server.address, vec![url])))
}

fn hurried(server: &Server) -> (Verdict, Duration) {
    let mut http = http(server.address, vec![url("/")]);
    http.connect.timeout = TIMEOUT;
    let check = prepare(http);
    timed(|| attempt(&check))
}

fn timed_out() -> Verdict {
    Verdict::Failed(Reason::TimedOut { after: TIMEOUT })
}

fn digest(hexadecimal: &str) -> Option<[u8; 16]> {
    let digit = |digit: &u8| u8::try_from(char::from(*digit).to_digit(16).unwrap()).unwrap();
    let digest: Vec<u8> = hexadecimal.as_bytes().as_chunks().0.iter().map(|[h, l]| digit(h) << 4 | digit(l)).collect();
    Some(digest.try_into().unwrap())
}

fn regex(pattern: &str) -> Option<Regex> {
    Some(Regex {
        pattern: pattern.as_bytes().to_vec(),
        no_match: false,
        options: Vec::new(),
        min_offset: 0,
        max_offset: None,
        stack: None,
    })
}

#[test]
fn a_page_with_the_wanted_status_passes_and_another_says_which_it_had() {
    assert_eq!(check(&Server::answering(OK), url("/health")), Verdict::Ok);
    let server = Server::answering("HTTP/1.1 503 Service Unavailable\r\n\r\n");
    assert_eq!(check(&server, url("/health")), says("HTTP status 503 from /health, wanted 200-299"));
    let wanted = Url { status_codes: vec![(200, 200), (500, 503)], ..url("/health") };
    assert_eq!(check(&server, wanted), Verdict::Ok);
    let server = Server::answering("HTTP/1.1 404 Not Found\r\n\r\n");
    let wanted = Url { status_codes: vec![(200, 200), (500, 503)], ..url("/health") };
    assert_eq!(check(&server, wanted), says("HTTP status 404 from /health, wanted 200 500-503"));
}

#[test]
fn redirects_are_not_followed() {
    let server = Server::answering("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(check(&server, url("/")), says("HTTP status 302 from /, wanted 200-299"));
    assert_eq!(server.heard().len(), 1);
}

#[test]
fn the_request_names_the_virtual_host_and_the_version() {
    let server = Server::answering(OK);
    let mut http = http(server.address, vec![Url { virtual_host: Some("www.example.org".to_owned()), ..url("/a") }]);
    http.version = HttpVersion::Http11;
    assert_eq!(attempt(&prepare(http)), Verdict::Ok);
    let wanted = "GET /a HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: www.example.org\r\n\r\n";
    assert_eq!(server.heard(), [wanted]);
}

#[test]
fn a_digest_is_that_of_the_body_and_alone_it_asks_for_no_status() {
    let page = "HTTP/1.1 500 Sorry\r\n\r\nhello";
    let right = Url { digest: digest("5d41402abc4b2a76b9719d911017c592"), status_codes: vec![], ..url("/d") };
    assert_eq!(check(&Server::answering(page), right.clone()), Verdict::Ok);
    let words = "digest d41d8cd98f00b204e9800998ecf8427e of /d, wanted 5d41402abc4b2a76b9719d911017c592";
    assert_eq!(check(&Server::answering("HTTP/1.1 200 OK\r\n\r\n"), right), says(words));
}

#[test]
fn a_regex_matches_in_the_body_or_must_not() {
    let server = Server::answering("HTTP/1.1 200 OK\r\nX-Word: ready\r\n\r\nstatus: up and (up)");
    let with = |regex| check(&server, Url { regex, ..url("/r") });
    assert_eq!(with(regex("status: (\\w+) and \\(\\1\\)")), Verdict::Ok);
    assert_eq!(with(regex("ready")), says("the regex matches nothing in /r"));
    let no = |pattern| regex(pattern).map(|regex| Regex { no_match: true, ..regex });
    assert_eq!(with(no("ready")), Verdict::Ok);
    assert_eq!(with(no("up")), says("the regex matches in /r, and must not"));
}

#[test]
fn a_regex_that_pcre2_refuses_is_not_the_servers_fault() {
    let Verdict::Unable(inability) = check(&Server::answering(OK), Url { regex: regex("(("), ..url("/r") }) else {
        unreachable!()
    };
    assert!(inability.to_string().starts_with("regex of /r: PCRE2: error compiling pattern"), "{inability}");
}

#[test]
fn a_page_that_drives_the_regex_mad_is_given_up_at_once() {
    let body = format!("HTTP/1.1 200 OK\r\n\r\n{}!", "a".repeat(100_000));
    let server = Server::answering(body);
    let page = Url { regex: regex("^(a+)+$"), ..url("/r") };
    let (verdict, took) = timed(|| check(&server, page));
    let Verdict::Failed(reason) = verdict else { unreachable!() };
    assert!(reason.to_string().starts_with("the regex was given up on /r: PCRE2: error matching:"), "{reason}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// A server with pages a, b and c of which one can be made bad, and the paths that were asked for.
fn three(fast_recovery: bool) -> (Check, Server, Arc<AtomicBool>) {
    let bad = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&bad);
    let server = Server::new(move |peer| {
        let bad = peer.hear().starts_with("GET /b") && seen.load(Ordering::SeqCst);
        peer.say(if bad { b"HTTP/1.1 503 No\r\n\r\n" } else { OK.as_bytes() });
    });
    let mut http = http(server.address, vec![url("/a"), url("/b"), url("/c")]);
    http.fast_recovery = fast_recovery;
    (prepare(http), server, bad)
}

fn paths(server: &Server) -> String {
    server.heard().iter().map(|request| request.chars().nth(5).unwrap()).collect()
}

#[test]
fn pages_take_turns_and_a_failure_wants_its_page_and_then_all_again() {
    let (check, server, bad) = three(false);
    let mut verdicts = String::new();
    let mut attempts = |count: usize| {
        for _ in 0..count {
            verdicts.push(match attempt(&check) {
                Verdict::Ok => 'y',
                Verdict::OkSoFar => '.',
                Verdict::Failed(_) => 'n',
                Verdict::OkWithWeight(_) | Verdict::Unable(_) => unreachable!(),
            });
        }
    };
    attempts(4);
    bad.store(true, Ordering::SeqCst);
    attempts(2);
    bad.store(false, Ordering::SeqCst);
    attempts(6);
    assert_eq!(verdicts, "..yynn...yyy");
    // As keepalived 2.2.7 was seen to do it.
    assert_eq!(paths(&server), "abcabbbabcab");
}

#[test]
fn with_fast_recovery_all_pages_are_asked_for_in_one_attempt_after_a_failure() {
    let (check, server, bad) = three(true);
    assert_eq!(attempt(&check), Verdict::Ok);
    assert_eq!(attempt(&check), Verdict::Ok);
    assert_eq!(paths(&server), "abca");
    bad.store(true, Ordering::SeqCst);
    assert!(matches!(attempt(&check), Verdict::Failed(_)));
    assert!(matches!(attempt(&check), Verdict::Failed(_)));
    bad.store(false, Ordering::SeqCst);
    assert_eq!(attempt(&check), Verdict::Ok);
    assert_eq!(paths(&server), "abcabbbabc");
    assert_eq!(attempt(&check), Verdict::Ok);
    assert_eq!(paths(&server), "abcabbbabca");
}

#[test]
fn one_page_is_good_again_with_its_first_answer() {
    let server = Server::answering(OK);
    let check = prepare(http(server.address, vec![url("/")]));
    assert_eq!(attempt(&check), Verdict::Ok);
    let check = prepare(http(support::server::bound(socket2::Type::STREAM).1, vec![url("/")]));
    assert_eq!(attempt(&check), Verdict::Failed(Reason::Refused));
}

/// A server sends its next piece when the one before is acknowledged, which a kernel may put off for 40 ms.
#[test]
fn an_answer_in_small_pieces_waits_for_no_late_acknowledgement() {
    let server = Server::new(|peer| {
        peer.hear();
        for piece in OK.as_bytes().chunks(10) {
            if !peer.say(piece) {
                return;
            }
        }
        peer.wait();
    });
    let check = prepare(http(server.address, vec![url("/")]));
    // The fastest of several: on a busy machine each of them may be held up by something else.
    let fastest = (0..10).map(|_| timed(|| assert_eq!(attempt(&check), Verdict::Ok)).1).min().unwrap();
    assert!(fastest < Duration::from_millis(35), "{fastest:?}");
}

#[test]
fn a_server_that_accepts_and_says_nothing_times_out() {
    let (verdict, took) = hurried(&Server::new(support::server::Peer::wait));
    assert_eq!(verdict, timed_out());
    assert!(took >= TIMEOUT && took < TIMEOUT * 3, "{took:?}");
}

#[test]
fn a_header_that_comes_a_byte_at_a_time_times_out_as_a_whole() {
    let (verdict, took) = hurried(&Server::new(|peer| {
        for byte in OK.as_bytes().iter().cycle() {
            pause(Duration::from_millis(20));
            if !peer.say(&[*byte]) {
                return;
            }
        }
    }));
    assert_eq!(verdict, timed_out());
    assert!(took < TIMEOUT * 3, "{took:?}");
}

#[test]
fn a_body_that_comes_a_byte_at_a_time_ends_at_its_limit() {
    let server = Server::new(|peer| {
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        while peer.say(b"x") {
            pause(Duration::from_millis(20));
        }
    });
    let (verdict, took) = hurried(&server);
    assert_eq!(verdict, Verdict::Failed(Reason::TimedOut { after: TIMEOUT * 4 }));
    assert!(took >= TIMEOUT * 4 && took < TIMEOUT * 7, "{took:?}");
}

#[test]
fn a_body_that_stops_short_and_stays_open_times_out() {
    let server = Server::new(|peer| {
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
        peer.wait();
    });
    assert_eq!(hurried(&server).0, timed_out());
}

#[test]
fn endless_headers_end_at_their_limit() {
    let server = Server::new(|peer| {
        peer.say(b"HTTP/1.1 200 OK\r\n");
        while peer.say(&b"X-Endless: 0123456789\r\n".repeat(100)) {}
    });
    assert_eq!(hurried(&server).0, says("the header of the answer is longer than 32 KiB"));
}

#[test]
fn ten_gigabytes_of_body_are_not_read() {
    let server = Server::new(|peer| {
        peer.hear();
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n");
        while peer.say(&[b'x'; 1 << 16]) {}
    });
    let (verdict, took) = hurried(&server);
    assert_eq!(verdict, Verdict::Ok);
    assert!(took < TIMEOUT, "{took:?}");
    let page = Url { digest: Some([0; 16]), ..url("/") };
    let (verdict, took) = timed(|| check(&server, page));
    assert_eq!(verdict, says("the body is longer than 64 MiB"));
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_reset_a_close_and_nonsense_say_what_they_are() {
    let reset = Server::new(|peer| {
        peer.hear();
        peer.reset();
    });
    assert_eq!(check(&reset, url("/")), Verdict::Failed(Reason::Reset));
    let half = Server::new(|peer| {
        peer.hear();
        peer.say(OK.as_bytes());
        peer.half_close();
        peer.wait();
    });
    assert_eq!(check(&half, url("/")), Verdict::Ok);
    let closed = Server::new(|peer| _ = peer.hear());
    assert_eq!(check(&closed, url("/")), says("the connection was closed without an answer"));
    let cut = Server::answering("HTTP/1.1 200 OK\r\nX: ");
    assert_eq!(check(&cut, url("/")), says("the connection was closed within the header of the answer"));
    let other = Server::answering("SSH-2.0-OpenSSH_9.2\r\n\r\n");
    assert_eq!(check(&other, url("/")), says("the answer is not HTTP/1"));
}

#[test]
fn a_server_that_keeps_the_connection_open_after_its_answer_passes_at_once() {
    let server = Server::new(|peer| {
        peer.hear();
        peer.say(OK.as_bytes());
        peer.wait();
    });
    let (verdict, took) = hurried(&server);
    assert_eq!(verdict, Verdict::Ok);
    assert!(took < TIMEOUT, "{took:?}");
}
