//! The Debian package on a Debian machine with a systemd: it takes keepalived's place and its configuration, an upgrade
//! changes nothing that anybody would notice, and what is removed is gone.

#![expect(clippy::unwrap_used, reason = "the helper of a test fails it by panicking")]

use std::path::Path;
use std::time::Duration;

use lab::seed::{CONF_PATH, Daemon};
use lab::{Backend, Command, Machine, Moment, Plan, Probe, Result, pause, until};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const VIP: &str = "192.0.2.100";

const CONF: &str = "vrrp_instance VI {\n    state MASTER\n    interface eth0\n    virtual_router_id 51\n    priority 200\n    \
    virtual_ipaddress {\n        192.0.2.100/24\n    }\n}\n";

/// The package of the programs that this test was built with.
fn package() -> std::path::PathBuf {
    let program = Daemon::standfastd().unwrap().program().to_owned();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let built = std::process::Command::new(root.join("scripts/package"))
        .arg("--built")
        .arg(Path::new(&program).parent().unwrap())
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    String::from_utf8(built.stdout).unwrap().trim().into()
}

fn apt(machine: &Machine, words: &str) -> Result<String> {
    let words = format!("DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Use-Pty=0 {words}");
    machine.run(Command::from(words).within(seconds(150)))
}

fn systemctl(machine: &Machine, words: &str) -> Result<String> {
    let said = machine.try_run(Command::from(format!("systemctl {words}")).within(seconds(60)))?;
    Ok(said.stdout.trim().to_owned() + said.stderr.trim())
}

fn holds(machine: &Machine) -> bool {
    machine.run("ip -oneline address show dev eth0").is_ok_and(|shown| shown.contains(&format!(" {VIP}/")))
}

#[test]
fn the_package_replaces_keepalived_is_upgraded_without_a_resignation_and_leaves_nothing() -> Result<()> {
    let package = package();
    let mut plan = Plan::new("package");
    plan.backend(Backend::UserMode);
    let lan = plan.lan("lan");
    plan.director("one").card(lan, ["192.0.2.1/24"]).memory(768).systemd();
    plan.host("client").card(lan, ["192.0.2.3/24"]);
    let lab = plan.start()?;
    let (one, client) = (lab.machine("one")?, lab.machine("client")?);
    one.run(Command::from("systemctl is-system-running --wait || true").within(seconds(60)))?;
    // Manual pages are not what this is about, and their index takes a minute there.
    one.run("rm -f /var/lib/man-db/auto-update /usr/sbin/policy-rc.d")?;
    one.run(format!("cp {} /tmp/standfast.deb", package.display()))?;
    one.put(CONF_PATH, CONF)?;
    assert_eq!(systemctl(&one, "start keepalived")?, "");
    until("keepalived had the address", seconds(20), || holds(&one))?;

    apt(&one, "install /tmp/standfast.deb")?;
    assert_eq!(one.run("dpkg-query -W -f '${db:Status-Abbrev}' keepalived || true")?.trim().get(..1), Some("r"));
    assert_eq!(systemctl(&one, "is-active standfast")?, "active");
    until("standfast had the address", seconds(20), || holds(&one))?;
    assert_eq!(one.run("pgrep --count keepalived || true")?.trim(), "0");
    assert!(one.run("standfast status")?.contains("MASTER"));
    assert!(one.run("getent group standfast")?.starts_with("standfast:"));

    let capture = lab.lan("lan")?.capture()?;
    let probing = client.probe(&Probe::ping(VIP)?)?;
    pause(seconds(2));
    let main = systemctl(&one, "show --property=MainPID standfast")?;
    apt(&one, "install --reinstall /tmp/standfast.deb")?;
    until("the new program ran", seconds(20), || {
        let now = systemctl(&one, "show --property=MainPID --property=ActiveState standfast").unwrap_or_default();
        now.contains("ActiveState=active") && !now.contains(&main)
    })?;
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
