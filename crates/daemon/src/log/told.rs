//! Lines kept for whoever tells them on: a worker to its supervisor, the supervisor to the front.
//!
//! So the operator's `events` and `why` have the journal's own lines, each once and in the same words.

use super::{Line, Severity, Sink, Written, moment};
use standfast_api::{Event, EventKind, Said};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Lines that wait to be told on: a change of every instance and every server of a large site.
const WAITING: usize = 4096;

static TOLD: Mutex<VecDeque<Event>> = Mutex::new(VecDeque::new());

/// Keeps what an operator reads, not what one debugs with.
pub(super) struct Told;

impl Sink for Told {
    fn write(&mut self, line: &Line<'_>) -> Written {
        if line.severity == Severity::Debug {
            return Written::Yes;
        }
        // A panic while the lock was held leaves the queue usable.
        let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= WAITING {
            return Written::No;
        }
        let said = Said {
            process: line.identifier.to_owned(),
            severity: line.severity.number(),
            message: line.message.clone(),
            fields: line.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        };
        told.push_back(Event { at: moment::at(), kind: EventKind::Said(said) });
        Written::Yes
    }
}

/// Takes what was said since this was last asked.
#[must_use]
pub fn take() -> VecDeque<Event> {
    core::mem::take(&mut *TOLD.lock().unwrap_or_else(PoisonError::into_inner))
}
