//! What the `bfd` worker knows of each session that is up, in a file that outlives the process that wrote it.
//!
//! The worker notes it after whatever it has heard and sent. Its successor reads the notes, and the core decides by their
//! age whether a session goes on or begins anew. Like the notes of advertisements the file is in `/run` and worth something
//! only in the same boot and the same network namespace. Nothing here judges an age.

use crate::stamps::{header, open_locked};
use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};
use standfast_api::{decode, encode};
use standfast_bfd::Note;
use standfast_model::config::bfd::BfdSession;
use standfast_model::config::track::BfdId;
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use tracing::warn;

/// The header has that much room, and so has each record: none crosses a page, so that each is written whole or not at all.
/// Two octets of length, a name of 31 octets, two addresses and the note are half of it.
const RECORD_BYTES: usize = 256;

/// The most that is read: records of four thousand sessions.
const MAX_BYTES: u64 = 1024 * 1024;

/// Opens the file, or memory in its place if there is another daemon's or nobody's.
///
/// # Errors
///
/// `EMFILE`, `ENOMEM`: not even memory can be had.
pub fn open_file(path: &Path) -> io::Result<OwnedFd> {
    match open_locked(path) {
        Ok(file) => Ok(file),
        Err(error) => {
            warn!("{}: {error}; BFD sessions are noted in memory only", path.display());
            Ok(memfd_create("standfast-bfd", MemfdFlags::CLOEXEC)?)
        }
    }
}

/// What makes a session the same for a successor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Key {
    name: String,
    neighbor: IpAddr,
    source: Option<IpAddr>,
    multihop: bool,
    ttl: u8,
    passive: bool,
}

impl Key {
    fn of(session: &BfdSession) -> Self {
        let BfdSession { name, neighbor, source, multihop, ttl, passive, .. } = session;
        let (neighbor, source, multihop, ttl, passive) = (*neighbor, *source, *multihop, *ttl, *passive);
        Self { name: name.clone(), neighbor, source, multihop, ttl, passive }
    }
}

/// The notes of the running worker.
#[derive(Debug)]
pub struct BfdNotes {
    file: File,
    /// What is written, in the order of the configuration.
    written: Vec<(Key, Option<Note>)>,
    /// A file that cannot be written is said so once.
    complained: bool,
}

impl BfdNotes {
    /// Takes over the file: what a predecessor noted of these sessions comes back, and stays noted.
    #[must_use]
    pub fn take_over(file: OwnedFd, sessions: &[BfdSession]) -> (Self, Vec<(BfdId, Note)>) {
        let mut notes = Self { file: File::from(file), written: Vec::new(), complained: false };
        notes.written = notes.read().unwrap_or_default().into_iter().map(|(key, note)| (key, Some(note))).collect();
        notes.renumber(sessions);
        let found = (0..).map(BfdId).zip(&notes.written);
        let found = found.filter_map(|(id, (_, note))| note.map(|note| (id, note))).collect();
        (notes, found)
    }

    /// The sessions are others from now on. Those that were there before keep their notes.
    pub fn renumber(&mut self, sessions: &[BfdSession]) {
        let before = core::mem::take(&mut self.written);
        let note_of = |key: &Key| before.iter().find(|(known, _)| known == key).and_then(|(_, note)| *note);
        let keys = sessions.iter().map(Key::of);
        self.written = keys.map(|key| (key.clone(), note_of(&key))).collect();
        let outcome = header().and_then(|header| {
            let mut bytes = header.to_vec();
            bytes.resize(RECORD_BYTES, 0);
            for (key, note) in &self.written {
                bytes.extend(record(key, note.as_ref())?);
            }
            self.file.write_all_at(&bytes, 0)?;
            self.file.set_len(bytes.len() as u64)
        });
        self.complain(outcome);
    }

    /// Notes how it stands with every session, in the order of the configuration; with those that are missing there is
    /// nothing to go on. What is written already costs nothing.
    pub fn write(&mut self, mut notes: impl Iterator<Item = Option<Note>>) {
        let mut outcome = Ok(());
        for (place, (key, written)) in (1_u64..).zip(&mut self.written) {
            let note = notes.next().flatten();
            if *written == note {
                continue;
            }
            *written = note;
            let put = record(key, note.as_ref())
                .and_then(|record| self.file.write_all_at(&record, place * RECORD_BYTES as u64));
            outcome = outcome.and(put);
        }
        self.complain(outcome);
    }

    fn complain(&mut self, outcome: io::Result<()>) {
        if let Err(error) = outcome
            && !core::mem::replace(&mut self.complained, true)
        {
            warn!("BFD sessions cannot be noted, a successor will begin them anew: {error}");
        }
    }

    /// What is noted in this boot and this network namespace.
    fn read(&self) -> io::Result<Vec<(Key, Note)>> {
        let length = self.file.metadata()?.len().min(MAX_BYTES);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.file.read_exact_at(&mut bytes, 0)?;
        let Some((head, records)) = bytes.split_first_chunk::<RECORD_BYTES>() else { return Ok(Vec::new()) };
        if !head.starts_with(&header()?) {
            return Ok(Vec::new());
        }
        Ok(records.as_chunks::<RECORD_BYTES>().0.iter().filter_map(parted).collect())
    }
}

/// The octets of a record: the length of what follows, 0 for nothing.
fn record(key: &Key, note: Option<&Note>) -> io::Result<[u8; RECORD_BYTES]> {
    let mut record = [0; RECORD_BYTES];
    let Some(note) = note else { return Ok(record) };
    let content = encode(&(key, note)).map_err(io::Error::other)?;
    let length = u16::try_from(content.len()).map_err(io::Error::other)?;
    let room = record.get_mut(2..2 + content.len()).ok_or_else(|| io::Error::other("a note is too long"))?;
    room.copy_from_slice(&content);
    record[..2].copy_from_slice(&length.to_le_bytes());
    Ok(record)
}

fn parted(record: &[u8; RECORD_BYTES]) -> Option<(Key, Note)> {
    let (length, content) = record.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_le_bytes(*length));
    decode(content.get(..length).filter(|content| !content.is_empty())?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use standfast_model::Instant;

    fn session(name: &str, host: u8) -> BfdSession {
        let second = Duration::from_secs(1);
        BfdSession {
            name: name.to_owned(),
            neighbor: [192, 0, 2, host].into(),
            source: Some("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap()),
            min_rx: second,
            min_tx: second,
            idle_tx: second,
            multiplier: 3,
            passive: false,
            ttl: 255,
            max_hops: None,
            multihop: false,
            vrrp: true,
            checker: true,
        }
    }

    /// As long as one can be.
    fn note(local_discriminator: u32) -> Note {
        let (longest, last) = (Duration::new(4_294_967, 999_999_999), Instant::from_nanos(u64::MAX));
        Note {
            local_discriminator,
            remote_discriminator: u32::MAX,
            source_port: 65535,
            since: last,
            heard: last,
            sent: last,
            min_tx: longest,
            min_rx: longest,
            multiplier: 255,
            polling: true,
            tx_until_confirmed: Some(longest),
            rx_until_confirmed: Some(longest),
            remote_up: true,
            remote_min_rx: longest,
            remote_desired_min_tx: longest,
            remote_multiplier: 255,
            remote_demand: true,
        }
    }

    fn memory() -> File {
        File::from(memfd_create("test", MemfdFlags::CLOEXEC).unwrap())
    }

    fn again(file: &File) -> OwnedFd {
        file.try_clone().unwrap().into()
    }

    #[test]
    fn a_successor_reads_what_was_noted_of_the_same_session_wherever_it_stands() {
        let name = "n".repeat(31);
        let before = [session("a", 1), session(&name, 2), session("c", 3)];
        let file = memory();
        let (mut notes, found) = BfdNotes::take_over(again(&file), &before);
        assert_eq!(found, []);
        notes.write([Some(note(1)), Some(note(u32::MAX)), None].into_iter());
        let after = [session("c", 3), session(&name, 2), session("a", 9)];
        let (mut notes, found) = BfdNotes::take_over(again(&file), &after);
        assert_eq!(found, [(BfdId(1), note(u32::MAX))], "a has another neighbour, c was not up");
        // Whoever is killed before it has done anything leaves the same.
        assert_eq!(BfdNotes::take_over(again(&file), &after).1, found);
        notes.renumber(&before);
        assert_eq!(BfdNotes::take_over(again(&file), &before).1, found);
        // After an orderly end there are no sessions.
        notes.write(core::iter::empty());
        assert_eq!(BfdNotes::take_over(again(&file), &before).1, []);
    }

    #[test]
    fn notes_of_another_boot_or_namespace_or_cut_off_or_of_no_form_are_nothing() {
        let sessions = [session("a", 1)];
        let file = memory();
        BfdNotes::take_over(again(&file), &sessions).0.write([Some(note(7))].into_iter());
        let mut good = vec![0; 2 * RECORD_BYTES];
        file.read_exact_at(&mut good, 0).unwrap();
        let found = |bytes: &[u8]| {
            let file = memory();
            file.write_all_at(bytes, 0).unwrap();
            BfdNotes::take_over(file.into(), &sessions).1
        };
        assert_eq!(found(&good), [(BfdId(0), note(7))]);
        // Magic, version, namespace, boot; length, version of the code, name, neighbour.
        for index in [0, 8, 16, 24, 55, 256, 257, 258, 261, 264] {
            let mut bad = good.clone();
            bad[index] ^= 1;
            assert_eq!(found(&bad), [], "octet {index}");
        }
        for length in 0..good.len() {
            assert_eq!(found(&good[..length]), [], "{length} octets");
        }
    }
}
