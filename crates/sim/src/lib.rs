//! A LAN, clocks and a kernel that are values: many routers in virtual time from one seed.
//!
//! [`World`] runs the same node as the daemon does, on machines whose kernels are values, over LANs that lose, delay,
//! double and reorder, part and heal, while a [`Storm`](fault::Storm) of faults goes over them. The [`laws`] are checked
//! after every step. A run is a function of its seed: a failing one prints its seed and the few
//! faults that are enough, and replays to the same trace.
//!
//! An hour has about 80 faults, most of them with what mends them, 100 ms to 240 s apart on a logarithmic scale: one pause
//! in three is longer than 25 s, in which most clusters come to rest. It has 155 changes of state, 32 takeovers, 9
//! resignations, 51 configurations read while a daemon runs, 5 adoptions by the successor of a killed daemon, and 11,000
//! advertisements. Three of forty routers of version 3 advertise more often than once a second; when it was one in four
//! an hour had the same faults, and 83,000 events instead of 52,000. Built with the profile `sim` an idle core (AMD EPYC)
//! does about 50 such hours in a second.
//!
//! It is not shipped, opens nothing and reads no clock.

mod act;
mod befall;
pub mod fault;
pub mod hour;
pub mod kernel;
pub mod lan;
pub mod laws;
mod lease;
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
