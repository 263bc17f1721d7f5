//! `instructions PATH TIMES`: does one thing of what the daemon does again and again, so many times, and nothing else.
//!
//! It measures nothing itself. `scripts/bench instructions` runs it under callgrind with one number of times and with
//! twice that number: the difference is what the thing costs, and what the process does around it cancels out. So that
//! the counts are the same on every machine it reads no clock, draws no number, has no map with a random order, and
//! starts no thread.

mod configuration;
mod routers;
mod servers;

use std::process::ExitCode;

/// One thing that is counted.
struct Path {
    name: &'static str,
    what: &'static str,
    /// How often it is done in the shorter run: some millions of instructions.
    times: u32,
    run: fn(u32),
}

const PATHS: [Path; 8] = [
    Path {
        name: "advert-receive",
        what: "a standby takes an advertisement of its master",
        times: 4_000,
        run: routers::receive,
    },
    Path { name: "advert-send", what: "a master sends an advertisement that is due", times: 4_000, run: routers::send },
    Path {
        name: "address-diff",
        what: "a thousand addresses are compared with those that the kernel has",
        times: 10,
        run: routers::compare_addresses,
    },
    Path { name: "check-tick", what: "a check is due, and its server passes", times: 4_000, run: servers::tick },
    Path {
        name: "table-diff",
        what: "a table of 100 services with 10 servers each is compared with the kernel's",
        times: 20,
        run: servers::compare_tables,
    },
    Path {
        name: "table-reload",
        what: "one weight of 100 services with 10 servers each is another: the core goes on with it",
        times: 10,
        run: servers::reload,
    },
    Path {
        name: "table-note",
        what: "what is known of 100 services with 10 servers each is put into the form for a successor",
        times: 20,
        run: servers::note,
    },
    Path {
        name: "config-read",
        what: "a configuration of 100 virtual servers with 10 real servers each is read",
        times: 1,
        run: configuration::read,
    },
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let path = |name: &str| PATHS.iter().find(|path| path.name == name);
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--list"] => PATHS.iter().for_each(|path| println!("{}\t{}\t{}", path.name, path.times, path.what)),
        [name, times] => match (path(name), times.parse()) {
            (Some(path), Ok(times)) => (path.run)(times),
            (Some(_) | None, _) => return usage(),
        },
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("instructions PATH TIMES, or instructions --list");
    ExitCode::from(2)
}
