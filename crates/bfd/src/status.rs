//! How a session is.

use core::time::Duration;
use serde::{Deserialize, Serialize};
use standfast_model::Instant;
use standfast_model::bfd::{Diagnostic, State};
use std::net::IpAddr;

/// What a session has seen. They wrap never: a packet a nanosecond takes 584 years.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Packets sent.
    pub sent: u64,
    /// Packets that counted.
    pub received: u64,
    /// Packets for the session that were refused.
    pub refused: u64,
    /// Times it came up.
    pub ups: u64,
    /// Times it left Up.
    pub downs: u64,
}

/// One session at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The name in the configuration.
    pub name: String,
    /// The neighbour.
    pub neighbor: IpAddr,
    /// Our state.
    pub state: State,
    /// Since when.
    pub since: Option<Instant>,
    /// The neighbour's state, as it said last.
    pub remote_state: State,
    /// Why we left Up the last time.
    pub diagnostic: Diagnostic,
    /// Our name for the session.
    pub local_discriminator: u32,
    /// The neighbour's; 0 if not known.
    pub remote_discriminator: u32,
    /// How often we send, before jitter.
    pub transmit_interval: Duration,
    /// How long it may be silent.
    pub detection_time: Duration,
    /// What was seen.
    pub counters: Counters,
}
