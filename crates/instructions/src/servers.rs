//! What the check worker does: checks come due and pass, and tables are compared.

use crate::configuration;
use core::time::Duration;
use standfast_lvs::{Action, Director, Event, Output, Table, Verdict, diff};
use standfast_model::Instant;
use std::collections::BTreeSet;
use std::hint::black_box;

/// A director whose table is in the kernel and whose servers have passed once.
struct Checking {
    director: Director,
    now: Instant,
    out: Output,
}

impl Checking {
    fn begun() -> Self {
        let director = Director::new(configuration::of_services().lvs, 1);
        let mut checking = Self { director, now: Instant::ZERO + Duration::from_secs(1), out: Output::default() };
        checking.event(Event::Start);
        checking.event(Event::Observed(Table::default()));
        // Every server is checked once, however the first checks are spread.
        for _ in 0..2 * configuration::SERVICES * configuration::SERVERS {
            checking.tick();
        }
        checking
    }

    /// Handles an event, and every check that it starts passes at once.
    fn event(&mut self, event: Event) {
        self.director.handle(self.now, event, &mut self.out);
        let mut started = Vec::new();
        for action in self.out.actions.drain(..) {
            if let Action::StartCheck(checker) = action {
                started.push(checker);
            }
        }
        for checker in started {
            let passed = Event::CheckFinished { checker, verdict: Verdict::Ok };
            self.director.handle(self.now, passed, &mut self.out);
        }
        self.out.actions.clear();
    }

    fn tick(&mut self) {
        if let Some(next) = self.director.next_deadline() {
            self.now = self.now.max(next);
            self.event(Event::Wake);
        }
    }
}

/// A deadline comes, the check of one server starts, and it passes.
pub(crate) fn tick(times: u32) {
    let mut checking = Checking::begun();
    for _ in 0..times {
        checking.tick();
    }
    black_box(&checking.director);
}

/// The configuration comes with another weight of one server of a thousand, and is applied.
pub(crate) fn reload(times: u32) {
    let mut checking = Checking::begun();
    let weighted = [2, 1].map(|weight| configuration::of_services_weighted(weight).lvs);
    for config in weighted.iter().cycle().take(usize::try_from(times).unwrap_or(usize::MAX)) {
        checking.event(Event::Reload(Box::new(black_box(config.clone()))));
        checking.tick();
    }
    black_box(&checking.director);
}

/// What a successor is to know of a thousand servers is put into the form in which it is kept.
pub(crate) fn note(times: u32) {
    let checking = Checking::begun();
    for _ in 0..times {
        black_box(standfast_api::encode(&black_box(&checking.director).memory()).map_or(0, |bytes| bytes.len()));
    }
}

/// Two tables that differ in one service of a hundred.
pub(crate) fn compare_tables(times: u32) {
    let desired = Checking::begun().director.desired().clone();
    assert_eq!(desired.services.len(), configuration::SERVICES);
    let ours: BTreeSet<_> = desired.services.keys().copied().collect();
    let mut observed = desired.clone();
    if let Some(entry) = observed.services.values_mut().nth(50) {
        entry.destinations.clear();
    }
    for _ in 0..times {
        let operations = diff(black_box(&desired), black_box(&observed), &ours);
        assert_eq!(operations.len(), configuration::SERVERS);
        black_box(operations);
    }
}
