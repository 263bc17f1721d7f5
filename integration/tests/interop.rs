//! standfastd and Debian's keepalived 2.2.7 on one wire: each as master, each as standby, and three in an election.

use std::time::Duration;

use lab::seed::{Daemon, MASTER_CONF, STANDBY_CONF, Seed, VIPS, held_vips, nothing_was_refused, wait_for_vips};
use lab::{Machine, Moment, Result, pause};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// `first` as master and `second` as standby of the pair: the standby takes over when the master loses power, and gives
/// back when it returns.
fn takes_over_and_gives_back(name: &str, first: &Daemon, second: &Daemon) -> Result<()> {
    let seed = Seed::start(name)?;
    let outside = seed.lab.lan("outside")?.capture()?;
    let master = first.start(&seed.master, MASTER_CONF)?;
    let standby = second.start(&seed.standby, STANDBY_CONF)?;
    wait_for_vips(&seed.master, true, seconds(20))?;
    seed.wait_for_service(seconds(20))?;
    // Long enough for the standby to have taken over, if it believed the advertisements to be none.
    pause(seconds(5));
    assert_eq!(held_vips(&seed.standby)?, [""; 0], "the standby stays standby");
    nothing_was_refused(&master);
    nothing_was_refused(&standby);

    let cut = Moment::now();
    seed.master.cut_power()?;
    let taken = outside.wait_for_advert("the standby speaks", cut, seconds(10), |seen| seen.from == "standby")?;
    let waited = taken.at.since(cut);
    assert!(waited < Duration::from_millis(3_800), "the standby spoke {waited:?} after the cut");
    wait_for_vips(&seed.standby, true, seconds(2))?;

    let back = Moment::now();
    seed.master.power_on()?;
    let master = first.start_again(&seed.master)?;
    let first_again = outside.wait_for_advert("the master speaks", back, seconds(20), |seen| seen.from == "master")?;
    wait_for_vips(&seed.master, true, seconds(2))?;
    wait_for_vips(&seed.standby, false, seconds(2))?;
    pause(seconds(3));
    let late = outside.adverts()?.into_iter().filter(|seen| seen.at > first_again.at && seen.from == "standby");
    assert_eq!(late.count(), 0, "the standby is silent from the master's first advertisement on");
    nothing_was_refused(&master);

    // And the other way to go: a resignation, which the standby answers after the skew time.
    let stopped = Moment::now();
    master.stop(seconds(10))?;
    let resigned =
        outside.wait_for_advert("the master resigns", stopped, seconds(5), |seen| seen.what.priority == 0)?;
    let taken =
        outside.wait_for_advert("the standby speaks", resigned.at, seconds(5), |seen| seen.from == "standby")?;
    let waited = taken.at.since(resigned.at);
    assert!(waited < Duration::from_millis(710), "the standby spoke {waited:?} after the resignation");
    nothing_was_refused(&standby);
    seed.lab.finish()
}

#[test]
fn keepalived_stands_by_under_our_master() -> Result<()> {
    takes_over_and_gives_back("ours-first", &Daemon::standfastd()?, &Daemon::keepalived())
}

#[test]
fn our_standby_serves_under_keepalived() -> Result<()> {
    takes_over_and_gives_back("ours-next", &Daemon::keepalived(), &Daemon::standfastd()?)
}

#[test]
fn both_say_the_same_on_the_wire() -> Result<()> {
    let seed = Seed::start("words")?;
    let mut said = Vec::new();
    for daemon in [Daemon::keepalived(), Daemon::standfastd()?] {
        let capture = seed.lab.lan("outside")?.capture()?;
        let start = Moment::now();
        let process = daemon.start(&seed.master, MASTER_CONF)?;
        let first = capture.wait_for_advert("the master speaks", start, seconds(20), |seen| seen.from == "master")?;
        // Past the second burst of gratuitous ARP, five seconds after the first.
        pause(seconds(6));
        process.stop(seconds(10))?;
        let adverts: Vec<_> = capture.adverts()?.into_iter().filter(|seen| seen.at >= first.at).collect();
        let arps = capture.gratuitous_arps()?;
        let early = arps.iter().filter(|seen| seen.at.since(first.at) < seconds(2)).map(|seen| seen.what.clone());
        let late = arps.iter().filter(|seen| seen.at.since(first.at) >= seconds(2)).map(|seen| seen.what.clone());
        let mut words: Vec<_> = adverts.into_iter().map(|seen| seen.what).collect();
        words.dedup();
        said.push((words, early.collect::<Vec<_>>(), late.collect::<Vec<_>>()));
    }
    let [keepalived, ours] = said.as_slice() else { unreachable!("two daemons ran") };
    assert_eq!(ours.0, keepalived.0, "the same advertisements, the resignation last");
    assert_eq!(ours.1, keepalived.1, "the same gratuitous ARPs in the same order at the takeover");
    assert_eq!(ours.2, keepalived.2, "and five seconds later");
    assert_eq!((ours.1.len(), ours.2.len()), (10, 10), "five for each of the two addresses, twice");
    seed.lab.finish()
}

#[test]
fn three_directors_of_both_kinds_elect_one_after_the_other() -> Result<()> {
    let mut plan = lab::seed::plan("three");
    let (outside, inside) = (plan.lan_named("outside")?, plan.lan_named("inside")?);
    plan.director("third").card(outside, ["192.168.1.13/24"]).card(inside, ["10.0.100.13/24"]);
    let seed = Seed::start_plan(&plan)?;
    let third = seed.lab.machine("third")?;
    let last = STANDBY_CONF.replace("priority 100", "priority 50");
    assert_ne!(last, STANDBY_CONF);

    let (ours, theirs) = (Daemon::standfastd()?, Daemon::keepalived());
    let mut daemons = vec![
        ours.start(&seed.master, MASTER_CONF)?,
        theirs.start(&seed.standby, STANDBY_CONF)?,
        ours.start(&third, &last)?,
    ];
    let only = |holder: &Machine, within: u64| -> Result<()> {
        wait_for_vips(holder, true, seconds(within))?;
        pause(seconds(2));
        for director in [&seed.master, &seed.standby, &third] {
            let expected: &[&str] = if director.name() == holder.name() { &VIPS } else { &[] };
            if director.is_on() {
                assert_eq!(held_vips(director)?, expected, "{}", director.name());
            }
        }
        Ok(())
    };
    only(&seed.master, 20)?;
    seed.master.cut_power()?;
    only(&seed.standby, 6)?;
    seed.standby.cut_power()?;
    only(&third, 6)?;
    seed.wait_for_service(seconds(2))?;
    seed.standby.power_on()?;
    daemons.push(theirs.start_again(&seed.standby)?);
    only(&seed.standby, 20)?;
    seed.master.power_on()?;
    daemons.push(ours.start_again(&seed.master)?);
    only(&seed.master, 20)?;
    daemons.iter().for_each(nothing_was_refused);
    seed.lab.finish()
}
