//! What can be tracked: `vrrp_script`, `track_file`, `vrrp_track_process`.

use super::named::begin;
use super::script::{RunAs, ScriptDraft};
use super::setting::set;
use super::{Draft, Spanned, not_lowered, script, track};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::parse::{Parser, Statement};
use crate::value::shown;
use core::time::Duration;
use standfast_model::config::track::{InitFile, ProcessMatch};

/// `weight N [reverse]` of something that is tracked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Weight {
    pub(crate) value: i16,
    pub(crate) reverse: bool,
}

/// What a `vrrp_script` says.
#[derive(Debug, Default)]
pub(crate) struct TrackScriptDraft {
    pub(crate) script: Option<ScriptDraft>,
    /// A `script` or `user` was written and could not be used.
    pub(crate) bad: bool,
    pub(crate) interval: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) weight: Weight,
    pub(crate) rise: Option<u32>,
    pub(crate) fall: Option<u32>,
    pub(crate) init_fail: bool,
}

/// Reads `weight N [reverse]` within the range of the table, one more standing for the largest.
pub(crate) fn weight(parser: &mut Parser<'_>, statement: &Statement, most: i16) -> Option<Weight> {
    let word = statement.arg(0)?;
    let value = track::weight(parser, word, statement.arg_span(0), most)?;
    let reverse = match statement.arg(1) {
        None => false,
        Some(b"reverse") => true,
        Some(other) => {
            let headline = format!("`{}` is no word of a weight", shown(other));
            let diagnostic = Diagnostic::new(Code::InvalidEntry, headline, statement.arg_span(1), "this is ignored");
            parser.report(diagnostic.help("write weight N, or weight N reverse"));
            false
        }
    };
    Some(Weight { value, reverse })
}

/// A time of which 0 becomes a second, as in keepalived.
fn not_zero(parser: &mut Parser<'_>, statement: &Statement) -> Option<Duration> {
    let zero = statement.arg(0).is_some_and(|w| matches!(crate::value::decimal(w, 3), Ok((0, _))));
    if !zero {
        return parser.time(statement);
    }
    let headline = format!("`{}` cannot be 0", statement.keyword.name);
    parser.report(Diagnostic::new(Code::Adjusted, headline, statement.arg_span(0), "1 s is used"));
    Some(Duration::from_secs(1))
}

/// Reads a `vrrp_script` block.
pub(crate) fn vrrp_script(parser: &mut Parser<'_>, head: &Statement, draft: &mut Draft) {
    let Some(name) = begin(parser, head, &draft.scripts) else { return };
    let mut own = TrackScriptDraft::default();
    let mut user = None;
    while let Some(statement) = parser.next() {
        match statement.keyword.name {
            "script" => {
                let found = script::command(parser, &statement, draft);
                own.bad |= found.is_none();
                script::keep(parser, &mut own.script, found);
            }
            "user" => {
                let found = script::user(parser, &statement);
                own.bad |= found.is_none();
                set(&mut user, found);
            }
            "interval" => set(&mut own.interval, not_zero(parser, &statement)),
            "timeout" => set(&mut own.timeout, not_zero(parser, &statement)),
            "weight" => own.weight = weight(parser, &statement, 253).unwrap_or(own.weight),
            "rise" => set(&mut own.rise, parser.number(&statement)),
            "fall" => set(&mut own.fall, parser.number(&statement)),
            "init_fail" => own.init_fail = true,
            _ => not_lowered(parser, &statement),
        }
    }
    if let (Some(script), Some(user)) = (&mut own.script, user) {
        script.identity = RunAs::Named(user.value);
    }
    if own.script.is_none() && !own.bad {
        let headline = format!("vrrp_script `{name}` has no script");
        parser.report(Diagnostic::new(Code::NoScript, headline, head.span(), "it is removed"));
    }
    draft.scripts.insert(name, head.span(), own);
}

/// What a `track_file` says.
#[derive(Debug, Default)]
pub(crate) struct TrackFileDraft {
    pub(crate) path: Option<String>,
    pub(crate) weight: Option<Weight>,
    pub(crate) init: Option<InitFile>,
}

/// Reads a `track_file` block.
pub(crate) fn track_file(parser: &mut Parser<'_>, head: &Statement, draft: &mut Draft) {
    let Some(name) = begin(parser, head, &draft.files) else { return };
    let mut own = TrackFileDraft::default();
    while let Some(statement) = parser.next() {
        match statement.keyword.name {
            "file" => own.path = Some(statement.name()),
            "weight" => set(&mut own.weight, weight(parser, &statement, 254)),
            "init_file" => own.init = Some(init_file(parser, &statement)),
            _ => not_lowered(parser, &statement),
        }
    }
    if own.path.is_none() {
        let headline = format!("track_file `{name}` has no file");
        parser.report(Diagnostic::new(Code::NoScript, headline, head.span(), "it is removed"));
    }
    draft.files.insert(name, head.span(), own);
}

fn init_file(parser: &mut Parser<'_>, statement: &Statement) -> InitFile {
    let mut init = InitFile { value: 0, overwrite: false };
    for at in 0..statement.args() {
        let word = statement.arg(at).unwrap_or_default();
        if word == b"overwrite" {
            init.overwrite = true;
        } else if let Some(value) =
            parser.number_of(word, statement.arg_span(at), i128::from(i32::MIN), i128::from(i32::MAX))
        {
            init.value = i32::try_from(value).unwrap_or(0);
        }
    }
    init
}

/// What a `vrrp_track_process` says.
#[derive(Debug, Default)]
pub(crate) struct TrackProcessDraft {
    pub(crate) words: Vec<Vec<u8>>,
    pub(crate) param_match: Option<ProcessMatch>,
    pub(crate) full_command: bool,
    pub(crate) weight: Weight,
    pub(crate) quorum: Option<Spanned<u32>>,
    pub(crate) quorum_max: Option<Spanned<u32>>,
    pub(crate) terminate_delay: Duration,
    pub(crate) fork_delay: Duration,
}

/// Reads a `vrrp_track_process` block.
pub(crate) fn vrrp_track_process(parser: &mut Parser<'_>, head: &Statement, draft: &mut Draft) {
    let Some(name) = begin(parser, head, &draft.processes) else { return };
    let mut own = TrackProcessDraft::default();
    while let Some(statement) = parser.next() {
        let span = statement.span();
        match statement.keyword.name {
            "process" => {
                own.words = (0..statement.args()).filter_map(|at| statement.arg(at).map(<[u8]>::to_vec)).collect();
            }
            "param_match" => own.param_match = param_match(parser, &statement),
            "weight" => own.weight = weight(parser, &statement, 254).unwrap_or(own.weight),
            "quorum" => set(&mut own.quorum, parser.number(&statement).map(|value| Spanned { value, span })),
            "quorum_max" => set(&mut own.quorum_max, parser.number(&statement).map(|value| Spanned { value, span })),
            "delay" => {
                if let Some(delay) = parser.time(&statement) {
                    own.terminate_delay = delay;
                    own.fork_delay = delay;
                }
            }
            "terminate_delay" => own.terminate_delay = parser.time(&statement).unwrap_or(own.terminate_delay),
            "fork_delay" => own.fork_delay = parser.time(&statement).unwrap_or(own.fork_delay),
            "full_command" => own.full_command = true,
            _ => not_lowered(parser, &statement),
        }
    }
    if own.words.is_empty() {
        let headline = format!("vrrp_track_process `{name}` has no process");
        parser.report(Diagnostic::new(Code::NoScript, headline, head.span(), "it is removed"));
    }
    draft.processes.insert(name, head.span(), own);
}

fn param_match(parser: &mut Parser<'_>, statement: &Statement) -> Option<ProcessMatch> {
    let Some(word) = statement.arg(0) else { return Some(ProcessMatch::Exact) };
    match parser.choice_of(word, statement.arg_span(0), &["initial", "partial"])? {
        "initial" => Some(ProcessMatch::Initial),
        _ => Some(ProcessMatch::Partial),
    }
}
