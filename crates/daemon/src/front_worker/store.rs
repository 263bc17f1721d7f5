//! The history of events in a file: lines of JSON, the oldest half forgotten when there are too many bytes.
//!
//! The supervisor opened the file. What cannot be written is said once and done without.

use standfast_api::control::Recorded;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use tracing::warn;

/// The most that the file grows to: some twenty thousand lines.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Store {
    file: File,
    bytes: u64,
    limit: u64,
    complained: bool,
}

impl Store {
    pub(super) const fn new(file: File) -> Self {
        Self { file, bytes: 0, limit: MAX_BYTES, complained: false }
    }

    /// The last `count` events in it. Lines that are none are skipped: a power cut may have torn the last one.
    pub(super) fn read(&mut self, count: usize) -> Vec<Recorded> {
        let text = self.text().unwrap_or_default();
        self.bytes = text.len() as u64;
        // What is torn is not to be glued to the next line.
        if !text.is_empty() && !text.ends_with(b"\n") {
            let outcome = self.file.write_all(b"\n");
            self.complain(outcome);
        }
        let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        let mut events: Vec<Recorded> =
            lines.iter().rev().filter_map(|line| serde_json::from_slice(line).ok()).take(count).collect();
        events.reverse();
        events
    }

    fn text(&mut self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        // Twice the limit: what is longer is not ours.
        Read::take(&mut self.file, 2 * self.limit).read_to_end(&mut text)?;
        self.file.seek(SeekFrom::End(0))?;
        Ok(text)
    }

    /// Writes events behind the others, in one piece as far as the limit lets it.
    pub(super) fn add<'a>(&mut self, events: impl IntoIterator<Item = &'a Recorded>) {
        let mut lines = Vec::new();
        for event in events {
            let begin = lines.len();
            if serde_json::to_writer(&mut lines, event).is_err() {
                lines.truncate(begin);
                continue;
            }
            lines.push(b'\n');
            if self.bytes.saturating_add(lines.len() as u64) > self.limit {
                let last = lines.split_off(begin);
                self.put(&lines);
                let outcome = self.forget_half();
                self.complain(outcome);
                lines = last;
            }
        }
        self.put(&lines);
    }

    fn put(&mut self, lines: &[u8]) {
        self.bytes = self.bytes.saturating_add(lines.len() as u64);
        let outcome = self.file.write_all(lines);
        self.complain(outcome);
    }

    fn forget_half(&mut self) -> io::Result<()> {
        let text = self.text()?;
        let half = text.get(text.len() / 2..).unwrap_or_default();
        let begin = half.iter().position(|byte| *byte == b'\n').map_or(half.len(), |newline| newline + 1);
        let kept = half.get(begin..).unwrap_or_default();
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(kept)?;
        self.bytes = kept.len() as u64;
        Ok(())
    }

    fn complain(&mut self, outcome: io::Result<()>) {
        if let Err(error) = outcome
            && !core::mem::replace(&mut self.complained, true)
        {
            warn!("history of events cannot be kept: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use rustix::fs::{MemfdFlags, memfd_create};
    use standfast_api::{Event, EventKind};
    use standfast_model::Instant;

    fn file() -> File {
        memfd_create("test", MemfdFlags::CLOEXEC).unwrap().into()
    }

    fn event(number: u64) -> Recorded {
        let event = Event { at: Instant::ZERO, kind: EventKind::Lost { events: number } };
        Recorded { number, unix: Duration::from_secs(number), event }
    }

    #[test]
    fn what_was_kept_is_there_after_a_restart_also_behind_a_torn_line() {
        let file = file();
        let mut store = Store::new(file.try_clone().unwrap());
        assert_eq!(store.read(10), []);
        store.add([&event(1)]);
        store.add([&event(2)]);
        (&file).write_all(b"{\"number\":3,\"un").unwrap();
        let mut store = Store::new(file.try_clone().unwrap());
        assert_eq!(store.read(10), [event(1), event(2)]);
        store.add([&event(4)]);
        assert_eq!(Store::new(file).read(2), [event(2), event(4)]);
    }

    #[test]
    fn the_file_stays_within_its_limit_and_forgets_the_oldest() {
        let file = file();
        let mut store = Store { limit: 5000, ..Store::new(file.try_clone().unwrap()) };
        for number in 1..=1000 {
            store.add([&event(number)]);
            assert!(file.metadata().unwrap().len() <= 5000, "{number}");
        }
        let kept = Store { limit: 5000, ..Store::new(file) }.read(1000);
        assert_eq!(kept.last(), Some(&event(1000)));
        assert!(kept.len() > 20 && kept.windows(2).all(|pair| pair[1].number == pair[0].number + 1), "{kept:?}");
    }

    #[test]
    fn many_events_at_once_are_kept_as_if_they_had_come_one_by_one() {
        let many: Vec<Recorded> = (1..=1000).map(event).collect();
        let kept = |by: usize| {
            let file = file();
            let mut store = Store { limit: 5000, ..Store::new(file.try_clone().unwrap()) };
            many.chunks(by).for_each(|events| store.add(events));
            assert!(file.metadata().unwrap().len() <= 5000);
            store.text().unwrap()
        };
        assert_eq!(kept(1), kept(37));
        assert_eq!(kept(1), kept(1000));
    }
}
