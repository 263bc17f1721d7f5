//! On one machine: the package takes keepalived's place and its configuration, an upgrade changes nothing that anybody
//! would notice, and what is removed is gone.

use std::time::Duration;

use lab::seed::CONF_PATH;
use lab::{Backend, Machine, Moment, Plan, Probe, Result, pause, until};

use crate::{apt, package, ready, seconds, systemctl};

const VIP: &str = "192.0.2.100";

const CONF: &str = "vrrp_instance VI {\n    state MASTER\n    interface eth0\n    virtual_router_id 51\n    priority 200\n    \
    virtual_ipaddress {\n        192.0.2.100/24\n    }\n}\n";

fn holds(machine: &Machine) -> bool {
    machine.run("ip -oneline address show dev eth0").is_ok_and(|shown| shown.contains(&format!(" {VIP}/")))
}

#[test]
fn the_package_replaces_keepalived_is_upgraded_without_a_resignation_and_leaves_nothing() -> Result<()> {
    let package = package("replaced");
    let mut plan = Plan::new("package");
    plan.backend(Backend::UserMode);
    let lan = plan.lan("lan");
    plan.director("one").card(lan, ["192.0.2.1/24"]).memory(768).systemd();
    plan.host("client").card(lan, ["192.0.2.3/24"]);
    let lab = plan.start()?;
    let (one, client) = (lab.machine("one")?, lab.machine("client")?);
    ready(&one)?;
    one.run(format!("cp {} /tmp/standfast.deb", package.display()))?;
    one.put(CONF_PATH, CONF)?;
    assert_eq!(systemctl(&one, "start keepalived")?, "");
    until("keepalived had the address", seconds(20), || holds(&one))?;

    apt(&one, "install /tmp/standfast.deb")?;
    assert_eq!(one.run("dpkg-query -W -f '${db:Status-Abbrev}' keepalived || true")?.trim().get(..1), Some("r"));
    assert_eq!(systemctl(&one, "is-active standfast")?, "active");
    assert_eq!(systemctl(&one, "is-active keepalived")?, "active", "it answers to the name of what it replaces");
    until("standfast had the address", seconds(20), || holds(&one))?;
    assert_eq!(one.run("pgrep --count keepalived || true")?.trim(), "0");
    assert!(one.run("standfast status")?.contains("MASTER"));
    assert!(one.run("getent group standfast")?.starts_with("standfast:"));

    let capture = lab.lan("lan")?.capture()?;
    let probing = client.probe(&Probe::ping(VIP)?)?;
    pause(seconds(2));
    let main = systemctl(&one, "show --property=MainPID standfast")?;
    let worker = || one.run("pgrep --full '^standfastd: vrrp' || true");
    let before = worker()?;
    apt(&one, "install --reinstall /tmp/standfast.deb")?;
    until("the new program ran", seconds(20), || {
        let now = systemctl(&one, "show --property=ActiveState standfast").unwrap_or_default();
        now == "ActiveState=active" && worker().is_ok_and(|now| now != before && !now.trim().is_empty())
    })?;
    assert_eq!(systemctl(&one, "show --property=MainPID standfast")?, main, "another process than systemd started");
    let back = Moment::now();
    capture.wait_for_advert("the master again", back, seconds(5), |seen| seen.what.priority == 200)?;
    assert!(capture.adverts()?.iter().all(|seen| seen.what.priority == 200), "nobody resigned");
    let outage = probing.stop()?.longest_outage().map_or(Duration::MAX, |outage| outage.length());
    println!("upgraded: the client was without an answer for {outage:?}");
    assert!(outage < Duration::from_millis(500), "{outage:?}");

    apt(&one, "purge standfast")?;
    until("the address was gone", seconds(5), || !holds(&one))?;
    assert_eq!(one.run("pgrep --count standfastd || true")?.trim(), "0");
    assert!(one.run(format!("cat {CONF_PATH}"))?.contains("virtual_router_id 51"), "the configuration is the user's");
    lab.finish()
}
