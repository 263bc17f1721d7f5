//! The part of the configuration that one worker gets. What is not in its type cannot leak into its process.

use serde::{Deserialize, Serialize};
use standfast_model::config::{Config, Global, LvsConfig, VrrpConfig};

/// What the `vrrp` worker knows.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct VrrpSlice {
    /// Process-wide settings.
    pub global: Global,
    /// Virtual routers, passwords included: nobody else has them.
    pub vrrp: VrrpConfig,
}

/// What the `check` worker knows. It reads bytes from back-end servers, so it gets no password of VRRP.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CheckSlice {
    /// Process-wide settings.
    pub global: Global,
    /// Virtual servers.
    pub lvs: LvsConfig,
}

impl VrrpSlice {
    /// The slice of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self { global: config.global.clone(), vrrp: config.vrrp.clone() }
    }
}

impl CheckSlice {
    /// The slice of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self { global: config.global.clone(), lvs: config.lvs.clone() }
    }
}
