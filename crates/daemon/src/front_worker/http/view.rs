//! What the answers are made of, and the answers that have just been made.

use super::Ledger;
use hyper::body::Bytes;
use standfast_api::{FrontSlice, Snapshot};
use standfast_kernel::timer::{boottime, wall_clock};
use standfast_model::Instant;
use standfast_page::directors::{Director, is_master_elsewhere};
use standfast_page::history::Availability;
use standfast_page::report::{Beside, Report, conditions, service_name};
use standfast_page::traffic::{Samples, Traffic};
use std::collections::BTreeMap;
use std::io::Read as _;

/// How long an answer that was made is good for whoever asks next.
pub(super) const GOOD_FOR: core::time::Duration = core::time::Duration::from_millis(500);

/// Where the kernel tells of its connections.
const TABLE: &str = "/proc/net/ip_vs";

/// The most of it that is read: some hundred thousand real servers.
const MAX_TABLE_BYTES: u64 = 16 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct View {
    ledger: Ledger,
    pub(super) samples: Samples,
    traffic: Option<Traffic>,
    pub(super) directors: Vec<Director>,
    made: BTreeMap<&'static str, (Instant, Bytes)>,
    /// When the workers were last asked.
    pub(super) asked: Option<Instant>,
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    u64::try_from(wall_clock().as_millis()).unwrap_or(u64::MAX)
}

impl View {
    pub(super) const fn new(ledger: Ledger) -> Self {
        Self {
            ledger,
            samples: Samples::new(),
            traffic: None,
            directors: Vec::new(),
            made: BTreeMap::new(),
            asked: None,
        }
    }

    pub(super) const fn history(&self) -> &standfast_page::history::History {
        &self.ledger.history
    }

    /// Whom to know, with what is known of whom already.
    pub(super) fn configure(&mut self, slice: &FrontSlice) {
        let known = core::mem::take(&mut self.directors);
        self.made.clear();
        self.directors = slice
            .http
            .peers
            .iter()
            .map(|peer| {
                let address = peer.address.to_string();
                known.iter().find(|known| known.name == peer.name && known.address == address).cloned().unwrap_or(
                    Director {
                        name: peer.name.clone(),
                        address,
                        said: Err("it has not been asked yet".to_owned()),
                        answered_unix_ms: None,
                    },
                )
            })
            .collect();
    }

    /// Another director has said something, or nothing. True if the page shows something else now.
    pub(super) fn heard(&mut self, index: usize, said: Result<Report, String>) -> bool {
        let Some(director) = self.directors.get_mut(index) else { return false };
        let states = |said: &Result<Report, String>| -> Result<Vec<(String, String)>, String> {
            let report = said.as_ref().map_err(Clone::clone)?;
            Ok(report.instances.iter().map(|one| (one.name.clone(), one.state.clone())).collect())
        };
        let changed = states(&director.said) != states(&said);
        if said.is_ok() {
            director.answered_unix_ms = Some(now_ms());
        }
        director.said = said;
        changed
    }

    /// Takes in how things are.
    pub(super) fn observe(&mut self, snapshot: &Snapshot) {
        let directors = &self.directors;
        let known =
            conditions(snapshot, |instance| is_master_elsewhere(directors, &instance.name, instance.vrid.get()));
        let lines = self.ledger.history.observe(now_ms(), &known);
        self.ledger.add(&lines);
    }

    /// Looks at what nobody tells of.
    pub(super) fn look(&mut self, snapshot: &Snapshot) {
        self.observe(snapshot);
        self.read_table(snapshot);
        let services = snapshot.check().into_iter().flat_map(|check| &check.services);
        let traffic = self.traffic.as_ref();
        let counted: Vec<(String, u64)> = services
            .filter_map(|service| Some((service_name(&service.key), traffic?.of_service(&service.key)?.active)))
            .collect();
        self.samples.add(counted.iter().map(|(name, active)| (name.as_str(), *active)));
    }

    /// Reads the kernel's connections, if there is anything of ours to count.
    pub(super) fn read_table(&mut self, snapshot: &Snapshot) {
        if snapshot.check().is_none_or(|check| check.services.is_empty()) {
            self.traffic = None;
            return;
        }
        let mut text = String::new();
        let read = std::fs::File::open(TABLE).and_then(|file| file.take(MAX_TABLE_BYTES).read_to_string(&mut text));
        // The module is loaded by whoever programs it first, and may never be.
        self.traffic = read.is_ok().then(|| Traffic::read(&text));
    }

    pub(super) fn report(&self, snapshot: &Snapshot, name: &str) -> Report {
        Report::of(snapshot, name, self)
    }

    /// An answer that is still good.
    pub(super) fn made(&self, what: &str) -> Option<Bytes> {
        let (when, bytes) = self.made.get(what)?;
        (boottime().since(*when) < GOOD_FOR).then(|| bytes.clone())
    }

    pub(super) fn keep(&mut self, what: &'static str, bytes: &Bytes) {
        self.made.insert(what, (boottime(), bytes.clone()));
    }
}

impl Beside for View {
    fn availability(&self, key: &str) -> Option<Availability> {
        self.ledger.history.availability(key, now_ms())
    }

    fn traffic(&self) -> Option<&Traffic> {
        self.traffic.as_ref()
    }
}
