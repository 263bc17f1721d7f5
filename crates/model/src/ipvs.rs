//! The values of IPVS: services, destinations, how packets are forwarded and scheduled.
//!
//! These are the rows of the kernel's table, free of netlink. `lvs` computes the table that should be, `kernel`
//! reads and writes the one that is.

use crate::name::ShortName;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The transport protocol of a service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Protocol {
    /// TCP (6).
    Tcp,
    /// UDP (17).
    Udp,
    /// SCTP (132).
    Sctp,
}

impl Protocol {
    /// The number of the IP header.
    #[must_use]
    pub const fn get(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        })
    }
}

/// The family of a service or a virtual router.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
}

impl From<IpAddr> for Family {
    fn from(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::Inet } else { Self::Inet6 }
    }
}

/// What the kernel knows a service by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ServiceKey {
    /// Packets to an address and port; port 0 is every port.
    Address {
        /// The virtual address.
        address: IpAddr,
        /// The virtual port.
        port: u16,
        /// The transport.
        protocol: Protocol,
    },
    /// Packets that netfilter marked.
    FirewallMark {
        /// The mark, not 0.
        mark: u32,
        /// The family of the packets.
        family: Family,
    },
}

impl ServiceKey {
    /// The family of the service.
    #[must_use]
    pub fn family(&self) -> Family {
        match *self {
            Self::Address { address, .. } => address.into(),
            Self::FirewallMark { family, .. } => family,
        }
    }
}

impl fmt::Display for ServiceKey {
    /// As `ipvsadm -Ln` prints it: `TCP  192.0.2.1:80`, `TCP  [2001:db8::1]:80`, `FWM  7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Address { address: IpAddr::V4(a), port, protocol } => write!(f, "{protocol:<4} {a}:{port}"),
            Self::Address { address: IpAddr::V6(a), port, protocol } => write!(f, "{protocol:<4} [{a}]:{port}"),
            Self::FirewallMark { mark, family: Family::Inet } => write!(f, "FWM  {mark}"),
            Self::FirewallMark { mark, family: Family::Inet6 } => write!(f, "FWM  {mark} IPv6"),
        }
    }
}

/// The scheduler's module name (`ip_vs_NAME`): `rr`, `wrr`, `lc`, ... at most 15 bytes (`IP_VS_SCHEDNAME_MAXLEN`).
///
/// A name and not a closed list, because what a kernel offers is the kernel's business.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scheduler(ShortName);

/// A scheduler name is 1 to 15 lower-case letters or digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a scheduler name has 1 to 15 lower-case letters or digits")]
pub struct SchedulerError;

impl Scheduler {
    /// Those that Linux has (6.1; `twos` needs 5.19).
    pub const KNOWN: [&'static str; 15] =
        ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos", "none"];

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl Default for Scheduler {
    /// `wlc`, keepalived's.
    fn default() -> Self {
        Self(ShortName::of_three(*b"wlc"))
    }
}

impl FromStr for Scheduler {
    type Err = SchedulerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if text.is_empty() || !text.bytes().all(good) {
            return Err(SchedulerError);
        }
        ShortName::new(text).map(Self).ok_or(SchedulerError)
    }
}

impl TryFrom<String> for Scheduler {
    type Error = SchedulerError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Scheduler> for String {
    fn from(scheduler: Scheduler) -> Self {
        scheduler.as_str().to_owned()
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a packet reaches a real server (`lb_kind`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Forwarding {
    /// NAT: destination rewritten, replies come back through the director (`ipvsadm`: Masq).
    Nat,
    /// DR: sent on unchanged to the server's MAC address (`ipvsadm`: Route).
    DirectRouting,
    /// TUN: wrapped (`ipvsadm`: Tunnel).
    Tunnel(Tunnel),
    /// To the director itself, for a service address that is local (`ipvsadm`: Local).
    Local,
}

/// What a tunnelled packet is wrapped in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Tunnel {
    /// IP in IP.
    Ipip,
    /// Generic UDP encapsulation to this port.
    Gue {
        /// UDP port, 1..=65535.
        port: u16,
        /// Checksum treatment.
        checksum: TunnelChecksum,
    },
    /// GRE.
    Gre {
        /// Checksum treatment; GRE knows no remote checksum.
        checksum: TunnelChecksum,
    },
}

/// `nocsum`, `csum`, `remcsum` of `lb_kind TUN`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum TunnelChecksum {
    /// None.
    #[default]
    None,
    /// A checksum of the outer packet.
    Checksum,
    /// Remote checksum offload (GUE).
    Remote,
}

impl fmt::Display for Forwarding {
    /// As `ipvsadm -Ln` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Nat => "Masq",
            Self::DirectRouting => "Route",
            Self::Tunnel(_) => "Tunnel",
            Self::Local => "Local",
        })
    }
}

/// Persistence of a service (`persistence_timeout`, `persistence_granularity`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Persistence {
    /// Seconds a client stays with its server, 1..=2678400.
    pub timeout_seconds: u32,
    /// Prefix length by which clients are grouped: 32 or 128 is each for itself.
    pub granularity: u8,
}

/// Scheduler flags of a service, as the kernel's three bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct SchedulerFlags {
    /// `flag-1`, `sh-fallback`, `mh-fallback`.
    pub first: bool,
    /// `flag-2`, `sh-port`, `mh-port`.
    pub second: bool,
    /// `flag-3`.
    pub third: bool,
}

/// A service as the kernel keeps it, without its destinations.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Service {
    /// What it is known by.
    pub key: ServiceKey,
    /// How a server is chosen; none is the kernel's `none` (a service without scheduler).
    pub scheduler: Scheduler,
    /// Scheduler flags.
    pub flags: SchedulerFlags,
    /// Persistence, if any.
    pub persistence: Option<Persistence>,
    /// `ops`: every UDP packet is scheduled anew.
    pub one_packet: bool,
    /// `persistence_engine`, at most 15 bytes.
    pub persistence_engine: Option<String>,
}

/// What the kernel knows a destination of a service by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct DestinationKey {
    /// The real server's address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
}

impl fmt::Display for DestinationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            IpAddr::V4(a) => write!(f, "{a}:{}", self.port),
            IpAddr::V6(a) => write!(f, "[{a}]:{}", self.port),
        }
    }
}

/// A destination as the kernel keeps it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Destination {
    /// What it is known by.
    pub key: DestinationKey,
    /// How packets reach it.
    pub forwarding: Forwarding,
    /// 0 takes no new connections; at most 2147483647.
    pub weight: u32,
    /// `uthreshold`: connections above which it takes no more; 0 is none.
    pub upper_threshold: u32,
    /// `lthreshold`: connections below which it takes them again; 0 is three quarters of the upper one.
    pub lower_threshold: u32,
}
