//! What goes over a channel between the `runner` and a worker that has something for it to run, to watch or to tell.
//!
//! The worker asks and never waits: an answer comes when there is one. Notifications have no answer but that they were
//! dealt with, so that a worker knows what to say again to a runner that was restarted.

use core::time::Duration;
use serde::{Deserialize, Serialize};
use standfast_model::Ended;
use standfast_model::config::script::Script;
use standfast_model::config::track::{ProcessMatch, TrackFile, TrackProcess};

/// What of a script's output is kept: enough for the reason of a failure, and small in a message.
pub const MAX_OUTPUT_BYTES: usize = 1024;

/// Which request, counted by the worker that made it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// From a worker to the runner.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ToRunner {
    /// Run a command whose end matters; answered with [`FromRunner::Ended`].
    Run(RunRequest),
    /// Tell the world of something; answered with [`FromRunner::Told`].
    Notify(Notification),
    /// Watch these from now on, and nothing that was asked for before. Answered with the value of each, and again
    /// when one changes.
    Watch(Watch),
}

/// A command whose end matters: of a track script or a checker.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunRequest {
    /// For the answer.
    pub id: RequestId,
    /// What runs, and as whom.
    pub script: Script,
    /// After so long its whole process group is ended.
    pub deadline: Duration,
}

/// What came of a [`RunRequest`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunOutcome {
    /// Of the request.
    pub id: RequestId,
    /// How it ended.
    pub ended: Ended,
    /// The beginning of what it wrote to standard output and standard error, at most [`MAX_OUTPUT_BYTES`].
    pub output: String,
}

/// Something happened that scripts, readers of a FIFO and mail are to tell.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Notification {
    /// For the answer.
    pub id: RequestId,
    /// Whom it is about. What is told of one subject is told in order: its scripts start when those of its last
    /// notification have ended, or when those have had their time.
    pub subject: String,
    /// Scripts, started together.
    pub scripts: Vec<Script>,
    /// A line, without its end, for every FIFO of the worker's kind and the common one.
    pub line: Option<Line>,
    /// A mail.
    pub mail: Option<Mail>,
}

/// A line for readers of a FIFO.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Line {
    /// The text, without a line end.
    pub text: String,
    /// It says what state the subject is in, so a later one of the same subject makes it superfluous and a new reader
    /// wants to know it.
    pub state: bool,
}

/// A mail to all of `notification_email`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mail {
    /// The subject behind the router's name.
    pub subject: String,
    /// The text.
    pub body: String,
}

/// What the runner watches for a worker. Answers name things by their place in these lists.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Watch {
    /// Comes back with every answer: one to an earlier list must not be taken for one to this.
    pub serial: u32,
    /// `track_file`s.
    pub files: Vec<TrackFile>,
    /// `vrrp_track_process`es.
    pub processes: Vec<WatchedProcess>,
}

/// How the processes of a `vrrp_track_process` are recognised.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WatchedProcess {
    /// Command and arguments, at least the command.
    pub words: Vec<Vec<u8>>,
    /// What of them is compared.
    pub matching: ProcessMatch,
}

impl From<&TrackProcess> for WatchedProcess {
    fn from(process: &TrackProcess) -> Self {
        Self { words: process.words.clone(), matching: process.matching }
    }
}

/// From the runner to a worker.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FromRunner {
    /// A command has ended.
    Ended(RunOutcome),
    /// A notification needs no further care: its scripts have ended, or will be waited for no longer.
    Told(RequestId),
    /// A file that is watched was read.
    File {
        /// [`Watch::serial`]
        watch: u32,
        /// Its place in [`Watch::files`].
        index: u32,
        /// The number in it; none for a file that is missing, empty or says no number.
        value: Option<i32>,
    },
    /// Processes that are watched were counted.
    Processes {
        /// [`Watch::serial`]
        watch: u32,
        /// Their place in [`Watch::processes`].
        index: u32,
        /// How many run.
        count: u32,
    },
}
