//! D-Bus: publishes the instances, signals their changes, and takes orders, in keepalived's words.
//!
//! It exists where `enable_dbus` says so and costs nothing elsewhere. It speaks to the bus as the user of the front, who
//! can nothing: who may call what is the judgement of the bus by its policy file, and what an order does is the
//! supervisor's. A bus that is missing, that goes or that does not read is tried again, and nobody waits for it.

mod calls;
mod objects;
mod service;

use super::client::Errand;
use core::time::Duration;
use objects::{Objects, Signal};
use standfast_api::{DbusSlice, EventKind, ToFront};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::debug;

/// Signals that wait for the bus: a change of every instance of a large site. With more the oldest are forgotten, as
/// those are that happen while there is no bus.
const SIGNALS: usize = 1024;

/// For saying the last words at the end of the daemon: nobody waits longer for a bus that does not read.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What the service is made of, and what waits to be said.
struct Shared {
    objects: RefCell<Objects>,
    signals: RefCell<VecDeque<Signal>>,
    /// Told of every signal, and of the end.
    news: Notify,
    /// The bus has given us our name: without it there is nobody to signal to.
    heard: core::cell::Cell<bool>,
    /// After what waits comes nothing.
    ending: core::cell::Cell<bool>,
}

/// See the module.
pub(super) struct Bus {
    errands: mpsc::Sender<Errand>,
    running: Option<Running>,
}

struct Running {
    slice: DbusSlice,
    shared: Rc<Shared>,
    task: JoinHandle<()>,
}

impl Bus {
    /// No service yet.
    pub(super) const fn new(errands: mpsc::Sender<Errand>) -> Self {
        Self { errands, running: None }
    }

    /// Publishes that from now on, or nothing.
    pub(super) fn configure(&mut self, slice: Option<DbusSlice>) {
        match (slice, &mut self.running) {
            (Some(slice), Some(running)) if slice.service_name == running.slice.service_name => {
                let signals = running.shared.objects.borrow_mut().configure(&slice);
                running.shared.signal(signals);
                running.slice = slice;
            }
            (Some(slice), running) => {
                if let Some(former) = running.take() {
                    former.end();
                }
                let shared = Rc::new(Shared::new(&slice));
                let service = service::serve(slice.service_name.clone(), Rc::clone(&shared), self.errands.clone());
                let task = tokio::task::spawn_local(service);
                *running = Some(Running { slice, shared, task });
            }
            (None, running) => {
                if let Some(former) = running.take() {
                    former.end();
                }
            }
        }
    }

    /// Takes in what the supervisor tells the front.
    pub(super) fn told(&self, message: &ToFront) {
        let Some(Running { shared, .. }) = &self.running else { return };
        let signals = match message {
            ToFront::Snapshot(snapshot) | ToFront::SnapshotOfOthers(snapshot) => {
                shared.objects.borrow_mut().snapshot(snapshot)
            }
            ToFront::Event(event) => shared.objects.borrow_mut().events(core::slice::from_ref(event)),
            ToFront::Events(events) => shared.objects.borrow_mut().events(events),
            ToFront::LongSnapshot | ToFront::Answer { .. } => return,
        };
        shared.signal(signals);
    }

    /// Says the last words, as far as the bus takes them.
    pub(super) async fn stop(&mut self) {
        let Some(running) = self.running.take() else { return };
        if timeout(LAST_WORDS, running.end()).await.is_err() {
            debug!("the bus did not take the last signals");
        }
    }
}

impl Running {
    /// Its service says that it ends, and does.
    fn end(self) -> JoinHandle<()> {
        let Self { shared, task, slice: _ } = self;
        let signals = shared.objects.borrow().end();
        shared.signal(signals);
        shared.ending.set(true);
        shared.news.notify_one();
        task
    }
}

impl Shared {
    fn new(slice: &DbusSlice) -> Self {
        Self {
            objects: RefCell::new(Objects::new(slice)),
            signals: RefCell::default(),
            news: Notify::new(),
            heard: core::cell::Cell::new(false),
            ending: core::cell::Cell::new(false),
        }
    }

    fn signal(&self, signals: Vec<Signal>) {
        if !self.heard.get() || signals.is_empty() {
            return;
        }
        let mut waiting = self.signals.borrow_mut();
        waiting.extend(signals);
        let surplus = waiting.len().saturating_sub(SIGNALS);
        if surplus > 0 {
            debug!("{surplus} signals are forgotten: the bus does not take them");
            waiting.drain(..surplus);
        }
        self.news.notify_one();
    }

    fn next_signal(&self) -> Option<Signal> {
        self.signals.borrow_mut().pop_front()
    }
}

/// The state that an event of the journal tells of an instance.
fn transition(kind: &EventKind) -> Option<(&str, &str)> {
    match kind {
        EventKind::Said(said) => Some((said.field("instance")?, said.field("to")?)),
        EventKind::Lost { .. } => None,
    }
}
