//! `use_vmac` and `use_ipvlan`.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::lower::Draft;
use crate::lower::names::Names;
use crate::parse::{Parser, Statement};
use crate::value::{address, shown};
use ipnet::IpNet;
use standfast_model::config::instance::{Ipvlan, IpvlanMode, Vmac};
use standfast_model::{InterfaceName, MacAddress};

/// Five or six octets joined by `:`; five are completed with the VRID.
fn mac(word: &[u8]) -> Option<(Vec<u8>, bool)> {
    let text = core::str::from_utf8(word).ok()?;
    let octet = |part: &str| {
        let plain = !part.is_empty() && part.len() <= 2 && !part.starts_with('+');
        plain.then(|| u8::from_str_radix(part, 16).ok()).flatten()
    };
    let octets: Option<Vec<u8>> = text.split(':').map(octet).collect();
    let octets = octets.filter(|o| matches!(o.len(), 5 | 6))?;
    let short = octets.len() == 5;
    Some((octets, short))
}

/// A VMAC as written: its address may lack the VRID.
#[derive(Clone, Debug, Default)]
pub(crate) struct VmacDraft {
    pub(crate) model: Vmac,
    /// The first five octets, to be completed.
    pub(crate) short: Option<[u8; 5]>,
}

fn parameter<'s>(parser: &mut Parser<'_>, statement: &'s Statement, at: usize, name: &str) -> Option<&'s [u8]> {
    let found = statement.arg(at);
    if found.is_none() {
        let headline = format!("`{name}` needs a parameter");
        let span = statement.span().after();
        parser.report(Diagnostic::new(Code::MissingParameter, headline, span, "it is missing here"));
    }
    found
}

fn group(parser: &mut Parser<'_>, statement: &Statement, at: usize, draft: &mut Draft) -> Option<u32> {
    let word = parameter(parser, statement, at, "group")?;
    let found = draft.names.find(parser.host(), Names::Groups, word);
    if found.is_none() {
        let headline = format!("`{}` is no interface group", shown(word));
        parser.report(Diagnostic::new(Code::InvalidNumber, headline, statement.arg_span(at), "this is ignored"));
    }
    found
}

fn named(parser: &mut Parser<'_>, statement: &Statement, at: usize) -> Option<InterfaceName> {
    let word = parameter(parser, statement, at, "name")?;
    parser.interface_of(word, statement.arg_span(at))
}

/// Reads `[[name] IFNAME] [MAC] [netlink_notify_msg] [group GROUP]`.
pub(super) fn vmac(parser: &mut Parser<'_>, statement: &Statement, draft: &mut Draft) -> VmacDraft {
    let mut found = VmacDraft::default();
    let mut at = 0;
    while let Some(word) = statement.arg(at) {
        match word {
            b"netlink_notify_msg" => found.model.netlink_notify = true,
            b"group" => {
                found.model.group = group(parser, statement, at + 1, draft);
                at += 1;
            }
            b"name" => {
                found.model.name = named(parser, statement, at + 1);
                at += 1;
            }
            word => match mac(word) {
                Some((octets, short)) => address_of(parser, statement, at, &octets, short, &mut found),
                None if found.model.name.is_none() => {
                    found.model.name = parser.interface_of(word, statement.arg_span(at));
                }
                None => surplus(parser, statement, at),
            },
        }
        at += 1;
    }
    found
}

fn address_of(
    parser: &mut Parser<'_>,
    statement: &Statement,
    at: usize,
    octets: &[u8],
    short: bool,
    found: &mut VmacDraft,
) {
    let multicast = octets.first().is_some_and(|first| first & 1 == 1);
    let reserved = octets.starts_with(&[0x00, 0x00, 0x5e]);
    if multicast || reserved {
        let headline = format!("`{}` cannot be a virtual MAC address", shown(statement.arg(at).unwrap_or_default()));
        let label = if multicast { "it is a multicast address" } else { "it is in the range of the protocol itself" };
        parser.report(Diagnostic::new(Code::InvalidAddress, headline, statement.arg_span(at), label));
    } else if short {
        found.short = octets.try_into().ok();
    } else {
        found.model.address = octets.try_into().ok().map(MacAddress);
    }
}

fn surplus(parser: &mut Parser<'_>, statement: &Statement, at: usize) {
    let word = statement.arg(at).unwrap_or_default();
    let headline = format!("`{}` is no word of `{}`", shown(word), statement.keyword.name);
    let diagnostic = Diagnostic::new(Code::InvalidEntry, headline, statement.arg_span(at), "this word is ignored");
    let synopsis = statement.keyword.args().synopsis();
    parser.report(diagnostic.help(format!("write {} {synopsis}", statement.keyword.name)));
}

/// Reads `[[name] IFNAME] [ADDRESS] [bridge|private|vepa] [group GROUP]`.
pub(super) fn ipvlan(parser: &mut Parser<'_>, statement: &Statement, draft: &mut Draft) -> Ipvlan {
    let mut found = Ipvlan::default();
    let mut at = 0;
    while let Some(word) = statement.arg(at) {
        let net = core::str::from_utf8(word).ok().and_then(|text| text.parse::<IpNet>().ok());
        match word {
            b"bridge" => found.mode = IpvlanMode::Bridge,
            b"private" => found.mode = IpvlanMode::Private,
            b"vepa" => found.mode = IpvlanMode::Vepa,
            b"group" => {
                found.group = group(parser, statement, at + 1, draft);
                at += 1;
            }
            b"name" => {
                found.name = named(parser, statement, at + 1);
                at += 1;
            }
            word => match address(word).or_else(|| net.map(|net| net.addr())) {
                Some(address) => found.address = Some(address),
                None if found.name.is_none() => found.name = parser.interface_of(word, statement.arg_span(at)),
                None => surplus(parser, statement, at),
            },
        }
        at += 1;
    }
    found
}
