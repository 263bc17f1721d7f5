//! What the front knows of the exchange of states with other directors: whom to tell, and what to tell of each instance
//! besides its state.
//!
//! No password is in here; that two directors have another kind of authentication is, which password is not.

use serde::{Deserialize, Serialize};
use standfast_model::config::Config;
use standfast_model::config::exchange::Exchange;
use standfast_model::config::vrrp::{Authentication, Instance};
use standfast_model::ipvs::Family;
use standfast_model::{AdvertInterval, Version, Vrid};

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExchangeSlice {
    /// `peer`, `peer_key`, `peer_listen`
    pub settings: Exchange,
    /// In the order of the configuration.
    pub instances: Vec<ToldInstance>,
}

/// What of an instance's configuration other directors are told, to be compared with theirs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ToldInstance {
    /// The `vrrp_instance`.
    pub name: String,
    /// Its virtual router.
    pub vrid: Vrid,
    /// The family of its advertisements.
    pub family: Family,
    /// The version it speaks.
    pub version: Version,
    /// `advert_int`
    pub interval: AdvertInterval,
    /// `auth_type`: 0 none, 1 PASS, 2 AH, 3 `auth_hmac`.
    pub authentication: u8,
    /// Every address that it holds as master, sorted, so that an order does not make a difference.
    pub addresses: Vec<String>,
}

impl ExchangeSlice {
    /// The slice of a configuration; none without `peer`.
    #[must_use]
    pub fn of(config: &Config) -> Option<Self> {
        let settings = config.exchange.clone()?;
        Some(Self { settings, instances: config.vrrp.instances.iter().map(ToldInstance::of).collect() })
    }
}

impl ToldInstance {
    fn of(instance: &Instance) -> Self {
        let authentication = match (&instance.options.hmac, &instance.authentication) {
            (Some(_), _) => 3,
            (None, Authentication::None) => 0,
            (None, Authentication::Pass(_)) => 1,
            (None, Authentication::Ah(_)) => 2,
        };
        let held = instance.addresses.iter().chain(&instance.excluded);
        let mut addresses: Vec<String> = held.map(|one| one.address.to_string()).collect();
        addresses.sort_unstable();
        Self {
            name: instance.name.clone(),
            vrid: instance.vrid,
            family: instance.family,
            version: instance.version,
            interval: instance.advert_interval,
            authentication,
            addresses,
        }
    }
}
