//! An answer as it comes in, piece by piece: what its head says and what is wanted of its body.
//!
//! It owns the reading and its limits. It judges nothing and does no I/O. Like keepalived it takes the body as it is on
//! the wire: it ends where `Content-Length` says or the connection does, and no transfer coding is undone, so that a
//! `digest` made by genhash fits.

use crate::budget::{Budget, Share};
use core::fmt;
use md5::{Digest as _, Md5};

/// The longest head. Web servers themselves refuse longer ones (Apache and nginx 8 KiB, IIS 16 KiB, for requests).
const HEAD_BYTES: usize = 32 << 10;

/// The most header lines. As many as hyper takes.
const HEADERS: usize = 100;

/// The longest body of which a digest is made. A page of a health check is a few kilobytes, and a digest of a body
/// that long costs a tenth of a second each time.
const DIGEST_BYTES: u64 = 64 << 20;

/// As much of the body as a pattern is tried on.
const PATTERN_BYTES: u64 = 1 << 20;

/// As much of the body is waited for when nothing is asked of it. Cutting an answer short shows in the server's log,
/// so most are read to their end; one that goes on is cut.
const IDLE_BYTES: u64 = 256 << 10;

/// What is wanted of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// Its MD5 digest.
    pub digest: bool,
    /// Its text.
    pub text: bool,
    /// Its head, kept as it came.
    pub head: bool,
    /// To see the end of the connection and not only of the body (`tls_compliant`).
    pub end_of_connection: bool,
}

/// Whether there is more to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// There is.
    More,
    /// All that is wanted is there.
    Complete,
}

/// What cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// The connection ended before anything came.
    NoAnswer,
    /// It ended in the head.
    EndedInHead,
    /// No end of the head within the limit.
    HeadTooLong,
    /// The head is none of HTTP/1.
    NotHttp,
    /// No end of the body within the limit of a digest.
    BodyTooLong,
    /// The checks together hold as much as they may: nobody's fault over there.
    OutOfMemory,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer => f.write_str("the connection was closed without an answer"),
            Self::EndedInHead => f.write_str("the connection was closed within the header of the answer"),
            Self::HeadTooLong => write!(f, "the header of the answer is longer than {} KiB", HEAD_BYTES >> 10),
            Self::NotHttp => f.write_str("the answer is not HTTP/1"),
            Self::BodyTooLong => write!(f, "the body is longer than {} MiB", DIGEST_BYTES >> 20),
            Self::OutOfMemory => f.write_str("no memory for the answer"),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Answer {
    wanted: Wanted,
    /// What came of the head so far, if it did not come in one piece; and the whole head where that is wanted.
    head: Vec<u8>,
    code: Option<u16>,
    /// `Content-Length`, or 0 where the status says that there is no body.
    length: Option<u64>,
    /// Bytes of the body so far.
    seen: u64,
    /// Boxed: one in few checks has one, and it is larger than all the rest.
    md5: Option<Box<Md5>>,
    text: Vec<u8>,
    share: Share,
}

impl Answer {
    /// Nothing has come yet.
    pub(crate) fn new(wanted: Wanted, memory: &Budget) -> Self {
        Self {
            wanted,
            head: Vec::new(),
            code: None,
            length: None,
            seen: 0,
            md5: wanted.digest.then(Box::default),
            text: Vec::new(),
            share: memory.share(),
        }
    }

    /// Nothing has come yet, and no other answer is read at the time.
    #[must_use]
    pub fn alone(wanted: Wanted) -> Self {
        Self::new(wanted, &Budget::default())
    }

    /// The whole head has come.
    #[must_use]
    pub fn has_head(&self) -> bool {
        self.code.is_some()
    }

    /// The status code, once the head has come.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        self.code
    }

    /// The head, if it was wanted and has come.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The text of the body as far as it was wanted and came.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The MD5 digest of the body so far, if it was wanted.
    #[must_use]
    pub fn digest(self) -> Option<[u8; 16]> {
        self.md5.map(|md5| md5.finalize().into())
    }

    /// Takes in a piece.
    ///
    /// # Errors
    ///
    /// No answer can be made of it, or it is too long.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Step, Wrong> {
        if self.has_head() {
            return self.take_body(bytes);
        }
        if self.head.is_empty() {
            // The common case: the whole head in one piece, which is not kept.
            if let Some(end) = end_of_head(bytes, 0) {
                let (head, body) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
                self.read_head(head)?;
                return self.take_body(body);
            }
        }
        let before = self.head.len();
        if !self.share.take(bytes.len()) {
            return Err(Wrong::OutOfMemory);
        }
        self.head.extend_from_slice(bytes);
        let Some(end) = end_of_head(&self.head, before) else {
            return if self.head.len() > HEAD_BYTES { Err(Wrong::HeadTooLong) } else { Ok(Step::More) };
        };
        let head = core::mem::take(&mut self.head);
        let (head, body) = head.split_at_checked(end).unwrap_or((&head, &[]));
        self.read_head(head)?;
        self.take_body(body)
    }

    /// The connection has ended.
    ///
    /// # Errors
    ///
    /// It should not have, yet. A body shorter than announced is none of these: keepalived takes it, and a digest or
    /// a pattern tells.
    pub fn end(&mut self) -> Result<Step, Wrong> {
        match (self.code, self.head.is_empty()) {
            (Some(_), _) => Ok(Step::Complete),
            (None, true) => Err(Wrong::NoAnswer),
            (None, false) => Err(Wrong::EndedInHead),
        }
    }

    fn read_head(&mut self, head: &[u8]) -> Result<(), Wrong> {
        if head.len() > HEAD_BYTES {
            return Err(Wrong::HeadTooLong);
        }
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let mut config = httparse::ParserConfig::default();
        config
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_multiple_spaces_in_response_status_delimiters(true)
            .ignore_invalid_headers_in_responses(true);
        let parsed = config.parse_response(&mut response, head).map_err(|_| Wrong::NotHttp)?;
        let code = response.code.filter(|_| parsed.is_complete()).ok_or(Wrong::NotHttp)?;
        if self.wanted.head {
            self.head = head.to_vec();
        }
        self.code = Some(code);
        self.length = match code {
            204 | 304 => Some(0),
            _ => response
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case("content-length"))
                .and_then(|header| core::str::from_utf8(header.value).ok()?.trim().parse().ok()),
        };
        Ok(())
    }

    fn take_body(&mut self, bytes: &[u8]) -> Result<Step, Wrong> {
        let left = self.length.map_or(u64::MAX, |length| length.saturating_sub(self.seen));
        let bytes = usize::try_from(left).ok().and_then(|left| bytes.get(..left)).unwrap_or(bytes);
        self.seen = self.seen.saturating_add(bytes.len() as u64);
        if let Some(md5) = &mut self.md5 {
            if self.seen > DIGEST_BYTES {
                return Err(Wrong::BodyTooLong);
            }
            md5.update(bytes);
        }
        if self.wanted.text {
            let room = usize::try_from(PATTERN_BYTES).unwrap_or(usize::MAX).saturating_sub(self.text.len());
            let bytes = bytes.get(..room).unwrap_or(bytes);
            if !self.share.take(bytes.len()) {
                return Err(Wrong::OutOfMemory);
            }
            self.text.extend_from_slice(bytes);
        }
        Ok(if self.is_complete() { Step::Complete } else { Step::More })
    }

    fn is_complete(&self) -> bool {
        let ended = self.length.is_some_and(|length| self.seen >= length);
        let enough = match (self.wanted.digest, self.wanted.text) {
            (true, _) => false,
            (false, true) => self.seen >= PATTERN_BYTES,
            (false, false) => self.seen >= IDLE_BYTES,
        };
        (ended && !self.wanted.end_of_connection) || enough
    }
}

/// Where the head ends, an empty line included; bare line feeds count as line ends. What came before the last piece
/// has been looked at.
fn end_of_head(bytes: &[u8], looked_at: usize) -> Option<usize> {
    let mut at = looked_at.saturating_sub(3);
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == b'\n')? + 1;
        match bytes.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, HEAD_BYTES, Step, Wanted, Wrong};

    const DIGEST: Wanted = Wanted { digest: true, text: true, head: false, end_of_connection: false };

    /// All ways to cut it in two, and byte by byte, end alike.
    fn read(bytes: &[u8]) -> (Result<Step, Wrong>, Option<u16>, Vec<u8>) {
        let whole = pieces(&[bytes]);
        for cut in 0..bytes.len() {
            let (one, other) = bytes.split_at(cut);
            assert_eq!(pieces(&[one, other]), whole, "cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(pieces(&single), whole);
        whole
    }

    fn pieces(pieces: &[&[u8]]) -> (Result<Step, Wrong>, Option<u16>, Vec<u8>) {
        let mut answer = Answer::alone(DIGEST);
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
        (result, answer.code(), answer.text().to_vec())
    }

    #[test]
    fn the_body_ends_where_content_length_says_or_the_connection_does() {
        let done = |code, body: &[u8]| (Ok(Step::Complete), Some(code), body.to_vec());
        assert_eq!(read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), done(200, b"hello"));
        assert_eq!(read(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"), done(200, b"hello"));
        assert_eq!(read(b"HTTP/1.0 503\r\n\r\nhello"), done(503, b"hello"));
        assert_eq!(read(b"HTTP/1.1 200 OK\n\nhello"), done(200, b"hello"));
        assert_eq!(read(b"HTTP/1.1 204 No Content\r\n\r\n"), done(204, b""));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        assert_eq!(read(chunked), done(200, b"5\r\nhello\r\n0\r\n\r\n"));
        // What comes after the announced end is not looked at, as in keepalived.
        assert_eq!(pieces(&[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloEXTRA"]), done(200, b"hello"));
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        assert_eq!(read(b"").0, Err(Wrong::NoAnswer));
        assert_eq!(read(b"HTTP/1.1 200 OK\r\nX: y").0, Err(Wrong::EndedInHead));
        assert_eq!(read(b"garbage\r\n\r\nhello").0, Err(Wrong::NotHttp));
        assert_eq!(read(b"HTTP/2 200\r\n\r\nhello").0, Err(Wrong::NotHttp));
        assert_eq!(read(b"\x16\x03\x01\r\n\r\n").0, Err(Wrong::NotHttp));
        let headers = "X: y\r\n".repeat(101);
        assert_eq!(pieces(&[format!("HTTP/1.1 200 OK\r\n{headers}\r\n").as_bytes()]).0, Err(Wrong::NotHttp));
    }

    #[test]
    fn endless_headers_end_at_the_limit() {
        let mut answer = Answer::alone(Wanted::default());
        assert_eq!(answer.take(b"HTTP/1.1 200 OK\r\n"), Ok(Step::More));
        let mut taken = 0;
        let wrong = loop {
            match answer.take(b"X-Endless: 0123456789\r\n") {
                Ok(step) => assert_eq!(step, Step::More),
                Err(wrong) => break wrong,
            }
            taken += 23;
        };
        assert_eq!(wrong, Wrong::HeadTooLong);
        assert!((HEAD_BYTES - 100..=HEAD_BYTES).contains(&taken), "{taken}");
        assert_eq!(wrong.to_string(), "the header of the answer is longer than 32 KiB");
    }

    #[test]
    fn a_body_that_nobody_wants_is_cut_and_one_for_a_digest_has_a_limit() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n";
        let piece = vec![b'x'; 1 << 20];
        let feed = |wanted, most| {
            let mut answer = Answer::alone(wanted);
            answer.take(head).unwrap();
            (1..=most).find_map(|count| match answer.take(&piece) {
                Ok(Step::More) => None,
                ended => Some((count, ended)),
            })
        };
        assert_eq!(feed(Wanted::default(), 100), Some((1, Ok(Step::Complete))));
        assert_eq!(feed(Wanted { text: true, ..Wanted::default() }, 100), Some((1, Ok(Step::Complete))));
        assert_eq!(feed(Wanted { digest: true, ..Wanted::default() }, 100), Some((65, Err(Wrong::BodyTooLong))));
    }

    #[test]
    fn the_end_of_the_connection_is_waited_for_when_it_matters() {
        let mut answer = Answer::alone(Wanted { end_of_connection: true, ..Wanted::default() });
        assert_eq!(answer.take(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"), Ok(Step::More));
        assert_eq!(answer.end(), Ok(Step::Complete));
    }
}
