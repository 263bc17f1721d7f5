//! What happens to pools, told to the world: scripts, named pipes and mails, which the runner serves.
//!
//! It owns who wants to know. What is told is the core's, how it is told the runner's.

use crate::runner_client::RunnerClient;
use standfast_api::CheckSlice;
use standfast_api::runner::{Line, Mail};
use standfast_lvs::Occasion;

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
