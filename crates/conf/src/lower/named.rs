//! Blocks that have a name, which may be given once.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::parse::{Parser, Statement};
use crate::source::Span;
use crate::value::shown;
use std::collections::BTreeMap;

/// Things of one kind by name, in the order of the file.
#[derive(Debug)]
pub(crate) struct Named<T> {
    list: Vec<(String, Span, T)>,
    places: BTreeMap<String, usize>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self { list: Vec::new(), places: BTreeMap::new() }
    }
}

impl<T> Named<T> {
    pub(crate) fn get(&self, name: &str) -> Option<(usize, &T)> {
        let at = *self.places.get(name)?;
        self.list.get(at).map(|(_, _, value)| (at, value))
    }

    /// Where the one of that name is defined.
    pub(crate) fn span(&self, name: &str) -> Option<Span> {
        self.places.get(name).and_then(|at| self.list.get(*at)).map(|(_, span, _)| *span)
    }

    pub(crate) fn insert(&mut self, name: String, span: Span, value: T) {
        self.places.insert(name.clone(), self.list.len());
        self.list.push((name, span, value));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Span, &T)> {
        self.list.iter().map(|(name, span, value)| (name.as_str(), *span, value))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.places.keys().map(String::as_bytes)
    }
}

/// Opens the block of something named, unless the name is taken: then the block is read past.
pub(crate) fn begin<T>(parser: &mut Parser<'_>, head: &Statement, named: &Named<T>) -> Option<String> {
    let name = head.name();
    if let Some(first) = named.span(&name) {
        taken(parser, head, (Code::DuplicateName, head.keyword.name), first);
        return None;
    }
    parser.enter(head).then_some(name)
}

/// Says that the name of a block is taken, with the code and the word for what it names, and reads past the block.
pub(crate) fn taken(parser: &mut Parser<'_>, head: &Statement, (code, what): (Code, &str), first: Span) {
    let headline = format!("{what} `{}` is defined twice", shown(head.name().as_bytes()));
    let diagnostic = Diagnostic::new(code, headline, head.span(), "this block is ignored");
    parser.report(diagnostic.and(first, "first defined here"));
    parser.skip_block(head);
}
