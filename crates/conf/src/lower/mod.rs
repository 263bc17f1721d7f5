//! From statements to drafts: one module for each family, called block by block while the text is read.
//!
//! A draft holds what was written, with places; nothing is resolved against what other blocks say. That is `link`'s
//! business, when all is read, so that the order of blocks does not matter.

pub(crate) mod address;
pub(crate) mod bfd;
pub(crate) mod checker;
mod entry;
pub(crate) mod garp;
pub(crate) mod global;
pub(crate) mod group;
pub(crate) mod instance;
pub(crate) mod named;
mod names;
pub(crate) mod notify;
mod route;
mod rule;
pub(crate) mod script;
pub(crate) mod server;
pub(crate) mod service_group;
mod setting;
pub(crate) mod shared;
pub(crate) mod track;
pub(crate) mod tracker;
pub(crate) mod witness;

use crate::keyword::Stage;
use crate::parse::{Parser, Statement};
use crate::source::Span;
use standfast_model::config::instance::VrrpCommon;
use standfast_model::config::lvs::LvsCommon;
use standfast_model::{InterfaceName, VirtualAddress};
use std::collections::{BTreeMap, BTreeSet};

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
    /// What instances share, as far as nothing else is needed to settle it.
    pub(crate) vrrp: VrrpCommon,
    /// What virtual servers share, as far as nothing else is needed to settle it.
    pub(crate) lvs: LvsCommon,
    pub(crate) instances: Vec<instance::InstanceDraft>,
    /// Place of each instance by name, so that ten thousand of them are not compared with each other.
    pub(crate) instance_places: BTreeMap<String, usize>,
    pub(crate) groups: Vec<group::GroupDraft>,
    pub(crate) group_places: BTreeMap<String, usize>,
    pub(crate) static_addresses: Vec<Spanned<VirtualAddress>>,
    pub(crate) track_groups: Vec<shared::TrackGroupDraft>,
    pub(crate) scripts: named::Named<tracker::TrackScriptDraft>,
    pub(crate) files: named::Named<tracker::TrackFileDraft>,
    pub(crate) processes: named::Named<tracker::TrackProcessDraft>,
    pub(crate) sessions: named::Named<bfd::BfdDraft>,
    pub(crate) witnesses: named::Named<witness::WitnessDraft>,
    pub(crate) servers: Vec<server::ServerDraft>,
    pub(crate) service_groups: named::Named<Vec<service_group::Services>>,
    pub(crate) sync_daemon: Option<global::SyncDaemonDraft>,
    /// Interfaces that must exist, unless `dynamic_interfaces` is given.
    pub(crate) interfaces: Vec<NamedInterface>,
    /// Interfaces that instances make (`use_vmac`, `use_ipvlan`), which need not exist.
    pub(crate) made_interfaces: BTreeSet<InterfaceName>,
    /// Interfaces that are in a garp_group.
    garp_grouped: BTreeSet<InterfaceName>,
    names: names::NameFiles,
    /// Rules without a preference so far: each gets one below the last.
    rules_without_preference: u32,
}

/// The interface of a static address that names none, when `default_interface` says none either.
const DEFAULT_INTERFACE: &str = "eth0";

impl Draft {
    /// The interface of a static address that names none.
    pub(crate) fn default_interface(&self) -> Option<InterfaceName> {
        self.global.default_interface.clone().or_else(|| DEFAULT_INTERFACE.parse().ok())
    }

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
            "vrrp_script" => tracker::vrrp_script(parser, &statement, &mut draft),
            "track_file" => tracker::track_file(parser, &statement, &mut draft),
            "vrrp_track_process" => tracker::vrrp_track_process(parser, &statement, &mut draft),
            "bfd_instance" => bfd::bfd_instance(parser, &statement, &mut draft),
            "witness" => witness::witness(parser, &statement, &mut draft),
            "virtual_server" => server::virtual_server(parser, &statement, &mut draft),
            "virtual_server_group" => service_group::virtual_server_group(parser, &statement, &mut draft),
            "SSL" => server::tls(parser, &statement, &mut draft),
            _ => {
                let taken =
                    global::root(parser, &statement, &mut draft) || shared::take(parser, &statement, &mut draft);
                if !taken {
                    not_lowered(parser, &statement);
                }
            }
        }
    }
    draft
}

/// A statement that nothing is made of: its words and its block are checked all the same.
fn not_lowered(parser: &mut Parser<'_>, statement: &Statement) {
    debug_assert!(
        statement.keyword.stage != Stage::Live,
        "{} is live in the table and not lowered",
        statement.keyword.name
    );
    parser.check(statement);
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::size_of;

    /// Ten thousand virtual servers are no rarity: what each of them costs is decided here, not noticed later.
    #[test]
    fn what_there_are_tens_of_thousands_of_is_small() {
        assert!(size_of::<server::ServerDraft>() <= 256);
        assert!(size_of::<server::RealDraft>() <= 96);
        assert!(size_of::<checker::CheckerDraft>() <= 128);
        assert!(size_of::<crate::text::Text>() <= 24);
        assert_eq!(size_of::<Option<Span>>(), size_of::<Span>());
    }
}
