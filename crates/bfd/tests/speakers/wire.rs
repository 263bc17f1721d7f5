//! A wire between two speakers, and a speaker alone with a test that plays its neighbour.

use core::time::Duration;
use standfast_bfd::{Action, Event, Note, Notice, Output, Received, Speaker, Status, Transition};
use standfast_model::Instant;
use standfast_model::bfd::{Diagnostic, State};
use standfast_model::config::BfdConfig;
use standfast_model::config::bfd::BfdSession;
use standfast_model::config::track::BfdId;
use standfast_wire::bfd::Control;
use std::net::IpAddr;

/// How long a packet is on the wire.
const DELAY: Duration = Duration::from_micros(200);

pub(crate) const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(crate) fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

pub(crate) fn neighbor() -> IpAddr {
    "10.0.0.2".parse().unwrap()
}

fn own() -> IpAddr {
    "10.0.0.1".parse().unwrap()
}

/// 100 ms both ways, three times.
pub(crate) fn session() -> BfdSession {
    BfdSession {
        name: "peer".to_owned(),
        neighbor: neighbor(),
        source: None,
        min_rx: millis(100),
        min_tx: millis(100),
        idle_tx: millis(1000),
        multiplier: 3,
        passive: false,
        ttl: 255,
        max_hops: Some(0),
        multihop: false,
        vrrp: true,
        checker: true,
    }
}

pub(crate) fn session_with(change: impl FnOnce(&mut BfdSession)) -> BfdSession {
    let mut config = session();
    change(&mut config);
    config
}

/// A speaker whose neighbour is the test: 3 times 100 ms.
pub(crate) struct Alone {
    pub(crate) speaker: Speaker,
    pub(crate) now: Instant,
    pub(crate) told: Vec<(BfdId, bool)>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) actions: Vec<Action>,
}

impl Alone {
    pub(crate) fn new(config: BfdSession) -> Self {
        Self::of(vec![config])
    }

    pub(crate) fn of(sessions: Vec<BfdSession>) -> Self {
        Self::seeded(sessions, 7)
    }

    pub(crate) fn seeded(sessions: Vec<BfdSession>, seed: u8) -> Self {
        let speaker = Speaker::new(&BfdConfig { sessions }, [seed; 32]);
        Self { speaker, now: at(0), told: Vec::new(), notices: Vec::new(), actions: Vec::new() }
    }

    pub(crate) fn in_state(state: State) -> Self {
        Self::with(session(), state)
    }

    /// A session that has got into this state.
    pub(crate) fn with(config: BfdSession, state: State) -> Self {
        let mut alone = Self::new(config);
        alone.wake(at(0));
        let heard: &[State] = match state {
            State::AdminDown | State::Down => &[],
            State::Init => &[State::Down],
            State::Up => &[State::Down, State::Init],
        };
        for heard in heard {
            alone.now += millis(10);
            alone.hear(*heard);
        }
        alone.now += millis(10);
        assert_eq!(alone.status().state, state);
        alone
    }

    pub(crate) fn status(&self) -> Status {
        self.speaker.status()[0].clone()
    }

    /// What the neighbour says in this state.
    pub(crate) fn packet(&self, state: State) -> Control {
        Control {
            diagnostic: Diagnostic::NONE,
            state,
            poll: false,
            final_: false,
            control_plane_independent: false,
            demand: false,
            detect_multiplier: 3,
            my_discriminator: 0x0102_0304,
            your_discriminator: self.status().local_discriminator,
            desired_min_tx: millis(100),
            required_min_rx: millis(100),
            required_min_echo_rx: Duration::ZERO,
        }
    }

    pub(crate) fn hear(&mut self, state: State) -> Vec<Control> {
        let packet = self.packet(state);
        self.hear_packet(&packet)
    }

    pub(crate) fn hear_packet(&mut self, packet: &Control) -> Vec<Control> {
        self.hear_octets(&packet.emit(), Some(255))
    }

    pub(crate) fn hear_octets(&mut self, payload: &[u8], ttl: Option<u8>) -> Vec<Control> {
        let received = Received { multihop: false, source: neighbor(), destination: own(), ttl, payload };
        self.handle(Event::Packet(received))
    }

    pub(crate) fn hear_from(&mut self, source: IpAddr, packet: &Control) -> Vec<Control> {
        let payload = &packet.emit();
        self.handle(Event::Packet(Received { multihop: false, source, destination: own(), ttl: Some(255), payload }))
    }

    pub(crate) fn hear_at(&mut self, destination: IpAddr, packet: &Control) -> Vec<Control> {
        let payload = &packet.emit();
        let received = Received { multihop: false, source: neighbor(), destination, ttl: Some(255), payload };
        self.handle(Event::Packet(received))
    }

    pub(crate) fn wake(&mut self, now: Instant) -> Vec<Control> {
        self.now = now;
        self.handle(Event::Wake)
    }

    pub(crate) fn reload(&mut self, sessions: Vec<BfdSession>) -> Vec<Control> {
        self.handle(Event::Reload(&BfdConfig { sessions }))
    }

    /// What it sends because of this.
    pub(crate) fn handle(&mut self, event: Event<'_>) -> Vec<Control> {
        let mut output = Output::default();
        self.speaker.handle(self.now, event, &mut output);
        let mut sent = Vec::new();
        for action in &output.actions {
            match action {
                Action::Send { packet, .. } => sent.push(Control::parse(packet).unwrap()),
                Action::Tell { session, up } => self.told.push((*session, *up)),
                Action::Notice(notice) => self.notices.push(notice.clone()),
                Action::Transition(_) => {}
            }
        }
        self.actions.extend(output.actions);
        sent
    }
}

/// Two speakers and the wire between them. Events of one moment: packets before timers.
pub(crate) struct Line {
    pub(crate) speakers: [Speaker; 2],
    pub(crate) cut: bool,
    pub(crate) doubled: bool,
    pub(crate) told: [Vec<(BfdId, bool)>; 2],
    pub(crate) sent: Vec<(Instant, usize, Control)>,
    pub(crate) transitions: Vec<(Instant, usize, Transition)>,
    on_the_way: Vec<(Instant, usize, Vec<u8>)>,
    now: Instant,
}

impl Line {
    pub(crate) fn new(one: BfdSession, other: BfdSession) -> Self {
        let other = BfdSession { neighbor: own(), ..other };
        let speaker = |config, seed| Speaker::new(&BfdConfig { sessions: vec![config] }, [seed; 32]);
        let mut line = Self {
            speakers: [speaker(one, 1), speaker(other, 2)],
            cut: false,
            doubled: false,
            told: [Vec::new(), Vec::new()],
            sent: Vec::new(),
            transitions: Vec::new(),
            on_the_way: Vec::new(),
            now: at(0),
        };
        line.act(0, Event::Wake);
        line.act(1, Event::Wake);
        line
    }

    pub(crate) fn status(&self, side: usize) -> Status {
        self.speakers[side].status()[0].clone()
    }

    /// A side is killed, and from then on there is a successor to whom that is told. What was sent to it is lost.
    pub(crate) fn succeed(&mut self, side: usize, note: &Note) {
        while let Some(place) = self.on_the_way.iter().position(|(_, to, _)| *to == side) {
            self.on_the_way.remove(place);
        }
        let neighbor = if side == 0 { neighbor() } else { own() };
        let config = BfdSession { neighbor, ..session() };
        self.speakers[side] = Speaker::new(&BfdConfig { sessions: vec![config] }, [99; 32]);
        self.act(side, Event::Adopt { session: BfdId(0), note });
        self.act(side, Event::Wake);
    }

    pub(crate) fn stop(&mut self, side: usize) {
        self.act(side, Event::Shutdown);
    }

    pub(crate) fn run_until(&mut self, end: Instant) {
        loop {
            let arrival = self.on_the_way.iter().map(|(at, _, _)| *at).min();
            let timer = self.speakers.iter().filter_map(Speaker::next_deadline).min();
            let Some(next) = [arrival, timer].into_iter().flatten().min().filter(|next| *next <= end) else { break };
            assert!(next >= self.now, "a deadline in the past");
            self.now = next;
            if arrival == Some(next) {
                let place = self.on_the_way.iter().position(|(at, _, _)| *at == next).unwrap();
                let (_, to, payload) = self.on_the_way.remove(place);
                let (source, destination) = if to == 0 { (neighbor(), own()) } else { (own(), neighbor()) };
                let received = Received { multihop: false, source, destination, ttl: Some(255), payload: &payload };
                self.act(to, Event::Packet(received));
            } else {
                for side in [0, 1] {
                    if self.speakers[side].next_deadline().is_some_and(|at| at <= next) {
                        self.act(side, Event::Wake);
                    }
                }
            }
        }
        self.now = end;
    }

    fn act(&mut self, side: usize, event: Event<'_>) {
        // Nobody has its sockets any more.
        if self.speakers[side].is_finished() {
            return;
        }
        let mut output = Output::default();
        self.speakers[side].handle(self.now, event, &mut output);
        for action in output.actions {
            match action {
                Action::Send { packet, .. } => {
                    self.sent.push((self.now, side, Control::parse(&packet).unwrap()));
                    let copies = if self.cut { 0 } else { 1 + usize::from(self.doubled) };
                    let arrival = (self.now + DELAY, 1 - side, packet.to_vec());
                    self.on_the_way.extend(std::iter::repeat_n(arrival, copies));
                }
                Action::Tell { session, up } => self.told[side].push((session, up)),
                Action::Transition(transition) => self.transitions.push((self.now, side, transition)),
                Action::Notice(Notice::GoesOn { .. }) => {}
                Action::Notice(notice) => panic!("{notice:?}"),
            }
        }
    }
}
