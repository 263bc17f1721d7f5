//! Keeps the kernel's table equal to the desired one: when to read it, what to send, what to do about refusals.
//!
//! IPVS tells nobody of changes, so the table is read at intervals and set right where someone else changed our part
//! of it. Between two readings the table is taken to be what the last reading and our own operations made of it. This
//! module decides nothing about what is desired.

use crate::diff::diff;
use crate::notice::Notice;
use crate::output::{Action, Output};
use crate::table::{Entry, Operation, Row, Table};
use core::time::Duration;
use standfast_model::Instant;
use standfast_model::ipvs::{Destination, DestinationKey, ServiceKey};
use std::collections::BTreeSet;

/// From one reading of the table to the next: how long a change by someone else can last. Shorter would cost more than
/// it mends, since a reading asks the kernel once for every service.
const READ_INTERVAL: Duration = Duration::from_secs(10);

/// What reading one service takes at most, about.
const READING_OF_ONE: Duration = Duration::from_micros(50);

/// Reading takes one part in so many of the time of a processor, for tables of any size.
const READING_SHARE: u32 = 20;

/// From a refusal, or a reading that failed, to the next reading. Doubles while it goes on, up to [`READ_INTERVAL`]: the
/// reason (a module being loaded, memory) may be gone in a moment, or never.
const SHORTEST_RETRY: Duration = Duration::from_secs(1);

/// The reading of the kernel's table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reading {
    /// Not begun, or ended for good.
    Off,
    /// Asked for. What is changed meanwhile it might show before or after.
    Asked,
    /// The next one is due.
    Due(Instant),
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Reconciler {
    desired: Table,
    /// Services of ours that are to leave the table: ours no more as soon as they have.
    retired: BTreeSet<ServiceKey>,
    /// The kernel's table as far as we know; none before the first reading.
    known: Option<Table>,
    /// Services whose desired rows changed since they were last compared.
    changed: BTreeSet<ServiceKey>,
    /// Since when something waits to be applied.
    changed_since: Option<Instant>,
    reading: Reading,
    retry: Duration,
    reading_failed: bool,
    refused: BTreeSet<Row>,
    /// Services that were changed while the table was being read: of these the reading is not believed.
    touched: BTreeSet<ServiceKey>,
    /// Something was refused while the table was being read, so it is read again soon.
    refused_meanwhile: bool,
    /// What was set right at the last reading. Found wrong again at the next, it is not told again: someone else keeps
    /// changing it, or the kernel keeps it in another form than it was given.
    mended: BTreeSet<Row>,
}

impl Reconciler {
    pub(crate) fn new(desired: Table) -> Self {
        Self {
            desired,
            retired: BTreeSet::new(),
            known: None,
            changed: BTreeSet::new(),
            changed_since: None,
            reading: Reading::Off,
            retry: SHORTEST_RETRY,
            reading_failed: false,
            refused: BTreeSet::new(),
            touched: BTreeSet::new(),
            refused_meanwhile: false,
            mended: BTreeSet::new(),
        }
    }

    pub(crate) fn desired(&self) -> &Table {
        &self.desired
    }

    /// Every service that may be in the table because of us.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &ServiceKey> {
        ours(&self.desired, &self.retired)
    }

    fn has_ours(&self) -> bool {
        self.ours().next().is_some()
    }

    /// A predecessor may have put these into the table: what of them is not desired leaves it.
    pub(crate) fn adopt(&mut self, applied: Vec<ServiceKey>) {
        for key in applied {
            if !self.desired.services.contains_key(&key) {
                self.retired.insert(key);
            }
        }
    }

    /// Takes a whole service out of the desired table.
    pub(crate) fn retire(&mut self, now: Instant, key: ServiceKey) {
        self.mark(now, key);
        self.desired.services.remove(&key);
        self.retired.insert(key);
    }

    /// Puts a whole service into the desired table.
    pub(crate) fn set_service(&mut self, now: Instant, entry: Entry) {
        let key = entry.service.key;
        if self.desired.services.get(&key).is_some_and(|desired| **desired == entry) {
            return;
        }
        self.mark(now, key);
        self.retired.remove(&key);
        self.desired.services.insert(key, entry.into());
    }

    /// Puts one row into the desired table, or takes it out.
    pub(crate) fn set_row(&mut self, now: Instant, service: ServiceKey, key: DestinationKey, row: Option<Destination>) {
        self.mark(now, service);
        if let Some(entry) = self.desired.services.get_mut(&service) {
            match row {
                Some(destination) => entry.destinations.insert(destination),
                None => entry.destinations.remove(&key),
            };
        }
    }

    fn mark(&mut self, now: Instant, service: ServiceKey) {
        self.changed.insert(service);
        self.changed_since.get_or_insert(now);
    }

    /// Asks for the table, unless that is under way, or there is nothing of ours to be in it: then the kernel needs no
    /// IPVS.
    pub(crate) fn start(&mut self, out: &mut Output) {
        if self.reading == Reading::Off && self.has_ours() {
            self.reading = Reading::Asked;
            out.push(Action::Dump);
        }
    }

    /// Whether the kernel's table was read at least once, or need not be because nothing of it is ours.
    pub(crate) fn knows_table(&self) -> bool {
        self.known.is_some() || !self.has_ours()
    }

    /// A table that nobody has read, because nothing of it was ours, has nothing of ours.
    pub(crate) fn take_nothing_for_empty(&mut self) {
        self.known.get_or_insert_default();
    }

    /// When [`Self::wake`] has something to do. Changes are due in the moment they are made, but applied on the wake
    /// and not within the event that made them, so that all verdicts that came in together cost one comparison.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let apply = self.changed_since.filter(|_| self.known.is_some());
        match self.reading {
            Reading::Off => None,
            Reading::Asked => apply,
            Reading::Due(due) => Some(apply.map_or(due, |since| since.min(due))),
        }
    }

    pub(crate) fn wake(&mut self, now: Instant, out: &mut Output) {
        match self.reading {
            Reading::Off => {}
            Reading::Due(due) if due <= now => {
                self.apply_changes(out);
                self.reading = Reading::Off;
                self.start(out);
            }
            Reading::Asked => {
                self.touched.extend(&self.changed);
                self.apply_changes(out);
            }
            Reading::Due(_) => self.apply_changes(out),
        }
    }

    fn apply_changes(&mut self, out: &mut Output) {
        let Some(known) = self.known.as_mut().filter(|_| self.changed_since.is_some()) else { return };
        self.changed_since = None;
        let changed = core::mem::take(&mut self.changed);
        let operations = diff(&self.desired, known, &changed);
        known.follow(&self.desired, &changed);
        send(operations, out);
        self.let_go();
    }

    /// Services that were to leave the table and are not in it are ours no more.
    fn let_go(&mut self) {
        let Some(known) = &self.known else { return };
        self.retired.retain(|key| known.services.contains_key(key));
    }

    /// The table was read. Compares all of ours and applies what is missing; what nobody here had changed and the
    /// kernel had not refused must have been someone else's doing, and is told.
    pub(crate) fn observed(&mut self, now: Instant, mut table: Table, out: &mut Output) {
        if self.reading == Reading::Off {
            return;
        }
        self.reading_failed = false;
        self.believe_own_changes(&mut table);
        let operations = diff(&self.desired, &table, self.ours());
        if self.known.is_some() {
            self.tell_mended(&operations, out);
        }
        let missing: BTreeSet<Row> = operations.iter().map(Operation::row).collect();
        self.refused.retain(|row| missing.contains(row));
        if self.refused.is_empty() {
            self.retry = SHORTEST_RETRY;
        }
        self.changed.clear();
        self.changed_since = None;
        let again = core::mem::take(&mut self.refused_meanwhile);
        let pause = if again { self.next_retry() } else { self.interval() };
        self.reading = Reading::Due(now + pause);
        self.known.insert(table).follow(&self.desired, ours(&self.desired, &self.retired));
        send(operations, out);
        self.let_go();
    }

    /// From one reading to the next: longer for tables so large that it would keep the machine busy.
    fn interval(&self) -> Duration {
        let services = u32::try_from(self.desired.services.len() + self.retired.len()).unwrap_or(u32::MAX);
        READ_INTERVAL.max(READING_OF_ONE.saturating_mul(services).saturating_mul(READING_SHARE))
    }

    /// What was changed while the table was being read is as it was changed, whatever the reading shows.
    fn believe_own_changes(&mut self, table: &mut Table) {
        let touched = core::mem::take(&mut self.touched);
        let Some(known) = &self.known else { return };
        for key in touched {
            match known.services.get(&key) {
                Some(entry) => table.services.insert(key, entry.clone()),
                None => table.services.remove(&key),
            };
        }
    }

    /// Tells of operations that neither a change of ours nor a refusal accounts for.
    fn tell_mended(&mut self, operations: &[Operation], out: &mut Output) {
        let explained = |row: Row| self.changed.contains(&row.0) || is_refused(&self.refused, row);
        let mended: Vec<&Operation> = operations.iter().filter(|o| !explained(o.row())).collect();
        let mut news = mended.iter().filter(|o| !self.mended.contains(&o.row()));
        if let Some(first) = news.next() {
            out.notice(Notice::TableMended { operations: 1 + news.count(), first: (*first).clone() });
        }
        self.mended = mended.iter().map(|o| o.row()).collect();
    }

    /// The table could not be read. What is known of it stays in use until it can.
    pub(crate) fn reading_failed(&mut self, now: Instant, error: String, out: &mut Output) {
        if self.reading == Reading::Off {
            return;
        }
        if !self.reading_failed {
            self.reading_failed = true;
            out.notice(Notice::DumpFailed { error });
        }
        self.touched.clear();
        self.reading = Reading::Due(now + self.next_retry());
    }

    /// The kernel refused an operation: what is known of its row is wrong, so the table is read again soon.
    pub(crate) fn refused(&mut self, now: Instant, operation: Operation, error: String, out: &mut Output) {
        let row = operation.row();
        if matches!(operation, Operation::RemoveService(_)) && !self.desired.services.contains_key(&row.0) {
            self.retired.insert(row.0);
        }
        let told = is_refused(&self.refused, row);
        self.refused.insert(row);
        if !told {
            out.notice(Notice::Refused { operation, error });
        }
        match self.reading {
            Reading::Off => {}
            Reading::Asked => self.refused_meanwhile = true,
            // All refusals of one batch share one reading.
            Reading::Due(due) if due <= now + self.retry => {}
            Reading::Due(due) => self.reading = Reading::Due(due.min(now + self.next_retry())),
        }
    }

    fn next_retry(&mut self) -> Duration {
        let pause = self.retry;
        self.retry = pause.saturating_mul(2).min(READ_INTERVAL);
        pause
    }

    /// Takes our services out, or leaves all as it is. Nothing happens after that.
    ///
    /// All of ours are removed and not only those known to be there: the last reading may be ten seconds old or still
    /// under way, and removing what is not there does no harm. A table that never could be read is left alone.
    pub(crate) fn shutdown(&mut self, keep_table: bool, out: &mut Output) {
        let reachable = self.known.is_some() || self.reading == Reading::Asked;
        self.reading = Reading::Off;
        if keep_table {
            return;
        }
        if reachable && self.has_ours() {
            out.push(Action::Apply(self.ours().map(|key| Operation::RemoveService(*key)).collect()));
        }
        self.desired = Table::default();
    }
}

/// Every service that may be in the table because of us: those that should be, and those that are to leave it.
fn ours<'r>(desired: &'r Table, retired: &'r BTreeSet<ServiceKey>) -> impl Iterator<Item = &'r ServiceKey> {
    desired.services.keys().chain(retired)
}

/// Sends operations, which are taken as done; one that is not comes back as a refusal.
fn send(operations: Vec<Operation>, out: &mut Output) {
    if !operations.is_empty() {
        out.push(Action::Apply(operations));
    }
}

/// Whether the row, or the service that it belongs to, was refused: a destination cannot be added to a service that
/// could not.
fn is_refused(refused: &BTreeSet<Row>, row: Row) -> bool {
    refused.contains(&row) || refused.contains(&(row.0, None))
}
