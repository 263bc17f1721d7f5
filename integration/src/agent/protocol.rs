//! What the lab and an agent say to each other: one request on one connection, as frames of kind, length and payload.
//! Owns the encoding and its limits; opens no connection.
//!
//! A connection carries exactly one request. [`Frame::Reply`] answers it; what follows depends on the request and is told
//! there. Both ends are built from the same source, so there is no version to negotiate.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The longest payload of a frame in bytes. A request is a few hundred bytes; output and files travel in chunks far
/// below this.
pub(crate) const MAX_PAYLOAD: usize = 1 << 20;

/// The chunk in which output and files travel, in bytes: one pipe's worth.
pub(crate) const CHUNK: usize = 64 << 10;

/// What the lab asks of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Run a program. After the reply (its process id) come `Stdout` and `Stderr` frames and at last `Exit`; the other
    /// way go `Stdin`, `StdinEnd`, `Signal` and `Resize`. When the connection ends early the program is killed.
    Exec(Exec),
    /// Write a file (its directory is made): `Data` frames and `End` follow, then the reply comes.
    Put {
        /// Where to.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Read a file: after the reply come `Data` frames and `End`.
    Get {
        /// Where from.
        path: PathBuf,
    },
    /// Open a TCP connection from where the agent lives: after the reply every byte is passed on, both ways.
    Connect {
        /// Where to.
        to: SocketAddr,
        /// How long the connection may take, in milliseconds.
        within_millis: u64,
    },
}

/// A program to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exec {
    /// The program and its arguments; never empty.
    pub(crate) argv: Vec<String>,
    /// Added to the environment.
    pub(crate) env: Vec<(String, String)>,
    /// Where it runs: what is shared with the agent and what is new.
    pub(crate) place: Place,
    /// Give it a terminal of this size instead of pipes.
    pub(crate) terminal: Option<Size>,
    /// The nice level, -20 to 19, or the agent's.
    pub(crate) nice: Option<i32>,
}

/// In which namespaces a program runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Place {
    /// In the agent's.
    #[default]
    Here,
    /// In the network namespace of a director that holds the far ends of its cables.
    Wall,
    /// As the first process of new process and mount namespaces: a kernel's processes, which die as one.
    NewProcesses,
    /// As the first process of new process, mount, network, host name and System V namespaces: a machine.
    NewMachine,
}

/// The size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Size {
    /// Lines.
    pub(crate) rows: u16,
    /// Columns.
    pub(crate) columns: u16,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// It returned this status.
    Status(i32),
    /// This signal killed it.
    Signal(i32),
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// What is asked for.
    Request(Request),
    /// Done, with a process id where there is one, or why not.
    Reply(Result<u32, String>),
    /// What the program wrote on its standard output.
    Stdout(Vec<u8>),
    /// What the program wrote on its standard error.
    Stderr(Vec<u8>),
    /// What the program shall read.
    Stdin(Vec<u8>),
    /// There is no more for it to read.
    StdinEnd,
    /// A signal for the program's process group.
    Signal(i32),
    /// The terminal has a new size.
    Resize(Size),
    /// The program has ended.
    Exit(Exit),
    /// A part of a file.
    Data(Vec<u8>),
    /// The file is complete.
    End,
}

impl Frame {
    fn encode(&self) -> io::Result<(u8, Vec<u8>)> {
        Ok(match self {
            Self::Request(request) => (0, serde_json::to_vec(request)?),
            Self::Reply(reply) => (1, serde_json::to_vec(reply)?),
            Self::Stdout(bytes) => (2, bytes.clone()),
            Self::Stderr(bytes) => (3, bytes.clone()),
            Self::Stdin(bytes) => (4, bytes.clone()),
            Self::StdinEnd => (5, Vec::new()),
            Self::Signal(number) => (6, serde_json::to_vec(number)?),
            Self::Resize(size) => (7, serde_json::to_vec(size)?),
            Self::Exit(exit) => (8, serde_json::to_vec(exit)?),
            Self::Data(bytes) => (9, bytes.clone()),
            Self::End => (10, Vec::new()),
        })
    }

    fn decode(kind: u8, payload: Vec<u8>) -> io::Result<Self> {
        Ok(match kind {
            0 => Self::Request(serde_json::from_slice(&payload)?),
            1 => Self::Reply(serde_json::from_slice(&payload)?),
            2 => Self::Stdout(payload),
            3 => Self::Stderr(payload),
            4 => Self::Stdin(payload),
            5 => Self::StdinEnd,
            6 => Self::Signal(serde_json::from_slice(&payload)?),
            7 => Self::Resize(serde_json::from_slice(&payload)?),
            8 => Self::Exit(serde_json::from_slice(&payload)?),
            9 => Self::Data(payload),
            10 => Self::End,
            unknown => return Err(invalid(format!("a frame of unknown kind {unknown}"))),
        })
    }

    /// Writes the frame in one piece, so that frames of several threads do not mix when each holds the writer's lock.
    ///
    /// # Errors
    /// The payload is longer than [`MAX_PAYLOAD`], or the writer refuses.
    pub(crate) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let (kind, payload) = self.encode()?;
        let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= MAX_PAYLOAD);
        let Some(length) = length else {
            return Err(invalid(format!("a frame of {} bytes", payload.len())));
        };
        let mut bytes = Vec::with_capacity(payload.len() + 5);
        bytes.push(kind);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&payload);
        to.write_all(&bytes)?;
        to.flush()
    }

    /// Reads the next frame; `None` when the connection ended between frames.
    ///
    /// # Errors
    /// The connection ended within a frame, or what came is no frame.
    pub(crate) fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut kind = [0; 1];
        loop {
            match from.read(&mut kind) {
                Ok(0) => return Ok(None),
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > MAX_PAYLOAD {
            return Err(invalid(format!("a frame of {length} bytes")));
        }
        let mut payload = vec![0; length];
        from.read_exact(&mut payload)?;
        let [kind] = kind;
        Self::decode(kind, payload).map(Some)
    }
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_kind() -> Vec<Frame> {
        vec![
            Frame::Request(Request::Exec(Exec {
                argv: vec!["ip".to_owned(), "-batch".to_owned(), "-".to_owned()],
                env: vec![("A".to_owned(), "b".to_owned())],
                place: Place::Wall,
                terminal: Some(Size { rows: 24, columns: 80 }),
                nice: Some(-5),
            })),
            Frame::Request(Request::Put { path: PathBuf::from("/etc/x"), mode: 0o644 }),
            Frame::Request(Request::Get { path: PathBuf::from("/etc/x") }),
            Frame::Request(Request::Connect { to: SocketAddr::from(([10, 0, 0, 1], 7)), within_millis: 50 }),
            Frame::Reply(Ok(17)),
            Frame::Reply(Err("no such file".to_owned())),
            Frame::Stdout(b"out".to_vec()),
            Frame::Stderr(b"err".to_vec()),
            Frame::Stdin(b"in".to_vec()),
            Frame::StdinEnd,
            Frame::Signal(15),
            Frame::Resize(Size { rows: 1, columns: 2 }),
            Frame::Exit(Exit::Status(3)),
            Frame::Exit(Exit::Signal(9)),
            Frame::Data(vec![0, 255]),
            Frame::End,
        ]
    }

    #[test]
    fn every_frame_comes_out_as_it_went_in() {
        let mut bytes = Vec::new();
        for frame in every_kind() {
            frame.write(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        for frame in every_kind() {
            assert_eq!(Frame::read(&mut rest).unwrap(), Some(frame));
        }
        assert_eq!(Frame::read(&mut rest).unwrap(), None);
    }

    #[test]
    fn an_end_within_a_frame_is_an_error_and_not_an_end() {
        let mut bytes = Vec::new();
        Frame::Data(b"four".to_vec()).write(&mut bytes).unwrap();
        for cut in 1..bytes.len() {
            assert!(Frame::read(&mut &bytes[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_frame_beyond_the_limit_is_refused_by_both_ends() {
        assert!(Frame::Data(vec![0; MAX_PAYLOAD + 1]).write(&mut Vec::new()).is_err());
        let mut bytes = vec![9];
        bytes.extend_from_slice(&u32::MAX.to_be_bytes());
        assert!(Frame::read(&mut bytes.as_slice()).is_err());
    }

    #[test]
    fn an_unknown_kind_is_refused() {
        assert!(Frame::read(&mut [11, 0, 0, 0, 0].as_slice()).is_err());
    }
}
