//! Reading past what is not wanted: unknown blocks, blocks where none may be, rejected blocks.

use super::{Line, Parser, Statement};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::keyword::{Block, ROOT};
use crate::reader::Item;
use crate::source::Span;

impl Parser<'_> {
    /// Reads past a block whose `{` is next, if it is; nothing in it is looked at.
    pub(crate) fn skip_block(&mut self, head: &Statement) {
        if matches!(self.peek(), Some(Item::Open(_))) {
            self.take();
            self.skip_open(head.span());
        }
    }

    /// Reads past what an already taken `{` encloses. `head` is what the brace belongs to.
    ///
    /// Depth is a number and not a stack, so that nesting without end costs nothing. A keyword of the root that begins
    /// a block at or left of the head's column ends it: the closing brace is missing, and the rest of the file is not
    /// to be lost for that.
    pub(super) fn skip_open(&mut self, head: Span) {
        let column = self.reader.sources().indent(head);
        let mut depth = 1_usize;
        loop {
            let Some(item) = self.take() else {
                self.never_closed(head, None);
                return;
            };
            match item {
                Item::Open(_) => depth += 1,
                Item::Close(_) => {
                    depth -= 1;
                    if depth == 0 {
                        return;
                    }
                }
                Item::Statement(text) => {
                    let indent = text.indent(self.reader.sources());
                    let line = Line::new(text);
                    let root = ROOT.find(line.word(0).unwrap_or_default()).filter(|k| k.has_block());
                    let left = matches!((indent, column), (Some(at), Some(column)) if at <= column);
                    let opens = root.is_some() && left && matches!(self.peek(), Some(Item::Open(_)));
                    if opens && self.frames.len() == 1 {
                        self.never_closed(head, Some(line.span()));
                        self.put_back_before_open(line);
                        return;
                    }
                }
            }
        }
    }

    /// A line taken too early goes back in front of the `{` that was peeked.
    fn put_back_before_open(&mut self, line: Line) {
        self.reader.put_back(self.peeked.take().flatten());
        self.peeked = Some(Some(Item::Statement(line.text)));
    }

    /// A word that no statement of the block begins with.
    pub(super) fn unknown(&mut self, block: &'static Block, line: Line) {
        if self.belongs_to_closed(&line) {
            return self.closed_early(None, line);
        }
        if let Some(levels) = self.levels_to_leave(&line) {
            return self.close_missing(levels, line);
        }
        if line.text().is_spoilt() {
            if matches!(self.peek(), Some(Item::Open(_))) {
                self.take();
                self.skip_open(line.span());
            }
            return;
        }
        // Looking for what was meant is the costly part, and has no limit of its own.
        let headline = unknown_headline(&line);
        if self.reader.diagnostics().is_full() {
            self.reader.diagnostics().count();
        } else if !self.reader.diagnostics().is_told(Code::UnknownKeyword, line.span_of(0), &headline) {
            let diagnostic = self.unknown_keyword(block, &line, headline);
            self.report(diagnostic);
        }
        if matches!(self.peek(), Some(Item::Open(_))) {
            self.take();
            self.skip_open(line.span());
        }
    }

    fn unknown_keyword(&self, block: &'static Block, line: &Line, headline: String) -> Diagnostic {
        let word = line.word(0).unwrap_or_default();
        let label = format!("no statement of {} begins so", quoted(block.name()));
        let mut diagnostic = Diagnostic::new(Code::UnknownKeyword, headline, line.span_of(0), label);
        if let Some(head) = self.frames.last().filter(|f| f.keyword.is_some()).map(|f| f.head) {
            diagnostic = diagnostic.and(head, "in this block");
        }
        if let Some(help) = self.help_for(block, word) {
            diagnostic = diagnostic.help(help);
        }
        diagnostic
    }

    fn help_for(&self, block: &'static Block, word: &[u8]) -> Option<String> {
        if let Some(hidden) = invisible(word) {
            return Some(format!("the word holds {hidden}, which looks like a blank and is a letter"));
        }
        let text = String::from_utf8_lossy(word);
        if let Some(cut) = text.strip_suffix(';').filter(|cut| block.find(cut.as_bytes()).is_some()) {
            return Some(format!("write `{cut}`: statements end with their line, not with a semicolon"));
        }
        if let Some((name, _)) = text.split_once('=').filter(|(name, _)| block.find(name.as_bytes()).is_some()) {
            return Some(format!("write `{name}` and a blank: there is no equals sign"));
        }
        let places = crate::keyword::places_of(word);
        if !places.is_empty() {
            return Some(format!("`{text}` belongs into {}", places.join(" or ")));
        }
        let names = block.keywords.iter().map(|k| k.name.as_bytes());
        let near = crate::nearest::nearest(word, names)?;
        Some(format!("did you mean `{}`?", String::from_utf8_lossy(near)))
    }
}

fn unknown_headline(line: &Line) -> String {
    let shown: String = String::from_utf8_lossy(line.word(0).unwrap_or_default()).chars().take(60).collect();
    format!("unknown keyword `{shown}`")
}

/// A block's name in quotes; the root has none.
pub(super) fn quoted(name: &str) -> String {
    if name.contains(' ') { name.to_owned() } else { format!("`{name}`") }
}

/// The first letter in a word that cannot be seen.
fn invisible(word: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(word);
    text.chars().find_map(|c| match c {
        '\u{a0}' => Some("a no-break space"),
        '\u{3000}' => Some("an ideographic space"),
        '\u{200b}' => Some("a zero-width space"),
        '\u{feff}' => Some("a byte order mark"),
        '\u{2000}'..='\u{200a}' => Some("a typographic space"),
        _ => None,
    })
}
