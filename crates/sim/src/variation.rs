//! What an administrator may write into the configuration of every machine while the cluster runs, and take back.
//!
//! It owns the text and not the reading of it. A variation that a cluster has no place for leaves it as it was drawn.

use crate::lan::MachineId;
use crate::scenario::Scenario;
use crate::signing::NEXT_KEY;
use core::time::Duration;
use standfast_model::config::VrrpConfig;
use standfast_model::config::vrrp::{Authentication, Instance, InstanceId};
use standfast_model::{AdvertInterval, Priority, Version, Vrid};

/// Within which time the same new configuration is read everywhere: whoever rolls it out is done before a standby
/// misses the master of the fastest cluster.
pub const ROLLED_OUT_WITHIN: Duration = Duration::from_millis(50);

/// Another configuration of a whole cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variation {
    /// As it was drawn.
    Drawn,
    /// Every instance has another name.
    Renamed,
    /// The instances stand in another order.
    Reordered,
    /// A virtual router has another VRID.
    OtherVrid(usize),
    /// A virtual router advertises more often.
    Faster(usize),
    /// The last address of a virtual router belongs to another one.
    Moved(usize, usize),
    /// A virtual router signs with its other key, if it signs.
    OtherKey(usize),
    /// A virtual router does not exist.
    Without(usize),
}

/// The file of one machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct File {
    /// What it has in common with those of the others.
    pub variation: Variation,
    /// The priority of every instance but an owner, if it is not as drawn.
    pub priority: Option<Priority>,
    /// A virtual router in which this machine takes no part.
    pub without: Option<usize>,
}

impl File {
    /// As it was drawn.
    pub const DRAWN: Self = Self { variation: Variation::Drawn, priority: None, without: None };
}

/// The VRID that a virtual router may have beside its own: nobody's own.
#[must_use]
pub fn other_vrid(vrid: Vrid) -> Vrid {
    Vrid::new(vrid.get() ^ 0x80).unwrap_or(vrid)
}

impl Scenario {
    /// What a machine reads in such a file.
    #[must_use]
    pub fn written(&self, id: MachineId, file: File) -> VrrpConfig {
        let mut config = self.machines.get(id.0).map(|machine| machine.config.clone()).unwrap_or_default();
        for instance in config.instances.iter_mut().filter(|instance| !instance.priority.is_owner()) {
            instance.priority = file.priority.unwrap_or(instance.priority);
        }
        match file.variation {
            Variation::Drawn => {}
            Variation::Renamed => {
                config.instances.iter_mut().for_each(|instance| instance.name = format!("{}_now", instance.name));
            }
            Variation::Reordered => reverse(&mut config),
            Variation::OtherVrid(router) => {
                let instance = config.instances.get_mut(router);
                if let Some(instance) = instance.filter(|instance| !is_numbered(instance)) {
                    instance.vrid = other_vrid(instance.vrid);
                }
            }
            Variation::Faster(router) => {
                if let Some(instance) = config.instances.get_mut(router) {
                    instance.advert_interval = faster(instance);
                }
            }
            Variation::OtherKey(router) => {
                let instance = config.instances.get_mut(router);
                if let Some(hmac) = instance.and_then(|instance| instance.options.hmac.as_mut()) {
                    hmac.active = NEXT_KEY;
                }
            }
            Variation::Moved(from, to) => self.move_address(&mut config, from, to),
            Variation::Without(router) => {
                if !config.instances.get(router).is_some_and(is_numbered) {
                    remove(&mut config, router);
                }
            }
        }
        if let (Some(router), Variation::Drawn) = (file.without, file.variation) {
            remove(&mut config, router);
        }
        config
    }

    fn move_address(&self, config: &mut VrrpConfig, from: usize, to: usize) {
        let place = |router: usize| self.routers.get(router).map(|router| (router.lan, router.family));
        if from == to || place(from) != place(to) {
            return;
        }
        // The first one stays: a virtual router without addresses is none.
        let Some(source) = config.instances.get_mut(from).filter(|instance| instance.addresses.len() > 1) else {
            return;
        };
        let Some(address) = source.addresses.pop() else { return };
        if let Some(target) = config.instances.get_mut(to) {
            target.addresses.push(address);
        }
    }
}

/// `auth_type AH`: who is made anew counts from one, and whoever was not made anew with it, because it read its file only
/// when all was as before, refuses that. No administrator who knows the protocol does this to such a router.
const fn is_numbered(instance: &Instance) -> bool {
    matches!(instance.authentication, Authentication::Ah(_))
}

fn reverse(config: &mut VrrpConfig) {
    config.instances.reverse();
    let count = u32::try_from(config.instances.len()).unwrap_or(u32::MAX);
    for member in config.groups.iter_mut().flat_map(|group| &mut group.members) {
        *member = InstanceId(count.saturating_sub(1).saturating_sub(member.0));
    }
}

/// The members of a sync group stay together: none of them is removed alone.
fn remove(config: &mut VrrpConfig, router: usize) {
    if config.groups.is_empty() && config.instances.len() > 1 && router < config.instances.len() {
        config.instances.remove(router);
    }
}

/// A tenth of a second is fast enough for version 3, and a second the fastest there is in version 2.
fn faster(instance: &Instance) -> AdvertInterval {
    let faster = match instance.version {
        Version::V2 => AdvertInterval::from_seconds(1),
        Version::V3 => AdvertInterval::from_centiseconds(instance.advert_interval.centiseconds() / 2),
    };
    let least = AdvertInterval::from_centiseconds(10);
    let own = instance.advert_interval;
    faster.max(least).unwrap_or(own).min(own)
}
