//! What the task of SNMP shares with the front's loop: what is shown, and what has happened.

use super::super::book::Book;
use super::interfaces;
use core::cell::{Cell, RefCell};
use core::time::Duration;
use standfast_api::{Said, SnmpSlice};
use standfast_mib::{Interfaces, View, World};
use standfast_model::Instant;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use tokio::sync::Notify;

/// Lines that wait to be told: a change of every instance of a large site.
const LINES: usize = 1024;

/// What happened so long ago is no news to whoever has just connected.
const NEWS_FOR: Duration = Duration::from_secs(60);

/// Interfaces are looked at again after this.
const INTERFACES_FOR: Duration = Duration::from_secs(5);

/// How old a status may be that is shown: a walk of a thousand objects takes less, and asks once.
const STATUS_FOR: Duration = Duration::from_secs(1);

/// The kinds of lines that may be worth a notification.
const TELLING: [&str; 10] = [
    "vrrp-master",
    "vrrp-backup",
    "vrrp-fault",
    "vrrp-stop",
    "vrrp-group",
    "advert-refused",
    "server-up",
    "server-down",
    "quorum-gained",
    "quorum-lost",
];

/// See the module.
pub(super) struct Shared {
    book: Rc<RefCell<Book>>,
    slice: RefCell<Rc<SnmpSlice>>,
    lines: RefCell<VecDeque<(Instant, Said)>>,
    view: RefCell<Option<Rc<View>>>,
    interfaces: RefCell<(Option<Instant>, Rc<Interfaces>)>,
    refreshed: Cell<Option<Instant>>,
    stopping: Cell<bool>,
    /// Something waits to be told.
    pub(super) news: Notify,
    end: Notify,
    /// A connection that the supervisor has opened.
    pub(super) connection: RefCell<Option<OwnedFd>>,
}

impl Shared {
    pub(super) fn new(book: Rc<RefCell<Book>>) -> Self {
        Self {
            book,
            slice: RefCell::default(),
            lines: RefCell::default(),
            view: RefCell::default(),
            interfaces: RefCell::default(),
            refreshed: Cell::default(),
            stopping: Cell::default(),
            news: Notify::new(),
            end: Notify::new(),
            connection: RefCell::default(),
        }
    }

    pub(super) fn slice(&self) -> Rc<SnmpSlice> {
        Rc::clone(&self.slice.borrow())
    }

    pub(super) fn show(&self, slice: SnmpSlice) {
        self.slice.replace(Rc::new(slice));
        self.view.replace(None);
    }

    /// A line of the journal.
    pub(super) fn heard(&self, at: Instant, said: &Said) {
        let tells = said.field("event").is_some_and(|event| TELLING.contains(&event));
        if !tells || !self.slice.borrow().global.snmp.traps {
            return;
        }
        let mut lines = self.lines.borrow_mut();
        if lines.len() >= LINES {
            lines.pop_front();
        }
        lines.push_back((at, said.clone()));
        self.news.notify_one();
    }

    /// What has happened and was not told yet.
    pub(super) fn take_lines(&self, now: Instant) -> Vec<Said> {
        let lines = core::mem::take(&mut *self.lines.borrow_mut());
        lines.into_iter().filter(|(at, _)| now.since(*at) < NEWS_FOR).map(|(_, said)| said).collect()
    }

    /// The objects as they are now.
    pub(super) fn view(&self, now: Instant) -> Rc<View> {
        let (slice, snapshot, interfaces) = (self.slice(), self.book.borrow().snapshot(), self.interfaces(now));
        let mut view = self.view.borrow_mut();
        let same = |view: &&Rc<View>| view.world().is_of(&slice, snapshot.as_ref(), &interfaces);
        match view.as_ref().filter(same) {
            Some(view) => Rc::clone(view),
            None => Rc::clone(view.insert(Rc::new(View::new(World::new(slice, snapshot, interfaces))))),
        }
    }

    fn interfaces(&self, now: Instant) -> Rc<Interfaces> {
        let mut held = self.interfaces.borrow_mut();
        if held.0.is_none_or(|read| read + INTERFACES_FOR <= now) {
            *held = (Some(now), Rc::new(interfaces::read()));
        }
        Rc::clone(&held.1)
    }

    /// Whether what is known is so old that the workers are to be asked. Who asks does so from now on.
    pub(super) fn wants_status(&self, now: Instant) -> bool {
        let stale = self.refreshed.get().is_none_or(|at| at + STATUS_FOR <= now);
        if stale {
            self.refreshed.set(Some(now));
        }
        stale
    }

    pub(super) fn stop(&self) {
        self.stopping.set(true);
        self.news.notify_one();
        self.end.notify_one();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    /// Waits for the end.
    pub(super) async fn stopped(&self) {
        self.end.notified().await;
    }
}
