//! What the supervisor tells the front: how things are, what has happened, what came of orders.
//!
//! The front may be slow, dead or hostile: what waits for it has a limit, and nothing waits on it.

use super::worker::Worker;
use crate::dump::Dump;
use crate::link::{WAITING_BATCHES, batches, envelope};
use core::time::Duration;
use standfast_api::{Event, EventKind, Snapshot, ToFront, ToWorker, WorkerKind, encode};
use standfast_kernel::channel::Outbox;
use standfast_model::Instant;
use tracing::debug;

/// Events and answers that wait for the front: a change of every instance and every server of a large site.
const WAITING: usize = 4096;

/// Snapshots are not told more often: nobody reads faster, and one of a large site takes some milliseconds to make.
const SNAPSHOT_PAUSE: Duration = Duration::from_millis(200);

/// When a front that does not read is offered again what waits for it.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// How long workers may take to report before a snapshot is told without them.
const REPORT_WITHIN: Duration = Duration::from_secs(1);

/// Who waits for a snapshot of now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asker {
    /// A client of the front, by the number of its question.
    Client(u64),
    /// Who sent a signal, for these files.
    Signal(Dump),
    /// Who ordered these files, by the number of the order.
    Order(u64, Dump),
}

/// A snapshot of now that is waited for.
#[derive(Debug)]
struct Refresh {
    asker: Asker,
    until: Instant,
    missing: Vec<WorkerKind>,
}

/// Which front knows of the virtual servers as they are, by the number of its start. They are the most of a snapshot, and
/// are not told again with everything else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Knowledge(Option<u32>);

impl Knowledge {
    fn is_of(self, reader: Option<u32>) -> bool {
        self.0.is_some() && self.0 == reader
    }

    /// After a reader was told, or knew before. What was not sent yet may be replaced by the next, or be read by the next
    /// front: then nobody knows.
    fn after(reader: Option<u32>, known: bool, sent: bool) -> Self {
        Self(reader.filter(|_| known && sent))
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Publisher {
    outbox: Outbox,
    /// Those that are in no message yet: many share one.
    events: Vec<Event>,
    /// How many there was no room for.
    lost: u64,
    /// Something has changed since the last snapshot.
    changed: bool,
    knowledge: Knowledge,
    /// The next snapshot is not told before.
    not_before: Instant,
    /// The front did not read.
    retry_at: Option<Instant>,
    refreshes: Vec<Refresh>,
}

impl Publisher {
    pub(super) const fn new() -> Self {
        Self {
            outbox: Outbox::new(WAITING),
            events: Vec::new(),
            lost: 0,
            changed: true,
            knowledge: Knowledge(None),
            not_before: Instant::ZERO,
            retry_at: None,
            refreshes: Vec::new(),
        }
    }

    /// A snapshot of now would be another.
    pub(super) const fn touch(&mut self) {
        self.changed = true;
    }

    pub(super) fn event(&mut self, event: Event) {
        if self.events.len() < WAITING {
            self.events.push(event);
        } else {
            self.lost = self.lost.saturating_add(1);
        }
    }

    /// Puts events into messages, unless many of these wait already.
    fn pack(&mut self, now: Instant) {
        if self.events.is_empty() || self.outbox.waiting() > WAITING_BATCHES {
            return;
        }
        let mut events = core::mem::take(&mut self.events);
        let lost = core::mem::take(&mut self.lost);
        if lost > 0 {
            events.push(Event { at: now, kind: EventKind::Lost { events: lost } });
        }
        batches(events).into_iter().for_each(|batch| self.record(ToFront::Events(batch)));
    }

    pub(super) fn answer(&mut self, number: u64, outcome: Result<String, String>) {
        self.record(ToFront::Answer { number, outcome });
    }

    fn record(&mut self, message: ToFront) {
        match encode(&ToWorker::Front(message)) {
            Ok(bytes) => self.outbox.record(bytes.into()),
            Err(error) => debug!("front not told: {error}"),
        }
    }

    /// Somebody wants to know how things are now: these workers have been asked.
    pub(super) fn refresh(&mut self, asker: Asker, now: Instant, missing: Vec<WorkerKind>) {
        self.refreshes.push(Refresh { asker, until: now + REPORT_WITHIN, missing });
    }

    /// A worker has told its status.
    pub(super) fn reported(&mut self, kind: WorkerKind) {
        self.changed = true;
        if kind == WorkerKind::Check {
            self.knowledge = Knowledge(None);
        }
        for refresh in &mut self.refreshes {
            refresh.missing.retain(|missing| *missing != kind);
        }
    }

    /// When [`Self::publish`] has something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let snapshot = self.changed.then_some(self.not_before);
        let refresh = self.refreshes.iter().map(|refresh| refresh.until).min();
        [snapshot, refresh, self.retry_at].into_iter().flatten().min()
    }

    /// The virtual servers are others, or there are none.
    pub(super) const fn services_changed(&mut self) {
        self.changed = true;
        self.knowledge = Knowledge(None);
    }

    /// Tells what is to be told. `snapshot` makes one of now, with the virtual servers or without. Comes back with the files
    /// that can be written now, each with the number of the order that waits for it, if there is one.
    pub(super) fn publish(
        &mut self,
        now: Instant,
        front: Option<&Worker>,
        snapshot: impl FnOnce(bool) -> Snapshot,
    ) -> Vec<(Dump, Option<u64>)> {
        let (complete, waiting): (Vec<_>, Vec<_>) = core::mem::take(&mut self.refreshes)
            .into_iter()
            .partition(|refresh| refresh.missing.is_empty() || refresh.until <= now);
        self.refreshes = waiting;
        let due = self.changed && self.not_before <= now;
        let reader = front.map(Worker::starts);
        let mut known = self.knowledge.is_of(reader);
        if due || !complete.is_empty() {
            self.changed = false;
            self.not_before = now + SNAPSHOT_PAUSE;
            let snapshot = Box::new(snapshot(!known));
            let message = if known { ToFront::SnapshotOfOthers(snapshot) } else { ToFront::Snapshot(snapshot) };
            known = true;
            match envelope(&ToWorker::Front(message), &ToWorker::Front(ToFront::LongSnapshot)) {
                // Whoever waits for the answer gets it behind the snapshot.
                Ok(outgoing) if !complete.is_empty() => self.outbox.record(outgoing),
                Ok(outgoing) => self.outbox.state(outgoing),
                Err(error) => debug!("no snapshot: {error}"),
            }
        }
        let mut dumps = Vec::new();
        for refresh in complete {
            match refresh.asker {
                Asker::Client(number) => self.answer(number, Ok(String::new())),
                Asker::Signal(dump) => dumps.push((dump, None)),
                Asker::Order(number, dump) => dumps.push((dump, Some(number))),
            }
        }
        self.flush(now, front);
        self.knowledge = Knowledge::after(reader, known, self.outbox.is_empty());
        dumps
    }

    /// Sends what there is room for.
    pub(super) fn flush(&mut self, now: Instant, front: Option<&Worker>) {
        self.retry_at = None;
        loop {
            self.pack(now);
            let flushed = if self.outbox.is_empty() { None } else { front.and_then(|f| f.flush(&mut self.outbox)) };
            match flushed {
                // What there was no message for has room now.
                Some(true) if !self.events.is_empty() => {}
                Some(true) | None => break,
                Some(false) => {
                    self.retry_at = Some(now + RETRY_AFTER);
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::snapshot;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn snapshots_are_made_when_something_changed_and_not_more_often_than_anyone_reads() {
        let mut publisher = Publisher::new();
        let mut made = 0;
        let mut publish = |publisher: &mut Publisher, now| {
            publisher.publish(now, None, |_| {
                made += 1;
                snapshot()
            });
            made
        };
        assert_eq!(publish(&mut publisher, at(1)), 1);
        assert_eq!(publish(&mut publisher, at(500)), 1, "nothing has changed");
        assert_eq!(publisher.next_deadline(), None);
        publisher.touch();
        assert_eq!(publish(&mut publisher, at(501)), 2);
        publisher.touch();
        assert_eq!(publisher.next_deadline(), Some(at(701)));
        assert_eq!(publish(&mut publisher, at(502)), 2);
        // Who waits is not kept waiting for that, but for the workers.
        publisher.refresh(Asker::Client(7), at(502), vec![WorkerKind::Vrrp]);
        assert_eq!(publish(&mut publisher, at(503)), 2);
        publisher.reported(WorkerKind::Vrrp);
        assert_eq!(publish(&mut publisher, at(504)), 3);
        publisher.refresh(Asker::Client(8), at(504), vec![WorkerKind::Check]);
        assert_eq!(publish(&mut publisher, at(1504)), 4, "a worker that does not report is not waited for");
    }

    #[test]
    fn virtual_servers_are_left_out_only_for_the_front_that_has_been_sent_them_as_they_are() {
        let told = Knowledge::after(Some(3), true, true);
        assert!(told.is_of(Some(3)));
        for other in [Some(4), None] {
            assert!(!told.is_of(other), "{other:?}");
        }
        let nobody = [(None, true, true), (Some(3), false, true), (Some(3), true, false)];
        for (reader, known, sent) in nobody {
            assert!(!Knowledge::after(reader, known, sent).is_of(reader), "{reader:?} {known} {sent}");
        }
        let mut publisher = Publisher::new();
        for kind in WorkerKind::ALL {
            publisher.knowledge = told;
            publisher.reported(kind);
            assert_eq!(publisher.knowledge.is_of(Some(3)), kind != WorkerKind::Check, "{kind}");
        }
        publisher.knowledge = told;
        publisher.services_changed();
        assert!(!publisher.knowledge.is_of(Some(3)));
    }

    #[test]
    fn a_front_that_does_not_read_costs_no_more_than_the_limit_and_is_told_how_many_it_missed() {
        let mut publisher = Publisher::new();
        let event = || Event { at: at(1), kind: EventKind::Lost { events: 1 } };
        for _ in 0..2 * WAITING {
            publisher.event(event());
        }
        assert_eq!((publisher.events.len(), publisher.lost), (WAITING, WAITING as u64));
        publisher.publish(at(2), None, |_| snapshot());
        assert_eq!((publisher.events.len(), publisher.lost), (0, 0));
        assert!(publisher.outbox.waiting() < 20, "{} messages", publisher.outbox.waiting());
        // Nobody takes them, so in the end no more messages are made, and then no more events are kept.
        for _ in 0..200 {
            (0..WAITING).for_each(|_| publisher.event(event()));
            publisher.publish(at(3), None, |_| snapshot());
        }
        assert!(publisher.outbox.waiting() <= WAITING_BATCHES + 20, "{} messages", publisher.outbox.waiting());
        assert_eq!(publisher.events.len(), WAITING);
        assert!(publisher.lost > 0);
    }
}
