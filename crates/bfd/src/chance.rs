//! What nobody on the network may guess or predict: discriminators, source ports, and the jitter of packets.

use core::time::Duration;
use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore as _, SeedableRng as _};
use std::ops::RangeInclusive;

/// Source ports of sessions (RFC 5881 4).
const PORTS: RangeInclusive<u16> = 49152..=65535;

/// A generator whose seed the daemon draws from the kernel, and a test writes down.
#[derive(Debug)]
pub(crate) struct Chance(ChaCha12Rng);

impl Chance {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// Not 0, and none of those taken.
    // REQ: BFD-6.3-01
    pub(crate) fn discriminator(&mut self, taken: impl Fn(u32) -> bool) -> u32 {
        loop {
            let drawn = self.0.next_u32();
            if drawn != 0 && !taken(drawn) {
                return drawn;
            }
        }
    }

    /// A port of the range, none of those taken as long as there are others.
    // REQ: BFD1-4-01
    pub(crate) fn port(&mut self, taken: impl Fn(u16) -> bool) -> u16 {
        let count = u64::from(PORTS.end() - PORTS.start()) + 1;
        let first = self.below(count);
        let nth = |step: u64| u16::try_from((first + step) % count).map_or(*PORTS.start(), |n| PORTS.start() + n);
        (0..count).map(nth).find(|port| !taken(*port)).unwrap_or_else(|| nth(0))
    }

    /// The interval, shortened by a part between these shares of it, in percent.
    pub(crate) fn shortened(&mut self, interval: Duration, percent: RangeInclusive<u32>) -> Duration {
        // In thousandths of a percent, so that many sessions do not meet on few steps.
        let (least, most) = (u64::from(*percent.start()) * 1000, u64::from(*percent.end()) * 1000);
        let part = least + self.below(most.saturating_sub(least) + 1);
        let nanos = interval.as_nanos() * u128::from(100_000_u64.saturating_sub(part)) / 100_000;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn below(&mut self, end: u64) -> u64 {
        u64::try_from((u128::from(self.0.next_u64()) * u128::from(end)) >> 64).unwrap_or(0)
    }
}
