//! What of a line may become a line of its own, and what must stay together.
//!
//! It follows the reader's order: `@id`, definition, repetition, include, brace.

use super::Last;
use crate::reader::include::is_include;
use crate::reader::line::structural_brace;

/// What a piece of a line is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Words without anything that is rewritten: a `{` may be drawn to it.
    Plain,
    /// Words, or a whole line, kept to the byte.
    Verbatim,
    /// Words and `{`.
    Open,
    /// `{` alone.
    BareOpen,
    /// `}`
    Close,
}

/// `@NAME` or `@^NAME`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Condition<'t> {
    pub(super) name: &'t [u8],
    pub(super) negated: bool,
}

impl<'t> Condition<'t> {
    /// The condition a line begins with, and what follows it.
    pub(super) fn of(code: &'t [u8]) -> (Option<Self>, &'t [u8]) {
        let Some(after) = code.strip_prefix(b"@") else { return (None, code) };
        let (negated, after) = after.strip_prefix(b"^").map_or((false, after), |name| (true, name));
        let length = after.iter().position(u8::is_ascii_whitespace).unwrap_or(after.len());
        let (name, rest) = after.split_at_checked(length).unwrap_or((after, b""));
        (Some(Self { name, negated }), trim(rest))
    }
}

/// A part of a line that becomes a line.
#[derive(Debug)]
pub(super) struct Piece<'t> {
    pub(super) kind: Kind,
    pub(super) text: Vec<u8>,
    pub(super) condition: Option<Condition<'t>>,
    /// Its braces, in order.
    pub(super) braces: Vec<u8>,
    /// The lines that follow are, or may be, part of a definition.
    pub(super) begins_definition: bool,
}

impl Piece<'_> {
    fn new(kind: Kind, text: Vec<u8>, braces: &[u8]) -> Self {
        Self { kind, text, condition: None, braces: braces.to_vec(), begins_definition: false }
    }

    /// What the line it becomes is to the line that follows.
    pub(super) fn leaves(&self) -> Last {
        match self.kind {
            Kind::Plain => Last::Joinable,
            Kind::Open | Kind::BareOpen => Last::Opening,
            Kind::Verbatim if self.braces.last() == Some(&b'{') && self.text.last() == Some(&b'{') => Last::Opening,
            Kind::Verbatim | Kind::Close => Last::Other,
        }
    }
}

/// Without spaces and tabs at its ends, which is what the reader trims.
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = bytes.iter().position(|b| !blank(b)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|b| !blank(b)).map_or(start, |at| at + 1);
    bytes.get(start..end).unwrap_or_default()
}

pub(super) fn is_continued(code: &[u8]) -> bool {
    code.last() == Some(&b'\\')
}

/// The structural braces of a text.
pub(super) fn braces(mut code: &[u8]) -> Vec<u8> {
    let mut found = Vec::new();
    while let Some((at, brace)) = structural_brace(code) {
        found.push(brace);
        code = code.get(at + 1..).unwrap_or_default();
    }
    found
}

/// The lines that a line without comment becomes; at least one.
pub(super) fn pieces(code: &[u8]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = code;
    while !rest.is_empty() {
        if stays_whole(rest) {
            pieces.push(whole(rest));
            break;
        }
        let Some((at, brace)) = structural_brace(rest) else {
            pieces.push(statement(rest));
            break;
        };
        let head = trim(rest.get(..at).unwrap_or_default());
        if brace == b'{' {
            let kind = if head.is_empty() { Kind::BareOpen } else { Kind::Open };
            let mut text = if head.is_empty() { Vec::new() } else { statement(head).text };
            text.extend_from_slice(if head.is_empty() { b"{" } else { b" {" });
            if is_include(&text) {
                // `include{` is no include, `include {` is one.
                return vec![whole(code)];
            }
            pieces.push(Piece::new(kind, text, b"{"));
        } else {
            if !head.is_empty() {
                pieces.push(statement(head));
            }
            pieces.push(Piece::new(Kind::Close, b"}".to_vec(), b"}"));
        }
        rest = trim(rest.get(at + 1..).unwrap_or_default());
    }
    pieces
}

/// Lines that the reader takes as a whole before it looks at braces.
fn stays_whole(code: &[u8]) -> bool {
    let repeats = [&b"~SEQ("[..], b"~SEQx(", b"~LST("];
    code.starts_with(b"@") || is_definition(code) || repeats.iter().any(|r| code.starts_with(r)) || is_include(code)
}

/// `$NAME=`, and what the reader takes for an attempt at it.
fn is_definition(code: &[u8]) -> bool {
    let Some(after) = code.strip_prefix(b"$") else { return false };
    let length = after.iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'_')).unwrap_or(after.len());
    length > 0 && after.get(length..).unwrap_or_default().trim_ascii_start().starts_with(b"=")
}

fn whole(code: &[u8]) -> Piece<'_> {
    let (condition, rest) = Condition::of(code);
    let defines = is_definition(rest);
    let repeated = rest.starts_with(b"~").then(|| rest.iter().position(|b| *b == b')')).flatten();
    let counted = repeated.and_then(|at| rest.get(at + 1..)).unwrap_or(rest);
    let braces = if defines || is_include(rest) { Vec::new() } else { braces(counted) };
    Piece {
        kind: Kind::Verbatim,
        text: code.to_vec(),
        condition,
        braces,
        // For some id, or after a brace, the line may be a definition: lines that are only indented are always right.
        begins_definition: is_continued(code) && code.contains(&b'$'),
    }
}

/// A statement, its words one blank apart if nothing but the splitting into words will ever look at it.
fn statement<'t>(code: &[u8]) -> Piece<'t> {
    let quotes = code.iter().filter(|b| **b == b'"').count();
    let rewritten = code.iter().any(|b| matches!(b, b'\'' | b'\\' | b'$')) || !quotes.is_multiple_of(2);
    if rewritten {
        return Piece::new(Kind::Verbatim, code.to_vec(), b"");
    }
    let mut text = Vec::with_capacity(code.len());
    let mut quoted = false;
    for byte in code {
        quoted ^= *byte == b'"';
        let blank = matches!(byte, b' ' | b'\t') && !quoted;
        if !blank {
            text.push(*byte);
        } else if text.last() != Some(&b' ') {
            text.push(b' ');
        }
    }
    let kind = if code.starts_with(b"include") { Kind::Verbatim } else { Kind::Plain };
    Piece::new(kind, text, b"")
}
