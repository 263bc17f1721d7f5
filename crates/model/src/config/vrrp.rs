//! `vrrp_instance` and `vrrp_sync_group`.

use super::instance::{GroupOptions, InstanceOptions, VrrpCommon};
use crate::ipvs::Family;
use crate::{AdvertInterval, InterfaceName, Password, Priority, Version, VirtualAddress, Vrid};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The slice of the `vrrp` worker.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct VrrpConfig {
    /// In the order of the file; names are unique, and (interface, family, VRID) is unique.
    pub instances: Vec<Instance>,
    /// In the order of the file; each instance is in one group at most.
    pub groups: Vec<SyncGroup>,
    /// What instances share: trackers, static entries, announcement pacing.
    pub common: VrrpCommon,
}

/// Which instance: its place in [`VrrpConfig::instances`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct InstanceId(pub u32);

/// The state an instance wishes for at start (`state`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum InitialState {
    /// `state MASTER`.
    Master,
    /// `state BACKUP`.
    #[default]
    Backup,
}

/// Authentication of RFC 2338 (`authentication`).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Authentication {
    /// None: type 0, and the trailer is not looked at.
    #[default]
    None,
    /// `auth_type PASS`: type 1, eight octets in clear.
    Pass(Password),
    /// `auth_type AH`: type 2, an IPsec authentication header (RFC 2402) keyed with eight octets, IPv4 only.
    Ah(Password),
}

/// Whether and when a higher priority takes over from a living master.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Preempt {
    /// `preempt`, with `preempt_delay` (0..=1000 s).
    After(Duration),
    /// `nopreempt`.
    Never,
}

/// Gratuitous ARP and unsolicited neighbour advertisement knobs (`garp_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Garp {
    /// `garp_master_delay`: the second burst follows so long after the first; 0 is no second burst.
    pub master_delay: Duration,
    /// `garp_master_repeat`: announcements per address and burst, at least 1.
    pub master_repeat: u32,
    /// `garp_master_refresh`: time between refreshes; 0 is none.
    pub master_refresh: Duration,
    /// `garp_master_refresh_repeat`: announcements per address and refresh, at least 1.
    pub master_refresh_repeat: u32,
    /// `garp_lower_prio_delay`: second burst after an advertisement of lower priority; 0 is none.
    pub lower_prio_delay: Duration,
    /// `garp_lower_prio_repeat`: announcements per address after one; 0 is none.
    pub lower_prio_repeat: u32,
}

impl Default for Garp {
    fn default() -> Self {
        Self {
            master_delay: Duration::from_secs(5),
            master_repeat: 5,
            master_refresh: Duration::ZERO,
            master_refresh_repeat: 1,
            lower_prio_delay: Duration::from_secs(5),
            lower_prio_repeat: 5,
        }
    }
}

/// An entry of `track_interface`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrackedInterface {
    /// The interface watched.
    pub interface: InterfaceName,
    /// -253..=253: 0 makes its loss a FAULT; positive is added while up, negative while down.
    pub weight: i16,
    /// `reverse`.
    pub reverse: bool,
}

/// One virtual router.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Instance {
    /// The name in the file.
    pub name: String,
    /// Where it advertises, and where its addresses live unless they say otherwise.
    pub interface: InterfaceName,
    /// The virtual router.
    pub vrid: Vrid,
    /// The protocol version spoken.
    pub version: Version,
    /// The family of the advertisements: that of the first address.
    pub family: Family,
    /// `state`.
    pub initial_state: InitialState,
    /// `priority`, the base that tracking weights are added to.
    pub priority: Priority,
    /// `advert_int`, whole seconds in version 2.
    pub advert_interval: AdvertInterval,
    /// `authentication`.
    pub authentication: Authentication,
    /// `virtual_ipaddress`, advertised in this order; at most 255.
    pub addresses: Vec<VirtualAddress>,
    /// `virtual_ipaddress_excluded`, held but not advertised.
    pub excluded: Vec<VirtualAddress>,
    /// `preempt`, `nopreempt`, `preempt_delay`.
    pub preempt: Preempt,
    /// `garp_*`.
    pub garp: Garp,
    /// `mcast_src_ip`; none is the first address of the interface.
    pub source: Option<IpAddr>,
    /// `down_timer_adverts`: advertisements that may be missed before takeover, 1..=100.
    pub down_timer_adverts: u8,
    /// `lower_prio_no_advert`: a lower priority is not answered at once (RFC 3768).
    pub lower_prio_no_advert: bool,
    /// `higher_prio_send_advert`: one last advertisement before yielding.
    pub higher_prio_send_advert: bool,
    /// `dont_track_primary`: the link of the own interface does not matter.
    pub dont_track_primary: bool,
    /// `track_interface`.
    pub track_interfaces: Vec<TrackedInterface>,
    /// What an instance may say beyond election and addresses.
    pub options: InstanceOptions,
}

impl Instance {
    /// A version 2 IPv4 instance with all defaults and no address.
    #[must_use]
    pub fn plain(name: &str, interface: InterfaceName, vrid: Vrid) -> Self {
        Self {
            name: name.to_owned(),
            interface,
            vrid,
            version: Version::V2,
            family: Family::Inet,
            initial_state: InitialState::Backup,
            priority: Priority::DEFAULT,
            advert_interval: AdvertInterval::DEFAULT,
            authentication: Authentication::None,
            addresses: Vec::new(),
            excluded: Vec::new(),
            preempt: Preempt::After(Duration::ZERO),
            garp: Garp::default(),
            source: None,
            down_timer_adverts: 3,
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            dont_track_primary: false,
            track_interfaces: Vec::new(),
            options: InstanceOptions::default(),
        }
    }
}

/// Instances that move together.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SyncGroup {
    /// The name in the file.
    pub name: String,
    /// Its members, at least one, in the order of the file.
    pub members: Vec<InstanceId>,
    /// `track_interface` of the group, applied to every member.
    pub track_interfaces: Vec<TrackedInterface>,
    /// What a group may say beyond its members.
    pub options: GroupOptions,
}
