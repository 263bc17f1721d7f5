//! Connections through real IPVS that go on exchanging bytes, behind NAT and by direct routing, while what serves them
//! is reloaded, killed and cut off.

use lab::{Moment, Result, Said, Talking, Transcript, pause, until};

use crate::rack::{DIRECT_SERVERS, DOWN, NAT_SERVERS, Rack, millis, seconds};
use crate::wanted::Wanted;

/// Two for each server behind NAT, three for each of the others.
const CONVERSATIONS: usize = 6;

/// None broke, and all of them went on after `moment`.
fn all_went_on(talking: [Talking; 2], moment: Moment) -> Result<[Transcript; 2]> {
    let [nat, direct] = talking.map(Talking::stop);
    let transcripts = [nat?, direct?];
    for (transcript, servers) in transcripts.iter().zip([NAT_SERVERS.len(), DIRECT_SERVERS.len()]) {
        assert_eq!(transcript.broken().collect::<Vec<_>>(), Vec::<&lab::Word>::new());
        let mut talked: Vec<String> = transcript.servers().into_values().collect();
        talked.sort();
        talked.dedup();
        assert_eq!(talked.len(), servers, "every server was talked to: {talked:?}");
        for number in 0..CONVERSATIONS {
            let after = transcript.repeated_since(moment).filter(|word| word.number == number).count();
            assert!(after >= 5, "conversation {number} had {after} exchanges afterwards");
        }
    }
    Ok(transcripts)
}

#[test]
fn conversations_go_on_while_a_reload_changes_what_is_not_theirs() -> Result<()> {
    let mut wanted = Wanted::all();
    let rack = Rack::start("talk-load", &wanted)?;
    let talking = rack.talk(CONVERSATIONS)?;
    let [gone, ..] = talking.each_ref().map(|talking| talking.transcript());
    // A weight, a server more, one less, and a service that was not there before; the conversations of the server that
    // goes are the only ones concerned.
    let leaves = "nat3";
    let of_leaving: Vec<usize> =
        gone?.servers().into_iter().filter(|(_, server)| server == leaves).map(|(number, _)| number).collect();
    assert_eq!(of_leaving.len(), 2, "two conversations for each server");
    wanted.nat = vec![("10.0.100.2".to_owned(), 5), ("10.0.100.3".to_owned(), 1), ("10.0.100.9".to_owned(), 1)];
    wanted.services.insert(81);
    for director in rack.directors() {
        rack.reload(director, &wanted)?;
    }
    // The new server has nobody behind it: it begins well, and its check takes it out.
    wanted.nat.pop();
    for director in rack.directors() {
        rack.table_becomes(director, &wanted)?;
    }
    let after = Moment::now();
    pause(seconds(1));
    let [nat, direct] = talking.map(|talking| talking.transcript());
    for (transcript, may_break) in [(nat?, of_leaving), (direct?, Vec::new())] {
        let broken: Vec<_> = transcript.broken().filter(|word| !may_break.contains(&word.number)).collect();
        assert!(broken.is_empty(), "{broken:#?}");
        for number in (0..CONVERSATIONS).filter(|number| !may_break.contains(number)) {
            let heard = transcript.repeated_since(after).filter(|word| word.number == number).count();
            assert!(heard >= 5, "conversation {number} had {heard} exchanges afterwards");
            let opened = |word: &&lab::Word| word.number == number && matches!(word.said, Said::Opened(_));
            assert_eq!(transcript.words.iter().filter(opened).count(), 1, "conversation {number} was opened once");
        }
        let slowest = transcript.words.iter().filter(|word| !may_break.contains(&word.number));
        let slowest = slowest.filter(|word| matches!(word.said, Said::Repeated(_)));
        let slowest = slowest.map(|word| word.done.since(word.sent)).max();
        println!("reload: slowest answer {slowest:?}");
    }
    rack.lab.finish()
}

#[test]
fn conversations_go_on_while_the_check_and_the_vrrp_worker_are_killed() -> Result<()> {
    let wanted = Wanted::all();
    let rack = Rack::start("talk-kill", &wanted)?;
    let talking = rack.talk(CONVERSATIONS)?;
    pause(millis(500));
    for worker in ["check", "vrrp"] {
        rack.kill_worker(&rack.master, worker)?;
        pause(seconds(1));
        assert_eq!(rack.held(&rack.standby)?, 0, "no failover");
        rack.table_becomes(&rack.master, &wanted)?;
    }
    let after = Moment::now();
    pause(seconds(1));
    for transcript in all_went_on(talking, after)? {
        // No packet was lost: a retransmission would take TCP two tenths of a second.
        let slowest = transcript.slowest().unwrap_or_default();
        println!("kill: slowest answer {slowest:?}");
        assert!(slowest < seconds(1), "{slowest:?}");
    }
    rack.lab.finish()
}

#[test]
fn conversations_go_on_through_the_standby_when_the_master_loses_power() -> Result<()> {
    let wanted = Wanted::all();
    let rack = Rack::start("talk-cut", &wanted)?;
    let talking = rack.talk(CONVERSATIONS)?;
    // The kernel's daemon tells of a connection at its third packet, when a message is full or two seconds old.
    until("the standby knew every connection", seconds(15), || {
        rack.standby.run("ipvsadm -Lnc").is_ok_and(|known| known.matches("ESTABLISHED").count() >= 2 * CONVERSATIONS)
    })?;
    rack.master.cut_power()?;
    rack.holds(&rack.standby, true)?;
    let after = Moment::now();
    // TCP tries again six seconds after the last packet that was answered, having doubled its patience five times.
    pause(DOWN * 2);
    for transcript in all_went_on(talking, after)? {
        let slowest = transcript.slowest().unwrap_or_default();
        println!("power cut: slowest answer {slowest:?}");
        assert!(slowest > seconds(2) && slowest < DOWN * 2 + seconds(2), "{slowest:?}");
    }
    rack.lab.finish()
}
