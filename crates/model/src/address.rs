//! An entry of `virtual_ipaddress`.

use crate::InterfaceName;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// How far an address is valid (`scope` of an address entry, `rt_scopes` of iproute2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Scope {
    /// Everywhere (0).
    #[default]
    Global,
    /// This site (200).
    Site,
    /// This link (253).
    Link,
    /// This host (254).
    Host,
    /// Nowhere (255).
    Nowhere,
    /// A number of the administrator's own.
    Other(u8),
}

impl Scope {
    /// The kernel's number.
    #[must_use]
    pub const fn get(self) -> u8 {
        match self {
            Self::Global => 0,
            Self::Site => 200,
            Self::Link => 253,
            Self::Host => 254,
            Self::Nowhere => 255,
            Self::Other(n) => n,
        }
    }
}

/// A virtual IP address: one line of `virtual_ipaddress` or `virtual_ipaddress_excluded`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct VirtualAddress {
    /// The address with its prefix length; an entry without one is a host address (/32, /128), as in keepalived.
    pub address: IpNet,
    /// `dev`: where it lives; none is the instance's own interface.
    pub interface: Option<InterfaceName>,
    /// `label`: the alias shown by `ifconfig`, at most 15 bytes, IPv4 only.
    pub label: Option<String>,
    /// `scope`.
    pub scope: Scope,
    /// `brd`: none sets no broadcast address, as in keepalived.
    pub broadcast: Option<Ipv4Addr>,
    /// The rarer words.
    pub options: AddressOptions,
}

/// The rarer words of an address entry.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct AddressOptions {
    /// `peer`: the other end of a point-to-point link.
    pub peer: Option<IpNet>,
    /// `home` (IFA_F_HOMEADDRESS), IPv6.
    pub home: bool,
    /// `-nodad` (IFA_F_NODAD), IPv6.
    pub no_dad: bool,
    /// `mngtmpaddr` (IFA_F_MANAGETEMPADDR), IPv6.
    pub manage_temporary: bool,
    /// `noprefixroute` (IFA_F_NOPREFIXROUTE).
    pub no_prefix_route: bool,
    /// `autojoin` (IFA_F_MCAUTOJOIN).
    pub auto_join: bool,
    /// `no_track`: its removal is nobody's fault.
    pub no_track: bool,
    /// `preferred_lft` in seconds, `u32::MAX` is for ever; none is 0 for an IPv6 host address and for ever else.
    pub preferred_lifetime: Option<u32>,
    /// `track_group`, of static addresses.
    pub track_group: Option<String>,
    /// `use_vmac`: on a VMAC of its interface.
    pub use_vmac: bool,
}

impl VirtualAddress {
    /// The plain entry `ADDRESS[/LEN]`.
    #[must_use]
    pub fn plain(address: IpNet) -> Self {
        Self {
            address,
            interface: None,
            label: None,
            scope: Scope::Global,
            broadcast: None,
            options: AddressOptions::default(),
        }
    }
}
