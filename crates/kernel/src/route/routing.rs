//! Routes and policy rules: requests to rtnetlink as octets.
//!
//! Each request carries everything the configuration says and nothing else, so that the kernel decides what was left
//! open.

use crate::netlink::Request;
use ipnet::IpNet;
use standfast_model::InterfaceIndex;
use standfast_model::config::route::{Encap, Hop, Insert, MetricKind, Route, RouteKind, Rule, RuleAction};
use standfast_model::ipvs::Family;
use standfast_net::RouteEntry;
use std::net::IpAddr;

pub(super) const RTM_NEWROUTE: u16 = 24;
pub(super) const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
pub(super) const RTM_NEWRULE: u16 = 32;
pub(super) const RTM_DELRULE: u16 = 33;
const RTM_GETRULE: u16 = 34;

const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_APPEND: u16 = 0x800;

pub(super) const AF_INET: u8 = 2;
pub(super) const AF_INET6: u8 = 10;

pub(super) const RTA_DST: u16 = 1;
pub(super) const RTA_SRC: u16 = 2;
pub(super) const RTA_OIF: u16 = 4;
pub(super) const RTA_GATEWAY: u16 = 5;
pub(super) const RTA_PRIORITY: u16 = 6;
pub(super) const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_FLOW: u16 = 11;
pub(super) const RTA_TABLE: u16 = 15;
pub(super) const RTA_VIA: u16 = 18;
const RTA_PREF: u16 = 20;
const RTA_ENCAP_TYPE: u16 = 21;
const RTA_ENCAP: u16 = 22;
const RTA_EXPIRES: u16 = 23;
const RTA_TTL_PROPAGATE: u16 = 26;

const RTNH_F_ONLINK: u8 = 4;
/// The table number of the header where the true one is in its attribute (`RT_TABLE_UNSPEC`).
const TABLE_IN_ATTRIBUTE: u8 = 0;

const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_LINK: u8 = 253;
const SCOPE_HOST: u8 = 254;
const SCOPE_NOWHERE: u8 = 255;

const RTAX_CC_ALGO: u16 = 16;
const RTAX_LOCK: u16 = 1;

pub(super) const FRA_DST: u16 = 1;
pub(super) const FRA_SRC: u16 = 2;
pub(super) const FRA_IIFNAME: u16 = 3;
pub(super) const FRA_GOTO: u16 = 4;
pub(super) const FRA_PRIORITY: u16 = 6;
pub(super) const FRA_FWMARK: u16 = 10;
pub(super) const FRA_FLOW: u16 = 11;
pub(super) const FRA_TUN_ID: u16 = 12;
pub(super) const FRA_SUPPRESS_IFGROUP: u16 = 13;
pub(super) const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
pub(super) const FRA_TABLE: u16 = 15;
pub(super) const FRA_FWMASK: u16 = 16;
pub(super) const FRA_OIFNAME: u16 = 17;
pub(super) const FRA_L3MDEV: u16 = 19;
pub(super) const FRA_UID_RANGE: u16 = 20;
pub(super) const FRA_PROTOCOL: u16 = 21;
pub(super) const FRA_IP_PROTO: u16 = 22;
pub(super) const FRA_SPORT_RANGE: u16 = 23;
pub(super) const FRA_DPORT_RANGE: u16 = 24;

/// `FIB_RULE_INVERT`
pub(super) const RULE_INVERT: u32 = 2;

/// All routes of that protocol and family.
pub(super) fn get_routes(family: u8, protocol: u8) -> Vec<u8> {
    Request::new(RTM_GETROUTE, 0, &[family, 0, 0, 0, 0, protocol, 0, 0, 0, 0, 0, 0]).finish()
}

/// All rules of that family.
pub(super) fn get_rules(family: u8) -> Vec<u8> {
    Request::new(RTM_GETRULE, 0, &[family, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).finish()
}

pub(super) fn add_route(entry: &RouteEntry) -> Vec<u8> {
    let flags = NLM_F_CREATE
        | match entry.route.insert {
            // Beside an equal one; the kernel refuses only the very same.
            Insert::Prepend => 0,
            Insert::Append => NLM_F_APPEND,
            Insert::Add => NLM_F_EXCL,
        };
    route(RTM_NEWROUTE, flags, entry)
}

/// The kernel compares what is given, so the same words find the route again.
pub(super) fn remove_route(entry: &RouteEntry) -> Vec<u8> {
    route(RTM_DELROUTE, 0, entry)
}

fn route(message: u16, flags: u16, entry: &RouteEntry) -> Vec<u8> {
    let route = &entry.route;
    let onlink = if route.hop.onlink { RTNH_F_ONLINK } else { 0 };
    let header = [
        number_of(route.destination),
        route.destination.prefix_len(),
        route.from.map_or(0, |from| from.prefix_len()),
        route.tos,
        TABLE_IN_ATTRIBUTE,
        route.protocol,
        scope(message, route),
        kind_number(route.kind),
        onlink,
        0,
        0,
        0,
    ];
    let mut request = Request::new(message, flags, &header);
    if route.destination.prefix_len() > 0 {
        request.put(RTA_DST, &octets(route.destination.trunc().addr()));
    }
    if let Some(from) = route.from.filter(|from| from.prefix_len() > 0) {
        request.put(RTA_SRC, &octets(from.trunc().addr()));
    }
    request.put_u32(RTA_TABLE, route.table);
    if route.priority != 0 {
        request.put_u32(RTA_PRIORITY, route.priority);
    }
    if let Some(source) = route.source {
        request.put(RTA_PREFSRC, &octets(source));
    }
    if let Some(interface) = entry.interface {
        request.put_u32(RTA_OIF, interface.0);
    }
    way(&mut request, &route.hop, number_of(route.destination));
    if !route.hops.is_empty() {
        request.group(RTA_MULTIPATH, |ways| multipath(ways, entry));
    }
    if message == RTM_NEWROUTE {
        properties(&mut request, route);
    }
    request.finish()
}

/// What says how packets are treated and is no part of what tells one route from another.
fn properties(request: &mut Request, route: &Route) {
    if let Some(expires) = route.expires {
        request.put_u32(RTA_EXPIRES, u32::try_from(expires.as_secs()).unwrap_or(u32::MAX));
    }
    if let Some(preference) = route.preference {
        request.put_u8(RTA_PREF, preference);
    }
    if let Some(propagate) = route.ttl_propagate {
        request.put_u8(RTA_TTL_PROPAGATE, u8::from(propagate));
    }
    let locked = route.metrics.iter().filter(|metric| metric.locked).map(|metric| metric_number(metric.kind));
    let locked = locked.chain(route.congestion_control.iter().filter(|c| c.locked).map(|_| RTAX_CC_ALGO));
    let lock = locked.fold(0_u32, |bits, number| bits | 1 << number);
    if route.metrics.is_empty() && route.congestion_control.is_none() {
        return;
    }
    request.group(RTA_METRICS, |metrics| {
        for metric in &route.metrics {
            metrics.put_u32(metric_number(metric.kind), metric.value);
        }
        if let Some(control) = &route.congestion_control {
            metrics.put_text(RTAX_CC_ALGO, &control.name);
        }
        if lock != 0 {
            metrics.put_u32(RTAX_LOCK, lock);
        }
    });
}

fn multipath(ways: &mut Request, entry: &RouteEntry) {
    let links = entry.hop_interfaces.iter().copied().chain(core::iter::repeat(None));
    for (hop, link) in entry.route.hops.iter().zip(links) {
        let [a, b, c, d] = link.unwrap_or(InterfaceIndex(0)).0.to_ne_bytes();
        let onlink = if hop.onlink { RTNH_F_ONLINK } else { 0 };
        // The kernel counts weights from 0.
        let weight = u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX);
        ways.hop([onlink, weight, a, b, c, d], |way_of| way(way_of, hop, number_of(entry.route.destination)));
    }
}

/// Gateway, realms and tunnel of one way.
fn way(request: &mut Request, hop: &Hop, family: u8) {
    if let Some(via) = hop.via {
        let bytes = octets(via);
        if family == number_of_address(via) {
            request.put(RTA_GATEWAY, &bytes);
        } else {
            let family = u16::from(number_of_address(via)).to_ne_bytes();
            request.put(RTA_VIA, &[&family[..], &bytes].concat());
        }
    }
    if let Some(realms) = hop.realms {
        request.put_u32(RTA_FLOW, realms);
    }
    if let Some(encap) = &hop.encap {
        request.put(RTA_ENCAP_TYPE, &encap_number(encap).to_ne_bytes());
        request.nest(RTA_ENCAP, |inside| tunnel(inside, encap));
    }
}

/// `LWTUNNEL_ENCAP_*`
fn encap_number(encap: &Encap) -> u16 {
    match encap {
        Encap::Mpls(_) => 1,
        Encap::Ip { family: Family::Inet, .. } => 2,
        Encap::Ila(_) => 3,
        Encap::Ip { family: Family::Inet6, .. } => 4,
    }
}

fn tunnel(request: &mut Request, encap: &Encap) {
    match encap {
        Encap::Mpls(labels) => {
            // 20 bits of label each; the last is the bottom of the stack.
            let last = labels.len().saturating_sub(1);
            let stack = labels.iter().enumerate().flat_map(|(place, label)| {
                let bottom = u32::from(place == last) << 8;
                (label << 12 | bottom).to_be_bytes()
            });
            request.put(1, &stack.collect::<Vec<u8>>());
        }
        Encap::Ila(locator) => request.put(1, &locator.to_be_bytes()),
        Encap::Ip { family: _, id, destination, source, tos, ttl, flags } => {
            // `LWTUNNEL_IP_*` and `LWTUNNEL_IP6_*` have the same numbers.
            if let Some(id) = id {
                request.put(1, &id.to_be_bytes());
            }
            if let Some(destination) = destination {
                request.put(2, &octets(*destination));
            }
            if let Some(source) = source {
                request.put(3, &octets(*source));
            }
            if let Some(ttl) = ttl {
                request.put_u8(4, *ttl);
            }
            if let Some(tos) = tos {
                request.put_u8(5, *tos);
            }
            if let Some(flags) = flags {
                request.put(6, &flags.to_be_bytes());
            }
        }
    }
}

/// As iproute2 chooses it where nothing is said: a route to this host is valid on this host, one without gateway on
/// its link.
fn scope(message: u16, route: &Route) -> u8 {
    if let Some(scope) = route.scope {
        return scope;
    }
    if route.destination.addr().is_ipv6() {
        return SCOPE_UNIVERSE;
    }
    if message == RTM_DELROUTE {
        // Any.
        return SCOPE_NOWHERE;
    }
    let gateway = route.hop.via.is_some() || !route.hops.is_empty();
    match route.kind {
        RouteKind::Local | RouteKind::Nat => SCOPE_HOST,
        RouteKind::Broadcast | RouteKind::Multicast | RouteKind::Anycast => SCOPE_LINK,
        RouteKind::Unicast if !gateway => SCOPE_LINK,
        RouteKind::Unicast | RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit | RouteKind::Throw => {
            SCOPE_UNIVERSE
        }
    }
}

pub(super) fn add_rule(wanted: &Rule) -> Vec<u8> {
    rule(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, wanted)
}

pub(super) fn remove_rule(wanted: &Rule) -> Vec<u8> {
    rule(RTM_DELRULE, 0, wanted)
}

fn rule(message: u16, flags: u16, rule: &Rule) -> Vec<u8> {
    let length = |net: Option<IpNet>| net.map_or(0, |net| net.prefix_len());
    let [a, b, c, d] = (if rule.invert { RULE_INVERT } else { 0 }).to_ne_bytes();
    let family = match rule.family {
        Family::Inet => AF_INET,
        Family::Inet6 => AF_INET6,
    };
    let header = [
        family,
        length(rule.to),
        length(rule.from),
        rule.tos,
        TABLE_IN_ATTRIBUTE,
        0,
        0,
        action_number(rule.action),
        a,
        b,
        c,
        d,
    ];
    let mut request = Request::new(message, flags, &header);
    for (kind, net) in [(FRA_DST, rule.to), (FRA_SRC, rule.from)] {
        if let Some(net) = net.filter(|net| net.prefix_len() > 0) {
            request.put(kind, &octets(net.trunc().addr()));
        }
    }
    request.put_u32(FRA_PRIORITY, rule.preference);
    request.put_u8(FRA_PROTOCOL, rule.protocol);
    match rule.action {
        RuleAction::Table(table) => request.put_u32(FRA_TABLE, table),
        RuleAction::L3Master => request.put_u8(FRA_L3MDEV, 1),
        RuleAction::Goto(preference) => request.put_u32(FRA_GOTO, preference),
        RuleAction::Nop | RuleAction::Blackhole | RuleAction::Unreachable | RuleAction::Prohibit => {}
    }
    selectors(&mut request, rule);
    request.finish()
}

fn selectors(request: &mut Request, rule: &Rule) {
    if let Some(input) = &rule.input {
        request.put_text(FRA_IIFNAME, input.as_str());
    }
    if let Some(output) = &rule.output {
        request.put_text(FRA_OIFNAME, output.as_str());
    }
    if let Some((mark, mask)) = rule.mark {
        request.put_u32(FRA_FWMARK, mark);
        request.put_u32(FRA_FWMASK, mask.unwrap_or(u32::MAX));
    }
    if let Some(realms) = rule.realms {
        request.put_u32(FRA_FLOW, realms);
    }
    if let Some(id) = rule.tunnel_id {
        request.put(FRA_TUN_ID, &id.to_be_bytes());
    }
    if let Some(group) = rule.suppress_group {
        request.put_u32(FRA_SUPPRESS_IFGROUP, group);
    }
    if let Some(length) = rule.suppress_prefix_length {
        request.put_u32(FRA_SUPPRESS_PREFIXLEN, length);
    }
    if let Some((first, last)) = rule.uids {
        request.put(FRA_UID_RANGE, &[first.to_ne_bytes(), last.to_ne_bytes()].concat());
    }
    if let Some(protocol) = rule.ip_protocol {
        request.put_u8(FRA_IP_PROTO, protocol);
    }
    for (kind, ports) in [(FRA_SPORT_RANGE, rule.source_ports), (FRA_DPORT_RANGE, rule.destination_ports)] {
        if let Some((first, last)) = ports {
            request.put(kind, &[first.to_ne_bytes(), last.to_ne_bytes()].concat());
        }
    }
}

fn number_of(net: IpNet) -> u8 {
    number_of_address(net.addr())
}

fn number_of_address(address: IpAddr) -> u8 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// `RTN_*`
fn kind_number(kind: RouteKind) -> u8 {
    match kind {
        RouteKind::Unicast => 1,
        RouteKind::Local => 2,
        RouteKind::Broadcast => 3,
        RouteKind::Anycast => 4,
        RouteKind::Multicast => 5,
        RouteKind::Blackhole => 6,
        RouteKind::Unreachable => 7,
        RouteKind::Prohibit => 8,
        RouteKind::Throw => 9,
        RouteKind::Nat => 10,
    }
}

/// `FR_ACT_*`
fn action_number(action: RuleAction) -> u8 {
    match action {
        RuleAction::Table(_) | RuleAction::L3Master => 1,
        RuleAction::Goto(_) => 2,
        RuleAction::Nop => 3,
        RuleAction::Blackhole => 6,
        RuleAction::Unreachable => 7,
        RuleAction::Prohibit => 8,
    }
}

/// `RTAX_*`
fn metric_number(kind: MetricKind) -> u16 {
    match kind {
        MetricKind::Mtu => 2,
        MetricKind::Window => 3,
        MetricKind::Rtt => 4,
        MetricKind::RttVariance => 5,
        MetricKind::SlowStartThreshold => 6,
        MetricKind::CongestionWindow => 7,
        MetricKind::AdvertisedMss => 8,
        MetricKind::Reordering => 9,
        MetricKind::HopLimit => 10,
        MetricKind::InitialCongestionWindow => 11,
        MetricKind::Features => 12,
        MetricKind::RtoMin => 13,
        MetricKind::InitialReceiveWindow => 14,
        MetricKind::QuickAck => 15,
        MetricKind::FastOpenNoCookie => 17,
    }
}
