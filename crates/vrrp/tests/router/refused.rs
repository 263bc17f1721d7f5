//! Packets that must not move anything: every malformed vector in every state, every pair of flaws, and floods.

use crate::lan::{
    FIRST, Packet, World, address, advert_of, alone, micros, ms, octets, split_ipv6, v2, v3, v6, vip, with_password,
    with_priority,
};
use standfast_model::config::vrrp::Instance;
use standfast_model::{AdvertInterval, InterfaceIndex, InterfaceName, Refusal, State, Vrid, VrrpCounters};
use standfast_vrrp::{Action, Event, InterfaceFacts, Notice, Options, Router};
use standfast_wire::ipv4;
use standfast_wire::vrrp::{Coverage, View};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// The packets of crate `wire`, from router B to router A.
const VECTORS: &str = include_str!("../../../wire/tests/refused.txt");

/// What becomes of a vector at a router that listens.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// Counted for this reason by the instance.
    Refused(Refusal),
    /// Counted for the interface: nobody has the VRID.
    Unclaimed,
    /// Acted upon; says whether the addresses differ.
    Accepted { differs: bool },
    /// A raw socket never sees it.
    Kernel,
}

use Outcome::{Accepted, Kernel, Refused, Unclaimed};

const EXPECTED: [(&str, Outcome); 57] = [
    ("V2-TTL254", Refused(Refusal::Ttl)),
    ("V2-TTL1", Refused(Refusal::Ttl)),
    // Without the trailer that only version 2 has, it is too long before it is of a wrong version.
    ("V2-VER4", Refused(Refusal::Length)),
    ("V2-VER3", Refused(Refusal::Version)),
    ("V2-TYPE2", Refused(Refusal::Type)),
    ("V2-TYPE0", Refused(Refusal::Type)),
    ("V2-NOTRAILER", Refused(Refusal::Length)),
    ("V2-7OCTETS", Refused(Refusal::Length)),
    ("V2-8OCTETS", Refused(Refusal::Length)),
    ("V2-TRAILING4", Refused(Refusal::Length)),
    ("V2-COUNT2", Refused(Refusal::Length)),
    ("V2-COUNT0", Refused(Refusal::Length)),
    ("V2-CSUM", Refused(Refusal::Checksum)),
    ("V2-CSUM0", Refused(Refusal::Checksum)),
    ("V2-AUTH1", Refused(Refusal::AuthTypeMismatch)),
    ("V2-AUTH3", Refused(Refusal::AuthTypeUnknown)),
    ("V2-INT2", Refused(Refusal::Interval)),
    ("V2-INT0", Refused(Refusal::Interval)),
    ("V2-VRID52", Unclaimed),
    ("V2-VRID0", Unclaimed),
    ("V2-ADDR", Accepted { differs: true }),
    ("V2-ADDR-OWNER", Accepted { differs: true }),
    ("V2-ADDR2", Accepted { differs: true }),
    ("V2-TOTLEN39", Refused(Refusal::Length)),
    ("V2-UNICAST", Refused(Refusal::Destination)),
    ("V2-OWNSRC", Refused(Refusal::OwnAddress)),
    ("V2-FRAG", Kernel),
    ("V2-IPCSUM", Kernel),
    ("V2-PASS-CASE", Refused(Refusal::AuthFailure)),
    ("V2-PASS-PREFIX", Refused(Refusal::AuthFailure)),
    ("V2-PASS-TAIL", Refused(Refusal::AuthFailure)),
    ("V2-PASS-NONE", Refused(Refusal::AuthTypeMismatch)),
    ("V2-PASS-PRIO0", Refused(Refusal::AuthFailure)),
    ("V3-TTL254", Refused(Refusal::Ttl)),
    ("V3-MSGONLY", Refused(Refusal::Checksum)),
    ("V3-CSUM", Refused(Refusal::Checksum)),
    ("V3-V2", Refused(Refusal::Version)),
    ("V3-VER0", Refused(Refusal::Version)),
    ("V3-TYPE0", Refused(Refusal::Type)),
    ("V3-TYPE2", Refused(Refusal::Type)),
    ("V3-TRAILING8", Refused(Refusal::Length)),
    ("V3-COUNT2", Refused(Refusal::Length)),
    ("V3-COUNT0", Refused(Refusal::AddressCount)),
    ("V3-ADDR", Accepted { differs: true }),
    ("V3-INT0", Refused(Refusal::Interval)),
    ("V3-VRID9", Unclaimed),
    ("V6-HL254", Refused(Refusal::Ttl)),
    ("V6-CSUM", Refused(Refusal::Checksum)),
    ("V6-MSGONLY", Refused(Refusal::Checksum)),
    ("V6-GLOBALFIRST", Accepted { differs: false }),
    ("V6-TRUNC", Refused(Refusal::Length)),
    ("V6-8OCTETS", Refused(Refusal::Length)),
    ("V6-TRAILING16", Refused(Refusal::Length)),
    // A version 2 message over IPv6 has no trailer either, so its length is right.
    ("V6-V2", Refused(Refusal::Version)),
    ("V6-COUNT1", Accepted { differs: true }),
    ("V6-ADDR", Accepted { differs: true }),
    ("V6-SRCGLOBAL", Accepted { differs: false }),
];

fn instance_of(vector: &str) -> Instance {
    match &vector[..2] {
        "V2" if vector.starts_with("V2-PASS") => with_password(v2(), "s3cr3t"),
        "V2" => v2(),
        "V3" => v3(),
        _ => v6(),
    }
}

fn packet_of(octets: &[u8]) -> Packet {
    if octets[0] >> 4 == 4 {
        return Packet::ipv4(octets);
    }
    let (source, destination, message) = split_ipv6(octets);
    let (source, destination, message) = (source.into(), destination.into(), message.to_vec());
    Packet { source, destination, ttl: octets[7], message, authenticated: None }
}

/// Every state, reached with this instance, a little after something happened in it.
fn every_state(instance: &Instance) -> Vec<(State, World)> {
    let started = |priority| World::of([alone(with_priority(instance.clone(), priority))]);
    let mut states = vec![];
    let mut backup = started(100);
    backup.run_until(ms(700));
    states.push((State::Backup, backup));
    for priority in [100, 255] {
        let mut master = started(priority);
        master.run_until(ms(10_100));
        states.push((State::Master, master));
    }
    let mut fault = started(100);
    // The packet arrives through a link that was down a moment ago, or is for an instance that waits for its group.
    fault.event(0, Event::OperationFailed { instance: FIRST, what: "adding an address" });
    states.push((State::Fault, fault));
    let mut init = World::new();
    let options = Options { startup_delay: Duration::from_secs(10), ..Options::default() };
    init.add_router(1, Router::with_options(alone(instance.clone()), options));
    states.push((State::Init, init));
    let mut stop = started(100);
    stop.event(0, Event::Shutdown);
    states.push((State::Stop, stop));
    states
}

fn eth0() -> InterfaceName {
    "eth0".parse().unwrap()
}

/// Nothing moved, and nothing but this was counted.
fn assert_refused(world: &mut World, packet: &Packet, expected: Option<Refusal>, told: &str) {
    let router = &world.nodes[0].router;
    let (state, deadline) = (router.state(FIRST), router.next_deadline());
    let mut counters = router.counters(FIRST).clone();
    let mut unclaimed = router.unclaimed(&eth0()).cloned().unwrap_or_default();
    world.forget();
    world.hear(0, packet);
    let router = &world.nodes[0].router;
    assert_eq!((router.state(FIRST), router.next_deadline()), (state, deadline), "{told}");
    match expected {
        Some(reason) => counters.refuse(reason),
        None => unclaimed.refuse(Refusal::UnknownVrid),
    }
    assert_eq!(*router.counters(FIRST), counters, "{told}");
    assert_eq!(router.unclaimed(&eth0()).cloned().unwrap_or_default(), unclaimed, "{told}");
    let actions: Vec<&Action> = world.nodes[0].log.iter().map(|(_, action)| action).collect();
    let notices = actions.iter().filter(|action| matches!(action, Action::Notice(Notice::Refused { .. }))).count();
    assert_eq!(actions.len(), notices, "{told}: {actions:?}");
    let news = expected.is_some_and(|reason| reason != Refusal::NotListening);
    assert_eq!(notices, usize::from(news), "{told}: {actions:?}");
}

// REQ: VRRP2-7.1-01 VRRP2-7.1-02 VRRP2-7.1-03 VRRP2-7.1-05 VRRP2-7.1-06 VRRP2-7.1-08 VRRP2-7.1-09 VRRP2-5.2.3-02
// REQ: VRRP2-5.3.2-01 VRRP2-5.3.6-02 VRRP2-5.3.8-01 VRRP2A-5.3.10-01 VRRP3-7.1-01 VRRP3-7.1-04 VRRP3-5.1.1.3-01
// REQ: VRRP3-5.1.2.3-01 VRRP3-5.2.5-01 VRRP3-5.2.7-02 VRRP3-5.2.8-02 VRRP3-5.2.9-03 VRRP3-6.4-01 VRRP3-8.4.2-01
// REQ: KA-BUG-02 KA-BUG-03 KA-UNI-02
#[test]
fn every_malformed_packet_in_every_state_moves_nothing_and_counts_once() {
    let mut seen = 0;
    for line in VECTORS.lines().filter(|line| !line.starts_with('#')) {
        let (name, digits) = line.split_once(' ').unwrap();
        let octets = octets(digits.trim());
        let (_, outcome) = *EXPECTED.iter().find(|(vector, _)| *vector == name).unwrap_or_else(|| panic!("{name}"));
        seen += 1;
        if matches!(outcome, Kernel) {
            let lost = ipv4::parse_header(&octets).is_err() || !ipv4::header_is_intact(&octets);
            assert!(lost, "{name} would reach the router");
            continue;
        }
        let packet = packet_of(&octets);
        for (state, mut world) in every_state(&instance_of(name)) {
            let listening = matches!(state, State::Backup | State::Master);
            let told = format!("{name} in {state}");
            assert_eq!(world.state(0, FIRST), state);
            match outcome {
                Unclaimed => assert_refused(&mut world, &packet, None, &told),
                Refused(_) | Accepted { .. } if !listening => {
                    assert_refused(&mut world, &packet, Some(Refusal::NotListening), &told);
                }
                Refused(reason) => assert_refused(&mut world, &packet, Some(reason), &told),
                Accepted { differs } => assert_accepted(&mut world, &packet, differs, &told),
                Kernel => {}
            }
        }
    }
    assert_eq!(seen, EXPECTED.len());
}

fn assert_accepted(world: &mut World, packet: &Packet, differs: bool, told: &str) {
    let before: VrrpCounters = world.nodes[0].router.counters(FIRST).clone();
    world.forget();
    world.hear(0, packet);
    world.hear(0, packet);
    let after = world.nodes[0].router.counters(FIRST);
    assert_eq!(after.advert_received, before.advert_received + 2, "{told}");
    assert_eq!(after.address_list_differs, before.address_list_differs + if differs { 2 } else { 0 }, "{told}");
    let said = world.nodes[0].notices().iter().filter(|n| matches!(n, Notice::AddressesDiffer { .. })).count();
    // Once per change and state: giving way is a change of state.
    let moved = world.nodes[0].transitions().len();
    assert!(if differs { (1..=1 + moved).contains(&said) } else { said == 0 }, "{told}: {said}");
}

/// A packet that can be spoilt in several ways before its checksum is made.
#[derive(Clone)]
struct Draft {
    packet: Packet,
    trailing: usize,
    spoil_checksum: bool,
}

/// One way to spoil a packet, and which octets of the message it writes: two that write the same cannot be combined.
struct Flaw {
    reason: Refusal,
    octets: &'static [usize],
    spoil: fn(&mut Draft),
}

impl Draft {
    fn finish(mut self) -> Packet {
        self.packet.message.extend(std::iter::repeat_n(0, self.trailing));
        let view = View::new(&self.packet.message, self.packet.source, self.packet.destination).unwrap();
        let mut checksum = view.expected_checksum(Coverage::PseudoHeader);
        if self.spoil_checksum {
            checksum ^= 1;
        }
        self.packet.message[6..8].copy_from_slice(&checksum.to_be_bytes());
        self.packet
    }
}

const LENGTH: Flaw = Flaw { reason: Refusal::Length, octets: &[], spoil: |draft| draft.trailing = 4 };
const TTL: Flaw = Flaw { reason: Refusal::Ttl, octets: &[], spoil: |draft| draft.packet.ttl = 254 };
const KIND: Flaw = Flaw { reason: Refusal::Type, octets: &[], spoil: |draft| draft.packet.message[0] ^= 0x03 };
const CHECKSUM: Flaw = Flaw { reason: Refusal::Checksum, octets: &[], spoil: |draft| draft.spoil_checksum = true };
const DESTINATION: Flaw =
    Flaw { reason: Refusal::Destination, octets: &[], spoil: |draft| draft.packet.destination = address(0, 1).into() };
const OWN: Flaw =
    Flaw { reason: Refusal::OwnAddress, octets: &[], spoil: |draft| draft.packet.source = address(0, 1).into() };

/// In keepalived's order.
const FLAWS_V2: [Flaw; 11] = [
    LENGTH,
    TTL,
    // One address and a trailer are as long as three addresses without: only the version is wrong.
    Flaw {
        reason: Refusal::Version,
        octets: &[3],
        spoil: |draft| {
            draft.packet.message[0] ^= 0x10;
            draft.packet.message[3] = 3;
        },
    },
    Flaw { reason: Refusal::AuthTypeUnknown, octets: &[4], spoil: |draft| draft.packet.message[4] = 3 },
    Flaw { reason: Refusal::AuthTypeMismatch, octets: &[4], spoil: |draft| draft.packet.message[4] = 0 },
    Flaw { reason: Refusal::AuthFailure, octets: &[12], spoil: |draft| draft.packet.message[12] ^= 0x20 },
    Flaw { reason: Refusal::Interval, octets: &[5], spoil: |draft| draft.packet.message[5] = 2 },
    KIND,
    CHECKSUM,
    DESTINATION,
    OWN,
];

const FLAWS_V3: [Flaw; 9] = [
    LENGTH,
    TTL,
    Flaw {
        reason: Refusal::Version,
        octets: &[3],
        spoil: |draft| {
            draft.packet.message[0] ^= 0x10;
            draft.packet.message[3] = 1;
        },
    },
    Flaw { reason: Refusal::Interval, octets: &[4, 5], spoil: |draft| draft.packet.message[4..6].fill(0) },
    KIND,
    Flaw {
        reason: Refusal::AddressCount,
        octets: &[3],
        spoil: |draft| {
            draft.packet.message[3] = 0;
            draft.packet.message.truncate(8);
        },
    },
    CHECKSUM,
    DESTINATION,
    OWN,
];

// REQ: VRRP2-7.1-07
#[test]
fn of_two_flaws_the_first_in_keepalives_order_is_the_reason() {
    let three = vec![vip("192.0.2.100/32"), vip("192.0.2.101/32"), vip("192.0.2.102/32")];
    let mut pairs = 0;
    for (instance, flaws) in
        [(with_password(v2(), "s3cr3t"), &FLAWS_V2[..]), (Instance { addresses: three, ..v3() }, &FLAWS_V3[..])]
    {
        let good = Draft { packet: advert_of(&instance, 2, 200), trailing: 0, spoil_checksum: false };
        let refusal = |draft: Draft| {
            let mut world = World::of([alone(instance.clone())]);
            world.hear(0, &draft.finish());
            let counters = world.nodes[0].router.counters(FIRST).clone();
            let counted: Vec<Refusal> =
                Refusal::ALL.into_iter().filter(|reason| counters.refused(*reason) > 0).collect();
            (counted, counters.advert_received)
        };
        assert_eq!(refusal(good.clone()), (vec![], 1));
        for (place, first) in flaws.iter().enumerate() {
            let mut spoilt = good.clone();
            (first.spoil)(&mut spoilt);
            assert_eq!(refusal(spoilt.clone()), (vec![first.reason], 0));
            for second in flaws[place + 1..].iter().filter(|f| !f.octets.iter().any(|o| first.octets.contains(o))) {
                let mut twice = spoilt.clone();
                (second.spoil)(&mut twice);
                assert_eq!(refusal(twice), (vec![first.reason], 0), "{:?} and {:?}", first.reason, second.reason);
                pairs += 1;
            }
        }
    }
    assert_eq!(pairs, 54 + 35);
}

#[test]
fn a_hop_limit_that_nobody_knows_is_not_255() {
    for instance in [v2(), v6()] {
        let mut world = World::of([alone(instance.clone())]);
        let packet = advert_of(&instance, 2, 200);
        let index = InterfaceIndex(2);
        world.event(0, Event::Packet(standfast_wire::Received { ttl: None, ..packet.received(index) }));
        assert_eq!(world.nodes[0].router.counters(FIRST).refused(Refusal::Ttl), 1);
    }
}

// REQ: VRRP2-7.1-09 VRRP2-5.3.10-01 VRRP3-5.2.6-01
#[test]
fn what_keepalived_accepts_is_accepted() {
    let accepted = |instance: &Instance, packet: &Packet| {
        let mut world = World::of([alone(instance.clone())]);
        world.hear(0, packet);
        world.nodes[0].router.counters(FIRST).advert_received == 1
    };
    let resum = |mut packet: Packet| {
        let view = View::new(&packet.message, packet.source, packet.destination).unwrap();
        let checksum = view.expected_checksum(Coverage::PseudoHeader).to_be_bytes();
        packet.message[6..8].copy_from_slice(&checksum);
        packet
    };
    for source in [Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(203, 0, 113, 9)] {
        assert!(accepted(&v2(), &crate::lan::advert(&v2(), IpAddr::V4(source), 0)), "{source}");
    }
    let mut trailer = advert_of(&v2(), 2, 0);
    trailer.message[12..20].copy_from_slice(b"garbage!");
    assert!(accepted(&v2(), &resum(trailer)));
    let mut reserved = advert_of(&v3(), 2, 0);
    reserved.message[4] |= 0xf0;
    assert!(accepted(&v3(), &resum(reserved)));
    // An advertisement without addresses is one in version 2.
    let none = Instance { addresses: vec![], ..v2() };
    assert!(accepted(&none, &advert_of(&none, 2, 0)));
}

// REQ: KA-BUG-01 VRRP3-6.4-01
#[test]
fn bad_packets_do_not_silence_a_master() {
    for instance in [v2(), v3(), v6()] {
        let mut world = World::of([alone(with_priority(instance.clone(), 255))]);
        let mut bad = advert_of(&instance, 2, 100);
        bad.message[6] ^= 1;
        for tenth in 1..600 {
            world.run_until(ms(tenth * 100));
            world.hear(0, &bad);
        }
        let times: Vec<u64> = world.nodes[0].adverts(FIRST).into_iter().map(|(at, _)| at).collect();
        assert_eq!(times, (0..60).map(|second| second * 1_000_000).collect::<Vec<_>>());
    }
}

// REQ: VRRP3-6.4-01
#[test]
fn bad_packets_do_not_keep_a_backup_waiting() {
    let mut world = World::of([alone(v2())]);
    let mut bad = advert_of(&v2(), 2, 255);
    bad.message[6] ^= 1;
    for tenth in 1..40 {
        world.run_until(ms(tenth * 100));
        world.hear(0, &bad);
    }
    assert_eq!(micros(world.nodes[0].transitions()[1].at), 3_609_375);
}

// REQ: VRRP3-7.1-05
#[test]
fn ten_thousand_bad_packets_in_a_second_are_a_few_lines_and_ten_thousand_counts() {
    let mut world = World::of([alone(v2())]);
    for packet in 0..10_000_u64 {
        world.now = ms(0) + Duration::from_micros(packet * 100);
        let host = u8::try_from(2 + packet % 200).unwrap();
        let mut bad = advert_of(&v2(), host, 200);
        if packet % 3 == 0 {
            bad.ttl = 1;
        } else {
            bad.message[6] ^= 1;
        }
        world.hear(0, &bad);
    }
    let counters = world.nodes[0].router.counters(FIRST);
    assert_eq!(counters.refused(Refusal::Ttl) + counters.refused(Refusal::Checksum), 10_000);
    assert_eq!(world.nodes[0].notices().len(), 8);
}

#[test]
fn a_refusal_says_what_was_received_and_what_was_expected() {
    let mut world = World::of([alone(with_password(v2(), "s3cr3t"))]);
    let mut said = |packet: &Packet| {
        world.forget();
        world.hear(0, packet);
        match world.nodes[0].notices()[..] {
            [Notice::Refused { instance: Some(FIRST), detail, .. }] => detail.clone(),
            ref other => panic!("{other:?}"),
        }
    };
    let good = advert_of(&with_password(v2(), "s3cr3t"), 2, 200);
    assert_eq!(said(&Packet { ttl: 64, ..good }), "TTL 64, expected 255");
    assert_eq!(said(&advert_of(&v2(), 2, 200)), "authentication type 0, expected 1");
    assert_eq!(said(&advert_of(&with_password(v2(), "secret"), 2, 200)), "password is not ours");
    assert_eq!(said(&advert_of(&v3(), 2, 200)), "version 3, expected 2");
    let slow = Instance { advert_interval: AdvertInterval::from_seconds(2).unwrap(), ..with_password(v2(), "s3cr3t") };
    assert_eq!(said(&advert_of(&slow, 2, 200)), "advertisement interval 2 s, expected 1 s");
}

// REQ: VRRP2-7.1-08
#[test]
fn unknown_vrids_are_said_only_where_that_is_asked_for() {
    for (log_unknown_vrids, lines) in [(false, 0), (true, 1)] {
        let mut world = World::new();
        let options = Options { log_unknown_vrids, ..Options::default() };
        world.add_router(1, Router::with_options(alone(v2()), options));
        let stranger = Instance { vrid: Vrid::new(52).unwrap(), ..v2() };
        for _ in 0..3 {
            world.hear(0, &advert_of(&stranger, 2, 200));
        }
        assert_eq!(world.nodes[0].router.unclaimed(&eth0()).unwrap().refused(Refusal::UnknownVrid), 3);
        assert_eq!(world.nodes[0].notices().len(), lines);
    }
}

#[test]
fn a_packet_too_short_to_name_an_instance_is_counted_for_its_interface() {
    let mut world = World::of([alone(v2())]);
    let index = InterfaceIndex(2);
    for octets in [&[][..], &[0x21], &[0x21, 51], &[0x21, 52]] {
        let packet = Packet { message: octets.to_vec(), ..advert_of(&v2(), 2, 200) };
        world.event(0, Event::Packet(packet.received(index)));
    }
    let router = &world.nodes[0].router;
    let unclaimed = router.unclaimed(&eth0()).unwrap();
    assert_eq!((unclaimed.refused(Refusal::Length), unclaimed.refused(Refusal::UnknownVrid)), (2, 1));
    assert_eq!(router.counters(FIRST).refused(Refusal::Length), 1);
}

#[test]
fn what_arrives_through_an_unknown_interface_is_nobodys() {
    let mut world = World::of([alone(v2())]);
    let before = world.nodes[0].router.next_deadline();
    let packet = advert_of(&v2(), 2, 255);
    for index in 10..1_000 {
        world.event(0, Event::Packet(packet.received(InterfaceIndex(index))));
    }
    assert_eq!(world.nodes[0].router.next_deadline(), before);
    assert_eq!(*world.nodes[0].router.counters(FIRST), VrrpCounters::default());
    // Being told of an interface that the configuration does not name changes nothing about it.
    let unnamed: InterfaceName = "eth9".parse().unwrap();
    let facts = InterfaceFacts { index: InterfaceIndex(10), ..crate::lan::facts(0, 1) };
    world.event(0, Event::Interface { name: &unnamed, facts: Some(facts) });
    let stranger = Instance { vrid: Vrid::new(99).unwrap(), ..v2() };
    world.event(0, Event::Packet(advert_of(&stranger, 2, 255).received(InterfaceIndex(10))));
    assert!(world.nodes[0].router.unclaimed(&unnamed).is_none());
}
