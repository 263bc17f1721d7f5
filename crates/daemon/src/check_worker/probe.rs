//! The checks of the configuration, made ready once each, and those that are under way.
//!
//! It performs what it is told to and hands back the verdicts: by itself where the check goes over the network, by the
//! runner where a command is run or a file watched. It judges nothing and knows no server. The director never asks for
//! a check twice at a time, so no more are under way than the configuration has checkers.

use crate::runner_client::RunnerClient;
use core::time::Duration;
use rustix::process::{Resource, getrlimit};
use standfast_api::runner::{RequestId, RunOutcome};
use standfast_check::{Attempt, Check, Deadlines, KEPT_SOCKETS, Lingered, Prober, bfd, file, misc};
use standfast_kernel::process::schedule::allow_open_files;
use standfast_kernel::timer::boottime;
use standfast_lvs::{CheckerId, Verdict};
use standfast_model::Instant;
use standfast_model::config::lvs::{LvsCommon, Probe};
use standfast_model::config::probe::{Misc, TrackedFile, TrackedSession};
use standfast_model::config::track::BfdId;
use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tracing::warn;

/// See the module.
#[derive(Debug)]
pub(super) struct Probes {
    prober: Prober,
    /// A checker keeps its number and its check for as long as it lives.
    ready: HashMap<CheckerId, Arc<Check>>,
    running: JoinSet<(CheckerId, Attempt)>,
    /// How long the last attempt of each took.
    took: HashMap<CheckerId, Duration>,
    /// So many may be under way at a time, each of which holds a descriptor.
    most: usize,
    /// Those that wait for their turn, the longest first.
    queue: VecDeque<CheckerId>,
    handles: HashMap<CheckerId, AbortHandle>,
    /// Commands that the runner was asked to run.
    commands: HashMap<RequestId, (CheckerId, Misc)>,
    /// What the files that are watched say, once it is known; by their place in the configuration.
    files: Vec<Option<FileContent>>,
    /// Checkers of a file of which nothing is known yet.
    waiting: Vec<(CheckerId, TrackedFile)>,
    /// BFD sessions by their place in the configuration, with what is known of them.
    sessions: Vec<(String, Option<bool>)>,
    /// Checkers of a session of which nothing is known yet.
    waiting_for_session: Vec<(CheckerId, TrackedSession)>,
    /// Verdicts that were there at once.
    verdicts: VecDeque<(CheckerId, Verdict)>,
}

/// A verdict, and when it was there.
pub(super) type Finished = (CheckerId, Verdict, Instant);

/// The number in a file, if there is one.
type FileContent = Option<i32>;

impl Probes {
    /// For the checks of a configuration, so many; its files are watched from now on.
    pub(super) fn new(common: &LvsCommon, checkers: usize, runner: &mut RunnerClient) -> Self {
        let mut probes = Self {
            prober: Prober::new(common.tls.as_ref()),
            most: descriptors_for(checkers),
            queue: VecDeque::new(),
            ready: HashMap::new(),
            running: JoinSet::new(),
            took: HashMap::new(),
            handles: HashMap::new(),
            commands: HashMap::new(),
            files: Vec::new(),
            waiting: Vec::new(),
            sessions: Vec::new(),
            waiting_for_session: Vec::new(),
            verdicts: VecDeque::new(),
        };
        probes.watch(common, runner);
        probes
    }

    /// Goes on with another configuration. Attempts under way go on; what is made ready is made anew, since files it
    /// was made of may have changed.
    pub(super) fn reload(&mut self, common: &LvsCommon, checkers: usize, runner: &mut RunnerClient) {
        self.prober.reload(common.tls.as_ref());
        self.most = descriptors_for(checkers);
        // Those whose turn has not come keep theirs: they are not asked for again. There may be thousands of both.
        let queue: HashSet<CheckerId> = self.queue.iter().copied().collect();
        self.ready.retain(|checker, _| queue.contains(checker));
        self.watch(common, runner);
    }

    /// When attempts must have ended; who waits for verdicts keeps them.
    pub(super) fn deadlines(&self) -> &Deadlines {
        self.prober.deadlines()
    }

    /// How long the last attempt of a check took; none if there has been none over the network.
    pub(super) fn took(&self, checker: CheckerId) -> Option<Duration> {
        self.took.get(&checker).copied()
    }

    fn watch(&mut self, common: &LvsCommon, runner: &mut RunnerClient) {
        let before = core::mem::replace(&mut self.files, vec![None; common.track_files.len()]);
        let known = core::mem::take(&mut self.sessions);
        let known = |name: &String| known.iter().find(|(of, _)| of == name).and_then(|(_, up)| *up);
        self.sessions = common.bfd_sessions.iter().map(|name| (name.clone(), known(name))).collect();
        if !self.files.is_empty() || !before.is_empty() {
            runner.watch(common.track_files.clone(), Vec::new());
        }
    }

    /// Performs one attempt of a check; its verdict comes out of [`Self::finished`].
    pub(super) fn start(&mut self, now: Instant, checker: CheckerId, probe: &Probe, runner: &mut RunnerClient) {
        match probe {
            Probe::Misc(misc) => {
                let id = runner.run(misc.script.clone(), misc.timeout);
                self.commands.insert(id, (checker, misc.clone()));
            }
            Probe::File(check) => match self.file(*check) {
                Some(content) => self.verdicts.push_back((checker, file::judge(check, content))),
                None => self.waiting.push((checker, *check)),
            },
            Probe::Bfd(check) => match self.session(*check) {
                Some((name, Some(up))) => self.verdicts.push_back((checker, bfd::judge(name, *up))),
                Some((_, None)) | None => self.waiting_for_session.push((checker, *check)),
            },
            Probe::Tcp(_) | Probe::Http(_) | Probe::Smtp(_) | Probe::Dns(_) | Probe::Ping(_) | Probe::Udp(_) => {
                self.ready.entry(checker).or_insert_with(|| Arc::new(self.prober.prepare(probe)));
                self.queue.push_back(checker);
                self.take_turns(now);
            }
        }
    }

    /// Starts those that wait, as many as may be under way.
    fn take_turns(&mut self, now: Instant) {
        while self.running.len() < self.most
            && let Some(checker) = self.queue.pop_front()
        {
            if let Some(check) = self.ready.get(&checker).map(Arc::clone) {
                let handle = self.running.spawn(async move { (checker, check.perform(now).await) });
                self.handles.insert(checker, handle);
            }
        }
    }

    fn session(&self, check: TrackedSession) -> Option<&(String, Option<bool>)> {
        self.sessions.get(usize::try_from(check.session.0).ok()?)
    }

    fn file(&self, check: TrackedFile) -> Option<FileContent> {
        *self.files.get(usize::try_from(check.file.0).ok()?)?
    }

    /// Gives the attempt under way up: no verdict comes of it.
    pub(super) fn cancel(&mut self, checker: CheckerId) {
        if let Some(handle) = self.handles.remove(&checker) {
            handle.abort();
        }
        self.ready.remove(&checker);
        self.took.remove(&checker);
        self.queue.retain(|of| *of != checker);
        self.commands.retain(|_, (of, _)| *of != checker);
        self.waiting.retain(|(of, _)| *of != checker);
        self.waiting_for_session.retain(|(of, _)| *of != checker);
        self.verdicts.retain(|(of, _)| *of != checker);
    }

    /// A command of a check has ended.
    pub(super) fn ended(&mut self, outcome: &RunOutcome) {
        // One that was given up is known no more.
        if let Some((checker, misc)) = self.commands.remove(&outcome.id) {
            self.verdicts.push_back((checker, misc::judge(&misc, &outcome.ended, &outcome.output)));
        }
    }

    /// A BFD session is up or down. Answers which one that is, if it is news, to be reported to all its checkers; those
    /// that waited for it have their verdicts.
    pub(super) fn bfd(&mut self, name: &str, up: bool) -> Option<BfdId> {
        let place = self.sessions.iter().position(|(of, _)| of == name)?;
        let known = self.sessions.get_mut(place)?.1.replace(up);
        let session = BfdId(u32::try_from(place).ok()?);
        let verdicts = &mut self.verdicts;
        self.waiting_for_session.retain(|(checker, check)| {
            let waited = check.session == session;
            if waited {
                verdicts.push_back((*checker, bfd::judge(name, up)));
            }
            !waited
        });
        (known != Some(up)).then_some(session)
    }

    /// A file that is watched was read. Answers whether that is news, to be reported to all its checkers; those that
    /// waited for it have their verdicts.
    pub(super) fn read(&mut self, index: u32, content: FileContent) -> bool {
        let Some(place) = usize::try_from(index).ok().and_then(|index| self.files.get_mut(index)) else { return false };
        let news = place.replace(content) != Some(content);
        let verdicts = &mut self.verdicts;
        self.waiting.retain(|(checker, check)| {
            let waited = check.file.0 == index;
            if waited {
                verdicts.push_back((*checker, file::judge(check, content)));
            }
            !waited
        });
        news
    }

    /// The next verdict and when it was there; waits for ever while no check is under way. Cancel-safe, so it can stand
    /// in a `select!`.
    ///
    /// # Errors
    ///
    /// A check that panicked. That is our own bug: better a new worker than a checker that never runs again.
    pub(super) async fn finished(&mut self) -> io::Result<Finished> {
        loop {
            if let Some((checker, verdict)) = self.verdicts.pop_front() {
                return Ok((checker, verdict, boottime()));
            }
            match self.running.join_next().await {
                Some(joined) => {
                    if let Some(finished) = self.joined(joined)? {
                        return Ok(finished);
                    }
                }
                None => return core::future::pending().await,
            }
        }
    }

    /// As [`Self::finished`], of attempts that have ended already.
    pub(super) fn already_finished(&mut self) -> io::Result<Option<Finished>> {
        while let Some(joined) = self.running.try_join_next() {
            if let Some(finished) = self.joined(joined)? {
                return Ok(Some(finished));
            }
        }
        Ok(None)
    }

    fn joined(&mut self, joined: Result<(CheckerId, Attempt), JoinError>) -> io::Result<Option<Finished>> {
        match joined {
            Ok((checker, Attempt { verdict, took, ended })) => {
                self.take_turns(ended);
                // One that was given up just as it ended is known no more; a newer attempt of it is another task.
                Ok(self.handles.remove(&checker).map(|_| {
                    self.took.insert(checker, took);
                    (checker, verdict, ended)
                }))
            }
            Err(error) if error.is_cancelled() => {
                self.take_turns(boottime());
                Ok(None)
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Attempts over the network that have begun and whose verdicts were not taken in.
    pub(super) fn under_way(&self) -> usize {
        self.running.len()
    }

    /// Whether all that is under way waits for its connection: for what [`Self::linger`] notices.
    pub(super) fn wait_for_connections_alone(&self) -> bool {
        self.running.len() == self.prober.awaited() && self.verdicts.is_empty() && self.commands.is_empty()
    }

    /// Waits on this thread, see [`Prober::linger`].
    pub(super) fn linger(&self, patience: Duration) -> Lingered {
        self.prober.linger(patience)
    }

    /// What else is to end that wait.
    pub(super) fn heed(&self, call: OwnedFd) {
        self.prober.heed(call);
    }
}

/// Makes room for so many checks, as far as the system lets us, and answers how many may be under way.
fn descriptors_for(checkers: usize) -> usize {
    let wanted = checkers.min(MOST_AT_A_TIME);
    match allow_open_files(wanted.saturating_add(DESCRIPTORS_BESIDES) as u64) {
        Ok(()) => wanted.max(1),
        Err(problem) => {
            let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
            let most = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(DESCRIPTORS_BESIDES).max(1);
            if most < wanted {
                warn!(
                    "{problem}: of {wanted} checks {most} may be under way at a time, the others wait for their turn"
                );
            }
            most.min(wanted).max(1)
        }
    }
}

/// More at a time than that wait for the processor anyway; each has a socket buffer in the kernel besides.
const MOST_AT_A_TIME: usize = 16_384;

/// For channels, netlink, timers and what libraries open; and for sockets that checks leave to others.
const DESCRIPTORS_BESIDES: usize = 64 + KEPT_SOCKETS;

#[cfg(test)]
mod tests;
