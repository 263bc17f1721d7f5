//! The session with a master agent: bytes in, bytes out, and what is due when.
//!
//! Whoever has the connection feeds [`Session::received`] and calls [`Session::process`] until nothing happens, writes
//! what [`Session::take_output`] gives, and calls [`Session::wake`] when it is time. One message is answered at a time,
//! one of ours waits for its answer at a time, and everything that could grow has a limit: a master agent that is
//! silent, slow or talks nonsense ends the session and nothing else.

mod answer;

use crate::Oid;
use crate::mib::Mib;
use crate::pdu::{
    Body, CloseReason, DEFAULT_PRIORITY, DecodeError, Envelope, HEADER_BYTES, Header, MAX_PAYLOAD_BYTES, Pdu, VarBind,
    error,
};
use core::fmt;
use core::time::Duration;
use standfast_model::Instant;
use std::collections::VecDeque;

/// How long after the end of a session, or after an attempt that failed, the next is begun, as with keepalived.
pub const RECONNECT_AFTER: Duration = Duration::from_secs(15);

/// How long the master agent may take to answer. It is one process that asks all others in turn, some of them slow.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// After so much silence we ask whether the master agent is there.
pub const PING_AFTER: Duration = Duration::from_secs(15);

/// Notifications that wait: a change of every instance of a large site. Older ones give way.
pub const NOTIFICATIONS: usize = 1024;

/// What waits to be read, at most: one message of the longest kind.
const MAX_INPUT_BYTES: usize = HEADER_BYTES + MAX_PAYLOAD_BYTES;

/// Who we are and what we answer for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// In words.
    pub description: String,
    /// The parts.
    pub subtrees: Vec<Oid>,
}

/// Why a session is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    /// The master agent said so.
    Closed(CloseReason),
    /// It did not want it: the number of its error.
    Refused(u16),
    /// It did not answer.
    Silent,
    /// It said what is none of AgentX.
    Nonsense(DecodeError),
    /// It said more than was read.
    TooMuch,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(reason) => write!(f, "the master agent closed the session: {reason}"),
            Self::Refused(error) => write!(f, "the master agent refused the session with error {error}"),
            Self::Silent => write!(f, "the master agent did not answer within {} s", ANSWER_WITHIN.as_secs()),
            Self::Nonsense(error) => write!(f, "the master agent does not speak AgentX: {error}"),
            Self::TooMuch => f.write_str("the master agent sends more than is read"),
        }
    }
}

/// What a message brought about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Happened {
    /// It was dealt with.
    Nothing,
    /// The session is there and everything that was not refused is registered.
    Established,
    /// This part is not ours: somebody else has it, or the master agent does not let us.
    Unregistered {
        /// Which.
        subtree: Oid,
        /// The error.
        error: u16,
    },
    /// These are to be set; whoever does it says [`Session::committed`].
    Commit(Vec<VarBind>),
}

/// A message of ours that waits for its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Asked {
    packet: u32,
    until: Instant,
    what: Question,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Question {
    Open,
    Register(usize),
    Notify,
    Ping,
}

/// What a manager wants to set.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Wanted {
    transaction: u32,
    objects: Vec<VarBind>,
}

/// See the module.
#[derive(Debug)]
pub struct Session {
    identity: Identity,
    /// Zero before the master agent has given one.
    number: u32,
    packets: u32,
    input: Vec<u8>,
    output: Vec<u8>,
    asked: Option<Asked>,
    /// The next part to be registered.
    next: usize,
    established: bool,
    notifications: VecDeque<Vec<VarBind>>,
    dropped: u64,
    wanted: Option<Wanted>,
    /// Who waits for [`Self::committed`].
    committing: Option<Header>,
    heard: Instant,
    ended: Option<Ended>,
}

impl Session {
    /// A session on a new connection; its first message is there to be sent.
    #[must_use]
    pub fn begin(identity: Identity, now: Instant) -> Self {
        let mut session = Self {
            identity,
            number: 0,
            packets: 0,
            input: Vec::new(),
            output: Vec::new(),
            asked: None,
            next: 0,
            established: false,
            notifications: VecDeque::new(),
            dropped: 0,
            wanted: None,
            committing: None,
            heard: now,
            ended: None,
        };
        let description = session.identity.description.clone();
        // How long an answer of ours may take is the master agent's to say.
        session.ask(now, Question::Open, Body::Open { timeout: 0, id: Oid::default(), description });
        session
    }

    /// Why it is over, if it is.
    #[must_use]
    pub const fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// Notifications that gave way to newer ones.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// What is to be written.
    #[must_use]
    pub fn take_output(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.output)
    }

    /// How many more bytes may be read now: none while a message waits to be dealt with.
    #[must_use]
    pub fn room(&self) -> usize {
        MAX_INPUT_BYTES.saturating_sub(self.input.len())
    }

    /// Bytes have come.
    pub fn received(&mut self, bytes: &[u8]) {
        if bytes.len() > self.room() {
            self.ended = Some(Ended::TooMuch);
            return;
        }
        self.input.extend_from_slice(bytes);
    }

    /// Whether the next message asks for the value of an object: who keeps values brings them up to date first.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        let Ok(Some(envelope)) = self.envelope() else { return false };
        matches!(envelope.kind, 5..=8) && self.input.len() >= HEADER_BYTES + envelope.payload_bytes
    }

    fn envelope(&self) -> Result<Option<Envelope>, DecodeError> {
        self.input.first_chunk().map(Envelope::read).transpose()
    }

    /// Deals with the next message. None is that there is none, or that one must wait.
    pub fn process(&mut self, now: Instant, mib: &dyn Mib) -> Option<Happened> {
        if self.ended.is_some() || self.committing.is_some() {
            return None;
        }
        let envelope = match self.envelope() {
            Ok(envelope) => envelope?,
            Err(error) => {
                self.ended = Some(Ended::Nonsense(error));
                return None;
            }
        };
        let end = HEADER_BYTES + envelope.payload_bytes;
        let payload = self.input.get(HEADER_BYTES..end)?.to_vec();
        self.input.drain(..end);
        self.heard = now;
        let happened = match Pdu::read(&envelope, &payload) {
            Ok(pdu) => self.take(now, pdu, mib),
            Err(problem) => {
                self.misread(&envelope, problem);
                Happened::Nothing
            }
        };
        self.go_on(now);
        Some(happened)
    }

    /// A message that is none is answered so, unless it is itself an answer.
    fn misread(&mut self, envelope: &Envelope, problem: DecodeError) {
        let code = match problem {
            DecodeError::Context => error::UNSUPPORTED_CONTEXT,
            DecodeError::Version(_)
            | DecodeError::Kind(_)
            | DecodeError::Length(_)
            | DecodeError::Short
            | DecodeError::Long
            | DecodeError::Oid
            | DecodeError::Value(_) => error::PARSE_ERROR,
        };
        match envelope.kind {
            5..=10 => self.respond(envelope.header, code, 0, Vec::new()),
            _ => self.ended = Some(Ended::Nonsense(problem)),
        }
    }

    fn take(&mut self, now: Instant, pdu: Pdu, mib: &dyn Mib) -> Happened {
        let Pdu { header, body } = pdu;
        match body {
            Body::Response { uptime: _, error, index: _, objects: _ } => self.answered(now, header, error),
            Body::Close(reason) => {
                self.ended = Some(Ended::Closed(reason));
                Happened::Nothing
            }
            Body::Get(_)
            | Body::GetNext(_)
            | Body::GetBulk { .. }
            | Body::TestSet(_)
            | Body::CommitSet
            | Body::UndoSet
            | Body::CleanupSet
                if self.number == 0 || header.session != self.number =>
            {
                self.respond(header, error::NOT_OPEN, 0, Vec::new());
                Happened::Nothing
            }
            Body::Get(_)
            | Body::GetNext(_)
            | Body::GetBulk { .. }
            | Body::TestSet(_)
            | Body::CommitSet
            | Body::UndoSet
            | Body::CleanupSet => self.requested(header, body, mib),
            // These are for a master agent.
            Body::Open { .. }
            | Body::Register { .. }
            | Body::Unregister { .. }
            | Body::Notify(_)
            | Body::Ping
            | Body::Foreign(_) => {
                self.respond(header, error::PROCESSING_ERROR, 0, Vec::new());
                Happened::Nothing
            }
        }
    }

    fn answered(&mut self, now: Instant, header: Header, code: u16) -> Happened {
        // An answer to nothing is no reason for anything.
        let Some(asked) = self.asked.take_if(|asked| asked.packet == header.packet) else { return Happened::Nothing };
        match asked.what {
            Question::Open if code != error::NO_ERROR || header.session == 0 => {
                self.ended = Some(Ended::Refused(code));
            }
            Question::Open => {
                self.number = header.session;
                self.register(now);
            }
            Question::Register(place) => {
                self.register(now);
                if code != error::NO_ERROR {
                    // Of the last part too: the session is there for the others.
                    self.established = self.asked.is_none();
                    let subtree = self.identity.subtrees.get(place).cloned().unwrap_or_default();
                    return Happened::Unregistered { subtree, error: code };
                }
            }
            // One that has forgotten us is begun with anew.
            Question::Notify | Question::Ping if code == error::NOT_OPEN => self.ended = Some(Ended::Refused(code)),
            Question::Notify | Question::Ping => {}
        }
        if self.asked.is_none() && !self.established && self.ended.is_none() {
            self.established = true;
            return Happened::Established;
        }
        Happened::Nothing
    }

    fn register(&mut self, now: Instant) {
        if let Some(subtree) = self.identity.subtrees.get(self.next).cloned() {
            let what = Question::Register(self.next);
            self.next += 1;
            self.ask(now, what, Body::Register { timeout: 0, priority: DEFAULT_PRIORITY, subtree });
        }
    }

    fn ask(&mut self, now: Instant, what: Question, body: Body) {
        self.packets = self.packets.wrapping_add(1);
        let header = Header { session: self.number, transaction: self.packets, packet: self.packets };
        self.asked = Some(Asked { packet: self.packets, until: now + ANSWER_WITHIN, what });
        Pdu { header, body }.encode(&mut self.output);
    }

    fn respond(&mut self, header: Header, code: u16, index: u16, objects: Vec<VarBind>) {
        let mut bytes = Vec::new();
        Pdu { header, body: Body::Response { uptime: 0, error: code, index, objects } }.encode(&mut bytes);
        if bytes.len() > MAX_INPUT_BYTES {
            bytes.clear();
            let body = Body::Response { uptime: 0, error: error::TOO_BIG, index: 0, objects: Vec::new() };
            Pdu { header, body }.encode(&mut bytes);
        }
        self.output.append(&mut bytes);
    }

    /// Something happened that whoever listens for notifications is to know: `objects` from `snmpTrapOID` on.
    pub fn notify(&mut self, now: Instant, objects: Vec<VarBind>) {
        if self.notifications.len() >= NOTIFICATIONS {
            self.notifications.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
        self.notifications.push_back(objects);
        self.go_on(now);
    }

    /// Whether every notification has been sent and answered.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.notifications.is_empty() && self.asked.is_none()
    }

    /// Sends the next of ours, if none waits for its answer.
    fn go_on(&mut self, now: Instant) {
        if !self.established || self.asked.is_some() || self.ended.is_some() {
            return;
        }
        if let Some(objects) = self.notifications.pop_front() {
            self.ask(now, Question::Notify, Body::Notify(objects));
        }
    }

    /// What [`Happened::Commit`] asked for has been done, or could not be.
    pub fn committed(&mut self, done: bool) {
        if let Some(header) = self.committing.take() {
            let code = if done { error::NO_ERROR } else { error::COMMIT_FAILED };
            self.respond(header, code, if done { 0 } else { 1 }, Vec::new());
        }
    }

    /// Says that we go. Nothing is waited for.
    pub fn close(&mut self) {
        if self.number != 0 && self.ended.is_none() {
            self.packets = self.packets.wrapping_add(1);
            let header = Header { session: self.number, transaction: self.packets, packet: self.packets };
            Pdu { header, body: Body::Close(CloseReason::Shutdown) }.encode(&mut self.output);
        }
    }

    /// When [`Self::wake`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        self.asked.map_or(self.heard + PING_AFTER, |asked| asked.until)
    }

    /// Does what is due.
    pub fn wake(&mut self, now: Instant) {
        match self.asked {
            Some(asked) if asked.until <= now => self.ended = Some(Ended::Silent),
            Some(_) => {}
            None if self.heard + PING_AFTER <= now => self.ask(now, Question::Ping, Body::Ping),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;
