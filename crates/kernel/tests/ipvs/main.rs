//! IPVS against a kernel that has it, cross-checked with what `ipvsadm` prints.
//!
//! Each test works in a network namespace of its own, whose IPVS table is its own too, so nothing of the machine is
//! touched. Needs root and the module `ip_vs`, so `cargo test` leaves them out: run this binary with `--ignored` on a
//! machine or in a guest that has IPVS.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests fail a test by panicking")]

mod apply;
mod counters;
mod rows;
mod support;
mod whole;
