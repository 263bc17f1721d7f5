//! What servers answer to health checks, and a store to a witness.

use standfast_check::http::answer::{Answer, Step, Wanted, Wrong};
use standfast_check::smtp::{Reader, Reply};
use standfast_check::{dns, etcd, smtp};

/// The two octets in front, and what follows them: they say where a stream is cut.
fn cut(input: &[u8]) -> Option<(usize, &[u8])> {
    let (cut, octets) = input.split_first_chunk::<2>()?;
    Some((usize::from(u16::from_le_bytes(*cut)).min(octets.len()), octets))
}

/// How it ended, status code, text and digest.
type Said = (Result<Step, Wrong>, Option<u16>, Vec<u8>, Option<[u8; 16]>);

fn http(pieces: &[&[u8]], wanted: Wanted) -> Said {
    let mut answer = Answer::alone(wanted);
    let mut result = Ok(Step::More);
    for piece in pieces {
        result = answer.take(piece);
        if result != Ok(Step::More) {
            break;
        }
    }
    if result == Ok(Step::More) {
        result = answer.end();
    }
    let (code, text) = (answer.code(), answer.text().to_vec());
    assert!(text.len() <= 1 << 20);
    (result, code, text, answer.digest())
}

/// What a web server sends, whole and cut in two at any place: the reader says the same of both and keeps to its limits.
/// In front are the place of the cut and whether the end of the connection is waited for.
pub fn http_response(input: &[u8]) {
    let Some((_, [end, ..])) = cut(input) else { return };
    let (cut, octets) = (usize::from(u16::from_le_bytes([input[0], input[1]])), &input[3..]);
    let wanted = Wanted { digest: true, text: true, head: true, end_of_connection: end & 1 == 1 };
    let (one, other) = octets.split_at(cut.min(octets.len()));
    let whole = http(&[octets], wanted);
    assert_eq!(http(&[one, other], wanted), whole);
    if let Err(wrong) = whole.0 {
        assert!(!wrong.to_string().is_empty());
    }
}

/// A datagram behind the number of a query: only one with that number and the mark of a response is an answer.
pub fn dns_answer(input: &[u8]) {
    let Some((id, octets)) = input.split_first_chunk::<2>() else { return };
    let id = u16::from_le_bytes(*id);
    match dns::read(id, octets) {
        dns::Reply::Answer => assert!(octets.len() >= 12 && octets[3] & 0x0f == 0),
        dns::Reply::Refusal(code) => assert!(!code.to_string().is_empty()),
        dns::Reply::Other => return,
    }
    assert!(octets[..2] == id.to_be_bytes() && octets[2] & 0x80 != 0);
}

fn replies(pieces: &[&[u8]]) -> (Vec<Reply>, Option<smtp::Wrong>) {
    let (mut reader, mut replies) = (Reader::default(), Vec::new());
    for piece in pieces {
        reader.take(piece);
        loop {
            match reader.reply() {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(wrong) => return (replies, Some(wrong)),
            }
        }
    }
    (replies, None)
}

/// What a mail server says, whole and cut in two at any place: the same replies come of both, and none is longer than
/// the limit.
pub fn smtp_reply(input: &[u8]) {
    let Some((cut, octets)) = cut(input) else { return };
    let (one, other) = octets.split_at(cut);
    let whole = replies(&[octets]);
    assert_eq!(replies(&[one, other]), whole);
    assert!(whole.0.iter().all(|reply| reply.code < 1000 && reply.last_line.len() < 4096));
}

/// What a member of etcd answers. What it says of itself is short and does not control a terminal.
pub fn etcd_answer(octets: &[u8]) {
    if let Err(why) = etcd::understand(octets) {
        assert!(!why.is_empty() && why.len() < 2000 && !why.contains(char::is_control), "{why:?}");
    }
}
