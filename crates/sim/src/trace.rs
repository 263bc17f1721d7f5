//! What happened, as text: the last lines for a reader, all of them as one number for comparison.
//!
//! It owns no meaning. Two runs of one seed have the same trace, byte for byte.

use core::fmt::{self, Write as _};
use standfast_model::Instant;
use std::collections::VecDeque;

/// Lines kept for a report: enough for a takeover with everything around it on five machines.
const KEPT: usize = 160;

/// A trace in the making.
#[derive(Debug)]
pub struct Trace {
    digest: u64,
    lines: u64,
    last: VecDeque<String>,
    whole: Option<String>,
}

impl Trace {
    /// An empty trace; `whole` keeps every line, which a long run has no memory for.
    #[must_use]
    pub fn new(whole: bool) -> Self {
        Self { digest: 0xcbf2_9ce4_8422_2325, lines: 0, last: VecDeque::new(), whole: whole.then(String::new) }
    }

    /// Adds a line.
    pub fn line(&mut self, at: Instant, what: fmt::Arguments<'_>) {
        // The oldest line's memory serves the newest: a run writes millions of lines.
        let mut line = if self.last.len() < KEPT { String::new() } else { self.last.pop_front().unwrap_or_default() };
        line.clear();
        // Writing into a string cannot fail.
        let _ = writeln!(line, "{at:?} {what}");
        for octet in line.bytes() {
            // FNV-1a.
            self.digest = (self.digest ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
        }
        self.lines += 1;
        if let Some(whole) = &mut self.whole {
            whole.push_str(&line);
        }
        self.last.push_back(line);
    }

    /// A number that differs for traces that differ.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// Lines so far.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// The last lines.
    #[must_use]
    pub fn last(&self) -> String {
        self.last.iter().map(String::as_str).collect()
    }

    /// Every line, if it was asked for.
    #[must_use]
    pub fn whole(&self) -> Option<&str> {
        self.whole.as_deref()
    }
}
