//! The state of one instance with the deadlines that belong to it. A deadline exists only in the state that needs it, so
//! a backup cannot advertise and a master cannot wait for itself.
//!
//! Only data: what moves an instance from one phase to another is in [`crate::machine`] and [`crate::hear`].

use crate::claims::Claims;
use core::time::Duration;
use standfast_model::{AdvertInterval, Cause, Instant, Priority, Rival, State};
use std::net::IpAddr;

/// Where an instance stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Not started.
    Init {
        /// The end of `vrrp_startup_delay`; none before the start.
        begin_at: Option<Instant>,
    },
    /// Listening to a master.
    Backup(Backup),
    /// Holding the addresses.
    Master(Master),
    /// Cannot take part.
    Fault {
        /// Why: its own reason, or its sync group's.
        cause: Cause,
        /// When to try again what the kernel refused; other faults end with an event and have no time.
        retry_at: Option<Instant>,
    },
    /// Shut down.
    Stop,
}

/// Waiting for the master's silence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Backup {
    /// `Master_Down_Timer`.
    pub(crate) down_at: Instant,
    /// Since when nothing was heard that counts: the last accepted advertisement, else the begin of this state.
    pub(crate) silent_since: Instant,
    /// The master that said it leaves, if that is what the timer waits for.
    pub(crate) resigned: Option<IpAddr>,
    /// `Active_Adver_Interval`: the master's in version 3, our own in version 2.
    pub(crate) interval: AdvertInterval,
    /// The last router that was accepted as master.
    pub(crate) master: Option<Peer>,
    /// `preempt_delay`: lower priorities are deferred to until then; none while none was heard.
    pub(crate) preempt_at: Option<Instant>,
    /// The timer ran out and the sync group or a witness holds the instance back.
    pub(crate) wants_master: bool,
    /// What a witness says that holds it back.
    pub(crate) held: Option<Cause>,
    /// It was master until an operator had it hand over, and holds the addresses until the next master is heard: what
    /// clients send before that is answered.
    pub(crate) lingers: bool,
}

/// A router heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    pub(crate) priority: Priority,
}

/// Advertising and announcing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Master {
    /// `Adver_Timer`.
    pub(crate) advert_at: Instant,
    /// When the last advertisement was handed out.
    pub(crate) advert_sent: Instant,
    /// When another router's advertisement was last answered with one of ours.
    pub(crate) answered: Option<Instant>,
    /// `garp_master_delay`: the second burst.
    pub(crate) second_burst_at: Option<Instant>,
    /// `garp_lower_prio_delay`: the burst after an advertisement of lower priority.
    pub(crate) lower_burst_at: Option<Instant>,
    /// Who advertises as master beside us.
    pub(crate) rival: Option<Rival>,
    /// Who else says that the addresses are its own.
    pub(crate) claims: Claims,
    /// `garp_master_refresh`: due with the first advertisement from then on.
    pub(crate) refresh_from: Option<Instant>,
}

impl Phase {
    pub(crate) const fn state(&self) -> State {
        match self {
            Self::Init { .. } => State::Init,
            Self::Backup(_) => State::Backup,
            Self::Master(_) => State::Master,
            Self::Fault { .. } => State::Fault,
            Self::Stop => State::Stop,
        }
    }

    /// The earliest deadline of the state.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        // REQ: VRRP3-6.2-01
        match self {
            Self::Init { begin_at } => *begin_at,
            Self::Backup(backup) => Some(backup.down_at),
            Self::Master(master) => {
                let others = [master.second_burst_at, master.lower_burst_at, master.claims.deadline()];
                others.into_iter().flatten().chain([master.advert_at]).min()
            }
            Self::Fault { retry_at, .. } => *retry_at,
            Self::Stop => None,
        }
    }

    pub(crate) const fn backup(&self) -> Option<&Backup> {
        match self {
            Self::Backup(backup) => Some(backup),
            Self::Init { .. } | Self::Master(_) | Self::Fault { .. } | Self::Stop => None,
        }
    }

    pub(crate) const fn backup_mut(&mut self) -> Option<&mut Backup> {
        match self {
            Self::Backup(backup) => Some(backup),
            Self::Init { .. } | Self::Master(_) | Self::Fault { .. } | Self::Stop => None,
        }
    }

    pub(crate) const fn master(&self) -> Option<&Master> {
        match self {
            Self::Master(master) => Some(master),
            Self::Init { .. } | Self::Backup(_) | Self::Fault { .. } | Self::Stop => None,
        }
    }

    pub(crate) const fn master_mut(&mut self) -> Option<&mut Master> {
        match self {
            Self::Master(master) => Some(master),
            Self::Init { .. } | Self::Backup(_) | Self::Fault { .. } | Self::Stop => None,
        }
    }

    pub(crate) const fn is_master(&self) -> bool {
        self.master().is_some()
    }

    /// Whether the kernel has the addresses.
    pub(crate) fn holds(&self) -> bool {
        self.is_master() || self.backup().is_some_and(|backup| backup.lingers)
    }
}

/// `delay` from `now`, or never for 0: how the configuration switches a burst off.
pub(crate) fn unless_zero(now: Instant, delay: Duration) -> Option<Instant> {
    if delay.is_zero() { None } else { Some(now + delay) }
}
