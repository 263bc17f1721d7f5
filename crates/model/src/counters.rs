//! What is counted: keepalived's statistics (`keepalived.stats`), and every reason for refusing a packet.

use core::fmt;
use serde::{Deserialize, Serialize};

/// Why a received advertisement was not acted upon. The first reason in the order of keepalived's checks counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Refusal {
    /// Shorter or longer than its address count says, or than the IP header says.
    Length,
    /// TTL or hop limit is not 255: it came through a router.
    Ttl,
    /// Another version than the instance speaks, or no version at all.
    Version,
    /// Not an advertisement (type 1).
    Type,
    /// The checksum is wrong.
    Checksum,
    /// No instance on that interface has the VRID.
    UnknownVrid,
    /// Authentication type that nobody defines.
    AuthTypeUnknown,
    /// Authentication type is not the configured one.
    AuthTypeMismatch,
    /// Wrong password.
    AuthFailure,
    /// Version 2: the sender's interval is not ours. Version 3: the interval is 0.
    Interval,
    /// Version 3: no address at all.
    AddressCount,
    /// Sent by unicast to a multicast instance, or the other way round.
    Destination,
    /// Sent from one of our own addresses.
    OwnAddress,
    /// The instance is not listening (FAULT, not started, stopped).
    NotListening,
    /// `auth_hmac`: no signature, where one is asked for.
    ProofMissing,
    /// `auth_hmac`: a signature of a form that nobody defines.
    ProofMalformed,
    /// `auth_hmac`: signed with a key that is not configured.
    ProofKey,
    /// `auth_hmac`: the signature is not the key's.
    ProofInvalid,
    /// `auth_hmac`: the sender's clock and ours are too far apart.
    ProofStale,
    /// `auth_hmac`: heard before.
    ProofReplay,
}

impl Refusal {
    /// Every reason, in order of declaration.
    pub const ALL: [Self; 20] = [
        Self::Length,
        Self::Ttl,
        Self::Version,
        Self::Type,
        Self::Checksum,
        Self::UnknownVrid,
        Self::AuthTypeUnknown,
        Self::AuthTypeMismatch,
        Self::AuthFailure,
        Self::Interval,
        Self::AddressCount,
        Self::Destination,
        Self::OwnAddress,
        Self::NotListening,
        Self::ProofMissing,
        Self::ProofMalformed,
        Self::ProofKey,
        Self::ProofInvalid,
        Self::ProofStale,
        Self::ProofReplay,
    ];
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "length does not fit its contents",
            Self::Ttl => "TTL is not 255",
            Self::Version => "wrong version",
            Self::Type => "not an advertisement",
            Self::Checksum => "wrong checksum",
            Self::UnknownVrid => "unknown VRID",
            Self::AuthTypeUnknown => "unknown authentication type",
            Self::AuthTypeMismatch => "authentication type is not ours",
            Self::AuthFailure => "wrong password",
            Self::Interval => "advertisement interval is not ours",
            Self::AddressCount => "no address in it",
            Self::Destination => "sent to the wrong kind of address",
            Self::OwnAddress => "sent from our own address",
            Self::NotListening => "instance is not listening",
            Self::ProofMissing => "no HMAC signature",
            Self::ProofMalformed => "malformed HMAC signature",
            Self::ProofKey => "HMAC key is not ours",
            Self::ProofInvalid => "wrong HMAC signature",
            Self::ProofStale => "HMAC signature is too far from our clock",
            Self::ProofReplay => "HMAC signature was heard before",
        })
    }
}

/// The counters of one instance. They only grow while the worker lives.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct VrrpCounters {
    /// Accepted advertisements.
    pub advert_received: u64,
    /// Advertisements sent.
    pub advert_sent: u64,
    /// Times MASTER was entered.
    pub become_master: u64,
    /// Times MASTER was left.
    pub release_master: u64,
    /// Accepted advertisements with priority 0.
    pub priority_zero_received: u64,
    /// Advertisements with priority 0 sent.
    pub priority_zero_sent: u64,
    /// Accepted advertisements without a signature (`auth_hmac` in a mode other than `enforce`).
    pub unsigned_accepted: u64,
    /// Accepted advertisements whose addresses are not ours (logged, not refused; keepalived's `addr_list_err`).
    pub address_list_differs: u64,
    /// Times another router was found to be master beside us.
    pub two_masters: u64,
    /// Times somebody else was found to say that an address which we hold as master is its own (ARP, neighbour discovery).
    pub foreign_claims: u64,
    refused: [u64; Refusal::ALL.len()],
}

impl VrrpCounters {
    /// One more packet refused for this reason.
    pub fn refuse(&mut self, reason: Refusal) {
        if let Some(count) = self.refused.get_mut(reason as usize) {
            *count = count.saturating_add(1);
        }
    }

    /// What was counted since `earlier`, an older state of the same counters.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut refused = self.refused;
        for (count, before) in refused.iter_mut().zip(earlier.refused) {
            *count = count.saturating_sub(before);
        }
        Self {
            advert_received: self.advert_received.saturating_sub(earlier.advert_received),
            advert_sent: self.advert_sent.saturating_sub(earlier.advert_sent),
            become_master: self.become_master.saturating_sub(earlier.become_master),
            release_master: self.release_master.saturating_sub(earlier.release_master),
            priority_zero_received: self.priority_zero_received.saturating_sub(earlier.priority_zero_received),
            priority_zero_sent: self.priority_zero_sent.saturating_sub(earlier.priority_zero_sent),
            address_list_differs: self.address_list_differs.saturating_sub(earlier.address_list_differs),
            two_masters: self.two_masters.saturating_sub(earlier.two_masters),
            foreign_claims: self.foreign_claims.saturating_sub(earlier.foreign_claims),
            unsigned_accepted: self.unsigned_accepted.saturating_sub(earlier.unsigned_accepted),
            refused,
        }
    }

    /// How many packets were refused for this reason.
    #[must_use]
    pub fn refused(&self, reason: Refusal) -> u64 {
        self.refused.get(reason as usize).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_counter_of_its_own() {
        let mut counters = VrrpCounters::default();
        for (times, reason) in Refusal::ALL.into_iter().enumerate() {
            for _ in 0..=times {
                counters.refuse(reason);
            }
        }
        for (times, reason) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(counters.refused(reason), times as u64 + 1, "{reason:?}");
        }
    }
}
