//! The sockets that hear BFD, and when they are looked at.
//!
//! It owns no session and reads no packet: it says which socket has one.
//!
//! While little comes the worker sleeps until a socket wakes it. While packets come one behind the other it does as network
//! cards do: nothing wakes it, it looks every few milliseconds and takes what is there. With many fast sessions that is a
//! tenth of the wakes, and what is due leaves in the same ones. A flood that fills a socket faster than that is listened to
//! without a pause.

use core::task::{Context, Poll};
use core::time::Duration;
use standfast_kernel::bfd_socket::{Arrived, BfdListener, HELD_PACKETS};
use standfast_kernel::timer::boottime;
use standfast_model::Instant;
use standfast_model::config::bfd::BfdSession;
use standfast_model::ipvs::Family;
use standfast_wire::bfd::{PORT_MULTIHOP, PORT_SINGLE_HOP};
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use tracing::error;

/// What a packet may lie in its socket at most: nobody notices this beside what the network takes.
const LONGEST_PAUSE: Duration = Duration::from_micros(2500);

/// And at most this part of the shortest interval at which a neighbour may send to us.
const PAUSES_IN_INTERVAL: u32 = 16;

/// After so many looks that found nothing the sockets are waited on again.
const QUIET_LOOKS: u32 = 4;

/// So many in one look are a flood, or what has come while we could not look.
const FLOOD: usize = 64;

/// Datagrams taken from one socket before it is looked what is to be sent: a full portion takes well under a millisecond.
pub(super) const PORTION: usize = 64;

/// After so many full portions from each socket everything is taken that was there before the first.
const ROUNDS: usize = HELD_PACKETS / PORTION;

/// A port that is listened to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Port {
    family: Family,
    pub(super) multihop: bool,
}

impl Port {
    const fn of(session: &BfdSession) -> Self {
        let family = match session.neighbor {
            IpAddr::V4(_) => Family::Inet,
            IpAddr::V6(_) => Family::Inet6,
        };
        Self { family, multihop: session.multihop }
    }

    const fn number(self) -> u16 {
        if self.multihop { PORT_MULTIHOP } else { PORT_SINGLE_HOP }
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Listeners {
    open: BTreeMap<Port, BfdListener>,
    rhythm: Rhythm,
}

impl Listeners {
    /// Listens where a session is, and nowhere else. False if one could not be had, which is said if `complain` says so.
    pub(super) fn serve(&mut self, sessions: &[BfdSession], complain: bool) -> bool {
        self.rhythm = Rhythm::of(sessions);
        let wanted: Vec<Port> = sessions.iter().map(Port::of).collect();
        self.open.retain(|port, _| wanted.contains(port));
        let mut whole = true;
        for port in wanted {
            if self.open.contains_key(&port) {
                continue;
            }
            match BfdListener::open(port.family, port.number()) {
                Ok(listener) => drop(self.open.insert(port, listener)),
                Err(error) => {
                    if complain && whole {
                        let number = port.number();
                        error!(
                            "cannot listen on UDP port {number}, sessions stay down: {error}; does another BFD daemon run here?"
                        );
                    }
                    whole = false;
                }
            }
        }
        self.watch();
        whole
    }

    /// The ports, in the order in which they are looked at.
    pub(super) fn ports(&self) -> Vec<Port> {
        self.open.keys().copied().collect()
    }

    /// Takes a datagram from the socket of a port, or none if none is there.
    ///
    /// # Errors
    ///
    /// An error of the network that was queued, or a datagram without addresses: it is gone.
    pub(super) fn take<'a>(&self, port: Port, buffer: &'a mut [u8]) -> io::Result<Option<Arrived<'a>>> {
        self.open.get(&port).map_or(Ok(None), |listener| listener.recv(buffer))
    }

    /// Says how many datagrams a look at all sockets found.
    pub(super) fn found(&mut self, now: Instant, count: usize) {
        let was_looking = self.rhythm.looks_at.is_some();
        self.rhythm.found(now, count);
        match (was_looking, self.rhythm.looks_at.is_some()) {
            (false, true) => self.open.values_mut().for_each(BfdListener::look_away),
            (true, false) => self.watch(),
            (false, false) | (true, true) => {}
        }
    }

    /// When to look again, while nothing wakes us.
    pub(super) const fn looks_at(&self) -> Option<Instant> {
        self.rhythm.looks_at
    }

    /// Waits on all of them. If that cannot be had they are looked at.
    fn watch(&mut self) {
        if self.open.values_mut().map(BfdListener::watch).any(|watched| watched.is_err()) {
            self.rhythm.looks_at = Some(boottime() + self.rhythm.pause);
        }
    }

    /// Waits until a socket may have something.
    pub(super) async fn readable(&self) {
        core::future::poll_fn(|context: &mut Context<'_>| {
            // Each is asked, so that each wakes us.
            let ready = self.open.values().filter(|listener| listener.poll_readable(context).is_ready()).count();
            if ready > 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Whether we wait or look.
#[derive(Default)]
struct Rhythm {
    pause: Duration,
    /// Something was there then.
    last: Option<Instant>,
    /// None: the sockets are waited on.
    looks_at: Option<Instant>,
    quiet: u32,
}

impl Rhythm {
    fn of(sessions: &[BfdSession]) -> Self {
        let shortest = sessions.iter().map(|session| session.min_rx).min().unwrap_or(LONGEST_PAUSE);
        Self { pause: (shortest / PAUSES_IN_INTERVAL).min(LONGEST_PAUSE), ..Self::default() }
    }

    fn found(&mut self, now: Instant, count: usize) {
        let close = self.last.is_some_and(|last| now < last + self.pause);
        if count > 0 {
            self.last = Some(now);
        }
        self.looks_at = match self.looks_at {
            _ if count >= FLOOD => None,
            None => (close && count > 0).then(|| now + self.pause),
            // Something else woke us.
            Some(at) if now < at && count == 0 => Some(at),
            Some(_) => {
                self.quiet = if count > 0 { 0 } else { self.quiet + 1 };
                (self.quiet < QUIET_LOOKS).then(|| now + self.pause)
            }
        };
        if self.looks_at.is_none() {
            self.quiet = 0;
        }
    }
}

/// How long we have been taking without an end. Who has slept for a while finds packets of living neighbours in the sockets,
/// and must not call one of them lost before he has read what it says.
#[derive(Default)]
pub(super) struct Backlog {
    rounds: usize,
}

impl Backlog {
    /// Says that a portion was taken from each socket, and whether more may be there. True if all that was there when the first
    /// of them was taken is taken now: a flood does not keep lost neighbours alive.
    pub(super) const fn is_over(&mut self, more: bool) -> bool {
        self.rounds += 1;
        let over = !more || self.rounds >= ROUNDS;
        if over {
            self.rounds = 0;
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_lost_before_what_lay_in_the_sockets_is_read_and_a_flood_puts_that_off_no_longer() {
        let mut backlog = Backlog::default();
        assert!(backlog.is_over(false), "nothing was there");
        for left in [true, true, true] {
            assert!(!backlog.is_over(left));
        }
        assert!(backlog.is_over(false));
        for _ in 0..3 {
            let rounds = (1..).find(|_| backlog.is_over(true)).unwrap();
            assert_eq!(rounds * PORTION, HELD_PACKETS);
        }
    }

    fn rhythm() -> Rhythm {
        Rhythm { pause: LONGEST_PAUSE, ..Rhythm::default() }
    }

    fn at(micros: u64) -> Instant {
        Instant::ZERO + Duration::from_micros(micros)
    }

    #[test]
    fn packets_far_apart_are_waited_for() {
        let mut rhythm = rhythm();
        for nth in 0..100 {
            rhythm.found(at(nth * 50_000), 1);
            assert_eq!(rhythm.looks_at, None);
        }
    }

    #[test]
    fn packets_close_together_are_looked_for_until_there_are_none() {
        let mut rhythm = rhythm();
        rhythm.found(at(0), 1);
        assert_eq!(rhythm.looks_at, None);
        rhythm.found(at(500), 1);
        assert_eq!(rhythm.looks_at, Some(at(3000)));
        // What else wakes us does not put the look off.
        rhythm.found(at(1000), 0);
        assert_eq!(rhythm.looks_at, Some(at(3000)));
        rhythm.found(at(3000), 6);
        for nth in 1..QUIET_LOOKS {
            let look = rhythm.looks_at.unwrap();
            assert_eq!(look, at(3000) + LONGEST_PAUSE * nth);
            rhythm.found(look, 0);
        }
        rhythm.found(rhythm.looks_at.unwrap(), 0);
        assert_eq!(rhythm.looks_at, None);
    }

    #[test]
    fn a_flood_is_listened_to_without_a_pause() {
        let mut rhythm = rhythm();
        rhythm.found(at(0), FLOOD - 1);
        rhythm.found(at(10), FLOOD - 1);
        assert!(rhythm.looks_at.is_some());
        rhythm.found(at(2510), FLOOD);
        assert_eq!(rhythm.looks_at, None);
        rhythm.found(at(2520), FLOOD);
        assert_eq!(rhythm.looks_at, None);
    }
}
