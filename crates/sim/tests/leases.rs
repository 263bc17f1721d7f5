//! Clusters that need a lease to have a master: one by one lease, whatever befalls machines, LANs and the store.

#![cfg(test)]

use core::time::Duration;
use standfast_model::Instant;
use standfast_node::VrrpNode;
use standfast_sim::fault::{Blows, Fault};
use standfast_sim::lan::{LanId, MachineId};
use standfast_sim::{Hour, Scenario, Tally, World};

/// Stormy hours of clusters with a lease.
const HOURS: usize = 12;

fn leased() -> impl Iterator<Item = u64> {
    (1..).filter(|seed| Scenario::draw(*seed).lease.is_some())
}

#[test]
fn no_law_is_broken_where_a_lease_decides() {
    let mut all = Tally::default();
    for seed in leased().take(HOURS) {
        let (world, ran) = Hour::of(seed).run::<VrrpNode>(false);
        assert!(ran.is_ok(), "{}", ran.map_or_else(|report| report.to_string(), |()| String::new()));
        all += world.tally();
    }
    let hours = u64::try_from(HOURS).unwrap();
    assert!(all.takeovers > 10 * hours && all.leases > 300 * hours && all.faults > 40 * hours, "{all:?}");
}

/// A cluster on one LAN that has come to rest, and how many machines it has.
fn at_rest() -> (World<VrrpNode>, usize, Duration) {
    let drawn = leased().map(Scenario::draw).find(|drawn| drawn.lans == 1 && drawn.machines.len() > 2).unwrap();
    let (machines, rest) = (drawn.machines.len(), drawn.settles_within());
    let mut world = World::new(drawn, Blows::None, false);
    world.run_until(Instant::ZERO + rest * 2).unwrap();
    assert_eq!(world.holders(0).len(), 1, "{}", world.trace().last());
    (world, machines, rest)
}

#[test]
fn of_a_lan_that_falls_into_single_machines_one_has_the_addresses() {
    let (mut world, machines, rest) = at_rest();
    let before = world.holders(0);
    let alone = (0..machines).map(|machine| u8::try_from(machine).unwrap()).collect();
    let begun = Instant::ZERO + rest * 2;
    world.plan(begun + Duration::from_secs(1), Fault::Split(LanId(0), alone));
    world.run_until(begun + rest).unwrap();
    // Nothing has happened to its lease.
    assert_eq!(world.holders(0), before, "{}", world.trace().last());
    world.plan(begun + rest, Fault::Witness(before[0], standfast_model::config::witness::WitnessId(0), false));
    world.run_until(begun + rest * 2).unwrap();
    let after = world.holders(0);
    assert!(after.len() == 1 && after != before, "{after:?}: another reaches the store; {}", world.trace().last());
}

#[test]
fn while_nobody_reaches_the_store_nobody_is_master_and_one_is_when_it_is_back() {
    let (mut world, _, rest) = at_rest();
    let begun = Instant::ZERO + rest * 2;
    world.plan(begun, Fault::StoreDown(true));
    world.run_until(begun + rest).unwrap();
    assert_eq!(world.holders(0), [MachineId(0); 0], "{}", world.trace().last());
    world.plan(begun + rest, Fault::StoreDown(false));
    world.run_until(begun + rest * 2).unwrap();
    assert_eq!(world.holders(0).len(), 1, "{}", world.trace().last());
}
