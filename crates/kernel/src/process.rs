//! Processes: what the supervisor needs to start, restart, outlive and tidy up after its workers.
//!
//! - [`binary`]: the own program, kept open, to start workers from, and its successor
//! - [`confinement`]: what a process gives up once it has what it needs
//! - [`events`]: processes that begin, change and end anywhere on the machine
//! - [`script`]: commands of the configuration
//! - [`pid_file`]: pid files in keepalived's form, locked while in use
//! - [`daemonize`](mod@daemonize): leaving the terminal
//! - [`schedule`]: processors, priorities, locked memory
//! - [`identity`]: name, capabilities, limits and namespace of the calling process
//! - [`memory`]: what only a start needs, given back
//!
//! It decides nothing: which process runs when is the daemon's business.

pub mod binary;
pub mod confinement;
pub mod daemonize;
pub mod events;
pub mod identity;
pub mod memory;
pub mod orphans;
pub mod pid_file;
pub mod schedule;
pub mod script;

pub use binary::{NoSuccessor, OwnBinary};
pub use daemonize::{Launcher, daemonize};
pub use pid_file::{PidFile, PidFileError};
