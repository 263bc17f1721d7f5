//! `standfast events` and `standfast why`: what has happened, and what led to a change.

use crate::control::{Conversation, PATIENCE, Trouble};
use crate::operate::{Events, Why};
use core::time::Duration;
use standfast_api::control::{Answer, Recorded, Request};
use standfast_api::{EventKind, Said};
use standfast_page::moment;
use std::io::{self, Write};

/// What is looked at for the causes of a change: what was said within this time before it.
const BEFORE: Duration = Duration::from_secs(60);

/// Lines of causes that are shown before a change. The last ones are the nearest.
const CAUSES: usize = 12;

/// Runs `standfast events`.
///
/// # Errors
///
/// Standard output is closed.
pub fn run(words: &Events) -> io::Result<u8> {
    let mut out = io::stdout().lock();
    let request = Request::Events { last: words.last, follow: words.follow };
    let begun = Conversation::begin(&words.socket.path, request);
    // Who follows waits for what happens, however long.
    let begun = if words.follow { begun } else { begun.and_then(|conversation| conversation.within(PATIENCE)) };
    let mut conversation = match begun {
        Ok(conversation) => conversation,
        Err(trouble) => return told(&trouble),
    };
    loop {
        match conversation.answer() {
            Ok(Answer::Event(event)) if words.json => {
                serde_json::to_writer(&mut out, &event)?;
                writeln!(out)?;
            }
            Ok(Answer::Event(event)) => writeln!(out, "{}", line(&event))?,
            Ok(Answer::Done(_)) => return Ok(0),
            Ok(Answer::Refused(refusal)) => return told(&Trouble::Broken(refusal.text)),
            Ok(Answer::Status(_)) => return told(&Trouble::Broken("a status".to_owned())),
            Err(trouble) => return told(&trouble),
        }
        out.flush()?;
    }
}

/// Runs `standfast why`.
///
/// # Errors
///
/// Standard output is closed.
pub fn why(words: &Why) -> io::Result<u8> {
    let events = match all(words) {
        Ok(events) => events,
        Err(trouble) => return told(&trouble),
    };
    let mut out = io::stdout().lock();
    let subject = words.subject.as_deref();
    let Some(chain) = chain(&events, subject) else {
        match subject {
            Some(subject) => writeln!(out, "no change of {subject} is remembered")?,
            None => writeln!(out, "no change is remembered")?,
        }
        return Ok(1);
    };
    for event in chain {
        writeln!(out, "{}", line(event))?;
    }
    Ok(0)
}

fn all(words: &Why) -> Result<Vec<Recorded>, Trouble> {
    let request = Request::Events { last: u32::MAX, follow: false };
    let mut conversation = Conversation::begin(&words.socket.path, request)?.within(PATIENCE)?;
    let mut events = Vec::new();
    loop {
        match conversation.answer()? {
            Answer::Event(event) => events.push(*event),
            Answer::Done(_) => return Ok(events),
            Answer::Refused(refusal) => return Err(Trouble::Broken(refusal.text)),
            Answer::Status(_) => return Err(Trouble::Broken("a status".to_owned())),
        }
    }
}

fn told(trouble: &Trouble) -> io::Result<u8> {
    eprintln!("standfast: {trouble}");
    Ok(1)
}

/// The last change of the subject (of anything, without one) with what was said shortly before it and has to do with it,
/// oldest first: of the same subject, of the daemon as a whole, or with the same cause. Who only follows another member of
/// its sync group has that one's change before its own, though it may have been said a moment later.
#[must_use]
pub fn chain<'a>(events: &'a [Recorded], subject: Option<&str>) -> Option<Vec<&'a Recorded>> {
    let is_change = |event: &Recorded| {
        said(event).is_some_and(|said| changes(said) && subject.is_none_or(|subject| concerns(said, subject)))
    };
    let place = events.iter().rposition(is_change)?;
    let change = events.get(place)?;
    let said_of_change = said(change)?;
    let since = change.unix.saturating_sub(BEFORE);
    let related = |event: &&Recorded| {
        said(event).is_some_and(|other| {
            let subjects = subjects(other);
            subjects.is_empty() || subjects.iter().any(|subject| concerns(said_of_change, subject))
        })
    };
    let before = events.get(..place)?.iter().rev().take_while(|event| event.unix >= since).filter(related);
    let mut chain: Vec<&Recorded> = before.take(CAUSES).collect();
    chain.reverse();
    let leads = |event: &&Recorded| {
        said(event).zip(leader(said_of_change)).is_some_and(|(other, leader)| {
            other.field("instance") == Some(leader) && other.field("to") == said_of_change.field("to")
        })
    };
    let mut near = events.iter().filter(|event| event.unix >= since && event.unix <= change.unix + BEFORE);
    chain.extend(near.rfind(leads));
    chain.push(change);
    Some(chain)
}

/// The member of its sync group that an instance follows, where that is the cause of its change.
fn leader(said: &Said) -> Option<&str> {
    said.field("cause")?.rsplit_once(" follows ").map(|(_, member)| member)
}

fn said(event: &Recorded) -> Option<&Said> {
    match &event.event.kind {
        EventKind::Said(said) => Some(said),
        EventKind::Lost { .. } => None,
    }
}

/// Whether the line tells of another state: of an instance, a group, a server, a service.
fn changes(said: &Said) -> bool {
    let words = ["Adding ", "Removing ", "Enabling ", "Disabling ", "Gained quorum", "Lost quorum"];
    said.field("to").is_some() || words.iter().any(|word| said.message.starts_with(word))
}

/// What the line is about, as its fields have it.
fn subjects(said: &Said) -> Vec<&str> {
    ["instance", "group", "service", "server"].iter().filter_map(|field| said.field(field)).collect()
}

/// A server is also known by its address alone, and a service by its own.
fn concerns(said: &Said, subject: &str) -> bool {
    let parts = |text: &str| text == subject || text.split_whitespace().any(|word| word == subject);
    subjects(said)
        .into_iter()
        .any(|known| parts(known) || known.contains(&format!("[{subject}]")) || known.contains(subject))
}

/// One line of a listing.
#[must_use]
pub fn line(event: &Recorded) -> String {
    let when = moment::iso(event.unix);
    match &event.event.kind {
        EventKind::Said(said) => {
            let severity = match said.severity {
                0..=3 => "error ",
                4 => "warning ",
                _ => "",
            };
            format!("{when} {}: {severity}{}", said.process, said.message)
        }
        EventKind::Lost { events } => format!("{when} {events} events were lost here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use standfast_api::Event;
    use standfast_model::Instant;

    fn event(number: u64, seconds: u64, message: &str, fields: &[(&str, &str)]) -> Recorded {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let said = Said { process: "Keepalived_vrrp".to_owned(), severity: 6, message: message.to_owned(), fields };
        let event = Event { at: Instant::ZERO, kind: EventKind::Said(said) };
        Recorded { number, unix: Duration::from_secs(seconds), event }
    }

    fn numbers(events: &[Recorded], subject: Option<&str>) -> Option<Vec<u64>> {
        chain(events, subject).map(|chain| chain.iter().map(|event| event.number).collect())
    }

    #[test]
    fn who_follows_a_member_of_its_group_has_what_moved_that_one() {
        let of = |name: &'static str, cause: &'static str| [("instance", name), ("to", "MASTER"), ("cause", cause)];
        let events = [
            event(1, 90, "(I) Entering MASTER STATE", &of("I", "an older story")),
            event(2, 100, "(E) Entering MASTER STATE", &of("E", "sync group G follows I")),
            event(3, 100, "(I) Entering MASTER STATE", &of("I", "no advertisement for 3.609 s")),
        ];
        assert_eq!(numbers(&events, Some("E")), Some(vec![3, 2]));
        assert_eq!(numbers(&events, Some("I")), Some(vec![1, 3]));
    }

    #[test]
    fn what_led_to_the_last_change_is_what_was_said_shortly_before_of_the_same_or_of_nobody() {
        let a = ("instance", "A");
        let server = [("service", "TCP 192.0.2.1:80"), ("server", "[10.0.0.1]:tcp:80 for VS [192.0.2.1]:tcp:80")];
        let events = [
            event(1, 0, "long ago", &[]),
            event(2, 100, "script chk exited 1: bad", &[("cause", "script chk exited 1")]),
            event(3, 101, "(B) something else", &[("instance", "B")]),
            event(4, 102, "(A) Changing effective priority", &[a]),
            event(5, 103, "(A) Entering FAULT STATE", &[a, ("to", "FAULT")]),
            event(6, 104, "Removing service [10.0.0.1]:tcp:80 from VS [192.0.2.1]:tcp:80", &server),
            event(7, 105, "(A) refused advertisement", &[a]),
        ];
        assert_eq!(numbers(&events, Some("A")), Some(vec![2, 4, 5]));
        assert_eq!(numbers(&events, None), Some(vec![2, 6]));
        for name in ["10.0.0.1", "192.0.2.1:80"] {
            assert_eq!(numbers(&events, Some(name)), Some(vec![2, 6]), "{name}");
        }
        assert_eq!(numbers(&events, Some("B")), None, "nothing of it has changed");
        assert_eq!(numbers(&[], None), None);
    }
}
