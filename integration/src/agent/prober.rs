//! Asks a service every few milliseconds and writes a line for each outcome. One thread and one poll: a request that
//! hangs delays no other. Owns the sockets; judges nothing.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, Socket, Type};

use crate::clock::Moment;
use crate::dns;
use crate::frames::Cursor;
use crate::probe::{Probe, Question, Sample};

/// The longest answer that is read, in bytes: the pages of the lab's servers have one line.
const ANSWER_LIMIT: usize = 64 << 10;

const WEB_REQUEST: &[u8] = b"GET / HTTP/1.0\r\nHost: lab\r\nConnection: close\r\n\r\n";

/// Probes until SIGTERM, and then until the last request is settled.
pub(super) fn probe(arguments: &[&str]) -> io::Result<()> {
    let probe = Probe::from_arguments(arguments).ok_or_else(|| io::Error::other("no such probe"))?;
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&stop))?;
    let mut prober = Prober { pinger: Pinger::for_question(&probe.question)?, flights: Vec::new(), number: 0, probe };
    let mut next = Moment::now();
    loop {
        let now = Moment::now();
        let stopping = stop.load(Ordering::Relaxed);
        if stopping && prober.flights.is_empty() {
            return Ok(());
        }
        if !stopping && now >= next {
            prober.send()?;
            // A prober that comes late does not make up for it: a burst would be another load than the one asked for.
            while next <= now {
                next = next.after(prober.probe.period);
            }
        }
        prober.give_up_late_ones()?;
        let earliest = prober.flights.iter().map(|flight| flight.deadline).min();
        let wake =
            if stopping { earliest.unwrap_or(now) } else { earliest.map_or(next, |earliest| earliest.min(next)) };
        prober.wait(wake.remaining())?;
    }
}

struct Prober {
    probe: Probe,
    pinger: Option<Pinger>,
    flights: Vec<Flight>,
    number: u16,
}

/// A request that is under way.
struct Flight {
    sent: Moment,
    deadline: Moment,
    stage: Stage,
}

enum Stage {
    /// A TCP connection is being made.
    Connecting(Socket),
    /// A page is being read; here is what came so far.
    Reading(Socket, Vec<u8>),
    /// A DNS question of this number waits for its answer.
    Asking(Socket, u16),
    /// An echo request of this number waits for its reply, on the pinger's socket.
    Pinging(u16),
}

/// What became of a flight.
enum Progress {
    Flies(Stage),
    Settled(Result<String, String>),
}

impl Prober {
    fn send(&mut self) -> io::Result<()> {
        self.number = self.number.wrapping_add(1);
        let sent = Moment::now();
        let started = match &self.probe.question {
            Question::Http(server) => connect(*server).map(Stage::Connecting),
            Question::Dns(server, name) => {
                ask(*server, self.number, name).map(|socket| Stage::Asking(socket, self.number))
            }
            Question::Ping(_) => match &self.pinger {
                Some(pinger) => pinger.send(self.number).map(|()| Stage::Pinging(self.number)),
                None => Err(io::Error::other("no socket to ping with")),
            },
        };
        match started {
            Ok(stage) => {
                self.flights.push(Flight { sent, deadline: sent.after(self.probe.patience), stage });
                Ok(())
            }
            Err(error) => tell(sent, Err(error.to_string())),
        }
    }

    fn give_up_late_ones(&mut self) -> io::Result<()> {
        let now = Moment::now();
        for late in self.flights.extract_if(.., |flight| flight.deadline <= now) {
            let why = match late.stage {
                Stage::Connecting(_) => "no connection in time",
                Stage::Reading(..) | Stage::Asking(..) | Stage::Pinging(_) => "no answer in time",
            };
            tell(late.sent, Err(why.to_owned()))?;
        }
        Ok(())
    }

    /// Waits for something to happen, at most `limit`, and deals with it.
    fn wait(&mut self, limit: Duration) -> io::Result<()> {
        let sockets: Vec<(BorrowedFd<'_>, PollFlags)> =
            (self.flights.iter().filter_map(|flight| match &flight.stage {
                Stage::Connecting(socket) => Some((socket.as_fd(), PollFlags::OUT)),
                Stage::Reading(socket, _) | Stage::Asking(socket, _) => Some((socket.as_fd(), PollFlags::IN)),
                Stage::Pinging(_) => None,
            }))
            .chain(self.pinger.iter().map(|pinger| (pinger.socket.as_fd(), PollFlags::IN)))
            .collect();
        let mut fds: Vec<PollFd<'_>> =
            sockets.iter().map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
        let limit = Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(limit.subsec_nanos()),
        };
        match poll(&mut fds, Some(&limit)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(errno) => return Err(errno.into()),
        }
        // Every flight is looked at: the sockets do not block, and there are few.
        let replies = self.pinger.as_ref().map(Pinger::replies).transpose()?.unwrap_or_default();
        for Flight { sent, deadline, stage } in std::mem::take(&mut self.flights) {
            match stage.advance(&replies) {
                Progress::Flies(stage) => self.flights.push(Flight { sent, deadline, stage }),
                Progress::Settled(outcome) => tell(sent, outcome)?,
            }
        }
        Ok(())
    }
}

impl Stage {
    fn advance(self, replies: &[u16]) -> Progress {
        match self {
            Self::Connecting(socket) => match connected(&socket) {
                Ok(true) => match (&socket).write_all(WEB_REQUEST) {
                    Ok(()) => Progress::Flies(Self::Reading(socket, Vec::new())),
                    Err(error) => Progress::Settled(Err(error.to_string())),
                },
                Ok(false) => Progress::Flies(Self::Connecting(socket)),
                Err(error) => Progress::Settled(Err(error.to_string())),
            },
            Self::Reading(socket, mut page) => match read_on(&socket, &mut page) {
                Ok(true) => Progress::Settled(first_line(&page)),
                Ok(false) => Progress::Flies(Self::Reading(socket, page)),
                Err(error) => Progress::Settled(Err(error.to_string())),
            },
            Self::Asking(socket, number) => {
                let mut bytes = [0; 4096];
                match (&socket).read(&mut bytes) {
                    Ok(length) => Progress::Settled(dns::answer(number, bytes.get(..length).unwrap_or_default())),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        Progress::Flies(Self::Asking(socket, number))
                    }
                    Err(error) => Progress::Settled(Err(error.to_string())),
                }
            }
            Self::Pinging(number) if replies.contains(&number) => Progress::Settled(Ok(String::new())),
            Self::Pinging(number) => Progress::Flies(Self::Pinging(number)),
        }
    }
}

fn tell(sent: Moment, outcome: Result<String, String>) -> io::Result<()> {
    let sample = Sample { sent, done: Moment::now(), outcome };
    let mut out = io::stdout().lock();
    writeln!(out, "{sample}")?;
    out.flush()
}

fn connect(server: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&server.into()) {
        Ok(()) => Ok(socket),
        Err(error) if error.raw_os_error() == Some(nix::libc::EINPROGRESS) => Ok(socket),
        Err(error) => Err(error),
    }
}

fn connected(socket: &Socket) -> io::Result<bool> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    Ok(socket.peer_addr().is_ok())
}

/// Reads what has come; true at the end.
fn read_on(mut socket: &Socket, page: &mut Vec<u8>) -> io::Result<bool> {
    let mut chunk = [0; 4096];
    loop {
        match socket.read(&mut chunk) {
            Ok(0) => return Ok(true),
            Ok(length) if page.len() + length <= ANSWER_LIMIT => {
                page.extend_from_slice(chunk.get(..length).unwrap_or_default());
            }
            Ok(_) => return Err(io::Error::other(format!("a page of more than {ANSWER_LIMIT} bytes"))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

/// The first line of a page, when the server sent it with status 200.
fn first_line(page: &[u8]) -> Result<String, String> {
    let page = String::from_utf8_lossy(page);
    let status = page.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(if status.is_empty() { "closed without an answer".to_owned() } else { status.to_owned() });
    }
    let body = page.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    Ok(body.lines().next().unwrap_or_default().to_owned())
}

fn ask(server: SocketAddr, number: u16, name: &str) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(server), Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&server.into())?;
    socket.send(&dns::question(number, name))?;
    Ok(socket)
}

/// The one socket for all echo requests of a prober.
struct Pinger {
    socket: Socket,
    target: IpAddr,
    identifier: u16,
}

impl Pinger {
    fn for_question(question: &Question) -> io::Result<Option<Self>> {
        let Question::Ping(target) = question else { return Ok(None) };
        let (domain, protocol) = match target {
            IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
            IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
        };
        let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
        socket.set_nonblocking(true)?;
        let [low, high, ..] = std::process::id().to_le_bytes();
        Ok(Some(Self { socket, target: *target, identifier: u16::from_le_bytes([low, high]) }))
    }

    fn send(&self, number: u16) -> io::Result<()> {
        let kind: u8 = if self.target.is_ipv4() { 8 } else { 128 };
        let mut packet = vec![kind, 0, 0, 0];
        packet.extend_from_slice(&self.identifier.to_be_bytes());
        packet.extend_from_slice(&number.to_be_bytes());
        if self.target.is_ipv4() {
            // The kernel computes it for version 6, whose pseudo header holds an address only it knows.
            let sum = checksum(&packet).to_be_bytes();
            packet.splice(2..4, sum);
        }
        self.socket.send_to(&packet, &SocketAddr::new(self.target, 0).into()).map(|_| ())
    }

    /// The numbers of all replies that have come.
    fn replies(&self) -> io::Result<Vec<u16>> {
        let mut numbers = Vec::new();
        let mut bytes = [0; 2048];
        loop {
            match (&self.socket).read(&mut bytes) {
                Ok(length) => numbers.extend(self.reply(bytes.get(..length).unwrap_or_default())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(numbers),
                Err(error) => return Err(error),
            }
        }
    }

    fn reply(&self, bytes: &[u8]) -> Option<u16> {
        let mut packet = Cursor(bytes);
        let expected = if self.target.is_ipv4() {
            // A raw socket of version 4 gets the IP header too.
            let header = usize::from(*bytes.first()? & 0x0f) * 4;
            packet.skip(header)?;
            0
        } else {
            129
        };
        let kind = packet.u8()?;
        packet.skip(3)?;
        let (identifier, number) = (packet.u16()?, packet.u16()?);
        (kind == expected && identifier == self.identifier).then_some(number)
    }
}

fn checksum(bytes: &[u8]) -> u16 {
    let mut words = Cursor(bytes);
    let mut sum = 0u32;
    while let Some(word) = words.u16() {
        sum += u32::from(word);
    }
    while let (high @ 1.., low) = (sum >> 16, sum & 0xffff) {
        sum = high + low;
    }
    !u16::try_from(sum).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_with_status_200_counts_as_an_answer() {
        assert_eq!(first_line(b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\nweb2\nmore\n"), Ok("web2".to_owned()));
        assert_eq!(first_line(b"HTTP/1.1 502 Bad Gateway\r\n\r\nweb2\n"), Err("HTTP/1.1 502 Bad Gateway".to_owned()));
        assert_eq!(first_line(b""), Err("closed without an answer".to_owned()));
    }

    #[test]
    fn the_checksum_of_a_packet_with_its_checksum_is_zero() {
        let mut packet = vec![8, 0, 0, 0, 0x12, 0x34, 0xff, 0xff];
        let sum = checksum(&packet).to_be_bytes();
        packet.splice(2..4, sum);
        assert_eq!(checksum(&packet), 0);
        assert_ne!(sum, [0, 0]);
    }
}
