//! What verdicts make of a pool: quorum, hysteresis, sorry server, inhibition.

use crate::support::{
    World, checker, config, destination, group, real_server, seconds, service_key, sorry_server, timing, virtual_server,
};
use standfast_lvs::{Reason, ServiceStatus, Verdict, Weights};
use standfast_model::config::LvsConfig;
use standfast_model::config::lvs::{RealServer, SorryServer, Timing, VirtualServer};
use standfast_model::ipvs::{Destination, Forwarding, Persistence, SchedulerFlags, Service, Tunnel};

const REFUSED: Verdict = Verdict::Failed(Reason::Refused);

fn inhibited(server: RealServer) -> RealServer {
    RealServer { inhibit_on_failure: true, ..server }
}

/// Two servers of weight 1, a sorry server (9), and the thresholds.
fn pair(quorum: u32, hysteresis: u32, timing: Timing) -> VirtualServer {
    let real_servers = vec![real_server(1, timing), real_server(2, timing)];
    VirtualServer { quorum, hysteresis, sorry_server: Some(sorry_server(9, false)), ..virtual_server(1, real_servers) }
}

fn only(service: VirtualServer) -> LvsConfig {
    config(vec![service])
}

fn set(world: &mut World, verdicts: &[(usize, Verdict)]) {
    world.pass(seconds(3));
    for (checker, verdict) in verdicts {
        world.finish(*checker, verdict.clone());
    }
}

#[test]
fn servers_without_alpha_are_in_the_table_before_any_check() {
    let servers = vec![
        RealServer { weight: 7, ..real_server(1, timing()) },
        real_server(2, Timing { alpha: true, ..timing() }),
        RealServer { checkers: [].into(), ..real_server(3, timing()) },
    ];
    let late = Timing { warmup: seconds(60), ..timing() };
    let mut service = virtual_server(1, servers);
    service.real_servers[0].checkers = [checker(1, late).into()].into();
    let world = World::started(only(service));
    assert_eq!(world.kernel.weights(1), [(1, 7), (3, 1)]);
}

#[test]
fn a_server_without_checkers_is_always_up() {
    let mut world =
        World::started(only(virtual_server(1, vec![RealServer { checkers: [].into(), ..real_server(1, timing()) }])));
    world.pass(seconds(100));
    assert_eq!(world.kernel.weights(1), [(1, 1)]);
    assert_eq!(world.started, []);
}

#[test]
fn a_server_is_down_with_its_first_checker_and_up_with_its_last() {
    let server = RealServer { checkers: vec![checker(1, timing()).into(); 3].into(), ..real_server(1, timing()) };
    let mut world = World::started(only(virtual_server(1, vec![server])));
    world.finish_all(&Verdict::Ok);
    set(&mut world, &[(0, Verdict::Ok), (1, REFUSED), (2, Verdict::Ok)]);
    assert_eq!(world.kernel.weights(1), []);
    set(&mut world, &[(0, REFUSED), (1, Verdict::Ok), (2, Verdict::Ok)]);
    assert_eq!(world.kernel.weights(1), []);
    set(&mut world, &[(0, Verdict::Ok), (1, Verdict::Ok), (2, Verdict::Ok)]);
    assert_eq!(world.kernel.weights(1), [(1, 1)]);
}

#[test]
fn inhibit_on_failure_sets_the_weight_to_0_instead() {
    let servers = vec![inhibited(RealServer { weight: 5, ..real_server(1, timing()) }), real_server(2, timing())];
    let mut world = World::started(only(virtual_server(1, servers)));
    world.finish_all(&REFUSED);
    assert_eq!(world.kernel.weights(1), [(1, 0)]);
    set(&mut world, &[(0, Verdict::Ok), (1, REFUSED)]);
    assert_eq!(world.kernel.weights(1), [(1, 5)]);
}

#[test]
fn without_a_sorry_server_the_quorum_does_not_alter_the_pool() {
    let mut world = World::started(only(VirtualServer { sorry_server: None, ..pair(2, 1, timing()) }));
    assert_eq!(world.kernel.weights(1), [(1, 1), (2, 1)]);
    world.finish(0, REFUSED);
    assert_eq!(world.kernel.weights(1), [(2, 1)]);
}

#[test]
fn the_sorry_server_stands_in_alone_while_there_is_no_quorum() {
    let mut world = World::started(only(pair(2, 0, timing())));
    assert_eq!(world.kernel.weights(1), [(1, 1), (2, 1)]);
    world.finish(0, REFUSED);
    assert_eq!(world.kernel.weights(1), [(9, 1)]);
    world.finish(1, REFUSED);
    set(&mut world, &[(0, Verdict::Ok), (1, REFUSED)]);
    assert_eq!(world.kernel.weights(1), [(9, 1)]);
    set(&mut world, &[(0, Verdict::Ok), (1, Verdict::Ok)]);
    assert_eq!(world.kernel.weights(1), [(1, 1), (2, 1)]);
}

#[test]
fn the_start_needs_quorum_and_hysteresis_both() {
    // As keepalived 2.2.7 does with the same numbers: 2 servers are up, 2 + 1 are needed.
    let mut world = World::started(only(pair(2, 1, timing())));
    assert_eq!(world.kernel.weights(1), [(9, 1)]);
    let said = world.said();
    assert_eq!(
        said,
        [
            "Starting with quorum down 2+1=3 > 2 for VS [192.0.0.1]:tcp:80",
            "Adding sorry server [10.0.0.9]:tcp:80 to VS [192.0.0.1]:tcp:80",
        ]
    );
}

#[test]
fn hysteresis_holds_a_quorum_longer_and_lets_it_come_later() {
    let servers = (1..=4).map(|number| real_server(number, timing())).collect();
    let mut world = World::started(only(VirtualServer {
        quorum: 2,
        hysteresis: 1,
        sorry_server: Some(sorry_server(9, false)),
        ..virtual_server(1, servers)
    }));
    let mut live = |up: usize| {
        let verdicts: Vec<_> =
            (0..4).map(|checker| (checker, if checker < up { Verdict::Ok } else { REFUSED })).collect();
        set(&mut world, &verdicts);
        !world.kernel.weights(1).contains(&(9, 1))
    };
    // The first check is the one of the start.
    let quorum: Vec<bool> = [4, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0].into_iter().map(&mut live).collect();
    assert_eq!(quorum, [true, true, true, true, false, false, false, true, true, true, false]);
}

#[test]
fn a_live_server_that_is_inhibited_stays_with_weight_0_beside_the_sorry_server() {
    // Seen with keepalived 2.2.7: whatever takes an inhibited server out of the pool leaves its row.
    let mut service = pair(2, 0, timing());
    service.real_servers[0] = inhibited(real_server(1, timing()));
    let mut world = World::started(only(service));
    world.finish(1, REFUSED);
    assert_eq!(world.kernel.weights(1), [(1, 0), (9, 1)]);
}

#[test]
fn sorry_server_inhibit_keeps_it_with_weight_0_while_unused() {
    let service = VirtualServer { sorry_server: Some(sorry_server(9, true)), ..pair(1, 0, timing()) };
    let mut world = World::started(only(service));
    assert_eq!(world.kernel.weights(1), [(1, 1), (2, 1), (9, 0)]);
    world.finish_all(&REFUSED);
    assert_eq!(world.kernel.weights(1), [(9, 1)]);
    set(&mut world, &[(0, Verdict::Ok)]);
    assert_eq!(world.kernel.weights(1), [(1, 1), (9, 0)]);
}

#[test]
fn a_sorry_server_that_is_a_real_server_too_has_one_row() {
    let service = VirtualServer { sorry_server: Some(sorry_server(1, true)), ..pair(2, 0, timing()) };
    let mut world = World::started(only(service));
    assert_eq!(world.kernel.weights(1), [(1, 1), (2, 1)]);
    world.finish(0, REFUSED);
    assert_eq!(world.kernel.weights(1), [(1, 1)]);
    world.finish(1, REFUSED);
    assert_eq!(world.kernel.weights(1), [(1, 1)]);
    set(&mut world, &[(0, Verdict::Ok), (1, Verdict::Ok)]);
    assert_eq!(world.kernel.weights(1), [(1, 1), (2, 1)]);
}

#[test]
fn servers_of_weight_0_make_no_quorum() {
    let mut service = pair(1, 0, timing());
    for server in &mut service.real_servers {
        server.weight = 0;
    }
    service.quorum = 0;
    let world = World::started(only(service));
    assert_eq!(world.kernel.weights(1), [(9, 1)]);
}

#[test]
fn all_services_of_a_group_have_the_same_servers_all_the_time() {
    let mut service = pair(2, 0, timing());
    service.options.group = Some(group([5, 6]));
    let mut world = World::started(only(service));
    let rows = |world: &mut World, checkers: &[(usize, Verdict)]| {
        set(world, checkers);
        let [first, second, third] = [1, 5, 6].map(|number| world.kernel.weights(number));
        assert!(first == second && second == third, "{first:?} {second:?} {third:?}");
        first
    };
    world.finish_all(&Verdict::Ok);
    assert_eq!(rows(&mut world, &[(0, Verdict::Ok), (1, REFUSED)]), [(9, 1)]);
    assert_eq!(rows(&mut world, &[(0, Verdict::Ok), (1, Verdict::Ok)]), [(1, 1), (2, 1)]);
    world.event(standfast_lvs::Event::Shutdown { keep_table: false });
    assert_eq!(world.kernel.table, standfast_lvs::Table::default());
}

#[test]
fn in_a_group_of_both_families_each_has_a_granularity_of_its_own() {
    let address: std::net::IpAddr = "2001:db8::1".parse().unwrap();
    let six = standfast_model::ipvs::ServiceKey::Address {
        address,
        port: 80,
        protocol: standfast_model::ipvs::Protocol::Tcp,
    };
    let mut service = virtual_server(1, vec![real_server(1, timing())]);
    service.persistence = Some(Persistence { timeout_seconds: 60, granularity: 24 });
    let mut mixed = group([2]);
    mixed.others.push(six);
    service.options.group = Some(mixed);
    let world = World::started(only(service));
    let granularity = |key| world.director.desired().services[&key].service.persistence.unwrap().granularity;
    assert_eq!([service_key(1), service_key(2), six].map(granularity), [24, 24, 128]);
}

#[test]
fn the_service_is_as_configured() {
    let persistence = Some(Persistence { timeout_seconds: 300, granularity: 24 });
    let flags = SchedulerFlags { first: true, second: false, third: true };
    let mut service = VirtualServer {
        scheduler: "wrr".parse().unwrap(),
        flags,
        persistence,
        one_packet: true,
        ..virtual_server(1, vec![])
    };
    service.options.persistence_engine = Some("sip".to_owned());
    let world = World::started(only(service));
    let expected = Service {
        key: service_key(1),
        scheduler: "wrr".parse().unwrap(),
        flags,
        persistence,
        one_packet: true,
        persistence_engine: Some("sip".to_owned()),
    };
    assert_eq!(world.kernel.table.services[&service_key(1)].service, expected);
}

#[test]
fn a_destination_is_as_configured() {
    let server = RealServer {
        weight: 7,
        forwarding: Forwarding::DirectRouting,
        upper_threshold: 100,
        lower_threshold: 50,
        ..real_server(1, timing())
    };
    let sorry = SorryServer { forwarding: Forwarding::Tunnel(Tunnel::Ipip), ..*sorry_server(9, true) };
    let service = VirtualServer { sorry_server: Some(sorry.into()), ..virtual_server(1, vec![server]) };
    let world = World::started(only(service));
    let rows: Vec<_> = world.kernel.table.services[&service_key(1)].destinations.iter().copied().collect();
    let first = Destination {
        forwarding: Forwarding::DirectRouting,
        upper_threshold: 100,
        lower_threshold: 50,
        ..destination(1, 7)
    };
    let second = Destination { forwarding: Forwarding::Tunnel(Tunnel::Ipip), ..destination(9, 0) };
    assert_eq!(rows, [first, second]);
}

#[test]
fn the_largest_weights_do_not_overflow() {
    let servers: Vec<_> =
        (1..=6).map(|number| RealServer { weight: 2_147_483_647, ..real_server(number, timing()) }).collect();
    let service = VirtualServer {
        quorum: u32::MAX,
        hysteresis: u32::MAX - 1,
        sorry_server: Some(sorry_server(9, false)),
        ..virtual_server(1, servers)
    };
    let mut world = World::started(only(service));
    assert_eq!(world.kernel.weights(1).len(), 6);
    world.finish_all(&REFUSED);
    assert_eq!(world.kernel.weights(1), [(9, 1)]);
}

#[test]
fn the_lines_of_a_failure_are_keepalived_s_with_the_cause_behind_them() {
    let mut service = pair(1, 0, Timing { retry: 2, ..timing() });
    service.real_servers[1].inhibit_on_failure = true;
    let mut world = World::started(only(service));
    assert_eq!(world.said(), ["Gained quorum 1+0=1 <= 2 for VS [192.0.0.1]:tcp:80"]);
    world.finish_all(&Verdict::Ok);
    assert_eq!(world.said(), [""; 0]);
    world.live(seconds(6), |_| Verdict::Failed(Reason::TimedOut { after: seconds(3) }));
    assert_eq!(
        world.said(),
        [
            "TCP_CHECK on service [10.0.0.1]:tcp:80 failed after 2 retries: timed out after 3 s",
            "Removing service [10.0.0.1]:tcp:80 from VS [192.0.0.1]:tcp:80: TCP_CHECK failed: timed out after 3 s",
            "TCP_CHECK on service [10.0.0.2]:tcp:80 failed after 2 retries: timed out after 3 s",
            "Disabling service [10.0.0.2]:tcp:80 of VS [192.0.0.1]:tcp:80: TCP_CHECK failed: timed out after 3 s",
            "Lost quorum 1-0=1 > 0 for VS [192.0.0.1]:tcp:80",
            "Adding sorry server [10.0.0.9]:tcp:80 to VS [192.0.0.1]:tcp:80",
        ]
    );
    world.live(seconds(3), |_| Verdict::Ok);
    assert_eq!(
        world.said(),
        [
            "TCP_CHECK on service [10.0.0.1]:tcp:80 succeeded",
            "Adding service [10.0.0.1]:tcp:80 to VS [192.0.0.1]:tcp:80",
            "Gained quorum 1+0=1 <= 1 for VS [192.0.0.1]:tcp:80",
            "Removing sorry server [10.0.0.9]:tcp:80 from VS [192.0.0.1]:tcp:80",
            "TCP_CHECK on service [10.0.0.2]:tcp:80 succeeded",
            "Enabling service [10.0.0.2]:tcp:80 of VS [192.0.0.1]:tcp:80",
        ]
    );
}

#[test]
fn the_status_shows_who_is_up_and_why_not() {
    let mut world =
        World::started(config(vec![pair(2, 0, timing()), virtual_server(2, vec![real_server(3, timing())])]));
    world.finish(0, Verdict::Ok);
    world.finish(1, REFUSED);
    world.finish(2, Verdict::Unable(standfast_lvs::Inability::OutOfMemory));
    let status: Vec<ServiceStatus> = world.director.status().collect();
    let [first, second] = status.as_slice() else { panic!("{status:?}") };
    assert_eq!(first.weights, Weights { quorum: 2, hysteresis: 0, live: 1 });
    assert!(!first.quorum && first.sorry_server_in_use);
    let shown: Vec<_> = first.servers.iter().map(|server| (server.up, server.last_failure.clone())).collect();
    assert_eq!(shown, [(true, None), (false, Some(Reason::Refused))]);
    assert!(second.quorum && !second.sorry_server_in_use && second.servers[0].up);
    assert_eq!(second.servers[0].inability, Some(standfast_lvs::Inability::OutOfMemory));
}
