//! Where advertisements go and from whom they are expected: a group, or each peer by unicast.
//!
//! It resolves what the configuration says and judges nothing; the checks are in [`crate::receive`].

use standfast_model::config::instance::{Peer, Peering, VrrpCommon};
use standfast_model::config::vrrp::Instance;
use standfast_model::ipvs::Family;
use standfast_wire::vrrp::{GROUP_V4, GROUP_V6};
use std::net::IpAddr;

/// The other end of an instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Partners {
    /// Everybody who listens to this group.
    Group(IpAddr),
    /// These, by unicast.
    Peers {
        /// In the order of the file.
        peers: Vec<Peer>,
        /// Whether anybody else is refused (`check_unicast_src`).
        only_them: bool,
    },
}

impl Partners {
    /// Whom the configuration names: the instance's own words, then those of `global_defs`, then the RFC's group.
    pub(crate) fn of(instance: &Instance, common: &VrrpCommon) -> Self {
        match &instance.options.peering {
            Peering::Multicast { group } => Self::Group(group.unwrap_or_else(|| common_group(instance.family, common))),
            Peering::Unicast(unicast) => Self::Peers { peers: unicast.peers.clone(), only_them: unicast.check_source },
        }
    }

    /// How many peers there are; none by multicast.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Group(_) => 0,
            Self::Peers { peers, .. } => peers.len(),
        }
    }

    /// Where one advertisement goes: a packet for each.
    pub(crate) fn destinations(&self) -> Vec<IpAddr> {
        match self {
            Self::Group(group) => vec![*group],
            // REQ: KA-UNI-01
            Self::Peers { peers, .. } => peers.iter().map(|peer| peer.address).collect(),
        }
    }
}

/// The group that an instance listens to and speaks to; none for one that speaks to its peers by unicast.
#[must_use]
pub fn group(instance: &Instance, common: &VrrpCommon) -> Option<IpAddr> {
    match Partners::of(instance, common) {
        Partners::Group(group) => Some(group),
        Partners::Peers { .. } => None,
    }
}

/// What `vrrp_mcast_group4` and `vrrp_mcast_group6` say, and the RFC's groups without them.
fn common_group(family: Family, common: &VrrpCommon) -> IpAddr {
    match family {
        Family::Inet => common.multicast4.unwrap_or(GROUP_V4).into(),
        Family::Inet6 => common.multicast6.unwrap_or(GROUP_V6).into(),
    }
}
