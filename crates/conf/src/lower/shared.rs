//! What instances share besides trackers: static entries, groups of interfaces and instances.

use super::setting::set;
use super::{Draft, Spanned, address, entry, not_lowered, route, rule, track};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::keyword::SECOND;
use crate::parse::{Line, Parser, Statement};
use crate::source::Span;
use crate::value::shown;
use core::time::Duration;
use standfast_model::InterfaceName;
use standfast_model::config::instance::{GarpGroup, LinkDelay, Linkbeat, LinkbeatMethod};

/// A `track_group` with its members by name.
#[derive(Debug)]
pub(crate) struct TrackGroupDraft {
    pub(crate) name: String,
    pub(crate) head: Span,
    pub(crate) members: Vec<Spanned<String>>,
}

/// Takes a statement of the root about what instances share; false for another.
pub(super) fn take(parser: &mut Parser<'_>, statement: &Statement, draft: &mut Draft) -> bool {
    match statement.keyword.name {
        "static_ipaddress" => {
            let found = address::addresses(parser, statement, draft, &mut false);
            draft.static_addresses.extend(found);
        }
        "static_routes" => {
            let found = route::routes(parser, statement, draft);
            draft.vrrp.static_routes.extend(found.into_iter().map(|one| one.value));
        }
        "static_rules" => {
            let found = rule::rules(parser, statement, draft);
            draft.vrrp.static_rules.extend(found.into_iter().map(|one| one.value));
        }
        "track_group" => track_group(parser, statement, draft),
        "garp_group" => garp_group(parser, statement, draft),
        "interface_up_down_delays" => delays(parser, statement, draft),
        "linkbeat_interfaces" => linkbeat(parser, statement, draft),
        _ => return false,
    }
    true
}

fn track_group(parser: &mut Parser<'_>, head: &Statement, draft: &mut Draft) {
    if !parser.enter(head) {
        return;
    }
    let mut members = Vec::new();
    while let Some(statement) = parser.next() {
        match statement.keyword.name {
            "group" => members.extend(entry::names(parser, &statement)),
            _ => not_lowered(parser, &statement),
        }
    }
    draft.track_groups.push(TrackGroupDraft { name: head.name(), head: head.span(), members });
}

fn garp_group(parser: &mut Parser<'_>, head: &Statement, draft: &mut Draft) {
    if !parser.enter(head) {
        return;
    }
    let (mut garp_interval, mut gna_interval) = (None, None);
    let mut written: Vec<Spanned<InterfaceName>> = Vec::new();
    while let Some(statement) = parser.next() {
        match statement.keyword.name {
            "garp_interval" => set(&mut garp_interval, parser.time(&statement)),
            "gna_interval" => set(&mut gna_interval, parser.time(&statement)),
            "interface" => {
                let span = statement.arg_span(0);
                let found = statement.arg(0).and_then(|word| parser.interface_of(word, span));
                written.extend(found.map(|value| Spanned { value, span }));
            }
            "interfaces" => {
                for name in entry::names(parser, &statement) {
                    let found = parser.interface_of(name.value.as_bytes(), name.span);
                    written.extend(found.map(|value| Spanned { value, span: name.span }));
                }
            }
            _ => not_lowered(parser, &statement),
        }
    }
    if garp_interval.is_none() && gna_interval.is_none() {
        let headline = "a garp_group without an interval";
        parser.report(Diagnostic::new(Code::EmptyList, headline, head.span(), "it is removed"));
        return;
    }
    let mut interfaces = Vec::new();
    for Spanned { value, span } in written {
        draft.need(&value, span);
        if draft.garp_grouped.insert(value.clone()) {
            interfaces.push(value);
        } else {
            let headline = format!("`{value}` is in a garp_group already");
            parser.report(Diagnostic::new(Code::Repeated, headline, span, "this is ignored"));
        }
    }
    draft.vrrp.garp_groups.push(GarpGroup {
        garp_interval: garp_interval.unwrap_or_default(),
        gna_interval: gna_interval.unwrap_or_default(),
        interfaces,
    });
}

/// `INTERFACE DOWN [UP]`, each 0 to 255 s.
fn delays(parser: &mut Parser<'_>, head: &Statement, draft: &mut Draft) {
    if !parser.enter(head) {
        return;
    }
    while let Some(line) = parser.next_entry() {
        let Some(interface) = named(parser, &line, draft) else { continue };
        let Some(down) = line.word(1) else {
            track::missing(parser, &line, "interface_up_down_delays");
            continue;
        };
        let Some(down) = parser.seconds_of(down, line.span_of(1), 0, 255 * SECOND) else { continue };
        let up = match line.word(2) {
            None => Some(Duration::ZERO),
            Some(word) => parser.seconds_of(word, line.span_of(2), 0, 255 * SECOND),
        };
        let Some(up) = up else { continue };
        draft.vrrp.link_delays.push(LinkDelay { interface, down, up });
    }
}

fn named(parser: &mut Parser<'_>, line: &Line, draft: &mut Draft) -> Option<InterfaceName> {
    let span = line.span_of(0);
    let interface = parser.interface_of(line.word(0)?, span)?;
    draft.need(&interface, span);
    Some(interface)
}

fn linkbeat(parser: &mut Parser<'_>, head: &Statement, draft: &mut Draft) {
    if !parser.enter(head) {
        return;
    }
    while let Some(line) = parser.next_entry() {
        let Some(interface) = named(parser, &line, draft) else { continue };
        let method = match line.word(1) {
            None => None,
            Some(b"MII") => Some(LinkbeatMethod::Mii),
            Some(b"ETHTOOL") => Some(LinkbeatMethod::Ethtool),
            Some(b"IOCTL") => Some(LinkbeatMethod::Ioctl),
            Some(other) => {
                let headline = format!("`{}` is not offered here", shown(other));
                let label = "one of MII, ETHTOOL, IOCTL is wanted";
                parser.report(Diagnostic::new(Code::InvalidChoice, headline, line.span_of(1), label));
                None
            }
        };
        draft.vrrp.linkbeat.push(Linkbeat { interface, method });
    }
}
