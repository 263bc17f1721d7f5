//! Braces that do not fit: surplus, missing, too early. One mistake, one diagnostic.

use super::skip::quoted;
use super::{Closed, Content, Line, Parser, Statement, Suspect};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::keyword::{Entries, Keyword, Kind};
use crate::reader::Item;
use crate::source::Span;

impl Content {
    fn find(self, word: &[u8]) -> Option<&'static Keyword> {
        match self {
            Self::Block(block) => block.find(word),
            Self::List(_) => None,
        }
    }

    /// Whether a line may stand in it: a keyword of the block, or what looks like an entry of the list.
    fn takes(self, line: &Line) -> bool {
        let word = line.word(0).unwrap_or_default();
        match self {
            Self::Block(block) => block.find(word).is_some(),
            Self::List(Entries::Addresses | Entries::Peers) => looks_like_address(word),
            Self::List(_) => false,
        }
    }
}

fn looks_like_address(word: &[u8]) -> bool {
    let end = word.iter().position(|b| *b == b'/').unwrap_or(word.len());
    let text = word.get(..end).and_then(|w| core::str::from_utf8(w).ok());
    text.is_some_and(|t| t.parse::<core::net::IpAddr>().is_ok())
}

impl Parser<'_> {
    /// A closing brace: true if it closes the open block.
    pub(super) fn close(&mut self, span: Span) -> bool {
        if self.frames.len() > 1 {
            self.note_suspect(span);
            let Some(frame) = self.frames.pop() else { return false };
            if let (Some(parent), Some(keyword)) = (self.frames.last_mut(), frame.keyword) {
                let (content, head) = (frame.content, frame.head);
                parent.last_child = Some(Closed { content, keyword, head, close: span });
            }
            return true;
        }
        self.surplus_close(span);
        false
    }

    /// A brace that stands under the head of another open block than the one it closes is worth remembering.
    fn note_suspect(&mut self, close: Span) {
        let Some((frame, outer)) = self.frames.split_last() else { return };
        let (Some(column), Some(keyword)) = (frame.column, frame.keyword) else { return };
        if self.suspect.is_some() {
            return;
        }
        // Only with a missing brace does one stand left of what it closes, under what encloses that.
        let at = self.reader.sources().indent(close);
        if at.is_some_and(|at| at < column) && outer.iter().any(|f| f.column == at && f.keyword.is_some()) {
            self.suspect = Some(Suspect { keyword, head: frame.head, close });
        }
    }

    /// `}` at root level.
    fn surplus_close(&mut self, span: Span) {
        if let Some(Item::Statement(text)) = self.peek() {
            let line = Line::new(text.clone());
            if self.belongs_to_closed(&line) {
                self.take();
                return self.closed_early(Some(span), line);
            }
        }
        let mut diagnostic = Diagnostic::new(
            Code::SurplusClose,
            "a closing brace too many",
            span,
            "no block is open that this could close",
        );
        if let Some(closed) = self.frames.last().and_then(|f| f.last_child) {
            let name = quoted(closed.keyword.name);
            diagnostic = diagnostic.and(closed.head, format!("this {name} begins here"));
            diagnostic = diagnostic.and(closed.close, "and is already closed here");
        }
        self.report(diagnostic.help("remove the brace"));
    }

    /// Whether a line that fits nowhere fits into the block that was closed last.
    pub(super) fn belongs_to_closed(&self, line: &Line) -> bool {
        let Some(frame) = self.frames.last() else { return false };
        let word = line.word(0).unwrap_or_default();
        frame.content.find(word).is_none() && frame.last_child.is_some_and(|closed| closed.content.takes(line))
    }

    /// A block was closed too early: `surplus` is the brace at root level that shows it, `line` the first statement that
    /// belongs inside. Statements are checked as if they stood where they belong, up to the brace that should have closed the
    /// block.
    pub(super) fn closed_early(&mut self, surplus: Option<Span>, line: Line) {
        let Some(closed) = self.frames.last_mut().and_then(|f| f.last_child.take()) else { return };
        let name = closed.keyword.name;
        let mut strays: Vec<Span> = Vec::new();
        let mut next = Some(line);
        while let Some(line) = next.take() {
            let from = line.span();
            let end = self.check_stray(closed.content, line);
            match strays.last_mut() {
                // Neighbours are one place.
                Some(last) if last.file == from.file && last.site == from.site => *last = last.to(end),
                Some(_) | None => strays.push(from.to(end)),
            }
            if let Some(Item::Statement(text)) = self.peek() {
                let line = Line::new(text.clone());
                let word = line.word(0).unwrap_or_default();
                let root = self.frames.last().is_some_and(|f| f.content.find(word).is_some());
                if !root && closed.content.takes(&line) {
                    self.take();
                    next = Some(line);
                }
            }
        }
        let headline = format!("`{name}` is closed too early");
        let mut strays = strays.into_iter();
        let mut diagnostic = match surplus {
            Some(span) => Diagnostic::new(Code::ClosedEarly, headline, span, "a brace too many: no block is open here"),
            None => {
                let first = strays.next().unwrap_or(closed.close);
                Diagnostic::new(Code::ClosedEarly, headline, first, format!("this belongs into `{name}`"))
            }
        };
        diagnostic = diagnostic.and(closed.head, format!("`{name}` begins here"));
        diagnostic = diagnostic.and(closed.close, "and is closed here");
        for span in strays {
            diagnostic = diagnostic.and(span, format!("this belongs into `{name}`"));
        }
        let close = match self.peek() {
            Some(Item::Close(span)) => Some(*span),
            Some(Item::Statement(_) | Item::Open(_)) | None => None,
        };
        if let Some(close) = close {
            self.take();
            diagnostic = diagnostic.and(close, format!("this was to close `{name}`"));
            if let Some(frame) = self.frames.last_mut() {
                frame.last_child = Some(Closed { close, ..closed });
            }
        }
        self.report(
            diagnostic.help("remove the brace that closes the block too early, and any other before the statements"),
        );
    }

    /// Checks a statement that stands outside its block; gives its last byte.
    fn check_stray(&mut self, content: Content, line: Line) -> Span {
        let end = line.span();
        let Content::Block(block) = content else { return end };
        if let Some(statement) = self.statement(block, line.text) {
            self.check(&statement);
        }
        self.at
    }

    /// How many blocks must be left for a line that does not fit into the open one, because a closing brace is missing.
    pub(super) fn levels_to_leave(&mut self, line: &Line) -> Option<usize> {
        let word = line.word(0).unwrap_or_default().to_vec();
        let column = line.text.indent(self.reader.sources());
        let opens = matches!(self.peek(), Some(Item::Open(_)));
        let (inner, outer) = self.frames.split_last()?;
        let level = outer.iter().rposition(|f| f.content.find(&word).is_some())?;
        let keyword = outer.get(level)?.content.find(&word)?;
        let left = matches!((column, inner.column), (Some(at), Some(head)) if at <= head);
        // A block of an outer level is hardly there by mistake; a plain statement only counts when it stands where
        // statements of the outer block stand, in a file whose indentation says something.
        let fits = if keyword.has_block() { opens } else { !opens && left && inner.indented };
        fits.then_some(outer.len() - level)
    }

    /// Leaves blocks whose closing brace is missing; the line is read again outside.
    pub(super) fn close_missing(&mut self, levels: usize, line: Line) {
        let head = self.frames.last().map_or(line.span(), |f| f.head);
        self.never_closed(head, Some(line.span()));
        self.unwind = levels;
        self.reader.put_back(self.peeked.take().flatten());
        self.peeked = Some(Some(Item::Statement(line.text)));
    }

    /// Whether a list seems to run on into the statements behind it.
    pub(super) fn list_runs_on(&mut self, line: &Line) -> bool {
        let Some(levels) = self.levels_to_leave(line) else { return false };
        let head = self.frames.last().map_or(line.span(), |f| f.head);
        self.never_closed(head, Some(line.span()));
        self.unwind = levels;
        self.reader.put_back(self.peeked.take().flatten());
        true
    }

    /// The end of the input with blocks open.
    pub(super) fn end_of_input(&mut self) {
        let Some(frame) = self.frames.last().filter(|f| f.keyword.is_some()) else { return };
        self.never_closed(frame.head, None);
    }

    /// Says that a block is not closed: the one whose brace was taken by another, if indentation shows it.
    pub(super) fn never_closed(&mut self, head: Span, next: Option<Span>) {
        let suspect = self.suspect.take().filter(|_| self.frames.len() > 1);
        let head = suspect.map_or(head, |s| s.head);
        let name = match suspect {
            Some(suspect) => suspect.keyword.name.to_owned(),
            None => first_word(self.reader.sources().bytes(head)),
        };
        let headline = format!("`{name}` is never closed");
        let mut diagnostic = Diagnostic::new(Code::NeverClosed, headline, head, "this block has no closing brace");
        if let Some(suspect) = suspect {
            diagnostic = diagnostic.and(suspect.close, "this brace closes it, but stands where an outer block ends");
        }
        match next {
            Some(next) => diagnostic = diagnostic.and(next, "the brace is missing before this"),
            None => {
                let end = self.reader.last();
                diagnostic = diagnostic.and(end, "the end is reached with the block still open");
            }
        }
        self.report(diagnostic.help("add a closing brace"));
    }

    /// A block keyword without `{`: true if its block seems to follow all the same.
    pub(super) fn missing_open(&mut self, head: &Statement, content: Content) -> bool {
        let follows = match self.peek() {
            Some(Item::Close(_)) => true,
            Some(Item::Statement(text)) => {
                let line = Line::new(text.clone());
                let word = line.word(0).unwrap_or_default().to_vec();
                let outside = self.frames.iter().any(|f| f.content.find(&word).is_some());
                content.find(&word).is_some() || !outside
            }
            Some(Item::Open(_)) | None => false,
        };
        let name = head.keyword.name;
        let headline = format!("`{name}` without an opening brace");
        let diagnostic = Diagnostic::new(Code::MissingOpen, headline, head.span().after(), "`{` is missing here");
        self.report(diagnostic.help(format!("`{name}` begins a block: {}", head.keyword.help)));
        follows
    }

    /// `{` where no keyword wants one.
    pub(super) fn unexpected_open(&mut self, span: Span) {
        let label = "it is skipped with all that it encloses";
        let mut diagnostic = Diagnostic::new(Code::UnexpectedOpen, "an opening brace without a keyword", span, label);
        if let Some(frame) = self.frames.last().filter(|f| f.keyword.is_some()) {
            diagnostic = diagnostic.and(frame.head, "in this block");
        }
        self.report(diagnostic);
        self.skip_open(span);
    }

    /// A value keyword with a block.
    pub(super) fn no_block_here(&mut self, statement: &Statement) {
        let name = statement.keyword.name;
        let span = self.peek().map_or(statement.span(), Item::span);
        let headline = format!("`{name}` has no block");
        let synopsis = statement.keyword.args().synopsis();
        let diagnostic = Diagnostic::new(Code::NoBlockHere, headline, span, "this block is skipped");
        let diagnostic = diagnostic.and(statement.keyword_span(), "this keyword takes words only");
        self.report(diagnostic.help(format!("write {name} {synopsis}").trim_end().to_owned()));
        self.skip_block(statement);
    }

    /// Reads past the block of a statement, checking its keywords and their words, without making anything of it.
    pub(crate) fn check(&mut self, head: &Statement) {
        match head.keyword.kind {
            Kind::Value(_) => self.check_words(head),
            Kind::Block(..) => {
                if self.enter(head) {
                    while let Some(statement) = self.next() {
                        self.check(&statement);
                    }
                }
            }
            Kind::List(..) => {
                if self.enter(head) {
                    while self.next_entry().is_some() {}
                }
            }
        }
    }
}

fn first_word(bytes: &[u8]) -> String {
    let end = bytes.iter().position(u8::is_ascii_whitespace).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end.min(60)).unwrap_or_default()).into_owned()
}
