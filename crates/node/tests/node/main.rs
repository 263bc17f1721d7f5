//! The node against a machine that is a value.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected should end, in its helpers as well"
)]

mod claims;
mod devices;
mod executor;
mod machine;
mod pieces;
mod routing;
