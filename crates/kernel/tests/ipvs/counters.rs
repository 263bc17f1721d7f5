//! What the kernel counts.

use crate::support::{changed, destination, destination_key, ipvs, key, round_trip, run, service};
use standfast_kernel::ipvs::Ipvs;
use standfast_lvs::{Connections, Operation};
use standfast_model::ipvs::{Forwarding, Protocol};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

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
