//! What happened, as text: the last lines for a reader, all of them as one number for comparison.
//!
//! Advertisements are most of what happens, and become text only when somebody reads it. It owns no meaning. Two runs of one seed have the same trace, byte for byte.

use crate::lan::MachineId;
use core::fmt::{self, Write as _};
use standfast_model::Instant;
use std::collections::VecDeque;

/// Lines kept for a report: enough for a takeover with everything around it on five machines.
const KEPT: usize = 160;

/// One line.
#[derive(Debug)]
enum Line {
    /// As it was written.
    Text(String),
    /// A machine advertises a virtual router with a priority.
    Advert(Instant, MachineId, usize, u8),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Advert(at, by, router, priority) => {
                writeln!(f, "{at:?} m{} r{router} advertises {priority}", by.0)
            }
        }
    }
}

/// A trace in the making.
#[derive(Debug)]
pub struct Trace {
    digest: u64,
    lines: u64,
    last: VecDeque<Line>,
    whole: Option<String>,
}

impl Trace {
    /// An empty trace; `whole` keeps every line, which a long run has no memory for.
    #[must_use]
    pub fn new(whole: bool) -> Self {
        Self {
            digest: 0xcbf2_9ce4_8422_2325,
            lines: 0,
            last: VecDeque::with_capacity(KEPT),
            whole: whole.then(String::new),
        }
    }

    /// Adds a line.
    pub fn line(&mut self, at: Instant, what: fmt::Arguments<'_>) {
        let line = format!("{at:?} {what}\n");
        for octet in line.bytes() {
            self.mix(u64::from(octet));
        }
        self.add(Line::Text(line));
    }

    /// Adds the line of an advertisement.
    pub fn advert(&mut self, at: Instant, by: MachineId, router: usize, priority: u8) {
        self.mix(at.as_nanos());
        // No run has 2^24 machines or virtual routers.
        self.mix((by.0 as u64) << 32 | (router as u64) << 8 | u64::from(priority));
        self.add(Line::Advert(at, by, router, priority));
    }

    /// FNV-1a, of words as of octets.
    const fn mix(&mut self, word: u64) {
        self.digest = (self.digest ^ word).wrapping_mul(0x0100_0000_01b3);
    }

    fn add(&mut self, line: Line) {
        self.lines += 1;
        if let Some(whole) = &mut self.whole {
            // Writing into a string cannot fail.
            let _ = write!(whole, "{line}");
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
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
        self.last.iter().map(Line::to_string).collect()
    }

    /// Every line, if it was asked for.
    #[must_use]
    pub fn whole(&self) -> Option<&str> {
        self.whole.as_deref()
    }
}
