//! Where the daemon keeps what is true while it runs: one directory under `/run`, made by root and written by root.

use crate::command_line::Options;
use rustix::fs::{FileType, Mode, OFlags, fstat, mkdir, open};
use standfast_model::Config;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The directory.
pub const DIRECTORY: &str = "/run/standfast";

/// The directory of what outlives a boot.
pub const PERSISTENT: &str = "/var/lib/standfast";

/// The path of one file. Daemons in other network namespaces and of other `instance` names on the same host have their
/// own, named like their pid files: `NAME_NAMESPACE_INSTANCE`.
#[must_use]
pub fn path(options: &Options, config: &Config, name: &str) -> PathBuf {
    let namespace = options.namespace.as_deref().or(config.global.net_namespace.as_deref());
    let parts = [Some(name), namespace, config.global.instance.as_deref()];
    let parts: Vec<String> = parts.into_iter().flatten().map(|part| part.replace('/', "_")).collect();
    PathBuf::from(DIRECTORY).join(parts.join("_"))
}

/// Makes a directory that others may look into, unless it is there.
///
/// # Errors
///
/// Those of `mkdir`: the parent is missing or read-only.
pub fn make_directory(path: &Path) -> io::Result<()> {
    match mkdir(path, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Where the history of events is.
#[must_use]
pub fn history(options: &Options, config: &Config) -> PathBuf {
    let name = path(options, config, "events");
    PathBuf::from(PERSISTENT).join(name.file_name().unwrap_or_default())
}

/// Where the history of what was served is.
#[must_use]
pub fn availability(options: &Options, config: &Config) -> PathBuf {
    let name = path(options, config, "availability");
    PathBuf::from(PERSISTENT).join(name.file_name().unwrap_or_default())
}

/// Opens a history, which is root's: the front gets the descriptor and nothing else of the directory. That is not
/// made: where nobody has provided it (`StateDirectory=`), nobody wants anything to outlive the daemon.
///
/// # Errors
///
/// Those of `open`, `ENOENT` where the directory is missing; a link or a special file.
pub fn open_history(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = open(path, flags, Mode::from_raw_mode(0o640))?;
    if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("not a regular file"));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_namespace_and_instance_has_files_of_its_own_in_the_one_directory() {
        let mut options = Options::default();
        let mut config = Config::default();
        assert_eq!(path(&options, &config, "stamps").to_str(), Some("/run/standfast/stamps"));
        config.global.instance = Some("../../etc/x".to_owned());
        assert_eq!(path(&options, &config, "stamps").to_str(), Some("/run/standfast/stamps_.._.._etc_x"));
        config.global.net_namespace = Some("blue".to_owned());
        options.namespace = Some("green".to_owned());
        config.global.instance = Some("one".to_owned());
        assert_eq!(path(&options, &config, "stamps").to_str(), Some("/run/standfast/stamps_green_one"));
    }
}
