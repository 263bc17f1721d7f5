//! However a lab ends, nothing of it is left: no process, no interface, no mount, no file.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test ends where the world is not as it must be")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lab::{Lab, Plan, Result, until};

/// A process, safe against a later one of the same number.
type Identity = (u32, String);

/// What this machine has outside of any lab.
#[derive(Debug, PartialEq, Eq)]
struct Surroundings {
    interfaces: BTreeSet<String>,
    mounts: BTreeSet<String>,
    run: BTreeSet<String>,
    home: BTreeSet<String>,
}

impl Surroundings {
    fn now() -> Self {
        let names = |directory: &str| {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        };
        let mounts = fs::read_to_string("/proc/self/mounts").expect("every system has it");
        Self {
            interfaces: names("/sys/class/net"),
            mounts: mounts.lines().map(str::to_owned).collect(),
            run: names("/run"),
            home: names("/root"),
        }
    }
}

fn two_machines() -> Plan {
    let mut plan = Plan::new("left");
    let lan = plan.lan("lan");
    plan.director("director").card(lan, ["192.0.2.1/24"]);
    plan.host("host").card(lan, ["192.0.2.2/24"]);
    plan
}

/// Parent and start time of every process.
fn processes() -> BTreeMap<u32, (u32, String)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir("/proc").expect("every system has it").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name, in parentheses, may hold anything.
        let Some((_, fields)) = stat.rsplit_once(") ") else { continue };
        let fields: Vec<&str> = fields.split(' ').collect();
        all.insert(pid, (fields[1].parse().expect("a process id"), fields[19].to_owned()));
    }
    all
}

/// A process and all its descendants.
fn family(root: u32) -> BTreeSet<Identity> {
    let all = processes();
    let mut found = BTreeSet::from([root]);
    loop {
        let more: BTreeSet<u32> =
            all.iter().filter(|(_, (parent, _))| found.contains(parent)).map(|(pid, _)| *pid).collect();
        let size = found.len();
        found.extend(more);
        if found.len() == size {
            return found.into_iter().filter_map(|pid| Some((pid, all.get(&pid)?.1.clone()))).collect();
        }
    }
}

fn living(of: &BTreeSet<Identity>) -> Vec<Identity> {
    let all = processes();
    of.iter().filter(|(pid, start)| all.get(pid).is_some_and(|(_, now)| now == start)).cloned().collect()
}

/// The processes outside of machines of all labs that have a machine of this name.
fn of_labs_with(machine: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for pid in processes().into_keys() {
        let machines = fs::read_to_string(format!("/proc/{pid}/root/run/lab/machines")).unwrap_or_default();
        if machines.contains(&format!("{machine:?}")) {
            found.push(pid);
        }
    }
    found
}

/// What a lab has while it runs, to be sure that the test looks at something.
fn family_of_a_running(lab: &Lab) -> BTreeSet<Identity> {
    let family = family(lab.process_id());
    // The wires, a host, the holder of a kernel, the kernel, and what it runs.
    assert!(family.len() >= 5, "{family:?}");
    family
}

#[test]
fn a_lab_that_ends_in_order_leaves_nothing() -> Result<()> {
    let before = Surroundings::now();
    let lab = two_machines().start()?;
    let family = family_of_a_running(&lab);
    assert!(!of_labs_with("director").is_empty(), "this is how a lab is found");
    // A lab is not seen from outside even while it runs.
    assert_eq!(Surroundings::now(), before);
    lab.finish()?;
    assert_eq!(living(&family), []);
    assert_eq!(Surroundings::now(), before);
    Ok(())
}

#[test]
fn a_panic_leaves_nothing() {
    let before = Surroundings::now();
    let mut family = BTreeSet::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let lab = two_machines().start().expect("it starts");
        family = family_of_a_running(&lab);
        panic!("as tests do");
    }));
    assert!(panicked.is_err());
    assert_eq!(living(&family), []);
    assert_eq!(Surroundings::now(), before);
}

#[test]
fn a_lab_that_cannot_start_leaves_nothing() {
    let before = Surroundings::now();
    let mut plan = two_machines();
    // A kernel cannot live in so little.
    plan.director("tiny").memory(4);
    let error = plan.start().unwrap_err().to_string();
    assert!(error.contains("wires") && error.contains("ready"), "{error}");
    assert_eq!(of_labs_with("tiny"), [0; 0]);
    assert_eq!(Surroundings::now(), before);
}

/// A program that holds a lab until it is interrupted.
fn holder() -> (Child, BTreeSet<Identity>) {
    let program: PathBuf = Path::new(env!("CARGO_BIN_EXE_lab-seed")).to_owned();
    let mut child = Command::new(program)
        .arg("--no-daemon")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it is built");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let said = lines.next().expect("it says that it keeps the lab").expect("it writes text");
    assert!(said.contains("keeps running"), "{said}");
    let family = family(child.id());
    // Two kernels with their holders, seven hosts, three web servers with a worker each, three DNS servers.
    assert!(family.len() >= 20, "{family:?}");
    (child, family)
}

#[test]
fn a_signal_to_the_program_that_holds_a_lab_leaves_nothing() -> Result<()> {
    let before = Surroundings::now();
    for signal in ["KILL", "INT", "TERM"] {
        let (mut child, family) = holder();
        let killed = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(killed.expect("kill is there").success());
        child.wait().expect("it is a child");
        until(&format!("nothing was left after SIG{signal}"), Duration::from_secs(10), || living(&family).is_empty())?;
        assert_eq!(Surroundings::now(), before, "after SIG{signal}");
    }
    Ok(())
}
