//! Configurations read while the cluster runs in calm: instances removed, added, renamed and reordered, addresses moved,
//! VRIDs and intervals changed on every machine. The laws say what must not happen meanwhile; here it is that nobody else
//! holds anything afterwards.

use core::time::Duration;
use standfast_model::Instant;
use standfast_node::VrrpNode;
use standfast_sim::fault::{Blows, Fault, Storm};
use standfast_sim::lan::MachineId;
use standfast_sim::rng::Rng;
use standfast_sim::variation::Variation;
use standfast_sim::{Scenario, World};

/// Clusters, each of which is given two configurations after its own: a thousand pairs of one and the next.
const CLUSTERS: u64 = 500;

/// The virtual router that does not exist under a variation.
const fn missing(variation: Variation) -> Option<usize> {
    match variation {
        Variation::Without(router) => Some(router),
        Variation::Drawn
        | Variation::Renamed
        | Variation::Reordered
        | Variation::OtherVrid(_)
        | Variation::Faster(_)
        | Variation::OtherKey(_)
        | Variation::Moved(..) => None,
    }
}

fn holders(world: &World<VrrpNode>, routers: usize) -> Vec<Vec<MachineId>> {
    (0..routers).map(|router| world.holders(router)).collect()
}

// REQ: KA-HUP-01
#[test]
fn of_a_thousand_random_pairs_of_configurations_none_moves_what_is_in_both() {
    let mut pairs = 0;
    for seed in 1..=CLUSTERS {
        let scenario = Scenario::draw(seed);
        let (routers, settles) = (scenario.routers.len(), scenario.settles_within());
        let mut storm = Storm::new(Rng::new(seed), scenario.machines.len(), scenario.lans, routers);
        let mut rng = Rng::new(!seed);
        let mut world: World<VrrpNode> = World::new(scenario, Blows::None, false);
        let mut now = Instant::ZERO + settles + Duration::from_secs(5);
        world.run_until(now).unwrap();
        let mut before = Variation::Drawn;
        for _ in 0..2 {
            let held = holders(&world, routers);
            let after = storm.variation(rng.index(routers));
            world.plan(now, Fault::Reconfigure(after));
            now = now + settles + Duration::from_secs(1);
            world.run_until(now).unwrap_or_else(|report| panic!("{before:?} to {after:?}: {report}"));
            for (router, held) in held.iter().enumerate() {
                if ![missing(before), missing(after)].contains(&Some(router)) {
                    assert_eq!(world.holders(router), *held, "seed {seed}, {before:?} to {after:?}, router {router}");
                }
            }
            before = after;
            pairs += 1;
        }
    }
    assert_eq!(pairs, 1_000);
}
