//! Two ledgers and whoever is between them.

use super::*;
use standfast_model::Secret;
use standfast_model::config::exchange::Exchange;
use standfast_model::ipvs::Family;
use standfast_model::{Version, Vrid, VrrpCounters};

const EAST: &str = "192.0.2.1";
const WEST: &str = "192.0.2.2";

fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

/// Numbers that differ.
fn numbers(start: u8) -> impl FnMut() -> Nonce {
    let mut last = start;
    move || {
        last += 1;
        [last; 16]
    }
}

fn instance(name: &str, vrid: u8) -> ToldInstance {
    ToldInstance {
        name: name.to_owned(),
        vrid: Vrid::new(vrid).unwrap(),
        family: Family::Inet,
        version: Version::V2,
        interval: AdvertInterval::DEFAULT,
        authentication: 0,
        addresses: vec!["192.0.2.100/24".to_owned()],
    }
}

fn slice(peer: &str, key: u8, instances: Vec<ToldInstance>) -> ExchangeSlice {
    let peers = vec![ExchangePeer { name: "other".to_owned(), address: SocketAddr::new(peer.parse().unwrap(), 8113) }];
    ExchangeSlice { settings: Exchange { listen: Vec::new(), peers, peer_key: Secret::new(vec![key; 32]) }, instances }
}

fn director(peer: &str, start: u8) -> Ledger {
    Ledger::new(slice(peer, 7, vec![instance("VI_1", 51)]), "name", [start; 16], numbers(start))
}

fn vrrp(state: State, since: Instant) -> VrrpStatus {
    let status = InstanceStatus {
        name: "VI_1".to_owned(),
        interface: "eth0".parse().unwrap(),
        vrid: Vrid::new(51).unwrap(),
        state,
        since,
        priority: 100,
        base_priority: 100,
        master: None,
        master_priority: None,
        group: None,
        addresses: Vec::new(),
        ordered: None,
        held: None,
        fault: None,
        last_transition: None,
        mismatches: Vec::new(),
        rival: None,
        claims: Vec::new(),
        counters: VrrpCounters::default(),
    };
    VrrpStatus { at: since, instances: vec![status], tracked: standfast_model::tracking::Known::default() }
}

fn octets(of: &mut Ledger, now: Instant, vrrp: &VrrpStatus) -> Vec<u8> {
    of.speak(now, Some(vrrp), "0.1.0").remove(0).1
}

/// One second of both: each tells the other.
fn second(
    now: Instant,
    (east, of_east): (&mut Ledger, &VrrpStatus),
    (west, of_west): (&mut Ledger, &VrrpStatus),
) -> [Option<Refusal>; 2] {
    let (from_east, from_west) = (octets(east, now, of_east), octets(west, now, of_west));
    let source = |address: &str| address.parse().unwrap();
    let fresh = [u8::try_from(now.as_nanos() / 100_000_000 % 251).unwrap(); 16];
    let west_says = east.hear(now, source(WEST), &from_west, fresh).unwrap().err();
    let east_says = west.hear(now, source(EAST), &from_east, fresh).unwrap().err();
    [west_says, east_says]
}

#[test]
fn two_that_have_just_started_believe_each_other_after_one_round_and_two_masters_are_found_within_three_seconds() {
    let (mut east, mut west) = (director(WEST, 10), director(EAST, 100));
    let (master, begun) = (vrrp(State::Master, at(0)), vrrp(State::Master, at(5_000)));
    let backup = vrrp(State::Backup, at(0));
    assert_eq!(second(at(1_000), (&mut east, &master), (&mut west, &backup)), [Some(Refusal::NotFresh); 2]);
    for now in [2_000, 3_000, 4_000] {
        assert_eq!(second(at(now), (&mut east, &master), (&mut west, &backup)), [None; 2], "{now}");
        assert!(east.judge(at(now), Some(&master)).is_empty() && west.judge(at(now), Some(&backup)).is_empty());
    }
    // The west hears nothing any more and takes over.
    let mut found = [None; 2];
    for now in [5_000, 6_000, 7_000, 8_000] {
        second(at(now), (&mut east, &master), (&mut west, &begun));
        for (found, news) in
            found.iter_mut().zip([east.judge(at(now), Some(&master)), west.judge(at(now), Some(&begun))])
        {
            if matches!(news.as_slice(), [News::TwoMasters { .. }]) {
                assert_eq!(*found, None, "said once");
                *found = Some(now);
            }
        }
    }
    assert_eq!(found, [Some(6_000), Some(6_000)]);
    assert_eq!(east.status(at(8_000))[0].two_masters.len(), 1);
    // It gives way.
    let gone = vrrp(State::Backup, at(8_500));
    second(at(9_000), (&mut east, &master), (&mut west, &gone));
    let over = east.judge(at(9_000), Some(&master));
    assert!(matches!(over.as_slice(), [News::Over { ours: true, .. }]), "{over:?}");
    assert!(matches!(west.judge(at(9_000), Some(&gone)).as_slice(), [News::Over { ours: false, .. }]));
    assert!(east.status(at(9_000))[0].two_masters.is_empty());
}

#[test]
fn a_takeover_that_goes_well_is_no_alarm() {
    let (mut east, mut west) = (director(WEST, 10), director(EAST, 100));
    let (old, backup) = (vrrp(State::Master, at(0)), vrrp(State::Backup, at(0)));
    for now in [1_000, 2_000, 3_000] {
        second(at(now), (&mut east, &old), (&mut west, &backup));
    }
    // The west preempts at 3.9 s, and the east gives way at once; what the west heard last is that the east is master.
    let (new, gone) = (vrrp(State::Master, at(3_900)), vrrp(State::Backup, at(3_901)));
    for now in [3_950, 4_500, 4_890] {
        assert!(west.judge(at(now), Some(&new)).is_empty(), "{now}");
    }
    for now in [4_950, 5_950] {
        second(at(now), (&mut east, &gone), (&mut west, &new));
        assert!(west.judge(at(now), Some(&new)).is_empty() && east.judge(at(now), Some(&gone)).is_empty());
    }
}

#[test]
fn what_was_recorded_is_never_believed_again_whoever_was_started_anew() {
    let (mut east, mut west) = (director(WEST, 10), director(EAST, 100));
    let status = vrrp(State::Backup, at(0));
    let mut recorded = Vec::new();
    for now in 1..10 {
        let octets = octets(&mut west, at(now * 1_000), &status);
        let _ = east.hear(at(now * 1_000), WEST.parse().unwrap(), &octets, [200; 16]);
        let answer = self::octets(&mut east, at(now * 1_000), &status);
        let _ = west.hear(at(now * 1_000), EAST.parse().unwrap(), &answer, [201; 16]);
        recorded.push(octets);
    }
    let accepted = east.status(at(9_000))[0].accepted;
    assert!(accepted >= 7);
    let replay = |east: &mut Ledger, now: u64| {
        for octets in &recorded {
            assert!(east.hear(at(now), WEST.parse().unwrap(), octets, [202; 16]).unwrap().is_err());
        }
    };
    replay(&mut east, 9_500);
    // The west is started anew, and what it said before is said again in between.
    let mut west = director(EAST, 150);
    for now in 10..20 {
        replay(&mut east, now * 1_000);
        second(at(now * 1_000 + 500), (&mut east, &status), (&mut west, &status));
    }
    let believed = east.status(at(19_600))[0].accepted;
    assert!(believed >= accepted + 5, "{accepted} {believed}");
    replay(&mut east, 20_000);
    // The east is started anew: what it would have believed before is nothing to it.
    let mut east = director(WEST, 60);
    replay(&mut east, 20_500);
    assert_eq!(east.status(at(20_500))[0].accepted, 0);
    // A datagram of its own comes back.
    let own = octets(&mut east, at(21_000), &status);
    assert_eq!(east.hear(at(21_000), WEST.parse().unwrap(), &own, [203; 16]), Some(Err(Refusal::NotFresh)));
}

#[test]
fn what_is_forged_is_counted_by_reason_and_changes_nothing() {
    let (mut east, mut west) = (director(WEST, 10), director(EAST, 100));
    let mut stranger = Ledger::new(slice(EAST, 8, vec![instance("VI_1", 51)]), "w", [9; 16], numbers(9));
    let master = vrrp(State::Master, at(0));
    for now in [1_000, 2_000, 3_000] {
        second(at(now), (&mut east, &master), (&mut west, &vrrp(State::Backup, at(0))));
    }
    let forged = octets(&mut stranger, at(3_100), &master);
    let hear = |east: &mut Ledger, octets: &[u8]| east.hear(at(3_100), WEST.parse().unwrap(), octets, [99; 16]);
    assert_eq!(hear(&mut east, &forged), Some(Err(Refusal::Octets(Error::Signature))));
    assert_eq!(hear(&mut east, b"GET / HTTP/1.1"), Some(Err(Refusal::Octets(Error::Length))));
    assert_eq!(hear(&mut east, &[7; 200]), Some(Err(Refusal::Octets(Error::Magic))));
    assert_eq!(east.hear(at(3_100), "192.0.2.9".parse().unwrap(), &forged, [99; 16]), None);
    assert!(east.judge(at(3_100), Some(&master)).is_empty());
    let status = east.status(at(3_100)).remove(0);
    let reasons: Vec<&str> = status.refused.iter().map(|(why, _)| why.as_str()).collect();
    assert_eq!(reasons, ["length", "another protocol or edition", "signature is not that of our key", "not fresh"]);
    assert!(status.alive && status.two_masters.is_empty());
}

#[test]
fn what_differs_is_told_in_words_while_the_peer_is_heard() {
    let mut other = instance("VI_1", 51);
    other.interval = AdvertInterval::from_centiseconds(300).unwrap();
    other.authentication = 1;
    other.addresses.push("192.0.2.101/24".to_owned());
    let mut east =
        Ledger::new(slice(WEST, 7, vec![instance("VI_1", 51), instance("VI_2", 52)]), "name", [10; 16], numbers(10));
    let mut west = Ledger::new(slice(EAST, 7, vec![other]), "name", [100; 16], numbers(100));
    let status = vrrp(State::Backup, at(0));
    for now in [1_000, 2_000, 3_000] {
        second(at(now), (&mut east, &status), (&mut west, &status));
    }
    let found = east.status(at(3_000)).remove(0).differences;
    let expected = [
        "VI_1: advert_int 3 s, ours 1 s",
        "VI_1: authentication PASS, ours none",
        "VI_1: 2 other addresses, ours 1",
        "VI_2 is not there",
    ];
    let found: Vec<&str> = found.iter().map(String::as_str).filter(|line| !line.starts_with("release")).collect();
    assert_eq!(found, expected);
    let silent = east.status(at(7_000)).remove(0);
    assert!(!silent.alive && silent.differences.is_empty());
}

#[test]
fn a_reload_keeps_what_is_known_of_a_peer_that_stays() {
    let (mut east, mut west) = (director(WEST, 10), director(EAST, 100));
    let status = vrrp(State::Backup, at(0));
    for now in [1_000, 2_000, 3_000] {
        second(at(now), (&mut east, &status), (&mut west, &status));
    }
    let mut new = director(WEST, 50);
    new.inherit(east);
    assert_eq!(second(at(4_000), (&mut new, &status), (&mut west, &status)), [None; 2]);
    // Another key is another peer.
    let mut new_key = Ledger::new(slice(WEST, 9, Vec::new()), "name", [60; 16], numbers(60));
    new_key.inherit(new);
    assert_eq!(new_key.status(at(4_000))[0].accepted, 0);
}
