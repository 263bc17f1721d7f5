//! Calls of wrong form over a real bus, and a bus that makes no sense: what is wrong is refused, and no advertisement waits.

use super::{EAST, VRRP, bus, call, configuration, get, is_published, machine, pair, start};
use crate::adoption::Wire;
use crate::machine::wait_for;
use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};

const OWN: &str = "org.keepalived.Vrrp1.Vrrp";
const OF_INSTANCE: &str = "org.keepalived.Vrrp1.Instance";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// A master speaks each tenth of a second; a standby would wait three times that, and this machine may be busy.
const SOON_ENOUGH: Duration = Duration::from_millis(300);

#[test]
fn calls_of_wrong_form_are_refused_and_a_flood_of_them_delays_no_advertisement() {
    let machine = machine();
    machine.write("keepalived.conf", &configuration("", &pair()));
    let _bus = bus(&machine);
    let mut daemon = start(&machine);
    wait_for("the service", is_published);
    let wire = Wire::tap("east");
    // As long as a word of a command line can be.
    let long = "x".repeat(100_000);
    let wrong: [(&str, &str, &str, &[&str]); 10] = [
        (VRRP, OWN, "ReloadConfig", &["s", "now"]),
        (VRRP, OWN, "PrintData", &["a(sv)", "0"]),
        (VRRP, OWN, "CreateInstance", &["u", "1"]),
        (VRRP, OWN, "Reload", &[]),
        (VRRP, OF_INSTANCE, "SendGarp", &[]),
        (EAST, OF_INSTANCE, "SendGarp", &["ay", "3", "1", "2", "3"]),
        (EAST, PROPERTIES, "Get", &["u", "1"]),
        (EAST, PROPERTIES, "Get", &["ss", OF_INSTANCE, &long]),
        (EAST, PROPERTIES, "Set", &["ssv", OF_INSTANCE, "State", "(us)", "2", "Master"]),
        ("/org/keepalived/Vrrp1/Instance/east/51/IPv5", OF_INSTANCE, "SendGarp", &[]),
    ];
    for _ in 0..10 {
        for (path, interface, member, words) in wrong {
            let answer = call(path, interface, member, words);
            let shown: String = answer.chars().take(200).collect();
            assert!(answer.starts_with("Call failed: ") || answer.starts_with("Failed to set"), "{member}: {shown}");
        }
    }
    assert_eq!(get(EAST, "State"), "v (us) 2 \"Master\"");
    let said = machine.read("stderr");
    assert!(!said.contains("panicked") && !said.contains("Reload"), "{said}");
    let (gap, _) = wire.longest_gap();
    assert!(gap < SOON_ENOUGH, "{gap:?}");
    assert_eq!(daemon.stop(), 0);
}

/// What a bus says that is none, behind an orderly greeting.
const NONSENSE: [&[u8]; 4] = [
    &[0xff; 4096],
    // A signal whose body is said to have 4 GiB less one octet.
    &[b'l', 4, 0, 1, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0],
    // An answer with no room for the fields that it says it has.
    &[b'l', 2, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 3, 0, 0, 0, 0],
    // A call in the third version of the protocol, of which there is one.
    &[b'l', 1, 0, 3, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
];

/// Greets whoever has connected as a bus does.
fn let_in(stream: &mut UnixStream) {
    let (mut heard, mut octet) = (String::new(), [0]);
    while !heard.contains("BEGIN\r\n") {
        assert_eq!(stream.read(&mut octet).unwrap(), 1, "{heard:?}");
        heard.push(char::from(octet[0]));
        let answer: &[u8] = match heard.lines().last().unwrap_or_default().trim_start_matches('\0') {
            _ if !heard.ends_with('\n') => b"",
            line if line.starts_with("AUTH EXTERNAL") => b"OK 0123456789abcdef0123456789abcdef\r\n",
            "NEGOTIATE_UNIX_FD" => b"AGREE_UNIX_FD\r\n",
            _ => b"",
        };
        stream.write_all(answer).unwrap();
    }
}

#[test]
fn a_bus_that_talks_nonsense_is_left_and_the_next_one_is_found() {
    let machine = machine();
    machine.write("keepalived.conf", &configuration("", &pair()));
    let false_bus = UnixListener::bind(machine.path("bus")).unwrap();
    // Whoever wants to may connect to a bus, and the front has no rights of its own.
    std::fs::set_permissions(machine.path("bus"), std::fs::Permissions::from_mode(0o777)).unwrap();
    let mut daemon = start(&machine);
    let wire = Wire::tap("east");
    // Each stays open: whoever waits for more of it waits long.
    let mut connections = Vec::new();
    for nonsense in NONSENSE {
        let (mut stream, _) = false_bus.accept().unwrap();
        let_in(&mut stream);
        stream.write_all(nonsense).unwrap();
        connections.push(stream);
    }
    drop(false_bus);
    std::fs::remove_file(machine.path("bus")).unwrap();
    let _bus = bus(&machine);
    wait_for("the service", is_published);
    assert_eq!(get(EAST, "State"), "v (us) 2 \"Master\"");
    let said = machine.read("stderr");
    assert!(said.contains("D-Bus: ") && !said.contains("panicked"), "{said}");
    let (gap, _) = wire.longest_gap();
    assert!(gap < SOON_ENOUGH, "{gap:?}");
    assert_eq!(daemon.stop(), 0);
}
