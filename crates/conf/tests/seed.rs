//! The sample pair, to the last field, and the same configuration with its braces in the wrong places.

#![expect(clippy::unwrap_used, reason = "a value that cannot be made is a failed test")]

use core::time::Duration;
use standfast_conf::host::Memory;
use standfast_conf::{Class, Code, Loaded, Options, exit_code_for_test, load};
use standfast_model::config::Config;
use standfast_model::config::lvs::{Checker, Connect, LvsConfig, Probe, RealServer, Timing, VirtualServer};
use standfast_model::config::vrrp::{Authentication, InitialState, Instance, InstanceId, SyncGroup, VrrpConfig};
use standfast_model::ipvs::{Forwarding, Protocol, ServiceKey};
use standfast_model::{Password, Priority, VirtualAddress, Vrid};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

fn loaded(text: &str) -> Loaded {
    let host = Memory::new().with_interface("eth0").with_interface("eth1").file("/keepalived.conf", text);
    load(&host, Path::new("keepalived.conf"), &Options::default())
}

fn instance(name: &str, interface: &str, vrid: u8, state: InitialState, priority: u8, vips: &[&str]) -> Instance {
    Instance {
        initial_state: state,
        priority: Priority::new(priority).unwrap(),
        authentication: Authentication::Pass(Password::truncating(b"mypasswd")),
        addresses: vips.iter().map(|vip| VirtualAddress::plain(format!("{vip}/32").parse().unwrap())).collect(),
        ..Instance::plain(name, interface.parse().unwrap(), Vrid::new(vrid).unwrap())
    }
}

fn service(address: &str, port: u16, protocol: Protocol, servers: &[&str]) -> VirtualServer {
    let real = |server: &&str| {
        let target: SocketAddr = format!("{server}:{port}").parse().unwrap();
        let connect = Connect {
            target,
            bind_address: None,
            bind_port: None,
            bind_interface: None,
            timeout: Duration::from_secs(3),
            mark: 0,
        };
        let timing = Timing {
            delay_loop: Duration::from_secs(3),
            retry: 1,
            delay_before_retry: Duration::from_secs(1),
            warmup: Duration::from_secs(3),
            alpha: false,
            log_all_failures: false,
        };
        let mut real = RealServer::plain(target, Forwarding::Nat);
        real.checkers = [Arc::new(Checker { probe: Probe::Tcp(connect), timing })].into();
        // Unlike everywhere else, mails about real servers are on when nobody says anything.
        real.smtp_alert = true;
        real
    };
    let plain = VirtualServer::plain(ServiceKey::Address { address: address.parse().unwrap(), port, protocol });
    let mut options = plain.options;
    options.defaults.checks.delay_loop = Some(Duration::from_secs(3));
    options.defaults.forwarding = Some(Forwarding::Nat);
    VirtualServer {
        scheduler: "rr".parse().unwrap(),
        real_servers: servers.iter().map(real).collect(),
        options,
        ..VirtualServer::plain(plain.key)
    }
}

fn expected(state: InitialState, priority: u8) -> Config {
    let group = SyncGroup {
        name: "VG1".to_owned(),
        members: vec![InstanceId(0), InstanceId(1)],
        track_interfaces: vec![],
        options: Default::default(),
    };
    let vrrp = VrrpConfig {
        instances: vec![
            instance("VI_E", "eth0", 51, state, priority, &["192.168.1.200", "192.168.1.202"]),
            instance("VI_I", "eth1", 52, state, priority, &["10.0.100.200"]),
        ],
        groups: vec![group],
        ..VrrpConfig::default()
    };
    let virtual_servers = vec![
        service("192.168.1.202", 80, Protocol::Tcp, &["10.0.100.2", "10.0.100.3", "10.0.100.4"]),
        service("192.168.1.200", 53, Protocol::Udp, &["10.0.100.5", "10.0.100.6", "10.0.100.7"]),
    ];
    Config { vrrp, lvs: LvsConfig { virtual_servers, ..LvsConfig::default() }, ..Config::default() }
}

#[test]
fn the_sample_pair_is_understood_to_the_last_field() {
    let master = loaded(include_str!("data/master.conf"));
    assert_eq!(master.diagnostics, []);
    assert_eq!(master.config, Some(expected(InitialState::Master, 150)));
    let standby = loaded(include_str!("data/standby.conf"));
    assert_eq!(standby.diagnostics, []);
    assert_eq!(standby.config, Some(expected(InitialState::Backup, 100)));
}

#[test]
fn the_pair_as_printed_has_two_mistakes_and_each_is_told_once() {
    let printed = loaded(include_str!("data/master-as-printed.conf"));
    assert!(printed.config.is_none(), "a service with half of its servers is not started");
    assert_eq!(exit_code_for_test(&printed.diagnostics), 5);
    let [surplus, early] = printed.diagnostics.as_slice() else {
        panic!("two mistakes, not {:?}", printed.diagnostics);
    };
    let lines = |span| {
        let file = printed.sources.file(span).unwrap();
        move |offset| file.position(offset).line
    };
    let line_of = |label: &standfast_conf::diagnostic::Label| {
        let line = lines(label.span.file);
        (line(label.span.start), line(label.span.end))
    };
    assert_eq!((surplus.code, surplus.class), (Code::SurplusClose, Class::Fatal));
    assert_eq!(line_of(surplus.primary.as_ref().unwrap()), (22, 22));
    assert_eq!((early.code, early.class), (Code::ClosedEarly, Class::Fatal));
    assert_eq!(line_of(early.primary.as_ref().unwrap()), (84, 84));
    let places: Vec<_> = early.secondary.iter().map(line_of).collect();
    // Where the block begins, where it is closed, what belongs inside, and the brace that was meant to close it.
    assert_eq!(places, [(66, 66), (78, 78), (85, 96), (97, 97)]);
}
