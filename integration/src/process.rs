//! Programs that run on the lab's machines, and how they ended. Owns the connection to the machine's agent
//! and everything the program has written; what is written stays readable when the machine loses power.

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

pub use crate::agent::protocol::Exit;
use crate::agent::protocol::{CHUNK, Frame, Request};
use crate::agent::stream::Stream;
use crate::clock::Moment;
use crate::command::{Command, USUAL_LIMIT};
use crate::error::{Error, Result};
use crate::remote::Route;

/// How much of a program's output is kept, in bytes: enough for a capture of a whole test, and far from what would hurt
/// the machine that runs it. What comes later is dropped, and the log says so.
const OUTPUT_LIMIT: usize = 64 << 20;

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(0) => f.write_str("succeeded"),
            Self::Status(status) => write!(f, "failed with status {status}"),
            Self::Signal(signal) => write!(f, "was killed by signal {signal}"),
        }
    }
}

/// A command that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How.
    pub exit: Exit,
    /// What it wrote on its standard output.
    pub stdout: String,
    /// What it wrote on its standard error.
    pub stderr: String,
}

impl Finished {
    /// Whether it returned zero.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.exit == Exit::Status(0)
    }
}

/// A running program. Clones are handles to the same one; dropping them leaves it running until its machine goes.
#[derive(Clone, Debug)]
pub struct Process {
    machine: String,
    shown: String,
    pid: u32,
    writer: Arc<Mutex<Stream>>,
    record: Arc<Record>,
}

#[derive(Debug, Default)]
struct Record {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Both outputs in the order of arrival.
    written: Vec<u8>,
    /// Where a change of output lies in `written`: up to the first number, it is the named output's.
    pieces: Vec<(usize, Output)>,
    truncated: bool,
    /// How far [`Process::wait_for`] has read.
    read: usize,
    end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Standard,
    Error,
}

#[derive(Clone, Debug)]
enum End {
    Exit(Exit),
    Lost(String),
}

impl Process {
    pub(crate) fn start(machine: &str, route: &Route, command: &Command) -> Result<Self> {
        let Command { exec, shown, input, .. } = command;
        let failed = |why: String| Error::agent(machine, format!("`{shown}`: {why}"));
        let (stream, pid) =
            route.request(&Request::Exec(exec.clone()), command.limit().max(USUAL_LIMIT)).map_err(&failed)?;
        let clone = |stream: &Stream| stream.try_clone().map_err(|error| failed(error.to_string()));
        let process = Self {
            machine: machine.to_owned(),
            shown: shown.clone(),
            pid,
            writer: Arc::new(Mutex::new(clone(&stream)?)),
            record: Arc::default(),
        };
        let record = Arc::clone(&process.record);
        thread::Builder::new()
            .name(format!("log of {machine}"))
            .spawn(move || record.keep(stream))
            .map_err(|error| failed(error.to_string()))?;
        for chunk in input.chunks(CHUNK) {
            process.send(&Frame::Stdin(chunk.to_vec()))?;
        }
        if exec.terminal.is_none() {
            process.send(&Frame::StdinEnd)?;
        }
        Ok(process)
    }

    /// Its process id, as its machine counts.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.pid
    }

    /// The command, as it was given.
    #[must_use]
    pub fn command(&self) -> &str {
        &self.shown
    }

    /// Everything it has written so far, on both outputs, in the order of arrival.
    #[must_use]
    pub fn log(&self) -> String {
        let state = self.record.lock();
        let mut log = String::from_utf8_lossy(&state.written).into_owned();
        if state.truncated {
            log.push_str("\n... and more than the lab keeps\n");
        }
        log
    }

    /// What it has written so far on its standard output, in bytes.
    #[must_use]
    pub fn stdout(&self) -> Vec<u8> {
        self.record.lock().of(Output::Standard)
    }

    /// Waits until it writes `text`, and moves past it: the next call looks at what comes after. Returns the moment at
    /// which the text was seen, a few milliseconds late at most.
    ///
    /// # Errors
    /// It did not within `limit`, or ended first.
    pub fn wait_for(&self, text: &str, limit: Duration) -> Result<Moment> {
        let deadline = Moment::now().after(limit);
        let mut state = self.record.lock();
        loop {
            if let Some(past) = state.find(text) {
                state.read = past;
                return Ok(Moment::now());
            }
            if let Some(end) = &state.end {
                let why = format!("`{}` {end} before it wrote {text:?}; it had written:\n{}", self.shown, state.tail());
                return Err(Error::agent(&self.machine, why));
            }
            let left = deadline.remaining();
            if left.is_zero() {
                return Err(Error::TimedOut {
                    what: format!("`{}` on {} wrote {text:?}", self.shown, self.machine),
                    limit,
                    last: format!("; it had written:\n{}", state.tail()),
                });
            }
            state = self.record.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Moves past everything it has written so far: the next [`Self::wait_for`] looks at what comes after.
    pub fn skip(&self) {
        let mut state = self.record.lock();
        state.read = state.written.len();
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.record.lock().end.is_none()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It has not ended within `limit`, or its machine went away.
    pub fn wait(&self, limit: Duration) -> Result<Exit> {
        let deadline = Moment::now().after(limit);
        let mut state = self.record.lock();
        loop {
            match &state.end {
                Some(End::Exit(exit)) => return Ok(*exit),
                Some(End::Lost(why)) => {
                    return Err(Error::agent(&self.machine, format!("`{}`: {why}", self.shown)));
                }
                None => {}
            }
            let left = deadline.remaining();
            if left.is_zero() {
                return Err(Error::TimedOut {
                    what: format!("`{}` on {} ended", self.shown, self.machine),
                    limit,
                    last: format!("; it had written:\n{}", state.tail()),
                });
            }
            state = self.record.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sends a signal, by number, to its process group.
    ///
    /// # Errors
    /// Its machine cannot be reached.
    pub fn signal(&self, number: i32) -> Result<()> {
        self.send(&Frame::Signal(number))
    }

    /// Kills it with SIGKILL and waits until it is dead.
    ///
    /// # Errors
    /// Its machine cannot be reached, or it does not die.
    pub fn kill(&self) -> Result<()> {
        if !self.is_running() {
            return Ok(());
        }
        // It may end by itself in between: then there is nobody to send to, and the wait tells the truth.
        let _ = self.signal(nix::libc::SIGKILL);
        self.wait(USUAL_LIMIT).map(|_| ())
    }

    /// Asks it with SIGTERM to end, and waits for that.
    ///
    /// # Errors
    /// It does not end within `limit`.
    pub fn stop(&self, limit: Duration) -> Result<Exit> {
        if self.is_running() {
            let _ = self.signal(nix::libc::SIGTERM);
        }
        self.wait(limit)
    }

    /// The result of a program that has ended.
    pub(crate) fn finish(&self, limit: Duration) -> Result<Finished> {
        let exit = match self.wait(limit) {
            Ok(exit) => exit,
            Err(error) => {
                let _ = self.kill();
                return Err(error);
            }
        };
        let state = self.record.lock();
        let text = |output| String::from_utf8_lossy(&state.of(output)).into_owned();
        Ok(Finished { exit, stdout: text(Output::Standard), stderr: text(Output::Error) })
    }

    /// The end of the connection, because the machine at its other end has none any more.
    pub(crate) fn lose(&self, why: &str) {
        self.record.end(End::Lost(why.to_owned()));
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).shut_down(Shutdown::Both);
    }

    /// The last lines of its log.
    pub(crate) fn tail(&self) -> String {
        self.record.lock().tail()
    }

    fn send(&self, frame: &Frame) -> Result<()> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        match frame.write(&mut *writer) {
            Ok(()) => Ok(()),
            // A program may end without having read its input, or before a signal reaches it.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(Error::agent(&self.machine, format!("`{}`: {error}", self.shown))),
        }
    }
}

impl Record {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, end: End) {
        self.lock().end.get_or_insert(end);
        self.changed.notify_all();
    }

    fn keep(&self, mut stream: Stream) {
        loop {
            let frame = Frame::read(&mut stream);
            let (output, bytes) = match frame {
                Ok(Some(Frame::Stdout(bytes))) => (Output::Standard, bytes),
                Ok(Some(Frame::Stderr(bytes))) => (Output::Error, bytes),
                Ok(Some(Frame::Exit(exit))) => return self.end(End::Exit(exit)),
                Ok(Some(_)) => return self.end(End::Lost("the agent talks nonsense".to_owned())),
                Ok(None) => return self.end(End::Lost("the connection ended".to_owned())),
                Err(error) => return self.end(End::Lost(error.to_string())),
            };
            self.lock().add(output, &bytes);
            self.changed.notify_all();
        }
    }
}

impl State {
    fn add(&mut self, output: Output, bytes: &[u8]) {
        if self.written.len() + bytes.len() > OUTPUT_LIMIT {
            self.truncated = true;
            return;
        }
        self.written.extend_from_slice(bytes);
        let end = self.written.len();
        match self.pieces.last_mut() {
            Some((last_end, last)) if *last == output => *last_end = end,
            Some(_) | None => self.pieces.push((end, output)),
        }
    }

    fn of(&self, wanted: Output) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut start = 0;
        for (end, output) in &self.pieces {
            if *output == wanted {
                bytes.extend_from_slice(self.written.get(start..*end).unwrap_or_default());
            }
            start = *end;
        }
        bytes
    }

    /// Where `text` ends, if it was written after what was found last.
    fn find(&self, text: &str) -> Option<usize> {
        let fresh = self.written.get(self.read..)?;
        let at = fresh.windows(text.len().max(1)).position(|window| window == text.as_bytes())?;
        Some(self.read + at + text.len())
    }

    fn tail(&self) -> String {
        const LINES: usize = 40;
        let text = String::from_utf8_lossy(&self.written);
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join("\n")
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(exit) => write!(f, "{exit}"),
            Self::Lost(why) => write!(f, "was lost ({why})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_outputs_are_kept_in_order_and_apart() {
        let mut state = State::default();
        state.add(Output::Standard, b"one ");
        state.add(Output::Standard, b"two ");
        state.add(Output::Error, b"oops ");
        state.add(Output::Standard, b"three");
        assert_eq!(state.written, b"one two oops three");
        assert_eq!(state.of(Output::Standard), b"one two three");
        assert_eq!(state.of(Output::Error), b"oops ");
    }

    #[test]
    fn output_beyond_the_limit_is_dropped_and_marked() {
        let mut state = State::default();
        state.add(Output::Standard, &vec![b'x'; OUTPUT_LIMIT]);
        assert!(!state.truncated);
        state.add(Output::Standard, b"y");
        assert!(state.truncated);
        assert_eq!(state.written.len(), OUTPUT_LIMIT);
    }

    #[test]
    fn text_is_found_only_after_what_was_found_before() {
        let mut state = State::default();
        state.add(Output::Error, b"MASTER, BACKUP, MASTER");
        let first = state.find("MASTER").unwrap();
        assert_eq!(first, 6);
        state.read = first;
        assert_eq!(state.find("MASTER"), Some(22));
        state.read = 22;
        assert_eq!(state.find("MASTER"), None);
    }
}
