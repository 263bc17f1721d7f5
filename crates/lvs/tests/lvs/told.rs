//! What scripts, pipes and mails are told, and what IPVS is told besides its table.

use crate::support::{World, at, config, group, real_server, seconds, timing, virtual_server};
use standfast_lvs::{Event, Occasion, Reason, SyncRole, Table, Verdict};
use standfast_model::config::LvsConfig;
use standfast_model::config::lvs::{FlushOnStop, LvsCommon, SyncDaemon, Timeouts, VirtualServer};
use standfast_model::config::script::Script;
use std::collections::BTreeSet;
use std::sync::Arc;

const REFUSED: Verdict = Verdict::Failed(Reason::Refused);

fn script(name: &str) -> Option<Script> {
    Some(Script { words: vec![name.as_bytes().to_vec()], identity: None })
}

/// Two servers, with every script and mail there is.
fn talkative() -> VirtualServer {
    let mut service = virtual_server(1, vec![real_server(1, timing()), real_server(2, timing())]);
    service.options.quorum_up = script("quorum_up");
    service.options.quorum_down = script("quorum_down");
    service.options.smtp_alert = true;
    for server in &mut service.real_servers {
        server.options.notify_up = script("notify_up");
        server.options.notify_down = script("notify_down");
        server.smtp_alert = true;
    }
    service
}

fn shown(occasions: &[Occasion]) -> Vec<String> {
    let one = |occasion: &Occasion| {
        let script = occasion.script.as_ref().map_or("-".into(), |script| String::from_utf8_lossy(&script.words[0]));
        let line = occasion.fifo_line().unwrap_or_else(|| "-".to_owned());
        let mail = if occasion.mail { occasion.subject() } else { "-".to_owned() };
        format!("{line} | {script} | {mail} | {}", occasion.reason)
    };
    occasions.iter().map(one).collect()
}

fn told(world: &mut World) -> Vec<String> {
    shown(&core::mem::take(&mut world.occasions))
}

#[test]
fn each_change_is_told_once_with_its_script_its_line_its_mail_and_its_reason() {
    let mut world = World::started(config(vec![talkative()]));
    let service = "[192.0.0.1]:tcp:80";
    assert_eq!(
        told(&mut world),
        [format!("VS {service} UP | quorum_up | Virtualserver {service} - UP | Starting with quorum up 1+0=1 <= 2")]
    );
    world.finish(0, REFUSED);
    let first = "[10.0.0.1]:tcp:80";
    assert_eq!(
        told(&mut world),
        [format!(
            "RS {first} {service} DOWN | notify_down | Realserver {first} of virtual server {service} - DOWN | \
             TCP_CHECK failed: connection refused"
        )]
    );
    world.finish(1, REFUSED);
    assert_eq!(
        told(&mut world)[1],
        format!("VS {service} DOWN | quorum_down | Virtualserver {service} - DOWN | Lost quorum 1-0=1 > 0")
    );
    world.pass(seconds(3));
    world.finish(0, Verdict::Ok);
    assert_eq!(
        told(&mut world),
        [
            format!(
                "RS {first} {service} UP | notify_up | Realserver {first} of virtual server {service} - UP | TCP_CHECK \
                 succeeded"
            ),
            format!("VS {service} UP | quorum_up | Virtualserver {service} - UP | Gained quorum 1+0=1 <= 1"),
        ]
    );
}

#[test]
fn one_of_several_checkers_is_told_by_mail_alone_unless_nobody_wants_that() {
    for no_checker_emails in [false, true] {
        let mut service = talkative();
        let again = service.real_servers[0].checkers[0].clone();
        let one = service.real_servers[0].checkers[0].clone();
        service.real_servers[0].checkers = [one, again].into();
        let common = LvsCommon { no_checker_emails, ..LvsCommon::default() };
        let mut world = World::started(LvsConfig { virtual_servers: vec![service], common });
        world.finish(0, REFUSED);
        told(&mut world);
        world.finish(1, REFUSED);
        let mail = "- | - | Realserver [10.0.0.1]:tcp:80 of virtual server [192.0.0.1]:tcp:80 - DOWN | TCP_CHECK \
                    failed: connection refused";
        let expected: &[&str] = if no_checker_emails { &[] } else { &[mail] };
        assert_eq!(told(&mut world), expected);
    }
}

#[test]
fn services_are_named_as_keepalived_names_them() {
    let mut grouped = virtual_server(1, vec![real_server(1, timing())]);
    grouped.options.group = Some(group([2, 3]));
    let mut marked = virtual_server(5, vec![real_server(2, timing())]);
    marked.key =
        standfast_model::ipvs::ServiceKey::FirewallMark { mark: 7, family: standfast_model::ipvs::Family::Inet };
    let mut world = World::started(config(vec![grouped, marked]));
    let lines: Vec<String> = world.occasions.iter().filter_map(Occasion::fifo_line).collect();
    assert_eq!(lines, ["VS [group]:0 UP", "VS FWM 7 UP"]);
    world.occasions.clear();
    world.finish_all(&REFUSED);
    let lines: Vec<String> = world.occasions.iter().filter_map(Occasion::fifo_line).collect();
    assert_eq!(lines[0], "RS [10.0.0.1]:tcp:80 [group]:0 DOWN");
}

#[test]
fn with_omega_the_stop_is_told_for_all_that_is_up_and_without_it_nothing_is() {
    for omega in [false, true] {
        let mut service = talkative();
        service.options.omega = omega;
        let mut world = World::started(config(vec![service]));
        world.finish(0, REFUSED);
        world.occasions.clear();
        world.event(Event::Shutdown { keep_table: false });
        let expected: &[&str] = if omega {
            &[
                "RS [10.0.0.2]:tcp:80 [192.0.0.1]:tcp:80 DOWN | notify_down | Realserver [10.0.0.2]:tcp:80 of virtual \
                 server [192.0.0.1]:tcp:80 - DOWN | Shutting down",
                "VS [192.0.0.1]:tcp:80 DOWN | quorum_down | Virtualserver [192.0.0.1]:tcp:80 - DOWN | Shutting down",
            ]
        } else {
            &[]
        };
        assert!(world.occasions.iter().all(|occasion| occasion.stopping));
        assert_eq!(told(&mut world), expected);
    }
}

#[test]
fn rs_init_notifies_tells_who_is_up_at_the_start() {
    for initial_notifies in [false, true] {
        let mut service = talkative();
        Arc::make_mut(&mut service.real_servers[1].checkers[0]).timing.alpha = true;
        let common = LvsCommon { initial_notifies, ..LvsCommon::default() };
        let mut world = World::started(LvsConfig { virtual_servers: vec![service], common });
        let scripts = told(&mut world).iter().filter(|line| line.contains("notify_up")).count();
        assert_eq!(scripts, usize::from(initial_notifies));
    }
}

fn here(world: &mut World, addresses: &[&str]) {
    let addresses: BTreeSet<_> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    world.event(Event::LocalAddresses(addresses));
}

fn suspended_at_start() -> World {
    let mut service = virtual_server(1, vec![real_server(1, timing()), real_server(2, timing())]);
    service.options.ha_suspend = true;
    let always = virtual_server(2, vec![real_server(3, timing())]);
    let mut world = World::new(config(vec![service, always]), 0);
    here(&mut world, &["10.9.9.9"]);
    world.event(Event::Start);
    world
}

#[test]
fn with_ha_suspend_checks_rest_while_the_address_is_elsewhere_and_what_they_said_stays() {
    let mut world = suspended_at_start();
    world.live(seconds(10), |_| Verdict::Ok);
    assert!(world.starts(0).is_empty() && world.starts(2).len() == 4);
    assert_eq!(world.kernel.weights(1), [(1, 1), (2, 1)]);
    here(&mut world, &["10.9.9.9", "192.0.0.1"]);
    // A new master knows soon.
    world.live(seconds(1), |checker| if checker.0 == 0 { REFUSED } else { Verdict::Ok });
    assert_eq!((world.starts(0).len(), world.starts(1).len()), (1, 1));
    assert_eq!(world.kernel.weights(1), [(2, 1)]);
    world.pass(seconds(3));
    assert!(world.running.contains_key(&standfast_lvs::CheckerId(0)));
    world.said();
    // Gone again, in the middle of a check: the world asserts that it is cancelled and not answered.
    here(&mut world, &[]);
    assert_eq!(world.said(), ["Suspending checks of VS [192.0.0.1]:tcp:80: its address is not on this host"]);
    let starts = world.starts(0).len();
    world.live(seconds(20), |_| Verdict::Ok);
    assert_eq!(world.starts(0).len(), starts);
    assert_eq!(world.kernel.weights(1), [(2, 1)]);
}

#[test]
fn a_reload_of_a_service_that_rests_starts_no_check() {
    let mut world = suspended_at_start();
    let mut service =
        virtual_server(1, vec![real_server(1, timing()), real_server(2, timing()), real_server(4, timing())]);
    service.options.ha_suspend = true;
    world.event(Event::Reload(Box::new(config(vec![service.clone()]))));
    world.live(seconds(10), |_| Verdict::Ok);
    assert!(world.started.iter().all(|(_, checker)| checker.0 == 2), "{:?}", world.started);
    service.options.ha_suspend = false;
    world.event(Event::Reload(Box::new(config(vec![service]))));
    world.live(seconds(4), |_| Verdict::Ok);
    assert!(!world.starts(0).is_empty());
}

#[test]
fn timeouts_are_set_at_the_start_and_when_a_reload_changes_them() {
    let with = |tcp| LvsConfig {
        virtual_servers: vec![talkative()],
        common: LvsCommon { timeouts: Timeouts { tcp, tcp_fin: 0, udp: 300 }, ..LvsCommon::default() },
    };
    let mut world = World::started(with(900));
    assert_eq!(world.kernel.timeouts, Timeouts { tcp: 900, tcp_fin: 0, udp: 300 });
    world.event(Event::Reload(Box::new(with(100))));
    assert_eq!(world.kernel.timeouts.tcp, 100);
    world.kernel.timeouts = Timeouts::default();
    world.event(Event::Reload(Box::new(with(100))));
    assert_eq!(world.kernel.timeouts, Timeouts::default());
}

fn synchronised(instance: Option<&str>) -> LvsConfig {
    let sync_daemon = SyncDaemon {
        interface: "eth0".parse().unwrap(),
        instance: instance.map(str::to_owned),
        id: 51,
        max_length: None,
        port: None,
        ttl: None,
        group: None,
    };
    LvsConfig {
        virtual_servers: vec![talkative()],
        common: LvsCommon { sync_daemon: Some(sync_daemon), ..LvsCommon::default() },
    }
}

fn sends(world: &mut World) -> Vec<Option<bool>> {
    let roles = core::mem::take(&mut world.kernel.sync_daemons);
    roles.iter().map(|role: &Option<SyncRole>| role.as_ref().map(|role| role.sends)).collect()
}

#[test]
fn the_sync_daemon_sends_while_its_instance_is_master_and_receives_otherwise() {
    let mut world = World::started(synchronised(Some("VI_1")));
    assert_eq!(sends(&mut world), [Some(false)]);
    for master in [true, true, false] {
        world.event(Event::SyncInstance { master });
    }
    assert_eq!(sends(&mut world), [Some(true), Some(false)]);
    world.event(Event::SyncInstance { master: true });
    world.event(Event::Reload(Box::new(synchronised(Some("VI_1")))));
    assert_eq!(sends(&mut world), [Some(true)]);
    world.event(Event::Reload(Box::new(config(vec![talkative()]))));
    assert_eq!(sends(&mut world), [None]);
    world.event(Event::Reload(Box::new(synchronised(Some("VI_1")))));
    world.event(Event::Shutdown { keep_table: true });
    assert_eq!(sends(&mut world), [Some(true), None]);
}

#[test]
fn a_sync_daemon_without_an_instance_only_receives() {
    let mut world = World::started(synchronised(None));
    world.event(Event::SyncInstance { master: true });
    assert!(!sends(&mut world).contains(&Some(true)));
}

#[test]
fn lvs_flush_empties_the_table_before_anything_is_taken_over() {
    for flush in [false, true] {
        let common = LvsCommon { flush, ..LvsCommon::default() };
        let mut world = World::new(LvsConfig { virtual_servers: vec![talkative()], common }, 0);
        let foreign = crate::support::entry(77, &[]);
        let found = crate::support::entry(1, &[crate::support::destination(1, 1)]);
        world.kernel.table = crate::support::table([foreign, found]);
        world.event(Event::Start);
        assert_eq!(world.kernel.flushes, usize::from(flush));
        assert_eq!(world.kernel.table.services.len(), if flush { 1 } else { 2 });
        // Nothing of before counts after a flush.
        assert_eq!(world.kernel.weights(1).len(), if flush { 2 } else { 1 });
    }
}

#[test]
fn lvs_flush_on_stop_empties_the_table_unless_it_is_to_stay() {
    for (flush_on_stop, keep_table, foreign_stays, flushes) in [
        (FlushOnStop::No, false, true, 0),
        (FlushOnStop::OurServices, false, true, 0),
        (FlushOnStop::All, false, false, 1),
        (FlushOnStop::All, true, true, 0),
    ] {
        let common = LvsCommon { flush_on_stop, ..LvsCommon::default() };
        let mut world = World::started(LvsConfig { virtual_servers: vec![talkative()], common });
        let foreign = crate::support::entry(77, &[]);
        world.kernel.table.services.insert(foreign.service.key, foreign.into());
        world.event(Event::Shutdown { keep_table });
        let left = usize::from(foreign_stays) + usize::from(keep_table);
        assert_eq!((world.kernel.table.services.len(), world.kernel.flushes), (left, flushes));
    }
}

fn verdicts(world: &mut World) {
    world.live(seconds(7), |checker| if checker.0 == 0 { REFUSED } else { Verdict::Ok });
}

#[test]
fn a_successor_that_remembers_changes_nothing_tells_nothing_twice_and_flushes_nothing() {
    let common = LvsCommon { flush: true, initial_notifies: true, ..LvsCommon::default() };
    let all = LvsConfig { virtual_servers: vec![talkative()], common };
    let mut before = World::started(all.clone());
    verdicts(&mut before);
    let mut after = World::new(all, 5);
    after.now = before.now;
    after.kernel.table = before.kernel.table.clone();
    after.director.remember(before.director.memory());
    after.event(Event::Start);
    assert_eq!((after.operations.len(), after.kernel.flushes, after.occasions.len()), (0, 0, 0));
    verdicts(&mut after);
    assert_eq!(after.operations, []);
    // The one that is down has been told of as well.
    assert_eq!(after.occasions, []);
}

#[test]
fn a_successor_remembers_orders_weights_panics_and_what_is_to_leave_the_table() {
    use standfast_lvs::{CheckWeight, Order, ServerName};
    let mut service = talkative();
    service.options.panic_threshold = Some(60);
    let gone = virtual_server(8, vec![real_server(8, timing())]);
    let mut before = World::started(config(vec![service.clone(), gone]));
    before.finish(0, Verdict::OkWithWeight(CheckWeight::Absolute(12)));
    before.finish(1, REFUSED);
    let server = ServerName { service: crate::support::service_key(8), server: crate::support::server_key(8) };
    before.event(Event::Order { server, order: Order::Disable });
    assert_eq!(before.kernel.weights(1), [(1, 12), (2, 1)]);
    let memory = before.director.memory();
    let remembered = |config: LvsConfig| {
        let mut after = World::new(config, 5);
        after.now = before.now;
        after.kernel.table = before.kernel.table.clone();
        after.director.remember(memory.clone());
        after.event(Event::Start);
        after
    };
    let same = remembered(config(vec![service.clone(), virtual_server(8, vec![real_server(8, timing())])]));
    assert_eq!(same.operations, []);
    // It is configured no more: what the one before put into the table leaves it.
    let less = remembered(config(vec![service]));
    assert_eq!(less.kernel.weights(1), [(1, 12), (2, 1)]);
    assert!(!less.kernel.table.services.contains_key(&crate::support::service_key(8)));
}

#[test]
fn a_drain_goes_on_under_a_successor() {
    use standfast_lvs::{Connections, Order, ServerName};
    let all = config(vec![talkative()]);
    let server = ServerName { service: crate::support::service_key(1), server: crate::support::server_key(1) };
    let mut before = World::started(all.clone());
    before
        .kernel
        .activity
        .insert((server.service, server.server), Connections { active: 1, inactive: 0, persistent: 0 });
    before.event(Event::Order { server, order: Order::Drain { within: Some(seconds(60)) } });
    before.live(seconds(10), |_| Verdict::Ok);
    let mut after = World::new(all, 5);
    after.now = before.now;
    after.kernel.table = before.kernel.table.clone();
    after.kernel.activity = before.kernel.activity.clone();
    after.director.remember(before.director.memory());
    after.event(Event::Start);
    assert_eq!(after.operations, []);
    after.live(seconds(49), |_| Verdict::Ok);
    assert_eq!(after.kernel.weights(1), [(1, 0), (2, 1)]);
    after.live(seconds(1), |_| Verdict::Ok);
    assert_eq!(after.kernel.weights(1), [(2, 1)]);
}

#[test]
fn a_server_that_a_reload_took_away_goes_on_draining_under_a_successor() {
    use standfast_lvs::Connections;
    let mut service = talkative();
    service.options.drain = Some(seconds(60));
    let mut before = World::started(config(vec![service.clone()]));
    let row = (crate::support::service_key(1), crate::support::server_key(2));
    before.kernel.activity.insert(row, Connections { active: 1, inactive: 0, persistent: 0 });
    service.real_servers.pop();
    before.event(Event::Reload(Box::new(config(vec![service.clone()]))));
    before.live(seconds(10), |_| Verdict::Ok);
    let mut after = World::new(config(vec![service]), 5);
    after.now = before.now;
    after.kernel.table = before.kernel.table.clone();
    after.kernel.activity = before.kernel.activity.clone();
    after.director.remember(before.director.memory());
    after.event(Event::Start);
    assert_eq!((after.operations.len(), after.said().len()), (0, 0));
    after.live(seconds(49), |_| Verdict::Ok);
    assert_eq!(after.kernel.weights(1), [(1, 1), (2, 0)]);
    after.live(seconds(1), |_| Verdict::Ok);
    assert_eq!(after.kernel.weights(1), [(1, 1)]);
}

#[test]
fn nothing_is_told_before_the_start() {
    let mut world = World::new(config(vec![talkative()]), 0);
    world.event(Event::Reload(Box::new(config(vec![talkative(), virtual_server(2, vec![real_server(1, timing())])]))));
    assert_eq!((world.occasions.len(), world.notices.len(), &world.kernel.table), (0, 0, &Table::default()));
    world.now = at(5000);
    world.event(Event::Start);
    assert_eq!(world.kernel.table.services.len(), 2);
}
