//! Files of which the kernel tells when they are written, replaced or removed (inotify). It reads none of them.
//!
//! Directories are watched, not files: a file that is replaced by a rename is another file. Nothing is polled but a
//! directory that is not there.

use core::mem::MaybeUninit;
use core::time::Duration;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use standfast_kernel::async_fd::AsyncFd;
use standfast_kernel::timer::boottime;
use standfast_model::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// How often a directory that does not exist is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What to hear of: a file is whole when its writer closes it.
const WATCHED: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// What may have changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Touched {
    /// These files, and perhaps others in the same directories.
    These(BTreeSet<PathBuf>),
    /// Any of them: a directory came or went, or the kernel has lost count.
    Any,
}

impl Touched {
    /// Whether this file is among them.
    pub(crate) fn includes(&self, path: &Path) -> bool {
        match self {
            Self::These(paths) => paths.contains(&place_of(path)),
            Self::Any => true,
        }
    }
}

/// The directories of some files, watched.
#[derive(Debug)]
pub(crate) struct FileWatch {
    events: AsyncFd<OwnedFd>,
    directories: BTreeMap<i32, PathBuf>,
    missing: BTreeSet<PathBuf>,
    /// When the missing are looked for again. Kept, because whoever waits may be called away often.
    look_at: Instant,
}

impl FileWatch {
    /// Watches the directories of these files, those that exist. Needs a runtime.
    ///
    /// # Errors
    ///
    /// No inotify instance is to be had (`fs.inotify.max_user_instances`), or no descriptor.
    pub(crate) fn new<'path>(files: impl Iterator<Item = &'path Path>) -> io::Result<Self> {
        let events = AsyncFd::new(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?)?;
        let missing = files.map(directory_of).collect();
        let mut watch = Self { events, directories: BTreeMap::new(), missing, look_at: boottime() };
        watch.look_for_missing();
        Ok(watch)
    }

    /// Waits until something may have changed. Cancel-safe.
    ///
    /// # Errors
    ///
    /// Of the reactor; nothing more will be heard.
    pub(crate) async fn touched(&mut self) -> io::Result<Touched> {
        loop {
            let patience = self.look_at.since(boottime());
            tokio::select! {
                outcome = self.events.readable() => {
                    outcome?;
                    let touched = self.drain();
                    if touched != Touched::These(BTreeSet::new()) {
                        return Ok(touched);
                    }
                }
                () = tokio::time::sleep(patience), if !self.missing.is_empty() => {
                    if self.look_for_missing() {
                        return Ok(Touched::Any);
                    }
                }
            }
        }
    }

    /// Watches directories that were not there the last time; whether one was found.
    fn look_for_missing(&mut self) -> bool {
        let before = self.missing.len();
        let (events, directories) = (&self.events, &mut self.directories);
        self.missing.retain(|directory| match inotify::add_watch(events.get_ref(), directory, WATCHED) {
            Ok(watch) => {
                directories.insert(watch, directory.clone());
                false
            }
            Err(_) => true,
        });
        self.look_at = boottime() + LOOK_AGAIN;
        self.missing.len() < before
    }

    /// Takes what the kernel has said.
    fn drain(&mut self) -> Touched {
        let mut paths = BTreeSet::new();
        let mut lost = false;
        let mut gone = Vec::new();
        let directories = &self.directories;
        let _ = self.events.try_read(|fd| {
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut reader = inotify::Reader::new(fd, &mut buffer);
            loop {
                let event = reader.next().map_err(io::Error::from)?;
                let flags = event.events();
                lost |= flags.contains(ReadFlags::QUEUE_OVERFLOW);
                if flags.intersects(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::IGNORED) {
                    gone.push(event.wd());
                }
                if let (Some(directory), Some(name)) = (directories.get(&event.wd()), event.file_name()) {
                    paths.insert(directory.join(OsStr::from_bytes(name.to_bytes())));
                }
            }
            #[expect(unreachable_code, reason = "the loop ends by an error: there is always an event or none is left")]
            Ok(())
        });
        lost |= !gone.is_empty();
        for watch in gone {
            if let Some(directory) = self.directories.remove(&watch) {
                // A directory that was moved away is still watched, under a name that is not its own any more.
                let _ = inotify::remove_watch(self.events.get_ref(), watch);
                self.missing.insert(directory);
            }
        }
        if lost { Touched::Any } else { Touched::These(paths) }
    }
}

fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// The path as an event names it.
fn place_of(path: &Path) -> PathBuf {
    directory_of(path).join(path.file_name().map_or(path, Path::new))
}
