//! What needs a kernel with more modules than most machines load: ipvlan, VRF, MPLS and ILA. Left out by `cargo test`; run
//! with `--ignored` in a guest that has them.

use crate::namespace::Namespace;
use crate::routing::{entry, plain, round_trip};
use standfast_kernel::route::Route;
use standfast_model::config::instance::IpvlanMode;
use standfast_model::config::route::{Encap, Hop, Route as Configured};
use standfast_net::{Device, DeviceKind, Entry};
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
        kind: DeviceKind::Macvlan { mac: standfast_net::device::virtual_mac(standfast_model::ipvs::Family::Inet, 51) },
        group: None,
        inet6: false,
    };
    route.create_device(&device).unwrap();
    let shown = namespace.ip("link show vrrp.51");
    assert!(shown.contains("master blue"), "{shown}");
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
