//! The history of what was served, in a file that the supervisor opened; without one, in memory.

use standfast_page::history::History;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use tracing::warn;

/// The file is written anew, without what is forgotten, when it has grown to this: a month of beats is half of it.
const MAX_BYTES: u64 = 2 * 1024 * 1024;

/// The most that is read: what is longer is not ours.
const MAX_READ_BYTES: u64 = 64 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub(in crate::front_worker) struct Ledger {
    pub(super) history: History,
    file: Option<File>,
    bytes: u64,
    limit: u64,
    complained: bool,
}

impl Ledger {
    /// What was kept in a file.
    pub(in crate::front_worker) fn new(mut file: Option<File>) -> Self {
        let mut text = Vec::new();
        if let Some(file) = &mut file
            && let Err(error) = file.take(MAX_READ_BYTES).read_to_end(&mut text)
        {
            warn!("the history of what was served cannot be read: {error}");
        }
        let history = History::read(&String::from_utf8_lossy(&text));
        let mut ledger = Self { history, file, bytes: text.len() as u64, limit: MAX_BYTES, complained: false };
        // What a power cut has torn is not to be glued to the next line.
        if !text.is_empty() {
            ledger.rewrite();
        }
        ledger
    }

    /// Adds lines.
    pub(super) fn add(&mut self, lines: &str) {
        let Some(file) = self.file.as_mut().filter(|_| !lines.is_empty()) else { return };
        self.bytes = self.bytes.saturating_add(lines.len() as u64);
        let outcome = file.write_all(lines.as_bytes());
        self.complain(outcome);
        if self.bytes > self.limit {
            self.rewrite();
        }
    }

    fn rewrite(&mut self) {
        let Some(file) = &mut self.file else { return };
        let text = self.history.write();
        let outcome =
            file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).and_then(|_| file.write_all(text.as_bytes()));
        self.bytes = text.len() as u64;
        // A history that is long because much has happened is not written anew with every line.
        self.limit = MAX_BYTES.max(self.bytes.saturating_mul(2));
        self.complain(outcome);
    }

    fn complain(&mut self, outcome: io::Result<()>) {
        if let Err(error) = outcome
            && !core::mem::replace(&mut self.complained, true)
        {
            warn!("the history of what was served cannot be kept: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{MemfdFlags, memfd_create};
    use standfast_page::history::Condition;

    #[test]
    fn what_was_served_is_remembered_and_the_file_stays_small() {
        let file: File = memfd_create("test", MemfdFlags::CLOEXEC).unwrap().into();
        let begin = 1_795_000_000_000;
        let mut ledger = Ledger::new(Some(file.try_clone().unwrap()));
        for minute in 0..100_000_u64 {
            let condition = if minute % 2 == 0 { Condition::Here } else { Condition::Down };
            let lines = ledger.history.observe(begin + minute * 60_000, &[("vrrp VI_1".to_owned(), condition)]);
            ledger.add(&lines);
        }
        assert!(file.metadata().unwrap().len() <= MAX_BYTES, "{}", file.metadata().unwrap().len());
        (&file).write_all(b"{\"t\":17950000").unwrap();
        (&file).seek(SeekFrom::Start(0)).unwrap();
        let now = begin + 100_000 * 60_000;
        let again = Ledger::new(Some(file));
        let day = |ledger: &Ledger| ledger.history.availability("vrrp VI_1", now).unwrap().day;
        assert_eq!(day(&again).outages, day(&ledger).outages);
        assert_eq!(day(&again).outages, 720);
    }
}
