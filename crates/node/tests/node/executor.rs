//! What reaches the kernel, and in which order.

use crate::machine::{ETH0, Machine, address, config, eth0, gone, master, started};
use standfast_model::config::vrrp::InstanceId;
use standfast_model::{Instant, InterfaceIndex, Priority, State, VirtualAddress};
use standfast_net::{Change, Link, Observed, ObservedAddress, Operation};
use standfast_node::{Input, VrrpNode};
use standfast_vrrp::Router;
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn a_takeover_advertises_then_adds_then_announces_then_tells() {
    let mut machine = Machine::default();
    let (_, at) = master(&mut machine);
    assert_eq!(at, Instant::from_nanos(3_609_375_000));
    assert_eq!(
        machine.take_log(),
        [
            "listen eth0 index 2 vrids [51]",
            "INIT to BACKUP: started",
            "send priority 100",
            "add 192.168.1.200/32",
            "add 192.168.1.202/32",
            "announce 10",
            "BACKUP to MASTER: no advertisement for 3.609 s",
        ]
    );
}

#[test]
fn a_resignation_is_noted_before_it_leaves_and_leaves_before_the_addresses_go() {
    let mut machine = Machine { noting: true, ..Machine::default() };
    let (mut node, at) = master(&mut machine);
    machine.take_log();
    node.handle(at + Duration::from_millis(300), Input::Shutdown, &mut machine);
    assert_eq!(
        machine.take_log(),
        [
            "noted as STOP",
            "send priority 0",
            "remove 192.168.1.200/32",
            "remove 192.168.1.202/32",
            "MASTER to STOP: shutdown",
            "unlisten index 2",
            "settings back",
        ]
    );
    assert!(machine.addresses.is_empty());
}

#[test]
fn who_loses_its_link_is_noted_before_an_address_goes() {
    let mut machine = Machine { noting: true, ..Machine::default() };
    let (mut node, at) = master(&mut machine);
    assert!(!machine.take_log().iter().any(|line| line.starts_with("noted")), "a master is noted when it has sent");
    node.handle(at, Input::Changed(Change::Link(Link { running: false, ..eth0(ETH0) })), &mut machine);
    let log = machine.take_log();
    assert_eq!(log[..2], ["noted as FAULT", "remove 192.168.1.200/32"], "{log:?}");
}

#[test]
fn addresses_left_by_a_killed_predecessor_go_at_start() {
    let mut machine = Machine::default();
    let _node = started(&mut machine, &["192.168.1.200/32", "192.168.1.77/24"]);
    assert!(machine.take_log().contains(&"remove 192.168.1.200/32".to_owned()));
    assert_eq!(machine.addresses, BTreeSet::from(["192.168.1.77/24".to_owned()]), "what is not ours stays");
}

#[test]
fn an_address_that_something_removed_is_back_at_once_without_a_transition() {
    let mut machine = Machine::default();
    let (mut node, at) = master(&mut machine);
    machine.take_log();
    machine.addresses.remove("192.168.1.202/32");
    node.handle(at, gone("192.168.1.202/32"), &mut machine);
    assert_eq!(machine.take_log(), ["add 192.168.1.202/32", "restored 192.168.1.202/32", "announce 2"]);
}

#[test]
fn a_late_notice_of_an_old_removal_is_no_restoration() {
    let mut machine = Machine::default();
    let (mut node, at) = master(&mut machine);
    machine.take_log();
    for _ in 0..20 {
        node.handle(at, gone("192.168.1.202/32"), &mut machine);
    }
    let log = machine.take_log();
    assert!(log.iter().all(|line| line == "add 192.168.1.202/32"), "{log:?}");
    assert!(node.router().holds(InstanceId(0)));
}

#[test]
fn a_tug_of_war_over_an_address_ends_in_fault_and_not_in_a_busy_loop() {
    let mut machine = Machine::default();
    let (mut node, at) = master(&mut machine);
    for _ in 0..6 {
        machine.take_log();
        machine.addresses.remove("192.168.1.202/32");
        node.handle(at, gone("192.168.1.202/32"), &mut machine);
    }
    let log = machine.take_log();
    assert!(log.contains(&"send priority 0".to_owned()), "{log:?}");
    assert!(
        log.iter().any(|line| line.starts_with("MASTER to FAULT: kernel refused: something else removed")),
        "{log:?}"
    );
    assert!(machine.addresses.is_empty());
}

#[test]
fn an_address_that_something_gave_a_standby_goes() {
    let mut machine = Machine::default();
    let mut node = started(&mut machine, &[]);
    machine.take_log();
    machine.addresses.insert("192.168.1.200/32".to_owned());
    node.handle(Instant::ZERO, Input::Changed(Change::Address(address(ETH0, "192.168.1.200/32"))), &mut machine);
    assert_eq!(machine.take_log(), ["remove 192.168.1.200/32"]);
}

#[test]
fn a_refused_address_gives_mastership_up_and_says_so() {
    let mut machine = Machine { refuse: Some("operation not permitted"), ..Machine::default() };
    let mut node = started(&mut machine, &[]);
    let at = node.next_deadline().unwrap();
    node.handle(at, Input::Wake, &mut machine);
    let log = machine.take_log();
    assert!(log.contains(&"refused adding 192.168.1.200/32: operation not permitted".to_owned()), "{log:?}");
    assert!(!log.iter().any(|line| line.starts_with("announce")), "nobody answers for it: {log:?}");
    assert!(log.contains(&"send priority 0".to_owned()), "{log:?}");
    assert_eq!(node.router().state(InstanceId(0)), State::Fault);
}

#[test]
fn an_interface_that_is_made_anew_is_listened_to_anew() {
    let mut machine = Machine::default();
    let mut node = started(&mut machine, &[]);
    machine.take_log();
    node.handle(Instant::ZERO, Input::Changed(Change::LinkGone(ETH0)), &mut machine);
    let log = machine.take_log();
    assert!(log.contains(&"unlisten index 2".to_owned()), "{log:?}");
    assert!(log.contains(&"BACKUP to FAULT: interface eth0 does not exist".to_owned()), "{log:?}");
    let anew = InterfaceIndex(9);
    node.handle(Instant::ZERO, Input::Changed(Change::Link(eth0(anew))), &mut machine);
    node.handle(Instant::ZERO, Input::Changed(Change::Address(address(anew, "192.168.1.11/24"))), &mut machine);
    let log = machine.take_log();
    assert!(log.contains(&"listen eth0 index 9 vrids [51]".to_owned()), "{log:?}");
    assert_eq!(node.router().state(InstanceId(0)), State::Backup);
}

#[test]
fn a_socket_that_could_not_be_had_is_tried_for_again_before_anyone_becomes_master() {
    let mut machine = Machine { deaf: true, ..Machine::default() };
    let mut node = started(&mut machine, &[]);
    assert_eq!(node.router().state(InstanceId(0)), State::Fault);
    let run = |node: &mut VrrpNode, machine: &mut Machine, times: usize| {
        for _ in 0..times {
            let Some(at) = node.next_deadline() else { return };
            node.handle(at, Input::Wake, machine);
        }
    };
    run(&mut node, &mut machine, 6);
    assert_ne!(node.router().state(InstanceId(0)), State::Master, "{:?}", machine.log);
    machine.deaf = false;
    machine.take_log();
    run(&mut node, &mut machine, 3);
    let log = machine.take_log();
    let place = |line: &str| log.iter().position(|l| l.starts_with(line));
    assert!(place("listen eth0") < place("send priority 100") && place("listen eth0").is_some(), "{log:?}");
    assert_eq!(node.router().state(InstanceId(0)), State::Master);
}

#[test]
fn an_owner_keeps_the_address_of_its_interface_and_sends_from_it() {
    let mut config = config();
    config.instances[0].priority = Priority::OWNER;
    config.instances[0].addresses = vec![VirtualAddress::plain("192.168.1.11/24".parse().unwrap())];
    let mut machine = Machine::default();
    machine.addresses.insert("192.168.1.11/24".to_owned());
    let mut node = VrrpNode::new(config.clone(), Router::new(config));
    let observed = Observed::new(vec![eth0(ETH0)], vec![address(ETH0, "192.168.1.11/24")]);
    node.handle(Instant::ZERO, Input::Start(observed), &mut machine);
    let log = machine.take_log();
    assert!(log.contains(&"send priority 255".to_owned()) && !log.iter().any(|l| l.starts_with("remove")), "{log:?}");
}

#[test]
fn a_link_that_gets_another_name_loses_the_addresses_and_gets_them_back_with_its_own() {
    let mut machine = Machine::default();
    let (mut node, at) = master(&mut machine);
    machine.take_log();
    let renamed = Link { name: "lan0".parse().unwrap(), ..eth0(ETH0) };
    node.handle(at, Input::Changed(Change::Link(renamed)), &mut machine);
    assert_eq!(node.router().state(InstanceId(0)), State::Fault);
    assert!(machine.addresses.is_empty(), "{:?}", machine.take_log());
    node.handle(at, Input::Changed(Change::Link(eth0(ETH0))), &mut machine);
    assert_eq!(node.router().state(InstanceId(0)), State::Backup);
}

#[test]
fn what_a_predecessor_noted_goes_where_it_is_ours_no_more_whatever_its_link_is_called_now() {
    let mut machine = Machine::default();
    let mut node = VrrpNode::new(config(), Router::new(config()));
    let ours = |interface, text: &str| ObservedAddress { protocol: 18, ..address(interface, text) };
    let renamed = InterfaceIndex(9);
    let lan0 = Link { name: "lan0".parse().unwrap(), ..eth0(renamed) };
    let (vip, former) = ("192.168.1.200/32", "192.168.1.250/32");
    let there = [ours(renamed, vip), address(renamed, former), ours(ETH0, vip), ours(ETH0, former)];
    let noted = there.iter().map(|seen| (seen.interface, seen.address)).collect();
    node.handle(Instant::ZERO, Input::Start(Observed::new(vec![eth0(ETH0), lan0], there.to_vec())), &mut machine);
    let gone: Vec<_> = node.leftovers(&noted).iter().map(|operation| format!("{operation:?}")).collect();
    let remove = |interface, text: &str| {
        format!("{:?}", Operation::Remove { interface, address: text.parse().unwrap(), peer: None })
    };
    assert_eq!(gone, [remove(ETH0, former), remove(renamed, vip)]);
}

// REQ: ARP-KA-01 ARP-KA-02
#[test]
fn an_address_is_announced_on_its_own_link_and_not_where_there_is_no_arp() {
    let mut config = config();
    config.instances[0].addresses[1].interface = Some("eth1".parse().unwrap());
    let eth1 = InterfaceIndex(3);
    let announced = |no_arp: [bool; 2]| {
        let mut machine = Machine::default();
        let mut node = VrrpNode::new(config.clone(), Router::new(config.clone()));
        let links = vec![
            Link { no_arp: no_arp[0], ..eth0(ETH0) },
            Link { name: "eth1".parse().unwrap(), no_arp: no_arp[1], ..eth0(eth1) },
        ];
        let observed = Observed::new(links, vec![address(ETH0, "192.168.1.11/24")]);
        node.handle(Instant::ZERO, Input::Start(observed), &mut machine);
        let at = node.next_deadline().unwrap();
        node.handle(at, Input::Wake, &mut machine);
        assert_eq!(machine.addresses.len(), 2, "they are there all the same");
        machine.announced
    };
    assert_eq!(announced([false, false]), BTreeSet::from([ETH0, eth1]));
    assert_eq!(announced([true, false]), BTreeSet::from([eth1]));
    assert_eq!(announced([false, true]), BTreeSet::from([ETH0]));
    assert_eq!(announced([true, true]), BTreeSet::new());
}

#[test]
fn a_master_announces_its_addresses_once_by_order_and_a_standby_nothing() {
    let order = Input::Announce { instance: InstanceId(0) };
    let mut machine = Machine::default();
    let mut standby = started(&mut machine, &[]);
    machine.take_log();
    standby.handle(Instant::ZERO, order, &mut machine);
    assert!(machine.take_log().is_empty(), "it would draw the traffic of the master");
    let mut machine = Machine::default();
    let (mut node, at) = master(&mut machine);
    machine.take_log();
    node.handle(at, Input::Announce { instance: InstanceId(0) }, &mut machine);
    assert_eq!(machine.take_log(), ["announce 2"]);
    node.handle(at, Input::Announce { instance: InstanceId(9) }, &mut machine);
    assert!(machine.take_log().is_empty(), "there is none of that number");
}
