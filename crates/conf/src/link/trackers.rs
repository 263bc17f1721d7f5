//! Track lists: names to what they name, with the weights that count.

use super::scripts::Scripts;
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lower::Draft;
use crate::lower::named::Named;
use crate::lower::server::ServiceName;
use crate::lower::track::{TrackDraft, TrackersDraft};
use crate::lower::tracker::{TrackFileDraft, TrackProcessDraft, TrackScriptDraft, Weight};
use core::time::Duration;
use standfast_model::config::instance::VrrpCommon;
use standfast_model::config::track::{
    BfdId, FileId, ProcessId, ProcessMatch, ScriptId, ServiceId, TrackFile, TrackProcess, TrackScript, Tracked,
    TrackedService, Tracker,
};
use std::collections::BTreeMap;

/// What is tracked, found by name when first used: what nobody tracks is not run.
pub(super) struct Trackers<'d> {
    draft: &'d Draft,
    scripts: BTreeMap<usize, Option<ScriptId>>,
    files: BTreeMap<usize, Option<FileId>>,
    processes: BTreeMap<usize, Option<ProcessId>>,
    sessions: BTreeMap<usize, BfdId>,
}

fn next_id(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl<'d> Trackers<'d> {
    pub(super) fn new(draft: &'d Draft) -> Self {
        Self {
            draft,
            scripts: BTreeMap::new(),
            files: BTreeMap::new(),
            processes: BTreeMap::new(),
            sessions: BTreeMap::new(),
        }
    }

    /// The entries of an instance or a group. What names nothing, or names it twice, is told and left out.
    pub(super) fn resolve(
        &mut self,
        written: &TrackersDraft,
        common: &mut VrrpCommon,
        scripts: &mut Scripts<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Vec<Tracked> {
        let draft = self.draft;
        let mut found = Vec::new();
        for (entry, at, defined) in named(&written.scripts, &draft.scripts, "vrrp_script", diagnostics) {
            if let Some(id) = self.script(at, entry, defined, common, scripts, diagnostics) {
                found.push(tracked(entry, Tracker::Script(id), defined.weight));
            }
        }
        for (entry, at, defined) in named(&written.files, &draft.files, "track_file", diagnostics) {
            if let Some(id) = self.file(at, entry, defined, common) {
                // A track_file without a weight counts once.
                let weight = defined.weight.unwrap_or(Weight { value: 1, reverse: false });
                found.push(tracked(entry, Tracker::File(id), weight));
            }
        }
        for (entry, at, defined) in named(&written.processes, &draft.processes, "vrrp_track_process", diagnostics) {
            if let Some(id) = self.process(at, entry, defined, common, diagnostics) {
                found.push(tracked(entry, Tracker::Process(id), defined.weight));
            }
        }
        for (entry, at, defined) in named(&written.sessions, &draft.sessions, "bfd_instance", diagnostics) {
            if defined.checker && !defined.vrrp {
                let name = String::from_utf8_lossy(&entry.name.value);
                let headline = format!("the session `{name}` is for checkers only");
                let diagnostic =
                    Diagnostic::new(Code::UnknownTracker, headline, entry.name.span, "this entry is ignored");
                diagnostics.push(diagnostic.help("say vrrp in the bfd_instance as well"));
                continue;
            }
            let id = *self.sessions.entry(at).or_insert_with(|| {
                common.bfd_sessions.push(String::from_utf8_lossy(&entry.name.value).into_owned());
                common.own_weights.bfd_sessions.push(own(defined.weight));
                BfdId(next_id(common.bfd_sessions.len() - 1))
            });
            found.push(tracked(entry, Tracker::Bfd(id), defined.weight));
        }
        for (entry, service) in services(&written.services, draft, diagnostics) {
            let known = common.services.iter().position(|known| *known == service);
            let at = known.unwrap_or_else(|| {
                common.services.push(service);
                common.services.len() - 1
            });
            let none = Weight { value: 0, reverse: false };
            found.push(tracked(entry, Tracker::Service(ServiceId(next_id(at))), none));
        }
        found
    }

    fn script(
        &mut self,
        at: usize,
        entry: &TrackDraft,
        defined: &TrackScriptDraft,
        common: &mut VrrpCommon,
        scripts: &mut Scripts<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<ScriptId> {
        *self.scripts.entry(at).or_insert_with(|| {
            let usable = defined.script.as_ref().filter(|_| !defined.bad)?;
            let script = scripts.tracker(usable, diagnostics)?;
            let interval = defined.interval.unwrap_or(Duration::from_secs(1));
            common.scripts.push(TrackScript {
                name: String::from_utf8_lossy(&entry.name.value).into_owned(),
                script,
                interval,
                timeout: defined.timeout.unwrap_or(interval),
                rise: defined.rise.unwrap_or(1),
                fall: defined.fall.unwrap_or(1),
                init_fail: defined.init_fail,
            });
            common.own_weights.scripts.push(own(defined.weight));
            Some(ScriptId(next_id(common.scripts.len() - 1)))
        })
    }

    fn file(
        &mut self,
        at: usize,
        entry: &TrackDraft,
        defined: &TrackFileDraft,
        common: &mut VrrpCommon,
    ) -> Option<FileId> {
        *self.files.entry(at).or_insert_with(|| {
            common.files.push(track_file(&String::from_utf8_lossy(&entry.name.value), defined)?);
            common.own_weights.files.push(own(defined.weight.unwrap_or(Weight { value: 1, reverse: false })));
            Some(FileId(next_id(common.files.len() - 1)))
        })
    }

    fn process(
        &mut self,
        at: usize,
        entry: &TrackDraft,
        defined: &TrackProcessDraft,
        common: &mut VrrpCommon,
        diagnostics: &mut Diagnostics,
    ) -> Option<ProcessId> {
        *self.processes.entry(at).or_insert_with(|| {
            let name = String::from_utf8_lossy(&entry.name.value).into_owned();
            common.processes.push(track_process(name, defined, diagnostics)?);
            common.own_weights.processes.push(own(defined.weight));
            Some(ProcessId(next_id(common.processes.len() - 1)))
        })
    }
}

/// The file of that name as the configuration has it; none if it names no path, which was told.
pub(super) fn track_file(name: &str, defined: &TrackFileDraft) -> Option<TrackFile> {
    Some(TrackFile { name: name.to_owned(), path: defined.path.clone()?, init: defined.init })
}

fn track_process(name: String, defined: &TrackProcessDraft, diagnostics: &mut Diagnostics) -> Option<TrackProcess> {
    if defined.words.is_empty() {
        return None;
    }
    let quorum_max = defined.quorum_max.map(|q| q.value);
    // A largest number of 0 demands that none runs.
    let quorum = if quorum_max == Some(0) { 0 } else { defined.quorum.map_or(1, |q| q.value) };
    if let Some(most) = defined.quorum_max.filter(|most| most.value < quorum) {
        let headline = format!("quorum_max {} is below quorum {quorum}", most.value);
        diagnostics.push(Diagnostic::new(Code::Adjusted, headline, most.span, "this is ignored"));
    }
    let matching = match defined.param_match {
        Some(matching) => matching,
        None if defined.words.len() > 1 => ProcessMatch::Exact,
        None if defined.full_command => ProcessMatch::Command,
        None => ProcessMatch::Name,
    };
    Some(TrackProcess {
        name,
        words: defined.words.clone(),
        matching,
        quorum,
        quorum_max: quorum_max.filter(|most| *most >= quorum),
        terminate_delay: defined.terminate_delay,
        fork_delay: defined.fork_delay,
    })
}

const fn own(weight: Weight) -> (i16, bool) {
    (weight.value, weight.reverse)
}

fn tracked(entry: &TrackDraft, tracker: Tracker, default: Weight) -> Tracked {
    Tracked {
        tracker,
        weight: entry.weight.unwrap_or(default.value),
        reverse: entry.reverse.unwrap_or(default.reverse),
    }
}

/// The entries that name something, each once, with what they name.
fn services<'w>(
    written: &'w [TrackDraft],
    draft: &Draft,
    diagnostics: &mut Diagnostics,
) -> Vec<(&'w TrackDraft, TrackedService)> {
    let mut seen = BTreeMap::new();
    let mut found = Vec::new();
    let heads = || {
        draft.servers.iter().map(|server| match &server.name {
            ServiceName::Address(address, port) => TrackedService::Address(*address, *port),
            ServiceName::Mark(mark) => TrackedService::Mark(*mark),
            ServiceName::Group(name) => TrackedService::Group(name.clone()),
        })
    };
    for entry in written {
        let name = String::from_utf8_lossy(&entry.name.value);
        let Some(service) = service(&name).filter(|service| heads().any(|head| head == *service)) else {
            let headline = format!("there is no virtual server `{name}`");
            let mut diagnostic =
                Diagnostic::new(Code::UnknownTracker, headline, entry.name.span, "this entry is ignored");
            let heads: Vec<String> = heads().map(|head| head.to_string()).collect();
            diagnostic = match diagnostics.nearest(name.as_bytes(), heads.iter().map(String::as_bytes)) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None => diagnostic.help("write it as the head of its block: ADDRESS PORT, fwmark N or group NAME"),
            };
            diagnostics.push(diagnostic);
            continue;
        };
        if let Some(first) = seen.insert(service.clone(), entry.name.span) {
            let headline = format!("`{name}` is tracked twice");
            let diagnostic = Diagnostic::new(Code::Repeated, headline, entry.name.span, "this entry is ignored");
            diagnostics.push(diagnostic.and(first, "this one counts"));
            continue;
        }
        found.push((entry, service));
    }
    found
}

/// The words of a head.
fn service(name: &str) -> Option<TrackedService> {
    let mut words = name.split(' ');
    let (first, second) = (words.next()?, words.next());
    match (first, second) {
        ("fwmark", Some(mark)) => mark.parse().ok().map(TrackedService::Mark),
        ("group", Some(group)) => Some(TrackedService::Group(group.to_owned())),
        (address, port) => {
            let port = port.map_or(Ok(0), str::parse).ok()?;
            Some(TrackedService::Address(address.parse().ok()?, port))
        }
    }
}

fn named<'w, 'd, T>(
    written: &'w [TrackDraft],
    defined: &'d Named<T>,
    what: &str,
    diagnostics: &mut Diagnostics,
) -> Vec<(&'w TrackDraft, usize, &'d T)> {
    let mut seen = BTreeMap::new();
    let mut found = Vec::new();
    for entry in written {
        let name = String::from_utf8_lossy(&entry.name.value);
        let Some((at, value)) = defined.get(&name) else {
            let headline = format!("no {what} is called `{name}`");
            let mut diagnostic =
                Diagnostic::new(Code::UnknownTracker, headline, entry.name.span, "this entry is ignored");
            if let Some(near) = diagnostics.nearest(name.as_bytes(), defined.names()) {
                diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
            }
            diagnostics.push(diagnostic);
            continue;
        };
        if !entry.known {
            let headline = format!("`{name}` is defined further down");
            let label = "keepalived ignores this entry";
            let mut diagnostic = Diagnostic::new(Code::DefinedLater, headline, entry.name.span, label);
            if let Some(span) = defined.span(&name) {
                diagnostic = diagnostic.and(span, "it is defined here");
            }
            diagnostics.push(diagnostic.help("define it above its first use"));
        }
        if let Some(first) = seen.insert(at, entry.name.span) {
            let headline = format!("`{name}` is tracked twice");
            let diagnostic = Diagnostic::new(Code::Repeated, headline, entry.name.span, "this entry is ignored");
            diagnostics.push(diagnostic.and(first, "this one counts"));
            continue;
        }
        found.push((entry, at, value));
    }
    found
}
