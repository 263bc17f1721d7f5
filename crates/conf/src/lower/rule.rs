//! Policy rules: the entries of `virtual_rules` and `static_rules`.

use super::entry::{self, Entry, range};
use super::names::Names;
use super::route::realms;
use super::{Draft, Spanned};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::keyword::entry::RULE_OPTIONS;
use crate::keyword::{I32, U32};
use crate::parse::{Parser, Statement};
use crate::reader::c_number;
use crate::value::shown;
use ipnet::IpNet;
use standfast_model::InterfaceName;
use standfast_model::config::route::{PROTOCOL_KEEPALIVED, Rule, RuleAction};
use standfast_model::ipvs::Family;

/// The preference of the first rule without one; each further one is one lower, as in keepalived.
const PREFERENCE: u32 = 16384;

/// What a rule says while it is read.
#[derive(Default)]
struct Draught {
    family: Option<Family>,
    preference: Option<u32>,
    invert: bool,
    from: Option<IpNet>,
    to: Option<IpNet>,
    tos: u8,
    mark: Option<(u32, Option<u32>)>,
    realms: Option<u32>,
    suppress_prefix_length: Option<u32>,
    suppress_group: Option<u32>,
    input: Option<InterfaceName>,
    output: Option<InterfaceName>,
    tunnel_id: Option<u64>,
    uids: Option<(u32, u32)>,
    protocol: Option<u8>,
    ip_protocol: Option<u8>,
    source_ports: Option<(u16, u16)>,
    destination_ports: Option<(u16, u16)>,
    action: Option<RuleAction>,
    no_track: bool,
    track_group: Option<String>,
}

/// Reads a list of rules.
pub(crate) fn rules(parser: &mut Parser<'_>, head: &Statement, draft: &mut Draft) -> Vec<Spanned<Rule>> {
    entry::entries(parser, head, draft, rule)
}

fn rule(entry: &mut Entry<'_, '_>) -> Option<Rule> {
    let mut draught = Draught::default();
    while let Some(word) = entry.take() {
        let Some(option) = RULE_OPTIONS.find(word) else {
            if !action(entry, word, &mut draught)? {
                entry.unknown(word, "a rule", &RULE_OPTIONS);
            }
            continue;
        };
        let name = RULE_OPTIONS.canonical(option).name;
        if !selector(entry, name, &mut draught)? {
            other(entry, name, &mut draught)?;
        }
    }
    finish(entry, draught)
}

/// The words of an action; false for another word.
fn action(entry: &mut Entry<'_, '_>, word: &[u8], draught: &mut Draught) -> Option<bool> {
    draught.action = Some(match word {
        b"goto" => RuleAction::Goto(entry.number("goto", 0, U32)?),
        b"nop" => RuleAction::Nop,
        b"blackhole" => RuleAction::Blackhole,
        b"unreachable" => RuleAction::Unreachable,
        b"prohibit" => RuleAction::Prohibit,
        _ => return Some(false),
    });
    Some(true)
}

/// The words that say which packets are meant; false for another word.
fn selector(entry: &mut Entry<'_, '_>, name: &str, draught: &mut Draught) -> Option<bool> {
    match name {
        "not" => draught.invert = true,
        "from" => draught.from = Some(entry.prefix(name, draught.family)?),
        "to" => draught.to = Some(entry.prefix(name, draught.family)?),
        "tos" => draught.tos = entry.named(name, Names::Services, 255).and_then(|n| u8::try_from(n).ok())?,
        "fwmark" => draught.mark = Some(mark(entry)?),
        "dev" => draught.input = Some(entry.interface(name)?),
        "oif" => draught.output = Some(entry.interface(name)?),
        "tunnel-id" => draught.tunnel_id = Some(entry.number(name, 0, i128::from(u64::MAX))?),
        "uidrange" => {
            let (low, high) = range_of(entry, name, U32)?;
            draught.uids = u32::try_from(low).ok().zip(u32::try_from(high).ok());
        }
        "ipproto" => draught.ip_protocol = Some(ip_protocol(entry)?),
        "sport" => draught.source_ports = Some(ports(entry, name)?),
        "dport" => draught.destination_ports = Some(ports(entry, name)?),
        _ => return Some(false),
    }
    Some(true)
}

/// All other words.
fn other(entry: &mut Entry<'_, '_>, name: &str, draught: &mut Draught) -> Option<()> {
    match name {
        "inet" => draught.family = Some(Family::Inet),
        "inet6" => draught.family = Some(Family::Inet6),
        "table" => {
            let table = entry.named(name, Names::Tables, u32::MAX)?;
            if table == 0 {
                entry.report(Code::InvalidNumber, "there is no table 0", "this is ignored");
                return None;
            }
            draught.action = Some(RuleAction::Table(table));
        }
        "l3mdev" => draught.action = Some(RuleAction::L3Master),
        "preference" => draught.preference = Some(entry.c_number(name)?),
        "realms" => draught.realms = realms(entry),
        "suppress_prefixlength" => draught.suppress_prefix_length = entry.number(name, 0, I32),
        "suppress_ifgroup" => draught.suppress_group = entry.named(name, Names::Groups, u32::MAX),
        "protocol" => draught.protocol = Some(entry.number(name, 0, 255)?),
        "no_track" => draught.no_track = true,
        "track_group" => draught.track_group = Some(String::from_utf8_lossy(entry.parameter(name)?).into_owned()),
        // `type` only introduces the action.
        _ => {
            let word = entry.parameter(name)?;
            if !action(entry, word, draught)? {
                entry.unknown(word, "an action", &RULE_OPTIONS);
            }
        }
    }
    Some(())
}

/// `N[/MASK]` with C's prefixes.
fn mark(entry: &mut Entry<'_, '_>) -> Option<(u32, Option<u32>)> {
    let word = entry.parameter("fwmark")?;
    let number = |part: &[u8]| c_number(part).and_then(|n| u32::try_from(n).ok());
    let mut parts = word.splitn(2, |b| *b == b'/');
    let mark = parts.next().and_then(number);
    let found = match parts.next() {
        None => mark.map(|mark| (mark, None)),
        Some(mask) => mark.zip(number(mask)).map(|(mark, mask)| (mark, Some(mask))),
    };
    if found.is_none() {
        let headline = format!("`{}` is no mark", shown(word));
        entry.report(Code::InvalidNumber, headline, "N or N/MASK is wanted");
    }
    found
}

fn range_of(entry: &mut Entry<'_, '_>, name: &str, most: i128) -> Option<(i128, i128)> {
    let word = entry.parameter(name)?;
    let found = range(word, most);
    if found.is_none() {
        let headline = format!("`{}` is no range", shown(word));
        entry.report(Code::InvalidNumber, headline, "A-B with A not above B is wanted");
    }
    found
}

fn ports(entry: &mut Entry<'_, '_>, name: &str) -> Option<(u16, u16)> {
    let (low, high) = range_of(entry, name, 65535)?;
    u16::try_from(low).ok().zip(u16::try_from(high).ok())
}

/// The protocols that rules are written for, by the names of `/etc/protocols`, or a number.
fn ip_protocol(entry: &mut Entry<'_, '_>) -> Option<u8> {
    let known = [
        ("icmp", 1),
        ("igmp", 2),
        ("tcp", 6),
        ("udp", 17),
        ("dccp", 33),
        ("gre", 47),
        ("esp", 50),
        ("ah", 51),
        ("ipv6-icmp", 58),
        ("ospf", 89),
        ("vrrp", 112),
        ("sctp", 132),
        ("udplite", 136),
    ];
    let word = entry.peek().unwrap_or_default();
    if let Some((_, number)) = known.iter().find(|(name, _)| name.as_bytes() == word) {
        entry.take();
        return Some(*number);
    }
    entry.number("ipproto", 0, 255)
}

/// The preference of a rule that says none: one lower than that of the last such rule.
fn next_preference(entry: &mut Entry<'_, '_>) -> u32 {
    let preference = PREFERENCE.saturating_sub(entry.draft.rules_without_preference);
    entry.draft.rules_without_preference += 1;
    let (span, label) = (entry.whole(), format!("{preference} is used"));
    let headline = "a rule without a preference";
    entry.parser.report(Diagnostic::new(Code::MissingPreference, headline, span, label));
    preference
}

fn finish(entry: &mut Entry<'_, '_>, draught: Draught) -> Option<Rule> {
    let Some(action) = draught.action else {
        let help = "say table N, or goto, nop, blackhole, unreachable or prohibit";
        return entry.refuse("rule", "a rule without an action", Some(help));
    };
    let mut spoken = draught.from.into_iter().chain(draught.to).map(|net| Family::from(net.addr()));
    let family = draught.family.or_else(|| spoken.next()).unwrap_or(Family::Inet);
    if spoken.any(|other| other != family) {
        return entry.refuse("rule", "a rule of two families", None);
    }
    let preference = draught.preference.unwrap_or_else(|| next_preference(entry));
    if let RuleAction::Goto(target) = action
        && target <= preference
    {
        let headline = "a rule can only go on to one behind it";
        let label = format!("{target} does not exceed {preference}: this rule is ignored");
        let span = entry.whole();
        entry.parser.report(Diagnostic::new(Code::InvalidEntry, headline, span, label));
        return None;
    }
    let protocol = draught.protocol.unwrap_or(PROTOCOL_KEEPALIVED);
    if protocol != PROTOCOL_KEEPALIVED && !draught.no_track {
        entry.report(Code::Adjusted, "a rule that is tracked has the protocol keepalived", "keepalived (18) is used");
    }
    Some(Rule {
        family,
        preference,
        invert: draught.invert,
        from: draught.from,
        to: draught.to,
        tos: draught.tos,
        mark: draught.mark,
        realms: draught.realms,
        suppress_prefix_length: draught.suppress_prefix_length,
        suppress_group: draught.suppress_group,
        input: draught.input,
        output: draught.output,
        tunnel_id: draught.tunnel_id,
        uids: draught.uids,
        protocol: if draught.no_track { protocol } else { PROTOCOL_KEEPALIVED },
        ip_protocol: draught.ip_protocol,
        source_ports: draught.source_ports,
        destination_ports: draught.destination_ports,
        action,
        no_track: draught.no_track,
        track_group: draught.track_group,
    })
}
