//! `vrrp_sync_group`.

use super::notify::NotifyDraft;
use super::setting::set;
use super::track::{self, TrackersDraft};
use super::{Draft, Spanned, entry, named, not_lowered, witness};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::parse::{Parser, Statement};
use crate::source::Span;
use standfast_model::config::vrrp::TrackedInterface;

/// What a `vrrp_sync_group` says.
#[derive(Debug)]
pub(crate) struct GroupDraft {
    pub(crate) name: String,
    pub(crate) head: Span,
    /// None: there is no `group` block at all.
    pub(crate) members: Option<Vec<Spanned<String>>>,
    pub(crate) track_interfaces: Vec<Spanned<TrackedInterface>>,
    pub(crate) trackers: TrackersDraft,
    pub(crate) notify: NotifyDraft,
    pub(crate) smtp_alert: Option<bool>,
    pub(crate) notify_priority_changes: Option<bool>,
    pub(crate) tracking_weight: bool,
    pub(crate) witness: Option<witness::PolicyDraft>,
}

/// Reads a `vrrp_sync_group` block.
pub(crate) fn vrrp_sync_group(parser: &mut Parser<'_>, head: &Statement, draft: &mut Draft) {
    let name = head.name();
    if let Some(first) = draft.group_places.get(&name).and_then(|at| draft.groups.get(*at)) {
        return named::taken(parser, head, (Code::DuplicateGroup, "sync group"), first.head);
    }
    if !parser.enter(head) {
        return;
    }
    let mut group = GroupDraft {
        name,
        head: head.span(),
        members: None,
        track_interfaces: Vec::new(),
        trackers: TrackersDraft::default(),
        notify: NotifyDraft::default(),
        smtp_alert: None,
        notify_priority_changes: None,
        tracking_weight: false,
        witness: None,
    };
    while let Some(statement) = parser.next() {
        match statement.keyword.name {
            "group" => {
                if group.members.is_some() {
                    let headline = "a second list of members is ignored";
                    parser.report(Diagnostic::new(Code::Repeated, headline, statement.span(), "this is ignored"));
                    parser.skip_block(&statement);
                    continue;
                }
                group.members = Some(entry::names(parser, &statement));
            }
            "track_interface" => {
                let found = track::interfaces(parser, &statement, draft);
                group.track_interfaces.extend(found);
            }
            "smtp_alert" => set(&mut group.smtp_alert, parser.boolean(&statement)),
            "notify_priority_changes" => set(&mut group.notify_priority_changes, parser.boolean(&statement)),
            "sync_group_tracking_weight" => group.tracking_weight = true,
            "witness" => set(&mut group.witness, witness::policy(parser, &statement)),
            _ => {
                let taken =
                    group.trackers.take(parser, &statement, draft) || group.notify.take(parser, &statement, draft);
                if !taken {
                    not_lowered(parser, &statement);
                }
            }
        }
    }
    draft.group_places.insert(group.name.clone(), draft.groups.len());
    draft.groups.push(group);
}
