//! The include family: finding files, refusing what must not be read, and the checks that make a refusal fatal.

use super::{Feed, OpenFile, Reader, glob};
use crate::code::{Class, Code};
use crate::diagnostic::Diagnostic;
use crate::host::{FileKind, HostError};
use crate::source::{Sources, Span};
use crate::text::Text;
use standfast_model::Secret;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// 64 MiB: a hundred bytes for each of the lines of the largest configuration anybody could mean.
const FILE_LIMIT: usize = 64 << 20;

/// 256 MiB for all files together, so that a pattern over a directory of dumps ends.
const TOTAL_LIMIT: usize = 256 << 20;

/// Files within files.
const DEPTH_LIMIT: usize = 32;

/// Which include problems are errors (`include_check`, `-e`, and the letter of the keyword).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Checks {
    /// A match that is unreadable, no regular file, or executable.
    pub read: bool,
    /// A name without wildcards that does not exist.
    pub name_match: bool,
    /// A pattern with wildcards that matches nothing.
    pub wildcard_match: bool,
    /// An alternative of `{a,b}` that does not exist.
    pub brace_match: bool,
}

impl Checks {
    /// All of them: a bare `include_check`, and `-e`.
    pub const ALL: Self = Self { read: true, name_match: true, wildcard_match: true, brace_match: true };

    /// Either's.
    fn or(self, other: Self) -> Self {
        Self {
            read: self.read || other.read,
            name_match: self.name_match || other.name_match,
            wildcard_match: self.wildcard_match || other.wildcard_match,
            brace_match: self.brace_match || other.brace_match,
        }
    }

    /// Whether a pattern, one of so many `{a,b}` alternatives, must match a file.
    fn must_match(self, pattern: &[u8], alternatives: usize) -> bool {
        if alternatives > 1 {
            self.brace_match
        } else if glob::is_pattern(pattern) {
            self.wildcard_match
        } else {
            self.name_match
        }
    }

    /// What a keyword of the family asks for; none for another word.
    fn of_keyword(word: &[u8]) -> Option<Self> {
        let none = Self::default();
        Some(match word {
            b"include" => none,
            b"includer" => Self { read: true, ..none },
            b"includem" => Self { read: true, name_match: true, ..none },
            b"includew" => Self { read: true, name_match: true, wildcard_match: true, ..none },
            b"includeb" => Self { read: true, brace_match: true, ..none },
            b"includea" => Self::ALL,
            _ => return None,
        })
    }
}

/// What a line of the family asks for, and where its pattern begins.
fn split(line: &[u8]) -> Option<(Checks, usize)> {
    let end = line.iter().position(|b| matches!(b, b' ' | b'\t'))?;
    Some((Checks::of_keyword(line.get(..end)?)?, end))
}

/// Whether a line is of the include family.
pub(crate) fn is_include(line: &[u8]) -> bool {
    line.starts_with(b"include") && split(line).is_some()
}

impl Reader<'_> {
    /// The directory of the file being read, absolute.
    pub(super) fn directory(&self) -> PathBuf {
        self.host.current_dir().join(self.relative_directory())
    }

    /// The directory of the file being read, as the file was named.
    fn relative_directory(&self) -> PathBuf {
        let file = self.feeds.iter().rev().find_map(Feed::open_path);
        file.and_then(Path::parent).map(Path::to_owned).unwrap_or_default()
    }

    /// The main file, or the files that its pattern matches.
    pub(crate) fn open_main(&mut self, root: &Path) {
        let base = self.host.current_dir();
        let pattern = root.as_os_str().as_encoded_bytes();
        let mut paths = Vec::new();
        if self.host.metadata(&base.join(root)).is_ok() {
            paths.push(root.to_owned());
        } else {
            for alternative in glob::alternatives(pattern) {
                paths.append(&mut glob::paths(self.host, &base, &alternative));
            }
        }
        if paths.is_empty() {
            let headline = format!("{}: no such file", root.display());
            self.report(Diagnostic::placeless(Code::NoMainFile, headline));
        }
        if paths.len() > 1 {
            let headline = format!("{} matches {} files", root.display(), paths.len());
            self.report(Diagnostic::placeless(Code::SeveralMainFiles, headline));
        }
        for path in paths.into_iter().rev() {
            self.feeds.push(Feed::Pending { path, from: None, checks: Checks::ALL });
        }
    }

    /// Takes a line of the include family.
    pub(super) fn include(&mut self, line: Text) {
        let Some(line) = self.substitute(line) else { return };
        let line = line.trimmed();
        let Some((asked, end)) = split(line.bytes()) else { return };
        let checks = self.checks.or(asked);
        let mut pattern = line.slice(end..line.len()).trimmed();
        // keepalived takes quotes for letters of the name; nobody has such files.
        let quoted =
            pattern.len() >= 2 && pattern.bytes().first() == Some(&b'"') && pattern.bytes().last() == Some(&b'"');
        if quoted {
            pattern = pattern.slice(1..pattern.len() - 1);
        }
        let span = pattern.span();
        let named = self.relative_directory();
        let directory = self.directory();
        let alternatives = glob::alternatives(pattern.bytes());
        let mut paths = Vec::new();
        for alternative in &alternatives {
            let mut found = glob::paths(self.host, &directory, alternative);
            if found.is_empty() {
                self.report_nothing(alternative, span, checks.must_match(alternative, alternatives.len()));
            }
            paths.append(&mut found);
        }
        self.feeds.push(Feed::Restore(self.checks));
        for path in paths.into_iter().rev() {
            self.feeds.push(Feed::Pending { path: named.join(path), from: Some(span), checks });
        }
    }

    fn report_nothing(&mut self, pattern: &[u8], span: Span, refused: bool) {
        let shown = String::from_utf8_lossy(pattern);
        let (code, headline) = if refused {
            (Code::IncludeRefused, format!("the include of `{shown}` must match a file"))
        } else {
            (Code::IncludeNothing, format!("the include of `{shown}` matches no file"))
        };
        self.report(Diagnostic::new(code, headline, span, "nothing is included here"));
    }

    /// Opens a file found before; reports why not, if it must not be read.
    pub(super) fn open_file(&mut self, path: PathBuf, from: Option<Span>, checks: Checks) {
        let full = self.host.current_dir().join(&path);
        let open = self.feeds.iter().filter_map(Feed::open_path);
        let base = self.host.current_dir();
        let (depth, again) = open.fold((0, false), |(n, again), p| (n + 1, again || base.join(p) == full));
        if again || depth >= DEPTH_LIMIT {
            let what = if again { "includes itself" } else { "is nested too deep" };
            return self.refuse(Code::IncludeLoop, &path, what, from);
        }
        self.files_read += 1;
        if self.files_read > glob::MATCHES {
            if self.files_read == glob::MATCHES + 1 {
                self.refuse(Code::TooManyFiles, &path, "is one file too many", from);
            }
            return;
        }
        match self.read_file(&full) {
            Ok(text) => self.begin_file(path, text, from),
            Err((code, why)) => self.skip_file(code, &path, &why, from, checks),
        }
    }

    fn read_file(&self, path: &Path) -> Result<Vec<u8>, (Code, String)> {
        let said = |error: HostError| match error {
            HostError::TooLarge => (Code::FileTooLarge, "is too large".to_owned()),
            HostError::NotFound | HostError::Denied | HostError::Other(_) => {
                (Code::Unreadable, format!("cannot be read: {error}"))
            }
        };
        let metadata = self.host.metadata(path).map_err(said)?;
        match metadata.kind {
            FileKind::File => {}
            FileKind::Directory => return Err((Code::NotRegular, "is a directory".to_owned())),
            FileKind::Special => return Err((Code::NotRegular, "is not a regular file".to_owned())),
        }
        if metadata.mode & 0o111 != 0 {
            return Err((Code::Executable, "is executable".to_owned()));
        }
        let left = TOTAL_LIMIT.saturating_sub(self.bytes_read).min(FILE_LIMIT);
        self.host.read(path, left).map_err(said)
    }

    fn begin_file(&mut self, path: PathBuf, text: Vec<u8>, from: Option<Span>) {
        self.bytes_read += text.len();
        let text = Arc::new(Secret::new(text));
        let id = self.sources.add_file(path.clone(), Arc::clone(&text), from);
        let head = Span { end: u32::try_from(text.octets().len().min(3)).unwrap_or(0), ..Sources::head(id) };
        let mut at = 0;
        if text.octets().starts_with(&[0xef, 0xbb, 0xbf]) {
            at = 3;
            let headline = "a byte order mark at the beginning of the file";
            let label = "keepalived would take it for part of the first word";
            self.report(Diagnostic::new(Code::ByteOrderMark, headline, head, label).help("save the file without it"));
        } else if text.octets().starts_with(&[0xff, 0xfe]) || text.octets().starts_with(&[0xfe, 0xff]) {
            at = text.octets().len();
            let label = "this is a UTF-16 byte order mark";
            let diagnostic = Diagnostic::new(Code::Utf16, "the file is UTF-16", head, label);
            self.report(diagnostic.help("save the file as UTF-8"));
        }
        self.last = Sources::head(id);
        self.feeds.push(Feed::File(OpenFile { id, text, at, path }));
    }

    /// A file that was asked for and is not read.
    fn skip_file(&mut self, code: Code, path: &Path, why: &str, from: Option<Span>, checks: Checks) {
        if code.class() == Class::Fatal && (from.is_none() || code == Code::FileTooLarge) {
            self.refuse(code, path, why, from);
        } else {
            let code = if checks.read { Code::IncludeRefused } else { Code::IncludeSkipped };
            self.refuse(code, path, why, from);
        }
    }

    fn refuse(&mut self, code: Code, path: &Path, why: &str, from: Option<Span>) {
        let headline = format!("{} {why}", path.display());
        self.report(match from {
            Some(span) => Diagnostic::new(code, headline, span, "included here"),
            None => Diagnostic::placeless(code, headline),
        });
    }
}
