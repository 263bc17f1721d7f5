//! The pair that the project began with, under Debian's keepalived and systemd: moved to standfast node by node, as the
//! README says, and back again, while clients ask for both services.

use std::time::Duration;

use lab::seed::{self, CONF_PATH, MASTER_CONF, STANDBY_CONF, Seed, held_vips, wait_for_vips};
use lab::{Machine, Report, Result, pause};

use crate::{apt, package, ready, seconds, systemctl};

/// (256 - 100) / 256 s: after a resignation the standby waits for so long (RFC 3768 6.1).
const SKEW: Duration = Duration::from_micros(609_375);

/// For the takeover itself, the first request after it, and kernels that install packages at the same time.
const GRACE: Duration = Duration::from_millis(400);

/// keepalived's package, made of what is installed here: the machines have no way to Debian.
fn keepalived(machine: &Machine) -> Result<()> {
    machine.run("cd /tmp && dpkg-repack keepalived >/dev/null 2>&1 && mv keepalived_*.deb keepalived.deb")?;
    Ok(())
}

/// What both services' clients missed at the longest while a package was installed on a director.
fn step(pair: &Seed, what: &str, director: &Machine, package: &str) -> Result<Duration> {
    let probings = [pair.client.probe(&Seed::web_probe()?)?, pair.client.probe(&Seed::dns_probe()?)?];
    pause(seconds(1));
    apt(director, &format!("install {package}"))?;
    // Whoever is preferred has come back by then: three intervals and a bit, and the round of the checks.
    pause(seconds(6));
    let longest = |report: Report| report.longest_outage().map_or(Duration::MAX, |outage| outage.length());
    let [web, dns] = probings.map(|probing| probing.stop().map(longest));
    let (web, dns) = (web?, dns?);
    println!("{what}: the web service was gone for {web:?}, the DNS service for {dns:?}");
    Ok(web.max(dns))
}

#[test]
fn a_pair_is_moved_node_by_node_and_back_and_no_step_costs_more_than_a_resignation() -> Result<()> {
    let standfast = package("migrated");
    let mut plan = seed::plan("migration");
    plan.backend(lab::Backend::UserMode);
    plan.directors().for_each(|director| {
        director.memory(768).systemd();
    });
    let pair = Seed::start_plan(&plan)?;
    for (director, conf) in [(&pair.master, MASTER_CONF), (&pair.standby, STANDBY_CONF)] {
        ready(director)?;
        keepalived(director)?;
        director.run(format!("cp {} /tmp/standfast.deb", standfast.display()))?;
        director.put(CONF_PATH, conf)?;
        // Enabled, as on a director in service: Debian's package starts nothing that somebody has disabled.
        systemctl(director, "enable keepalived")?;
        assert_eq!(systemctl(director, "start keepalived")?, "");
    }
    pair.wait_for_service(seconds(30))?;
    wait_for_vips(&pair.master, true, seconds(20))?;

    let unnoticed = step(&pair, "standby to standfast", &pair.standby, "/tmp/standfast.deb")?;
    assert!(unnoticed < GRACE, "the standby serves nobody: {unnoticed:?}");
    assert_eq!(held_vips(&pair.standby)?, [""; 0], "it is standby again");
    let resigned = step(&pair, "master to standfast", &pair.master, "/tmp/standfast.deb")?;
    assert!(resigned < SKEW + GRACE, "{resigned:?}");
    wait_for_vips(&pair.master, true, seconds(20))?;
    for director in [&pair.master, &pair.standby] {
        assert_eq!(systemctl(director, "is-active standfast")?, "active");
        assert_eq!(director.run("pgrep --count keepalived || true")?.trim(), "0");
    }
    assert!(pair.master.run("standfast status")?.contains("MASTER"));

    let unnoticed = step(&pair, "standby back to keepalived", &pair.standby, "/tmp/keepalived.deb")?;
    assert!(unnoticed < GRACE, "the standby serves nobody: {unnoticed:?}");
    assert_eq!(systemctl(&pair.standby, "is-active keepalived")?, "active");
    let resigned = step(&pair, "master back to keepalived", &pair.master, "/tmp/keepalived.deb")?;
    assert!(resigned < SKEW + GRACE, "{resigned:?}");
    wait_for_vips(&pair.master, true, seconds(20))?;
    for director in [&pair.master, &pair.standby] {
        assert_eq!(systemctl(director, "is-active keepalived")?, "active");
        assert_eq!(director.run("pgrep --count standfastd || true")?.trim(), "0");
    }
    pair.lab.finish()
}
