//! `global_defs` and the process-wide keywords at root level.

use core::time::Duration;
use serde::{Deserialize, Serialize};

/// Process-wide settings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Global {
    /// `router_id`: the name used in mails and SNMP; none is the host name.
    pub router_id: Option<String>,
    /// `dynamic_interfaces`: a missing interface is a FAULT to wait out, not a fatal mistake.
    pub dynamic_interfaces: bool,
    /// `vrrp_startup_delay`: how long instances listen without acting after start, 0 is not at all.
    pub vrrp_startup_delay: Duration,
    /// `checker_log_all_failures`: log every failed attempt, not only changes.
    pub checker_log_all_failures: bool,
    /// `child_wait_time`: how long the supervisor waits for workers to stop before it kills them; 5 s.
    pub child_wait_time: Duration,
}

impl Default for Global {
    fn default() -> Self {
        Self {
            router_id: None,
            dynamic_interfaces: false,
            vrrp_startup_delay: Duration::ZERO,
            checker_log_all_failures: false,
            child_wait_time: Duration::from_secs(5),
        }
    }
}
