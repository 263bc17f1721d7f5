//! What a director wants done, in the order in which it wants it done.

use crate::director::CheckerId;
use crate::notice::Notice;
use crate::table::Operation;

/// One thing to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Perform one attempt of this check now, and answer with `CheckFinished`. It is not asked for again before that.
    StartCheck(CheckerId),
    /// Read the kernel's table, and answer with `Observed` or `DumpFailed`. Nothing is applied before the answer.
    Dump,
    /// Send these to the kernel in this order, and answer with `OperationFailed` for each one that it refuses.
    Apply(Vec<Operation>),
    /// Something an operator wants to read.
    Notice(Notice),
}

/// Collects actions in order; reused between calls.
#[derive(Debug, Default)]
pub struct Output {
    /// The actions, first to last.
    pub actions: Vec<Action>,
}

impl Output {
    pub(crate) fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        self.actions.push(Action::Notice(notice));
    }
}
