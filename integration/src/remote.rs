//! The way to a machine's agent: opens connections, makes one request on each. Owns the time limits of the conversation;
//! knows nothing about what the machines are for.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::agent::protocol::{CHUNK, Frame, Request};
use crate::agent::stream::Stream;

/// How long a connection to a director's agent may take: the cable is one hop of one bridge, and its kernel answers
/// unless it is frozen.
const CONNECT: Duration = Duration::from_secs(5);

/// How to reach an agent.
#[derive(Clone, Debug)]
pub(crate) enum Route {
    /// Through a socket in the lab's directory.
    Socket(PathBuf),
    /// Through a TCP connection that the wires open on the lab's side.
    Through {
        /// The wires' own socket.
        wires: PathBuf,
        /// Where the agent listens.
        to: SocketAddr,
    },
}

impl Route {
    fn open(&self) -> Result<Stream, String> {
        match self {
            Self::Socket(path) => open_socket(path),
            Self::Through { wires, to } => {
                let within_millis = u64::try_from(CONNECT.as_millis()).unwrap_or(u64::MAX);
                let mut stream = open_socket(wires)?;
                // The wires answer a little after their own limit at the latest.
                ask(&mut stream, &Request::Connect { to: *to, within_millis }, CONNECT.saturating_mul(2))?;
                Ok(stream)
            }
        }
    }

    /// Makes a request and waits at most `limit` for the answer, a process id or zero. The connection then carries
    /// what belongs to the request, without a limit.
    pub(crate) fn request(&self, request: &Request, limit: Duration) -> Result<(Stream, u32), String> {
        let mut stream = self.open()?;
        let pid = ask(&mut stream, request, limit)?;
        stream.set_read_timeout(None).map_err(|error| error.to_string())?;
        Ok((stream, pid))
    }

    /// Writes a file on the machine, and waits until it is on its disk.
    pub(crate) fn put(&self, path: &Path, mode: u32, bytes: &[u8], limit: Duration) -> Result<(), String> {
        let mut stream = self.open()?;
        let sent: io::Result<()> = (|| {
            stream.set_read_timeout(Some(limit))?;
            Frame::Request(Request::Put { path: path.to_owned(), mode }).write(&mut stream)?;
            for chunk in bytes.chunks(CHUNK) {
                Frame::Data(chunk.to_vec()).write(&mut stream)?;
            }
            Frame::End.write(&mut stream)?;
            stream.flush()
        })();
        // When the machine refuses it closes early, and its answer says more than the broken pipe.
        match (answer(&mut stream), sent) {
            (Ok(_), Ok(())) => Ok(()),
            (Ok(_), Err(error)) => Err(error.to_string()),
            (Err(why), _) => Err(why),
        }
    }

    /// Reads a file of the machine, of at most `limit_bytes`.
    pub(crate) fn get(&self, path: &Path, limit_bytes: usize, limit: Duration) -> Result<Vec<u8>, String> {
        let (mut stream, _) = self.request(&Request::Get { path: path.to_owned() }, limit)?;
        stream.set_read_timeout(Some(limit)).map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        loop {
            match Frame::read(&mut stream).map_err(|error| error.to_string())? {
                Some(Frame::Data(more)) if bytes.len() + more.len() <= limit_bytes => bytes.extend_from_slice(&more),
                Some(Frame::Data(_)) => return Err(format!("more than {limit_bytes} bytes")),
                Some(Frame::End) => return Ok(bytes),
                Some(_) | None => return Err("the file broke off".to_owned()),
            }
        }
    }
}

fn open_socket(path: &Path) -> Result<Stream, String> {
    UnixStream::connect(path).map(Stream::Unix).map_err(|error| format!("no agent answers: {error}"))
}

fn ask(stream: &mut Stream, request: &Request, limit: Duration) -> Result<u32, String> {
    stream.set_read_timeout(Some(limit)).map_err(|error| error.to_string())?;
    Frame::Request(request.clone()).write(stream).map_err(|error| error.to_string())?;
    answer(stream)
}

fn answer(stream: &mut Stream) -> Result<u32, String> {
    match Frame::read(stream) {
        Ok(Some(Frame::Reply(reply))) => reply,
        Ok(Some(_)) => Err("the agent talks nonsense".to_owned()),
        Ok(None) => Err("the connection ended".to_owned()),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            Err("no answer in time".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}
