//! From files to statements and braces: comments, conditions (`@id`), definitions, repetitions, includes.
//!
//! The reader is pulled: it holds the files, the definitions and the place it is at, and never more of the text than the
//! line in hand. It knows no keyword but the include family, and gives every byte an origin.
//!
//! The order of the layers is keepalived's: comment, open definition, `@`, definition, `~SEQ`, `~LST`, `$`, include, braces.
//! One thing is turned around: a line is cut at its first brace before `$` is replaced, so that what stands behind
//! the brace sees definitions that only its own beginning (`~SEQ`) makes.

mod define;
mod glob;
pub(crate) mod include;
pub(crate) mod line;
mod repeat;
pub(crate) mod words;

pub use include::Checks;
pub(crate) use repeat::c_number;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::host::Host;
use crate::source::{FileId, SiteId, SourceFile, Sources, Span};
use crate::text::{Mixture, Text};
use define::{Definitions, OpenDefinition};
use repeat::Repeat;
use standfast_model::Secret;
use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// A line may have 64 KiB, before and after substitution: keepalived's own limit is 1022 bytes, and what a person or a
/// template writes is far below.
pub(crate) const LINE_LIMIT: usize = 64 * 1024;

/// Lines that definitions and repetitions may add: an order of magnitude above the largest configuration we measure.
/// Properties of arbitrary text meet endless definitions all the time, so unit tests have less.
const EXPANSION_LIMIT: usize = if cfg!(test) { 10_000 } else { 1_000_000 };

/// What the reader hands on.
#[derive(Debug)]
pub(crate) enum Item {
    /// Words, up to a brace or the end of a line.
    Statement(Text),
    /// `{`
    Open(Span),
    /// `}`
    Close(Span),
}

impl Item {
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Statement(text) => text.span(),
            Self::Open(span) | Self::Close(span) => *span,
        }
    }
}

/// Where lines come from; the last feed of the stack is drained first.
#[derive(Debug)]
enum Feed {
    /// The rest of a line behind a brace.
    Line(Text),
    /// A brace whose line is being worked off.
    Brace(Item),
    /// Further lines of a definition used at the end of a line.
    Lines { lines: Rc<Vec<Text>>, next: usize, site: SiteId },
    /// A `~SEQ` or `~LST`.
    Repeat(Box<Repeat>),
    /// A file that was opened.
    File(OpenFile),
    /// A file still to be opened.
    Pending { path: PathBuf, from: Option<Span>, checks: Checks },
    /// `include_check` as it was before an include.
    Restore(Checks),
}

impl Feed {
    /// The path of the file that is being read from.
    fn open_path(&self) -> Option<&Path> {
        match self {
            Self::File(file) => Some(&file.path),
            Self::Line(_)
            | Self::Brace(_)
            | Self::Lines { .. }
            | Self::Repeat(_)
            | Self::Pending { .. }
            | Self::Restore(_) => None,
        }
    }
}

#[derive(Debug)]
struct OpenFile {
    id: FileId,
    text: Arc<Secret>,
    at: usize,
    path: PathBuf,
}

pub(crate) struct Reader<'h> {
    host: &'h dyn Host,
    sources: Sources,
    diagnostics: Diagnostics,
    feeds: Vec<Feed>,
    queue: VecDeque<Item>,
    definitions: Definitions,
    open_definition: Option<OpenDefinition>,
    /// A definition that an empty line has ended, with that line.
    interrupted: Option<(Span, OpenDefinition)>,
    config_id: Vec<u8>,
    /// Files whose invisible indentation was told.
    invisible_told: BTreeSet<FileId>,
    checks: Checks,
    expanded_lines: usize,
    bytes_read: usize,
    files_read: usize,
    last: Span,
}

impl<'h> Reader<'h> {
    pub(crate) fn new(host: &'h dyn Host, config_id: Vec<u8>, checks: Checks) -> Self {
        let mut sources = Sources::default();
        // A file that is always there gives every diagnostic a place, even before anything was read.
        let nowhere = sources.add_file(PathBuf::new(), Arc::default(), None);
        Self {
            host,
            sources,
            diagnostics: Diagnostics::default(),
            feeds: Vec::new(),
            queue: VecDeque::new(),
            definitions: Definitions::default(),
            open_definition: None,
            interrupted: None,
            config_id,
            invisible_told: BTreeSet::new(),
            checks,
            expanded_lines: 0,
            bytes_read: 0,
            files_read: 0,
            last: Sources::head(nowhere),
        }
    }

    pub(crate) fn host(&self) -> &'h dyn Host {
        self.host
    }

    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    pub(crate) fn diagnostics(&mut self) -> &mut Diagnostics {
        &mut self.diagnostics
    }

    pub(crate) fn finish(self) -> (Sources, Diagnostics) {
        (self.sources, self.diagnostics)
    }

    /// The place last read from: the end of the input, when there is no more.
    pub(crate) fn last(&self) -> Span {
        self.last
    }

    /// `include_check`, in force until the end of the included pattern it stands in.
    pub(crate) fn set_checks(&mut self, checks: Checks) {
        self.checks = checks;
    }

    pub(crate) fn checks(&self) -> Checks {
        self.checks
    }

    /// Takes back an item that was read ahead.
    pub(crate) fn put_back(&mut self, item: Option<Item>) {
        if let Some(item) = item {
            self.queue.push_front(item);
        }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// The next statement or brace; none at the end of all files.
    pub(crate) fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.queue.pop_front() {
                self.last = item.span();
                return Some(item);
            }
            let line = self.next_line()?;
            self.process(line);
        }
    }

    fn next_line(&mut self) -> Option<Text> {
        loop {
            match self.feeds.last_mut()? {
                Feed::File(file) => match line::physical(file) {
                    Some(line) => {
                        if let Some(text) = self.decommented(line) {
                            return Some(text);
                        }
                    }
                    None => self.end_of_file(),
                },
                Feed::Lines { lines, next, site } => {
                    let line = lines.get(*next).map(|text| text.at_site(*site));
                    *next += 1;
                    match line {
                        Some(line) if self.may_expand(line.span()) => return Some(line),
                        Some(_) | None => _ = self.feeds.pop(),
                    }
                }
                Feed::Repeat(repeat) => match repeat.advance() {
                    Some((values, text)) => {
                        if !self.may_expand(text.span()) {
                            self.feeds.pop();
                            continue;
                        }
                        for (name, value) in values {
                            self.definitions.set(name, Rc::new(vec![value]));
                        }
                        return Some(text);
                    }
                    None => _ = self.feeds.pop(),
                },
                Feed::Line(_) | Feed::Brace(_) | Feed::Pending { .. } | Feed::Restore(_) => match self.feeds.pop()? {
                    Feed::Line(text) => return Some(text),
                    Feed::Brace(item) => {
                        self.queue.push_back(item);
                        return Some(Mixture::new(self.last).finish());
                    }
                    Feed::Pending { path, from, checks } => self.open_file(path, from, checks),
                    Feed::Restore(checks) => self.checks = checks,
                    Feed::Lines { .. } | Feed::Repeat(_) | Feed::File(_) => {}
                },
            }
        }
    }

    /// Counts a line made by a definition or a repetition; false, after saying so once, when there were too many.
    fn may_expand(&mut self, span: Span) -> bool {
        self.expanded_lines += 1;
        if self.expanded_lines == EXPANSION_LIMIT + 1 {
            let headline = format!("definitions and repetitions expand to more than {EXPANSION_LIMIT} lines");
            self.report(Diagnostic::new(Code::ExpansionLimit, headline, span, "this is the line that is one too many"));
        }
        self.expanded_lines <= EXPANSION_LIMIT
    }

    fn end_of_file(&mut self) {
        if let Some(Feed::File(file)) = self.feeds.pop() {
            let end = u32::try_from(file.text.octets().len()).unwrap_or(u32::MAX);
            self.last = Span { start: end, end, ..Sources::head(file.id) };
        }
        // A definition ends with its file at the latest.
        self.end_definition();
        self.interrupted = None;
    }

    fn decommented(&mut self, line: line::Physical) -> Option<Text> {
        match line {
            line::Physical::Good(text) => Some(self.visible(text)),
            line::Physical::Nul(span) => {
                let label = "the line is ignored";
                self.report(Diagnostic::new(Code::NulByte, "a NUL byte in a line", span, label));
                None
            }
            line::Physical::TooLong(span, length) => {
                let headline = format!("a line of {length} bytes is too long");
                let label = format!("the line is ignored: {LINE_LIMIT} bytes are allowed");
                self.report(Diagnostic::new(Code::LineTooLong, headline, span, label));
                None
            }
            line::Physical::LongForKeepalived(span, text) => {
                let headline = "a line is longer than keepalived can read";
                let label = "keepalived would take what stands behind its byte 1022 for another line";
                self.report(Diagnostic::new(Code::LongForKeepalived, headline, span, label));
                Some(text)
            }
        }
    }

    /// The line without blanks at its beginning that are letters to keepalived. Whoever has pasted such a line has pasted many,
    /// so that it is told once for a file, and the line is read as it looks.
    fn visible(&mut self, text: Text) -> Text {
        // Nearly every line begins with a letter of ASCII.
        if text.bytes().first().is_none_or(u8::is_ascii) {
            return text;
        }
        let indent = line::invisible_indent(text.bytes());
        if indent == 0 {
            return text;
        }
        let span = text.span_of(0..indent);
        if self.invisible_told.insert(span.file) {
            let file = self.sources.file(span.file).map(SourceFile::text).unwrap_or_default();
            let lines = file.split(|b| *b == b'\n').filter(|line| line::invisible_indent(line) > 0).count();
            let headline = "blanks that are none at the beginning of a line";
            let label = if lines > 1 { format!("{lines} lines of this file begin so") } else { String::new() };
            let diagnostic = Diagnostic::new(Code::InvisibleIndent, headline, span, label);
            self.report(diagnostic.help("indent with blanks or tabs; keepalived ignores these lines"));
        }
        text.slice(indent..text.len())
    }

    /// One logical line: everything but the brackets of its feed.
    fn process(&mut self, line: Text) {
        if self.open_definition.is_some() {
            return self.continue_definition(&line);
        }
        if self.resume_definition(&line) {
            return;
        }
        let Some(line) = self.condition(line) else { return };
        match line.bytes().first() {
            None => return,
            Some(b'$') => {
                if self.define(&line) {
                    return;
                }
            }
            Some(b'~') => {
                if self.repeat(&line) {
                    return;
                }
            }
            Some(_) => {}
        }
        if include::is_include(line.bytes()) {
            return self.include(line);
        }
        let marks = line::Marks::of(line.bytes());
        if marks.is_plain() {
            let line = line.trimmed();
            if !line.is_empty() {
                self.queue.push_back(Item::Statement(line));
            }
            return;
        }
        let Some((at, brace)) = line::structural_brace(line.bytes()) else {
            return self.statement(line);
        };
        if let Some(rest) = line.trimmed_part(at + 1..line.len()) {
            self.feeds.push(Feed::Line(rest));
        }
        let span = line.span_of(at..at + 1);
        let item = if brace == b'{' { Item::Open(span) } else { Item::Close(span) };
        if at == 0 {
            self.queue.push_back(item);
            return;
        }
        let head = line.trimmed_part(0..at);
        if marks.has_use() {
            // Further lines that a definition brings come before the brace.
            self.feeds.push(Feed::Brace(item));
            head.into_iter().for_each(|head| self.statement(head));
        } else {
            // Nothing to replace, and no brace before the first.
            match head {
                Some(head) if include::is_include(head.bytes()) => self.include(head),
                Some(head) => self.queue.push_back(Item::Statement(head)),
                None => {}
            }
            self.queue.push_back(item);
        }
    }

    /// `@NAME rest` and `@^NAME rest`: the rest, if it is for this configuration id.
    fn condition(&mut self, line: Text) -> Option<Text> {
        let Some(after) = line.bytes().strip_prefix(b"@") else { return Some(line) };
        let (negated, name) = match after.strip_prefix(b"^") {
            Some(name) => (true, name),
            None => (false, after),
        };
        let length = name.iter().position(u8::is_ascii_whitespace).unwrap_or(name.len());
        let matches = name.get(..length) == Some(self.config_id.as_slice());
        let rest = line.slice(line.len() - (name.len() - length)..line.len()).trimmed();
        if matches != negated {
            // Conditions do not nest in keepalived either: what follows is read as it stands.
            return (!rest.is_empty()).then_some(rest);
        }
        // A definition that is not for us takes its further lines with it.
        if rest.bytes().first() == Some(&b'$') && rest.bytes().last() == Some(&b'\\') {
            self.open_definition = Some(OpenDefinition::unwanted());
        }
        None
    }

    /// Text without a structural brace as written: replaces definitions, and hands on what comes of it.
    fn statement(&mut self, text: Text) {
        let Some(text) = self.substitute(text) else { return };
        let text = text.trimmed();
        if text.is_empty() {
            return;
        }
        if include::is_include(text.bytes()) {
            return self.include(text);
        }
        let mut from = 0;
        let bytes = text.bytes();
        while let Some((at, brace)) = line::structural_brace(bytes.get(from..).unwrap_or_default()) {
            let at = from + at;
            let head = text.slice(from..at).trimmed();
            if !head.is_empty() {
                self.queue.push_back(Item::Statement(head));
            }
            let span = text.span_of(at..at + 1);
            self.queue.push_back(if brace == b'{' { Item::Open(span) } else { Item::Close(span) });
            from = at + 1;
        }
        let tail = if from == 0 { text } else { text.slice(from..text.len()).trimmed() };
        if !tail.is_empty() {
            self.queue.push_back(Item::Statement(tail));
        }
    }
}
