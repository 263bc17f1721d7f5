//! Notify scripts of instances and groups.

use super::Draft;
use super::script::{self, ScriptDraft};
use crate::parse::{Parser, Statement};

/// The scripts of an instance or a group.
#[derive(Clone, Debug, Default)]
pub(crate) struct NotifyDraft {
    pub(crate) master: Option<ScriptDraft>,
    pub(crate) backup: Option<ScriptDraft>,
    pub(crate) fault: Option<ScriptDraft>,
    pub(crate) stop: Option<ScriptDraft>,
    pub(crate) any: Option<ScriptDraft>,
    pub(crate) master_rx_lower_pri: Option<ScriptDraft>,
    pub(crate) conflict: Option<ScriptDraft>,
    pub(crate) deleted: bool,
    pub(crate) deleted_script: Option<ScriptDraft>,
}

impl NotifyDraft {
    /// Takes a statement of the family; false for another.
    pub(crate) fn take(&mut self, parser: &mut Parser<'_>, statement: &Statement, draft: &Draft) -> bool {
        let slot = match statement.keyword.name {
            "notify_master" => &mut self.master,
            "notify_backup" => &mut self.backup,
            "notify_fault" => &mut self.fault,
            "notify_stop" => &mut self.stop,
            "notify" => &mut self.any,
            "notify_master_rx_lower_pri" => &mut self.master_rx_lower_pri,
            "notify_conflict" => &mut self.conflict,
            "notify_deleted" => {
                self.deleted = true;
                if statement.args() == 0 {
                    return true;
                }
                &mut self.deleted_script
            }
            _ => return false,
        };
        let found = script::script(parser, statement, draft);
        script::keep(parser, slot, found);
        true
    }
}
