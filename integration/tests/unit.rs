//! The unit file under a real systemd: ready when it serves, reloaded, refused, killed and back without an outage, and
//! stopped without a trace.

use std::time::Duration;

use lab::seed::{CONF_PATH, Daemon};
use lab::{Backend, Command, Machine, Moment, Plan, Probe, Result, pause, until};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const UNIT: &str = include_str!("../../etc/systemd/standfast.service");

const HARDENED: &str = include_str!("../../etc/systemd/hardened.conf");

const CATALOG: &str = include_str!("../../etc/systemd/standfast.catalog");

const VIP: &str = "192.0.2.100";

/// One instance that owns its addresses, and one service. In such a kernel a start of everything takes two seconds: what
/// is to be adopted after it must be younger than three intervals.
fn conf(more_addresses: &str) -> String {
    format!(
        "vrrp_instance VI {{\n    state MASTER\n    interface eth0\n    virtual_router_id 51\n    priority 255\n    \
         advert_int 2\n    virtual_ipaddress {{\n        {VIP}/24\n{more_addresses}    }}\n}}\n\
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

/// Puts the unit and the programs where they belong, and has the service manager know it.
fn install(machine: &Machine) -> Result<()> {
    machine.run(Command::from("systemctl is-system-running --wait || true").within(seconds(60)))?;
    machine.put("/etc/systemd/system/standfast.service", UNIT)?;
    let daemon = Daemon::standfastd()?;
    machine.run(format!("ln -s {} /usr/sbin/standfastd", daemon.program()))?;
    machine.run(format!("ln -s {} /usr/bin/standfast", daemon.command()))?;
    machine.run(Command::from("systemctl daemon-reload").within(seconds(60)))?;
    Ok(())
}

#[test]
fn hardened_it_does_its_work_and_is_exposed_at_most_three_of_ten() -> Result<()> {
    let mut plan = Plan::new("hardened");
    plan.backend(Backend::UserMode);
    let lan = plan.lan("lan");
    plan.director("one").card(lan, ["192.0.2.1/24"]).memory(512).systemd();
    let lab = plan.start()?;
    let one = lab.machine("one")?;
    one.run("mkdir -p /etc/systemd/system/standfast.service.d")?;
    one.put("/etc/systemd/system/standfast.service.d/hardened.conf", HARDENED)?;
    install(&one)?;
    let exposure =
        one.run(Command::from("systemd-analyze security --no-pager standfast.service").within(seconds(60)))?;
    let figure = exposure.lines().find_map(|line| line.split_once("exposure level for standfast.service: "));
    let figure: f64 = figure.and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok()).unwrap_or(10.0);
    println!("exposure {figure}");
    assert!(figure <= 3.0, "{exposure}");
    // A notification runs as another user, which takes rights that the daemon must have kept.
    one.run("modprobe ip_vs && modprobe ip_vs_rr || true")?;
    let notify = "    virtual_router_id 51\n    notify \"/usr/bin/logger -t notified\" nobody\n";
    let secured = "global_defs {\n    enable_script_security\n}\n".to_owned();
    one.put(CONF_PATH, secured + &conf("").replace("    virtual_router_id 51\n", notify))?;
    assert_eq!(systemctl(&one, "start standfast")?, "");
    until("it had its address", seconds(10), || holds(&one, VIP))?;
    until("its server was in the table", seconds(10), || {
        one.ipvs().is_ok_and(|table| table.servers(&format!("TCP {VIP}:80")) == ["192.0.2.3:80"])
    })?;
    until("who is to be notified was", seconds(10), || {
        one.run("journalctl --output=cat --identifier=notified").is_ok_and(|said| said.contains("VI MASTER"))
    })?;
    let (done, said) = (one.run("standfast maintenance on")?, one.run("ls /var/lib/standfast")?);
    assert!(done.contains("also after a restart") && said.contains("maintenance"), "{done} {said}");
    assert_eq!(one.run("standfast maintenance off")?, "takes part again\n");
    assert_eq!(systemctl(&one, "reload standfast")?, "");
    assert_eq!(systemctl(&one, "stop standfast")?, "");
    let refused = one.run("journalctl --unit=standfast --output=cat --priority=err")?;
    assert_eq!(refused.trim(), "", "nothing that it needs is forbidden");
    lab.finish()
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
    install(&one)?;
    systemctl(&one, "enable standfast")?;
    one.put("/usr/lib/systemd/catalog/standfast.catalog", CATALOG)?;
    one.run("journalctl --update-catalog")?;

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
    assert_eq!(systemctl(&one, "is-active keepalived")?, "active", "it answers to the name of what it replaces");
    let shown = systemctl(&one, "show --property=StatusText standfast")?;
    assert!(shown.contains("MASTER 1") && shown.contains("1/1 servers up"), "{shown}");
    let explained = one.run("journalctl --unit=standfast --catalog STANDFAST_EVENT=vrrp-master")?;
    assert!(explained.contains("This node answers for its virtual addresses from now on"), "{explained}");

    one.put(CONF_PATH, conf("        192.0.2.101/24\n"))?;
    assert_eq!(systemctl(&one, "reload standfast")?, "");
    until("the new address was there", seconds(5), || holds(&one, "192.0.2.101"))?;
    one.put(CONF_PATH, conf("        192.0.2.102/24\n") + "}\n")?;
    let said = systemctl(&one, "reload standfast")?;
    assert!(said.contains("failed"), "who asks for the reload is told that it was refused: {said}");
    until("the journal said why not", seconds(10), || {
        one.run("journalctl --unit=standfast --output=cat STANDFAST_EVENT=reload-refused")
            .is_ok_and(|said| said.contains("Reload refused"))
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
