//! `auth_hmac`: which advertisement gets which signature, and which signed one is believed.
//!
//! It owns the sequence last sent and the highest heard from each router. The octets are [`standfast_wire::vrrp::Proof`]'s;
//! what the wall's clock shows comes as data, and without it nothing is signed and nothing believed.

use core::time::Duration;
use standfast_model::config::instance::{Hmac, HmacKey, HmacMode, Replay};
use standfast_wire::vrrp::{Proof, ProofError, Sequence, View};
use std::net::IpAddr;

/// Routers by multicast whose sequences are remembered, as many as keepalived remembers: a master and those that may
/// quarrel with it. A forger cannot push them out, for only what verified is remembered.
const MULTICAST_SOURCES: usize = 4;

/// What an instance remembers of sequences.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seals {
    sent: Option<Sequence>,
    /// The highest of each source, the one heard last at the end.
    heard: Vec<(IpAddr, Sequence)>,
}

/// What is wrong with a signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SealFlaw {
    /// None, where only signed ones are believed.
    Missing,
    /// Octets that are no signature.
    Malformed(ProofError),
    /// Too far from our clock: a replay from before the window, or clocks that differ.
    Stale { skew: Duration, ahead: bool },
    /// Signed with a key that is not configured.
    Key(u8),
    /// The key did not make this signature.
    Invalid,
    /// Heard before.
    Replay,
}

/// A signature that is believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sealed {
    pub(crate) sequence: Sequence,
    /// How far the sender's clock is from ours, where that is more than half of what is allowed.
    pub(crate) skew: Option<(Duration, bool)>,
}

/// Whether advertisements are signed.
pub(crate) fn signs(hmac: &Hmac) -> bool {
    match hmac.mode {
        HmacMode::Enforce | HmacMode::Permissive => true,
        HmacMode::ReceiveOnly => false,
    }
}

fn key(hmac: &Hmac, id: u8) -> Option<&HmacKey> {
    hmac.keys.iter().find(|key| key.id == id)
}

impl Seals {
    /// Signs an advertisement that leaves at `unix`; none if it leaves unsigned, or if the active key does not exist,
    /// which the configuration does not let happen.
    pub(crate) fn sign(&mut self, hmac: &Hmac, unix: Duration, source: IpAddr, advert: &[u8]) -> Option<Proof> {
        let active = key(hmac, hmac.active).filter(|_| signs(hmac))?;
        let clock = Sequence::at(unix);
        let sequence = match self.sent {
            // The clock went back by more than peers would follow: begin anew from what it shows.
            Some(sent) if hmac.replay == Replay::Time && is_beyond(sent, unix, hmac.time_window) => clock,
            Some(sent) if !clock.is_after(sent) => sent.next(),
            Some(_) | None => clock,
        };
        self.sent = Some(sequence);
        Some(Proof::sign(active.octets.octets(), active.id, sequence, source, advert))
    }

    /// Whether an advertisement is signed as it should be. Remembers nothing: that is for [`Self::accept`], when every
    /// other check has passed as well. None is an unsigned one that is let pass.
    pub(crate) fn check(
        &self,
        hmac: &Hmac,
        unix: Option<Duration>,
        view: &View<'_>,
        proof: Option<&Proof>,
    ) -> Result<Option<Sealed>, SealFlaw> {
        let Some(proof) = proof else {
            return match hmac.mode {
                HmacMode::Enforce => Err(SealFlaw::Missing),
                HmacMode::Permissive | HmacMode::ReceiveOnly => Ok(None),
            };
        };
        proof.check_form().map_err(SealFlaw::Malformed)?;
        let sequence = proof.sequence();
        // An unknown clock shows 1970, which nobody is near to.
        let unix = unix.unwrap_or_default();
        let (skew, ahead) = sequence.skew(unix);
        let by_time = hmac.replay == Replay::Time;
        if by_time && skew > hmac.time_window {
            return Err(SealFlaw::Stale { skew, ahead });
        }
        let signer = key(hmac, proof.key_id()).ok_or(SealFlaw::Key(proof.key_id()))?;
        if !proof.verifies(signer.octets.octets(), view) {
            return Err(SealFlaw::Invalid);
        }
        let mark = self.heard.iter().find(|(source, _)| *source == view.source()).map(|(_, mark)| *mark);
        // A mark that the clock has left behind, or that it was far ahead of, says nothing any more.
        let mark = mark.filter(|mark| !by_time || mark.skew(unix).0 <= hmac.time_window);
        if mark.is_some_and(|mark| !sequence.is_after(mark)) {
            return Err(SealFlaw::Replay);
        }
        let skew = (by_time && skew > hmac.time_window / 2).then_some((skew, ahead));
        Ok(Some(Sealed { sequence, skew }))
    }

    /// Remembers the sequence of an advertisement that passed every check. `peers` is how many there are, if it came by
    /// unicast.
    pub(crate) fn accept(&mut self, source: IpAddr, sequence: Sequence, peers: usize) {
        self.heard.retain(|(known, _)| *known != source);
        if self.heard.len() >= MULTICAST_SOURCES.max(peers) {
            self.heard.remove(0);
        }
        self.heard.push((source, sequence));
    }
}

/// Whether a sequence is further ahead of a clock than this.
fn is_beyond(sequence: Sequence, unix: Duration, window: Duration) -> bool {
    let (skew, ahead) = sequence.skew(unix);
    ahead && skew > window
}
