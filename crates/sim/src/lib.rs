//! A LAN, clocks and a kernel that are values: many routers in virtual time from one seed.
//!
//! [`World`] runs the same node as the daemon does, on machines whose kernels are values, over LANs that lose, delay,
//! double and reorder, part and heal, while a [`Storm`](fault::Storm) of faults goes over them. The [`laws`] are checked
//! after every step. A run is a function of its seed: a failing one prints its seed and the few
//! faults that are enough, and replays to the same trace.
//!
//! An hour has about 80 faults (each drawn with what mends it, 100 ms to 205 s after the one before; every twelfth of those
//! pauses is long enough for everything to settle), 150 changes of state, 30 takeovers, 8 resignations, 50 configurations
//! read while a daemon runs, 5 adoptions by a successor of a killed daemon, and about 11,000 advertisements. Six of seven
//! clusters advertise at whole seconds, as in the field: when one in four was drawn faster, an hour had the same faults and
//! took twice as long, most of it in calm. Built with the profile `sim` a core of an AMD EPYC of 2024 does about 50 of
//! these hours in a second, so that two minutes on two cores are some 10,000.
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
