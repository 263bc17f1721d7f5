//! The lab: real kernels and real peers on one machine, described in a few lines and gone without a trace.
//!
//! A [`Plan`] names LANs, directors and hosts. [`Plan::start`] makes a [`Lab`] of it: every director a kernel of its own
//! (or, where this machine's kernel has IPVS, a namespace), every host a set of namespaces, every LAN a bridge. A
//! [`Machine`] runs programs, takes files, loses its power, freezes, has its cables pulled; a [`Lan`] is split, loses
//! frames, and is listened to.
//!
//! ```text
//!  test process                 the lab's own namespaces
//!  ------------                 ------------------------
//!  Lab ----- lifeline --------> wires (first process): bridges, cables, captures
//!  Machine -- requests -------> agent of each host          [namespaces of this kernel]
//!          \- through wires --> agent of each director      [a kernel of its own, or as a host]
//! ```
//!
//! A test ends with [`Lab::finish`]. A lab that goes in another way is taken for a failure: what its machines and programs
//! have written is printed. Some variables of the environment change what a run does:
//!
//! | variable | meaning |
//! |---|---|
//! | `LAB_KEEP=1` | at its end a lab stays until its program is interrupted; the commands that give a shell are printed |
//! | `LAB_BACKEND=uml`, `namespaces` | what directors are made of, where the test leaves it open |
//! | `LAB_ALL=1` | all combinations are played where a usual run plays a selection |
//! | `LAB_SEED=NUMBER` | what a test does at random |
//! | `LAB_TIMES=NUMBER` | how often a test does it, or for how many minutes |
//! | `LAB_AGENT=PATH` | where `lab-agent` lies, for a program that it was not built beside |
//!
//! One program, `lab-agent`, is the first process everywhere. It needs root, and Debian's packages that
//! `scripts/lib/install` lists.

pub mod agent;
mod backend;
mod capture;
mod chance;
mod clock;
mod command;
mod core;
mod dns;
mod door;
mod error;
mod frames;
mod ipvs;
mod lab;
mod lan;
mod machine;
mod plan;
mod probe;
mod process;
mod remote;
pub mod seed;
mod servers;
mod switch;
mod talk;
mod wait;

pub use backend::Backend;
pub use capture::{Capture, Seen};
pub use chance::{Chance, times};
pub use clock::{Moment, pause};
pub use command::Command;
pub use error::{Error, Result};
pub use frames::{Advert, Arp, Content, Frame, Mac, Neighbour};
pub use ipvs::{IpvsServer, IpvsService, IpvsTable};
pub use lab::Lab;
pub use lan::Lan;
pub use machine::{Machine, Watch};
pub use plan::{LanId, MachinePlan, Plan};
pub use probe::{Outage, Probe, Probing, Question, Report, Sample};
pub use process::{Exit, Finished, Process};
pub use servers::WHO;
pub use talk::{Said, Talk, Talking, Transcript, Word};
pub use wait::{eventually, until};
