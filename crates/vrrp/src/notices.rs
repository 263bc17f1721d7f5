//! What has been said already, so that the journal gets a line per change and not per packet.
//!
//! It never counts packets: counters do, whether or not something is said.

use core::time::Duration;
use standfast_model::{Instant, Refusal};
use std::net::IpAddr;

/// Lines of one kind that one instance may say in a row. Enough to show who takes part in a quarrel.
const BURST: u32 = 8;

/// After that, one line of the kind per this span: a flood from ever new sources costs the journal a line a minute.
const REFILL: Duration = Duration::from_secs(60);

/// A token bucket that starts full.
#[derive(Clone, Debug)]
struct Limit {
    left: u32,
    refilled: Instant,
}

impl Default for Limit {
    fn default() -> Self {
        Self { left: BURST, refilled: Instant::ZERO }
    }
}

impl Limit {
    // REQ: VRRP3-7.1-05
    fn take(&mut self, now: Instant) -> bool {
        let refills = now.since(self.refilled).as_nanos() / REFILL.as_nanos();
        if let Ok(refills @ 1..) = u32::try_from(refills.min(u128::from(BURST))) {
            self.left = self.left.saturating_add(refills).min(BURST);
            self.refilled = now;
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

/// A thing that is said when it is not what was said last.
#[derive(Clone, Debug)]
struct Said<T> {
    last: Option<T>,
    limit: Limit,
}

impl<T> Default for Said<T> {
    fn default() -> Self {
        Self { last: None, limit: Limit::default() }
    }
}

impl<T: PartialEq> Said<T> {
    fn news(&mut self, now: Instant, thing: T) -> bool {
        if self.last.as_ref() == Some(&thing) {
            return false;
        }
        self.last = Some(thing);
        self.limit.take(now)
    }
}

/// What one instance, or one interface, has said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    refused: Said<(IpAddr, Refusal)>,
    lower: Said<(IpAddr, u8, u8)>,
    differ: Said<(IpAddr, String)>,
    interval: Said<(IpAddr, u16)>,
    owner: Said<IpAddr>,
    clock: Said<IpAddr>,
}

impl Memory {
    /// The state changed: everything is news again, within the limit.
    pub(crate) fn forget(&mut self) {
        self.refused.last = None;
        self.lower.last = None;
        self.differ.last = None;
        self.interval.last = None;
        self.owner.last = None;
        self.clock.last = None;
    }

    /// Whether to say that a packet was refused.
    pub(crate) fn refused(&mut self, now: Instant, source: IpAddr, reason: Refusal) -> bool {
        self.refused.news(now, (source, reason))
    }

    /// Whether to say that a lower priority advertises.
    pub(crate) fn lower_priority(&mut self, now: Instant, source: IpAddr, theirs: u8, ours: u8) -> bool {
        self.lower.news(now, (source, theirs, ours))
    }

    /// Whether to say that the addresses differ. That they are the same again is remembered and not said.
    pub(crate) fn addresses_differ(&mut self, now: Instant, source: IpAddr, difference: &Option<String>) -> bool {
        match difference {
            Some(detail) => self.differ.news(now, (source, detail.clone())),
            None => {
                self.differ.last.take_if(|(from, _)| *from == source);
                false
            }
        }
    }

    /// Whether to say that a version 3 router has another interval. That it has ours again is remembered only.
    pub(crate) fn interval_differs(&mut self, now: Instant, source: IpAddr, theirs: u16, ours: u16) -> bool {
        if theirs == ours {
            self.interval.last.take_if(|(from, _)| *from == source);
            return false;
        }
        self.interval.news(now, (source, theirs))
    }

    /// Whether to say that a router's clock is on its way out of the window.
    pub(crate) fn clock_differs(&mut self, now: Instant, source: IpAddr) -> bool {
        self.clock.news(now, source)
    }

    /// Whether to say that another router claims to own our addresses.
    pub(crate) fn owner_clash(&mut self, now: Instant, source: IpAddr) -> bool {
        self.owner.news(now, source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn peer(last: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, last).into()
    }

    #[test]
    fn the_same_refusal_is_said_once_until_the_state_changes() {
        let mut memory = Memory::default();
        let said: Vec<bool> = (0..3).map(|_| memory.refused(Instant::ZERO, peer(2), Refusal::Ttl)).collect();
        assert_eq!(said, [true, false, false]);
        assert!(memory.refused(Instant::ZERO, peer(2), Refusal::Checksum));
        assert!(memory.refused(Instant::ZERO, peer(3), Refusal::Checksum));
        memory.forget();
        assert!(memory.refused(Instant::ZERO, peer(3), Refusal::Checksum));
    }

    // REQ: VRRP3-7.1-05
    #[test]
    fn two_senders_in_turn_cost_a_bounded_number_of_lines() {
        let mut memory = Memory::default();
        let mut lines = 0;
        for packet in 0..10_000_u64 {
            let now = Instant::from_nanos(packet * 100_000);
            let sender = if packet % 2 == 0 { 2 } else { 3 };
            lines += u32::from(memory.refused(now, peer(sender), Refusal::Checksum));
        }
        assert_eq!(lines, BURST);
        assert!(memory.refused(Instant::ZERO + REFILL, peer(9), Refusal::Checksum));
        assert!(!memory.refused(Instant::ZERO + REFILL, peer(8), Refusal::Checksum));
    }

    #[test]
    fn what_is_said_of_a_router_is_said_once_until_it_changes() {
        let now = Instant::ZERO;
        let mut memory = Memory::default();
        assert!(memory.lower_priority(now, peer(2), 50, 100));
        assert!(!memory.lower_priority(now, peer(2), 50, 100));
        assert!(memory.lower_priority(now, peer(2), 51, 100));
        assert!(memory.owner_clash(now, peer(2)));
        assert!(!memory.owner_clash(now, peer(2)));
        assert!(memory.interval_differs(now, peer(2), 50, 100));
        assert!(!memory.interval_differs(now, peer(2), 50, 100));
        // Another router with our interval changes nothing about the first.
        assert!(!memory.interval_differs(now, peer(3), 100, 100));
        assert!(!memory.interval_differs(now, peer(2), 50, 100));
        assert!(!memory.interval_differs(now, peer(2), 100, 100));
        assert!(memory.interval_differs(now, peer(2), 50, 100));
    }

    #[test]
    fn a_difference_that_went_away_and_came_back_is_news() {
        let mut memory = Memory::default();
        let difference = Some("received [], expected [192.0.2.100]".to_owned());
        assert!(memory.addresses_differ(Instant::ZERO, peer(2), &difference));
        assert!(!memory.addresses_differ(Instant::ZERO, peer(2), &difference));
        assert!(!memory.addresses_differ(Instant::ZERO, peer(2), &None));
        assert!(memory.addresses_differ(Instant::ZERO, peer(2), &difference));
    }
}
