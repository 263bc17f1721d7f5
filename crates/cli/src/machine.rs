//! The machine a configuration is for: this one, or another one whose interfaces are not known here.

use standfast_conf::host::{Host, HostError, InterfaceFacts, Metadata, User};
use standfast_daemon::host::System;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// This machine, or with this machine's files another one that has every interface.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    pub(crate) elsewhere: bool,
}

impl Host for Machine {
    fn metadata(&self, path: &Path) -> Result<Metadata, HostError> {
        System.metadata(path)
    }

    fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, HostError> {
        System.read(path, limit)
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<OsString>, HostError> {
        System.read_dir(path)
    }

    fn current_dir(&self) -> PathBuf {
        System.current_dir()
    }

    fn interface(&self, name: &str) -> Option<InterfaceFacts> {
        if self.elsewhere { Some(InterfaceFacts { loopback: name == "lo" }) } else { System.interface(name) }
    }

    fn user(&self, name: &str) -> Option<User> {
        System.user(name)
    }

    fn group(&self, name: &str) -> Option<u32> {
        System.group(name)
    }

    fn environment(&self, name: &[u8]) -> Option<Vec<u8>> {
        System.environment(name)
    }

    fn host_name(&self) -> String {
        System.host_name()
    }

    fn random(&self) -> u32 {
        System.random()
    }

    fn processors(&self) -> u32 {
        System.processors()
    }
}
