//! A worker that dies again and again, and what it does to the network meanwhile: nothing.
//!
//! Whoever is restarted at once goes on with what it held. One that would only die again must not hold anything: its
//! addresses would stay on this node, unannounced and undefended, while another becomes master. So a `vrrp` worker that has
//! used up what it is forgiven comes back in FAULT, which resigns and gives everything up, and takes part again after a
//! while. If it dies even so, one without any configuration follows, which removes what is left. The waits get longer up to a
//! minute; a reload, an upgrade or the order to take part starts anew.

use super::{Backoff, Worker};
use crate::journal::EventName;
use core::time::Duration;
use rustix::process::Signal;
use standfast_api::{ToWorker, VrrpSlice, WorkerKind, encode};
use standfast_kernel::timer::boottime;
use standfast_model::Instant;
use std::io;
use std::os::fd::OwnedFd;
use tracing::{error, info, warn};

/// How long one that died in FAULT has to show that it does not, when it is given its configuration again.
const TRIAL: Duration = Duration::from_secs(1);

/// How a `vrrp` worker runs that is not to be master of anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rest {
    /// With its configuration, in FAULT.
    Fault {
        /// Then it takes part again.
        until: Instant,
    },
    /// Without any configuration.
    Empty {
        /// Then it gets its own again.
        until: Instant,
    },
    /// It had none and has been killed to get its own again.
    Over,
}

impl Rest {
    const fn until(self) -> Option<Instant> {
        match self {
            Self::Fault { until } | Self::Empty { until } => Some(until),
            Self::Over => None,
        }
    }
}

impl Worker {
    /// Plans the next start after a death.
    pub(in crate::supervisor) fn respawn(&mut self, ran: Duration) {
        let now = boottime();
        let before = self.rest.take();
        if before == Some(Rest::Over) {
            self.rest = Some(Rest::Fault { until: now + TRIAL });
            self.restart_at = Some(now);
            return;
        }
        let delay = self.restart_after(ran);
        let (kind, deaths, event) = (self.kind(), self.backoff.deaths(), EventName::WorkerDied.name());
        if delay.is_zero() {
            warn!(event, "Respawning {kind} worker");
            return;
        }
        let why = format!("died {deaths} times in quick succession");
        if kind != WorkerKind::Vrrp {
            warn!(event, "Respawning {kind} worker in {} s: it {why}", delay.as_secs());
            self.trouble = Some(format!("{why}, and is started again in {} s", delay.as_secs()));
            return;
        }
        self.trouble = Some(format!("{why}: this node is master of nothing for {} s", delay.as_secs()));
        error!(event, deaths, "FAULT: the vrrp worker {why}, this node is master of nothing for {} s", delay.as_secs());
        let until = now + delay;
        match before {
            None => self.rest = Some(Rest::Fault { until }),
            Some(Rest::Fault { .. }) => self.rest = Some(Rest::Empty { until }),
            // It does not even do nothing: then only waiting is left.
            Some(Rest::Empty { .. } | Rest::Over) => {
                self.rest = Some(Rest::Fault { until: until + TRIAL });
                return;
            }
        }
        self.restart_at = Some(now);
    }

    /// When it is over.
    pub(super) fn rests_until(&self) -> Option<Instant> {
        self.rest.and_then(Rest::until).filter(|_| self.is_running())
    }

    /// The slice that it is started with, if that is not its own.
    pub(super) fn slice_in_rest(&self) -> io::Result<Option<OwnedFd>> {
        if !matches!(self.rest, Some(Rest::Empty { .. })) {
            return Ok(None);
        }
        let nothing = encode(&VrrpSlice::default()).map_err(io::Error::other)?;
        Self::write_slice(WorkerKind::Vrrp, &nothing).map(Some).map_err(io::Error::other)
    }

    /// What it is told behind its setup. Who began in FAULT would have nothing to resign from: it adopts first what is held.
    pub(super) const fn first_order(&self) -> Option<ToWorker> {
        match self.rest {
            Some(Rest::Fault { .. }) => Some(ToWorker::Maintenance { on: true }),
            Some(Rest::Empty { .. } | Rest::Over) | None => None,
        }
    }

    /// Ends a rest whose time is over.
    pub(super) fn wake_up(&mut self, now: Instant) {
        match self.rest {
            Some(Rest::Fault { until }) if until <= now && self.is_running() => {
                if self.ready {
                    self.take_part();
                } else {
                    self.rest = Some(Rest::Fault { until: now + TRIAL });
                }
            }
            Some(Rest::Empty { until }) if until <= now && self.is_running() => {
                self.rest = Some(Rest::Over);
                self.signal(Signal::KILL);
            }
            Some(Rest::Fault { .. } | Rest::Empty { .. } | Rest::Over) | None => {}
        }
    }

    fn take_part(&mut self) {
        info!("The vrrp worker takes part again");
        self.rest = None;
        self.trouble = None;
        self.changed = true;
        let on = self.setup.options.maintenance;
        self.tell(&ToWorker::Maintenance { on });
    }

    /// What was before does not count any more: there is another configuration, or somebody says so.
    pub(in crate::supervisor) fn forgive(&mut self) {
        self.backoff = Backoff::new();
        self.trouble = None;
        self.changed = true;
        match self.rest {
            Some(Rest::Fault { .. }) if self.ready => self.take_part(),
            Some(Rest::Fault { .. } | Rest::Empty { .. } | Rest::Over) => {
                self.rest = None;
                // Its successor starts with its configuration, at once.
                self.signal(Signal::KILL);
            }
            None => {}
        }
        if self.restart_at.is_some() {
            self.restart_at = Some(boottime());
        }
    }
}
