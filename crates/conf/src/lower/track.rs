//! `NAME [weight N [reverse]]`: the entries of the track lists.

use super::{Draft, Spanned};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::parse::{Line, Parser, Statement};
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
                let most = i128::from(most);
                entry.weight = weight(parser, number, line, at + 1, most);
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

fn weight(parser: &mut Parser<'_>, number: &[u8], line: &Line, at: usize, most: i128) -> Option<i16> {
    // 254 stands for 253: an older keepalived allowed it.
    let value = parser.number_of(number, line.span_of(at), -254, 254)?;
    let clamped = value.clamp(-most, most);
    if clamped != value {
        let headline = format!("a weight of {value} cannot be");
        let label = format!("{clamped} is used");
        parser.report(Diagnostic::new(Code::Adjusted, headline, line.span_of(at), label));
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
