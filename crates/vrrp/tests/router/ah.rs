//! `auth_type AH`: what is sent, what is believed, and how a pair keeps one row of sequence numbers.

use crate::lan::{FIRST, Packet, World, address, alone, ms, octets, v2, v3, v6, with_priority};
use standfast_model::config::instance::{InstanceOptions, Peer, Peering, Unicast};
use standfast_model::config::vrrp::{Authentication, Instance};
use standfast_model::{Instant, InterfaceIndex, Password, Refusal, State};
use standfast_vrrp::{Action, Event, Notice, Output, Router};
use standfast_wire::{Received, ipv4};
use std::time::Duration;

/// keepalived's packets of crate `wire`, from router B.
const VECTORS: &str = include_str!("../../../wire/tests/ah.txt");

fn guarded(instance: Instance) -> Instance {
    Instance { authentication: Authentication::Ah(Password::truncating(b"s3cr3t")), ..instance }
}

fn vector(name: &str) -> Vec<u8> {
    let digits = VECTORS.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
    octets(digits.trim())
}

/// The sequence numbers and priorities of what a router has sent.
fn sent(world: &World, place: usize) -> Vec<(u32, u8)> {
    let log = world.nodes[place].log.iter();
    log.filter_map(|(_, action)| {
        #[expect(clippy::wildcard_enum_match_arm, reason = "one kind of action of eleven")]
        match action {
            Action::Send { packet, .. } => {
                let received = Received::of_ipv4(InterfaceIndex(2), packet).unwrap();
                Some((received.ah.unwrap().sequence(), received.message[2]))
            }
            _ => None,
        }
    })
    .collect()
}

fn refused(world: &World, place: usize) -> Vec<(Refusal, u64)> {
    let counters = world.nodes[place].router.counters(FIRST);
    Refusal::ALL.into_iter().map(|reason| (reason, counters.refused(reason))).filter(|(_, count)| *count > 0).collect()
}

fn sequence(world: &World, place: usize) -> u32 {
    world.nodes[place].router.status(FIRST).unwrap().sequence.unwrap()
}

/// What another router of the pair sends with this sequence number.
fn packet_with(number: u32, priority: u8) -> Packet {
    let mut other = World::new();
    let place = other.add_silently(2, Router::new(alone(with_priority(guarded(v2()), 255))));
    other.event(place, Event::Start);
    let (_, first) = other.nodes[place].packets(FIRST).remove(0);
    let received = Received::of_ipv4(InterfaceIndex(2), first.authenticated.as_ref().unwrap()).unwrap();
    let view = standfast_wire::vrrp::View::of(&received).unwrap();
    let all = &standfast_wire::vrrp::Coverage::BOTH;
    let (mut advert, _) = standfast_wire::vrrp::Advert::<std::net::Ipv4Addr>::parse(&view, all).unwrap();
    advert.priority = standfast_model::Priority::new(priority);
    let destination = standfast_wire::vrrp::GROUP_V4;
    let envelope = ipv4::Envelope { source: address(0, 2), destination, identification: 1 };
    Packet::ipv4(&advert.emit_authenticated_packet(&envelope, &Password::truncating(b"s3cr3t"), number))
}

// REQ: VRRP2A-AH-03
#[test]
fn the_first_advert_is_number_one_and_a_resignation_has_a_number_of_its_own() {
    let mut world = World::of([alone(with_priority(guarded(v2()), 255))]);
    world.run_until(ms(3_500));
    world.shutdown(0);
    assert_eq!(sent(&world, 0), [(1, 255), (2, 255), (3, 255), (4, 255), (5, 0)]);
}

#[test]
fn peers_are_told_the_same_number_each() {
    let peer = |host| Peer { address: address(0, host).into(), min_ttl: 0, max_ttl: 255 };
    let peering = Peering::Unicast(Unicast { peers: vec![peer(2), peer(3)], ttl: None, check_source: true });
    let instance = with_priority(guarded(v2()), 255);
    let instance = Instance { options: InstanceOptions { peering, ..instance.options.clone() }, ..instance };
    let mut world = World::of([alone(instance)]);
    world.run_until(ms(1_500));
    assert_eq!(sent(&world, 0), [(1, 255), (1, 255), (2, 255), (2, 255)]);
}

// REQ: VRRP2A-AH-04 VRRP2A-AH-07
#[test]
fn a_pair_counts_on_in_one_row_whoever_is_master() {
    let mut world = World::of([alone(with_priority(guarded(v2()), 200)), alone(with_priority(guarded(v2()), 100))]);
    world.run_until(ms(20_000));
    assert_eq!((world.holders(FIRST), refused(&world, 0), refused(&world, 1)), (vec![0], vec![], vec![]));
    assert_eq!(sequence(&world, 0), sequence(&world, 1));
    world.shutdown(0);
    let left = sequence(&world, 0);
    world.run(Duration::from_secs(10));
    assert_eq!(world.holders(FIRST), [1]);
    assert_eq!(sent(&world, 1).first().unwrap().0, left + 1, "above the number of who left");
    // Who comes back knows no number, listens, and goes on above what it hears.
    world.nodes[0].dead = true;
    let again = world.add(3, alone(with_priority(guarded(v2()), 200)));
    world.run(Duration::from_secs(10));
    assert_eq!((world.holders(FIRST), refused(&world, 1)), (vec![again], vec![]));
    assert!(sent(&world, again)[0].0 > left + 8, "{:?}", sent(&world, again));
}

// REQ: VRRP2A-AH-05
#[test]
fn a_master_that_counted_less_answers_above_the_lower_priority_that_it_hears() {
    let mut world = World::of([alone(with_priority(guarded(v2()), 255))]);
    world.run_until(ms(500));
    world.forget();
    world.hear(0, &packet_with(5_000, 100));
    assert_eq!(sent(&world, 0), [(5_001, 255)]);
    // And one that counted more does not hear it, but is heard.
    world.hear(0, &packet_with(4_000, 100));
    assert_eq!((sent(&world, 0).len(), refused(&world, 0)), (1, vec![(Refusal::AuthFailure, 1)]));
}

// REQ: VRRP2A-AH-06 VRRP2A-5.3.6-03
#[test]
fn each_of_keepaliveds_bad_packets_is_refused_for_its_reason_and_moves_nothing() {
    let bad = |name: &str, reason: Refusal, detail: &str| {
        let mut world = World::of([alone(guarded(v2()))]);
        world.hear(0, &packet_with(5_000, 200));
        let deadline = world.nodes[0].router.next_deadline();
        world.forget();
        world.hear(0, &Packet::ipv4(&vector(name)));
        assert_eq!(refused(&world, 0), [(reason, 1)], "{name}");
        assert_eq!((world.nodes[0].router.next_deadline(), sequence(&world, 0)), (deadline, 5_000), "{name}");
        match world.nodes[0].notices()[..] {
            [Notice::Refused { detail: said, .. }] => assert_eq!(said, detail, "{name}"),
            ref other => panic!("{name}: {other:?}"),
        }
    };
    bad("AH-REPLAY", Refusal::AuthFailure, "sequence number 5000, and 5000 was there already");
    bad("AH-OLD", Refusal::AuthFailure, "sequence number 4999, and 5000 was there already");
    for name in ["AH-KEY", "AH-ICV", "AH-PRIO", "AH-SPI"] {
        bad(name, Refusal::AuthFailure, "the authentication header is not that of our key");
    }
    bad("AH-TTL", Refusal::Ttl, "TTL 254, expected 255");
    bad("AH-INNER-CSUM", Refusal::Checksum, "checksum 0x1234, expected 0x5265");
    bad("AH-INNER-AUTH", Refusal::AuthTypeMismatch, "authentication type 0, expected 2");
}

/// The header and what is inside must agree, so that nobody gets past by leaving it out.
// REQ: VRRP2A-5.3.6-03
#[test]
fn a_missing_header_and_one_that_nobody_asked_for_are_refused_first() {
    let mut world = World::of([alone(guarded(v2()))]);
    let bare = crate::lan::advert_of(&guarded(v2()), 2, 200);
    // Also wrong in its length: the header comes first.
    let mut short = bare.clone();
    short.message.pop();
    for packet in [bare, short] {
        world.hear(0, &packet);
    }
    assert_eq!(refused(&world, 0), [(Refusal::AuthTypeMismatch, 2)]);
    for instance in [v2(), v3()] {
        let mut world = World::of([alone(instance)]);
        world.hear(0, &packet_with(1, 200));
        assert_eq!(refused(&world, 0), [(Refusal::AuthTypeMismatch, 1)]);
    }
    assert!(World::of([alone(v6())]).nodes[0].router.status(FIRST).unwrap().sequence.is_none());
}

/// A header made by who has the key, but for another's address.
// REQ: VRRP2A-AH-06
#[test]
fn a_header_of_another_sender_is_refused_though_the_key_made_it() {
    let mut world = World::of([alone(guarded(v2()))]);
    let mut packet = packet_with(1, 200).authenticated.unwrap();
    packet[24..28].copy_from_slice(&[192, 0, 2, 9]);
    let icv = {
        use hmac::{Hmac, KeyInit, Mac};
        let mut covered = packet.clone();
        for at in [1, 6, 7, 10, 11] {
            covered[at] = 0;
        }
        covered[32..44].fill(0);
        let mut mac = Hmac::<md5::Md5>::new_from_slice(b"s3cr3t\0\0").unwrap();
        mac.update(&covered);
        mac.finalize().into_bytes()
    };
    packet[32..44].copy_from_slice(&icv[..12]);
    world.hear(0, &Packet::ipv4(&packet));
    assert_eq!(refused(&world, 0), [(Refusal::AuthFailure, 1)]);
    match world.nodes[0].notices()[..] {
        [Notice::Refused { detail, .. }] => {
            assert_eq!(detail, "an authentication header of 192.0.2.9 on a packet of 192.0.2.2");
        }
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn who_goes_on_for_a_killed_master_counts_on_above_what_it_noted() {
    let mut router = Router::new(alone(with_priority(guarded(v2()), 200)));
    let mut out = Output::default();
    let facts = Some(crate::lan::facts(0, 1));
    router.handle(Instant::ZERO, Event::Interface { name: &crate::lan::name("eth0"), facts }, &mut out);
    router.handle(Instant::ZERO, Event::Adopt { instance: FIRST, advert_sent: Instant::ZERO }, &mut out);
    router.handle(Instant::ZERO, Event::Sequence { instance: FIRST, highest: 70_000 }, &mut out);
    router.handle(Instant::ZERO, Event::Start, &mut out);
    assert_eq!(router.state(FIRST), State::Master);
    let at = router.next_deadline().unwrap();
    router.handle(at, Event::Wake, &mut out);
    assert!(router.status(FIRST).unwrap().sequence.unwrap() > 70_000);
}

/// The number that a killed standby noted is what it has heard, not what others have: their next is one higher.
#[test]
fn a_standby_that_comes_back_believes_its_master_and_sends_above_all_that_it_may_have_sent() {
    let mut world = World::new();
    let mut router = Router::new(alone(guarded(v2())));
    let mut nothing = Output::default();
    router.handle(Instant::ZERO, Event::Sequence { instance: FIRST, highest: 5_000 }, &mut nothing);
    let place = world.add_silently(1, router);
    world.event(place, Event::Start);
    world.hear(place, &packet_with(5_000, 200));
    assert_eq!(refused(&world, place), [(Refusal::AuthFailure, 1)]);
    world.hear(place, &packet_with(5_001, 200));
    assert_eq!((refused(&world, place), sequence(&world, place)), (vec![(Refusal::AuthFailure, 1)], 5_001));
    world.run_until(ms(10_000));
    let first = sent(&world, place).first().copied().unwrap();
    assert_eq!(first, (5_000 + 1_024 + 1, 100));
}

/// Two of one priority that follow one resignation in the same moment, and whose advertisements cross.
#[test]
fn of_two_masters_that_count_alike_one_gives_way() {
    let mut world = World::of([alone(guarded(v2()))]);
    world.hear(0, &packet_with(7, 200));
    world.run_until(ms(4_000));
    assert_eq!((world.nodes[0].router.state(FIRST), sequence(&world, 0)), (State::Master, 8));
    world.hear(0, &packet_with(7, 200));
    assert_eq!(world.nodes[0].router.state(FIRST), State::Master, "that was heard already");
    world.hear(0, &packet_with(8, 100));
    assert_eq!(world.nodes[0].router.state(FIRST), State::Backup, "192.0.2.2 is higher than 192.0.2.1");
    world.hear(0, &packet_with(8, 100));
    assert_eq!(refused(&world, 0), [(Refusal::AuthFailure, 2)]);
}
