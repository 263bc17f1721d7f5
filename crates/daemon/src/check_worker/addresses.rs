//! The addresses of this host, for virtual servers whose checks rest while theirs is elsewhere (`ha_suspend`).
//!
//! It owns what is known of them. It touches no address, and what follows is the director's business.

use crate::journal;
use standfast_kernel::route::{Monitor, MonitorEvent, Route};
use standfast_model::config::global::NetlinkBuffers;
use standfast_net::Observed;
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

/// See the module.
#[derive(Debug)]
pub(super) struct LocalAddresses {
    route: Route,
    monitor: Monitor,
    observed: Observed,
}

impl LocalAddresses {
    /// Listens first and reads then, so that no change falls in between.
    pub(super) fn open(buffers: &NetlinkBuffers) -> io::Result<Self> {
        let monitor = Monitor::open()?;
        if let Err(problem) = monitor.set_queue(buffers.lvs_monitor) {
            journal::trouble("netlink", &format!("receive buffer of netlink not set: {problem}"));
        }
        let mut route = Route::open()?;
        let observed = route.dump().map_err(io::Error::other)?;
        Ok(Self { route, monitor, observed })
    }

    /// All of them now.
    pub(super) fn all(&self) -> BTreeSet<IpAddr> {
        let links = self.observed.links();
        links.flat_map(|link| self.observed.addresses(link.index)).map(|address| address.address.addr()).collect()
    }

    /// Waits until something changes, and takes in all that has. Cancel-safe.
    pub(super) async fn changed(&mut self) -> io::Result<()> {
        let first = self.monitor.next().await?;
        self.take(first)?;
        while let Some(event) = self.monitor.try_next()? {
            self.take(event)?;
        }
        Ok(())
    }

    fn take(&mut self, event: MonitorEvent) -> io::Result<()> {
        match event {
            MonitorEvent::Change(change) => self.observed.apply(change),
            MonitorEvent::Overrun => self.observed = self.route.dump().map_err(io::Error::other)?,
        }
        Ok(())
    }
}
