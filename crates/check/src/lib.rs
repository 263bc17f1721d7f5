//! Performs one health check and returns a verdict.
//!
//! It decides nothing: when a check runs, how often a failure is believed and what follows from it is `lvs`'s. What it
//! keeps from one attempt to the next is what is costly to make anew (a compiled pattern, a TLS context) and, for
//! pages of an `HTTP_GET`, whose turn it is.
//!
//! Every attempt has limits: in time (`connect_timeout` for each step, a few times that in all), in bytes read and in
//! memory held, and it holds one descriptor. Nothing that a server sends is followed (no redirect, no reference) or
//! repeated unbounded. Dropping the future of an attempt ends it at once and leaves nothing behind.
//!
//! It must run inside a tokio runtime with I/O and time.

pub mod bfd;
mod budget;
mod deadline;
pub mod dns;
mod errno;
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

pub use genhash::{Hashed, genhash};
pub use standfast_lvs::{Inability, Reason, Verdict};

use budget::Budget;
use standfast_model::config::lvs::{Connect, Probe, TlsMaterial};
use std::sync::Arc;
use tls::Tls;

/// What checks share: the TLS context and the memory for pages.
#[derive(Debug, Clone)]
pub struct Prober {
    tls: Arc<Tls>,
    memory: Budget,
}

/// One check, ready to be attempted.
#[derive(Debug)]
pub struct Check(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(Connect),
    Http(http::Pages),
    Smtp(smtp::Mail),
    Dns(dns::Query),
    Ping(Connect),
    Udp(udp::Datagram),
    /// It cannot be made here, and why.
    Impossible(Inability),
}

impl Prober {
    /// For checks whose `SSL_GET` show this certificate (`SSL` block of the configuration). Files are read when the
    /// first such check is prepared.
    #[must_use]
    pub fn new(material: Option<&TlsMaterial>) -> Self {
        Self { tls: Arc::new(Tls::new(material.cloned())), memory: Budget::default() }
    }

    /// Makes a check ready. What the configuration asks for and cannot be had here (a certificate that cannot be
    /// read, a pattern that the library refuses) comes back from each attempt as [`Verdict::Unable`].
    #[must_use]
    pub fn prepare(&self, probe: &Probe) -> Check {
        let kind = match probe {
            Probe::Tcp(connect) => Ok(Kind::Tcp(connect.clone())),
            Probe::Http(http) => http::Pages::new(http, self).map(Kind::Http),
            Probe::Smtp(smtp) => Ok(Kind::Smtp(smtp::Mail::new(smtp))),
            Probe::Dns(dns) => dns::Query::new(dns).map(Kind::Dns),
            Probe::Ping(connect) => Ok(Kind::Ping(connect.clone())),
            Probe::Udp(udp) => Ok(Kind::Udp(udp::Datagram::new(udp))),
            Probe::Misc(_) => Err("a command is run by the worker".to_owned()),
            Probe::File(_) => Err("a file is watched by the worker".to_owned()),
            Probe::Bfd(_) => Err("no BFD session is held by this worker".to_owned()),
        };
        Check(kind.unwrap_or_else(|words| Kind::Impossible(Inability::NotPossible(words.into()))))
    }
}

impl Check {
    /// Performs one attempt. There must be no other of the same check at the same time.
    ///
    /// The verdict is [`Verdict::Unable`] when the reason lies on this machine (no descriptor left, no such local
    /// address, not permitted): that says nothing about the server.
    pub async fn attempt(&self) -> Verdict {
        match &self.0 {
            Kind::Tcp(connect) => tcp::check(connect).await,
            Kind::Http(pages) => pages.check().await,
            Kind::Smtp(mail) => mail.check().await,
            Kind::Dns(query) => query.check().await,
            Kind::Ping(connect) => ping::check(connect).await,
            Kind::Udp(datagram) => datagram.check().await,
            Kind::Impossible(inability) => Verdict::Unable(inability.clone()),
        }
    }
}

/// Performs one attempt of a check that is made ready for it alone.
pub async fn run(probe: &Probe) -> Verdict {
    Prober::new(None).prepare(probe).attempt().await
}
