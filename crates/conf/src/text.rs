//! A line of text that remembers where each of its bytes came from, through substitution and cutting.

use crate::source::{SiteId, Sources, Span};
use core::ops::Range;
use standfast_model::Secret;
use std::sync::Arc;

/// Bytes with their origin.
///
/// Nearly every line is a range of its file, costs no memory of its own, and is moved about in three words: the rest of
/// this module is for what definitions and repetitions make.
#[derive(Clone, Debug)]
pub(crate) struct Text(Repr);

#[derive(Clone, Debug)]
enum Repr {
    /// The bytes of the file from `span.start` to `span.end`.
    Plain { file: Arc<Secret>, span: Span },
    /// Put together.
    Mixed(Box<Mixture>),
}

/// A run of bytes with one origin.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Where it begins in the line.
    at: usize,
    /// Where it came from.
    span: Span,
    /// Byte for byte, or the whole run from the whole span (the value of `${_PWD}`, a number of `~SEQ`).
    exact: bool,
    /// The use in the line as written, for what was substituted.
    used: Option<Span>,
}

impl Piece {
    /// A line of one piece, which is as its file has it.
    fn whole(span: Span) -> Self {
        Self { at: 0, span, exact: true, used: None }
    }

    /// Where a range of the line came from, as far as it is in this piece.
    fn part(&self, range: Range<usize>) -> Span {
        if !self.exact {
            return self.span;
        }
        let start = range.start.saturating_sub(self.at);
        self.span.part(start..range.end.saturating_sub(self.at).max(start))
    }
}

/// Bytes of several origins, a line while it is made.
#[derive(Clone, Debug)]
pub(crate) struct Mixture {
    bytes: Vec<u8>,
    first: Piece,
    /// Further pieces, in the order of the line.
    more: Vec<Piece>,
    /// A definition used in it could not be replaced, and that was told: what it says is not what was meant.
    spoilt: bool,
}

impl Mixture {
    /// No bytes yet, at a place.
    pub(crate) fn new(span: Span) -> Self {
        Self { bytes: Vec::new(), first: Piece::whole(span), more: Vec::new(), spoilt: false }
    }

    pub(crate) fn finish(self) -> Text {
        Text(Repr::Mixed(Box::new(self)))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends a part of another text, as its own or as what the use `used` was replaced by.
    pub(crate) fn append(&mut self, other: &Text, range: Range<usize>, used: Option<(SiteId, Span)>) {
        let mut at = range.start;
        while at < range.end {
            let (piece, end) = match &other.0 {
                Repr::Plain { span, .. } => (Piece::whole(*span), range.end),
                Repr::Mixed(mixed) => {
                    let (piece, index) = mixed.piece_at(at);
                    (piece, mixed.more.get(index).map_or(range.end, |next| next.at.min(range.end)))
                }
            };
            let mut span = piece.span;
            if piece.exact {
                span = span.part(at - piece.at..end - piece.at);
            }
            if let Some((site, _)) = used {
                span.site = Some(site);
            }
            let used = used.map(|(_, used)| used).or(piece.used);
            let bytes = other.bytes().get(at..end).unwrap_or_default();
            self.push(bytes, Piece { at: 0, span, exact: piece.exact, used });
            at = end;
        }
    }

    /// Appends bytes that stand nowhere, made by the use at `span`.
    pub(crate) fn append_made(&mut self, bytes: &[u8], span: Span) {
        self.push(bytes, Piece { at: 0, span, exact: false, used: Some(span) });
    }

    /// Notes that a mistake in it was told.
    pub(crate) fn spoil(&mut self) {
        self.spoilt = true;
    }

    fn piece_at(&self, offset: usize) -> (Piece, usize) {
        let index = self.more.partition_point(|p| p.at <= offset);
        let piece = index.checked_sub(1).and_then(|i| self.more.get(i)).copied().unwrap_or(self.first);
        (piece, index)
    }

    fn span_of(&self, range: Range<usize>) -> Span {
        let (first, first_index) = self.piece_at(range.start);
        let last_byte = range.end.saturating_sub(1).max(range.start);
        let (last, last_index) = self.piece_at(last_byte);
        if first_index == last_index {
            return first.part(range);
        }
        let from = first.used.unwrap_or_else(|| first.part(range.start..range.start));
        let to = last.used.unwrap_or_else(|| last.part(range.end..range.end));
        from.to(to)
    }

    fn slice(&self, range: Range<usize>) -> Self {
        let bytes = self.bytes.get(range.clone()).unwrap_or_default().to_vec();
        let (piece, index) = self.piece_at(range.start);
        let mut first = piece;
        if first.exact {
            first.span = first.span.part(range.start.saturating_sub(first.at)..usize::MAX);
        }
        first.at = 0;
        let more = self.more.iter().skip(index).take_while(|p| p.at < range.end);
        let more = more.map(|p| Piece { at: p.at - range.start, ..*p }).collect();
        Self { bytes, first, more, spoilt: self.spoilt }
    }

    fn push(&mut self, bytes: &[u8], piece: Piece) {
        if bytes.is_empty() {
            return;
        }
        let piece = Piece { at: self.bytes.len(), ..piece };
        if self.bytes.is_empty() {
            self.first = piece;
            self.more.clear();
        } else {
            self.more.push(piece);
        }
        self.bytes.extend_from_slice(bytes);
    }
}

/// Where the bytes begin and end without blanks (spaces and tabs) at either end.
pub(crate) fn without_blanks(bytes: &[u8]) -> Range<usize> {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = bytes.iter().position(|b| !blank(b)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|b| !blank(b)).map_or(start, |at| at + 1);
    start..end
}

impl Text {
    /// The bytes of a file from `span.start` to `span.end`.
    pub(crate) fn exact(file: &Arc<Secret>, span: Span) -> Self {
        Self(Repr::Plain { file: Arc::clone(file), span })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Plain { file, span } => file.octets().get(span.start as usize..span.end as usize).unwrap_or_default(),
            Repr::Mixed(mixed) => &mixed.bytes,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Repr::Plain { span, .. } => span.end.saturating_sub(span.start) as usize,
            Repr::Mixed(mixed) => mixed.bytes.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where all of it came from.
    pub(crate) fn span(&self) -> Span {
        match &self.0 {
            Repr::Plain { span, .. } => *span,
            Repr::Mixed(mixed) => mixed.span_of(0..mixed.bytes.len()),
        }
    }

    /// Where a range came from: exactly, if it has one origin; else the part of the written line that gave it.
    pub(crate) fn span_of(&self, range: Range<usize>) -> Span {
        match &self.0 {
            Repr::Plain { span, .. } => span.part(range),
            Repr::Mixed(mixed) => mixed.span_of(range),
        }
    }

    /// Whether a byte was put there by a definition.
    pub(crate) fn is_substituted(&self, offset: usize) -> bool {
        match &self.0 {
            Repr::Plain { .. } => false,
            Repr::Mixed(mixed) => mixed.piece_at(offset).0.used.is_some(),
        }
    }

    /// Whether a mistake in it was told already.
    pub(crate) fn is_spoilt(&self) -> bool {
        match &self.0 {
            Repr::Plain { .. } => false,
            Repr::Mixed(mixed) => mixed.spoilt,
        }
    }

    /// A part of it.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        Self(match &self.0 {
            Repr::Plain { file, span } => Repr::Plain { file: Arc::clone(file), span: span.part(range) },
            Repr::Mixed(mixed) => Repr::Mixed(Box::new(mixed.slice(range))),
        })
    }

    /// The same without blanks (spaces and tabs) at either end.
    pub(crate) fn trimmed(self) -> Self {
        let bytes = self.bytes();
        let kept = without_blanks(bytes);
        if kept == (0..bytes.len()) { self } else { self.slice(kept) }
    }

    /// A part of it without blanks at either end; none if nothing is left.
    pub(crate) fn trimmed_part(&self, range: Range<usize>) -> Option<Self> {
        let kept = without_blanks(self.bytes().get(range.clone()).unwrap_or_default());
        (!kept.is_empty()).then(|| self.slice(range.start + kept.start..range.start + kept.end))
    }

    /// The same text, read because of a use (a line of a definition).
    pub(crate) fn at_site(&self, site: SiteId) -> Self {
        let mut text = self.clone();
        match &mut text.0 {
            Repr::Plain { span, .. } => span.site = Some(site),
            Repr::Mixed(mixed) => {
                mixed.first.span.site = Some(site);
                for piece in &mut mixed.more {
                    piece.span.site = Some(site);
                }
            }
        }
        text
    }

    /// The column (from 1) in its file of the first byte, if it is the first on its line.
    pub(crate) fn indent(&self, sources: &Sources) -> Option<usize> {
        sources.indent(self.span())
    }
}
