//! Every session of the node: which one a packet is for, whose deadline is next, what a new configuration keeps.

use crate::chance::Chance;
use crate::event::{Event, Received};
use crate::note::Note;
use crate::output::{Action, Notice, Output, Path, Refusal, Transition};
use crate::session::{Change, Session};
use crate::status::Status;
use core::time::Duration;
use standfast_model::Instant;
use standfast_model::bfd::State;
use standfast_model::config::BfdConfig;
use standfast_model::config::bfd::BfdSession;
use standfast_model::config::track::BfdId;
use standfast_wire::bfd::Control;
use std::collections::HashMap;

/// A packet that no session wants is written down so often at most, whoever sends how many.
const STRANGERS_APART: Duration = Duration::from_secs(10);

/// All sessions.
#[derive(Debug)]
pub struct Speaker {
    /// In the order of the configuration.
    sessions: Vec<Session>,
    /// Those that were in the configuration before and say that they are down.
    leaving: Vec<Session>,
    by_discriminator: HashMap<u32, usize>,
    chance: Chance,
    complained: Option<Instant>,
    strangers: u64,
    /// Nothing is due before this. What a packet moves to a later moment leaves it as it was, so that a packet costs what its
    /// own session costs and not what all do.
    earliest: Option<Instant>,
    started: bool,
    stopping: bool,
}

impl Speaker {
    /// The sessions of a configuration, silent until the first [`Event::Wake`]. `seed` is 32 octets that nobody can guess.
    #[must_use]
    pub fn new(config: &BfdConfig, seed: [u8; 32]) -> Self {
        let mut speaker = Self {
            sessions: Vec::new(),
            leaving: Vec::new(),
            by_discriminator: HashMap::new(),
            chance: Chance::new(seed),
            complained: None,
            strangers: 0,
            earliest: None,
            started: false,
            stopping: false,
        };
        for session in &config.sessions {
            let session = speaker.make(session);
            speaker.sessions.push(session);
        }
        speaker.number();
        speaker
    }

    /// Appends what is to be done because of this event. [`Event::Wake`] may come at any time: it sends what is due, and what
    /// may leave a little early together with it. No other event loses a neighbour: who wakes late, and takes one packet after
    /// the other, has not heard yet what the rest of them say.
    pub fn handle(&mut self, now: Instant, event: Event<'_>, output: &mut Output) {
        let all = match event {
            Event::Adopt { session, note } => {
                self.adopt(now, session, note, output);
                false
            }
            Event::Packet(received) => {
                self.packet(now, &received, output);
                false
            }
            Event::Speak => true,
            Event::Wake => {
                if !self.started {
                    self.plan(now);
                }
                self.expire(now, output);
                true
            }
            Event::Reload(config) => {
                self.reload(now, config, output);
                true
            }
            Event::PortTaken(port) => {
                self.leave_port(port);
                false
            }
            Event::Shutdown => {
                self.shut_down(now, output);
                true
            }
        };
        if all || self.earliest.is_some_and(|at| at <= now) {
            self.speak(now, output);
            self.leaving.retain(|session| !session.is_gone(now));
            self.earliest = self.sessions.iter().chain(&self.leaving).filter_map(Session::next_deadline).min();
        }
    }

    /// When to call again at the latest; sometimes a little early.
    #[must_use]
    pub const fn next_deadline(&self) -> Option<Instant> {
        self.earliest
    }

    /// The sockets that are needed.
    pub fn paths(&self) -> impl Iterator<Item = Path> {
        self.sessions.iter().chain(&self.leaving).map(Session::path)
    }

    /// Whether everything is said after a shutdown.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.stopping && self.leaving.is_empty()
    }

    /// How the sessions are, in the order of the configuration.
    #[must_use]
    pub fn status(&self) -> Vec<Status> {
        self.sessions.iter().map(Session::status).collect()
    }

    /// What a successor has to know of each session, in the order of the configuration; none of one that is not up.
    pub fn notes(&self) -> impl Iterator<Item = Option<Note>> {
        self.sessions.iter().map(Session::note)
    }

    /// Packets that were for no session.
    #[must_use]
    pub const fn strangers(&self) -> u64 {
        self.strangers
    }

    fn make(&mut self, config: &BfdSession) -> Session {
        let everyone = || self.sessions.iter().chain(&self.leaving);
        let discriminator =
            self.chance.discriminator(|drawn| everyone().any(|session| session.local_discriminator == drawn));
        let port = self.chance.port(|drawn| everyone().any(|session| session.source_port() == drawn));
        Session::new(config.clone(), discriminator, port)
    }

    /// Takes over a session, or begins it anew. Before the start nobody has heard the names and ports that were drawn: who
    /// drew those of the one that goes on takes the ones that it drew.
    fn adopt(&mut self, now: Instant, id: BfdId, note: &Note, output: &mut Output) {
        let place = usize::try_from(id.0).ok().filter(|_| !self.started);
        let Some((at, session)) = place.and_then(|at| self.sessions.get(at).map(|session| (at, session))) else {
            return;
        };
        if !note.is_possible() {
            return;
        }
        let mut heir = Session::of_note(session.config(), note);
        let (name, port) = (session.local_discriminator, session.source_port());
        let others = || (0..).zip(&self.sessions).filter(|(place, _)| *place != at).map(|(_, other)| other);
        let is_taken = |other: &Session| {
            let same =
                other.local_discriminator == heir.local_discriminator || other.source_port() == heir.source_port();
            same && other.state() == State::Up
        };
        let (config, silent_for) = (session.config().clone(), heir.silent_for(now));
        let (session, neighbor) = (config.name.clone(), config.neighbor);
        if !heir.may_go_on(now) || others().any(is_taken) {
            // What the neighbour still says to the one that is gone is not for the next one.
            if let Some(session) = self.sessions.get_mut(at) {
                session.former_discriminator = note.local_discriminator;
            }
            return output.push(Action::Notice(Notice::BeginsAnew { session, neighbor, silent_for }));
        }
        for other in &mut self.sessions {
            if other.local_discriminator == heir.local_discriminator {
                other.local_discriminator = name;
            }
            if other.source_port() == heir.source_port() {
                other.move_to_port(port);
            }
        }
        heir.go_on(now, config);
        if let Some(place) = self.sessions.get_mut(at) {
            *place = heir;
        }
        self.number();
        output.push(Action::Notice(Notice::GoesOn { session, neighbor, silent_for }));
        output.push(Action::Tell { session: id, up: true });
    }

    /// Renews the index by discriminator.
    fn number(&mut self) {
        self.by_discriminator = (0..).zip(&self.sessions).map(|(at, one)| (one.local_discriminator, at)).collect();
    }

    fn packet(&mut self, now: Instant, received: &Received<'_>, output: &mut Output) {
        let found = Control::parse(received.payload).map_err(Refusal::from).and_then(|packet| {
            let at = self.find(received, &packet)?;
            Ok((at, packet))
        });
        let (at, packet) = match found {
            Ok(found) => found,
            Err(Refusal::NoSuchDiscriminator(_) | Refusal::NoSuchNeighbor) if self.is_of_the_past(now, received) => {
                return;
            }
            Err(reason) => return self.refuse_stranger(now, received, reason, output),
        };
        let Some(session) = self.sessions.get_mut(at) else { return };
        if let Err(reason) = session.check_ttl(received.ttl) {
            // REQ: BFD-6.8.6-18
            if session.refuse() {
                let session = Some(session.config().name.clone());
                output.push(Action::Notice(Notice::Refused { session, source: received.source, reason }));
            }
            return;
        }
        if let Some(change) = session.hear(now, &packet) {
            self.changed(at, change, output);
        }
        let Some(session) = self.sessions.get_mut(at) else { return };
        if packet.poll
            && let Some(packet) = session.answer(now)
        {
            output.push(Action::Send { path: session.path(), packet });
        }
        session.plan(now, &mut self.chance);
        self.earliest = [self.earliest, session.next_deadline()].into_iter().flatten().min();
    }

    /// Which session a packet is for: by its name for it, or else by the addresses (RFC 5880 6.3, RFC 5881 3).
    // REQ: BFD-6.3-02 BFD-6.8.6-07 BFD-6.8.6-09 BFD1-3-01 BFDM-4.1-01
    fn find(&self, received: &Received<'_>, packet: &Control) -> Result<usize, Refusal> {
        let name = packet.your_discriminator;
        if name != 0 {
            return self.by_discriminator.get(&name).copied().ok_or(Refusal::NoSuchDiscriminator(name));
        }
        let fits = |config: &BfdSession| {
            config.neighbor == received.source
                && config.multihop == received.multihop
                && config.source.is_none_or(|source| source == received.destination)
        };
        // A session with an address of its own before one that takes any.
        let found = self.sessions.iter().enumerate().filter(|(_, session)| fits(session.config()));
        let found = found.max_by_key(|(at, session)| (session.config().source.is_some(), core::cmp::Reverse(*at)));
        found.map(|(at, _)| at).ok_or(Refusal::NoSuchNeighbor)
    }

    /// Whether a packet is for a session that is leaving, which learns the neighbour's new name from it, or was still on
    /// its way when the session it is for was lost.
    // REQ: BFD-6.8.6-12
    fn is_of_the_past(&mut self, now: Instant, received: &Received<'_>) -> bool {
        let Ok(packet) = Control::parse(received.payload) else { return false };
        let late = |session: &Session| {
            let name = packet.your_discriminator;
            name != 0 && session.former_discriminator == name && session.config().neighbor == received.source
        };
        if self.sessions.iter().any(late) {
            return true;
        }
        let left = |session: &&mut Session| session.config().neighbor == received.source;
        let left = self.leaving.iter_mut().find(left);
        left.map(|session| session.hear(now, &packet)).is_some()
    }

    fn refuse_stranger(&mut self, now: Instant, received: &Received<'_>, reason: Refusal, output: &mut Output) {
        self.strangers += 1;
        if self.complained.is_some_and(|at| now < at + STRANGERS_APART) {
            return;
        }
        self.complained = Some(now);
        output.push(Action::Notice(Notice::Refused { session: None, source: received.source, reason }));
    }

    fn changed(&mut self, at: usize, change: Change, output: &mut Output) {
        let Some(session) = self.sessions.get_mut(at) else { return };
        // KA-BFD-02: what is still on its way from the session that was lost is not for the next one.
        if change.from == State::Up && change.to == State::Down {
            let taken = |drawn: u32| self.by_discriminator.contains_key(&drawn);
            let drawn = self.chance.discriminator(taken);
            session.former_discriminator = core::mem::replace(&mut session.local_discriminator, drawn);
        }
        output.push(Action::Transition(transition(session, change)));
        if change.told {
            let session = BfdId(u32::try_from(at).unwrap_or(u32::MAX));
            output.push(Action::Tell { session, up: change.to == State::Up });
        }
        self.number();
    }

    fn expire(&mut self, now: Instant, output: &mut Output) {
        for at in 0..self.sessions.len() {
            let Some(session) = self.sessions.get_mut(at).filter(|session| session.has_expired(now)) else { continue };
            if let Some(change) = session.expire(now) {
                self.changed(at, change, output);
            }
            if let Some(session) = self.sessions.get_mut(at) {
                session.plan(now, &mut self.chance);
            }
        }
    }

    fn plan(&mut self, now: Instant) {
        self.started = true;
        self.sessions.iter_mut().chain(&mut self.leaving).for_each(|session| session.plan(now, &mut self.chance));
    }

    fn speak(&mut self, now: Instant, output: &mut Output) {
        for session in self.sessions.iter_mut().chain(&mut self.leaving) {
            if let Some(packet) = session.speak(now, &mut self.chance) {
                output.push(Action::Send { path: session.path(), packet });
            }
        }
    }

    fn reload(&mut self, now: Instant, config: &BfdConfig, output: &mut Output) {
        let mut before = core::mem::take(&mut self.sessions);
        for new in &config.sessions {
            let same = |old: &Session| identity(old.config()) == identity(new);
            let session = if let Some(at) = before.iter().position(same) {
                let mut kept = before.swap_remove(at);
                kept.reconfigure(new.clone());
                kept
            } else {
                self.make(new)
            };
            self.sessions.push(session);
        }
        for session in before {
            self.dismiss(now, session, output);
        }
        self.number();
        self.plan(now);
        // Places have changed: whoever tracks a session hears how the one in that place is.
        for (at, session) in (0..).zip(&self.sessions) {
            output.push(Action::Tell { session: BfdId(at), up: session.state() == State::Up });
        }
    }

    fn shut_down(&mut self, now: Instant, output: &mut Output) {
        self.stopping = true;
        for session in core::mem::take(&mut self.sessions) {
            self.dismiss(now, session, output);
        }
        self.number();
        self.plan(now);
    }

    fn dismiss(&mut self, now: Instant, mut session: Session, output: &mut Output) {
        if let Some(change) = session.leave(now) {
            output.push(Action::Transition(transition(&session, change)));
        }
        self.leaving.push(session);
    }

    fn leave_port(&mut self, port: u16) {
        let taken: Vec<u16> = self.sessions.iter().chain(&self.leaving).map(Session::source_port).collect();
        for session in self.sessions.iter_mut().chain(&mut self.leaving).filter(|one| one.source_port() == port) {
            session.move_to_port(self.chance.port(|drawn| taken.contains(&drawn)));
        }
    }
}

/// What makes a session the same after a reload.
fn identity(config: &BfdSession) -> impl PartialEq + '_ {
    (&config.name, config.neighbor, config.source, config.multihop, config.ttl, config.passive)
}

fn transition(session: &Session, change: Change) -> Transition {
    let config = session.config();
    Transition {
        session: config.name.clone(),
        neighbor: config.neighbor,
        from: change.from,
        to: change.to,
        diagnostic: change.diagnostic,
    }
}
