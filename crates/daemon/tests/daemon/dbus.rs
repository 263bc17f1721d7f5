//! The D-Bus service of the built daemon on a bus of the test's own: what is there, what is signalled, who may call, and
//! that a bus may go and come. Where keepalived is on the machine, the same story is played with it and compared.

mod nonsense;

use crate::kernel_state::Capture;
use crate::machine::{Daemon, Machine, becomes, run, wait_for};
use core::time::Duration;
use rustix::process::Signal;
use std::path::Path;
use std::process::{Command, Output};

const KEEPALIVED: &str = "/usr/sbin/keepalived";
const SERVICE: &str = "org.keepalived.Vrrp1";
const VRRP: &str = "/org/keepalived/Vrrp1/Vrrp";
const EAST: &str = "/org/keepalived/Vrrp1/Instance/east/51/IPv4";
const ADDRESS: &str = "unix:path=/run/test/bus";

/// The policy of the system's bus, with the one file more that is installed with the daemon.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/test/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <policy user="root">
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Monitoring"/>
  </policy>
  <include>/run/test/service.conf</include>
</busconfig>
"#;

/// The file that is installed, for the user that the front has on this machine.
fn policy() -> String {
    let text = include_str!("../../../../etc/dbus/org.keepalived.Vrrp1.conf");
    let known = nix::unistd::User::from_name("standfast").unwrap().is_some();
    if known { text.to_owned() } else { text.replace("user=\"standfast\"", "user=\"nobody\"") }
}

fn instance(name: &str, interface: &str, vrid: u8, address: &str) -> String {
    format!(
        "vrrp_instance {name} {{\n state MASTER\n interface {interface}\n version 3\n advert_int 0.1\n priority 150\n \
         virtual_router_id {vrid}\n virtual_ipaddress {{\n {address}\n }}\n}}\n"
    )
}

fn configuration(global: &str, instances: &str) -> String {
    format!("global_defs {{\n enable_dbus\n {global}\n}}\n{instances}")
}

fn pair() -> String {
    instance("VI_E", "east", 51, "192.0.2.100/24") + &instance("VI_6", "west.7", 52, "fe80::100/64")
}

/// A machine with an interface more, whose name has a dot, and a policy.
fn machine() -> Machine {
    let machine = Machine::with_pair();
    // keepalived writes its files there, under names that everybody knows.
    run("mount -t tmpfs tmpfs /tmp");
    run("ip link add west.7 type veth peer name far");
    for link in ["far", "west.7"] {
        run(&format!("ip link set {link} up"));
    }
    machine.write("bus.conf", BUS);
    machine.write("service.conf", &policy());
    machine
}

/// A bus of our own, ended with the test.
fn bus(machine: &Machine) -> Daemon {
    let config = format!("--config-file={}", machine.path("bus.conf").display());
    let mut command = Command::new("dbus-daemon");
    let bus = Daemon::of(command.args([config.as_str(), "--nofork", "--nopidfile"]).spawn().unwrap());
    wait_for("the bus", || {
        tool(&["call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus.Peer", "Ping"]).status.success()
    });
    bus
}

fn tool(words: &[&str]) -> Output {
    Command::new("busctl").arg("--system").args(words).env("DBUS_SYSTEM_BUS_ADDRESS", ADDRESS).output().unwrap()
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(text).unwrap().trim_end().to_owned()
}

/// What comes of a call: the reply, or the words of the error.
fn call(path: &str, interface: &str, member: &str, words: &[&str]) -> String {
    said(&tool(&[&["call", SERVICE, path, interface, member], words].concat()))
}

fn get(path: &str, name: &str) -> String {
    call(path, "org.freedesktop.DBus.Properties", "Get", &["ss", "org.keepalived.Vrrp1.Instance", name])
}

fn order(path: &str, member: &str) -> String {
    let interface = if path == VRRP { "org.keepalived.Vrrp1.Vrrp" } else { "org.keepalived.Vrrp1.Instance" };
    call(path, interface, member, &[])
}

/// Who writes down the signals of the service.
struct Listener {
    child: Daemon,
}

impl Listener {
    fn start(machine: &Machine) -> Self {
        let log = std::fs::File::create(machine.path("signals")).unwrap();
        let mut command = Command::new("dbus-monitor");
        command.args(["--system", "type='signal'"]).env("DBUS_SYSTEM_BUS_ADDRESS", ADDRESS).stdout(log);
        let child = Daemon::of(command.spawn().unwrap());
        // What it says first is that it is not on the bus like others any more.
        wait_for("the monitor", || machine.read("signals").contains("NameLost"));
        Self { child }
    }

    /// The signals so far, each with what it says: `.../51/IPv4 VrrpStatusChange 2`.
    fn heard(&self, machine: &Machine) -> Vec<String> {
        let mut heard: Vec<String> = Vec::new();
        let mut ours = false;
        for line in machine.read("signals").lines() {
            if let Some(head) = line.strip_prefix("signal ") {
                let field = |name: &str| head.split(name).nth(1).and_then(|rest| rest.split(';').next()).unwrap_or("");
                ours = field("interface=").starts_with(SERVICE);
                if ours {
                    heard.push(format!("{} {}", field("path="), field("member=").trim()));
                }
            } else if let (true, Some(last)) = (ours, heard.last_mut()) {
                last.push(' ');
                last.push_str(line.trim().trim_start_matches("uint32 "));
            }
        }
        heard
    }

    fn wait_for(&self, machine: &Machine, signal: &str) {
        wait_for(signal, || self.heard(machine).iter().any(|heard| heard.ends_with(signal)));
    }
}

fn start(machine: &Machine) -> Daemon {
    machine.start_command(machine.command(&["-n", "-l"]).env("DBUS_SYSTEM_BUS_ADDRESS", ADDRESS))
}

fn is_published() -> bool {
    get(EAST, "Name").starts_with("v (s)")
}

/// What one daemon shows and says.
#[derive(PartialEq, Eq, Debug)]
struct Story {
    tree: Vec<String>,
    /// Members of both objects: name, kind, types.
    members: [Vec<String>; 2],
    /// Calls, each with what came of it.
    calls: Vec<(String, String)>,
    /// Announcements of the address after one `SendGarp`.
    announced: usize,
    signals: Vec<String>,
    files: Vec<bool>,
}

/// Without the flags of properties, which say whether changes are signalled, and without the type of the name, which
/// older releases of keepalived declare as a text and send as a structure.
fn members(path: &str) -> Vec<String> {
    let shown = said(&tool(&["introspect", SERVICE, path]));
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().take(3).collect();
        words.join(" ").replace(".Name property s", ".Name property (s)")
    };
    shown.lines().skip(1).map(line).collect()
}

fn calls() -> Vec<(String, String)> {
    const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
    const INSTANCE: &str = "org.keepalived.Vrrp1.Instance";
    const PEER: &str = "org.freedesktop.DBus.Peer";
    const OWN: &str = "org.keepalived.Vrrp1.Vrrp";
    let six = "/org/keepalived/Vrrp1/Instance/west_7/52/IPv6";
    let all: [(&str, &str, &str, &[&str]); 21] = [
        (EAST, PROPERTIES, "Get", &["ss", INSTANCE, "Name"]),
        (EAST, PROPERTIES, "Get", &["ss", INSTANCE, "State"]),
        (six, PROPERTIES, "Get", &["ss", INSTANCE, "Name"]),
        (EAST, PROPERTIES, "Get", &["ss", INSTANCE, "Nothing"]),
        (EAST, PROPERTIES, "Get", &["ss", "no.such", "Name"]),
        (EAST, PROPERTIES, "GetAll", &["s", "no.such"]),
        (EAST, PROPERTIES, "GetAll", &["s", ""]),
        (EAST, PROPERTIES, "Set", &["ssv", INSTANCE, "Name", "s", "other"]),
        (EAST, PEER, "Ping", &[]),
        (EAST, PEER, "GetMachineId", &[]),
        ("/nothing", PEER, "Ping", &[]),
        (VRRP, PROPERTIES, "GetAll", &["s", OWN]),
        (VRRP, OWN, "PrintData", &[]),
        (VRRP, OWN, "PrintStats", &[]),
        (VRRP, OWN, "PrintStats", &["s", "word"]),
        (VRRP, OWN, "PrintStatsClear", &[]),
        (VRRP, OWN, "Nothing", &[]),
        (VRRP, "no.such", "Nothing", &[]),
        (VRRP, INSTANCE, "SendGarp", &[]),
        ("/nothing", OWN, "PrintData", &[]),
        (six, INSTANCE, "SendGarp", &[]),
    ];
    let words = |path: &str, interface: &str, member: &str, words: &[&str]| {
        (format!("{path} {interface} {member} {words:?}"), call(path, interface, member, words))
    };
    all.into_iter().map(|(path, interface, member, with)| words(path, interface, member, with)).collect()
}

/// Lets it become master, asks and orders everything, takes its link away and gives it back, removes an instance, stops.
fn story(machine: &Machine, files: [&str; 2], mut start: impl FnMut() -> Daemon) -> Story {
    machine.write("keepalived.conf", &configuration("", &pair()));
    let _bus = bus(machine);
    let listener = Listener::start(machine);
    let mut daemon = start();
    wait_for("both masters", || {
        get(EAST, "State") == "v (us) 2 \"Master\""
            && get("/org/keepalived/Vrrp1/Instance/west_7/52/IPv6", "State").contains('2')
    });
    let tree = said(&tool(&["tree", "--list", SERVICE])).lines().map(str::to_owned).collect();
    let members = [members(VRRP), members(EAST)];
    let calls = calls();
    // The usual bursts are over five seconds after the takeover.
    let is_arp = |frame: &[u8]| frame[12..14] == [8, 6] && frame[28..32] == [192, 0, 2, 100];
    wait_for("silence", || {
        let quiet = Capture::start();
        !becomes(Duration::from_millis(1500), || quiet.read().iter().any(|frame| is_arp(frame)))
    });
    let capture = Capture::start();
    assert_eq!(order(EAST, "SendGarp"), "");
    let mut frames = Vec::new();
    becomes(Duration::from_millis(500), || {
        frames.extend(capture.read());
        false
    });
    let announced = frames.iter().filter(|frame| is_arp(frame)).count();
    run("ip link set far down");
    listener.wait_for(machine, "IPv6 VrrpStatusChange 3");
    run("ip link set far up");
    wait_for("the master again", || {
        listener.heard(machine).iter().rfind(|heard| heard.contains("IPv6")).is_some_and(|last| last.ends_with(" 2"))
    });
    machine.write("keepalived.conf", &configuration("", &instance("VI_E", "east", 51, "192.0.2.100/24")));
    assert_eq!(order(VRRP, "ReloadConfig"), "");
    listener.wait_for(machine, "VrrpReloaded");
    wait_for("the end of the object", || !said(&tool(&["tree", "--list", SERVICE])).contains("west_7"));
    daemon.signal(Signal::TERM);
    daemon.end();
    listener.wait_for(machine, "VrrpStopped");
    let files = files.map(|file| Path::new(file).exists()).to_vec();
    // How it came to be master depends on when it had the bus.
    let mut signals = listener.heard(machine);
    let early = |signal: &String| signal.ends_with("VrrpStatusChange 1") || signal.ends_with("VrrpStatusChange 2");
    let first = signals.iter().position(|signal| signal.ends_with("VrrpStatusChange 3")).unwrap();
    let later = signals.split_off(first);
    signals.retain(|signal| !early(signal));
    signals.extend(later);
    drop(listener.child);
    Story { tree, members, calls, announced, signals, files }
}

#[test]
fn objects_members_replies_errors_and_signals_are_those_of_keepalived() {
    let machine = machine();
    let ours =
        story(&machine, ["/run/standfast/keepalived.data", "/run/standfast/keepalived.stats"], || start(&machine));
    assert_eq!(ours.files, [true, true]);
    // Once on either end of the link.
    assert_eq!(ours.announced, 2);
    assert!(ours.calls[1].1 == "v (us) 2 \"Master\"" && ours.calls[3].1.contains("No such property"), "{ours:?}");
    let change = |path: &str, state: u32| format!("/org/keepalived/Vrrp1/Instance/{path} VrrpStatusChange {state}");
    let (east, west) = ("east/51/IPv4", "west_7/52/IPv6");
    let last = [
        change(west, 3),
        change(west, 1),
        change(west, 2),
        change(west, 3),
        format!("{VRRP} VrrpReloaded"),
        change(east, 98),
        format!("{VRRP} VrrpStopped"),
    ];
    let first = ours.signals.len() - last.len();
    assert_eq!(ours.signals[first..], last);
    assert!(ours.signals[..first].contains(&format!("{VRRP} VrrpStarted")), "{:?}", ours.signals);
    if !Path::new(KEEPALIVED).exists() {
        eprintln!("not compared: there is no {KEEPALIVED}");
        return;
    }
    machine.write("service.conf", &policy().replace("user=\"nobody\"", "user=\"root\""));
    let theirs = story(&machine, ["/tmp/keepalived.data", "/tmp/keepalived.stats"], || {
        let mut keepalived = machine.command_of(Path::new(KEEPALIVED), &["-n", "-l", "-p", "/run/k", "-r", "/run/r"]);
        Daemon::of(keepalived.env("DBUS_SYSTEM_BUS_ADDRESS", ADDRESS).spawn().unwrap())
    });
    assert_eq!(ours, theirs);
}

#[test]
fn who_has_no_right_may_look_and_touches_nothing() {
    let machine = machine();
    machine.write("keepalived.conf", &configuration("", &pair()));
    let _bus = bus(&machine);
    let mut daemon = start(&machine);
    wait_for("the service", is_published);
    let stranger = |path: &str, interface: &str, member: &str, words: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid",
            "2",
            "--clear-groups",
            "busctl",
            "--system",
            "call",
            SERVICE,
            path,
            interface,
            member,
        ]);
        said(&command.args(words).env("DBUS_SYSTEM_BUS_ADDRESS", ADDRESS).output().unwrap())
    };
    let own = "org.keepalived.Vrrp1.Instance";
    let properties = "org.freedesktop.DBus.Properties";
    assert_eq!(stranger(EAST, properties, "Get", &["ss", own, "Name"]), "v (s) \"VI_E\"");
    assert!(stranger(VRRP, "org.freedesktop.DBus.Introspectable", "Introspect", &[]).contains("PrintData"));
    let orders = ["PrintData", "PrintStats", "PrintStatsClear", "ReloadConfig"]
        .map(|member| (VRRP, "org.keepalived.Vrrp1.Vrrp", member));
    for (path, interface, member) in orders.into_iter().chain([(EAST, own, "SendGarp")]) {
        let answer = stranger(path, interface, member, &[]);
        assert!(answer.contains("Access denied"), "{member}: {answer}");
    }
    let set = stranger(EAST, properties, "Set", &["ssv", own, "Name", "s", "x"]);
    assert!(set.contains("Access denied"), "{set}");
    let taken = Command::new("setpriv")
        .args([
            "--reuid",
            "2",
            "--clear-groups",
            "dbus-send",
            "--system",
            "--print-reply",
            "--dest=org.freedesktop.DBus",
        ])
        .args(["/", "org.freedesktop.DBus.RequestName", &format!("string:{SERVICE}"), "uint32:2"])
        .env("DBUS_SYSTEM_BUS_ADDRESS", ADDRESS)
        .output()
        .unwrap();
    assert!(said(&taken).contains("AccessDenied"), "{}", said(&taken));
    assert!(!Path::new("/run/standfast/keepalived.stats").exists());
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn the_policy_opens_nothing_but_this_service_and_orders_to_nobody_but_root() {
    // CVE-2021-44225: a rule that names an interface and no destination opens that interface of every service.
    let (mut policy, mut open) = (String::new(), Vec::new());
    for line in include_str!("../../../../etc/dbus/org.keepalived.Vrrp1.conf").lines().map(str::trim) {
        if let Some(head) = line.strip_prefix("<policy ") {
            policy = head.to_owned();
        } else if line.starts_with("<allow ") {
            let own = line.contains(&format!(" own=\"{SERVICE}\""));
            let send = line.contains(&format!(" send_destination=\"{SERVICE}\""));
            assert!(own != send, "{line}");
            if send && !policy.starts_with("user=\"root\"") {
                open.push(line.split("send_interface=").nth(1).unwrap_or("any interface").to_owned());
            }
            assert!(!own || policy.starts_with("user="), "{line}");
        }
    }
    let standard = "\"org.freedesktop.DBus.";
    assert_eq!(open.len(), 4, "{open:?}");
    assert!(open.iter().all(|interface| interface.starts_with(standard)), "{open:?}");
}

#[test]
fn a_bus_may_be_missing_go_and_come_back_and_nobody_else_notices() {
    let machine = machine();
    machine.write("keepalived.conf", &configuration("", &pair()));
    let mut daemon = start(&machine);
    wait_for("the master", || machine.read("stderr").matches("Entering MASTER STATE").count() == 2);
    wait_for("the word of a missing bus", || machine.read("stderr").contains("D-Bus: "));
    for _ in 0..2 {
        let first = bus(&machine);
        wait_for("the service", is_published);
        assert_eq!(get(EAST, "State"), "v (us) 2 \"Master\"");
        drop(first);
        let _ = std::fs::remove_file(machine.path("bus"));
    }
    // A bus that takes connections and says nothing.
    let deaf = std::os::unix::net::UnixListener::bind(machine.path("bus")).unwrap();
    assert_eq!(daemon.stop(), 0);
    drop(deaf);
    assert_eq!(machine.read("stderr").matches("Entering MASTER STATE").count(), 2, "{}", machine.read("stderr"));
}

#[test]
fn a_refused_reload_is_the_answer_to_whoever_called_for_it() {
    let machine = machine();
    machine.write("keepalived.conf", &configuration("", &pair()));
    let _bus = bus(&machine);
    let mut daemon = start(&machine);
    wait_for("the service", is_published);
    machine.write("keepalived.conf", "vrrp_instance VI_E {\n interface east\n}\n");
    let refused = order(VRRP, "ReloadConfig");
    assert!(refused.contains("has no virtual_router_id"), "{refused}");
    let words = ["ssuu", "VI_X", "east", "77", "4"];
    let created = call(VRRP, "org.keepalived.Vrrp1.Vrrp", "CreateInstance", &words);
    assert!(created.contains("instances are those of the configuration"), "{created}");
    machine.write("keepalived.conf", &configuration("", &pair()));
    assert_eq!(order(VRRP, "ReloadConfig"), "");
    assert!(machine.read("stderr").contains("Reload finished"));
    assert_eq!(order(VRRP, "PrintStats"), "");
    assert!(Path::new("/run/standfast/keepalived.stats").exists(), "it is there when that is answered");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn the_names_are_those_of_the_configuration_and_a_reload_begins_and_ends_the_service() {
    let machine = machine();
    let text = |global: &str| format!("instance one\n{}", configuration(global, &pair()));
    let off = format!("instance one\n{}", pair());
    let other = "org.example.Director";
    machine.write("service.conf", &(policy().replace(SERVICE, other)));
    machine.write("keepalived.conf", &off);
    let _bus = bus(&machine);
    let mut daemon = start(&machine);
    let tree = || said(&tool(&["tree", "--list", other]));
    let reload = |times: usize| {
        daemon.signal(Signal::HUP);
        wait_for("the reload", || machine.read("stderr").matches("Reload finished").count() == times);
    };
    assert!(!tree().contains("/org/keepalived/Vrrp1"), "{}", tree());
    machine.write("keepalived.conf", &text(&format!("dbus_service_name {other}")));
    reload(1);
    wait_for("the service", || tree().lines().any(|line| line == "/org/keepalived/Vrrp1/one/Instance/west_7/52/IPv6"));
    assert!(tree().lines().any(|line| line == "/org/keepalived/Vrrp1/one/Vrrp"), "{}", tree());
    machine.write("keepalived.conf", &off);
    reload(2);
    wait_for("the end of the service", || !tree().contains("/org/keepalived/Vrrp1"));
    assert_eq!(daemon.stop(), 0);
}
