//! Maintenance: this node is master of nothing, over restarts of workers, daemon and machine, until an operator lets it
//! take part again.
//!
//! It is kept as a file among what outlives a boot. What it means is the `vrrp` core's business.

use super::Supervisor;
use crate::command_line::Options;
use crate::journal::EventName;
use crate::run_state;
use rustix::fs::{Mode, OFlags, fsync, open};
use standfast_api::WorkerKind;
use standfast_model::Config;
use std::io;
use std::path::{Path, PathBuf};
use tracing::{info, warn};

fn path(options: &Options, config: &Config) -> PathBuf {
    let name = run_state::path(options, config, "maintenance");
    Path::new(run_state::PERSISTENT).join(name.file_name().unwrap_or_default())
}

/// Whether the daemon begins in maintenance.
pub(super) fn is_on(options: &Options, config: &Config) -> bool {
    // A link, or anything else that somebody put there, counts as well: it is root's directory.
    let on = path(options, config).symlink_metadata().is_ok();
    if on {
        warn!("In maintenance: master of nothing until `standfast maintenance off`");
    }
    on
}

impl Supervisor {
    /// Begins or ends it; in words what came of it.
    pub(super) fn maintain(&mut self, on: bool, uid: u32) -> Result<String, String> {
        let path = path(&self.options, &self.config);
        let kept = if on { put(&path) } else { take_away(&path) };
        if let (Err(error), false) = (&kept, on) {
            // Ended now, it would come back with the next start.
            return Err(format!("cannot remove {}: {error}", path.display()));
        }
        info!(
            event = EventName::Maintenance.name(),
            on,
            uid,
            "Maintenance is {} by order of user {uid}",
            if on { "on" } else { "off" }
        );
        for worker in self.workers.iter_mut().filter(|worker| worker.kind() == WorkerKind::Vrrp) {
            worker.maintain(on);
        }
        self.publisher.touch();
        match (on, kept) {
            (true, Ok(())) => Ok("in maintenance: master of nothing, also after a restart".to_owned()),
            (true, Err(error)) => Ok(format!(
                "in maintenance: master of nothing; a restart of the daemon will end it, because {} cannot be written: \
                 {error}",
                path.display()
            )),
            (false, _) => Ok("takes part again".to_owned()),
        }
    }
}

/// Makes the file, and has the disk know it before anybody relies on it.
fn put(path: &Path) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    run_state::make_directory(directory)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    drop(open(path, flags, Mode::from_raw_mode(0o644))?);
    sync(directory)
}

fn take_away(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Ok(()) => sync(path.parent().unwrap_or(Path::new("/"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn sync(directory: &Path) -> io::Result<()> {
    let directory = open(directory, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(fsync(directory)?)
}
