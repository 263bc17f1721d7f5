//! Where text came from: files, byte ranges, and the uses of definitions that brought text to where it is read.
//!
//! It never interprets a byte: what is not UTF-8 is only replaced when shown.

use core::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that was read: its place in [`Sources`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileId(u32);

/// A place where a definition or a repetition was used: its place in [`Sources`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SiteId(u32);

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
    text: Arc<[u8]>,
    line_starts: Vec<u32>,
    included_from: Option<Span>,
}

impl SourceFile {
    /// The path as the configuration or the command line names it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The `include` line that brought it in; none for the main file.
    #[must_use]
    pub fn included_from(&self) -> Option<Span> {
        self.included_from
    }

    /// Line and column of a byte; one beyond the end belongs to the last line.
    #[must_use]
    pub fn position(&self, offset: u32) -> Position {
        let line = self.line_starts.partition_point(|start| *start <= offset).max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        Position { line, column: (offset.saturating_sub(start)) as usize + 1 }
    }

    /// The bytes of a line (from 1) with its line feed, as a range of the file; empty beyond the end.
    #[must_use]
    pub fn line_range(&self, line: usize) -> Range<usize> {
        let start = self.line_starts.get(line.saturating_sub(1)).map_or(self.text.len(), |s| *s as usize);
        let end = self.line_starts.get(line).map_or(self.text.len(), |s| *s as usize);
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
        self.files.get(id.0 as usize)
    }

    /// Where the text was used, if not where it stands, with the name of the definition.
    #[must_use]
    pub fn use_of(&self, span: Span) -> Option<(Span, &str)> {
        let site = self.sites.get(span.site?.0 as usize)?;
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
        self.file(span.file).and_then(|f| f.text.get(range)).unwrap_or_default()
    }

    /// Whether nothing but blanks stands before the span on its line.
    pub(crate) fn is_first_on_line(&self, span: Span) -> bool {
        let Some(file) = self.file(span.file) else { return false };
        let start = file.line_range(file.position(span.start).line).start;
        file.text.get(start..span.start as usize).is_some_and(|b| b.iter().all(u8::is_ascii_whitespace))
    }

    pub(crate) fn add_file(&mut self, path: PathBuf, text: Arc<[u8]>, included_from: Option<Span>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        let feeds = text.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1);
        let line_starts = core::iter::once(0).chain(feeds).map(|at| u32::try_from(at).unwrap_or(u32::MAX)).collect();
        self.files.push(SourceFile { path, text, line_starts, included_from });
        id
    }

    pub(crate) fn add_site(&mut self, span: Span, name: &[u8]) -> SiteId {
        let id = SiteId(u32::try_from(self.sites.len()).unwrap_or(u32::MAX));
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
        let id = sources.add_file("a".into(), b"ab\n\ncd".to_vec().into(), None);
        let file = sources.file(id).unwrap();
        for (offset, line, column) in [(0, 1, 1), (2, 1, 3), (3, 2, 1), (4, 3, 1), (5, 3, 2), (6, 3, 3)] {
            assert_eq!(file.position(offset), Position { line, column }, "offset {offset}");
        }
        assert_eq!(file.line_range(1), 0..3);
        assert_eq!(file.line_range(3), 4..6);
        assert_eq!(file.line_range(9), 6..6);
    }
}
