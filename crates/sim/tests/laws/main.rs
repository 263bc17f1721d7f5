//! Each law can be broken: nodes with one defect each are stopped by the law that is there for it.

#[cfg(test)]
mod faulty;

use faulty::{DEFECTS, Defect, Faulty};
use standfast_sim::Hour;
use standfast_sim::fault::Blows;
use standfast_sim::laws::Law;

/// Stormy hours that are tried until the law expected is broken in one.
const HOURS: u64 = 40;

/// The laws that such nodes break before the one expected, or every one they break if they never break that.
fn breaks<const DEFECT: usize>(defect: Defect, expected: Law) {
    assert_eq!(DEFECTS.get(DEFECT), Some(&defect));
    let mut others = Vec::new();
    for seed in 1..=HOURS {
        match Hour::of(seed).run::<Faulty<DEFECT>>(false).1 {
            Err(report) if report.broken.law == expected => return,
            Err(report) => others.push(report.broken.law),
            Ok(()) => {}
        }
    }
    assert_eq!(others, [expected], "{defect:?} breaks other laws, or none");
}

#[test]
fn nodes_that_hear_nothing_hold_the_same_addresses_together() {
    breaks::<0>(Defect::Deaf, Law::OneHolder);
}

#[test]
fn nodes_that_hear_no_resignation_take_over_too_late() {
    breaks::<1>(Defect::HearsNoResignation, Law::SkewAfterResignation);
}

#[test]
fn nodes_that_are_absent_for_a_while_flap_in_calm() {
    breaks::<2>(Defect::Absent, Law::NoFlapping);
}

#[test]
fn nodes_that_never_wake_never_take_over() {
    breaks::<3>(Defect::NeverWakes, Law::NoVacuum);
}

#[test]
fn masters_that_wake_late_are_silent_for_too_long() {
    breaks::<4>(Defect::WakesLate, Law::Cadence);
}

#[test]
fn a_deadline_in_the_past_is_seen() {
    breaks::<5>(Defect::LivesInThePast, Law::TimePasses);
}

#[test]
fn addresses_that_stay_behind_are_seen() {
    breaks::<6>(Defect::KeepsAddresses, Law::AddressesFollowMaster);
}

#[test]
fn a_daemon_that_does_not_stop_is_seen() {
    breaks::<7>(Defect::StaysOn, Law::CleanStop);
}

#[test]
fn an_invalid_advert_is_seen() {
    breaks::<8>(Defect::Scribbles, Law::HonestAdverts);
}

#[test]
fn an_advert_of_a_backup_is_seen() {
    breaks::<9>(Defect::Pretends, Law::HonestAdverts);
}

#[test]
fn an_announcement_of_what_is_not_there_is_seen() {
    breaks::<10>(Defect::AnnouncesAnything, Law::HonestAnnouncements);
}

#[test]
fn a_group_of_two_minds_is_seen() {
    breaks::<11>(Defect::BreaksTheGroup, Law::GroupMovesTogether);
}

#[test]
fn a_transition_from_a_state_it_was_not_in_is_seen() {
    breaks::<12>(Defect::RepeatsItself, Law::StatesConnect);
}

#[test]
fn who_sleeps_and_goes_on_as_master_is_seen() {
    breaks::<13>(Defect::Sleepwalks, Law::ListensAfterPause);
}

#[test]
fn who_goes_on_although_its_script_fails_is_seen() {
    breaks::<14>(Defect::TrustsScripts, Law::FailedTakeNoPart);
}

#[test]
fn a_reload_that_starts_over_is_seen() {
    breaks::<15>(Defect::StartsOver, Law::StatesConnect);
}

#[test]
fn a_reload_that_moves_what_it_says_nothing_of_is_seen() {
    breaks::<16>(Defect::Restless, Law::ReloadLeavesAlone);
}

#[test]
fn a_reload_that_takes_addresses_away_for_a_moment_is_seen() {
    breaks::<17>(Defect::LetsGo, Law::ReloadKeepsAddresses);
}

#[test]
fn a_successor_that_takes_what_was_not_its_predecessors_is_seen() {
    breaks::<18>(Defect::AdoptsAnything, Law::AdoptsOrListens);
}

#[test]
fn a_successor_that_lets_go_of_what_was_its_predecessors_is_seen() {
    breaks::<19>(Defect::AdoptsNothing, Law::AdoptsOrListens);
}

#[test]
fn a_standby_that_takes_over_without_its_witnesses_is_seen() {
    breaks::<20>(Defect::AsksNobody, Law::AsksWitnesses);
}

#[test]
fn a_master_that_keeps_to_a_lease_that_has_ended_is_seen() {
    breaks::<21>(Defect::KeepsItsLease, Law::OneByLease);
}

#[test]
fn a_failing_hour_shrinks_to_the_blows_that_matter_and_replays() {
    // Who sleeps and goes on as master needs a machine that is frozen, and nothing else.
    let fails = |hour: &Hour| hour.run::<Faulty<13>>(false).1.err().filter(|report| report.broken.law == SLEEP);
    const SLEEP: Law = Law::ListensAfterPause;
    let whole = (1..=HOURS).map(Hour::of).find(|hour| fails(hour).is_some()).unwrap();
    let small = whole.smallest::<Faulty<13>>();
    let Blows::Only(numbers) = &small.blows else { panic!("{small:?}") };
    assert!((1..=2).contains(&numbers.len()), "{numbers:?}");
    let report = fails(&small).unwrap();
    assert_eq!(fails(&small), Some(report.clone()), "it does not replay");
    let words = report.to_string();
    let list: Vec<String> = numbers.iter().map(u32::to_string).collect();
    assert!(words.ends_with(&format!("--seed {} --only {}", whole.seed, list.join(","))), "{words}");
    for left_out in numbers {
        let rest: Vec<u32> = numbers.iter().copied().filter(|number| number != left_out).collect();
        assert!(fails(&Hour { seed: whole.seed, blows: Blows::only(&rest) }).is_none(), "{left_out} was not needed");
    }
}
