//! `SMTP_CHECK` against servers of this process, honest and hostile.
#![expect(clippy::unwrap_used, reason = "a socket that cannot be had is a failed test")]
#![expect(dead_code, reason = "what tests share is not all used by each")]

mod support;

use core::time::Duration;
use standfast_check::{Reason, Verdict};
use standfast_model::config::lvs::Probe;
use standfast_model::config::probe::Smtp;
use support::server::{Server, pause};
use support::{block_on, says, timed, to};

const TIMEOUT: Duration = Duration::from_millis(300);

fn check(servers: &[&Server]) -> Verdict {
    let mut hosts: Vec<_> = servers.iter().map(|server| to(server.address)).collect();
    for host in &mut hosts {
        host.timeout = TIMEOUT;
    }
    block_on(standfast_check::run(&Probe::Smtp(Smtp { hosts, helo_name: "checker.example".to_owned() })))
}

/// Says these, one after the other, each after having heard something.
fn mail(greeting: &'static str, helo: &'static str, quit: &'static str) -> Server {
    Server::new(move |peer| {
        peer.say(greeting.as_bytes());
        for answer in [helo, quit] {
            if peer.hear().is_empty() {
                return;
            }
            peer.say(answer.as_bytes());
        }
    })
}

#[test]
fn a_mail_server_greets_is_greeted_and_says_good_bye() {
    let server = mail("220 mail.example ESMTP\r\n", "250 hello\r\n", "221 bye\r\n");
    assert_eq!(check(&[&server]), Verdict::Ok);
    assert_eq!(server.heard(), ["HELO checker.example\r\n", "QUIT\r\n"]);
}

#[test]
fn replies_of_several_lines_and_any_reply_to_quit_do() {
    let server = mail("220-mail.example\r\n220 ESMTP\r\n", "250-hello\r\n250 you\r\n", "500 what\r\n");
    assert_eq!(check(&[&server]), Verdict::Ok);
}

#[test]
fn another_code_is_a_failure_and_says_which() {
    let busy = mail("421 too many connections\r\n", "", "");
    assert_eq!(check(&[&busy]), says("SMTP: \"421 too many connections\" to the greeting, wanted 220"));
    let strict = mail("220 hi\r\n", "501 \x1b[2Jbad name\r\n", "");
    assert_eq!(check(&[&strict]), says("SMTP: \"501 \\u{1b}[2Jbad name\" to HELO, wanted 250"));
}

#[test]
fn all_hosts_must_pass() {
    let good = mail("220 hi\r\n", "250 hi\r\n", "221 bye\r\n");
    let bad = mail("554 no\r\n", "", "");
    assert_eq!(check(&[&good, &good]), Verdict::Ok);
    assert_eq!(check(&[&good, &bad]), says("SMTP: \"554 no\" to the greeting, wanted 220"));
}

#[test]
fn silence_drops_and_endless_replies_have_their_limits() {
    assert_eq!(
        check(&[&Server::new(support::server::Peer::wait)]),
        Verdict::Failed(Reason::TimedOut { after: TIMEOUT })
    );
    let drips = Server::new(|peer| {
        while peer.say(b"2") {
            pause(Duration::from_millis(20));
        }
    });
    let (verdict, took) = timed(|| check(&[&drips]));
    assert_eq!(verdict, Verdict::Failed(Reason::TimedOut { after: TIMEOUT }));
    assert!(took < TIMEOUT * 3, "{took:?}");
    let endless = Server::new(|peer| while peer.say(b"220-and so on\r\n") {});
    assert_eq!(check(&[&endless]), says("a reply longer than 4096 bytes"));
    let other = mail("SSH-2.0-OpenSSH\r\n", "", "");
    assert_eq!(check(&[&other]), says("a reply that is not SMTP"));
    let closes = Server::new(|_| {});
    assert_eq!(check(&[&closes]), says("the connection was closed before a reply"));
    let resets = Server::new(|peer| {
        peer.say(b"220 hi\r\n");
        peer.hear();
        peer.reset();
    });
    assert_eq!(check(&[&resets]), Verdict::Failed(Reason::Reset));
}
