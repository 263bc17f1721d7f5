//! The kernel's connection sync daemons and connection timeouts (`lvs_sync_daemon`, `lvs_timeouts`).
//!
//! It reads and sets them. Which daemon should run is for others to say.

use super::Ipvs;
use super::decode;
use super::names::Command;
use crate::netlink::Refused;
use standfast_lvs::SyncRole;
use standfast_model::config::lvs::{SyncDaemon, Timeouts};
use std::net::IpAddr;

/// A sync daemon that runs. Values that nobody set are the kernel's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncState {
    /// It sends our connections (`master`); else it receives (`backup`).
    pub sends: bool,
    /// Its interface.
    pub interface: String,
    /// `id`
    pub id: u8,
    /// `maxlen`, octets.
    pub max_length: Option<u16>,
    /// `port`
    pub port: Option<u16>,
    /// `ttl`
    pub ttl: Option<u8>,
    /// `group`
    pub group: Option<IpAddr>,
}

impl SyncState {
    /// Whether it is the daemon that is wanted, as far as that says anything.
    fn is(&self, role: &SyncRole) -> bool {
        let SyncDaemon { interface, instance: _, id, max_length, port, ttl, group } = &role.config;
        self.sends == role.sends
            && self.interface == interface.as_str()
            && self.id == *id
            // One that receives has room for 1024 octets at least, whatever it is told.
            && (max_length.is_none() || self.max_length == *max_length || (!self.sends && self.max_length >= *max_length))
            && (port.is_none() || self.port == *port)
            && (ttl.is_none() || self.ttl == *ttl)
            && (group.is_none() || self.group == *group)
    }
}

impl Ipvs {
    /// Sets the timeouts of connections; 0 leaves the kernel's.
    ///
    /// # Errors
    ///
    /// The kernel's; `ETIMEDOUT` if it does not answer.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<(), Refused> {
        let request = self.builder.timeouts(timeouts);
        self.request_one(request)
    }

    /// The timeouts of connections, in seconds.
    ///
    /// # Errors
    ///
    /// The kernel's; `ETIMEDOUT` if it does not answer.
    pub fn timeouts(&mut self) -> Result<Timeouts, Refused> {
        let request = self.builder.plain(Command::GetConfig);
        let answers = self.channel.ask(&request)?;
        let timeouts = answers.iter().find_map(|(_, payload)| decode::timeouts(payload));
        timeouts.ok_or_else(|| Refused::new(libc::EPROTO))
    }

    /// The sync daemons that run: none, one, or both kinds.
    ///
    /// # Errors
    ///
    /// The kernel's; `ETIMEDOUT` if it does not answer.
    pub fn sync_daemons(&mut self) -> Result<Vec<SyncState>, Refused> {
        let request = self.builder.plain(Command::GetDaemon);
        let answers = self.channel.dump(&request)?;
        Ok(answers.iter().filter_map(|(_, payload)| decode::sync_daemon(payload)).collect())
    }

    /// Brings the sync daemons to the one that is wanted and no other. One that runs as it should is not touched; the
    /// others are stopped first, since the kernel changes none that runs.
    ///
    /// # Errors
    ///
    /// The kernel's; `ETIMEDOUT` if it does not answer. What could be done then is done.
    pub fn set_sync_daemon(&mut self, role: Option<&SyncRole>) -> Result<(), Refused> {
        let mut runs = false;
        let mut result = Ok(());
        for daemon in self.sync_daemons()? {
            if role.is_some_and(|role| daemon.is(role)) {
                runs = true;
                continue;
            }
            result = result.and(self.stop_sync_daemon(daemon.sends));
        }
        if let Some(role) = role.filter(|_| !runs) {
            let request = self.builder.start_sync_daemon(role);
            result = result.and(self.request_one(request));
        }
        result
    }

    /// A daemon that is stopped before its thread has run for the first time is stopped, and the kernel says nothing: it
    /// takes the end of such a thread (`EINTR`) for a request that will be repeated.
    fn stop_sync_daemon(&mut self, sends: bool) -> Result<(), Refused> {
        let request = self.builder.stop_sync_daemon(sends);
        match self.request_one(request) {
            Err(refused) if refused.errno == libc::ETIMEDOUT => {
                let runs = self.sync_daemons()?.iter().any(|daemon| daemon.sends == sends);
                if runs { Err(refused) } else { Ok(()) }
            }
            answer => answer,
        }
    }

    fn request_one(&mut self, request: Vec<u8>) -> Result<(), Refused> {
        self.channel.request(&mut [request]).pop().unwrap_or_else(|| Err(Refused::new(libc::EIO)))
    }
}
