//! The wall's clock of one director steps by hours, forth and back, while it is master and while it is standby. Who does
//! not sign by the clock does not notice.

use std::time::Duration;

use lab::{Advert, Machine, Moment, Result, Seen, pause};

use crate::duo::{Duo, PATIENCE, Role, seconds, times};

/// An advertisement each half second.
const INTERVAL: Duration = Duration::from_millis(500);

/// No signature, one that counts, and one that is good for the window of a clock.
const PLAIN: u8 = 51;
const COUNTED: u8 = 52;
const TIMED: u8 = 53;

fn conf(role: Role) -> String {
    let one = |vrid: u8, signature: &str| {
        role.instance(vrid, &format!("    version 3\n    advert_int 0.5\n{signature}"), &[vip(vrid)])
    };
    let signed = |replay: &str| {
        format!(
            "    auth_hmac {{\n        key 1 0123456789abcdef0123456789abcdef\n        active_key 1\n        \
             anti_replay {replay}\n        mode enforce\n    }}\n"
        )
    };
    one(PLAIN, "") + &one(COUNTED, &signed("monotonic")) + &one(TIMED, &signed("time"))
}

const fn vip(vrid: u8) -> u8 {
    vrid + 50
}

/// Sets the wall's clock of a guest so many hours forth (or back), and no other clock.
fn step(director: &Machine, hours: i64) -> Result<()> {
    let read = || -> Result<i64> { Ok(director.run("date +%s")?.trim().parse().unwrap_or_default()) };
    let before = read()?;
    director.run(format!("date -s @$(($(date +%s) + {hours} * 3600))"))?;
    let stepped = read()? - before;
    assert!((stepped - hours * 3600).abs() < 60, "the clock of {} stepped by {stepped} s", director.name());
    Ok(())
}

/// The longest silence of a virtual router's master since then, of which every advertisement came from `first`.
fn longest_gap(adverts: &[Seen<Advert>], vrid: u8) -> Duration {
    let ours: Vec<&Seen<Advert>> = adverts.iter().filter(|seen| seen.what.vrid == vrid).collect();
    assert!(ours.iter().all(|seen| seen.from == "first" && seen.what.priority == 150), "{ours:#?}");
    let gaps = ours.windows(2).filter_map(|pair| match pair {
        [one, next] => Some(next.at.since(one.at)),
        _ => None,
    });
    gaps.max().unwrap_or(Duration::MAX)
}

/// The clocks of the pair are hours apart: of the router that signs by the clock both are master.
fn the_timed_part(duo: &Duo) -> Result<()> {
    duo.holds(&duo.second, vip(TIMED), true, PATIENCE)?;
    pause(seconds(2));
    assert!(duo.has(&duo.first, vip(TIMED))?);
    Ok(())
}

/// They agree again.
fn the_timed_meet(duo: &Duo) -> Result<()> {
    duo.holds(&duo.second, vip(TIMED), false, PATIENCE)?;
    assert!(duo.has(&duo.first, vip(TIMED))?);
    Ok(())
}

#[test]
fn a_clock_that_steps_by_hours_moves_nobody_but_those_who_sign_by_it() -> Result<()> {
    let duo = Duo::start("clocks", conf)?;
    for vrid in [PLAIN, COUNTED, TIMED] {
        duo.holds(&duo.first, vip(vrid), true, PATIENCE)?;
        duo.holds(&duo.second, vip(vrid), false, PATIENCE)?;
    }
    pause(seconds(1));
    let transitions =
        || [&duo.ones, &duo.others].map(|daemon| times(daemon, "(V51) Entering ") + times(daemon, "(V52) Entering "));
    let before = transitions();
    let capture = duo.lab.lan("lan")?.capture_only("ip proto 112")?;
    let begin = Moment::now();
    for (director, hours) in [(&duo.first, 7), (&duo.second, -7)] {
        step(director, hours)?;
        the_timed_part(&duo)?;
        step(director, -hours)?;
        the_timed_meet(&duo)?;
    }
    // Each has said why it did not believe the other, once: a line of its kind is written once a minute.
    duo.others.wait_for("(V53) refused advertisement from 192.0.2.1: ", PATIENCE)?;
    duo.others.wait_for("the sender's clock is 25", seconds(1))?;
    duo.ones.wait_for("(V53) refused advertisement from 192.0.2.2: ", PATIENCE)?;
    duo.ones.wait_for("the sender's clock is 25", seconds(1))?;
    pause(seconds(2));
    assert_eq!(transitions(), before);
    let adverts = capture.adverts()?;
    for vrid in [PLAIN, COUNTED] {
        let gap = longest_gap(&adverts, vrid);
        println!("V{vrid}: no advertisement for {gap:?} at most, in {:?}", Moment::now().since(begin));
        assert!(gap < INTERVAL * 3 / 2, "{gap:?}");
        assert!(duo.has(&duo.first, vip(vrid))? && !duo.has(&duo.second, vip(vrid))?);
    }
    duo.lab.finish()
}
