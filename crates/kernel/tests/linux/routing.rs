//! Routes and rules, as the kernel and iproute2 understand what is asked for.

use crate::namespace::{Namespace, SOON};
use core::time::Duration;
use ipnet::IpNet;
use standfast_kernel::route::{Monitor, MonitorEvent, Outcome, Route};
use standfast_model::config::route::{
    CongestionControl, Encap, Hop, Insert, Metric, MetricKind, Route as Configured, RouteKind, Rule, RuleAction,
};
use standfast_model::ipvs::Family;
use standfast_model::{InterfaceIndex, VirtualAddress};
use standfast_net::{Change, Entry, Operation, RouteEntry};
use std::net::IpAddr;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn plain(destination: &str) -> Configured {
    Configured::to(net(destination))
}

fn via(gateway: &str) -> Hop {
    Hop { via: Some(ip(gateway)), ..Hop::default() }
}

/// Two links that are up, each with an address of each family.
fn two_links() -> (Namespace, Route, InterfaceIndex, InterfaceIndex) {
    let namespace = Namespace::new();
    for (name, peer, host) in [("v0", "p0", 1), ("v1", "p1", 2)] {
        namespace.ip(&format!("link add {name} type veth peer name {peer}"));
        namespace.ip(&format!("addr add 192.0.{host}.1/24 dev {name}"));
        namespace.ip(&format!("addr add 2001:db8:{host}::1/64 dev {name} nodad"));
        for end in [name, peer] {
            namespace.ip(&format!("link set {end} up"));
        }
    }
    let route = {
        let _here = namespace.enter();
        Route::open().unwrap()
    };
    let (v0, v1) = (namespace.index("v0"), namespace.index("v1"));
    (namespace, route, v0, v1)
}

pub(crate) fn entry(route: Configured, interface: Option<InterfaceIndex>, hops: &[InterfaceIndex]) -> RouteEntry {
    RouteEntry { route, interface, hop_interfaces: hops.iter().copied().map(Some).collect() }
}

/// One line of `ip route`, words apart by one space.
fn shown(namespace: &Namespace, arguments: &str) -> String {
    namespace.ip(arguments).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Adds it, finds it in a dump as the one asked for, is told that it is there when it is asked for again, and removes
/// it. Comes back with what iproute2 shows of it.
pub(crate) fn round_trip(namespace: &Namespace, route: &mut Route, wanted: &Entry, list: &str) -> String {
    assert!(!wanted.is_in(&route.dump_with_routing(&[18]).unwrap()));
    assert_eq!(route.apply(&[wanted.addition()]), [Ok(Outcome::Changed)], "{wanted:?}");
    let seen = shown(namespace, list);
    let observed = route.dump_with_routing(&[18]).unwrap();
    assert!(wanted.is_in(&observed), "{wanted:?} is not found: {seen}");
    assert_eq!(route.apply(&[wanted.addition()]), [Ok(Outcome::AlreadySo)], "{wanted:?} twice");
    assert_eq!(route.apply(&[wanted.removal(), wanted.removal()]), [Ok(Outcome::Changed), Ok(Outcome::AlreadySo)]);
    assert!(!wanted.is_in(&route.dump_with_routing(&[18]).unwrap()));
    seen
}

/// Routes, how to list them, and what iproute2 says.
fn forms(v0: InterfaceIndex, v1: InterfaceIndex) -> Vec<(RouteEntry, &'static str, &'static str)> {
    vec![
        (
            entry(Configured { hop: via("192.0.1.9"), ..plain("10.1.0.0/16") }, Some(v0), &[]),
            "-4 route show 10.1.0.0/16",
            "10.1.0.0/16 via 192.0.1.9 dev v0 proto keepalived",
        ),
        // The kernel finds the link.
        (
            entry(Configured { hop: via("192.0.2.9"), priority: 77, ..plain("0.0.0.0/0") }, None, &[]),
            "-4 route show default",
            "default via 192.0.2.9 dev v1 proto keepalived metric 77",
        ),
        (
            entry(
                Configured {
                    source: Some(ip("192.0.1.1")),
                    table: 1000,
                    tos: 0x10,
                    scope: Some(253),
                    ..plain("10.2.0.0/16")
                },
                Some(v0),
                &[],
            ),
            "-4 route show table 1000",
            "10.2.0.0/16 tos 0x10 dev v0 proto keepalived scope link src 192.0.1.1",
        ),
        (
            entry(Configured { kind: RouteKind::Blackhole, ..plain("10.3.0.0/16") }, None, &[]),
            "-4 route show 10.3.0.0/16",
            "blackhole 10.3.0.0/16 proto keepalived",
        ),
        (
            entry(Configured { kind: RouteKind::Unreachable, ..plain("2001:db8:f::/48") }, None, &[]),
            "-6 route show 2001:db8:f::/48",
            "unreachable 2001:db8:f::/48 dev lo proto keepalived metric 1024 pref medium",
        ),
        (
            entry(
                Configured { hop: via("2001:db8:1::9"), preference: Some(1), ..plain("2001:db8:a::/48") },
                Some(v0),
                &[],
            ),
            "-6 route show 2001:db8:a::/48",
            "2001:db8:a::/48 via 2001:db8:1::9 dev v0 proto keepalived metric 1024 pref high",
        ),
        (
            entry(
                Configured { hop: Hop { onlink: true, ..via("203.0.113.1") }, ..plain("10.4.0.0/16") },
                Some(v0),
                &[],
            ),
            "-4 route show 10.4.0.0/16",
            "10.4.0.0/16 via 203.0.113.1 dev v0 proto keepalived onlink",
        ),
        (
            entry(
                Configured {
                    hops: vec![
                        Hop { interface: None, weight: 3, ..via("192.0.1.9") },
                        Hop { interface: None, weight: 1, ..via("192.0.2.9") },
                    ],
                    ..plain("10.5.0.0/16")
                },
                None,
                &[v0, v1],
            ),
            "-4 route show 10.5.0.0/16",
            "10.5.0.0/16 proto keepalived nexthop via 192.0.1.9 dev v0 weight 3 nexthop via 192.0.2.9 dev v1 weight 1",
        ),
        (
            entry(Configured { from: Some(net("2001:db8:77::/48")), ..plain("2001:db8:c::/48") }, Some(v0), &[]),
            "-6 route show 2001:db8:c::/48",
            "2001:db8:c::/48 from 2001:db8:77::/48 dev v0 proto keepalived metric 1024 pref medium",
        ),
        (
            entry(Configured { hop: via("2001:db8:1::9"), ..plain("10.6.0.0/16") }, Some(v0), &[]),
            "-4 route show 10.6.0.0/16",
            "10.6.0.0/16 via inet6 2001:db8:1::9 dev v0 proto keepalived",
        ),
    ]
}

#[test]
fn routes_of_every_form_are_what_was_asked_for_and_are_found_again() {
    let (namespace, mut route, v0, v1) = two_links();
    for (wanted, list, expected) in forms(v0, v1) {
        let seen = round_trip(&namespace, &mut route, &Entry::Route(wanted), list);
        assert_eq!(seen, expected);
    }
}

#[test]
fn metrics_realms_and_tunnels_reach_the_kernel() {
    let (namespace, mut route, v0, _) = two_links();
    let metric = |kind, value, locked| Metric { kind, value, locked };
    let wanted = Configured {
        hop: Hop { realms: Some(0x0003_0004), ..via("192.0.1.9") },
        metrics: vec![
            metric(MetricKind::Mtu, 1400, true),
            metric(MetricKind::Window, 30_000, false),
            metric(MetricKind::Rtt, 8 * 300, false),
            metric(MetricKind::RttVariance, 4 * 100, false),
            metric(MetricKind::SlowStartThreshold, 11, false),
            metric(MetricKind::CongestionWindow, 12, true),
            metric(MetricKind::AdvertisedMss, 1300, false),
            metric(MetricKind::Reordering, 4, false),
            metric(MetricKind::HopLimit, 9, false),
            metric(MetricKind::InitialCongestionWindow, 20, false),
            metric(MetricKind::Features, 1, false),
            metric(MetricKind::RtoMin, 250, false),
            metric(MetricKind::InitialReceiveWindow, 21, false),
            metric(MetricKind::QuickAck, 1, false),
            metric(MetricKind::FastOpenNoCookie, 1, false),
        ],
        congestion_control: Some(CongestionControl { name: "reno".to_owned(), locked: false }),
        ..plain("10.1.0.0/16")
    };
    let seen =
        round_trip(&namespace, &mut route, &Entry::Route(entry(wanted, Some(v0), &[])), "route show 10.1.0.0/16");
    let parts = "mtu lock 1400|window 30000|rtt 300ms|rttvar 100ms|ssthresh 11|cwnd lock 12|advmss 1300|reordering 4|hoplimit 9|\
        initcwnd 20|features ecn|rto_min 250ms|initrwnd 21|quickack 1|fastopen_no_cookie 1|congctl reno|realms 3/4";
    for part in parts.split('|') {
        assert!(seen.contains(part), "{part}: {seen}");
    }
    let wanted = Configured {
        hop: Hop {
            encap: Some(Encap::Ip {
                family: Family::Inet,
                id: Some(7),
                destination: Some(ip("198.51.100.1")),
                source: None,
                tos: None,
                ttl: Some(64),
                flags: None,
            }),
            ..Hop::default()
        },
        ..plain("10.2.0.0/16")
    };
    let wanted = Entry::Route(entry(wanted, Some(v0), &[]));
    let seen = round_trip(&namespace, &mut route, &wanted, "route show 10.2.0.0/16");
    assert!(seen.contains("encap ip id 7") && seen.contains("dst 198.51.100.1 ttl 64"), "{seen}");
}

#[test]
fn a_route_beside_an_equal_one_goes_before_it_behind_it_or_not_at_all() {
    let (namespace, mut route, v0, _) = two_links();
    namespace.ip("route add 10.1.0.0/16 via 192.0.1.8");
    let mut put = |gateway: &str, insert: Insert| {
        let wanted = entry(Configured { hop: via(gateway), insert, ..plain("10.1.0.0/16") }, Some(v0), &[]);
        route.apply(&[Operation::AddRoute(Box::new(wanted))]).pop().unwrap()
    };
    assert_eq!(put("192.0.1.7", Insert::Prepend), Ok(Outcome::Changed));
    assert_eq!(put("192.0.1.9", Insert::Append), Ok(Outcome::Changed));
    assert_eq!(put("192.0.1.6", Insert::Add), Ok(Outcome::AlreadySo));
    let seen = shown(&namespace, "route show 10.1.0.0/16");
    let order: Vec<&str> = seen.split_whitespace().filter(|word| word.starts_with("192.0.1.")).collect();
    assert_eq!(order, ["192.0.1.7", "192.0.1.8", "192.0.1.9"]);
}

#[test]
fn an_expiring_route_of_ipv6_expires() {
    let (namespace, mut route, v0, _) = two_links();
    let wanted = Configured { expires: Some(Duration::from_secs(600)), ..plain("2001:db8:b::/48") };
    let seen = round_trip(
        &namespace,
        &mut route,
        &Entry::Route(entry(wanted, Some(v0), &[])),
        "-6 route show 2001:db8:b::/48",
    );
    assert!(seen.contains("expires 600sec") || seen.contains("expires 599sec"), "{seen}");
}

#[test]
fn rules_of_every_form_are_what_was_asked_for_and_are_found_again() {
    let (namespace, mut route, ..) = two_links();
    let table = RuleAction::Table(1000);
    let cases = [
        (
            Rule {
                from: Some(net("10.0.0.0/8")),
                to: Some(net("192.0.2.0/24")),
                tos: 0x10,
                ..Rule::of_everything(Family::Inet, 100, table)
            },
            "100: from 10.0.0.0/8 to 192.0.2.0/24 tos 0x10 lookup 1000 proto keepalived",
        ),
        (
            Rule {
                invert: true,
                mark: Some((5, Some(0xff))),
                input: Some("v0".parse().unwrap()),
                ..Rule::of_everything(Family::Inet, 101, table)
            },
            "101: not from all fwmark 0x5/0xff iif v0 lookup 1000 proto keepalived",
        ),
        (
            Rule {
                output: Some("gone".parse().unwrap()),
                uids: Some((100, 200)),
                ip_protocol: Some(6),
                source_ports: Some((80, 80)),
                destination_ports: Some((1000, 2000)),
                ..Rule::of_everything(Family::Inet6, 102, table)
            },
            "102: from all oif gone [detached] uidrange 100-200 ipproto tcp sport 80 dport 1000-2000 lookup 1000 proto keepalived",
        ),
        (
            Rule {
                suppress_prefix_length: Some(0),
                suppress_group: Some(3),
                ..Rule::of_everything(Family::Inet, 103, table)
            },
            "103: from all lookup 1000 suppress_prefixlength 0 suppress_ifgroup 3 proto keepalived",
        ),
        (
            Rule::of_everything(Family::Inet6, 111, RuleAction::L3Master),
            "111: from all lookup [l3mdev-table] proto keepalived",
        ),
        (
            Rule { tunnel_id: Some(77), ..Rule::of_everything(Family::Inet, 109, table) },
            "109: from all tun_id 77 lookup 1000 proto keepalived",
        ),
        (
            Rule { realms: Some(0x0003_0004), ..Rule::of_everything(Family::Inet, 110, table) },
            "110: from all lookup 1000 realms 3/4 proto keepalived",
        ),
        (Rule::of_everything(Family::Inet, 104, RuleAction::Blackhole), "104: from all blackhole proto keepalived"),
        (Rule::of_everything(Family::Inet6, 105, RuleAction::Prohibit), "105: from all prohibit proto keepalived"),
        (Rule::of_everything(Family::Inet, 106, RuleAction::Goto(32766)), "106: from all goto 32766 proto keepalived"),
        (Rule::of_everything(Family::Inet, 107, RuleAction::Nop), "107: from all nop proto keepalived"),
        (
            Rule { mark: Some((9, None)), ..Rule::of_everything(Family::Inet, 108, RuleAction::Unreachable) },
            "108: from all fwmark 0x9 unreachable proto keepalived",
        ),
    ];
    for (wanted, expected) in cases {
        let family = if wanted.family == Family::Inet { "-4" } else { "-6" };
        let list = format!("{family} rule show pref {}", wanted.preference);
        assert_eq!(round_trip(&namespace, &mut route, &Entry::Rule(wanted), &list), expected);
    }
}

#[test]
fn a_refusal_has_the_kernels_words_and_a_foreign_route_is_not_ours() {
    let (namespace, mut route, v0, _) = two_links();
    let wanted = entry(Configured { hop: via("203.0.113.1"), ..plain("10.1.0.0/16") }, Some(v0), &[]);
    let refused = route.apply(&[Operation::AddRoute(Box::new(wanted))]).pop().unwrap().unwrap_err();
    assert_eq!(refused.errno, libc::ENETUNREACH);
    assert!(refused.text.contains("invalid gateway"), "{refused}");
    namespace.ip("route add 10.1.0.0/16 via 192.0.1.9 proto static");
    let wanted = Entry::Route(entry(Configured { hop: via("192.0.1.9"), ..plain("10.1.0.0/16") }, Some(v0), &[]));
    assert!(!wanted.is_in(&route.dump_with_routing(&[4, 18]).unwrap()));
    assert_eq!(route.apply(&[wanted.removal()]), [Ok(Outcome::AlreadySo)]);
    assert!(shown(&namespace, "route show 10.1.0.0/16").contains("proto static"));
}

#[tokio::test]
async fn the_monitor_tells_of_routes_and_rules_of_the_protocols_asked_for_and_of_no_other() {
    let (namespace, mut route, v0, _) = two_links();
    let mut monitor = {
        let _here = namespace.enter();
        Monitor::open_with_routing(&[18]).unwrap()
    };
    let wanted = Entry::Route(entry(Configured { hop: via("192.0.1.9"), ..plain("10.1.0.0/16") }, Some(v0), &[]));
    let ruled = Entry::Rule(Rule::of_everything(Family::Inet, 100, RuleAction::Table(1000)));
    namespace.ip("route add 10.9.0.0/16 via 192.0.1.9");
    route.apply(&[wanted.addition(), ruled.addition()]);
    namespace.ip("route del 10.1.0.0/16");
    namespace.ip("rule del pref 100");
    let mut told = Vec::new();
    while told.len() < 4 {
        match tokio::time::timeout(SOON, monitor.next()).await.expect("not told").unwrap() {
            MonitorEvent::Change(Change::Route(r)) => told.push(format!("route {}", r.destination)),
            MonitorEvent::Change(Change::RouteGone(r)) => told.push(format!("no route {}", r.destination)),
            MonitorEvent::Change(Change::Rule(r)) => told.push(format!("rule {}", r.preference)),
            MonitorEvent::Change(Change::RuleGone(r)) => told.push(format!("no rule {}", r.preference)),
            MonitorEvent::Change(
                Change::Link(_) | Change::LinkGone(_) | Change::Address(_) | Change::AddressGone { .. },
            ) => {}
            MonitorEvent::Overrun => panic!("overrun"),
        }
    }
    assert_eq!(told, ["route 10.1.0.0/16", "rule 100", "no route 10.1.0.0/16", "no rule 100"]);
}

#[test]
fn the_flags_lifetimes_and_peers_of_addresses_are_as_configured() {
    let (namespace, mut route, v0, _) = two_links();
    let mut peered = VirtualAddress::plain(net("198.51.100.1/32"));
    peered.options.peer = Some(net("198.51.100.2/30"));
    let mut quiet = VirtualAddress::plain(net("198.51.100.9/24"));
    quiet.options.no_prefix_route = true;
    quiet.options.preferred_lifetime = Some(0);
    let mut lasting = VirtualAddress::plain(net("2001:db8:1::9/128"));
    lasting.options.preferred_lifetime = Some(u32::MAX);
    lasting.options.home = true;
    let mut temporary = VirtualAddress::plain(net("2001:db8:1::a/64"));
    temporary.options.manage_temporary = true;
    let mut joined = VirtualAddress::plain(net("239.1.1.1/32"));
    joined.options.auto_join = true;
    let additions: Vec<Operation> = [&peered, &quiet, &lasting, &temporary, &joined]
        .map(|address| Operation::Add { interface: v0, address: address.clone() })
        .to_vec();
    assert!(route.apply(&additions).iter().all(|outcome| *outcome == Ok(Outcome::Changed)));
    let seen = shown(&namespace, "addr show dev v0");
    for part in [
        "inet 198.51.100.1 peer 198.51.100.2/30 scope global v0",
        "inet 198.51.100.9/24 scope global deprecated noprefixroute v0",
        "inet6 2001:db8:1::9/128 scope global nodad home",
        "inet6 2001:db8:1::a/64 scope global nodad mngtmpaddr",
        "inet 239.1.1.1/32 scope global autojoin v0",
    ] {
        let without = |text: &str| text.replace("proto keepalived ", "");
        assert!(without(&seen).contains(part), "{part}: {seen}");
    }
    assert!(!shown(&namespace, "route show").contains("198.51.100.0/24"), "no route for noprefixroute");
    let observed = route.dump().unwrap();
    assert!(observed.has(v0, standfast_net::entry(&peered)) && observed.has(v0, quiet.address));
    let remove = |address: &VirtualAddress| Operation::Remove {
        interface: v0,
        address: standfast_net::entry(address),
        peer: address.options.peer,
    };
    let outcomes =
        route.apply(&[remove(&peered), remove(&quiet), remove(&lasting), remove(&temporary), remove(&joined)]);
    assert_eq!(outcomes, vec![Ok(Outcome::Changed); 5]);
}
