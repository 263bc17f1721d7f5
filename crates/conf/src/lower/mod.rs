//! From statements to drafts: one module for each family, called block by block while the text is read.
//!
//! A draft holds what was written, with places; nothing is resolved against what other blocks say. That is `link`'s
//! business, when all is read, so that the order of blocks does not matter.

pub(crate) mod address;
pub(crate) mod checker;
pub(crate) mod global;
pub(crate) mod group;
pub(crate) mod instance;
pub(crate) mod server;
pub(crate) mod track;

use crate::keyword::Stage;
use crate::parse::{Parser, Statement};
use crate::source::Span;
use standfast_model::InterfaceName;
use std::collections::BTreeMap;

/// A value with its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// An interface that was named, for the question whether it exists.
#[derive(Clone, Debug)]
pub(crate) struct NamedInterface {
    pub(crate) name: InterfaceName,
    pub(crate) span: Span,
}

/// Everything read.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) global: global::GlobalDraft,
    pub(crate) instances: Vec<instance::InstanceDraft>,
    /// Place of each instance by name, so that ten thousand of them are not compared with each other.
    pub(crate) instance_places: BTreeMap<String, usize>,
    pub(crate) groups: Vec<group::GroupDraft>,
    pub(crate) group_places: BTreeMap<String, usize>,
    pub(crate) servers: Vec<server::ServerDraft>,
    /// Interfaces that must exist, unless `dynamic_interfaces` is given.
    pub(crate) interfaces: Vec<NamedInterface>,
}

impl Draft {
    /// Notes that an interface is needed.
    pub(crate) fn need(&mut self, name: &InterfaceName, span: Span) {
        self.interfaces.push(NamedInterface { name: name.clone(), span });
    }
}

/// Reads all there is.
pub(crate) fn lower(parser: &mut Parser<'_>) -> Draft {
    let mut draft = Draft::default();
    while let Some(statement) = parser.next() {
        match statement.keyword.name {
            "global_defs" => global::global_defs(parser, &statement, &mut draft),
            "vrrp_instance" => instance::vrrp_instance(parser, &statement, &mut draft),
            "vrrp_sync_group" => group::vrrp_sync_group(parser, &statement, &mut draft),
            "virtual_server" => server::virtual_server(parser, &statement, &mut draft),
            "child_wait_time" => draft.global.child_wait_time = parser.time(&statement),
            _ => not_lowered(parser, &statement),
        }
    }
    draft
}

/// A statement that nothing is made of: its words and its block are checked all the same.
fn not_lowered(parser: &mut Parser<'_>, statement: &Statement) {
    debug_assert!(
        statement.keyword.stage == Stage::NotYet,
        "{} is live in the table and not lowered",
        statement.keyword.name
    );
    parser.check(statement);
}
