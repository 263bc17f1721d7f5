//! What happens to pools, told to the world: scripts, named pipes and mails, which the runner serves.
//!
//! It owns who wants to know. What is told is the core's, how it is told the runner's.

use crate::runner_client::RunnerClient;
use standfast_api::runner::{Line, Mail};
use standfast_api::{CheckSlice, EventKind};
use standfast_lvs::Occasion;

/// The occasion as the supervisor is told of it; none for what is no change.
pub(super) fn event(occasion: &Occasion) -> Option<EventKind> {
    let &Occasion { service, up, .. } = occasion;
    occasion.changed.then(|| match occasion.server {
        Some(server) => EventKind::Server { service, server, up, cause: occasion.reason.clone() },
        None => EventKind::Quorum { service, gained: up },
    })
}

/// Who wants to know besides scripts. A site of thousands of servers need not hand over what nobody reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Audience {
    fifo: bool,
    mail: bool,
}

impl Audience {
    /// As the configuration has it.
    pub(super) fn of(slice: &CheckSlice) -> Self {
        let common = &slice.lvs.common;
        Self { fifo: common.fifo.is_some() || common.lvs_fifo.is_some(), mail: !slice.global.mail.to.is_empty() }
    }

    /// Hands an occasion to the runner, as far as anybody wants to know.
    pub(super) fn tell(self, occasion: Occasion, runner: &mut RunnerClient) {
        let line = occasion.fifo_line().filter(|_| self.fifo).map(|text| Line { text, state: true });
        let mail = (self.mail && occasion.mail)
            .then(|| Mail { subject: occasion.subject(), body: format!("=> {} <=", occasion.reason) });
        let subject = format!("{} {}", occasion.server_name, occasion.service_name);
        runner.notify(subject.trim_start(), Vec::from_iter(occasion.script), line, mail);
    }
}
