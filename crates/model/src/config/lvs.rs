//! `virtual_server`, `real_server` and the checkers.

pub use super::probe::Connect;
use super::probe::{Dns, Http, Misc, Smtp, TrackedFile, TrackedSession, Udp};
use super::script::{Fifo, Script};
use super::track::TrackFile;
use crate::ipvs::{Forwarding, Persistence, Protocol, Scheduler, SchedulerFlags, ServiceKey};
use crate::{InterfaceName, Secret, Seldom, Shared, Silent};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The slice of the `check` worker.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LvsConfig {
    /// In the order of the file; keys are unique.
    pub virtual_servers: Vec<VirtualServer>,
    /// What virtual servers share.
    pub common: LvsCommon,
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
    pub sorry_server: Option<Box<SorryServer>>,
    /// In the order of the file; keys are unique.
    pub real_servers: Vec<RealServer>,
    /// What a virtual server may say beyond its service and pool. Most of a site say the same.
    pub options: Shared<VirtualServerOptions>,
}

impl VirtualServer {
    /// A service with all defaults and no server.
    #[must_use]
    pub fn plain(key: ServiceKey) -> Self {
        Self {
            key,
            scheduler: Scheduler::default(),
            flags: SchedulerFlags::default(),
            persistence: None,
            one_packet: false,
            quorum: 1,
            hysteresis: 0,
            sorry_server: None,
            real_servers: Vec::new(),
            options: Shared::default(),
        }
    }

    /// Gives a virtual server whose packets are marked for it (`nftables_ipvs`) another mark, in each of its families.
    pub fn set_mark(&mut self, new: u32) {
        let others = self.options.group.iter_mut().flat_map(|group| &mut group.others);
        for key in core::iter::once(&mut self.key).chain(others) {
            if let ServiceKey::FirewallMark { mark, .. } = key {
                *mark = new;
            }
        }
    }
}

/// What a virtual server may say beyond its service and pool.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct VirtualServerOptions {
    /// `virtual_server group`: the group's name, and the services besides the first that the same pool serves.
    pub group: Option<ServiceGroup>,
    /// `persistence_engine`, at most 15 bytes.
    pub persistence_engine: Option<String>,
    /// `ha_suspend`: no checks while the address is not on this host.
    pub ha_suspend: bool,
    /// `smtp_alert`, by default that of `global_defs`.
    pub smtp_alert: bool,
    /// `snmp_name`
    pub snmp_name: Option<String>,
    /// `omega`: down scripts run at stop too.
    pub omega: bool,
    /// `quorum_up`
    pub quorum_up: Option<Script>,
    /// `quorum_down`
    pub quorum_down: Option<Script>,
    /// `panic_threshold`, percent of the servers, 1..=100: with fewer up, the checks are not believed and the servers
    /// that served last go on; none is off. Beyond keepalived.
    pub panic_threshold: Option<u8>,
    /// `slow_start`: how long the weight of a server that came back grows until it is whole; zero is at once. Beyond
    /// keepalived.
    pub slow_start: Duration,
    /// `drain`: how long a server that a reload takes away may keep the connections it has; none is not at all. Beyond
    /// keepalived.
    pub drain: Option<Duration>,
    /// What it says for servers and checks that say nothing; they have it already, this is for showing it.
    pub defaults: ServerDefaults,
}

/// What a virtual server says for its real servers, as far as it says anything.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ServerDefaults {
    /// For their checks.
    pub checks: CheckDefaults,
    /// `weight`
    pub weight: Option<u32>,
    /// `lvs_method`
    pub forwarding: Option<Forwarding>,
    /// `inhibit_on_failure`
    pub inhibit_on_failure: bool,
}

/// What a virtual or real server says for its checks, as far as it says anything.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CheckDefaults {
    /// `delay_loop`
    pub delay_loop: Option<Duration>,
    /// `retry`
    pub retry: Option<u32>,
    /// `delay_before_retry`
    pub delay_before_retry: Option<Duration>,
    /// `warmup`
    pub warmup: Option<Duration>,
    /// `connect_timeout`
    pub connect_timeout: Option<Duration>,
    /// `alpha`
    pub alpha: bool,
    /// `virtualhost`
    pub virtual_host: Option<String>,
}

/// The services of a `virtual_server_group`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServiceGroup {
    /// The name in the file.
    pub name: String,
    /// All services but the one that is the virtual server's key, ranges written out.
    pub others: Vec<ServiceKey>,
    /// `nftables_ipvs`: the packets that the marks which are the services stand for. Empty where the services are what
    /// the group says.
    pub marked: Vec<MarkedAddresses>,
}

/// Packets that get the mark of their group (`nftables_ipvs`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct MarkedAddresses {
    /// To addresses from this one
    pub first: IpAddr,
    /// to this one, of the same family.
    pub last: IpAddr,
    /// Of this port; 0 is every port.
    pub port: u16,
    /// Of this transport.
    pub protocol: Protocol,
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
    /// `smtp_alert`: unlike elsewhere on, when nobody says anything.
    pub smtp_alert: bool,
    /// Every one must be good for the server to be up; none at all means always up.
    pub checkers: Box<[Arc<Checker>]>,
    /// What a real server may say beyond that.
    pub options: Seldom<RealServerOptions>,
}

impl RealServer {
    /// A server with all defaults and no checker.
    #[must_use]
    pub fn plain(address: SocketAddr, forwarding: Forwarding) -> Self {
        Self {
            address,
            weight: 1,
            forwarding,
            upper_threshold: 0,
            lower_threshold: 0,
            inhibit_on_failure: false,
            smtp_alert: false,
            checkers: Box::default(),
            options: Seldom::default(),
        }
    }
}

/// What a real server may say beyond destination and checkers.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RealServerOptions {
    /// `notify_up`
    pub notify_up: Option<Script>,
    /// `notify_down`
    pub notify_down: Option<Script>,
    /// `snmp_name`
    pub snmp_name: Option<String>,
    /// What it says for its checks beyond what its virtual server says; they have it already, this is for showing it.
    pub checks: Option<Box<CheckDefaults>>,
}

impl Silent for RealServerOptions {
    const SILENCE: &'static Self = &Self { notify_up: None, notify_down: None, snmp_name: None, checks: None };
}

/// What virtual servers share.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LvsCommon {
    /// `lvs_timeouts`, seconds; 0 leaves the kernel's.
    pub timeouts: Timeouts,
    /// `lvs_flush`: the table is emptied at start.
    pub flush: bool,
    /// `lvs_flush_on_stop`
    pub flush_on_stop: FlushOnStop,
    /// `lvs_sync_daemon`
    pub sync_daemon: Option<SyncDaemon>,
    /// `SSL`
    pub tls: Option<TlsMaterial>,
    /// `notify_fifo`
    pub fifo: Option<Fifo>,
    /// `lvs_notify_fifo`
    pub lvs_fifo: Option<Fifo>,
    /// `rs_init_notifies`: `notify_up` at start too.
    pub initial_notifies: bool,
    /// `no_checker_emails`
    pub no_checker_emails: bool,
    /// `nftables_ipvs`: marks instead of addresses for groups.
    pub nftables: Option<NftablesIpvs>,
    /// Files that `FILE_CHECK` watches.
    pub track_files: Vec<TrackFile>,
    /// Names of the BFD sessions that `BFD_CHECK` looks at.
    pub bfd_sessions: Vec<String>,
    /// `share_checks`: identical checks of several virtual servers are performed once. Beyond keepalived.
    pub share_checks: bool,
}

/// `lvs_timeouts`: seconds, 0..=2678400, 0 leaves the kernel's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Timeouts {
    /// `tcp`
    pub tcp: u32,
    /// `tcpfin`
    pub tcp_fin: u32,
    /// `udp`
    pub udp: u32,
}

/// What happens to the table at exit (`lvs_flush_on_stop`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum FlushOnStop {
    /// Services are removed one by one.
    #[default]
    No,
    /// The whole table is emptied.
    All,
    /// `VS`: our services, without removing destinations one by one.
    OurServices,
}

/// `lvs_sync_daemon`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SyncDaemon {
    /// Where connections are sent and received.
    pub interface: InterfaceName,
    /// `inst`: the instance whose state decides who sends; none only receives.
    pub instance: Option<String>,
    /// `id`, by default the VRID of the instance.
    pub id: u8,
    /// `maxlen`, 1..=65507.
    pub max_length: Option<u16>,
    /// `port`
    pub port: Option<u16>,
    /// `ttl`
    pub ttl: Option<u8>,
    /// `group`
    pub group: Option<IpAddr>,
}

/// `SSL`
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TlsMaterial {
    /// `password` of the key file.
    pub password: Option<Secret>,
    /// `ca`
    pub ca: Option<String>,
    /// `certificate`
    pub certificate: Option<String>,
    /// `key`
    pub key: Option<String>,
}

/// `nftables_ipvs` and its words.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NftablesIpvs {
    /// The table, 1 to 254 bytes.
    pub table: String,
    /// `nftables_ipvs_priority`
    pub priority: i32,
    /// `nftables_ipvs_start_fwmark`
    pub first_mark: u32,
    /// `nftables_counters`
    pub counters: bool,
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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
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

/// What a check does. The order has no meaning: it lets equal ones be found.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Probe {
    /// `TCP_CHECK`: a connection can be made.
    Tcp(Connect),
    /// `HTTP_GET` and `SSL_GET`: pages have the expected status and contents.
    Http(Http),
    /// `SMTP_CHECK`: a mail server greets and lets itself be greeted.
    Smtp(Smtp),
    /// `DNS_CHECK`: a query is answered without error.
    Dns(Dns),
    /// `MISC_CHECK`: a command succeeds.
    Misc(Misc),
    /// `PING_CHECK`: an echo comes back.
    Ping(Connect),
    /// `UDP_CHECK`: a datagram is not refused, or is answered.
    Udp(Udp),
    /// `FILE_CHECK`: a file says so.
    File(TrackedFile),
    /// `BFD_CHECK`: a BFD session is up.
    Bfd(TrackedSession),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_server_that_says_little_is_small() {
        // Twenty thousand of them are in the memory of a process that balances, and as many are read at a reload.
        assert!(size_of::<RealServer>() <= 88, "{} bytes", size_of::<RealServer>());
    }
}
