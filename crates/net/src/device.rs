//! Devices that virtual routers make for themselves (`use_vmac`, `use_ipvlan`), and the kernel's settings that go with
//! them.
//!
//! It says what a device is and which settings it needs; it makes none.

use standfast_model::config::instance::IpvlanMode;
use standfast_model::ipvs::Family;
use standfast_model::{InterfaceIndex, InterfaceName, MacAddress};

/// A device that should exist.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Its name.
    pub name: InterfaceName,
    /// The link below it.
    pub parent: InterfaceIndex,
    /// What it is.
    pub kind: DeviceKind,
    /// `group`: the interface group; none is the kernel's choice.
    pub group: Option<u32>,
    /// Whether it may have IPv6 addresses: a VMAC of IPv4 alone has IPv6 switched off, lest it send router
    /// solicitations from the virtual MAC.
    pub inet6: bool,
    /// `netlink_notify_msg`: once it is up the kernel tells of the link below again. A link that cannot filter by address
    /// (a bridge) has become promiscuous for it, of which the kernel says nothing by itself.
    pub tells_of_parent: bool,
}

/// The kinds of devices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeviceKind {
    /// `use_vmac`: a macvlan in private mode with this address.
    Macvlan {
        /// 00:00:5e:00:01:VRID, 00:00:5e:00:02:VRID (RFC 9568 7.3), or the administrator's own.
        mac: MacAddress,
    },
    /// `use_ipvlan`, on layer 2.
    Ipvlan {
        /// Whom it talks to.
        mode: IpvlanMode,
    },
}

/// The virtual router MAC address (RFC 9568 7.3).
#[must_use]
pub const fn virtual_mac(family: Family, vrid: u8) -> MacAddress {
    match family {
        Family::Inet => MacAddress([0, 0, 0x5e, 0, 1, vrid]),
        Family::Inet6 => MacAddress([0, 0, 0x5e, 0, 2, vrid]),
    }
}

/// One setting of the kernel.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Sysctl {
    /// Below `/proc/sys/`: `net/ipv4/conf/eth0/arp_ignore`.
    pub path: String,
    /// The value it should have.
    pub value: u32,
}

impl Sysctl {
    /// A setting of IPv4 for a link, `all` or `default`.
    #[must_use]
    pub fn inet(link: &str, key: &str, value: u32) -> Self {
        Self { path: format!("net/ipv4/conf/{link}/{key}"), value }
    }

    /// `promote_secondaries`: when the first address of a subnet goes, the others stay.
    #[must_use]
    pub fn promote_secondaries(link: &InterfaceName) -> Self {
        Self::inet(link.as_str(), "promote_secondaries", 1)
    }

    /// `disable_local_igmp`: no membership reports for groups of the link (224.0.0.0/24).
    #[must_use]
    pub fn no_local_igmp() -> Self {
        Self { path: "net/ipv4/igmp_link_local_mcast_reports".to_owned(), value: 0 }
    }
}

impl Device {
    /// What the device itself needs: it answers ARP only for its own addresses, takes packets whose source is an
    /// address of this machine (another instance may be its master), takes what the routing table would expect on the
    /// link below, and keeps the other addresses of a subnet when the first one goes.
    // REQ: VRRP2-8.2-01 VRRP3-8.1.2-01 VRRP3-8.2.2-01 VRRP3-6.4.3-03
    #[must_use]
    pub fn settings(&self) -> Vec<Sysctl> {
        let name = self.name.as_str();
        let inet = [("arp_ignore", 1), ("accept_local", 1), ("rp_filter", 0), ("promote_secondaries", 1)]
            .map(|(key, value)| Sysctl::inet(name, key, value));
        let inet6 = Sysctl { path: format!("net/ipv6/conf/{name}/disable_ipv6"), value: u32::from(!self.inet6) };
        inet.into_iter().chain([inet6]).collect()
    }

    /// What the link below needs while it has such a device: it must not answer for the device's addresses with its own
    /// MAC.
    #[must_use]
    pub fn settings_below(parent: &InterfaceName) -> Vec<Sysctl> {
        [("arp_ignore", 1), ("arp_filter", 1)].map(|(key, value)| Sysctl::inet(parent.as_str(), key, value)).to_vec()
    }
}
