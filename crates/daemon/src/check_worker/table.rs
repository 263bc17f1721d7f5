//! The kernel's IPVS table: written and read a piece at a time, so that no check waits for twenty thousand services.
//!
//! It owns what is still to be sent and what has been read so far. It keeps the order of what is sent, and reads only
//! when everything before has been sent. It decides nothing.

use crate::journal;
use standfast_kernel::ipvs::{Ipvs, OpenError, REQUESTS_PER_SEND, Refused};
use standfast_lvs::{Entry, Event, Operation, Table};
use standfast_model::config::global::NetlinkBuffer;
use standfast_model::ipvs::Service;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use tracing::warn;

/// Services whose destinations are read in one piece. Each costs the kernel some ten microseconds.
const SERVICES_PER_PIECE: usize = 16;

/// See the module.
#[derive(Debug)]
pub(super) struct KernelTable {
    pub(super) ipvs: Ipvs,
    /// Still to be sent, in this order.
    waiting: VecDeque<Operation>,
    reading: Option<Reading>,
}

/// A reading of the whole table.
#[derive(Debug, Default)]
struct Reading {
    /// Services that were there when it began; none: it has not begun.
    services: Option<VecDeque<Service>>,
    table: Table,
}

impl KernelTable {
    /// In that network namespace; none is the one of the process.
    pub(super) fn open(namespace: Option<OwnedFd>) -> Result<Self, OpenError> {
        Ok(Self { ipvs: Ipvs::open_in(namespace)?, waiting: VecDeque::new(), reading: None })
    }

    /// `lvs_netlink_cmd_rcv_bufs`
    pub(super) fn set_queue(&mut self, queue: NetlinkBuffer) {
        if let Err(problem) = self.ipvs.set_queue(queue) {
            journal::trouble("netlink", &format!("receive buffer of netlink not set: {problem}"));
        }
    }

    pub(super) fn apply(&mut self, operations: Vec<Operation>) {
        if self.waiting.is_empty() {
            // Those of a whole table are some megabytes, which need not be moved.
            self.waiting = operations.into();
        } else {
            self.waiting.extend(operations);
        }
    }

    pub(super) fn read(&mut self) {
        self.reading = Some(Reading::default());
    }

    /// Whether [`Self::work`] has something to do.
    pub(super) fn is_busy(&self) -> bool {
        !self.waiting.is_empty() || self.reading.is_some()
    }

    /// One piece of the work, some milliseconds at most. What it brings to light is put into `answers`.
    pub(super) fn work(&mut self, answers: &mut VecDeque<Event>) {
        if self.waiting.is_empty() {
            self.read_on(answers);
        } else {
            let piece: Vec<Operation> = self.waiting.drain(..self.waiting.len().min(REQUESTS_PER_SEND)).collect();
            let results = self.ipvs.apply(&piece);
            let refused = piece.into_iter().zip(results).filter_map(|(operation, result)| {
                Some(Event::OperationFailed { operation, error: result.err()?.to_string() })
            });
            answers.extend(refused);
        }
    }

    /// Sends nothing more of what waits.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
        self.reading = None;
    }

    /// Empties the kernel's table; what waits was for the table that was.
    pub(super) fn empty(&mut self) {
        self.forget();
        self.whole("be emptied", Ipvs::flush);
    }

    /// Sends all that waits, however long it takes.
    pub(super) fn finish(&mut self, answers: &mut VecDeque<Event>) {
        self.reading = None;
        while !self.waiting.is_empty() {
            self.work(answers);
        }
    }

    fn read_on(&mut self, answers: &mut VecDeque<Event>) {
        let Some(mut reading) = self.reading.take() else { return };
        match self.read_piece(&mut reading) {
            Ok(true) => answers.push_back(Event::Observed(reading.table)),
            Ok(false) => self.reading = Some(reading),
            Err(refused) => answers.push_back(Event::DumpFailed { error: refused.to_string() }),
        }
    }

    /// True when nothing is left to read.
    fn read_piece(&mut self, reading: &mut Reading) -> Result<bool, Refused> {
        let Some(services) = &mut reading.services else {
            reading.services = Some(self.ipvs.services()?.into());
            return Ok(false);
        };
        for service in services.drain(..services.len().min(SERVICES_PER_PIECE)) {
            // Of a service that has vanished meanwhile the kernel says that it has no destination.
            let destinations = self.ipvs.destinations(&service.key)?;
            reading.table.services.insert(service.key, Entry { service, destinations });
        }
        Ok(services.is_empty())
    }

    /// Does something to the whole of IPVS. A refusal is told: nothing else follows from it.
    pub(super) fn whole(&mut self, what: &str, change: impl FnOnce(&mut Ipvs) -> Result<(), Refused>) {
        if let Err(refused) = change(&mut self.ipvs) {
            warn!("IPVS will not {what}: {refused}");
        }
    }
}
