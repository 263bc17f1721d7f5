//! The built command, from the outside.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what a test helper cannot do fails the test")]

mod command;
mod common;
mod doctor;
mod generated;
mod genhash;
mod operate;
mod pairs;
mod samples;
mod sarif;
mod steer;
mod watch;
