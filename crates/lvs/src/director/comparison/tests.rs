//! A reload in pieces ends where a reload at once does, and no step of it is long.

use super::*;
use crate::director::Event;
use crate::effort;
use crate::output::{Action, Output};
use crate::table::Table;
use crate::verdict::Verdict;
use core::time::Duration;
use proptest::prelude::*;
use standfast_model::Instant;
use standfast_model::config::LvsConfig;
use standfast_model::config::lvs::{
    Checker, Connect, LvsCommon, NftablesIpvs, Probe, RealServer, ServiceGroup, Timing,
};
use standfast_model::ipvs::{Family, Forwarding, Protocol};

/// Real servers that a piece has at least, unless it is the last.
const PIECE: usize = 512;

const START: Instant = Instant::from_nanos(1_000_000_000);

fn checker(server: u32) -> Checker {
    let [_, a, b, c] = server.to_be_bytes();
    let timing = Timing {
        delay_loop: Duration::from_secs(3),
        retry: 0,
        delay_before_retry: Duration::from_secs(1),
        warmup: Duration::ZERO,
        alpha: false,
        log_all_failures: false,
    };
    let connect = Connect {
        target: ([10, a, b, c], 80).into(),
        bind_address: None,
        bind_port: None,
        bind_interface: None,
        mark: 0,
        timeout: Duration::from_secs(1),
    };
    Checker { timing, probe: Probe::Tcp(connect) }
}

fn service(number: u32, servers: u32, weight: u32) -> VirtualServer {
    let [_, a, b, c] = number.to_be_bytes();
    let key = ServiceKey::Address { address: [172, a, b, c].into(), port: 80, protocol: Protocol::Tcp };
    let server = |server: u32| RealServer {
        weight,
        checkers: [checker(server).into()].into(),
        ..RealServer::plain(checker_target(server), Forwarding::Nat)
    };
    let real_servers = (number * servers..(number + 1) * servers).map(server).collect();
    VirtualServer { real_servers, ..VirtualServer::plain(key) }
}

fn checker_target(server: u32) -> std::net::SocketAddr {
    let [_, a, b, c] = server.to_be_bytes();
    ([10, a, b, c], 80).into()
}

/// One that goes by a mark, which the configuration gives it as it comes.
fn marked(number: u8, weight: u32, mark: u32) -> VirtualServer {
    let address = [192, 0, 2, number].into();
    let marked = vec![standfast_model::config::lvs::MarkedAddresses {
        first: address,
        last: address,
        port: 80,
        protocol: Protocol::Tcp,
    }];
    let group = ServiceGroup { name: format!("group {number}"), others: Vec::new(), marked };
    let mut server = service(u32::from(number), 1, weight);
    server.key = ServiceKey::FirewallMark { mark, family: Family::Inet };
    server.options.group = Some(group);
    server
}

fn common() -> LvsCommon {
    let nftables = NftablesIpvs { table: "ours".to_owned(), priority: 0, first_mark: 1000, counters: false };
    LvsCommon { nftables: Some(nftables), ..LvsCommon::default() }
}

fn started(config: LvsConfig) -> Director {
    let mut director = Director::new(config, 1);
    let mut out = Output::default();
    director.handle(START, Event::Start, &mut out);
    director.handle(START, Event::Observed(Table::default()), &mut out);
    director
}

fn reload(director: &mut Director, virtual_servers: Vec<VirtualServer>, common: LvsCommon) -> Vec<Action> {
    let mut out = Output::default();
    director.handle(START, Event::Reload(Box::new(LvsConfig { virtual_servers, common })), &mut out);
    director.handle(START, Event::Wake, &mut out);
    out.actions
}

/// Hands over a configuration in pieces, each of which has at most so many servers and one virtual server; answers how much
/// each step looked at, the last being the reload itself.
fn steps(director: &mut Director, services: Vec<VirtualServer>) -> Vec<usize> {
    let mut steps = Vec::new();
    let mut piece = Vec::new();
    for service in services {
        piece.push(service);
        if piece.iter().map(|service| service.real_servers.len()).sum::<usize>() >= PIECE {
            let piece = core::mem::take(&mut piece);
            steps.push(effort::of(|| director.compare(piece)));
        }
    }
    steps.push(effort::of(|| _ = reload(director, piece, LvsCommon::default())));
    steps
}

#[test]
fn no_step_of_a_reload_of_twenty_thousand_servers_looks_at_more_than_a_piece_and_what_changed() {
    for (services, servers) in [(5000, 4), (20_000, 1), (200, 100)] {
        let site = |weight| -> Vec<VirtualServer> {
            let other = |number| if number == services / 2 { weight } else { 1 };
            (0..services).map(|number| service(number, servers, other(number))).collect()
        };
        let mut director = started(LvsConfig { virtual_servers: site(1), common: LvsCommon::default() });
        let steps = steps(&mut director, site(7));
        let (last, pieces) = steps.split_last().unwrap();
        let most = PIECE + servers as usize;
        assert!(pieces.len() >= 30, "{services} x {servers}: {} pieces", pieces.len());
        assert!(pieces.iter().all(|piece| *piece <= most), "{services} x {servers}: {pieces:?}");
        // The last piece may be nearly a whole one; the one that changed is compared, matched and told to its checkers.
        assert!(*last <= most + 5 * servers as usize, "{services} x {servers}: {last}");
        let changed =
            director.desired().services.values().filter(|entry| entry.destinations.iter().any(|d| d.weight == 7));
        assert_eq!(changed.count(), 1);
    }
}

#[test]
fn checks_go_on_while_a_configuration_is_on_its_way_and_keep_what_they_found() {
    let site = |weight| (0..3).map(|number| service(number, 1, weight)).collect::<Vec<_>>();
    let mut director = started(LvsConfig { virtual_servers: site(1), common: LvsCommon::default() });
    let mut out = Output::default();
    director.handle(START, Event::Wake, &mut out);
    let mut begun: Vec<_> = out.actions.drain(..).filter(|action| matches!(action, Action::StartCheck(_))).collect();
    assert_eq!(begun.len(), 3);
    let mut new = site(1);
    let rest = new.split_off(2);
    director.compare(new);
    for action in begun.drain(..) {
        let Action::StartCheck(checker) = action else { continue };
        let verdict = Verdict::Failed(crate::verdict::Reason::Refused);
        director.handle(START, Event::CheckFinished { checker, verdict }, &mut out);
    }
    reload(&mut director, rest, LvsCommon::default());
    assert!(director.status().all(|service| service.servers.iter().all(|server| !server.up)));
    assert!(director.desired().services.values().all(|entry| entry.destinations.is_empty()));
    assert!(director.probes().count() == 3, "each has its checker");
}

#[test]
fn what_was_compared_of_a_configuration_that_does_not_come_is_forgotten() {
    let site = |numbers: Range<u32>| numbers.map(|number| service(number, 2, 1)).collect::<Vec<_>>();
    let mut director = started(LvsConfig { virtual_servers: site(0..4), common: LvsCommon::default() });
    director.compare(site(0..2));
    director.forget_compared();
    let planned = director.rehearse(START, LvsConfig { virtual_servers: site(1..4), common: LvsCommon::default() });
    director.compare(site(0..1));
    let rehearsed = director.rehearse(START, LvsConfig { virtual_servers: site(1..4), common: LvsCommon::default() });
    assert_eq!(rehearsed, planned, "a rehearsal is of what it is given");
    director.forget_compared();
    reload(&mut director, site(1..4), LvsCommon::default());
    assert!(director.desired().services.keys().copied().eq(site(1..4).iter().map(|service| service.key)));
}

#[test]
fn what_virtual_servers_say_alike_is_kept_once_from_the_start_and_through_a_reload() {
    let saying = |number, omega| {
        let mut service = service(number, 1, 1);
        service.options.omega = omega;
        service
    };
    let said = |number| saying(number, true);
    let virtual_servers = (0..3).map(|number| saying(number, false)).collect();
    let mut director = started(LvsConfig { virtual_servers, common: LvsCommon::default() });
    let all_one = |director: &Director| {
        let options: Vec<_> = director.pools.iter().map(|pool| &pool.config().options).collect();
        options.iter().all(|one| one.is_same(options[0])).then_some((options.len(), options[0].omega))
    };
    assert_eq!(all_one(&director), Some((3, false)));
    steps(&mut director, (0..3).map(said).collect());
    assert_eq!(all_one(&director), Some((3, true)), "all of them say something else now");
    let mut changed = said(1);
    changed.quorum = 2;
    let new = vec![said(0), changed, said(7), said(2), said(8)];
    steps(&mut director, new);
    assert_eq!(all_one(&director), Some((5, true)));
}

#[test]
fn a_virtual_server_has_no_room_for_what_few_need() {
    assert!(size_of::<Pool>() <= 176, "{} bytes", size_of::<Pool>());
}

proptest! {
    #[test]
    fn a_reload_in_pieces_asks_for_what_a_reload_at_once_asks_for_and_the_table_is_that_of_a_fresh_start(
        reloads in prop::collection::vec(
            (prop::collection::vec((0..6_u32, 1..3_u32, 1..3_u32), 0..8), prop::collection::vec(0..3_usize, 0..8)),
            1..4,
        ),
    ) {
        // Those of the lower half are addresses, the others marks of groups.
        let one = |(number, servers, weight): &(u32, u32, u32)| if *number < 3 {
            service(*number, *servers, *weight)
        } else {
            marked(u8::try_from(*number).unwrap(), *weight, 1000 + *servers)
        };
        let unique = |services: &[(u32, u32, u32)]| -> Vec<VirtualServer> {
            let mut seen = std::collections::BTreeSet::new();
            services.iter().filter(|service| seen.insert(service.0)).map(one).collect()
        };
        let first = LvsConfig { virtual_servers: unique(&[(0, 1, 1), (3, 1, 1), (1, 2, 1)]), common: common() };
        let (mut whole, mut pieces) = (started(first.clone()), started(first));
        for (services, cuts) in reloads {
            let services = unique(&services);
            let at_once = reload(&mut whole, services.clone(), common());
            let mut rest = services.clone();
            for cut in cuts {
                let after = rest.split_off(cut.min(rest.len()));
                pieces.compare(core::mem::replace(&mut rest, after));
            }
            prop_assert_eq!(reload(&mut pieces, rest, common()), at_once);
            prop_assert_eq!(pieces.desired(), whole.desired());
            prop_assert_eq!(pieces.memory(), whole.memory());
            let fresh = Director::with(
                LvsConfig { virtual_servers: services, common: common() },
                whole.memory().marks,
                crate::random::Random::new(1),
            );
            prop_assert_eq!(fresh.desired(), pieces.desired());
        }
    }
}
