//! How the daemon and its workers end, in keepalived's numbers (`lib/scheduler.h`), which unit files and monitoring
//! may know.

use core::fmt;
use std::process::ExitCode;

/// An exit status with a meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExitStatus {
    /// 0: ended in order; also "already running", as keepalived does.
    Ok,
    /// 1: something that must work does not, or an option is wrong.
    Fatal,
    /// 2: the configuration cannot be used.
    Configuration,
    /// 4: not allowed to do what is needed.
    Permission,
    /// 6: there is no configuration.
    NoConfiguration,
    /// Any other number, for `-t` and for handing on what a worker ended with.
    Other(u8),
}

impl ExitStatus {
    /// 70: something went wrong that a restart may mend (`EX_SOFTWARE`).
    pub const INTERNAL: Self = Self::Other(70);

    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Fatal => 1,
            Self::Configuration => 2,
            Self::Permission => 4,
            Self::NoConfiguration => 6,
            Self::Other(code) => code,
        }
    }

    /// The status that a number means.
    #[must_use]
    pub const fn of_code(code: u8) -> Self {
        match code {
            0 => Self::Ok,
            1 => Self::Fatal,
            2 => Self::Configuration,
            4 => Self::Permission,
            6 => Self::NoConfiguration,
            other => Self::Other(other),
        }
    }

    /// Whether a worker that ends so would end so again: the daemon ends too instead of restarting it.
    #[must_use]
    pub const fn is_permanent(self) -> bool {
        match self {
            Self::Fatal | Self::Configuration | Self::Permission => true,
            Self::Ok | Self::NoConfiguration | Self::Other(_) => false,
        }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code())
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_means_what_it_says() {
        for code in 0..=u8::MAX {
            assert_eq!(ExitStatus::of_code(code).code(), code);
        }
    }

    #[test]
    fn exactly_one_two_and_four_end_the_daemon() {
        let permanent: Vec<u8> = (0..=u8::MAX).filter(|code| ExitStatus::of_code(*code).is_permanent()).collect();
        assert_eq!(permanent, [1, 2, 4]);
    }
}
