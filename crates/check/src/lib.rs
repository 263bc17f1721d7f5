//! Performs one health check and returns a verdict.
//!
//! It decides nothing: when a check runs, how often a failure is believed and what follows from it is `lvs`'s. What it
//! keeps from one attempt to the next is what is costly to make anew (a compiled pattern, a TLS context) and, for
//! pages of an `HTTP_GET`, whose turn it is.
//!
//! Every attempt has limits: in time (`connect_timeout` for each step, a few times that in all), in bytes read and in
//! memory held, and it holds one descriptor. Some sockets are kept for the next check that wants one. Nothing that a server sends is followed (no redirect, no reference) or
//! repeated unbounded. Dropping the future of an attempt ends it at once and leaves nothing behind.
//!
//! It must run inside a tokio runtime with I/O; who does not keep [`Deadlines`] itself needs its time as well.

pub mod bfd;
mod budget;
mod connections;
mod deadline;
pub mod dns;
mod errno;
pub mod etcd;
pub mod file;
mod genhash;
pub mod http;
pub mod misc;
mod ping;
pub mod smtp;
mod socket;
mod tcp;
mod tls;
mod udp;
mod words;

pub use connections::{KEPT_SOCKETS, Lingered};
pub use deadline::Deadlines;
pub use genhash::{Hashed, genhash};
pub use standfast_lvs::{Inability, Reason, Verdict};

use budget::Budget;
use connections::Connections;
use core::pin::pin;
use core::time::Duration;
use standfast_model::Instant;
use standfast_model::config::lvs::{Connect, Probe, TlsMaterial};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tls::Tls;

/// What checks share: the TLS context, the memory for pages, the book of deadlines, and sockets that are used again.
#[derive(Debug, Clone)]
pub struct Prober {
    tls: Arc<Tls>,
    memory: Budget,
    deadlines: Deadlines,
    connections: Connections,
}

/// One check, ready to be attempted.
#[derive(Debug)]
pub struct Check {
    kind: Kind,
    deadlines: Deadlines,
    connections: Connections,
}

/// What came of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// The verdict.
    pub verdict: Verdict,
    /// From its beginning to the verdict.
    pub took: Duration,
    /// When the verdict was there.
    pub ended: Instant,
}

#[derive(Debug)]
enum Kind {
    Tcp(Connect),
    // What these say lies elsewhere: tens of thousands may be kept that say nothing.
    Http(Box<http::Pages>),
    Smtp(smtp::Mail),
    Dns(Box<dns::Query>),
    Ping(Connect),
    Udp(Box<udp::Datagram>),
    /// It cannot be made here, and why.
    Impossible(Inability),
}

impl Prober {
    /// For checks whose `SSL_GET` show this certificate (`SSL` block of the configuration). Files are read when the
    /// first such check is prepared.
    #[must_use]
    pub fn new(material: Option<&TlsMaterial>) -> Self {
        Self {
            tls: Arc::new(Tls::new(material.cloned())),
            memory: Budget::default(),
            deadlines: Deadlines::default(),
            connections: Connections::default(),
        }
    }

    /// Goes on with another certificate. Attempts under way go on as they are, and share what they shared.
    pub fn reload(&mut self, material: Option<&TlsMaterial>) {
        self.tls = Arc::new(Tls::new(material.cloned()));
    }

    /// When the steps of its attempts must end, for who performs them with [`Check::perform`].
    #[must_use]
    pub fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    /// Ends each [`Self::linger`] while there is something to be read from that.
    pub fn heed(&self, call: OwnedFd) {
        self.connections.heed(call);
    }

    /// How many attempts wait for what [`Self::linger`] would notice.
    #[must_use]
    pub fn awaited(&self) -> usize {
        self.connections.awaited()
    }

    /// Waits on this thread until an attempt that waits for its connection can go on, for so long at most, rounded up to
    /// milliseconds: for who has nothing else to wait for. The runtime, and what waits in it, stand still meanwhile.
    #[must_use]
    pub fn linger(&self, patience: Duration) -> Lingered {
        self.connections.linger(patience)
    }

    /// Makes a check ready. What the configuration asks for and cannot be had here (a certificate that cannot be
    /// read, a pattern that the library refuses) comes back from each attempt as [`Verdict::Unable`].
    #[must_use]
    pub fn prepare(&self, probe: &Probe) -> Check {
        let kind = match probe {
            Probe::Tcp(connect) => Ok(Kind::Tcp(connect.clone())),
            Probe::Http(http) => http::Pages::new(http, self).map(Box::new).map(Kind::Http),
            Probe::Smtp(smtp) => Ok(Kind::Smtp(smtp::Mail::new(smtp))),
            Probe::Dns(dns) => dns::Query::new(dns).map(Box::new).map(Kind::Dns),
            Probe::Ping(connect) => Ok(Kind::Ping(connect.clone())),
            Probe::Udp(udp) => Ok(Kind::Udp(udp::Datagram::new(udp).into())),
            Probe::Misc(_) => Err("a command is run by the worker".to_owned()),
            Probe::File(_) => Err("a file is watched by the worker".to_owned()),
            Probe::Bfd(_) => Err("no BFD session is held by this worker".to_owned()),
        };
        let kind = kind.unwrap_or_else(|words| Kind::Impossible(Inability::NotPossible(words.into())));
        Check { kind, deadlines: self.deadlines.clone(), connections: self.connections.clone() }
    }
}

impl Check {
    /// Performs one attempt. There must be no other of the same check at the same time.
    ///
    /// The verdict is [`Verdict::Unable`] when the reason lies on this machine (no descriptor left, no such local
    /// address, not permitted): that says nothing about the server.
    pub async fn attempt(&self) -> Verdict {
        self.deadlines.kept(pin!(self.judge())).await
    }

    /// The same, and how long it took since `begun`, which is now or was a moment ago. What takes too long ends only if
    /// somebody calls [`Deadlines::pass`] in time.
    pub async fn perform(&self, begun: Instant) -> Attempt {
        let (verdict, ended) = self.deadlines.timed(begun, pin!(self.judge())).await;
        Attempt { verdict, took: ended.since(begun), ended }
    }

    async fn judge(&self) -> Verdict {
        let limits = &self.deadlines;
        match &self.kind {
            Kind::Tcp(connect) => tcp::check(connect, limits, &self.connections).await,
            // What these carry is several times what a connection does, and the others need no room for it.
            Kind::Http(pages) => Box::pin(pages.check(limits)).await,
            Kind::Smtp(mail) => Box::pin(mail.check(limits)).await,
            Kind::Dns(query) => Box::pin(query.check(limits)).await,
            Kind::Ping(connect) => Box::pin(ping::check(connect, limits)).await,
            Kind::Udp(datagram) => Box::pin(datagram.check(limits)).await,
            Kind::Impossible(inability) => Verdict::Unable(inability.clone()),
        }
    }
}

/// Performs one attempt of a check that is made ready for it alone.
pub async fn run(probe: &Probe) -> Verdict {
    Prober::new(None).prepare(probe).attempt().await
}
