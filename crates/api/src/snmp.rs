//! What the front is told for SNMP: the configuration without anything secret, and counters of IPVS.

use core::time::Duration;
use serde::{Deserialize, Serialize};
use standfast_model::Password;
use standfast_model::config::vrrp::Authentication;
use standfast_model::config::{Config, Global, LvsConfig, VrrpConfig};
use standfast_model::ipvs::{DestinationKey, ServiceKey};

/// What of the configuration is shown over SNMP. Passwords, keys and what checks send are not in it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SnmpSlice {
    /// Process-wide settings.
    pub global: Global,
    /// The name of this host, which is what it is called without a `router_id`.
    pub host: String,
    /// Of `enable_snmp_vrrp` and the two of the RFCs.
    pub vrrp: VrrpConfig,
    /// Of `enable_snmp_checker`.
    pub lvs: LvsConfig,
}

impl SnmpSlice {
    /// The slice of a configuration on a host of this name; none if nothing is shown.
    #[must_use]
    pub fn of(config: &Config, host: &str) -> Option<Self> {
        let snmp = &config.global.snmp;
        let vrrp = snmp.vrrp || snmp.rfc_v2 || snmp.rfc_v3;
        let slice = || Self {
            global: config.global.clone(),
            host: host.to_owned(),
            vrrp: if vrrp { without_secrets(&config.vrrp) } else { VrrpConfig::default() },
            lvs: if snmp.checker { without_checks(&config.lvs) } else { LvsConfig::default() },
        };
        (vrrp || snmp.checker).then(slice)
    }
}

fn without_secrets(config: &VrrpConfig) -> VrrpConfig {
    let mut config = config.clone();
    for instance in &mut config.instances {
        instance.options.hmac = None;
        instance.authentication = match instance.authentication {
            Authentication::None => Authentication::None,
            Authentication::Pass(_) => Authentication::Pass(Password::truncating(b"")),
            Authentication::Ah(_) => Authentication::Ah(Password::truncating(b"")),
        };
    }
    config
}

fn without_checks(config: &LvsConfig) -> LvsConfig {
    let mut config = config.clone();
    config.common.tls = None;
    for server in config.virtual_servers.iter_mut().flat_map(|service| &mut service.real_servers) {
        server.checkers = Box::default();
    }
    config
}

/// The counters of a service of IPVS and of its destinations.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ServiceTraffic {
    /// Of the whole service.
    pub total: Traffic,
    /// Of each destination.
    pub destinations: Vec<(DestinationKey, DestinationTraffic)>,
}

/// The counters of a destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct DestinationTraffic {
    /// Its part of the service's traffic.
    pub total: Traffic,
    /// Active, inactive and persistent connections.
    pub connections: [u32; 3],
}

/// What the kernel counted since the row was made, and how fast it counts at present.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Traffic {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients and to clients.
    pub packets: [u64; 2],
    /// Octets from clients and to clients.
    pub bytes: [u64; 2],
    /// Connections a second.
    pub connections_per_second: u64,
    /// Packets a second from clients and to clients.
    pub packets_per_second: [u64; 2],
    /// Octets a second from clients and to clients.
    pub bytes_per_second: [u64; 2],
}

impl Traffic {
    /// This and more.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let both = |[a, b]: [u64; 2], [c, d]: [u64; 2]| [a.saturating_add(c), b.saturating_add(d)];
        Self {
            connections: self.connections.saturating_add(other.connections),
            packets: both(self.packets, other.packets),
            bytes: both(self.bytes, other.bytes),
            connections_per_second: self.connections_per_second.saturating_add(other.connections_per_second),
            packets_per_second: both(self.packets_per_second, other.packets_per_second),
            bytes_per_second: both(self.bytes_per_second, other.bytes_per_second),
        }
    }
}

/// Counters of IPVS by service. No map: some forms of it have no keys but texts.
pub type TrafficTable = Vec<(ServiceKey, ServiceTraffic)>;

/// How old counters of IPVS may be when they are shown, unless `snmp_vs_stats_update_interval` says otherwise.
pub const TRAFFIC_INTERVAL: Duration = Duration::from_secs(5);
