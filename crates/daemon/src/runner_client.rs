//! A worker's end of its channel to the runner: what the worker wants run, told or watched, and what came of it.
//!
//! It never waits and loses nothing that matters. What was not answered is kept and said again to the runner that the
//! supervisor starts in the place of a dead one: a check that was cut short runs anew, and so does a notification.
//! While there is no runner nothing is answered, so that trouble of our own looks like no failure of what is watched.

use core::time::Duration;
use standfast_api::runner::{
    FromRunner, Line, Mail, Notification, RequestId, RunOutcome, RunRequest, ToRunner, Watch, WatchedProcess,
};
use standfast_api::{decode, encode};
use standfast_kernel::channel::{Channel, Incoming, MAX_MESSAGE_BYTES, SendError};
use standfast_model::Ended;
use standfast_model::config::script::Script;
use standfast_model::config::track::TrackFile;
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use tracing::{debug, warn};

/// Notifications that may wait for an answer: a change of every instance or every server of a large site. Of more the
/// oldest are dropped that a later one of the same subject has made superfluous, else the oldest.
const WAITING_NOTIFICATIONS: usize = 4096;

/// How long a worker that stops waits for room for its last words: the runner reads them within milliseconds.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What the runner says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// A command that was to be run has ended.
    Ended(RunOutcome),
    /// A watched file was read.
    File {
        /// Its place in the list that was to be watched.
        index: u32,
        /// The number in it.
        value: Option<i32>,
    },
    /// Watched processes were counted.
    Processes {
        /// Their place in the list that was to be watched.
        index: u32,
        /// How many run.
        count: u32,
    },
}

#[derive(Debug)]
enum Kind {
    Check,
    Notification { subject: String },
}

#[derive(Debug)]
struct Unanswered {
    bytes: Vec<u8>,
    kind: Kind,
}

/// See the module.
#[derive(Debug, Default)]
pub struct RunnerClient {
    channel: Option<Channel>,
    last: u64,
    unanswered: BTreeMap<RequestId, Unanswered>,
    /// Those of them that this runner has not got yet.
    unsent: VecDeque<RequestId>,
    watch: Option<Vec<u8>>,
    watch_unsent: bool,
    /// How often something was to be watched.
    watches: u32,
    notifications: usize,
    /// The last unanswered notification of each subject.
    latest: BTreeMap<String, RequestId>,
    dropped: u64,
    answers: VecDeque<Answer>,
}

impl RunnerClient {
    /// Without a runner: the supervisor hands over the way to it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on with this runner, which is told everything that the last one has not answered. Needs a runtime.
    pub fn connect(&mut self, end: OwnedFd) {
        match Channel::new(end) {
            Ok(channel) => {
                self.channel = Some(channel);
                self.unsent = self.unanswered.keys().copied().collect();
                self.watch_unsent = self.watch.is_some();
                self.flush();
            }
            Err(error) => warn!("no way to the runner: {error}"),
        }
    }

    /// Has a command run whose end matters; [`Self::next`] brings it. After `deadline` its process group is ended.
    pub fn run(&mut self, script: Script, deadline: Duration) -> RequestId {
        let id = self.new_id();
        let request = ToRunner::Run(RunRequest { id, script, deadline });
        if let Err(why) = self.queue(id, &request, Kind::Check) {
            self.answers.push_back(Answer::Ended(RunOutcome { id, ended: Ended::NotRun(why), output: String::new() }));
        }
        self.flush();
        id
    }

    /// Tells the world of something. What is told of one subject is told in order.
    pub fn notify(&mut self, subject: &str, scripts: Vec<Script>, line: Option<Line>, mail: Option<Mail>) {
        if scripts.is_empty() && line.is_none() && mail.is_none() {
            return;
        }
        let id = self.new_id();
        let subject = subject.to_owned();
        let request = ToRunner::Notify(Notification { id, subject: subject.clone(), scripts, line, mail });
        match self.queue(id, &request, Kind::Notification { subject: subject.clone() }) {
            Ok(()) => {
                self.notifications += 1;
                self.latest.insert(subject, id);
                self.make_room();
            }
            Err(why) => warn!("nobody is notified of {subject}: {why}"),
        }
        self.flush();
    }

    /// Has these watched from now on, and nothing else. Every value comes once, and again when it changes.
    pub fn watch(&mut self, files: Vec<TrackFile>, processes: Vec<WatchedProcess>) {
        self.watches = self.watches.wrapping_add(1);
        let stale = |answer: &Answer| matches!(answer, Answer::File { .. } | Answer::Processes { .. });
        self.answers.retain(|answer| !stale(answer));
        match encode(&ToRunner::Watch(Watch { serial: self.watches, files, processes })) {
            Ok(bytes) if bytes.len() <= MAX_MESSAGE_BYTES => {
                self.watch = Some(bytes);
                self.watch_unsent = self.channel.is_some();
                self.flush();
            }
            Ok(bytes) => warn!("files and processes are not watched: their list is too long, {} bytes", bytes.len()),
            Err(error) => warn!("files and processes are not watched: {error}"),
        }
    }

    /// Waits for what the runner says. Cancel-safe, so it can stand in a `select!`; it also sends what waits.
    pub async fn next(&mut self) -> Answer {
        loop {
            self.flush();
            if let Some(answer) = self.answers.pop_front() {
                return answer;
            }
            let Some(channel) = &self.channel else { return core::future::pending().await };
            let waiting = self.watch_unsent || !self.unsent.is_empty();
            tokio::select! {
                incoming = channel.receive() => match incoming {
                    Ok(Incoming::Message(message)) => match decode(&message.bytes) {
                        Ok(message) => self.take(message),
                        Err(error) => warn!("runner sent what is no message: {error}"),
                    },
                    Ok(Incoming::Closed) => self.lost("it has gone"),
                    Err(error) => self.lost(&error.to_string()),
                },
                // An error means that the runtime ends, which ends this loop as well.
                _ = channel.writable(), if waiting => {}
            }
        }
    }

    /// Waits until everything is on its way to the runner, for a worker that is about to end; half a second at most.
    pub async fn last_words(&mut self) {
        let said = tokio::time::timeout(LAST_WORDS, async {
            loop {
                self.flush();
                let Some(channel) = self.channel.as_ref().filter(|_| !self.unsent.is_empty()) else { return };
                if channel.writable().await.is_err() {
                    return;
                }
            }
        });
        if said.await.is_err() {
            warn!("runner does not listen: {} notifications are not told", self.unsent.len());
        }
    }

    fn new_id(&mut self) -> RequestId {
        self.last += 1;
        RequestId(self.last)
    }

    fn queue(&mut self, id: RequestId, request: &ToRunner, kind: Kind) -> Result<(), String> {
        let bytes = encode(request).map_err(|error| error.to_string())?;
        if bytes.len() > MAX_MESSAGE_BYTES {
            return Err(format!("{} bytes are too many to hand to the runner", bytes.len()));
        }
        self.unanswered.insert(id, Unanswered { bytes, kind });
        if self.channel.is_some() {
            self.unsent.push_back(id);
        }
        Ok(())
    }

    /// Drops a notification if there are too many.
    fn make_room(&mut self) {
        if self.notifications <= WAITING_NOTIFICATIONS {
            return;
        }
        let mut oldest = None;
        let superfluous = self.unanswered.iter().find_map(|(id, request)| match &request.kind {
            Kind::Notification { subject } => {
                oldest.get_or_insert(*id);
                (self.latest.get(subject) != Some(id)).then_some(*id)
            }
            Kind::Check => None,
        });
        if let Some(id) = superfluous.or(oldest) {
            self.dropped += 1;
            // Once per power of two: whoever floods us must not fill the log as well.
            if self.dropped.is_power_of_two() {
                warn!("too many notifications wait: {} dropped so far, the latest of each subject last", self.dropped);
            }
            self.forget(id);
        }
    }

    fn forget(&mut self, id: RequestId) -> bool {
        let Some(request) = self.unanswered.remove(&id) else { return false };
        self.unsent.retain(|unsent| *unsent != id);
        if let Kind::Notification { subject } = &request.kind {
            self.notifications -= 1;
            if self.latest.get(subject) == Some(&id) {
                self.latest.remove(subject);
            }
        }
        true
    }

    fn take(&mut self, message: FromRunner) {
        match message {
            FromRunner::Ended(outcome) => {
                if self.forget(outcome.id) {
                    self.answers.push_back(Answer::Ended(outcome));
                }
            }
            FromRunner::Told(id) => {
                self.forget(id);
            }
            FromRunner::File { watch, index, value } if watch == self.watches => {
                self.answers.push_back(Answer::File { index, value });
            }
            FromRunner::Processes { watch, index, count } if watch == self.watches => {
                self.answers.push_back(Answer::Processes { index, count });
            }
            // Of what was watched before.
            FromRunner::File { .. } | FromRunner::Processes { .. } => {}
        }
    }

    fn lost(&mut self, why: &str) {
        warn!("channel to the runner is closed: {why}; scripts wait until it is back");
        self.channel = None;
        self.unsent.clear();
        self.watch_unsent = false;
    }

    fn flush(&mut self) {
        let Some(channel) = &self.channel else { return };
        if self.watch_unsent
            && let Some(watch) = &self.watch
        {
            match channel.send(watch, &[]) {
                Ok(()) => self.watch_unsent = false,
                Err(error) => return debug_unless_full(&error),
            }
        }
        while let Some(id) = self.unsent.front() {
            let Some(request) = self.unanswered.get(id) else {
                self.unsent.pop_front();
                continue;
            };
            match channel.send(&request.bytes, &[]) {
                Ok(()) => self.unsent.pop_front(),
                // What broke shows when the channel is next read.
                Err(error) => return debug_unless_full(&error),
            };
        }
    }
}

fn debug_unless_full(error: &SendError) {
    if !matches!(error, SendError::Full) {
        debug!("runner not told: {error}");
    }
}

#[cfg(test)]
mod tests;
