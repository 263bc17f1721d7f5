//! `vrrp_sync_group`.

use super::global::set;
use super::instance::TrackersDraft;
use super::notify::NotifyDraft;
use super::{Draft, Spanned, not_lowered, track, witness};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::parse::{Parser, Statement};
use crate::source::Span;
use crate::value::shown;
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
        let headline = format!("sync group `{}` is defined twice", shown(name.as_bytes()));
        let diagnostic = Diagnostic::new(Code::DuplicateGroup, headline, head.span(), "this block is ignored");
        let diagnostic = diagnostic.and(first.head, "first defined here");
        parser.report(diagnostic);
        return parser.skip_block(head);
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
                let again = group.members.is_some();
                if again {
                    let headline = "a second list of members is ignored";
                    parser.report(Diagnostic::new(Code::Repeated, headline, statement.span(), "this is ignored"));
                    parser.skip_block(&statement);
                    continue;
                }
                group.members = Some(names(parser, &statement));
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

/// Reads a list of names, any number a line.
pub(crate) fn names(parser: &mut Parser<'_>, head: &Statement) -> Vec<Spanned<String>> {
    let mut found = Vec::new();
    if !parser.enter(head) {
        return found;
    }
    while let Some(line) = parser.next_entry() {
        for at in 0..line.len() {
            let value = String::from_utf8_lossy(line.word(at).unwrap_or_default()).into_owned();
            found.push(Spanned { value, span: line.span_of(at) });
        }
    }
    found
}
