//! Sessions between two speakers over a wire of virtual time, and single sessions that are told what to hear.

use crate::wire::{Alone, Line, at, millis, neighbor, session, session_with};
use core::time::Duration;
use standfast_bfd::{Action, Event, Notice, Refusal};
use standfast_model::Instant;
use standfast_model::bfd::{Diagnostic, State};
use standfast_model::config::bfd::BfdSession;
use standfast_model::config::track::BfdId;
use standfast_wire::bfd::Control;
use std::collections::BTreeMap;

const STATES: [State; 4] = [State::AdminDown, State::Down, State::Init, State::Up];

// REQ: BFD-6.8.1-01 BFD-6.8.3-01 BFD-6.8.7-06 BFD-4.1-01
#[test]
fn the_first_packet_says_that_nothing_is_known() {
    let mut alone = Alone::new(session());
    let first = alone.wake(at(0));
    assert_eq!(first.len(), 1);
    let packet = first[0];
    assert_eq!((packet.state, packet.diagnostic), (State::Down, Diagnostic::NONE));
    assert_eq!(packet.your_discriminator, 0);
    assert_ne!(packet.my_discriminator, 0);
    assert_eq!(packet.desired_min_tx, Duration::from_micros(0x000f_4240));
    assert!(!packet.poll && !packet.final_ && !packet.demand && !packet.control_plane_independent);
    // The captured packet of keepalived but for the discriminator.
    let mut octets = packet.emit();
    octets[4..8].copy_from_slice(&[0xb3, 0x64, 0x0b, 0xfc]);
    assert_eq!(octets[..12], [0x20, 0x40, 3, 24, 0xb3, 0x64, 0x0b, 0xfc, 0, 0, 0, 0]);
}

/// State after hearing each state in each state, and the diagnostic; where nothing is heard that is so by itself.
// REQ: BFD-6.8.6-12 BFD-6.8.6-13 BFD-6.8.6-14 BFD-6.8.6-15 BFD-6.8.6-16
#[test]
fn every_state_takes_every_state_as_the_rfc_says() {
    use State::{AdminDown, Down, Init, Up};
    let table = [(Down, [Down, Init, Up, Down]), (Init, [Down, Init, Up, Up]), (Up, [Down, Down, Up, Up])];
    for (own, after) in table {
        for (heard, expected) in STATES.into_iter().zip(after) {
            let mut alone = Alone::in_state(own);
            alone.hear(heard);
            let status = alone.status();
            assert_eq!(status.state, expected, "{own} hears {heard}");
            assert_eq!(status.remote_state, heard);
            let lost = own != Down && expected == Down;
            let diagnostic = if lost { Diagnostic::NEIGHBOR_DOWN } else { Diagnostic::NONE };
            assert_eq!(status.diagnostic, diagnostic, "{own} hears {heard}");
        }
    }
    assert_eq!(STATES[0], AdminDown);
}

// REQ: BFD-6.8.6-17 BFD-4.1-02
#[test]
fn a_poll_is_answered_at_once_in_every_state() {
    for own in [State::Down, State::Init, State::Up] {
        let mut alone = Alone::in_state(own);
        let polls = Control { poll: true, ..alone.packet(State::Init) };
        let answers = alone.hear_packet(&polls);
        let finals: Vec<_> = answers.iter().filter(|packet| packet.final_).collect();
        assert_eq!(finals.len(), 1, "{own}: {answers:?}");
        assert!(!finals[0].poll);
    }
}

#[test]
fn a_flood_of_polls_gets_a_thousand_answers_a_second_and_no_more() {
    let mut alone = Alone::in_state(State::Up);
    let polls = Control { poll: true, ..alone.packet(State::Up) };
    let before = alone.status().counters.sent;
    let begun = alone.now;
    for _ in 0..20_000 {
        alone.now += Duration::from_micros(10);
        alone.hear_packet(&polls);
    }
    assert_eq!(alone.now.since(begun), millis(200));
    let sent = alone.status().counters.sent - before;
    assert!((190..=205).contains(&sent), "{sent}");
}

// REQ: BFD-6.8.3-02 BFD-6.8.3-01 BFD-6.8.7-05
#[test]
fn two_speakers_come_up_through_a_poll_and_tell_their_trackers_once() {
    let mut line = Line::new(session(), session());
    line.run_until(at(5000));
    for side in [0, 1] {
        assert_eq!(line.told[side], [(BfdId(0), true)]);
        let status = line.status(side);
        assert_eq!((status.state, status.remote_state), (State::Up, State::Up));
        assert_eq!(status.transmit_interval, millis(100));
        assert_eq!(status.detection_time, millis(300));
        let sent: Vec<_> =
            line.sent.iter().filter(|(_, from, _)| *from == side).map(|(_, _, packet)| *packet).collect();
        let first_up = sent.iter().position(|packet| packet.state == State::Up).unwrap();
        assert!(sent[..first_up].iter().all(|packet| packet.desired_min_tx == millis(1000) && !packet.poll));
        assert!(sent[first_up..].iter().any(|packet| packet.poll), "no poll sequence");
        assert!(!sent.last().unwrap().poll, "the poll sequence does not end");
        assert!(sent.iter().all(|packet| !(packet.poll && packet.final_)));
    }
    // Each change is said at once: the handshake takes the wire's time and not the idle interval's.
    let up = line.transitions.iter().find(|(_, _, transition)| transition.to == State::Up).unwrap();
    assert!(up.0.since(at(0)) < millis(50), "{:?}", up.0);
}

// REQ: BFD-6.8.7-01 BFD-6.8.7-02
#[test]
fn packets_leave_with_the_jitter_of_the_rfc() {
    for (multiplier, least, most) in [(3, 75, 100), (1, 75, 90)] {
        let with = || session_with(|config| config.multiplier = multiplier);
        let mut line = Line::new(with(), with());
        // With a multiplier of 1 the detection time is that of a single packet.
        line.run_until(at(if multiplier == 1 { 20_000 } else { 1_000_000 }));
        let mut times: Vec<Instant> = Vec::new();
        let steady = at(2_000);
        times.extend(line.sent.iter().filter(|(at, from, _)| *from == 0 && *at > steady).map(|(at, _, _)| *at));
        let gaps: Vec<Duration> = times.windows(2).map(|pair| pair[1].since(pair[0])).collect();
        assert!(gaps.len() > 150, "{}", gaps.len());
        assert!(gaps.iter().all(|gap| (millis(least)..=millis(most)).contains(gap)), "{:?}", gaps.iter().max());
        let mean = gaps.iter().sum::<Duration>() / u32::try_from(gaps.len()).unwrap();
        // The last twentieth is for who has company.
        let middle = millis((least + 5 + most) / 2);
        assert!(mean.abs_diff(middle) < millis(2), "{mean:?}");
    }
}

// REQ: BFD-6.8.7-01
#[test]
fn packets_of_many_sessions_leave_together_and_within_the_jitter_all_the_same() {
    const SESSIONS: usize = 50;
    let named = |n: usize| session_with(|config| config.name = format!("s{n}"));
    let mut alone = Alone::of((0..SESSIONS).map(named).collect());
    alone.wake(at(0));
    let mut last: BTreeMap<u16, Instant> = alone.speaker.paths().map(|path| (path.source_port, at(0))).collect();
    assert_eq!((last.len(), alone.actions.len()), (SESSIONS, SESSIONS));
    let (mut wakes, mut packets) = (0, 0);
    while alone.now < at(60_000) {
        alone.actions.clear();
        let due = alone.speaker.next_deadline().unwrap();
        alone.wake(due);
        wakes += 1;
        for action in &alone.actions {
            let Action::Send { path, .. } = action else { panic!("{action:?}") };
            packets += 1;
            let gap = due.since(last.insert(path.source_port, due).unwrap());
            assert!((millis(750)..=millis(1000)).contains(&gap), "{gap:?}");
        }
    }
    assert!(packets > 60 * SESSIONS, "{packets}");
    assert!(packets > 3 * wakes, "{packets} packets in {wakes} wakes");
}

// REQ: BFD-6.8.4-01 BFD-6.8.4-02 BFD-6.8.1-02 KA-BFD-01 KA-BFD-02
#[test]
fn a_silent_neighbor_is_lost_exactly_after_its_multiplier_times_the_slower_interval() {
    let own = session_with(|config| config.min_rx = millis(50));
    let mut alone = Alone::with(own, State::Up);
    let named = alone.status().local_discriminator;
    let last = alone.packet(State::Up);
    alone.hear_packet(&last);
    let (heard, detection) = (alone.now, alone.status().detection_time);
    assert_eq!(detection, millis(300), "3 times max(50 ms, 100 ms)");
    alone.told.clear();
    alone.wake(Instant::from_nanos((heard + detection).as_nanos() - 1));
    assert_eq!(alone.status().state, State::Up);
    alone.wake(heard + detection);
    let status = alone.status();
    assert_eq!((status.state, status.diagnostic), (State::Down, Diagnostic::TIME_EXPIRED));
    assert_eq!(alone.told, [(BfdId(0), false)]);
    // At once, which is a millisecond after the periodic packet of a moment ago.
    let said = alone.wake(heard + detection + millis(1));
    assert_eq!(said.len(), 1, "the neighbour is not told");
    assert_eq!((said[0].your_discriminator, said[0].desired_min_tx), (0, millis(1000)));
    assert_eq!(said[0].my_discriminator, status.local_discriminator);
    assert_ne!(status.local_discriminator, named);
}

// REQ: BFD-6.8.6-18
#[test]
fn bad_packets_do_not_keep_a_session_alive() {
    let mut alone = Alone::in_state(State::Up);
    let expires = alone.now + alone.status().detection_time;
    let good = alone.packet(State::Up);
    let mut bad = good.emit();
    bad[2] = 0;
    for _ in 0..250 {
        alone.now += millis(1);
        alone.hear_octets(&bad, Some(255));
        alone.hear_octets(&good.emit(), Some(254));
    }
    assert_eq!(alone.status().counters.refused, 250);
    assert_eq!(alone.notices.len(), 2, "once for each reason: {:?}", alone.notices);
    alone.wake(expires);
    assert_eq!(alone.status().state, State::Down);
}

// REQ: BFD1-5-02 BFDM-ttl-01
#[test]
fn a_packet_that_came_too_far_is_refused() {
    for (ttl, hops, accepted, refused) in
        [(255, Some(0), 255, Some(254)), (64, Some(5), 59, Some(58)), (255, None, 1, None)]
    {
        let config = || {
            session_with(|config| {
                config.ttl = ttl;
                config.max_hops = hops;
            })
        };
        let mut alone = Alone::new(config());
        let packet = alone.packet(State::Down);
        if let Some(refused) = refused {
            alone.hear_octets(&packet.emit(), Some(refused));
            alone.hear_octets(&packet.emit(), None);
            assert_eq!(alone.status().state, State::Down);
            assert!(matches!(alone.notices[..], [Notice::Refused { reason: Refusal::Ttl { .. }, .. }]));
        }
        alone.hear_octets(&packet.emit(), Some(accepted));
        assert_eq!(alone.status().state, State::Init);
    }
}

#[test]
fn refusals_are_told_once_until_a_good_packet_came() {
    let mut alone = Alone::new(session_with(|config| (config.ttl, config.max_hops) = (255, Some(0))));
    let packet = alone.packet(State::Down);
    for (ttl, told) in [(254, 1), (254, 1), (255, 1), (254, 2)] {
        alone.hear_octets(&packet.emit(), Some(ttl));
        assert_eq!(alone.notices.len(), told, "{:?}", alone.notices);
    }
}

// REQ: BFD-6.3-02 BFD-6.8.6-07 BFD-6.8.6-09 BFDM-4.1-01
#[test]
fn a_packet_finds_its_session_by_name_and_else_by_addresses() {
    let mut alone = Alone::in_state(State::Up);
    let packet = alone.packet(State::Down);
    // By name, from wherever it comes.
    alone.hear_from("192.0.2.77".parse().unwrap(), &packet);
    assert_eq!(alone.status().state, State::Down);
    let stranger = Control { your_discriminator: 0xdead_beef, ..packet };
    alone.hear_packet(&stranger);
    let unknown = Refusal::NoSuchDiscriminator(0xdead_beef);
    assert!(matches!(&alone.notices[..], [Notice::Refused { session: None, reason, .. }] if *reason == unknown));
    // By address, and one with an address of its own before one that takes any.
    let other = session_with(|config| {
        config.name = "particular".to_owned();
        config.source = Some("10.0.0.9".parse().unwrap());
    });
    let mut both = Alone::of(vec![session(), other]);
    let nameless = Control { your_discriminator: 0, ..both.packet(State::Down) };
    both.hear_at("10.0.0.9".parse().unwrap(), &nameless);
    let states: Vec<State> = both.speaker.status().iter().map(|status| status.state).collect();
    assert_eq!(states, [State::Down, State::Init]);
    both.hear_from("10.0.0.3".parse().unwrap(), &nameless);
    assert_eq!(both.speaker.strangers(), 1);
}

// REQ: BFD-6.8.7-03 BFD-6.8.6-19
#[test]
fn who_wants_nothing_periodic_gets_only_news() {
    for quiet in [
        |packet: Control| Control { required_min_rx: Duration::ZERO, ..packet },
        |packet: Control| Control { demand: true, final_: true, ..packet },
    ] {
        let mut alone = Alone::in_state(State::Up);
        let packet = quiet(alone.packet(State::Up));
        alone.hear_packet(&packet);
        let before = alone.status().counters.sent;
        for _ in 0..20 {
            let later = alone.now + millis(100);
            alone.wake(later);
            alone.hear_packet(&packet);
        }
        assert_eq!(alone.status().counters.sent, before);
        let down = quiet(alone.packet(State::Down));
        alone.now += millis(10);
        assert_eq!(alone.hear_packet(&down).len(), 1, "news is said all the same");
    }
}

// REQ: BFD-6.8.7-04
#[test]
fn a_passive_session_waits_to_be_spoken_to() {
    let mut alone = Alone::new(session_with(|config| config.passive = true));
    assert!(alone.wake(at(0)).is_empty());
    assert!(alone.wake(at(10_000)).is_empty());
    let packet = alone.packet(State::Down);
    assert!(!alone.hear_packet(&packet).is_empty());
}

// REQ: BFD-6.8.3-03 BFD-6.8.3-04 BFD-6.8.3-02
#[test]
fn slower_sending_and_faster_hearing_wait_until_the_neighbor_has_confirmed_them() {
    let mut alone = Alone::in_state(State::Up);
    let confirms = Control { final_: true, ..alone.packet(State::Up) };
    alone.hear_packet(&confirms);
    let slower = session_with(|config| {
        config.min_tx = millis(400);
        config.min_rx = millis(20);
    });
    alone.reload(vec![slower]);
    let packet = Control { desired_min_tx: millis(10), ..alone.packet(State::Up) };
    alone.hear_packet(&packet);
    assert_eq!((alone.status().transmit_interval, alone.status().detection_time), (millis(100), millis(300)));
    let said = alone.wake(alone.now + millis(200));
    assert!(said.iter().all(|packet| packet.poll && packet.desired_min_tx == millis(400)), "{said:?}");
    alone.hear_packet(&Control { final_: true, ..packet });
    assert_eq!((alone.status().transmit_interval, alone.status().detection_time), (millis(400), millis(60)));
    assert_eq!(alone.status().state, State::Up);
}

// REQ: BFD-6.8.3-05
#[test]
fn a_neighbor_that_wants_more_gets_it_at_once() {
    let mut alone = Alone::in_state(State::Up);
    let rare = millis(2_000);
    let confirms = Control { final_: true, required_min_rx: rare, desired_min_tx: rare, ..alone.packet(State::Up) };
    alone.hear_packet(&confirms);
    let sent = alone.speaker.next_deadline().unwrap();
    assert_eq!(alone.wake(sent).len(), 1);
    assert!(alone.speaker.next_deadline().unwrap() >= sent + millis(1_500));
    alone.now = sent + millis(5);
    alone.hear_packet(&Control { required_min_rx: millis(10), ..confirms });
    let next = alone.speaker.next_deadline().unwrap();
    assert!(next <= sent + millis(100), "{next:?} after {sent:?}");
}

// REQ: BFD-6.8.16-01
#[test]
fn a_speaker_that_stops_says_so_and_its_neighbor_does_not_call_it_a_failure() {
    let mut line = Line::new(session(), session());
    line.run_until(at(5_000));
    line.told[1].clear();
    line.stop(0);
    line.run_until(at(5_010));
    let status = line.status(1);
    assert_eq!((status.state, status.diagnostic), (State::Down, Diagnostic::NEIGHBOR_DOWN));
    assert_eq!(status.remote_state, State::AdminDown);
    assert!(line.told[1].is_empty(), "{:?}", line.told[1]);
    line.run_until(at(6_100));
    assert!(line.speakers[0].is_finished());
    let said = line.sent.iter().filter(|(when, from, packet)| {
        *from == 0
            && *when >= at(5_000)
            && packet.state == State::AdminDown
            && packet.diagnostic == Diagnostic::ADMIN_DOWN
    });
    assert!(said.count() >= 3, "one lost packet must not matter");
}

// REQ: BFD-6.8.1-03
#[test]
fn a_wire_that_was_cut_and_mended_is_noticed_twice() {
    let mut line = Line::new(session(), session());
    line.run_until(at(5_000));
    line.cut = true;
    line.run_until(at(5_400));
    assert_eq!([line.status(0).state, line.status(1).state], [State::Down; 2]);
    line.cut = false;
    line.run_until(at(7_000));
    for side in [0, 1] {
        assert_eq!(line.told[side].iter().map(|(_, up)| *up).collect::<Vec<_>>(), [true, false, true]);
    }
}

#[test]
fn a_lost_packet_or_two_and_doubled_ones_are_no_failure() {
    let mut line = Line::new(session(), session());
    line.run_until(at(5_000));
    for round in 0..50 {
        // Three intervals of silence are a failure; two and a half are none.
        line.cut = true;
        line.run_until(at(5_000 + round * 1_000 + 150));
        line.cut = false;
        line.doubled = round % 2 == 0;
        line.run_until(at(6_000 + round * 1_000));
    }
    assert_eq!([line.told[0].len(), line.told[1].len()], [1, 1]);
}

// REQ: BFD-6.3-01 BFD1-4-01
#[test]
fn names_and_ports_differ_between_sessions_and_between_seeds() {
    let configs = |count: usize| -> Vec<_> {
        let name = |n: usize| session_with(|config| config.name = format!("s{n}"));
        (0..count).map(name).collect()
    };
    let drawn = |seed| {
        let alone = Alone::seeded(configs(200), seed);
        let names: Vec<u32> = alone.speaker.status().iter().map(|status| status.local_discriminator).collect();
        let ports: Vec<u16> = alone.speaker.paths().map(|path| path.source_port).collect();
        (names, ports)
    };
    let (names, ports) = drawn(1);
    let distinct = |count: usize, all: usize| assert_eq!(count, all);
    distinct(names.iter().collect::<std::collections::BTreeSet<_>>().len(), 200);
    distinct(ports.iter().collect::<std::collections::BTreeSet<_>>().len(), 200);
    assert!(ports.iter().all(|port| *port >= 49152));
    let (others, _) = drawn(2);
    assert!(names.iter().all(|name| !others.contains(name)));
    let mut alone = Alone::new(session());
    let port = alone.speaker.paths().next().unwrap().source_port;
    alone.handle(Event::PortTaken(port));
    assert_ne!(alone.speaker.paths().next().unwrap().source_port, port);
}

#[test]
fn a_reload_keeps_what_is_the_same_and_takes_leave_of_what_is_gone() {
    let named = |name: &str| session_with(|config| config.name = name.to_owned());
    let mut alone = Alone::with(named("kept"), State::Up);
    let before = alone.status();
    let added = session_with(|config| {
        config.name = "added".to_owned();
        config.neighbor = "10.0.0.3".parse().unwrap();
    });
    alone.reload(vec![added.clone(), named("kept")]);
    let status = alone.speaker.status();
    assert_eq!((status[0].state, status[1].state), (State::Down, State::Up));
    assert_eq!(status[1].local_discriminator, before.local_discriminator);
    assert_eq!(alone.told, [(BfdId(0), true), (BfdId(0), false), (BfdId(1), true)], "places are told anew");
    let said = alone.reload(vec![added]);
    let goodbye: Vec<_> = said.iter().filter(|packet| packet.state == State::AdminDown).collect();
    assert_eq!(goodbye.len(), 1);
    assert_eq!(goodbye[0].your_discriminator, before.remote_discriminator);
    let _ = neighbor();
}

#[test]
fn what_is_wrong_with_a_wire_is_written_down_once_for_ten_seconds() {
    let mut alone = Alone::new(session());
    for n in 0..1_000_u64 {
        alone.now = at(n);
        alone.hear_octets(&[0; 3], Some(255));
    }
    assert_eq!(alone.notices.len(), 1);
    assert_eq!(alone.speaker.strangers(), 1_000);
    alone.now = at(10_000);
    alone.hear_octets(&[0; 3], Some(255));
    assert_eq!(alone.notices.len(), 2);
    assert!(!alone.actions.iter().any(|action| matches!(action, Action::Tell { .. })));
}

#[test]
fn a_session_over_several_hops_has_a_port_of_its_own_and_hears_no_other() {
    let mut alone = Alone::new(session_with(|config| config.multihop = true));
    let path = alone.speaker.paths().next().unwrap();
    assert_eq!((path.destination.port(), path.ttl, path.source), (4784, 255, None));
    let packet = Control { your_discriminator: 0, ..alone.packet(State::Down) };
    alone.hear_packet(&packet);
    assert_eq!((alone.status().state, alone.speaker.strangers()), (State::Down, 1));
    assert_eq!(Alone::new(session()).speaker.paths().next().unwrap().destination.port(), 3784);
}

fn neighbors(count: u8) -> Vec<BfdSession> {
    let named = |n: u8| {
        session_with(|config| {
            config.name = format!("s{n}");
            config.neighbor = [10, 0, 0, 2 + n].into();
        })
    };
    (0..count).map(named).collect()
}

#[test]
fn who_wakes_late_loses_nobody_whose_packet_waits_to_be_read() {
    let mut alone = Alone::of(neighbors(3));
    alone.wake(at(0));
    let from = |alone: &Alone, place: usize, state| Control {
        my_discriminator: 100 + u32::try_from(place).unwrap(),
        your_discriminator: alone.speaker.status()[place].local_discriminator,
        ..alone.packet(state)
    };
    for place in 0..3 {
        for state in [State::Down, State::Init] {
            let packet = from(&alone, place, state);
            alone.hear_packet(&packet);
        }
    }
    let states = |alone: &Alone| -> Vec<State> { alone.speaker.status().iter().map(|status| status.state).collect() };
    assert_eq!(states(&alone), [State::Up; 3]);
    // A second of standing still is longer than the detection time. What came meanwhile is read one by one.
    alone.now = at(1_000);
    for place in [0, 1] {
        let packet = from(&alone, place, State::Up);
        alone.hear_packet(&packet);
        assert_eq!(states(&alone), [State::Up; 3], "after the packet of {place}");
    }
    // Neighbours wait for ours too, which go out before everything is read.
    alone.now = at(1_200);
    assert_eq!(alone.handle(Event::Speak).len(), 3);
    assert_eq!(states(&alone), [State::Up; 3]);
    alone.handle(Event::Wake);
    assert_eq!(states(&alone), [State::Up, State::Up, State::Down]);
}

// REQ: BFD-6.8.16-01
#[test]
fn leaving_takes_a_second_at_most_and_no_time_where_nobody_listens() {
    let slow = session_with(|config| config.idle_tx = millis(10_000));
    let mut alone = Alone::with(slow.clone(), State::Init);
    alone.handle(Event::Shutdown);
    let begun = alone.now;
    alone.wake(begun + millis(999));
    assert!(!alone.speaker.is_finished());
    alone.wake(begun + millis(1_000));
    assert!(alone.speaker.is_finished());
    // One that was never heard of knows nothing that it had to be told.
    let mut alone = Alone::new(slow);
    alone.wake(at(0));
    alone.handle(Event::Shutdown);
    assert!(alone.speaker.is_finished());
}

// REQ: BFD-6.8.4-02
#[test]
fn what_a_lost_neighbor_wanted_is_forgotten_with_it() {
    let mut alone = Alone::in_state(State::Up);
    let rarely = Control { required_min_rx: millis(60_000), ..alone.packet(State::Up) };
    alone.hear_packet(&rarely);
    assert_eq!(alone.status().transmit_interval, millis(60_000));
    let lost = alone.now + alone.status().detection_time;
    alone.wake(lost);
    assert_eq!((alone.status().state, alone.status().transmit_interval), (State::Down, millis(1_000)));
    let mut said = 0;
    while alone.now < lost + millis(5_000) {
        let due = alone.speaker.next_deadline().unwrap();
        said += alone.wake(due).len();
    }
    assert!((5..=8).contains(&said), "{said} packets in five seconds");
}
