//! What operators order, what checks say of weights and when checks are not believed, against a second opinion: a model
//! that hears the same words and works out one table after the other from them.

use crate::model::rows_of;
use crate::support::{
    World, config, real_server, seconds, server_key, service_key, sorry_server, timing, virtual_server,
};
use core::time::Duration;
use proptest::prelude::*;
use standfast_lvs::{CheckWeight, CheckerId, Connections, Event, Order, Reason, ServerName, Verdict};
use standfast_model::config::lvs::{RealServer, VirtualServer};
use standfast_model::ipvs::{DestinationKey, ServiceKey};
use std::collections::BTreeMap;

/// What is said of a server.
#[derive(Clone, Debug)]
enum Word {
    Check(Verdict),
    Operator(Order),
}

/// What somebody wants of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wish {
    Serve,
    Leave,
    Stay,
}

#[derive(Clone, Debug)]
struct Server {
    configured: i64,
    inhibit: bool,
    up: bool,
    said: Option<CheckWeight>,
    ordered: Option<i64>,
    wish: Wish,
    /// It serves although it is down.
    trusted: bool,
}

impl Server {
    fn weight(&self) -> u32 {
        let base = self.ordered.unwrap_or(self.configured);
        let weight = match self.said {
            None => base,
            Some(CheckWeight::Absolute(weight)) => base + i64::from(weight) - self.configured,
            Some(CheckWeight::Relative(more)) => base + more,
        };
        u32::try_from(weight.clamp(0, i64::from(i32::MAX))).unwrap()
    }

    fn serves(&self) -> bool {
        self.wish == Wish::Serve && (self.up || self.trusted)
    }
}

#[derive(Debug)]
struct Model {
    service: VirtualServer,
    servers: Vec<Server>,
    /// Connections never end.
    busy: bool,
    panic: bool,
    quorum: bool,
}

impl Model {
    fn new(service: &VirtualServer, busy: bool) -> Self {
        let server = |server: &RealServer| Server {
            configured: i64::from(server.weight),
            inhibit: server.inhibit_on_failure,
            up: true,
            said: None,
            ordered: None,
            wish: Wish::Serve,
            trusted: false,
        };
        let servers = service.real_servers.iter().map(server).collect();
        let mut model = Self { service: service.clone(), servers, busy, panic: false, quorum: false };
        model.judge(None);
        model
    }

    fn hear(&mut self, number: usize, word: &Word) {
        let was_up = self.servers[number].up;
        let server = &mut self.servers[number];
        match word {
            Word::Check(Verdict::Failed(_)) => server.up = false,
            Word::Check(Verdict::OkWithWeight(weight)) => (server.up, server.said) = (true, Some(*weight)),
            Word::Check(_) => server.up = true,
            Word::Operator(Order::SetWeight(weight)) => server.ordered = Some(i64::from(*weight)),
            Word::Operator(Order::Ready) => {
                server.ordered = None;
                self.judge(None);
                self.servers[number].wish = Wish::Serve;
            }
            Word::Operator(Order::Disable) => server.wish = Wish::Leave,
            Word::Operator(Order::Drain { .. }) => {
                server.wish = Wish::Stay;
                if !self.busy {
                    self.judge(None);
                    self.servers[number].wish = Wish::Leave;
                }
            }
        }
        self.judge((was_up && !self.servers[number].up).then_some(number));
    }

    /// `fell` was up until now.
    fn judge(&mut self, fell: Option<usize>) {
        let wanted = self.servers.iter().filter(|server| server.wish == Wish::Serve).count();
        let up = self.servers.iter().filter(|server| server.wish == Wish::Serve && server.up).count();
        let percent = self.service.options.panic_threshold.map_or(0, usize::from);
        let panic = up * 100 < wanted * percent;
        for (number, server) in self.servers.iter_mut().enumerate() {
            server.trusted = match (self.panic, panic) {
                // Believed.
                (_, false) => false,
                // Whoever served a moment ago.
                (false, true) => server.up || fell == Some(number),
                // And whoever served since.
                (true, true) => server.trusted || fell == Some(number),
            };
        }
        self.panic = panic;
        let live: u64 = self.servers.iter().filter(|server| server.serves()).map(|s| u64::from(s.weight())).sum();
        let (quorum, hysteresis) = (u64::from(self.service.quorum), u64::from(self.service.hysteresis));
        self.quorum = live > 0 && if self.quorum { live + hysteresis >= quorum } else { live >= quorum + hysteresis };
    }

    fn rows(&self) -> BTreeMap<(ServiceKey, DestinationKey), u32> {
        let mut rows = BTreeMap::new();
        let sorry = self.service.sorry_server.is_some() && !self.quorum;
        for (server, number) in self.servers.iter().zip(1..) {
            let weight = match server.wish {
                Wish::Leave => None,
                Wish::Stay => Some(0),
                Wish::Serve if server.serves() && !sorry => Some(server.weight()),
                Wish::Serve => server.inhibit.then_some(0),
            };
            rows.extend(weight.map(|weight| ((self.service.key, server_key(number)), weight)));
        }
        if let Some(last) = &self.service.sorry_server
            && (sorry || last.inhibit)
        {
            rows.insert((self.service.key, server_key(9)), u32::from(sorry));
        }
        rows
    }
}

fn any_word() -> impl Strategy<Value = Word> {
    let check = prop_oneof![
        4 => Just(Verdict::Ok),
        5 => Just(Verdict::Failed(Reason::Refused)),
        1 => (0..9_u32).prop_map(|weight| Verdict::OkWithWeight(CheckWeight::Absolute(weight))),
        1 => (-6..9_i64).prop_map(|more| Verdict::OkWithWeight(CheckWeight::Relative(more))),
    ];
    let order = prop_oneof![
        3 => Just(Order::Ready),
        1 => Just(Order::Disable),
        1 => Just(Order::Drain { within: None }),
        1 => (0..9_u32).prop_map(Order::SetWeight),
    ];
    prop_oneof![3 => check.prop_map(Word::Check), 1 => order.prop_map(Word::Operator)]
}

fn any_service() -> impl Strategy<Value = VirtualServer> {
    let server = |number| {
        (0..5_u32, any::<bool>()).prop_map(move |(weight, inhibit_on_failure)| RealServer {
            weight,
            inhibit_on_failure,
            ..real_server(number, timing())
        })
    };
    let servers = (1..6_usize).prop_flat_map(move |count| (1_u16..).take(count).map(server).collect::<Vec<_>>());
    let sorry = prop_oneof![Just(None), any::<bool>().prop_map(|inhibit| Some(sorry_server(9, inhibit)))];
    let panic = prop_oneof![1 => Just(None), 3 => (1..=100_u8).prop_map(Some)];
    (servers, 0..8_u32, 0..4_u32, sorry, panic).prop_map(|(servers, quorum, hysteresis, sorry_server, panic)| {
        let hysteresis = hysteresis.min(quorum.saturating_sub(1));
        let mut service = VirtualServer { quorum, hysteresis, sorry_server, ..virtual_server(1, servers) };
        service.options.panic_threshold = panic;
        service
    })
}

/// A world in which connections last, or in which there are none.
fn world(service: &VirtualServer, busy: bool) -> World {
    let mut world = World::started(config(vec![service.clone()]));
    for number in 1..=5 {
        let one = Connections { active: u32::from(busy), ..Connections::default() };
        world.kernel.activity.insert((service_key(1), server_key(number)), one);
    }
    world
}

fn say(world: &mut World, number: usize, word: &Word) {
    let server = ServerName { service: service_key(1), server: server_key(u16::try_from(number + 1).unwrap()) };
    world.event(match word {
        Word::Check(verdict) => Event::CheckReported { checker: CheckerId(number), verdict: verdict.clone() },
        Word::Operator(order) => Event::Order { server, order: *order },
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn after_every_word_the_table_is_what_the_model_says(
        service in any_service(), busy in any::<bool>(),
        words in proptest::collection::vec((0..5_usize, any_word()), 1..40),
    ) {
        let (mut world, mut model) = (world(&service, busy), Model::new(&service, busy));
        prop_assert_eq!(rows_of(&world), model.rows());
        for (number, word) in words {
            let number = number % service.real_servers.len();
            say(&mut world, number, &word);
            model.hear(number, &word);
            prop_assert_eq!(rows_of(&world), model.rows(), "after {:?} of {}", word, number + 1);
            let status = world.director.status().next().unwrap();
            prop_assert_eq!((status.panic, status.quorum), (model.panic, model.quorum));
        }
    }

    #[test]
    fn slow_start_changes_weights_on_their_way_up_and_nothing_else(
        service in any_service(), slow in 1..30_u64,
        words in proptest::collection::vec((0..5_usize, any_word(), 0..9000_u64), 1..30),
    ) {
        let mut slowly = service.clone();
        slowly.options.slow_start = seconds(slow);
        let (mut slowly, mut model) = (world(&slowly, true), Model::new(&service, true));
        for (number, word, millis) in words {
            let number = number % service.real_servers.len();
            say(&mut slowly, number, &word);
            model.hear(number, &word);
            slowly.pass(Duration::from_millis(millis));
            let (shown, whole) = (rows_of(&slowly), model.rows());
            prop_assert!(shown.keys().eq(whole.keys()));
            for (row, weight) in &shown {
                // Never none of a weight, and never more than it.
                prop_assert!((whole[row].min(1)..=whole[row]).contains(weight), "{weight} of {}", whole[row]);
            }
        }
        slowly.pass(seconds(slow + 1));
        prop_assert_eq!(rows_of(&slowly), model.rows());
    }

    #[test]
    fn a_successor_that_remembers_has_the_same_table(
        service in any_service(),
        words in proptest::collection::vec((0..5_usize, any_word()), 1..30),
    ) {
        let mut world = world(&service, true);
        for (number, word) in words {
            say(&mut world, number % service.real_servers.len(), &word);
        }
        let mut successor = standfast_lvs::Director::new(config(vec![service]), 1);
        successor.remember(world.director.memory());
        prop_assert_eq!(successor.desired(), world.director.desired());
    }
}
