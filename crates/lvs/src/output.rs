//! What a director wants done, in the order in which it wants it done.

use crate::director::CheckerId;
use crate::marking::Marking;
use crate::notice::Notice;
use crate::occasion::Occasion;
use crate::table::Operation;
use standfast_model::config::lvs::{SyncDaemon, Timeouts};
use standfast_model::ipvs::ServiceKey;

/// One thing to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Perform one attempt of this check now, and answer with `CheckFinished`. It is not asked for again before that.
    StartCheck(CheckerId),
    /// That checker is no more, or rests: an attempt under way may be given up, its answer is of no use.
    CancelCheck(CheckerId),
    /// Read the kernel's table, and answer with `Observed` or `DumpFailed`. It may take its time, and what is to be
    /// applied meanwhile need not wait for it; what was to be applied before must have been.
    Dump,
    /// Send these to the kernel in this order, and answer with `OperationFailed` for each one that it refuses.
    Apply(Vec<Operation>),
    /// Count the connections of every destination of these services, and answer with `Connections`.
    CountConnections(Vec<ServiceKey>),
    /// Empty the kernel's table, whoever made its entries (`lvs_flush`, `lvs_flush_on_stop`).
    Flush,
    /// Set the timeouts of connections (`lvs_timeouts`); 0 leaves the kernel's.
    SetTimeouts(Timeouts),
    /// Bring the kernel's connection sync daemons to this and no other.
    SetSyncDaemon(Option<SyncRole>),
    /// Have the packet filter mark these packets and no others (`nftables_ipvs`).
    SetMarking(Marking),
    /// Remove the packet filter's table of that name, which marked packets for us.
    RemoveMarking(String),
    /// Something an operator wants to read.
    Notice(Notice),
    /// Something that scripts, named pipes and mails are to be told.
    Notify(Box<Occasion>),
}

/// The connection sync daemon that should run in the kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncRole {
    /// It sends our connections; else it receives those of the master.
    pub sends: bool,
    /// `lvs_sync_daemon`.
    pub config: SyncDaemon,
}

/// Collects actions in order; reused between calls.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// The actions, first to last.
    pub actions: Vec<Action>,
}

impl Output {
    pub(crate) fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    pub(crate) fn notify(&mut self, occasion: Occasion) {
        self.actions.push(Action::Notify(Box::new(occasion)));
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        self.actions.push(Action::Notice(notice));
    }
}
