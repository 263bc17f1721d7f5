//! `standfast doctor`: what makes a pair fail in the field, looked for on this machine; each with the reason and the
//! command that mends it.
//!
//! `findings` reads the machine and judges nothing; `judge` judges and reads nothing.

pub mod findings;
mod firewall;
mod judge;

pub use findings::Findings;
pub use judge::judge;

use crate::arguments::Doctor;
use serde_json::json;
use standfast_conf::{Options, load};
use standfast_daemon::host::Elsewhere;
use standfast_model::Config;
use std::io::{self, Write as _};

/// How much something matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Grade {
    /// Worth knowing.
    Hint,
    /// It will hurt one day.
    Warning,
    /// It does not work like this.
    Problem,
}

impl Grade {
    const fn word(self) -> &'static str {
        match self {
            Self::Hint => "hint",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// Something that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Complaint {
    /// How much it matters.
    pub grade: Grade,
    /// What is so.
    pub what: String,
    /// Why that is bad.
    pub why: String,
    /// The command that mends it, or what to do where no command does.
    pub mend: String,
}

/// Runs it. The status is 0 if there is nothing but hints, 1 with warnings, 2 with problems.
///
/// # Errors
///
/// Standard output is closed.
pub fn run(words: &Doctor) -> io::Result<u8> {
    let loaded = load(&Elsewhere, &words.config, &Options::default());
    let config = loaded.config.unwrap_or_else(|| {
        eprintln!(
            "standfast: {}: no configuration, only what concerns every machine is looked at",
            words.config.display()
        );
        Config::default()
    });
    let findings = Findings::of_this_machine(&config);
    let mut complaints = judge(&config, &findings);
    complaints.sort_by_key(|complaint| core::cmp::Reverse(complaint.grade));
    let mut out = io::stdout().lock();
    if words.json {
        let all: Vec<_> = complaints
            .iter()
            .map(|c| json!({"grade": c.grade.word(), "what": c.what, "why": c.why, "mend": c.mend}))
            .collect();
        writeln!(out, "{:#}", json!({ "format": 1, "complaints": all }))?;
    } else {
        for Complaint { grade, what, why, mend } in &complaints {
            writeln!(out, "{}: {what}\n    why:  {why}\n    mend: {mend}", grade.word())?;
        }
        if complaints.is_empty() {
            writeln!(out, "nothing to complain about")?;
        }
    }
    let worst = complaints.iter().map(|complaint| complaint.grade).max().unwrap_or(Grade::Hint);
    Ok(match worst {
        Grade::Hint => 0,
        Grade::Warning => 1,
        Grade::Problem => 2,
    })
}
