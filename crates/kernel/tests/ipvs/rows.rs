//! Services and destinations of every kind: what is added is read back, by us and by `ipvsadm`.

use crate::support::{changed, destination, ipvs, key, listing, mark, round_trip, run, service, table};
use standfast_kernel::ipvs::{Outcome, ROWS_PER_PIECE};
use standfast_lvs::Operation;
use standfast_model::ipvs::{
    Destination, Family, Forwarding, Persistence, Protocol, Scheduler, SchedulerFlags, Service, ServiceKey, Tunnel,
    TunnelChecksum,
};

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
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn a_table_is_read_in_pieces_however_many_servers_a_service_has_and_is_written_between_them() {
    let mut ipvs = ipvs();
    let mut reader = ipvs.reader().unwrap();
    let hosts = |range: core::ops::Range<u16>| -> Vec<Destination> {
        range.map(|n| destination(&format!("10.0.{}.{}", n / 250, n % 250 + 1), 80, Forwarding::Nat)).collect()
    };
    let wide = service(key(Protocol::Tcp, "192.0.2.1", 80), "rr");
    let small: Vec<Service> = (1..=100).map(|n| service(mark(n, Family::Inet), "rr")).collect();
    let (many, few) = (hosts(0..2000), hosts(0..2));
    let mut rows: Vec<(&Service, &[Destination])> = vec![(&wide, &many[..])];
    rows.extend(small.iter().map(|service| (service, &few[..])));
    round_trip(&mut ipvs, &rows);
    // The second time something that is read already is changed and changed back meanwhile, and the third begins anew in
    // the midst of a dump.
    for round in 0..3 {
        reader.begin().unwrap();
        let mut pieces = 1;
        let read = loop {
            match reader.read_on().unwrap() {
                Some(read) => break read,
                None => pieces += 1,
            }
            if (round, pieces) == (1, 3) {
                let heavy = Destination { weight: 9, ..few[0] };
                changed(&ipvs.apply(&[Operation::EditDestination(small[0].key, heavy)]));
                changed(&ipvs.apply(&[Operation::EditDestination(small[0].key, few[0])]));
            }
            if (round, pieces) == (2, 10) {
                reader.begin().unwrap();
            }
        };
        assert_eq!(read, table(&rows));
        // 2,301 rows, with a datagram or two for each service.
        assert!((12..=60).contains(&pieces), "{pieces} pieces of {ROWS_PER_PIECE} rows");
    }
    assert_eq!(reader.read_on().unwrap(), None, "nothing is being read");
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn flags_of_any_scheduler_are_kept_each_by_itself() {
    let mut ipvs = ipvs();
    let flags: Vec<SchedulerFlags> = (0..8_u8)
        .map(|bits| SchedulerFlags { first: bits & 1 != 0, second: bits & 2 != 0, third: bits & 4 != 0 })
        .collect();
    let services: Vec<Service> = flags
        .iter()
        .zip(1..)
        .map(|(flags, port)| Service { flags: *flags, ..service(key(Protocol::Tcp, "192.0.2.1", port), "wrr") })
        .collect();
    let rows: Vec<(&Service, &[Destination])> = services.iter().map(|service| (service, &[][..])).collect();
    round_trip(&mut ipvs, &rows);
    let lines = listing();
    assert!(lines.contains(&"-A -t 192.0.2.1:8 -s wrr -b flag-1,flag-2,flag-3".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"-A -t 192.0.2.1:5 -s wrr -b flag-3".to_owned()), "{lines:#?}");
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn a_service_of_ipv6_has_tunnels_and_destinations_of_both_families() {
    let mut ipvs = ipvs();
    let six = service(key(Protocol::Tcp, "2001:db8::1", 80), "wrr");
    let marked = service(mark(9, Family::Inet6), "wlc");
    let destinations = [
        destination("10.0.0.1", 80, Forwarding::Tunnel(Tunnel::Ipip)),
        destination("10.0.0.2", 80, Forwarding::Tunnel(Tunnel::Gue { port: 6080, checksum: TunnelChecksum::None })),
        destination("2001:db8:1::1", 80, Forwarding::Tunnel(Tunnel::Ipip)),
        destination("2001:db8:1::2", 80, Forwarding::Tunnel(Tunnel::Gre { checksum: TunnelChecksum::Checksum })),
        destination("2001:db8:1::3", 80, Forwarding::DirectRouting),
    ];
    round_trip(&mut ipvs, &[(&six, &destinations), (&marked, &destinations)]);
}
