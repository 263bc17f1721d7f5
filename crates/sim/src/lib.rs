//! A LAN, clocks and a kernel that are values: many routers in virtual time from one seed.
//!
//! [`World`] runs the same node as the daemon does, on machines whose kernels are values, over LANs that lose, delay,
//! double and reorder, part and heal, while a [`Storm`](fault::Storm) of faults goes over them. The [`laws`] are checked
//! after every step. A run is a function of its seed: a failing one prints its seed and the few
//! faults that are enough, and replays to the same trace.
//!
//! It is not shipped, opens nothing and reads no clock.

mod act;
mod befall;
pub mod fault;
pub mod hour;
pub mod kernel;
pub mod lan;
pub mod laws;
pub mod machine;
mod observe;
mod order;
pub mod packet;
pub mod report;
pub mod rng;
pub mod scenario;
pub mod signing;
pub mod trace;
pub mod variation;
pub mod world;

pub use hour::Hour;
pub use machine::Director;
pub use report::{Report, Tally};
pub use scenario::Scenario;
pub use world::World;
