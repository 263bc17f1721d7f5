//! Unicast, and what instances may say beyond the RFCs.

use crate::lan::{
    FIRST, Packet, World, address, advert, advert_of, alone, facts, frame_of, group, ms, seed, tracked, v2, v3, v6,
    with_priority,
};
use standfast_model::config::VrrpConfig;
use standfast_model::config::instance::{InstanceOptions, OldChecksum, Peer, Peering, Unicast};
use standfast_model::config::vrrp::Instance;
use standfast_model::{Priority, Refusal, State};
use standfast_vrrp::{InterfaceFacts, Notice};
use standfast_wire::ipv4;
use standfast_wire::vrrp::{self, Coverage, View};
use std::net::IpAddr;
use std::time::Duration;

fn peer(text: &str) -> Peer {
    Peer { address: text.parse().unwrap(), min_ttl: 0, max_ttl: 255 }
}

fn with_options(instance: Instance, options: InstanceOptions) -> Instance {
    Instance { options, ..instance }
}

fn unicast(instance: Instance, peers: &[Peer], check_source: bool) -> Instance {
    let peering = Peering::Unicast(Unicast { peers: peers.to_vec(), ttl: None, check_source });
    with_options(instance, InstanceOptions { peering, ..InstanceOptions::default() })
}

fn sent(world: &World) -> Vec<Vec<u8>> {
    world.nodes[0].sent()
}

// REQ: KA-UNI-01
#[test]
fn unicast_advertisements_are_keepalived_s_octet_for_octet() {
    let owner = |instance| with_priority(instance, 255);
    for (name, instance, header) in [
        ("W-V2-UNI", unicast(owner(v2()), &[peer("192.0.2.2")], false), 14),
        ("W-V3-4-UNI", unicast(owner(v3()), &[peer("192.0.2.2")], false), 14),
        ("W-V3-6-UNI", unicast(owner(v6()), &[peer("fe80::2")], false), 54),
    ] {
        let world = World::of([alone(instance)]);
        assert_eq!(sent(&world), [&frame_of(name)[header..]], "{name}");
    }
}

// REQ: KA-UNI-01
#[test]
fn each_peer_gets_one_packet_per_interval_and_they_count_as_one_advertisement() {
    let peers = [peer("192.0.2.2"), peer("192.0.2.3"), peer("198.51.100.4")];
    let mut world = World::of([alone(unicast(with_priority(v2(), 255), &peers, false))]);
    world.run(Duration::from_millis(1_500));
    let packets = world.nodes[0].packets(FIRST);
    let destinations: Vec<String> = packets.iter().map(|(_, packet)| packet.destination.to_string()).collect();
    assert_eq!(destinations, ["192.0.2.2", "192.0.2.3", "198.51.100.4"].repeat(2));
    let identifications: Vec<u16> = sent(&world).iter().map(|packet| Packet::identification(packet)).collect();
    assert_eq!(identifications, [1, 2, 3, 4, 5, 6]);
    assert_eq!(world.nodes[0].router.counters(FIRST).advert_sent, 2);
}

#[test]
fn a_unicast_pair_elects_as_a_multicast_pair_does() {
    for (instance, addresses) in [(v2(), ["192.0.2.1", "192.0.2.2"]), (v6(), ["fe80::1", "fe80::2"])] {
        let mut world = World::of([
            alone(unicast(with_priority(instance.clone(), 150), &[peer(addresses[1])], true)),
            alone(unicast(instance, &[peer(addresses[0])], true)),
        ]);
        world.run(Duration::from_secs(10));
        assert_eq!(world.holders(FIRST), [0]);
        assert_eq!(world.nodes[1].transitions().len(), 1);
        world.shutdown(0);
        world.run(Duration::from_secs(1));
        assert_eq!(world.holders(FIRST), [1]);
    }
}

/// What was refused, if anything, and what was said of it.
fn refusal(instance: &Instance, packet: &Packet) -> Option<(Refusal, String)> {
    let mut world = World::of([alone(instance.clone())]);
    world.hear(0, packet);
    let accepted = world.nodes[0].router.counters(FIRST).advert_received;
    match world.nodes[0].notices()[..] {
        [] => {
            assert_eq!(accepted, 1);
            None
        }
        [Notice::Refused { reason, detail, .. }] => {
            assert_eq!((accepted, world.nodes[0].router.counters(FIRST).refused(*reason)), (0, 1));
            Some((*reason, detail.clone()))
        }
        ref other => panic!("{other:?}"),
    }
}

// REQ: KA-UNI-01 KA-UNI-02
#[test]
fn a_unicast_instance_hears_unicast_from_its_peers_only_if_told_so() {
    let refused = |reason, detail: &str| Some((reason, detail.to_owned()));
    let to_us =
        |instance: &Instance, host| Packet { destination: address(0, 1).into(), ..advert_of(instance, host, 200) };
    let near = Peer { min_ttl: 254, ..peer("192.0.2.2") };
    let open = unicast(v2(), &[near], false);
    let closed = unicast(v2(), &[near], true);
    let group = advert_of(&open, 2, 200);
    assert_eq!(
        refusal(&open, &group),
        refused(Refusal::Destination, "sent to the group 224.0.0.18, expected by unicast")
    );
    assert_eq!(
        refusal(&v2(), &to_us(&v2(), 2)),
        refused(Refusal::Destination, "sent to 192.0.2.1, expected 224.0.0.18")
    );
    assert_eq!(refusal(&open, &to_us(&open, 2)), None);
    assert_eq!(refusal(&open, &to_us(&open, 9)), None);
    assert_eq!(refusal(&open, &Packet { ttl: 3, ..to_us(&open, 2) }), None);
    assert_eq!(refusal(&closed, &to_us(&closed, 2)), None);
    assert_eq!(refusal(&closed, &to_us(&closed, 9)), refused(Refusal::Destination, "192.0.2.9 is no peer"));
    assert_eq!(refusal(&closed, &Packet { ttl: 254, ..to_us(&closed, 2) }), None);
    let far = Packet { ttl: 253, ..to_us(&closed, 2) };
    assert_eq!(refusal(&closed, &far), refused(Refusal::Ttl, "TTL 253, expected 254 to 255"));
}

#[test]
fn an_instance_without_a_peer_to_send_to_is_in_fault() {
    let world = World::of([alone(unicast(with_priority(v2(), 255), &[], false))]);
    assert_eq!((world.state(0, FIRST), sent(&world).len()), (State::Fault, 0));
}

/// The group that a socket for the instance has to join.
fn listened_to(config: &VrrpConfig) -> Option<IpAddr> {
    standfast_vrrp::group(&config.instances[0], &config.common)
}

#[test]
fn the_group_is_the_instance_s_own_before_the_global_one() {
    let own: IpAddr = "224.0.0.77".parse().unwrap();
    let mut config = alone(with_priority(v2(), 255));
    assert_eq!(listened_to(&config).unwrap().to_string(), "224.0.0.18");
    config.common.multicast4 = Some("224.0.0.66".parse().unwrap());
    let destination = |config: &VrrpConfig| World::of([config.clone()]).nodes[0].packets(FIRST)[0].1.destination;
    assert_eq!(destination(&config).to_string(), "224.0.0.66");
    config.instances[0].options.peering = Peering::Multicast { group: Some(own) };
    assert_eq!(destination(&config), own);
    let mut world = World::of([config.clone()]);
    let packet = advert_of(&v2(), 9, 100);
    world.hear(0, &packet);
    assert_eq!(world.nodes[0].router.counters(FIRST).refused(Refusal::Destination), 1);
    world.hear(0, &Packet { destination: own, ..packet });
    assert_eq!(world.nodes[0].router.counters(FIRST).advert_received, 1);
    assert_eq!(listened_to(&config), Some(own));
    assert_eq!(listened_to(&alone(unicast(v2(), &[peer("192.0.2.2")], false))), None);
    let mut six = alone(with_priority(v6(), 255));
    six.common.multicast6 = Some("ff02::66".parse().unwrap());
    assert_eq!(destination(&six).to_string(), "ff02::66");
}

// REQ: VRRP3-5.2.8-04 VRRP3-5.2.8-05 KA-BUG-03
#[test]
fn v3_checksum_as_v2_sends_the_short_form_and_hears_both_and_no_garbage() {
    let options = InstanceOptions { v3_checksum_as_v2: true, ..InstanceOptions::default() };
    let instance = with_options(v3(), options);
    let mut world = World::of([alone(instance.clone())]);
    world.run(Duration::from_secs(4));
    assert_eq!(sent(&world), [&frame_of("W-V3-4-9568")[14..]]);
    let with_checksum = |checksum: u16| {
        let mut packet = advert_of(&v3(), 2, 200);
        packet.message[6..8].copy_from_slice(&checksum.to_be_bytes());
        packet
    };
    let packet = advert_of(&v3(), 2, 200);
    let view = View::new(&packet.message, packet.source, packet.destination).unwrap();
    let [long, short] = Coverage::BOTH.map(|coverage| view.expected_checksum(coverage));
    assert_eq!(refusal(&instance, &with_checksum(long)), None);
    assert_eq!(refusal(&instance, &with_checksum(short)), None);
    assert!(matches!(refusal(&instance, &with_checksum(long ^ 1)), Some((Refusal::Checksum, _))));
    assert!(matches!(refusal(&v3(), &with_checksum(short)), Some((Refusal::Checksum, _))));
}

#[test]
fn owner_ignore_adverts_makes_an_owner_deaf_and_nobody_else() {
    let options = InstanceOptions { owner_ignore_adverts: true, ..InstanceOptions::default() };
    for (priority, state) in [(255, State::Master), (254, State::Backup)] {
        let mut world = World::of([alone(with_options(with_priority(v2(), priority), options.clone()))]);
        world.run(Duration::from_secs(5));
        world.forget();
        world.hear(0, &advert_of(&v2(), 9, 255));
        assert_eq!(world.state(0, FIRST), state);
        let ignored = world.nodes[0].router.counters(FIRST).refused(Refusal::NotListening);
        assert_eq!(ignored, u64::from(priority == 255));
        assert_eq!(world.nodes[0].log.is_empty(), priority == 255);
    }
}

// REQ: VRRP2-7.1-05
#[test]
fn skip_check_adv_addr_looks_at_the_addresses_of_a_new_master_only() {
    let counted = |skip_check_adv_addr| {
        let options = InstanceOptions { skip_check_adv_addr, ..InstanceOptions::default() };
        let mut world = World::of([alone(with_options(v2(), options))]);
        let other = Instance { addresses: vec![], ..v2() };
        for host in [2, 2, 2, 3, 3] {
            world.hear(0, &advert_of(&other, host, 200));
        }
        world.nodes[0].router.counters(FIRST).address_list_differs
    };
    assert_eq!((counted(false), counted(true)), (5, 2));
}

#[test]
fn track_src_ip_makes_the_loss_of_the_configured_source_a_fault() {
    for (track_source, state) in [(false, State::Backup), (true, State::Fault)] {
        let options = InstanceOptions { track_source, ..InstanceOptions::default() };
        let instance = Instance { source: Some(address(0, 1).into()), ..with_options(v2(), options) };
        let mut world = World::of([alone(instance)]);
        assert_eq!(world.state(0, FIRST), State::Backup);
        let sources = vec![address(0, 77).into()];
        world.replace(0, 0, Some(InterfaceFacts { sources, ..facts(0, 1) }));
        assert_eq!(world.state(0, FIRST), state);
    }
}

#[test]
fn sync_group_tracking_weight_lets_members_keep_their_weights() {
    let mut config = seed(150);
    config.instances[0].track_interfaces = vec![tracked("eth1", -50, false)];
    config.instances[1].interface = "eth0".parse().unwrap();
    config.groups[0] = group(&[0, 1]);
    config.groups[0].options.tracking_weight = true;
    let mut world = World::of([config]);
    world.run_until(ms(5_000));
    world.carrier(0, 1, false);
    assert_eq!(world.state(0, FIRST), State::Master);
    assert_eq!(world.nodes[0].router.status(FIRST).unwrap().priority, 100);
}

#[test]
fn an_advertisement_by_unicast_is_answered_to_every_peer() {
    let peers = [peer("192.0.2.2"), peer("192.0.2.3")];
    let instance = unicast(with_priority(v2(), 255), &peers, false);
    let mut world = World::of([alone(instance.clone())]);
    world.run_until(ms(20_400));
    world.forget();
    world.hear(0, &Packet { destination: address(0, 1).into(), ..advert(&instance, address(0, 2).into(), 100) });
    assert_eq!(sent(&world).len(), 2);
}

/// [`unicast`] in version 3, with this word about old checksums.
fn summing(priority: u8, old: OldChecksum) -> Instance {
    let like = unicast(with_priority(v3(), priority), &[peer("192.0.2.9")], false);
    let options = InstanceOptions { old_unicast_checksum: old, ..like.options.clone() };
    with_options(like, options)
}

/// What a peer at 192.0.2.9 sends to 192.0.2.1, summed one way or the other.
fn summed(coverage: Coverage) -> Packet {
    let envelope = ipv4::Envelope { source: address(0, 9), destination: address(0, 1), identification: 1 };
    let protocol = vrrp::Protocol::V3 { interval: v3().advert_interval };
    let addresses = vec!["192.0.2.100".parse().unwrap()];
    let advert = vrrp::Advert { vrid: v3().vrid, priority: Priority::new(200), protocol, addresses };
    Packet::ipv4(&advert.emit_packet(&envelope, coverage))
}

// REQ: VRRP3-5.2.8-06 VRRP3-5.2.8-01
#[test]
fn old_unicast_checksums_are_found_out_and_answered_in_kind_unless_told_otherwise() {
    let coverage_of = |packet: &Packet| {
        let view = View::new(&packet.message, packet.source, packet.destination).unwrap();
        view.check_checksum(&[Coverage::PseudoHeader, Coverage::GroupPseudoHeader]).unwrap()
    };
    for (old, takes_old, before, after) in [
        (OldChecksum::Auto, true, Coverage::PseudoHeader, Coverage::GroupPseudoHeader),
        (OldChecksum::Always, true, Coverage::GroupPseudoHeader, Coverage::GroupPseudoHeader),
        (OldChecksum::Never, false, Coverage::PseudoHeader, Coverage::PseudoHeader),
    ] {
        let mut world = World::of([alone(summing(100, old))]);
        world.run_until(ms(4_000));
        assert_eq!(coverage_of(&world.nodes[0].packets(FIRST)[0].1), before, "{old:?}");
        world.hear(0, &summed(Coverage::GroupPseudoHeader));
        let counters = world.nodes[0].router.counters(FIRST);
        assert_eq!((counters.advert_received == 1, counters.refused(Refusal::Checksum) == 0), (takes_old, takes_old));
        world.hear(0, &summed(Coverage::PseudoHeader));
        assert_eq!(world.nodes[0].router.counters(FIRST).advert_received, 1 + u64::from(takes_old), "the right one is");
        world.forget();
        world.run(Duration::from_secs(10));
        assert_eq!(coverage_of(&world.nodes[0].packets(FIRST)[0].1), after, "{old:?}");
    }
    // To a group there is nothing old.
    let mut world = World::of([alone(v3())]);
    let mut packet = advert_of(&v3(), 9, 200);
    world.hear(0, &packet);
    packet.message[7] ^= 1;
    world.hear(0, &packet);
    assert_eq!(world.nodes[0].router.counters(FIRST).refused(Refusal::Checksum), 1);
}
