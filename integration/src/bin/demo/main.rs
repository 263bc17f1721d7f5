//! The demonstration: the user's pair of directors with its clients and servers, on this machine, made to fail.
//!
//! It reads as the story it tells. What must hold is noted in [`timeline::Timeline::check`]; the exit status is 0 only if
//! all of it held. `scripts/demo` installs what it needs and starts it.

mod console;
mod pages;
mod timeline;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use lab::seed::{DNS_SERVICE, Daemon, MASTER_CONF, STANDBY_CONF, Seed, VIPS, WEB_SERVICE, held_vips, wait_for_vips};
use lab::{Moment, Process, Report, Result, pause, until};
use pages::Pages;
use timeline::Timeline;

/// Three advertisements of the pair's one-second interval that do not come.
const THREE_ADVERTS: Duration = Duration::from_secs(3);

/// How much later than that a standby of priority 100 takes over: (256 - 100) / 256 s (RFC 3768 6.1).
const SKEW: Duration = Duration::from_micros(609_375);

/// For the takeover itself, the first request after it, and this machine.
const GRACE: Duration = Duration::from_millis(100);

/// `delay_loop 3`, one retry a second later, and the machine.
const OUT_OF_TABLE: Duration = Duration::from_millis(4_500);

/// `delay_loop 3`, and the machine.
const BACK_IN_TABLE: Duration = Duration::from_millis(3_500);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (daemon, keep) = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [daemon] => (daemon.to_string(), false),
        [daemon, "--keep"] | ["--keep", daemon] => (daemon.to_string(), true),
        _ => {
            eprintln!("usage: demo STANDFASTD [--keep]; scripts/demo knows where it is");
            return ExitCode::from(2);
        }
    };
    let timeline = Timeline::start();
    match tell(&timeline, &Daemon::at(daemon), keep) {
        Ok(()) if timeline.summary() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            timeline.say("", &format!("the demonstration broke off: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn tell(timeline: &Arc<Timeline>, daemon: &Daemon, keep: bool) -> Result<()> {
    timeline.chapter("Power on: two directors, a client, three web servers, three DNS servers");
    let mut seed = Seed::start("demo")?;
    timeline.say("", "all nine machines are up");
    timeline.follow("master", daemon.start(&seed.master, &pages::with_page("master", MASTER_CONF))?);
    let standby = timeline.follow("standby", daemon.start(&seed.standby, &pages::with_page("standby", STANDBY_CONF))?);
    seed.wait_for_service(Duration::from_secs(20))?;
    timeline.say("client", "web and DNS answer through the virtual addresses");
    let pages = Pages::open(&seed)?;
    pages.tell(timeline);

    a_pair_at_work(timeline, &seed)?;
    a_server_dies_and_returns(timeline, &mut seed)?;
    the_master_loses_power(timeline, &seed)?;
    why_it_happened(timeline, &seed, daemon, &pages)?;
    let master = the_master_returns(timeline, &seed, daemon)?;
    the_master_is_stopped(timeline, &seed, &master)?;
    if keep {
        timeline.chapter("The cluster stays up");
        timeline.follow("master", daemon.start_again(&seed.master)?);
        pages.tell(timeline);
        console::play(timeline, &seed, daemon)?;
    } else {
        timeline.chapter("The end");
        timeline.say("", &format!("with --keep the status page stays at {}", pages.address()));
    }
    standby.stop(Duration::from_secs(10))?;
    seed.lab.finish()
}

fn a_pair_at_work(timeline: &Arc<Timeline>, seed: &Seed) -> Result<()> {
    timeline.chapter("One is master, and balances");
    wait_for_vips(&seed.master, true, Duration::from_secs(5))?;
    timeline.check("the master holds all three virtual addresses", held_vips(&seed.master)? == VIPS);
    timeline.check("the standby holds none", held_vips(&seed.standby)?.is_empty());
    timeline.show("master# ipvsadm -Ln", &seed.master.run("ipvsadm -Ln")?);
    let mut answers = std::collections::BTreeMap::new();
    for _ in 0..9 {
        *answers.entry(seed.web_answer()?).or_insert(0) += 1;
        *answers.entry(seed.dns_answer()?).or_insert(0) += 1;
    }
    let counted: Vec<String> = answers.iter().map(|(server, times)| format!("{server} {times}")).collect();
    timeline.say("client", &format!("9 pages and 9 DNS answers came from: {}", counted.join(", ")));
    timeline.check("every one of the six servers answered", answers.len() == 6);
    Ok(())
}

fn a_server_dies_and_returns(timeline: &Arc<Timeline>, seed: &mut Seed) -> Result<()> {
    timeline.chapter("A web server dies, and comes back");
    let in_table = |seed: &Seed| seed.master.ipvs().map(|table| table.servers(WEB_SERVICE).contains(&"10.0.100.3:80"));
    let died = Moment::now();
    seed.kill_server("web2")?;
    timeline.say("web2", "nginx is killed");
    let left =
        until("web2 out of the IPVS table", Duration::from_secs(20), || in_table(seed).is_ok_and(|there| !there))?;
    timeline.measure("web2 left the IPVS table after", left.since(died), OUT_OF_TABLE);
    let answers: Vec<String> = (0..6).map(|_| seed.web_answer()).collect::<Result<_>>()?;
    timeline.check("meanwhile the other two answer", !answers.contains(&"web2".to_owned()));
    let returned = Moment::now();
    seed.start_server("web2")?;
    timeline.say("web2", "nginx is started again");
    let back =
        until("web2 back in the IPVS table", Duration::from_secs(20), || in_table(seed).is_ok_and(|there| there))?;
    timeline.measure("web2 was back in the table after", back.since(returned), BACK_IN_TABLE);
    Ok(())
}

fn the_master_loses_power(timeline: &Arc<Timeline>, seed: &Seed) -> Result<()> {
    timeline.chapter("The master loses power");
    let (web, dns) = watched(seed, || {
        timeline.say("master", "power cut");
        seed.master.cut_power()?;
        pause(THREE_ADVERTS + SKEW + Duration::from_secs(1));
        Ok(())
    })?;
    timeline.measure("outage of the web service, as the client saw it", outage(&web), THREE_ADVERTS + SKEW + GRACE);
    timeline.measure("outage of the DNS service", outage(&dns), THREE_ADVERTS + SKEW + GRACE);
    timeline.check("the standby holds all three virtual addresses", held_vips(&seed.standby)? == VIPS);
    Ok(())
}

/// The command that an operator would ask, beside the daemon, and the page that they would look at.
fn why_it_happened(timeline: &Arc<Timeline>, seed: &Seed, daemon: &Daemon, pages: &Pages) -> Result<()> {
    timeline.chapter("Why did it switch?");
    let told = seed.standby.run(format!("{} why VI_E", daemon.command()).as_str())?;
    timeline.show("standby# standfast why VI_E", &told);
    let is_so = told.lines().any(|line| line.contains("MASTER") && line.contains("no advertisement for"));
    timeline.check("it tells of the silence of the master", is_so);
    timeline.check("the status page of the standby says so too", pages.standby_is_master()?);
    Ok(())
}

fn the_master_returns(timeline: &Arc<Timeline>, seed: &Seed, daemon: &Daemon) -> Result<Arc<Process>> {
    timeline.chapter("Power is back");
    let mut master = None;
    let (web, dns) = watched(seed, || {
        seed.master.power_on()?;
        timeline.say("master", "is up again");
        let process = timeline.follow("master", daemon.start_again(&seed.master)?);
        wait_for_vips(&seed.master, true, Duration::from_secs(20))?;
        master = Some(process);
        pause(Duration::from_secs(1));
        Ok(())
    })?;
    timeline.measure("longest pause of the web service at failback", outage(&web), GRACE * 3);
    timeline.measure("longest pause of the DNS service at failback", outage(&dns), GRACE * 3);
    timeline.check("the standby has given all of them back", held_vips(&seed.standby)?.is_empty());
    master.ok_or_else(|| lab::Error::Plan("no daemon was started".to_owned()))
}

fn the_master_is_stopped(timeline: &Arc<Timeline>, seed: &Seed, master: &Process) -> Result<()> {
    timeline.chapter("The master is stopped in order (SIGTERM)");
    let mut status = None;
    let (web, dns) = watched(seed, || {
        timeline.say("master", "SIGTERM");
        status = Some(master.stop(Duration::from_secs(10))?);
        pause(SKEW + Duration::from_secs(1));
        Ok(())
    })?;
    timeline.measure("outage of the web service", outage(&web), SKEW + GRACE);
    timeline.measure("outage of the DNS service", outage(&dns), SKEW + GRACE);
    timeline.check("it ended with status 0", status.is_some_and(|exit| exit == lab::Exit::Status(0)));
    timeline.check("it left no virtual address behind", held_vips(&seed.master)?.is_empty());
    timeline.check("it left no IPVS service behind", seed.master.ipvs()?.services.is_empty());
    let services = seed.standby.ipvs()?.services;
    timeline.check(
        "the standby balances both services",
        [WEB_SERVICE, DNS_SERVICE].iter().all(|s| services.contains_key(*s)),
    );
    Ok(())
}

/// What the client saw of both services while `happening` happened.
fn watched(seed: &Seed, happening: impl FnOnce() -> Result<()>) -> Result<(Report, Report)> {
    let web = seed.client.probe(&Seed::web_probe()?)?;
    let dns = seed.client.probe(&Seed::dns_probe()?)?;
    pause(Duration::from_millis(500));
    happening()?;
    Ok((web.stop()?, dns.stop()?))
}

/// The longest time without an answer; for ever if nothing ever answered.
fn outage(report: &Report) -> Duration {
    if report.answered().next().is_none() {
        return Duration::MAX;
    }
    report.longest_outage().map_or(Duration::MAX, |outage| outage.length())
}
