//! Calls of wrong form over a real bus: what is wrong is refused, and no advertisement waits.

use super::{EAST, VRRP, bus, call, configuration, get, is_published, machine, pair, start};
use crate::adoption::Wire;
use crate::machine::wait_for;
use core::time::Duration;

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
