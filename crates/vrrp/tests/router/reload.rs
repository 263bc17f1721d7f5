//! A reload moves what differs and nothing else.

use crate::lan::{
    FIRST, SECOND, World, advert_of, alone, facts, group, ms, name, seed, tracked, v2, v3, vip, with_password,
    with_priority,
};
use proptest::prelude::*;
use standfast_model::config::VrrpConfig;
use standfast_model::config::script::Script;
use standfast_model::config::track::{ScriptId, TrackScript, Tracked, Tracker};
use standfast_model::config::vrrp::{Instance, InstanceId, Preempt};
use standfast_model::{AdvertInterval, Ended, Instant, Refusal, State, Vrid};
use standfast_vrrp::{Action, Event, Options, Reload};
use std::net::IpAddr;
use std::time::Duration;

/// Gives the first router this configuration.
fn reload(world: &mut World, config: VrrpConfig) {
    let host = world.nodes[0].host;
    let interfaces = (0..2).map(|lan| (name(&format!("eth{lan}")), facts(lan, host))).collect();
    world.event(0, Event::Reload(Box::new(Reload { config, options: Options::default(), interfaces })));
}

/// A router whose instances are all master at 5 s, with nothing said yet.
fn masters(config: VrrpConfig) -> World {
    let mut world = World::of([config]);
    world.run_until(ms(5_000));
    world.forget();
    world
}

fn instance(vip_last: u8, vrid: u8) -> Instance {
    Instance {
        name: format!("VI_{vrid}"),
        vrid: Vrid::new(vrid).unwrap(),
        addresses: vec![vip(&format!("192.0.2.{vip_last}/32"))],
        ..with_priority(v2(), 150)
    }
}

fn of(instances: Vec<Instance>) -> VrrpConfig {
    VrrpConfig { instances, ..VrrpConfig::default() }
}

/// Every address that the router wants held, by the configuration it runs.
fn held(world: &World, config: &VrrpConfig) -> Vec<IpAddr> {
    let ids = (0..).map(InstanceId).zip(&config.instances);
    let masters = ids.filter(|(id, _)| world.nodes[0].router.holds(*id));
    masters.flat_map(|(_, instance)| &instance.addresses).map(|entry| entry.address.addr()).collect()
}

fn deleted(world: &World) -> Vec<String> {
    let gone = world.nodes[0].log.iter().filter_map(|(_, action)| {
        if let Action::Deleted(instance) = action { Some(instance.name.clone()) } else { None }
    });
    gone.collect()
}

fn sent_anything(world: &World) -> bool {
    world.nodes[0].log.iter().any(|(_, action)| matches!(action, Action::Send { .. } | Action::Announce { .. }))
}

// REQ: KA-HUP-01
#[test]
fn the_same_configuration_changes_nothing() {
    let config = of(vec![instance(100, 51), instance(101, 52)]);
    let mut world = masters(config.clone());
    let due = world.nodes[0].router.next_deadline();
    let counters = world.nodes[0].router.counters(FIRST).clone();
    reload(&mut world, config);
    assert_eq!(world.nodes[0].router.next_deadline(), due);
    assert_eq!(world.nodes[0].router.counters(FIRST), &counters);
    assert!(!sent_anything(&world) && world.nodes[0].story().is_empty() && deleted(&world).is_empty());
}

#[test]
fn instances_are_recognised_by_what_the_lan_knows_them_by() {
    let mut world = masters(of(vec![instance(100, 51), instance(101, 52)]));
    // Another order, another name: the same virtual routers.
    let renamed = Instance { name: "VI_NEW".to_owned(), ..instance(100, 51) };
    reload(&mut world, of(vec![instance(101, 52), renamed]));
    assert!(!sent_anything(&world) && world.nodes[0].story().is_empty());
    assert_eq!(deleted(&world), Vec::<String>::new());
    world.run(Duration::from_secs(1));
    assert_eq!(world.nodes[0].packets(SECOND)[0].1.message[1], 51, "numbered by the new configuration");
}

#[test]
fn what_is_removed_resigns_and_what_is_new_listens_first() {
    let mut world = masters(of(vec![instance(100, 51), instance(101, 52)]));
    let config = of(vec![instance(102, 53), instance(101, 52)]);
    reload(&mut world, config.clone());
    let sent: Vec<(u8, u8)> = world.nodes[0]
        .log
        .iter()
        .filter_map(
            |(_, action)| if let Action::Send { packet, .. } = action { Some((packet[21], packet[22])) } else { None },
        )
        .collect();
    assert_eq!(sent, [(51, 0)]);
    assert_eq!(deleted(&world), ["VI_51"]);
    assert_eq!(world.nodes[0].story(), ["5.000000 VI_53 INIT BACKUP: started"]);
    assert_eq!(held(&world, &config), ["192.0.2.101".parse::<IpAddr>().unwrap()]);
    let order: Vec<bool> = world.nodes[0].log.iter().map(|(_, action)| matches!(action, Action::Send { .. })).collect();
    assert_eq!(order[..2], [true, false], "the resignation leaves before the addresses go");
    world.run(Duration::from_secs(4));
    assert_eq!(held(&world, &config).len(), 2);
}

#[test]
fn an_address_that_moves_between_masters_is_never_let_go() {
    let mut world = masters(of(vec![instance(100, 51), instance(101, 52)]));
    let mut config = of(vec![instance(100, 51), instance(101, 52)]);
    let moved = config.instances[0].addresses.remove(0);
    config.instances[0].addresses.push(vip("192.0.2.103/32"));
    config.instances[1].addresses.push(moved);
    reload(&mut world, config.clone());
    assert!(held(&world, &config).contains(&"192.0.2.100".parse().unwrap()));
    assert!(world.nodes[0].story().is_empty());
    let announced: Vec<u32> = [FIRST, SECOND].map(|id| world.nodes[0].announcements(id)[0].1).into();
    assert_eq!(announced, [5, 5], "where addresses changed, neighbours are told");
}

#[test]
fn a_changed_vrid_goes_on_with_the_addresses_at_once_and_does_not_wake_the_standby() {
    let mut world = masters(of(vec![instance(100, 51)]));
    let config = of(vec![Instance { vrid: Vrid::new(77).unwrap(), ..instance(100, 51) }]);
    reload(&mut world, config.clone());
    assert_eq!(held(&world, &config).len(), 1);
    assert_eq!(world.nodes[0].story(), ["5.000000 VI_51 INIT MASTER: configuration read again"]);
    let packets = world.nodes[0].packets(FIRST);
    assert_eq!((packets.len(), packets[0].1.message[1], packets[0].1.priority()), (1, 77, 150));
    assert!(deleted(&world).is_empty(), "the name is still there");
}

#[test]
fn a_backup_with_a_changed_vrid_listens() {
    let mut world = World::of([alone(with_priority(v2(), 100)), alone(with_priority(v2(), 150))]);
    world.run_until(ms(10_000));
    let config = of(vec![Instance { vrid: Vrid::new(77).unwrap(), ..v2() }]);
    reload(&mut world, config);
    assert_eq!(world.state(0, FIRST), State::Backup);
}

#[test]
fn a_priority_changes_in_place_for_a_master_and_a_backup() {
    let mut world = masters(of(vec![instance(100, 51)]));
    reload(&mut world, of(vec![with_priority(instance(100, 51), 90)]));
    assert!(!sent_anything(&world) && world.nodes[0].story().is_empty());
    world.run(Duration::from_secs(1));
    assert_eq!(world.nodes[0].adverts(FIRST)[0].1, 90, "with the next regular advertisement");
    let mut world = World::of([alone(with_priority(v2(), 100))]);
    world.run_until(ms(1_000));
    reload(&mut world, alone(with_priority(v2(), 200)));
    assert_eq!(world.nodes[0].router.next_deadline(), Some(Instant::from_nanos(3_218_750_000)), "3 s and the new skew");
}

#[test]
fn an_interval_changes_in_place_and_no_standby_waits_longer_than_it_did() {
    let every = |centiseconds| Instance {
        advert_interval: AdvertInterval::from_centiseconds(centiseconds).unwrap(),
        ..with_priority(v3(), 150)
    };
    let mut world = masters(alone(every(100)));
    world.run_until(ms(5_500));
    let due = world.nodes[0].router.next_deadline().unwrap();
    world.forget();
    reload(&mut world, alone(every(300)));
    assert_eq!(world.nodes[0].router.next_deadline(), Some(due), "a longer one begins after the next");
    world.run_until(due + Duration::from_millis(3_100));
    assert_eq!(world.nodes[0].adverts(FIRST).len(), 2);
    reload(&mut world, alone(every(10)));
    assert_eq!(world.nodes[0].router.next_deadline(), Some(world.now), "a shorter one is overdue");
    // A backup without a master counts from the silence; one that has learned its master's interval keeps that.
    let mut world = World::of([alone(every(100))]);
    world.run_until(ms(1_000));
    reload(&mut world, alone(every(200)));
    assert_eq!(world.nodes[0].router.next_deadline(), Some(Instant::from_nanos(6_828_125_000)));
    let mut world = World::of([alone(with_priority(every(100), 100))]);
    world.run_until(ms(1_000));
    world.hear(0, &advert_of(&every(50), 9, 200));
    let due = world.nodes[0].router.next_deadline();
    reload(&mut world, alone(with_priority(every(200), 100)));
    assert_eq!(world.nodes[0].router.next_deadline(), due);
}

#[test]
fn a_new_password_is_asked_for_from_then_on() {
    let mut world = World::of([alone(v2())]);
    world.run_until(ms(1_000));
    reload(&mut world, alone(with_password(v2(), "new")));
    world.hear(0, &advert_of(&v2(), 9, 200));
    assert_eq!(world.nodes[0].router.counters(FIRST).refused(Refusal::AuthTypeMismatch), 1);
    let due = world.nodes[0].router.next_deadline();
    world.run_until(ms(2_000));
    world.hear(0, &advert_of(&with_password(v2(), "new"), 9, 200));
    assert_ne!(world.nodes[0].router.next_deadline(), due);
}

#[test]
fn what_is_tracked_anew_counts_at_once_and_what_is_not_tracked_any_more_never() {
    let mut world = masters(alone(v2()));
    world.carrier(0, 1, false);
    let interfaces =
        [(name("eth0"), facts(0, 1)), (name("eth1"), standfast_vrrp::InterfaceFacts { up: false, ..facts(1, 1) })];
    let tracking = Instance { track_interfaces: vec![tracked("eth1", 0, false)], ..v2() };
    let again = |config| {
        Event::Reload(Box::new(Reload { config, options: Options::default(), interfaces: interfaces.clone().into() }))
    };
    world.event(0, again(alone(tracking)));
    assert_eq!(world.state(0, FIRST), State::Fault);
    world.event(0, again(alone(v2())));
    assert_eq!(world.state(0, FIRST), State::Backup);
}

fn scripted(interval_s: u64) -> VrrpConfig {
    let mut config = alone(v2());
    config.common.scripts = vec![TrackScript {
        name: "chk".to_owned(),
        script: Script { words: vec![b"/bin/true".to_vec()], identity: None },
        interval: Duration::from_secs(interval_s),
        timeout: Duration::from_secs(1),
        rise: 1,
        fall: 1,
        init_fail: false,
    }];
    config.instances[0].options.trackers =
        vec![Tracked { tracker: Tracker::Script(ScriptId(0)), weight: 0, reverse: false }];
    config
}

#[test]
fn a_script_keeps_its_result_while_it_is_defined_as_it_was() {
    let mut world = World::of([scripted(60)]);
    world.event(0, Event::ScriptEnded { script: ScriptId(0), outcome: Ended::Exited(1) });
    assert_eq!(world.state(0, FIRST), State::Fault);
    world.run_until(ms(1_000));
    reload(&mut world, scripted(60));
    assert_eq!(world.state(0, FIRST), State::Fault);
    // Another definition knows nothing yet, which is no fault of a running instance.
    world.forget();
    reload(&mut world, scripted(30));
    assert_eq!(world.state(0, FIRST), State::Backup);
    assert!(
        world.nodes[0].log.iter().any(|(_, action)| matches!(action, Action::RunScript { .. })),
        "it is run at once"
    );
}

#[test]
fn a_script_that_a_running_master_gets_does_not_move_it_until_it_fails() {
    let mut world = masters(alone(v2()));
    reload(&mut world, scripted(60));
    assert_eq!(world.state(0, FIRST), State::Master);
    world.event(0, Event::ScriptEnded { script: ScriptId(0), outcome: Ended::Exited(0) });
    assert!(world.nodes[0].story().is_empty());
}

#[test]
fn who_joins_a_group_of_masters_is_master_and_masters_yield_to_a_member_that_listens() {
    let pair = seed(150);
    let mut first = of(vec![pair.instances[0].clone()]);
    let mut world = masters(first.clone());
    reload(&mut world, pair.clone());
    assert_eq!([FIRST, SECOND].map(|id| world.state(0, id)), [State::Master; 2]);
    assert_eq!(world.nodes[0].transitions().len(), 1, "the one that was there did not move");

    // Two that were apart, one of them with a master elsewhere, are put together.
    first.instances.push(pair.instances[1].clone());
    let mut world = World::of([first]);
    world.cut(0, &[1], &[2]);
    world.add(2, of(vec![Instance { preempt: Preempt::Never, ..with_priority(pair.instances[1].clone(), 200) }]));
    world.run_until(ms(10_000));
    assert_eq!([FIRST, SECOND].map(|id| world.state(0, id)), [State::Master, State::Backup]);
    world.forget();
    reload(&mut world, pair);
    assert_eq!([FIRST, SECOND].map(|id| world.state(0, id)), [State::Backup; 2]);
    assert_eq!(world.nodes[0].adverts(FIRST), [(10_000_000, 0)]);
}

#[test]
fn before_the_start_and_in_the_startup_delay_nothing_begins_and_after_the_end_nothing_comes_back() {
    let mut world = World::new();
    let options = Options { startup_delay: Duration::from_secs(20), ..Options::default() };
    world.add_router(1, standfast_vrrp::Router::with_options(alone(v2()), options));
    world.run_until(ms(1_000));
    reload(&mut world, of(vec![instance(100, 51), instance(101, 52)]));
    assert_eq!([FIRST, SECOND].map(|id| world.state(0, id)), [State::Init; 2]);
    world.run_until(ms(20_000));
    assert_eq!([FIRST, SECOND].map(|id| world.state(0, id)), [State::Backup; 2]);
    world.event(0, Event::Shutdown);
    reload(&mut world, alone(v2()));
    assert_eq!(world.state(0, FIRST), State::Stop);
}

#[test]
fn a_kernel_s_refusal_is_remembered_over_a_reload() {
    let mut world = masters(alone(v2()));
    world.event(0, Event::OperationFailed { instance: FIRST, what: "adding 192.0.2.100/32" });
    let due = world.nodes[0].router.next_deadline();
    reload(&mut world, alone(v2()));
    assert_eq!((world.state(0, FIRST), world.nodes[0].router.next_deadline()), (State::Fault, due));
}

/// A configuration of up to four instances, some of them in a group.
fn configs() -> impl Strategy<Value = VrrpConfig> {
    let one = (50_u8..56, 0_u8..8, 1_u8..=255, any::<bool>(), 1_u8..4);
    (prop::collection::vec(one, 1..5), any::<bool>()).prop_map(|(drawn, grouped)| {
        let mut instances: Vec<Instance> = Vec::new();
        for (vrid, vip_last, priority, on_eth1, seconds) in drawn {
            let new = Instance {
                interface: name(if on_eth1 { "eth1" } else { "eth0" }),
                advert_interval: AdvertInterval::from_seconds(seconds).unwrap(),
                ..with_priority(instance(200 + vip_last, vrid), priority)
            };
            let clashes = |other: &Instance| {
                other.name == new.name
                    || other.addresses == new.addresses
                    || (&other.interface, other.vrid) == (&new.interface, new.vrid)
            };
            if !instances.iter().any(clashes) {
                instances.push(new);
            }
        }
        let groups = if grouped && instances.len() > 1 { vec![group(&[0, 1])] } else { vec![] };
        VrrpConfig { instances, groups, ..VrrpConfig::default() }
    })
}

fn key(instance: &Instance) -> (String, Vrid) {
    (instance.interface.to_string(), instance.vrid)
}

/// The instances that stand together with this one.
fn mates(config: &VrrpConfig, id: InstanceId) -> Vec<(String, Vrid)> {
    let group = config.groups.iter().find(|group| group.members.contains(&id));
    let members = group.map_or_else(|| vec![id], |group| group.members.clone());
    members.iter().map(|id| key(&config.instances[id.0 as usize])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Random pairs of configurations at a random moment, with or without a better router about.
    #[test]
    fn unchanged_instances_do_not_move_and_no_address_of_a_master_is_lost(
        before in configs(),
        after in configs(),
        at in 0_u64..20_000,
        better in any::<bool>(),
    ) {
        let mut world = World::of([before.clone()]);
        if better {
            let mut other = before.clone();
            other.instances.iter_mut().for_each(|i| *i = with_priority(i.clone(), 200));
            world.add(2, other);
        }
        world.run_until(ms(at));
        let states: Vec<State> = (0..).map(InstanceId).zip(&before.instances).map(|(id, _)| world.state(0, id)).collect();
        let owned = held(&world, &before);
        world.forget();
        reload(&mut world, after.clone());
        for (id, instance) in (0..).map(InstanceId).zip(&after.instances) {
            let known = before.instances.iter().position(|old| key(old) == key(instance));
            let Some(known) = known else { continue };
            let same_group = mates(&before, InstanceId(u32::try_from(known).unwrap())) == mates(&after, id);
            if same_group {
                prop_assert_eq!(world.state(0, id), states[known]);
                let moved = world.nodes[0].transitions().iter().any(|t| t.instance == instance.name);
                prop_assert!(!moved, "{} moved", instance.name);
            }
        }
        // What a master held goes on being held, if its instance or a new one of its interface's LAN has it.
        for (place, old) in before.instances.iter().enumerate() {
            if states[place] != State::Master { continue; }
            for address in old.addresses.iter().map(|entry| entry.address.addr()) {
                let heirs: Vec<InstanceId> = (0..).map(InstanceId).zip(&after.instances).filter(|(_, new)| {
                    new.addresses.iter().any(|entry| entry.address.addr() == address)
                        && (key(new) == key(old) || !before.instances.iter().any(|b| key(b) == key(new)))
                }).map(|(id, _)| id).collect();
                let alone = |id: &InstanceId| mates(&after, *id).len() == 1;
                if heirs.iter().any(alone) {
                    prop_assert!(owned.contains(&address) && held(&world, &after).contains(&address), "{} is lost", address);
                }
            }
        }
        // Whoever was removed as master resigned, or another goes on with all it had; nobody else resigned.
        let kept: Vec<_> = after.instances.iter().map(key).collect();
        for (_, action) in &world.nodes[0].log {
            if let Action::Send { packet, interface, .. } = action && packet[22] == 0 {
                let sender = (format!("eth{}", interface.0 - 2), Vrid::new(packet[21]).unwrap());
                let of = |config: &VrrpConfig| {
                    let ids = (0..).map(InstanceId).zip(&config.instances);
                    ids.filter(|(_, i)| key(i) == sender).map(|(id, _)| mates(config, id)).next()
                };
                let regrouped = of(&before) != of(&after);
                prop_assert!(!kept.contains(&sender) || regrouped, "{sender:?} resigned");
            }
        }
        // And it runs on.
        world.run(Duration::from_secs(30));
        for group in &after.groups {
            let states: Vec<State> = group.members.iter().map(|id| world.state(0, *id)).collect();
            prop_assert!(states.iter().all(|state| *state == states[0]), "{states:?}");
        }
    }
}
