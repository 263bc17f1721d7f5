//! Signals as a stream of what they ask for, with who sent them.
//!
//! Every signal that keepalived gives a meaning is caught in every process, the built and the unbuilt: the default
//! action of most of them would end the process.

use signal_hook::consts::signal::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook_tokio::SignalsInfo;
use standfast_kernel::process::identity::realtime_signals;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// TERM: stop in order.
    Stop,
    /// INT: the same, from a terminal.
    Interrupt,
    /// HUP: read the configuration again.
    Reload,
    /// USR1: write the data dump.
    Data,
    /// USR2: write the statistics.
    Stats,
    /// SIGRTMAX-1: write the statistics and set them to zero.
    StatsClear,
    /// SIGRTMIN+2: write JSON.
    Json,
    /// SIGRTMAX: write a dump of timers and sockets.
    ThreadDump,
    /// CHLD: a child has ended.
    Child,
}

impl Request {
    /// Every request.
    pub const ALL: [Self; 9] = [
        Self::Stop,
        Self::Interrupt,
        Self::Reload,
        Self::Data,
        Self::Stats,
        Self::StatsClear,
        Self::Json,
        Self::ThreadDump,
        Self::Child,
    ];

    /// The number of the signal.
    #[must_use]
    pub fn number(self) -> i32 {
        let (first, last) = realtime_signals();
        match self {
            Self::Stop => SIGTERM,
            Self::Interrupt => SIGINT,
            Self::Reload => SIGHUP,
            Self::Data => SIGUSR1,
            Self::Stats => SIGUSR2,
            Self::StatsClear => last - 1,
            Self::Json => first + 2,
            Self::ThreadDump => last,
            Self::Child => SIGCHLD,
        }
    }

    /// The request that keepalived's `--signum` knows by this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        match name {
            "STOP" => Some(Self::Stop),
            "RELOAD" => Some(Self::Reload),
            "DATA" => Some(Self::Data),
            "STATS" => Some(Self::Stats),
            "STATS_CLEAR" => Some(Self::StatsClear),
            "JSON" => Some(Self::Json),
            "TDUMP" => Some(Self::ThreadDump),
            _ => None,
        }
    }

    /// What it asks for, in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Stop | Self::Interrupt => "stop",
            Self::Reload => "reload",
            Self::Data => "data dump",
            Self::Stats => "statistics",
            Self::StatsClear => "statistics to be cleared",
            Self::Json => "JSON dump",
            Self::ThreadDump => "thread dump",
            Self::Child => "child ended",
        }
    }
}

/// A signal that has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    /// What it asks for.
    pub request: Request,
    /// Who sent it; none for the kernel's own.
    pub sender: Option<Sender>,
}

/// Who sent a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sender {
    /// Its process id; 0 for one outside our pid namespace.
    pub pid: i32,
    /// Its user id.
    pub uid: u32,
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.request {
            Request::Stop => f.write_str("SIGTERM")?,
            Request::Interrupt => f.write_str("SIGINT")?,
            Request::Reload => f.write_str("SIGHUP")?,
            Request::Data => f.write_str("SIGUSR1")?,
            Request::Stats => f.write_str("SIGUSR2")?,
            Request::StatsClear => f.write_str("SIGRTMAX-1")?,
            Request::Json => f.write_str("SIGRTMIN+2")?,
            Request::ThreadDump => f.write_str("SIGRTMAX")?,
            Request::Child => f.write_str("SIGCHLD")?,
        }
        match self.sender {
            Some(Sender { pid, uid }) => write!(f, " from process {pid} of user {uid}"),
            None => Ok(()),
        }
    }
}

/// The signals of this process.
pub struct Signals {
    stream: SignalsInfo<WithOrigin>,
}

impl Signals {
    /// Catches all of them from now on.
    ///
    /// # Errors
    ///
    /// `EMFILE`: no descriptor is left.
    pub fn catch() -> io::Result<Self> {
        Ok(Self { stream: SignalsInfo::new(Request::ALL.map(Request::number))? })
    }

    /// Waits for the next one. Cancel-safe. Several of a kind may arrive as one, as signals do.
    pub async fn next(&mut self) -> Received {
        loop {
            let origin = poll_fn(|context| futures_core::Stream::poll_next(Pin::new(&mut self.stream), context)).await;
            let Some(origin) = origin else {
                // The stream ends only when it is closed, which nobody does.
                return std::future::pending().await;
            };
            let request = Request::ALL.into_iter().find(|request| request.number() == origin.signal);
            if let Some(request) = request {
                let sender = origin.process.map(|process| Sender { pid: process.pid, uid: process.uid });
                return Received { request, sender };
            }
        }
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signals")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_a_signal_of_its_own() {
        for a in Request::ALL {
            for b in Request::ALL {
                assert_eq!(a == b, a.number() == b.number(), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn the_numbers_on_linux_with_glibc_are_those_of_keepalived() {
        let numbers = ["STOP", "RELOAD", "DATA", "STATS", "STATS_CLEAR", "JSON", "TDUMP"]
            .map(|name| Request::of_name(name).unwrap().number());
        assert_eq!(numbers, [15, 1, 10, 12, 63, 36, 64]);
        assert_eq!(Request::of_name("KILL"), None);
    }
}
