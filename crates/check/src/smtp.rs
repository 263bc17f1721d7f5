//! `SMTP_CHECK`: a mail server greets, lets itself be greeted, and says good-bye.
//!
//! It owns the three steps and the reading of replies (RFC 5321, section 4.2). It sends no mail.

use crate::deadline::Deadlines;
use crate::{errno, tcp, words};
use core::fmt;
use core::pin::pin;
use standfast_lvs::{Reason, Verdict};
use standfast_model::config::lvs::Connect;
use standfast_model::config::probe::Smtp;
use std::io;
use tokio::net::TcpStream;

/// The longest reply, all its lines together. RFC 5321 gives a line 512 bytes; greetings of several lines stay far
/// below this.
const REPLY_BYTES: usize = 4096;

/// See the module.
#[derive(Debug)]
pub struct Mail {
    hosts: Vec<Connect>,
    helo: Vec<u8>,
}

impl Mail {
    pub(crate) fn new(smtp: &Smtp) -> Self {
        Self { hosts: smtp.hosts.clone(), helo: format!("HELO {}\r\n", smtp.helo_name).into_bytes() }
    }

    /// All hosts, one after the other, until one fails.
    pub(crate) async fn check(&self, limits: &Deadlines) -> Verdict {
        for host in &self.hosts {
            if let Err(verdict) = self.converse(host, limits).await {
                return verdict;
            }
        }
        Verdict::Ok
    }

    async fn converse(&self, host: &Connect, limits: &Deadlines) -> Result<(), Verdict> {
        let mut stream = tcp::open(host, limits).await?;
        let mut reader = Reader::default();
        let greeting = limits.step(host.timeout, pin!(reply(&mut stream, &mut reader))).await?;
        expect("the greeting", 220, &greeting)?;
        let hello = limits.step(host.timeout, pin!(say(&mut stream, &self.helo, &mut reader))).await?;
        expect("HELO", 250, &hello)?;
        limits.step(host.timeout, pin!(say(&mut stream, b"QUIT\r\n", &mut reader))).await?;
        Ok(())
    }
}

async fn say(stream: &mut TcpStream, words: &[u8], reader: &mut Reader) -> Result<Reply, Verdict> {
    tokio::io::AsyncWriteExt::write_all(stream, words).await.map_err(|e| errno::of_connect(&e))?;
    reply(stream, reader).await
}

/// The next reply. The caller bounds it in time.
async fn reply(stream: &mut TcpStream, reader: &mut Reader) -> Result<Reply, Verdict> {
    loop {
        if let Some(reply) = reader.reply().map_err(|wrong| words::failed(&wrong.to_string()))? {
            return Ok(reply);
        }
        stream.readable().await.map_err(|e| errno::of_connect(&e))?;
        let mut space = [0; 512];
        match stream.try_read(&mut space) {
            Ok(0) => return Err(words::failed("the connection was closed before a reply")),
            Ok(length) => reader.take(space.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(Verdict::Failed(Reason::Reset)),
            Err(error) => return Err(errno::of_connect(&error)),
        }
    }
}

fn expect(to: &str, code: u16, reply: &Reply) -> Result<(), Verdict> {
    if reply.code == code {
        return Ok(());
    }
    let line = words::shown(&reply.last_line);
    Err(words::failed(&format!("SMTP: \"{line}\" to {to}, wanted {code}")))
}

/// One reply of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// Its code.
    pub code: u16,
    /// Its last line, without the end of line.
    pub last_line: Vec<u8>,
}

/// What is no reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// No end of it within the limit.
    TooLong,
    /// A line that does not begin with a code.
    NoCode,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "a reply longer than {REPLY_BYTES} bytes"),
            Self::NoCode => f.write_str("a reply that is not SMTP"),
        }
    }
}

/// Replies as they come in, piece by piece.
#[derive(Debug, Default)]
pub struct Reader {
    bytes: Vec<u8>,
    /// Bytes of lines that have been looked at: those of a reply that goes on.
    looked_at: usize,
}

impl Reader {
    /// Takes in a piece. Ask for replies after each.
    pub fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next reply that is whole, if one is. Its lines but the last have a hyphen after the code.
    ///
    /// # Errors
    ///
    /// What came is no reply, or too long for one.
    pub fn reply(&mut self) -> Result<Option<Reply>, Wrong> {
        loop {
            let rest = self.bytes.get(self.looked_at..).unwrap_or_default();
            let Some(end) =
                rest.iter().position(|byte| *byte == b'\n').filter(|end| self.looked_at + end < REPLY_BYTES)
            else {
                return if self.bytes.len() > REPLY_BYTES { Err(Wrong::TooLong) } else { Ok(None) };
            };
            let line = rest.get(..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let (code, more) = code(line).ok_or(Wrong::NoCode)?;
            if more {
                self.looked_at += end + 1;
                continue;
            }
            let reply = Reply { code, last_line: line.to_vec() };
            self.bytes.drain(..=self.looked_at + end);
            self.looked_at = 0;
            return Ok(Some(reply));
        }
    }
}

/// The code of a line, and whether another line follows.
fn code(line: &[u8]) -> Option<(u16, bool)> {
    let (digits, rest) = line.split_first_chunk::<3>()?;
    let code = digits
        .iter()
        .try_fold(0, |code, digit| Some(code * 10 + u16::try_from(char::from(*digit).to_digit(10)?).ok()?))?;
    match rest.first() {
        None | Some(b' ') => Some((code, false)),
        Some(b'-') => Some((code, true)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{REPLY_BYTES, Reader, Wrong};

    fn codes(pieces: &[&[u8]]) -> Result<Vec<u16>, Wrong> {
        let mut reader = Reader::default();
        let mut codes = Vec::new();
        for piece in pieces {
            reader.take(piece);
            while let Some(reply) = reader.reply()? {
                codes.push(reply.code);
            }
        }
        Ok(codes)
    }

    #[test]
    fn replies_have_one_line_or_several_and_come_in_any_pieces() {
        let bytes = b"220-one\r\n220-two\r\n220 three\r\n250\r\n221 bye\n";
        for cut in 0..bytes.len() {
            let (one, other) = bytes.split_at(cut);
            assert_eq!(codes(&[one, other]), Ok(vec![220, 250, 221]), "cut at {cut}");
        }
        assert_eq!(codes(&[b"220-one\r\n220-two\r\n"]), Ok(vec![]));
    }

    #[test]
    fn what_is_no_reply_is_told() {
        for wrong in [&b"hello\r\n"[..], b"22\r\n", b"2200 x\r\n", b"\r\n", b"\xff\xff\xff \r\n"] {
            assert_eq!(codes(&[wrong]), Err(Wrong::NoCode), "{wrong:?}");
        }
        assert_eq!(codes(&[&[b'2'; REPLY_BYTES], b"22"]), Err(Wrong::TooLong));
        assert_eq!(codes(&[&b"220-x\r\n".repeat(1000)]), Err(Wrong::TooLong));
    }
}
