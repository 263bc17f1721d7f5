//! Debian's keepalived on the seed pair: that the lab is a fair judge is shown on the daemon whose behaviour is known.

use std::time::Duration;

use lab::seed::{DNS_SERVICE, Daemon, MASTER_CONF, STANDBY_CONF, Seed, WEB_SERVICE};
use lab::{Backend, Moment, Probe, Result, pause, until};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn seed_with_keepalived(name: &str) -> Result<Seed> {
    let seed = Seed::start(name)?;
    Daemon::keepalived().start(&seed.master, MASTER_CONF)?;
    Daemon::keepalived().start(&seed.standby, STANDBY_CONF)?;
    seed.wait_for_service(seconds(30))?;
    Ok(seed)
}

#[test]
fn both_services_go_round_over_their_three_servers() -> Result<()> {
    let seed = seed_with_keepalived("round")?;

    let web: Vec<String> = (0..6).map(|_| seed.web_answer()).collect::<Result<_>>()?;
    let dns: Vec<String> = (0..6).map(|_| seed.dns_answer()).collect::<Result<_>>()?;

    for answers in [web, dns] {
        let (first, second) = answers.split_at(3);
        assert_eq!(first, second, "round robin repeats itself");
        let mut servers = first.to_vec();
        servers.sort();
        servers.dedup();
        assert_eq!(servers.len(), 3, "each server once: {first:?}");
    }
    assert_eq!(seed.master.ipvs()?.servers(DNS_SERVICE), ["10.0.100.5:53", "10.0.100.6:53", "10.0.100.7:53"]);
    seed.lab.finish()
}

#[test]
fn a_killed_web_server_leaves_the_table_and_comes_back() -> Result<()> {
    let mut seed = seed_with_keepalived("check")?;
    let all = ["10.0.100.2:80", "10.0.100.3:80", "10.0.100.4:80"];
    assert_eq!(seed.master.ipvs()?.servers(WEB_SERVICE), all);

    seed.kill_server("web2")?;
    // One round of checks of three seconds, and the retry that keepalived makes by default.
    until("the killed server had left the table", seconds(10), || {
        seed.master.ipvs().is_ok_and(|table| table.servers(WEB_SERVICE) == ["10.0.100.2:80", "10.0.100.4:80"])
    })?;
    let probing = seed.client.probe(&Seed::web_probe()?)?;
    pause(seconds(1));
    let report = probing.stop()?;
    assert_eq!(report.lost(), 0, "{report:?}");
    assert_eq!(report.answers_by_server().into_keys().collect::<Vec<_>>(), ["web1", "web3"]);

    seed.start_server("web2")?;
    until("the server was back in the table", seconds(10), || {
        seed.master.ipvs().is_ok_and(|table| table.servers(WEB_SERVICE) == all)
    })?;
    seed.lab.finish()
}

#[test]
fn the_standby_takes_over_within_four_seconds_of_a_power_cut_and_hands_back() -> Result<()> {
    let seed = seed_with_keepalived("cut")?;
    let outside = seed.lab.lan("outside")?.capture()?;
    let start = Moment::now();
    outside.wait_for_advert("the master's advertisement", start, seconds(5), |seen| seen.from == "master")?;
    let web = seed.client.probe(&Seed::web_probe()?)?;
    let dns = seed.client.probe(&Seed::dns_probe()?)?;
    pause(seconds(1));

    let cut = Moment::now();
    seed.master.cut_power()?;
    let taken = outside.wait_for_gratuitous_arp("192.168.1.202", cut, seconds(10))?;
    assert_eq!(taken.from, "standby");
    pause(seconds(1));

    for (service, probing) in [("web", web), ("DNS", dns)] {
        let report = probing.stop()?;
        let outage = report.longest_outage().expect("it asked");
        println!("{service}: no answer for {:?} after the power cut", outage.length());
        // Three intervals of a second and the skew of priority 100, 0.61 s, and time to start forwarding.
        assert!(outage.length() < seconds(4), "{service}: {:?}", outage.length());
        assert!(outage.length() > seconds(2), "{service}: a cut that nobody notices is none: {:?}", outage.length());
        let after = report.between(outage.to, Moment::now());
        assert_eq!(after.lost(), 0, "{service} answers without fail from the first answer on");
        assert_eq!(after.answers_by_server().len(), 3, "{service}: {:?}", after.answers_by_server());
    }

    let web = seed.client.probe(&Seed::web_probe()?)?;
    seed.master.power_on()?;
    let back = Moment::now();
    Daemon::keepalived().start_again(&seed.master)?;
    outside.wait_for_advert("the master's advertisement again", back, seconds(20), |seen| seen.from == "master")?;
    // The standby hears a higher priority and falls silent.
    pause(seconds(2));
    let settled = Moment::now();
    pause(seconds(3));
    let late: Vec<_> = outside.adverts()?.into_iter().filter(|seen| seen.at > settled).collect();
    assert!(late.iter().all(|seen| seen.from == "master") && !late.is_empty(), "{late:?}");
    let report = web.stop()?;
    assert!(report.between(settled, Moment::now()).answers_by_server().len() == 3, "{report:?}");
    seed.lab.finish()
}

#[test]
fn the_vrrp_half_works_the_same_in_namespaces_of_this_kernel() -> Result<()> {
    let mut plan = lab::seed::plan("spaces");
    plan.backend(Backend::Namespaces);
    let seed = Seed::start_plan(&plan)?;
    let keepalived = Daemon::keepalived().argument("--vrrp");
    keepalived.start(&seed.master, MASTER_CONF)?.wait_for("Entering MASTER STATE", seconds(20))?;
    let standby = keepalived.start(&seed.standby, STANDBY_CONF)?;
    standby.wait_for("Entering BACKUP STATE", seconds(20))?;

    let probing = seed.client.probe(&Probe::ping("192.168.1.200")?)?;
    pause(seconds(1));
    seed.master.cut_power()?;
    standby.wait_for("Entering MASTER STATE", seconds(10))?;
    pause(seconds(1));
    let outage = probing.stop()?.longest_outage().expect("it asked").length();
    assert!(outage > seconds(2) && outage < seconds(4), "{outage:?}");
    seed.lab.finish()
}
