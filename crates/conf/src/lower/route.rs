//! Routes: the entries of `virtual_routes` and `static_routes`.

mod encap;

use super::entry::{self, Entry};
use super::names::Names;
use super::{Draft, Spanned};
use crate::code::Code;
use crate::keyword::entry::ROUTE_OPTIONS;
use crate::keyword::{Status, U32};
use crate::parse::{Parser, Statement};
use crate::value::shown;
use core::time::Duration;
use standfast_model::config::route::{
    CongestionControl, Hop, Insert, Metric, MetricKind, PROTOCOL_KEEPALIVED, Route, RouteKind,
};
use standfast_model::ipvs::Family;
use std::net::IpAddr;

/// `RTAX_FEATURE_ECN`
const ECN: u32 = 1;

/// Reads a list of routes.
pub(crate) fn routes(parser: &mut Parser<'_>, head: &Statement, draft: &mut Draft) -> Vec<Spanned<Route>> {
    entry::entries(parser, head, draft, route)
}

/// What a route says about itself while it is read.
struct Draught {
    route: Route,
    family: Option<Family>,
    destined: bool,
}

fn kind_of(word: &[u8]) -> Option<RouteKind> {
    Some(match word {
        b"unicast" => RouteKind::Unicast,
        b"local" => RouteKind::Local,
        b"broadcast" => RouteKind::Broadcast,
        b"anycast" => RouteKind::Anycast,
        b"multicast" => RouteKind::Multicast,
        b"throw" => RouteKind::Throw,
        b"unreachable" => RouteKind::Unreachable,
        b"prohibit" => RouteKind::Prohibit,
        b"blackhole" => RouteKind::Blackhole,
        b"nat" => RouteKind::Nat,
        _ => return None,
    })
}

fn route(entry: &mut Entry<'_, '_>) -> Option<Route> {
    let family = if entry.takes("inet") {
        Some(Family::Inet)
    } else if entry.takes("inet6") {
        Some(Family::Inet6)
    } else {
        None
    };
    let kind = entry.peek().and_then(kind_of);
    if kind.is_some() {
        entry.take();
    }
    let anywhere = ipnet::Ipv4Net::default().into();
    let route = Route { kind: kind.unwrap_or_default(), ..Route::to(anywhere) };
    let mut draught = Draught { route, family, destined: false };
    while let Some(word) = entry.take() {
        option(entry, word, &mut draught)?;
    }
    finish(entry, draught)
}

/// Reads a word and its parameters; none drops the route.
fn option(entry: &mut Entry<'_, '_>, word: &[u8], draught: &mut Draught) -> Option<()> {
    if let Some(option) = ROUTE_OPTIONS.find(word) {
        let name = ROUTE_OPTIONS.canonical(option).name;
        match option.status {
            Status::Deprecated(_) => {
                let headline = format!("`{}` is an old word", option.name);
                entry.report(Code::DeprecatedKeyword, headline, option.help);
            }
            Status::Old(of) => {
                let headline = format!("`{}` is called `{of}` now", option.name);
                entry.report(Code::DeprecatedKeyword, headline, &format!("write `{of}`"));
            }
            Status::Current | Status::Alias(_) | Status::Outdated(_) | Status::Removed | Status::Own => {}
        }
        if metric(entry, name, &mut draught.route) || path(entry, name, draught)? {
            return Some(());
        }
        return general(entry, name, draught);
    }
    if draught.destined {
        entry.unknown(word, "a route", &ROUTE_OPTIONS);
        return Some(());
    }
    draught.route.destination = entry.prefix_of(word, draught.family)?;
    draught.destined = true;
    Some(())
}

/// The words about the way: false for another.
fn path(entry: &mut Entry<'_, '_>, name: &str, draught: &mut Draught) -> Option<bool> {
    match name {
        "via" => draught.route.hop.via = Some(via(entry)?),
        "dev" => draught.route.hop.interface = Some(entry.interface(name)?),
        "onlink" => draught.route.hop.onlink = true,
        "encap" => draught.route.hop.encap = Some(encap::encap(entry)?),
        "realms" => draught.route.hop.realms = realms(entry),
        "nexthop" => draught.route.hops.push(hop(entry)?),
        "or" => {
            let via = Some(entry.address(name)?);
            draught.route.hops.push(Hop { via, weight: 1, ..Hop::default() });
        }
        _ => return Some(false),
    }
    Some(true)
}

fn via(entry: &mut Entry<'_, '_>) -> Option<IpAddr> {
    _ = entry.takes("inet") || entry.takes("inet6");
    entry.address("via")
}

/// One `nexthop`, up to the next one or the end of the line.
fn hop(entry: &mut Entry<'_, '_>) -> Option<Hop> {
    let mut hop = Hop { weight: 1, ..Hop::default() };
    while let Some(word) = entry.peek() {
        if word == b"nexthop" {
            break;
        }
        entry.take();
        match word {
            b"via" => hop.via = Some(via(entry)?),
            b"dev" => hop.interface = Some(entry.interface("dev")?),
            b"weight" => hop.weight = entry.number("weight", 1, 256)?,
            b"onlink" => hop.onlink = true,
            b"encap" => hop.encap = Some(encap::encap(entry)?),
            b"realms" => hop.realms = realms(entry),
            other => entry.unknown(other, "a nexthop", &ROUTE_OPTIONS),
        }
    }
    Some(hop)
}

/// `[FROM/]TO`, names or numbers of 16 bits.
pub(crate) fn realms(entry: &mut Entry<'_, '_>) -> Option<u32> {
    let word = entry.parameter("realms")?;
    let mut parts = word.splitn(2, |b| *b == b'/');
    let (first, second) = (parts.next()?, parts.next());
    let host = entry.parser.host();
    let names = &mut entry.draft.names;
    let mut find = |part: &[u8]| names.find(host, Names::Realms, part).filter(|n| *n <= 0xffff);
    let found = match second {
        Some(to) => find(first).zip(find(to)).map(|(from, to)| (from << 16) | to),
        None => find(first),
    };
    if found.is_none() {
        let headline = format!("`{}` names no realms", shown(word));
        entry.report(Code::InvalidNumber, headline, "[FROM/]TO is wanted, names or numbers up to 65535");
    }
    found
}

/// The words that are metrics: false for another.
fn metric(entry: &mut Entry<'_, '_>, name: &str, route: &mut Route) -> bool {
    let (kind, lockable) = match name {
        "mtu" => (MetricKind::Mtu, true),
        "advmss" => (MetricKind::AdvertisedMss, true),
        "reordering" => (MetricKind::Reordering, true),
        "cwnd" => (MetricKind::CongestionWindow, true),
        "ssthresh" => (MetricKind::SlowStartThreshold, true),
        "rtt" => (MetricKind::Rtt, true),
        "rttvar" => (MetricKind::RttVariance, true),
        "rto_min" => (MetricKind::RtoMin, true),
        "hoplimit" => (MetricKind::HopLimit, false),
        "window" => (MetricKind::Window, false),
        "initcwnd" => (MetricKind::InitialCongestionWindow, false),
        "initrwnd" => (MetricKind::InitialReceiveWindow, false),
        "quickack" => (MetricKind::QuickAck, false),
        "fastopen_no_cookie" => (MetricKind::FastOpenNoCookie, false),
        "features" => (MetricKind::Features, false),
        _ => return false,
    };
    let locked = lockable && entry.takes("lock");
    let value = match kind {
        MetricKind::Rtt => time_metric(entry, name, 8),
        MetricKind::RttVariance => time_metric(entry, name, 4),
        MetricKind::RtoMin => time_metric(entry, name, 1),
        MetricKind::HopLimit => entry.number(name, 0, 255),
        MetricKind::QuickAck | MetricKind::FastOpenNoCookie => entry.number(name, 0, 1),
        MetricKind::Features => entry.choice(name, &["ecn"]).map(|_| ECN),
        MetricKind::Mtu
        | MetricKind::Window
        | MetricKind::SlowStartThreshold
        | MetricKind::CongestionWindow
        | MetricKind::AdvertisedMss
        | MetricKind::Reordering
        | MetricKind::InitialCongestionWindow
        | MetricKind::InitialReceiveWindow => entry.number(name, 0, U32),
    };
    if let Some(value) = value {
        route.metrics.push(Metric { kind, value, locked });
    }
    true
}

/// A time with a unit, or a bare number in the kernel's unit of `per_ms` to the millisecond; 200 ms ..= 120 s.
fn time_metric(entry: &mut Entry<'_, '_>, name: &str, per_ms: u64) -> Option<u32> {
    let word = entry.parameter(name)?;
    let end = word.iter().position(|b| !(b.is_ascii_digit() || *b == b'.')).unwrap_or(word.len());
    let (number, unit) = word.split_at_checked(end)?;
    let raw = crate::value::decimal(number, 3).ok().map(|(thousandths, _)| thousandths);
    let thousandths_of_ms = match (raw, unit.to_ascii_lowercase().as_slice()) {
        (Some(raw), b"s" | b"sec" | b"secs") => raw.checked_mul(1000),
        (Some(raw), b"ms" | b"msec" | b"msecs") => Some(raw),
        (Some(raw), b"") => Some(raw / per_ms),
        _ => None,
    };
    let Some(value) = thousandths_of_ms else {
        let headline = format!("`{}` is not a time", shown(word));
        entry.report(Code::InvalidNumber, headline, "a number with s or ms, or a bare number of the kernel, is wanted");
        return None;
    };
    let clamped = value.clamp(200_000, 120_000_000);
    if clamped != value {
        let headline = format!("`{name} {}` is out of range", shown(word));
        let label = format!("{} ms is used: 200 ms to 120 s is allowed", clamped / 1000);
        entry.report(Code::Adjusted, headline, &label);
    }
    u32::try_from(clamped * per_ms / 1000).ok()
}

/// All other words.
fn general(entry: &mut Entry<'_, '_>, name: &str, draught: &mut Draught) -> Option<()> {
    let route = &mut draught.route;
    match name {
        "to" => {
            route.destination = entry.prefix("to", draught.family)?;
            draught.destined = true;
        }
        "default6" => {
            route.destination = ipnet::Ipv6Net::default().into();
            draught.destined = true;
        }
        "inet" => draught.family = Some(Family::Inet),
        "inet6" => draught.family = Some(Family::Inet6),
        "src" => route.source = Some(entry.address(name)?),
        // The kernel's NAT routes are gone; the words are read past.
        "as" => {
            _ = entry.takes("to");
            entry.address(name)?;
        }
        "from" => route.from = Some(entry.prefix(name, Some(Family::Inet6))?),
        "tos" => route.tos = entry.named(name, Names::Services, 255).and_then(|n| u8::try_from(n).ok())?,
        "table" => route.table = entry.named(name, Names::Tables, u32::MAX)?,
        "protocol" => route.protocol = entry.named(name, Names::Protocols, 255).and_then(|n| u8::try_from(n).ok())?,
        "scope" => route.scope = entry.named(name, Names::Scopes, 255).and_then(|n| u8::try_from(n).ok()),
        "metric" => route.priority = entry.number(name, 0, U32)?,
        "expires" => route.expires = Some(Duration::from_secs(entry.number(name, 0, U32)?)),
        "congctl" => {
            let locked = entry.takes("lock");
            let name = String::from_utf8_lossy(entry.parameter(name)?).into_owned();
            route.congestion_control = Some(CongestionControl { name, locked });
        }
        "pref" => route.preference = preference(entry),
        "ttl-propagate" => {
            route.ttl_propagate = entry.choice(name, &["enabled", "disabled"]).map(|word| word == "enabled");
        }
        "add" => route.insert = Insert::Add,
        "append" => route.insert = Insert::Append,
        "prepend" => route.insert = Insert::Prepend,
        "no_track" => route.no_track = true,
        "track_group" => route.track_group = Some(String::from_utf8_lossy(entry.parameter(name)?).into_owned()),
        _ => route.vrf = Some(entry.interface(name)?),
    }
    Some(())
}

/// `low`, `medium`, `high`, or a number (`ICMPV6_ROUTER_PREF_*`).
fn preference(entry: &mut Entry<'_, '_>) -> Option<u8> {
    match entry.peek() {
        Some(b"low") => entry.take().map(|_| 3),
        Some(b"medium") => entry.take().map(|_| 0),
        Some(b"high") => entry.take().map(|_| 1),
        Some(_) | None => entry.number("pref", 0, 255),
    }
}

fn finish(entry: &mut Entry<'_, '_>, draught: Draught) -> Option<Route> {
    let Draught { mut route, family, destined } = draught;
    if !destined {
        return entry.refuse("route", "a route without a destination", None);
    }
    let hops = route.hops.iter().chain([&route.hop]).filter_map(|hop| hop.via);
    let spoken = hops.chain(route.source).map(Family::from).next();
    // `default` alone says no family; a gateway or a source does.
    if route.destination.prefix_len() == 0
        && family.is_none()
        && let Some(Family::Inet6) = spoken
    {
        route.destination = ipnet::Ipv6Net::default().into();
    }
    let own = Family::from(route.destination.addr());
    if family.or(spoken).is_some_and(|family| family != own) {
        return entry.refuse("route", "a route of two families", None);
    }
    if route.protocol != PROTOCOL_KEEPALIVED && !route.no_track {
        // What is told apart by its protocol cannot be watched under another one.
        entry.report(Code::Adjusted, "a route that is tracked has the protocol keepalived", "keepalived (18) is used");
        route.protocol = PROTOCOL_KEEPALIVED;
    }
    Some(route)
}
