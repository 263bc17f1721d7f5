//! What the front knows: how things are, what has happened, and who waits for an answer.

use super::history::{EVENTS, History};
use super::store::Store;
use core::time::Duration;
use standfast_api::control::Recorded;
use standfast_api::{Event, PeerStatus, Snapshot, ToFront};
use standfast_kernel::timer::{boottime, wall_clock};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use tokio::sync::{Notify, oneshot};

/// Answers that are waited for, one a client.
type Waiting = BTreeMap<u64, oneshot::Sender<Result<String, String>>>;

/// See the module.
#[derive(Debug)]
pub(super) struct Book {
    /// Closed: see [`Self::snapshot`].
    snapshot: Option<Snapshot>,
    /// The one that is looked at, while somebody does.
    opened: RefCell<Weak<Snapshot>>,
    peers: Vec<PeerStatus>,
    history: History,
    /// The number of the next event.
    next: u64,
    /// Told of every event.
    news: Rc<Notify>,
    store: Option<Store>,
    waiting: Waiting,
    asked: u64,
}

impl Book {
    /// A book that goes on from what the store has kept.
    pub(super) fn new(mut store: Option<Store>) -> Self {
        let mut history = History::default();
        if let Some(store) = &mut store {
            history.add(&store.read(EVENTS));
        }
        let next = history.numbers().map_or(1, |(_, last)| last.saturating_add(1));
        Self {
            snapshot: None,
            opened: RefCell::default(),
            peers: Vec::new(),
            history,
            next,
            news: Rc::new(Notify::new()),
            store,
            waiting: Waiting::new(),
            asked: 0,
        }
    }

    /// What the supervisor says, with the virtual servers as they were where it leaves them out.
    pub(super) fn complete(&mut self, message: ToFront) -> ToFront {
        match message {
            ToFront::SnapshotOfOthers(mut snapshot) => {
                snapshot.check = self.snapshot.as_ref().and_then(|held| held.check.clone());
                ToFront::Snapshot(snapshot)
            }
            ToFront::Snapshot(_)
            | ToFront::LongSnapshot
            | ToFront::Event(_)
            | ToFront::Events(_)
            | ToFront::Answer { .. } => message,
        }
    }

    /// Takes in what the supervisor says.
    pub(super) fn told(&mut self, message: ToFront) {
        match message {
            ToFront::Snapshot(mut snapshot) => {
                snapshot.peers.clone_from(&self.peers);
                self.snapshot = Some(*snapshot);
                self.opened = RefCell::default();
            }
            ToFront::Event(event) => self.add(vec![event]),
            ToFront::Events(events) => self.add(events),
            ToFront::Answer { number, outcome } => self.answered(number, outcome),
            // The link has read the memory file and put the snapshot itself in its place, and it is complete by now.
            ToFront::LongSnapshot | ToFront::SnapshotOfOthers(_) => {}
        }
    }

    /// What is known of other directors, which the supervisor does not hear of.
    pub(super) fn peers(&mut self, peers: Vec<PeerStatus>) {
        if self.peers != peers {
            if let Some(snapshot) = &mut self.snapshot {
                snapshot.peers.clone_from(&peers);
                self.opened = RefCell::default();
            }
            self.peers = peers;
        }
    }

    /// How things are. Unpacked, its virtual servers take four times the room, so that is shared by those who look at the
    /// same time, and kept no longer than the last of them.
    pub(super) fn snapshot(&self) -> Option<Rc<Snapshot>> {
        let mut opened = self.opened.borrow_mut();
        opened.upgrade().or_else(|| {
            let snapshot = Rc::new(self.snapshot.clone()?);
            *opened = Rc::downgrade(&snapshot);
            Some(snapshot)
        })
    }

    fn add(&mut self, events: Vec<Event>) {
        let (now, unix_now) = (boottime(), wall_clock());
        let mut recorded = Vec::with_capacity(events.len());
        for event in events {
            let unix = unix_now.checked_sub(now.since(event.at)).unwrap_or(Duration::ZERO);
            recorded.push(Recorded { number: self.next, unix, event });
            self.next = self.next.saturating_add(1);
        }
        if let Some(store) = &mut self.store {
            store.add(&recorded);
        }
        self.history.add(&recorded);
        self.news.notify_waiters();
    }

    /// The number of the first of the last `count` events.
    pub(super) fn first_of_last(&self, count: u32) -> u64 {
        let held = self.history.numbers().map_or(self.next, |(first, _)| first);
        self.next.saturating_sub(u64::from(count)).max(held)
    }

    /// The events from this number on that are remembered.
    pub(super) fn events_from(&self, number: u64) -> impl DoubleEndedIterator<Item = Recorded> {
        self.history.from(number)
    }

    pub(super) fn news(&self) -> Rc<Notify> {
        Rc::clone(&self.news)
    }

    /// Remembers who waits for an answer, and gives the question a number.
    pub(super) fn expect(&mut self, answer: oneshot::Sender<Result<String, String>>) -> u64 {
        // Clients that gave up make room.
        self.waiting.retain(|_, waiting| !waiting.is_closed());
        self.asked = self.asked.wrapping_add(1);
        self.waiting.insert(self.asked, answer);
        self.asked
    }

    fn answered(&mut self, number: u64, outcome: Result<String, String>) {
        if let Some(waiting) = self.waiting.remove(&number) {
            // Who has gone does not want to know any more.
            let _ = waiting.send(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::snapshot;
    use crate::front_worker::history::BLOCK;
    use standfast_api::{CheckStatus, EventKind, Packed};
    use standfast_model::Instant;

    fn book_with(events: u64) -> Book {
        let mut book = Book::new(None);
        for number in 1..=events {
            book.add(vec![Event { at: boottime(), kind: EventKind::Lost { events: number } }]);
        }
        book
    }

    fn numbers(book: &Book, from: u64) -> Vec<u64> {
        book.events_from(from).map(|recorded| recorded.number).collect()
    }

    #[test]
    fn virtual_servers_that_are_left_out_are_as_they_were_said_last() {
        let check =
            |at| Packed::new(&CheckStatus { at: Instant::from_nanos(at), services: Vec::new(), traffic: Vec::new() });
        let with = |check| Box::new(Snapshot { check, ..snapshot() });
        let mut book = Book::new(None);
        for read in [false, true] {
            book.told(ToFront::Snapshot(with(Some(check(7)))));
            // Somebody may be reading it just now.
            let held = book.snapshot().filter(|_| read);
            let completed = book.complete(ToFront::SnapshotOfOthers(with(None)));
            assert_eq!(completed, ToFront::Snapshot(with(Some(check(7)))));
            book.told(completed);
            assert_eq!(book.snapshot().unwrap().check, Some(check(7)));
            drop(held);
        }
        // What is said anew counts, and so does that there are none.
        for said in [Some(check(8)), None] {
            let message = book.complete(ToFront::Snapshot(with(said.clone())));
            book.told(message);
            assert_eq!(book.snapshot().unwrap().check, said);
        }
    }

    #[test]
    fn the_last_events_are_the_last_ones_and_the_oldest_are_forgotten_first() {
        let book = book_with(5);
        assert_eq!(numbers(&book, book.first_of_last(2)), [4, 5]);
        assert_eq!(numbers(&book, book.first_of_last(50)), [1, 2, 3, 4, 5]);
        assert!(numbers(&book, book.first_of_last(0)).is_empty());
        let book = book_with((EVENTS + BLOCK) as u64);
        let oldest = book.first_of_last(u32::MAX);
        assert!(oldest > 2, "{oldest}");
        // Who follows and was too slow goes on with the oldest that is left.
        assert_eq!(book.events_from(2).next().unwrap().number, oldest);
    }

    #[tokio::test]
    async fn an_answer_reaches_who_asked_and_one_for_nobody_harms_nobody() {
        let mut book = book_with(0);
        let (answer, waiting) = oneshot::channel();
        let (other, gone) = oneshot::channel();
        let (first, second) = (book.expect(answer), book.expect(other));
        drop(gone);
        book.answered(second, Ok("late".to_owned()));
        book.answered(99, Ok("nobody's".to_owned()));
        book.answered(first, Err("no".to_owned()));
        assert_eq!(waiting.await.unwrap(), Err("no".to_owned()));
    }
}
