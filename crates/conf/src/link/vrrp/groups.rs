//! Sync groups, track groups, and what being in one does to an instance.

use super::{Surroundings, tracked};
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::link::witness;
use crate::lower::group::GroupDraft;
use crate::lower::instance::InstanceDraft;
use crate::lower::{Draft, Spanned};
use crate::source::Span;
use standfast_model::config::instance::{GroupOptions, TrackGroup};
use standfast_model::config::track::Tracker;
use standfast_model::config::vrrp::{Instance, InstanceId, SyncGroup};
use std::collections::{BTreeMap, BTreeSet};

/// The group of each instance, by the place of the instance in the draft. The first group that names it has it.
pub(super) fn members_by_instance(draft: &Draft) -> BTreeMap<usize, &GroupDraft> {
    let mut found = BTreeMap::new();
    for group in &draft.groups {
        for name in group.members.iter().flatten() {
            if let Some(at) = draft.instance_places.get(&name.value) {
                found.entry(*at).or_insert(group);
            }
        }
    }
    found
}

pub(super) fn groups(
    places: &BTreeMap<usize, InstanceId>,
    around: &mut Surroundings<'_, '_>,
    diagnostics: &mut Diagnostics,
) -> Vec<SyncGroup> {
    let mut taken: BTreeMap<InstanceId, (Span, &GroupDraft)> = BTreeMap::new();
    let mut groups = Vec::new();
    let draft = around.draft;
    for group in &draft.groups {
        let members = members(group, draft, places, &mut taken, diagnostics);
        if members.is_empty() {
            continue;
        }
        let track_interfaces = tracked(&group.track_interfaces, None, diagnostics);
        let Surroundings { scripts, trackers, common, .. } = around;
        let global = &draft.global;
        let options = GroupOptions {
            trackers: trackers.resolve(&group.trackers, common, scripts, diagnostics),
            notify: scripts.notify(&group.notify, diagnostics),
            smtp_alert: group.smtp_alert.or(global.smtp_alert_vrrp).or(global.smtp_alert).unwrap_or(false),
            tracking_weight: group.tracking_weight,
            witness: witness::policy(group.witness.as_ref(), draft, common, diagnostics),
        };
        groups.push(SyncGroup { name: group.name.clone(), members, track_interfaces, options });
    }
    groups
}

/// `track_group` with the instances there are.
pub(super) fn track_groups(
    draft: &Draft,
    places: &BTreeMap<usize, InstanceId>,
    diagnostics: &mut Diagnostics,
) -> Vec<TrackGroup> {
    let mut groups = Vec::new();
    for group in &draft.track_groups {
        let mut members = Vec::new();
        for name in &group.members {
            match draft.instance_places.get(&name.value) {
                None => unknown_member(name, draft, diagnostics),
                Some(at) => members.extend(places.get(at)),
            }
        }
        if members.is_empty() {
            let headline = format!("track group `{}` has no members", group.name);
            diagnostics.push(Diagnostic::new(Code::EmptyGroup, headline, group.head, "this group is removed"));
            continue;
        }
        groups.push(TrackGroup { name: group.name.clone(), members });
    }
    groups
}

/// Weights that cannot count: those of an owner, and those of the members of a group.
pub(super) fn drop_weights(
    draft: &InstanceDraft,
    group: Option<&GroupDraft>,
    instance: &mut Instance,
    diagnostics: &mut Diagnostics,
) {
    let owner = instance.priority.is_owner();
    let grouped = group.is_some_and(|group| !group.tracking_weight);
    if !owner && !grouped {
        return;
    }
    let mut dropped = 0;
    let before = instance.options.trackers.len();
    for tracked in &mut instance.options.trackers {
        // A file counts once when nobody says more; a group or an owner only asks whether it says anything.
        if matches!(tracked.tracker, Tracker::File(_)) && tracked.weight == 1 {
            tracked.weight = 0;
        }
    }
    instance.options.trackers.retain(|tracked| match tracked.tracker {
        Tracker::Process(_) => tracked.weight == 0 || !owner,
        Tracker::Script(_) | Tracker::File(_) | Tracker::Bfd(_) | Tracker::Service(_) => tracked.weight == 0,
    });
    dropped += before - instance.options.trackers.len();
    for tracked in &mut instance.track_interfaces {
        if tracked.weight != 0 {
            tracked.weight = 0;
            dropped += 1;
        }
    }
    if dropped > 0 {
        let why = if owner { "its priority never changes" } else { "the members of its group move together" };
        let headline = format!("instance `{}` has trackers whose weight cannot count", draft.name);
        let label = format!("{dropped} of them: {why}");
        let diagnostic = Diagnostic::new(Code::WeightDropped, headline, draft.head, label);
        diagnostics.push(match group.filter(|_| !owner) {
            Some(group) => diagnostic.and(group.head, "the group").help("say sync_group_tracking_weight in the group"),
            None => diagnostic,
        });
    }
}

fn members<'d>(
    group: &'d GroupDraft,
    draft: &'d Draft,
    places: &BTreeMap<usize, InstanceId>,
    taken: &mut BTreeMap<InstanceId, (Span, &'d GroupDraft)>,
    diagnostics: &mut Diagnostics,
) -> Vec<InstanceId> {
    let written = group.members.as_deref().unwrap_or_default();
    let mut members = Vec::new();
    let mut listed = BTreeSet::new();
    for name in written {
        let Some(at) = draft.instance_places.get(&name.value) else {
            unknown_member(name, draft, diagnostics);
            continue;
        };
        if !listed.insert(*at) {
            let headline = format!("`{}` is in the group twice", name.value);
            diagnostics.push(Diagnostic::new(Code::GroupedTwice, headline, name.span, "this is ignored"));
            continue;
        }
        // An instance that could not be made has been told; its place in the group is not a second mistake.
        let Some(id) = places.get(at) else { continue };
        if let Some((span, other)) = taken.get(id) {
            let headline = format!("`{}` is in two groups", name.value);
            let diagnostic = Diagnostic::new(Code::GroupedTwice, headline, name.span, "this is ignored");
            diagnostics.push(diagnostic.and(*span, format!("group `{}` has it already", other.name)));
            continue;
        }
        taken.insert(*id, (name.span, group));
        members.push(*id);
    }
    if listed.is_empty() {
        let headline = format!("sync group `{}` has no members", group.name);
        diagnostics.push(Diagnostic::new(Code::EmptyGroup, headline, group.head, "this group is removed"));
    } else if listed.len() == 1 && members.len() == 1 {
        let headline = format!("sync group `{}` has one member", group.name);
        diagnostics.push(Diagnostic::new(Code::LoneMember, headline, group.head, "there is nothing to keep in step"));
    }
    members
}

fn unknown_member(name: &Spanned<String>, draft: &Draft, diagnostics: &mut Diagnostics) {
    let headline = format!("no instance is called `{}`", name.value);
    let mut diagnostic = Diagnostic::new(Code::UnknownMember, headline, name.span, "this member is ignored");
    let names = draft.instance_places.keys().map(String::as_bytes);
    if let Some(near) = diagnostics.nearest(name.value.as_bytes(), names) {
        diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
    }
    diagnostics.push(diagnostic);
}
