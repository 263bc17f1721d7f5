//! The track lists: what an instance or a sync group follows, each entry `NAME [weight N [reverse]]`.

use super::{Draft, Spanned};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::keyword::{Entries, Kind};
use crate::parse::{Line, Parser, Statement};
use crate::source::Span;
use crate::value::shown;
use standfast_model::config::vrrp::TrackedInterface;

/// An entry of a track list.
#[derive(Clone, Debug)]
pub(crate) struct TrackDraft {
    pub(crate) name: Spanned<Vec<u8>>,
    pub(crate) weight: Option<i16>,
    pub(crate) reverse: Option<bool>,
    /// What it names was defined above it.
    pub(crate) known: bool,
}

/// Track lists other than that of interfaces.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrackersDraft {
    pub(crate) scripts: Vec<TrackDraft>,
    pub(crate) files: Vec<TrackDraft>,
    pub(crate) processes: Vec<TrackDraft>,
    pub(crate) sessions: Vec<TrackDraft>,
    pub(crate) services: Vec<TrackDraft>,
}

impl TrackersDraft {
    /// Takes a statement of the family; false for another.
    pub(crate) fn take(&mut self, parser: &mut Parser<'_>, statement: &Statement, draft: &Draft) -> bool {
        if let Kind::List(_, Entries::VirtualServers) = statement.keyword.kind {
            self.services.append(&mut virtual_servers(parser, statement));
            return true;
        }
        let Kind::List(_, Entries::Tracked(_, most, noreverse)) = statement.keyword.kind else { return false };
        let (list, is_defined): (_, fn(&Draft, &str) -> bool) = match statement.keyword.name {
            "track_script" => (&mut self.scripts, |draft, name| draft.scripts.get(name).is_some()),
            "track_file" => (&mut self.files, |draft, name| draft.files.get(name).is_some()),
            "track_process" => (&mut self.processes, |draft, name| draft.processes.get(name).is_some()),
            "track_bfd" => (&mut self.sessions, |draft, name| draft.sessions.get(name).is_some()),
            _ => return false,
        };
        for mut entry in entries(parser, statement, most, noreverse) {
            entry.known = is_defined(draft, &String::from_utf8_lossy(&entry.name.value));
            list.push(entry);
        }
        true
    }
}

/// Reads a track list. `most` is the largest weight either way; one more is taken for it, as in keepalived.
pub(crate) fn entries(parser: &mut Parser<'_>, head: &Statement, most: i16, noreverse: bool) -> Vec<TrackDraft> {
    let mut found = Vec::new();
    if !parser.enter(head) {
        return found;
    }
    while let Some(line) = parser.next_entry() {
        let Some(name) = line.word(0) else { continue };
        let name = Spanned { value: name.to_vec(), span: line.span_of(0) };
        let mut entry = TrackDraft { name, weight: None, reverse: None, known: true };
        if options(parser, &line, 1, &mut entry, most, noreverse) {
            found.push(entry);
        }
    }
    found
}

/// Reads `track_virtual_server`: a virtual server is named by the words of its head.
pub(crate) fn virtual_servers(parser: &mut Parser<'_>, head: &Statement) -> Vec<TrackDraft> {
    let mut found = Vec::new();
    if !parser.enter(head) {
        return found;
    }
    while let Some(line) = parser.next_entry() {
        let is_option = |word: &[u8]| matches!(word, b"weight" | b"reverse" | b"noreverse");
        let words = (0..2).map_while(|at| line.word(at).filter(|word| !is_option(word))).count();
        let named: Vec<&[u8]> = (0..words).filter_map(|at| line.word(at)).collect();
        if named.is_empty() {
            continue;
        }
        let name = Spanned { value: named.join(&b' '), span: line.span_of(0) };
        let mut entry = TrackDraft { name, weight: None, reverse: None, known: true };
        if options(parser, &line, words, &mut entry, 253, true) {
            found.push(entry);
        }
    }
    found
}

/// Reads what stands behind the name, from a word on; false drops the entry.
fn options(
    parser: &mut Parser<'_>,
    line: &Line,
    mut at: usize,
    entry: &mut TrackDraft,
    most: i16,
    noreverse: bool,
) -> bool {
    while let Some(word) = line.word(at) {
        match word {
            b"weight" => {
                let Some(number) = line.word(at + 1) else {
                    missing(parser, line, "weight");
                    return true;
                };
                entry.weight = weight(parser, number, line.span_of(at + 1), most);
                at += 1;
            }
            b"reverse" => entry.reverse = Some(true),
            b"noreverse" if noreverse => entry.reverse = Some(false),
            other => {
                let headline = format!("`{}` is no word of an entry here", shown(other));
                let label = "the rest of the line is ignored";
                let diagnostic = Diagnostic::new(Code::InvalidEntry, headline, line.span_from(at), label);
                parser.report(diagnostic.help("write NAME weight N"));
                return true;
            }
        }
        at += 1;
    }
    true
}

/// A weight of at most `most` either way.
pub(crate) fn weight(parser: &mut Parser<'_>, word: &[u8], span: Span, most: i16) -> Option<i16> {
    let most = i128::from(most);
    // 254 stands for 253: an older keepalived allowed it.
    let value = parser.number_of(word, span, -254, 254)?;
    let clamped = value.clamp(-most, most);
    if clamped != value {
        let headline = format!("a weight of {value} cannot be");
        let label = format!("{clamped} is used");
        parser.report(Diagnostic::new(Code::Adjusted, headline, span, label));
    }
    i16::try_from(clamped).ok()
}

/// A word of an entry whose parameter is not there.
pub(crate) fn missing(parser: &mut Parser<'_>, line: &Line, name: &str) {
    let span = line.span().after();
    let headline = format!("`{name}` needs a parameter");
    parser.report(Diagnostic::new(Code::MissingParameter, headline, span, "it is missing here"));
}

/// Reads `track_interface`.
pub(crate) fn interfaces(
    parser: &mut Parser<'_>,
    head: &Statement,
    draft: &mut Draft,
) -> Vec<Spanned<TrackedInterface>> {
    let mut found = Vec::new();
    for entry in entries(parser, head, 253, false) {
        let span = entry.name.span;
        let Some(interface) = parser.interface_of(&entry.name.value, span) else { continue };
        draft.need(&interface, span);
        let weight = entry.weight.unwrap_or(0);
        let value = TrackedInterface { interface, weight, reverse: entry.reverse.unwrap_or(false) };
        found.push(Spanned { value, span });
    }
    found
}
