//! `standfast check`: what is wrong with configurations, and the status that `standfastd -t` would end with.

use crate::arguments::{Check, Format, Reading};
use crate::report::{self, Report};
use crate::sarif;
use serde_json::{Value, json};
use standfast_conf::host::Host;
use standfast_conf::{Checks, Diagnostic, Loaded, Options, exit_code_for_test, load, start_refused};
use standfast_daemon::host::{Elsewhere, System};
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

/// What a file with anything said about it ends with under `--strict`, if `-t` alone would say 0.
const STRICT: u8 = 5;

/// How `conf` is to read.
pub(crate) fn options(reading: &Reading) -> Options {
    let include_checks = if reading.all_config { Checks::ALL } else { Checks::default() };
    Options { config_id: reading.config_id.clone(), include_checks }
}

/// Checks each file; the status is that of the worst.
///
/// # Errors
/// Standard output cannot be written to.
pub fn run(words: &Check) -> io::Result<u8> {
    let machine: &dyn Host = if words.reading.elsewhere { &Elsewhere } else { &System };
    let options = options(&words.reading);
    let loaded: Vec<(&Path, Loaded)> =
        words.files.iter().map(|file| (file.as_path(), load(machine, file, &options))).collect();
    let status = |diagnostics: &[Diagnostic]| match exit_code_for_test(diagnostics) {
        0 if words.strict && !diagnostics.is_empty() => STRICT,
        status => status,
    };
    let worst = loaded.iter().map(|(_, l)| status(&l.diagnostics)).max_by_key(|status| severity(*status)).unwrap_or(0);
    let mut out = io::stdout().lock();
    match words.format {
        Format::Human => human(&mut out, &loaded)?,
        Format::Json => {
            let files = loaded.iter().map(|(path, l)| json_file(path, l, status(&l.diagnostics), words.strict));
            let files: Vec<Value> = files.collect();
            writeln!(out, "{:#}", json!({ "format": 1, "files": files }))?;
        }
        Format::Sarif => {
            let reports: Vec<Report<'_>> = loaded.iter().map(|(_, l)| of(l)).collect();
            writeln!(out, "{:#}", sarif::document(&reports))?;
        }
    }
    Ok(worst)
}

/// Of several files the status that says most counts: what keeps a daemon from starting before what it only mentions.
fn severity(status: u8) -> u8 {
    match status {
        0 => 0,
        5 => 1,
        6 => 2,
        4 => 3,
        _ => 4,
    }
}

fn of(loaded: &Loaded) -> Report<'_> {
    Report { diagnostics: &loaded.diagnostics, sources: &loaded.sources }
}

fn human(out: &mut io::StdoutLock<'static>, loaded: &[(&Path, Loaded)]) -> io::Result<()> {
    let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    for (path, loaded) in loaded {
        report::human(out, &of(loaded), colour)?;
        let refused = if start_refused(&loaded.diagnostics) { "; standfastd would not start" } else { "" };
        writeln!(out, "{}: {}{refused}", path.display(), report::counts(&loaded.diagnostics))?;
    }
    Ok(())
}

/// `{"file", "status", "starts", "diagnostics"}`; `strict` makes everything fatal, so `starts` is then as strict.
fn json_file(path: &Path, loaded: &Loaded, status: u8, strict: bool) -> Value {
    let starts = !start_refused(&loaded.diagnostics) && (!strict || loaded.diagnostics.is_empty());
    let diagnostics = loaded.diagnostics.iter().map(|d| report::json(d, &loaded.sources));
    json!({
        "file": path.display().to_string(),
        "status": status,
        "starts": starts,
        "diagnostics": diagnostics.collect::<Vec<_>>(),
    })
}
