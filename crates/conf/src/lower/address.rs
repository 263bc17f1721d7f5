//! `ADDRESS[/LEN] [OPTION ...]`: the entries of the address lists.

use super::track::missing;
use super::{Draft, Spanned};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::keyword::Stage;
use crate::keyword::entry::ADDRESS_OPTIONS;
use crate::parse::{Line, Parser, Statement};
use crate::value::{address, integer, shown};
use ipnet::IpNet;
use standfast_model::{Scope, VirtualAddress};
use std::net::{IpAddr, Ipv4Addr};

/// Reads an address list; `bad` becomes true when an entry was left out.
pub(crate) fn addresses(
    parser: &mut Parser<'_>,
    head: &Statement,
    draft: &mut Draft,
    bad: &mut bool,
) -> Vec<Spanned<VirtualAddress>> {
    let mut found = Vec::new();
    if !parser.enter(head) {
        return found;
    }
    while let Some(line) = parser.next_entry() {
        match entry(parser, &line, draft) {
            Some(value) => found.push(Spanned { value, span: line.span_of(0) }),
            None => *bad = true,
        }
    }
    *bad |= parser.is_entry_spoilt();
    found
}

/// An address with its prefix length; a wrong length is reported, and the address is a host's.
pub(crate) fn prefix(parser: &mut Parser<'_>, word: &[u8], line: &Line, at: usize) -> Option<IpNet> {
    let slash = word.iter().position(|b| *b == b'/');
    let text = word.get(..slash.unwrap_or(word.len())).unwrap_or_default();
    let span = line.span_of(at);
    let host = parser.address_of(text, span)?;
    let Some(length) = slash.and_then(|s| word.get(s + 1..)) else { return Some(IpNet::from(host)) };
    let most = if host.is_ipv4() { 32 } else { 128 };
    let parsed = integer(length).ok().and_then(|l| u8::try_from(l).ok()).filter(|l| *l <= most);
    if let Some(net) = parsed.and_then(|l| IpNet::new(host, l).ok()) {
        return Some(net);
    }
    let headline = format!("`/{}` is no prefix length", shown(length));
    let label = format!("0 to {most} is wanted; {most} is used");
    let mut diagnostic = Diagnostic::new(Code::InvalidPrefix, headline, span, label);
    if let Some(length) = mask_length(length) {
        diagnostic = diagnostic.help(format!("write /{length}: a mask is not understood"));
    }
    parser.report(diagnostic);
    Some(IpNet::from(host))
}

/// The length of a dotted mask, for the help.
pub(crate) fn mask_length(mask: &[u8]) -> Option<u32> {
    let IpAddr::V4(mask) = address(mask)? else { return None };
    let bits = u32::from(mask);
    (bits.leading_ones() + bits.trailing_zeros() == 32).then(|| bits.leading_ones())
}

/// Reads one entry; none if it must be left out.
fn entry(parser: &mut Parser<'_>, line: &Line, draft: &mut Draft) -> Option<VirtualAddress> {
    let net = prefix(parser, line.word(0)?, line, 0)?;
    let mut found = VirtualAddress::plain(net);
    let mut at = 1;
    while let Some(word) = line.word(at) {
        let Some(option) = ADDRESS_OPTIONS.find(word) else {
            unknown_option(parser, line, at);
            break;
        };
        let option = ADDRESS_OPTIONS.canonical(option);
        if option.args().least() > 0 && line.word(at + 1).is_none() {
            missing(parser, line, option.name);
            return None;
        }
        if option.stage == Stage::NotYet {
            parser.note_not_yet(&ADDRESS_OPTIONS, option, line.span_of(at));
        }
        if !flag(option.name, &mut found) {
            parameter(parser, line, at, option.name, &mut found, draft)?;
        }
        at += 1 + option.args().least();
    }
    Some(found)
}

/// Takes a word without parameter; false for another.
fn flag(name: &str, found: &mut VirtualAddress) -> bool {
    let options = &mut found.options;
    let field = match name {
        "home" => &mut options.home,
        "-nodad" => &mut options.no_dad,
        "mngtmpaddr" => &mut options.manage_temporary,
        "noprefixroute" => &mut options.no_prefix_route,
        "autojoin" => &mut options.auto_join,
        "no_track" => &mut options.no_track,
        "use_vmac" => &mut options.use_vmac,
        _ => return false,
    };
    *field = true;
    true
}

/// Takes a word with its parameter; none drops the address.
fn parameter(
    parser: &mut Parser<'_>,
    line: &Line,
    at: usize,
    name: &str,
    found: &mut VirtualAddress,
    draft: &mut Draft,
) -> Option<()> {
    let word = line.word(at + 1)?;
    let place = line.span_of(at + 1);
    match name {
        "dev" => {
            let interface = parser.interface_of(word, place)?;
            draft.need(&interface, place);
            found.interface = Some(interface);
        }
        "label" => found.label = Some(label(parser, word, line, at + 1)?),
        "scope" => found.scope = scope(parser, word, line, at + 1).unwrap_or_default(),
        "brd" => found.broadcast = broadcast(parser, word, found.address, line, at + 1),
        "peer" => found.options.peer = prefix(parser, word, line, at + 1),
        "preferred_lft" if word == b"forever" => found.options.preferred_lifetime = Some(u32::MAX),
        "preferred_lft" => {
            let seconds = parser.number_of(word, place, 0, crate::keyword::U32);
            found.options.preferred_lifetime = seconds.and_then(|n| u32::try_from(n).ok());
        }
        _ => found.options.track_group = Some(String::from_utf8_lossy(word).into_owned()),
    }
    Some(())
}

fn unknown_option(parser: &mut Parser<'_>, line: &Line, at: usize) {
    let word = line.word(at).unwrap_or_default();
    let headline = format!("`{}` is no word of an address", shown(word));
    let mut diagnostic =
        Diagnostic::new(Code::InvalidEntry, headline, line.span_from(at), "the rest of the line is ignored");
    let names = ADDRESS_OPTIONS.keywords.iter().map(|k| k.name.as_bytes());
    if address(word).is_some() {
        diagnostic = diagnostic.help("write each address on a line of its own");
    } else if let Some(near) = crate::nearest::nearest(word, names) {
        diagnostic = diagnostic.help(format!("did you mean `{}`?", String::from_utf8_lossy(near)));
    }
    parser.report(diagnostic);
}

/// At most 15 bytes; a longer one removes the address, as in keepalived, since the kernel would refuse it.
fn label(parser: &mut Parser<'_>, word: &[u8], line: &Line, at: usize) -> Option<String> {
    if word.len() <= 15 {
        return Some(String::from_utf8_lossy(word).into_owned());
    }
    let headline = format!("the label `{}` is too long", shown(word));
    let diagnostic = Diagnostic::new(Code::InvalidName, headline, line.span_of(at), "the address is left out");
    parser.report(diagnostic.help("a label has at most 15 characters"));
    None
}

/// A name of `rt_scopes` or a number.
pub(crate) fn scope(parser: &mut Parser<'_>, word: &[u8], line: &Line, at: usize) -> Option<Scope> {
    let number = match word {
        b"global" => 0,
        b"site" => 200,
        b"link" => 253,
        b"host" => 254,
        b"nowhere" => 255,
        other => u8::try_from(parser.number_of(other, line.span_of(at), 0, 255)?).ok()?,
    };
    Some(match number {
        0 => Scope::Global,
        200 => Scope::Site,
        253 => Scope::Link,
        254 => Scope::Host,
        255 => Scope::Nowhere,
        other => Scope::Other(other),
    })
}

/// An address, or `+` and `-` for the prefix with all host bits set or cleared.
fn broadcast(parser: &mut Parser<'_>, word: &[u8], net: IpNet, line: &Line, at: usize) -> Option<Ipv4Addr> {
    let IpNet::V4(net) = net else {
        let diagnostic =
            Diagnostic::new(Code::InvalidEntry, "IPv6 has no broadcast address", line.span_of(at), "this is ignored");
        parser.report(diagnostic);
        return None;
    };
    match word {
        b"+" => Some(net.broadcast()),
        b"-" => Some(net.network()),
        other => match parser.address_of(other, line.span_of(at))? {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => {
                let headline = "IPv6 has no broadcast address";
                parser.report(Diagnostic::new(Code::InvalidEntry, headline, line.span_of(at), "this is ignored"));
                None
            }
        },
    }
}
