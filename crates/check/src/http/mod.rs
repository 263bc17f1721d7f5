//! `HTTP_GET` and `SSL_GET`: pages have the expected status and contents.
//!
//! It owns the order of the pages and the conversation over one connection per page. What an answer says is read by
//! [`answer`], what it is worth by `page`.
//!
//! The order is keepalived's. One page is fetched in an attempt, the next one in the next. After a failure (and at the
//! start) the check is good again when the page that failed and then all pages have passed, one in each attempt, or
//! with `fast_recovery` all in the same.

pub mod answer;
mod page;
mod pattern;
mod request;
mod rewrite;

use crate::budget::Budget;
use crate::connections::{Connection, Connections, Purpose};
use crate::deadline::Deadlines;
use crate::tls::{Encrypted, Read, Session};
use crate::{Prober, errno, tcp, words};
use answer::{Answer, Step, Wrong};
use core::mem::MaybeUninit;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::task::{Context, Poll, ready};
use core::time::Duration;
use page::Page;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use standfast_lvs::{Inability, Reason, Verdict};
use standfast_model::config::lvs::Connect;
use standfast_model::config::probe::Http;
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

/// The whole body must have come after so many `connect_timeout`; between two pieces of it at most one may pass.
/// keepalived sets no such limit, so that a server that sends a byte a second keeps it waiting for ever.
const BODY_TIMEOUTS: u32 = 4;

/// One read: most pages of a health check are smaller.
const READ_BYTES: usize = 16 << 10;

/// The pages of one checker, and whose turn it is.
#[derive(Debug)]
pub struct Pages {
    connect: Connect,
    tls: Option<Session>,
    fast_recovery: bool,
    pages: Vec<Page>,
    memory: Budget,
    connections: Connections,
    turn: Turn,
}

/// Atomic only because a check under way is a task of its own; nobody else looks meanwhile.
#[derive(Debug)]
struct Turn {
    page: AtomicUsize,
    /// Not all pages have passed since the last failure, or since the start.
    recovering: AtomicBool,
    /// The page whose turn it is failed when it last was.
    failed: AtomicBool,
}

impl Pages {
    pub(crate) fn new(http: &Http, prober: &Prober) -> Result<Self, String> {
        let pages = http.urls.iter().map(|url| Page::new(url, http)).collect();
        let tls = if http.tls.is_some() { Some(prober.tls.session()?) } else { None };
        Ok(Self {
            connect: http.connect.clone(),
            tls,
            fast_recovery: http.fast_recovery,
            pages,
            memory: prober.memory.clone(),
            connections: prober.connections.clone(),
            turn: Turn { page: AtomicUsize::new(0), recovering: AtomicBool::new(true), failed: AtomicBool::new(false) },
        })
    }

    pub(crate) async fn check(&self, limits: &Deadlines) -> Verdict {
        // A full pass and the page that failed before it: more turns than that no attempt has.
        for _ in 0..=self.pages.len() {
            let Some(page) = self.pages.get(self.turn.page.load(Ordering::Relaxed)) else {
                return Verdict::Unable(Inability::NotPossible("there is no page to fetch".into()));
            };
            match self.fetch(page, limits).await {
                Ok(()) => {}
                Err(verdict) => {
                    if matches!(verdict, Verdict::Failed(_)) {
                        self.turn.recovering.store(true, Ordering::Relaxed);
                        self.turn.failed.store(true, Ordering::Relaxed);
                    }
                    return verdict;
                }
            }
            if self.turn.pass(self.pages.len()) {
                return Verdict::Ok;
            }
            if !self.fast_recovery {
                return Verdict::OkSoFar;
            }
        }
        Verdict::OkSoFar
    }

    /// Fetches a page, and judges what came.
    async fn fetch(&self, page: &Page, limits: &Deadlines) -> Result<(), Verdict> {
        let answer = self.ask(page, page.expect(&self.memory), limits).await?;
        page.judge(answer)
    }

    /// Fetches the first page with all that it says, and judges nothing.
    pub(crate) async fn all_of_first(&self, limits: &Deadlines) -> Result<Answer, Verdict> {
        let Some(page) = self.pages.first() else {
            return Err(Verdict::Unable(Inability::NotPossible("there is no page to fetch".into())));
        };
        let wanted = answer::Wanted { digest: true, text: true, head: true, end_of_connection: false };
        self.ask(page, Answer::new(wanted, &self.memory), limits).await
    }

    async fn ask(&self, page: &Page, mut answer: Answer, limits: &Deadlines) -> Result<Answer, Verdict> {
        let stream = match &self.tls {
            None if Connections::serve(&self.connect) => {
                Stream::Borrowed(tcp::borrow(&self.connect, Purpose::Talk, limits, &self.connections).await?)
            }
            None => Stream::Plain(tcp::open(&self.connect, limits).await?),
            Some(session) => {
                let stream = tcp::open(&self.connect, limits).await?;
                let hands = session.shake_hands(stream, page.server_name());
                Stream::Encrypted(Box::new(limits.step(self.connect.timeout, pin!(hands)).await?), page.tls_compliant())
            }
        };
        converse(stream, page, &mut answer, self.connect.timeout, limits).await?;
        Ok(answer)
    }
}

impl Turn {
    /// The page whose turn it is passed. True if the check as a whole is good.
    fn pass(&self, pages: usize) -> bool {
        let failed = self.failed.swap(false, Ordering::Relaxed);
        if failed && pages > 1 {
            self.page.store(0, Ordering::Relaxed);
            return false;
        }
        let next = self.page.load(Ordering::Relaxed) + 1;
        let round = next >= pages;
        self.page.store(if round { 0 } else { next }, Ordering::Relaxed);
        if round {
            self.recovering.store(false, Ordering::Relaxed);
        }
        !self.recovering.load(Ordering::Relaxed)
    }
}

/// A connection to a server.
#[derive(Debug)]
enum Stream {
    /// With a socket that is used again.
    Borrowed(Connection),
    Plain(TcpStream),
    /// Boxed: one in few checks has it. True if an end beneath TLS is an error (`tls_compliant`).
    Encrypted(Box<Encrypted>, bool),
}

impl Stream {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Verdict> {
        match self {
            Self::Borrowed(stream) => stream.send(bytes).await.map_err(|e| broken(&e)),
            Self::Plain(stream) => stream.write_all(bytes).await.map_err(|e| broken(&e)),
            Self::Encrypted(stream, _) => stream.send(bytes).await,
        }
    }

    /// Reads once, waiting for something to read.
    async fn read(&mut self, answer: &mut Answer) -> Result<Step, Verdict> {
        match self {
            Self::Borrowed(stream) => {
                let step = stream.read(|socket| receive(socket, answer)).await;
                step.unwrap_or_else(|error| Err(broken(&error)))
            }
            Self::Plain(stream) => core::future::poll_fn(|context| poll_read(stream, context, answer)).await,
            Self::Encrypted(stream, compliant) => {
                let compliant = *compliant;
                stream.read(|read| read_encrypted(read, answer, compliant)).await?
            }
        }
    }
}

/// Asks for the page and reads the answer to its end.
async fn converse(
    mut stream: Stream,
    page: &Page,
    answer: &mut Answer,
    timeout: Duration,
    limits: &Deadlines,
) -> Result<(), Verdict> {
    let head = async {
        stream.send(page.request()).await?;
        loop {
            let step = stream.read(answer).await?;
            if answer.has_head() || matches!(step, Step::Complete) {
                return Ok(step);
            }
        }
    };
    if matches!(limits.step(timeout, pin!(head)).await?, Step::Complete) {
        return Ok(());
    }
    let body = async {
        loop {
            let step = limits.step(timeout, pin!(stream.read(answer))).await?;
            if matches!(step, Step::Complete) {
                return Ok(());
            }
        }
    };
    limits.step(timeout.saturating_mul(BODY_TIMEOUTS), pin!(body)).await
}

/// Reads into a buffer on the stack, which lasts for this call only: a check that waits holds none.
fn poll_read(stream: &mut TcpStream, context: &mut Context<'_>, answer: &mut Answer) -> Poll<Result<Step, Verdict>> {
    let mut space = [MaybeUninit::uninit(); READ_BYTES];
    let mut buffer = ReadBuf::uninit(&mut space);
    Poll::Ready(match ready!(Pin::new(stream).poll_read(context, &mut buffer)) {
        Err(error) => Err(broken(&error)),
        Ok(()) if buffer.filled().is_empty() => answer.end().map_err(of_wrong),
        Ok(()) => answer.take(buffer.filled()).map_err(of_wrong),
    })
}

/// The same from a socket that is used again.
fn receive(socket: &OwnedFd, answer: &mut Answer) -> Result<Result<Step, Verdict>, Errno> {
    let mut space = [MaybeUninit::uninit(); READ_BYTES];
    let ((read, _), _) = rustix::net::recv(socket, &mut space[..], RecvFlags::empty())?;
    Ok(if read.is_empty() { answer.end() } else { answer.take(read) }.map_err(of_wrong))
}

/// The same for an encrypted connection; none if nothing has come yet.
fn read_encrypted(
    read: &mut dyn FnMut(&mut [u8]) -> Option<Read>,
    answer: &mut Answer,
    compliant: bool,
) -> Option<Result<Step, Verdict>> {
    let mut space = [0; READ_BYTES];
    Some(match read(&mut space)? {
        Read::Cut if compliant => Err(words::failed("the connection ended without TLS's close_notify")),
        Read::Cut | Read::Closed | Read::Bytes(0) => answer.end().map_err(of_wrong),
        Read::Bytes(length) => answer.take(space.get(..length).unwrap_or_default()).map_err(of_wrong),
    })
}

/// What an error in the middle of a conversation means: that the other side broke it off.
fn broken(error: &io::Error) -> Verdict {
    match error.raw_os_error() {
        Some(_) if error.kind() != io::ErrorKind::BrokenPipe => errno::of_connect(error),
        Some(_) => Verdict::Failed(Reason::Reset),
        None => words::failed(&words::shown(error.to_string().as_bytes())),
    }
}

fn of_wrong(wrong: Wrong) -> Verdict {
    match wrong {
        Wrong::OutOfMemory => Verdict::Unable(Inability::OutOfMemory),
        Wrong::NoAnswer | Wrong::EndedInHead | Wrong::HeadTooLong | Wrong::NotHttp | Wrong::BodyTooLong => {
            words::failed(&wrong.to_string())
        }
    }
}
