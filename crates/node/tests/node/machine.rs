//! A machine that is a value: it keeps addresses and writes down what it was asked for.

use standfast_model::config::VrrpConfig;
use standfast_model::config::route::Route;
use standfast_model::config::track::ScriptId;
use standfast_model::config::vrrp::{Authentication, Garp, InitialState, Instance, InstanceId, Preempt};
use standfast_model::ipvs::Family;
use standfast_model::{
    AdvertInterval, Instant, InterfaceIndex, InterfaceName, MacAddress, Password, Priority, State, Version,
    VirtualAddress, Vrid,
};
use standfast_net::{Change, Device, DeviceKind, Filter, Link, Observed, ObservedAddress, Operation, Sysctl};
use standfast_node::{Applied, Frame, Input, Listen, Packet, Record, SocketKey, System, VrrpNode};
use standfast_vrrp::Router;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

pub(crate) const ETH0: InterfaceIndex = InterfaceIndex(2);

/// A machine whose kernel keeps addresses and writes down what it was asked for.
#[derive(Default)]
pub(crate) struct Machine {
    pub(crate) addresses: BTreeSet<String>,
    pub(crate) log: Vec<String>,
    pub(crate) refuse: Option<&'static str>,
    pub(crate) deaf: bool,
    /// The number of the device that was made last.
    pub(crate) devices: u32,
    /// Writes down also what it is told for a successor.
    pub(crate) noting: bool,
    /// By which links anything was announced.
    pub(crate) announced: BTreeSet<InterfaceIndex>,
    /// What was announced last.
    pub(crate) last_announced: Vec<Vec<u8>>,
    /// Every list of addresses that claims were to be listened for.
    pub(crate) watched: Vec<Vec<IpAddr>>,
}

impl Machine {
    fn log_change(&mut self, what: &str, which: &dyn std::fmt::Display) -> bool {
        self.log.push(format!("{what} {which}"));
        true
    }

    pub(crate) fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }
}

impl System for Machine {
    fn listen(&mut self, socket: &Listen) -> Result<(), String> {
        if self.deaf {
            return Err("too many open files".to_owned());
        }
        let queue = socket.queue_bytes.map(|bytes| format!(" queue {bytes}")).unwrap_or_default();
        self.log
            .push(format!("listen {} index {} vrids {:?}{queue}", socket.name, socket.key.interface.0, socket.vrids));
        Ok(())
    }

    fn unlisten(&mut self, key: SocketKey) {
        self.log.push(format!("unlisten index {}", key.interface.0));
    }

    fn stepping_down(&mut self, router: &Router) {
        if self.noting {
            self.log.push(format!("noted as {}", router.state(InstanceId(0))));
        }
    }

    fn send(&mut self, packets: &[Packet]) {
        for packet in packets {
            // The priority is octet 2 of the message, which over IPv4 has a 20-octet header before it.
            let priority = packet.bytes[if packet.destination.is_ipv4() { 22 } else { 2 }];
            let by = match packet.interface {
                ETH0 | InterfaceIndex(9) => String::new(),
                other => format!(" by {}", other.0),
            };
            let hops = packet.hop_limit.map(|limit| format!(" over {limit} hops")).unwrap_or_default();
            self.log.push(format!("send priority {priority}{by}{hops}"));
        }
    }

    fn announce(&mut self, frames: &[Frame]) {
        self.announced.extend(frames.iter().map(|frame| frame.interface));
        self.last_announced = frames.iter().map(|frame| frame.bytes.clone()).collect();
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
                Operation::AddRoute(_) if self.refuse.is_some() => {
                    results.push(Err("network is unreachable".to_owned()));
                    continue;
                }
                Operation::AddRoute(entry) => self.log_change("add route to", &words(&entry.route)),
                Operation::RemoveRoute(entry) => self.log_change("remove route to", &words(&entry.route)),
                Operation::AddRule(rule) => self.log_change("add rule", &rule.preference),
                Operation::RemoveRule(rule) => self.log_change("remove rule", &rule.preference),
            };
            results.push(Ok(if changed { Applied::Changed } else { Applied::AlreadySo }));
        }
        results
    }

    fn make_device(&mut self, device: &Device, parent: &InterfaceName) -> Result<Link, String> {
        if let Some(words) = self.refuse {
            return Err(words.to_owned());
        }
        self.devices += 1;
        self.log.push(format!("device {} above {parent}", device.name));
        let DeviceKind::Macvlan { mac } = device.kind else { return Err("only macvlan".to_owned()) };
        let index = InterfaceIndex(100 + self.devices);
        Ok(Link { name: device.name.clone(), mac: Some(mac), parent: Some(device.parent), ..eth0(index) })
    }

    fn remove_device(&mut self, index: InterfaceIndex) {
        self.log.push(format!("remove device {}", index.0));
    }

    fn configure(&mut self, settings: &[Sysctl]) {
        self.log.extend(settings.iter().map(|setting| format!("set {} {}", setting.path, setting.value)));
    }

    fn watch_claims(&mut self, addresses: &[IpAddr]) {
        self.watched.push(addresses.to_vec());
    }

    fn restore_settings(&mut self) {
        self.log.push("settings back".to_owned());
    }

    fn filter(&mut self, filter: Option<&Filter>) -> Result<(), String> {
        self.log.push(match filter {
            Some(filter) => format!("filter closes {:?}, {} devices", filter.closed, filter.devices.len()),
            None => "no filter".to_owned(),
        });
        Ok(())
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
            Record::Restored { operation, .. } => format!("restored {operation:?}"),
            Record::StaticRestored { operation } => format!("restored static {operation:?}"),
            Record::Refused { what } => format!("refused {what}"),
        });
    }
}

pub(crate) fn config() -> VrrpConfig {
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

/// Where to, and the table if it is not `main`.
fn words(route: &Route) -> String {
    if route.table == standfast_model::config::route::TABLE_MAIN {
        return route.destination.to_string();
    }
    format!("{} table {}", route.destination, route.table)
}

pub(crate) fn eth0(index: InterfaceIndex) -> Link {
    Link {
        index,
        name: "eth0".parse().unwrap(),
        mac: Some(MacAddress([2, 0, 0, 0, 0, 0x0a])),
        up: true,
        running: true,
        loopback: false,
        no_arp: false,
        mtu: 1500,
        parent: None,
        vrf_table: None,
    }
}

pub(crate) fn address(index: InterfaceIndex, text: &str) -> ObservedAddress {
    ObservedAddress { interface: index, address: text.parse().unwrap(), scope: 0, secondary: false, protocol: 0 }
}

/// A node on eth0 with 192.168.1.11, started at 0.
pub(crate) fn started(machine: &mut Machine, extra: &[&str]) -> VrrpNode {
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
pub(crate) fn master(machine: &mut Machine) -> (VrrpNode, Instant) {
    let mut node = started(machine, &[]);
    let at = node.next_deadline().unwrap();
    node.handle(at, Input::Wake, machine);
    assert_eq!(node.router().state(InstanceId(0)), State::Master);
    (node, at)
}

pub(crate) fn gone(text: &str) -> Input<'static> {
    Input::Changed(Change::AddressGone { interface: ETH0, address: text.parse().unwrap() })
}
