//! Hears who else says that addresses of ours are its own, as much of it as does no harm.
//!
//! Nobody is asked for a signature before he may shout: whoever floods the link is listened to for a moment out of each
//! tenth of a second, and for the rest of it the kernel drops everything before it wakes anybody.

use crate::journal;
use core::cell::Cell;
use core::task::Context;
use core::time::Duration;
use standfast_kernel::claim_socket::{ClaimSocket, Claimed};
use standfast_kernel::packet_socket::PacketSocket;
use standfast_model::Instant;
use std::net::IpAddr;
use std::rc::Rc;

/// Frames that are looked at in each [`SPAN`]: well under a millisecond of work, and as many as a socket queues.
const MOST: u32 = 64;

/// What [`MOST`] counts in. A claim that is made in the deaf part of it is heard if it is made again.
const SPAN: Duration = Duration::from_millis(100);

/// The sockets for claims, and what they listen for.
#[derive(Debug)]
pub(super) struct ClaimWatch {
    addresses: Vec<IpAddr>,
    inet: ClaimSocket,
    inet6: Option<ClaimSocket>,
    /// When the span began, and what was looked at in it.
    span: Option<(Instant, u32)>,
    deaf_until: Option<Instant>,
    /// A socket may have something: without that no call is made, for most wakes have other reasons.
    ready: Cell<bool>,
}

impl ClaimWatch {
    /// Listens for nothing yet, with the socket that announcements leave by.
    pub(super) fn new(packet_socket: &Rc<PacketSocket>) -> Self {
        let inet = ClaimSocket::Inet(Rc::clone(packet_socket));
        Self { addresses: Vec::new(), inet, inet6: None, span: None, deaf_until: None, ready: Cell::new(false) }
    }

    fn sockets(&self) -> impl Iterator<Item = &ClaimSocket> {
        core::iter::once(&self.inet).chain(&self.inet6)
    }

    /// Listens for claims on these addresses from now on. The socket for IPv6 is opened when it is first needed.
    pub(super) fn listen_for(&mut self, addresses: &[IpAddr]) {
        self.addresses = addresses.to_vec();
        if self.inet6.is_none() && addresses.iter().any(IpAddr::is_ipv6) {
            match ClaimSocket::open_inet6() {
                Ok(opened) => self.inet6 = Some(opened),
                Err(error) => {
                    journal::trouble("claims", &format!("not listening for claims of IPv6 addresses: {error}"));
                }
            }
        }
        if self.deaf_until.is_none() {
            self.attend();
        }
    }

    /// Tells the kernel what to pass.
    fn attend(&self) {
        let addresses = if self.deaf_until.is_some() { &[][..] } else { &self.addresses };
        for socket in self.sockets() {
            if let Err(error) = socket.listen_for(addresses) {
                journal::trouble("claims", &format!("no kernel filter for claims of addresses: {error}"));
            }
        }
    }

    /// When [`Self::next`] has to be asked, whatever arrives.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deaf_until
    }

    /// Whether a claim may be there; keeps the waker in each socket.
    pub(super) fn poll_readable(&self, context: &mut Context<'_>) -> bool {
        // What was left in the queue of the deaf would wake for ever.
        if self.deaf_until.is_some() {
            return false;
        }
        // Each is asked, for each must know whom to wake.
        let ready = self.sockets().filter(|socket| socket.poll_readable(context).is_ready()).count() > 0;
        self.ready.set(self.ready.get() || ready);
        ready
    }

    /// The next claim, if it may be listened to and there is one.
    pub(super) fn next(&mut self, now: Instant) -> Option<Claimed> {
        if self.deaf_until.is_some_and(|until| until <= now) {
            self.deaf_until = None;
            self.attend();
        }
        while self.deaf_until.is_none() && self.ready.get() {
            let frame = self.sockets().find_map(|socket| match socket.recv() {
                Ok(frame) => frame,
                // A link's trouble is told by the monitor, and what was too long is gone.
                Err(_) => Some(None),
            });
            self.ready.set(frame.is_some());
            let heard = frame?;
            self.count(now);
            if heard.is_some() {
                return heard;
            }
        }
        None
    }

    fn count(&mut self, now: Instant) {
        let (began, count) = self.span.filter(|(began, _)| now.since(*began) < SPAN).unwrap_or((now, 0));
        self.span = Some((began, count + 1));
        if count + 1 >= MOST {
            self.deaf_until = Some(began + SPAN);
            self.attend();
        }
    }
}
