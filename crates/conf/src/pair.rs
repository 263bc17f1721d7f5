//! Two directors' configurations side by side: what would keep the pair from being one.
//!
//! Values are compared as the daemon would use them, defaults included; places are those of the statements. Each file is
//! judged alone by `load`; here is only what neither file can show by itself.

mod exchange;
mod lvs;
mod vrrp;
mod witness;

use crate::code::{Class, Code};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::host::Host;
use crate::outline::{Node, outline};
use crate::source::{Sources, Span};
use crate::{Loaded, Options, load};
use standfast_model::Config;
use std::path::Path;

/// One director: its main file and how it is read.
#[derive(Clone, Debug)]
pub struct Director<'p> {
    /// The main file.
    pub root: &'p Path,
    /// `-i`, which differs when both read the same file.
    pub options: Options,
}

/// What came of the comparison.
#[derive(Debug)]
pub struct Pair {
    /// Each file by itself.
    pub loaded: [Loaded; 2],
    /// What does not fit; empty also while one of the files is refused.
    pub findings: Vec<Diagnostic>,
    /// The text of both, for the findings.
    pub sources: Sources,
}

/// Compares two directors' configurations. The host answers for both: it should have every interface.
#[must_use]
pub fn check_pair(host: &dyn Host, directors: &[Director<'_>; 2]) -> Pair {
    let [first, second] = directors;
    let loaded = [first, second].map(|d| load(host, d.root, &d.options));
    let (nodes, mut sources) = outline(host, first.root, &first.options);
    let (mut others, more) = outline(host, second.root, &second.options);
    let shift = sources.absorb(more);
    let mut stack: Vec<&mut Node> = others.iter_mut().collect();
    while let Some(node) = stack.pop() {
        node.span = shift.span(node.span);
        stack.extend(node.block.iter_mut().flatten());
    }
    let mut findings = Diagnostics::default();
    if let [Some(a), Some(b)] = [&loaded[0].config, &loaded[1].config] {
        let sides = [Side { config: a, nodes: &nodes }, Side { config: b, nodes: &others }];
        vrrp::compare(&sides, &mut findings);
        lvs::compare(&sides, &mut findings);
        exchange::compare(&sides, &mut findings);
    }
    Pair { loaded, findings: findings.finish(), sources }
}

/// The status of a comparison: that of the worse file, else 5 if anything but hints was found, else 0.
#[must_use]
pub fn exit_code(pair: &Pair) -> u8 {
    let refused = pair.loaded.iter().filter(|l| l.config.is_none()).map(|l| crate::exit_code_for_test(&l.diagnostics));
    let found = pair.findings.iter().any(|d| d.class != Class::Hint);
    refused.max().unwrap_or(if found { 5 } else { 0 })
}

/// One of the two, in a comparison.
struct Side<'c> {
    config: &'c Config,
    nodes: &'c [Node],
}

impl<'c> Side<'c> {
    /// The first block of a keyword that agrees.
    fn block(&self, keyword: &str, agrees: impl Fn(&Node) -> bool) -> Option<&'c Node> {
        self.nodes.iter().find(|node| node.is(&[keyword]) && agrees(node))
    }
}

/// Where the last statement of these keywords stands, else where the block begins.
fn place(block: Option<&Node>, keywords: &[&str]) -> Option<Span> {
    block.map(|block| block.last(keywords).map_or(block.span, |node| node.span))
}

/// A finding with a place in either file, the second director's first: it is the one being brought in line.
fn finding(
    code: Code,
    headline: impl Into<String>,
    first: (Option<Span>, String),
    second: (Option<Span>, String),
) -> Diagnostic {
    match (second.0, first.0) {
        (Some(place), Some(other)) => Diagnostic::new(code, headline, place, second.1).and(other, first.1),
        (Some(place), None) => Diagnostic::new(code, headline, place, second.1),
        (None, Some(place)) => Diagnostic::new(code, headline, place, first.1),
        (None, None) => Diagnostic::placeless(code, headline),
    }
}

pub(crate) use vrrp::priorities;

#[cfg(test)]
mod tests;
