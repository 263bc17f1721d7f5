//! Runs the seed network until it is interrupted, for a person to look at: `lab-seed [--daemon PROGRAM | --no-daemon]`.
//! Starts Debian's keepalived on both directors unless told otherwise, and prints how to get a shell on each machine.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use lab::seed::{Daemon, MASTER_CONF, STANDBY_CONF, Seed};

/// How long both services may take to answer through the VIPs.
const SERVICE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let daemon = match words.as_slice() {
        [] => Some(Daemon::keepalived()),
        ["--daemon", program] => Some(Daemon::at(*program)),
        ["--no-daemon"] => None,
        _ => return fail("usage: lab-seed [--daemon PROGRAM | --no-daemon]"),
    };
    match run(daemon.as_ref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn run(daemon: Option<&Daemon>) -> lab::Result<()> {
    let seed = Seed::start("seed")?;
    if let Some(daemon) = daemon {
        daemon.start(&seed.master, MASTER_CONF)?;
        daemon.start(&seed.standby, STANDBY_CONF)?;
        seed.wait_for_service(SERVICE)?;
    }
    seed.lab.keep()
}

fn fail(why: &str) -> ExitCode {
    // When nobody reads the error there is still the status.
    let _ = writeln!(io::stderr(), "{why}");
    ExitCode::FAILURE
}
