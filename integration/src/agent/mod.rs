//! What runs inside the lab's machines: one program, `lab-agent`, that is the first process of each and does there what
//! the lab asks for. It holds no policy, and it trusts whoever reaches its socket: that is the lab alone.

mod busy;
mod children;
mod freeze;
pub(crate) mod guest;
pub(crate) mod inits;
mod knocker;
mod prober;
pub(crate) mod protocol;
mod root;
mod sender;
mod serve;
pub(crate) mod shell;
pub(crate) mod stream;
mod talker;
mod weigher;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// The search path inside every machine.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The program `lab-agent`: does what its arguments say and returns its status.
///
/// - `wires`, `machine SETUP`, `power TURN COMMAND...`: first processes, started by the lab
/// - none, as the first process of a kernel: a director; and `guest-service`, where systemd is the first process
/// - `freeze PID`, `thaw PID`: all processes of a machine
/// - `probe ...`: asks a service until it is told to stop, started by [`crate::Machine::probe`]
/// - `echo PORT NAME`, `talk ...`: both ends of connections that last, started by [`crate::Machine::serve_echo`] and
///   [`crate::Machine::talk`]
/// - `send CARD PER-SECOND MILLISECONDS`: sends packets as they are, started by [`crate::Machine::send_packets`]
/// - `knock PER-SECOND MILLISECONDS REQUEST`: connects to servers, started by [`crate::Machine::cost_of_connections`]
/// - `busy NAME QUIET LIMIT`: watches processes until they rest, both in milliseconds; started by
///   [`crate::Machine::watch`]
/// - `weigh PID SERVICE WEIGHT LIMIT`: has a daemon reload and waits for a weight in IPVS's table, a limit of
///   milliseconds; started by [`crate::Machine::reload_until_weight`]
/// - `shell PID MACHINE [COMMAND...]`: for the person who looks at a running lab
#[must_use]
pub fn main(arguments: &[String]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["wires"] => return inits::wires(),
        ["machine", setup] => return inits::machine(Path::new(setup)),
        ["power", turn, ..] => {
            return inits::power(turn.parse().unwrap_or(0), arguments.get(2..).unwrap_or_default());
        }
        [] if std::process::id() == 1 => return guest::guest(),
        ["guest-service"] => return guest::guest_service(),
        ["freeze", pid] => number(pid).and_then(freeze::freeze).map(|()| ExitCode::SUCCESS),
        ["thaw", pid] => number(pid).and_then(freeze::thaw).map(|()| ExitCode::SUCCESS),
        ["probe", probe @ ..] => prober::probe(probe).map(|()| ExitCode::SUCCESS),
        ["echo", port, name] => number(port).and_then(|port| talker::echo(port, name)).map(|()| ExitCode::SUCCESS),
        ["talk", talk @ ..] => talker::talk(talk).map(|()| ExitCode::SUCCESS),
        ["send", card, per_second, millis] => number(per_second)
            .and_then(|per_second| sender::send(card, per_second, number(millis)?))
            .map(|()| ExitCode::SUCCESS),
        ["knock", per_second, millis, request] => number(per_second)
            .and_then(|per_second| knocker::knock(per_second, number(millis)?, request))
            .map(|()| ExitCode::SUCCESS),
        ["busy", name, quiet, limit] => {
            number(quiet).and_then(|quiet| busy::busy(name, quiet, number(limit)?)).map(|()| ExitCode::SUCCESS)
        }
        ["weigh", pid, service, weight, limit] => number(pid)
            .and_then(|pid| weigher::weigh(pid, number(service)?, number(weight)?, number(limit)?))
            .map(|()| ExitCode::SUCCESS),
        ["shell", pid, machine, ..] => {
            number(pid).and_then(|pid: u32| shell::shell(pid, machine, arguments.get(3..).unwrap_or_default()))
        }
        _ => Err(io::Error::other("usage: lab-agent shell PID MACHINE [COMMAND...]; the lab prints the process id")),
    };
    done.unwrap_or_else(|error| {
        // When nobody reads the error there is still the status.
        let _ = writeln!(io::stderr(), "lab-agent: {error}");
        ExitCode::FAILURE
    })
}

fn number<T: std::str::FromStr>(word: &str) -> io::Result<T> {
    word.parse().map_err(|_| io::Error::other(format!("{word:?} is not what it should be")))
}
