//! `bfd_instance`.

use super::named::begin;
use super::setting::set;
use super::tracker::{self, Weight};
use super::{Draft, Spanned, not_lowered};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::parse::{Parser, Statement};
use core::time::Duration;
use std::net::IpAddr;

/// What a `bfd_instance` says.
#[derive(Debug, Default)]
pub(crate) struct BfdDraft {
    pub(crate) neighbor: Option<Spanned<IpAddr>>,
    pub(crate) source: Option<Spanned<IpAddr>>,
    pub(crate) min_rx: Option<Duration>,
    pub(crate) min_tx: Option<Duration>,
    pub(crate) idle_tx: Option<Duration>,
    pub(crate) multiplier: Option<u8>,
    pub(crate) passive: bool,
    pub(crate) ttl: Option<u8>,
    pub(crate) max_hops: Option<Spanned<i16>>,
    pub(crate) multihop: bool,
    pub(crate) weight: Weight,
    pub(crate) vrrp: bool,
    pub(crate) checker: bool,
}

/// The longest name: that of a field in the messages between keepalived's processes, kept for files shared with it.
const NAME_LIMIT: usize = 31;

/// Reads a `bfd_instance` block.
pub(crate) fn bfd_instance(parser: &mut Parser<'_>, head: &Statement, draft: &mut Draft) {
    let name = head.arg(0).unwrap_or_default();
    if name.is_empty() || name.len() > NAME_LIMIT {
        let headline = "a BFD session's name has 1 to 31 characters";
        parser.report(Diagnostic::new(Code::InvalidName, headline, head.arg_span(0), "this block is ignored"));
        return parser.skip_block(head);
    }
    let Some(name) = begin(parser, head, &draft.sessions) else { return };
    let mut own = BfdDraft::default();
    while let Some(statement) = parser.next() {
        let span = statement.arg_span(0);
        match statement.keyword.name {
            "neighbor_ip" => set(&mut own.neighbor, parser.address(&statement).map(|value| Spanned { value, span })),
            "source_ip" => set(&mut own.source, parser.address(&statement).map(|value| Spanned { value, span })),
            "min_rx" => set(&mut own.min_rx, parser.time(&statement)),
            "min_tx" => set(&mut own.min_tx, parser.time(&statement)),
            "idle_tx" => set(&mut own.idle_tx, parser.time(&statement)),
            "multiplier" => set(&mut own.multiplier, parser.number(&statement)),
            "passive" => own.passive = true,
            "ttl" => set(&mut own.ttl, parser.number(&statement)),
            "max_hops" => set(&mut own.max_hops, parser.number(&statement).map(|value| Spanned { value, span })),
            "multihop" => own.multihop = parser.boolean(&statement).unwrap_or(own.multihop),
            "weight" => own.weight = tracker::weight(parser, &statement, 253).unwrap_or(own.weight),
            "vrrp" => own.vrrp = true,
            "checker" => own.checker = true,
            _ => not_lowered(parser, &statement),
        }
    }
    draft.sessions.insert(name, head.span(), own);
}
