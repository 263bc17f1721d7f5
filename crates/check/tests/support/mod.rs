//! Where the tests of checks run: on a runtime, in a network namespace of their own, or without descriptors.
//!
//! The last two need a process of their own: the test runs itself again, and this time does its work.

pub(crate) mod server;

use core::time::Duration;
use standfast_check::{Reason, Verdict};
use standfast_model::config::lvs::Connect;
use std::fs::File;
use std::net::SocketAddr;
use std::process::Command;

/// Set in the process that a test started for itself.
const INSIDE: &str = "STANDFAST_CHECK_TEST_INSIDE";

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().unwrap()
}

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    runtime().block_on(work)
}

#[expect(clippy::disallowed_methods, reason = "a test of a time limit measures how long it took")]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = std::time::Instant::now();
    let value = work();
    (value, start.elapsed())
}

/// Runs the test of that name in a fresh network namespace, which ends with its process.
pub(crate) fn in_own_network(name: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        body();
        return;
    }
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "--"]).arg(std::env::current_exe().unwrap());
    again(command, name);
}

/// Runs the test of that name in a process that may open few files, and gives it the means to open them all.
pub(crate) fn without_descriptors(name: &str, body: impl FnOnce(&dyn Fn() -> Vec<File>)) {
    if std::env::var_os(INSIDE).is_some() {
        body(&|| core::iter::from_fn(|| File::open("/dev/null").ok()).collect());
        return;
    }
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 40 && exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    again(command, name);
}

fn again(mut command: Command, name: &str) {
    let output = command.args(["--exact", name, "--nocapture"]).env(INSIDE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "inside:\n{said}\n{complained}");
}

/// Runs iproute2 in the namespace of this process.
pub(crate) fn ip(arguments: &str) {
    assert!(std::env::var_os(INSIDE).is_some(), "only inside a namespace made for the test");
    let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

/// The words of the connection that every test begins with.
pub(crate) fn to(target: SocketAddr) -> Connect {
    Connect {
        target,
        bind_address: None,
        bind_port: None,
        bind_interface: None,
        timeout: Duration::from_secs(5),
        mark: 0,
    }
}

/// A failure that the check describes itself.
pub(crate) fn says(words: &str) -> Verdict {
    Verdict::Failed(Reason::Answer(words.into()))
}
