//! One way to lay out a file: four blanks a level, a statement a line, the opening brace behind its keyword.
//!
//! What a file means is not touched. Text is only moved where the reader cannot tell the difference; everything that is
//! rewritten before keywords mean anything (`@id`, definitions, `~SEQ`, `~LST`, includes, what holds `$`, `'` or `\`) keeps
//! its words to the byte, and only its indentation changes. Comments keep their text. No file is opened here.

mod piece;

use crate::reader::LINE_LIMIT;
use crate::reader::line::{KEEPALIVED_LINE, uncommented};
use piece::{Condition, Kind, Piece, is_continued, pieces, trim};

/// Blanks a level.
const INDENT: usize = 4;

/// Levels that are indented: the language has four, and a hostile file must not become quadratic.
const INDENTED_LEVELS: usize = 16;

/// Ids of `@id` lines whose braces are counted apart: more nodes in one file are laid out like the first ones.
const IDS_LIMIT: usize = 16;

/// Why a file is left as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FormatError {
    /// It is not text.
    #[error("the file is UTF-16: save it as UTF-8")]
    Utf16,
    /// Its layout may be all that tells where a brace is missing.
    #[error("line {line}: this `}}` closes nothing; a file is formatted when its braces fit")]
    Surplus {
        /// From 1.
        line: usize,
    },
    /// The same, at the other end.
    #[error("line {line}: this block is not closed; a file is formatted when its braces fit")]
    NeverClosed {
        /// Where the block begins, from 1.
        line: usize,
    },
}

/// That of UTF-8, which a file may begin with.
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// The text laid out anew. Formatting its result changes nothing.
///
/// # Errors
/// See [`FormatError`]. Braces must fit for at least one configuration id.
pub fn format(text: &[u8]) -> Result<Vec<u8>, FormatError> {
    if text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]) {
        return Err(FormatError::Utf16);
    }
    let (mark, text) = match text.strip_prefix(&BYTE_ORDER_MARK) {
        Some(rest) => (&BYTE_ORDER_MARK[..], rest),
        None => (&[][..], text),
    };
    let mut layout = Layout::new(mark, ids(text));
    for (number, line) in lines(text).enumerate() {
        layout.line(line, number + 1);
    }
    let mut out = layout.finish()?;
    if mark.is_empty() && out.starts_with(&BYTE_ORDER_MARK) {
        // Behind a blank it was a word of the first line.
        out.insert(0, b' ');
    }
    Ok(out)
}

/// Physical lines without their line ends.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let lines = if text.is_empty() { None } else { Some(text.split(|b| *b == b'\n')) };
    lines.into_iter().flatten().map(|line| {
        let end = line.iter().rposition(|b| *b != b'\r').map_or(0, |at| at + 1);
        line.get(..end).unwrap_or_default()
    })
}

/// The ids that lines ask for, also those that become lines of their own.
fn ids(text: &[u8]) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    for line in lines(text).filter(|line| is_read(line) && line.contains(&b'@')) {
        let (end, _) = uncommented(line, |_| true);
        let pieces = pieces(trim(line.get(..end).unwrap_or_default()));
        for condition in pieces.iter().filter_map(|piece| piece.condition) {
            if found.len() < IDS_LIMIT && !found.iter().any(|id| id == condition.name) {
                found.push(condition.name.to_vec());
            }
        }
    }
    found
}

/// Whether the reader looks into a line: others it reports and reads past.
fn is_read(line: &[u8]) -> bool {
    line.len() <= LINE_LIMIT && !line.contains(&0)
}

/// What the last line laid out was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing yet, or a line that opened a block: no blank line follows it.
    Opening,
    /// A statement that a `{` on its own line may be drawn to.
    Joinable,
    /// Anything else.
    Other,
}

impl Last {
    fn behind_comment(self) -> Self {
        match self {
            Self::Joinable | Self::Other => Self::Other,
            Self::Opening => Self::Opening,
        }
    }
}

/// The open blocks, as one configuration id sees them: the lines they begin in.
#[derive(Clone, Default)]
struct Blocks {
    open: Vec<usize>,
    surplus: Option<usize>,
}

struct Layout {
    out: Vec<u8>,
    ids: Vec<Vec<u8>>,
    /// For any id that no line names, then for each that some line names.
    blocks: Vec<Blocks>,
    /// In a definition whose last line ended in a backslash: the level inside it.
    definition: Option<usize>,
    /// The level inside a definition that an empty line or a comment has ended: the reader takes it up again where the
    /// next line ends in a backslash.
    interrupted: Option<usize>,
    /// A definition may begin a definition where it is used: from here on lines are only indented.
    careful: bool,
    blank: bool,
    last: Last,
}

impl Layout {
    fn new(mark: &[u8], ids: Vec<Vec<u8>>) -> Self {
        Self {
            out: mark.to_vec(),
            blocks: vec![Blocks::default(); ids.len() + 1],
            ids,
            definition: None,
            interrupted: None,
            careful: false,
            blank: false,
            last: Last::Opening,
        }
    }

    fn line(&mut self, raw: &[u8], number: usize) {
        if !is_read(raw) {
            // Shortened it would be read.
            return self.put(raw, Last::Other);
        }
        let (end, _) = uncommented(raw, |_| true);
        let (code, comment) = raw.split_at_checked(end).unwrap_or((raw, b""));
        let (code, comment) = (trim(code), trim(comment));
        if code.is_empty() && comment.is_empty() {
            return self.blank_line();
        }
        if !code.is_empty()
            && let Some(level) = self.interrupted.take()
        {
            let begins = code.first() == Some(&b'$') && code.contains(&b'=');
            self.definition = (is_continued(code) && !begins).then_some(level);
            // A brace behind a backslash ends a line for the reader: what of it belongs where is its own affair.
            self.careful |= self.definition.is_none() && code.contains(&b'\\');
        }
        if self.definition.is_some() || (self.careful && !code.is_empty()) {
            return self.definition_line(raw, code, comment);
        }
        if code.is_empty() {
            let level = self.level(None);
            let line = indented(level, comment.to_vec());
            return self.put(if fits(&line) { &line } else { raw }, Last::Other);
        }
        let pieces = pieces(code);
        if raw.len() > KEEPALIVED_LINE || !self.lay_out(&pieces, comment, number) {
            // keepalived cuts long lines: what is long stays, what is not does not become it.
            self.put(raw, Last::Other);
            pieces.iter().for_each(|piece| self.count(piece, number));
        }
        if pieces.last().is_some_and(|piece| piece.begins_definition) {
            self.definition = Some(0);
        }
    }

    /// Writes the pieces of a line; false, with nothing done, if one would be too long for keepalived.
    fn lay_out(&mut self, pieces: &[Piece<'_>], comment: &[u8], number: usize) -> bool {
        let before = (self.out.len(), self.blocks.clone(), self.last, self.blank);
        for (at, piece) in pieces.iter().enumerate() {
            let comment = if at + 1 == pieces.len() { comment } else { b"" };
            if !self.lay_out_piece(piece, comment, number) {
                self.out.truncate(before.0);
                (self.blocks, self.last, self.blank) = (before.1, before.2, before.3);
                return false;
            }
        }
        true
    }

    fn lay_out_piece(&mut self, piece: &Piece<'_>, comment: &[u8], number: usize) -> bool {
        let mut text = piece.text.clone();
        if !comment.is_empty() {
            text.push(b' ');
            text.extend_from_slice(comment);
        }
        if piece.kind == Kind::BareOpen && self.last == Last::Joinable {
            let start = self.out.iter().rev().skip(1).position(|b| *b == b'\n').unwrap_or(self.out.len());
            if start + 1 + text.len() > KEEPALIVED_LINE || !fits(&text) {
                return false;
            }
            self.out.pop();
            self.out.push(b' ');
            self.out.extend_from_slice(&text);
            self.out.push(b'\n');
            self.blank = false;
            self.last = Last::Opening;
            self.count(piece, number);
            return true;
        }
        let closes = piece.text.first() == Some(&b'}');
        let level = self.level(piece.condition).saturating_sub(usize::from(closes));
        let line = indented(level, text);
        if !fits(&line) {
            return false;
        }
        if closes {
            self.blank = false;
        }
        // A brace drawn behind a comment would be lost in it.
        self.put(&line, if comment.is_empty() { piece.leaves() } else { piece.leaves().behind_comment() });
        self.count(piece, number);
        true
    }

    /// A line that is, or may be, part of a definition: its words are values, and only its ends may be trimmed.
    fn definition_line(&mut self, raw: &[u8], code: &[u8], comment: &[u8]) {
        let inside = self.definition.unwrap_or(0);
        let body = trim(code.strip_suffix(b"\\").unwrap_or(code));
        let (mut level, mut least) = (inside, inside);
        for brace in piece::braces(body) {
            level = if brace == b'{' { level + 1 } else { level.saturating_sub(1) };
            least = if body.first() == Some(&b'}') { least.min(level) } else { least };
        }
        let own = usize::from(self.definition.is_some());
        let mut text = code.to_vec();
        if !comment.is_empty() {
            text.extend_from_slice(if code.is_empty() { b"" } else { b" " });
            text.extend_from_slice(comment);
        }
        let line = indented(self.level(None) + own + least, text);
        let long = raw.len() > KEEPALIVED_LINE || !fits(&line);
        self.blank_before();
        self.out.extend_from_slice(if long { raw } else { &line });
        self.out.push(b'\n');
        self.last = Last::Other;
        // A line of a value that itself ends in a backslash begins a definition where the value is used.
        self.careful |= is_continued(code) && body.last() == Some(&b'\\');
        self.interrupted = if code.is_empty() { self.definition } else { None };
        self.definition = is_continued(code).then_some(level);
    }

    fn blank_line(&mut self) {
        let ended = self.definition.take();
        self.interrupted = ended.or(self.interrupted);
        if ended.is_some() || self.careful {
            // It ends the definition, so it is a word of the language here.
            self.out.push(b'\n');
            self.last = Last::Other;
        } else {
            self.blank = true;
        }
    }

    fn blank_before(&mut self) {
        if core::mem::take(&mut self.blank) && self.last != Last::Opening {
            self.out.push(b'\n');
        }
    }

    fn put(&mut self, line: &[u8], last: Last) {
        self.blank_before();
        self.out.extend_from_slice(line);
        self.out.push(b'\n');
        self.last = last;
    }

    /// Which ids take a line.
    fn taken(&self, condition: Option<Condition<'_>>) -> impl Iterator<Item = usize> + use<> {
        let all = 0..self.blocks.len();
        let named = condition.and_then(|c| Some((self.ids.iter().position(|id| id == c.name)? + 1, c.negated)));
        all.filter(move |at| named.is_none_or(|(id, negated)| (*at == id) != negated))
    }

    /// The level of a line: that of the first id that takes it.
    fn level(&self, condition: Option<Condition<'_>>) -> usize {
        let first = self.taken(condition).next();
        first.and_then(|at| self.blocks.get(at)).map_or(0, |blocks| blocks.open.len())
    }

    fn count(&mut self, piece: &Piece<'_>, number: usize) {
        for at in self.taken(piece.condition) {
            let Some(blocks) = self.blocks.get_mut(at) else { continue };
            for brace in &piece.braces {
                if *brace == b'{' {
                    blocks.open.push(number);
                } else if blocks.open.pop().is_none() {
                    blocks.surplus.get_or_insert(number);
                }
            }
        }
    }

    fn finish(self) -> Result<Vec<u8>, FormatError> {
        let judged = self.blocks.iter().map(|blocks| match (blocks.surplus, blocks.open.last()) {
            (Some(line), _) => Err(FormatError::Surplus { line }),
            (None, Some(line)) => Err(FormatError::NeverClosed { line: *line }),
            (None, None) => Ok(()),
        });
        let wrong: Vec<FormatError> = judged.filter_map(Result::err).collect();
        match wrong.first() {
            Some(error) if wrong.len() == self.blocks.len() => Err(*error),
            Some(_) | None => Ok(self.out),
        }
    }
}

/// Whether a line reads as itself: keepalived would cut a longer one, and a carriage return at its end would be lost.
fn fits(line: &[u8]) -> bool {
    line.len() <= KEEPALIVED_LINE && line.last() != Some(&b'\r')
}

fn indented(level: usize, mut text: Vec<u8>) -> Vec<u8> {
    let blanks = level.min(INDENTED_LEVELS) * INDENT;
    text.splice(0..0, core::iter::repeat_n(b' ', blanks));
    text
}

#[cfg(test)]
mod tests;
