//! Others on the link who say by ARP or by neighbour discovery that an address which we hold as master is theirs.
//!
//! It says so once, defends the address, and says when it is over. It never gives an address up: who is master is decided
//! by advertisements alone (RFC 9568 6.4.3). Whoever could take an address from a router by a frame that nobody signs could
//! take down the service with it; of the three ways of RFC 5227 2.4 this is (c), for hosts whose addresses must stay.

use crate::batch::Batch;
use crate::machine::Machine;
use crate::output::Notice;
use core::time::Duration;
use standfast_model::{Claim, Instant, InterfaceName, MacAddress};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What is heard so shortly after a takeover comes from the master of before, which may be slow to hear that it is none
/// any more, or was on its way.
const GRACE: Duration = Duration::from_secs(1);

/// How long a first claim has to wait. A better router announces the addresses while its advertisement is still on its way
/// to us: if we give way within this time, nothing was wrong, and an answer would have drawn its clients back to us.
const CONFIRM: Duration = Duration::from_millis(300);

/// `DEFEND_INTERVAL` of RFC 5227 1.1: between two answers for one address, and between two lines about it, whoever shouts.
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

/// Nothing was heard for so long: it is over. A host that uses an address asks for its neighbours about that often.
const OVER: Duration = Duration::from_secs(30);

/// The claims on the addresses of one master: at most one for each address.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Claims(BTreeMap<IpAddr, Standing>);

/// What was made of a claim so far.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Standing {
    claim: Claim,
    /// When the address was last defended, and against whom; none as long as the first claim waits.
    defended: Option<(Instant, MacAddress)>,
    /// When the claims since then are to be answered.
    answer_at: Option<Instant>,
}

impl Standing {
    fn ends_at(&self) -> Instant {
        self.claim.last + OVER
    }

    fn deadline(&self) -> Instant {
        self.answer_at.unwrap_or_else(|| self.ends_at())
    }
}

impl Claims {
    /// When [`Machine::answer_claims`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.values().map(Standing::deadline).min()
    }

    /// Those that were said.
    pub(crate) fn told(&self) -> impl Iterator<Item = &Claim> {
        self.0.values().filter(|standing| standing.defended.is_some()).map(|standing| &standing.claim)
    }

    /// Forgets the claims on other addresses.
    pub(crate) fn retain(&mut self, is_ours: impl Fn(IpAddr) -> bool) {
        self.0.retain(|address, _| is_ours(*address));
    }

    fn hear(&mut self, now: Instant, address: IpAddr, interface: &InterfaceName, mac: MacAddress) {
        let first = || {
            let interface = interface.clone();
            let claim = Claim { address, interface, mac, since: now, last: now, times: 0 };
            Standing { claim, defended: None, answer_at: None }
        };
        let standing = self.0.entry(address).or_insert_with(first);
        if standing.claim.interface != *interface {
            standing.claim.interface = interface.clone();
        }
        standing.claim.mac = mac;
        standing.claim.last = now;
        standing.claim.times = standing.claim.times.saturating_add(1);
        // One that is waiting already stays where it is, so that it comes however often the other shouts.
        let at = match standing.defended {
            None => now + CONFIRM,
            Some((defended, _)) => (defended + DEFEND_INTERVAL).max(now),
        };
        standing.answer_at.get_or_insert(at);
    }
}

impl Machine {
    /// Somebody with another MAC than any of ours says that the address is its own.
    // REQ: ARP-2.4-01
    pub(crate) fn hear_claim(&mut self, now: Instant, address: IpAddr, interface: &InterfaceName, mac: MacAddress) {
        let settled = self.since.is_some_and(|since| now.since(since) >= GRACE);
        if let Some(master) = self.phase.master_mut().filter(|_| settled) {
            master.claims.hear(now, address, interface, mac);
        }
    }

    /// Answers the claims whose time has come, and takes leave of those that have not been repeated.
    pub(crate) fn answer_claims(&mut self, now: Instant, batch: &mut Batch) {
        let instance = self.id;
        let Some(master) = self.phase.master_mut() else { return };
        if master.claims.deadline().is_none_or(|at| now < at) {
            return;
        }
        let found = &mut self.counters.foreign_claims;
        master.claims.0.retain(|address, standing| {
            if standing.deadline() > now {
                return true;
            }
            // Also when it is over: who believed the last claim is set right by this.
            batch.defend(instance, *address);
            let claim = standing.claim.clone();
            if standing.answer_at.take().is_none() {
                batch.notice(Notice::ClaimOver { instance, claim });
                return false;
            }
            let against = standing.defended.replace((now, claim.mac));
            if against.is_none() {
                *found = found.saturating_add(1);
            }
            if against.is_none_or(|(_, mac)| mac != claim.mac) {
                batch.notice(Notice::Claimed { instance, claim });
            }
            true
        });
    }
}
