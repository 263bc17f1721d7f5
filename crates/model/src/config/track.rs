//! What can be tracked: scripts, files, processes, BFD sessions; and who tracks it with which weight.

use super::lvs::VirtualServer;
use super::script::Script;
use crate::ipvs::ServiceKey;
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A `vrrp_script`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrackScript {
    /// The name in the file.
    pub name: String,
    /// `script` with `user`.
    pub script: Script,
    /// `interval`: from start to start, 1 ms ..= 4294 s.
    pub interval: Duration,
    /// `timeout`: run time after which it is stopped; the interval by default.
    pub timeout: Duration,
    /// `rise`: successes in a row from failed to good, at least 1.
    pub rise: u32,
    /// `fall`: failures in a row from good to failed, at least 1.
    pub fall: u32,
    /// `init_fail`: failed until the first result.
    pub init_fail: bool,
}

/// A `track_file`: a file with a number in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrackFile {
    /// The name in the file.
    pub name: String,
    /// `file`
    pub path: String,
    /// `init_file`: made at start when missing.
    pub init: Option<InitFile>,
}

/// `init_file` of a `track_file`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InitFile {
    /// What is written into it.
    pub value: i32,
    /// `overwrite`: also when it exists.
    pub overwrite: bool,
}

/// A `vrrp_track_process`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrackProcess {
    /// The name in the file.
    pub name: String,
    /// `process`: command and arguments, at least the command.
    pub words: Vec<Vec<u8>>,
    /// `param_match`, and whether arguments are looked at.
    pub matching: ProcessMatch,
    /// `quorum`: fewest processes, 0 only with a `quorum_max` of 0.
    pub quorum: u32,
    /// `quorum_max`: most processes.
    pub quorum_max: Option<u32>,
    /// `terminate_delay`: pause before a loss counts, 0..=3600 s.
    pub terminate_delay: Duration,
    /// `fork_delay`: pause before a gain counts, 0..=3600 s.
    pub fork_delay: Duration,
}

/// How a process is recognised.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum ProcessMatch {
    /// By its name, 15 bytes (`/proc/PID/comm`).
    #[default]
    Name,
    /// `full_command`: by the first word of its command line.
    Command,
    /// All arguments, exactly.
    Exact,
    /// `param_match initial`: the given arguments, the last one as a beginning.
    Initial,
    /// `param_match partial`: the given arguments first, more may follow.
    Partial,
}

macro_rules! ids {
    ($($name:ident $what:literal)*) => {
        $(
            #[doc = concat!("Which ", $what, ": its place in the list of the configuration slice.")]
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
            pub struct $name(pub u32);
        )*
    };
}

ids! {
    ScriptId "track script"
    FileId "track file"
    ProcessId "tracked process"
    BfdId "BFD session"
    ServiceId "tracked virtual server"
}

/// What an entry of a track list names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Tracker {
    /// `track_script`
    Script(ScriptId),
    /// `track_file`
    File(FileId),
    /// `track_process`
    Process(ProcessId),
    /// `track_bfd`
    Bfd(BfdId),
    /// `track_virtual_server`
    Service(ServiceId),
}

/// The virtual servers that an entry of `track_virtual_server` names, by the words of their heads: there is one of each
/// protocol for an address and port. Beyond keepalived.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum TrackedService {
    /// `ADDRESS [PORT]`
    Address(IpAddr, u16),
    /// `fwmark N`
    Mark(u32),
    /// `group NAME`
    Group(String),
}

impl TrackedService {
    /// Whether a virtual server is among them.
    #[must_use]
    pub fn names(&self, server: &VirtualServer) -> bool {
        match (self, &server.options.group, server.key) {
            (Self::Group(name), Some(group), _) => *name == group.name,
            (Self::Address(wanted, at), None, ServiceKey::Address { address, port, .. }) => {
                (*wanted, *at) == (address, port)
            }
            (Self::Mark(wanted), None, ServiceKey::FirewallMark { mark, .. }) => *wanted == mark,
            (Self::Group(_) | Self::Address(..) | Self::Mark(_), _, _) => false,
        }
    }
}

impl fmt::Display for TrackedService {
    /// As the head of its block: `192.0.2.1 80`, `fwmark 7`, `group web`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address, 0) => write!(f, "{address}"),
            Self::Address(address, port) => write!(f, "{address} {port}"),
            Self::Mark(mark) => write!(f, "fwmark {mark}"),
            Self::Group(name) => write!(f, "group {name}"),
        }
    }
}

/// An entry of `track_script`, `track_file`, `track_process`, `track_bfd` or `track_virtual_server`, the tracker's own weight filled in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tracked {
    /// What is tracked.
    pub tracker: Tracker,
    /// -254..=254. 0: its failure is a FAULT; positive is added while good, negative while failed; of a file the
    /// multiplier of its number.
    pub weight: i16,
    /// `reverse`
    pub reverse: bool,
}
