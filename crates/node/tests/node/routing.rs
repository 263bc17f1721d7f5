//! Routes, rules and what stands from start to stop.

use crate::machine::{ETH0, Machine, address, config, eth0};
use standfast_model::config::VrrpConfig;
use standfast_model::config::instance::TrackGroup;
use standfast_model::config::route::{Hop, Route, RouteKind, Rule, RuleAction};
use standfast_model::config::vrrp::InstanceId;
use standfast_model::ipvs::Family;
use standfast_model::{Instant, InterfaceIndex, Priority, State, VirtualAddress};
use standfast_net::{Change, Link, Observed, ObservedRoute};
use standfast_node::{Input, VrrpNode};
use standfast_vrrp::Router;
use std::time::Duration;

fn route(destination: &str, via: &str) -> Route {
    let hop = Hop { via: Some(via.parse().unwrap()), interface: Some("eth0".parse().unwrap()), ..Hop::default() };
    Route { hop, ..Route::to(destination.parse().unwrap()) }
}

fn rule(preference: u32) -> Rule {
    let from = Some("192.0.2.0/24".parse().unwrap());
    Rule { from, ..Rule::of_everything(Family::Inet, preference, RuleAction::Table(100)) }
}

/// An instance with two routes and a rule.
fn routed() -> VrrpConfig {
    let mut config = config();
    let options = &mut config.instances[0].options;
    options.routes = vec![route("10.1.0.0/16", "192.168.1.1"), route("10.2.0.0/16", "192.168.1.1")];
    options.rules = vec![rule(100)];
    config
}

fn started(config: VrrpConfig, machine: &mut Machine) -> VrrpNode {
    let mut node = VrrpNode::new(config.clone(), Router::new(config));
    let observed = Observed::new(vec![eth0(ETH0)], vec![address(ETH0, "192.168.1.11/24")]);
    node.handle(Instant::ZERO, Input::Start(observed), machine);
    node
}

fn master(config: VrrpConfig, machine: &mut Machine) -> (VrrpNode, Instant) {
    let mut node = started(config, machine);
    let at = node.next_deadline().unwrap();
    node.handle(at, Input::Wake, machine);
    assert_eq!(node.router().state(InstanceId(0)), State::Master);
    (node, at)
}

/// The kernel's word on a route: with the link filled in.
fn told(destination: &str) -> ObservedRoute {
    ObservedRoute {
        table: 254,
        destination: destination.parse().unwrap(),
        from: None,
        tos: 0,
        priority: 0,
        protocol: 18,
        kind: Some(RouteKind::Unicast),
        gateway: Some("192.168.1.1".parse().unwrap()),
        interface: Some(ETH0),
        source: None,
    }
}

#[test]
fn routes_come_behind_the_addresses_they_lean_on_and_go_before_them() {
    let mut machine = Machine::default();
    let (mut node, at) = master(routed(), &mut machine);
    let wanted = |line: &String| line.starts_with("add") || line.starts_with("remove");
    let added: Vec<String> = machine.take_log().into_iter().filter(wanted).collect();
    assert_eq!(
        added,
        [
            "add 192.168.1.200/32",
            "add 192.168.1.202/32",
            "add route to 10.1.0.0/16",
            "add route to 10.2.0.0/16",
            "add rule 100"
        ]
    );
    node.handle(at, Input::Shutdown, &mut machine);
    let removed: Vec<String> = machine.take_log().into_iter().filter(wanted).collect();
    assert_eq!(
        removed,
        [
            "remove rule 100",
            "remove route to 10.2.0.0/16",
            "remove route to 10.1.0.0/16",
            "remove 192.168.1.200/32",
            "remove 192.168.1.202/32"
        ]
    );
}

#[test]
fn a_route_and_a_rule_that_something_removed_are_back_and_a_tug_of_war_ends_in_fault() {
    let mut machine = Machine::default();
    let (mut node, at) = master(routed(), &mut machine);
    let told = told("10.1.0.0/16");
    node.handle(at, Input::Changed(Change::Route(Box::new(told.clone()))), &mut machine);
    machine.take_log();
    node.handle(at, Input::Changed(Change::RuleGone(Box::new(rule(100)))), &mut machine);
    assert_eq!(machine.take_log()[0], "add rule 100");
    for _ in 0..5 {
        assert_eq!(node.router().state(InstanceId(0)), State::Master);
        node.handle(at, Input::Changed(Change::RouteGone(Box::new(told.clone()))), &mut machine);
        assert_eq!(machine.take_log()[0], "add route to 10.1.0.0/16");
    }
    node.handle(at, Input::Changed(Change::RouteGone(Box::new(told))), &mut machine);
    let log = machine.take_log();
    let cause = "MASTER to FAULT: kernel refused: something else removed route to 10.1.0.0/16 5 times in 10 s";
    assert!(log.contains(&cause.to_owned()), "{log:?}");
}

#[test]
fn a_route_and_an_address_with_no_track_stay_away_when_something_removes_them() {
    let mut config = routed();
    config.instances[0].options.routes[0].no_track = true;
    config.instances[0].addresses[0].options.no_track = true;
    let mut machine = Machine::default();
    let (mut node, at) = master(config, &mut machine);
    machine.take_log();
    let address = Change::AddressGone { interface: ETH0, address: "192.168.1.200/32".parse().unwrap() };
    node.handle(at, Input::Changed(address), &mut machine);
    node.handle(at, Input::Changed(Change::RouteGone(Box::new(told("10.1.0.0/16")))), &mut machine);
    assert_eq!(machine.take_log(), Vec::<String>::new());
}

#[test]
fn routes_that_the_kernel_took_along_with_a_link_are_asked_for_again_without_a_word() {
    let mut config = routed();
    // Its own link does not matter to it, so it stays master.
    config.instances[0].dont_track_primary = true;
    let mut machine = Machine::default();
    let (mut node, at) = master(config, &mut machine);
    machine.take_log();
    let mut down = eth0(ETH0);
    down.running = false;
    node.handle(at, Input::Changed(Change::Link(down)), &mut machine);
    assert_eq!(machine.take_log(), ["add route to 10.1.0.0/16", "add route to 10.2.0.0/16"]);
}

#[test]
fn static_entries_stand_from_start_to_stop_and_what_was_there_before_stays() {
    let mut config = config();
    let at_eth0 = |text: &str| VirtualAddress {
        interface: Some("eth0".parse().unwrap()),
        ..VirtualAddress::plain(text.parse().unwrap())
    };
    config.common.static_addresses = vec![at_eth0("192.168.1.11/24"), at_eth0("192.168.1.50/32")];
    config.common.static_routes = vec![route("10.9.0.0/16", "192.168.1.1")];
    config.common.static_rules = vec![rule(200)];
    let mut machine = Machine::default();
    let mut node = started(config, &mut machine);
    let log = machine.take_log();
    let added: Vec<&String> = log.iter().filter(|line| line.starts_with("add")).collect();
    assert_eq!(added, ["add 192.168.1.50/32", "add route to 10.9.0.0/16", "add rule 200"]);
    assert_eq!(node.router().state(InstanceId(0)), State::Backup);
    let gone = Change::AddressGone { interface: ETH0, address: "192.168.1.50/32".parse().unwrap() };
    machine.addresses.remove("192.168.1.50/32");
    node.handle(Instant::ZERO, Input::Changed(gone), &mut machine);
    assert_eq!(machine.take_log()[0], "add 192.168.1.50/32");
    node.handle(Instant::ZERO + Duration::from_secs(1), Input::Shutdown, &mut machine);
    let log = machine.take_log();
    let removed: Vec<&String> = log.iter().filter(|line| line.starts_with("remove")).collect();
    assert_eq!(removed, ["remove rule 200", "remove route to 10.9.0.0/16", "remove 192.168.1.50/32"]);
}

#[test]
fn a_refused_route_is_told_and_the_master_stays() {
    let mut config = routed();
    // What has addresses of its own already needs none of the kernel.
    config.instances[0].addresses = vec![VirtualAddress::plain("192.168.1.11/24".parse().unwrap())];
    config.instances[0].priority = Priority::OWNER;
    let mut machine = Machine { refuse: Some("no"), ..Machine::default() };
    let node = started(config, &mut machine);
    assert_eq!(node.router().state(InstanceId(0)), State::Master);
    let log = machine.take_log();
    assert!(log.contains(&"refused adding route to 10.1.0.0/16: network is unreachable".to_owned()), "{log:?}");
    assert!(log.contains(&"add rule 100".to_owned()), "{log:?}");
}

#[test]
fn a_static_entry_that_cannot_be_had_is_the_fault_of_its_track_group_until_it_can() {
    let grouped = |track_group: Option<&str>| {
        let mut config = config();
        // What has addresses of its own already needs none of the kernel.
        config.instances[0].addresses = vec![VirtualAddress::plain("192.168.1.11/24".parse().unwrap())];
        config.instances[0].priority = Priority::OWNER;
        let track_group = track_group.map(ToOwned::to_owned);
        config.common.static_routes = vec![Route { track_group, ..route("10.9.0.0/16", "192.168.1.1") }];
        config.common.track_groups = vec![TrackGroup { name: "needed".to_owned(), members: vec![InstanceId(0)] }];
        config
    };
    for (name, expected) in [(None, State::Master), (Some("other"), State::Master), (Some("needed"), State::Fault)] {
        let mut machine = Machine { refuse: Some("no"), ..Machine::default() };
        let mut node = started(grouped(name), &mut machine);
        assert_eq!(node.router().state(InstanceId(0)), expected, "{name:?}");
        // The next attempt finds it possible.
        machine.refuse = None;
        node.handle(Instant::ZERO + Duration::from_secs(2), Input::Wake, &mut machine);
        assert_ne!(node.router().state(InstanceId(0)), State::Fault, "{name:?}");
    }
}

#[test]
fn a_static_route_that_something_removes_again_and_again_is_the_fault_of_its_track_group() {
    let mut config = config();
    let track_group = Some("needed".to_owned());
    config.common.static_routes = vec![Route { track_group, ..route("10.9.0.0/16", "192.168.1.1") }];
    config.common.track_groups = vec![TrackGroup { name: "needed".to_owned(), members: vec![InstanceId(0)] }];
    let mut machine = Machine::default();
    let mut node = started(config, &mut machine);
    let removed = || Input::Changed(Change::RouteGone(Box::new(told("10.9.0.0/16"))));
    for time in 1..=6 {
        assert_eq!(node.router().state(InstanceId(0)), State::Backup, "after {} times", time - 1);
        node.handle(Instant::ZERO + Duration::from_millis(time * 10), removed(), &mut machine);
    }
    assert_eq!(node.router().state(InstanceId(0)), State::Fault);
}

#[test]
fn a_route_of_a_vrf_is_in_the_table_of_the_device_and_waits_for_it() {
    let mut config = config();
    let vrf = || Some("blue".parse().unwrap());
    config.instances[0].options.routes = vec![Route { vrf: vrf(), ..route("10.1.0.0/16", "192.168.1.1") }];
    config.common.static_routes = vec![Route { vrf: vrf(), ..route("10.9.0.0/16", "192.168.1.1") }];
    let mut machine = Machine::default();
    let (mut node, at) = master(config, &mut machine);
    let routes = |machine: &mut Machine| {
        let log = machine.take_log();
        log.into_iter().filter(|line| line.contains("route to")).collect::<Vec<_>>()
    };
    assert_eq!(routes(&mut machine), Vec::<String>::new(), "there is no such device");
    let device = |vrf_table| Link { name: "blue".parse().unwrap(), vrf_table, ..eth0(InterfaceIndex(9)) };
    node.handle(at, Input::Changed(Change::Link(device(None))), &mut machine);
    assert_eq!(routes(&mut machine), Vec::<String>::new(), "it is no VRF");
    node.handle(at, Input::Changed(Change::Link(device(Some(1010)))), &mut machine);
    assert_eq!(routes(&mut machine), ["add route to 10.9.0.0/16 table 1010", "add route to 10.1.0.0/16 table 1010"]);
    let told = |destination| Change::Route(Box::new(ObservedRoute { table: 1010, ..told(destination) }));
    for destination in ["10.1.0.0/16", "10.9.0.0/16"] {
        node.handle(at, Input::Changed(told(destination)), &mut machine);
    }
    assert_eq!(routes(&mut machine), Vec::<String>::new(), "they are where they should be");
    // The device is made anew with another table.
    node.handle(at, Input::Changed(Change::Link(device(Some(2020)))), &mut machine);
    let mut moved = routes(&mut machine);
    moved.sort();
    assert_eq!(
        moved,
        [
            "add route to 10.1.0.0/16 table 2020",
            "add route to 10.9.0.0/16 table 2020",
            "remove route to 10.1.0.0/16 table 1010",
            "remove route to 10.9.0.0/16 table 1010",
        ]
    );
}
