//! Many operations at once: in which order they take effect, what a refusal stops, how long they take.

use crate::support::{changed, destination, destination_key, ipvs, key, service, table};
use core::time::Duration;
use standfast_kernel::ipvs::{Outcome, REQUESTS_PER_SEND};
use standfast_kernel::timer::boottime;
use standfast_lvs::{Operation, Table};
use standfast_model::ipvs::{Destination, Forwarding, Protocol, Service, ServiceKey};
use std::net::IpAddr;

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
