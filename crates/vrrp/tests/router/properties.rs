//! What holds after any sequence of events.

use crate::lan::{Packet, advert, group, name, tracked, v2, v3, v6, vip, with_priority};
use proptest::prelude::*;
use standfast_model::config::VrrpConfig;
use standfast_model::config::instance::VrrpCommon;
use standfast_model::config::script::Script;
use standfast_model::config::track::{
    BfdId, FileId, ProcessId, ProcessMatch, ScriptId, TrackFile, TrackProcess, TrackScript, Tracked, Tracker,
};
use standfast_model::config::vrrp::{Instance, InstanceId, Preempt};
use standfast_model::ipvs::Family;
use standfast_model::{AdvertInterval, Ended, Instant, InterfaceIndex, Refusal, State, Transition, Version, Vrid};
use standfast_vrrp::{Action, Event, InterfaceFacts, Notice, Options, Output, Router};
use standfast_wire::Received;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// One thing to happen.
#[derive(Clone, Debug)]
enum Step {
    Pass {
        micros: u64,
    },
    Wake,
    WakeWhenDue,
    Advert {
        instance: usize,
        host: u8,
        priority: u8,
        half: bool,
        delay_us: u64,
    },
    /// A valid advertisement with one bit turned, or its TTL.
    Spoilt {
        instance: usize,
        host: u8,
        bit: usize,
    },
    Garbage {
        lan: u8,
        octets: Vec<u8>,
    },
    Link {
        lan: u8,
        up: bool,
        sources: bool,
        index: u32,
    },
    Gone {
        lan: u8,
    },
    Failed {
        instance: u32,
    },
    /// One of the four things that are tracked says something.
    Told {
        tracker: u8,
        value: i32,
    },
    Start,
    Shutdown,
}

fn step() -> impl Strategy<Value = Step> {
    let priorities = prop_oneof![Just(0), Just(100), Just(255), any::<u8>()];
    let octets = prop::collection::vec(any::<u8>(), 0..64);
    prop_oneof![
        6 => (0..4_000_000_u64).prop_map(|micros| Step::Pass { micros }),
        2 => Just(Step::Wake),
        12 => Just(Step::WakeWhenDue),
        12 => (0..3_usize, 1..12_u8, priorities, any::<bool>(), 0..2_000_000_u64).prop_map(
            |(instance, host, priority, half, delay_us)| Step::Advert { instance, host, priority, half, delay_us }
        ),
        4 => (0..3_usize, 1..12_u8, 0..320_usize).prop_map(|(instance, host, bit)| Step::Spoilt { instance, host, bit }),
        1 => (0..3_u8, octets).prop_map(|(lan, octets)| Step::Garbage { lan, octets }),
        2 => (0..3_u8, any::<bool>(), prop::bool::weighted(0.8), 2..9_u32)
            .prop_map(|(lan, up, sources, index)| Step::Link { lan, up, sources, index: index * 10 + u32::from(lan) }),
        1 => (0..3_u8).prop_map(|lan| Step::Gone { lan }),
        1 => (0..4_u32).prop_map(|instance| Step::Failed { instance }),
        4 => (0..4_u8, prop_oneof![Just(0), Just(1), -300..300_i32])
            .prop_map(|(tracker, value)| Step::Told { tracker, value }),
        1 => Just(Step::Start),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    (prop::collection::vec(step(), 1..120), any::<bool>()).prop_map(|(mut steps, stops)| {
        if stops {
            steps.push(Step::Shutdown);
            steps.push(Step::Start);
            steps.push(Step::WakeWhenDue);
        }
        steps
    })
}

fn preempt() -> impl Strategy<Value = Preempt> {
    prop_oneof![
        Just(Preempt::Never),
        Just(Preempt::After(Duration::ZERO)),
        (0..10_u64).prop_map(|seconds| Preempt::After(Duration::from_secs(seconds)))
    ]
}

prop_compose! {
    fn instance(place: u8)(
        kind in 0..3_u8,
        priority in prop_oneof![Just(100), Just(255), 1..=255_u8],
        preempt in preempt(),
        adverts in 1..4_u8,
        no_advert in any::<bool>(),
        speaks in any::<bool>(),
        untracked in any::<bool>(),
        weight in prop_oneof![Just(0), -253..=253_i16],
        reverse in any::<bool>(),
    ) -> Instance {
        let base = match kind {
            0 => v2(),
            1 => v3(),
            _ => v6(),
        };
        Instance {
            name: format!("VI_{place}"),
            interface: name(if place == 1 { "eth1" } else { "eth0" }),
            vrid: Vrid::new(51 + place).unwrap(),
            preempt,
            down_timer_adverts: adverts,
            lower_prio_no_advert: no_advert,
            higher_prio_send_advert: speaks,
            dont_track_primary: untracked,
            track_interfaces: vec![tracked("eth2", weight, reverse)],
            ..with_priority(base, priority)
        }
    }
}

/// What tracks one of four things, each of them in one way.
fn trackers() -> impl Strategy<Value = Vec<Tracked>> {
    let all = [
        Tracker::Script(ScriptId(0)),
        Tracker::File(FileId(0)),
        Tracker::Process(ProcessId(0)),
        Tracker::Bfd(BfdId(0)),
    ];
    let entry = (prop::sample::select(all.to_vec()), prop_oneof![Just(0), -253..=253_i16], any::<bool>());
    let entry = entry.prop_map(|(tracker, weight, reverse)| Tracked { tracker, weight, reverse });
    prop::collection::vec(entry, 0..3)
}

/// Something to track of each kind.
fn tracked_things() -> VrrpCommon {
    let interval = Duration::from_millis(700);
    VrrpCommon {
        scripts: vec![TrackScript {
            name: "s".to_owned(),
            script: Script { words: vec![b"/bin/true".to_vec()], identity: None },
            interval,
            timeout: interval,
            rise: 2,
            fall: 2,
            init_fail: false,
        }],
        files: vec![TrackFile { name: "f".to_owned(), path: "/f".to_owned(), init: None }],
        processes: vec![TrackProcess {
            name: "p".to_owned(),
            words: vec![b"p".to_vec()],
            matching: ProcessMatch::Name,
            quorum: 0,
            quorum_max: Some(200),
            terminate_delay: Duration::ZERO,
            fork_delay: Duration::from_millis(300),
        }],
        bfd_sessions: vec!["b".to_owned()],
        ..VrrpCommon::default()
    }
}

fn config() -> impl Strategy<Value = VrrpConfig> {
    let groups = prop_oneof![
        Just(vec![]),
        Just(vec![group(&[0, 1])]),
        Just(vec![group(&[0, 1, 2])]),
        // Members that do not exist, or are in a group already, are nobody.
        Just(vec![group(&[2, 0, 7]), group(&[0, 9])]),
    ];
    let trackers = (trackers(), trackers());
    ((instance(0), instance(1), instance(2)), groups, trackers).prop_map(|((a, b, c), mut groups, (own, grouped))| {
        let mut instances = vec![a, b, c];
        instances[0].options.trackers = own;
        groups.iter_mut().for_each(|group| group.options.trackers.clone_from(&grouped));
        VrrpConfig { instances, groups, common: tracked_things() }
    })
}

/// The router, the time, and what it was told of its interfaces.
struct Run {
    config: VrrpConfig,
    router: Router,
    now: Instant,
    index: [Option<u32>; 3],
}

/// All that can be seen of the router.
#[derive(Clone, PartialEq, Debug)]
struct Seen {
    states: Vec<State>,
    deadline: Option<Instant>,
}

fn host_address(like: &Instance, host: u8) -> IpAddr {
    match like.family {
        Family::Inet => Ipv4Addr::new(192, 0, 2, host).into(),
        Family::Inet6 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(host)).into(),
    }
}

fn facts(index: u32, up: bool, sources: bool) -> InterfaceFacts {
    let ours = vec![host_address(&v2(), 5), host_address(&v6(), 5)];
    InterfaceFacts { index: InterfaceIndex(index), up, sources: if sources { ours } else { vec![] } }
}

impl Run {
    fn new(config: VrrpConfig, options: Options) -> Self {
        let router = Router::with_options(config.clone(), options);
        let mut run = Self { config, router, now: Instant::ZERO, index: [None; 3] };
        for lan in 0..3 {
            let _ = run.link(lan, Some(facts(10 + u32::from(lan), true, true)));
        }
        run
    }

    fn link(&mut self, lan: u8, facts: Option<InterfaceFacts>) -> Vec<Action> {
        self.index[usize::from(lan)] = facts.as_ref().map(|facts| facts.index.0);
        self.handle(Event::Interface { name: &name(&format!("eth{lan}")), facts })
    }

    fn ids(&self) -> Vec<InstanceId> {
        (0..).take(self.config.instances.len()).map(InstanceId).collect()
    }

    fn seen(&self) -> Seen {
        Seen {
            states: self.ids().into_iter().map(|id| self.router.state(id)).collect(),
            deadline: self.router.next_deadline(),
        }
    }

    /// Where the packets of an instance come in.
    fn index_of(&self, like: &Instance) -> InterfaceIndex {
        let lan = usize::from(like.interface.as_str() == "eth1");
        InterfaceIndex(self.index[lan].unwrap_or(999))
    }

    fn handle(&mut self, event: Event<'_>) -> Vec<Action> {
        let mut out = Output::default();
        self.router.handle(self.now, event, &mut out);
        out.actions
    }

    fn packet(&mut self, like: &Instance, packet: &Packet) -> Vec<Action> {
        let index = self.index_of(like);
        self.handle(Event::Packet(packet.received(index)))
    }

    /// Performs a step; gives what came of it.
    fn perform(&mut self, step: &Step) -> Vec<Action> {
        match step {
            Step::Pass { micros } => {
                self.now += Duration::from_micros(*micros);
                vec![]
            }
            Step::Wake => self.handle(Event::Wake),
            Step::WakeWhenDue => {
                self.now = self.router.next_deadline().map_or(self.now, |at| at.max(self.now));
                self.handle(Event::Wake)
            }
            Step::Advert { instance, host, priority, half, delay_us } => {
                self.now += Duration::from_micros(*delay_us);
                let like = self.config.instances[*instance].clone();
                let sent = if *half && like.version == Version::V3 {
                    let interval = AdvertInterval::from_centiseconds(50).unwrap();
                    Instance { advert_interval: interval, ..like.clone() }
                } else {
                    like.clone()
                };
                self.packet(&like, &advert(&sent, host_address(&like, *host), *priority))
            }
            Step::Spoilt { instance, host, bit } => {
                let like = self.config.instances[*instance].clone();
                let mut packet = advert(&like, host_address(&like, *host), 200);
                // The VRID decides whose packet it is, so it stays.
                match packet.message.get_mut(bit / 8) {
                    Some(octet) if bit / 8 != 1 => *octet ^= 1 << (bit % 8),
                    Some(_) | None => packet.ttl = 254,
                }
                self.packet(&like, &packet)
            }
            Step::Garbage { lan, octets } => {
                let interface = InterfaceIndex(self.index[usize::from(*lan)].unwrap_or(999));
                self.handle(Event::Packet(Received {
                    interface,
                    source: host_address(&v2(), 7),
                    destination: Ipv4Addr::new(224, 0, 0, 18).into(),
                    ttl: Some(255),
                    ah: None,
                    message: octets,
                }))
            }
            Step::Link { lan, up, sources, index } => self.link(*lan, Some(facts(*index, *up, *sources))),
            Step::Gone { lan } => self.link(*lan, None),
            Step::Failed { instance } => {
                self.handle(Event::OperationFailed { instance: InstanceId(*instance), what: "adding an address" })
            }
            Step::Told { tracker, value } => self.handle(match tracker {
                0 => Event::ScriptEnded { script: ScriptId(0), outcome: Ended::Exited(*value) },
                1 => Event::FileRead { file: FileId(0), value: Some(*value) },
                2 => Event::ProcessCount { process: ProcessId(0), count: value.unsigned_abs() },
                _ => Event::BfdChanged { session: BfdId(0), up: *value > 0 },
            }),
            Step::Start => self.handle(Event::Start),
            Step::Shutdown => self.handle(Event::Shutdown),
        }
    }
}

fn rank(action: &Action) -> u8 {
    match action {
        Action::Send { .. } => 0,
        Action::Reconcile => 1,
        Action::Announce { .. } | Action::Defend { .. } => 2,
        Action::Transition(_)
        | Action::GroupTransition(_)
        | Action::Priority(_)
        | Action::LowerPriorityReceived { .. }
        | Action::Deleted(_)
        | Action::Notice(_) => 3,
        Action::RunScript { .. } => 4,
    }
}

/// Octet 2 of the message, which follows a 20-octet header in IPv4.
fn priority_of(instance: &Instance, packet: &[u8]) -> u8 {
    match instance.family {
        Family::Inet => packet[22],
        Family::Inet6 => packet[2],
    }
}

fn check(run: &Run, step: &Step, before: &Seen, actions: &[Action]) -> Result<(), TestCaseError> {
    let after = run.seen();
    // Order: packets, one reconciliation, announcements, records.
    prop_assert!(actions.is_sorted_by_key(rank), "{actions:?}");
    let reconciles = actions.iter().filter(|action| **action == Action::Reconcile).count();
    prop_assert!(reconciles <= 1);
    let holders = |seen: &Seen| seen.states.iter().map(|state| *state == State::Master).collect::<Vec<_>>();
    if holders(before) != holders(&after) {
        prop_assert_eq!(reconciles, 1, "the addresses have to move");
    }
    for (place, id) in run.ids().into_iter().enumerate() {
        let (was, is) = (before.states[place], after.states[place]);
        prop_assert_eq!(run.router.holds(id), is == State::Master);
        let counters = run.router.counters(id);
        prop_assert_eq!(counters.become_master - counters.release_master, u64::from(is == State::Master));
        prop_assert!(run.router.status(id).is_some_and(|status| status.priority > 0));
        check_packets(&run.config.instances[place], id, (was, is), actions)?;
        check_records(run, id, (was, is), actions)?;
    }
    check_groups(run, &after)?;
    check_deadlines(run, step, before, &after)
}

/// One advertisement at most per event, and only from a master; a resignation only from one that stops or fails.
fn check_packets(
    instance: &Instance,
    id: InstanceId,
    (was, is): (State, State),
    actions: &[Action],
) -> Result<(), TestCaseError> {
    let sent: Vec<u8> = actions
        .iter()
        .filter_map(|action| {
            let Action::Send { instance: of, packet, .. } = action else { return None };
            (*of == id).then(|| priority_of(instance, packet))
        })
        .collect();
    match sent[..] {
        [] => {}
        [0] => {
            // A home that was replaced unseen is left and entered again in one event.
            let left = |t: &Transition| t.instance == instance.name && matches!(t.to, State::Fault | State::Stop);
            let leaves = actions.iter().any(|action| matches!(action, Action::Transition(t) if left(t)));
            prop_assert!(was == State::Master && leaves && is != State::Master, "resigned {was} {is}");
        }
        [_] => {
            let last_word = was == State::Master && instance.higher_prio_send_advert;
            prop_assert!(is == State::Master || last_word, "advertised {was} {is}");
        }
        _ => prop_assert!(false, "sent {:?}", sent),
    }
    Ok(())
}

/// Every change of state is a transition, and only a master announces.
fn check_records(
    run: &Run,
    id: InstanceId,
    (was, is): (State, State),
    actions: &[Action],
) -> Result<(), TestCaseError> {
    let name = &run.config.instances[usize::try_from(id.0).unwrap()].name;
    let mut state = was;
    for action in actions {
        if let Action::Transition(t) = action
            && t.instance == *name
        {
            prop_assert_eq!(t.from, state);
            prop_assert_ne!(t.from, t.to);
            prop_assert_eq!(t.at, run.now);
            state = t.to;
        }
        if let Action::Announce { instance: of, rounds } = action
            && *of == id
        {
            prop_assert!(*rounds > 0 && is == State::Master);
        }
    }
    prop_assert_eq!(state, is, "every change is a transition");
    Ok(())
}

/// Members of a group are all in FAULT or none, all master or none. The second group of a configuration has lost its
/// members to the first.
fn check_groups(run: &Run, after: &Seen) -> Result<(), TestCaseError> {
    let Some(group) = run.config.groups.first() else { return Ok(()) };
    let places = group.members.iter().map(|id| usize::try_from(id.0).unwrap());
    let states: Vec<State> = places.filter_map(|place| after.states.get(place)).copied().collect();
    for alike in [State::Fault, State::Master, State::Stop, State::Init] {
        let count = states.iter().filter(|state| **state == alike).count();
        prop_assert!(count == 0 || count == states.len(), "{:?}", states);
    }
    Ok(())
}

/// A wake leaves no deadline behind; nothing else makes one in the past.
fn check_deadlines(run: &Run, step: &Step, before: &Seen, after: &Seen) -> Result<(), TestCaseError> {
    match step {
        Step::Wake | Step::WakeWhenDue => {
            prop_assert!(after.deadline.is_none_or(|at| at > run.now), "{:?} at {:?}", after.deadline, run.now);
        }
        Step::Pass { .. }
        | Step::Advert { .. }
        | Step::Spoilt { .. }
        | Step::Garbage { .. }
        | Step::Link { .. }
        | Step::Gone { .. }
        | Step::Failed { .. }
        | Step::Told { .. }
        | Step::Start
        | Step::Shutdown => {
            let old = before.deadline.is_some_and(|at| after.deadline.is_some_and(|now| now >= at));
            prop_assert!(old || after.deadline.is_none_or(|at| at >= run.now), "{:?}", after.deadline);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // REQ: VRRP3-6.2-01 VRRP2-5.3.4-02 VRRP2-7.1-01
    #[test]
    fn no_sequence_of_events_breaks_an_invariant(config in config(), delay in 0..3_u64, steps in steps()) {
        let options = Options { startup_delay: Duration::from_secs(delay), log_unknown_vrids: true };
        let mut run = Run::new(config, options);
        let begin = Step::Start;
        for step in std::iter::once(&begin).chain(&steps) {
            let before = run.seen();
            let refused = refusals(&run);
            let actions = run.perform(step);
            check(&run, step, &before, &actions)?;
            if refusals(&run) > refused {
                prop_assert_eq!(run.seen(), before, "a refused packet moved something");
                let silent = actions.iter().all(|action| matches!(action, Action::Notice(Notice::Refused { .. })));
                prop_assert!(silent, "{:?}", actions);
            }
        }
    }

    // REQ: VRRP3-6.4-01
    #[test]
    fn refused_packets_leave_the_trace_of_everything_else_as_it_is(config in config(), steps in steps()) {
        let spoils = |step: &Step| matches!(step, Step::Spoilt { .. } | Step::Garbage { .. });
        let trace = |with_spoilt: bool| {
            let mut run = Run::new(config.clone(), Options::default());
            let mut trace = run.perform(&Step::Start);
            for step in steps.iter().filter(|step| with_spoilt || !spoils(step)) {
                trace.extend(run.perform(step));
            }
            // What a refused one has shown to differ is told to be settled by the next that is accepted.
            trace.retain(|action| {
                !matches!(action, Action::Notice(Notice::Refused { .. } | Notice::Settled { .. }))
            });
            (trace, run.seen())
        };
        prop_assert_eq!(trace(true), trace(false));
    }
}

fn refusals(run: &Run) -> u64 {
    let counted = |id: InstanceId| -> u64 {
        let counters = run.router.counters(id);
        Refusal::ALL.into_iter().map(|reason| counters.refused(reason)).sum()
    };
    run.ids().into_iter().map(counted).sum()
}

/// Ten thousand virtual routers on forty interfaces, ten advertisements a second each.
#[test]
fn ten_thousand_instances_are_no_more_than_ten_thousand_times_one() {
    let instances: Vec<Instance> = (0..10_000_u32)
        .map(|number| Instance {
            name: format!("VI_{number}"),
            interface: name(&format!("eth{}", number / 250)),
            vrid: Vrid::new(u8::try_from(number % 250 + 1).unwrap()).unwrap(),
            advert_interval: AdvertInterval::from_centiseconds(10).unwrap(),
            addresses: vec![vip("192.0.2.100/32")],
            ..with_priority(v3(), 255)
        })
        .collect();
    let mut router = Router::new(VrrpConfig { instances: instances.clone(), ..VrrpConfig::default() });
    let mut out = Output::default();
    for lan in 0..40 {
        let facts = facts(10 + lan, true, true);
        router.handle(
            Instant::ZERO,
            Event::Interface { name: &name(&format!("eth{lan}")), facts: Some(facts) },
            &mut out,
        );
    }
    router.handle(Instant::ZERO, Event::Start, &mut out);
    let mut sent = 0;
    let end = Instant::ZERO + Duration::from_secs(1);
    while let Some(now) = router.next_deadline().filter(|at| *at <= end) {
        out.actions.clear();
        router.handle(now, Event::Wake, &mut out);
        sent += out.actions.iter().filter(|action| matches!(action, Action::Send { .. })).count();
        // A packet finds its instance without asking the others, and moves one deadline.
        for (lan, like) in (10..50).zip(instances.iter().step_by(250)) {
            let packet = advert(like, host_address(like, 9), 100);
            router.handle(now, Event::Packet(packet.received(InterfaceIndex(lan))), &mut out);
        }
    }
    // Ten each after the first, more or less one, but for one of each interface, which answers instead.
    assert!((9_960 * 9..=9_960 * 11).contains(&sent), "{sent}");
    let answered = router.counters(InstanceId(0)).advert_sent;
    assert!(answered > 10, "{answered}");
}

#[test]
fn an_empty_configuration_waits_for_nothing() {
    let mut router = Router::new(VrrpConfig::default());
    let mut out = Output::default();
    for event in [Event::Start, Event::Wake, Event::Shutdown] {
        router.handle(Instant::ZERO, event, &mut out);
    }
    assert!(out.actions.is_empty() && router.next_deadline().is_none());
    let nobody = InstanceId(7);
    assert!(!router.holds(nobody) && router.status(nobody).is_none());
    assert_eq!(router.state(nobody), State::Stop);
}
