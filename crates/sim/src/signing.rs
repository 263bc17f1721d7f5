//! `auth_hmac` in a cluster: who signs with what, what the clocks of the walls show, and packets that somebody keeps to
//! send them again.
//!
//! It owns no cryptography: the nodes sign and check, and the wire's crate reads.

use crate::lan::LanId;
use crate::machine::Datagram;
use crate::rng::Rng;
use core::time::Duration;
use standfast_model::config::instance::{Hmac, HmacKey, HmacMode, Replay};
use standfast_model::{Instant, Secret};
use std::collections::VecDeque;
use std::rc::Rc;

/// What every wall's clock shows when a simulation begins, UTC since 1970.
const EPOCH: Duration = Duration::from_secs(1_800_000_000);

/// Packets that somebody keeps: some from before every reboot of an hour.
const KEPT: usize = 64;

/// Of so many signed packets one is kept.
const ONE_OF: u64 = 97;

/// The key that a rotation goes to.
pub const NEXT_KEY: u8 = 2;

/// What the machines of one virtual router have in common; `each` is a mode for one of them.
#[must_use]
pub fn hmac(rng: &mut Rng, window: Duration) -> (Hmac, [HmacMode; 2]) {
    let key = |id: u8| HmacKey { id, octets: Secret::new(vec![id; 32]) };
    // Whoever asks for signatures has to do with those who sign; the others may be in the middle of a change.
    let modes = match rng.below(3) {
        0 => [HmacMode::Enforce, HmacMode::Enforce],
        1 => [HmacMode::Permissive, HmacMode::Enforce],
        _ => [HmacMode::Permissive, HmacMode::ReceiveOnly],
    };
    let hmac = Hmac {
        keys: vec![key(1), key(NEXT_KEY)],
        active: 1,
        time_window: window,
        replay: Replay::Time,
        mode: HmacMode::Enforce,
    };
    (hmac, modes)
}

/// What the wall's clock of a machine shows, which somebody has set wrong by so many seconds.
#[must_use]
pub fn wall(now: Instant, wrong_by: i64) -> Duration {
    let right = EPOCH + now.since(Instant::ZERO);
    let by = Duration::from_secs(wrong_by.unsigned_abs());
    if wrong_by < 0 { right.saturating_sub(by) } else { right + by }
}

/// Packets as they were on the wire, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    heard: u64,
    kept: VecDeque<(Instant, LanId, Rc<Datagram>)>,
}

impl Tape {
    /// Hears a signed packet, and keeps it now and then: resignations always.
    pub(crate) fn hear(&mut self, now: Instant, lan: LanId, resigns: bool, datagram: &Rc<Datagram>) {
        self.heard += 1;
        if !resigns && !self.heard.is_multiple_of(ONE_OF) {
            return;
        }
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((now, lan, Rc::clone(datagram)));
    }

    /// The newest packet of before this moment.
    pub(crate) fn before(&self, moment: Instant) -> Option<(LanId, Rc<Datagram>)> {
        let (_, lan, datagram) = self.kept.iter().rev().find(|(at, ..)| *at < moment)?;
        Some((*lan, Rc::clone(datagram)))
    }
}
