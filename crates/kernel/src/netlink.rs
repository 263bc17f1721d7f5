//! Netlink requests and their answers, whatever the family: many requests in one send, each answered by number, and
//! none waited for without an end.
//!
//! It owns sequence numbers, acknowledgements with the kernel's explanation, dumps and time-outs. It knows no attribute
//! of any family; callers bring serialized messages and get payloads back.

mod request;

pub(crate) use request::Request;

use core::fmt;
use core::time::Duration;
use netlink_packet_core::{NlaBuffer, NlasIterator};
use netlink_sys::Socket;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::RecvFlags;
use rustix::net::netlink::SocketAddrNetlink;
use standfast_model::Instant;
use standfast_model::config::global::NetlinkBuffer;
use std::io;
use std::os::fd::OwnedFd;

use crate::process::identity::in_network_namespace;
use crate::timer::boottime;

/// How long an answer may be outstanding. The kernel answers rtnetlink and generic netlink within the send itself, so
/// the answer is there before the first look; only one that never comes (an acknowledgement lost for want of memory, a
/// request the kernel leaves unanswered) takes this long, and a master whose advertisements are 100 ms apart survives it.
pub const ANSWER_TIMEOUT: Duration = Duration::from_millis(100);

/// Octets read at once: the kernel fills at most 32 KiB per datagram of a dump. The allocator takes so large a piece from
/// the system for itself, and what of it is never written to is no memory.
pub(crate) const RECEIVE_BYTES: usize = 256 * 1024;

/// Octets the kernel may queue: acknowledgements of one batch of [`REQUESTS_PER_SEND`] with room to spare, at up to
/// 1 KiB of accounting each.
const QUEUE_BYTES: usize = 256 * 1024;

/// Octets that a send may have without asking for room: half of what Linux gives a socket.
const SENT_AT_ONCE: usize = 100 * 1024;

/// Requests per send. An address or an IPVS entry takes the kernel 10 to 30 us, so a send takes about 2 ms at most.
pub const REQUESTS_PER_SEND: usize = 64;

/// A dump that the table changed under is repeated so often; a table that never holds still is taken as it is then,
/// because the monitor tells of what changed.
const DUMP_ATTEMPTS: usize = 5;

/// `struct nlmsghdr`.
const HEADER_BYTES: usize = 16;
const LENGTH_FIELD: core::ops::Range<usize> = 0..4;
const FLAGS_FIELD: core::ops::Range<usize> = 6..8;
const SEQUENCE_FIELD: core::ops::Range<usize> = 8..12;

const NLMSG_NOOP: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;

const NLM_F_REQUEST: u16 = 0x01;
const NLM_F_ACK: u16 = 0x04;
const NLM_F_DUMP: u16 = 0x300;
/// In an answer: the table changed during the dump.
const NLM_F_DUMP_INTR: u16 = 0x10;
/// In an error: the request is not echoed beyond its header.
const NLM_F_CAPPED: u16 = 0x100;
/// In an error: attributes that explain it follow.
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;

/// The kernel said no.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Refused {
    /// The error number, positive: `libc::EPERM`, ...
    pub errno: i32,
    /// The kernel's own explanation; empty where it gave none.
    pub text: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = io::Error::from_raw_os_error(self.errno);
        if self.text.is_empty() { write!(f, "{number}") } else { write!(f, "{number}: {}", self.text) }
    }
}

impl Refused {
    pub(crate) fn new(errno: i32) -> Self {
        Self { errno, text: String::new() }
    }

    /// An error of the socket, in place of an answer.
    pub(crate) fn of_socket(error: &io::Error) -> Self {
        Self::new(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

/// What an operation did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The kernel's state is different now.
    Changed,
    /// It was so already.
    AlreadySo,
}

/// One message of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Message<'a> {
    /// `NLMSG_*` below 16, a number of the family from there on.
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    /// Behind the header, without padding.
    pub(crate) payload: &'a [u8],
}

/// The messages of a datagram; what is left of a datagram whose lengths do not add up is not looked at.
pub(crate) fn messages(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = datagram;
    core::iter::from_fn(move || {
        let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = *rest else { return None };
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
        let payload = rest.get(HEADER_BYTES..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            payload,
        })
    })
}

/// The attributes of a payload, up to the first whose length does not fit.
pub(crate) fn attributes(payload: &[u8]) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(payload).map_while(Result::ok)
}

/// An `NLMSG_ERROR`: an acknowledgement, or a refusal with what the kernel says about it.
fn parse_answer(message: &Message<'_>) -> Option<Result<(), Refused>> {
    let (code, echoed) = message.payload.split_first_chunk::<4>()?;
    let errno = i32::from_ne_bytes(*code).checked_neg()?;
    if errno == 0 {
        return Some(Ok(()));
    }
    let mut text = String::new();
    if message.flags & NLM_F_ACK_TLVS != 0 {
        // The header of the request is always echoed, the rest of it unless the answer is capped.
        let echoed_len = if message.flags & NLM_F_CAPPED != 0 {
            HEADER_BYTES
        } else {
            let length = echoed.get(LENGTH_FIELD)?.try_into().ok().map(u32::from_ne_bytes)?;
            usize::try_from(length).ok()?.checked_next_multiple_of(4)?
        };
        let explanation = attributes(echoed.get(echoed_len..).unwrap_or_default());
        for attribute in explanation.filter(|a| a.kind() == NLMSGERR_ATTR_MSG) {
            text = String::from_utf8_lossy(attribute.value()).trim_end_matches('\0').to_owned();
        }
    }
    Some(Err(Refused { errno, text }))
}

/// The acknowledgements and refusals of a datagram, whatever its octets are; other messages are left out.
pub fn answers(datagram: &[u8]) -> impl Iterator<Item = Result<(), Refused>> {
    messages(datagram).filter(|message| message.kind == NLMSG_ERROR).filter_map(|message| parse_answer(&message))
}

/// A message of a dump: its kind and its payload.
pub(crate) type Dumped = (u16, Vec<u8>);

/// A socket for requests of one netlink family.
#[derive(Debug)]
pub(crate) struct Channel {
    protocol: isize,
    /// Where the socket is opened; none is where the process is.
    namespace: Option<OwnedFd>,
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
    /// Another size of the receive queue than the usual one.
    queue: Option<NetlinkBuffer>,
    /// An answer is outstanding or lost: what comes next cannot be trusted to belong to what was asked.
    broken: bool,
    /// A dump was begun that is not read to its end.
    dumping: bool,
}

impl Channel {
    /// Opens a socket of that family (`netlink_sys::protocols`).
    pub(crate) fn open(protocol: isize) -> io::Result<Self> {
        Self::open_in(protocol, None)
    }

    /// As [`Self::open`], in that network namespace.
    pub(crate) fn open_in(protocol: isize, namespace: Option<OwnedFd>) -> io::Result<Self> {
        Ok(Self {
            protocol,
            socket: open(protocol, namespace.as_ref())?,
            namespace,
            sequence: 0,
            buffer: vec![0; RECEIVE_BYTES],
            queue: None,
            broken: false,
            dumping: false,
        })
    }

    /// A second socket of the same family, in the same network namespace.
    pub(crate) fn another(&self) -> io::Result<Self> {
        Self::open_in(self.protocol, self.namespace.as_ref().map(OwnedFd::try_clone).transpose()?)
    }

    /// Has the kernel check requests for dumps as strictly as others, so that its filters work.
    pub(crate) fn set_strict(&mut self) {
        // A kernel before 4.20 has no such option and ignores the filters; then more is dumped than was asked for.
        let _ = self.socket.set_netlink_get_strict_chk(true);
    }

    /// Gives the receive queue that size from now on.
    pub(crate) fn set_queue(&mut self, queue: NetlinkBuffer) -> io::Result<()> {
        self.queue = Some(queue);
        set_queue(&self.socket, queue)
    }

    /// After a lost answer: a socket on which nothing old can arrive.
    fn mend(&mut self) -> io::Result<()> {
        if self.broken {
            self.socket = open(self.protocol, self.namespace.as_ref())?;
            if let Some(queue) = self.queue {
                set_queue(&self.socket, queue)?;
            }
            self.broken = false;
        }
        Ok(())
    }

    /// Makes the requests in order, [`REQUESTS_PER_SEND`] at a time, and returns one answer for each in the same order.
    /// A refused request does not stop those behind it. Each message is complete but for flags and number.
    pub(crate) fn request(&mut self, requests: &mut [Vec<u8>]) -> Vec<Result<(), Refused>> {
        let mut answers = Vec::with_capacity(requests.len());
        for part in requests.chunks_mut(REQUESTS_PER_SEND) {
            answers.extend(self.request_part(part));
        }
        answers
    }

    fn request_part(&mut self, requests: &mut [Vec<u8>]) -> Vec<Result<(), Refused>> {
        let mut answers: Vec<Option<Result<(), Refused>>> = vec![None; requests.len()];
        let outcome = self.exchange(requests, &mut answers);
        if outcome.is_err() {
            self.broken = true;
        }
        let missing = outcome.err().map_or(Refused::new(libc::EIO), |error| Refused::of_socket(&error));
        answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(missing.clone()))).collect()
    }

    fn exchange(&mut self, requests: &mut [Vec<u8>], answers: &mut [Option<Result<(), Refused>>]) -> io::Result<()> {
        self.mend()?;
        let first = self.sequence.wrapping_add(1);
        for request in requests.iter_mut() {
            self.sequence = self.sequence.wrapping_add(1);
            stamp(request, NLM_F_REQUEST | NLM_F_ACK, self.sequence);
        }
        self.socket.send(&requests.concat(), 0)?;
        let mut deadline = None;
        let mut left = answers.len();
        while left > 0 {
            let length = receive(&self.socket, &mut self.buffer, &mut deadline)?;
            for message in messages(self.buffer.get(..length).unwrap_or_default()) {
                let place = usize::try_from(message.sequence.wrapping_sub(first)).ok();
                // An answer to another request than ours can only be an old one: the sequence tells.
                let Some(slot) = place.and_then(|place| answers.get_mut(place)) else { continue };
                if message.kind == NLMSG_ERROR && slot.is_none() {
                    *slot = parse_answer(&message);
                    left -= usize::from(slot.is_some());
                }
            }
        }
        Ok(())
    }

    /// As [`Self::request`], with an answer asked for the last of each part only: refusals come unasked and in order, so
    /// what was not refused when the last is answered was done. Spares a datagram and a system call for each request.
    pub(crate) fn request_quietly(&mut self, requests: &mut [Vec<u8>]) -> Vec<Result<(), Refused>> {
        let mut answers = Vec::with_capacity(requests.len());
        for part in requests.chunks_mut(REQUESTS_PER_SEND) {
            let mut refusals: Vec<Result<(), Refused>> = vec![Ok(()); part.len()];
            if let Err(error) = self.exchange_quietly(part, &mut refusals) {
                self.broken = true;
                let missing = Refused::of_socket(&error);
                // Which of them were done before it broke, nobody knows: the caller looks or tries again.
                refusals.iter_mut().filter(|answer| answer.is_ok()).for_each(|answer| *answer = Err(missing.clone()));
            }
            answers.append(&mut refusals);
        }
        answers
    }

    fn exchange_quietly(&mut self, requests: &mut [Vec<u8>], answers: &mut [Result<(), Refused>]) -> io::Result<()> {
        self.mend()?;
        let first = self.sequence.wrapping_add(1);
        let last = requests.len().saturating_sub(1);
        for (place, request) in requests.iter_mut().enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            stamp(request, if place == last { NLM_F_REQUEST | NLM_F_ACK } else { NLM_F_REQUEST }, self.sequence);
        }
        self.socket.send(&requests.concat(), 0)?;
        let mut deadline = None;
        loop {
            let length = receive(&self.socket, &mut self.buffer, &mut deadline)?;
            for message in messages(self.buffer.get(..length).unwrap_or_default()) {
                let place = usize::try_from(message.sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
                let Some(slot) = answers.get_mut(place) else { continue };
                let answer = if message.kind == NLMSG_ERROR { parse_answer(&message) } else { None };
                let Some(answer) = answer else { continue };
                *slot = answer;
                if place == last {
                    return Ok(());
                }
            }
        }
    }

    /// Makes all requests or none: the first and the last are the brackets of a batch and are not answered unless
    /// something is wrong with them.
    pub(crate) fn transact(&mut self, messages: &mut [Vec<u8>]) -> Result<(), Refused> {
        match self.try_transact(messages) {
            Ok(()) => Ok(()),
            Err(error) => {
                // Answers to what stood behind the refused request may still come.
                self.broken = true;
                Err(match error {
                    CollectError::Refused(refused) => refused,
                    CollectError::Socket(error) => Refused::of_socket(&error),
                })
            }
        }
    }

    fn try_transact(&mut self, batch: &mut [Vec<u8>]) -> Result<(), CollectError> {
        self.mend()?;
        let first = self.sequence.wrapping_add(1);
        let last = batch.len().saturating_sub(1);
        for (place, message) in batch.iter_mut().enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            let bracket = place == 0 || place == last;
            stamp(message, if bracket { NLM_F_REQUEST } else { NLM_F_REQUEST | NLM_F_ACK }, self.sequence);
        }
        let octets = batch.concat();
        if octets.len() > SENT_AT_ONCE {
            // All or nothing is one datagram. Where the system's limit stands in the way, the send says so.
            let _ = rustix::net::sockopt::set_socket_send_buffer_size_force(&self.socket, 2 * octets.len());
        }
        self.socket.send(&octets, 0)?;
        let mut left = last.saturating_sub(1);
        while left > 0 {
            let length = receive(&self.socket, &mut self.buffer, &mut None)?;
            for message in messages(self.buffer.get(..length).unwrap_or_default()) {
                let place = usize::try_from(message.sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
                if place > last || message.kind != NLMSG_ERROR {
                    continue;
                }
                match parse_answer(&message) {
                    Some(Err(refused)) => return Err(CollectError::Refused(refused)),
                    Some(Ok(())) | None => left -= usize::from(place != 0 && place != last),
                }
            }
        }
        Ok(())
    }

    /// Dumps what the request asks for. The message is complete but for flags and number.
    pub(crate) fn dump(&mut self, request: &[u8]) -> Result<Vec<Dumped>, Refused> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.collect(request, NLM_F_DUMP)? {
                (_, true) if attempt < DUMP_ATTEMPTS => {}
                (dumped, _) => return Ok(dumped),
            }
        }
    }

    /// Asks a single question and returns what comes before the acknowledgement.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<Vec<Dumped>, Refused> {
        self.collect(request, NLM_F_ACK).map(|(answers, _)| answers)
    }

    /// The second value says that the table changed meanwhile.
    fn collect(&mut self, request: &[u8], flags: u16) -> Result<(Vec<Dumped>, bool), Refused> {
        match self.try_collect(request, flags) {
            Ok(collected) => Ok(collected),
            Err(CollectError::Refused(refused)) => Err(refused),
            Err(CollectError::Socket(error)) => {
                self.broken = true;
                Err(Refused::of_socket(&error))
            }
        }
    }

    fn try_collect(&mut self, request: &[u8], flags: u16) -> Result<(Vec<Dumped>, bool), CollectError> {
        self.ask_for(request, flags)?;
        let mut collected = Collected::default();
        while !collected.ended {
            self.collect_datagram(&mut collected)?;
        }
        Ok((collected.rows, collected.interrupted))
    }

    fn ask_for(&mut self, request: &[u8], flags: u16) -> Result<(), CollectError> {
        self.mend()?;
        self.sequence = self.sequence.wrapping_add(1);
        let mut request = request.to_vec();
        stamp(&mut request, NLM_F_REQUEST | flags, self.sequence);
        self.socket.send(&request, 0)?;
        Ok(())
    }

    /// Each datagram gets the full time: a long dump is not a hanging one.
    fn collect_datagram(&mut self, collected: &mut Collected) -> Result<(), CollectError> {
        let length = receive(&self.socket, &mut self.buffer, &mut None)?;
        for message in messages(self.buffer.get(..length).unwrap_or_default()) {
            if message.sequence != self.sequence {
                continue;
            }
            collected.interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
            match message.kind {
                // The end of a dump and of an answer: both with an error number, but for very old kernels.
                NLMSG_DONE | NLMSG_ERROR => {
                    collected.ended = true;
                    return match parse_answer(&message) {
                        Some(Err(refused)) => Err(CollectError::Refused(refused)),
                        Some(Ok(())) | None => Ok(()),
                    };
                }
                NLMSG_NOOP => {}
                NLMSG_OVERRUN => return Err(io::Error::from_raw_os_error(libc::ENOBUFS).into()),
                kind => collected.rows.push((kind, message.payload.to_vec())),
            }
        }
        Ok(())
    }

    /// Begins a dump that [`Self::dump_on`] reads, a datagram at a time. Until it has ended nothing else may be asked over
    /// this channel. One that was begun before and not read to its end is given up.
    pub(crate) fn dump_begin(&mut self, request: &[u8]) -> Result<(), Refused> {
        self.broken |= core::mem::replace(&mut self.dumping, true);
        let asked = self.ask_for(request, NLM_F_DUMP);
        self.of_dump(asked)
    }

    /// What the next datagram of the dump holds, up to 32 KiB, and whether it has ended with it. After an error it is over.
    pub(crate) fn dump_on(&mut self) -> Result<(Vec<Dumped>, bool), Refused> {
        let mut collected = Collected::default();
        let outcome = self.collect_datagram(&mut collected);
        self.dumping = !collected.ended;
        self.of_dump(outcome)?;
        Ok((collected.rows, collected.ended))
    }

    fn of_dump(&mut self, outcome: Result<(), CollectError>) -> Result<(), Refused> {
        outcome.map_err(|error| {
            self.dumping = false;
            match error {
                CollectError::Refused(refused) => refused,
                CollectError::Socket(error) => {
                    self.broken = true;
                    Refused::of_socket(&error)
                }
            }
        })
    }
}

/// What has come of an answer of several messages.
#[derive(Default)]
struct Collected {
    rows: Vec<Dumped>,
    /// The table changed meanwhile.
    interrupted: bool,
    ended: bool,
}

enum CollectError {
    Refused(Refused),
    Socket(io::Error),
}

impl From<io::Error> for CollectError {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

fn open(protocol: isize, namespace: Option<&OwnedFd>) -> io::Result<Socket> {
    let mut socket = match namespace {
        None => Socket::new(protocol)?,
        Some(namespace) => in_network_namespace(namespace, || Socket::new(protocol))??,
    };
    socket.bind_auto()?;
    socket.set_non_blocking(true)?;
    // An explanation is welcome, an echo of the request is not. Both are conveniences that old kernels lack.
    let _ = socket.set_ext_ack(true);
    let _ = socket.set_cap_ack(true);
    if rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, QUEUE_BYTES).is_err() {
        // Not privileged in this user namespace: as much as the system's limit allows.
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, QUEUE_BYTES)?;
    }
    Ok(socket)
}

/// `*_netlink_*_rcv_bufs` and `*_force`: so many octets, beyond the system's limit where that is wanted and allowed. 0
/// leaves it as it is.
pub(crate) fn set_queue(socket: &Socket, queue: NetlinkBuffer) -> io::Result<()> {
    let bytes = usize::try_from(queue.bytes).unwrap_or(usize::MAX);
    match (bytes, queue.force) {
        (0, _) => Ok(()),
        (bytes, true) => Ok(rustix::net::sockopt::set_socket_recv_buffer_size_force(socket, bytes)?),
        (bytes, false) => Ok(rustix::net::sockopt::set_socket_recv_buffer_size(socket, bytes)?),
    }
}

/// Flags are added to those the message has.
fn stamp(message: &mut [u8], flags: u16, sequence: u32) {
    if let Some(field) = message.get_mut(FLAGS_FIELD) {
        let old = field.first_chunk::<2>().map_or(0, |bytes| u16::from_ne_bytes(*bytes));
        field.copy_from_slice(&(old | flags).to_ne_bytes());
    }
    if let Some(field) = message.get_mut(SEQUENCE_FIELD) {
        field.copy_from_slice(&sequence.to_ne_bytes());
    }
}

/// Waits for one datagram of the kernel until the deadline and returns its length. Without a deadline yet that is
/// [`ANSWER_TIMEOUT`] from the first time that nothing is there: what is there needs no look at the clock.
fn receive(socket: &Socket, buffer: &mut [u8], deadline: &mut Option<Instant>) -> io::Result<usize> {
    loop {
        match receive_now(socket, buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return other,
        }
        let now = boottime();
        let left = deadline.get_or_insert(now + ANSWER_TIMEOUT).since(now);
        if left.is_zero() {
            return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT));
        }
        let timeout = Timespec::try_from(left).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        match rustix::event::poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Takes one datagram of the kernel from the queue; `WouldBlock` if there is none.
///
/// `EMSGSIZE` if it did not fit. What another process sent is passed over: only the kernel has port 0.
pub(crate) fn receive_now(socket: &Socket, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        let (_, length, from) = rustix::net::recvfrom(socket, &mut *buffer, RecvFlags::DONTWAIT | RecvFlags::TRUNC)?;
        let kernel = from.and_then(|from| SocketAddrNetlink::try_from(from).ok()).is_some_and(|from| from.pid() == 0);
        if !kernel {
            continue;
        }
        return if length > buffer.len() { Err(io::Error::from_raw_os_error(libc::EMSGSIZE)) } else { Ok(length) };
    }
}

#[cfg(test)]
mod tests;
