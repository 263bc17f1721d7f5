//! `global_defs` and the process-wide keywords at root level.

use super::script::{Identity, Script};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

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
    /// `instance`: the name of this daemon among several on a host.
    pub instance: Option<String>,
    /// `net_namespace`
    pub net_namespace: Option<String>,
    /// `net_namespace_ipvs`: none is `net_namespace`.
    pub net_namespace_ipvs: Option<IpvsNamespace>,
    /// `use_pid_dir`; on with `instance`.
    pub use_pid_dir: bool,
    /// The processes' own settings.
    pub processes: Processes,
    /// `startup_script` with `startup_script_timeout`.
    pub startup: Option<TimedScript>,
    /// `shutdown_script` with `shutdown_script_timeout`.
    pub shutdown: Option<TimedScript>,
    /// `script_user`, as it stands at the end of the file.
    pub script_user: Option<Identity>,
    /// `enable_script_security`
    pub script_security: bool,
    /// Mail.
    pub mail: Mail,
    /// SNMP.
    pub snmp: Snmp,
    /// `enable_dbus` and its words.
    pub dbus: Dbus,
    /// `reload_*`
    pub reload: Reload,
    /// `umask`; none leaves 0177.
    pub umask: Option<u16>,
    /// `json_version`: 1 or 2.
    pub json_version: u8,
    /// `state_dump_file`
    pub state_dump_file: Option<String>,
    /// `data_use_instance`
    pub data_use_instance: bool,
    /// `config_save_dir`: what is read is kept there.
    pub config_save_dir: Option<String>,
    /// `netlink` receive buffers.
    pub netlink: NetlinkBuffers,
    /// `use_symlink_paths`: script paths stay as they are written.
    pub use_symlink_paths: bool,
    /// `http_*`
    pub http: Http,
}

impl Default for Global {
    fn default() -> Self {
        Self {
            router_id: None,
            dynamic_interfaces: false,
            vrrp_startup_delay: Duration::ZERO,
            checker_log_all_failures: false,
            child_wait_time: Duration::from_secs(5),
            instance: None,
            net_namespace: None,
            net_namespace_ipvs: None,
            use_pid_dir: false,
            processes: Processes::default(),
            startup: None,
            shutdown: None,
            script_user: None,
            script_security: false,
            mail: Mail::default(),
            snmp: Snmp::default(),
            dbus: Dbus::default(),
            reload: Reload::default(),
            umask: None,
            json_version: 1,
            state_dump_file: None,
            data_use_instance: false,
            config_save_dir: None,
            netlink: NetlinkBuffers::default(),
            use_symlink_paths: false,
            http: Http::default(),
        }
    }
}

/// `net_namespace_ipvs`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum IpvsNamespace {
    /// The one the daemon was started in.
    Default,
    /// A named one.
    Named(String),
}

/// A script that must be done in a time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TimedScript {
    /// What runs.
    pub script: Script,
    /// 1..=1000 s, 10 by default.
    pub timeout: Duration,
}

/// The settings of the processes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Processes {
    /// `process_names`: `keepalived_vrrp` and the like.
    pub fixed_names: bool,
    /// `process_name` of the supervisor, at most 15 bytes.
    pub name: Option<String>,
    /// `vrrp_*`
    pub vrrp: Process,
    /// `checker_*`
    pub checker: Process,
    /// `bfd_*`
    pub bfd: Process,
    /// `max_auto_priority`: 1..=99, none is off.
    pub max_auto_priority: Option<u8>,
    /// `min_auto_priority_delay`, 1 us ..= 10 s.
    pub min_auto_priority_delay: Option<Duration>,
}

/// The settings of one process.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Process {
    /// `*_process_name`, at most 15 bytes.
    pub name: Option<String>,
    /// `*_priority`: nice value, -20..=19.
    pub nice: Option<i8>,
    /// `*_no_swap`
    pub no_swap: bool,
    /// `*_rt_priority`: 1..=99 (`SCHED_RR`).
    pub realtime: Option<u8>,
    /// `*_cpu_affinity`: processors, each once; empty is any.
    pub processors: Vec<u32>,
    /// `*_rlimit_rttime`
    pub realtime_limit: Option<Duration>,
}

/// Mail.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Mail {
    /// `smtp_server`: name or address, and port.
    pub server: Option<(String, u16)>,
    /// `smtp_helo_name`
    pub helo_name: Option<String>,
    /// `smtp_connect_timeout`; none is 30 s.
    pub timeout: Option<Duration>,
    /// `notification_email_from`
    pub from: Option<String>,
    /// `notification_email`
    pub to: Vec<String>,
    /// `smtp_alert`, `smtp_alert_vrrp` and `smtp_alert_checker`, which who they are for have already; this is for showing
    /// them.
    pub alerts: [Option<bool>; 3],
}

/// SNMP.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Snmp {
    /// `snmp_socket`
    pub socket: Option<String>,
    /// `enable_traps`
    pub traps: bool,
    /// `enable_snmp_vrrp`
    pub vrrp: bool,
    /// `enable_snmp_checker`
    pub checker: bool,
    /// `enable_snmp_rfcv2`
    pub rfc_v2: bool,
    /// `enable_snmp_rfcv3`
    pub rfc_v3: bool,
    /// `snmp_vs_stats_update_interval`
    pub virtual_server_interval: Option<Duration>,
    /// `snmp_rs_stats_update_interval`
    pub real_server_interval: Option<Duration>,
}

/// D-Bus.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Dbus {
    /// `enable_dbus`
    pub enabled: bool,
    /// `dbus_service_name`
    pub service_name: Option<String>,
    /// `dbus_no_interface_name`
    pub no_interface_name: Option<String>,
}

/// `reload_*`
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Reload {
    /// `reload_check_config`: where what is wrong is written; empty is nowhere.
    pub check_config: Option<String>,
    /// `reload_time_file`
    pub time_file: Option<String>,
    /// `reload_repeat`
    pub repeat: bool,
    /// `reload_file`: empty is the pid file's name with `.reload`.
    pub file: Option<String>,
}

/// Receive buffers of netlink sockets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct NetlinkBuffers {
    /// `vrrp_netlink_cmd_rcv_bufs`
    pub vrrp_command: NetlinkBuffer,
    /// `vrrp_netlink_monitor_rcv_bufs`
    pub vrrp_monitor: NetlinkBuffer,
    /// `lvs_netlink_cmd_rcv_bufs`
    pub lvs_command: NetlinkBuffer,
    /// `lvs_netlink_monitor_rcv_bufs`
    pub lvs_monitor: NetlinkBuffer,
    /// `process_monitor_rcv_bufs`
    pub process_monitor: NetlinkBuffer,
}

/// The receive buffer of one netlink socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct NetlinkBuffer {
    /// Bytes; 0 leaves the kernel's.
    pub bytes: u32,
    /// `*_force`: beyond the limit of the system (SO_RCVBUFFORCE).
    pub force: bool,
}

/// The status page with its metrics and its interface for programs. Beyond keepalived; off unless something listens.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Http {
    /// `http_listen`: where it is served, at most [`Http::MAX_LISTEN`].
    pub listen: Vec<SocketAddr>,
    /// `http_token`: the file with the word that gives the right to give orders. Without one there is no such right.
    pub token_file: Option<String>,
    /// `http_peer`: the other directors, whose page is asked how things are there; at most [`Http::MAX_PEERS`].
    pub peers: Vec<HttpPeer>,
    /// `http_name`: names that the page may be asked for by, beside addresses and `localhost`.
    pub names: Vec<String>,
}

impl Http {
    /// One of each family for a host, its loopback and one more: each is a descriptor that goes from process to process.
    pub const MAX_LISTEN: usize = 4;

    /// Directors of one group: each is asked every few seconds, and is a column of the page.
    pub const MAX_PEERS: usize = 7;
}

/// Another director that serves a page.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HttpPeer {
    /// What the page calls it.
    pub name: String,
    /// Where its page is.
    pub address: SocketAddr,
}
