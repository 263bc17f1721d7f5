//! The numbers of IPVS's netlink interface (`include/uapi/linux/ip_vs.h`), for which neli has no names.

use neli::consts::genl::{Cmd, NlAttrType};

/// The generic netlink family.
pub(super) const FAMILY: &str = "IPVS";

/// The version of the interface.
pub(super) const VERSION: u8 = 1;

/// `IPVS_CMD_*`.
#[neli::neli_enum(serialized_type = "u8")]
pub(super) enum Command {
    NewService = 1,
    SetService = 2,
    DelService = 3,
    GetService = 4,
    NewDestination = 5,
    SetDestination = 6,
    DelDestination = 7,
    GetDestination = 8,
    NewDaemon = 9,
    DelDaemon = 10,
    GetDaemon = 11,
    /// Also the answer to the next one.
    SetConfig = 12,
    GetConfig = 13,
    /// The answer to the next one.
    SetInfo = 14,
    GetInfo = 15,
    Flush = 17,
}
impl Cmd for Command {}

/// `IPVS_CMD_ATTR_*`: the top level of requests and of what is dumped.
#[neli::neli_enum(serialized_type = "u16")]
pub(super) enum CommandAttribute {
    Service = 1,
    Destination = 2,
    Daemon = 3,
    /// Seconds, u32.
    TimeoutTcp = 4,
    /// Seconds, u32.
    TimeoutTcpFin = 5,
    /// Seconds, u32.
    TimeoutUdp = 6,
}
impl NlAttrType for CommandAttribute {}

/// `IPVS_INFO_ATTR_*`: the top level of the answer to [`Command::GetInfo`], and of nothing else.
#[neli::neli_enum(serialized_type = "u16")]
pub(super) enum InfoAttribute {
    Version = 1,
    ConnectionTableSize = 2,
}
impl NlAttrType for InfoAttribute {}

/// `IPVS_SVC_ATTR_*`.
#[neli::neli_enum(serialized_type = "u16")]
pub(super) enum ServiceAttribute {
    /// u16 in host order.
    AddressFamily = 1,
    /// u16 in host order.
    Protocol = 2,
    /// Always 16 octets; IPv4 in the first four.
    Address = 3,
    /// u16 in network order.
    Port = 4,
    /// u32 in host order.
    FirewallMark = 5,
    /// With its NUL.
    SchedulerName = 6,
    /// Flags and mask, u32 each.
    Flags = 7,
    /// Seconds, u32.
    Timeout = 8,
    /// IPv4: u32 in network order. IPv6: the prefix length as u32 in host order.
    Netmask = 9,
    /// What is counted, but in 32 bits where [`Self::Statistics64`] has 64.
    Statistics = 10,
    /// With its NUL.
    PersistenceEngine = 11,
    /// Since Linux 4.1.
    Statistics64 = 12,
}
impl NlAttrType for ServiceAttribute {}

/// `IPVS_DEST_ATTR_*`.
#[neli::neli_enum(serialized_type = "u16")]
pub(super) enum DestinationAttribute {
    /// Always 16 octets; IPv4 in the first four.
    Address = 1,
    /// u16 in network order.
    Port = 2,
    /// u32.
    ForwardingMethod = 3,
    /// u32.
    Weight = 4,
    /// u32.
    UpperThreshold = 5,
    /// u32.
    LowerThreshold = 6,
    /// u32.
    ActiveConnections = 7,
    /// u32.
    InactiveConnections = 8,
    /// u32.
    PersistentConnections = 9,
    /// What is counted, but in 32 bits where [`Self::Statistics64`] has 64.
    Statistics = 10,
    /// u16 in host order; since Linux 3.18.
    AddressFamily = 11,
    /// Since Linux 4.1.
    Statistics64 = 12,
    /// u8; since Linux 5.2.
    TunnelType = 13,
    /// u16 in network order; since Linux 5.2.
    TunnelPort = 14,
    /// u16 in host order; since Linux 5.3.
    TunnelFlags = 15,
}
impl NlAttrType for DestinationAttribute {}

/// `IPVS_DAEMON_ATTR_*`; those from the length on since Linux 4.3.
#[neli::neli_enum(serialized_type = "u16")]
pub(super) enum DaemonAttribute {
    /// u32 in host order.
    State = 1,
    /// With its NUL.
    Interface = 2,
    /// u32 in host order.
    SyncId = 3,
    /// u16 in host order.
    MaxLength = 4,
    /// Four octets.
    Group = 5,
    /// Sixteen octets.
    Group6 = 6,
    /// u16 in host order.
    Port = 7,
    /// u8.
    Ttl = 8,
}
impl NlAttrType for DaemonAttribute {}

/// `IP_VS_STATE_*`.
pub(super) mod daemon_state {
    pub(in crate::ipvs) const MASTER: u32 = 1;
    pub(in crate::ipvs) const BACKUP: u32 = 2;
}

/// `IPVS_STATS_ATTR_*`. Within `Statistics64` u64 each; within `Statistics` u32, but for the octets counted, which are u64.
#[neli::neli_enum(serialized_type = "u16")]
pub(super) enum StatisticsAttribute {
    Connections = 1,
    PacketsIn = 2,
    PacketsOut = 3,
    BytesIn = 4,
    BytesOut = 5,
    ConnectionsPerSecond = 6,
    PacketsInPerSecond = 7,
    PacketsOutPerSecond = 8,
    BytesInPerSecond = 9,
    BytesOutPerSecond = 10,
}
impl NlAttrType for StatisticsAttribute {}

/// `IP_VS_SVC_F_*`. What the kernel adds of its own (`HASHED`, 2) is nobody's wish and is never looked at.
pub(super) mod service_flag {
    pub(in crate::ipvs) const PERSISTENT: u32 = 0x01;
    pub(in crate::ipvs) const ONE_PACKET: u32 = 0x04;
    pub(in crate::ipvs) const SCHEDULER_1: u32 = 0x08;
    pub(in crate::ipvs) const SCHEDULER_2: u32 = 0x10;
    pub(in crate::ipvs) const SCHEDULER_3: u32 = 0x20;
}

/// `IP_VS_CONN_F_*` within `IP_VS_CONN_F_FWD_MASK`.
pub(super) mod forwarding {
    pub(in crate::ipvs) const MASQUERADE: u32 = 0;
    pub(in crate::ipvs) const LOCAL: u32 = 1;
    pub(in crate::ipvs) const TUNNEL: u32 = 2;
    pub(in crate::ipvs) const DIRECT_ROUTING: u32 = 3;
    pub(in crate::ipvs) const MASK: u32 = 7;
}

/// `IP_VS_CONN_F_TUNNEL_TYPE_*` and `IP_VS_TUNNEL_ENCAP_FLAG_*`.
pub(super) mod tunnel {
    pub(in crate::ipvs) const IPIP: u8 = 0;
    pub(in crate::ipvs) const GUE: u8 = 1;
    pub(in crate::ipvs) const GRE: u8 = 2;
    pub(in crate::ipvs) const CHECKSUM: u16 = 1;
    pub(in crate::ipvs) const REMOTE_CHECKSUM: u16 = 2;
}
