//! The configuration as a tree of statements, expanded, with the place of each: for showing it, and for saying where in
//! the text a value came from. It knows no keyword and judges nothing; a surplus brace is passed over.

use crate::host::Host;
use crate::reader::{Item, Reader, words};
use crate::source::{Sources, Span};
use crate::{Checks, Options};
use std::path::Path;

/// One statement, with what stands in its block.
#[derive(Debug)]
pub(crate) struct Node {
    /// The statement as it is after substitution.
    pub(crate) text: Vec<u8>,
    /// Its words without their quotes.
    pub(crate) words: Vec<Vec<u8>>,
    /// Where it stands.
    pub(crate) span: Span,
    /// The statements of its block; none if it has no block.
    pub(crate) block: Option<Vec<Node>>,
}

impl Node {
    fn new(text: &[u8], span: Span) -> Self {
        let split = words::split(text);
        let words = split.ranges().map(|r| text.get(r).unwrap_or_default().to_vec()).collect();
        Self { text: text.to_vec(), words, span, block: None }
    }

    /// A word; 0 is the keyword.
    pub(crate) fn word(&self, index: usize) -> &[u8] {
        self.words.get(index).map(Vec::as_slice).unwrap_or_default()
    }

    /// What stands in its block.
    pub(crate) fn children(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }

    /// The last statement of its block with one of these keywords: the one that counts where a repetition overwrites.
    pub(crate) fn last(&self, names: &[&str]) -> Option<&Self> {
        self.children().iter().rev().find(|node| node.is(names))
    }

    /// Whether its keyword is one of these.
    pub(crate) fn is(&self, names: &[&str]) -> bool {
        names.iter().any(|name| name.as_bytes() == self.word(0))
    }
}

/// Blocks within blocks: the language has four levels, and a tree must not be as deep as a hostile file wants.
const DEPTH_LIMIT: usize = 64;

/// Reads a configuration as a tree.
pub(crate) fn outline(host: &dyn Host, root: &Path, options: &Options) -> (Vec<Node>, Sources) {
    let mut reader = Reader::new(host, options.id(host).into_bytes(), Checks::default());
    reader.open_main(root);
    let mut open: Vec<Vec<Node>> = vec![Vec::new()];
    let mut too_deep = 0_usize;
    while let Some(item) = reader.next() {
        match item {
            Item::Statement(text) => {
                if let Some(level) = open.last_mut() {
                    level.push(Node::new(text.bytes(), text.span()));
                }
            }
            Item::Open(_) if open.len() > DEPTH_LIMIT => too_deep += 1,
            Item::Open(span) => {
                // A brace without a statement still encloses what follows.
                if open.last().is_some_and(Vec::is_empty) {
                    open.last_mut().into_iter().for_each(|level| level.push(Node::new(b"", span)));
                }
                open.push(Vec::new());
            }
            Item::Close(_) if too_deep > 0 => too_deep -= 1,
            Item::Close(_) => close(&mut open),
        }
    }
    while open.len() > 1 {
        close(&mut open);
    }
    let (sources, _) = reader.finish();
    (open.pop().unwrap_or_default(), sources)
}

fn close(open: &mut Vec<Vec<Node>>) {
    if open.len() <= 1 {
        return;
    }
    let block = open.pop().unwrap_or_default();
    if let Some(head) = open.last_mut().and_then(|level| level.last_mut()) {
        head.block.get_or_insert_default().extend(block);
    }
}
