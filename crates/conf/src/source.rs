//! Where text came from: files, byte ranges, and the uses of definitions that brought text to where it is read.
//!
//! It never interprets a byte: what is not UTF-8 is only replaced when shown.

use core::num::NonZeroU32;
use core::ops::Range;
use standfast_model::Secret;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A file that was read: its place in [`Sources`].
///
/// Counted from 1, as [`SiteId`] is, so that a span that may be missing is no larger than one that is there: a large
/// configuration has more spans than anything else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileId(NonZeroU32);

/// A place where a definition or a repetition was used: its place in [`Sources`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SiteId(NonZeroU32);

/// The number of what stands at an index, from 1. Limits on files and expansion keep far below the end of the range.
fn numbered(index: usize) -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(u32::try_from(index).unwrap_or(u32::MAX))
}

/// The index of what has a number.
fn index_of(number: NonZeroU32) -> usize {
    number.get() as usize - 1
}

/// A range of bytes of a file; `site` says which use of a definition brought it to where it was read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Span {
    /// The file the text stands in.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One after the last byte.
    pub end: u32,
    /// The use of a definition, if the text was not read where it stands.
    pub site: Option<SiteId>,
}

impl Span {
    /// The smallest range that holds both; the first alone when they stand in different texts.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        if self.file != other.file || self.site != other.site {
            return self;
        }
        Self { start: self.start.min(other.start), end: self.end.max(other.end), ..self }
    }

    /// A part of it, by offsets from its beginning that are kept inside it.
    pub(crate) fn part(self, range: Range<usize>) -> Self {
        let at = |offset: usize| {
            let offset = u32::try_from(offset).unwrap_or(u32::MAX);
            self.start.saturating_add(offset).min(self.end)
        };
        Self { start: at(range.start), end: at(range.end), ..self }
    }

    /// The empty place just behind it.
    pub(crate) fn after(self) -> Self {
        Self { start: self.end, ..self }
    }
}

/// Line and column of a byte, both from 1; the column counts bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes, from 1.
    pub column: usize,
}

/// One file as it was read.
#[derive(Clone, Debug)]
pub struct SourceFile {
    path: PathBuf,
    /// It may hold passwords, so it is overwritten when the last who reads it has gone.
    text: Arc<Secret>,
    /// Found when the first position is asked for: a configuration without mistakes needs none.
    line_starts: OnceLock<Vec<u32>>,
    included_from: Option<Span>,
}

impl SourceFile {
    fn line_starts(&self) -> &[u32] {
        self.line_starts.get_or_init(|| {
            let feeds = memchr::memchr_iter(b'\n', self.text()).map(|at| at + 1);
            core::iter::once(0).chain(feeds).map(|at| u32::try_from(at).unwrap_or(u32::MAX)).collect()
        })
    }

    /// The path as the configuration or the command line names it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        self.text.octets()
    }

    /// The `include` line that brought it in; none for the main file.
    #[must_use]
    pub fn included_from(&self) -> Option<Span> {
        self.included_from
    }

    /// Line and column of a byte; one beyond the end belongs to the last line.
    #[must_use]
    pub fn position(&self, offset: u32) -> Position {
        let starts = self.line_starts();
        let line = starts.partition_point(|start| *start <= offset).max(1);
        let start = starts.get(line - 1).copied().unwrap_or(0);
        Position { line, column: (offset.saturating_sub(start)) as usize + 1 }
    }

    /// The bytes of a line (from 1) with its line feed, as a range of the file; empty beyond the end.
    #[must_use]
    pub fn line_range(&self, line: usize) -> Range<usize> {
        let starts = self.line_starts();
        let start = starts.get(line.saturating_sub(1)).map_or(self.text().len(), |s| *s as usize);
        let end = starts.get(line).map_or(self.text().len(), |s| *s as usize);
        start..end
    }
}

/// A use of a definition or a repetition.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// Where the use stands.
    pub(crate) span: Span,
    /// The name used, for "in this use of `$NAME`".
    pub(crate) name: String,
}

/// How spans of one load become spans of another ([`Sources::absorb`]).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shift {
    files: u32,
    sites: u32,
}

impl Shift {
    pub(crate) fn span(self, span: Span) -> Span {
        let file = FileId(span.file.0.saturating_add(self.files));
        let site = span.site.map(|site| SiteId(site.0.saturating_add(self.sites)));
        Span { file, site, ..span }
    }
}

/// All files of one load, and the uses of definitions in them.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
    sites: Vec<Site>,
}

impl Sources {
    /// The files in the order in which they were first read.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// One file; none for a span of another load.
    #[must_use]
    pub fn file(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(index_of(id.0))
    }

    /// Where the text was used, if not where it stands, with the name of the definition.
    #[must_use]
    pub fn use_of(&self, span: Span) -> Option<(Span, &str)> {
        let site = self.sites.get(index_of(span.site?.0))?;
        Some((site.span, &site.name))
    }

    /// Line and column of the first byte of a span; line 1 and column 1 for a span of another load.
    #[must_use]
    pub fn position(&self, span: Span) -> Position {
        self.file(span.file).map_or(Position { line: 1, column: 1 }, |f| f.position(span.start))
    }

    /// The bytes of a span.
    #[must_use]
    pub fn bytes(&self, span: Span) -> &[u8] {
        let range = span.start as usize..span.end as usize;
        self.file(span.file).and_then(|f| f.text().get(range)).unwrap_or_default()
    }

    /// The column of the span's first byte, if nothing but blanks stands before it on its line. Asked for every
    /// statement, so it looks at the bytes before it and not for the number of the line.
    pub(crate) fn indent(&self, span: Span) -> Option<usize> {
        let before = self.file(span.file)?.text().get(..span.start as usize)?;
        let blank = |b: &u8| b.is_ascii_whitespace() && *b != b'\n';
        let blanks = before.iter().rev().take_while(|b| blank(b)).count();
        let first = before.len() == blanks || before.get(before.len() - blanks - 1) == Some(&b'\n');
        first.then_some(blanks + 1)
    }

    /// Whether two spans begin on the same line of the same file.
    pub(crate) fn on_same_line(&self, a: Span, b: Span) -> bool {
        if a.file != b.file {
            return false;
        }
        let range = a.start.min(b.start) as usize..a.start.max(b.start) as usize;
        let between = self.file(a.file).and_then(|f| f.text().get(range)).unwrap_or_default();
        memchr::memchr(b'\n', between).is_none()
    }

    pub(crate) fn add_file(&mut self, path: PathBuf, text: Arc<Secret>, included_from: Option<Span>) -> FileId {
        let id = FileId(numbered(self.files.len()));
        self.files.push(SourceFile { path, text, line_starts: OnceLock::new(), included_from });
        id
    }

    pub(crate) fn add_site(&mut self, span: Span, name: &[u8]) -> SiteId {
        let id = SiteId(numbered(self.sites.len()));
        self.sites.push(Site { span, name: String::from_utf8_lossy(name).into_owned() });
        id
    }

    /// Takes over the files of another load; the answer turns its spans into spans of this one.
    pub(crate) fn absorb(&mut self, other: Self) -> Shift {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let shift = Shift { files: number(self.files.len()), sites: number(self.sites.len()) };
        self.files.extend(other.files.into_iter().map(|mut file| {
            file.included_from = file.included_from.map(|span| shift.span(span));
            file
        }));
        self.sites.extend(other.sites.into_iter().map(|site| Site { span: shift.span(site.span), ..site }));
        shift
    }

    /// The span of the first byte of a file, for what is wrong with the file as a whole.
    pub(crate) fn head(file: FileId) -> Span {
        Span { file, start: 0, end: 0, site: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_bytes_from_one() {
        let mut sources = Sources::default();
        let id = sources.add_file("a".into(), Arc::new(Secret::new(b"ab\n\ncd".to_vec())), None);
        let file = sources.file(id).unwrap();
        for (offset, line, column) in [(0, 1, 1), (2, 1, 3), (3, 2, 1), (4, 3, 1), (5, 3, 2), (6, 3, 3)] {
            assert_eq!(file.position(offset), Position { line, column }, "offset {offset}");
        }
        assert_eq!(file.line_range(1), 0..3);
        assert_eq!(file.line_range(3), 4..6);
        assert_eq!(file.line_range(9), 6..6);
    }

    #[test]
    fn an_indent_is_the_column_of_what_stands_first_on_its_line() {
        let mut sources = Sources::default();
        let id = sources.add_file("a".into(), Arc::new(Secret::new(b"a b\n\t c d\n".to_vec())), None);
        let at = |start: u32| Span { start, end: start + 1, ..Sources::head(id) };
        let expected = [(0, Some(1)), (2, None), (6, Some(3)), (8, None)];
        assert_eq!(expected.map(|(start, _)| (start, sources.indent(at(start)))), expected);
        assert!(sources.on_same_line(at(6), at(8)) && sources.on_same_line(at(8), at(6)));
        assert!(!sources.on_same_line(at(2), at(6)));
    }
}
