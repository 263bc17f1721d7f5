//! `sim`: runs hours of storm over drawn clusters and says what they did, or which law was broken and how to see it
//! again.
//!
//! It owns its command line, its threads and the only clock of this crate: the one that ends it.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use standfast_node::VrrpNode;
use standfast_sim::fault::Blows;
use standfast_sim::{Hour, Report, Tally};
use std::process::ExitCode;
use std::time::Instant;

const HELP: &str = "sim [--seed S] [--hours N | --minutes M] [--jobs J] [--only BLOW,...|none] [--trace]

Runs N simulated hours (1 unless said otherwise), or as many as M minutes of this machine give, each of a cluster of its
own: hour i is drawn from seed S + i (S is 1 unless said otherwise), J at a time (one for each processor unless said
otherwise). Ends with status 1 at the first broken law, with the few faults that are enough to break it again.
--only lets only these faults of the storm happen. --trace prints everything that happens, in one job.";

/// What was asked for.
struct Arguments {
    seed: u64,
    hours: u64,
    minutes: Option<u64>,
    jobs: usize,
    blows: Blows,
    trace: bool,
}

fn arguments() -> Result<Option<Arguments>, String> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut asked = Arguments { seed: 1, hours: 1, minutes: None, jobs, blows: Blows::All, trace: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut argument = || words.next().ok_or(format!("{word} needs an argument"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{word} needs a number, not {text}"));
        match word.as_str() {
            "--seed" => asked.seed = number(argument()?)?,
            "--hours" => asked.hours = number(argument()?)?,
            "--minutes" => (asked.minutes, asked.hours) = (Some(number(argument()?)?), u64::MAX),
            "--jobs" => asked.jobs = usize::try_from(number(argument()?)?).unwrap_or(1).clamp(1, 1024),
            "--only" => asked.blows = only(&argument()?)?,
            "--trace" => (asked.trace, asked.jobs) = (true, 1),
            "-h" | "--help" => return Ok(None),
            _ => return Err(format!("unknown word {word}")),
        }
    }
    Ok(Some(asked))
}

fn only(list: &str) -> Result<Blows, String> {
    if list == "none" {
        return Ok(Blows::only(&[]));
    }
    let number = |text: &str| text.parse().map_err(|_| format!("--only needs numbers with commas between, not {text}"));
    Ok(Blows::Only(list.split(',').map(number).collect::<Result<_, _>>()?))
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

/// What one job did.
#[derive(Default)]
struct Done {
    hours: u64,
    all: Tally,
    longest_vacuum: Duration,
    failed: Option<Box<Report>>,
}

impl Done {
    fn add(&mut self, other: Self) {
        self.hours += other.hours;
        self.all += other.all;
        self.longest_vacuum = self.longest_vacuum.max(other.longest_vacuum);
        // Of several failing seeds the first, whichever job was faster.
        self.failed = self.failed.take().into_iter().chain(other.failed).min_by_key(|report| report.seed);
    }
}

/// The hours that are left, shared by all jobs.
struct Queue<'a> {
    asked: &'a Arguments,
    next: AtomicU64,
    over: AtomicBool,
    began: Instant,
}

impl Queue<'_> {
    fn next(&self) -> Option<Hour> {
        let late = self.asked.minutes.is_some_and(|minutes| self.began.elapsed() >= Duration::from_secs(minutes * 60));
        if late || self.over.load(Ordering::Relaxed) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let seed = self.asked.seed.wrapping_add(number);
        (number < self.asked.hours).then(|| Hour { seed, blows: self.asked.blows.clone() })
    }

    fn job(&self) -> Done {
        let mut done = Done::default();
        while let Some(hour) = self.next() {
            let (world, ran) = hour.run::<VrrpNode>(self.asked.trace);
            if let Some(trace) = world.trace().whole() {
                print!("{trace}");
            }
            if self.asked.hours == 1 {
                println!(
                    "seed {}: trace of {} lines, digest {:016x}",
                    hour.seed,
                    world.trace().lines(),
                    world.trace().digest()
                );
            }
            let longest_vacuum = world.laws().longest_vacuum;
            self.over.fetch_or(ran.is_err(), Ordering::Relaxed);
            done.add(Done { hours: 1, all: world.tally(), longest_vacuum, failed: ran.err() });
        }
        done
    }
}

fn run(asked: &Arguments) -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "--minutes are minutes of whoever waits")]
    let began = Instant::now();
    let queue = Queue { asked, next: AtomicU64::new(0), over: AtomicBool::new(false), began };
    let mut done = Done::default();
    std::thread::scope(|scope| {
        let jobs: Vec<_> = (0..asked.jobs).map(|_| scope.spawn(|| queue.job())).collect();
        jobs.into_iter().for_each(|job| match job.join() {
            Ok(of_job) => done.add(of_job),
            Err(panic) => std::panic::resume_unwind(panic),
        });
    });
    if let Some(report) = &done.failed {
        eprintln!("{report}");
        if asked.blows == Blows::All && !asked.trace {
            eprintln!("looking for the least that breaks it");
            if let Err(small) = Hour::of(report.seed).smallest::<VrrpNode>().run::<VrrpNode>(false).1 {
                eprintln!("{small}");
            }
        }
        return ExitCode::FAILURE;
    }
    say(&done, queue.began.elapsed());
    ExitCode::SUCCESS
}

fn say(done: &Done, took: Duration) {
    let Tally {
        events,
        adverts,
        resignations,
        announcements,
        takeovers,
        faults,
        notices,
        restored,
        reloads,
        adoptions,
        replays,
    } = done.all;
    println!(
        "{} h of virtual time in {:.1} s: {events} events, {faults} faults, {takeovers} takeovers, {adverts} adverts \
         ({resignations} resignations), {announcements} announcements, {notices} notices, {restored} addresses put \
         back, {reloads} reloads, {adoptions} adoptions, {replays} replays; no law broken; longest time without a holder {:.3} s",
        done.hours,
        took.as_secs_f64(),
        done.longest_vacuum.as_secs_f64()
    );
}
