//! What is listened for, whom a foreign claim concerns, and what is sent against it.

use crate::machine::{ETH0, Machine, address, config, eth0, master, started};
use core::time::Duration;
use standfast_model::config::instance::{Device, Vmac};
use standfast_model::config::vrrp::InstanceId;
use standfast_model::{Instant, InterfaceIndex, MacAddress};
use standfast_net::{Change, Link, Observed};
use standfast_node::{Input, VrrpNode};
use standfast_vrrp::Router;
use standfast_wire::arp;
use std::net::{IpAddr, Ipv4Addr};

const INTRUDER: MacAddress = MacAddress([2, 0, 0, 0, 0, 0x66]);

const VIP: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 200);

fn vip() -> IpAddr {
    IpAddr::V4(VIP)
}

/// Says on a link that the address is at the MAC, when the takeover is two seconds ago.
fn claim(node: &mut VrrpNode, machine: &mut Machine, at: Instant, interface: InterfaceIndex, mac: MacAddress) {
    let at = at + Duration::from_secs(2);
    // A master advertises meanwhile, or it would take itself for one that slept.
    while let Some(due) = node.next_deadline().filter(|due| *due < at) {
        node.handle(due, Input::Wake, machine);
    }
    node.handle(at, Input::Claimed { interface, address: vip(), mac }, machine);
}

/// How many claims stand half a second later.
fn standing(node: &mut VrrpNode, machine: &mut Machine, at: Instant) -> usize {
    while let Some(due) = node.next_deadline().filter(|due| *due < at + Duration::from_millis(2_500)) {
        node.handle(due, Input::Wake, machine);
    }
    node.router().claims(InstanceId(0)).count()
}

#[test]
fn claims_are_listened_for_while_addresses_are_held_and_no_longer() {
    let mut machine = Machine::default();
    let node = started(&mut machine, &[]);
    assert!(machine.watched.is_empty(), "a standby minds nobody's claims");
    drop(node);
    let mut machine = Machine::default();
    let (mut node, at) = master(&mut machine);
    let ours = vec![vip(), IpAddr::V4(Ipv4Addr::new(192, 168, 1, 202))];
    assert_eq!(machine.watched, std::slice::from_ref(&ours));
    node.handle(at, Input::Changed(Change::Link(Link { running: false, ..eth0(ETH0) })), &mut machine);
    assert_eq!(machine.watched, [ours.clone(), vec![]], "who is in FAULT holds nothing");
    let mut machine = Machine::default();
    let (mut node, at) = master(&mut machine);
    node.handle(at, Input::Shutdown, &mut machine);
    assert_eq!(machine.watched, [ours, vec![]]);
}

// REQ: ARP-2.4-01
#[test]
fn a_claim_is_answered_with_one_announcement_of_the_one_address() {
    let mut machine = Machine::default();
    let (mut node, at) = master(&mut machine);
    claim(&mut node, &mut machine, at, ETH0, INTRUDER);
    machine.take_log();
    assert_eq!(standing(&mut node, &mut machine, at), 1);
    let log = machine.take_log();
    assert_eq!(log.iter().filter(|line| **line == "announce 1").count(), 1, "{log:?}");
    assert!(log.iter().any(|line| line.starts_with("notice Claimed") && line.contains("192.168.1.200")), "{log:?}");
    let mac = eth0(ETH0).mac.unwrap();
    assert_eq!(machine.last_announced, [arp::Frame::gratuitous(mac, VIP).emit().to_vec()]);
}

#[test]
fn what_we_say_ourselves_and_what_is_said_on_other_links_is_no_claim() {
    let mut machine = Machine::default();
    let (mut node, at) = master(&mut machine);
    let eth1 =
        Link { name: "eth1".parse().unwrap(), mac: Some(MacAddress([2, 0, 0, 0, 0, 0x1a])), ..eth0(InterfaceIndex(3)) };
    node.handle(at, Input::Changed(Change::Link(eth1.clone())), &mut machine);
    for (interface, mac) in [(ETH0, eth0(ETH0).mac.unwrap()), (ETH0, eth1.mac.unwrap()), (eth1.index, INTRUDER)] {
        claim(&mut node, &mut machine, at, interface, mac);
    }
    assert_eq!(standing(&mut node, &mut machine, at), 0);
}

#[test]
fn a_virtual_mac_that_both_directors_have_claims_nothing() {
    let mut config = config();
    config.instances[0].options.device = Device::Vmac(Vmac::default());
    let mut machine = Machine::default();
    let mut node = VrrpNode::new(config.clone(), Router::new(config));
    let observed = Observed::new(vec![eth0(ETH0)], vec![address(ETH0, "192.168.1.11/24")]);
    node.handle(Instant::ZERO, Input::Start(observed), &mut machine);
    let at = node.next_deadline().unwrap();
    node.handle(at, Input::Wake, &mut machine);
    let device = InterfaceIndex(101);
    claim(&mut node, &mut machine, at, device, MacAddress([0, 0, 0x5e, 0, 1, 51]));
    assert_eq!(standing(&mut node, &mut machine, at), 0);
    claim(&mut node, &mut machine, at, device, INTRUDER);
    assert_eq!(standing(&mut node, &mut machine, at), 1, "and anybody else does, where the address lives");
}
