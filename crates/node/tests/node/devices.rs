//! VMACs, the packet filter, settings and pauses between announcements.

use crate::machine::{ETH0, Machine, address, config, eth0};
use standfast_model::config::VrrpConfig;
use standfast_model::config::instance::{Device, GarpExtra, LinkDelay, Peer, Peering, ReceiveBuffer, Unicast, Vmac};
use standfast_model::config::vrrp::{Authentication, InstanceId};
use standfast_model::ipvs::Family;
use standfast_model::{Instant, InterfaceIndex, MacAddress, State, Version, VirtualAddress};
use standfast_net::{Change, Link, Observed};
use standfast_node::{Input, Reload, VrrpNode};
use standfast_vrrp::{Options, Router};
use std::time::Duration;

/// The number that the machine gives to its first device.
const DEVICE: InterfaceIndex = InterfaceIndex(101);

fn with_vmac(vmac: Vmac) -> VrrpConfig {
    let mut config = config();
    config.instances[0].options.device = Device::Vmac(vmac);
    config
}

fn started(config: VrrpConfig, links: Vec<Link>, machine: &mut Machine) -> VrrpNode {
    let mut node = VrrpNode::new(config.clone(), Router::new(config));
    let observed = Observed::new(links, vec![address(ETH0, "192.168.1.11/24")]);
    node.handle(Instant::ZERO, Input::Start(observed), machine);
    node
}

fn master(config: VrrpConfig, machine: &mut Machine) -> (VrrpNode, Instant) {
    let mut node = started(config, vec![eth0(ETH0)], machine);
    let at = node.next_deadline().unwrap();
    node.handle(at, Input::Wake, machine);
    assert_eq!(node.router().state(InstanceId(0)), State::Master);
    (node, at)
}

#[test]
fn a_vmac_is_made_and_filtered_before_it_is_listened_on_and_carries_advertisements_and_addresses() {
    let mut machine = Machine::default();
    let (mut node, at) = master(with_vmac(Vmac::default()), &mut machine);
    assert_eq!(
        machine.take_log(),
        [
            "device vrrp.51 above eth0",
            "filter closes [], 1 devices",
            "listen eth0 index 2 vrids []",
            "listen vrrp.51 index 101 vrids [51]",
            "INIT to BACKUP: started",
            "send priority 100 by 101",
            "add 192.168.1.200/32",
            "add 192.168.1.202/32",
            "announce 10",
            "BACKUP to MASTER: no advertisement for 3.609 s",
        ]
    );
    node.handle(at, Input::Shutdown, &mut machine);
    let log = machine.take_log();
    assert_eq!(log[0], "send priority 0 by 101");
    assert_eq!(log[log.len() - 3..], ["remove device 101", "no filter", "settings back"]);
}

#[test]
fn with_vmac_xmit_base_only_the_addresses_are_on_the_device() {
    let mut machine = Machine::default();
    let vmac = Vmac { transmit_base: true, ..Vmac::default() };
    let _node = master(with_vmac(vmac), &mut machine);
    let log = machine.take_log();
    assert!(log.contains(&"send priority 100".to_owned()), "{log:?}");
    assert!(log.contains(&"listen eth0 index 2 vrids [51]".to_owned()), "{log:?}");
    assert!(!log.iter().any(|line| line.starts_with("listen vrrp.51")), "{log:?}");
}

#[test]
fn a_name_that_another_device_has_is_passed_over_and_ones_own_of_before_is_taken_again() {
    let other = Link { name: "vrrp.51".parse().unwrap(), ..eth0(InterfaceIndex(7)) };
    let mut machine = Machine::default();
    let _node = started(with_vmac(Vmac::default()), vec![eth0(ETH0), other.clone()], &mut machine);
    assert_eq!(machine.take_log()[0], "device vrrp1.51 above eth0");
    let own = Link { mac: Some(MacAddress([0, 0, 0x5e, 0, 1, 51])), parent: Some(ETH0), ..other };
    let _node = started(with_vmac(Vmac::default()), vec![eth0(ETH0), own], &mut machine);
    assert_eq!(machine.take_log()[0], "device vrrp.51 above eth0");
}

#[test]
fn a_device_that_cannot_be_had_is_a_fault_with_the_kernels_words() {
    let mut machine = Machine { refuse: Some("operation not supported"), ..Machine::default() };
    let node = started(with_vmac(Vmac::default()), vec![eth0(ETH0)], &mut machine);
    assert_eq!(node.router().state(InstanceId(0)), State::Fault);
    let log = machine.take_log();
    let cause = "kernel refused: making a device on eth0 for VRID 51: operation not supported";
    assert!(log.iter().any(|line| line.ends_with(cause)), "{log:?}");
}

#[test]
fn a_device_that_something_removed_or_set_down_is_made_anew_with_its_addresses() {
    let mut machine = Machine::default();
    let (mut node, at) = master(with_vmac(Vmac::default()), &mut machine);
    machine.take_log();
    machine.addresses.clear();
    node.handle(at, Input::Changed(Change::LinkGone(DEVICE)), &mut machine);
    let log = machine.take_log();
    for line in ["device vrrp.51 above eth0", "listen vrrp.51 index 102 vrids [51]", "add 192.168.1.200/32"] {
        assert!(log.contains(&line.to_owned()), "{line}: {log:?}");
    }
    assert_eq!(node.router().state(InstanceId(0)), State::Master);
}

#[test]
fn a_reload_that_keeps_the_device_touches_nothing_and_one_that_drops_it_resigns_by_it_first() {
    let mut machine = Machine::default();
    let (mut node, at) = master(with_vmac(Vmac::default()), &mut machine);
    machine.take_log();
    let reload = |config| Input::Reload(Box::new(Reload { config, options: Options::default() }));
    node.handle(at, reload(with_vmac(Vmac::default())), &mut machine);
    assert_eq!(machine.take_log(), Vec::<String>::new());
    node.handle(at, reload(VrrpConfig::default()), &mut machine);
    let log = machine.take_log();
    let place = |line: &str| log.iter().position(|l| l == line).unwrap_or_else(|| panic!("{line}: {log:?}"));
    assert!(place("send priority 0 by 101") < place("remove 192.168.1.200/32"));
    assert!(place("send priority 0 by 101") < place("unlisten index 101"));
    assert!(place("remove 192.168.1.200/32") < place("remove device 101"));
}

// REQ: KA-ACC-01 VRRP2-6.4.3-02 VRRP3-6.4.3-04
#[test]
fn addresses_that_are_not_to_be_talked_to_are_closed_once_and_for_all_states() {
    let mut config = config();
    config.instances[0].options.accept = false;
    let mut machine = Machine::default();
    let (mut node, at) = master(config, &mut machine);
    node.handle(at, Input::Shutdown, &mut machine);
    let log = machine.take_log();
    let filters: Vec<&String> = log.iter().filter(|line| line.contains("filter")).collect();
    assert_eq!(filters, ["filter closes [192.168.1.200, 192.168.1.202], 0 devices", "no filter"]);
}

#[test]
fn promote_secondaries_and_local_igmp_are_set_and_given_back() {
    let mut config = config();
    config.instances[0].options.promote_secondaries = true;
    config.common.disable_local_igmp = true;
    let mut machine = Machine::default();
    let mut node = started(config, vec![eth0(ETH0)], &mut machine);
    let log = machine.take_log();
    for line in ["set net/ipv4/conf/eth0/promote_secondaries 1", "set net/ipv4/igmp_link_local_mcast_reports 0"] {
        assert!(log.contains(&line.to_owned()), "{line}: {log:?}");
    }
    node.handle(Instant::ZERO, Input::Shutdown, &mut machine);
    assert!(machine.take_log().contains(&"settings back".to_owned()));
}

// REQ: KA-GARP-05 ND-7.2.6-02
#[test]
fn announcements_keep_their_pauses_and_stop_when_the_address_goes() {
    let mut config = config();
    config.common.garp_interval = Duration::from_millis(20);
    let mut machine = Machine::default();
    let (mut node, at) = master(config, &mut machine);
    let announced = |machine: &mut Machine| machine.take_log().iter().filter(|l| l.starts_with("announce")).count();
    assert_eq!(announced(&mut machine), 1);
    let mut now = at;
    for _ in 0..9 {
        let next = node.next_deadline().unwrap();
        assert_eq!(next.since(now), Duration::from_millis(20));
        now = next;
        node.handle(now, Input::Wake, &mut machine);
    }
    assert_eq!(announced(&mut machine), 9, "five rounds of two addresses");
    node.handle(now, Input::Shutdown, &mut machine);
    node.handle(now + Duration::from_secs(1), Input::Wake, &mut machine);
    assert_eq!(announced(&mut machine), 0);
}

#[test]
fn addresses_elsewhere_and_of_the_other_family_get_devices_of_their_own_where_it_is_asked_for() {
    let mut config = with_vmac(Vmac { for_other_interfaces: true, ..Vmac::default() });
    config.common.vmac_prefix = Some("vip".to_owned());
    config.common.vmac_address_prefix = Some("more".to_owned());
    let at = |text: &str, interface: Option<&str>| VirtualAddress {
        interface: interface.map(|name| name.parse().unwrap()),
        ..VirtualAddress::plain(text.parse().unwrap())
    };
    config.instances[0].excluded = vec![at("198.51.100.1/32", Some("eth1")), at("2001:db8::1/128", None)];
    let eth1 = Link { name: "eth1".parse().unwrap(), ..eth0(InterfaceIndex(3)) };
    let mut machine = Machine::default();
    let _node = started(config.clone(), vec![eth0(ETH0), eth1.clone()], &mut machine);
    let devices = |machine: &mut Machine| {
        let log = machine.take_log();
        log.into_iter().filter(|line| line.starts_with("device")).collect::<Vec<String>>()
    };
    // Of two with one name the second is counted on: the one of IPv6 tries 6 first.
    assert_eq!(
        devices(&mut machine),
        ["device vip.51 above eth0", "device more.51 above eth0", "device more1.51 above eth1"]
    );
    // Without it, only the address that asks for it in its own line.
    config.instances[0].options.device = Device::Vmac(Vmac::default());
    config.instances[0].excluded[0].options.use_vmac = true;
    let _node = started(config, vec![eth0(ETH0), eth1], &mut machine);
    assert_eq!(devices(&mut machine), ["device vip.51 above eth0", "device more.51 above eth1"]);
}

#[test]
fn the_hop_limit_of_ipv6_peers_and_the_receive_queue_are_as_configured() {
    let mut config = config();
    let instance = &mut config.instances[0];
    instance.family = Family::Inet6;
    instance.version = Version::V3;
    instance.authentication = Authentication::None;
    instance.addresses = vec![VirtualAddress::plain("fe80::100/64".parse().unwrap())];
    let peer = Peer { address: "fe80::2".parse().unwrap(), min_ttl: 0, max_ttl: 255 };
    instance.options.peering = Peering::Unicast(Unicast { peers: vec![peer], ttl: Some(64), check_source: false });
    config.common.receive_buffer = ReceiveBuffer::Adverts(10);
    let run = |config: VrrpConfig| {
        let mut machine = Machine::default();
        let mut node = VrrpNode::new(config.clone(), Router::new(config));
        let observed = Observed::new(vec![eth0(ETH0)], vec![address(ETH0, "fe80::1/64")]);
        node.handle(Instant::ZERO, Input::Start(observed), &mut machine);
        let at = node.next_deadline().unwrap();
        node.handle(at, Input::Wake, &mut machine);
        machine.take_log()
    };
    let log = run(config.clone());
    assert!(log.contains(&"listen eth0 index 2 vrids [51] queue 23040".to_owned()), "{log:?}");
    assert!(log.contains(&"send priority 100 over 64 hops".to_owned()), "{log:?}");
    config.common.receive_buffer = ReceiveBuffer::Mtu(4);
    assert!(run(config.clone()).contains(&"listen eth0 index 2 vrids [51] queue 9216".to_owned()));
    config.instances[0].options.kernel_rx_buf_size = Some(5000);
    assert!(run(config).contains(&"listen eth0 index 2 vrids [51] queue 5000".to_owned()));
}

#[test]
fn a_link_that_carries_no_advertisement_is_announced_on_again_and_again() {
    let mut config = with_vmac(Vmac { transmit_base: true, ..Vmac::default() });
    config.instances[0].options.garp_extra_if = Some(GarpExtra { all: false, interval: Duration::from_secs(30) });
    config.instances[0].advert_interval = standfast_model::AdvertInterval::from_seconds(100).unwrap();
    let mut machine = Machine::default();
    let (mut node, at) = master(config, &mut machine);
    machine.take_log();
    let mut now = at;
    for _ in 0..2 {
        while now.since(at) < Duration::from_secs(29) {
            now = node.next_deadline().unwrap();
            node.handle(now, Input::Wake, &mut machine);
        }
    }
    let log = machine.take_log();
    assert_eq!(now.since(at), Duration::from_secs(30));
    // The second burst of the takeover, and one announcement for the device, not for each address.
    assert_eq!(
        log.iter().filter(|line| line.starts_with("announce")).collect::<Vec<_>>(),
        ["announce 10", "announce 1"]
    );
    node.handle(now, Input::Shutdown, &mut machine);
    assert_eq!(node.next_deadline(), None);
}

#[test]
fn a_short_loss_of_a_link_with_a_delay_moves_nobody_and_a_long_one_does() {
    let mut config = config();
    let delay = LinkDelay { interface: "eth0".parse().unwrap(), down: Duration::from_millis(300), up: Duration::ZERO };
    config.common.link_delays = vec![delay];
    let mut machine = Machine::default();
    let (mut node, at) = master(config, &mut machine);
    let down = || Input::Changed(Change::Link(Link { running: false, ..eth0(ETH0) }));
    node.handle(at, down(), &mut machine);
    assert_eq!(node.router().state(InstanceId(0)), State::Master);
    node.handle(at + Duration::from_millis(200), Input::Changed(Change::Link(eth0(ETH0))), &mut machine);
    node.handle(at + Duration::from_millis(900), Input::Wake, &mut machine);
    assert_eq!(node.router().state(InstanceId(0)), State::Master);
    node.handle(at + Duration::from_millis(900), down(), &mut machine);
    node.handle(at + Duration::from_millis(1199), Input::Wake, &mut machine);
    assert_eq!(node.router().state(InstanceId(0)), State::Master);
    node.handle(at + Duration::from_millis(1200), Input::Wake, &mut machine);
    assert_eq!(node.router().state(InstanceId(0)), State::Fault);
}
