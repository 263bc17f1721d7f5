//! How diagnostics look: with source lines as `rustc` shows them, or in one line for the journal.

use crate::code::Class;
use crate::diagnostic::{Diagnostic, Label};
use crate::source::{FileId, SourceFile, Sources, Span};
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use core::fmt::Write as _;
use core::ops::Range;
use std::collections::BTreeMap;

/// Places further apart than so many lines are shown as two pieces: what lies between says nothing.
const GAP_LINES: usize = 24;

/// Bytes of a source line that are shown behind the last place on it.
const TAIL_BYTES: usize = 200;

/// Words behind these are secrets: they are shown as stars.
pub(crate) const SECRETS: [&[u8]; 4] = [b"auth_pass", b"password", b"peer_key", b"key"];

/// The diagnostic with its source lines.
#[must_use]
pub fn render(diagnostic: &Diagnostic, sources: &Sources, colour: bool) -> String {
    let level = level(diagnostic.class);
    let title = level.primary_title(diagnostic.headline.clone()).id(diagnostic.code.id());
    let pieces = pieces(diagnostic, sources);
    let mut group = Group::with_title(title);
    for piece in &pieces {
        let annotations = piece.annotations.iter().map(|(range, label)| {
            let kind = if label.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            let annotation: Annotation<'_> = kind.span(range.clone());
            if label.text.is_empty() { annotation } else { annotation.label(label.text) }
        });
        let snippet = Snippet::source(piece.text.as_str()).line_start(piece.line).path(piece.path.as_str());
        group = group.element(snippet.annotations(annotations));
    }
    for note in chain(diagnostic, sources) {
        group = group.element(Level::NOTE.message(note));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.clone()));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

/// The diagnostic in one line: `FILE:LINE:COLUMN: error[K0301]: headline: label (help)`.
#[must_use]
pub fn render_line(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let mut line = String::new();
    let label = diagnostic.primary.as_ref();
    if let Some((label, file)) = label.and_then(|label| Some((label, sources.file(label.span.file)?))) {
        let at = file.position(label.span.start);
        _ = write!(line, "{}:{}:{}: ", file.path().display(), at.line, at.column);
    }
    _ = write!(line, "{}[{}]: {}", diagnostic.class.word(), diagnostic.code.id(), diagnostic.headline);
    if let Some(label) = label.filter(|label| !label.text.is_empty()) {
        _ = write!(line, ": {}", label.text);
    }
    if let Some(help) = &diagnostic.help {
        _ = write!(line, " ({help})");
    }
    line.replace(['\n', '\r'], " ")
}

fn level(class: Class) -> Level<'static> {
    match class {
        Class::Fatal | Class::Dropped => Level::ERROR,
        Class::Security => Level::ERROR.with_name("security"),
        Class::Warning => Level::WARNING,
        Class::Deprecated => Level::WARNING.with_name("deprecated"),
        Class::NotYet => Level::INFO.with_name("not yet"),
        Class::Hint => Level::NOTE.with_name("hint"),
    }
}

/// The uses of definitions and the includes that lead to the primary place.
fn chain(diagnostic: &Diagnostic, sources: &Sources) -> Vec<String> {
    let mut notes = Vec::new();
    let Some(label) = &diagnostic.primary else { return notes };
    let place = |span: Span| {
        let file = sources.file(span.file)?;
        let at = file.position(span.start);
        Some(format!("{}:{}:{}", file.path().display(), at.line, at.column))
    };
    let mut span = label.span;
    // Uses nest as deep as the reader allows; a handful says enough.
    for _ in 0..8 {
        let Some((used, name)) = sources.use_of(span) else { break };
        if let Some(place) = place(used) {
            notes.push(format!("in the use of `{name}` at {place}"));
        }
        span = used;
    }
    for _ in 0..8 {
        let Some(from) = sources.file(span.file).and_then(SourceFile::included_from) else { break };
        if let Some(place) = place(from) {
            notes.push(format!("included at {place}"));
        }
        span = from;
    }
    notes
}

/// Labels of neighbouring lines, with the lines.
type Cluster<'d> = (Range<usize>, Vec<(&'d Label, bool)>);

struct Shown<'d> {
    primary: bool,
    text: &'d str,
}

/// Neighbouring lines of one file, with their annotations.
struct Piece<'d> {
    path: String,
    line: usize,
    text: String,
    annotations: Vec<(Range<usize>, Shown<'d>)>,
}

fn pieces<'d>(diagnostic: &'d Diagnostic, sources: &Sources) -> Vec<Piece<'d>> {
    let primary = diagnostic.primary.iter().map(|label| (label, true));
    let labels: Vec<(&Label, bool)> = primary.chain(diagnostic.secondary.iter().map(|label| (label, false))).collect();
    let mut files: BTreeMap<FileId, Vec<(&Label, bool)>> = BTreeMap::new();
    let mut order: Vec<FileId> = Vec::new();
    for (label, is_primary) in labels {
        if !order.contains(&label.span.file) {
            order.push(label.span.file);
        }
        files.entry(label.span.file).or_default().push((label, is_primary));
    }
    let mut pieces = Vec::new();
    for id in order {
        let (Some(file), Some(labels)) = (sources.file(id), files.remove(&id)) else { continue };
        pieces.extend(clusters(file, labels));
    }
    // What holds the primary place comes first.
    pieces.sort_by_key(|piece| !piece.annotations.iter().any(|(_, shown)| shown.primary));
    pieces
}

fn clusters<'d>(file: &SourceFile, mut labels: Vec<(&'d Label, bool)>) -> Vec<Piece<'d>> {
    let lines = |span: Span| file.position(span.start).line..=file.position(span.end.max(span.start)).line;
    labels.sort_by_key(|(label, _)| label.span.start);
    let mut groups: Vec<Cluster<'d>> = Vec::new();
    for (label, primary) in labels {
        let lines = lines(label.span);
        match groups.last_mut() {
            Some((range, group)) if *lines.start() <= range.end + GAP_LINES => {
                range.end = range.end.max(*lines.end());
                group.push((label, primary));
            }
            Some(_) | None => groups.push((*lines.start()..*lines.end(), vec![(label, primary)])),
        }
    }
    groups.into_iter().map(|(lines, labels)| piece(file, &lines, &labels)).collect()
}

fn piece<'d>(file: &SourceFile, lines: &Range<usize>, labels: &[(&'d Label, bool)]) -> Piece<'d> {
    let first = file.line_range(lines.start);
    let last = file.line_range(lines.end);
    let needed = labels.iter().map(|(label, _)| label.span.end as usize).max().unwrap_or(0);
    let end = last.end.min(needed.max(last.start) + TAIL_BYTES).max(first.start);
    let window = file.text().get(first.start..end).unwrap_or_default();
    let (text, offsets) = shown(window);
    let at = |offset: u32| {
        let inside = (offset as usize).saturating_sub(first.start).min(window.len());
        offsets.get(inside).copied().unwrap_or(text.len())
    };
    let annotations = labels
        .iter()
        .map(|(label, primary)| {
            let (start, end) = (at(label.span.start), at(label.span.end));
            let end = if label.span.end <= label.span.start { start } else { end.max(start) };
            (start..end, Shown { primary: *primary, text: &label.text })
        })
        .collect();
    Piece { path: file.path().display().to_string(), line: lines.start, text, annotations }
}

/// The window as text, secrets masked, what is not UTF-8 replaced, and where each byte of the window is in it.
fn shown(window: &[u8]) -> (String, Vec<usize>) {
    let masked = mask(window);
    let mut text = String::with_capacity(masked.len());
    let mut offsets = Vec::with_capacity(masked.len() + 1);
    for chunk in masked.utf8_chunks() {
        for (at, _) in chunk.valid().bytes().enumerate() {
            offsets.push(text.len() + floor(chunk.valid(), at));
        }
        text.push_str(chunk.valid());
        offsets.extend(chunk.invalid().iter().map(|_| text.len()));
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    offsets.push(text.len());
    (text, offsets)
}

/// The beginning of the letter that the byte belongs to.
fn floor(text: &str, mut at: usize) -> usize {
    while at > 0 && !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// How long the first words are, with the blanks before them.
fn words_length(line: Option<&[u8]>, words: usize) -> usize {
    let line = line.unwrap_or_default();
    let mut at = 0;
    for _ in 0..words {
        let rest = line.get(at..).unwrap_or_default();
        let blanks = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
        at += blanks + rest.iter().skip(blanks).take_while(|b| !b.is_ascii_whitespace()).count();
    }
    at
}

/// A star for each letter behind a word that announces a secret.
fn mask(window: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(window.len());
    for line in window.split_inclusive(|b| *b == b'\n') {
        let start = out.len();
        out.extend_from_slice(line);
        let secret = SECRETS.iter().find_map(|word| {
            let at = line.windows(word.len()).position(|w| w == *word)?;
            let before = at.checked_sub(1).and_then(|i| line.get(i));
            let alone = before.is_none_or(|b| b.is_ascii_whitespace() || *b == b'{');
            let after = line.get(at + word.len()).is_some_and(u8::is_ascii_whitespace);
            // A key of auth_hmac has its number first, which is no secret.
            let open = usize::from(*word == b"key");
            (alone && after).then(|| at + word.len() + words_length(line.get(at + word.len()..), open))
        });
        if let Some(from) = secret.and_then(|at| out.get_mut(start + at..)) {
            for byte in from.iter_mut().filter(|b| !b.is_ascii_whitespace()) {
                *byte = b'*';
            }
        }
    }
    out
}
