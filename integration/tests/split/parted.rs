//! Directors that hear each other in one direction, or not at all although both have peers of unicast.

use lab::{Advert, Capture, Moment, Result, Seen, pause, until};

use crate::duo::{Duo, PATIENCE, Role, seconds, times};

/// Version 3 at half a second: the standby of priority 100 waits for 3 x 0.5 s and 156/256 of 0.5 s.
const FAST: &str = "    version 3\n    advert_int 0.5\n";

const VIP: u8 = 100;

fn conf(role: Role) -> String {
    role.exchange() + &role.instance(51, FAST, &[VIP])
}

fn conf_unicast(role: Role) -> String {
    role.exchange() + &role.instance(51, &(FAST.to_owned() + &role.unicast()), &[VIP])
}

/// The pair in service: the first is master, the second has heard it, the client knows the first, and each director
/// hears of the other on the second LAN.
fn in_service(name: &str, conf: impl Fn(Role) -> String) -> Result<Duo> {
    let duo = Duo::start(name, conf)?;
    duo.holds(&duo.first, VIP, true, PATIENCE)?;
    duo.holds(&duo.second, VIP, false, PATIENCE)?;
    for director in [&duo.first, &duo.second] {
        duo.shows(director, "V51")?;
        duo.shows_no_more(director, "is not heard")?;
    }
    duo.client.run(format!("ping -c 1 -W 5 192.0.2.{VIP}"))?;
    duo.client_believes(&duo.first, VIP)?;
    Ok(duo)
}

/// Advertisements of a director since then.
fn adverts(capture: &Capture, from: &str, since: Moment) -> Result<Vec<Seen<Advert>>> {
    let all = capture.adverts()?.into_iter();
    Ok(all.filter(|seen| seen.from == from && seen.at > since && seen.what.priority > 0).collect())
}

/// Both have it, and neither lets go by itself.
fn two_masters(duo: &Duo) -> Result<()> {
    duo.holds(&duo.second, VIP, true, PATIENCE)?;
    pause(seconds(2));
    assert!(duo.has(&duo.first, VIP)? && duo.has(&duo.second, VIP)?);
    Ok(())
}

/// The LAN is whole again: the better one stays, says that it is over, and the client finds it.
fn one_master_remains(duo: &Duo, capture: &Capture) -> Result<()> {
    let transitions = times(&duo.ones, "Entering ");
    duo.others.skip();
    let healed = Moment::now();
    duo.lab.lan("lan")?.heal()?;
    duo.others.wait_for("Entering BACKUP STATE", PATIENCE)?;
    duo.others.wait_for("with higher priority 150, ours 100", seconds(1))?;
    duo.holds(&duo.second, VIP, false, PATIENCE)?;
    duo.client_believes(&duo.first, VIP)?;
    let quiet = Moment::now();
    pause(seconds(3));
    assert!(adverts(capture, "second", quiet)?.is_empty(), "it is silent");
    assert!(adverts(capture, "first", quiet)?.len() >= 4, "and the first goes on");
    assert!(duo.has(&duo.first, VIP)? && !duo.has(&duo.second, VIP)?);
    assert_eq!(times(&duo.ones, "Entering "), transitions, "the better one was master all the time");
    let announced = capture.gratuitous_arps()?.into_iter().filter(|seen| seen.from == "first" && seen.at > healed);
    assert!(announced.count() > 0, "it has announced its address again");
    duo.client_believes(&duo.first, VIP)
}

#[test]
fn over_a_link_that_works_one_way_a_mute_standby_moves_nothing_and_a_mute_master_gets_a_rival_that_both_tell_of()
-> Result<()> {
    let duo = in_service("oneway", conf)?;
    let lan = duo.lab.lan("lan")?;
    let capture = lan.capture()?;

    // Nobody hears the standby, which has nothing to say.
    lan.lose(100, "second", "first")?;
    let begin = Moment::now();
    pause(seconds(4));
    assert!(adverts(&capture, "second", begin)?.is_empty());
    assert!(adverts(&capture, "first", begin)?.len() >= 6);
    assert!(duo.has(&duo.first, VIP)? && !duo.has(&duo.second, VIP)?);
    lan.heal()?;

    // The standby does not hear the master, which hears it.
    duo.ones.skip();
    lan.lose(100, "first", "second")?;
    two_masters(&duo)?;
    duo.shows(&duo.first, "V51 has another master: 192.0.2.2, priority 100")?;
    duo.others.wait_for("(V51) two masters: seen by peer exchange: first is master with priority 150", PATIENCE)?;
    duo.shows(&duo.second, "V51: two masters: seen by peer exchange: first is master with priority 150")?;
    duo.ones.wait_for("another host says that 192.0.2.100 is its own", PATIENCE)?;

    one_master_remains(&duo, &capture)?;
    duo.ones.wait_for(" s: 192.0.2.2 with priority 100 advertised", PATIENCE)?;
    for director in [&duo.first, &duo.second] {
        duo.shows_no_more(director, "two masters")?;
        duo.shows_no_more(director, "has another master")?;
    }
    duo.lab.finish()
}

#[test]
fn two_masters_of_unicast_peers_are_told_of_by_both_and_the_better_one_remains() -> Result<()> {
    let duo = in_service("unicast", conf_unicast)?;
    let lan = duo.lab.lan("lan")?;
    let capture = lan.capture()?;
    duo.ones.skip();
    let cut = Moment::now();
    lan.lose(100, "first", "second")?;
    lan.lose(100, "second", "first")?;
    two_masters(&duo)?;
    for (from, to) in [("first", "192.0.2.2"), ("second", "192.0.2.1")] {
        // What a cut card still sends to an address that it can no longer resolve never leaves it.
        let sent = adverts(&capture, from, cut)?;
        assert!(!sent.is_empty() && sent.iter().all(|seen| seen.what.destination.to_string() == to), "{sent:?}");
    }
    let said = |other: &str, priority| {
        format!("two masters: seen by peer exchange: {other} is master with priority {priority}")
    };
    duo.ones.wait_for(&format!("(V51) {}", said("second", 100)), PATIENCE)?;
    duo.others.wait_for(&format!("(V51) {}", said("first", 150)), PATIENCE)?;
    duo.shows(&duo.first, &said("second", 100))?;
    duo.shows(&duo.second, &said("first", 150))?;

    one_master_remains(&duo, &capture)?;
    for daemon in [&duo.ones, &duo.others] {
        until("both said that it is over", PATIENCE, || times(daemon, "(V51) two masters no more") == 1)?;
    }
    for director in [&duo.first, &duo.second] {
        duo.shows_no_more(director, "two masters")?;
    }
    duo.lab.finish()
}
