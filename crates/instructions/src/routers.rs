//! What the `vrrp` worker does: advertisements arrive and leave, and addresses are compared.

use crate::configuration;
use core::time::Duration;
use ipnet::IpNet;
use standfast_model::config::VrrpConfig;
use standfast_model::config::track::ScriptId;
use standfast_model::{Instant, InterfaceIndex, MacAddress, VirtualAddress};
use standfast_net::{Link, Observed, ObservedAddress, Operation, Ours, diff, entry};
use standfast_node::{Applied, Frame, Input, Listen, Packet, Record, SocketKey, System, VrrpNode, prepared};
use standfast_vrrp::Router;
use standfast_wire::{Received, ipv4};
use std::fmt::Write as _;
use std::hint::black_box;
use std::net::IpAddr;

/// Virtual routers of a node: one of each kind that people have, and one that tells of many addresses.
const ROUTERS: &str = "
vrrp_instance A { version 3\n interface eth0\n virtual_router_id 1\n priority PRIORITY
    virtual_ipaddress { 192.0.2.1\n 192.0.2.2 } }
vrrp_instance B { version 2\n interface eth0\n virtual_router_id 2\n priority PRIORITY
    authentication { auth_type PASS\n auth_pass s3cr3t }
    virtual_ipaddress { 192.0.2.3 } }
vrrp_instance C { version 3\n interface eth0\n virtual_router_id 3\n priority PRIORITY
    virtual_ipaddress { fe80::100\n 2001:db8::100 } }
vrrp_instance D { version 2\n interface eth0\n virtual_router_id 4\n priority PRIORITY
    virtual_ipaddress {
MANY    } }
";

/// Addresses of the last of them.
const MANY: u8 = 16;

/// How many there are.
const COUNT: u32 = 4;

const ETH0: InterfaceIndex = InterfaceIndex(2);

/// Between two advertisements of one virtual router.
const INTERVAL: Duration = Duration::from_secs(1);

/// A machine that does everything it is asked for, and keeps what is sent.
#[derive(Default)]
struct Sink {
    sent: Vec<Packet>,
}

impl System for Sink {
    fn listen(&mut self, _socket: &Listen) -> Result<(), String> {
        Ok(())
    }

    fn unlisten(&mut self, _key: SocketKey) {}

    fn send(&mut self, packets: &[Packet]) {
        self.sent.extend_from_slice(packets);
    }

    fn announce(&mut self, frames: &[Frame]) {
        black_box(frames);
    }

    fn apply(&mut self, operations: &[Operation]) -> Vec<Result<Applied, String>> {
        operations.iter().map(|_| Ok(Applied::Changed)).collect()
    }

    fn run_script(&mut self, _script: ScriptId) {}

    fn record(&mut self, record: Record) {
        black_box(record);
    }
}

fn config(priority: u8) -> VrrpConfig {
    let many = (1..=MANY).fold(String::new(), |mut text, last| {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "        198.51.100.{last}");
        text
    });
    configuration::of(ROUTERS.replace("PRIORITY", &priority.to_string()).replace("MANY", &many)).vrrp
}

/// A node on a machine of this number that has just started.
fn started(machine: u8, priority: u8, sink: &mut Sink) -> VrrpNode {
    let config = prepared(config(priority));
    let mut node = VrrpNode::new(config.clone(), Router::new(config));
    let address =
        |address: IpNet| ObservedAddress { interface: ETH0, address, scope: 0, secondary: false, protocol: 0 };
    let own = [
        IpNet::new(IpAddr::from([10, 0, 0, machine]), 24),
        IpNet::new(IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, u16::from(machine)]), 64),
    ];
    let observed = Observed::new(vec![eth0(machine)], own.into_iter().flatten().map(address).collect());
    node.handle(Instant::ZERO, Input::Start(observed), sink);
    node
}

#[expect(clippy::expect_used, reason = "a name of letters and digits")]
fn eth0(machine: u8) -> Link {
    Link {
        index: ETH0,
        name: "eth0".parse().expect("a name"),
        mac: Some(MacAddress([2, 0, 0, 0, 0, machine])),
        up: true,
        running: true,
        loopback: false,
        no_arp: false,
        mtu: 1500,
        parent: None,
        vrf_table: None,
    }
}

/// A master of all its routers, when the bursts of its takeover are over.
fn master(machine: u8, priority: u8, sink: &mut Sink) -> (VrrpNode, Instant) {
    let mut node = started(machine, priority, sink);
    let mut now = Instant::ZERO;
    while now < Instant::ZERO + Duration::from_secs(30) {
        now = node.next_deadline().unwrap_or(now + INTERVAL).max(now);
        node.handle(now, Input::Wake, sink);
    }
    sink.sent.clear();
    (node, now)
}

fn received(packet: &Packet) -> Option<Received<'_>> {
    match packet.source {
        // As the raw sockets of the two families give it.
        IpAddr::V4(_) => Received::of_ipv4(ETH0, &packet.bytes).ok(),
        IpAddr::V6(_) => Some(Received {
            interface: ETH0,
            source: packet.source,
            destination: packet.destination,
            ttl: Some(255),
            ah: None,
            message: &packet.bytes,
        }),
    }
}

/// Advertisements of the master reach a standby, one virtual router after the other.
pub(crate) fn receive(times: u32) {
    let mut sink = Sink::default();
    let (mut master, mut now) = master(1, 150, &mut sink);
    while sink.sent.len() < COUNT as usize {
        now = master.next_deadline().unwrap_or(now).max(now);
        master.handle(now, Input::Wake, &mut sink);
    }
    let packets = core::mem::take(&mut sink.sent);
    assert!(packets.iter().any(|packet| packet.bytes.len() > ipv4::HEADER_LEN + 4 * usize::from(MANY)));
    let mut standby = started(2, 100, &mut sink);
    let mut now = Instant::ZERO;
    for packet in packets.iter().cycle().take(usize::try_from(times).unwrap_or(usize::MAX)) {
        now += INTERVAL / COUNT;
        if let Some(received) = received(black_box(packet)) {
            standby.handle(now, Input::Packet(received), &mut sink);
        }
        black_box(standby.next_deadline());
    }
    assert!(sink.sent.is_empty(), "it stayed a standby");
}

/// A master's timers run out, one virtual router after the other.
pub(crate) fn send(times: u32) {
    let mut sink = Sink::default();
    let (mut node, mut now) = master(1, 150, &mut sink);
    let mut sent = 0;
    while sent < times {
        now = node.next_deadline().unwrap_or(now).max(now);
        node.handle(now, Input::Wake, &mut sink);
        sent += u32::try_from(sink.sent.len()).unwrap_or(1);
        black_box(&sink.sent);
        sink.sent.clear();
    }
}

/// What a node of a thousand addresses compares when something has changed: one of them is missing.
pub(crate) fn compare_addresses(times: u32) {
    let address = |number: u16| {
        let [high, low] = number.to_be_bytes();
        IpNet::new(IpAddr::from([10, 1, high, low]), 32).ok().map(VirtualAddress::plain)
    };
    let desired: Vec<(InterfaceIndex, VirtualAddress)> =
        (0..1_000).filter_map(address).map(|address| (ETH0, address)).collect();
    let ours: Ours = desired.iter().map(|(interface, address)| ((*interface, entry(address)), None)).collect();
    let seen = |(interface, address): &(InterfaceIndex, VirtualAddress)| ObservedAddress {
        interface: *interface,
        address: entry(address),
        scope: 0,
        secondary: false,
        protocol: 18,
    };
    let observed = Observed::new(vec![eth0(1)], desired.iter().skip(1).map(seen).collect());
    for _ in 0..times {
        let operations = diff(black_box(&desired), black_box(&ours), black_box(&observed));
        assert_eq!(operations.len(), 1);
        black_box(operations);
    }
}
