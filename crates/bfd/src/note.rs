//! What a successor has to know of a session that is up to go on with it, so that its neighbour notices nothing.
//!
//! A session in any other state has no note: to begin anew costs it nothing. Nothing here judges an age; that is the
//! session's.

use core::time::Duration;
use serde::{Deserialize, Serialize};
use standfast_model::Instant;

/// A session that is up, at one moment. Times are of the clock that goes on while the machine sleeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Note {
    /// Our name for the session, not 0.
    pub local_discriminator: u32,
    /// The neighbour's, not 0.
    pub remote_discriminator: u32,
    /// 49152..=65535, for the life of the session (RFC 5881 4).
    pub source_port: u16,
    /// Since when it is up.
    pub since: Instant,
    /// When the neighbour was heard last.
    pub heard: Instant,
    /// When something was sent last.
    pub sent: Instant,
    /// `min_tx` as it was announced.
    pub min_tx: Duration,
    /// `min_rx` as it was announced.
    pub min_rx: Duration,
    /// `multiplier` as it was announced.
    pub multiplier: u8,
    /// Something of that is not confirmed yet.
    pub polling: bool,
    /// What binds us instead of `min_tx` until it is.
    pub tx_until_confirmed: Option<Duration>,
    /// What binds us instead of `min_rx` until it is.
    pub rx_until_confirmed: Option<Duration>,
    /// Whether the neighbour says that it is up; otherwise it is in Init.
    pub remote_up: bool,
    /// How often the neighbour can be sent to.
    pub remote_min_rx: Duration,
    /// How often the neighbour wants to send.
    pub remote_desired_min_tx: Duration,
    /// The neighbour's multiplier.
    pub remote_multiplier: u8,
    /// Whether the neighbour has asked for silence (RFC 5880 6.6).
    pub remote_demand: bool,
}

/// The longest interval that a packet can say (RFC 5880 4.1): 2^32 - 1 microseconds.
const LONGEST: Duration = Duration::from_micros(u32::MAX as u64);

/// Whether a packet can say that interval, in microseconds. Of shorter ones nothing is left where a part of one counts, and
/// the next packet would be due at once, for ever.
const fn can_be_said(interval: Duration) -> bool {
    interval.as_nanos() <= LONGEST.as_nanos() && interval.subsec_nanos().is_multiple_of(1000)
}

impl Note {
    /// Whether there can be such a session: a file may say anything.
    pub(crate) fn is_possible(&self) -> bool {
        let until_confirmed = [self.tx_until_confirmed, self.rx_until_confirmed].into_iter().flatten();
        let said = [self.min_tx, self.min_rx, self.remote_min_rx, self.remote_desired_min_tx];
        let named = self.local_discriminator != 0 && self.remote_discriminator != 0;
        let counted = self.multiplier != 0 && self.remote_multiplier != 0 && self.source_port >= 49152;
        named && counted && said.into_iter().chain(until_confirmed).all(can_be_said)
    }
}
