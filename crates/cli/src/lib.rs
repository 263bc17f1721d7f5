//! The operator's command, one module a subcommand. What is known about configurations is in `standfast_conf`; here it
//! is asked for, shown, and turned into an exit status.

pub mod arguments;
pub mod check;
pub mod check_pair;
pub mod completions;
pub mod config_show;
pub mod control;
pub mod doctor;
pub mod events;
pub mod explain;
pub mod fmt;
pub mod genhash;
pub mod ipvs;
pub mod keywords;
pub mod manual;
pub mod operate;
pub mod order;
pub mod plan;
mod report;
mod sarif;
pub mod status;
mod table;
pub mod upgrade;
pub mod watch;
