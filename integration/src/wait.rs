//! Waiting for the world: ask again until it is so, within a limit. Never decides what to wait for.

use std::time::Duration;

use crate::clock::{Moment, pause};
use crate::error::{Error, Result};

/// How often the world is asked: often enough not to matter beside an advertisement interval.
const AGAIN: Duration = Duration::from_millis(20);

/// Asks until `holds` says so, and returns the moment at which it did. `what` completes "until ...".
///
/// # Errors
/// It does not hold within `limit`.
pub fn until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) -> Result<Moment> {
    ask(what, limit, || if holds() { Ok(Moment::now()) } else { Err(String::new()) })
}

/// Tries until it succeeds. `what` completes "until ...".
///
/// # Errors
/// It does not succeed within `limit`: the error shows what the last attempt said.
pub fn eventually<T>(what: &str, limit: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    ask(what, limit, || attempt().map_err(|error| format!("; the last attempt said: {error}")))
}

fn ask<T>(what: &str, limit: Duration, mut attempt: impl FnMut() -> std::result::Result<T, String>) -> Result<T> {
    let deadline = Moment::now().after(limit);
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(last) if deadline.is_past() => return Err(Error::TimedOut { what: what.to_owned(), limit, last }),
            Err(_) => pause(AGAIN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_so_is_waited_for_and_what_does_not_is_told() {
        let mut asked = 0;
        until("asked three times", Duration::from_secs(5), || {
            asked += 1;
            asked == 3
        })
        .unwrap();
        assert_eq!(asked, 3);
        let error = until("never", Duration::from_millis(50), || false).unwrap_err().to_string();
        assert_eq!(error, "waited 50ms in vain until never");
        let error = eventually::<()>("never", Duration::ZERO, || Err(Error::Off("master".to_owned()))).unwrap_err();
        assert_eq!(error.to_string(), "waited 0ns in vain until never; the last attempt said: master is switched off");
    }
}
