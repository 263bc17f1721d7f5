//! VMACs, settings and the packet filter.

use crate::namespace::{A_WHILE, Cable, Capture, Namespace};
use socket2::{Domain, Socket, Type};
use standfast_kernel::nftables::Nftables;
use standfast_kernel::route::Route;
use standfast_kernel::sysctl::Settings;
use standfast_model::MacAddress;
use standfast_net::filter::{Filter, Port};
use standfast_net::{Device, DeviceKind, Sysctl};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

const VIRTUAL_MAC: MacAddress = MacAddress([0, 0, 0x5e, 0, 1, 51]);

fn route(namespace: &Namespace) -> Route {
    let _here = namespace.enter();
    Route::open().unwrap()
}

fn vmac(namespace: &Namespace, name: &str) -> Device {
    Device {
        name: name.parse().unwrap(),
        parent: namespace.index("a0"),
        kind: DeviceKind::Macvlan { mac: VIRTUAL_MAC },
        group: None,
        inet6: false,
        tells_of_parent: false,
    }
}

#[test]
fn a_vmac_is_private_has_the_virtual_address_and_the_group_of_its_link_and_is_found_again() {
    let cable = Cable::new();
    cable.a.ip("link set a0 group 7");
    let mut route = route(&cable.a);
    let device = vmac(&cable.a, "vrrp.51");
    let made = route.create_device(&device).unwrap();
    assert_eq!((made.mac, made.parent, made.up), (Some(VIRTUAL_MAC), Some(device.parent), false));
    let up = route.set_up(made.index).unwrap();
    assert!(up.up && up.running, "{up:?}");
    let shown = cable.a.ip("-d link show vrrp.51");
    for part in ["vrrp.51@a0", "00:00:5e:00:01:33", "macvlan mode private", "addrgenmode none", "group 7"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(route.create_device(&device).unwrap().index, made.index, "a predecessor's is taken");
    let other = Device { kind: DeviceKind::Macvlan { mac: MacAddress([0, 0, 0x5e, 0, 1, 52]) }, ..device };
    assert_eq!(route.create_device(&other).unwrap_err().errno, libc::EEXIST);
    route.delete_device(made.index).unwrap();
    route.delete_device(made.index).unwrap();
    assert!(!cable.a.ip("link show").contains("vrrp.51"));
}

#[test]
fn settings_are_given_back_unless_somebody_has_changed_them_since() {
    let namespace = Namespace::new();
    namespace.ip("link add v0 type veth peer name v1");
    let _here = namespace.enter();
    let read =
        |path: &str| std::fs::read_to_string(format!("/proc/sys/net/ipv4/conf/{path}")).unwrap().trim().to_owned();
    let write = |path: &str, value: &str| std::fs::write(format!("/proc/sys/net/ipv4/conf/{path}"), value).unwrap();
    write("all/rp_filter", "2");
    write("v0/rp_filter", "1");
    write("v0/arp_ignore", "0");
    write("v1/arp_ignore", "0");
    let mut settings = Settings::default();
    settings.release_reverse_path_filter().unwrap();
    assert_eq!([read("all/rp_filter"), read("default/rp_filter"), read("v0/rp_filter")], ["0", "2", "2"]);
    for link in ["v0", "v1"] {
        settings.set(&Sysctl::inet(link, "arp_ignore", 1)).unwrap();
        assert_eq!(read(&format!("{link}/arp_ignore")), "1");
    }
    assert!(settings.set(&Sysctl::inet("gone", "arp_ignore", 1)).is_err());
    write("v1/arp_ignore", "2");
    settings.restore();
    assert_eq!([read("all/rp_filter"), read("v0/rp_filter"), read("v0/arp_ignore")], ["2", "1", "0"]);
    assert_eq!(read("v1/arp_ignore"), "2", "somebody else's");
}

fn filter(closed: &[&str]) -> Filter {
    Filter {
        table: "keepalived".to_owned(),
        priority: -1,
        counters: false,
        by_index: false,
        closed: closed.iter().map(|text| text.parse().unwrap()).collect(),
        closed_on: vec![],
        devices: vec![],
    }
}

fn nftables(namespace: &Namespace) -> Nftables {
    let _here = namespace.enter();
    Nftables::open().unwrap()
}

/// Whether a datagram from one side reaches an address of the other.
fn reaches(from: &Namespace, to: &Namespace, address: &str) -> bool {
    let address: IpAddr = address.parse().unwrap();
    let target = {
        let _here = to.enter();
        UdpSocket::bind(SocketAddr::new(address, 7777)).unwrap()
    };
    target.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let _here = from.enter();
    let domain = if address.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let source = Socket::new(domain, Type::DGRAM, None).unwrap();
    // The first may be lost on the way to an address that the neighbours have yet to find.
    (0..10).any(|_| {
        let _ = source.send_to(b"hello", &SocketAddr::new(address, 7777).into());
        target.recv(&mut [0; 16]).is_ok()
    })
}

// REQ: VRRP3-6.1-06
#[test]
fn a_closed_address_is_not_talked_to_while_neighbours_still_find_it() {
    let cable = Cable::new();
    for address in ["192.0.2.100/32", "192.0.2.101/32"] {
        cable.b.ip(&format!("addr add {address} dev b0"));
    }
    for address in ["2001:db8::100/64", "2001:db8::101/64"] {
        cable.b.ip(&format!("addr add {address} dev b0 nodad"));
    }
    cable.a.ip("addr add 2001:db8::1/64 dev a0 nodad");
    cable.a.ip("route add 192.0.2.0/24 dev a0 metric 5");
    let all = ["192.0.2.100", "192.0.2.101", "2001:db8::100", "2001:db8::101"];
    for address in all {
        assert!(reaches(&cable.a, &cable.b, address), "{address} before");
    }
    let mut nftables = nftables(&cable.b);
    nftables.replace(&filter(&["192.0.2.100", "2001:db8::100"])).unwrap();
    cable.a.ip("neigh flush all");
    for (address, open) in all.into_iter().zip([false, true, false, true]) {
        assert_eq!(reaches(&cable.a, &cable.b, address), open, "{address}");
    }
    let neighbours = cable.a.ip("-6 neigh show 2001:db8::100");
    assert!(neighbours.contains("lladdr"), "not found by its neighbours: {neighbours}");
    // In its place, not beside it; and gone without a trace.
    nftables.replace(&filter(&["192.0.2.101"])).unwrap();
    assert!(reaches(&cable.a, &cable.b, "192.0.2.100") && !reaches(&cable.a, &cable.b, "192.0.2.101"));
    nftables.remove("keepalived").unwrap();
    nftables.remove("keepalived").unwrap();
    assert_eq!(cable.b.run("nft list tables"), "");
}

#[test]
fn the_table_has_the_name_the_priority_and_the_counters_of_the_configuration_and_a_thousand_addresses() {
    let cable = Cable::new();
    let many: Vec<String> = (0..1500).map(|n| format!("10.0.{}.{}", n / 250, n % 250)).collect();
    let a0 = Port { index: cable.a.index("a0"), name: "a0".parse().unwrap() };
    let mut filter = Filter { table: "mine".to_owned(), priority: -5, counters: true, ..filter(&[]) };
    filter.closed = many.iter().map(|text| text.parse().unwrap()).collect();
    filter.closed_on = vec![(a0, "fe80::77".parse().unwrap())];
    let mut nftables = nftables(&cable.a);
    for by_index in [false, true] {
        filter.by_index = by_index;
        nftables.replace(&filter).unwrap();
        let shown = cable.a.run("nft list ruleset");
        for part in
            ["table ip mine", "table ip6 mine", "priority filter - 5", "counter packets", "10.0.5.249", "fe80::77"]
        {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let how = if by_index { "iif \"a0\"" } else { "iifname \"a0\"" };
        assert!(shown.contains(how), "{shown}");
    }
}

#[test]
fn a_foreign_table_is_left_alone_and_a_refused_table_leaves_everything_as_it_was() {
    let namespace = Namespace::new();
    namespace.run("nft add table ip other");
    let mut nftables = nftables(&namespace);
    // After a refusal the socket is opened anew, where the caller is.
    let _here = namespace.enter();
    nftables.replace(&filter(&["192.0.2.1"])).unwrap();
    let before = namespace.run("nft list ruleset");
    let too_long = Filter { table: "x".repeat(300), ..filter(&["192.0.2.2"]) };
    assert!(nftables.replace(&too_long).is_err());
    assert_eq!(namespace.run("nft list ruleset"), before);
    nftables.remove("keepalived").unwrap();
    assert_eq!(namespace.run("nft list tables"), "table ip other\n");
}

#[tokio::test]
async fn no_membership_report_leaves_by_a_virtual_mac() {
    let cable = Cable::new();
    let mut route = route(&cable.a);
    let made = route.create_device(&vmac(&cable.a, "vrrp.51")).unwrap();
    route.set_up(made.index).unwrap();
    cable.a.ip("addr add 192.0.2.100/32 dev vrrp.51");
    let port = Port { index: made.index, name: "vrrp.51".parse().unwrap() };
    let join = || {
        let _here = cable.a.enter();
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        let on = socket2::InterfaceIndexOrAddress::Index(made.index.0);
        socket.join_multicast_v4_n(&[224, 0, 0, 18].into(), &on).unwrap();
        socket
    };
    let from_vmac = |frame: &[u8]| frame.get(6..12) == Some(&VIRTUAL_MAC.0[..]) && frame.get(23) == Some(&2);
    let capture = Capture::start(&cable.b);
    drop(join());
    capture.next(from_vmac).await;
    let mut nftables = nftables(&cable.a);
    nftables.replace(&Filter { devices: vec![port], ..filter(&[]) }).unwrap();
    while capture.try_next().is_some() {}
    let _member = join();
    tokio::time::sleep(A_WHILE * 4).await;
    while let Some(frame) = capture.try_next() {
        assert!(!from_vmac(&frame), "{frame:02x?}");
    }
}
