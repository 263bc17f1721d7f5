//! The lab's one clock: CLOCK_MONOTONIC of the machine that the lab runs on, shared by the test, its probers and, after
//! conversion, its captures. The only file of the lab that reads a clock or sleeps; it never decides how long to wait.
//!
//! A director's kernel has a clock of its own. Nothing here speaks of it.

use std::fmt;
use std::time::Duration;

use rustix::time::{ClockId, Timespec};

/// A moment on the lab's clock: nanoseconds of CLOCK_MONOTONIC, comparable between processes of one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    nanos: u64,
}

impl Moment {
    /// The present.
    #[must_use]
    pub fn now() -> Self {
        Self { nanos: read(ClockId::Monotonic) }
    }

    /// The moment that lies `nanos` nanoseconds after the clock's zero.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self { nanos }
    }

    /// Nanoseconds since the clock's zero.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.nanos
    }

    /// The time from `earlier` to this moment, and zero when `earlier` is the later of the two.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos.saturating_sub(earlier.nanos))
    }

    /// This moment and `span` more.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self { nanos: self.nanos.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)) }
    }

    /// What is left until this moment; zero when it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.since(Self::now())
    }

    /// Whether this moment has passed.
    #[must_use]
    pub fn is_past(self) -> bool {
        Self::now() >= self
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.nanos / 1_000_000_000, self.nanos % 1_000_000_000 / 1000)
    }
}

/// How CLOCK_REALTIME, in which captures are stamped, lies to the lab's clock. It holds for as long as nobody sets the
/// machine's time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RealTimeOffset {
    realtime_minus_monotonic_nanos: u64,
}

impl RealTimeOffset {
    /// Reads both clocks.
    #[must_use]
    pub(crate) fn measure() -> Self {
        let monotonic = read(ClockId::Monotonic);
        Self { realtime_minus_monotonic_nanos: read(ClockId::Realtime).saturating_sub(monotonic) }
    }

    /// The moment of a CLOCK_REALTIME stamp, given in nanoseconds of the epoch.
    #[must_use]
    pub(crate) const fn moment(self, realtime_nanos: u64) -> Moment {
        Moment { nanos: realtime_nanos.saturating_sub(self.realtime_minus_monotonic_nanos) }
    }

    /// The CLOCK_REALTIME stamp of a moment, in nanoseconds of the epoch.
    #[must_use]
    pub(crate) const fn realtime(self, moment: Moment) -> u64 {
        moment.nanos.saturating_add(self.realtime_minus_monotonic_nanos)
    }
}

/// Waits for `span`.
#[expect(clippy::disallowed_methods, reason = "the lab waits for the world; no core is involved")]
pub fn pause(span: Duration) {
    std::thread::sleep(span);
}

#[expect(clippy::disallowed_methods, reason = "the lab measures real programs in real time")]
fn read(clock: ClockId) -> u64 {
    let Timespec { tv_sec, tv_nsec } = rustix::time::clock_gettime(clock);
    let seconds = u64::try_from(tv_sec).unwrap_or_default();
    let nanos = u64::try_from(tv_nsec).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_ordered_and_their_distance_is_never_negative() {
        let early = Moment::from_nanos(5);
        let late = early.after(Duration::from_nanos(7));
        assert_eq!(late.since(early), Duration::from_nanos(7));
        assert_eq!(early.since(late), Duration::ZERO);
        assert!(early < late);
    }

    #[test]
    fn a_stamp_of_the_real_time_clock_lands_near_the_present() {
        let offset = RealTimeOffset::measure();
        let before = Moment::now();
        let stamped = offset.moment(read(ClockId::Realtime));
        assert!(stamped.after(Duration::from_millis(100)) > before);
        assert!(before.after(Duration::from_secs(10)) > stamped);
    }
}
