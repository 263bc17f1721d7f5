//! The Debian package on Debian machines with a systemd.

#![cfg(test)]

mod migrated;
mod replaced;

use std::path::Path;
use std::time::Duration;

use lab::seed::Daemon;
use lab::{Command, Machine, Result};

pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// The package of the programs that this test was built with. Tests that run at the same time each make their own.
pub(crate) fn package(of: &str) -> std::path::PathBuf {
    let program = Daemon::standfastd().unwrap().program().to_owned();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let built = std::process::Command::new(root.join("scripts/package"))
        .arg("--built")
        .arg(Path::new(&program).parent().unwrap())
        .arg("--out")
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join(of))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    String::from_utf8(built.stdout).unwrap().trim().into()
}

pub(crate) fn apt(machine: &Machine, words: &str) -> Result<String> {
    let words = format!("DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Use-Pty=0 {words}");
    machine.run(Command::from(words).within(seconds(150)))
}

pub(crate) fn systemctl(machine: &Machine, words: &str) -> Result<String> {
    let said = machine.try_run(Command::from(format!("systemctl {words}")).within(seconds(60)))?;
    Ok(said.stdout.trim().to_owned() + said.stderr.trim())
}

/// Waits until a machine has started, and takes away what would make apt behave as nowhere else.
pub(crate) fn ready(machine: &Machine) -> Result<()> {
    machine.run(Command::from("systemctl is-system-running --wait || true").within(seconds(60)))?;
    // Manual pages are not what this is about, and their index takes a minute there.
    machine.run("rm -f /var/lib/man-db/auto-update /usr/sbin/policy-rc.d")?;
    Ok(())
}
