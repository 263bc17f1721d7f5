//! The unit file under a real systemd: ready when it serves, reloaded, refused, killed and back without an outage, and
//! stopped without a trace.

use std::time::Duration;

use lab::seed::{CONF_PATH, Daemon};
use lab::{Backend, Command, Machine, Moment, Plan, Probe, Result, pause, until};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const UNIT: &str = include_str!("../../etc/systemd/standfast.service");

const VIP: &str = "192.0.2.100";

/// One instance that owns its addresses, and one service.
fn conf(more_addresses: &str) -> String {
    format!(
        "vrrp_instance VI {{\n    state MASTER\n    interface eth0\n    virtual_router_id 51\n    priority 255\n    \
         virtual_ipaddress {{\n        {VIP}/24\n{more_addresses}    }}\n}}\n\
         virtual_server {VIP} 80 {{\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n    \
         real_server 192.0.2.3 80 {{\n        weight 1\n    }}\n}}\n"
    )
}

/// What `systemctl` says; it may fail.
fn systemctl(machine: &Machine, words: &str) -> Result<String> {
    let said = machine.try_run(Command::from(format!("systemctl {words}")).within(seconds(60)))?;
    Ok(said.stdout.trim().to_owned() + said.stderr.trim())
}

fn holds(machine: &Machine, address: &str) -> bool {
    machine.run("ip -oneline address show dev eth0").is_ok_and(|shown| shown.contains(&format!(" {address}/")))
}

#[test]
fn the_unit_is_ready_reloads_survives_a_kill_without_an_outage_and_stops_clean() -> Result<()> {
    let mut plan = Plan::new("unit");
    plan.backend(Backend::UserMode);
    let lan = plan.lan("lan");
    plan.director("one").card(lan, ["192.0.2.1/24"]).memory(512).systemd();
    plan.host("client").card(lan, ["192.0.2.3/24"]);
    let lab = plan.start()?;
    let (one, client) = (lab.machine("one")?, lab.machine("client")?);
    one.run(Command::from("systemctl is-system-running --wait || true").within(seconds(60)))?;
    one.put("/etc/systemd/system/standfast.service", UNIT)?;
    one.run(format!("ln -s {} /usr/sbin/standfastd", Daemon::standfastd()?.program()))?;
    one.run(Command::from("systemctl daemon-reload").within(seconds(60)))?;

    assert_eq!(
        systemctl(&one, "start standfast")?,
        "",
        "without a configuration there is nothing to do, and no failure"
    );
    assert_eq!(systemctl(&one, "is-active standfast")?, "inactive");

    one.put(CONF_PATH, conf(""))?;
    let capture = lab.lan("lan")?.capture()?;
    let begin = Moment::now();
    assert_eq!(systemctl(&one, "start standfast")?, "");
    // Type=notify: who says that it is started says so when it is.
    assert_eq!(systemctl(&one, "is-active standfast")?, "active");
    capture.wait_for_advert("the owner", begin, seconds(5), |seen| seen.what.priority == 255)?;
    until("it had its address", seconds(2), || holds(&one, VIP))?;
    assert_eq!(one.ipvs()?.servers(&format!("TCP {VIP}:80")), ["192.0.2.3:80"]);

    one.put(CONF_PATH, conf("        192.0.2.101/24\n"))?;
    assert_eq!(systemctl(&one, "reload standfast")?, "");
    until("the new address was there", seconds(5), || holds(&one, "192.0.2.101"))?;
    one.put(CONF_PATH, conf("        192.0.2.102/24\n") + "}\n")?;
    systemctl(&one, "reload standfast")?;
    until("the journal said why not", seconds(10), || {
        one.run("journalctl --unit=standfast --output=cat").is_ok_and(|said| said.contains("Reload refused"))
    })?;
    assert!(holds(&one, VIP) && holds(&one, "192.0.2.101") && !holds(&one, "192.0.2.102"));
    assert_eq!(systemctl(&one, "is-active standfast")?, "active");
    one.put(CONF_PATH, conf("        192.0.2.101/24\n"))?;

    let probing = client.probe(&Probe::ping(VIP)?)?;
    pause(Duration::from_millis(500));
    let main = systemctl(&one, "show --property=MainPID standfast")?;
    let killed = Moment::now();
    assert_eq!(systemctl(&one, "kill --signal=KILL standfast")?, "");
    until("the unit was started again", seconds(20), || {
        let now = systemctl(&one, "show --property=MainPID --property=ActiveState standfast").unwrap_or_default();
        now.contains("ActiveState=active") && !now.contains(&main)
    })?;
    let back = Moment::now();
    capture.wait_for_advert("the owner again", back, seconds(5), |seen| seen.what.priority == 255)?;
    pause(seconds(1));
    let report = probing.stop()?;
    let outage = report.longest_outage().map_or(Duration::MAX, |outage| outage.length());
    println!("killed whole: back after {:?}, the client was without an answer for {outage:?}", back.since(killed));
    assert!(outage < Duration::from_millis(300), "{outage:?}");
    assert!(holds(&one, VIP) && holds(&one, "192.0.2.101"));
    assert_eq!(one.ipvs()?.servers(&format!("TCP {VIP}:80")), ["192.0.2.3:80"]);
    assert!(capture.adverts()?.iter().all(|seen| seen.what.priority == 255), "and nobody resigned in all this");

    let stopping = Moment::now();
    assert_eq!(systemctl(&one, "stop standfast")?, "");
    capture.wait_for_advert("the resignation", stopping, seconds(5), |seen| seen.what.priority == 0)?;
    assert_eq!(systemctl(&one, "is-active standfast")?, "inactive");
    assert!(!holds(&one, VIP) && !holds(&one, "192.0.2.101"));
    assert!(one.ipvs()?.services.is_empty());
    assert_eq!(one.run("pgrep --count standfastd || true")?.trim(), "0");
    assert!(one.run("journalctl --unit=standfast --output=cat")?.contains("(VI) Entering MASTER STATE"));
    lab.finish()
}
