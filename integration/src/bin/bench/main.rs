//! Measures standfastd beside another keepalived, in turns on the same machine in the same minutes, and says what it
//! measured: tables on the standard output, and everything as JSON in a directory. It judges nothing.
//!
//! Reads as the order of the measurements; how each is taken is in the module of its name.

mod bfd;
mod cable;
mod checks;
mod conf;
mod crash;
mod detection;
mod figures;
mod load;
mod lvs;
mod outage;
mod pair;
mod plot;
mod site;
mod start;
mod stress;
mod switchover;
mod takeover;
mod tilt;

use std::path::PathBuf;
use std::process::ExitCode;

use figures::Book;
use lab::Result;
use lab::seed::Daemon;

/// What is measured against what, and how long it may take.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// standfastd, then the other.
    pub(crate) daemons: [Daemon; 2],
    /// Few repetitions, the long ones left out.
    pub(crate) quick: bool,
    /// Of the measures of VRRP only the one of this name, of the tables of IPVS only the one of this size (`5000x4`), of checks
    /// only this kind (`TCP`), or the advertisements beside them (`tilt`).
    pub(crate) only: Option<String>,
}

impl Settings {
    /// Of what is measured, each with its runs in a whole measurement and in a quick one, those that are measured at all,
    /// and how often.
    pub(crate) fn runs<T, const N: usize>(&self, shapes: [(T, u32, u32); N]) -> impl Iterator<Item = (T, u32)> {
        let quick = self.quick;
        let chosen = move |(shape, whole, few)| (shape, if quick { few } else { whole });
        shapes.into_iter().map(chosen).filter(|(_, runs)| *runs > 0)
    }
}

const USAGE: &str = "usage: bench conf|vrrp|lvs|checks|detection|site --ours STANDFASTD [--peer KEEPALIVED] [--quick] [--only MEASURE] --out DIRECTORY; scripts/bench knows them";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((what, settings, names, out)) = read(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let mut book = Book::new(names);
    let measured = match what.as_str() {
        "conf" => conf::measure(&settings, &mut book),
        "vrrp" => vrrp(&settings, &mut book),
        "checks" => checked(&settings, &mut book),
        "detection" => detection::measure(&settings, &mut book),
        "site" => site::measure(&settings, &mut book),
        _ if settings.only.is_some() => lvs::measure(&settings, &mut book),
        _ => lvs::measure(&settings, &mut book).and_then(|()| checked(&settings, &mut book)),
    };
    // What was measured before something broke off is worth reading all the same.
    let written = book.write(&out, &what);
    match measured.and(written) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the measurement broke off: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A measure of VRRP.
type Measure = fn(&Settings, &mut Book) -> Result<()>;

const MEASURES: [(&str, Measure); 9] = [
    ("outage", outage::measure),
    ("cable", cable::measure),
    ("switchover", switchover::measure),
    ("crash", crash::measure),
    ("takeover", takeover::measure),
    ("start", start::measure),
    ("load", load::measure),
    ("stress", stress::measure),
    ("bfd", bfd::measure),
];

fn vrrp(settings: &Settings, book: &mut Book) -> Result<()> {
    let chosen = |name: &str| settings.only.as_ref().is_none_or(|only| only == name);
    // What takes long is measured only where it is asked for.
    if settings.only.as_ref().is_some_and(|only| only == "bfd-long") {
        return bfd::measure_long(settings, book);
    }
    MEASURES.iter().filter(|(name, _)| chosen(name)).try_for_each(|(_, measure)| measure(settings, book))
}

/// What checks cost, and what they cost the advertisements beside them.
fn checked(settings: &Settings, book: &mut Book) -> Result<()> {
    if settings.only.as_ref().is_none_or(|only| only != "tilt") {
        checks::measure(settings, book)?;
    }
    if settings.only.as_ref().map_or(!settings.quick, |only| only == "tilt") {
        tilt::measure(settings, book)
    } else {
        Ok(())
    }
}

fn read(arguments: &[String]) -> Option<(String, Settings, [String; 2], PathBuf)> {
    let mut words = arguments.iter().map(String::as_str);
    let what = words
        .next()
        .filter(|what| matches!(*what, "conf" | "vrrp" | "lvs" | "checks" | "detection" | "site"))?
        .to_owned();
    let (mut ours, mut peer, mut out, mut quick) = (None, "keepalived".to_owned(), None, false);
    let mut only = None;
    while let Some(word) = words.next() {
        match word {
            "--ours" => ours = words.next().map(str::to_owned),
            "--peer" => words.next()?.clone_into(&mut peer),
            "--out" => out = words.next().map(PathBuf::from),
            "--quick" => quick = true,
            "--only" => only = Some(words.next()?.to_owned()),
            _ => return None,
        }
    }
    let ours = ours?;
    let names = [version(&ours), version(&peer)];
    Some((what, Settings { daemons: [Daemon::at(ours), Daemon::at(peer)], quick, only }, names, out?))
}

/// The first line of what a program says of its version.
fn version(program: &str) -> String {
    let said = std::process::Command::new(program).arg("--version").output();
    let line = said.ok().and_then(|said| {
        let text = [said.stdout, said.stderr].concat();
        String::from_utf8_lossy(&text).lines().next().map(str::to_owned)
    });
    line.unwrap_or_else(|| program.to_owned())
}
