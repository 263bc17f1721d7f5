//! The flaws of keepalived that were published with a number, each as the fact that its class is gone. That of the status
//! line (CVE-2018-19115) is among the tests of the checks, that of the bus (CVE-2021-44225) among those of the bus.

use crate::machine::{Machine, PAIR, run, wait_for};
use rustix::process::Signal;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Every file below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && entry.path() != Path::new("/run/test") && entry.path() != Path::new("/run/devices") {
            found.extend(files(&entry.path()));
        } else if !kind.is_dir() {
            found.push(entry.path());
        }
    }
    found
}

fn dump(daemon: &crate::machine::Daemon) {
    daemon.signal(Signal::USR1);
    daemon.signal(Signal::USR2);
    for name in ["keepalived.data", "keepalived.stats"] {
        wait_for(name, || Path::new("/run/standfast").join(name).is_file());
    }
}

/// Whoever could write a pid file could have root stop any process.
#[test]
fn cve_2011_1784_no_file_of_the_daemon_can_be_written_by_others_whatever_the_umask() {
    let machine = Machine::with_pair();
    machine.write("keepalived.conf", &format!("global_defs {{\n umask 000\n}}\n{PAIR}"));
    let mut daemon = machine.start(&["-u", "0"]);
    dump(&daemon);
    let found = files(Path::new("/run"));
    assert!(found.iter().any(|path| path.ends_with("vrrp.pid")), "{found:?}");
    for path in &found {
        let mode = std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
        let socket = path.ends_with("control");
        assert!(mode & 0o022 == 0 || socket && mode & 0o002 == 0, "{} {mode:o}", path.display());
    }
    let directories = ["/run/standfast"].map(|path| std::fs::metadata(path).unwrap().permissions().mode() & 0o022);
    assert_eq!(directories, [0]);
    assert_eq!(daemon.stop(), 0);
}

/// Files that root writes on request in a directory of everybody's: a link there chooses which file of root's is lost.
#[test]
fn cve_2018_19044_nothing_is_written_in_a_directory_of_everybody_s_or_through_a_link() {
    let machine = Machine::with_pair();
    machine.write("precious", "data");
    // The places of keepalived.
    let names = ["keepalived.data", "keepalived.stats", "keepalived.json"];
    let everybody_s = machine.path("tmp");
    std::fs::create_dir(&everybody_s).unwrap();
    std::fs::set_permissions(&everybody_s, std::fs::Permissions::from_mode(0o1777)).unwrap();
    for name in names {
        std::os::unix::fs::symlink(machine.path("precious"), everybody_s.join(name)).unwrap();
    }
    std::fs::create_dir("/run/standfast").unwrap();
    std::os::unix::fs::symlink(machine.path("precious"), "/run/standfast/keepalived.data").unwrap();
    let mut command = machine.command(&["-n"]);
    let mut daemon = machine.start_command(command.env("TMPDIR", &everybody_s));
    dump(&daemon);
    assert_eq!(machine.read("precious"), "data");
    for name in names {
        assert!(std::fs::symlink_metadata(everybody_s.join(name)).unwrap().is_symlink(), "{name}");
    }
    assert_eq!(daemon.stop(), 0);
}

/// Passwords in what everybody can read.
#[test]
fn cve_2018_19045_what_is_dumped_is_read_by_root_alone_and_holds_no_password() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&["-u", "0"]);
    dump(&daemon);
    for name in ["keepalived.data", "keepalived.stats"] {
        let path = Path::new("/run/standfast").join(name);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        assert!(!std::fs::read_to_string(&path).unwrap().contains("s3cr3tpw"), "{name}");
    }
    assert!(!machine.read("stderr").contains("s3cr3tpw"));
    assert_eq!(daemon.stop(), 0);
}

/// Somebody else makes the file before, under the name that can be guessed, and it stays his.
#[test]
fn cve_2018_19046_a_file_that_somebody_else_has_made_before_is_replaced_and_not_written_to() {
    let machine = Machine::with_pair();
    std::fs::create_dir("/run/standfast").unwrap();
    let path = Path::new("/run/standfast/keepalived.data");
    std::fs::write(path, "theirs").unwrap();
    std::fs::hard_link(path, machine.path("kept")).unwrap();
    run("chown nobody /run/standfast/keepalived.data");
    run("chmod 666 /run/standfast/keepalived.data");
    let mut daemon = machine.start(&[]);
    daemon.signal(Signal::USR1);
    wait_for("another file", || std::fs::metadata(path).is_ok_and(|found| found.uid() == 0));
    assert_eq!(machine.read("kept"), "theirs", "who has it open reads along");
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(daemon.stop(), 0);
}

/// A rule that named an interface and no destination let everybody set the properties of every service.
#[test]
fn cve_2021_44225_every_rule_of_the_bus_names_our_service_and_strangers_may_only_look() {
    let policy = include_str!("../../../../etc/dbus/org.keepalived.Vrrp1.conf");
    let rules: Vec<&str> =
        policy.split('<').filter(|tag| tag.starts_with("allow") || tag.starts_with("deny")).collect();
    assert!(rules.len() > 3, "{policy}");
    for rule in &rules {
        let ours = ["send_destination=\"org.keepalived.Vrrp1\"", "own=\"org.keepalived.Vrrp1\""];
        assert!(ours.iter().any(|name| rule.contains(name)), "{rule}");
    }
    // What is said of everybody begins with refusals.
    let (_, everybody) = policy.split_once("context=\"default\"").unwrap();
    let (refused, _) = everybody.split_once("<allow").unwrap();
    assert!(refused.contains("<deny own=") && refused.contains("<deny send_destination="), "{refused}");
    let everybody = everybody.split("</policy>").next().unwrap();
    for rule in everybody.split('<').filter(|tag| tag.starts_with("allow")) {
        assert!(!rule.contains("\"Set\"") && !rule.contains("own="), "{rule}");
    }
}
