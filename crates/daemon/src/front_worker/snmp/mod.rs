//! SNMP: a session with the master agent, for as long as there is one to be had.
//!
//! One task. It asks the supervisor for a connection, answers what the master agent asks, tells it what happens, and
//! begins anew after a while when that ends. Whatever the master agent does, it costs this task and nobody else.

mod interfaces;
mod shared;
mod talk;

use super::client::{Errand, Wanted};
use core::time::Duration;
use shared::Shared;
use standfast_agentx::RECONNECT_AFTER;
use standfast_api::{Event, EventKind, SnmpSlice, ToFront};
use standfast_mib::view::subtrees;
use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::book::Book;

/// How long the supervisor may take to open a connection, which it does without waiting.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How long the last words may take: the daemon is stopping, and an agent that takes longer learns it by the end.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// See the module.
pub(super) struct Snmp {
    shared: Rc<Shared>,
    errands: mpsc::Sender<Errand>,
    task: Option<JoinHandle<()>>,
}

impl Snmp {
    /// One that shows nothing yet.
    pub(super) fn new(book: Rc<RefCell<Book>>, errands: mpsc::Sender<Errand>) -> Self {
        Self { shared: Rc::new(Shared::new(book)), errands, task: None }
    }

    /// Shows that from now on. The session goes on if the master agent is to notice nothing.
    pub(super) fn configure(&mut self, slice: Option<SnmpSlice>) {
        let Some(slice) = slice else {
            self.end();
            return;
        };
        let before = self.shared.slice();
        let same = subtrees(&before) == subtrees(&slice) && before.global.snmp.socket == slice.global.snmp.socket;
        self.shared.show(slice);
        if !same {
            self.end();
        }
        if self.task.is_none() {
            self.task = Some(tokio::task::spawn_local(keep(Rc::clone(&self.shared), self.errands.clone())));
        }
    }

    fn end(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }

    /// Something was told to the front.
    pub(super) fn told(&self, message: &ToFront) {
        if self.task.is_none() {
            return;
        }
        let events: &[Event] = match message {
            ToFront::Event(event) => core::slice::from_ref(event),
            ToFront::Events(events) => events,
            ToFront::Snapshot(_) | ToFront::SnapshotOfOthers(_) | ToFront::LongSnapshot | ToFront::Answer { .. } => &[],
        };
        for event in events {
            match &event.kind {
                EventKind::Said(said) => self.shared.heard(event.at, said),
                EventKind::Lost { .. } => {}
            }
        }
    }

    /// A connection to the master agent came along.
    pub(super) fn connection(&self, socket: OwnedFd) {
        self.shared.connection.replace(Some(socket));
    }

    /// Says last words.
    pub(super) async fn stop(&mut self) {
        let Some(task) = self.task.take() else { return };
        self.shared.stop();
        let abort = task.abort_handle();
        if timeout(LAST_WORDS, task).await.is_err() {
            abort.abort();
        }
    }
}

/// Keeps a session, for ever.
async fn keep(shared: Rc<Shared>, errands: mpsc::Sender<Errand>) {
    // What is the matter is said when it is another matter than before.
    let mut said = String::new();
    while !shared.is_stopping() {
        let outcome = match connect(&shared, &errands).await {
            Ok(stream) => talk::talk(stream, &shared, &errands, &mut said).await,
            Err(why) => Err(why),
        };
        match outcome {
            Ok(()) => return,
            Err(why) if why == said => debug!("SNMP: {why}"),
            Err(why) => {
                warn!("SNMP: {why}; it is tried again every {} s", RECONNECT_AFTER.as_secs());
                said = why;
            }
        }
        tokio::select! {
            () = sleep(RECONNECT_AFTER) => {}
            () = shared.stopped() => {}
        }
    }
}

/// Has the supervisor open a connection.
async fn connect(shared: &Shared, errands: &mpsc::Sender<Errand>) -> Result<talk::Stream, String> {
    shared.connection.take();
    let (answer, waiting) = oneshot::channel();
    let stopping = || "the daemon is stopping".to_owned();
    errands.send(Errand { wanted: Wanted::Agent, answer }).await.map_err(|_| stopping())?;
    match timeout(CONNECT_WITHIN, waiting).await {
        Ok(Ok(Ok(_))) => {}
        Ok(Ok(Err(why))) => return Err(why),
        Ok(Err(_)) => return Err(stopping()),
        Err(_) => return Err("the supervisor does not answer".to_owned()),
    }
    let socket = shared.connection.take().ok_or("the connection got lost on its way")?;
    let stream = talk::stream(socket).map_err(|error| error.to_string())?;
    info!("SNMP: connected to the master agent");
    Ok(stream)
}
