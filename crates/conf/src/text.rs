//! A line of text that remembers where each of its bytes came from, through substitution and cutting.

use crate::source::{SiteId, Sources, Span};
use core::ops::Range;
use std::sync::Arc;

/// The bytes of a line: those of the file itself, unless something was put in or taken out.
#[derive(Clone, Debug)]
enum Bytes {
    File { text: Arc<Vec<u8>>, range: Range<usize> },
    Own(Vec<u8>),
}

impl Bytes {
    fn get(&self) -> &[u8] {
        match self {
            Self::File { text, range } => text.get(range.clone()).unwrap_or_default(),
            Self::Own(bytes) => bytes,
        }
    }

    /// A part, kept inside what there is.
    fn part(&self, part: Range<usize>) -> Self {
        match self {
            Self::File { text, range } => {
                let at = |offset: usize| range.start.saturating_add(offset).min(range.end);
                Self::File { text: Arc::clone(text), range: at(part.start)..at(part.end).max(at(part.start)) }
            }
            Self::Own(bytes) => Self::Own(bytes.get(part).unwrap_or_default().to_vec()),
        }
    }

    fn extend(&mut self, more: &[u8]) {
        let mut own = match core::mem::replace(self, Self::Own(Vec::new())) {
            Self::Own(bytes) => bytes,
            file @ Self::File { .. } => file.get().to_vec(),
        };
        own.extend_from_slice(more);
        *self = Self::Own(own);
    }
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

/// Bytes with their origin.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    bytes: Bytes,
    first: Piece,
    /// Further pieces; empty for nearly every line, so that a line costs one allocation.
    more: Vec<Piece>,
    /// A definition used in it could not be replaced, and that was told: what it says is not what was meant.
    spoilt: bool,
}

impl Text {
    fn new(bytes: Bytes, span: Span) -> Self {
        let first = Piece { at: 0, span, exact: true, used: None };
        Self { bytes, first, more: Vec::new(), spoilt: false }
    }

    /// The bytes of a file from `span.start` to `span.end`.
    pub(crate) fn exact(text: &Arc<Vec<u8>>, span: Span) -> Self {
        let range = span.start as usize..span.end as usize;
        Self::new(Bytes::File { text: Arc::clone(text), range }, span)
    }

    /// No bytes yet, at a place.
    pub(crate) fn empty(span: Span) -> Self {
        Self::new(Bytes::Own(Vec::new()), span)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where all of it came from.
    pub(crate) fn span(&self) -> Span {
        self.span_of(0..self.len())
    }

    fn piece_at(&self, offset: usize) -> (Piece, usize) {
        let index = self.more.partition_point(|p| p.at <= offset);
        let piece = index.checked_sub(1).and_then(|i| self.more.get(i)).copied().unwrap_or(self.first);
        (piece, index)
    }

    /// Where a range came from: exactly, if it has one origin; else the part of the written line that gave it.
    pub(crate) fn span_of(&self, range: Range<usize>) -> Span {
        let (first, first_index) = self.piece_at(range.start);
        let last_byte = range.end.saturating_sub(1).max(range.start);
        let (last, last_index) = self.piece_at(last_byte);
        let part = |piece: Piece, range: Range<usize>| {
            if !piece.exact {
                return piece.span;
            }
            let start = range.start.saturating_sub(piece.at);
            piece.span.part(start..range.end.saturating_sub(piece.at).max(start))
        };
        if first_index == last_index {
            return part(first, range);
        }
        let from = first.used.unwrap_or_else(|| part(first, range.start..range.start));
        let to = last.used.unwrap_or_else(|| part(last, range.end..range.end));
        from.to(to)
    }

    /// Whether a byte was put there by a definition.
    pub(crate) fn is_substituted(&self, offset: usize) -> bool {
        self.piece_at(offset).0.used.is_some()
    }

    /// Whether a mistake in it was told already.
    pub(crate) fn is_spoilt(&self) -> bool {
        self.spoilt
    }

    /// Notes that a mistake in it was told.
    pub(crate) fn spoil(&mut self) {
        self.spoilt = true;
    }

    /// A part of it.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        let bytes = self.bytes.part(range.clone());
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

    /// The same without blanks (spaces and tabs) at either end.
    pub(crate) fn trimmed(self) -> Self {
        let blank = |b: &u8| matches!(b, b' ' | b'\t');
        let bytes = self.bytes();
        let start = bytes.iter().position(|b| !blank(b)).unwrap_or(bytes.len());
        let end = bytes.iter().rposition(|b| !blank(b)).map_or(start, |at| at + 1);
        if start == 0 && end == bytes.len() { self } else { self.slice(start..end) }
    }

    /// Appends a part of another text, as its own or as what the use `used` was replaced by.
    pub(crate) fn append(&mut self, other: &Self, range: Range<usize>, used: Option<(SiteId, Span)>) {
        let mut at = range.start;
        while at < range.end {
            let (piece, index) = other.piece_at(at);
            let end = other.more.get(index).map_or(range.end, |next| next.at.min(range.end));
            let mut span = piece.span;
            if piece.exact {
                span = span.part(at - piece.at..end - piece.at);
            }
            if let Some((site, _)) = used {
                span.site = Some(site);
            }
            let used = used.map(|(_, used)| used).or(piece.used);
            self.push(other.bytes().get(at..end).unwrap_or_default(), Piece { at: 0, span, exact: piece.exact, used });
            at = end;
        }
    }

    /// Appends bytes that stand nowhere, made by the use at `span`.
    pub(crate) fn append_made(&mut self, bytes: &[u8], span: Span) {
        self.push(bytes, Piece { at: 0, span, exact: false, used: Some(span) });
    }

    fn push(&mut self, bytes: &[u8], piece: Piece) {
        if bytes.is_empty() {
            return;
        }
        let piece = Piece { at: self.len(), ..piece };
        if self.is_empty() {
            self.first = piece;
            self.more.clear();
        } else {
            self.more.push(piece);
        }
        self.bytes.extend(bytes);
    }

    /// The same text, read because of a use (a line of a definition).
    pub(crate) fn at_site(&self, site: SiteId) -> Self {
        let mut text = self.clone();
        text.first.span.site = Some(site);
        for piece in &mut text.more {
            piece.span.site = Some(site);
        }
        text
    }

    /// The column (from 1) in its file of the first byte, if it is the first on its line.
    pub(crate) fn indent(&self, sources: &Sources) -> Option<usize> {
        sources.indent(self.span())
    }
}
