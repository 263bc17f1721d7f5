//! What instances and groups may say beyond election and addresses, and what they share.

use super::route::{Route, Rule};
use super::script::{Fifo, Notify};
use super::track::{TrackFile, TrackProcess, TrackScript, Tracked, TrackedService};
use super::witness::{NamedWitness, WitnessPolicy};
use crate::{InterfaceName, MacAddress, Priority, Secret, VirtualAddress};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Everything an instance may say beyond election and addresses.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InstanceOptions {
    /// Multicast or unicast.
    pub peering: Peering,
    /// `use_vmac`, `use_ipvlan`
    pub device: Device,
    /// `vrf`: the device the sockets of an instance without interface are bound to.
    pub vrf: Option<InterfaceName>,
    /// `auth_hmac`
    pub hmac: Option<Hmac>,
    /// `track_script`, `track_file`, `track_process`, `track_bfd`, `track_virtual_server`
    pub trackers: Vec<Tracked>,
    /// `track_src_ip`: the loss of the configured source address is a FAULT.
    pub track_source: bool,
    /// `virtual_routes`
    pub routes: Vec<Route>,
    /// `virtual_rules`
    pub rules: Vec<Rule>,
    /// `notify_*`, `notify`
    pub notify: Notify,
    /// `smtp_alert`, by default that of `global_defs`.
    pub smtp_alert: bool,
    /// `notify_priority_changes`, by default that of the group or of `global_defs`.
    pub notify_priority_changes: bool,
    /// `strict_mode`, by default `vrrp_strict`.
    pub strict: bool,
    /// `accept`, `no_accept`: traffic to the virtual addresses is taken.
    pub accept: bool,
    /// `skip_check_adv_addr`: the list of addresses is only looked at when the master changes.
    pub skip_check_adv_addr: bool,
    /// `v3_checksum_as_v2`: no pseudo header in the IPv4 checksum of version 3.
    pub v3_checksum_as_v2: bool,
    /// `old_unicast_checksum`
    pub old_unicast_checksum: OldChecksum,
    /// `owner_ignore_adverts`
    pub owner_ignore_adverts: bool,
    /// `promote_secondaries`
    pub promote_secondaries: bool,
    /// `timer_expired_backup`: when own timers ran too late, step down unless the peer's priority is below this.
    pub timer_expired_backup: Option<Priority>,
    /// `garp_extra_if`: interval between announcements on other interfaces; none is never.
    pub garp_extra_if: Option<GarpExtra>,
    /// `kernel_rx_buf_size`, bytes.
    pub kernel_rx_buf_size: Option<u32>,
    /// `witness`
    pub witness: Option<WitnessPolicy>,
}

impl Default for InstanceOptions {
    /// keepalived's: multicast, traffic accepted, everything else off.
    fn default() -> Self {
        Self {
            peering: Peering::default(),
            device: Device::default(),
            vrf: None,
            hmac: None,
            trackers: Vec::new(),
            track_source: false,
            routes: Vec::new(),
            rules: Vec::new(),
            notify: Notify::default(),
            smtp_alert: false,
            notify_priority_changes: false,
            strict: false,
            // REQ: VRRP3-6.1-05
            accept: true,
            skip_check_adv_addr: false,
            v3_checksum_as_v2: false,
            old_unicast_checksum: OldChecksum::default(),
            owner_ignore_adverts: false,
            promote_secondaries: false,
            timer_expired_backup: None,
            garp_extra_if: None,
            kernel_rx_buf_size: None,
            witness: None,
        }
    }
}

/// How advertisements travel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Peering {
    /// To a group, none being the one of the family (`vrrp_mcast_group4`, `vrrp_mcast_group6`).
    Multicast {
        /// `mcast_dst_ip`
        group: Option<IpAddr>,
    },
    /// To each peer.
    Unicast(Unicast),
}

impl Default for Peering {
    fn default() -> Self {
        Self::Multicast { group: None }
    }
}

/// `unicast_*`
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Unicast {
    /// `unicast_peer`; empty only with `unicast_fault_no_peer`: then the instance is in FAULT.
    pub peers: Vec<Peer>,
    /// `unicast_ttl`: TTL or hop limit sent; none is 255 for IPv4 and the kernel's for IPv6.
    pub ttl: Option<u8>,
    /// `check_unicast_src`: from peers only.
    pub check_source: bool,
}

/// An entry of `unicast_peer`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// `min_ttl` of what it sends.
    pub min_ttl: u8,
    /// `max_ttl` of what it sends.
    pub max_ttl: u8,
}

/// The device an instance lives on.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Device {
    /// The interface itself.
    #[default]
    Interface,
    /// `use_vmac`: a macvlan with the virtual MAC address.
    Vmac(Vmac),
    /// `use_ipvlan`
    Ipvlan(Ipvlan),
}

/// `use_vmac` and its words.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Vmac {
    /// The name; none is `vrrp.VRID` (`vmac_prefix`).
    pub name: Option<InterfaceName>,
    /// The address; none is the one of RFC 9568.
    pub address: Option<MacAddress>,
    /// `netlink_notify_msg`
    pub netlink_notify: bool,
    /// `group`: interface group; none is the parent's.
    pub group: Option<u32>,
    /// `use_vmac_addr`: also for addresses on other interfaces.
    pub for_other_interfaces: bool,
    /// `vmac_xmit_base`: advertisements leave by the interface below.
    pub transmit_base: bool,
}

/// `use_ipvlan` and its words.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Ipvlan {
    /// The name; none is `vrrp.VRID`.
    pub name: Option<InterfaceName>,
    /// Its address, the source of advertisements.
    pub address: Option<IpAddr>,
    /// `bridge`, `private`, `vepa`
    pub mode: IpvlanMode,
    /// `group`: interface group; none is the parent's.
    pub group: Option<u32>,
}

/// Whom an ipvlan talks to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum IpvlanMode {
    /// `bridge`
    #[default]
    Bridge,
    /// `private`
    Private,
    /// `vepa`
    Vepa,
}

/// `old_unicast_checksum`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum OldChecksum {
    /// Found out.
    #[default]
    Auto,
    /// `old_unicast_checksum`: always.
    Always,
    /// `old_unicast_checksum never`
    Never,
}

/// `garp_extra_if`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GarpExtra {
    /// `all`: on every other interface, not only on VMACs.
    pub all: bool,
    /// From one to the next, 1..=86400 s.
    pub interval: Duration,
}

/// `auth_hmac`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hmac {
    /// At least the active one; ids are unique.
    pub keys: Vec<HmacKey>,
    /// `active_key`: the id of the key that signs.
    pub active: u8,
    /// `time_window`, 1..=300 s.
    pub time_window: Duration,
    /// `anti_replay`
    pub replay: Replay,
    /// `mode`
    pub mode: HmacMode,
}

/// A key of `auth_hmac`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HmacKey {
    /// 1..=255
    pub id: u8,
    /// 32 to 64 octets.
    pub octets: Secret,
}

/// `anti_replay`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Replay {
    /// `time`: by the clocks.
    #[default]
    Time,
    /// `monotonic`: by a counter that only grows.
    Monotonic,
}

/// `mode` of `auth_hmac`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum HmacMode {
    /// `enforce`: signed, and only signed ones are believed.
    #[default]
    Enforce,
    /// `permissive`: signed, and unsigned ones are believed too.
    Permissive,
    /// `receive-only`: not signed; signed ones are checked.
    ReceiveOnly,
}

/// What a sync group may say beyond its members.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct GroupOptions {
    /// Trackers of the group, applied to every member.
    pub trackers: Vec<Tracked>,
    /// `notify_*`, `notify`
    pub notify: Notify,
    /// `smtp_alert`, by default that of `global_defs`.
    pub smtp_alert: bool,
    /// `sync_group_tracking_weight`: members keep the weights of their trackers.
    pub tracking_weight: bool,
    /// `witness`
    pub witness: Option<WitnessPolicy>,
}

/// What instances share.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct VrrpCommon {
    /// `vrrp_script`, those that are used.
    pub scripts: Vec<TrackScript>,
    /// `track_file`, those that are used.
    pub files: Vec<TrackFile>,
    /// `vrrp_track_process`, those that are used.
    pub processes: Vec<TrackProcess>,
    /// Names of the BFD sessions that are used.
    pub bfd_sessions: Vec<String>,
    /// The weights that those four say themselves; who tracks them has them already, this is for showing them.
    pub own_weights: OwnWeights,
    /// `track_virtual_server`, those that are used.
    pub services: Vec<TrackedService>,
    /// `witness NAME`, those that are used.
    pub witnesses: Vec<NamedWitness>,
    /// `track_group`: names with the instances of each.
    pub track_groups: Vec<TrackGroup>,
    /// `static_ipaddress`
    pub static_addresses: Vec<VirtualAddress>,
    /// `static_routes`
    pub static_routes: Vec<Route>,
    /// `static_rules`
    pub static_rules: Vec<Rule>,
    /// `garp_group`
    pub garp_groups: Vec<GarpGroup>,
    /// `interface_up_down_delays`
    pub link_delays: Vec<LinkDelay>,
    /// `linkbeat_interfaces`
    pub linkbeat: Vec<Linkbeat>,
    /// `linkbeat_use_polling`: every interface of an instance is polled.
    pub linkbeat_polling: bool,
    /// `vrrp_mcast_group4`; none is 224.0.0.18.
    pub multicast4: Option<Ipv4Addr>,
    /// `vrrp_mcast_group6`; none is ff02::12.
    pub multicast6: Option<Ipv6Addr>,
    /// `vrrp_garp_interval`: pause between gratuitous ARPs of one interface, 0 is none.
    pub garp_interval: Duration,
    /// `vrrp_gna_interval`: the same for neighbour advertisements.
    pub gna_interval: Duration,
    /// `vrrp_notify_fifo`
    pub vrrp_fifo: Option<Fifo>,
    /// `notify_fifo`
    pub fifo: Option<Fifo>,
    /// `fifo_write_vrrp_states_on_reload`
    pub states_on_reload: bool,
    /// `no_email_faults`
    pub no_email_faults: bool,
    /// `log_unknown_vrids`
    pub log_unknown_vrids: bool,
    /// `disable_local_igmp`
    pub disable_local_igmp: bool,
    /// `dynamic_interfaces allow_if_changes`
    pub interface_may_change: bool,
    /// `vmac_prefix`
    pub vmac_prefix: Option<String>,
    /// `vmac_addr_prefix`
    pub vmac_address_prefix: Option<String>,
    /// `nftables`, `vrrp_iptables`: how traffic to the addresses is filtered.
    pub nftables: Option<Nftables>,
    /// `vrrp_delay_after_boot`
    pub delay_after_boot: Duration,
    /// `vrrp_rx_bufs_policy`
    pub receive_buffer: ReceiveBuffer,
}

/// The weights that trackers say for who says none, each with `reverse`, by the place of the tracker.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct OwnWeights {
    /// Of `vrrp_script`.
    pub scripts: Vec<(i16, bool)>,
    /// Of `track_file`.
    pub files: Vec<(i16, bool)>,
    /// Of `vrrp_track_process`.
    pub processes: Vec<(i16, bool)>,
    /// Of `bfd_instance`.
    pub bfd_sessions: Vec<(i16, bool)>,
}

/// `track_group`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrackGroup {
    /// The name in the file.
    pub name: String,
    /// Its members.
    pub members: Vec<super::vrrp::InstanceId>,
}

/// `garp_group`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GarpGroup {
    /// `garp_interval`, 0 is none.
    pub garp_interval: Duration,
    /// `gna_interval`, 0 is none.
    pub gna_interval: Duration,
    /// `interface`, `interfaces`: at least one; each in one group at most.
    pub interfaces: Vec<InterfaceName>,
}

/// An entry of `interface_up_down_delays`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LinkDelay {
    /// Which interface.
    pub interface: InterfaceName,
    /// Before a loss counts, 0..=255 s.
    pub down: Duration,
    /// Before a return counts, 0..=255 s.
    pub up: Duration,
}

/// An entry of `linkbeat_interfaces`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Linkbeat {
    /// Which interface.
    pub interface: InterfaceName,
    /// How; none is the best it has.
    pub method: Option<LinkbeatMethod>,
}

/// How a link is polled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LinkbeatMethod {
    /// `MII`
    Mii,
    /// `ETHTOOL`
    Ethtool,
    /// `IOCTL`
    Ioctl,
}

/// `nftables` and its words.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Nftables {
    /// The table, 1 to 254 bytes.
    pub table: String,
    /// `nftables_priority`
    pub priority: i32,
    /// `nftables_ifindex`
    pub by_index: bool,
    /// `nftables_counters`
    pub counters: bool,
}

/// How large the receive buffers of the VRRP sockets are made (`vrrp_rx_bufs_policy`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum ReceiveBuffer {
    /// As the system makes them.
    #[default]
    System,
    /// `MTU`: so many packets of the interface's MTU.
    Mtu(u32),
    /// `ADVERT`: so many advertisements.
    Adverts(u32),
    /// So many bytes.
    Bytes(u32),
}
