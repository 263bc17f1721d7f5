//! The kernel's IPVS table: written and read a piece at a time, so that no check waits for twenty thousand services.
//!
//! It owns what is still to be sent and what has been read so far. It keeps the order of what is sent, and reads only
//! when everything before has been sent. It decides nothing.

use crate::journal;
use standfast_kernel::ipvs::{Ipvs, OpenError, REQUESTS_PER_SEND, Reader, Refused};
use standfast_lvs::{Event, Operation};
use standfast_model::config::global::NetlinkBuffer;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use tracing::warn;

/// See the module.
#[derive(Debug)]
pub(super) struct KernelTable {
    pub(super) ipvs: Ipvs,
    /// Still to be sent, in this order.
    waiting: VecDeque<Operation>,
    reader: Reader,
    /// The table is to be read, or being read.
    reading: Reading,
}

/// How far a reading of the whole table is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reading {
    Off,
    Wanted,
    UnderWay,
}

impl KernelTable {
    /// In that network namespace; none is the one of the process.
    pub(super) fn open(namespace: Option<OwnedFd>) -> Result<Self, OpenError> {
        let ipvs = Ipvs::open_in(namespace)?;
        let reader = ipvs.reader().map_err(OpenError::Socket)?;
        Ok(Self { ipvs, waiting: VecDeque::new(), reader, reading: Reading::Off })
    }

    /// `lvs_netlink_cmd_rcv_bufs`
    pub(super) fn set_queue(&mut self, queue: NetlinkBuffer) {
        if let Err(problem) = self.ipvs.set_queue(queue).and_then(|()| self.reader.set_queue(queue)) {
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
        self.reading = Reading::Wanted;
    }

    /// Whether [`Self::work`] has something to do.
    pub(super) fn is_busy(&self) -> bool {
        self.has_to_send() || self.reading != Reading::Off
    }

    /// Whether something waits to be sent.
    pub(super) fn has_to_send(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// One piece of the work, some milliseconds at most. What it brings to light is put into `answers`.
    pub(super) fn work(&mut self, answers: &mut VecDeque<Event>) {
        if self.waiting.is_empty() {
            self.read_on(answers);
        } else {
            let piece: Vec<Operation> = self.waiting.drain(..self.waiting.len().min(REQUESTS_PER_SEND)).collect();
            if self.waiting.is_empty() {
                // Room for a whole table is some megabytes, and the next table may never come.
                self.waiting = VecDeque::new();
            }
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
        self.reading = Reading::Off;
    }

    /// Empties the kernel's table; what waits was for the table that was.
    pub(super) fn empty(&mut self) {
        self.forget();
        self.whole("be emptied", Ipvs::flush);
    }

    /// Sends all that waits, however long it takes.
    pub(super) fn finish(&mut self, answers: &mut VecDeque<Event>) {
        self.reading = Reading::Off;
        while !self.waiting.is_empty() {
            self.work(answers);
        }
    }

    fn read_on(&mut self, answers: &mut VecDeque<Event>) {
        let read = match self.reading {
            Reading::Off => return,
            Reading::Wanted => self.reader.begin().map(|()| None),
            Reading::UnderWay => self.reader.read_on(),
        };
        self.reading = Reading::UnderWay;
        let answer = match read {
            Ok(None) => return,
            Ok(Some(table)) => Event::Observed(table),
            Err(refused) => Event::DumpFailed { error: refused.to_string() },
        };
        self.reading = Reading::Off;
        answers.push_back(answer);
    }

    /// Does something to the whole of IPVS. A refusal is told: nothing else follows from it.
    pub(super) fn whole(&mut self, what: &str, change: impl FnOnce(&mut Ipvs) -> Result<(), Refused>) {
        if let Err(refused) = change(&mut self.ipvs) {
            warn!("IPVS will not {what}: {refused}");
        }
    }
}
