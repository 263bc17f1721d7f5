//! `standfast`, the operator's command: what a configuration means, before a director runs on it.
//!
//! This file hands words to the subcommands; each is a module. None of them changes a file but `fmt`.

use clap::Parser as _;
use standfast_cli::arguments::{Arguments, Command, ConfigCommand};
use standfast_cli::{
    check, check_pair, completions, config_show, doctor, explain, fmt, genhash, keywords, manual, operate,
};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// The words of the command line. Called `genhash` it is genhash, with genhash's words and exit statuses.
fn arguments() -> Result<Arguments, ExitCode> {
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_default();
    if Path::new(&name).file_name().is_none_or(|name| name != "genhash") {
        return Ok(Arguments::parse());
    }
    let words = ["standfast", "genhash"].into_iter().map(OsString::from).chain(words);
    Arguments::try_parse_from(words).map_err(|error| {
        // Whoever closed the pipe has read enough.
        let _ = error.print();
        ExitCode::from(u8::from(error.use_stderr()))
    })
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(status) => return status,
    };
    let done = match &arguments.command {
        Command::Check(words) => check::run(words),
        Command::Explain(words) => explain::run(words),
        Command::CheckPair(words) => check_pair::run(words),
        Command::Fmt(words) => fmt::run(words),
        Command::Config(ConfigCommand::Show(words)) => config_show::run(words),
        Command::Operate(command) => operate::run(command),
        Command::Keywords(words) => keywords::run(words),
        Command::Doctor(words) => doctor::run(words),
        Command::Genhash(words) => genhash::run(words),
        Command::Completions(words) => completions::run(words),
        Command::Man(words) => manual::run(words),
    };
    match done {
        Ok(status) => ExitCode::from(status),
        // Whoever closed the pipe has read enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("standfast: {error}");
            ExitCode::from(1)
        }
    }
}
