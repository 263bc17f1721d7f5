//! One real server in its pool: what its checks, its operator and its own recovery make of it.
//!
//! It owns the weight that counts and whether the server may serve. It knows neither its pool nor the time.

use crate::director::CheckerId;
use crate::verdict::CheckWeight;
use serde::{Deserialize, Serialize};
use standfast_model::config::lvs::RealServer;
use standfast_model::{Seldom, Silent};
use std::collections::BTreeMap;

/// The largest weight that the kernel takes, and keepalived's limit too.
const LARGEST_WEIGHT: i64 = 2_147_483_647;

/// A share of its weight that a server has while it recovers, in thousandths.
const WHOLE_SHARE: u32 = 1000;

/// What an operator wants of a server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Duty {
    /// It serves when its checks say so.
    #[default]
    Active,
    /// It keeps its connections and gets no new ones: in the table with weight 0.
    Draining,
    /// It is not in the table.
    Off,
}

/// The state of one real server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    /// Its checkers, in the order of the configuration.
    pub(crate) checkers: Box<[CheckerId]>,
    /// How many of them are down; it is up when none is.
    pub(crate) checkers_down: u32,
    /// What the operator wants of it.
    pub(crate) duty: Duty,
    /// Its checks are not believed: it serves although they say it is down (`panic_threshold`).
    pub(crate) held: bool,
    /// What makes its weight another than the configured one.
    pub(crate) weighed: Seldom<Weighed>,
}

/// What makes the weight of a server another than the configured one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Weighed {
    /// What each of its checkers last said of it.
    pub(crate) said: BTreeMap<CheckerId, CheckWeight>,
    /// The one that the operator gave it.
    pub(crate) ordered: Option<u32>,
    /// So many thousandths of it count while the server recovers (`slow_start`); none is all of it.
    pub(crate) share: Option<u32>,
}

impl Silent for Weighed {
    const SILENCE: &'static Self = &Self { said: BTreeMap::new(), ordered: None, share: None };
}

impl Member {
    pub(crate) fn is_up(&self) -> bool {
        self.checkers_down == 0
    }

    /// It gets new connections, unless the sorry server stands in for all.
    pub(crate) fn serves(&self) -> bool {
        self.duty == Duty::Active && (self.is_up() || self.held)
    }

    /// The configured weight or the operator's, with what its checks add: 0..=2147483647.
    pub(crate) fn weight(&self, config: &RealServer) -> u32 {
        let configured = i64::from(config.weight);
        let base = self.weighed.ordered.map_or(configured, i64::from);
        let said = self.weighed.said.values().map(|said| match *said {
            CheckWeight::Absolute(weight) => i64::from(weight) - configured,
            CheckWeight::Relative(more) => more,
        });
        let weight = said.fold(base, i64::saturating_add).clamp(0, LARGEST_WEIGHT);
        u32::try_from(weight).unwrap_or(0)
    }

    /// What counts towards the quorum.
    pub(crate) fn live_weight(&self, config: &RealServer) -> u64 {
        if self.serves() { u64::from(self.weight(config)) } else { 0 }
    }

    /// What the table shows: less than the whole weight while it recovers, but never nothing.
    pub(crate) fn weight_shown(&self, config: &RealServer) -> u32 {
        let weight = self.weight(config);
        match self.weighed.share {
            None => weight,
            Some(share) => {
                let part = u64::from(weight) * u64::from(share.min(WHOLE_SHARE)) / u64::from(WHOLE_SHARE);
                u32::try_from(part).unwrap_or(weight).max(weight.min(1))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use standfast_model::ipvs::Forwarding;
    use std::net::{Ipv4Addr, SocketAddr};

    fn server(weight: u32) -> RealServer {
        let address = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 80));
        RealServer { weight, ..RealServer::plain(address, Forwarding::Nat) }
    }

    #[test]
    fn what_checks_say_of_the_weight_adds_up_and_stays_within_the_kernels_range() {
        let mut member = Member::default();
        let says = |member: &mut Member, checker, said| {
            member.weighed.said.insert(CheckerId(checker), said);
        };
        assert_eq!(member.weight(&server(5)), 5);
        says(&mut member, 0, CheckWeight::Absolute(9));
        assert_eq!(member.weight(&server(5)), 9);
        says(&mut member, 1, CheckWeight::Relative(-3));
        assert_eq!(member.weight(&server(5)), 6);
        member.weighed.ordered = Some(50);
        assert_eq!(member.weight(&server(5)), 51);
        says(&mut member, 1, CheckWeight::Relative(i64::MIN));
        assert_eq!(member.weight(&server(5)), 0);
        says(&mut member, 1, CheckWeight::Relative(i64::MAX));
        assert_eq!(member.weight(&server(5)), 2_147_483_647);
    }

    #[test]
    fn a_recovering_server_has_part_of_its_weight_but_never_none_of_it() {
        let shown = |share, weight| {
            Member { weighed: Weighed { share, ..Weighed::default() }.into(), ..Member::default() }
                .weight_shown(&server(weight))
        };
        assert_eq!([shown(None, 10), shown(Some(500), 10), shown(Some(1000), 10), shown(Some(0), 10)], [10, 5, 10, 1]);
        assert_eq!(shown(Some(500), 0), 0);
        assert_eq!(shown(Some(999), 2_147_483_647), 2_145_336_163);
    }
}
