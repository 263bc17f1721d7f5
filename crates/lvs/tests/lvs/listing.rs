//! A table looks as in ipvsadm, byte for byte. The expected text is what ipvsadm 1.31 printed on Linux 6.1 for these
//! services.

use crate::support::table;
use standfast_lvs::{Activity, Connections, Counted, Entry, Information, Listing, Statistics, Table};
use standfast_model::ipvs::{
    Destination, DestinationKey, Family, Forwarding, Persistence, Protocol, SchedulerFlags, Service, ServiceKey,
    Tunnel, TunnelChecksum,
};
use std::net::{IpAddr, SocketAddr};

const EXPECTED: &str = "\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  192.168.1.202:80 rr
  -> 10.0.100.2:80                Masq    1      0          0         
  -> 10.0.100.3:80                Masq    100000 0          0         
  -> 10.0.100.4:80                Masq    2147483647 0          0         
TCP  192.168.1.203:0 mh (mh-port) persistent 360
TCP  192.168.1.204:80 wrr persistent 90 mask 255.255.255.0
TCP  192.168.1.205:80 wrr (flag-1,flag-3)
TCP  192.168.1.207:80 wrr (flag-2) persistent 90
UDP  192.168.1.200:53 wlc ops
  -> 10.0.100.5:53                Route   1      0          0         
  -> 10.0.100.6:53                Tunnel  1      0          0         
UDP  192.168.1.200:5060 sh (sh-fallback,sh-port) persistent 60 pe sip
SCTP 192.168.1.206:99 rr
  -> 192.168.1.250:99             Route   1      0          0         
TCP  [2001:db8::1]:80 rr persistent 300 mask 64
  -> [2001:db8::2]:80             Masq    3      0          0         
  -> [2001:db8:1111:2222:3333:4444:5555:6666]:8080 Masq    3      0          0         
TCP  [2001:db8::2]:80 rr persistent 300
FWM  7 lc
  -> 10.0.100.9:0                 Route   1      0          0         
FWM  8 IPv6 lc
";

fn address(protocol: Protocol, text: &str) -> ServiceKey {
    let at: SocketAddr = text.parse().unwrap();
    ServiceKey::Address { address: at.ip(), port: at.port(), protocol }
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

fn persistent(timeout_seconds: u32, granularity: u8) -> Option<Persistence> {
    Some(Persistence { timeout_seconds, granularity })
}

fn to(text: &str, forwarding: Forwarding, weight: u32) -> Destination {
    let at: SocketAddr = text.parse().unwrap();
    let key = DestinationKey { address: at.ip(), port: at.port() };
    Destination { key, forwarding, weight, upper_threshold: 0, lower_threshold: 0 }
}

fn with(service: Service, destinations: impl IntoIterator<Item = Destination>) -> Entry {
    Entry { service, destinations: destinations.into_iter().collect() }
}

/// The table that was made with ipvsadm, in another order.
fn sample() -> Table {
    let gue = Forwarding::Tunnel(Tunnel::Gue { port: 5555, checksum: TunnelChecksum::Checksum });
    let flags = |first, second, third| SchedulerFlags { first, second, third };
    let tcp = |text, scheduler| service(address(Protocol::Tcp, text), scheduler);
    let udp = |text, scheduler| service(address(Protocol::Udp, text), scheduler);
    let mark = |mark, family| service(ServiceKey::FirewallMark { mark, family }, "lc");
    table([
        with(mark(8, Family::Inet6), []),
        with(mark(7, Family::Inet), [to("10.0.100.9:0", Forwarding::DirectRouting, 1)]),
        with(Service { persistence: persistent(300, 128), ..tcp("[2001:db8::2]:80", "rr") }, []),
        with(
            Service { persistence: persistent(300, 64), ..tcp("[2001:db8::1]:80", "rr") },
            [
                to("[2001:db8:1111:2222:3333:4444:5555:6666]:8080", Forwarding::Nat, 3),
                to("[2001:db8::2]:80", Forwarding::Nat, 3),
            ],
        ),
        with(
            service(address(Protocol::Sctp, "192.168.1.206:99"), "rr"),
            [to("192.168.1.250:99", Forwarding::DirectRouting, 1)],
        ),
        with(
            Service {
                flags: flags(true, true, false),
                persistence: persistent(60, 32),
                persistence_engine: Some("sip".to_owned()),
                ..udp("192.168.1.200:5060", "sh")
            },
            [],
        ),
        with(
            Service { one_packet: true, ..udp("192.168.1.200:53", "wlc") },
            [to("10.0.100.5:53", Forwarding::DirectRouting, 1), to("10.0.100.6:53", gue, 1)],
        ),
        with(
            Service {
                flags: flags(false, true, false),
                persistence: persistent(90, 32),
                ..tcp("192.168.1.207:80", "wrr")
            },
            [],
        ),
        with(Service { flags: flags(true, false, true), ..tcp("192.168.1.205:80", "wrr") }, []),
        with(Service { persistence: persistent(90, 24), ..tcp("192.168.1.204:80", "wrr") }, []),
        with(
            Service {
                flags: flags(false, true, false),
                persistence: persistent(360, 32),
                ..tcp("192.168.1.203:0", "mh")
            },
            [],
        ),
        with(
            tcp("192.168.1.202:80", "rr"),
            [
                to("10.0.100.4:80", Forwarding::Nat, 2_147_483_647),
                to("10.0.100.3:80", Forwarding::Nat, 100_000),
                to("10.0.100.2:80", Forwarding::Nat, 1),
            ],
        ),
    ])
}

#[test]
fn a_table_looks_as_ipvsadm_prints_it() {
    assert_eq!(Listing::new(&sample()).to_string(), EXPECTED);
}

#[test]
fn connections_and_the_kernels_own_words_are_shown_where_known() {
    let table = sample();
    let service = address(Protocol::Tcp, "192.168.1.202:80");
    let server = DestinationKey { address: IpAddr::from([10, 0, 100, 2]), port: 80 };
    let activity = Activity::from([((service, server), Connections { active: 12, inactive: 3456, persistent: 9 })]);
    let information = Information { version: [1, 2, 2], connection_table_size: 65536 };
    let expected = EXPECTED.replace("1.2.1 (size=4096)", "1.2.2 (size=65536)").replace(
        "  -> 10.0.100.2:80                Masq    1      0          0         ",
        "  -> 10.0.100.2:80                Masq    1      12         3456      ",
    );
    let listing = Listing::new(&table).with_information(information).with_activity(&activity);
    assert_eq!(listing.to_string(), expected);
}

#[test]
fn hash_schedulers_name_their_two_flags_and_have_no_third() {
    let line = |scheduler: &str, [first, second, third]: [bool; 3]| {
        let flags = SchedulerFlags { first, second, third };
        let service = Service { flags, ..service(address(Protocol::Tcp, "192.168.1.1:80"), scheduler) };
        let table = table([with(service, [])]);
        Listing::new(&table).to_string().lines().last().unwrap().to_owned()
    };
    assert_eq!(line("sh", [false, true, true]), "TCP  192.168.1.1:80 sh (sh-port)");
    assert_eq!(line("mh", [true, true, false]), "TCP  192.168.1.1:80 mh (mh-fallback,mh-port)");
    assert_eq!(line("sh", [true, true, true]), "TCP  192.168.1.1:80 sh (sh-fallback,sh-port)");
    assert_eq!(line("wrr", [true, true, true]), "TCP  192.168.1.1:80 wrr (flag-1,flag-2,flag-3)");
    assert_eq!(line("rr", [false; 3]), "TCP  192.168.1.1:80 rr");
}

#[test]
fn every_prefix_length_has_its_netmask() {
    let line = |granularity| {
        let service = Service {
            persistence: persistent(3, granularity),
            ..service(address(Protocol::Tcp, "192.168.1.1:80"), "lc")
        };
        let table = table([with(service, [])]);
        Listing::new(&table).to_string().lines().last().unwrap().to_owned()
    };
    assert_eq!(line(1), "TCP  192.168.1.1:80 lc persistent 3 mask 128.0.0.0");
    assert_eq!(line(16), "TCP  192.168.1.1:80 lc persistent 3 mask 255.255.0.0");
    assert_eq!(line(31), "TCP  192.168.1.1:80 lc persistent 3 mask 255.255.255.254");
    assert_eq!(line(0), "TCP  192.168.1.1:80 lc persistent 3 mask 0.0.0.0");
    assert_eq!(line(32), "TCP  192.168.1.1:80 lc persistent 3");
}

#[test]
fn what_is_counted_stands_in_full_in_the_columns_of_ipvsadm() {
    let web = service(address(Protocol::Tcp, "192.0.2.1:80"), "rr");
    let key = web.key;
    let server = DestinationKey { address: "10.0.0.1".parse().unwrap(), port: 8080 };
    let destination =
        Destination { key: server, forwarding: Forwarding::Nat, weight: 1, upper_threshold: 0, lower_threshold: 0 };
    let table = table([with(web, [destination])]);
    let counted = |service: &ServiceKey, destination: Option<&DestinationKey>| {
        assert_eq!(*service, key);
        match destination {
            Some(at) => Counted { connections: u64::from(at.port), ..Counted::default() },
            None => Counted {
                connections: 1,
                packets_in: 5_000_000_000,
                packets_out: 3,
                bytes_in: u64::MAX,
                bytes_out: 12_345_678,
            },
        }
    };
    let shown = Statistics { table: &table, information: Information::default(), counted: &counted }.to_string();
    let expected = "IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
TCP  192.0.2.1:80                        1 5000000000        3 18446744073709551615 12345678
  -> 10.0.0.1:8080                    8080        0        0        0        0
";
    assert_eq!(shown, expected);
}
