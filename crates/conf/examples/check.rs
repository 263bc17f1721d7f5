//! Reads a configuration as `standfastd --config-test` does and prints what is wrong with it.
//!
//! `check [--config-test[=FILE] | -t[FILE]] [-e] [-i ID] [-l] [-f] FILE`; `-l` prints one line for each mistake.

#[path = "../../daemon/src/host.rs"]
#[expect(unreachable_pub, reason = "the file is the daemon's, where it is public")]
mod host;

use standfast_conf::{Checks, Options, exit_code_for_test, load, render, render_line};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut path = PathBuf::from("/etc/keepalived/keepalived.conf");
    let mut options = Options::default();
    let mut log = None;
    let mut short = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = argument.split_once('=').map(|(_, value)| value.to_owned());
        match argument.as_str() {
            "-f" => path = arguments.next().map(PathBuf::from).unwrap_or(path),
            "-i" => options.config_id = arguments.next(),
            "-e" => options.include_checks = Checks::ALL,
            "-l" => short = true,
            _ if argument.starts_with("--config-test") => log = value,
            _ if argument.starts_with("-t") => log = argument.get(2..).filter(|f| !f.is_empty()).map(str::to_owned),
            _ => path = argument.into(),
        }
    }
    let loaded = load(&host::System, &path, &options);
    let mut text = String::new();
    for diagnostic in &loaded.diagnostics {
        let one =
            if short { render_line(diagnostic, &loaded.sources) } else { render(diagnostic, &loaded.sources, false) };
        text.push_str(&one);
        text.push_str(if short { "\n" } else { "\n\n" });
    }
    let written = match log {
        Some(file) => std::fs::write(file, text),
        None => std::io::stderr().write_all(text.as_bytes()),
    };
    match written {
        Ok(()) => ExitCode::from(exit_code_for_test(&loaded.diagnostics)),
        Err(_) => ExitCode::FAILURE,
    }
}
