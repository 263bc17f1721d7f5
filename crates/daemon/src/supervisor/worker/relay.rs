//! What one worker finds and another has to know, by way of the supervisor: BFD sessions, quorums of tracked virtual
//! servers, witnesses and their leases, the state of the sync daemon's instance.
//!
//! Each worker is told what it does not know yet, and everything again after a start. It decides nothing.

use super::Worker;
use standfast_api::{ToWorker, WorkerKind, encode};
use standfast_model::Witnessed;
use standfast_model::config::track::TrackedService;
use std::collections::BTreeMap;

/// A BFD session as its worker sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::supervisor) struct Verdict {
    pub(in crate::supervisor) session: String,
    pub(in crate::supervisor) up: bool,
    pub(in crate::supervisor) told: Vec<WorkerKind>,
}

/// What a worker was told last about each thing, as it was sent.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<Topic, Vec<u8>>);

/// A thing that a worker is told about again when it changes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Topic {
    Bfd(String),
    Quorum(TrackedService),
    Witness(String),
    Lease(String),
    Sync,
}

impl Worker {
    /// What a `bfd` worker has said since this was asked last.
    pub(in crate::supervisor) fn take_verdicts(&mut self) -> Vec<Verdict> {
        core::mem::take(&mut self.heard_of_bfd)
    }

    /// What a `check` worker has said of witnesses since this was asked last.
    pub(in crate::supervisor) fn take_witnessed(&mut self) -> Vec<(String, Witnessed)> {
        core::mem::take(&mut self.heard_of_witnesses)
    }

    /// Tells it of a BFD session, if it asked for that.
    pub(in crate::supervisor) fn tell_of_bfd(&mut self, verdict: &Verdict) {
        let Verdict { session, up, told } = verdict;
        if told.contains(&self.kind()) {
            let message = ToWorker::Bfd { session: session.clone(), up: *up };
            self.tell_news(Topic::Bfd(session.clone()), &message);
        }
    }

    /// Tells it of a tracked virtual server.
    pub(in crate::supervisor) fn tell_of_quorum(&mut self, service: &TrackedService, has_quorum: bool) {
        let message = ToWorker::Quorum { service: service.clone(), has_quorum };
        self.tell_news(Topic::Quorum(service.clone()), &message);
    }

    /// Tells it what a witness says.
    pub(in crate::supervisor) fn tell_of_witness(&mut self, witness: &str, said: &Witnessed) {
        let message = ToWorker::Witness { witness: witness.to_owned(), said: said.clone() };
        self.tell_news(Topic::Witness(witness.to_owned()), &message);
    }

    /// Tells it whether a lease is wanted.
    pub(in crate::supervisor) fn tell_of_lease(&mut self, witness: &str, wanted: bool) {
        let message = ToWorker::Lease { witness: witness.to_owned(), wanted };
        self.tell_news(Topic::Lease(witness.to_owned()), &message);
    }

    /// Tells it whether the instance of the connection sync daemon is master.
    pub(in crate::supervisor) fn tell_of_sync(&mut self, master: bool) {
        self.tell_news(Topic::Sync, &ToWorker::SyncInstance { master });
    }

    /// Tells it, unless it knows. What finds no room is told at the next opportunity.
    fn tell_news(&mut self, topic: Topic, message: &ToWorker) {
        let Some(channel) = self.open_channel() else { return };
        let Ok(message) = encode(message) else { return };
        if self.told.0.get(&topic) != Some(&message) && channel.send(&message, &[]).is_ok() {
            self.told.0.insert(topic, message);
        }
    }
}
