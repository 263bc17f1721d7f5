//! A director against a second opinion: a model that keeps no state but the list of what was said, and works every
//! answer out from the beginning.

use crate::support::{
    World, at, checker, config, destination, group, real_server, seconds, server_key, service_key, sorry_server,
    timing, virtual_server,
};
use core::time::Duration;
use proptest::prelude::*;
use standfast_lvs::{Action, CheckerId, Event, Inability, Operation, Output, Reason, Verdict};
use standfast_model::Instant;
use standfast_model::config::LvsConfig;
use standfast_model::config::lvs::{RealServer, Timing, VirtualServer, VirtualServerOptions};
use standfast_model::ipvs::{DestinationKey, ServiceKey};
use std::collections::{BTreeMap, BTreeSet};

/// What the model knows of one checker: everything it was told, oldest first.
type History = Vec<Verdict>;

/// Whether a checker with that history is up.
fn checker_is_up(timing: &Timing, history: &[Verdict]) -> bool {
    let said: Vec<&Verdict> = history.iter().filter(|verdict| !matches!(verdict, Verdict::Unable(_))).collect();
    match said.iter().rposition(|verdict| **verdict == Verdict::Ok) {
        // It was never good: one bad verdict is enough, and alpha needs none.
        None => !timing.alpha && said.is_empty(),
        // As many bad ones since it was last good as there are attempts.
        Some(last) => said.len() - 1 - last <= timing.retry as usize,
    }
}

/// The quorum after all changes of the live weight so far, oldest first.
fn quorum(service: &VirtualServer, live: &[u64]) -> bool {
    let (quorum, hysteresis) = (u64::from(service.quorum), u64::from(service.hysteresis));
    live.iter().fold(false, |had, live| match *live {
        0 => false,
        live if live >= quorum + hysteresis => true,
        live if live + hysteresis < quorum => false,
        _ => had,
    })
}

#[derive(Debug)]
struct Model {
    config: LvsConfig,
    histories: BTreeMap<(usize, usize, usize), History>,
    /// For each service the live weight after each verdict.
    live: Vec<Vec<u64>>,
}

impl Model {
    fn new(config: &LvsConfig) -> Self {
        let mut model = Self { config: config.clone(), histories: BTreeMap::new(), live: Vec::new() };
        model.live = (0..config.virtual_servers.len()).map(|service| vec![model.live_weight(service)]).collect();
        model
    }

    fn servers(&self, service: usize) -> impl Iterator<Item = (&RealServer, bool)> {
        let servers = &self.config.virtual_servers[service].real_servers;
        servers.iter().enumerate().map(move |(number, server)| {
            let up = server.checkers.iter().enumerate().all(|(place, checker)| {
                let history = self.histories.get(&(service, number, place));
                checker_is_up(&checker.timing, history.map_or(&[], Vec::as_slice))
            });
            (server, up)
        })
    }

    fn live_weight(&self, service: usize) -> u64 {
        self.servers(service).filter(|(_, up)| *up).map(|(server, _)| u64::from(server.weight)).sum()
    }

    fn heard(&mut self, place: (usize, usize, usize), verdict: &Verdict) {
        self.histories.entry(place).or_default().push(verdict.clone());
        let live = self.live_weight(place.0);
        self.live[place.0].push(live);
    }

    /// Every row that should be in the table, with its weight.
    fn rows(&self) -> BTreeMap<(ServiceKey, DestinationKey), u32> {
        let mut rows = BTreeMap::new();
        for (number, service) in self.config.virtual_servers.iter().enumerate() {
            let sorry = service.sorry_server.as_ref().filter(|_| !quorum(service, &self.live[number]));
            let mut put = |address: std::net::SocketAddr, weight: u32| {
                let server = DestinationKey { address: address.ip(), port: address.port() };
                rows.extend(keys(service).into_iter().map(|key| ((key, server), weight)));
            };
            if let Some(idle) = service.sorry_server.as_ref().filter(|idle| sorry.is_none() && idle.inhibit) {
                put(idle.address, 0);
            }
            for (server, up) in self.servers(number) {
                if up && sorry.is_none() {
                    put(server.address, server.weight);
                } else if server.inhibit_on_failure {
                    put(server.address, 0);
                }
            }
            if let Some(sorry) = sorry {
                put(sorry.address, 1);
            }
        }
        rows
    }
}

pub(crate) fn rows_of(world: &World) -> BTreeMap<(ServiceKey, DestinationKey), u32> {
    let services = world.kernel.table.services.values();
    services.flat_map(|entry| entry.destinations.iter().map(|row| ((entry.service.key, row.key), row.weight))).collect()
}

/// All services of a virtual server.
fn keys(service: &VirtualServer) -> Vec<ServiceKey> {
    let others = service.options.group.iter().flat_map(|group| group.others.clone());
    std::iter::once(service.key).chain(others).collect()
}

/// Which place a checker's number means.
fn places(config: &LvsConfig) -> Vec<(usize, usize, usize)> {
    let mut places = Vec::new();
    for (service, virtual_server) in config.virtual_servers.iter().enumerate() {
        for (server, real_server) in virtual_server.real_servers.iter().enumerate() {
            places.extend((0..real_server.checkers.len()).map(|checker| (service, server, checker)));
        }
    }
    places
}

fn any_timing() -> impl Strategy<Value = Timing> {
    (1..5_u64, 0..3_u32, 0..2000_u64, 0..5_u64, any::<bool>()).prop_map(|(delay_loop, retry, pause, warmup, alpha)| {
        Timing {
            delay_loop: seconds(delay_loop),
            retry,
            delay_before_retry: Duration::from_millis(pause),
            warmup: seconds(warmup),
            alpha,
            log_all_failures: alpha,
        }
    })
}

fn any_server(number: u16) -> impl Strategy<Value = RealServer> {
    (0..4_u32, any::<bool>(), proptest::collection::vec(any_timing(), 0..3)).prop_map(
        move |(weight, inhibit_on_failure, timings)| RealServer {
            weight,
            inhibit_on_failure,
            checkers: timings.into_iter().map(|timing| checker(number, timing).into()).collect(),
            ..real_server(number, timing())
        },
    )
}

fn any_service(number: u16) -> impl Strategy<Value = VirtualServer> {
    let servers = (1..5_usize).prop_flat_map(|count| (1_u16..).take(count).map(any_server).collect::<Vec<_>>());
    let sorry = prop_oneof![
        1 => Just(None),
        // Now and then the sorry server is one of the real servers.
        2 => (prop_oneof![4 => Just(9_u16), 1 => 1..5_u16], any::<bool>())
            .prop_map(|(number, inhibit)| Some(sorry_server(number, inhibit)))
    ];
    (servers, 0..7_u32, 0..4_u32, sorry, 0..3_u16).prop_map(
        move |(real_servers, quorum, hysteresis, sorry_server, others)| VirtualServer {
            quorum,
            hysteresis: hysteresis.min(quorum.saturating_sub(1)),
            sorry_server,
            options: VirtualServerOptions {
                group: (others > 0).then(|| group((0..others).map(|other| 100 * (1 + other) + number))),
                ..VirtualServerOptions::default()
            }
            .into(),
            ..virtual_server(number, real_servers)
        },
    )
}

pub(crate) fn any_config() -> impl Strategy<Value = LvsConfig> {
    (1..4_usize).prop_flat_map(|count| (1_u16..).take(count).map(any_service).collect::<Vec<_>>()).prop_map(config)
}

/// What happens to a check: how long it takes, and what comes out.
fn any_outcome() -> impl Strategy<Value = (u64, Verdict)> {
    let verdict = prop_oneof![
        4 => Just(Verdict::Ok),
        4 => Just(Verdict::Failed(Reason::Refused)),
        1 => Just(Verdict::Unable(Inability::OutOfDescriptors)),
    ];
    (prop_oneof![3 => 0..50_u64, 1 => 0..8000_u64], verdict)
}

/// What the world does besides checks.
#[derive(Clone, Debug)]
enum Meddling {
    /// Someone removes one of our services.
    RemoveService(u16),
    /// Someone adds a server to one of our services.
    AddServer(u16, u16),
    /// The kernel refuses everything about a service from now on.
    Lock(u16),
    /// The kernel refuses nothing any more.
    Unlock,
    /// The table cannot be read from now on, or can be.
    Silent(bool),
    /// Nothing at all.
    Quiet,
}

fn any_meddling() -> impl Strategy<Value = Meddling> {
    prop_oneof![
        1 => (1..4_u16).prop_map(Meddling::RemoveService),
        1 => (1..4_u16, 1..9_u16).prop_map(|(service, server)| Meddling::AddServer(service, server)),
        1 => (1..4_u16).prop_map(Meddling::Lock),
        2 => Just(Meddling::Unlock),
        1 => any::<bool>().prop_map(Meddling::Silent),
        6 => Just(Meddling::Quiet),
    ]
}

fn meddle(world: &mut World, meddling: &Meddling) {
    let kernel = &mut world.kernel;
    match meddling {
        Meddling::RemoveService(number) => drop(kernel.table.services.remove(&service_key(*number))),
        Meddling::AddServer(service, server) => {
            let row = Operation::AddDestination(service_key(*service), destination(*server, 5));
            kernel.table.apply(&row);
        }
        Meddling::Lock(number) => drop(kernel.locked.insert(service_key(*number))),
        Meddling::Unlock => kernel.locked.clear(),
        Meddling::Silent(silent) => kernel.silent = *silent,
        Meddling::Quiet => {}
    }
}

/// Runs a world and a model side by side. Each check takes its outcome from the list in turn.
struct Run {
    world: World,
    model: Model,
    places: Vec<(usize, usize, usize)>,
    /// When each check under way ends, and with what.
    ends: BTreeMap<(Instant, CheckerId), Verdict>,
    /// Every check that ended.
    finished: Vec<(Instant, CheckerId)>,
    outcomes: Vec<(u64, Verdict)>,
    next: usize,
}

impl Run {
    fn new(config: &LvsConfig, seed: u64, outcomes: Vec<(u64, Verdict)>) -> Self {
        let mut run = Self {
            world: World::new(config.clone(), seed),
            model: Model::new(config),
            places: places(config),
            ends: BTreeMap::new(),
            finished: Vec::new(),
            outcomes,
            next: 0,
        };
        run.world.event(Event::Start);
        run
    }

    fn give_outcomes(&mut self) {
        for (checker, since) in core::mem::take(&mut self.world.running) {
            let (millis, verdict) = self.outcomes[self.next % self.outcomes.len()].clone();
            self.next += 1;
            self.ends.insert((since + Duration::from_millis(millis), checker), verdict);
        }
    }

    /// Goes on to the next thing that happens, unless that is after `end`.
    fn step(&mut self, end: Instant) -> bool {
        self.give_outcomes();
        let finish = self.ends.keys().next().copied();
        let wake = self.world.director.next_deadline();
        match (finish, wake) {
            (Some((when, checker)), wake) if when <= end && wake.is_none_or(|wake| when <= wake) => {
                self.world.now = self.world.now.max(when);
                let verdict = self.ends.remove(&(when, checker)).unwrap();
                self.finished.push((self.world.now, checker));
                self.model.heard(self.places[checker.0], &verdict);
                self.world.event(Event::CheckFinished { checker, verdict });
                true
            }
            (_, Some(wake)) if wake <= end => {
                self.world.now = self.world.now.max(wake);
                self.world.event(Event::Wake);
                true
            }
            (_, _) => {
                self.world.now = end;
                false
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_table_is_what_the_model_says_after_every_step(
        config in any_config(), seed in any::<u64>(), outcomes in proptest::collection::vec(any_outcome(), 1..60),
    ) {
        let mut run = Run::new(&config, seed, outcomes);
        prop_assert_eq!(rows_of(&run.world), run.model.rows());
        let end = run.world.now + seconds(60);
        while run.step(end) {
            prop_assert_eq!(rows_of(&run.world), run.model.rows());
        }
        prop_assert!(run.world.operations.iter().all(|(_, done)| *done), "{:?}", run.world.operations);
        let services: Vec<_> = run.world.kernel.table.services.keys().copied().collect();
        let configured: BTreeSet<_> = config.virtual_servers.iter().flat_map(keys).collect();
        prop_assert_eq!(services, configured.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn no_dead_server_serves_no_live_one_is_missing_and_the_sorry_server_stands_in_only_without_quorum(
        config in any_config(), seed in any::<u64>(), outcomes in proptest::collection::vec(any_outcome(), 1..60),
    ) {
        let mut run = Run::new(&config, seed, outcomes);
        let end = run.world.now + seconds(40);
        while run.step(end) {
            let rows = rows_of(&run.world);
            for status in run.world.director.status() {
                let service = config.virtual_servers.iter().find(|service| service.key == status.key).unwrap();
                let sorry = service.sorry_server.as_ref();
                let sorry_key = sorry.map(|s| DestinationKey { address: s.address.ip(), port: s.address.port() });
                prop_assert_eq!(status.sorry_server_in_use, sorry.is_some() && !status.quorum);
                for server in status.servers.iter().filter(|server| Some(server.key) != sorry_key) {
                    let weight = rows.get(&(status.key, server.key)).copied();
                    let serves = server.up && !status.sorry_server_in_use;
                    prop_assert_eq!(weight.is_some_and(|w| w > 0), serves && server.weight > 0);
                    prop_assert!(!serves || weight == Some(server.weight));
                }
                if let Some(key) = sorry_key.filter(|_| !status.servers.iter().any(|s| Some(s.key) == sorry_key)) {
                    let weight = rows.get(&(status.key, key)).copied().unwrap_or(0);
                    prop_assert_eq!(weight == 1, status.sorry_server_in_use);
                }
            }
        }
    }

    #[test]
    fn whatever_others_do_to_the_table_it_is_right_again_soon_after_they_stop(
        config in any_config(),
        seed in any::<u64>(),
        outcomes in proptest::collection::vec(any_outcome(), 1..60),
        meddlings in proptest::collection::vec((any_meddling(), 0..7000_u64), 0..20),
    ) {
        let mut run = Run::new(&config, seed, outcomes);
        let foreign = Operation::AddService(crate::support::service(77));
        run.world.kernel.apply(&foreign).unwrap();
        for (meddling, millis) in &meddlings {
            meddle(&mut run.world, meddling);
            let end = run.world.now + Duration::from_millis(*millis);
            while run.step(end) {}
        }
        run.world.kernel.locked.clear();
        run.world.kernel.silent = false;
        let settled = run.world.now + seconds(11);
        while run.step(settled) {}
        let mut rows = rows_of(&run.world);
        prop_assert!(run.world.kernel.table.services.remove(&service_key(77)).is_some());
        rows.retain(|(service, _), _| *service != service_key(77));
        prop_assert_eq!(rows, run.model.rows());
        prop_assert_eq!(run.world.kernel.table.services.len(), config.virtual_servers.iter().flat_map(keys).count());
    }

    #[test]
    fn each_check_starts_on_its_grid_or_a_pause_after_a_failure(
        config in any_config(), seed in any::<u64>(), outcomes in proptest::collection::vec(any_outcome(), 1..60),
    ) {
        let mut run = Run::new(&config, seed, outcomes);
        let end = run.world.now + seconds(60);
        // The world asserts on the way that no check overlaps itself.
        while run.step(end) {}
        for (number, (service, server, place)) in run.places.iter().enumerate() {
            let timing = &config.virtual_servers[*service].real_servers[*server].checkers[*place].timing;
            let of = |list: &[(Instant, CheckerId)]| -> Vec<Instant> {
                list.iter().filter(|(_, id)| id.0 == number).map(|(when, _)| *when).collect()
            };
            let (starts, ends) = (of(&run.world.started), of(&run.finished));
            prop_assert!(starts[0].since(at(1000)) <= timing.warmup);
            for (start, end_before) in starts[1..].iter().zip(&ends) {
                let on_grid = start.since(starts[0]).as_nanos() % timing.delay_loop.as_nanos() == 0;
                let pause = timing.delay_before_retry.max(Duration::from_millis(1));
                prop_assert!(on_grid || (timing.retry > 0 && *start == *end_before + pause), "{number} at {start:?}");
                prop_assert!(*start <= *end_before + timing.delay_loop.max(pause), "{number} is late at {start:?}");
            }
        }
    }

    #[test]
    fn the_same_seed_and_answers_give_the_same_actions(
        config in any_config(), seed in any::<u64>(), outcomes in proptest::collection::vec(any_outcome(), 1..60),
    ) {
        let run = |seed| {
            let mut run = Run::new(&config, seed, outcomes.clone());
            let end = run.world.now + seconds(20);
            while run.step(end) {}
            (run.world.started, run.world.operations, run.world.notices)
        };
        prop_assert_eq!(run(seed), run(seed));
    }

    #[test]
    fn events_in_any_order_do_no_harm(
        config in any_config(),
        events in proptest::collection::vec((0..9_u8, 0..12_usize, 0..5000_u64, any_outcome()), 0..80),
    ) {
        let mut director = standfast_lvs::Director::new(config, 1);
        let mut now = Instant::ZERO;
        let mut stopped = false;
        for (kind, number, millis, (_, verdict)) in events {
            now += Duration::from_millis(millis);
            let operation = Operation::RemoveDestination(service_key(1), server_key(1));
            let event = match kind {
                0 => Event::Start,
                1..=3 => Event::CheckFinished { checker: CheckerId(number), verdict },
                4 => Event::Wake,
                5 => Event::Observed(director.desired().clone()),
                6 => Event::DumpFailed { error: String::new() },
                7 => Event::OperationFailed { operation, error: String::new() },
                _ => Event::Shutdown { keep_table: number % 2 == 0 },
            };
            let ends = matches!(event, Event::Shutdown { .. });
            let mut out = Output::default();
            director.handle(now, event, &mut out);
            let quiet = out.actions.iter().all(|action| matches!(action, Action::Notice(_) | Action::Notify(_)));
            prop_assert!(!stopped || (quiet && director.next_deadline().is_none()), "{:?} after the end", out.actions);
            stopped |= ends;
        }
    }
}
