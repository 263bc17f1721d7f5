//! `standfast completions`: what a shell completes, made from the command line's own definition.

use crate::arguments::{Arguments, Completions};
use clap::CommandFactory as _;
use std::io::{self, Write as _};

/// Prints the completions of one shell.
///
/// # Errors
/// Standard output cannot be written to.
pub fn run(words: &Completions) -> io::Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(words.shell, &mut Arguments::command(), "standfast", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(0)
}
