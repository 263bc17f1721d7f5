//! `sim`: runs hours of storm over drawn clusters and says what they did, or which law was broken and how to see it
//! again.
//!
//! It owns its command line, its threads and the only clock of this crate: the one that ends it.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use standfast_node::VrrpNode;
use standfast_sim::fault::Blows;
use standfast_sim::laws::Law;
use standfast_sim::{Hour, Report, Tally};
use std::process::ExitCode;
use std::time::Instant;

const HELP: &str = "sim [--seed S] [--hours N | --minutes M] [--jobs J] [--only BLOW,...|none] [--go-on] [--trace]

Runs N simulated hours (1 unless said otherwise), or as many as M minutes of this machine give, each of a cluster of its
own: hour i is drawn from seed S + i (S is 1 unless said otherwise), J at a time (one for each processor unless said
otherwise). Ends with status 1 at the first broken law, with the few faults that are enough to break it again.
--go-on says which law broke and goes on with the next hour; a line comes every ten minutes, and the status in the end is
1 if any law broke. --only lets only these faults of the storm happen. --trace prints everything that happens, in one job.";

/// Between two lines that say how far a run with `--go-on` is.
const WORD_EVERY: Duration = Duration::from_secs(600);

/// What was asked for.
struct Arguments {
    seed: u64,
    hours: u64,
    minutes: Option<u64>,
    jobs: usize,
    blows: Blows,
    go_on: bool,
    trace: bool,
}

fn arguments() -> Result<Option<Arguments>, String> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut asked = Arguments { seed: 1, hours: 1, minutes: None, jobs, blows: Blows::All, go_on: false, trace: false };
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
            "--go-on" => asked.go_on = true,
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
    /// Hours in which a law broke.
    broken: u64,
    failed: Option<Box<Report>>,
}

impl Done {
    fn add(&mut self, other: Self) {
        self.hours += other.hours;
        self.all += other.all;
        self.longest_vacuum = self.longest_vacuum.max(other.longest_vacuum);
        self.broken += other.broken;
        // Of several failing seeds the first, whichever job was faster.
        self.failed = self.failed.take().into_iter().chain(other.failed).min_by_key(|report| report.seed);
    }
}

/// The hours that are left, shared by all jobs.
struct Queue<'a> {
    asked: &'a Arguments,
    next: AtomicU64,
    over: AtomicBool,
    /// How often it was said how far all are.
    words: AtomicU64,
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

    /// How far all jobs are, every now and then.
    fn say_how_far(&self) {
        let words = self.began.elapsed().as_secs() / WORD_EVERY.as_secs();
        if self.words.fetch_max(words, Ordering::Relaxed) < words {
            let hours = self.next.load(Ordering::Relaxed);
            eprintln!("{hours} h after {} s, up to seed {}", self.began.elapsed().as_secs(), self.asked.seed + hours);
        }
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
            let broken = u64::from(ran.is_err());
            if self.asked.go_on {
                if let Err(report) = &ran {
                    eprintln!("{}", report.in_short());
                }
                self.say_how_far();
            } else {
                self.over.fetch_or(ran.is_err(), Ordering::Relaxed);
            }
            done.add(Done { hours: 1, all: world.tally(), longest_vacuum, broken, failed: ran.err() });
        }
        done
    }
}

fn run(asked: &Arguments) -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "--minutes are minutes of whoever waits")]
    let began = Instant::now();
    let queue = Queue { asked, next: AtomicU64::new(0), over: AtomicBool::new(false), words: AtomicU64::new(0), began };
    let mut done = Done::default();
    std::thread::scope(|scope| {
        let jobs: Vec<_> = (0..asked.jobs).map(|_| scope.spawn(|| queue.job())).collect();
        jobs.into_iter().for_each(|job| match job.join() {
            Ok(of_job) => done.add(of_job),
            Err(panic) => std::panic::resume_unwind(panic),
        });
    });
    if let (Some(report), false) = (&done.failed, asked.go_on) {
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
    if done.broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::cast_precision_loss, reason = "a mean for a reader")]
fn say(done: &Done, took: Duration) {
    let Tally {
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
    } = done.all;
    let per_hour = |count: u64| count as f64 / done.hours.max(1) as f64;
    println!(
        "{} h of virtual time in {:.1} s, {:.0} h a second: {events} events, {faults} faults ({:.1} an hour), {transitions} \
         transitions ({:.1} an hour), {takeovers} takeovers, {adverts} adverts ({resignations} resignations), \
         {announcements} announcements, {notices} notices, {restored} addresses put back, {reloads} reloads, {adoptions} \
         adoptions, {replays} replays, {leases} leases; longest time without a holder {:.3} s",
        done.hours,
        took.as_secs_f64(),
        done.hours as f64 / took.as_secs_f64().max(0.001),
        per_hour(faults),
        per_hour(transitions),
        done.longest_vacuum.as_secs_f64()
    );
    let laws: Vec<String> = Law::ALL.iter().map(Law::to_string).collect();
    match done.broken {
        0 => println!("no law broken of {}, looked at after every event: {}", laws.len(), laws.join("; ")),
        broken => println!("{broken} h broke a law"),
    }
}
