//! What takes long is done in pieces, in the right order, and nobody else's advertisement waits for it.

use crate::machine::{ETH0, Machine, address, config, eth0};
use standfast_model::config::vrrp::{Authentication, InstanceId};
use standfast_model::{AdvertInterval, Instant, Priority, State, Version, VirtualAddress, Vrid};
use standfast_net::{Change, Link, Observed};
use standfast_node::{Input, VrrpNode};
use standfast_vrrp::Router;
use std::time::Duration;

const SMALL: InstanceId = InstanceId(0);
const LARGE: InstanceId = InstanceId(1);
const ADDRESSES: usize = 1000;
const ROUNDS: usize = 5;

/// What a piece may have: 64 operations, which is one request to the kernel, or 512 frames.
const OPERATIONS: usize = 64;
const FRAMES: usize = 512;

/// A small instance of priority 200 that advertises every 100 ms, and a large one of priority 100; the small one has
/// become master, the large one is about to.
fn about_to_take_over(machine: &mut Machine) -> (VrrpNode, Instant) {
    let mut config = config();
    let large = &mut config.instances[0];
    let mut small = large.clone();
    large.addresses = (0..ADDRESSES)
        .map(|n| VirtualAddress::plain(format!("10.9.{}.{}/32", n / 250, n % 250).parse().unwrap()))
        .collect();
    small.name = "SMALL".to_owned();
    small.vrid = Vrid::new(7).unwrap();
    small.priority = Priority::new(200).unwrap();
    (small.version, small.authentication) = (Version::V3, Authentication::None);
    small.advert_interval = AdvertInterval::from_centiseconds(10).unwrap();
    small.addresses = vec![VirtualAddress::plain("192.0.2.7/32".parse().unwrap())];
    config.instances.insert(0, small);
    let mut node = VrrpNode::new(config.clone(), Router::new(config));
    let observed = Observed::new(vec![eth0(ETH0)], vec![address(ETH0, "192.168.1.11/24")]);
    node.handle(Instant::ZERO, Input::Start(observed), machine);
    let due = Instant::from_nanos(3_609_375_000);
    while let Some(at) = node.next_deadline().filter(|at| *at < due) {
        node.handle(at, Input::Wake, machine);
    }
    assert_eq!((node.router().state(SMALL), node.router().state(LARGE)), (State::Master, State::Backup));
    machine.take_log();
    (node, due)
}

fn count(log: &[String], what: &str) -> usize {
    log.iter().filter(|line| line.starts_with(what)).count()
}

/// How many frames a log announces.
fn announced(log: &[String]) -> usize {
    log.iter().filter_map(|line| line.strip_prefix("announce ")?.parse::<usize>().ok()).sum()
}

#[test]
fn a_large_takeover_is_done_in_pieces_in_the_order_of_a_small_one() {
    let mut machine = Machine::default();
    let (mut node, at) = about_to_take_over(&mut machine);
    let mut pieces = 0;
    let mut log = Vec::new();
    loop {
        node.handle(at, Input::Wake, &mut machine);
        let piece = machine.take_log();
        assert!(count(&piece, "add") <= OPERATIONS && announced(&piece) <= FRAMES, "{piece:?}");
        pieces += 1;
        log.extend(piece);
        if !node.has_work() {
            break;
        }
        assert_eq!(node.next_deadline(), Some(at), "it goes on at once");
    }
    assert!(pieces > ADDRESSES / OPERATIONS, "{pieces}");
    let kinds: Vec<&str> = log.iter().map(|line| line.split(' ').next().unwrap()).collect();
    let mut order = kinds.clone();
    order.dedup();
    assert_eq!(order, ["send", "add", "announce", "BACKUP"], "the advertisement first, the journal last");
    assert_eq!((count(&log, "add"), announced(&log)), (ADDRESSES, ADDRESSES * ROUNDS));
}

#[test]
fn an_advertisement_of_another_instance_is_not_behind_a_thousand_addresses() {
    let mut machine = Machine::default();
    let (mut node, at) = about_to_take_over(&mut machine);
    node.handle(at, Input::Wake, &mut machine);
    machine.take_log();
    assert!(node.has_work());
    // Its turn has come in the middle of the takeover.
    let due = at + Duration::from_millis(100);
    node.handle(due, Input::Wake, &mut machine);
    let log = machine.take_log();
    assert_eq!(log[0], "send priority 200", "{:?}", &log[..3]);
    assert_eq!(count(&log, "add"), OPERATIONS, "and the takeover goes on");
}

#[test]
fn what_arrives_in_the_middle_is_taken_in_and_does_no_piece_of_its_own() {
    let mut machine = Machine::default();
    let (mut node, at) = about_to_take_over(&mut machine);
    node.handle(at, Input::Wake, &mut machine);
    machine.take_log();
    // The monitor tells of what was added, and of a removal that was earlier.
    for text in ["10.9.0.0/32", "10.9.0.1/32"] {
        node.handle(at, Input::Changed(Change::Address(address(ETH0, text))), &mut machine);
    }
    node.handle(at, crate::machine::gone("10.9.3.249/32"), &mut machine);
    assert_eq!(machine.take_log(), [""; 0], "nothing is put back that has not had its turn");
}

#[test]
fn who_loses_its_link_in_the_middle_adds_and_announces_nothing_more() {
    let mut machine = Machine::default();
    let (mut node, at) = about_to_take_over(&mut machine);
    // All addresses, and the first of the announcements.
    while announced(&machine.log) == 0 {
        node.handle(at, Input::Wake, &mut machine);
    }
    machine.take_log();
    let down = Link { running: false, ..eth0(ETH0) };
    node.handle(at, Input::Changed(Change::Link(down)), &mut machine);
    while node.has_work() {
        node.handle(at, Input::Wake, &mut machine);
    }
    let log = machine.take_log();
    assert_eq!((announced(&log), count(&log, "add")), (0, 0), "{log:?}");
    assert_eq!(count(&log, "remove"), ADDRESSES + 1, "those of both instances");
    assert!(machine.addresses.is_empty());
    assert!(log.iter().any(|line| line.starts_with("MASTER to FAULT")), "{log:?}");
}

#[test]
fn who_loses_its_link_before_the_first_piece_is_over_never_gets_the_rest() {
    let mut machine = Machine::default();
    let (mut node, at) = about_to_take_over(&mut machine);
    node.handle(at, Input::Wake, &mut machine);
    assert_eq!(count(&machine.take_log(), "add"), OPERATIONS);
    let down = Link { running: false, ..eth0(ETH0) };
    node.handle(at, Input::Changed(Change::Link(down)), &mut machine);
    while node.has_work() {
        node.handle(at, Input::Wake, &mut machine);
    }
    let log = machine.take_log();
    assert_eq!((count(&log, "add"), count(&log, "remove"), announced(&log)), (0, OPERATIONS + 1, 0), "{log:?}");
    assert!(machine.addresses.is_empty());
}
