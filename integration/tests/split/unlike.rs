//! Directors whose files differ: each shows it, with what the other has and what is its own.

use lab::{Result, until};

use crate::duo::{Duo, FIRST, PATIENCE, Role, SECOND};

/// Two virtual routers: version 2, which refuses who has another interval, and version 3, which follows who is master.
fn conf(role: Role, interval: &str, vips: &[u8]) -> String {
    role.exchange()
        + &role.instance(51, &format!("    advert_int {interval}\n"), &[100])
        + &role.instance(52, "    version 3\n    advert_int 0.5\n", vips)
}

#[test]
fn what_differs_in_a_pair_is_shown_on_both_at_once_until_it_is_mended() -> Result<()> {
    let duo = Duo::start("unlike", |role| {
        if role.name == FIRST.name { conf(role, "1", &[101]) } else { conf(role, "2", &[101, 102]) }
    })?;
    duo.holds(&duo.first, 101, true, PATIENCE)?;
    // Each refuses the other's advertisements, so both are master of this one, and both say why.
    duo.holds(&duo.first, 100, true, PATIENCE)?;
    duo.holds(&duo.second, 100, true, PATIENCE)?;
    duo.ones.wait_for("(V51) refused advertisement from 192.0.2.2: ", PATIENCE)?;
    duo.others.wait_for("(V51) refused advertisement from 192.0.2.1: ", PATIENCE)?;
    let differences = [
        // By what each has heard on the wire.
        [
            "V51: advertisement interval of 192.0.2.2 is 2 s, ours 1 s",
            "V51: advertisement interval of 192.0.2.1 is 1 s, ours 2 s",
        ],
        // By the exchange, which tells the master too what it never hears from a standby.
        ["peer second differs: V51: advert_int 2 s, ours 1 s", "peer first differs: V51: advert_int 1 s, ours 2 s"],
        ["peer second differs: V52: 2 other addresses, ours 1", "peer first differs: V52: 1 other addresses, ours 2"],
        ["V51: two masters: seen by peer exchange: second", "V51: two masters: seen by peer exchange: first"],
    ];
    let mut shown = [String::new(), String::new()];
    let both = until("both showed all of it", PATIENCE, || {
        shown = [&duo.first, &duo.second].map(|director| duo.status(director).unwrap_or_default());
        differences.iter().all(|two| two.iter().zip(&shown).all(|(text, shown)| shown.contains(text)))
    });
    both.inspect_err(|_| println!("first:\n{}\nsecond:\n{}", shown[0], shown[1]))?;
    assert!(!duo.has(&duo.second, 101)?, "version 3 has one master all the same");

    // One of them is mended: who hears the other says no more of it, and the exchange tells the one who does not.
    duo.reload(&duo.second, &conf(SECOND, "1", &[101]))?;
    duo.holds(&duo.second, 100, false, PATIENCE)?;
    duo.ones.wait_for("(V51) 192.0.2.2 is configured as we are again: advertisement interval", PATIENCE)?;
    for (director, gone) in [
        (&duo.first, &["differs", "two masters", "V51: adv"][..]),
        (&duo.second, &["of 192.0.2.1 is", "differs", "two masters"]),
    ] {
        for text in gone {
            duo.shows_no_more(director, text)?;
        }
    }
    assert!(duo.has(&duo.first, 100)? && duo.has(&duo.first, 101)?);
    duo.lab.finish()
}
