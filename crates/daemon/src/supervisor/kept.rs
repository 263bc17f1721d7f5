//! The configuration in force, as the supervisor keeps it: without the virtual servers, which the `check` worker's slice
//! holds already.
//!
//! There may be twenty thousand real servers, and between two reloads nobody but that worker needs them. What needs all of
//! the configuration gets it made whole.

use super::adjust::Adjusted;
use core::ops::Deref;
use standfast_api::{CheckSlice, WorkerKind, decode};
use standfast_kernel::memfd;
use standfast_model::Config;
use std::os::fd::{AsFd as _, OwnedFd};

use crate::worker::slice_label;

/// See the module. It reads as a configuration without virtual servers once they are put away.
#[derive(Debug)]
pub(super) struct Kept {
    config: Config,
    /// The slice that has the virtual servers, once they are put away.
    servers: Option<OwnedFd>,
    /// In what it is otherwise than its file.
    adjusted: Vec<Adjusted>,
}

impl Kept {
    /// All of a configuration whose `check` worker has that slice, if there is such a worker. Virtual servers that instances
    /// track are asked for all the time, and a slice that cannot be kept open is of no use: then nothing is put away.
    pub(super) fn new(mut config: Config, slice: Option<&OwnedFd>) -> Self {
        let slice = slice.filter(|_| config.vrrp.common.services.is_empty());
        let servers = slice.and_then(|slice| slice.as_fd().try_clone_to_owned().ok());
        if servers.is_some() {
            config.lvs.virtual_servers = Vec::new();
        }
        Self { config, servers, adjusted: Vec::new() }
    }

    /// The same, with what is set in it over SNMP.
    pub(super) fn with(self, adjusted: Vec<Adjusted>) -> Self {
        Self { adjusted, ..self }
    }

    /// In what it is otherwise than its file.
    pub(super) fn adjusted(&self) -> &[Adjusted] {
        &self.adjusted
    }

    /// All of it.
    ///
    /// # Errors
    ///
    /// No descriptor or memory is left, in words.
    pub(super) fn whole(&self) -> Result<Config, String> {
        let mut config = self.config.clone();
        if let Some(servers) = &self.servers {
            let octets = memfd::read(servers, slice_label(WorkerKind::Check)).map_err(|error| error.to_string())?;
            let slice: CheckSlice = decode(&octets).map_err(|error| error.to_string())?;
            config.lvs.virtual_servers = slice.lvs.virtual_servers;
        }
        Ok(config)
    }
}

impl Deref for Kept {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.config
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::slice_of;
    use standfast_model::config::LvsConfig;
    use standfast_model::config::lvs::{RealServer, VirtualServer};
    use standfast_model::config::track::TrackedService;
    use standfast_model::ipvs::{Family, Forwarding, ServiceKey};

    fn site() -> Config {
        let server = RealServer::plain(([10, 0, 0, 1], 80).into(), Forwarding::Nat);
        let key = ServiceKey::FirewallMark { mark: 7, family: Family::Inet };
        let service = VirtualServer { real_servers: vec![server], ..VirtualServer::plain(key) };
        Config { lvs: LvsConfig { virtual_servers: vec![service], ..LvsConfig::default() }, ..Config::default() }
    }

    fn slice(config: &Config) -> OwnedFd {
        let octets = slice_of(WorkerKind::Check, config).unwrap();
        memfd::write("test", slice_label(WorkerKind::Check), octets.octets()).unwrap()
    }

    #[test]
    fn what_the_check_worker_has_is_not_kept_twice_and_is_there_when_all_of_it_is_asked_for() {
        let kept = Kept::new(site(), Some(&slice(&site())));
        assert_eq!(*kept, Config { lvs: LvsConfig::default(), ..site() });
        assert_eq!(kept.whole(), Ok(site()));
    }

    #[test]
    fn without_a_check_worker_nothing_is_put_away() {
        let kept = Kept::new(site(), None);
        assert_eq!((&*kept, kept.whole()), (&site(), Ok(site())));
    }

    #[test]
    fn virtual_servers_that_an_instance_tracks_stay() {
        let mut config = site();
        config.vrrp.common.services.push(TrackedService::Mark(7));
        let kept = Kept::new(config.clone(), Some(&slice(&config)));
        assert_eq!((&*kept, kept.whole()), (&config, Ok(config.clone())));
    }
}
