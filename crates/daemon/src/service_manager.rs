//! The service manager's notification socket (`sd_notify(3)`): one datagram of `NAME=value` lines.
//!
//! Without `NOTIFY_SOCKET` nothing happens. It never waits: a manager that does not read misses a message.

use core::time::Duration;
use standfast_kernel::timer::monotonic_micros;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The service manager that started us, if it wants to be told.
#[derive(Debug, Default)]
pub struct ServiceManager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    last_status: String,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one named in the environment.
    #[must_use]
    pub fn from_environment() -> Self {
        let variable = |name| std::env::var(name).ok();
        let watchdog = watchdog(variable("WATCHDOG_USEC").as_deref(), variable("WATCHDOG_PID").as_deref());
        Self { watchdog, ..Self::named(std::env::var_os("NOTIFY_SOCKET").as_deref()) }
    }

    fn named(name: Option<&OsStr>) -> Self {
        Self { socket: name.and_then(|name| open(name.as_bytes()).ok()), last_status: String::new(), watchdog: None }
    }

    /// All workers do their work, or there are none.
    pub fn ready(&mut self) {
        // The process that the manager started may have been the launcher and not us.
        self.send(&format!("READY=1\nMAINPID={}", std::process::id()));
    }

    /// A reload has begun. The time is that of `CLOCK_MONOTONIC`, as the manager wants it.
    pub fn reloading(&mut self) {
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_micros()));
    }

    /// The reload is over, whatever came of it: the daemon serves.
    pub fn reloaded(&mut self) {
        self.send("READY=1");
    }

    /// How often it wants to hear that we live (`WatchdogSec=`), if it does.
    #[must_use]
    pub const fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// We live, and so do the workers.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// The stop has begun.
    pub fn stopping(&mut self) {
        self.send("STOPPING=1\nSTATUS=stopping");
    }

    /// What `systemctl status` shows. The same text again is not sent again.
    pub fn status(&mut self, text: &str) {
        if text != self.last_status {
            text.clone_into(&mut self.last_status);
            self.send(&format!("STATUS={}", text.replace('\n', " ")));
        }
    }

    fn send(&self, text: &str) {
        if let Some((socket, address)) = &self.socket
            && let Err(error) = socket.send_to_addr(text.as_bytes(), address)
        {
            tracing::debug!("service manager not told: {error}");
        }
    }
}

/// The interval of the watchdog, unless it is meant for another process: that of a launcher is the daemon's, too.
fn watchdog(microseconds: Option<&str>, pid: Option<&str>) -> Option<Duration> {
    let ours = [std::process::id(), std::os::unix::process::parent_id()];
    if pid.is_some_and(|pid| !ours.iter().any(|our| our.to_string() == pid)) {
        return None;
    }
    microseconds?.parse().ok().filter(|microseconds| *microseconds > 0).map(Duration::from_micros)
}

/// A path, or with `@` in front the name of an abstract socket.
fn open(name: &[u8]) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        Some((b'/', _)) => SocketAddr::from_pathname(OsStr::from_bytes(name))?,
        Some(_) | None => return Err(io::ErrorKind::Unsupported.into()),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manager(name: &str) -> (ServiceManager, UnixDatagram) {
        let name = format!("standfast-test-{}-{name}", std::process::id());
        let listener = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        listener.set_nonblocking(true).unwrap();
        (ServiceManager::named(Some(OsStr::new(&format!("@{name}")))), listener)
    }

    fn heard(listener: &UnixDatagram) -> Option<String> {
        let mut bytes = [0; 200];
        let length = listener.recv(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
    }

    #[test]
    fn readiness_names_the_process() {
        let (mut manager, listener) = manager("ready");
        manager.ready();
        assert_eq!(heard(&listener).unwrap(), format!("READY=1\nMAINPID={}", std::process::id()));
    }

    #[test]
    fn a_status_is_sent_when_it_changes() {
        let (mut manager, listener) = manager("status");
        for text in ["one", "one", "two\nREADY=1"] {
            manager.status(text);
        }
        assert_eq!(heard(&listener).unwrap(), "STATUS=one");
        assert_eq!(heard(&listener).unwrap(), "STATUS=two READY=1");
        assert_eq!(heard(&listener), None);
    }

    #[test]
    fn the_watchdog_is_ours_or_nobody_s_to_feed() {
        let ours = std::process::id().to_string();
        assert_eq!(watchdog(Some("2500000"), Some(&ours)), Some(Duration::from_millis(2500)));
        assert_eq!(watchdog(Some("2500000"), None), Some(Duration::from_millis(2500)));
        // Nobody has that number; 1 may be our parent.
        let another = Some("4194305");
        for (microseconds, pid) in [(Some("2500000"), another), (None, None), (Some("0"), None), (Some("x"), None)] {
            assert_eq!(watchdog(microseconds, pid), None, "{microseconds:?} {pid:?}");
        }
    }

    #[test]
    fn a_manager_that_does_not_read_or_is_not_there_holds_nothing_up() {
        let (mut manager, listener) = manager("deaf");
        for count in 0..10_000 {
            manager.status(&count.to_string());
        }
        drop(listener);
        manager.stopping();
        for name in [None, Some(""), Some("relative"), Some("/nonexistent/socket")] {
            ServiceManager::named(name.map(OsStr::new)).ready();
        }
    }
}
