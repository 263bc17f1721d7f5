//! Routes and policy rules: `virtual_routes`, `virtual_rules`, `static_routes`, `static_rules`.

use crate::InterfaceName;
use crate::ipvs::Family;
use core::time::Duration;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Whose addresses, routes and rules are ours, as the kernel has it (`RTPROT_KEEPALIVED`).
pub const PROTOCOL_KEEPALIVED: u8 = 18;

/// The table `main` (`RT_TABLE_MAIN`).
pub const TABLE_MAIN: u32 = 254;

/// A route.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Route {
    /// `unicast`, `blackhole`, ...
    pub kind: RouteKind,
    /// Where to; `default` is length 0.
    pub destination: IpNet,
    /// `from`: source specific routing, IPv6.
    pub from: Option<IpNet>,
    /// `via`, `src`, `dev`, `onlink`, `encap`, `realms` of a route with one way.
    pub hop: Hop,
    /// `src`: preferred source.
    pub source: Option<IpAddr>,
    /// `nexthop`: several ways, 1..=256 each.
    pub hops: Vec<Hop>,
    /// `tos`, `dsfield`
    pub tos: u8,
    /// `table`, or that of `vrf`.
    pub table: u32,
    /// `vrf`: the table is that of the device.
    pub vrf: Option<InterfaceName>,
    /// `protocol`
    pub protocol: u8,
    /// `scope`; none is the kernel's rule.
    pub scope: Option<u8>,
    /// `metric`, `priority`, `preference`; 0 is the kernel's default.
    pub priority: u32,
    /// `expires`, IPv6.
    pub expires: Option<Duration>,
    /// `mtu`, `advmss`, `rtt`, ...: metrics in the order of the file.
    pub metrics: Vec<Metric>,
    /// `congctl`
    pub congestion_control: Option<CongestionControl>,
    /// `pref`: router preference, IPv6.
    pub preference: Option<u8>,
    /// `ttl-propagate`, MPLS.
    pub ttl_propagate: Option<bool>,
    /// `add`, `append`, `prepend`
    pub insert: Insert,
    /// `no_track`: its loss is nobody's fault.
    pub no_track: bool,
    /// `track_group`, of static routes.
    pub track_group: Option<String>,
}

impl Route {
    /// A unicast route of which nothing is said but where to: it has no way yet.
    #[must_use]
    pub fn to(destination: IpNet) -> Self {
        Self {
            kind: RouteKind::default(),
            destination,
            from: None,
            hop: Hop::default(),
            source: None,
            hops: Vec::new(),
            tos: 0,
            table: TABLE_MAIN,
            vrf: None,
            protocol: PROTOCOL_KEEPALIVED,
            scope: None,
            priority: 0,
            expires: None,
            metrics: Vec::new(),
            congestion_control: None,
            preference: None,
            ttl_propagate: None,
            insert: Insert::Prepend,
            no_track: false,
            track_group: None,
        }
    }
}

/// One way of a route.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Hop {
    /// `via`
    pub via: Option<IpAddr>,
    /// `dev`
    pub interface: Option<InterfaceName>,
    /// `weight`, 1..=256; 0 for the only way.
    pub weight: u16,
    /// `onlink`
    pub onlink: bool,
    /// `encap`
    pub encap: Option<Encap>,
    /// `realms`: from in the upper, to in the lower 16 bits.
    pub realms: Option<u32>,
}

/// The kinds of routes (`rtm_type`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum RouteKind {
    /// 1
    #[default]
    Unicast,
    /// 2
    Local,
    /// 3
    Broadcast,
    /// 4
    Anycast,
    /// 5
    Multicast,
    /// 6
    Blackhole,
    /// 7
    Unreachable,
    /// 8
    Prohibit,
    /// 9
    Throw,
    /// 10
    Nat,
}

/// How a route is put beside equal ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Insert {
    /// Before equal ones.
    #[default]
    Prepend,
    /// Behind equal ones.
    Append,
    /// Not if there is one.
    Add,
}

/// A route metric (`RTAX_*`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Metric {
    /// Which.
    pub kind: MetricKind,
    /// In the kernel's unit: `rtt` in 1/8 ms, `rttvar` in 1/4 ms, `rto_min` in ms.
    pub value: u32,
    /// `lock`
    pub locked: bool,
}

/// The metrics of a route, by the kernel's numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum MetricKind {
    /// `mtu` (2)
    Mtu,
    /// `window` (3)
    Window,
    /// `rtt` (4)
    Rtt,
    /// `rttvar` (5)
    RttVariance,
    /// `ssthresh` (6)
    SlowStartThreshold,
    /// `cwnd` (7)
    CongestionWindow,
    /// `advmss` (8)
    AdvertisedMss,
    /// `reordering` (9)
    Reordering,
    /// `hoplimit` (10)
    HopLimit,
    /// `initcwnd` (11)
    InitialCongestionWindow,
    /// `features` (12)
    Features,
    /// `rto_min` (13)
    RtoMin,
    /// `initrwnd` (14)
    InitialReceiveWindow,
    /// `quickack` (15)
    QuickAck,
    /// `fastopen_no_cookie` (17)
    FastOpenNoCookie,
}

/// `congctl [lock] NAME`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CongestionControl {
    /// The algorithm.
    pub name: String,
    /// `lock`
    pub locked: bool,
}

/// Lightweight tunnel of a route (`encap`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Encap {
    /// `encap mpls LABEL[/LABEL...]`: 1 to 16 labels of 20 bits.
    Mpls(Vec<u32>),
    /// `encap ip` and `encap ip6`
    Ip {
        /// Of the outer header.
        family: Family,
        /// `id`
        id: Option<u64>,
        /// `dst`
        destination: Option<IpAddr>,
        /// `src`
        source: Option<IpAddr>,
        /// `tos`, `tc`
        tos: Option<u8>,
        /// `ttl`, `hoplimit`
        ttl: Option<u8>,
        /// `flags`
        flags: Option<u16>,
    },
    /// `encap ila LOCATOR`
    Ila(u64),
}

/// A policy rule.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rule {
    /// `inet`, `inet6`, or that of the addresses.
    pub family: Family,
    /// `preference`, `order`, `priority`
    pub preference: u32,
    /// `not`
    pub invert: bool,
    /// `from`
    pub from: Option<IpNet>,
    /// `to`
    pub to: Option<IpNet>,
    /// `tos`, `dsfield`
    pub tos: u8,
    /// `fwmark N[/MASK]`
    pub mark: Option<(u32, Option<u32>)>,
    /// `realms`: from in the upper, to in the lower 16 bits.
    pub realms: Option<u32>,
    /// `suppress_prefixlength`
    pub suppress_prefix_length: Option<u32>,
    /// `suppress_ifgroup`
    pub suppress_group: Option<u32>,
    /// `dev`, `iif`
    pub input: Option<InterfaceName>,
    /// `oif`
    pub output: Option<InterfaceName>,
    /// `tunnel-id`
    pub tunnel_id: Option<u64>,
    /// `uidrange`
    pub uids: Option<(u32, u32)>,
    /// `protocol`
    pub protocol: u8,
    /// `ipproto`
    pub ip_protocol: Option<u8>,
    /// `sport`
    pub source_ports: Option<(u16, u16)>,
    /// `dport`
    pub destination_ports: Option<(u16, u16)>,
    /// What is done with what matches.
    pub action: RuleAction,
    /// `no_track`
    pub no_track: bool,
    /// `track_group`, of static rules.
    pub track_group: Option<String>,
}

impl Rule {
    /// A rule that matches everything.
    #[must_use]
    pub const fn of_everything(family: Family, preference: u32, action: RuleAction) -> Self {
        Self {
            family,
            preference,
            invert: false,
            from: None,
            to: None,
            tos: 0,
            mark: None,
            realms: None,
            suppress_prefix_length: None,
            suppress_group: None,
            input: None,
            output: None,
            tunnel_id: None,
            uids: None,
            protocol: PROTOCOL_KEEPALIVED,
            ip_protocol: None,
            source_ports: None,
            destination_ports: None,
            action,
            no_track: false,
            track_group: None,
        }
    }
}

/// What a rule does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RuleAction {
    /// `table`, `lookup`
    Table(u32),
    /// `l3mdev`
    L3Master,
    /// `goto`: a rule of a higher preference.
    Goto(u32),
    /// `nop`
    Nop,
    /// `blackhole`
    Blackhole,
    /// `unreachable`
    Unreachable,
    /// `prohibit`
    Prohibit,
}
