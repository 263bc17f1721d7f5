//! `hostile`: fuzzes every decoder for some seconds, on every processor, and says what it found.

use core::time::Duration;
use lexopt::prelude::*;
use standfast_hostile::{TARGETS, Target, corpus, find, fuzzer};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

const HELP: &str = "\
Usage: hostile [--seconds N] [--seed N] [TARGET...]
       hostile --repeat FILE TARGET
       hostile --list

Changes the inputs in integration/fuzz, each target's for N (10) seconds, one target on each processor. A finding is
written to integration/fuzz/artifacts/TARGET and ends the run with status 1; --repeat tries it again.";

struct Arguments {
    seconds: u64,
    seed: u64,
    repeat: Option<PathBuf>,
    targets: Vec<&'static Target>,
}

fn main() -> ExitCode {
    let outcome = arguments().and_then(|arguments| match arguments {
        None => Ok(true),
        Some(arguments) => act(&arguments),
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// None for what is answered at once.
fn arguments() -> Result<Option<Arguments>, String> {
    let mut parser = lexopt::Parser::from_env();
    let mut arguments = Arguments { seconds: 10, seed: 1, repeat: None, targets: Vec::new() };
    let wrong = |error: lexopt::Error| error.to_string();
    while let Some(argument) = parser.next().map_err(wrong)? {
        match argument {
            Long("seconds") => arguments.seconds = parser.value().and_then(|value| value.parse()).map_err(wrong)?,
            Long("seed") => arguments.seed = parser.value().and_then(|value| value.parse()).map_err(wrong)?,
            Long("repeat") => arguments.repeat = Some(parser.value().map_err(wrong)?.into()),
            Long("list") => {
                TARGETS.iter().for_each(|target| println!("{}", target.name));
                return Ok(None);
            }
            Short('h') | Long("help") => {
                println!("{HELP}");
                return Ok(None);
            }
            Value(name) => {
                let target = name.to_str().and_then(find);
                arguments.targets.push(target.ok_or_else(|| format!("no target {}", name.display()))?);
            }
            Short(_) | Long(_) => return Err(argument.unexpected().to_string()),
        }
    }
    if arguments.targets.is_empty() {
        arguments.targets.extend(TARGETS);
    }
    Ok(Some(arguments))
}

/// True if nothing was found.
fn act(arguments: &Arguments) -> Result<bool, String> {
    if let Some(path) = &arguments.repeat {
        let input = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        return Ok(arguments.targets.iter().all(|target| fuzzer::survives(target.run, &input)));
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, found) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || -> Result<(), String> {
        while let Some(target) = arguments.targets.get(next.fetch_add(1, Ordering::Relaxed)) {
            if !holds(target, arguments)? {
                found.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread died".to_owned())?)
    })?;
    Ok(found.into_inner() == 0)
}

fn holds(target: &Target, arguments: &Arguments) -> Result<bool, String> {
    let inputs = corpus::of(target.name).map_err(|error| format!("{}: {error}", target.name))?;
    let inputs: Vec<Vec<u8>> = inputs.into_iter().map(|input| input.octets).collect();
    let run = fuzzer::run(target, &inputs, arguments.seed, Duration::from_secs(arguments.seconds));
    println!("{:<24} {:>9} executions of {} inputs", target.name, run.executions, inputs.len());
    let Some(finding) = run.finding else { return Ok(true) };
    let path = keep(target, &finding).map_err(|error| format!("{}: {error}", target.name))?;
    eprintln!("{}: found something, see hostile --repeat {} {}", target.name, path.display(), target.name);
    Ok(false)
}

fn keep(target: &Target, finding: &[u8]) -> std::io::Result<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../integration/fuzz/artifacts").join(target.name);
    std::fs::create_dir_all(&directory)?;
    let path = directory.join("hostile");
    std::fs::write(&path, finding)?;
    Ok(path)
}
