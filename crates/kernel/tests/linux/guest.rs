//! What needs a kernel with more modules than most machines load: ipvlan, VRF, MPLS and ILA. Left out by `cargo test`; run
//! with `--ignored` in a guest that has them.

use crate::namespace::{Cable, Namespace, SOON};
use crate::routing::{entry, plain, round_trip};
use standfast_kernel::route::Route;
use standfast_kernel::vrrp_socket::{Outgoing, RECEIVE_BUFFER_BYTES, VrrpSocket};
use standfast_model::config::instance::IpvlanMode;
use standfast_model::config::route::{Encap, Hop, Route as Configured};
use standfast_model::ipvs::Family;
use standfast_net::{Device, DeviceKind, Entry};
use std::net::Ipv4Addr;
use std::process::Command;

const NEEDS: &str = "needs a kernel with ipvlan, VRF, MPLS and ILA";

fn prepared(modules: &[&str]) -> (Namespace, Route) {
    for module in modules {
        assert!(Command::new("modprobe").arg(module).status().unwrap().success(), "{NEEDS}: {module}");
    }
    let namespace = Namespace::new();
    namespace.ip("link add v0 type veth peer name p0");
    namespace.ip("addr add 192.0.2.1/24 dev v0");
    namespace.ip("link set p0 up");
    namespace.ip("link set v0 up");
    let route = {
        let _here = namespace.enter();
        Route::open().unwrap()
    };
    (namespace, route)
}

#[test]
#[ignore = "needs a kernel with ipvlan"]
fn an_ipvlan_is_made_with_its_mode() {
    let (namespace, mut route) = prepared(&["veth", "ipvlan"]);
    let modes = [(IpvlanMode::Bridge, "bridge"), (IpvlanMode::Private, "private"), (IpvlanMode::Vepa, "vepa")];
    for (mode, word) in modes {
        let device = Device {
            name: "vrrp.51".parse().unwrap(),
            parent: namespace.index("v0"),
            kind: DeviceKind::Ipvlan { mode },
            group: Some(5),
            inet6: true,
            tells_of_parent: false,
        };
        let made = route.create_device(&device).unwrap();
        assert!(route.set_up(made.index).unwrap().up);
        let shown = namespace.ip("-d link show vrrp.51");
        assert!(shown.contains("ipvlan") && shown.contains(&format!("mode l2 {word}")), "{shown}");
        assert!(shown.contains("group 5"), "{shown}");
        assert_eq!(route.create_device(&device).unwrap().index, made.index);
        route.delete_device(made.index).unwrap();
    }
}

#[test]
#[ignore = "needs a kernel with VRF"]
fn a_vmac_is_in_the_vrf_of_its_link() {
    let (namespace, mut route) = prepared(&["veth", "vrf", "macvlan"]);
    namespace.ip("link add blue type vrf table 10");
    namespace.ip("link set blue up");
    namespace.ip("link set v0 master blue");
    let device = Device {
        name: "vrrp.51".parse().unwrap(),
        parent: namespace.index("v0"),
        kind: DeviceKind::Macvlan { mac: standfast_net::device::virtual_mac(Family::Inet, 51) },
        group: None,
        inet6: false,
        tells_of_parent: false,
    };
    route.create_device(&device).unwrap();
    let shown = namespace.ip("link show vrrp.51");
    assert!(shown.contains("master blue"), "{shown}");
}

#[test]
#[ignore = "needs a kernel with VRF"]
fn a_vrf_tells_its_table_and_routes_of_that_table_are_the_vrfs() {
    let (namespace, mut route) = prepared(&["veth", "vrf"]);
    namespace.ip("link add blue type vrf table 1010");
    namespace.ip("link set blue up");
    namespace.ip("link set v0 master blue");
    let observed = route.dump_with_routing(&[18]).unwrap();
    let table = |name| observed.link(namespace.index(name)).unwrap().vrf_table;
    assert_eq!((table("blue"), table("v0"), table("lo")), (Some(1010), None, None));
    let hop = Hop { via: Some("192.0.2.9".parse().unwrap()), ..Hop::default() };
    let routed = Configured { table: 1010, vrf: Some("blue".parse().unwrap()), hop, ..plain("10.1.0.0/16") };
    let wanted = Entry::Route(entry(routed, Some(namespace.index("v0")), &[]));
    let seen = round_trip(&namespace, &mut route, &wanted, "route show vrf blue 10.1.0.0/16");
    assert!(seen.starts_with("10.1.0.0/16 via 192.0.2.9 dev v0 proto keepalived"), "{seen}");
}

#[tokio::test]
#[ignore = "needs a kernel with VRF"]
async fn an_instance_in_a_vrf_and_a_peer_behind_a_link_of_it_hear_each_other() {
    let modprobed = Command::new("modprobe").args(["-a", "veth", "vrf"]).status().unwrap();
    assert!(modprobed.success(), "{NEEDS}");
    let cable = Cable::new();
    cable.a.ip("link add blue type vrf table 1010");
    cable.a.ip("link set blue up");
    cable.a.ip("link set a0 master blue");
    // In no VRF: what is bound to one must not speak by it, although it knows the way.
    cable.a.ip("route add 192.0.2.2/32 dev lo");
    let open = |namespace: &Namespace, interface: &str| {
        let _here = namespace.enter();
        VrrpSocket::open_with_group(namespace.index(interface), Family::Inet, None).unwrap()
    };
    let (ours, theirs) = (open(&cable.a, "blue"), open(&cable.b, "b0"));
    let (one, two) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
    for (from, to, source, destination) in [(&ours, &theirs, one, two), (&theirs, &ours, two, one)] {
        let packet = unicast(source, destination);
        let outgoing = Outgoing { packet: &packet, destination: destination.into(), source: None, hop_limit: None };
        assert!(from.send(&[outgoing]).is_empty());
        tokio::time::timeout(SOON, to.readable()).await.expect("nothing was heard").unwrap();
        let mut buffer = vec![0; RECEIVE_BUFFER_BYTES];
        let received = to.recv(&mut buffer).unwrap().unwrap();
        assert_eq!((received.source, received.interface), (source.into(), to.interface()));
        assert_eq!(received.message, &packet[20..]);
    }
}

/// A version 2 advertisement of VRID 51; its checksums are of no interest here.
fn unicast(source: Ipv4Addr, destination: Ipv4Addr) -> Vec<u8> {
    let header = [0x45, 0xc0, 0, 40, 0, 1, 0, 0, 255, 112, 0, 0];
    let message = [0x21, 51, 100, 1, 0, 1, 0, 0, 192, 0, 2, 100, 0, 0, 0, 0, 0, 0, 0, 0];
    [&header[..], &source.octets(), &destination.octets(), &message].concat()
}

#[test]
#[ignore = "needs a kernel with MPLS and ILA"]
fn routes_with_labels_and_locators_are_what_was_asked_for() {
    let (namespace, mut route) = prepared(&["veth", "mpls_iptunnel", "ila"]);
    namespace.ip("addr add 2001:db8:1::1/64 dev v0 nodad");
    let v0 = namespace.index("v0");
    let with = |destination: &str, encap: Encap| Configured {
        hop: Hop { encap: Some(encap), ..Hop::default() },
        ..plain(destination)
    };
    let labelled = Configured { ttl_propagate: Some(false), ..with("10.1.0.0/16", Encap::Mpls(vec![100, 200])) };
    let wanted = Entry::Route(entry(labelled, Some(v0), &[]));
    let seen = round_trip(&namespace, &mut route, &wanted, "route show 10.1.0.0/16");
    assert!(seen.contains("encap mpls 100/200"), "{seen}");
    let located = with("2001:db8:f:1:2000::/72", Encap::Ila(0x0001_0002_0003_0004));
    let wanted = Entry::Route(entry(located, Some(v0), &[]));
    let seen = round_trip(&namespace, &mut route, &wanted, "-6 route show 2001:db8:f:1:2000::/72");
    assert!(seen.contains("encap ila 1:2:3:4"), "{seen}");
}
