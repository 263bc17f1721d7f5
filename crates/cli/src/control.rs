//! The operator's end of the control socket: one request, and the answers as they come.
//!
//! It decides nothing; what an answer means to whom is each subcommand's business.

use core::time::Duration;
use standfast_api::control::{Answer, Ask, CONTROL_VERSION, Request};
use std::io::{self, BufRead, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// A daemon that works answers a question in milliseconds. One that is stopped or hangs never does, which a monitor has to
/// hear before it gives up on us: after a minute, as a rule.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug)]
pub enum Trouble {
    /// Nobody listens there.
    NoDaemon {
        /// The socket.
        at: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
    /// We may not ask.
    Denied,
    /// The answers ended, or are none.
    Broken(String),
}

impl core::fmt::Display for Trouble {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoDaemon { at, error } => {
                let why = if error.kind() == io::ErrorKind::NotFound {
                    "there is no such socket".to_owned()
                } else if error.kind() == io::ErrorKind::ConnectionRefused {
                    "nobody listens there any more".to_owned()
                } else {
                    error.to_string()
                };
                write!(
                    f,
                    "no daemon answers at {}: {why}; `systemctl status standfast` tells of the service",
                    at.display()
                )
            }
            Self::Denied => f.write_str("not allowed to ask the daemon: be root, or a member of the group standfast"),
            Self::Broken(text) => write!(f, "the daemon gave no answer: {text}"),
        }
    }
}

/// Answers to one request.
#[derive(Debug)]
pub struct Conversation {
    reader: BufReader<UnixStream>,
}

impl Conversation {
    /// Asks the daemon that listens on this socket.
    ///
    /// # Errors
    ///
    /// See [`Trouble`].
    pub fn begin(socket: &Path, request: Request) -> Result<Self, Trouble> {
        let mut stream = UnixStream::connect(socket).map_err(|error| {
            let denied = error.kind() == io::ErrorKind::PermissionDenied;
            if denied { Trouble::Denied } else { Trouble::NoDaemon { at: socket.to_owned(), error } }
        })?;
        let ask = Ask { version: CONTROL_VERSION, request };
        let line = serde_json::to_string(&ask).map_err(|error| Trouble::Broken(error.to_string()))?;
        stream.write_all(format!("{line}\n").as_bytes()).map_err(|error| Trouble::Broken(error.to_string()))?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    /// The same conversation; each answer has to come in this time, which is not zero.
    ///
    /// # Errors
    ///
    /// The socket does not take the limit.
    pub fn within(self, time: Duration) -> Result<Self, Trouble> {
        self.reader.get_ref().set_read_timeout(Some(time)).map_err(|error| Trouble::Broken(error.to_string()))?;
        Ok(self)
    }

    /// The next answer.
    ///
    /// # Errors
    ///
    /// See [`Trouble`].
    pub fn answer(&mut self) -> Result<Answer, Trouble> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => Err(Trouble::Broken("it closed the connection".to_owned())),
            Ok(_) => serde_json::from_str(&line).map_err(|error| Trouble::Broken(error.to_string())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(Trouble::Broken("not in time".to_owned())),
            Err(error) => Err(Trouble::Broken(error.to_string())),
        }
    }
}
