//! `standfast check-pair`: what would keep two directors from being a pair.

use crate::arguments::{CheckPair, Format};
use crate::report::{self, Report};
use crate::sarif;
use serde_json::json;
use standfast_conf::pair::{Director, check_pair, exit_code};
use standfast_conf::{Class, Diagnostic, Options};
use standfast_daemon::host::Elsewhere;
use std::io::{self, IsTerminal as _, Write as _};

/// Compares the two files. Their interfaces are taken to exist: at most one of them is this machine's.
///
/// # Errors
/// Standard output cannot be written to.
pub fn run(words: &CheckPair) -> io::Result<u8> {
    let id = |at: usize| words.ids.as_ref().and_then(|ids| ids.get(at)).cloned();
    let director = |root, at| Director { root, options: Options { config_id: id(at), ..Options::default() } };
    let directors = [director(words.first.as_path(), 0), director(words.second.as_path(), 1)];
    let pair = check_pair(&Elsewhere, &directors);
    let mut out = io::stdout().lock();
    let findings = Report { diagnostics: &pair.findings, sources: &pair.sources };
    match words.format {
        Format::Human => {
            let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
            for (director, loaded) in directors.iter().zip(&pair.loaded).filter(|(_, l)| l.config.is_none()) {
                let fatal: Vec<Diagnostic> =
                    loaded.diagnostics.iter().filter(|d| d.class == Class::Fatal).cloned().collect();
                report::human(&mut out, &Report { diagnostics: &fatal, sources: &loaded.sources }, colour)?;
                writeln!(out, "{}: standfastd would not start, so nothing is compared", director.root.display())?;
            }
            report::human(&mut out, &findings, colour)?;
            if pair.loaded.iter().all(|l| l.config.is_some()) {
                let (first, second) = (words.first.display(), words.second.display());
                let said = report::counts(&pair.findings).replace("nothing to say", "a pair");
                writeln!(out, "{first}, {second}: {said}")?;
            }
        }
        Format::Json => {
            let found: Vec<_> = pair.findings.iter().map(|d| report::json(d, &pair.sources)).collect();
            let compared = pair.loaded.iter().all(|l| l.config.is_some());
            let status = exit_code(&pair);
            writeln!(out, "{:#}", json!({ "format": 1, "compared": compared, "status": status, "findings": found }))?;
        }
        Format::Sarif => writeln!(out, "{:#}", sarif::document(&[findings]))?,
    }
    Ok(exit_code(&pair))
}
