//! Addresses, links and their monitor.

use crate::namespace::{A_WHILE, Namespace, SOON};
use ipnet::IpNet;
use standfast_kernel::route::{Monitor, MonitorEvent, Outcome, Route};
use standfast_model::config::global::NetlinkBuffer;
use standfast_model::{InterfaceIndex, MacAddress, Scope, VirtualAddress};
use standfast_net::{Change, Observed, Operation};
use std::net::Ipv4Addr;

/// A namespace with one link that is up.
fn one_link() -> (Namespace, InterfaceIndex) {
    let namespace = Namespace::new();
    namespace.ip("link add v0 address 02:00:00:00:00:0a type veth peer name v1");
    for name in ["v0", "v1"] {
        namespace.ip(&format!("link set {name} addrgenmode none"));
        namespace.ip(&format!("link set {name} up"));
    }
    let index = namespace.index("v0");
    (namespace, index)
}

fn route(namespace: &Namespace) -> Route {
    let _here = namespace.enter();
    Route::open().unwrap()
}

fn monitor(namespace: &Namespace) -> Monitor {
    let _here = namespace.enter();
    Monitor::open().unwrap()
}

fn plain(address: &str) -> VirtualAddress {
    VirtualAddress::plain(address.parse().unwrap())
}

fn add(interface: InterfaceIndex, address: VirtualAddress) -> Operation {
    Operation::Add { interface, address }
}

fn remove(interface: InterfaceIndex, address: &str) -> Operation {
    Operation::Remove { interface, address: address.parse().unwrap(), peer: None }
}

fn addresses(observed: &Observed, interface: InterfaceIndex) -> Vec<IpNet> {
    observed.addresses(interface).map(|a| a.address).collect()
}

/// Waits for the change.
async fn told(monitor: &mut Monitor, wanted: impl Fn(&Change) -> bool) -> Change {
    let wait = async {
        loop {
            match monitor.next().await.unwrap() {
                MonitorEvent::Change(change) if wanted(&change) => return change,
                MonitorEvent::Change(_) => {}
                MonitorEvent::Overrun => panic!("overrun"),
            }
        }
    };
    tokio::time::timeout(SOON, wait).await.expect("the monitor did not tell")
}

#[test]
fn an_address_is_added_with_its_protocol_and_without_a_broadcast_address() {
    let (namespace, v0) = one_link();
    let mut route = route(&namespace);
    let outcomes = route.apply(&[add(v0, plain("192.0.2.100/32")), add(v0, plain("192.0.2.101/24"))]);
    assert_eq!(outcomes, [Ok(Outcome::Changed), Ok(Outcome::Changed)]);
    let shown = namespace.ip("-4 addr show dev v0");
    assert!(shown.contains("inet 192.0.2.100/32 scope global"), "{shown}");
    assert!(shown.contains("inet 192.0.2.101/24 scope global"), "{shown}");
    assert!(!shown.contains("brd"), "{shown}");
    let observed = route.dump().unwrap();
    assert_eq!(observed.addresses(v0).map(|a| (a.protocol, a.secondary)).collect::<Vec<_>>(), [(18, false); 2]);
}

#[test]
fn label_scope_and_broadcast_are_as_configured() {
    let (namespace, v0) = one_link();
    let mut route = route(&namespace);
    let address = VirtualAddress {
        label: Some("v0:vip".to_owned()),
        scope: Scope::Link,
        broadcast: Some(Ipv4Addr::new(192, 0, 2, 255)),
        ..plain("192.0.2.100/24")
    };
    assert_eq!(route.apply(&[add(v0, address)]), [Ok(Outcome::Changed)]);
    let shown = namespace.ip("-4 addr show dev v0");
    assert!(shown.contains("inet 192.0.2.100/24 brd 192.0.2.255 scope link v0:vip"), "{shown}");
    assert_eq!(route.dump().unwrap().addresses(v0).next().unwrap().scope, 253);
}

#[test]
fn an_ipv6_address_is_usable_at_once_and_deprecated_if_it_is_a_host_address() {
    let (namespace, v0) = one_link();
    let mut route = route(&namespace);
    let outcomes = route.apply(&[
        add(v0, plain("2001:db8::100/128")),
        add(v0, plain("2001:db8::101/64")),
        add(v0, plain("fe80::100/128")),
    ]);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let shown = namespace.ip("-6 addr show dev v0").split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "inet6 2001:db8::100/128 scope global nodad deprecated proto keepalived valid_lft forever preferred_lft 0sec",
        "inet6 2001:db8::101/64 scope global nodad proto keepalived valid_lft forever preferred_lft forever",
        "inet6 fe80::100/128 scope link nodad deprecated proto keepalived valid_lft forever preferred_lft 0sec",
    ] {
        // Not every iproute2 prints the protocol.
        let without = expected.replace("proto keepalived ", "");
        assert!(shown.contains(expected) || shown.contains(&without), "{expected}: {shown}");
    }
    assert!(!shown.contains("tentative"), "{shown}");
    assert!(route.dump().unwrap().addresses(v0).all(|a| a.protocol == 18));
}

#[test]
fn what_is_so_already_is_a_success_and_a_refusal_does_not_stop_the_rest() {
    let (namespace, v0) = one_link();
    let mut route = route(&namespace);
    let nowhere = InterfaceIndex(4_000_000);
    let outcomes = route.apply(&[
        remove(v0, "192.0.2.100/32"),
        remove(nowhere, "192.0.2.100/32"),
        remove(v0, "2001:db8::1/128"),
        add(v0, plain("192.0.2.100/32")),
        add(v0, plain("192.0.2.100/32")),
        add(nowhere, plain("192.0.2.101/32")),
        add(v0, plain("2001:db8::1/128")),
        add(v0, plain("2001:db8::1/128")),
        add(v0, plain("224.0.0.1/32")),
        remove(v0, "192.0.2.100/32"),
        remove(v0, "2001:db8::1/128"),
        remove(v0, "2001:db8::1/128"),
    ]);
    let words: Vec<String> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Ok(outcome) => format!("{outcome:?}"),
            Err(refused) => refused.errno.to_string(),
        })
        .collect();
    let no_device = libc::ENODEV.to_string();
    assert_eq!(
        words[..8],
        ["AlreadySo", "AlreadySo", "AlreadySo", "Changed", "AlreadySo", &no_device, "Changed", "AlreadySo"]
    );
    assert_eq!(words[9..], ["Changed", "Changed", "AlreadySo"]);
    assert!(outcomes[5].as_ref().unwrap_err().to_string().contains("No such device"));
}

#[test]
fn a_dump_tells_links_as_they_are() {
    let (namespace, v0) = one_link();
    namespace.ip("link set v0 mtu 1400");
    namespace.ip("link set v0 arp off");
    namespace.ip("link add lonely address 02:00:00:00:00:99 type veth peer name other");
    let observed = route(&namespace).dump().unwrap();
    let link = observed.link(v0).unwrap();
    assert_eq!((link.name.as_str(), link.mtu), ("v0", 1400));
    assert_eq!(link.mac, Some(MacAddress([2, 0, 0, 0, 0, 0x0a])));
    assert!(link.up && link.running && link.no_arp && !link.loopback, "{link:?}");
    let lonely = observed.link_named(&"lonely".parse().unwrap()).unwrap();
    assert!(!lonely.up && !lonely.running && !lonely.no_arp, "{lonely:?}");
    let lo = observed.link_named(&"lo".parse().unwrap()).unwrap();
    assert!(lo.loopback && lo.up && lo.mac.is_none(), "{lo:?}");
    assert_eq!(addresses(&observed, lo.index), ["127.0.0.1/8".parse().unwrap(), "::1/128".parse().unwrap()]);
}

#[test]
fn an_address_with_a_peer_is_known_by_our_end() {
    let (namespace, v0) = one_link();
    namespace.ip("addr add 192.0.2.1 peer 192.0.2.2/32 dev v0");
    namespace.ip("addr add 2001:db8::1 peer 2001:db8::2/128 dev v0 nodad");
    let observed = route(&namespace).dump().unwrap();
    assert_eq!(addresses(&observed, v0), ["192.0.2.1/32".parse().unwrap(), "2001:db8::1/128".parse().unwrap()]);
}

#[tokio::test]
async fn the_monitor_tells_of_addresses_that_come_and_go() {
    let (namespace, v0) = one_link();
    let mut monitor = monitor(&namespace);
    let mut route = route(&namespace);
    for address in ["192.0.2.100/32", "2001:db8::100/128"] {
        let net: IpNet = address.parse().unwrap();
        route.apply(&[add(v0, plain(address))]);
        let change = told(&mut monitor, |change| matches!(change, Change::Address(a) if a.address == net)).await;
        let Change::Address(seen) = change else { panic!("{change:?}") };
        assert_eq!((seen.interface, seen.protocol, seen.secondary), (v0, 18, false));
        // By someone else, as a network manager would.
        namespace.ip(&format!("addr del {address} dev v0"));
        let gone = Change::AddressGone { interface: v0, address: net };
        told(&mut monitor, |change| *change == gone).await;
    }
}

#[tokio::test]
async fn the_monitor_tells_of_links_that_lose_carrier_and_vanish() {
    let (namespace, v0) = one_link();
    let mut monitor = monitor(&namespace);
    namespace.ip("link set v1 down");
    told(&mut monitor, |c| matches!(c, Change::Link(l) if l.index == v0 && l.up && !l.running)).await;
    namespace.ip("link set v1 up");
    told(&mut monitor, |c| matches!(c, Change::Link(l) if l.index == v0 && l.up && l.running)).await;
    namespace.ip("link set v0 down");
    told(&mut monitor, |c| matches!(c, Change::Link(l) if l.index == v0 && !l.up)).await;
    namespace.ip("link set v0 name renamed");
    told(&mut monitor, |c| matches!(c, Change::Link(l) if l.index == v0 && l.name.as_str() == "renamed")).await;
    namespace.ip("link del renamed");
    told(&mut monitor, |c| *c == Change::LinkGone(v0)).await;
}

#[tokio::test]
async fn a_port_that_leaves_a_bridge_is_not_a_link_that_is_gone() {
    let (namespace, v0) = one_link();
    namespace.ip("link add br0 type bridge");
    namespace.ip("link set v0 master br0");
    let mut monitor = monitor(&namespace);
    namespace.ip("link set v0 nomaster");
    namespace.ip("link set v0 mtu 1234");
    let mut gone = false;
    told(&mut monitor, |change| {
        // A predicate that remembers: the last change of interest is the new MTU.
        matches!(change, Change::Link(l) if l.index == v0 && l.mtu == 1234) || {
            assert!(*change != Change::LinkGone(v0), "told that the link is gone");
            false
        }
    })
    .await;
    while let Some(event) = monitor.try_next().unwrap() {
        gone |= event == MonitorEvent::Change(Change::LinkGone(v0));
    }
    assert!(!gone);
}

#[tokio::test]
async fn what_is_observed_by_changes_is_what_a_dump_shows() {
    let (namespace, v0) = one_link();
    let mut monitor = monitor(&namespace);
    let mut route = route(&namespace);
    let mut observed = route.dump().unwrap();
    for round in 1..=50_u8 {
        let net = |host: u8| format!("192.0.2.{host}/32");
        route.apply(&[add(v0, plain(&net(round))), add(v0, plain(&format!("2001:db8::{round}/128")))]);
        if round.is_multiple_of(3) {
            route.apply(&[remove(v0, &net(round - 1))]);
        }
    }
    namespace.ip("link del v1");
    told_into(&mut monitor, &mut observed).await;
    assert_eq!(observed, route.dump().unwrap());
}

/// Takes changes in until none comes for a while.
async fn told_into(monitor: &mut Monitor, observed: &mut Observed) {
    while let Ok(event) = tokio::time::timeout(A_WHILE, monitor.next()).await {
        match event.unwrap() {
            MonitorEvent::Change(change) => observed.apply(change),
            MonitorEvent::Overrun => panic!("overrun"),
        }
    }
}

#[tokio::test]
async fn an_overrun_is_told_once_and_nothing_older_than_it_follows() {
    let (namespace, v0) = one_link();
    let mut monitor = {
        let _here = namespace.enter();
        Monitor::open_with_queue(8192).unwrap()
    };
    let mut route = route(&namespace);
    let nets: Vec<String> = (0..=255).map(|host| format!("192.0.2.{host}/32")).collect();
    let additions: Vec<Operation> = nets.iter().map(|net| add(v0, plain(net))).collect();
    assert!(route.apply(&additions).iter().all(Result::is_ok));
    assert_eq!(monitor.try_next().unwrap(), Some(MonitorEvent::Overrun));
    assert_eq!(monitor.try_next().unwrap(), None);
    // The caller dumps, and hears what comes after.
    assert_eq!(route.dump().unwrap().addresses(v0).count(), 256);
    route.apply(&[remove(v0, &nets[7])]);
    let gone = Change::AddressGone { interface: v0, address: nets[7].parse().unwrap() };
    assert_eq!(tokio::time::timeout(SOON, monitor.next()).await.unwrap().unwrap(), MonitorEvent::Change(gone));
}

#[tokio::test]
async fn the_monitor_of_an_ordinary_queue_survives_two_thousand_additions() {
    let (namespace, v0) = one_link();
    let mut monitor = monitor(&namespace);
    let mut route = route(&namespace);
    let additions: Vec<Operation> =
        (0..2000_u16).map(|n| add(v0, plain(&format!("10.0.{}.{}/32", n / 250, n % 250 + 1)))).collect();
    let before = standfast_kernel::timer::boottime();
    assert!(route.apply(&additions).iter().all(|outcome| *outcome == Ok(Outcome::Changed)));
    let took = standfast_kernel::timer::boottime().since(before);
    println!("2000 addresses added in {took:?}");
    let mut seen = 0;
    while let Some(event) = monitor.try_next().unwrap() {
        assert!(matches!(event, MonitorEvent::Change(_)), "{event:?}");
        seen += usize::from(matches!(event, MonitorEvent::Change(Change::Address(_))));
    }
    assert_eq!(seen, 2000);
    assert_eq!(route.dump().unwrap().addresses(v0).count(), 2000);
}

#[tokio::test]
async fn the_receive_queue_has_the_size_that_is_configured_and_0_leaves_it() {
    let (namespace, _) = one_link();
    let monitor = monitor(&namespace);
    let usual = monitor.queue_bytes().unwrap();
    monitor.set_queue(NetlinkBuffer { bytes: 0, force: false }).unwrap();
    assert_eq!(monitor.queue_bytes().unwrap(), usual);
    // The kernel doubles what it is told.
    monitor.set_queue(NetlinkBuffer { bytes: 50_000, force: false }).unwrap();
    assert_eq!(monitor.queue_bytes().unwrap(), 100_000);
    monitor.set_queue(NetlinkBuffer { bytes: 50 << 20, force: true }).unwrap();
    assert_eq!(monitor.queue_bytes().unwrap(), 100 << 20);
}
