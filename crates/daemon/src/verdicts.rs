//! What the `check` worker knew, in a file that outlives the process that wrote it.
//!
//! The kernel's table shows a successor who served, but not why, nor what an operator had ordered, nor what of the table
//! was ours if it is configured no more. The file is in `/run`, beside the times of advertisements, and like them worth
//! something only in the same boot and the same network namespace. Nothing here judges what it holds.
//!
//! A process can be killed between any two pages of memory that it writes. So what is new is written beside what is in
//! force, and then one of two short records at the beginning of the file, each within a page, says that it is in force
//! from now on.

use crate::stamps::open_locked;
use core::time::Duration;
use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};
use standfast_api::{decode, encode};
use standfast_lvs::{Director, Memory};
use standfast_model::Instant;
use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use tracing::{debug, warn};

/// Written no more often: twenty thousand services with four servers each are about 2 MB, put down in some ten
/// milliseconds. What a successor lacks for that, its first checks make up for.
const PAUSE: Duration = Duration::from_secs(1);

/// The most that is read: a hundred thousand services with four servers each are 10 MB.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// A record: generation, begin and length of a content, its checksum, and the checksum of these four.
const RECORD_BYTES: usize = 40;

/// Where contents may begin: behind the page with the two records.
const CONTENTS: u64 = 4096;

/// What is in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Page {
    boot: String,
    namespace: u64,
    memory: Memory,
}

/// Opens the file, or memory in its place if there is another daemon's or nobody's. Never fails for that: without it, a
/// restart of everything at once goes by the kernel's table alone.
///
/// # Errors
///
/// `EMFILE`, `ENOMEM`: not even memory can be had.
pub fn open_file(path: &Path) -> io::Result<OwnedFd> {
    match open_locked(path) {
        Ok(file) => Ok(file),
        Err(error) => {
            warn!("{}: {error}; what checks have said is kept in memory only", path.display());
            Ok(memfd_create("standfast-verdicts", MemfdFlags::CLOEXEC)?)
        }
    }
}

/// A content of the file that is, or was, in force.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
struct Record {
    /// The later of two is in force. 0 for none.
    generation: u64,
    begin: u64,
    length: u64,
    checksum: u64,
}

/// The notes of the running worker.
#[derive(Debug)]
pub struct Verdicts {
    file: File,
    /// What is in force in the file.
    force: Record,
    boot: String,
    namespace: u64,
    /// What is in the file is out of date.
    changed: bool,
    /// Nothing is written before then.
    next: Instant,
    /// A file that cannot be written is said so once.
    complained: bool,
}

impl Verdicts {
    /// Takes over the file, and what a predecessor left in it.
    ///
    /// # Errors
    ///
    /// The kernel does not say which boot or network namespace this is.
    pub fn take_over(file: OwnedFd) -> io::Result<(Self, Option<Memory>)> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        let namespace = std::fs::metadata("/proc/self/ns/net")?.ino();
        let file = File::from(file);
        let (changed, next, complained) = (true, Instant::ZERO, false);
        let mut verdicts = Self { file, force: Record::default(), boot, namespace, changed, next, complained };
        let (force, memory) = verdicts.read().unwrap_or_else(|error| {
            debug!("what checks had said cannot be read: {error}");
            (Record::default(), None)
        });
        verdicts.force = force;
        Ok((verdicts, memory))
    }

    /// Something is to be noted.
    pub fn change(&mut self) {
        self.changed = true;
    }

    /// An operator has ordered something, which no check would find out again: it is noted at once.
    pub fn order(&mut self) {
        self.changed = true;
        self.next = Instant::ZERO;
    }

    /// When [`Self::write`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.changed.then_some(self.next)
    }

    /// Writes what the director knows, if that is due.
    pub fn write(&mut self, now: Instant, director: &Director) {
        if self.next_deadline().is_none_or(|due| due > now) {
            return;
        }
        (self.changed, self.next) = (false, now + PAUSE);
        let page = Page { boot: self.boot.clone(), namespace: self.namespace, memory: director.memory() };
        let written = encode(&page).map_err(io::Error::other).and_then(|content| self.put(&content));
        if let Err(error) = written
            && !core::mem::replace(&mut self.complained, true)
        {
            warn!("what checks say cannot be kept, a successor will go by the kernel's table: {error}");
        }
    }

    /// A successor is to know nothing: the table was left in order.
    pub fn clear(&mut self) {
        self.changed = false;
        self.force = Record::default();
        if let Err(error) = self.file.set_len(0) {
            warn!("what checks have said cannot be forgotten: {error}");
        }
    }

    /// What is in force already is not written again: with most reloads a successor need know nothing new.
    fn put(&mut self, content: &[u8]) -> io::Result<()> {
        let (record, steps) = steps(self.force, content);
        if self.force.generation != 0 && record.says_the_same_as(self.force) {
            return Ok(());
        }
        for step in steps {
            step.perform(&self.file)?;
        }
        self.force = record;
        Ok(())
    }

    /// What is in force, and what it says if it is of this boot and this network namespace.
    fn read(&self) -> io::Result<(Record, Option<Memory>)> {
        let length = self.file.metadata()?.len();
        let mut records = Vec::new();
        for slot in 0..2 {
            let mut octets = [0; RECORD_BYTES];
            if length >= Record::at(slot) + RECORD_BYTES as u64 {
                self.file.read_exact_at(&mut octets, Record::at(slot))?;
            }
            records.extend(Record::of(&octets));
        }
        records.sort_unstable();
        for record in records.into_iter().rev() {
            let end = record.begin.checked_add(record.length);
            if record.begin < CONTENTS || record.length > MAX_BYTES || end.is_none_or(|end| end > length) {
                continue;
            }
            let mut content = vec![0; usize::try_from(record.length).unwrap_or(0)];
            self.file.read_exact_at(&mut content, record.begin)?;
            if checksum(&content) != record.checksum {
                continue;
            }
            let page: Page = decode(&content).map_err(io::Error::other)?;
            let ours = page.boot == self.boot && page.namespace == self.namespace;
            return Ok((record, ours.then_some(page.memory)));
        }
        Ok((Record::default(), None))
    }
}

impl Record {
    /// Where the records are, that of an even generation and that of an odd one.
    const fn at(slot: u64) -> u64 {
        slot * RECORD_BYTES as u64
    }

    fn says_the_same_as(self, other: Self) -> bool {
        (self.length, self.checksum) == (other.length, other.checksum)
    }

    fn octets(self) -> Vec<u8> {
        let fields = [self.generation, self.begin, self.length, self.checksum];
        let mut octets = fields.map(u64::to_le_bytes).concat();
        octets.extend(checksum(&octets).to_le_bytes());
        octets
    }

    /// None of octets that are no record, or that of nothing.
    fn of(octets: &[u8; RECORD_BYTES]) -> Option<Self> {
        let (words, _) = octets.as_chunks::<8>();
        let [generation, begin, length, sum, own] = *words else { return None };
        let fields = [generation, begin, length, sum];
        let [generation, begin, length, sum] = fields.map(u64::from_le_bytes);
        let good = generation != 0 && u64::from_le_bytes(own) == checksum(&fields.concat());
        good.then_some(Self { generation, begin, length, checksum: sum })
    }
}

/// One thing done to the file; the process may be killed before, within and after it.
#[derive(Debug)]
enum Step<'a> {
    Write(u64, Cow<'a, [u8]>),
    Cut(u64),
}

impl Step<'_> {
    fn perform(&self, file: &File) -> io::Result<()> {
        match self {
            Self::Write(at, octets) => file.write_all_at(octets, *at),
            Self::Cut(length) => file.set_len(*length),
        }
    }
}

/// What puts a content in force in the place of another, and the record of it then.
fn steps(force: Record, content: &[u8]) -> (Record, [Step<'_>; 3]) {
    let length = content.len() as u64;
    // In front of the other if it fits there, so that the file does not wander off.
    let fits = force.generation == 0 || CONTENTS + length <= force.begin;
    let behind = force.begin.saturating_add(force.length).saturating_add(CONTENTS) / CONTENTS * CONTENTS;
    let begin = if fits { CONTENTS } else { behind };
    let record = Record { generation: force.generation.saturating_add(1), begin, length, checksum: checksum(content) };
    let written = Step::Write(begin, content.into());
    let in_force = Step::Write(Record::at(record.generation % 2), record.octets().into());
    (record, [written, in_force, Step::Cut(begin + length)])
}

/// FNV-1a over 64 bits: against a page half written, not against malice; nobody else can write the file.
fn checksum(content: &[u8]) -> u64 {
    content
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use standfast_lvs::{Event, Output};
    use standfast_model::config::LvsConfig;
    use standfast_model::config::lvs::{RealServer, VirtualServer};
    use standfast_model::ipvs::{Forwarding, Protocol, ServiceKey};

    /// A service with so many servers of that weight.
    fn config(servers: u8, weight: u32) -> LvsConfig {
        let key = ServiceKey::Address { address: [192, 0, 2, 1].into(), port: 80, protocol: Protocol::Tcp };
        let plain = |n: u8| RealServer::plain(([10, 0, 0, n], 80).into(), Forwarding::Nat);
        let server = |n: u8| RealServer { weight, ..plain(n) };
        let service = VirtualServer { real_servers: (1..=servers).map(server).collect(), ..VirtualServer::plain(key) };
        LvsConfig { virtual_servers: vec![service], ..LvsConfig::default() }
    }

    fn director(servers: u8) -> Director {
        let mut director = Director::new(config(servers, 1), 1);
        director.handle(Instant::ZERO, Event::Start, &mut Output::default());
        director
    }

    fn file() -> File {
        File::from(memfd_create("test", MemfdFlags::CLOEXEC).unwrap())
    }

    fn taken_over(file: &File) -> (Verdicts, Option<Memory>) {
        Verdicts::take_over(file.try_clone().unwrap().into()).unwrap()
    }

    #[test]
    fn a_successor_gets_what_was_written_last_and_nothing_after_an_orderly_end() {
        let file = file();
        let (mut verdicts, memory) = taken_over(&file);
        assert_eq!(memory, None);
        verdicts.write(Instant::from_nanos(5), &director(30));
        assert_eq!(taken_over(&file).1, Some(director(30).memory()));
        verdicts.change();
        let due = verdicts.next_deadline().unwrap();
        assert_eq!(due, Instant::from_nanos(5) + PAUSE);
        verdicts.write(Instant::from_nanos(6), &director(2));
        assert_eq!(taken_over(&file).1, Some(director(30).memory()), "too early");
        verdicts.write(due, &director(2));
        assert_eq!((taken_over(&file).1, verdicts.next_deadline()), (Some(director(2).memory()), None));
        verdicts.order();
        verdicts.write(due, &director(4));
        assert_eq!(taken_over(&file).1, Some(director(4).memory()), "an order waits for nothing");
        verdicts.clear();
        assert_eq!(taken_over(&file).1, None);
    }

    #[test]
    fn what_is_in_the_file_already_is_not_written_again() {
        let file = file();
        let (mut verdicts, _) = taken_over(&file);
        let mut generations = Vec::new();
        for servers in [3, 3, 3, 4, 3] {
            verdicts.order();
            verdicts.write(Instant::ZERO, &director(servers));
            assert_eq!(taken_over(&file).1, Some(director(servers).memory()));
            generations.push(verdicts.force.generation);
        }
        assert_eq!(generations, [1, 1, 1, 2, 3]);
        // A worker that takes over goes on from there, and one that has cleared the file begins anew.
        let (mut successor, _) = taken_over(&file);
        successor.write(Instant::ZERO, &director(3));
        assert_eq!(successor.force.generation, 3);
        successor.clear();
        successor.order();
        successor.write(Instant::ZERO, &director(3));
        assert_eq!(taken_over(&file).1, Some(director(3).memory()));
    }

    #[test]
    fn a_reload_that_changes_weights_leaves_nothing_to_be_noted_and_one_that_takes_a_server_away_does() {
        let file = file();
        let (mut verdicts, _) = taken_over(&file);
        let mut director = director(30);
        verdicts.write(Instant::ZERO, &director);
        for (servers, weight, generation) in [(30, 7, 1), (30, 1, 1), (29, 1, 2)] {
            let reload = Event::Reload(Box::new(config(servers, weight)));
            director.handle(Instant::ZERO, reload, &mut Output::default());
            verdicts.order();
            verdicts.write(Instant::ZERO, &director);
            assert_eq!(verdicts.force.generation, generation, "{servers} servers of weight {weight}");
        }
    }

    #[test]
    fn whoever_is_killed_while_it_writes_leaves_what_was_before_or_what_is_new_and_never_nothing() {
        // Each grows or shrinks beside the one before, in every order of sizes.
        for sizes in [[1, 60, 2, 2, 30], [60, 1, 1, 40, 40], [9, 9, 9, 9, 9]] {
            let file = file();
            let mut before: Option<Memory> = None;
            for size in sizes {
                let (verdicts, found) = taken_over(&file);
                assert_eq!(found, before);
                let memory = director(size).memory();
                let page = Page { boot: verdicts.boot, namespace: verdicts.namespace, memory: memory.clone() };
                let content = encode(&page).unwrap();
                for step in steps(verdicts.force, &content).1 {
                    if let Step::Write(at, octets) = &step {
                        for length in 0..octets.len() {
                            file.write_all_at(&octets[..length], *at).unwrap();
                            // What is missing may be there already, of what lay there before.
                            let mut there = vec![0; octets.len()];
                            let whole = file.read_exact_at(&mut there, *at).is_ok() && there == octets[..];
                            let found = taken_over(&file).1;
                            assert!(found == before || whole && found.as_ref() == Some(&memory), "{length} at {at}");
                        }
                    }
                    step.perform(&file).unwrap();
                    let found = taken_over(&file).1;
                    assert!(found == before || found.as_ref() == Some(&memory), "after {step:?}");
                    before = found;
                }
                assert_eq!(before.as_ref(), Some(&memory));
            }
            let grown = file.metadata().unwrap().len();
            assert!(grown < 3 * CONTENTS + 3 * encode(&director(60).memory()).unwrap().len() as u64, "{grown}");
        }
    }

    #[test]
    fn a_page_of_another_boot_or_namespace_or_one_that_was_tampered_with_is_nothing() {
        let file = file();
        let (mut verdicts, _) = taken_over(&file);
        verdicts.write(Instant::ZERO, &director(3));
        let mut good = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
        file.read_exact_at(&mut good, 0).unwrap();
        // One record is in use, and the rest of its page is not.
        let used = (RECORD_BYTES..2 * RECORD_BYTES).chain(4096..good.len());
        for place in used {
            let mut bad = good.clone();
            bad[place] ^= 0x20;
            file.write_all_at(&bad, 0).unwrap();
            assert_eq!(taken_over(&file).1, None, "byte {place}");
        }
        for length in 0..good.len() {
            file.set_len(0).unwrap();
            file.write_all_at(&good[..length], 0).unwrap();
            assert_eq!(taken_over(&file).1, None, "{length} bytes");
        }
        // A record that points anywhere reads nothing that is not there, and what is whole behind it is found.
        for (begin, length) in [(0, 10), (4096, u64::MAX), (u64::MAX, 10), (4096, MAX_BYTES), (4096, 7)] {
            let record = Record { generation: u64::MAX, begin, length, checksum: checksum(&[]) };
            file.write_all_at(&good, 0).unwrap();
            file.write_all_at(&record.octets(), 0).unwrap();
            assert_eq!(taken_over(&file).1, Some(director(3).memory()), "{record:?}");
        }
        file.write_all_at(&good, 0).unwrap();
        for other in [
            Verdicts { boot: "another".to_owned(), ..taken_over(&file).0 },
            Verdicts { namespace: 1, ..taken_over(&file).0 },
        ] {
            let mut other = Verdicts { changed: true, ..other };
            other.write(Instant::ZERO, &director(3));
            assert!(file.metadata().unwrap().len() > 50);
            assert_eq!(taken_over(&file).1, None);
        }
    }
}
