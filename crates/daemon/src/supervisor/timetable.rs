//! `reload_time_file`: a file that says when the configuration is to be read again, so that directors whose new
//! configurations do not go with the old ones change at the same moment. It reads the file and says when; it does not
//! reload.
//!
//! The time is that of the wall clock, which others may set: it is looked at every few seconds.

use crate::file_watch::FileWatch;
use core::time::Duration;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};
use standfast_kernel::timer::{boottime, wall_clock};
use standfast_model::Instant;
use standfast_model::config::global::Reload;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use tracing::{info, warn};

/// After how long at most the wall clock is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// The longest line that can be a time, and one byte that shows that it is longer.
const MAX_BYTES: u64 = "2026-11-21 12:00:00Z\n".len() as u64 + 1;

/// The file, watched, and what it says.
#[derive(Debug)]
pub(super) struct Timetable {
    path: PathBuf,
    /// `reload_repeat`: the file stays after the reload.
    repeat: bool,
    changes: FileWatch,
    due: Option<Timestamp>,
}

impl Timetable {
    /// Reads and watches the file that the configuration names. None if it names none, or nothing can be watched.
    pub(super) fn new(settings: &Reload) -> Option<Self> {
        let path = PathBuf::from(settings.time_file.as_deref()?);
        match FileWatch::new(core::iter::once(path.as_path())) {
            Ok(changes) => {
                let mut timetable = Self { path, repeat: settings.repeat, changes, due: None };
                timetable.read();
                Some(timetable)
            }
            Err(error) => {
                warn!("reload_time_file {} is not watched: {error}", path.display());
                None
            }
        }
    }

    /// Waits for a change of the file and reads it. Cancel-safe.
    pub(super) async fn follow(&mut self) {
        match self.changes.touched().await {
            Ok(touched) if touched.includes(&self.path) => self.read(),
            Ok(_) => {}
            Err(_) => core::future::pending().await,
        }
    }

    /// When to ask [`Self::take_due`] again.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let left = Duration::try_from(self.due?.duration_since(now())).unwrap_or(Duration::ZERO);
        Some(boottime() + left.min(LOOK_AGAIN))
    }

    /// Whether the time has come; what comes after it is set up.
    pub(super) fn take_due(&mut self) -> bool {
        if self.due.take_if(|due| *due <= now()).is_none() {
            return false;
        }
        if self.repeat {
            self.read();
        } else if let Err(error) = std::fs::remove_file(&self.path) {
            warn!("cannot remove {} after the reload it asked for: {error}", self.path.display());
        }
        true
    }

    fn read(&mut self) {
        let path = self.path.display();
        let before = self.due.take();
        let zone = TimeZone::system();
        match read(&self.path) {
            Ok(None) if before.is_some() => info!("No reload any more: {path} is gone"),
            Ok(None) => {}
            Ok(Some(text)) => match moment(&text, &now().to_zoned(zone.clone())) {
                Ok(at) if at <= now() => info!("{path}: {} is past, no reload", at.to_zoned(zone)),
                Ok(at) => {
                    self.due = Some(at);
                    if before != self.due {
                        info!("Reload at {} ({path})", at.to_zoned(zone));
                    }
                }
                Err(why) => warn!("{path}: {why}; no reload"),
            },
            Err(error) => warn!("cannot read {path}: {error}; no reload"),
        }
    }
}

fn now() -> Timestamp {
    // A clock beyond the year 9999 is a clock that nobody has set: no time is due by it.
    Timestamp::try_from(std::time::UNIX_EPOCH + wall_clock()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The first line of the file; none without a file.
fn read(path: &Path) -> io::Result<Option<String>> {
    // Without waiting: a FIFO in that place must not stop the daemon.
    let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(Some(String::from_utf8_lossy(line).into_owned()))
}

/// The moment that a line names. One without a date is the next such time of day; `Z` is UTC, otherwise the zone is
/// that of `now`. A local time that does not exist is taken as the one after the gap, an ambiguous one as the first.
fn moment(line: &str, now: &Zoned) -> Result<Timestamp, String> {
    let expected = || {
        format!(
            "{line:?} is no time: write HH:MM:SS, YY-MM-DD HH:MM:SS or YYYY-MM-DD HH:MM:SS, with Z at the end for UTC"
        )
    };
    let (text, zone) = match line.strip_suffix('Z') {
        Some(text) => (text, TimeZone::UTC),
        None => (line, now.time_zone().clone()),
    };
    let at = |when: DateTime| zone.to_timestamp(when).map_err(|error| format!("{line}: {error}"));
    // jiff forgives blanks and missing digits; keepalived does not.
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    match shape.as_str() {
        _ if text.ends_with("60") => Err(expected()),
        "00:00:00" => {
            let time = Time::strptime("%H:%M:%S", text).map_err(|_| expected())?;
            let today = now.with_time_zone(zone.clone()).date();
            let next = at(today.to_datetime(time))?;
            if next > now.timestamp() {
                return Ok(next);
            }
            let tomorrow = today.checked_add(1.day()).map_err(|error| error.to_string())?;
            at(tomorrow.to_datetime(time))
        }
        "00-00-00 00:00:00" => at(DateTime::strptime("%y-%m-%d %H:%M:%S", text).map_err(|_| expected())?),
        "0000-00-00 00:00:00" => at(DateTime::strptime("%Y-%m-%d %H:%M:%S", text).map_err(|_| expected())?),
        _ => Err(expected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21 13:00 in Vienna, whatever zones this machine knows.
    fn next(line: &str) -> Result<String, String> {
        let vienna = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let now = jiff::civil::date(2026, 11, 21).at(13, 0, 0, 0).to_zoned(vienna.clone()).unwrap();
        moment(line, &now).map(|at| at.to_zoned(vienna).strftime("%F %T %z").to_string())
    }

    #[test]
    fn a_time_without_a_date_is_the_next_one() {
        for (line, expected) in [
            ("13:00:01", "2026-11-21 13:00:01 +0100"),
            ("13:00:00", "2026-11-22 13:00:00 +0100"),
            ("00:30:00", "2026-11-22 00:30:00 +0100"),
            ("12:30:00Z", "2026-11-21 13:30:00 +0100"),
            ("11:30:00Z", "2026-11-22 12:30:00 +0100"),
        ] {
            assert_eq!(next(line).as_deref(), Ok(expected), "{line}");
        }
    }

    #[test]
    fn a_date_is_taken_as_it_is_also_when_it_is_past() {
        for (line, expected) in [
            ("26-11-22 03:00:00", "2026-11-22 03:00:00 +0100"),
            ("2026-11-22 03:00:00Z", "2026-11-22 04:00:00 +0100"),
            ("2025-11-22 03:00:00", "2025-11-22 03:00:00 +0100"),
            // In that night the clock goes from 2 to 3, and in the other from 3 to 2.
            ("2027-03-28 02:30:00", "2027-03-28 03:30:00 +0200"),
            ("2026-10-25 02:30:00", "2026-10-25 02:30:00 +0200"),
        ] {
            assert_eq!(next(line).as_deref(), Ok(expected), "{line}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_forms_that_are_not() {
        for line in [
            "",
            "soon",
            "1:00:00",
            "25:00:00",
            " 3:00:00",
            "13:00:00 ",
            "2026-11-22  03:00:00",
            "2026-13-01 00:00:00",
            "2026-11-22T03:00:00",
            "13:00:00z",
            "2026-11-22 03:00:00ZZ",
            "+3:00:00",
            "13:00:60",
            "99999-01-01 00:00:00",
        ] {
            let refused = next(line).expect_err(line);
            assert!(refused.contains("write HH:MM:SS"), "{refused}");
        }
    }
}
