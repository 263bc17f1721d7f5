//! What the `check` worker knew, in a file that outlives the process that wrote it.
//!
//! The kernel's table shows a successor who served, but not why, nor what an operator had ordered, nor what of the table
//! was ours if it is configured no more. The file is in `/run`, beside the times of advertisements, and like them worth
//! something only in the same boot and the same network namespace. Nothing here judges what it holds.

use crate::stamps::open_locked;
use core::time::Duration;
use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};
use standfast_api::{decode, encode};
use standfast_lvs::{Director, Memory};
use standfast_model::Instant;
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

/// Length and checksum of what follows.
const HEADER_BYTES: usize = 16;

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

/// The notes of the running worker.
#[derive(Debug)]
pub struct Verdicts {
    file: File,
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
        let verdicts = Self { file, boot, namespace, changed: true, next: Instant::ZERO, complained: false };
        let memory = verdicts.read().unwrap_or_else(|error| {
            debug!("what checks had said cannot be read: {error}");
            None
        });
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
        if let Err(error) = self.file.set_len(0) {
            warn!("what checks have said cannot be forgotten: {error}");
        }
    }

    fn put(&self, content: &[u8]) -> io::Result<()> {
        let length = content.len() as u64;
        let mut bytes = [length.to_le_bytes(), checksum(content).to_le_bytes()].concat();
        bytes.extend_from_slice(content);
        self.file.write_all_at(&bytes, 0)?;
        self.file.set_len(bytes.len() as u64)
    }

    /// Nothing, unless a whole page of this boot and this network namespace is there. A process that was killed while it
    /// wrote leaves one whose checksum is wrong.
    fn read(&self) -> io::Result<Option<Memory>> {
        let length = self.file.metadata()?.len().min(MAX_BYTES);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.file.read_exact_at(&mut bytes, 0)?;
        let Some((header, content)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let expected = [(content.len() as u64).to_le_bytes(), checksum(content).to_le_bytes()].concat();
        if header[..] != expected[..] {
            return Ok(None);
        }
        let page: Page = decode(content).map_err(io::Error::other)?;
        Ok((page.boot == self.boot && page.namespace == self.namespace).then_some(page.memory))
    }
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

    fn director(servers: u8) -> Director {
        let key = ServiceKey::Address { address: [192, 0, 2, 1].into(), port: 80, protocol: Protocol::Tcp };
        let server = |n: u8| RealServer::plain(([10, 0, 0, n], 80).into(), Forwarding::Nat);
        let service = VirtualServer { real_servers: (1..=servers).map(server).collect(), ..VirtualServer::plain(key) };
        let mut director = Director::new(LvsConfig { virtual_servers: vec![service], ..LvsConfig::default() }, 1);
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
    fn a_page_of_another_boot_or_namespace_or_one_half_written_is_nothing() {
        let file = file();
        let (mut verdicts, _) = taken_over(&file);
        verdicts.write(Instant::ZERO, &director(3));
        let mut good = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
        file.read_exact_at(&mut good, 0).unwrap();
        for place in 0..good.len() {
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
