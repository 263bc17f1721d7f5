//! Which Linux this is, and which it must be at least.

use core::fmt;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use rustix::system::uname;

/// A release of Linux, by the two numbers that count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Release {
    /// The 5 of 5.10.
    pub major: u32,
    /// The 10 of 5.10.
    pub minor: u32,
}

/// What standfastd needs: `pidfd_open` came with this release, everything else that it cannot do without is older.
pub const LEAST: Release = Release { major: 5, minor: 3 };

/// What the running kernel lacks of that, in words with the release that brought it; by trying, for distributions carry
/// new things back to old releases.
#[must_use]
pub fn missing_features() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if matches!(pidfd_open(getpid(), PidfdFlags::empty()), Err(Errno::NOSYS)) {
        missing.push("pidfd_open (Linux 5.3), by which scripts are waited for");
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    if matches!(memfd_create("standfast-try", flags), Err(Errno::NOSYS | Errno::INVAL)) {
        missing.push("sealed memory files (Linux 3.17), in which workers get their configuration");
    }
    missing
}

impl Release {
    /// Of `5.10.0-28-amd64` and the like; none for what does not begin with two numbers.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        Some(Self { major: numbers.next()?.ok()?, minor: numbers.next()?.ok()? })
    }

    /// That of the running kernel.
    #[must_use]
    pub fn running() -> Option<Self> {
        Self::parse(&uname().release().to_string_lossy())
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_read_from_whatever_distributions_call_it() {
        let of = |text| Release::parse(text).map(|release| (release.major, release.minor));
        assert_eq!(of("6.1.0-28-amd64"), Some((6, 1)));
        assert_eq!(of("5.10.226"), Some((5, 10)));
        assert_eq!(of("4.18.0-553.el8_10.x86_64"), Some((4, 18)));
        assert_eq!(of("6.12-rc1"), Some((6, 12)));
        assert_eq!(of("Linux"), None);
        assert!(Release { major: 4, minor: 19 } < LEAST && Release { major: 6, minor: 1 } > LEAST);
    }

    #[test]
    fn this_kernel_has_what_its_release_promises() {
        assert!(Release::running().is_some_and(|running| running >= LEAST));
        assert_eq!(missing_features(), [""; 0]);
    }
}
