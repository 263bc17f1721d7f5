//! Marks that nftables sets on packets to services (`nftables_ipvs`), in a kernel that has nftables and no IPVS.

use crate::namespace::Namespace;
use standfast_kernel::nftables::Nftables;
use standfast_lvs::{Marked, Marking};
use standfast_model::ipvs::Protocol;
use std::net::UdpSocket;

fn marked(protocol: Protocol, port: Option<u16>, first: &str, last: &str, mark: u32) -> Marked {
    Marked { protocol, port, first: first.parse().unwrap(), last: last.parse().unwrap(), mark }
}

fn marking(marked: Vec<Marked>) -> Marking {
    Marking { table: "keepalived_ipvs".to_owned(), priority: -1, counters: false, marked }
}

fn open(namespace: &Namespace) -> Nftables {
    let _here = namespace.enter();
    Nftables::open().unwrap()
}

/// What keepalived 2.2.7 was seen to make of the same groups, but for the maps of every port.
const SHOWN: &str = "table ip keepalived_ipvs {
\tmap tcp_map {
\t\ttype ipv4_addr . inet_service : mark
\t\tflags interval
\t\telements = { 192.0.3.1-192.0.3.5 . 443 : 0x000007d1,
\t\t\t     192.0.3.9 . 80 : 0x000007d1 }
\t}

\tmap udp_map {
\t\ttype ipv4_addr . inet_service : mark
\t\tflags interval
\t\telements = { 192.0.7.1-192.0.7.9 . 80 : 0x000007d6 }
\t}

\tmap sctp_map {
\t\ttype ipv4_addr . inet_service : mark
\t\tflags interval
\t\telements = { 192.0.5.1-192.0.5.9 . 443 : 0x000007d4 }
\t}

\tchain in {
\t\ttype filter hook input priority filter - 1; policy accept;
\t\tmeta mark set ip daddr . tcp dport map @tcp_map return
\t\tmeta mark set ip daddr . udp dport map @udp_map return
\t\tmeta mark set ip daddr . sctp dport map @sctp_map return
\t}
}
table ip6 keepalived_ipvs {
\tmap tcp_map {
\t\ttype ipv6_addr . inet_service : mark
\t\tflags interval
\t\telements = { 2001:db8:1::1-2001:db8:1::3 . 443 : 0x000007d0 }
\t}

\tchain in {
\t\ttype filter hook input priority filter - 1; policy accept;
\t\tmeta mark set ip6 daddr . tcp dport map @tcp_map return
\t}
}
";

#[test]
fn nft_shows_our_table_as_it_shows_keepaliveds() {
    let namespace = Namespace::new();
    let mut nftables = open(&namespace);
    let all = vec![
        marked(Protocol::Tcp, Some(443), "192.0.3.1", "192.0.3.5", 2001),
        marked(Protocol::Tcp, Some(80), "192.0.3.9", "192.0.3.9", 2001),
        marked(Protocol::Udp, Some(80), "192.0.7.1", "192.0.7.9", 2006),
        marked(Protocol::Sctp, Some(443), "192.0.5.1", "192.0.5.9", 2004),
        marked(Protocol::Tcp, Some(443), "2001:db8:1::1", "2001:db8:1::3", 2000),
    ];
    nftables.mark(&marking(all)).unwrap();
    assert_eq!(namespace.run("nft list ruleset"), SHOWN);
    let counted = Marking {
        table: "mine".to_owned(),
        priority: 7,
        counters: true,
        ..marking(vec![marked(Protocol::Udp, None, "192.0.6.1", "192.0.6.9", 5)])
    };
    nftables.mark(&counted).unwrap();
    let shown = namespace.run("nft list table ip mine");
    for part in ["priority filter + 7;", "192.0.6.1-192.0.6.9 . 0-65535 counter packets 0", "@udp_every_port counter"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    nftables.remove("mine").unwrap();
    nftables.remove("keepalived_ipvs").unwrap();
    assert_eq!(namespace.run("nft list ruleset"), "");
}

#[test]
fn a_packet_gets_the_mark_of_its_port_or_else_that_of_every_port_and_no_other_packet_gets_one() {
    let namespace = Namespace::new();
    for address in ["192.0.2.1/32", "192.0.2.2/32", "192.0.2.9/32", "2001:db8::1/128"] {
        namespace.ip(&format!("addr add {address} dev lo"));
    }
    let mut nftables = open(&namespace);
    let all = vec![
        marked(Protocol::Udp, None, "192.0.2.1", "192.0.2.2", 7),
        marked(Protocol::Udp, Some(53), "192.0.2.2", "192.0.2.2", 8),
        marked(Protocol::Tcp, Some(53), "192.0.2.9", "192.0.2.9", 9),
        marked(Protocol::Udp, Some(53), "2001:db8::1", "2001:db8::1", 10),
    ];
    nftables.mark(&marking(all)).unwrap();
    // Behind ours: counts packets by their mark.
    namespace.run("nft 'add table inet seen; add chain inet seen in { type filter hook input priority 0; }'");
    for mark in [0, 7, 8, 9, 10] {
        namespace.run(&format!("nft add rule inet seen in meta l4proto udp meta mark {mark} counter"));
    }
    {
        let _here = namespace.enter();
        let send = |from: &str, targets: &[&str]| {
            let socket = UdpSocket::bind(from).unwrap();
            for target in targets {
                socket.send_to(b"x", target).unwrap();
            }
        };
        send("0.0.0.0:0", &["192.0.2.1:53", "192.0.2.1:9", "192.0.2.2:9", "192.0.2.2:53", "192.0.2.9:53"]);
        send("[::]:0", &["[2001:db8::1]:53", "[2001:db8::1]:54"]);
    }
    let shown = namespace.run("nft list chain inet seen in");
    for (mark, packets) in [("00000007", 3), ("00000008", 1), ("00000009", 0), ("0000000a", 1), ("00000000", 2)] {
        assert!(shown.contains(&format!("mark 0x{mark} counter packets {packets} ")), "{mark}: {shown}");
    }
}

#[test]
fn a_change_by_someone_else_is_seen_and_what_is_counted_or_not_ours_is_none() {
    let namespace = Namespace::new();
    namespace.ip("addr add 192.0.2.1/32 dev lo");
    let mut nftables = open(&namespace);
    let ours = Marking {
        counters: true,
        ..marking(vec![
            marked(Protocol::Udp, Some(53), "192.0.2.1", "192.0.2.4", 7),
            marked(Protocol::Udp, Some(53), "2001:db8::1", "2001:db8::1", 7),
        ])
    };
    nftables.mark(&ours).unwrap();
    let (then, before) = (nftables.generation().unwrap(), nftables.inspect(&ours).unwrap());
    {
        let _here = namespace.enter();
        UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"x", "192.0.2.1:53").unwrap();
    }
    assert!(namespace.run("nft list ruleset").contains("counter packets 1 "));
    assert_eq!((nftables.generation().unwrap(), nftables.inspect(&ours).unwrap()), (then, before.clone()));
    namespace.run("nft 'add table ip other; add chain ip other in { type filter hook input priority 3; }'");
    assert_ne!(nftables.generation().unwrap(), then);
    assert_eq!(nftables.inspect(&ours).unwrap(), before);
    for change in [
        "nft 'add element ip keepalived_ipvs udp_map { 192.0.2.9 . 53 : 8 }'",
        "nft 'delete element ip6 keepalived_ipvs udp_map { 2001:db8::1 . 53 : 7 }'",
        "nft flush chain ip keepalived_ipvs in",
        "nft insert rule ip keepalived_ipvs in accept",
        "nft delete table ip6 keepalived_ipvs",
    ] {
        nftables.mark(&ours).unwrap();
        let before = nftables.inspect(&ours).unwrap();
        namespace.run(change);
        assert!(nftables.inspect(&ours).map_or(true, |after| after != before), "{change}");
    }
}

#[test]
fn thousands_of_ranges_go_in_at_once() {
    let namespace = Namespace::new();
    let mut nftables = open(&namespace);
    let range = |n: u32| {
        let [_, a, b, _] = n.to_be_bytes();
        marked(Protocol::Tcp, Some(80), &format!("10.{a}.{b}.1"), &format!("10.{a}.{b}.9"), n)
    };
    let ours = marking((1..=4000).map(|n| range(n << 8)).collect());
    nftables.mark(&ours).unwrap();
    assert_eq!(namespace.run("nft list table ip keepalived_ipvs").matches(" . 80 : ").count(), 4000);
}
