//! What this crate promises, one fact a test.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that meets the unexpected should end")]

mod beyond;
mod beyond_model;
mod checks;
mod diff;
mod kernel;
mod listing;
mod marking;
mod model;
mod pools;
mod reload;
mod restart;
mod scale;
mod support;
mod told;
