//! The shell of standfast: processes, channels, loops, signals, journal. Everything that decides anything is in the
//! crates below; here it meets the machine.
//!
//! - [`command_line`], [`configuration`], [`pid_files`], [`supervisor`], [`service_manager`]: the supervisor
//! - [`worker_start`], [`worker`], [`link`]: the frame into which a worker's loop is put; `confinement`: what it gives
//!   up
//! - [`runner_worker`], [`mailer`]: scripts, FIFOs, mail, files and processes for the other workers
//! - [`runner_client`]: how a worker has things run and told
//! - [`front_worker`], [`control_socket`]: what operators talk to; `front_sockets`, `http_listen`: what the front needs
//!   of the supervisor
//! - [`genhash`]: keepalived's other program, which is the operator's command here
//! - [`dump`]: statistics and data in keepalived's forms
//! - [`succession`]: what passes to the program that takes the daemon's place, and whether it can
//! - [`signals`], [`log`](mod@log), [`journal`], [`panics`], [`exit_status`]: both

mod agentx_socket;
pub mod bfd_notes;
mod bfd_worker;
pub mod check_worker;
pub mod command_line;
pub mod configuration;
mod confinement;
pub mod control_socket;
pub mod core_pattern;
pub mod dump;
pub mod exit_status;
mod file_watch;
#[cfg(test)]
mod fixtures;
mod front_sockets;
pub mod front_worker;
pub mod genhash;
pub mod host;
mod http_listen;
pub mod journal;
pub mod link;
pub mod log;
pub mod mailer;
pub mod panics;
pub mod pid_files;
pub mod plan;
pub mod remains;
pub mod run_state;
pub mod runner_client;
pub mod runner_worker;
pub mod service_manager;
pub mod signals;
pub mod stamps;
pub mod succession;
pub mod supervisor;
mod tidiness;
pub mod verdicts;
pub mod vrrp_worker;
pub mod worker;
pub mod worker_start;
