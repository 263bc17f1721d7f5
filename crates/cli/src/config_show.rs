//! `standfast config show`: the configuration as the daemon would read it, secrets masked.

use crate::arguments::ConfigShow;
use crate::check::options;
use standfast_conf::{Class, load, render_line, show};
use standfast_daemon::host::Elsewhere;
use std::io::{self, Write as _};

/// Shows the configuration; what is fatal in it goes to standard error.
///
/// # Errors
/// Standard output cannot be written to.
pub fn run(words: &ConfigShow) -> io::Result<u8> {
    let options = options(&words.reading);
    let loaded = load(&Elsewhere, &words.file, &options);
    io::stdout().lock().write_all(show(&Elsewhere, &words.file, &options, words.origin).as_bytes())?;
    let fatal = || loaded.diagnostics.iter().filter(|d| d.class == Class::Fatal);
    for diagnostic in fatal() {
        eprintln!("{}", render_line(diagnostic, &loaded.sources));
    }
    Ok(u8::from(fatal().next().is_some()))
}
