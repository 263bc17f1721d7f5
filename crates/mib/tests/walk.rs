//! Objects of configurations as they are written, with a status made for them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "the helpers of tests fail a test by panicking")]

use core::time::Duration;
use standfast_agentx::{Mib, Oid, SetError, Value, VarBind};
use standfast_api::adjust::{Adjustment, Setting};
use standfast_api::control::{Order, ServerOrder, ServerWish};
use standfast_api::snmp::{DestinationTraffic, ServiceTraffic, Traffic};
use standfast_api::{
    CheckStatus, DaemonStatus, Generation, InstanceStatus, Packed, Said, ServerStatus, ServiceStatus, Snapshot,
    SnmpSlice, VrrpStatus, encode,
};
use standfast_conf::host::Memory;
use standfast_mib::{Interface, Interfaces, View, World, notification};
use standfast_model::ipvs::DestinationKey;
use standfast_model::tracking::Known;
use standfast_model::{Config, Instant, Priority, Refusal, Seldom, State, VrrpCounters};
use std::path::Path;
use std::rc::Rc;

const GLOBALS: &str =
    "global_defs {\n router_id R\n enable_snmp_vrrp\n enable_snmp_checker\n enable_snmp_rfc\n enable_traps\n}\n";

const TEXT: &str = "
vrrp_track_process s {
 process sleep
 weight 3
}
vrrp_sync_group G {
 group {
  A
 }
}
vrrp_instance A {
 state MASTER
 interface eth0
 virtual_router_id 7
 priority 90
 authentication {
  auth_type PASS
  auth_pass s3cr3tpw
 }
 virtual_ipaddress {
  192.0.2.7
 }
 virtual_ipaddress_excluded {
  192.0.2.8
 }
}
vrrp_instance B {
 version 3
 interface eth0
 virtual_router_id 8
 track_process {
  s
 }
 virtual_ipaddress {
  fe80::8
  2001:db8::8
 }
}
virtual_server 192.0.2.1 80 {
 lb_algo rr
 lb_kind NAT
 protocol TCP
 real_server 10.0.0.1 80 {
  weight 4
  HTTP_GET {
   url {
    path /p4ssw0rd
    status_code 200
   }
  }
 }
 real_server 10.0.0.2 80 {
  MISC_CHECK {
   misc_path \"/bin/check p4ssw0rd\"
  }
 }
 sorry_server 10.0.0.9 80
}
";

fn read(text: &str) -> Config {
    let path = Path::new("/k");
    let host = Memory::new().file(path, text.to_owned()).with_interface("eth0");
    standfast_conf::load(&host, path, &standfast_conf::Options::default()).config.unwrap()
}

fn snapshot(config: &Config) -> Snapshot {
    let daemon = DaemonStatus {
        at: Instant::from_nanos(60_000_000_000),
        unix: Duration::from_secs(1_000_000),
        version: "9.9".to_owned(),
        pid: 1,
        started: Instant::from_nanos(10_000_000_000),
        configuration: String::new(),
        generation: Generation::FIRST,
        in_force_since: Instant::ZERO,
        reload_refused: None,
        reloading: false,
        confirm_until: None,
        workers: Vec::new(),
    };
    let states = [State::Master, State::Backup];
    let instances = config.vrrp.instances.iter().zip(states).map(|(instance, state)| {
        let mut counters = VrrpCounters::default();
        counters.become_master = 1;
        counters.refuse(Refusal::Ttl);
        InstanceStatus {
            name: instance.name.clone(),
            interface: instance.interface.clone(),
            vrid: instance.vrid,
            state,
            since: Instant::ZERO,
            priority: 93,
            base_priority: instance.priority.get(),
            master: Some("fe80::1".parse().unwrap()),
            master_priority: Some(200),
            group: None,
            addresses: Vec::new(),
            ordered: None,
            held: None,
            fault: None,
            last_transition: None,
            mismatches: Vec::new(),
            rival: None,
            claims: Vec::new(),
            counters,
        }
    });
    let tracked = Known { processes: vec![(Some(4), true)], ..Known::default() };
    let vrrp = VrrpStatus { at: daemon.at, instances: instances.collect(), tracked };
    let services = config.lvs.virtual_servers.iter().map(|service| {
        let servers = service.real_servers.iter().enumerate().map(|(at, server)| ServerStatus {
            key: DestinationKey { address: server.address.ip(), port: server.address.port() },
            weight: server.weight,
            up: at == 0,
            check_micros: None,
            remarks: Seldom::default(),
        });
        ServiceStatus {
            key: service.key,
            live: 1,
            total: 2,
            has_quorum: true,
            on_sorry_server: false,
            weight: 4,
            quorum: 1,
            servers: servers.collect(),
        }
    });
    let services: Vec<ServiceStatus> = services.collect();
    let traffic = services.iter().map(|service| {
        let total = Traffic {
            connections: (3 << 32) + 5,
            packets: [7, 8],
            bytes: [u64::MAX, 1],
            connections_per_second: (9 << 32) + 1,
            packets_per_second: [2, 3],
            bytes_per_second: [4, 6],
        };
        let destination = DestinationTraffic { total, connections: [11, 12, 13] };
        (service.key, ServiceTraffic { total, destinations: vec![(service.servers[0].key, destination)] })
    });
    let check = CheckStatus { at: daemon.at, traffic: traffic.collect(), services };
    Snapshot { daemon, vrrp: Some(vrrp), check: Some(Packed::new(&check)), peers: Vec::new() }
}

fn view_of(text: &str) -> View {
    view_with(text, |_| {})
}

/// A view whose status was changed by somebody else.
fn view_with(text: &str, change: impl FnOnce(&mut CheckStatus)) -> View {
    let config = read(text);
    let mut snapshot = snapshot(&config);
    let mut check = snapshot.check().unwrap().clone();
    change(&mut check);
    snapshot.check = Some(Packed::new(&check));
    let interface = Interface {
        index: 6,
        hardware: Some([2, 0, 0, 0, 0, 1]),
        addresses: vec!["192.0.2.2".parse().unwrap(), "2001:db8::2".parse().unwrap(), "fe80::2".parse().unwrap()],
    };
    let interfaces = Interfaces::from([("eth0".to_owned(), interface)]);
    let slice = Rc::new(SnmpSlice::of(&config, "host").unwrap());
    View::new(World::new(slice, Some(Rc::new(snapshot)), Rc::new(interfaces)))
}

fn view() -> View {
    view_of(&(GLOBALS.to_owned() + TEXT))
}

fn walk(view: &View) -> Vec<(Oid, Value)> {
    let mut found = Vec::new();
    let mut at = Oid::new(&[1]);
    while let Some((name, value)) = view.next(&at, false) {
        at = name.clone();
        found.push((name, value));
    }
    found
}

fn get(view: &View, name: &str) -> Value {
    view.get(&name.parse().unwrap())
}

const KEEPALIVED: &str = "1.3.6.1.4.1.9586.100.5";

#[test]
fn a_walk_meets_every_object_once_in_order_and_each_is_found_by_its_name() {
    let view = view();
    let found = walk(&view);
    assert!(found.len() > 400, "{}", found.len());
    assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0));
    for (name, value) in &found {
        assert_eq!(view.get(name), *value, "{name}");
        assert_eq!(view.next(name, true).unwrap(), (name.clone(), value.clone()), "{name}");
    }
}

#[test]
fn a_walk_can_begin_anywhere() {
    let view = view();
    let found = walk(&view);
    for (name, _) in &found {
        // Right before it, between two columns, and at names that do not exist.
        for from in [Oid::new(&name.numbers()[..name.numbers().len() - 1]), name.with(&[0]), name.with(&[u32::MAX])] {
            let expected = found.iter().find(|(known, _)| *known > from);
            assert_eq!(view.next(&from, false).as_ref(), expected, "{from}");
        }
    }
    assert_eq!(view.next(&found.last().unwrap().0, false), None);
}

#[test]
fn nothing_secret_is_told_to_who_shows_it() {
    let text = GLOBALS.to_owned() + TEXT;
    let config = read(&text);
    let told = encode(&SnmpSlice::of(&config, "host")).unwrap();
    let all = encode(&config.vrrp).unwrap();
    let holds = |bytes: &[u8], secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
    assert!(holds(&all, b"s3cr3tpw"), "it is not found where it is");
    assert!(!holds(&told, b"s3cr3tpw") && !holds(&told, b"p4ssw0rd"));
    let without = text.replace(" enable_snmp_vrrp\n enable_snmp_checker\n enable_snmp_rfc\n", "");
    assert_eq!(SnmpSlice::of(&read(&without), "host"), None);
}

#[test]
fn only_what_is_enabled_is_shown() {
    for (keyword, root) in [
        ("enable_snmp_rfcv2", "1.3.6.1.2.1.68"),
        ("enable_snmp_rfcv3", "1.3.6.1.2.1.207"),
        ("enable_snmp_vrrp", KEEPALIVED),
        ("enable_snmp_checker", KEEPALIVED),
    ] {
        let view = view_of(&(format!("global_defs {{\n {keyword}\n}}\n") + TEXT));
        let found = walk(&view);
        let root: Oid = root.parse().unwrap();
        assert!(found.len() > 10 && found.iter().all(|(name, _)| name.below(&root).is_some()), "{keyword}");
        let has = |part| found.iter().any(|(name, _)| name.below(&root.with(&[part])).is_some());
        if keyword == "enable_snmp_vrrp" {
            assert!(has(1) && has(2) && !has(3));
        } else if keyword == "enable_snmp_checker" {
            assert!(has(1) && !has(2) && has(3));
        }
    }
}

#[test]
fn objects_hold_what_is_configured_and_what_is_so() {
    let view = view();
    let expect = |name: &str, value: Value| assert_eq!(get(&view, &format!("{KEEPALIVED}.{name}")), value, "{name}");
    expect("1.2.0", Value::text("R"));
    expect("2.1.1.3.1", Value::Integer(2));
    expect("2.3.1.4.1", Value::Integer(2));
    expect("2.3.1.4.2", Value::Integer(1));
    expect("2.3.1.8.1", Value::Integer(93));
    expect("2.3.1.12.2", Value::Gauge32(100));
    expect("2.20.1.3.2.1", Value::Integer(3));
    expect("2.6.1.10.1.2", Value::Integer(1));
    expect("2.6.1.11.1.2", Value::Integer(2));
    expect("2.21.1.13.1", Value::Integer(4));
    expect("2.21.1.14.1", Value::Integer(1));
    expect("3.3.1.21.1", Value::Gauge32(1));
    expect("3.4.1.6.1.3", Value::Integer(2));
    expect("3.4.1.2.1.1", Value::Integer(2));
    expect("2.3.1.4.3", Value::NoSuchInstance);
    expect("2.3.1.99.1", Value::NoSuchObject);
    // A master's address is its own, a standby's is whom it hears.
    let of = |name: &str| get(&view, &format!("1.3.6.1.2.1.207.1.1.1.1.{name}"));
    assert_eq!(of("3.6.7.1"), Value::Octets(vec![192, 0, 2, 2]));
    assert_eq!(of("3.6.8.2"), Value::Octets([&[0xfe, 0x80][..], &[0; 13], &[1]].concat()));
    assert_eq!(of("12.6.7.1"), Value::TimeTicks(5000));
    assert_eq!(get(&view, "1.3.6.1.2.1.68.2.4.1.5.6.7"), Value::Counter32(1));
    // The instance of version 3 is none of VRRP-MIB.
    assert_eq!(get(&view, "1.3.6.1.2.1.68.2.4.1.5.6.8"), Value::NoSuchInstance);
}

#[test]
fn counters_are_shown_in_each_of_their_widths() {
    let view = view();
    let expect = |name: &str, value: Value| assert_eq!(get(&view, &format!("{KEEPALIVED}.3.{name}")), value, "{name}");
    for (service, server) in [("27", "14"), ("38", "27")] {
        for name in [format!("3.1.{service}.1"), format!("4.1.{server}.1.2")] {
            let whole = (3 << 32) + 5;
            expect(&name, if service == "27" { Value::Gauge32(u32::MAX) } else { Value::Counter64(whole) });
        }
    }
    expect("3.1.28.1", Value::Counter32(7));
    expect("3.1.30.1", Value::Counter64(u64::MAX));
    expect("3.1.36.1", Value::Gauge32(6));
    expect("3.1.41.1", Value::Gauge32(1));
    expect("3.1.42.1", Value::Gauge32(9));
    expect("3.1.50.1", Value::Gauge32(0));
    expect("3.1.74.1", Value::Counter64((9 << 32) + 1));
    expect("4.1.15.1.2", Value::Gauge32(11));
    expect("4.1.17.1.2", Value::Gauge32(13));
    expect("4.1.19.1.2", Value::Counter32(8));
    expect("4.1.26.1.2", Value::Gauge32(6));
    expect("4.1.39.1.2", Value::Gauge32(0));
    expect("4.1.62.1.2", Value::Counter64(6));
    expect("4.1.15.1.3", Value::Gauge32(0));
}

/// What is ordered of real servers when an object is set to 6.
fn orders(view: &View, name: Oid) -> Vec<ServerOrder> {
    let orders = view.orders(&[VarBind { name, value: Value::Integer(6) }]);
    let server = |order| if let Order::Server(order) = order { Some(order) } else { None };
    orders.into_iter().filter_map(server).collect()
}

#[test]
fn what_the_mib_says_of_an_instance_can_be_set_to_what_the_rest_allows() {
    let view = view();
    let name = |column: u32, row: u32| format!("{KEEPALIVED}.2.3.1.{column}.{row}").parse::<Oid>().unwrap();
    let test = |column, row, value: i32| view.test(&name(column, row), &Value::Integer(value));
    for (value, outcome) in [
        (1, Ok(())),
        (254, Ok(())),
        (255, Err(SetError::InconsistentValue)),
        (0, Err(SetError::WrongValue)),
        (256, Err(SetError::WrongValue)),
        // keepalived takes it for 44.
        (300, Err(SetError::WrongValue)),
        (-1, Err(SetError::WrongValue)),
    ] {
        assert_eq!(test(7, 1, value), outcome, "priority {value}");
    }
    for column in [13, 28, 29, 33] {
        let outcomes = [0, 1, 2, 3].map(|value| test(column, 1, value));
        let wrong = Err(SetError::WrongValue);
        assert_eq!(outcomes, [wrong, Ok(()), Ok(()), wrong], "column {column}");
        assert_eq!(view.test(&name(column, 1), &Value::Gauge32(1)), Err(SetError::WrongType));
        assert_eq!(test(column, 9, 1), Err(SetError::NotWritable), "there is no such instance");
    }
    // Version 2 does not know it.
    assert_eq!((test(27, 1, 1), test(27, 2, 2)), (Err(SetError::NotWritable), Ok(())));
    assert_eq!(test(5, 1, 1), Err(SetError::NotWritable), "the MIB lets nobody set the initial state");
    let objects = [(7, 1, 120), (13, 2, 2)]
        .map(|(column, row, value)| VarBind { name: name(column, row), value: Value::Integer(value) });
    let set = |instance: &str, setting| Adjustment { instance: instance.to_owned(), setting };
    let wanted = [set("A", Setting::Priority(Priority::new(120).unwrap())), set("B", Setting::Preempt(false))];
    assert_eq!(view.orders(&objects), [Order::Adjust(wanted.into())], "together or not at all");
}

#[test]
fn the_weight_of_a_real_server_can_be_set_and_nothing_else_of_it() {
    let view = view();
    let test = |name: &str, value: &Value| view.test(&format!("{KEEPALIVED}.{name}").parse().unwrap(), value);
    assert_eq!(test("3.4.1.7.1.2", &Value::Integer(0)), Ok(()));
    assert_eq!(test("3.4.1.7.1.2", &Value::Integer(-1)), Err(SetError::WrongValue));
    assert_eq!(test("3.4.1.7.1.2", &Value::Gauge32(1)), Err(SetError::WrongType));
    // The sorry server's is not, and what is not there cannot be made.
    assert_eq!(test("3.4.1.7.1.1", &Value::Integer(1)), Err(SetError::NotWritable));
    assert_eq!(test("3.4.1.6.1.2", &Value::Integer(1)), Err(SetError::NotWritable));
    assert_eq!(test("9.9", &Value::Integer(1)), Err(SetError::NoCreation));
    let name = format!("{KEEPALIVED}.3.4.1.7.1.3").parse().unwrap();
    let orders = orders(&view, name);
    assert_eq!(orders.len(), 1);
    assert_eq!((orders[0].server.as_str(), orders[0].of.as_deref()), ("10.0.0.2:80", Some("TCP 192.0.2.1:80")));
    assert_eq!(orders[0].wish, ServerWish::Weight(6));
}

fn said(fields: &[(&str, &str)]) -> Said {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Said { process: String::new(), severity: 6, message: String::new(), fields }
}

/// The names of what a line is worth, and the objects of the last, as text.
fn told(view: &View, fields: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let all = notification::of(view.world(), &said(fields));
    let name = |one: &notification::Notification| {
        let Value::Oid(name) = &one[0].value else { return format!("{:?}", one[0].value) };
        name.to_string()
    };
    let names = all.iter().map(name);
    let last = all.last().into_iter().flatten().skip(1).map(|object| format!("{} {:?}", object.name, object.value));
    (names.collect(), last.collect())
}

#[test]
fn a_master_is_told_in_each_mib() {
    let view = view();
    let (names, last) = told(
        &view,
        &[("event", "vrrp-master"), ("instance", "A"), ("to", "MASTER"), ("cause", "master 192.0.2.3 resigned")],
    );
    assert_eq!(names, ["1.3.6.1.4.1.9586.100.5.2.10.0.2", "1.3.6.1.2.1.68.0.1", "1.3.6.1.2.1.207.0.1"]);
    assert_eq!(
        last,
        ["1.3.6.1.2.1.207.1.1.1.1.3.6.7.1 Octets([192, 0, 2, 2])", "1.3.6.1.2.1.207.1.2.5.1.2.6.7.1 Integer(1)",]
    );
    let (names, last) = told(&view, &[("event", "vrrp-fault"), ("instance", "B"), ("to", "FAULT")]);
    assert_eq!(names, ["1.3.6.1.4.1.9586.100.5.2.10.0.2"]);
    assert_eq!(last[1], "1.3.6.1.4.1.9586.100.5.2.3.1.4 Integer(3)");
    let (names, _) = told(&view, &[("event", "vrrp-group"), ("group", "G"), ("to", "BACKUP")]);
    assert_eq!(names, ["1.3.6.1.4.1.9586.100.5.2.10.0.1"]);
    // What nobody knows, or is nobody's business, is not told.
    for fields in [&[("event", "vrrp-master"), ("instance", "C"), ("to", "MASTER")][..], &[("event", "trouble")], &[]] {
        assert!(told(&view, fields).0.is_empty());
    }
}

#[test]
fn refused_packets_are_told_by_their_reason() {
    let view = view();
    let refused = |cause: &str| {
        let fields = [("event", "advert-refused"), ("instance", "A"), ("source", "192.0.2.3"), ("cause", cause)];
        told(&view, &fields)
    };
    let (names, last) = refused("refused advertisement from 192.0.2.3: wrong password");
    assert_eq!(names, ["1.3.6.1.2.1.68.0.2"]);
    assert_eq!(last, ["1.3.6.1.2.1.68.1.5.0 IpAddress(192.0.2.3)", "1.3.6.1.2.1.68.1.6.0 Integer(3)"]);
    let (names, last) = refused("refused advertisement from 192.0.2.3: TTL is not 255: 64");
    assert_eq!(names, ["1.3.6.1.2.1.207.0.2"]);
    assert_eq!(last, ["1.3.6.1.2.1.207.1.2.5.1.6.6.7.1 Integer(1)"]);
    assert!(refused("refused advertisement from 192.0.2.3: instance is not listening").0.is_empty());
}

#[test]
fn servers_and_quorums_are_told_with_the_service_they_are_of() {
    let view = view();
    let fields = [("event", "server-down"), ("service", "TCP  192.0.2.1:80"), ("server", "10.0.0.2:80"), ("up", "0")];
    let (names, last) = told(&view, &fields);
    assert_eq!(names, ["1.3.6.1.4.1.9586.100.5.3.5.0.1"]);
    let column = |table: u32, column: u32, value: &str| format!("{KEEPALIVED}.3.{table}.1.{column} {value}");
    let service = [
        column(3, 2, "Integer(2)"),
        column(3, 5, "Integer(1)"),
        column(3, 6, "Octets([192, 0, 2, 1])"),
        column(3, 7, "Gauge32(80)"),
        column(3, 8, "Integer(1)"),
    ];
    // As many as the line says, and not as many as the status (1): that may be older, or younger.
    let end = |up: u32| {
        let up = column(3, 21, &format!("Gauge32({up})"));
        [up, column(3, 20, "Gauge32(2)"), format!("{KEEPALIVED}.1.2.0 Octets([82])")]
    };
    let server = [
        column(4, 3, "Integer(1)"),
        column(4, 4, "Octets([10, 0, 0, 2])"),
        column(4, 5, "Gauge32(80)"),
        column(4, 6, "Integer(2)"),
    ];
    assert_eq!(last, [&server[..], &service, &end(0)].concat());
    let (names, last) = told(&view, &[("event", "quorum-gained"), ("service", "TCP  192.0.2.1:80"), ("up", "2")]);
    assert_eq!(names, ["1.3.6.1.4.1.9586.100.5.3.5.0.2"]);
    let quorum = [column(3, 23, "Integer(1)"), column(3, 22, "Gauge32(1)")];
    assert_eq!(last, [&service[..], &quorum, &end(2)].concat());
}

/// A group keeps its mark when a reload puts another before it, and the configuration counts anew.
#[test]
fn a_virtual_server_that_goes_by_a_mark_is_the_one_in_its_place() {
    let mut text = "global_defs {\n router_id R\n enable_snmp_checker\n enable_traps\n nftables_ipvs\n}\n".to_owned();
    for (host, group) in ["new", "old"].into_iter().enumerate() {
        text += &format!(
            "virtual_server_group {group} {{\n 192.0.2.{host} 80\n}}\nvirtual_server group {group} {{\n lb_kind NAT\n \
             protocol TCP\n real_server 10.0.0.{host} 80 {{\n }}\n}}\n"
        );
    }
    let marks = |status: &CheckStatus| status.services.iter().map(|service| service.key).collect::<Vec<_>>();
    let view = view_with(&text, |status| {
        let [new, old] = marks(status)[..] else { panic!("{:?}", status.services) };
        assert!(new.to_string().contains("1000") && old.to_string().contains("1001"), "{new} {old}");
        (status.services[0].key, status.services[1].key, status.services[1].live) = (old, new, 7);
        status.traffic.iter_mut().zip([old, new]).for_each(|(traffic, key)| traffic.0 = key);
        status.traffic[1].1.total.connections = 99;
    });
    let cell = |name: &str| get(&view, &format!("{KEEPALIVED}.{name}"));
    assert_eq!([cell("3.3.1.21.1"), cell("3.3.1.21.2")], [Value::Gauge32(1), Value::Gauge32(7)]);
    let connections = walk(&view).into_iter().any(|(name, value)| {
        name.to_string().starts_with(&format!("{KEEPALIVED}.3.3.1."))
            && name.to_string().ends_with(".2")
            && value == Value::Counter64(99)
    });
    assert!(connections, "what the kernel counted for the second is not its own");
    let name = format!("{KEEPALIVED}.3.4.1.7.2.1").parse().unwrap();
    let orders = orders(&view, name);
    assert_eq!((orders[0].server.as_str(), orders[0].of.as_deref()), ("10.0.0.1:80", Some("1000")));
    let fields = [("event", "quorum-lost"), ("service", "FWM  1000")];
    let (_, objects) = told(&view, &fields);
    let group = format!("{KEEPALIVED}.3.3.1.3 {:?}", Value::text("old"));
    assert!(objects.contains(&group), "{objects:?}");
    // While the status is still that of another configuration nobody knows whose mark it is.
    let behind = view_with(&text, |status| drop(status.services.pop()));
    assert!(notification::of(behind.world(), &said(&fields)).is_empty());
}

#[test]
fn the_stop_is_told_of_every_instance_and_group() {
    assert_eq!(notification::of_stop(view().world()).len(), 3);
    let quiet = GLOBALS.replace(" enable_traps\n", "") + TEXT;
    assert!(notification::of_stop(view_of(&quiet).world()).is_empty());
    let master = said(&[("event", "vrrp-master"), ("instance", "A"), ("to", "MASTER")]);
    assert!(notification::of(view_of(&quiet).world(), &master).is_empty());
}
