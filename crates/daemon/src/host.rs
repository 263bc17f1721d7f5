//! The machine as the configuration reader asks about it: files, interfaces, users, environment.
//!
//! It answers and never decides: what an answer means is the reader's business.

use nix::net::if_::if_nametoindex;
use standfast_conf::host::{FileKind, Host, HostError, InterfaceFacts, Metadata, User};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// This machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

/// `IFF_LOOPBACK` of the flags in sysfs.
const LOOPBACK: u32 = 0x8;

fn said(error: &io::Error) -> HostError {
    if error.kind() == io::ErrorKind::NotFound {
        HostError::NotFound
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        HostError::Denied
    } else {
        HostError::Other(error.to_string())
    }
}

fn is_loopback(name: &str) -> bool {
    let flags = fs::read_to_string(format!("/sys/class/net/{name}/flags")).unwrap_or_default();
    let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16);
    name == "lo" || flags.is_ok_and(|flags| flags & LOOPBACK != 0)
}

/// Opened without waiting, and asked again what it is: between the two questions a file may become a pipe.
fn open_regular(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    Ok(file)
}

impl Host for System {
    fn metadata(&self, path: &Path) -> Result<Metadata, HostError> {
        let found = fs::metadata(path).map_err(|e| said(&e))?;
        let kind = if found.is_file() {
            FileKind::File
        } else if found.is_dir() {
            FileKind::Directory
        } else {
            FileKind::Special
        };
        Ok(Metadata { kind, mode: found.mode() & 0o7777, uid: found.uid(), gid: found.gid() })
    }

    fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, HostError> {
        let mut file = open_regular(path).map_err(|e| said(&e))?;
        // Of its size from the beginning: what grows leaves pieces of passwords behind.
        let size = file.metadata().map_or(0, |metadata| metadata.len());
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(limit).min(limit).saturating_add(1));
        // One byte more than allowed tells a file that is too large from one that just fits.
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        file.by_ref().take(most).read_to_end(&mut bytes).map_err(|e| said(&e))?;
        if bytes.len() > limit { Err(HostError::TooLarge) } else { Ok(bytes) }
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<OsString>, HostError> {
        let entries = fs::read_dir(path).map_err(|e| said(&e))?;
        Ok(entries.filter_map(|entry| entry.ok().map(|e| e.file_name())).collect())
    }

    fn current_dir(&self) -> PathBuf {
        std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"))
    }

    fn interface(&self, name: &str) -> Option<InterfaceFacts> {
        // By index and not by sysfs, which shows the network namespace of whoever mounted it.
        if_nametoindex(name).ok().map(|_| InterfaceFacts { loopback: is_loopback(name) })
    }

    fn user(&self, name: &str) -> Option<User> {
        let user = nix::unistd::User::from_name(name).ok().flatten()?;
        Some(User { uid: user.uid.as_raw(), gid: user.gid.as_raw() })
    }

    fn group(&self, name: &str) -> Option<u32> {
        nix::unistd::Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw())
    }

    fn environment(&self, name: &[u8]) -> Option<Vec<u8>> {
        let text = OsStr::from_bytes(name);
        // An empty name, and one with `=` or NUL, names nothing; the standard library would panic at some of them.
        let plain = !name.is_empty() && !name.iter().any(|b| matches!(b, b'=' | 0));
        plain.then(|| std::env::var_os(text)).flatten().map(OsString::into_vec)
    }

    fn host_name(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }

    fn random(&self) -> u32 {
        // The standard library seeds each hasher from the kernel: enough for a number that nobody guesses against.
        let wide = RandomState::new().hash_one(0_u8);
        u32::try_from(wide & u64::from(u32::MAX)).unwrap_or(0)
    }

    fn processors(&self) -> u32 {
        std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX))
    }
}
/// This machine as it may look from another network namespace: any interface may be there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Elsewhere;

impl Host for Elsewhere {
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
        Some(InterfaceFacts { loopback: name == "lo" })
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
