//! IPVS against a kernel that has it, cross-checked with what `ipvsadm` prints.
//!
//! Each test works in a network namespace of its own, whose IPVS table is its own too, so nothing of the machine is
//! touched. Needs root and the module `ip_vs`, so `cargo test` leaves them out: run this binary with `--ignored` on a
//! machine or in a guest that has IPVS.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests fail a test by panicking")]

use core::time::Duration;
use nix::sched::{CloneFlags, unshare};
use standfast_kernel::ipvs::{Ipvs, OpenError, Outcome, REQUESTS_PER_SEND, Refused, SyncState};
use standfast_kernel::timer::boottime;
use standfast_lvs::{Connections, Entry, Operation, SyncRole, Table};
use standfast_model::config::lvs::{SyncDaemon, Timeouts};
use standfast_model::ipvs::{
    Destination, DestinationKey, Family, Forwarding, Persistence, Protocol, Scheduler, SchedulerFlags, Service,
    ServiceKey, Tunnel, TunnelChecksum,
};
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::process::Command;

/// IPVS in a fresh network namespace, which this thread is in from now on.
fn ipvs() -> Ipvs {
    unshare(CloneFlags::CLONE_NEWNET).expect("unshare(CLONE_NEWNET): run these tests as root");
    // Until the first local route is there, the kernel takes no address for one of a host and no destination.
    run("ip link set lo up");
    Ipvs::open().unwrap()
}

fn run(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What `ipvsadm -Sn` prints, sorted, without the blanks it leaves behind.
fn listing() -> Vec<String> {
    let mut lines: Vec<String> = run("ipvsadm -Sn").lines().map(|line| line.trim_end().to_owned()).collect();
    lines.sort();
    lines
}

fn key(protocol: Protocol, address: &str, port: u16) -> ServiceKey {
    ServiceKey::Address { address: address.parse().unwrap(), port, protocol }
}

fn mark(mark: u32, family: Family) -> ServiceKey {
    ServiceKey::FirewallMark { mark, family }
}

fn service(key: ServiceKey, scheduler: &str) -> Service {
    Service {
        key,
        scheduler: scheduler.parse().unwrap(),
        flags: SchedulerFlags::default(),
        persistence: None,
        one_packet: false,
        persistence_engine: None,
    }
}

fn destination_key(address: &str, port: u16) -> DestinationKey {
    DestinationKey { address: address.parse().unwrap(), port }
}

fn destination(address: &str, port: u16, forwarding: Forwarding) -> Destination {
    Destination { key: destination_key(address, port), forwarding, weight: 1, upper_threshold: 0, lower_threshold: 0 }
}

/// The table of those services and destinations.
fn table(rows: &[(&Service, &[Destination])]) -> Table {
    let entry = |service: &Service, destinations: &[Destination]| Entry {
        service: service.clone(),
        destinations: destinations.iter().map(|d| (d.key, *d)).collect(),
    };
    Table { services: rows.iter().map(|(service, d)| (service.key, entry(service, d))).collect() }
}

fn changed(outcomes: &[Result<Outcome, Refused>]) {
    let other = outcomes.iter().enumerate().find(|(_, outcome)| **outcome != Ok(Outcome::Changed));
    assert!(other.is_none(), "operation {other:?}");
}

/// Adds each service with its destinations, then compares the dump with what was added.
fn round_trip(ipvs: &mut Ipvs, rows: &[(&Service, &[Destination])]) {
    let mut operations = Vec::new();
    for (service, destinations) in rows {
        operations.push(Operation::AddService((*service).clone()));
        operations.extend(destinations.iter().map(|d| Operation::AddDestination(service.key, *d)));
    }
    changed(&ipvs.apply(&operations));
    assert_eq!(ipvs.dump().unwrap(), table(rows));
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn it_opens_with_a_version_and_an_empty_table() {
    let mut ipvs = ipvs();
    assert_eq!((ipvs.version().major, ipvs.version().minor), (1, 2));
    assert!(ipvs.version().connection_table_size >= 256);
    assert_eq!(ipvs.dump().unwrap(), Table::default());
    assert!(listing().is_empty());
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn every_scheduler_that_the_kernel_offers_is_added_and_read_back() {
    let mut ipvs = ipvs();
    let mut offered = Vec::new();
    for (n, name) in (1..).zip(Scheduler::KNOWN) {
        let wanted = service(key(Protocol::Tcp, "192.0.2.1", n), name);
        match &ipvs.apply(&[Operation::AddService(wanted.clone())])[..] {
            [Ok(Outcome::Changed)] => offered.push(wanted),
            [Err(refused)] if refused.errno == libc::ENOENT => println!("no scheduler {name} in this kernel"),
            other => panic!("{name}: {other:?}"),
        }
    }
    // Those that no kernel with IPVS is built without, as far as we have seen.
    for name in ["rr", "wrr", "lc", "wlc", "sh", "none"] {
        assert!(offered.iter().any(|service| service.scheduler.as_str() == name), "{name} is missing");
    }
    let rows: Vec<(&Service, &[Destination])> = offered.iter().map(|service| (service, &[][..])).collect();
    assert_eq!(ipvs.dump().unwrap(), table(&rows));
    let lines = listing();
    for service in &offered {
        let ServiceKey::Address { port, .. } = service.key else { panic!() };
        let line = format!("-A -t 192.0.2.1:{port} -s {}", service.scheduler);
        assert!(lines.contains(&line), "{line}: {lines:?}");
    }
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn every_way_of_forwarding_is_added_and_read_back() {
    let mut ipvs = ipvs();
    let web = service(key(Protocol::Tcp, "192.0.2.1", 80), "wlc");
    let destinations = [
        destination("10.0.0.1", 8080, Forwarding::Nat),
        Destination { weight: 2_147_483_647, ..destination("10.0.0.2", 80, Forwarding::DirectRouting) },
        Destination { weight: 0, ..destination("10.0.0.3", 80, Forwarding::Tunnel(Tunnel::Ipip)) },
        destination("10.0.0.4", 80, Forwarding::Tunnel(Tunnel::Gue { port: 6080, checksum: TunnelChecksum::None })),
        destination("10.0.0.5", 80, Forwarding::Tunnel(Tunnel::Gue { port: 6081, checksum: TunnelChecksum::Checksum })),
        destination("10.0.0.6", 80, Forwarding::Tunnel(Tunnel::Gue { port: 6082, checksum: TunnelChecksum::Remote })),
        destination("10.0.0.7", 80, Forwarding::Tunnel(Tunnel::Gre { checksum: TunnelChecksum::None })),
        destination("10.0.0.8", 80, Forwarding::Tunnel(Tunnel::Gre { checksum: TunnelChecksum::Checksum })),
        Destination {
            upper_threshold: 1000,
            lower_threshold: 600,
            ..destination("10.0.0.9", 80, Forwarding::DirectRouting)
        },
    ];
    round_trip(&mut ipvs, &[(&web, &destinations)]);
    assert_eq!(
        listing(),
        [
            "-A -t 192.0.2.1:80 -s wlc",
            "-a -t 192.0.2.1:80 -r 10.0.0.1:8080 -m -w 1",
            "-a -t 192.0.2.1:80 -r 10.0.0.2:80 -g -w 2147483647",
            "-a -t 192.0.2.1:80 -r 10.0.0.3:80 -i -w 0 --tun-type ipip",
            "-a -t 192.0.2.1:80 -r 10.0.0.4:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
            "-a -t 192.0.2.1:80 -r 10.0.0.5:80 -i -w 1 --tun-type gue --tun-port 6081 --tun-csum",
            "-a -t 192.0.2.1:80 -r 10.0.0.6:80 -i -w 1 --tun-type gue --tun-port 6082 --tun-remcsum",
            "-a -t 192.0.2.1:80 -r 10.0.0.7:80 -i -w 1 --tun-type gre --tun-nocsum",
            "-a -t 192.0.2.1:80 -r 10.0.0.8:80 -i -w 1 --tun-type gre --tun-csum",
            "-a -t 192.0.2.1:80 -r 10.0.0.9:80 -g -w 1",
        ]
    );
    // The listing to be read back leaves the thresholds out.
    let thresholds = run("ipvsadm -Ln --thresholds");
    let row = thresholds.lines().find(|line| line.contains("10.0.0.9:80")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>()[2..4], ["1000", "600"], "{row}");
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn every_kind_of_service_is_added_and_read_back() {
    let mut ipvs = ipvs();
    let persistence = |timeout_seconds, granularity| Some(Persistence { timeout_seconds, granularity });
    let udp = Service { one_packet: true, ..service(key(Protocol::Udp, "192.0.2.1", 53), "rr") };
    let sctp = service(key(Protocol::Sctp, "192.0.2.1", 5060), "wrr");
    let all_ports = Service { persistence: persistence(360, 32), ..service(key(Protocol::Tcp, "192.0.2.2", 0), "wlc") };
    let grouped =
        Service { persistence: persistence(2_678_400, 24), ..service(key(Protocol::Tcp, "192.0.2.3", 1), "rr") };
    let all_one = Service { persistence: persistence(1, 0), ..service(key(Protocol::Tcp, "192.0.2.4", 1), "rr") };
    let flags = |first, second, third| SchedulerFlags { first, second, third };
    let hashed = Service { flags: flags(true, true, false), ..service(key(Protocol::Tcp, "192.0.2.5", 1), "sh") };
    let maglev = Service { flags: flags(false, true, true), ..service(key(Protocol::Tcp, "192.0.2.6", 1), "mh") };
    let six = service(key(Protocol::Tcp, "2001:db8::1", 443), "wlc");
    let six_grouped =
        Service { persistence: persistence(60, 64), ..service(key(Protocol::Tcp, "2001:db8::2", 443), "rr") };
    let marked = service(mark(7, Family::Inet), "rr");
    let marked_six = Service { persistence: persistence(300, 128), ..service(mark(7, Family::Inet6), "wrr") };
    let marked_high = service(mark(u32::MAX, Family::Inet), "rr");
    let nat4 = [destination("10.0.0.1", 53, Forwarding::Nat)];
    let nat6 = [destination("2001:db8:1::1", 8443, Forwarding::Nat)];
    let direct = [destination("10.0.0.1", 0, Forwarding::DirectRouting)];
    round_trip(
        &mut ipvs,
        &[
            (&udp, &nat4),
            (&sctp, &nat4),
            (&all_ports, &direct),
            (&grouped, &[]),
            (&all_one, &[]),
            (&hashed, &[]),
            (&maglev, &[]),
            (&six, &nat6),
            (&six_grouped, &[]),
            (&marked, &direct),
            (&marked_six, &[destination("2001:db8:1::1", 0, Forwarding::Tunnel(Tunnel::Ipip))]),
            (&marked_high, &[]),
        ],
    );
    let lines = listing();
    for line in [
        "-A -u 192.0.2.1:53 -s rr -o",
        "-a -u 192.0.2.1:53 -r 10.0.0.1:53 -m -w 1",
        "-A --sctp-service 192.0.2.1:5060 -s wrr",
        "-A -t 192.0.2.2:0 -s wlc -p 360",
        "-A -t 192.0.2.3:1 -s rr -p 2678400 -M 255.255.255.0",
        "-A -t 192.0.2.4:1 -s rr -p 1 -M 0.0.0.0",
        "-A -t 192.0.2.5:1 -s sh -b sh-fallback,sh-port",
        // No name has ipvsadm for its third flag.
        "-A -t 192.0.2.6:1 -s mh -b mh-port",
        "-A -t [2001:db8::1]:443 -s wlc",
        "-a -t [2001:db8::1]:443 -r [2001:db8:1::1]:8443 -m -w 1",
        "-A -t [2001:db8::2]:443 -s rr -p 60 -M 64",
        "-A -f 7 -s rr",
        "-a -f 7 -r 10.0.0.1:0 -g -w 1",
        "-A -f 7 -6 -s wrr -p 300",
        "-a -f 7 -6 -r [2001:db8:1::1]:0 -i -w 1 --tun-type ipip",
        // That is how it prints 4294967295.
        "-A -f -1 -s rr",
    ] {
        assert!(lines.contains(&line.to_owned()), "{line}: {lines:#?}");
    }
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn a_persistence_engine_is_added_and_taken_away_again() {
    let mut ipvs = ipvs();
    let plain = Service {
        persistence: Some(Persistence { timeout_seconds: 60, granularity: 32 }),
        ..service(key(Protocol::Udp, "192.0.2.1", 5060), "rr")
    };
    let sip = Service { persistence_engine: Some("sip".to_owned()), ..plain.clone() };
    round_trip(&mut ipvs, &[(&sip, &[])]);
    assert_eq!(listing(), ["-A -u 192.0.2.1:5060 -s rr -p 60 --pe sip"]);
    changed(&ipvs.apply(&[Operation::EditService(plain.clone())]));
    assert_eq!(ipvs.dump().unwrap(), table(&[(&plain, &[])]));
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn a_destination_of_the_other_family_can_be_tunnelled_to() {
    let mut ipvs = ipvs();
    let web = service(key(Protocol::Tcp, "192.0.2.1", 80), "rr");
    let six = destination("2001:db8:1::1", 80, Forwarding::Tunnel(Tunnel::Ipip));
    round_trip(&mut ipvs, &[(&web, &[six])]);
    // The kernel translates no addresses between the families.
    let nat = Operation::AddDestination(web.key, destination("2001:db8:1::2", 80, Forwarding::Nat));
    assert_eq!(ipvs.apply(&[nat])[0].as_ref().unwrap_err().errno, libc::EINVAL);
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn an_edit_changes_everything_that_can_change_and_takes_flags_back() {
    let mut ipvs = ipvs();
    let at = key(Protocol::Udp, "192.0.2.1", 53);
    let before = Service {
        flags: SchedulerFlags { first: true, second: true, third: true },
        persistence: Some(Persistence { timeout_seconds: 60, granularity: 24 }),
        one_packet: true,
        ..service(at, "sh")
    };
    let after = service(at, "wrr");
    let first = destination("10.0.0.1", 53, Forwarding::Nat);
    let second = Destination {
        weight: 7,
        upper_threshold: 10,
        lower_threshold: 5,
        ..destination("10.0.0.1", 53, Forwarding::Tunnel(Tunnel::Gue { port: 9, checksum: TunnelChecksum::Checksum }))
    };
    round_trip(&mut ipvs, &[(&before, &[first])]);
    changed(&ipvs.apply(&[Operation::EditService(after.clone()), Operation::EditDestination(at, second)]));
    assert_eq!(ipvs.dump().unwrap(), table(&[(&after, &[second])]));
    changed(&ipvs.apply(&[Operation::EditService(before.clone()), Operation::EditDestination(at, first)]));
    assert_eq!(ipvs.dump().unwrap(), table(&[(&before, &[first])]));
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn the_row_asked_for_is_reached_whatever_the_table_held() {
    let mut ipvs = ipvs();
    let at = key(Protocol::Tcp, "192.0.2.1", 80);
    let server = destination("10.0.0.1", 80, Forwarding::Nat);
    let heavy = Destination { weight: 9, ..server };
    // Nothing is there, and everything is asked to be edited or removed, in an order that depends on itself.
    let outcomes = ipvs.apply(&[
        Operation::RemoveDestination(at, server.key),
        Operation::RemoveService(at),
        Operation::EditService(service(at, "rr")),
        Operation::EditDestination(at, server),
        Operation::RemoveDestination(at, destination_key("10.0.0.9", 80)),
    ]);
    let (so, new) = (Ok(Outcome::AlreadySo), Ok(Outcome::Changed));
    assert_eq!(outcomes, [so.clone(), so.clone(), new.clone(), new.clone(), so]);
    assert_eq!(ipvs.dump().unwrap(), table(&[(&service(at, "rr"), &[server])]));
    // All is there, and is asked to be added.
    let outcomes = ipvs.apply(&[Operation::AddService(service(at, "wrr")), Operation::AddDestination(at, heavy)]);
    assert_eq!(outcomes, [new.clone(), new.clone()]);
    assert_eq!(ipvs.dump().unwrap(), table(&[(&service(at, "wrr"), &[heavy])]));
    // Back and forth within one call.
    let outcomes = ipvs.apply(&[
        Operation::AddService(service(at, "lc")),
        Operation::RemoveService(at),
        Operation::AddService(service(at, "rr")),
        Operation::AddDestination(at, server),
        Operation::AddDestination(at, heavy),
    ]);
    assert_eq!(outcomes, vec![new; 5]);
    assert_eq!(ipvs.dump().unwrap(), table(&[(&service(at, "rr"), &[heavy])]));
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn a_refused_row_does_not_stop_the_others_and_says_why() {
    let mut ipvs = ipvs();
    let web = service(key(Protocol::Tcp, "192.0.2.1", 80), "rr");
    let nowhere = key(Protocol::Tcp, "192.0.2.9", 80);
    let server = destination("10.0.0.1", 80, Forwarding::Nat);
    let outcomes = ipvs.apply(&[
        Operation::AddService(service(key(Protocol::Tcp, "192.0.2.2", 80), "nosuch")),
        Operation::AddService(web.clone()),
        Operation::AddService(Service {
            persistence_engine: Some("name-beyond-the-limit".to_owned()),
            ..service(key(Protocol::Tcp, "192.0.2.3", 80), "rr")
        }),
        Operation::AddDestination(nowhere, server),
        Operation::AddDestination(web.key, Destination { weight: u32::MAX, ..server }),
        Operation::AddDestination(web.key, server),
    ]);
    let errno = |place: usize| outcomes[place].as_ref().err().map(|refused| refused.errno);
    assert_eq!(
        [errno(0), errno(1), errno(3), errno(4), errno(5)],
        [Some(libc::ENOENT), None, Some(libc::ESRCH), Some(libc::ERANGE), None]
    );
    assert!(matches!(errno(2), Some(libc::EINVAL | libc::ERANGE)), "{outcomes:?}");
    assert!(outcomes[0].as_ref().unwrap_err().to_string().starts_with("No such file or directory"));
    assert_eq!(ipvs.dump().unwrap(), table(&[(&web, &[server])]));
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn five_thousand_services_with_four_destinations_each_go_in_and_out_in_batches() {
    let mut ipvs = ipvs();
    let services: Vec<Service> = (0..5000_u32)
        .map(|n| {
            let [_, _, high, low] = n.to_be_bytes();
            let address = IpAddr::from([10, 1, high, low]);
            service(ServiceKey::Address { address, port: 80, protocol: Protocol::Tcp }, "wlc")
        })
        .collect();
    let destinations: Vec<Destination> =
        (1..=4).map(|n| destination(&format!("10.2.0.{n}"), 80, Forwarding::Nat)).collect();
    let mut operations = Vec::new();
    for service in &services {
        operations.push(Operation::AddService(service.clone()));
        operations.extend(destinations.iter().map(|d| Operation::AddDestination(service.key, *d)));
    }
    let timed = |what: &str, since| println!("{what}: {:?}", boottime().since(since));

    let start = boottime();
    changed(&ipvs.apply(&operations));
    timed("25000 rows added", start);

    let start = boottime();
    let rows: Vec<(&Service, &[Destination])> = services.iter().map(|service| (service, &destinations[..])).collect();
    assert_eq!(ipvs.dump().unwrap(), table(&rows));
    timed("5000 services dumped with their destinations", start);

    let start = boottime();
    changed(&ipvs.apply(&operations));
    timed("25000 rows added that were there", start);

    let mut longest = Duration::ZERO;
    let edits: Vec<Operation> = services
        .iter()
        .map(|service| Operation::EditDestination(service.key, Destination { weight: 5, ..destinations[0] }))
        .collect();
    for batch in edits.chunks(REQUESTS_PER_SEND) {
        let start = boottime();
        changed(&ipvs.apply(batch));
        longest = longest.max(boottime().since(start));
    }
    println!("longest batch of {REQUESTS_PER_SEND} edits: {longest:?}");

    let start = boottime();
    changed(&ipvs.apply(&services.iter().map(|service| Operation::RemoveService(service.key)).collect::<Vec<_>>()));
    timed("5000 services removed with their destinations", start);
    assert_eq!(ipvs.dump().unwrap(), Table::default());
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn a_flush_leaves_nothing() {
    let mut ipvs = ipvs();
    let web = service(key(Protocol::Tcp, "192.0.2.1", 80), "rr");
    round_trip(&mut ipvs, &[(&web, &[destination("10.0.0.1", 80, Forwarding::Nat)])]);
    ipvs.flush().unwrap();
    assert_eq!(ipvs.dump().unwrap(), Table::default());
    assert!(listing().is_empty());
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn rows_of_others_are_read_too() {
    let mut ipvs = ipvs();
    run("ipvsadm -A -t 192.0.2.1:80 -s wrr -p 120 -M 255.255.0.0");
    run("ipvsadm -a -t 192.0.2.1:80 -r 10.0.0.1:8080 -m -w 3 -x 20 -y 10");
    let web = Service {
        persistence: Some(Persistence { timeout_seconds: 120, granularity: 16 }),
        ..service(key(Protocol::Tcp, "192.0.2.1", 80), "wrr")
    };
    let server = Destination {
        weight: 3,
        upper_threshold: 20,
        lower_threshold: 10,
        ..destination("10.0.0.1", 8080, Forwarding::Nat)
    };
    assert_eq!(ipvs.dump().unwrap(), table(&[(&web, &[server])]));
    assert_eq!(ipvs.services().unwrap(), std::slice::from_ref(&web));
    assert_eq!(ipvs.destinations(&web.key).unwrap(), [(server.key, server)].into());
    assert_eq!(ipvs.destinations(&key(Protocol::Udp, "192.0.2.1", 80)).unwrap(), [].into());
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn connections_and_traffic_are_counted() {
    let mut ipvs = ipvs();
    run("ip addr add 192.0.2.1/32 dev lo; ip addr add 192.0.2.2/32 dev lo");
    let web = service(key(Protocol::Tcp, "192.0.2.1", 80), "rr");
    changed(&ipvs.apply(&[
        Operation::AddService(web.clone()),
        Operation::AddDestination(web.key, destination("192.0.2.2", 80, Forwarding::Nat)),
    ]));
    let server = TcpListener::bind("192.0.2.2:80").unwrap();
    let mut connections = Vec::new();
    for _ in 0..40 {
        let mut client = TcpStream::connect("192.0.2.1:80").unwrap();
        let (mut accepted, _) = server.accept().unwrap();
        accepted.write_all(b"hello").unwrap();
        let mut greeting = [0; 5];
        client.read_exact(&mut greeting).unwrap();
        connections.push((client, accepted));
    }
    let at = destination_key("192.0.2.2", 80);
    let counted = |ipvs: &mut Ipvs| {
        let counters = ipvs.dump_with_counters().unwrap().1.remove(&web.key).unwrap();
        (counters.destinations[&at], counters.traffic)
    };
    let (now, _) = counted(&mut ipvs);
    assert_eq!((now.active_connections, now.inactive_connections, now.persistent_connections), (40, 0, 0));
    // The kernel adds up every two seconds.
    for _ in 0..50 {
        run("sleep 0.1");
        if counted(&mut ipvs).1.connections == 40 {
            break;
        }
    }
    let (server, whole) = counted(&mut ipvs);
    assert_eq!(server.traffic, whole);
    assert_eq!(whole.connections, 40);
    // At least three packets each way: handshake, data, acknowledgement.
    assert!(whole.packets_in >= 80 && whole.packets_out >= 80, "{whole:?}");
    assert!(whole.bytes_in >= 80 * 40 && whole.bytes_out >= 80 * 40 + 40 * 5, "{whole:?}");
    assert!(whole.bytes_in > whole.packets_in && whole.bytes_out > whole.packets_out, "{whole:?}");
    // A rate is an average over some seconds: smaller than the count, and in the same order.
    let rates = [whole.connections_per_second, whole.packets_in_per_second, whole.packets_out_per_second];
    let counts = [whole.connections, whole.packets_in, whole.packets_out];
    assert!(rates.iter().zip(&counts).all(|(rate, count)| (1..=*count).contains(rate)), "{whole:?}");
    assert!(whole.packets_in_per_second > whole.connections_per_second, "{whole:?}");
    assert!((100..whole.bytes_in).contains(&whole.bytes_in_per_second), "{whole:?}");
    assert!((100..whole.bytes_out).contains(&whole.bytes_out_per_second), "{whole:?}");
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn a_destination_that_is_the_director_itself_is_read_as_it_was_asked_for() {
    let mut ipvs = ipvs();
    run("ip addr add 192.0.2.2/32 dev lo");
    let web = service(key(Protocol::Tcp, "192.0.2.1", 80), "rr");
    let nat = destination("192.0.2.2", 80, Forwarding::Nat);
    let local = destination("192.0.2.2", 81, Forwarding::Local);
    let direct = destination("192.0.2.2", 82, Forwarding::DirectRouting);
    round_trip(&mut ipvs, &[(&web, &[nat, local, direct])]);
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn timeouts_are_set_and_0_leaves_what_was() {
    let mut ipvs = ipvs();
    let before = ipvs.timeouts().unwrap();
    assert!(before.tcp > 0 && before.tcp_fin > 0 && before.udp > 0);
    ipvs.set_timeouts(Timeouts { tcp: 900, tcp_fin: 0, udp: 300 }).unwrap();
    assert_eq!(ipvs.timeouts().unwrap(), Timeouts { tcp: 900, tcp_fin: before.tcp_fin, udp: 300 });
    let expected = format!("Timeout (tcp tcpfin udp): 900 {} 300", before.tcp_fin);
    assert_eq!(run("ipvsadm -L --timeout").trim(), expected);
    assert_eq!(ipvs.set_timeouts(Timeouts { tcp: u32::MAX, tcp_fin: 0, udp: 0 }).unwrap_err().errno, libc::EINVAL);
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn the_sync_daemon_is_the_one_that_is_wanted_and_no_other() {
    let mut ipvs = ipvs();
    run("ip link add lan type dummy; ip addr add 192.0.2.1/24 dev lan; ip link set lan up");
    assert_eq!(ipvs.sync_daemons().unwrap(), []);
    let config = SyncDaemon {
        interface: "lan".parse().unwrap(),
        instance: None,
        id: 51,
        max_length: Some(1400),
        port: Some(8848),
        ttl: Some(3),
        group: Some([224, 0, 0, 99].into()),
    };
    let expected = |sends| SyncState {
        sends,
        interface: "lan".to_owned(),
        id: 51,
        max_length: Some(1400),
        port: Some(8848),
        ttl: Some(3),
        group: Some([224, 0, 0, 99].into()),
    };
    for sends in [false, true, true, false] {
        let role = SyncRole { sends, config: config.clone() };
        ipvs.set_sync_daemon(Some(&role)).unwrap();
        assert_eq!(ipvs.sync_daemons().unwrap(), [expected(sends)]);
        let listed = run("ipvsadm -L --daemon");
        let word = if sends { "master sync daemon" } else { "backup sync daemon" };
        assert!(listed.contains(word) && listed.lines().count() == 1, "{listed}");
        assert!(listed.contains("mcast=lan") && listed.contains("syncid=51"), "{listed}");
    }
    // With another id it is another daemon, and what is not said is the kernel's.
    let plain = SyncDaemon { id: 7, max_length: None, port: None, ttl: None, group: None, ..config };
    ipvs.set_sync_daemon(Some(&SyncRole { sends: false, config: plain })).unwrap();
    let daemons = ipvs.sync_daemons().unwrap();
    assert_eq!((daemons.len(), daemons[0].id, daemons[0].port, daemons[0].ttl), (1, 7, Some(8848), Some(1)));
    ipvs.set_sync_daemon(None).unwrap();
    assert_eq!(ipvs.sync_daemons().unwrap(), []);
    // An interface that is not there is refused, and the refusal has its reason.
    let nowhere = SyncDaemon {
        interface: "nowhere".parse().unwrap(),
        instance: None,
        id: 1,
        max_length: None,
        port: None,
        ttl: None,
        group: None,
    };
    let refused = ipvs.set_sync_daemon(Some(&SyncRole { sends: true, config: nowhere })).unwrap_err();
    assert_eq!(refused.errno, libc::ENODEV);
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn the_connections_of_some_services_are_counted_without_the_others() {
    let mut ipvs = ipvs();
    run("ip addr add 192.0.2.1/32 dev lo; ip addr add 192.0.2.2/32 dev lo");
    let web = service(key(Protocol::Tcp, "192.0.2.1", 80), "rr");
    let other = service(key(Protocol::Tcp, "192.0.2.1", 81), "rr");
    let server = destination("192.0.2.2", 80, Forwarding::Nat);
    round_trip(&mut ipvs, &[(&web, &[server]), (&other, &[server])]);
    let listener = TcpListener::bind("192.0.2.2:80").unwrap();
    let client = TcpStream::connect("192.0.2.1:80").unwrap();
    let (accepted, _) = listener.accept().unwrap();
    let counted = ipvs.connections(&[web.key]).unwrap();
    let one = Connections { active: 1, inactive: 0, persistent: 0 };
    assert_eq!(counted, [((web.key, server.key), one)].into());
    drop((client, accepted));
    let nowhere = key(Protocol::Tcp, "192.0.2.9", 9);
    let rows: Vec<_> = ipvs.connections(&[other.key, nowhere]).unwrap().into_iter().collect();
    assert_eq!(rows, [((other.key, server.key), Connections::default())]);
}

/// Says what open says; the test below runs it without the capability.
#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn helper_opens_without_permission() {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    if std::env::var_os("STANDFAST_WITHOUT_NET_ADMIN").is_some() {
        let why = Ipvs::open().unwrap_err();
        assert!(matches!(why, OpenError::NoPermission), "{why:?}");
    }
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn without_the_capability_open_says_so() {
    let status = Command::new("setpriv")
        .args(["--bounding-set=-net_admin", "--inh-caps=-net_admin"])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "helper_opens_without_permission"])
        .env("STANDFAST_WITHOUT_NET_ADMIN", "1")
        .status()
        .unwrap();
    assert!(status.success());
}
