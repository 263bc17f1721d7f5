//! One worker as the runner sees it: what it asks for is started, told or watched, and answered.
//!
//! It runs nothing but what the configuration names for that worker: who takes the check worker over by a hostile
//! answer of a back end has not taken over root.

use super::files;
use super::job;
use super::lane::{Lanes, Told};
use super::processes;
use super::settings::Settings;
use standfast_api::runner::{FromRunner, Notification, RunOutcome, RunRequest, ToRunner, Watch};
use standfast_api::{WorkerKind, decode, encode};
use standfast_kernel::channel::{Channel, Incoming, Outbox};
use standfast_model::Ended;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tracing::{debug, error, warn};

/// Answers that wait for room: one for each script, file and process of a large site. A worker that does not read them
/// hangs, and is replaced.
const WAITING_ANSWERS: usize = 16_384;

/// Commands that one worker may have under way or waiting for their turn.
const MOST_CHECKS: usize = 16_384;

/// What all peers share.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) settings: watch::Receiver<Arc<Settings>>,
    /// Commands that may run at a time.
    pub(super) turns: Arc<Semaphore>,
    /// Processes of notifications that may run at a time.
    pub(super) notifiers: Arc<Semaphore>,
    /// The worker is the first of its kind, so its files get their first numbers (`init_file`).
    pub(super) first: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Peer {
    kind: WorkerKind,
    common: Common,
    answers: mpsc::UnboundedSender<FromRunner>,
    checks: JoinSet<()>,
    watchers: JoinSet<()>,
    lanes: Lanes,
}

/// Serves a worker until it has gone and everyone it wanted notified is.
pub(super) async fn serve(kind: WorkerKind, channel: Channel, common: Common) {
    let (answers, mut outgoing) = mpsc::unbounded_channel();
    let notifiers = Arc::clone(&common.notifiers);
    let lanes = Lanes::new(notifiers);
    let mut peer = Peer { kind, common, answers, checks: JoinSet::new(), watchers: JoinSet::new(), lanes };
    let mut outbox = Outbox::new(WAITING_ANSWERS);
    loop {
        tokio::select! {
            incoming = channel.receive() => match incoming {
                Ok(Incoming::Message(message)) => match decode(&message.bytes) {
                    Ok(message) => peer.take(message),
                    Err(error) => warn!("{kind} worker sent what is no message: {error}"),
                },
                Ok(Incoming::Closed) => break,
                Err(error) => {
                    warn!("channel to {kind} worker broke: {error}");
                    break;
                }
            },
            Some(answer) = outgoing.recv() => peer.queue(&answer, &mut outbox),
            Some(_) = peer.checks.join_next() => {}
            told = peer.lanes.next() => peer.told(&told),
            // An error means that the runtime ends, which ends this loop as well.
            _ = channel.writable(), if !outbox.is_empty() => {}
        }
        if let Err(error) = outbox.flush(&channel) {
            debug!("{kind} worker not told: {error}");
            outbox = Outbox::new(WAITING_ANSWERS);
        }
    }
    // Nobody waits for these any more. What was to be notified, is.
    peer.watchers.shutdown().await;
    drop(peer.answers);
    peer.checks.shutdown().await;
    while !peer.lanes.is_idle() {
        peer.lanes.next().await;
    }
}

impl Peer {
    fn take(&mut self, message: ToRunner) {
        match message {
            ToRunner::Run(request) => self.run(request),
            ToRunner::Notify(notification) => self.notify(notification),
            ToRunner::Watch(watch) => self.watch(watch),
        }
    }

    fn run(&mut self, request: RunRequest) {
        let settings = Arc::clone(&self.common.settings.borrow());
        let answers = self.answers.clone();
        let refused = if !settings.permits(self.kind, &request.script) {
            Some("it is not in the configuration")
        } else if self.checks.len() >= MOST_CHECKS {
            Some("too many scripts wait")
        } else {
            None
        };
        if let Some(why) = refused {
            error!("{} worker wants {} run: {why}", self.kind, job::shown(&request.script));
            let ended = Ended::NotRun(why.to_owned());
            let _ = answers.send(FromRunner::Ended(RunOutcome { id: request.id, ended, output: String::new() }));
            return;
        }
        let turns = Arc::clone(&self.common.turns);
        self.checks.spawn(async move {
            // Never closed.
            let Ok(_turn) = turns.acquire().await else { return };
            let (ended, output) = job::check(&request.script, settings.policy, request.deadline).await;
            let _ = answers.send(FromRunner::Ended(RunOutcome { id: request.id, ended, output }));
        });
    }

    fn notify(&mut self, mut notification: Notification) {
        let settings = Arc::clone(&self.common.settings.borrow());
        let kind = self.kind;
        notification.scripts.retain(|script| {
            let permitted = settings.permits(kind, script);
            if !permitted {
                error!("{kind} worker wants {} run: it is not in the configuration", job::shown(script));
            }
            permitted
        });
        settings.tell(kind, &notification);
        self.lanes.push(notification, settings.policy);
    }

    fn told(&self, told: &Told) {
        let _ = self.answers.send(FromRunner::Told(told.id));
    }

    fn watch(&mut self, watch: Watch) {
        // The tasks end at once, and with them what they watched.
        self.watchers = JoinSet::new();
        let answers = self.answers.clone();
        if core::mem::take(&mut self.common.first) {
            watch.files.iter().for_each(files::initialise);
        }
        if !watch.files.is_empty() {
            self.watchers.spawn(files::watch(watch.serial, watch.files, answers.clone()));
        }
        if !watch.processes.is_empty() {
            self.watchers.spawn(processes::watch(
                watch.serial,
                watch.processes,
                self.common.settings.borrow().process_buffer,
                answers,
            ));
        }
    }

    fn queue(&self, answer: &FromRunner, outbox: &mut Outbox) {
        match encode(answer) {
            Ok(bytes) => outbox.record(bytes.into()),
            Err(error) => warn!("{} worker cannot be told: {error}", self.kind),
        }
    }
}
