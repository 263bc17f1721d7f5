//! Lists, and reading their entries word by word.

use super::names::Names;
use super::{Draft, Spanned};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::keyword::Block;
use crate::parse::{Line, Parser, Statement};
use crate::reader::c_number;
use crate::source::Span;
use crate::value::{address, integer, shown};
use ipnet::IpNet;
use standfast_model::InterfaceName;
use standfast_model::ipvs::Family;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reads a list whose entries are lines; `read` says what it makes of one, none for one that it has reported.
pub(crate) fn entries<T>(
    parser: &mut Parser<'_>,
    head: &Statement,
    draft: &mut Draft,
    read: impl Fn(&mut Entry<'_, '_>) -> Option<T>,
) -> Vec<Spanned<T>> {
    let mut found = Vec::new();
    if !parser.enter(head) {
        return found;
    }
    while let Some(line) = parser.next_entry() {
        let span = line.span();
        found.extend(read(&mut Entry::new(parser, draft, &line)).map(|value| Spanned { value, span }));
    }
    found
}

/// Reads a list of names, any number a line.
pub(crate) fn names(parser: &mut Parser<'_>, head: &Statement) -> Vec<Spanned<String>> {
    let mut found = Vec::new();
    if !parser.enter(head) {
        return found;
    }
    while let Some(line) = parser.next_entry() {
        for at in 0..line.len() {
            let value = String::from_utf8_lossy(line.word(at).unwrap_or_default()).into_owned();
            found.push(Spanned { value, span: line.span_of(at) });
        }
    }
    found
}

/// An entry being read.
pub(crate) struct Entry<'e, 'h> {
    pub(crate) parser: &'e mut Parser<'h>,
    pub(crate) draft: &'e mut Draft,
    line: &'e Line,
    at: usize,
}

impl<'e, 'h> Entry<'e, 'h> {
    pub(crate) fn new(parser: &'e mut Parser<'h>, draft: &'e mut Draft, line: &'e Line) -> Self {
        Self { parser, draft, line, at: 0 }
    }

    /// The word the entry is at.
    pub(crate) fn peek(&self) -> Option<&'e [u8]> {
        self.line.word(self.at)
    }

    /// Takes the next word.
    pub(crate) fn take(&mut self) -> Option<&'e [u8]> {
        let word = self.line.word(self.at)?;
        self.at += 1;
        Some(word)
    }

    /// Takes the next word if it is this one.
    pub(crate) fn takes(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(word.as_bytes());
        self.at += usize::from(found);
        found
    }

    /// Where the word taken last stands.
    pub(crate) fn span(&self) -> Span {
        self.line.span_of(self.at.saturating_sub(1))
    }

    /// The whole entry.
    pub(crate) fn whole(&self) -> Span {
        self.line.span()
    }

    /// Says that the whole entry, a `what`, is left out; returns that nothing was made of it.
    pub(crate) fn refuse<T>(&mut self, what: &str, headline: &str, help: Option<&str>) -> Option<T> {
        let label = format!("this {what} is ignored");
        let mut diagnostic = Diagnostic::new(Code::InvalidEntry, headline, self.whole(), label);
        diagnostic.help = help.map(str::to_owned);
        self.parser.report(diagnostic);
        None
    }

    pub(crate) fn report(&mut self, code: Code, headline: impl Into<String>, label: &str) {
        let span = self.span();
        self.parser.report(Diagnostic::new(code, headline, span, label));
    }

    /// Takes the parameter of a word; says that it is missing.
    pub(crate) fn parameter(&mut self, name: &str) -> Option<&'e [u8]> {
        let found = self.take();
        if found.is_none() {
            super::track::missing(self.parser, self.line, name);
        }
        found
    }

    /// A parameter that is a decimal number.
    pub(crate) fn number<T: TryFrom<i128>>(&mut self, name: &str, min: i128, max: i128) -> Option<T> {
        let word = self.parameter(name)?;
        let span = self.span();
        self.parser.number_of(word, span, min, max).and_then(|n| T::try_from(n).ok())
    }

    /// A parameter that is a number with C's prefixes.
    pub(crate) fn c_number<T: TryFrom<i64>>(&mut self, name: &str) -> Option<T> {
        let word = self.parameter(name)?;
        let found = c_number(word).and_then(|n| T::try_from(n).ok());
        if found.is_none() {
            let headline = format!("`{}` is not a number", shown(word));
            self.report(Code::InvalidNumber, headline, "a number that fits is wanted");
        }
        found
    }

    /// A parameter that is a name of iproute2 or a number.
    pub(crate) fn named(&mut self, name: &str, names: Names, most: u32) -> Option<u32> {
        let word = self.parameter(name)?;
        let host = self.parser.host();
        let found = self.draft.names.find(host, names, word).filter(|n| *n <= most);
        if found.is_none() {
            let headline = format!("`{}` is no {name}", shown(word));
            self.report(Code::InvalidNumber, headline, "a name that this machine knows or a number is wanted");
        }
        found
    }

    /// A parameter that is one of these words.
    pub(crate) fn choice(&mut self, name: &str, words: &[&'static str]) -> Option<&'static str> {
        let word = self.parameter(name)?;
        let span = self.span();
        self.parser.choice_of(word, span, words)
    }

    /// A parameter that is an address.
    pub(crate) fn address(&mut self, name: &str) -> Option<IpAddr> {
        let word = self.parameter(name)?;
        let span = self.span();
        self.parser.address_of(word, span)
    }

    /// A parameter that is an interface which must exist.
    pub(crate) fn interface(&mut self, name: &str) -> Option<InterfaceName> {
        let word = self.parameter(name)?;
        let span = self.span();
        let found = self.parser.interface_of(word, span)?;
        self.draft.need(&found, span);
        Some(found)
    }

    /// A parameter that is a prefix, `default`, `any` or `all`.
    pub(crate) fn prefix(&mut self, name: &str, family: Option<Family>) -> Option<IpNet> {
        let word = self.parameter(name)?;
        self.prefix_of(word, family)
    }

    /// The word taken last as a prefix; a wrong length is reported, and the address is a host's, as in keepalived.
    pub(crate) fn prefix_of(&mut self, word: &[u8], family: Option<Family>) -> Option<IpNet> {
        let everything = match word {
            b"default" | b"any" | b"all" => Some(family.unwrap_or(Family::Inet)),
            b"default6" => Some(Family::Inet6),
            _ => None,
        };
        if let Some(family) = everything {
            let address = match family {
                Family::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                Family::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            };
            return IpNet::new(address, 0).ok();
        }
        super::address::prefix(self.parser, word, self.line, self.at.saturating_sub(1))
    }

    /// A word that entries of this kind do not have.
    pub(crate) fn unknown(&mut self, word: &[u8], what: &str, options: &'static Block) {
        let headline = format!("`{}` is no word of {what}", shown(word));
        let span = self.span();
        let mut diagnostic = Diagnostic::new(Code::InvalidEntry, headline, span, "this word is ignored");
        let names = options.keywords.iter().map(|k| k.name.as_bytes());
        if address(word).is_some() {
            diagnostic = diagnostic.help("write each entry on a line of its own");
        } else if let Some(near) = crate::nearest::nearest(word, names) {
            diagnostic = diagnostic.help(format!("did you mean `{}`?", String::from_utf8_lossy(near)));
        }
        self.parser.report(diagnostic);
    }
}

/// `A-B` of decimal numbers, A not above B.
pub(crate) fn range(word: &[u8], most: i128) -> Option<(i128, i128)> {
    let dash = word.iter().position(|b| *b == b'-')?;
    let (low, high) = (integer(word.get(..dash)?).ok()?, integer(word.get(dash + 1..)?).ok()?);
    (low >= 0 && low <= high && high <= most).then_some((low, high))
}
