//! Definitions: `$NAME=VALUE` over one or more lines, the predefined ones, and their use.

use super::{Feed, LINE_LIMIT, Reader, line};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::source::{SiteId, Span};
use crate::text::{Mixture, Text};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Uses within uses: more are taken for a definition that refers to itself. People nest two or three.
const DEPTH_LIMIT: usize = 64;

/// Uses in one line: below the number of uses that fit into a line of 64 KiB, far above what anybody writes, so that
/// empty definitions that double themselves end too.
const USES_LIMIT: usize = 16 * 1024;

/// What names stand for.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    /// The lines of each value; one line for nearly all.
    values: BTreeMap<Vec<u8>, Rc<Vec<Text>>>,
}

impl Definitions {
    pub(super) fn set(&mut self, name: Vec<u8>, lines: Rc<Vec<Text>>) {
        self.values.insert(name, lines);
    }

    fn get(&self, name: &[u8]) -> Option<&Rc<Vec<Text>>> {
        self.values.get(name)
    }
}

/// A definition whose last line still ended in a backslash.
#[derive(Clone, Debug)]
pub(super) struct OpenDefinition {
    /// None: the definition is for another configuration id, and only read past.
    name: Option<Vec<u8>>,
    lines: Vec<Text>,
}

impl OpenDefinition {
    pub(super) fn unwanted() -> Self {
        Self { name: None, lines: Vec::new() }
    }
}

/// The predefined names.
const PREDEFINED: [&[u8]; 6] = [b"_PWD", b"_INSTANCE", b"_RANDOM", b"_ENV", b"_HASH", b"_BANG"];

/// The length of a name at the beginning of the bytes; 0 is none.
fn name_length(bytes: &[u8]) -> usize {
    if bytes.first().is_some_and(u8::is_ascii_digit) {
        return 0;
    }
    bytes.iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'_')).unwrap_or(bytes.len())
}

/// A use of a name in a line.
struct Use<'t> {
    name: &'t [u8],
    /// The words behind the name: `${_RANDOM 1 5}`.
    parameters: &'t [u8],
    /// Bytes from the `$` on.
    length: usize,
    braced: bool,
}

/// The use at the `$` that the bytes begin with. `after` is the byte that follows the bytes, for a use at their end.
fn use_at(bytes: &[u8], after: Option<u8>) -> Option<Use<'_>> {
    if let Some(length) = line::braced_use(bytes) {
        let inner = bytes.get(2..length - 1)?;
        let (name, parameters) = inner.split_at_checked(name_length(inner))?;
        let separated = parameters.first().is_none_or(u8::is_ascii_whitespace);
        return separated.then_some(Use { name, parameters, length, braced: true });
    }
    let rest = bytes.get(1..)?;
    let length = name_length(rest);
    let next = rest.get(length).copied().or(after);
    // Nothing else may follow, or a password with a dollar sign would be taken for a use.
    let ends = matches!(next, None | Some(b' ' | b'\t' | b',' | b')' | 0x0b | 0x0c));
    let name = rest.get(..length)?;
    (length > 0 && ends).then_some(Use { name, parameters: &[], length: length + 1, braced: false })
}

/// A text being copied out, with what put it there.
struct Source {
    text: Rc<Vec<Text>>,
    at: usize,
    used: Option<(SiteId, Span)>,
}

impl Source {
    fn line(&self) -> Option<&Text> {
        self.text.first()
    }
}

/// What a substitution makes, while it is made.
struct Output {
    text: Mixture,
    /// Further lines of definitions used at the end.
    lines: Vec<Feed>,
    uses: usize,
}

impl Reader<'_> {
    /// Takes a line that begins with `$NAME=`; false if it is another kind of line.
    pub(super) fn define(&mut self, line: &Text) -> bool {
        let Some(after) = line.bytes().get(1..) else { return false };
        let length = name_length(after);
        let rest = after.get(length..).unwrap_or_default();
        if length == 0 || !rest.trim_ascii_start().starts_with(b"=") {
            return false;
        }
        if !rest.starts_with(b"=") {
            let label = "nothing may stand before the equals sign";
            let diagnostic = Diagnostic::new(Code::MalformedDefinition, "not a definition", line.span(), label);
            self.report(diagnostic.help("write $NAME=VALUE"));
            return true;
        }
        let name = after.get(..length).unwrap_or_default().to_vec();
        let value = line.slice(length + 2..line.len()).trimmed();
        if value.bytes().last() == Some(&b'\\') {
            let first = value.slice(0..value.len() - 1).trimmed();
            self.open_definition = Some(OpenDefinition { name: Some(name), lines: vec![first] });
        } else {
            self.definitions.set(name, Rc::new(vec![value]));
        }
        true
    }

    /// Takes a line while a definition is open. A line that does not end in a backslash is its last; so is an empty
    /// one.
    pub(super) fn continue_definition(&mut self, line: &Text) {
        let continued = line.bytes().last() == Some(&b'\\');
        let end = line.len() - usize::from(continued);
        let part = line.slice(0..end).trimmed();
        if let Some(open) = &mut self.open_definition
            && !part.is_empty()
        {
            open.lines.push(part);
        }
        if !continued {
            let empty = line.is_empty().then(|| line.span());
            let open = if empty.is_some() { self.open_definition.clone() } else { None };
            self.end_definition();
            self.interrupted = empty.zip(open);
        }
    }

    /// Takes up a definition again that an empty line has ended, when what follows was meant to belong to it: a line that
    /// ends in a backslash means nothing elsewhere. One mistake told here keeps its whole rest from being told as
    /// mistakes.
    pub(super) fn resume_definition(&mut self, line: &Text) -> bool {
        if line.is_empty() {
            return false;
        }
        let Some((gap, open)) = self.interrupted.take() else { return false };
        let begins = line.bytes().first() == Some(&b'$') && line.bytes().contains(&b'=');
        if line.bytes().last() != Some(&b'\\') || begins {
            return false;
        }
        let headline = "a definition goes on behind an empty line";
        let label = "an empty line, or one with a comment alone, ends a definition for keepalived";
        let diagnostic = Diagnostic::new(Code::InterruptedDefinition, headline, gap, label);
        let diagnostic = diagnostic.and(line.span(), "this is taken for its next line");
        self.report(diagnostic.help("remove the line, or end it in a backslash"));
        self.open_definition = Some(open);
        self.continue_definition(line);
        true
    }

    pub(super) fn end_definition(&mut self) {
        if let Some(OpenDefinition { name: Some(name), lines }) = self.open_definition.take() {
            self.definitions.set(name, Rc::new(lines));
        }
    }

    /// The text with all uses replaced; none if it must be dropped. Lines of a definition used at the end are put on
    /// the feeds.
    pub(super) fn substitute(&mut self, text: Text) -> Option<Text> {
        if memchr::memchr(b'$', text.bytes()).is_none() {
            return Some(text);
        }
        let whole = text.span();
        let mut output = Output { text: Mixture::new(whole), lines: Vec::new(), uses: 0 };
        let mut stack = vec![Source { text: Rc::new(vec![text]), at: 0, used: None }];
        while let Some(source) = stack.last_mut() {
            let lines = Rc::clone(&source.text);
            let Some(line) = lines.first() else {
                stack.pop();
                continue;
            };
            let rest = line.bytes().get(source.at..).unwrap_or_default();
            let Some(dollar) = rest.iter().position(|b| *b == b'$') else {
                output.text.append(line, source.at..line.len(), source.used);
                stack.pop();
                continue;
            };
            let at = source.at + dollar;
            output.text.append(line, source.at..at, source.used);
            source.at = at;
            if output.text.bytes().len() > LINE_LIMIT || output.uses > USES_LIMIT || stack.len() > DEPTH_LIMIT {
                let label = "replacing the definitions in this line does not come to an end";
                let headline = "a definition refers to itself, or expands to too much";
                self.report(Diagnostic::new(Code::SelfReference, headline, whole, label));
                return None;
            }
            self.substitute_one(&lines, &mut stack, &mut output);
        }
        self.feeds.append(&mut output.lines);
        Some(line::decomment_substituted(output.text.finish()))
    }

    /// Works on the `$` that the last source of the stack is at.
    fn substitute_one(&mut self, lines: &Rc<Vec<Text>>, stack: &mut Vec<Source>, output: &mut Output) {
        let outer = stack.iter().rev().skip(1).find_map(|s| s.line().and_then(|l| l.bytes().get(s.at)).copied());
        let is_last = outer.is_none();
        let (Some(line), Some(source)) = (lines.first(), stack.last_mut()) else { return };
        let bytes = line.bytes().get(source.at..).unwrap_or_default();
        let Some(found) = use_at(bytes, outer) else {
            output.text.append(line, source.at..source.at + 1, source.used);
            source.at += 1;
            return;
        };
        let range = source.at..source.at + found.length;
        let span = line.span_of(range.clone());
        let used = source.used.map_or(span, |(_, used)| used);
        output.uses += 1;
        source.at = range.end;
        let at_end = is_last && range.end == line.len();
        if let Some(value) = self.definitions.get(found.name).map(Rc::clone) {
            if value.len() > 1 && !at_end {
                let name = String::from_utf8_lossy(found.name).into_owned();
                let headline = format!("${name} has several lines and must stand at the end of a line");
                self.report(Diagnostic::new(Code::UnknownDefinition, headline, span, "text follows this use"));
                output.text.spoil();
                return;
            }
            // What is read for a definition's sake stands above it on the feeds, so a use of it there never ends.
            let is_open = |feed: &Feed| matches!(feed, Feed::Lines { lines, .. } if Rc::ptr_eq(lines, &value));
            if value.len() > 1 && self.feeds.iter().chain(&output.lines).any(is_open) {
                let name = String::from_utf8_lossy(found.name).into_owned();
                let headline = format!("definition ${name} refers to itself");
                self.report(Diagnostic::new(Code::SelfReference, headline, span, "this use would never end"));
                output.text.spoil();
                return;
            }
            let site = self.sources.add_site(span, found.name);
            if value.len() > 1 {
                output.lines.push(Feed::Lines { lines: Rc::clone(&value), next: 1, site });
            }
            stack.push(Source { text: value, at: 0, used: Some((site, used)) });
        } else if PREDEFINED.contains(&found.name) {
            match self.predefined(&found, span) {
                Some(value) => output.text.append_made(&value, used),
                None => output.text.spoil(),
            }
        } else {
            if found.braced && !is_quoted(output.text.bytes()) {
                self.report_unknown(found.name, span);
                output.text.spoil();
            }
            output.text.append(line, range, source.used);
        }
    }

    fn report_unknown(&mut self, name: &[u8], span: Span) {
        let shown = String::from_utf8_lossy(name);
        let headline = format!("no definition of `{shown}`");
        let label = "nothing above defines this";
        let mut diagnostic = Diagnostic::new(Code::UnknownDefinition, headline, span, label);
        let names = self.definitions.values.keys().map(Vec::as_slice);
        if let Some(near) = self.diagnostics.nearest(name, names) {
            diagnostic = diagnostic.help(format!("`{near}` is defined"));
        }
        self.report(diagnostic);
    }

    fn predefined(&mut self, found: &Use<'_>, span: Span) -> Option<Vec<u8>> {
        match found.name {
            b"_PWD" => Some(self.directory().into_os_string().into_encoded_bytes()),
            b"_INSTANCE" => Some(self.config_id.clone()),
            b"_HASH" => Some(b"#".to_vec()),
            b"_BANG" => Some(b"!".to_vec()),
            b"_ENV" => {
                let name = found.parameters.trim_ascii();
                if name.is_empty() {
                    let label = "the name of an environment variable is missing";
                    let diagnostic = Diagnostic::new(Code::BadParameter, "`_ENV` needs a name", span, label);
                    self.report(diagnostic.help("write ${_ENV NAME}"));
                    return None;
                }
                Some(self.host.environment(name).unwrap_or_default())
            }
            _ => self.random(found.parameters, span),
        }
    }

    /// `${_RANDOM [MIN [MAX]]}`, 0..=32767 by default.
    fn random(&mut self, parameters: &[u8], span: Span) -> Option<Vec<u8>> {
        let mut numbers = parameters
            .split(u8::is_ascii_whitespace)
            .filter(|w| !w.is_empty())
            .map(|word| core::str::from_utf8(word).ok().and_then(|w| w.parse::<u32>().ok()));
        let low = numbers.next().unwrap_or(Some(0));
        let high = numbers.next().unwrap_or(Some(32767));
        let (Some(low), Some(high), None) = (low, high, numbers.next()) else {
            let label = "at most two numbers are understood here";
            self.report(Diagnostic::new(Code::BadParameter, "`_RANDOM` is used wrongly", span, label));
            return None;
        };
        if low > high {
            let label = format!("{low} is above {high}; {low} is used");
            self.report(Diagnostic::new(Code::BadParameter, "`_RANDOM` is used wrongly", span, label));
            return Some(low.to_string().into_bytes());
        }
        let width = u64::from(high - low) + 1;
        let value = u64::from(low) + u64::from(self.host.random()) % width;
        Some(value.to_string().into_bytes())
    }
}

/// Whether the end of the bytes is inside double quotes.
fn is_quoted(bytes: &[u8]) -> bool {
    let mut quoted = false;
    let mut escaped = false;
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    quoted
}
