//! The crate `kernel` against a kernel that has what this machine's lacks (IPVS, ipvlan, VRF, MPLS): its own test
//! binaries, run on a director.

#![expect(clippy::unwrap_used, reason = "the helper of a test fails it by panicking")]

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use lab::{Lab, Result};

/// Where cargo has put the test binary of that name. It is built by whoever builds all tests, and here if it is not there yet.
fn test_binary(name: &str) -> PathBuf {
    let built = Command::new(env!("CARGO"))
        // The whole workspace, for its features: with those of one package everything would be built a second time.
        .args(["test", "--workspace", "--test", name, "--no-run", "--message-format=json"])
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let executable = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_it = message.pointer("/target/name")?.as_str() == Some(name);
        message.get("executable").filter(|_| is_it)?.as_str().map(PathBuf::from)
    };
    String::from_utf8_lossy(&built.stdout).lines().find_map(executable).unwrap()
}

#[test]
fn what_the_kernel_crate_says_of_ipvs_holds_on_a_kernel_that_has_it() -> Result<()> {
    holds("ipvs", "every_way_of_forwarding_is_added_and_read_back ... ok")
}

#[test]
fn what_the_kernel_crate_says_of_devices_and_tunnels_holds_on_a_kernel_that_has_them() -> Result<()> {
    holds("linux", "guest::an_ipvlan_is_made_with_its_mode ... ok")
}

/// Runs the ignored tests of a binary in a guest; one of them must be among those that passed.
fn holds(name: &str, witness: &str) -> Result<()> {
    let binary = test_binary(name);
    let (lab, director) = Lab::of_one_director(name, "192.0.2.1/24", 1024)?;
    let tests = format!("{} --ignored --test-threads=1 --nocapture 2>&1", binary.display());
    let ended = director.try_run(lab::Command::from(tests).within(Duration::from_secs(120)))?;
    println!("{}", ended.stdout);
    assert!(ended.succeeded(), "{}", ended.stdout);
    assert!(ended.stdout.contains(witness), "{}", ended.stdout);
    lab.finish()
}
