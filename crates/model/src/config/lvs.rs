//! `virtual_server`, `real_server` and the checkers.

use crate::InterfaceName;
use crate::ipvs::{Forwarding, Persistence, Scheduler, SchedulerFlags, ServiceKey};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// The slice of the `check` worker.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LvsConfig {
    /// In the order of the file; keys are unique.
    pub virtual_servers: Vec<VirtualServer>,
}

/// One IPVS service with its pool.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VirtualServer {
    /// What the kernel knows it by.
    pub key: ServiceKey,
    /// `lb_algo`.
    pub scheduler: Scheduler,
    /// `sh-port`, `mh-fallback`, `flag-1`, ...
    pub flags: SchedulerFlags,
    /// `persistence_timeout`, `persistence_granularity`.
    pub persistence: Option<Persistence>,
    /// `ops`.
    pub one_packet: bool,
    /// `quorum`: total weight of live servers needed, 1 by default.
    pub quorum: u32,
    /// `hysteresis`, below the quorum.
    pub hysteresis: u32,
    /// `sorry_server`, used alone while there is no quorum.
    pub sorry_server: Option<SorryServer>,
    /// In the order of the file; keys are unique.
    pub real_servers: Vec<RealServer>,
}

/// The server of last resort (`sorry_server`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SorryServer {
    /// Address and port.
    pub address: SocketAddr,
    /// `sorry_server_lvs_method`, by default that of the service.
    pub forwarding: Forwarding,
    /// `sorry_server_inhibit`: stays in the table with weight 0 while unused.
    pub inhibit: bool,
}

/// One destination.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RealServer {
    /// Address and port.
    pub address: SocketAddr,
    /// `weight`, 0..=2147483647.
    pub weight: u32,
    /// `lvs_method`, by default that of the service.
    pub forwarding: Forwarding,
    /// `uthreshold`, 0 is none.
    pub upper_threshold: u32,
    /// `lthreshold`, 0 is none.
    pub lower_threshold: u32,
    /// `inhibit_on_failure`: weight 0 instead of removal.
    pub inhibit_on_failure: bool,
    /// Every one must be good for the server to be up; none at all means always up.
    pub checkers: Vec<Checker>,
}

/// One health check of one real server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Checker {
    /// What is done.
    pub probe: Probe,
    /// When it is done, and how often it is believed.
    pub timing: Timing,
}

/// When a check runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Timing {
    /// `delay_loop`: from start of one check to start of the next.
    pub delay_loop: Duration,
    /// `retry`: further attempts before a failure counts.
    pub retry: u32,
    /// `delay_before_retry`: pause between attempts.
    pub delay_before_retry: Duration,
    /// `warmup`: upper bound of the random delay before the first check.
    pub warmup: Duration,
    /// `alpha`: counts as failed until the first success.
    pub alpha: bool,
    /// `log_all_failures`.
    pub log_all_failures: bool,
}

/// What a check does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Probe {
    /// `TCP_CHECK`: a connection can be made.
    Tcp(Connect),
}

/// The common words of every check that connects (`connect_ip`, `connect_port`, `bindto`, ...).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Connect {
    /// Where to: the real server unless `connect_ip` or `connect_port` say otherwise.
    pub target: SocketAddr,
    /// `bindto`: local address.
    pub bind_address: Option<IpAddr>,
    /// `bind_port`: local port, none is any.
    pub bind_port: Option<u16>,
    /// `bind_if`: local interface.
    pub bind_interface: Option<InterfaceName>,
    /// `connect_timeout`, 1 us ..= 4294.967295 s.
    pub timeout: Duration,
    /// `fwmark` put on the probe's packets, 0 is none.
    pub mark: u32,
}
