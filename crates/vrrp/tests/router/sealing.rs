//! `auth_hmac`: what is signed, what is believed, and what a recorded packet can still do.

use crate::lan::{FIRST, Packet, World, alone, facts, ms, name, octets, v2, v3, v6, with_priority};
use standfast_model::Secret;
use standfast_model::config::VrrpConfig;
use standfast_model::config::instance::{Hmac, HmacKey, HmacMode, InstanceOptions, Peer, Peering, Replay, Unicast};
use standfast_model::config::vrrp::Instance;
use standfast_model::{Refusal, State};
use standfast_vrrp::{Action, Event, Notice, Options, Reload, Router};
use standfast_wire::vrrp::{PROOF_LEN, Proof, Sequence};
use std::net::IpAddr;
use std::time::Duration;

/// When the simulated world begins, by its clocks on the wall.
const BEGIN: Duration = Duration::from_secs(1_795_242_700);

fn hmac(mode: HmacMode, replay: Replay) -> Hmac {
    let keys = vec![
        HmacKey { id: 1, octets: Secret::new((0..32).collect()) },
        HmacKey { id: 9, octets: Secret::new((0x40..0x80).collect()) },
    ];
    Hmac { keys, active: 1, time_window: Duration::from_secs(5), replay, mode }
}

fn sealed(instance: Instance, hmac: Hmac) -> Instance {
    let options = InstanceOptions { hmac: Some(hmac), ..instance.options.clone() };
    Instance { options, ..instance }
}

fn enforced(instance: Instance) -> Instance {
    sealed(instance, hmac(HmacMode::Enforce, Replay::Time))
}

/// Routers that know what the time is, each `ahead` of the world by so many seconds.
fn world(configs: impl IntoIterator<Item = (VrrpConfig, u64)>) -> World {
    let mut world = World::new();
    for (host, (config, ahead)) in (1..).zip(configs) {
        let place = world.add_silently(host, Router::new(config));
        world.event(place, Event::WallClock { unix: BEGIN + Duration::from_secs(ahead) });
        world.event(place, Event::Start);
    }
    world
}

fn one(instance: Instance) -> World {
    world([(alone(instance), 0)])
}

fn refused(world: &World, place: usize) -> Vec<(Refusal, u64)> {
    let counters = world.nodes[place].router.counters(FIRST);
    Refusal::ALL.into_iter().map(|reason| (reason, counters.refused(reason))).filter(|(_, count)| *count > 0).collect()
}

fn received(world: &World) -> u64 {
    world.nodes[0].router.counters(FIRST).advert_received
}

/// The packets of a router of priority 200 whose clock is `ahead` seconds before the world's, second by second.
fn adverts_of(like: &Instance, ahead: u64, seconds: u64) -> Vec<Packet> {
    let mut other = World::new();
    let place = other.add_silently(2, Router::new(alone(with_priority(like.clone(), 255))));
    other.event(place, Event::WallClock { unix: BEGIN + Duration::from_secs(ahead) });
    other.event(place, Event::Start);
    other.run(Duration::from_secs(seconds));
    other.nodes[0].packets(FIRST).into_iter().map(|(_, packet)| packet).collect()
}

#[test]
fn without_knowing_the_time_nothing_leaves_and_nothing_is_believed() {
    let mut world = World::of([alone(with_priority(enforced(v3()), 255))]);
    assert!(world.nodes[0].router.wants_wall_clock());
    assert_eq!(
        world.nodes[0].story(),
        ["0.000000 VI_1 INIT FAULT: the wall clock, which auth_hmac signs with, is not known"]
    );
    world.event(0, Event::WallClock { unix: BEGIN });
    world.run(Duration::from_secs(10));
    assert_eq!(world.state(0, FIRST), State::Master);
    assert!(!World::of([alone(v3())]).nodes[0].router.wants_wall_clock());
}

#[test]
fn a_pair_that_signs_elects_in_both_versions_both_families_and_by_unicast() {
    let unicast = |instance: Instance, peer: &str| {
        let peers = vec![Peer { address: peer.parse().unwrap(), min_ttl: 0, max_ttl: 255 }];
        let peering = Peering::Unicast(Unicast { peers, ttl: None, check_source: true });
        Instance { options: InstanceOptions { peering, ..instance.options.clone() }, ..instance }
    };
    for (a, b) in [
        (v2(), v2()),
        (v3(), v3()),
        (v6(), v6()),
        (unicast(v3(), "192.0.2.2"), unicast(v3(), "192.0.2.1")),
        (unicast(v6(), "fe80::2"), unicast(v6(), "fe80::1")),
    ] {
        for replay in [Replay::Time, Replay::Monotonic] {
            let seal = |instance| sealed(instance, hmac(HmacMode::Enforce, replay));
            let mut world = world([(alone(seal(with_priority(a.clone(), 150))), 0), (alone(seal(b.clone())), 2)]);
            world.run(Duration::from_secs(30));
            assert_eq!(world.holders(FIRST), [0]);
            assert_eq!(refused(&world, 1), []);
            world.shutdown(0);
            world.run(Duration::from_secs(1));
            assert_eq!(world.holders(FIRST), [1], "a resignation is signed as well");
        }
    }
}

#[test]
fn what_keepalived_signed_is_believed() {
    let message = octets("3133c8010064a171c0000264010100006b013ad695d5000056c8f44c2446ca83825a75bb0fc89b53");
    let packet = |message| Packet {
        source: "192.0.2.1".parse().unwrap(),
        destination: "224.0.0.18".parse().unwrap(),
        ttl: 255,
        message,
        authenticated: None,
    };
    let mut world = World::new();
    let place = world.add_silently(7, Router::new(alone(enforced(v3()))));
    world.event(place, Event::WallClock { unix: Duration::from_secs(1_795_242_712) });
    world.event(place, Event::Start);
    world.hear(0, &packet(message.clone()));
    assert_eq!((received(&world), refused(&world, 0)), (1, vec![]));
    world.hear(0, &packet(message));
    assert_eq!((received(&world), refused(&world, 0)), (1, vec![(Refusal::ProofReplay, 1)]));
}

#[test]
fn each_flaw_is_refused_for_its_own_reason_and_moves_nothing() {
    let like = enforced(v3());
    let good = adverts_of(&like, 0, 1).remove(0);
    let changed = |place: usize, to: u8| {
        let mut packet = good.clone();
        packet.message[place] = to;
        packet
    };
    let trailer = good.message.len() - PROOF_LEN;
    let (mut cut, mut grown, mut bare) = (good.clone(), good.clone(), good.clone());
    cut.message.pop();
    grown.message.push(0);
    bare.message.truncate(trailer);
    for (packet, reason) in [
        (cut, Refusal::Length),
        (grown, Refusal::Length),
        (bare, Refusal::ProofMissing),
        (changed(trailer, 2), Refusal::ProofMalformed),
        (changed(trailer + 3, 1), Refusal::ProofMalformed),
        (changed(trailer + 1, 2), Refusal::ProofKey),
        (changed(trailer + 1, 9), Refusal::ProofInvalid),
        (changed(trailer + 27, !good.message[trailer + 27]), Refusal::ProofInvalid),
        // A priority that nobody signed.
        (changed(2, 0), Refusal::ProofInvalid),
        // The checksum is not covered by the signature, and is looked at all the same.
        (changed(7, !good.message[7]), Refusal::Checksum),
        (Packet { source: "192.0.2.77".parse().unwrap(), ..good.clone() }, Refusal::ProofInvalid),
        (Packet { ttl: 254, ..good.clone() }, Refusal::Ttl),
    ] {
        let mut world = one(like.clone());
        world.run_until(ms(1_000));
        let due = world.nodes[0].router.next_deadline();
        world.hear(0, &packet);
        assert_eq!(refused(&world, 0), [(reason, 1)]);
        assert_eq!((world.nodes[0].router.next_deadline(), received(&world)), (due, 0));
        // And the genuine one is still believed: what was refused left no mark.
        world.hear(0, &good);
        assert_eq!(received(&world), 1, "{reason:?}");
    }
}

#[test]
fn a_clock_further_away_than_the_window_is_not_believed_and_one_beyond_half_of_it_is_told() {
    for (theirs, ours, believed) in [(10, 15, true), (10, 16, false), (10, 5, true), (10, 4, false)] {
        let packet = adverts_of(&enforced(v3()), theirs, 1).remove(0);
        let mut world = world([(alone(enforced(v3())), ours)]);
        world.hear(0, &packet);
        assert_eq!(received(&world) == 1, believed, "{theirs} {ours}");
        let told = world.nodes[0].notices().iter().filter(|n| matches!(n, Notice::ClockDiffers { .. })).count();
        if believed {
            assert_eq!(told, 1);
        } else {
            assert_eq!(refused(&world, 0), [(Refusal::ProofStale, 1)]);
        }
        // A window of numbers alone does not ask the clock.
        let monotonic = sealed(v3(), hmac(HmacMode::Enforce, Replay::Monotonic));
        let mut other = self::world([(alone(monotonic), 1_000_000)]);
        other.hear(0, &packet);
        assert_eq!(received(&other), 1);
    }
    let near = adverts_of(&enforced(v3()), 12, 1).remove(0);
    let mut world = world([(alone(enforced(v3())), 10)]);
    world.hear(0, &near);
    assert!(world.nodes[0].notices().is_empty());
}

#[test]
fn what_was_recorded_is_believed_once_and_never_after_something_newer() {
    for replay in [Replay::Time, Replay::Monotonic] {
        let like = sealed(v3(), hmac(HmacMode::Enforce, replay));
        let packets = adverts_of(&like, 0, 4);
        let mut world = one(like);
        for (place, believed) in [(0, true), (0, false), (2, true), (1, false), (2, false), (3, true), (0, false)] {
            let before = received(&world);
            world.hear(0, &packets[place]);
            assert_eq!(received(&world) > before, believed, "{replay:?} {place}");
        }
        assert_eq!(refused(&world, 0), [(Refusal::ProofReplay, 4)]);
    }
}

/// A packet of another source, signed with our own key.
fn from_source(like: &Instance, packet: &Packet, last: u8) -> Packet {
    let source: IpAddr = format!("192.0.2.{last}").parse().unwrap();
    let end = packet.message.len() - PROOF_LEN;
    let key = &like.options.hmac.as_ref().unwrap().keys[0].octets;
    let proof = Proof::new(*packet.message[end..].first_chunk().unwrap());
    let mut message = packet.message[..end].to_vec();
    let proof = Proof::sign(key.octets(), 1, proof.sequence(), source, &message);
    // The pseudo-header has the source: what the sum loses there it gains in the checksum.
    let (was, is) =
        (u32::from(packet.source.to_string().rsplit('.').next().unwrap().parse::<u8>().unwrap()), u32::from(last));
    let sum = u32::from(u16::from_be_bytes([message[6], message[7]])) + was + 0xffff - is;
    let folded = (sum & 0xffff) + (sum >> 16);
    message[6..8].copy_from_slice(&u16::try_from(folded).unwrap().to_be_bytes());
    message.extend(proof.octets());
    Packet { source, message, ..packet.clone() }
}

#[test]
fn four_sources_are_remembered_and_the_one_heard_longest_ago_makes_room() {
    let like = enforced(v3());
    let packet = adverts_of(&like, 0, 1).remove(0);
    let mut world = one(like.clone());
    for source in [2, 3, 4, 5] {
        world.hear(0, &from_source(&like, &packet, source));
    }
    assert_eq!(received(&world), 4);
    for source in [2, 3, 4, 5] {
        world.hear(0, &from_source(&like, &packet, source));
    }
    assert_eq!(refused(&world, 0), [(Refusal::ProofReplay, 4)], "all four are remembered");
    world.hear(0, &from_source(&like, &packet, 6));
    world.hear(0, &from_source(&like, &packet, 3));
    assert_eq!(refused(&world, 0), [(Refusal::ProofReplay, 5)], "only the first of them is forgotten");
    world.hear(0, &from_source(&like, &packet, 2));
    assert_eq!(received(&world), 6);
}

#[test]
fn a_mark_that_the_clock_has_left_behind_counts_no_more() {
    // A peer whose clock was four seconds ahead, and is set right: what it sends is older than what it sent.
    let like = enforced(v3());
    let ahead = adverts_of(&like, 4, 1).remove(0);
    let right = adverts_of(&like, 0, 12);
    let mut world = one(like);
    world.hear(0, &ahead);
    world.run_until(ms(1_000));
    world.hear(0, &right[1]);
    assert_eq!(refused(&world, 0), [(Refusal::ProofReplay, 1)]);
    world.run_until(ms(11_000));
    world.hear(0, &right[11]);
    assert_eq!(received(&world), 2);
}

#[test]
fn the_modes_say_who_signs_and_whether_unsigned_ones_are_believed() {
    let unsigned = {
        let mut other = World::new();
        other.add(2, alone(with_priority(v3(), 255)));
        other.nodes[0].packets(FIRST).remove(0).1
    };
    let signed = adverts_of(&enforced(v3()), 0, 1).remove(0);
    for (mode, signs, takes_unsigned) in
        [(HmacMode::Enforce, true, false), (HmacMode::Permissive, true, true), (HmacMode::ReceiveOnly, false, true)]
    {
        let like = sealed(v3(), hmac(mode, Replay::Time));
        let sent = adverts_of(&like, 0, 1).remove(0);
        assert_eq!(sent.message.len() == unsigned.message.len() + PROOF_LEN, signs, "{mode:?}");
        let mut world = one(like);
        world.hear(0, &unsigned);
        let counters = world.nodes[0].router.counters(FIRST);
        assert_eq!((counters.unsigned_accepted == 1, counters.advert_received == 1), (takes_unsigned, takes_unsigned));
        world.hear(0, &signed);
        assert_eq!(received(&world), 1 + u64::from(takes_unsigned), "{mode:?}");
        let mut forged = signed.clone();
        *forged.message.last_mut().unwrap() ^= 1;
        world.hear(0, &forged);
        assert_eq!(world.nodes[0].router.counters(FIRST).refused(Refusal::ProofInvalid), 1, "a wrong one never is");
    }
    // Without the keyword a trailer is octets too many.
    let mut world = one(v3());
    world.hear(0, &signed);
    assert_eq!(refused(&world, 0), [(Refusal::Length, 1)]);
}

#[test]
fn keys_are_changed_without_a_takeover() {
    let of = |keys: &[usize], active| {
        let all = hmac(HmacMode::Enforce, Replay::Time);
        let keys = keys.iter().map(|place| all.keys[*place].clone()).collect();
        Hmac { keys, active, ..all }
    };
    let (old, both, both_new, new) = (of(&[0], 1), of(&[0, 1], 1), of(&[0, 1], 9), of(&[1], 9));
    let config = |hmac: &Hmac, priority| alone(sealed(with_priority(v3(), priority), hmac.clone()));
    let mut world = world([(config(&old, 150), 0), (config(&old, 100), 0)]);
    world.run(Duration::from_secs(10));
    world.forget();
    for hmac in [both, both_new, new] {
        for (place, priority) in [(0, 150), (1, 100)] {
            let interfaces =
                (0..2).map(|lan| (name(&format!("eth{lan}")), facts(lan, world.nodes[place].host))).collect();
            let config = config(&hmac, priority);
            world.event(place, Event::Reload(Box::new(Reload { config, options: Options::default(), interfaces })));
            world.run(Duration::from_secs(7));
        }
    }
    assert_eq!(world.holders(FIRST), [0]);
    assert!(world.nodes.iter().all(|node| node.story().is_empty()), "{:?}", world.nodes[1].story());
    assert_eq!(refused(&world, 1), []);
    let last = world.nodes[0].packets(FIRST).pop().unwrap().1;
    assert_eq!(last.message[last.message.len() - PROOF_LEN + 1], 9, "signed with the new key");
}

/// The sequences of everything a router sent.
fn sequences(world: &World) -> Vec<Sequence> {
    let sent = world.nodes[0].packets(FIRST).into_iter();
    sent.map(|(_, packet)| Proof::new(*packet.message.last_chunk().unwrap()).sequence()).collect()
}

#[test]
fn what_is_sent_has_the_clock_s_sequence_and_never_goes_back() {
    let mut world = one(with_priority(enforced(v3()), 255));
    world.run_until(ms(2_500));
    // The clock goes back by three seconds, which is within the window: the last one plus one, until it has caught up.
    world.event(0, Event::WallClock { unix: BEGIN });
    world.run_until(ms(7_500));
    let seconds: Vec<u64> = sequences(&world).iter().map(|s| (s.bits() >> 32) - BEGIN.as_secs()).collect();
    assert_eq!(seconds, [0, 1, 2, 2, 2, 2, 3, 4]);
    assert!(sequences(&world).windows(2).all(|pair| pair[1].is_after(pair[0])));
    // It goes back by an hour, which no peer would follow: begin anew.
    let back = BEGIN - Duration::from_secs(3_600);
    world.event(0, Event::WallClock { unix: back });
    world.forget();
    world.run_until(ms(8_500));
    assert_eq!(sequences(&world)[0].bits() >> 32, back.as_secs());
    // Counted without a window, it goes on.
    let mut world = one(with_priority(sealed(v3(), hmac(HmacMode::Enforce, Replay::Monotonic)), 255));
    world.event(0, Event::WallClock { unix: back });
    world.run_until(ms(3_500));
    assert!(sequences(&world).windows(2).all(|pair| pair[1].is_after(pair[0])));
}

#[test]
fn all_peers_get_the_same_signature() {
    let peers = ["192.0.2.2", "192.0.2.3"].map(|a| Peer { address: a.parse().unwrap(), min_ttl: 0, max_ttl: 255 });
    let peering = Peering::Unicast(Unicast { peers: peers.to_vec(), ttl: None, check_source: false });
    let like = enforced(with_priority(v3(), 255));
    let world = one(Instance { options: InstanceOptions { peering, ..like.options.clone() }, ..like });
    let packets = world.nodes[0].packets(FIRST);
    let trailers: Vec<_> =
        packets.iter().map(|(_, packet)| packet.message.last_chunk::<PROOF_LEN>().unwrap()).collect();
    assert_eq!(trailers.len(), 2);
    assert_eq!(trailers[0], trailers[1]);
    assert_eq!(world.nodes[0].router.counters(FIRST).advert_sent, 1);
    assert!(world.nodes[0].log.iter().any(|(_, action)| matches!(action, Action::Send { .. })));
}
