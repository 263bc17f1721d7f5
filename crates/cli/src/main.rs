//! `standfast`, the operator's command: what a running director does and why, and what a configuration means before one
//! runs on it.
//!
//! This file hands words to the subcommands; each is a module. None of them changes a file but `fmt`.

use clap::Parser as _;
use standfast_api::control::ServerWish;
use standfast_cli::arguments::{Arguments, Command, ConfigCommand};
use standfast_cli::operate::Operate;
use standfast_cli::{
    check, check_pair, completions, config_show, doctor, events, explain, fmt, genhash, ipvs, keywords, manual, order,
    plan, status, upgrade, watch,
};
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// The words of the command line. Called `genhash` it is genhash, with genhash's words and exit statuses;
/// `standfast help drain` is `standfast drain --help`.
fn arguments() -> Result<Arguments, ExitCode> {
    let mut words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let name = std::env::args_os().next().unwrap_or_default();
    let standfast = OsString::from("standfast");
    if Path::new(&name).file_name().is_none_or(|name| name != "genhash") {
        if words.first().is_some_and(|word| word == "help") {
            words.remove(0);
            words.push("--help".into());
        }
        return Ok(Arguments::parse_from([standfast].into_iter().chain(words)));
    }
    let words = [standfast, "genhash".into()].into_iter().chain(words);
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
        Command::Operate(command) => ask(command),
        Command::Keywords(words) => keywords::run(words),
        Command::Doctor(words) => doctor::run(words),
        Command::Genhash(words) => genhash::run(words),
        Command::Completions(words) => completions::run(words),
        Command::Man(words) => manual::run(words),
    };
    match done {
        Ok(status) => ExitCode::from(status),
        // Whoever closed the pipe has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("standfast: {error}");
            ExitCode::from(1)
        }
    }
}

/// What asks the running daemon.
fn ask(command: &Operate) -> io::Result<u8> {
    match command {
        Operate::Status(words) => status::run(words),
        Operate::Watch(words) => watch::run(words),
        Operate::Events(words) => events::run(words),
        Operate::Why(words) => events::why(words),
        Operate::Stats(words) => status::stats(words),
        Operate::Reload(words) => order::reload(words),
        Operate::Confirm(words) => order::confirm(words),
        Operate::Upgrade(words) => upgrade::run(words),
        Operate::Plan(words) => plan::run(words),
        Operate::Switchover(words) => order::switchover(words),
        Operate::Maintenance(words) => order::maintenance(words),
        Operate::LogLevel(words) => order::log_level(words),
        Operate::Ready(words) => order::server(words, ServerWish::Ready),
        Operate::Drain(words) => order::server(&words.server, ServerWish::Drain { within_s: words.within }),
        Operate::Disable(words) => order::server(words, ServerWish::Disable),
        Operate::Weight(words) => order::server(&words.server, ServerWish::Weight(words.weight)),
        Operate::Ipvs { stats } => ipvs::run(*stats),
    }
}
