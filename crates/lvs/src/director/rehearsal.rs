//! A reload rehearsed: a copy of the director goes through it, and what it would ask for is written down.

use super::{Director, Event};
use crate::output::{Action, Output};
use standfast_model::Instant;
use standfast_model::config::LvsConfig;

impl Director {
    /// What [`Event::Reload`] would make this director do now, in that order: operations, notices, checks that are given
    /// up. None while nothing is known of the kernel's table.
    #[must_use]
    pub fn rehearse(&self, now: Instant, config: LvsConfig) -> Option<Vec<Action>> {
        if !self.reconciler.knows_table() {
            return None;
        }
        let mut copy = self.clone();
        copy.forget_compared();
        copy.reconciler.take_nothing_for_empty();
        let mut out = Output::default();
        copy.handle(now, Event::Reload(Box::new(config)), &mut out);
        // What is changed is applied on the next wake, which is due at once.
        copy.reconciler.wake(now, &mut out);
        Some(out.actions)
    }
}
