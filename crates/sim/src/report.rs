//! What a run did, and what is needed to see a broken law again.

use crate::fault::Blows;
use crate::laws::Broken;
use core::fmt;
use standfast_model::Instant;

/// What a run did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Events handled.
    pub events: u64,
    /// Advertisements sent.
    pub adverts: u64,
    /// Resignations among them.
    pub resignations: u64,
    /// Gratuitous ARPs and neighbour advertisements sent.
    pub announcements: u64,
    /// Changes of state.
    pub transitions: u64,
    /// Transitions to MASTER.
    pub takeovers: u64,
    /// Faults, without what mended them.
    pub faults: u64,
    /// Packets refused with a word about it.
    pub notices: u64,
    /// Addresses put back after something else removed them.
    pub restored: u64,
    /// Configurations read while a daemon ran.
    pub reloads: u64,
    /// Instances that went on as masters after their daemon was killed.
    pub adoptions: u64,
    /// Signed packets sent once more.
    pub replays: u64,
    /// Leases given or renewed.
    pub leases: u64,
}

impl core::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        let Self {
            events,
            adverts,
            resignations,
            announcements,
            transitions,
            takeovers,
            faults,
            notices,
            restored,
            reloads,
            adoptions,
            replays,
            leases,
        } = other;
        self.events += events;
        self.adverts += adverts;
        self.resignations += resignations;
        self.announcements += announcements;
        self.transitions += transitions;
        self.takeovers += takeovers;
        self.faults += faults;
        self.notices += notices;
        self.restored += restored;
        self.reloads += reloads;
        self.adoptions += adoptions;
        self.replays += replays;
        self.leases += leases;
    }
}

/// A law was broken: all that is needed to see it again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The seed of the run.
    pub seed: u64,
    /// What of the storm struck.
    pub blows: Blows,
    /// When.
    pub at: Instant,
    /// Which law, and how.
    pub broken: Broken,
    /// The last lines of the trace.
    pub last: String,
}

impl Report {
    /// Which law, how, and how to see it again, in one line.
    #[must_use]
    pub fn in_short(&self) -> String {
        format!("seed {} broke a law at {:?}: {}; {}", self.seed, self.at, self.broken.law, self.broken.how)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.last)?;
        writeln!(f, "broken at {:?}: {}", self.at, self.broken.law)?;
        writeln!(f, "  {}", self.broken.how)?;
        write!(f, "seed {0}; again: scripts/sim --trace --seed {0}", self.seed)?;
        if let Blows::Only(numbers) = &self.blows {
            let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
            write!(f, " --only {}", if numbers.is_empty() { "none".to_owned() } else { numbers.join(",") })?;
        }
        Ok(())
    }
}
