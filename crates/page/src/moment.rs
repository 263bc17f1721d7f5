//! Moments and lengths of time in words, for the page, the operator's command and mails.
//!
//! It owns how they are written. It reads no clock.

use core::time::Duration;
use jiff::Timestamp;

/// `2026-11-21 10:21:40` of a time since 1970, UTC.
#[must_use]
pub fn utc(unix: Duration) -> String {
    timestamp(unix).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `10:21:40` of a time since 1970, UTC.
#[must_use]
pub fn clock(unix: Duration) -> String {
    timestamp(unix).strftime("%H:%M:%S").to_string()
}

/// `10:21:40.123` of a time since 1970, UTC.
#[must_use]
pub fn clock_ms(unix: Duration) -> String {
    timestamp(unix).strftime("%H:%M:%S%.3f").to_string()
}

/// `2026-11-21T10:21:40.123Z` of a time since 1970: for machines, and for who compares.
#[must_use]
pub fn iso(unix: Duration) -> String {
    timestamp(unix).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// `Sat, 21 Nov 2026 10:21:40 +0000` of a time since 1970, as RFC 5322 section 3.3 writes it in a mail.
#[must_use]
pub fn mail(unix: Duration) -> String {
    timestamp(unix).strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

fn timestamp(unix: Duration) -> Timestamp {
    // What the calendar does not reach is its end.
    i64::try_from(unix.as_millis()).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::MAX)
}

/// `850 ms`, `7 s`, `3 min 5 s`, `5 h 20 min`, `12 d 3 h`: the two greatest units that say something.
#[must_use]
pub fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes, seconds) {
        (0, 0, 0, 0) => format!("{} ms", duration.as_millis()),
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
        let moment = Duration::from_millis(1_795_256_500_123);
        assert_eq!(utc(moment), "2026-11-21 10:21:40");
        assert_eq!((clock(moment), clock_ms(moment)), ("10:21:40".to_owned(), "10:21:40.123".to_owned()));
        assert_eq!(iso(moment), "2026-11-21T10:21:40.123Z");
        assert_eq!(mail(moment), "Sat, 21 Nov 2026 10:21:40 +0000");
        assert_eq!(iso(Duration::ZERO), "1970-01-01T00:00:00.000Z");
        assert_eq!(mail(Duration::from_secs(951_782_399)), "Mon, 28 Feb 2000 23:59:59 +0000");
        assert_eq!(iso(Duration::from_secs(951_782_400)), "2000-02-29T00:00:00.000Z");
        assert_eq!(iso(Duration::from_secs(4_107_542_400)), "2100-03-01T00:00:00.000Z");
        assert!(utc(Duration::MAX).starts_with("9999-12-"), "{}", utc(Duration::MAX));
    }

    #[test]
    fn lengths_have_two_units() {
        let of = |seconds: u64| length(Duration::from_secs(seconds));
        assert_eq!([of(59), of(61), of(3700), of(90_000)], ["59 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
        assert_eq!(length(Duration::from_millis(850)), "850 ms");
        assert_eq!([420, 12_345, 1_204_000].map(short), ["0.4 ms", "12 ms", "1.204 s"]);
    }
}
