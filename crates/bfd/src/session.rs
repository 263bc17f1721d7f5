//! One session: its variables (RFC 5880 6.8.1), what a packet and the time do to them, and what it sends.
//!
//! It knows nothing of other sessions, and does not find itself by a packet: that is the speaker's.

use crate::chance::Chance;
use crate::note::Note;
use crate::output::{Path, Refusal};
use crate::status::{Counters, Status};
use core::time::Duration;
use standfast_model::Instant;
use standfast_model::bfd::{Diagnostic, State};
use standfast_model::config::bfd::BfdSession;
use standfast_wire::bfd::{Control, LEN, PORT_MULTIHOP, PORT_SINGLE_HOP};
use std::net::SocketAddr;

/// Packets that a neighbour can draw from us, by polls or by making us change our mind, leave at least so far apart: a
/// flood of forged ones gets a thousand answers a second and no more.
const PROMPT_PACKETS_APART: Duration = Duration::from_millis(1);

/// A leaving session says so for a detection time of its neighbour, and no longer than this: somebody waits for us.
const LEAVES_WITHIN: Duration = Duration::from_secs(1);

/// The share of its interval by which a periodic packet may leave before its time, together with others: who wakes for one
/// sends all that are nearly due. It is taken from the jitter that RFC 5880 6.8.7 has drawn (up to a quarter).
const COMPANY_PERCENT: u32 = 5;

/// When the next packet leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Due {
    /// At the latest.
    at: Instant,
    /// From then on if something else is sent anyway.
    from: Instant,
}

/// A state that was left, and for what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Change {
    pub(crate) from: State,
    pub(crate) to: State,
    pub(crate) diagnostic: Diagnostic,
    /// Trackers are to hear of it.
    pub(crate) told: bool,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    config: BfdSession,
    source_port: u16,
    state: State,
    since: Option<Instant>,
    diagnostic: Diagnostic,
    pub(crate) local_discriminator: u32,
    /// What it was called before it was lost; 0 if it never was.
    pub(crate) former_discriminator: u32,
    remote_discriminator: u32,
    remote_state: State,
    remote_min_rx: Duration,
    remote_desired_min_tx: Duration,
    remote_multiplier: u8,
    remote_demand: bool,
    /// A poll sequence is on: something we announced is not confirmed.
    polling: bool,
    /// What was announced before the poll sequence began, while it still binds us (RFC 5880 6.8.3).
    tx_until_confirmed: Option<Duration>,
    rx_until_confirmed: Option<Duration>,
    sent: Option<(Instant, Control)>,
    /// When something good was heard last.
    heard: Option<Instant>,
    due: Option<Due>,
    expires: Option<Instant>,
    /// Set when leaving.
    gone_at: Option<Instant>,
    /// A refusal has been written down since the last good packet.
    complained: bool,
    counters: Counters,
}

impl Session {
    /// A session that has heard nothing and planned nothing.
    // REQ: BFD-6.8.1-01
    pub(crate) fn new(config: BfdSession, local_discriminator: u32, source_port: u16) -> Self {
        Self {
            config,
            source_port,
            state: State::Down,
            since: None,
            diagnostic: Diagnostic::NONE,
            local_discriminator,
            former_discriminator: 0,
            remote_discriminator: 0,
            remote_state: State::Down,
            remote_min_rx: Duration::from_micros(1),
            remote_desired_min_tx: Duration::ZERO,
            remote_multiplier: 0,
            remote_demand: false,
            polling: false,
            tx_until_confirmed: None,
            rx_until_confirmed: None,
            sent: None,
            heard: None,
            due: None,
            expires: None,
            gone_at: None,
            complained: false,
            counters: Counters::default(),
        }
    }

    /// A session as a predecessor left it, whatever its age: with the timing words that the neighbour was told.
    pub(crate) fn of_note(config: &BfdSession, note: &Note) -> Self {
        let announced =
            BfdSession { min_tx: note.min_tx, min_rx: note.min_rx, multiplier: note.multiplier, ..config.clone() };
        let mut session = Self {
            state: State::Up,
            since: Some(note.since),
            remote_discriminator: note.remote_discriminator,
            remote_state: if note.remote_up { State::Up } else { State::Init },
            remote_min_rx: note.remote_min_rx,
            remote_desired_min_tx: note.remote_desired_min_tx,
            remote_multiplier: note.remote_multiplier,
            remote_demand: note.remote_demand,
            polling: note.polling,
            tx_until_confirmed: note.tx_until_confirmed,
            rx_until_confirmed: note.rx_until_confirmed,
            heard: Some(note.heard),
            ..Self::new(announced, note.local_discriminator, note.source_port)
        };
        // What it said last is what it would say now: that is no news.
        session.sent = Some((note.sent, session.content()));
        session
    }

    /// Whether a session that was noted may go on: neither side can have lost the other.
    pub(crate) fn may_go_on(&self, now: Instant) -> bool {
        let heard = self.heard.is_some_and(|heard| heard <= now && now < heard + self.detection_time());
        // Who wants to hear nothing does not wait for it.
        let patience = self.transmit_interval() * u32::from(self.config.multiplier);
        let said = self.sent.is_some_and(|(sent, _)| sent <= now && (now < sent + patience || !self.wanted()));
        heard && said
    }

    /// Goes on from now with these words. What the neighbour has said meanwhile was lost, so it has a whole detection time
    /// to say something again.
    pub(crate) fn go_on(&mut self, now: Instant, config: BfdSession) {
        self.expires = Some(now + self.detection_time());
        self.reconfigure(config);
    }

    /// How long ago something good was heard.
    pub(crate) fn silent_for(&self, now: Instant) -> Duration {
        self.heard.map_or(Duration::ZERO, |heard| now.since(heard))
    }

    /// What a successor has to know; none while there is nothing to go on with.
    pub(crate) fn note(&self) -> Option<Note> {
        let (heard, (sent, _), since) = (self.heard?, self.sent?, self.since?);
        (self.state == State::Up).then_some(Note {
            local_discriminator: self.local_discriminator,
            remote_discriminator: self.remote_discriminator,
            source_port: self.source_port,
            since,
            heard,
            sent,
            min_tx: self.config.min_tx,
            min_rx: self.config.min_rx,
            multiplier: self.config.multiplier,
            polling: self.polling,
            tx_until_confirmed: self.tx_until_confirmed,
            rx_until_confirmed: self.rx_until_confirmed,
            remote_up: self.remote_state == State::Up,
            remote_min_rx: self.remote_min_rx,
            remote_desired_min_tx: self.remote_desired_min_tx,
            remote_multiplier: self.remote_multiplier,
            remote_demand: self.remote_demand,
        })
    }

    pub(crate) const fn config(&self) -> &BfdSession {
        &self.config
    }

    pub(crate) const fn state(&self) -> State {
        self.state
    }

    pub(crate) const fn source_port(&self) -> u16 {
        self.source_port
    }

    pub(crate) const fn move_to_port(&mut self, port: u16) {
        self.source_port = port;
    }

    /// How its packets leave.
    pub(crate) const fn path(&self) -> Path {
        let port = if self.config.multihop { PORT_MULTIHOP } else { PORT_SINGLE_HOP };
        Path {
            source: self.config.source,
            source_port: self.source_port,
            destination: SocketAddr::new(self.config.neighbor, port),
            ttl: self.config.ttl,
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        [self.due.map(|due| due.at), self.expires, self.gone_at].into_iter().flatten().min()
    }

    /// Whether it has said for long enough that it leaves.
    pub(crate) fn is_gone(&self, now: Instant) -> bool {
        self.gone_at.is_some_and(|at| at <= now)
    }

    /// Whether a packet that came this far may be from its neighbour.
    // REQ: BFD1-5-02 BFDM-ttl-01
    pub(crate) fn check_ttl(&self, got: Option<u8>) -> Result<(), Refusal> {
        let Some(hops) = self.config.max_hops else { return Ok(()) };
        let least = self.config.ttl.saturating_sub(hops);
        if got.is_some_and(|got| got >= least) { Ok(()) } else { Err(Refusal::Ttl { got, least }) }
    }

    /// Counts a packet that was refused. True if nobody has been told since the last good one.
    pub(crate) const fn refuse(&mut self) -> bool {
        self.counters.refused += 1;
        !core::mem::replace(&mut self.complained, true)
    }

    /// Takes in a packet that is for this session and well-formed (RFC 5880 6.8.6).
    pub(crate) fn hear(&mut self, now: Instant, packet: &Control) -> Option<Change> {
        self.counters.received += 1;
        self.complained = false;
        // REQ: BFD-6.8.6-11
        self.remote_discriminator = packet.my_discriminator;
        self.remote_state = packet.state;
        self.remote_demand = packet.demand;
        self.remote_min_rx = packet.required_min_rx;
        self.remote_desired_min_tx = packet.desired_min_tx;
        self.remote_multiplier = packet.detect_multiplier;
        if packet.final_ {
            self.confirmed();
        }
        // REQ: BFD-6.8.6-12
        if self.state == State::AdminDown {
            return None;
        }
        let change = self.judge(now, packet.state);
        self.heard = Some(now);
        // REQ: BFD-6.8.4-01
        self.expires = Some(now + self.detection_time());
        change
    }

    /// The state machine (RFC 5880 6.2, 6.8.6).
    fn judge(&mut self, now: Instant, remote: State) -> Option<Change> {
        match (self.state, remote) {
            (State::AdminDown, _) => None,
            // REQ: BFD-6.8.6-13
            (State::Down, State::AdminDown) => None,
            (State::Init | State::Up, State::AdminDown) => {
                // KA-BFD-01: an operator's doing over there is no failure here.
                self.enter(now, State::Down, Diagnostic::NEIGHBOR_DOWN).map(|change| Change { told: false, ..change })
            }
            // REQ: BFD-6.8.6-14
            (State::Down, State::Down) => self.enter(now, State::Init, self.diagnostic),
            (State::Down, State::Init) => self.enter(now, State::Up, Diagnostic::NONE),
            (State::Down, State::Up) => None,
            // REQ: BFD-6.8.6-15
            (State::Init, State::Init | State::Up) => self.enter(now, State::Up, Diagnostic::NONE),
            (State::Init, State::Down) => None,
            // REQ: BFD-6.8.6-16
            (State::Up, State::Down) => self.enter(now, State::Down, Diagnostic::NEIGHBOR_DOWN),
            (State::Up, State::Init | State::Up) => None,
        }
    }

    fn enter(&mut self, now: Instant, to: State, diagnostic: Diagnostic) -> Option<Change> {
        let from = core::mem::replace(&mut self.state, to);
        self.since = Some(now);
        self.diagnostic = diagnostic;
        let (was_up, is_up) = (from == State::Up, to == State::Up);
        self.counters.ups += u64::from(is_up);
        self.counters.downs += u64::from(was_up);
        if is_up {
            // The slow interval is over, and the neighbour has to confirm the fast one.
            // REQ: BFD-6.8.3-02
            self.polling = self.config.min_tx != self.config.idle_tx;
        } else {
            self.polling = false;
            (self.tx_until_confirmed, self.rx_until_confirmed) = (None, None);
        }
        (from != to).then_some(Change { from, to, diagnostic, told: was_up || is_up })
    }

    /// The neighbour knows what we announced.
    const fn confirmed(&mut self) {
        self.polling = false;
        self.tx_until_confirmed = None;
        self.rx_until_confirmed = None;
    }

    /// New timing words of the same session.
    pub(crate) fn reconfigure(&mut self, config: BfdSession) {
        let old = core::mem::replace(&mut self.config, config);
        if self.state == State::Up && (old.min_tx, old.min_rx) != (self.config.min_tx, self.config.min_rx) {
            // REQ: BFD-6.8.3-02 BFD-6.8.3-03 BFD-6.8.3-04
            self.polling = true;
            self.tx_until_confirmed = (self.config.min_tx > old.min_tx).then_some(old.min_tx);
            self.rx_until_confirmed = (self.config.min_rx < old.min_rx).then_some(old.min_rx);
        }
    }

    /// Holds the session down and begins to say so (RFC 5880 6.8.16).
    // REQ: BFD-6.8.16-01
    pub(crate) fn leave(&mut self, now: Instant) -> Option<Change> {
        let interval = self.transmit_interval();
        let lasts = (interval * u32::from(self.config.multiplier)).min(LEAVES_WITHIN);
        let change = self.enter(now, State::AdminDown, Diagnostic::ADMIN_DOWN);
        self.expires = None;
        // A neighbour that never heard of us waits for nothing.
        let known = self.remote_discriminator != 0;
        self.gone_at = Some(if known { now + lasts } else { now });
        self.tx_until_confirmed = Some(interval);
        change.map(|change| Change { told: false, ..change })
    }

    /// Whether nothing was heard for the detection time.
    pub(crate) fn has_expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// Forgets the neighbour.
    // REQ: BFD-6.8.4-02 BFD-6.8.1-02
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Change> {
        self.expires = None;
        self.remote_discriminator = 0;
        self.remote_min_rx = Duration::from_micros(1);
        self.remote_state = State::Down;
        match self.state {
            State::Init | State::Up => self.enter(now, State::Down, Diagnostic::TIME_EXPIRED),
            State::Down | State::AdminDown => None,
        }
    }

    /// The answer to a poll.
    // REQ: BFD-6.8.6-17 BFD-4.1-02
    pub(crate) fn answer(&mut self, now: Instant) -> Option<[u8; LEN]> {
        self.is_prompt(now).then(|| self.send(now, Control { poll: false, final_: true, ..self.content() }))
    }

    /// Plans the next packet anew, after something has changed.
    pub(crate) fn plan(&mut self, now: Instant, chance: &mut Chance) {
        let latest = self.sent.map(|(at, _)| at + self.transmit_interval());
        if !self.speaks() {
            self.due = None;
        } else if self.has_news() {
            // REQ: BFD-6.8.7-05
            let soon = self.sent.map_or(now, |(at, _)| (at + PROMPT_PACKETS_APART).max(now));
            if self.due.is_none_or(|due| due.at > soon) {
                self.due = Some(Due { at: soon, from: soon });
            }
        } else if !self.wanted() {
            self.due = None;
        } else if self.due.is_none_or(|due| latest.is_some_and(|latest| due.at > latest)) {
            // REQ: BFD-6.8.3-05
            self.due = self.sent.map(|(at, _)| self.due_after(at, chance));
        }
    }

    /// The packet that is due, or nearly so, if one is.
    pub(crate) fn speak(&mut self, now: Instant, chance: &mut Chance) -> Option<[u8; LEN]> {
        self.due.filter(|due| due.from <= now)?;
        let packet = self.send(now, self.content());
        let next = self.due_after(now, chance);
        self.due = (self.speaks() && self.wanted()).then_some(next);
        Some(packet)
    }

    /// The next periodic packet after one of this moment: what is drawn, and what company may take off that, are together
    /// the jitter of the RFC.
    fn due_after(&self, sent: Instant, chance: &mut Chance) -> Due {
        // REQ: BFD-6.8.7-01 BFD-6.8.7-02
        let most = 25 - COMPANY_PERCENT;
        let percent = if self.config.multiplier == 1 { 10..=most } else { 0..=most };
        let interval = self.transmit_interval();
        let at = sent + chance.shortened(interval, percent);
        Due { at, from: at - interval * COMPANY_PERCENT / 100 }
    }

    /// Whether the neighbour, and our role, let us speak at all.
    // REQ: BFD-6.8.7-04
    const fn speaks(&self) -> bool {
        !(self.config.passive && self.remote_discriminator == 0)
    }

    /// Whether the neighbour wants periodic packets.
    // REQ: BFD-6.8.7-03 BFD-6.8.6-19
    fn wanted(&self) -> bool {
        let demanded = self.remote_demand && self.state == State::Up && self.remote_state == State::Up && !self.polling;
        !self.remote_min_rx.is_zero() && !demanded
    }

    fn is_prompt(&self, now: Instant) -> bool {
        self.sent.is_none_or(|(at, _)| at + PROMPT_PACKETS_APART <= now)
    }

    /// Whether a packet would differ from the last one in more than poll and final.
    fn has_news(&self) -> bool {
        let bare = |packet: Control| Control { poll: false, final_: false, ..packet };
        self.sent.is_none_or(|(_, said)| bare(said) != bare(self.content()))
    }

    fn send(&mut self, now: Instant, packet: Control) -> [u8; LEN] {
        self.counters.sent += 1;
        self.sent = Some((now, packet));
        packet.emit()
    }

    // REQ: BFD-6.8.3-01 BFD-6.8.7-06
    const fn content(&self) -> Control {
        Control {
            diagnostic: self.diagnostic,
            state: self.state,
            poll: self.polling,
            final_: false,
            control_plane_independent: false,
            demand: false,
            detect_multiplier: self.config.multiplier,
            my_discriminator: self.local_discriminator,
            your_discriminator: self.remote_discriminator,
            desired_min_tx: self.desired_min_tx(),
            required_min_rx: self.config.min_rx,
            required_min_echo_rx: Duration::ZERO,
        }
    }

    const fn desired_min_tx(&self) -> Duration {
        match self.state {
            State::Up => self.config.min_tx,
            State::Init | State::Down | State::AdminDown => self.config.idle_tx,
        }
    }

    fn transmit_interval(&self) -> Duration {
        self.tx_until_confirmed.unwrap_or_else(|| self.desired_min_tx()).max(self.remote_min_rx)
    }

    // REQ: BFD-6.8.4-01
    fn detection_time(&self) -> Duration {
        let slower = self.rx_until_confirmed.unwrap_or(self.config.min_rx).max(self.remote_desired_min_tx);
        slower * u32::from(self.remote_multiplier)
    }

    pub(crate) fn status(&self) -> Status {
        Status {
            name: self.config.name.clone(),
            neighbor: self.config.neighbor,
            state: self.state,
            since: self.since,
            remote_state: self.remote_state,
            diagnostic: self.diagnostic,
            local_discriminator: self.local_discriminator,
            remote_discriminator: self.remote_discriminator,
            transmit_interval: self.transmit_interval(),
            detection_time: self.detection_time(),
            counters: self.counters,
        }
    }
}
