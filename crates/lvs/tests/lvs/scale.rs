//! Large configurations stay fast. The limits in time are many times what the work takes in an unoptimised build
//! on a busy machine; quadratic work would take minutes.
#![expect(clippy::disallowed_methods, reason = "a test of speed measures time")]

use crate::support::{
    World, at, config, destination, entry, real_server, service_key, sorry_server, table, timing, virtual_server,
};
use core::time::Duration;
use standfast_lvs::{Action, CheckerId, Director, Event, Output, Reason, Table, Verdict, diff};
use standfast_model::config::LvsConfig;
use standfast_model::config::lvs::{RealServer, VirtualServer};
use std::collections::BTreeSet;
use std::time::Instant;

const REFUSED: Verdict = Verdict::Failed(Reason::Refused);

fn many_services() -> LvsConfig {
    config((0..5000).map(|n| virtual_server(n, (0..4).map(|s| real_server(s, timing())).collect())).collect())
}

fn many_servers() -> LvsConfig {
    let servers = (0..20_000).map(|number| real_server(number, timing())).collect();
    config(vec![VirtualServer {
        quorum: 10_000,
        sorry_server: Some(sorry_server(30_000, false)),
        ..virtual_server(1, servers)
    }])
}

fn within(limit: Duration, what: &str, work: impl FnOnce()) {
    let start = Instant::now();
    work();
    let took = start.elapsed();
    println!("{what}: {took:?}");
    assert!(took < limit, "{what} took {took:?}");
}

#[test]
fn the_difference_of_large_tables_is_found_fast() {
    let many: Table = table((0..5000).map(|n| entry(n, &[0, 1, 2, 3].map(|s| destination(s, 1)))));
    let other: Table = table((0..5000).map(|n| entry(n, &[1, 2, 3, 4].map(|s| destination(s, 2)))));
    let keys: BTreeSet<_> = many.services.keys().copied().collect();
    within(Duration::from_secs(20), "5,000 services of 4", || {
        assert_eq!(diff(&many, &many, &keys).len(), 0);
        assert_eq!(diff(&many, &Table::default(), &keys).len(), 25_000);
        assert_eq!(diff(&many, &other, &keys).len(), 25_000);
    });
    let wide = table([entry(1, &(0..20_000).map(|s| destination(s, 1)).collect::<Vec<_>>())]);
    let other = table([entry(1, &(10_000..30_000).map(|s| destination(s, 1)).collect::<Vec<_>>())]);
    within(Duration::from_secs(20), "1 service of 20,000", || {
        assert_eq!(diff(&wide, &other, &[service_key(1)]).len(), 20_000);
    });
}

#[test]
fn all_servers_of_large_configurations_fail_and_come_back_fast() {
    for (what, config) in [("5,000 services of 4", many_services()), ("1 service of 20,000", many_servers())] {
        within(Duration::from_secs(60), what, || {
            let mut world = World::started(config);
            assert_eq!(world.running.len(), 20_000);
            let finished = |verdict: &Verdict, director: &mut Director, now| {
                let mut out = Output::default();
                for checker in 0..20_000 {
                    let event = Event::CheckFinished { checker: CheckerId(checker), verdict: verdict.clone() };
                    director.handle(now, event, &mut out);
                }
                director.handle(now, Event::Wake, &mut out);
                out.actions.iter().map(|a| if let Action::Apply(sent) = a { sent.len() } else { 0 }).sum::<usize>()
            };
            let removed = finished(&REFUSED, &mut world.director, at(1000));
            assert!(removed >= 20_000, "{removed}");
            world.running.clear();
            world.now = at(4000);
            world.event(Event::Wake);
            assert!(finished(&Verdict::Ok, &mut world.director, at(4000)) >= 20_000);
        });
    }
}

#[test]
fn a_reload_that_changes_one_server_among_twenty_thousand_services_is_fast_and_touches_one_row() {
    let services = |weight| {
        let server = |service: u16, number: u16| RealServer {
            weight: if (service, number) == (12_345, 2) { weight } else { 1 },
            ..real_server(number, timing())
        };
        config((0..20_000).map(|n| virtual_server(n, (0..4).map(|s| server(n, s)).collect())).collect())
    };
    let mut world = World::started(services(1));
    world.operations.clear();
    world.running.clear();
    let new = services(7);
    within(Duration::from_secs(20), "a reload of 20,000 services of 4", || {
        world.event(Event::Reload(Box::new(new)));
    });
    let sent: Vec<_> = world.operations.iter().map(|(operation, _)| operation.to_string()).collect();
    assert_eq!(sent, ["edit destination 10.0.0.2:80 of TCP  192.0.48.57:80"]);
    let saved = world.director.memory();
    within(Duration::from_secs(20), "a successor that remembers 20,000 services of 4", || {
        let mut successor = Director::new(services(7), 1);
        successor.remember(saved);
        assert_eq!(successor.desired(), world.director.desired());
    });
}
