//! Sync groups beyond the sample pair.

use crate::lan::{
    FIRST, SECOND, World, advert_of, group, ms, name, seed, tracked, us, v2, with_password, with_priority,
};
use standfast_model::State;
use standfast_model::config::VrrpConfig;
use standfast_model::config::vrrp::{Instance, InstanceId, Preempt};
use standfast_vrrp::{Action, Event};
use std::time::Duration;

fn states(world: &World, place: usize) -> [State; 2] {
    [FIRST, SECOND].map(|instance| world.state(place, instance))
}

#[test]
fn one_lan_cut_off_does_not_move_a_group_and_both_cut_off_do() {
    let mut world = World::of([seed(150), seed(100)]);
    world.run(Duration::from_secs(10));
    world.cut(0, &[1], &[2]);
    world.run(Duration::from_secs(60));
    assert_eq!(states(&world, 1), [State::Backup; 2], "the group is held back by the LAN that has a master");
    assert!(world.nodes[1].router.status(FIRST).unwrap().held_back);
    assert!(!world.nodes[1].router.status(SECOND).unwrap().held_back);
    world.cut(1, &[1], &[2]);
    world.run(Duration::from_secs(4));
    assert_eq!(states(&world, 1), [State::Master; 2]);
    assert_eq!(states(&world, 0), [State::Master; 2]);
    // One LAN heals: the lower group gives way on both.
    world.heal();
    world.cut(1, &[1], &[2]);
    world.run(Duration::from_secs(1));
    assert_eq!(states(&world, 1), [State::Backup; 2]);
    assert!(world.nodes[1].adverts(SECOND).iter().all(|(_, priority)| *priority == 100), "no resignation");
}

#[test]
fn a_member_that_hears_its_master_again_no_longer_wants_to_take_over() {
    let mut world = World::of([seed(150), seed(100)]);
    world.run(Duration::from_secs(10));
    world.cut(0, &[1], &[2]);
    world.run(Duration::from_secs(10));
    world.heal();
    world.run(Duration::from_secs(2));
    assert!(!world.nodes[1].router.status(FIRST).unwrap().held_back);
    // Now the other LAN alone is cut: a stale wish would let the group move.
    world.cut(1, &[1], &[2]);
    world.run(Duration::from_secs(60));
    assert_eq!(states(&world, 1), [State::Backup; 2]);
}

// REQ: VRRP2-6.4.2-04 VRRP3-6.4.2-04 VRRP2-8.2-03 VRRP3-8.1.2-02 VRRP3-8.2.2-02
#[test]
fn all_advertisements_leave_before_the_addresses_move_once() {
    let mut world = World::of([seed(150)]);
    world.forget();
    world.run(Duration::from_secs(4));
    let kinds: Vec<String> = world.nodes[0]
        .log
        .iter()
        .filter(|(at, _)| *at == us(3_414_062) + Duration::from_nanos(500))
        .map(|(_, action)| match action {
            Action::Send { instance, .. } => format!("send {}", instance.0),
            Action::Reconcile => "reconcile".to_owned(),
            Action::Announce { instance, rounds } => format!("announce {} {rounds}", instance.0),
            Action::Transition(transition) => format!("{} {}", transition.instance, transition.to),
            Action::GroupTransition(transition) => format!("{} {}", transition.group, transition.to),
            Action::Priority(_)
            | Action::LowerPriorityReceived { .. }
            | Action::Deleted(_)
            | Action::Defend { .. }
            | Action::RunScript { .. } => {
                format!("{action:?}")
            }
            Action::Notice(notice) => format!("{notice:?}"),
        })
        .collect();
    assert_eq!(
        kinds,
        ["send 0", "send 1", "reconcile", "announce 0 5", "announce 1 5", "VI_E MASTER", "VI_I MASTER", "VG1 MASTER"]
    );
    world.forget();
    world.event(0, Event::Shutdown);
    let sends = world.nodes[0].log.iter().position(|(_, action)| *action == Action::Reconcile).unwrap();
    assert_eq!(sends, 2, "both resignations precede the one reconciliation");
}

#[test]
fn a_group_of_owners_starts_as_master_and_one_owner_among_others_waits() {
    let mut world = World::of([seed(255)]);
    assert_eq!(states(&world, 0), [State::Master; 2]);
    let mut mixed = seed(255);
    mixed.instances[1] = with_priority(mixed.instances[1].clone(), 100);
    world = World::of([mixed]);
    assert_eq!(states(&world, 0), [State::Backup; 2]);
    world.run(Duration::from_secs(4));
    assert_eq!(states(&world, 0), [State::Master; 2]);
}

#[test]
fn a_higher_priority_on_one_lan_takes_the_whole_group_back() {
    let mut world = World::of([seed(100)]);
    world.run(Duration::from_secs(5));
    world.forget();
    let stranger = advert_of(&with_password(v2(), "mypasswd"), 9, 200);
    world.hear(0, &stranger);
    assert_eq!(
        world.nodes[0].story(),
        [
            "5.000000 VI_E MASTER BACKUP: advertisement from 192.0.2.9 with higher priority 200, ours 100",
            "5.000000 VI_I MASTER BACKUP: sync group VG1 follows VI_E",
        ]
    );
    assert!(world.nodes[0].adverts(SECOND).is_empty());
}

#[test]
fn a_lower_priority_on_one_lan_makes_the_whole_group_announce() {
    let mut world = World::of([seed(150)]);
    world.run_until(ms(20_500));
    world.forget();
    world.hear(0, &advert_of(&with_password(v2(), "mypasswd"), 9, 100));
    world.run(Duration::from_secs(6));
    for instance in [FIRST, SECOND] {
        assert_eq!(world.nodes[0].announcements(instance), [(20_500_000, 5), (25_500_000, 5)]);
    }
    // Only the LAN that heard it is answered.
    assert_eq!(world.nodes[0].adverts(FIRST)[0].0, 20_500_000);
    assert_ne!(world.nodes[0].adverts(SECOND)[0].0, 20_500_000);
}

#[test]
fn the_group_recovers_when_its_last_member_does() {
    let mut world = World::of([seed(150)]);
    world.run(Duration::from_secs(5));
    world.carrier(0, 0, false);
    world.carrier(0, 1, false);
    world.carrier(0, 0, true);
    assert_eq!(states(&world, 0), [State::Fault; 2]);
    let why = |world: &World, id| world.nodes[0].router.status(id).unwrap().fault.unwrap().to_string();
    assert_eq!(why(&world, FIRST), "sync group VG1 follows VI_I");
    assert_eq!(why(&world, SECOND), "link of eth1 is down");
    world.forget();
    world.carrier(0, 1, true);
    assert_eq!(
        world.nodes[0].story(),
        ["5.000000 VI_E FAULT BACKUP: sync group VG1 follows VI_I", "5.000000 VI_I FAULT BACKUP: fault cleared",]
    );
}

#[test]
fn who_only_followed_into_fault_says_so_when_it_comes_back() {
    let mut config = seed(150);
    // VI_E looks at eth1 as well, but for its weight only.
    config.instances[0].track_interfaces = vec![tracked("eth1", 10, false)];
    config.groups[0].options.tracking_weight = true;
    let mut world = World::of([config]);
    world.carrier(0, 1, false);
    world.forget();
    world.carrier(0, 1, true);
    assert_eq!(
        world.nodes[0].story(),
        ["0.000000 VI_E FAULT BACKUP: sync group VG1 follows VI_I", "0.000000 VI_I FAULT BACKUP: fault cleared",]
    );
}

#[test]
fn what_the_group_tracks_every_member_tracks_and_a_member_s_own_weight_counts_as_a_fault() {
    let mut config = seed(150);
    config.instances[1].interface = name("eth0");
    config.groups[0].track_interfaces = vec![tracked("eth1", -50, false)];
    let mut of_member = config.clone();
    of_member.instances[0].track_interfaces = core::mem::take(&mut of_member.groups[0].track_interfaces);
    let mut world = World::of([config]);
    let mut other = World::of([of_member]);
    for world in [&mut world, &mut other] {
        world.run(Duration::from_secs(5));
        assert_eq!(states(world, 0), [State::Master; 2]);
        world.carrier(0, 1, false);
    }
    let priorities = |world: &World| [FIRST, SECOND].map(|id| world.nodes[0].router.status(id).unwrap().priority);
    assert_eq!((states(&world, 0), priorities(&world)), ([State::Master; 2], [100; 2]));
    assert_eq!((states(&other, 0), priorities(&other)), ([State::Fault; 2], [150; 2]));
}

#[test]
fn a_refusing_kernel_takes_the_group_along_and_back() {
    let mut world = World::of([seed(150)]);
    world.run(Duration::from_secs(5));
    world.forget();
    world.event(0, Event::OperationFailed { instance: SECOND, what: "adding 10.0.100.200/32: no buffer space" });
    assert_eq!(states(&world, 0), [State::Fault; 2]);
    assert_eq!([FIRST, SECOND].map(|id| world.nodes[0].adverts(id).len()), [1, 1], "one resignation each");
    world.run(Duration::from_secs(1));
    assert_eq!(states(&world, 0), [State::Backup; 2]);
    world.run(Duration::from_secs(4));
    assert_eq!(states(&world, 0), [State::Master; 2]);
}

#[test]
fn one_member_that_never_preempts_holds_the_group_back() {
    let mut higher = seed(150);
    higher.instances[1].preempt = Preempt::Never;
    let mut world = World::of([seed(100)]);
    world.run(Duration::from_secs(5));
    world.add(2, higher);
    world.run(Duration::from_secs(60));
    assert_eq!(states(&world, 0), [State::Master; 2]);
    assert_eq!(states(&world, 1), [State::Backup; 2]);
}

#[test]
fn instances_outside_the_group_do_not_move_with_it() {
    let alone = Instance { name: "VI_X".to_owned(), vrid: standfast_model::Vrid::new(53).unwrap(), ..v2() };
    let base = seed(150);
    let config = VrrpConfig {
        instances: vec![base.instances[0].clone(), alone, base.instances[1].clone()],
        groups: vec![group(&[0, 2])],
        ..VrrpConfig::default()
    };
    let mut world = World::of([config]);
    world.run(Duration::from_secs(5));
    world.carrier(0, 1, false);
    let state = |id| world.state(0, InstanceId(id));
    assert_eq!([state(0), state(1), state(2)], [State::Fault, State::Master, State::Fault]);
}
