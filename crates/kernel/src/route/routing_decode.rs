//! Octets of rtnetlink to routes and rules.
//!
//! Of a route only that is read by which one is told from another; a rule is read whole, or passed over where it says
//! what no configuration can say.

use super::routing::{
    AF_INET, AF_INET6, FRA_DPORT_RANGE, FRA_DST, FRA_FLOW, FRA_FWMARK, FRA_FWMASK, FRA_GOTO, FRA_IIFNAME, FRA_IP_PROTO,
    FRA_L3MDEV, FRA_OIFNAME, FRA_PRIORITY, FRA_PROTOCOL, FRA_SPORT_RANGE, FRA_SRC, FRA_SUPPRESS_IFGROUP,
    FRA_SUPPRESS_PREFIXLEN, FRA_TABLE, FRA_TUN_ID, FRA_UID_RANGE, RTA_DST, RTA_GATEWAY, RTA_OIF, RTA_PREFSRC,
    RTA_PRIORITY, RTA_SRC, RTA_TABLE, RTA_VIA, RULE_INVERT,
};
use crate::netlink::attributes;
use ipnet::IpNet;
use standfast_model::config::route::{RouteKind, Rule, RuleAction};
use standfast_model::ipvs::Family;
use standfast_model::{InterfaceIndex, InterfaceName};
use standfast_net::ObservedRoute;
use std::net::IpAddr;

/// `struct rtmsg` and `struct fib_rule_hdr`.
const HEADER_BYTES: usize = 12;

/// `RTM_F_CLONED`: an entry of a cache and no route.
const CLONED: u32 = 0x200;

/// `RT_TABLE_LOCAL`, `RT_TABLE_UNSPEC`
const NO_TABLE: u32 = 0;

/// A route; none for another family and for what is cached.
pub(super) fn route(payload: &[u8]) -> Option<ObservedRoute> {
    let [family, to_length, from_length, tos, table, protocol, _scope, kind, flags @ ..] =
        *payload.first_chunk::<HEADER_BYTES>()?;
    if u32::from_ne_bytes(flags) & CLONED != 0 {
        return None;
    }
    let anywhere = unspecified(family)?;
    let mut route = ObservedRoute {
        table: u32::from(table),
        destination: IpNet::new(anywhere, to_length).ok()?,
        from: None,
        tos,
        priority: 0,
        protocol,
        kind: kind_of(kind),
        gateway: None,
        interface: None,
        source: None,
    };
    for attribute in attributes(payload.get(HEADER_BYTES..)?) {
        let value = attribute.value();
        match attribute.kind() {
            RTA_DST => route.destination = IpNet::new(address(family, value)?, to_length).ok()?,
            RTA_SRC => route.from = IpNet::new(address(family, value)?, from_length).ok(),
            RTA_TABLE => route.table = u32_of(value)?,
            RTA_PRIORITY => route.priority = u32_of(value)?,
            RTA_OIF => route.interface = Some(InterfaceIndex(u32_of(value)?)),
            RTA_GATEWAY => route.gateway = address(family, value),
            RTA_VIA => route.gateway = via(value),
            RTA_PREFSRC => route.source = address(family, value),
            _ => {}
        }
    }
    Some(route)
}

/// A rule; none for another family, and for one whose action or links cannot be named.
pub(super) fn rule(payload: &[u8]) -> Option<Rule> {
    let [family, to_length, from_length, tos, table, _, _, action, flags @ ..] =
        *payload.first_chunk::<HEADER_BYTES>()?;
    unspecified(family)?;
    let mut found = Found { table: u32::from(table), ..Found::default() };
    let family_of_rule = if family == AF_INET { Family::Inet } else { Family::Inet6 };
    let mut rule = Rule {
        invert: u32::from_ne_bytes(flags) & RULE_INVERT != 0,
        tos,
        protocol: 0,
        ..Rule::of_everything(family_of_rule, 0, RuleAction::Nop)
    };
    for attribute in attributes(payload.get(HEADER_BYTES..)?) {
        let value = attribute.value();
        match attribute.kind() {
            FRA_DST => rule.to = IpNet::new(address(family, value)?, to_length).ok(),
            FRA_SRC => rule.from = IpNet::new(address(family, value)?, from_length).ok(),
            kind => selector(kind, value, &mut rule, &mut found)?,
        }
    }
    rule.mark = found.mark.map(|mark| (mark, found.mask));
    rule.action = found.action(action)?;
    Some(rule)
}

/// What several attributes say together.
#[derive(Default)]
struct Found {
    table: u32,
    goto: Option<u32>,
    l3_master: bool,
    mark: Option<u32>,
    mask: Option<u32>,
}

impl Found {
    /// `FR_ACT_*`
    fn action(&self, number: u8) -> Option<RuleAction> {
        Some(match number {
            1 if self.l3_master => RuleAction::L3Master,
            1 if self.table != NO_TABLE => RuleAction::Table(self.table),
            2 => RuleAction::Goto(self.goto?),
            3 => RuleAction::Nop,
            6 => RuleAction::Blackhole,
            7 => RuleAction::Unreachable,
            8 => RuleAction::Prohibit,
            _ => return None,
        })
    }
}

fn selector(kind: u16, value: &[u8], rule: &mut Rule, found: &mut Found) -> Option<()> {
    match kind {
        FRA_PRIORITY => rule.preference = u32_of(value)?,
        FRA_PROTOCOL => rule.protocol = *value.first()?,
        FRA_TABLE => found.table = u32_of(value)?,
        FRA_GOTO => found.goto = u32_of(value),
        FRA_L3MDEV => found.l3_master = value.first().is_some_and(|on| *on != 0),
        FRA_FWMARK => found.mark = u32_of(value),
        FRA_FWMASK => found.mask = u32_of(value),
        FRA_IIFNAME => rule.input = Some(name(value)?),
        FRA_OIFNAME => rule.output = Some(name(value)?),
        FRA_FLOW => rule.realms = u32_of(value),
        FRA_TUN_ID => rule.tunnel_id = value.try_into().ok().map(u64::from_be_bytes),
        FRA_SUPPRESS_IFGROUP => rule.suppress_group = u32_of(value).filter(|group| *group != u32::MAX),
        FRA_SUPPRESS_PREFIXLEN => rule.suppress_prefix_length = u32_of(value).filter(|length| *length != u32::MAX),
        FRA_UID_RANGE => {
            let (first, last) = value.split_at_checked(4)?;
            rule.uids = u32_of(first).zip(u32_of(last));
        }
        FRA_IP_PROTO => rule.ip_protocol = value.first().copied(),
        FRA_SPORT_RANGE => rule.source_ports = ports(value),
        FRA_DPORT_RANGE => rule.destination_ports = ports(value),
        _ => {}
    }
    Some(())
}

fn unspecified(family: u8) -> Option<IpAddr> {
    match family {
        AF_INET => Some(std::net::Ipv4Addr::UNSPECIFIED.into()),
        AF_INET6 => Some(std::net::Ipv6Addr::UNSPECIFIED.into()),
        _ => None,
    }
}

fn address(family: u8, value: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
        AF_INET6 => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
        _ => None,
    }
}

/// `struct rtvia`: a gateway of the other family.
fn via(value: &[u8]) -> Option<IpAddr> {
    let (family, octets) = value.split_first_chunk::<2>()?;
    address(u8::try_from(u16::from_ne_bytes(*family)).ok()?, octets)
}

fn u32_of(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_ne_bytes)
}

fn ports(value: &[u8]) -> Option<(u16, u16)> {
    let [a, b, c, d] = *value.first_chunk::<4>()?;
    Some((u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d])))
}

fn name(value: &[u8]) -> Option<InterfaceName> {
    let end = value.iter().position(|octet| *octet == 0).unwrap_or(value.len());
    core::str::from_utf8(value.get(..end)?).ok()?.parse().ok()
}

fn kind_of(number: u8) -> Option<RouteKind> {
    Some(match number {
        1 => RouteKind::Unicast,
        2 => RouteKind::Local,
        3 => RouteKind::Broadcast,
        4 => RouteKind::Anycast,
        5 => RouteKind::Multicast,
        6 => RouteKind::Blackhole,
        7 => RouteKind::Unreachable,
        8 => RouteKind::Prohibit,
        9 => RouteKind::Throw,
        10 => RouteKind::Nat,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_message_makes_the_reader_panic(payload in prop::collection::vec(any::<u8>(), 0..200), family in 0_u8..12) {
            let mut payload = payload;
            if let Some(first) = payload.first_mut() {
                *first = family;
            }
            let _ = route(&payload);
            let _ = rule(&payload);
        }
    }
}
