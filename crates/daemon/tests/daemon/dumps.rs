//! What is written on signals, beside what keepalived itself writes for the same configuration.

use crate::machine::{Machine, kill, wait_for};
use rustix::process::Signal;
use serde_json::{Map, Value};
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Everything that the files tell of and that a keepalived of 2022 knows.
const CONFIGURATION: &str = "
global_defs {
    router_id TEST
    enable_script_security
    script_user root
}
vrrp_script chk {
    script \"/usr/bin/true\"
    interval 1
    weight 2
}
vrrp_instance VI_E {
    state MASTER
    interface east
    virtual_router_id 51
    priority 150
    advert_int 1
    preempt_delay 7
    garp_master_delay 3
    track_interface {
        lo weight 3
    }
    track_script {
        chk
    }
    authentication {
        auth_type PASS
        auth_pass s3cr3tpw
    }
    virtual_ipaddress {
        192.0.2.100/24
        192.0.2.101/32 label east:1
    }
    virtual_ipaddress_excluded {
        198.51.100.7/32
    }
    notify_master \"/usr/bin/true a b\"
}
";

fn machine() -> Machine {
    let machine = Machine::with_pair();
    machine.write("keepalived.conf", CONFIGURATION);
    machine
}

fn signal(name: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_standfastd")).arg(format!("--signum={name}")).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn read(path: &str) -> String {
    wait_for(path, || Path::new(path).exists());
    std::fs::read_to_string(path).unwrap()
}

fn has_address() -> bool {
    let output = Command::new("ip").args(["address", "show", "dev", "east"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().contains("192.0.2.101")
}

/// What keepalived writes: JSON, statistics, data. None where it is not installed.
fn of_keepalived(machine: &Machine) -> Option<(String, String, String)> {
    let program = Path::new("/usr/sbin/keepalived");
    program.exists().then(|| {
        std::fs::create_dir("/run/dumps").unwrap();
        let log = File::create(machine.path("other")).unwrap();
        let mut child = Command::new(program)
            .args(["-n", "-l", "-p", "/run/other.pid", "-r", "/run/other_vrrp.pid", "-f"])
            .arg(machine.path("keepalived.conf"))
            .env("TMPDIR", "/run/dumps")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        wait_for("the mastership of keepalived", has_address);
        for name in ["JSON", "STATS", "DATA"] {
            crate::machine::run(&format!("kill -{} {}", signal(name), child.id()));
        }
        let json = || read("/run/dumps/keepalived.json");
        wait_for("the whole JSON", || json().ends_with('\n'));
        wait_for("all of the data", || read("/run/dumps/keepalived.data").contains("Interfaces"));
        let texts = (json(), read("/run/dumps/keepalived.stats"), read("/run/dumps/keepalived.data"));
        kill(child.id().cast_signed(), Signal::TERM);
        child.wait().unwrap();
        wait_for("the end of its addresses", || !has_address());
        texts
    })
}

/// What ours writes.
fn of_ours(machine: &Machine) -> (String, String, String) {
    let mut daemon = machine.start(&[]);
    wait_for("our mastership", has_address);
    for (name, file) in [("JSON", "keepalived.json"), ("STATS", "keepalived.stats"), ("DATA", "keepalived.data")] {
        crate::machine::run(&format!("kill -{} {}", signal(name), daemon.pid()));
        read(&format!("/run/standfast/{file}"));
    }
    let mode = std::fs::metadata("/run/standfast/keepalived.json").unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = |file: &str| std::fs::read_to_string(format!("/run/standfast/{file}")).unwrap();
    let texts = (text("keepalived.json"), text("keepalived.stats"), text("keepalived.data"));
    assert_eq!(daemon.stop(), 0);
    texts
}

fn members(text: &str, part: &str) -> Map<String, Value> {
    let value: Value = serde_json::from_str(text).unwrap();
    value[0][part].as_object().unwrap().clone()
}

/// The names of the members of an object in their order, which a parsed object has lost.
fn order(text: &str, names: &Map<String, Value>) -> Vec<String> {
    let mut places: Vec<(usize, String)> =
        names.keys().map(|name| (text.find(&format!("\"{name}\":")).unwrap(), name.clone())).collect();
    places.sort();
    places.into_iter().map(|(_, name)| name).collect()
}

#[test]
fn json_statistics_and_data_are_those_of_keepalived() {
    let machine = machine();
    let Some((their_json, their_stats, their_data)) = of_keepalived(&machine) else { return };
    let (our_json, our_stats, our_data) = of_ours(&machine);
    assert_eq!(our_json.lines().count(), 1);
    assert!(our_json.ends_with("]\n") && our_json.contains("\\/24"), "{our_json}");
    // The clock, the counts of this moment, and the password, which keepalived of that age shows.
    let differs = ["last_transition", "advert_sent", "auth_data"];
    for part in ["data", "stats"] {
        let (theirs, ours) = (members(&their_json, part), members(&our_json, part));
        for (name, value) in &theirs {
            let our_value = ours.get(name).unwrap_or_else(|| panic!("{name} is missing: {our_json}"));
            assert!(our_value == value || differs.contains(&name.as_str()), "{name}: {value} and {our_value}");
        }
        let known: Vec<String> = order(&our_json, &ours).into_iter().filter(|name| theirs.contains_key(name)).collect();
        assert_eq!(known, order(&their_json, &theirs), "the order of {part}");
        let new: Vec<&String> = ours.keys().filter(|name| !theirs.contains_key(*name)).collect();
        assert!(new.iter().all(|name| name.starts_with("auth_ext_")), "{new:?}");
    }
    assert!(!our_json.contains("s3cr3tpw") && !our_data.contains("s3cr3tpw"));
    let without_numbers = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned()).collect()
    };
    let (theirs, ours) = (without_numbers(&their_stats), without_numbers(&our_stats));
    // The section that keepalived has had since.
    let begin = ours.iter().position(|line| line.contains("Authentication Extension Errors")).unwrap();
    assert_eq!([&ours[..begin], &ours[begin + 7..]].concat(), theirs);
    // Of the data, every line of ours that is not ours alone stands in theirs.
    let own = ["Password", "Last transition", "Cause of last transition", "Timeout"];
    let strangers: Vec<&str> = our_data
        .lines()
        .filter(|line| !their_data.lines().any(|theirs| theirs == *line))
        .filter(|line| !own.iter().any(|label| line.trim_start().starts_with(label)))
        .collect();
    assert_eq!(strangers, Vec::<&str>::new(), "of\n{our_data}\nand\n{their_data}");
}

fn sent(stats: &str) -> u64 {
    stats.lines().find_map(|line| line.strip_prefix("    Sent: ")).unwrap().parse().unwrap()
}

#[test]
fn cleared_statistics_begin_at_zero() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    wait_for("the mastership", || machine.read("stderr").contains("Entering MASTER STATE"));
    let file = "/run/standfast/keepalived.stats";
    let write = |name: &str| {
        let _ = std::fs::remove_file(file);
        crate::machine::run(&format!("kill -{} {}", signal(name), daemon.pid()));
        read(file)
    };
    wait_for("three advertisements", || sent(&write("STATS")) >= 3);
    let before = write("STATS_CLEAR");
    let after = write("STATS");
    assert!(sent(&before) >= 3 && sent(&after) <= 1, "{before}{after}");
    assert!(before.contains("Became master: 1") && after.contains("Became master: 0"), "{after}");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_link_in_the_place_of_a_file_is_replaced_and_its_target_left_alone() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    machine.write("precious", "data");
    for name in ["keepalived.stats", "keepalived.stats.new"] {
        std::os::unix::fs::symlink(machine.path("precious"), format!("/run/standfast/{name}")).unwrap();
    }
    crate::machine::run(&format!("kill -{} {}", signal("STATS"), daemon.pid()));
    wait_for("the file", || std::fs::symlink_metadata("/run/standfast/keepalived.stats").unwrap().is_file());
    assert_eq!(machine.read("precious"), "data");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn what_is_read_and_how_things_are_around_a_reload_is_kept_where_config_save_dir_says() {
    let machine = machine();
    std::fs::create_dir("/run/test/kept").unwrap();
    let text = CONFIGURATION.replace("router_id TEST", "router_id TEST\n config_save_dir /run/test/kept");
    machine.write("keepalived.conf", &format!("$VRID=51\n{}", text.replace("router_id 51", "router_id $VRID")));
    let mut daemon = machine.start(&[]);
    let kept = |name: &str| machine.path("kept").join(name.replace("PID", &daemon.pid().to_string()));
    let first = std::fs::read_to_string(kept("keepalived.conf.PID.0")).unwrap();
    assert!(first.contains("virtual_router_id 51"), "definitions are replaced: {first}");
    assert!(first.contains("auth_pass ********") && !first.contains("s3cr3tpw"), "{first}");
    assert_eq!(std::fs::metadata(kept("keepalived.conf.PID.0")).unwrap().permissions().mode() & 0o777, 0o600);
    machine.write("keepalived.conf", &text.replace("priority 150", "priority 140"));
    kill(daemon.pid(), Signal::HUP);
    wait_for("the last file", || kept("keepalived_vrrp.PID.1.post").exists());
    assert!(std::fs::read_to_string(kept("keepalived.conf.PID.1")).unwrap().contains("priority 140"));
    for moment in ["pre", "post"] {
        let data = std::fs::read_to_string(kept(&format!("keepalived_vrrp.PID.1.{moment}"))).unwrap();
        assert!(data.contains("VI_E"), "{moment}: {data}");
    }
    assert_eq!(daemon.stop(), 0);
}
