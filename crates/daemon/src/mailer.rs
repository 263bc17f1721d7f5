//! The process that delivers one mail: it gets the mail as its standard input, speaks SMTP with one server and ends.
//!
//! It has no right and one minute. What goes wrong is its last word on standard error; it neither queues nor retries,
//! as in keepalived. The dialogue is keepalived's: `HELO`, no encryption, no authentication.

use crate::exit_status::ExitStatus;
use core::fmt::Write as _;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use standfast_api::decode;
use standfast_kernel::memfd::{self, Label};
use standfast_kernel::timer::wall_clock;
use standfast_page::moment;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;

/// The only word of its command line.
pub const ARGUMENT: &str = "--mailer";

/// The longest line of a server (RFC 5321 section 4.5.3.1.5 allows 512 octets; some say more).
const LONGEST_REPLY: u64 = 2048;

/// Lines that one reply may have.
const MOST_LINES: usize = 64;

/// How long a server may take for one reply.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the memory file of an order is labelled with.
pub(crate) const ORDER: Label = Label { kind: 16, version: standfast_api::PROTOCOL_VERSION as u32 };

/// A mail with everything that is needed to deliver it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Order {
    /// `smtp_server`: name or address, and port.
    pub server: (String, u16),
    /// `smtp_helo_name`, or the name of the host.
    pub helo: String,
    /// `smtp_connect_timeout`
    pub timeout: Duration,
    /// `notification_email_from`
    pub from: String,
    /// `notification_email`, at least one.
    pub to: Vec<String>,
    /// `router_id`, which the subject begins with.
    pub router: String,
    /// The rest of the subject.
    pub subject: String,
    /// The text.
    pub body: String,
}

/// Delivers the mail on standard input.
#[must_use]
pub fn main() -> ExitStatus {
    match read_order().and_then(|order| send(&order)) {
        Ok(()) => ExitStatus::Ok,
        Err(error) => {
            eprintln!("{error}");
            ExitStatus::Fatal
        }
    }
}

fn read_order() -> io::Result<Order> {
    let stdin = io::stdin();
    let order = stdin.as_fd().try_clone_to_owned()?;
    let bytes = memfd::read(&order, ORDER).map_err(io::Error::other)?;
    decode(&bytes).map_err(io::Error::other)
}

fn send(order: &Order) -> io::Result<()> {
    let (server, port) = &order.server;
    let mut last = io::Error::other(format!("{server} has no address"));
    for address in (server.as_str(), *port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, order.timeout.max(Duration::from_millis(1))) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                return converse(&mut BufReader::new(&stream), &mut &stream, order);
            }
            Err(error) => last = io::Error::new(error.kind(), format!("{address}: {error}")),
        }
    }
    Err(last)
}

/// The whole dialogue with a server.
fn converse(replies: &mut impl BufRead, server: &mut impl Write, order: &Order) -> io::Result<()> {
    expect(replies, "greeting", b'2')?;
    let mut say = |command: &str, class| {
        server.write_all(format!("{command}\r\n").as_bytes())?;
        expect(replies, command.split(' ').next().unwrap_or_default(), class)
    };
    say(&format!("HELO {}", one_line(&order.helo)), b'2')?;
    say(&format!("MAIL FROM:{}", envelope(&order.from)), b'2')?;
    for to in &order.to {
        say(&format!("RCPT TO:{}", envelope(to)), b'2')?;
    }
    say("DATA", b'3')?;
    say(&format!("{}.", message(order, wall_clock())), b'2')?;
    // It has the mail; what it says to the last word changes nothing.
    let _ = say("QUIT", b'2');
    Ok(())
}

/// Reads a reply of any number of lines; its first digit must be the one of success.
fn expect(replies: &mut impl BufRead, command: &str, class: u8) -> io::Result<()> {
    for _ in 0..MOST_LINES {
        let mut line = Vec::new();
        replies.by_ref().take(LONGEST_REPLY).read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Err(io::Error::other(format!("{command}: the server ended the conversation")));
        }
        // A hyphen behind the code means that more follows.
        if line.get(3) == Some(&b'-') {
            continue;
        }
        if line.first() == Some(&class) {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line).trim_end().escape_debug().to_string();
        return Err(io::Error::other(format!("{command}: the server said {text}")));
    }
    Err(io::Error::other(format!("{command}: the reply has no end")))
}

/// An address as the envelope wants it: what stands in angle brackets if there are some, else the whole in brackets.
fn envelope(address: &str) -> String {
    let address = one_line(address);
    match (address.find('<'), address.rfind('>')) {
        (Some(open), Some(close)) if open < close => address.get(open..=close).unwrap_or_default().to_owned(),
        _ => format!("<{address}>"),
    }
}

/// Nothing of ours may begin a new header or command.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Header and text, every line ended, no line a single dot.
fn message(order: &Order, unix: Duration) -> String {
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = write!(text, "Date: {}\r\n", moment::mail(unix));
    let _ = write!(text, "From: {}\r\n", one_line(&order.from));
    let _ = write!(text, "Subject: [{}] {}\r\n", one_line(&order.router), one_line(&order.subject));
    text.push_str("X-Mailer: Keepalived\r\n");
    let to: Vec<String> = order.to.iter().map(|to| one_line(to)).collect();
    let _ = write!(text, "To: {}\r\n\r\n", to.join(",\r\n "));
    for line in order.body.lines() {
        let dot = if line.starts_with('.') { "." } else { "" };
        let _ = write!(text, "{dot}{}\r\n", one_line(line));
    }
    // An empty line behind the text, as in keepalived's mails.
    text.push_str("\r\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order {
            server: ("127.0.0.1".to_owned(), 25),
            helo: "lb1".to_owned(),
            timeout: Duration::from_secs(1),
            from: "Balancer <lb@example.org>".to_owned(),
            to: vec!["a@example.org".to_owned(), "<b@example.org>".to_owned()],
            router: "LB1".to_owned(),
            subject: "VRRP Instance VI_1 - Entering MASTER state".to_owned(),
            body: "=> one <=".to_owned(),
        }
    }

    fn conversation(replies: &str) -> (io::Result<()>, String) {
        let mut said = Vec::new();
        let outcome = converse(&mut replies.as_bytes(), &mut said, &order());
        (outcome, String::from_utf8(said).unwrap())
    }

    #[test]
    fn the_dialogue_is_keepalived_s() {
        let (outcome, said) =
            conversation("220-a\r\n220 b\r\n250 c\r\n250 d\r\n250 e\r\n251 f\r\n354 g\r\n250 h\r\n221 i\r\n");
        outcome.unwrap();
        let lines: Vec<&str> = said.split("\r\n").filter(|line| !line.starts_with("Date: ")).collect();
        let expected = [
            "HELO lb1",
            "MAIL FROM:<lb@example.org>",
            "RCPT TO:<a@example.org>",
            "RCPT TO:<b@example.org>",
            "DATA",
            "From: Balancer <lb@example.org>",
            "Subject: [LB1] VRRP Instance VI_1 - Entering MASTER state",
            "X-Mailer: Keepalived",
            "To: a@example.org,",
            " <b@example.org>",
            "",
            "=> one <=",
            "",
            ".",
            "QUIT",
            "",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_server_that_does_not_take_the_connection_is_given_up_after_the_time_it_has() {
        // A listener whose queue is full answers no more: the first connections fill it.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let timeout = Duration::from_millis(200);
        let queued: Vec<_> = (0..8).map_while(|_| TcpStream::connect_timeout(&address, timeout).ok()).collect();
        assert!(queued.len() < 8, "the queue has no end");
        let order = Order { server: ("127.0.0.1".to_owned(), address.port()), timeout, ..order() };
        let begun = standfast_kernel::timer::boottime();
        assert!(send(&order).unwrap_err().to_string().contains("timed out"));
        let took = standfast_kernel::timer::boottime().since(begun);
        assert!(took >= timeout && took < Duration::from_secs(5), "{took:?}");
    }

    #[test]
    fn a_refusal_an_end_and_an_endless_reply_are_told() {
        let (outcome, said) = conversation("220 a\r\n250 b\r\n550 no such \u{1b}[1m user\r\n");
        assert_eq!(outcome.unwrap_err().to_string(), "MAIL: the server said 550 no such \\u{1b}[1m user");
        assert!(!said.contains("RCPT"));
        assert!(conversation("").0.unwrap_err().to_string().contains("ended the conversation"));
        assert!(conversation(&"x".repeat(5000)).0.unwrap_err().to_string().contains("ended the conversation"));
        assert!(conversation(&"220-x\r\n".repeat(1000)).0.unwrap_err().to_string().contains("no end"));
    }

    #[test]
    fn no_text_of_ours_ends_the_mail_or_begins_a_header() {
        let hostile = Order {
            subject: "x\r\nBcc: <evil@example.org>\r\n\r\n.\r\n".to_owned(),
            body: ".\r\nRCPT TO:<evil@example.org>\n..".to_owned(),
            ..order()
        };
        let text = message(&hostile, Duration::ZERO);
        assert!(!text.contains("\r\nBcc") && !text.contains("\r\n.\r\n"), "{text}");
        assert!(text.ends_with("\r\n..\r\nRCPT TO:<evil@example.org>\r\n...\r\n\r\n"), "{text}");
    }
}
