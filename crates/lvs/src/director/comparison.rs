//! A configuration on its way, set beside the one in force a piece at a time.
//!
//! There may be twenty thousand virtual servers, and nearly all of them are what they were: to find that out takes as long
//! as all the rest of a reload, changes nothing, and so can be done between checks. It owns what was found so far. Nothing
//! comes of it before [`super::Event::Reload`] brings the rest.

use super::Director;
use super::formers::Formers;
use crate::effort;
use crate::marking::is_marked;
use crate::pool::Pool;
use core::ops::Range;
use standfast_model::config::lvs::VirtualServer;
use standfast_model::ipvs::ServiceKey;

/// What a virtual server is matched by. A group may serve several, one for each transport and family.
type Identity = (Option<String>, ServiceKey);

/// A virtual server of the new configuration.
#[derive(Clone, Debug)]
pub(super) enum Compared {
    /// It is that of the pool in this place.
    Same(usize),
    /// It is another, or not known to be the same before marks are given out; with the place of the pool that it is matched
    /// with.
    Other(Option<usize>, Box<VirtualServer>),
}

impl Compared {
    /// The place of the pool that it is matched with.
    pub(super) fn place(&self) -> Option<usize> {
        match self {
            Self::Same(place) => Some(*place),
            Self::Other(place, _) => *place,
        }
    }

    /// Its configuration, where these are the pools.
    fn config_in<'a>(&'a self, pools: &'a [Pool]) -> Option<&'a VirtualServer> {
        match self {
            Self::Same(place) => pools.get(*place).map(Pool::config),
            Self::Other(_, config) => Some(config),
        }
    }

    /// Its configuration, unless that is the pool's.
    pub(super) fn config(self) -> Option<VirtualServer> {
        match self {
            Self::Same(_) => None,
            Self::Other(_, config) => Some(*config),
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Comparison {
    formers: Formers<Option<Identity>, usize, Range<usize>>,
    compared: Vec<Compared>,
}

impl Comparison {
    /// With so many pools.
    pub(super) fn new(pools: usize) -> Self {
        Self { formers: Formers::new(0..pools), compared: Vec::with_capacity(pools) }
    }

    fn add(&mut self, pools: &[Pool], mut config: VirtualServer) {
        let place = self.formers.take(&Some(identity(&config)), |place| identity_in(pools, *place));
        let former = place.and_then(|place| pools.get(place)).map(Pool::config);
        effort::looked_at(config.real_servers.len());
        let before = self.compared.last().and_then(|one| one.config_in(pools));
        for alike in [before, former].into_iter().flatten() {
            config.options.share(&alike.options);
        }
        // One that goes by a mark has the one of its group later.
        let same = !is_marked(&config) && former == Some(&config);
        self.compared.push(match place.filter(|_| same) {
            Some(place) => Compared::Same(place),
            None => Compared::Other(place, Box::new(config)),
        });
    }

    /// Every virtual server of the new configuration so far.
    pub(super) fn configs<'a>(&'a self, pools: &'a [Pool]) -> impl Iterator<Item = &'a VirtualServer> {
        self.compared.iter().filter_map(|one| one.config_in(pools))
    }

    /// Those that are not known to be the same.
    pub(super) fn others_mut(&mut self) -> impl Iterator<Item = &mut VirtualServer> {
        self.compared.iter_mut().filter_map(|one| match one {
            Compared::Same(_) => None,
            Compared::Other(_, config) => Some(&mut **config),
        })
    }

    /// All of the new configuration in its order, and the places of pools that are not in it.
    pub(super) fn end(self, pools: &[Pool]) -> (Vec<Compared>, Vec<usize>) {
        let left = self.formers.left(|place| identity_in(pools, *place));
        (self.compared, left.collect())
    }
}

impl Director {
    /// Compares the next virtual servers of a new configuration with those in force. Nothing else follows until
    /// [`super::Event::Reload`] brings the rest of it: checks, verdicts and orders go on as they were.
    pub fn compare(&mut self, virtual_servers: Vec<VirtualServer>) {
        let pools = self.pools.len();
        let comparison = self.comparison.get_or_insert_with(|| Comparison::new(pools));
        for virtual_server in virtual_servers {
            comparison.add(&self.pools, virtual_server);
        }
    }

    /// The configuration whose first virtual servers were compared does not come.
    pub fn forget_compared(&mut self) {
        self.comparison = None;
    }
}

fn identity_in(pools: &[Pool], place: usize) -> Option<Identity> {
    pools.get(place).map(|pool| identity(pool.config()))
}

fn identity(config: &VirtualServer) -> Identity {
    let Some(group) = &config.options.group else { return (None, config.key) };
    // Whether a group goes by a mark makes no other group of it.
    let key = match (config.key, group.marked.first()) {
        (ServiceKey::FirewallMark { .. }, Some(marked)) => {
            ServiceKey::Address { address: marked.first, port: 0, protocol: marked.protocol }
        }
        (key, _) => key,
    };
    let key = match key {
        ServiceKey::Address { address, protocol, .. } => {
            let address = match address {
                std::net::IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
                std::net::IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
            };
            ServiceKey::Address { address, port: 0, protocol }
        }
        ServiceKey::FirewallMark { family, .. } => ServiceKey::FirewallMark { mark: 0, family },
    };
    (Some(group.name.clone()), key)
}

#[cfg(test)]
mod tests;
