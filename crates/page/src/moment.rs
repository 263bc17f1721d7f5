//! Moments and lengths of time in words.

use jiff::Timestamp;

/// Milliseconds in a second.
const SECOND: u64 = 1000;

/// `2026-11-21 10:21:40` of milliseconds since 1970, UTC.
pub(crate) fn utc(unix_ms: u64) -> String {
    timestamp(unix_ms).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `2026-11-21T10:21:40Z`, for machines.
pub(crate) fn iso(unix_ms: u64) -> String {
    timestamp(unix_ms).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn timestamp(unix_ms: u64) -> Timestamp {
    // What the calendar does not reach is its end.
    i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::MAX)
}

/// `850 ms`, `7 s`, `3 min 5 s`, `5 h 20 min`, `12 d 3 h`: the two greatest units that say something.
pub(crate) fn length(ms: u64) -> String {
    let seconds = ms / SECOND;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes, seconds) {
        (0, 0, 0, 0) => format!("{ms} ms"),
        (0, 0, 0, _) => format!("{seconds} s"),
        (0, 0, _, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _, _) => format!("{hours} h {} min", minutes % 60),
        (_, _, _, _) => format!("{days} d {} h", hours % 24),
    }
}

/// `0.4 ms`, `12 ms`, `1.204 s` of microseconds.
pub(crate) fn short(us: u64) -> String {
    match us {
        0..10_000 => format!("{}.{} ms", us / 1000, us / 100 % 10),
        10_000..1_000_000 => format!("{} ms", us / 1000),
        1_000_000.. => format!("{}.{:03} s", us / 1_000_000, us / 1000 % 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar_and_no_number_is_too_great() {
        assert_eq!(utc(1_795_256_500_123), "2026-11-21 10:21:40");
        assert_eq!(iso(951_782_400_000), "2000-02-29T00:00:00Z");
        assert!(utc(u64::MAX).starts_with("9999-12-"), "{}", utc(u64::MAX));
    }

    #[test]
    fn lengths_have_two_units() {
        let of = |seconds: u64| length(seconds * 1000);
        assert_eq!([of(59), of(61), of(3700), of(90_000)], ["59 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
        assert_eq!(length(850), "850 ms");
        assert_eq!([420, 12_345, 1_204_000].map(short), ["0.4 ms", "12 ms", "1.204 s"]);
    }
}
