//! What can go wrong in a lab, told so that a failed test explains itself. Never retries, never prints.

use std::fmt;
use std::io;
use std::time::Duration;

/// The result of whatever the lab does.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the lab could not do what it was asked. `Debug` prints the same sentence as `Display`, because that is what a
/// test which returns an error shows.
#[derive(thiserror::Error)]
pub enum Error {
    /// Something that the machine must have is missing.
    #[error("the lab cannot run here: {0}")]
    Missing(String),
    /// The description of the lab contradicts itself.
    #[error("the plan of the lab is wrong: {0}")]
    Plan(String),
    /// A file, a socket or a process of this machine refused.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The agent of a machine refused, or could not be understood.
    #[error("{machine}: {why}")]
    Agent {
        /// The machine's name.
        machine: String,
        /// What it said.
        why: String,
    },
    /// A command ended badly.
    #[error("{machine}: `{command}` {end}\n{output}")]
    Failed {
        /// The machine's name.
        machine: String,
        /// The command as it was given.
        command: String,
        /// How it ended.
        end: String,
        /// What it wrote.
        output: String,
    },
    /// Something did not happen in time.
    #[error("waited {limit:?} in vain until {what}{last}")]
    TimedOut {
        /// What was waited for, to be read after "until".
        what: String,
        /// How long.
        limit: Duration,
        /// What was seen last, with its own separator, or nothing.
        last: String,
    },
    /// The machine has no power.
    #[error("{0} is switched off")]
    Off(String),
}

impl Error {
    /// An input or output error, with what was being done.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// A refusal by a machine.
    pub(crate) fn agent(machine: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Agent { machine: machine.into(), why: why.into() }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
