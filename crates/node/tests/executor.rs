//! The node against a machine that is a value: what reaches the kernel, and in which order.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that meets the unexpected should end")]

use standfast_model::config::VrrpConfig;
use standfast_model::config::track::ScriptId;
use standfast_model::config::vrrp::{Authentication, Garp, InitialState, Instance, InstanceId, Preempt};
use standfast_model::ipvs::Family;
use standfast_model::{
    AdvertInterval, Instant, InterfaceIndex, MacAddress, Password, Priority, State, Version, VirtualAddress, Vrid,
};
use standfast_net::{Change, Link, Observed, ObservedAddress, Operation};
use standfast_node::{Applied, Frame, Input, Listen, Packet, Record, SocketKey, System, VrrpNode};
use standfast_vrrp::Router;
use std::collections::BTreeSet;
use std::time::Duration;

const ETH0: InterfaceIndex = InterfaceIndex(2);

/// A machine whose kernel keeps addresses and writes down what it was asked for.
#[derive(Default)]
struct Machine {
    addresses: BTreeSet<String>,
    log: Vec<String>,
    refuse: Option<&'static str>,
    deaf: bool,
}

impl Machine {
    fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }
}

impl System for Machine {
    fn listen(&mut self, socket: &Listen) -> Result<(), String> {
        if self.deaf {
            return Err("too many open files".to_owned());
        }
        self.log.push(format!("listen {} index {} vrids {:?}", socket.name, socket.key.interface.0, socket.vrids));
        Ok(())
    }

    fn unlisten(&mut self, key: SocketKey) {
        self.log.push(format!("unlisten index {}", key.interface.0));
    }

    fn send(&mut self, packets: &[Packet]) {
        for packet in packets {
            // The priority is octet 2 of the message behind a 20-octet IPv4 header.
            self.log.push(format!("send priority {}", packet.bytes[22]));
        }
    }

    fn announce(&mut self, frames: &[Frame]) {
        self.log.push(format!("announce {}", frames.len()));
    }

    fn apply(&mut self, operations: &[Operation]) -> Vec<Result<Applied, String>> {
        let mut results = Vec::new();
        for operation in operations {
            let changed = match operation {
                Operation::Add { address, .. } => {
                    if let Some(words) = self.refuse {
                        results.push(Err(words.to_owned()));
                        continue;
                    }
                    self.log.push(format!("add {}", address.address));
                    self.addresses.insert(address.address.to_string())
                }
                Operation::Remove { address, .. } => {
                    self.log.push(format!("remove {address}"));
                    self.addresses.remove(&address.to_string())
                }
            };
            results.push(Ok(if changed { Applied::Changed } else { Applied::AlreadySo }));
        }
        results
    }

    fn run_script(&mut self, script: ScriptId) {
        self.log.push(format!("run script {}", script.0));
    }

    fn record(&mut self, record: Record) {
        self.log.push(match record {
            Record::Transition(t) => format!("{} to {}: {}", t.from, t.to, t.cause),
            Record::GroupTransition(t) => format!("{} {} to {}: {}", t.group, t.from, t.to, t.cause),
            Record::Priority(p) => format!("{} priority {} to {}", p.instance, p.from, p.to),
            Record::LowerPriorityReceived { theirs, .. } => format!("heard lower priority {theirs}"),
            Record::Deleted(instance) => format!("deleted {}", instance.name),
            Record::Notice(notice) => format!("notice {notice:?}"),
            Record::Restored { operation: Operation::Add { address, .. }, .. } => {
                format!("restored {}", address.address)
            }
            Record::Restored { operation: Operation::Remove { address, .. }, .. } => format!("restored {address}?"),
            Record::Refused { what } => format!("refused {what}"),
        });
    }
}

fn config() -> VrrpConfig {
    let address = |text: &str| VirtualAddress::plain(text.parse().unwrap());
    VrrpConfig {
        instances: vec![Instance {
            name: "VI_E".to_owned(),
            interface: "eth0".parse().unwrap(),
            vrid: Vrid::new(51).unwrap(),
            version: Version::V2,
            family: Family::Inet,
            initial_state: InitialState::Backup,
            priority: Priority::DEFAULT,
            advert_interval: AdvertInterval::DEFAULT,
            authentication: Authentication::Pass(Password::truncating(b"mypasswd")),
            addresses: vec![address("192.168.1.200/32"), address("192.168.1.202/32")],
            excluded: vec![],
            preempt: Preempt::After(Duration::ZERO),
            garp: Garp::default(),
            source: None,
            down_timer_adverts: 3,
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            dont_track_primary: false,
            track_interfaces: vec![],
            options: Default::default(),
        }],
        ..VrrpConfig::default()
    }
}

fn eth0(index: InterfaceIndex) -> Link {
    Link {
        index,
        name: "eth0".parse().unwrap(),
        mac: Some(MacAddress([2, 0, 0, 0, 0, 0x0a])),
        up: true,
        running: true,
        loopback: false,
        no_arp: false,
        mtu: 1500,
    }
}

fn address(index: InterfaceIndex, text: &str) -> ObservedAddress {
    ObservedAddress { interface: index, address: text.parse().unwrap(), scope: 0, secondary: false, protocol: 0 }
}

/// A node on eth0 with 192.168.1.11, started at 0.
fn started(machine: &mut Machine, extra: &[&str]) -> VrrpNode {
    let mut node = VrrpNode::new(config(), Router::new(config()));
    let mut addresses = vec![address(ETH0, "192.168.1.11/24")];
    for text in extra {
        addresses.push(address(ETH0, text));
        machine.addresses.insert((*text).to_owned());
    }
    node.handle(Instant::ZERO, Input::Start(Observed::new(vec![eth0(ETH0)], addresses)), machine);
    node
}

/// Runs the node's own deadlines until it is master.
fn master(machine: &mut Machine) -> (VrrpNode, Instant) {
    let mut node = started(machine, &[]);
    let at = node.next_deadline().unwrap();
    node.handle(at, Input::Wake, machine);
    assert_eq!(node.router().state(InstanceId(0)), State::Master);
    (node, at)
}

fn gone(text: &str) -> Input<'static> {
    Input::Changed(Change::AddressGone { interface: ETH0, address: text.parse().unwrap() })
}

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
fn a_resignation_leaves_before_the_addresses_go() {
    let mut machine = Machine::default();
    let (mut node, at) = master(&mut machine);
    machine.take_log();
    node.handle(at + Duration::from_millis(300), Input::Shutdown, &mut machine);
    assert_eq!(
        machine.take_log(),
        [
            "send priority 0",
            "remove 192.168.1.200/32",
            "remove 192.168.1.202/32",
            "MASTER to STOP: shutdown",
            "unlisten index 2",
        ]
    );
    assert!(machine.addresses.is_empty());
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
