//! Groups whose services are marks that the packet filter sets (`nftables_ipvs`).

use crate::support::{World, config, real_server, timing, virtual_server};
use standfast_lvs::{Event, Marking};
use standfast_model::config::LvsConfig;
use standfast_model::config::lvs::{MarkedAddresses, NftablesIpvs, ServiceGroup, VirtualServer};
use standfast_model::ipvs::{Family, Protocol, ServiceKey};

/// The virtual server of a group, as a configuration with `nftables_ipvs` numbers it.
fn group(name: &str, host: u8, protocol: Protocol, mark: u32) -> VirtualServer {
    let addresses =
        MarkedAddresses { first: [192, 0, 2, host].into(), last: [192, 0, 2, host + 4].into(), port: 80, protocol };
    let mut server = virtual_server(u16::from(host), vec![real_server(u16::from(host), timing())]);
    server.key = ServiceKey::FirewallMark { mark, family: Family::Inet };
    server.options.group = Some(ServiceGroup { name: name.to_owned(), others: Vec::new(), marked: vec![addresses] });
    server
}

fn marked(table: &str, servers: Vec<VirtualServer>) -> LvsConfig {
    let mut config = config(servers);
    config.common.nftables =
        Some(NftablesIpvs { table: table.to_owned(), priority: -1, first_mark: 1000, counters: false });
    config
}

fn marks(marking: &Marking) -> Vec<(u8, u32)> {
    let host = |first: std::net::IpAddr| match first {
        std::net::IpAddr::V4(address) => address.octets()[3],
        std::net::IpAddr::V6(_) => unreachable!("the groups of these tests are IPv4"),
    };
    marking.marked.iter().map(|one| (host(one.first), one.mark)).collect()
}

fn in_table(world: &World) -> Vec<u32> {
    let mark = |key: &ServiceKey| match key {
        ServiceKey::FirewallMark { mark, .. } => *mark,
        ServiceKey::Address { .. } => 0,
    };
    world.kernel.table.services.keys().map(mark).collect()
}

#[test]
fn a_group_keeps_its_mark_through_reloads_and_a_mark_that_went_is_not_given_to_another() {
    let (one, two) = (group("one", 10, Protocol::Tcp, 1000), group("two", 20, Protocol::Tcp, 1001));
    let mut world = World::started(marked("filter", vec![one.clone(), two.clone()]));
    let last = |world: &World| marks(world.kernel.markings.last().unwrap().as_ref().unwrap());
    assert_eq!(last(&world), [(10, 1000), (20, 1001)]);
    // The file numbers a group that comes first with the first mark.
    let inserted = |name, protocol| {
        let numbered = |server: &VirtualServer, mark| {
            let mut server = server.clone();
            server.set_mark(mark);
            server
        };
        marked("filter", vec![group(name, 5, protocol, 1000), numbered(&one, 1001), numbered(&two, 1002)])
    };
    let before = world.operations.len();
    world.event(Event::Reload(Box::new(inserted("zero", Protocol::Tcp))));
    assert_eq!(last(&world), [(5, 1002), (10, 1000), (20, 1001)]);
    assert_eq!(world.operations.len(), before + 2, "a service and its server: {:?}", &world.operations[before..]);
    // The same name for another transport is another service.
    world.event(Event::Reload(Box::new(inserted("zero", Protocol::Udp))));
    assert_eq!(in_table(&world), [1000, 1001, 1003]);
    let told = world.kernel.markings.len();
    world.event(Event::Reload(Box::new(inserted("zero", Protocol::Udp))));
    assert_eq!(world.kernel.markings.len(), told, "nothing has changed");
}

#[test]
fn a_mark_that_the_file_gives_to_a_service_itself_is_given_to_no_group() {
    let mut own = virtual_server(1, vec![real_server(1, timing())]);
    own.key = ServiceKey::FirewallMark { mark: 1001, family: Family::Inet };
    let servers = vec![group("one", 10, Protocol::Tcp, 1000), group("two", 20, Protocol::Tcp, 1002)];
    let mut world = World::started(marked("filter", servers.clone()));
    assert_eq!(in_table(&world), [1000, 1001]);
    world.event(Event::Reload(Box::new(marked("filter", [servers, vec![own]].concat()))));
    assert_eq!(in_table(&world), [1000, 1001, 1002]);
    assert_eq!(marks(world.kernel.markings.last().unwrap().as_ref().unwrap()), [(10, 1000), (20, 1002)]);
}

#[test]
fn the_table_goes_with_the_daemon_or_when_no_group_needs_it_and_stays_where_ours_stay() {
    let servers = || vec![group("one", 10, Protocol::Tcp, 1000)];
    let gone = |name: &str| Err(name.to_owned());
    let mut world = World::started(marked("filter", servers()));
    world.event(Event::Reload(Box::new(marked("other", servers()))));
    assert_eq!(world.kernel.markings[1], gone("filter"));
    assert!(world.kernel.markings[2].as_ref().is_ok_and(|marking| marking.table == "other"));
    let mut stays = World { director: world.director.clone(), ..World::new(config(Vec::new()), 0) };
    stays.event(Event::Shutdown { keep_table: true });
    assert_eq!(stays.kernel.markings, []);
    world.event(Event::Shutdown { keep_table: false });
    assert_eq!(world.kernel.markings[3..], [gone("other")]);
    let mut world = World::started(marked("filter", servers()));
    world.event(Event::Reload(Box::new(config(Vec::new()))));
    assert_eq!(world.kernel.markings[1..], [gone("filter")]);
    assert_eq!(in_table(&world), []);
}

#[test]
fn a_successor_goes_on_with_the_marks_of_its_predecessor_and_removes_the_table_that_nobody_wants_now() {
    let (one, two) = (group("one", 10, Protocol::Tcp, 1000), group("two", 20, Protocol::Tcp, 1001));
    let mut before = World::started(marked("filter", vec![two.clone()]));
    before.event(Event::Reload(Box::new(marked("filter", vec![one.clone(), two.clone()]))));
    assert_eq!(in_table(&before), [1000, 1001]);
    let succeed = |config: LvsConfig| {
        let mut after = World::new(config, 0);
        after.kernel.table = before.kernel.table.clone();
        after.director.remember(before.director.memory());
        after.event(Event::Start);
        after
    };
    let after = succeed(marked("filter", vec![one, two]));
    assert_eq!(after.operations, [], "the second group has the first mark, as before");
    assert_eq!(after.kernel.markings, before.kernel.markings[1..]);
    let after = succeed(config(Vec::new()));
    assert_eq!(after.kernel.markings, [Err("filter".to_owned())]);
}
