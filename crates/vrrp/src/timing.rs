//! The intervals of the protocol as spans of time, and the grid that adverts keep to.
//!
//! Pure functions of configuration values: it knows no instance and holds no deadline.

use core::time::Duration;
use standfast_model::{AdvertInterval, Instant, Priority, Version};

/// `Skew_Time`: lets the backup with the highest priority be the first to give up waiting.
///
/// Version 2: `(256 - priority) / 256` s (RFC 3768 6.1). Version 3: that share of the master's interval (RFC 9568
/// 6.1). The result is below one second in version 2, below the interval in version 3.
#[must_use]
pub fn skew(version: Version, priority: Priority, master_interval: AdvertInterval) -> Duration {
    let base = match version {
        Version::V2 => Duration::from_secs(1),
        // REQ: VRRP3-6.1-03
        Version::V3 => master_interval.as_duration(),
    };
    base * (256 - u32::from(priority.get())) / 256
}

/// `Master_Down_Interval` (RFC 9568: `Active_Down_Interval`): how long a backup hears nothing before it takes over.
///
/// `adverts` is `down_timer_adverts`, 3 in the RFCs.
#[must_use]
pub fn master_down_interval(
    version: Version,
    priority: Priority,
    master_interval: AdvertInterval,
    adverts: u8,
) -> Duration {
    master_interval.as_duration() * u32::from(adverts) + skew(version, priority, master_interval)
}

/// The first moment after `now` on the grid that starts at `due` with a step of `interval`.
///
/// Timed from the due time and not from `now`, so the n-th advert leaves at n intervals however late each timer
/// fired; after a long delay the missed slots are skipped, so that no burst makes up for them.
#[must_use]
pub fn next_on_grid(due: Instant, interval: Duration, now: Instant) -> Instant {
    let missed = now.since(due).as_nanos() / interval.as_nanos().max(1);
    let steps = u64::try_from(missed).unwrap_or(u64::MAX).saturating_add(1);
    let step = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
    Instant::from_nanos(due.as_nanos().saturating_add(steps.saturating_mul(step)))
}

/// Virtual routers that advertise in one moment: one wake and one batch for them, and no burst for who listens.
const AT_ONCE: u32 = 8;

/// The most moments that an interval is divided into: what a wake costs is then paid at most 32 times an interval.
const MOMENTS: u32 = 32;

/// The least time between two moments: what is due within it leaves together anyway.
const MOMENT: Duration = Duration::from_millis(1);

/// How much earlier than an interval after its first advertisement a router sends its second, if `rank` others on the
/// node are in front of it: 0 for the first eight, and always less than the interval.
#[must_use]
pub fn stagger(interval: AdvertInterval, rank: u32) -> Duration {
    let interval = interval.as_duration();
    let moments = u32::try_from(interval.as_nanos() / MOMENT.as_nanos()).unwrap_or(u32::MAX).clamp(1, MOMENTS);
    interval * (rank / AT_ONCE % moments) / moments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn priority(value: u8) -> Priority {
        Priority::new(value).unwrap()
    }

    // REQ: VRRP3-6.1-03 VRRP2-5.3.4-01
    #[test]
    fn the_published_table_of_intervals_is_met_to_the_microsecond() {
        let seconds = |s| (Version::V2, AdvertInterval::from_seconds(s).unwrap());
        let centis = |cs| (Version::V3, AdvertInterval::from_centiseconds(cs).unwrap());
        for ((version, interval), own, skew_us, down_us) in [
            (seconds(1), 100, 609_375, 3_609_375),
            (seconds(1), 254, 7_812, 3_007_812),
            (seconds(1), 255, 3_906, 3_003_906),
            (seconds(1), 1, 996_093, 3_996_093),
            (seconds(5), 100, 609_375, 15_609_375),
            (centis(100), 100, 609_375, 3_609_375),
            (centis(25), 100, 152_343, 902_343),
            (centis(50), 100, 304_687, 1_804_687),
            (centis(1), 100, 6_093, 36_093),
            (centis(4095), 1, 40_790_039, 163_640_039),
        ] {
            let own = priority(own);
            assert_eq!(skew(version, own, interval).as_micros(), skew_us, "{version:?} {own} {interval}");
            assert_eq!(
                master_down_interval(version, own, interval, 3).as_micros(),
                down_us,
                "{version:?} {own} {interval}"
            );
        }
    }

    #[test]
    fn down_timer_adverts_counts_intervals_and_leaves_the_skew() {
        let interval = AdvertInterval::DEFAULT;
        let down = |adverts| master_down_interval(Version::V2, Priority::DEFAULT, interval, adverts).as_micros();
        assert_eq!((down(1), down(3), down(100)), (1_609_375, 3_609_375, 100_609_375));
    }

    #[test]
    fn routers_are_spread_over_an_interval_in_eights_and_never_by_a_whole_one() {
        for (interval_cs, moments) in [(1, 10), (2, 20), (10, 32), (100, 32), (4095, 32)] {
            let interval = AdvertInterval::from_centiseconds(interval_cs).unwrap();
            let mut at: Vec<Duration> = (0..1024).map(|rank| stagger(interval, rank)).collect();
            assert!(at[..8].iter().all(Duration::is_zero));
            assert!(at.iter().all(|forward| *forward < interval.as_duration()));
            at.sort_unstable();
            at.dedup();
            assert_eq!(at.len(), moments, "{interval}");
            assert!(at.windows(2).all(|two| two[1] - two[0] >= MOMENT), "{interval}");
        }
    }

    #[test]
    fn the_grid_forgets_how_late_it_was_asked_and_skips_what_was_missed() {
        let at = |millis: u64| Instant::from_nanos(millis * 1_000_000);
        let second = Duration::from_secs(1);
        assert_eq!(next_on_grid(at(5_000), second, at(5_000)), at(6_000));
        assert_eq!(next_on_grid(at(5_000), second, at(5_999)), at(6_000));
        assert_eq!(next_on_grid(at(5_000), second, at(6_000)), at(7_000));
        assert_eq!(next_on_grid(at(5_000), second, at(9_999)), at(10_000));
        let end = Instant::from_nanos(u64::MAX);
        assert_eq!(next_on_grid(Instant::ZERO, Duration::from_nanos(1), end), end);
    }
}
