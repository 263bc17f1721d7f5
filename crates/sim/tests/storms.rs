//! Storms over drawn clusters: no law is broken, and a seed is a run.
//!
//! `STANDFAST_SIM_HOURS` sets how many simulated hours each storm lasts, `STANDFAST_SIM_SEED` where the seeds begin.

use standfast_node::VrrpNode;
use standfast_sim::{Hour, Tally};

/// Simulated hours of each of the four storms, which run side by side. The long runs are those of `scripts/sim`, whose
/// build is faster.
const HOURS: u64 = 25;

fn asked(name: &str, unless: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(unless)
}

/// Every hour is a cluster of its own.
fn storm(part: u64) -> Tally {
    let hours = asked("STANDFAST_SIM_HOURS", HOURS);
    let first = asked("STANDFAST_SIM_SEED", 1) + part * 1_000_000;
    let mut all = Tally::default();
    for seed in first..first + hours {
        let (world, ran) = Hour::of(seed).run::<VrrpNode>(false);
        assert!(ran.is_ok(), "{}", ran.map_or_else(|report| report.to_string(), |()| String::new()));
        all += world.tally();
    }
    // A storm in which little happens proves little.
    let at_least = |what: u64, per_hour: u64, name: &str| assert!(what >= hours * per_hour, "{what} {name}: {all:?}");
    at_least(all.faults, 40, "faults");
    at_least(all.takeovers, 20, "takeovers");
    at_least(all.resignations, 5, "resignations");
    at_least(all.adverts, 5_000, "adverts");
    at_least(all.announcements, 500, "announcements");
    all
}

// REQ: VRRP2-5.3.4-02 VRRP2-6.4.3-03 VRRP2-6.4.3-04 VRRP3-6.4-01 VRRP3-6.4.3-06 KA-FAULT-01
#[test]
fn no_law_is_broken_in_the_first_storm() {
    storm(0);
}

#[test]
fn no_law_is_broken_in_the_second_storm() {
    storm(1);
}

#[test]
fn no_law_is_broken_in_the_third_storm() {
    storm(2);
}

#[test]
fn no_law_is_broken_in_the_fourth_storm() {
    storm(3);
}

#[test]
fn a_seed_replays_to_the_same_trace_byte_for_byte_and_another_does_not() {
    let trace = |seed| {
        let (world, ran) = Hour::of(seed).run::<VrrpNode>(true);
        assert_eq!(ran, Ok(()));
        (world.trace().whole().unwrap().to_owned(), world.trace().digest(), world.tally())
    };
    let first = trace(11);
    assert!(first.0.len() > 10_000, "{} octets of trace", first.0.len());
    assert_eq!(first, trace(11));
    let other = trace(12);
    assert_ne!(first.0, other.0);
    assert_ne!(first.1, other.1);
}
