//! Blocks: which statement stands in which block, and what to make of braces that do not fit.
//!
//! The parser knows where it is (the open blocks) and gives the lowering code one statement of a block at a time. A
//! mistake in the braces is found here and told once: what follows from it is read as it was most likely meant.

mod braces;
mod skip;

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::host::Host;
use crate::keyword::{Args, Block, Entries, Keyword, Kind, ROOT, Stage, Status};
use crate::reader::words::{self, Words};
use crate::reader::{Item, Reader};
use crate::source::Span;
use crate::text::Text;
use std::collections::BTreeSet;

/// A statement: its keyword, and the words behind it.
#[derive(Debug)]
pub(crate) struct Statement {
    /// The keyword, by its name of today.
    pub(crate) keyword: &'static Keyword,
    words: Line,
}

/// Words with their places.
#[derive(Debug)]
pub(crate) struct Line {
    text: Text,
    words: Words,
}

impl Line {
    fn new(text: Text) -> Self {
        let words = words::split(text.bytes());
        Self { text, words }
    }

    /// A word by its place, 0 being the first of the line.
    pub(crate) fn word(&self, index: usize) -> Option<&[u8]> {
        self.text.bytes().get(self.words.get(index)?)
    }

    /// Where a word stands; the end of the line for one that is not there.
    pub(crate) fn span_of(&self, index: usize) -> Span {
        match self.words.get(index) {
            Some(range) => self.text.span_of(range),
            None => self.text.span().after(),
        }
    }

    /// From a word to the last one.
    pub(crate) fn span_from(&self, index: usize) -> Span {
        self.span_of(index).to(self.span_of(self.len().saturating_sub(1)))
    }

    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    pub(crate) fn span(&self) -> Span {
        self.text.span()
    }

    /// The line as written, after substitution.
    pub(crate) fn text(&self) -> &Text {
        &self.text
    }
}

impl Statement {
    /// An argument; 0 is the first word behind the keyword.
    pub(crate) fn arg(&self, index: usize) -> Option<&[u8]> {
        self.words.word(index + 1)
    }

    /// Where an argument stands.
    pub(crate) fn arg_span(&self, index: usize) -> Span {
        self.words.span_of(index + 1)
    }

    /// How many arguments there are.
    pub(crate) fn args(&self) -> usize {
        self.words.len().saturating_sub(1)
    }

    /// Where the keyword stands.
    pub(crate) fn keyword_span(&self) -> Span {
        self.words.span_of(0)
    }

    /// Keyword and words.
    pub(crate) fn span(&self) -> Span {
        self.words.span()
    }

    /// The arguments as they are written.
    pub(crate) fn line(&self) -> &Line {
        &self.words
    }

    /// The first argument as text, for names and for messages.
    pub(crate) fn name(&self) -> String {
        String::from_utf8_lossy(self.arg(0).unwrap_or_default()).into_owned()
    }
}

/// What may stand in an open block.
#[derive(Clone, Copy, Debug)]
enum Content {
    Block(&'static Block),
    List(Entries),
}

/// A block that was closed, for what turns up behind it.
#[derive(Clone, Copy, Debug)]
struct Closed {
    content: Content,
    keyword: &'static Keyword,
    head: Span,
    close: Span,
}

/// A block that is open.
#[derive(Debug)]
struct Frame {
    content: Content,
    /// The keyword that opened it; none for the root.
    keyword: Option<&'static Keyword>,
    /// The statement that opened it.
    head: Span,
    /// Column of the statement, if it is the first on its line.
    column: Option<usize>,
    /// The block inside it that was closed last.
    last_child: Option<Closed>,
    /// Whether a statement in it stood further right than its head: whether indentation can be trusted.
    indented: bool,
}

/// A closing brace that stands under another block than the one it closed: the likely place of a missing brace.
#[derive(Clone, Copy, Debug)]
struct Suspect {
    keyword: &'static Keyword,
    head: Span,
    close: Span,
}

pub(crate) struct Parser<'h> {
    reader: Reader<'h>,
    peeked: Option<Option<Item>>,
    frames: Vec<Frame>,
    /// How many frames are still to be left because a closing brace is missing.
    unwind: usize,
    suspect: Option<Suspect>,
    /// Keywords already said to be not acted upon: once is enough for a keyword.
    not_yet: BTreeSet<(&'static str, &'static str)>,
    /// The item taken last.
    at: Span,
    /// An entry of the list was left out because of a mistake already told.
    entry_spoilt: bool,
}

impl<'h> Parser<'h> {
    pub(crate) fn new(reader: Reader<'h>) -> Self {
        let at = reader.last();
        let root = Frame {
            content: Content::Block(&ROOT),
            keyword: None,
            head: at,
            column: None,
            last_child: None,
            indented: false,
        };
        Self {
            reader,
            peeked: None,
            frames: vec![root],
            unwind: 0,
            suspect: None,
            not_yet: BTreeSet::new(),
            at,
            entry_spoilt: false,
        }
    }

    pub(crate) fn reader(&mut self) -> &mut Reader<'h> {
        &mut self.reader
    }

    pub(crate) fn host(&self) -> &'h dyn Host {
        self.reader.host()
    }

    pub(crate) fn into_reader(self) -> Reader<'h> {
        self.reader
    }

    /// Makes the last mistake one that stops a start.
    pub(crate) fn escalate(&mut self) {
        self.reader.diagnostics().escalate();
    }

    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        self.reader.diagnostics().push(diagnostic);
    }

    fn peek(&mut self) -> Option<&Item> {
        if self.peeked.is_none() {
            self.peeked = Some(self.reader.next());
        }
        self.peeked.as_ref().and_then(Option::as_ref)
    }

    fn take(&mut self) -> Option<Item> {
        let item = match self.peeked.take() {
            Some(item) => item,
            None => self.reader.next(),
        };
        if let Some(item) = &item {
            self.at = item.span();
        }
        item
    }

    /// The block that is open.
    fn block(&self) -> Option<&'static Block> {
        match self.frames.last()?.content {
            Content::Block(block) => Some(block),
            Content::List(_) => None,
        }
    }

    /// The next statement of the open block; none at its end.
    pub(crate) fn next(&mut self) -> Option<Statement> {
        loop {
            if self.unwind > 0 {
                self.unwind -= 1;
                self.frames.pop();
                return None;
            }
            let block = self.block()?;
            match self.take() {
                None => {
                    self.end_of_input();
                    if self.frames.len() <= 1 {
                        return None;
                    }
                    self.unwind = self.frames.len() - 1;
                }
                Some(Item::Open(span)) => self.unexpected_open(span),
                Some(Item::Close(span)) => {
                    if self.close(span) {
                        return None;
                    }
                }
                Some(Item::Statement(text)) => {
                    if let Some(statement) = self.statement(block, text) {
                        return Some(statement);
                    }
                }
            }
        }
    }

    /// Finds the keyword of a statement; none if there is none, and then all is said and skipped.
    fn statement(&mut self, block: &'static Block, text: Text) -> Option<Statement> {
        let line = Line::new(text);
        let word = line.word(0).unwrap_or_default();
        let Some(found) = block.find(word) else {
            self.unknown(block, line);
            return None;
        };
        if line.text.is_spoilt() && !found.has_block() {
            return None;
        }
        self.note_indent(&line);
        if let Some(at) = line.words.unterminated
            && !takes_single_quotes(found)
        {
            self.report_quote(&line, at);
        }
        let keyword = block.canonical(found);
        self.report_status(block, found, keyword, &line);
        let statement = Statement { keyword, words: line };
        if !self.has_its_words(&statement) {
            // The block of a keyword without its name is read past, so that its mistakes are not told as well.
            if keyword.has_block() || matches!(self.peek(), Some(Item::Open(_))) {
                self.skip_block(&statement);
            }
            return None;
        }
        // Reading ahead would read an include behind this keyword before the keyword is in force.
        let reads_ahead = keyword.name != "include_check";
        if !keyword.has_block() && reads_ahead && self.opens_on_same_line(&statement) {
            self.no_block_here(&statement);
        }
        self.note_surplus(&statement);
        let one = matches!(keyword.args(), Args::OneWord(_));
        (!one || statement.args() == 1).then_some(statement)
    }

    /// Whether `{` follows on the statement's own line: further down it is a brace without a keyword.
    fn opens_on_same_line(&mut self, statement: &Statement) -> bool {
        let Some(Item::Open(span)) = self.peek() else { return false };
        let (open, own) = (*span, statement.span());
        self.reader.sources().on_same_line(open, own)
    }

    fn note_indent(&mut self, line: &Line) {
        let Some(frame) = self.frames.last_mut() else { return };
        if !frame.indented
            && let Some(head) = frame.column
            && let Some(column) = line.text.indent(self.reader.sources())
        {
            frame.indented = column > head;
        }
    }

    fn report_quote(&mut self, line: &Line, at: usize) {
        let span = line.text.span_of(at..line.text.len());
        let diagnostic = Diagnostic::new(Code::UnterminatedQuote, "a double quote is not closed", span, "this is lost");
        self.report(diagnostic.help("close it on the same line"));
    }

    fn report_status(&mut self, block: &'static Block, found: &'static Keyword, now: &'static Keyword, line: &Line) {
        let span = line.span_of(0);
        let name = found.name;
        match found.status {
            Status::Current | Status::Own => {}
            Status::Alias(of) => {
                let headline = format!("`{name}` is called `{of}` now");
                self.report(Diagnostic::new(Code::AliasKeyword, headline, span, "").help(format!("write `{of}`")));
            }
            Status::Old(of) => {
                let headline = format!("`{name}` is called `{of}` now");
                self.report(Diagnostic::new(Code::DeprecatedKeyword, headline, span, "").help(format!("write `{of}`")));
            }
            Status::Deprecated(help) => {
                let headline = format!("`{name}` is an old keyword");
                self.report(Diagnostic::new(Code::DeprecatedKeyword, headline, span, "").help(help));
            }
            Status::Outdated(help) => {
                let headline = format!("`{name}` is outdated");
                self.report(Diagnostic::new(Code::AliasKeyword, headline, span, "").help(help));
            }
            Status::Removed => {
                let headline = format!("`{name}` does nothing any more");
                self.report(Diagnostic::new(Code::RemovedKeyword, headline, span, "").help("remove it"));
            }
        }
        match now.stage {
            Stage::NotYet if found.status != Status::Removed => self.note_not_yet(block, now, span),
            Stage::Moot => {
                let headline = format!("`{name}` has nothing to do here");
                self.report(Diagnostic::new(Code::MootKeyword, headline, span, "").help(now.help));
            }
            Stage::NotYet | Stage::Live => {}
        }
    }

    /// Says that a keyword is not acted upon, once for each keyword.
    pub(crate) fn note_not_yet(&mut self, block: &'static Block, keyword: &'static Keyword, span: Span) {
        // Nothing in a block that is not acted upon can be.
        let outer = self.frames.last().and_then(|frame| frame.keyword);
        if outer.is_some_and(|outer| outer.stage == Stage::NotYet) {
            return;
        }
        if self.not_yet.insert((block.path, keyword.name)) {
            let headline = format!("`{}` is not acted upon yet", keyword.name);
            self.report(Diagnostic::new(Code::NotYet, headline, span, "it is understood, and nothing follows from it"));
        }
    }

    /// Whether the mandatory words are there; says which one is not.
    fn has_its_words(&mut self, statement: &Statement) -> bool {
        let args = statement.keyword.args();
        if statement.args() >= args.least() {
            return true;
        }
        // A quote that is not closed took them away, and has been told.
        if statement.words.words.unterminated.is_none() {
            let name = statement.keyword.name;
            let span = statement.span().after();
            let headline = format!("`{name}` needs a parameter");
            let label = format!("{} is missing here", args.synopsis());
            let diagnostic = Diagnostic::new(Code::MissingParameter, headline, span, label);
            self.report(diagnostic.help(format!("{name} {}: {}", args.synopsis(), statement.keyword.help)));
        }
        false
    }

    /// Says which words behind a keyword are not looked at.
    fn note_surplus(&mut self, statement: &Statement) {
        let keyword = statement.keyword;
        let Some(most) = keyword.args().most().filter(|most| statement.args() > *most) else { return };
        let name = keyword.name;
        let span = statement.words.span_from(most + 1);
        let list = matches!(keyword.kind, Kind::List(..));
        let diagnostic = if list {
            let headline = format!("words between `{name}` and its list");
            Diagnostic::new(Code::ListParameters, headline, span, "these are ignored")
        } else if keyword.args() == Args::Flag && !keyword.has_block() {
            let headline = format!("`{name}` is on, whatever stands behind it");
            Diagnostic::new(Code::FlagWithWord, headline, span, "this is not looked at")
        } else if matches!(keyword.args(), Args::OneWord(_)) {
            let headline = format!("`{name}` takes one word");
            let diagnostic = Diagnostic::new(Code::InvalidEntry, headline, span, "the statement is ignored");
            diagnostic.help(format!("put quotes around it: {name} \"{}\"", keyword.args().synopsis()))
        } else {
            let headline = format!("words behind `{name}` that are not looked at");
            let diagnostic = Diagnostic::new(Code::SurplusParameter, headline, span, "these are ignored");
            diagnostic.help(format!("write {name} {}", keyword.args().synopsis()))
        };
        self.report(diagnostic);
    }

    /// Opens the block of a statement; false if there is none, and then all is said.
    pub(crate) fn enter(&mut self, head: &Statement) -> bool {
        let content = match head.keyword.kind {
            Kind::Value(_) => return false,
            Kind::Block(_, block) => Content::Block(block),
            Kind::List(_, entries) => Content::List(entries),
        };
        if matches!(self.peek(), Some(Item::Open(_))) {
            self.take();
        } else if !self.missing_open(head, content) {
            return false;
        }
        if self.frames.len() == 1 {
            self.suspect = None;
        }
        self.entry_spoilt = false;
        self.frames.push(Frame {
            content,
            keyword: Some(head.keyword),
            head: head.span(),
            column: head.words.text.indent(self.reader.sources()),
            last_child: None,
            indented: false,
        });
        true
    }

    /// Whether entries of the list read last were left out because of mistakes already told.
    pub(crate) fn is_entry_spoilt(&self) -> bool {
        self.entry_spoilt
    }

    /// The next entry of the open list; none at its end.
    pub(crate) fn next_entry(&mut self) -> Option<Line> {
        loop {
            if self.unwind > 0 {
                self.unwind -= 1;
                self.frames.pop();
                return None;
            }
            match self.take() {
                None => {
                    self.end_of_input();
                    self.unwind = self.frames.len().saturating_sub(1);
                }
                Some(Item::Open(span)) => self.unexpected_open(span),
                Some(Item::Close(span)) => {
                    if self.close(span) {
                        return None;
                    }
                }
                Some(Item::Statement(text)) => {
                    let line = Line::new(text);
                    if self.list_runs_on(&line) {
                        self.peeked = Some(Some(Item::Statement(line.text)));
                        continue;
                    }
                    self.note_indent(&line);
                    if let Some(at) = line.words.unterminated {
                        self.report_quote(&line, at);
                    }
                    if matches!(self.peek(), Some(Item::Open(_))) {
                        let span = self.take().map_or(line.span(), |item| item.span());
                        self.unexpected_open(span);
                    }
                    self.entry_spoilt |= line.text.is_spoilt();
                    if line.len() > 0 && !line.text.is_spoilt() {
                        return Some(line);
                    }
                }
            }
        }
    }
}

/// Whether the words of a keyword are split by another rule, in which a quote may be escaped.
fn takes_single_quotes(keyword: &Keyword) -> bool {
    matches!(keyword.args(), Args::Script | Args::OptionalScript | Args::Command) || keyword.name == "regex"
}
