//! SNMP against Debian's agent: what a walk shows, what is told of itself, and what a master agent can do to us.

mod set;

use crate::machine::{Daemon, Machine, becomes, run, wait_for};
use core::time::Duration;
use rustix::net::{self, AddressFamily, SendFlags, SocketType};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const KEEPALIVED: &str = "/usr/sbin/keepalived";

/// Where the agent is asked, and where it sends notifications.
const AGENT: &str = "127.0.0.1:1161";
const LISTENER: &str = "127.0.0.1:1162";

/// Where routers are spoken to.
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// The roots of the three MIBs.
const ROOTS: [&str; 3] = [".1.3.6.1.4.1.9586.100.5", ".1.3.6.1.2.1.68", ".1.3.6.1.2.1.207"];

const GLOBALS: &str = "global_defs {
    router_id LAB_1
    notification_email {
        a@example.com
        b@example.com
    }
    notification_email_from k@example.com
    smtp_server 127.0.0.1 2525
    smtp_connect_timeout 7
    enable_snmp_vrrp
    enable_snmp_rfc
    enable_traps
    snmp_socket /run/agentx
    script_user root
    dynamic_interfaces
    use_symlink_paths
}
";

/// Something in every table of VRRP, and nothing of which keepalived 2.2.7 shows the wrong thing.
const INSTANCES: &str = "
vrrp_script chk_a {
    script \"/usr/bin/true\"
    interval 2
    weight 5
    rise 2
    fall 3
}
track_file tf {
    file /run/test/number
    weight 2
}
vrrp_track_process tp {
    process sleep 1000
    weight 4
    delay 2
}
static_ipaddress {
    198.51.100.7/24 dev other
}
static_routes {
    203.0.113.0/24 via 192.0.2.99 dev east metric 12
}
static_rules {
    from 198.51.100.0/24 table 77 preference 900
}
vrrp_sync_group G1 {
    group {
        V1
    }
    notify_master \"/usr/bin/echo m\"
    smtp_alert
}
vrrp_instance V1 {
    state MASTER
    interface east
    virtual_router_id 51
    priority 150
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass s3cr3tpw
    }
    garp_master_delay 2
    track_interface {
        other
    }
    virtual_ipaddress {
        192.0.2.10/24
        192.0.2.11/24 brd 192.0.2.255 dev east label east:1
    }
    virtual_ipaddress_excluded {
        192.0.2.12 dev other scope link
    }
    virtual_routes {
        203.0.114.0/24 via 192.0.2.98 dev east src 192.0.2.10 mtu 1400 table 100
        203.0.115.0/24 no_track nexthop via 192.0.2.97 dev east weight 2 nexthop via 192.0.2.96 dev east weight 3
        blackhole 203.0.116.0/24 no_track
    }
    virtual_rules {
        from 192.0.2.10 table 100 preference 1000
        to 203.0.117.0/24 fwmark 0x10/0xff iif east table 101 preference 1001
    }
    notify_master \"/usr/bin/echo master\"
    notify_backup \"/usr/bin/echo backup\"
    notify_fault \"/usr/bin/echo fault\"
    notify_stop \"/usr/bin/echo stop\"
    notify \"/usr/bin/echo any\"
    notify_master_rx_lower_pri \"/usr/bin/echo lower\"
}
vrrp_instance V2 {
    interface east
    virtual_router_id 52
    advert_int 2
    track_script {
        chk_a
    }
    track_file {
        tf weight 1
    }
    track_process {
        tp
    }
    virtual_ipaddress {
        192.0.2.20
    }
}
vrrp_instance V6 {
    version 3
    interface east
    virtual_router_id 53
    priority 120
    advert_int 0.5
    nopreempt
    virtual_ipaddress {
        fe80::53
        2001:db8::53/64
    }
}
vrrp_instance V3 {
    version 3
    interface east
    virtual_router_id 54
    priority 101
    no_accept
    virtual_ipaddress {
        192.0.2.30/32
    }
}
";

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn machine() -> Machine {
    let machine = Machine::with_pair();
    run("ip address add 2001:db8::1/64 dev east nodad");
    run("ip link add other type veth peer name rehto");
    run("ip link set rehto up");
    run("ip link set other up");
    machine.write("number", "3\n");
    machine.write(
        "snmpd.conf",
        &format!(
            "master agentx\nagentXSocket /run/agentx\nrocommunity public\nrwcommunity private\n\
             trap2sink {LISTENER} public\nagentaddress udp:{AGENT}\n"
        ),
    );
    machine.write("trapd.conf", "disableAuthorization yes\n");
    machine
}

fn program(machine: &Machine, program: &str, words: &[&str], log: &str) -> Running {
    let log = File::options().append(true).create(true).open(machine.path(log)).unwrap();
    let mut command = Command::new(program);
    command.args(words).env("MIBS", "").env("SNMP_PERSISTENT_DIR", "/run/test/snmp").current_dir("/run/test");
    Running(command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
}

fn agent(machine: &Machine) -> Running {
    let agent = program(machine, "/usr/sbin/snmpd", &["-f", "-Le", "-C", "-c", "snmpd.conf"], "snmpd.log");
    wait_for("the agent", || !walk(".1.3.6.1.2.1.1.1").is_empty());
    agent
}

fn listener(machine: &Machine) -> Running {
    let words = ["-f", "-Lo", "-On", "-C", "-c", "trapd.conf", &format!("udp:{LISTENER}")];
    program(machine, "/usr/sbin/snmptrapd", &words, "traps")
}

/// What one of net-snmp's commands says.
fn said(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(["-v2c", "-On", "-Oe", "-m", "", "-t", "5"]).args(words).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The objects below a name.
fn walk(root: &str) -> BTreeMap<String, String> {
    let said = said("snmpwalk", &["-c", "public", AGENT, root]);
    let objects = said.lines().filter(|line| !line.contains("No Such")).filter_map(|line| line.split_once(" = "));
    objects.map(|(name, value)| (name.to_owned(), value.trim_end().to_owned())).collect()
}

fn everything() -> BTreeMap<String, String> {
    ROOTS.into_iter().flat_map(walk).collect()
}

fn start(machine: &Machine) -> Daemon {
    machine.write("keepalived.conf", &(GLOBALS.to_owned() + INSTANCES));
    machine.start(&[])
}

/// The state of the second instance of KEEPALIVED-MIB.
fn state_of_v2() -> Option<String> {
    walk(".1.3.6.1.4.1.9586.100.5.2.3.1.4.2").into_values().next()
}

/// All are master when V2, the slowest, is, and the rest has happened by then.
fn wait_for_masters() {
    wait_for("masters", || {
        let states = walk(".1.3.6.1.4.1.9586.100.5.2.3.1.4");
        states.len() == 4 && states.values().all(|state| state == "INTEGER: 2")
    });
}

/// Objects that differ although both show the same thing.
fn is_of_the_moment(name: &str) -> bool {
    let moments = [
        // The release; hardware addresses and what is made of them; times.
        ".1.3.6.1.4.1.9586.100.5.1.1.0",
        ".1.3.6.1.2.1.68.1.3.1.13.",
        ".1.3.6.1.2.1.207.1.1.1.1.12.",
    ];
    moments.iter().any(|moment| name.starts_with(moment))
}

/// What we show on purpose otherwise than keepalived 2.2.7; the reasons are in `etc/doc/snmp.md`.
fn is_otherwise(name: &str) -> bool {
    const KEEPALIVED: &str = ".1.3.6.1.4.1.9586.100.5";
    let columns = [
        // Of later releases: v3ChecksumAsV2, the path and the microseconds of a script.
        "1.12.0",
        "2.3.1.36.",
        "2.9.1.10.",
        "2.9.1.11.",
        "2.9.1.12.",
        // Whether the primary interface is tracked, and whether an address is advertised.
        "2.3.1.11.",
        "2.6.1.11.",
        // The index of an interface.
        "2.4.1.",
        "2.14.1.",
        // The weight of a file that is tracked.
        "2.12.1.3.",
    ];
    let keepalived = columns.iter().any(|column| name.starts_with(&format!("{KEEPALIVED}.{column}")));
    // The row of every instance, not of the first alone, and a master's own address.
    let rfc = [".1.3.6.1.2.1.68.1.3.1.", ".1.3.6.1.2.1.68.2.4.1."].iter().any(|column| {
        name.starts_with(column) && (name.ends_with(".52") || name.starts_with(".1.3.6.1.2.1.68.1.3.1.7."))
    });
    keepalived || rfc
}

#[test]
fn a_walk_shows_what_a_walk_of_keepalived_shows() {
    if !Path::new(KEEPALIVED).exists() {
        return;
    }
    let machine = machine();
    let _agent = agent(&machine);
    let mut daemon = start(&machine);
    wait_for_masters();
    let ours = everything();
    assert_eq!(daemon.stop(), 0);
    let keepalived = program(&machine, KEEPALIVED, &["-n", "-l", "-f", "keepalived.conf"], "keepalived.log");
    wait_for_masters();
    // Its script has run twice by then, and its second announcement is out.
    assert!(becomes(Duration::from_secs(10), || everything().len() > 300));
    let theirs = everything();
    drop(keepalived);
    let kept = |walk: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        let kept = walk.iter().filter(|(name, _)| !is_of_the_moment(name) && !is_otherwise(name));
        kept.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let (ours, theirs) = (kept(&ours), kept(&theirs));
    assert!(theirs.len() > 300, "{}", theirs.len());
    let differing: Vec<_> = theirs
        .iter()
        .filter(|(name, value)| ours.get(*name) != Some(value))
        .map(|(name, value)| format!("{name}: {value}, ours {:?}", ours.get(name)))
        .chain(
            ours.iter()
                .filter(|(name, _)| !theirs.contains_key(*name))
                .map(|(name, value)| format!("{name}: ours alone {value}")),
        )
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn changes_are_told_to_whoever_listens_and_the_stop_too() {
    let machine = machine();
    let _listener = listener(&machine);
    let _agent = agent(&machine);
    let mut daemon = start(&machine);
    let told = |trap: &str, of: &str| {
        let traps = machine.read("traps");
        traps.lines().any(|line| line.contains(&format!("4.1.0 = OID: {trap}\t")) && line.contains(of))
    };
    let instance = ".1.3.6.1.4.1.9586.100.5.2.10.0.2";
    let state = |name: &str, state: u8| {
        format!(
            ".1.3.6.1.4.1.9586.100.5.2.3.1.2 = STRING: \"{name}\"\t.1.3.6.1.4.1.9586.100.5.2.3.1.4 = INTEGER: {state}\t"
        )
    };
    wait_for("a backup", || told(instance, &state("V1", 1)));
    wait_for("a master", || told(instance, &state("V1", 2)));
    wait_for("a group", || {
        told(".1.3.6.1.4.1.9586.100.5.2.10.0.1", "STRING: \"G1\"\t.1.3.6.1.4.1.9586.100.5.2.1.1.3 = INTEGER: 2")
    });
    wait_for("the master of RFC 2787", || told(".1.3.6.1.2.1.68.0.1", ".51 = IpAddress: 192.0.2.1"));
    wait_for("the master of RFC 6527", || told(".1.3.6.1.2.1.207.0.1", ".51.1 = Hex-STRING: C0 00 02 01"));
    run("ip link set west down");
    wait_for("a fault", || told(instance, &state("V1", 3)));
    run("ip link set west up");
    wait_for_masters();
    assert_eq!(daemon.stop(), 0);
    wait_for("the stop", || told(instance, &state("V3", 5)));
    wait_for("the stop of the group", || told(".1.3.6.1.4.1.9586.100.5.2.10.0.1", "INTEGER: 5"));
}

/// An advertisement for V1 of 192.0.2.77, with this TTL, this password and this priority.
fn advert(ttl: u8, password: &[u8; 8], priority: u8) -> Vec<u8> {
    let addresses = [192, 0, 2, 10, 192, 0, 2, 11];
    let mut advert = [&[0x21, 51, priority, 2, 1, 1, 0, 0][..], &addresses, password].concat();
    let sum: u32 = advert.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
    advert[6..8].copy_from_slice(&checksum.to_be_bytes());
    // The kernel fills in the length, the number and the checksum.
    let header = [&[0x45, 0xc0, 0, 0, 0, 0, 0, 0, ttl, 112, 0, 0][..], &[192, 0, 2, 77], &GROUP.octets()].concat();
    [header, advert].concat()
}

/// Sends a packet to the routers from the other end of the wire.
fn send(packet: &[u8]) {
    let socket = net::socket(AddressFamily::INET, SocketType::RAW, Some(net::ipproto::RAW)).unwrap();
    net::sendto(&socket, packet, SendFlags::empty(), &SocketAddrV4::new(GROUP, 0)).unwrap();
}

#[test]
fn refused_advertisements_are_told_to_whoever_listens() {
    let machine = machine();
    let _listener = listener(&machine);
    let _agent = agent(&machine);
    let mut daemon = start(&machine);
    wait_for_masters();
    run("ip route add 224.0.0.18 dev west");
    let told = |trap: &str, of: &str| {
        let traps = machine.read("traps");
        traps.lines().any(|line| line.contains(&format!("4.1.0 = OID: {trap}\t")) && line.contains(of))
    };
    send(&advert(255, b"notright", 90));
    // authFailure(3), from whom
    let failure = ".1.3.6.1.2.1.68.1.5.0 = IpAddress: 192.0.2.77\t.1.3.6.1.2.1.68.1.6.0 = INTEGER: 3";
    wait_for("the wrong password", || told(".1.3.6.1.2.1.68.0.2", failure));
    assert!(!told(".1.3.6.1.2.1.207.0.2", ""), "a wrong password is no error of RFC 6527");
    send(&advert(254, b"s3cr3tpw", 90));
    // ipTtlError(1), of the virtual router 51 over IPv4
    wait_for("the wrong TTL", || told(".1.3.6.1.2.1.207.0.2", ".51.1 = INTEGER: 1"));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn nothing_is_told_without_enable_traps_and_nothing_shown_that_is_not_enabled() {
    let machine = machine();
    let _listener = listener(&machine);
    let _agent = agent(&machine);
    let text = GLOBALS.replace("    enable_snmp_vrrp\n", "").replace("    enable_traps\n", "") + INSTANCES;
    machine.write("keepalived.conf", &text.replace("enable_snmp_rfc\n", "enable_snmp_rfcv3\n"));
    let mut daemon = machine.start(&[]);
    wait_for("the RFC's MIB", || walk(ROOTS[2]).len() > 50);
    assert!(walk(ROOTS[0]).is_empty() && walk(ROOTS[1]).is_empty());
    // A reload shows other parts, by way of a new session; the option -x shows all.
    machine.write("keepalived.conf", &text.replace("enable_snmp_rfc\n", "enable_snmp_rfcv2\n"));
    daemon.signal(Signal::HUP);
    wait_for("another MIB", || walk(ROOTS[1]).len() > 10 && walk(ROOTS[2]).is_empty());
    assert_eq!(daemon.stop(), 0);
    machine.write(
        "keepalived.conf",
        &text.replace("    enable_snmp_rfc\n", "").replace("    snmp_socket /run/agentx\n", ""),
    );
    std::fs::remove_file(machine.path("stderr")).unwrap();
    let mut daemon = machine.start(&["-x", "-A", "/run/agentx"]);
    wait_for("all of them", || ROOTS.into_iter().all(|root| !walk(root).is_empty()));
    assert_eq!(daemon.stop(), 0);
    assert!(!machine.read("traps").contains("9586"), "{}", machine.read("traps"));
}

#[test]
fn a_restart_of_the_agent_costs_a_while_and_nothing_else() {
    let machine = machine();
    let first = agent(&machine);
    let mut daemon = start(&machine);
    wait_for("an answer", || state_of_v2().is_some());
    drop(first);
    wait_for("the loss", || machine.read("stderr").contains("SNMP: the"));
    let _second = agent(&machine);
    assert!(becomes(Duration::from_secs(40), || state_of_v2().is_some()), "{}", machine.read("stderr"));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn what_cannot_be_set_is_not() {
    let machine = machine();
    let _agent = agent(&machine);
    let mut daemon = start(&machine);
    wait_for("an answer", || state_of_v2().is_some());
    let state = ".1.3.6.1.4.1.9586.100.5.2.3.1.5.1";
    let outcome = said("snmpset", &["-c", "private", AGENT, state, "i", "1"]);
    assert!(outcome.contains("notWritable"), "{outcome}");
    let nothing = ".1.3.6.1.4.1.9586.100.5.2.3.1.99.1";
    let outcome = said("snmpset", &["-c", "private", AGENT, nothing, "i", "10"]);
    assert!(outcome.contains("noCreation") || outcome.contains("notWritable"), "{outcome}");
    assert_eq!(walk(state).into_values().collect::<Vec<_>>(), ["INTEGER: 2"]);
    // A community that may only read sets nothing.
    let priority = ".1.3.6.1.4.1.9586.100.5.2.3.1.7.1";
    let outcome = said("snmpset", &["-c", "public", AGENT, priority, "i", "10"]);
    assert!(outcome.contains("noAccess"), "{outcome}");
    assert_eq!(walk(priority).into_values().collect::<Vec<_>>(), ["INTEGER: 150"]);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_master_agent_that_is_silent_or_talks_nonsense_does_no_harm() {
    for nonsense in [
        &b""[..],
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        &[1, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255],
    ] {
        let machine = machine();
        let listener = UnixListener::bind("/run/agentx").unwrap();
        let mut daemon = start(&machine);
        let (mut agent, _) = listener.accept().unwrap();
        let mut open = [0; 20];
        agent.read_exact(&mut open).unwrap();
        assert_eq!(open[..2], [1, 1], "the first message opens a session");
        agent.write_all(nonsense).unwrap();
        if !nonsense.is_empty() {
            wait_for("the judgement", || machine.read("stderr").contains("SNMP: the master agent"));
            let mut rest = Vec::new();
            assert!(agent.read_to_end(&mut rest).is_ok(), "the connection is closed");
        }
        // Whoever asks another way is answered, and the addresses are held.
        wait_for("the address", || {
            let shown = Command::new("ip").args(["address", "show", "dev", "east"]).output().unwrap();
            String::from_utf8_lossy(&shown.stdout).contains("192.0.2.10/24")
        });
        assert_eq!(daemon.stop(), 0);
        std::fs::remove_file("/run/agentx").unwrap();
    }
}
