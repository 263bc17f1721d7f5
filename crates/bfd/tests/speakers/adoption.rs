//! A session whose speaker was killed, and the one that comes after it: which goes on, which begins anew.

use crate::wire::{Alone, Line, at, millis, session, session_with};
use core::time::Duration;
use standfast_bfd::{Action, Event, Note, Notice};
use standfast_model::bfd::State;
use standfast_model::config::bfd::BfdSession;
use standfast_model::config::track::BfdId;
use standfast_wire::bfd::Control;

/// A session that is up, its poll answered, and what is noted of it: heard and sent at the moment that comes with it.
fn left() -> (Alone, Note) {
    let mut first = Alone::in_state(State::Up);
    let answers = Control { final_: true, ..first.packet(State::Up) };
    first.hear_packet(&answers);
    first.now += millis(100);
    let now = first.now;
    first.wake(now);
    first.hear(State::Up);
    let note = first.speaker.notes().next().flatten().unwrap();
    assert_eq!((note.heard, note.sent, note.polling, note.remote_up), (now, now, false, true));
    (first, note)
}

/// Another speaker with these sessions to which that is told of the first.
fn successor(now: standfast_model::Instant, sessions: Vec<BfdSession>, note: &Note) -> Alone {
    let mut next = Alone::seeded(sessions, 99);
    next.now = now;
    let sent = next.handle(Event::Adopt { session: BfdId(0), note });
    assert_eq!(sent, [], "it is silent until the first wake");
    next
}

#[test]
fn who_comes_within_the_detection_time_goes_on_and_who_comes_later_begins_anew() {
    let (_, note) = left();
    for (after, goes_on) in [(0, true), (250, true), (299, true), (300, false), (5000, false)] {
        let mut next = successor(note.heard + millis(after), vec![session()], &note);
        let now = next.now;
        let first = next.wake(now);
        let status = next.status();
        let said = matches!(next.notices[..], [Notice::GoesOn { silent_for, .. }] if silent_for == millis(after));
        assert_eq!(said, goes_on, "{after}: {:?}", next.notices);
        if !goes_on {
            assert!(matches!(next.notices[..], [Notice::BeginsAnew { .. }]));
            assert_eq!((status.state, next.told.as_slice()), (State::Down, &[][..]), "{after}");
            assert_ne!(status.local_discriminator, note.local_discriminator);
            assert_eq!((first[0].state, first[0].your_discriminator), (State::Down, 0));
            continue;
        }
        assert_eq!(
            (status.state, status.since, status.remote_discriminator),
            (State::Up, Some(note.since), 0x0102_0304)
        );
        assert_eq!((status.transmit_interval, status.detection_time), (millis(100), millis(300)));
        assert_eq!(next.told, [(BfdId(0), true)]);
        assert_eq!(next.speaker.paths().next().unwrap().source_port, note.source_port);
        assert!(!next.actions.iter().any(|action| matches!(action, Action::Transition(_))), "nothing has changed");
        // What is overdue leaves at once, and what is not in its time.
        assert_eq!(first.len(), usize::from(after >= 100), "{after}");
        let due = next.speaker.next_deadline().unwrap();
        assert!(due.since(next.now) <= millis(100));
        for packet in next.wake(due) {
            assert_eq!((packet.state, packet.poll), (State::Up, false));
            let names = (packet.my_discriminator, packet.your_discriminator);
            assert_eq!(names, (note.local_discriminator, 0x0102_0304));
        }
    }
}

#[test]
fn one_that_was_silent_for_longer_than_the_neighbor_waits_begins_anew() {
    let (_, note) = left();
    // The neighbour was heard just now, and has waited for us for 299 and for 300 ms.
    for (silent, state) in [(299, State::Up), (300, State::Down)] {
        let now = note.sent + millis(silent);
        let next = successor(now, vec![session()], &Note { heard: now, ..note });
        assert_eq!(next.status().state, state, "{silent}");
        // Who has asked for silence does not wait.
        let silent = Note { heard: now, remote_min_rx: Duration::ZERO, ..note };
        assert_eq!(successor(now, vec![session()], &silent).status().state, State::Up);
    }
}

#[test]
fn notes_that_cannot_be_are_not_believed() {
    let (_, note) = left();
    let later = note.heard + millis(1);
    let bad = [
        Note { local_discriminator: 0, ..note },
        Note { remote_discriminator: 0, ..note },
        Note { remote_multiplier: 0, ..note },
        Note { multiplier: 0, ..note },
        Note { heard: later + millis(1), ..note },
        Note { sent: later + millis(1), ..note },
    ];
    assert_eq!(successor(later, vec![session()], &note).status().state, State::Up);
    for note in bad {
        assert_eq!(successor(later, vec![session()], &note).status().state, State::Down, "{note:?}");
    }
}

#[test]
fn a_neighbor_that_died_together_with_the_worker_is_lost_after_one_detection_time_more() {
    let (_, note) = left();
    let mut now = note.heard + millis(290);
    let mut next = successor(now, vec![session()], &note);
    next.wake(now);
    // Another death, and a successor that comes too late: what counts is when the neighbour was heard.
    let second = next.speaker.notes().next().flatten().unwrap();
    assert_eq!((second.heard, second.sent), (note.heard, now));
    assert_eq!(successor(note.heard + millis(300), vec![session()], &second).status().state, State::Down);
    while next.status().state == State::Up {
        now = next.speaker.next_deadline().unwrap();
        assert!(now <= note.heard + millis(590), "it is never lost");
        next.wake(now);
    }
    assert_eq!((now, next.told.as_slice()), (note.heard + millis(590), &[(BfdId(0), true), (BfdId(0), false)][..]));
}

#[test]
fn what_the_neighbor_says_to_the_one_before_counts_for_the_one_that_goes_on_and_for_no_other() {
    let (first, note) = left();
    let packet = first.packet(State::Up);
    let mut next = successor(note.heard + millis(50), vec![session()], &note);
    next.wake(note.heard + millis(50));
    next.hear_packet(&packet);
    assert_eq!((next.status().counters.received, next.status().state), (1, State::Up));
    next.hear(State::Down);
    assert_eq!(next.status().state, State::Down);
    // Of one that begins anew that is the past, and nothing to complain about.
    let mut late = successor(note.heard + millis(300), vec![session()], &note);
    late.wake(note.heard + millis(300));
    late.hear_packet(&packet);
    assert_eq!((late.status().counters.received, late.notices.len()), (0, 1), "{:?}", late.notices);
}

#[test]
fn whoever_drew_the_name_or_the_port_of_one_that_goes_on_takes_those_that_it_drew() {
    let named = |name: &str| session_with(|config| config.name = name.to_owned());
    let sessions = || vec![named("a"), named("b")];
    let (_, note) = left();
    let drawn = Alone::seeded(sessions(), 99);
    let ports: Vec<u16> = drawn.speaker.paths().map(|path| path.source_port).collect();
    let names: Vec<u32> = drawn.speaker.status().iter().map(|status| status.local_discriminator).collect();
    let same = Note { local_discriminator: names[1], source_port: ports[1], ..note };
    let mut next = successor(note.heard, sessions(), &same);
    let after: Vec<u16> = next.speaker.paths().map(|path| path.source_port).collect();
    assert_eq!(after, [ports[1], ports[0]]);
    let after: Vec<u32> = next.speaker.status().iter().map(|status| status.local_discriminator).collect();
    assert_eq!(after, [names[1], names[0]]);
    // Two notes that say the same are not both true.
    next.handle(Event::Adopt { session: BfdId(1), note: &same });
    let states: Vec<State> = next.speaker.status().iter().map(|status| status.state).collect();
    assert_eq!(states, [State::Up, State::Down]);
    // Nobody takes over anything after the start, and no session that is not there.
    let mut begun = Alone::new(session());
    begun.wake(at(0));
    begun.now = note.heard;
    begun.handle(Event::Adopt { session: BfdId(0), note: &note });
    begun.handle(Event::Adopt { session: BfdId(7), note: &note });
    assert_eq!((begun.status().state, begun.notices.len()), (State::Down, 0));
}

#[test]
fn a_note_whose_intervals_no_packet_can_say_is_of_no_session() {
    let (_, note) = left();
    let nanosecond = Duration::from_nanos(1);
    let longest = Duration::from_micros(u32::MAX.into());
    let impossible = [
        Note { min_tx: nanosecond, remote_min_rx: nanosecond, ..note },
        Note { min_rx: millis(50) + nanosecond, ..note },
        Note { remote_desired_min_tx: longest + nanosecond * 1000, ..note },
        Note { tx_until_confirmed: Some(nanosecond), ..note },
    ];
    for note in impossible {
        let next = successor(note.heard, vec![session()], &note);
        assert_eq!((next.status().state, next.notices.len()), (State::Down, 0), "{note:?}");
    }
    let next = successor(note.heard, vec![session()], &Note { min_rx: longest, ..note });
    assert_eq!(next.status().state, State::Up);
}

#[test]
fn words_that_were_changed_meanwhile_are_announced_by_a_poll() {
    let (_, note) = left();
    let slower = session_with(|config| config.min_tx = millis(200));
    let mut next = successor(note.heard + millis(20), vec![slower], &note);
    let now = next.now;
    let first = next.wake(now);
    assert!(matches!(first[..], [packet] if packet.poll && packet.desired_min_tx == millis(200)), "{first:?}");
    assert_eq!(next.status().transmit_interval, millis(100), "the old one binds until that is confirmed");
}

#[test]
fn only_a_session_that_is_up_is_noted() {
    for state in [State::Down, State::Init] {
        assert_eq!(Alone::in_state(state).speaker.notes().next(), Some(None), "{state}");
    }
    let (mut first, _) = left();
    first.handle(Event::Shutdown);
    assert_eq!(first.speaker.notes().next(), None);
}

#[test]
fn a_neighbor_notices_nothing_of_a_successor() {
    let mut line = Line::new(session(), session());
    line.run_until(at(5000));
    let note = line.speakers[0].notes().next().flatten().unwrap();
    // Nothing arrives while the side is dead.
    line.cut = true;
    line.run_until(at(5120));
    line.cut = false;
    line.succeed(0, &note);
    line.run_until(at(20_000));
    assert_eq!(line.told[1], [(BfdId(0), true)]);
    assert_eq!(line.told[0], [(BfdId(0), true), (BfdId(0), true)], "the successor says what it knows");
    assert_eq!(line.status(0).since, Some(note.since));
}
