//! The user's pair under standfastd, made to fail in every way that a rack can.
#![expect(clippy::expect_used, reason = "a test that meets the unexpected should end")]

use std::time::Duration;

use lab::seed::{DNS_SERVICE, Daemon, MASTER_CONF, STANDBY_CONF, Seed, WEB_SERVICE, held_vips, wait_for_vips};
use lab::{Exit, Moment, Process, Report, Result, pause, until};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// (256 - 100) / 256 s: what a standby of priority 100 adds (RFC 3768 6.1).
const SKEW: Duration = Duration::from_micros(609_375);

/// For the takeover itself, the first request after it, and a busy machine.
const GRACE: Duration = Duration::from_millis(100);

/// The pair in service: the lab, and the daemon of each director.
struct Pair {
    seed: Seed,
    master: Process,
    standby: Process,
}

impl Pair {
    fn start(name: &str) -> Result<Self> {
        let seed = Seed::start(name)?;
        let daemon = Daemon::standfastd()?;
        let master = daemon.start(&seed.master, MASTER_CONF)?;
        let standby = daemon.start(&seed.standby, STANDBY_CONF)?;
        seed.wait_for_service(seconds(30))?;
        wait_for_vips(&seed.master, true, seconds(5))?;
        Ok(Self { seed, master, standby })
    }

    /// What the client saw of both services while `happening` happened.
    fn watched(&self, happening: impl FnOnce(&Self) -> Result<()>) -> Result<[(&'static str, Report); 2]> {
        let web = self.seed.client.probe(&Seed::web_probe()?)?;
        let dns = self.seed.client.probe(&Seed::dns_probe()?)?;
        pause(Duration::from_millis(500));
        happening(self)?;
        Ok([("web", web.stop()?), ("DNS", dns.stop()?)])
    }
}

fn outage_at_most(reports: &[(&str, Report)], limit: Duration) {
    for (service, report) in reports {
        assert!(report.answered().next().is_some(), "{service} never answered");
        let outage = report.longest_outage().expect("it asked").length();
        println!("{service}: no answer for {outage:?} (at most {limit:?})");
        assert!(outage <= limit, "{service}: no answer for {outage:?}, at most {limit:?}");
    }
}

#[test]
fn a_power_cut_costs_one_master_down_interval_and_the_return_next_to_nothing() -> Result<()> {
    let pair = Pair::start("cut")?;
    assert_eq!(held_vips(&pair.seed.standby)?, [""; 0]);

    let reports = pair.watched(|pair| {
        pair.seed.master.cut_power()?;
        pause(seconds(5));
        Ok(())
    })?;
    outage_at_most(&reports, seconds(3) + SKEW + GRACE);
    for (service, report) in &reports {
        let outage = report.longest_outage().expect("it asked");
        assert!(outage.length() > seconds(2), "{service}: a cut that nobody notices is none");
        let after = report.between(outage.to, Moment::now());
        assert_eq!(after.lost(), 0, "{service} answers without fail from the first answer on");
        assert_eq!(after.answers_by_server().len(), 3, "{service} is spread over its servers");
    }
    pair.standby.wait_for("Entering MASTER STATE: no advertisement for 3.6", seconds(1))?;

    let reports = pair.watched(|pair| {
        pair.seed.master.power_on()?;
        Daemon::standfastd()?.start_again(&pair.seed.master)?;
        wait_for_vips(&pair.seed.master, true, seconds(20))?;
        wait_for_vips(&pair.seed.standby, false, seconds(1))?;
        pause(seconds(1));
        Ok(())
    })?;
    outage_at_most(&reports, Duration::from_millis(300));
    pair.standby.wait_for("with higher priority 150, ours 100", seconds(1))?;
    pair.seed.lab.finish()
}

#[test]
fn an_orderly_stop_costs_the_skew_time_and_leaves_nothing_behind() -> Result<()> {
    let pair = Pair::start("stop")?;
    let outside = pair.seed.lab.lan("outside")?.capture()?;
    let before = Moment::now();
    let reports = pair.watched(|pair| {
        assert_eq!(pair.master.stop(seconds(10))?, Exit::Status(0));
        pause(seconds(2));
        Ok(())
    })?;
    outage_at_most(&reports, SKEW + GRACE);

    let resignations = outside.adverts()?.into_iter().filter(|seen| seen.at > before && seen.what.priority == 0);
    assert_eq!(resignations.map(|seen| seen.from).collect::<Vec<_>>(), ["master"], "one, and not two");
    assert_eq!(held_vips(&pair.seed.master)?, [""; 0]);
    assert!(pair.seed.master.ipvs()?.services.is_empty());
    assert_eq!(pair.seed.master.run("ls /run/*.pid 2>/dev/null | wc -l")?.trim(), "0", "no pid file");
    assert_eq!(pair.seed.master.run("pgrep -c standfastd || true")?.trim(), "0", "no process");
    pair.standby.wait_for("resigned", seconds(5))?;
    pair.seed.lab.finish()
}

#[test]
fn a_killed_server_leaves_both_tables_and_returns_to_them() -> Result<()> {
    let mut pair = Pair::start("server")?;
    let all = ["10.0.100.2:80", "10.0.100.3:80", "10.0.100.4:80"];
    assert_eq!(pair.seed.master.ipvs()?.servers(WEB_SERVICE), all);
    assert_eq!(pair.seed.master.ipvs()?.services[WEB_SERVICE].scheduler, "rr");
    assert_eq!(pair.seed.master.ipvs()?.servers(DNS_SERVICE).len(), 3);

    pair.seed.kill_server("web2")?;
    for director in [&pair.seed.master, &pair.seed.standby] {
        // One round of checks of three seconds, the retry a second later, and half a second for a busy machine.
        until("the killed server had left the table", Duration::from_millis(4_500), || {
            director.ipvs().is_ok_and(|table| table.servers(WEB_SERVICE) == ["10.0.100.2:80", "10.0.100.4:80"])
        })?;
    }
    let reports = pair.watched(|_| {
        pause(seconds(1));
        Ok(())
    })?;
    assert_eq!(reports[0].1.lost(), 0);
    assert_eq!(reports[0].1.answers_by_server().into_keys().collect::<Vec<_>>(), ["web1", "web3"]);

    pair.seed.start_server("web2")?;
    for director in [&pair.seed.master, &pair.seed.standby] {
        until("the server was back in the table", seconds(5), || {
            director.ipvs().is_ok_and(|table| table.servers(WEB_SERVICE) == all)
        })?;
    }
    pair.master.wait_for("connection refused", seconds(1))?;
    pair.seed.lab.finish()
}

#[test]
fn a_pulled_cable_moves_the_whole_sync_group_and_a_plugged_one_brings_it_back() -> Result<()> {
    let pair = Pair::start("cable")?;
    let reports = pair.watched(|pair| {
        pair.seed.master.unplug("eth1")?;
        wait_for_vips(&pair.seed.standby, true, seconds(5))?;
        wait_for_vips(&pair.seed.master, false, seconds(1))?;
        pause(seconds(1));
        Ok(())
    })?;
    // The resignation of VI_I cannot leave through the pulled cable, and the standby's group waits for its timer.
    outage_at_most(&reports, seconds(3) + SKEW + GRACE);
    pair.master.wait_for("(VI_I) Entering FAULT STATE: link of eth1 is down", seconds(1))?;
    pair.seed.master.plug("eth1")?;
    wait_for_vips(&pair.seed.master, true, seconds(10))?;
    wait_for_vips(&pair.seed.standby, false, seconds(1))?;
    pair.seed.lab.finish()
}

#[test]
fn a_split_lan_has_two_masters_and_a_healed_one_has_one() -> Result<()> {
    let pair = Pair::start("split")?;
    let outside = pair.seed.lab.lan("outside")?;
    let inside = pair.seed.lab.lan("inside")?;
    outside.partition(&[&["master", "client"], &["standby"]])?;
    inside.partition(&[&["master"], &["standby"]])?;
    wait_for_vips(&pair.seed.standby, true, seconds(6))?;
    wait_for_vips(&pair.seed.master, true, seconds(1))?;
    outside.heal()?;
    inside.heal()?;
    // The first advertisement of the better one decides: an interval, and a moment.
    wait_for_vips(&pair.seed.standby, false, seconds(2))?;
    pause(seconds(5));
    assert_eq!(held_vips(&pair.seed.master)?.len(), 3);
    assert_eq!(held_vips(&pair.seed.standby)?, [""; 0]);
    pair.seed.wait_for_service(seconds(2))?;
    pair.seed.lab.finish()
}

#[test]
fn a_frozen_master_that_thaws_listens_before_it_speaks() -> Result<()> {
    let pair = Pair::start("freeze")?;
    let outside = pair.seed.lab.lan("outside")?.capture()?;
    pair.seed.master.freeze()?;
    wait_for_vips(&pair.seed.standby, true, seconds(6))?;
    pause(seconds(3));
    let thaw = Moment::now();
    pair.seed.master.thaw()?;
    // It hears the standby and, with the higher priority, takes over again when its own interval has run out.
    wait_for_vips(&pair.seed.master, true, seconds(10))?;
    let first = outside.wait_for_advert("the thawed master speaks", thaw, seconds(1), |seen| seen.from == "master")?;
    let silent = first.at.since(thaw);
    assert!(silent > seconds(3), "it spoke {silent:?} after the thaw");
    wait_for_vips(&pair.seed.standby, false, seconds(2))?;
    pair.seed.lab.finish()
}

/// The user's configuration, with nopreempt on the preferred director.
fn without_preemption() -> String {
    MASTER_CONF.replace("state MASTER", "state BACKUP\n    nopreempt")
}

#[test]
fn a_frozen_master_with_nopreempt_has_let_go_before_anybody_can_ask_it_and_stays_standby() -> Result<()> {
    let seed = Seed::start("nopreempt")?;
    let daemon = Daemon::standfastd()?;
    let _master = daemon.start(&seed.master, &without_preemption())?;
    wait_for_vips(&seed.master, true, seconds(10))?;
    let _standby = daemon.start(&seed.standby, STANDBY_CONF)?;
    pause(seconds(2));
    let outside = seed.lab.lan("outside")?.capture()?;
    seed.master.freeze()?;
    wait_for_vips(&seed.standby, true, seconds(6))?;
    pause(seconds(3));
    let thaw = Moment::now();
    seed.master.thaw()?;
    wait_for_vips(&seed.master, false, seconds(2))?;
    println!("the thawed kernel had no virtual address {:?} after the thaw", Moment::now().since(thaw));
    pause(seconds(5));
    assert_eq!(held_vips(&seed.master)?, [""; 0]);
    assert_eq!(held_vips(&seed.standby)?.len(), 3);
    let spoke = |seen: &&lab::Seen<lab::Advert>| seen.from == "master" && seen.at > thaw;
    assert_eq!(outside.adverts()?.iter().filter(spoke).count(), 0);
    let announced = outside.gratuitous_arps()?.iter().filter(|seen| seen.from == "master" && seen.at > thaw).count();
    assert_eq!(announced, 0);
    seed.lab.finish()
}

#[test]
fn a_freeze_that_nobody_took_over_costs_itself_and_nothing_more() -> Result<()> {
    const FROZEN: Duration = Duration::from_millis(1500);
    let pair = Pair::start("nap")?;
    // It may have started first, and have been master until the other was there.
    let takeovers = || pair.standby.log().matches("Entering MASTER STATE").count();
    let before = takeovers();
    let reports = pair.watched(|pair| {
        pair.seed.master.freeze()?;
        pause(FROZEN);
        pair.seed.master.thaw()?;
        pause(seconds(4));
        Ok(())
    })?;
    // What the client sends anew, it does after a second.
    outage_at_most(&reports, FROZEN + seconds(1) + GRACE);
    assert_eq!(held_vips(&pair.seed.master)?.len(), 3);
    assert_eq!(held_vips(&pair.seed.standby)?, [""; 0]);
    assert_eq!(takeovers(), before, "the standby took over");
    pair.seed.lab.finish()
}

#[test]
fn an_address_that_something_removes_is_back_at_once_without_a_failover() -> Result<()> {
    let pair = Pair::start("removed")?;
    let reports = pair.watched(|pair| {
        pair.seed.master.run("ip address delete 192.168.1.202/32 dev eth0")?;
        pause(seconds(1));
        Ok(())
    })?;
    outage_at_most(&reports, Duration::from_millis(200));
    assert_eq!(held_vips(&pair.seed.master)?.len(), 3);
    assert_eq!(held_vips(&pair.seed.standby)?, [""; 0]);
    pair.master.wait_for("192.168.1.202/32 was removed by something else", seconds(1))?;
    pair.seed.lab.finish()
}
