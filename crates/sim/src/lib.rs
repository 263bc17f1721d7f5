//! A LAN, clocks and a kernel that are values: many routers in virtual time from one seed.
//!
//! [`World`] runs the same node as the daemon does, on machines whose kernels are values, over LANs that lose, delay,
//! double and reorder, part and heal, while a [`Storm`](fault::Storm) of faults goes over them. The [`laws`] are checked
//! after every step. A run is a function of its seed: a failing one prints its seed, and replays to the same trace.
//!
//! It is not shipped, opens nothing and reads no clock.

mod befall;
pub mod fault;
pub mod kernel;
pub mod lan;
pub mod laws;
pub mod machine;
pub mod packet;
pub mod rng;
pub mod scenario;
pub mod trace;
pub mod world;

pub use machine::Director;
pub use scenario::Scenario;
pub use world::{Report, World};

use core::time::Duration;
use standfast_model::Instant;
use standfast_node::VrrpNode;

/// One hour of one cluster in a storm, both drawn from the seed, run by the real node.
///
/// # Errors
/// The first law that was broken.
pub fn stormy_hour(seed: u64, whole_trace: bool) -> (World<VrrpNode>, Result<(), Box<Report>>) {
    let mut world = World::new(Scenario::draw(seed), true, whole_trace);
    let ran = world.run_until(Instant::ZERO + Duration::from_secs(3600));
    (world, ran)
}
