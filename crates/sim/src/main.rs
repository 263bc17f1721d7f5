//! `sim`: runs hours of storm over drawn clusters and says what they did, or which law was broken and how to see it
//! again.
//!
//! It owns its command line only.

use core::time::Duration;
use standfast_sim::stormy_hour;
use standfast_sim::world::Tally;
use std::process::ExitCode;

const HELP: &str = "sim [--seed S] [--hours N] [--trace]

Runs N simulated hours (1 unless said otherwise), each of a cluster of its own: hour i is drawn from seed S + i (S is 1
unless said otherwise). Ends with status 1 at the first broken law. --trace prints everything that happens.";

/// What was asked for.
struct Arguments {
    seed: u64,
    hours: u64,
    trace: bool,
}

fn arguments() -> Result<Option<Arguments>, String> {
    let mut asked = Arguments { seed: 1, hours: 1, trace: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let text = words.next().ok_or(format!("{word} needs a number"))?;
            text.parse().map_err(|_| format!("{word} needs a number, not {text}"))
        };
        match word.as_str() {
            "--seed" => asked.seed = number()?,
            "--hours" => asked.hours = number()?,
            "--trace" => asked.trace = true,
            "-h" | "--help" => return Ok(None),
            _ => return Err(format!("unknown word {word}")),
        }
    }
    Ok(Some(asked))
}

fn main() -> ExitCode {
    match arguments() {
        Ok(None) => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Some(asked)) => run(&asked),
        Err(words) => {
            eprintln!("{words}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn run(asked: &Arguments) -> ExitCode {
    let mut all = Tally::default();
    let (mut longest, mut lines) = (Duration::ZERO, 0);
    for seed in (asked.seed..).take(usize::try_from(asked.hours).unwrap_or(usize::MAX)) {
        let (world, ran) = stormy_hour(seed, asked.trace);
        if let Some(trace) = world.trace().whole() {
            print!("{trace}");
        }
        if let Err(report) = ran {
            eprintln!("{report}");
            return ExitCode::FAILURE;
        }
        all += world.tally();
        longest = longest.max(world.laws().longest_vacuum);
        lines += world.trace().lines();
        if asked.hours == 1 {
            println!("seed {seed}: trace of {lines} lines, digest {:016x}", world.trace().digest());
        }
    }
    println!(
        "{} h of virtual time: {} events, {} faults, {} takeovers, {} adverts ({} resignations), {} announcements, \
         {} notices, {} addresses put back; no law broken; longest time without a holder {:.3} s",
        asked.hours,
        all.events,
        all.faults,
        all.takeovers,
        all.adverts,
        all.resignations,
        all.announcements,
        all.notices,
        all.restored,
        longest.as_secs_f64()
    );
    ExitCode::SUCCESS
}
