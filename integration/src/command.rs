//! What is to be run on one of the lab's machines: words, environment, input and a limit. Running it is `process`'s
//! business.

use std::fmt;
use std::time::Duration;

use crate::agent::protocol::{Exec, Place};

/// How long a command of [`crate::Machine::run`] may take when the command itself does not say. A fork alone can cost a
/// quarter of a second in a director's kernel.
pub(crate) const USUAL_LIMIT: Duration = Duration::from_secs(20);

/// A program with its arguments, or a line for the shell.
///
/// ```
/// # use lab::Command;
/// let line = Command::from("ip -4 address | grep 192.168.1.200");
/// let exact = Command::from(["ping", "-c", "1", "10.0.100.200"]);
/// assert_eq!(exact.to_string(), "ping -c 1 10.0.100.200");
/// assert_eq!(line.to_string(), "ip -4 address | grep 192.168.1.200");
/// ```
#[derive(Clone, Debug)]
pub struct Command {
    pub(crate) exec: Exec,
    pub(crate) shown: String,
    pub(crate) input: Vec<u8>,
    limit: Duration,
}

impl Command {
    fn new(argv: Vec<String>, shown: String) -> Self {
        let env = vec![
            ("PATH".to_owned(), crate::agent::PATH.to_owned()),
            ("HOME".to_owned(), "/root".to_owned()),
            ("LC_ALL".to_owned(), "C.UTF-8".to_owned()),
        ];
        Self { exec: Exec { argv, env, ..Exec::default() }, shown, input: Vec::new(), limit: USUAL_LIMIT }
    }

    /// Adds a variable to its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.exec.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives it `text` on its standard input. Without this its input is empty.
    #[must_use]
    pub fn input(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.input = text.into();
        self
    }

    /// How long it may take before it is killed and counts as failed. 20 seconds unless told.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Its nice level, -20 (first in line) to 19.
    #[must_use]
    pub fn nice(mut self, level: i32) -> Self {
        self.exec.nice = Some(level);
        self
    }

    /// What it is called in logs and errors, instead of its words.
    pub(crate) fn called(mut self, name: &str) -> Self {
        name.clone_into(&mut self.shown);
        self
    }

    pub(crate) fn at(mut self, place: Place) -> Self {
        self.exec.place = place;
        self
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }
}

impl From<&str> for Command {
    fn from(line: &str) -> Self {
        Self::new(vec!["/bin/sh".to_owned(), "-c".to_owned(), line.to_owned()], line.to_owned())
    }
}

impl From<String> for Command {
    fn from(line: String) -> Self {
        Self::from(line.as_str())
    }
}

impl From<&String> for Command {
    fn from(line: &String) -> Self {
        Self::from(line.as_str())
    }
}

impl From<Vec<String>> for Command {
    fn from(argv: Vec<String>) -> Self {
        let shown = argv.join(" ");
        Self::new(argv, shown)
    }
}

impl<const N: usize> From<[&str; N]> for Command {
    fn from(argv: [&str; N]) -> Self {
        Self::from(argv.map(str::to_owned).to_vec())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}
