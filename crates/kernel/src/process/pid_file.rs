//! Pid files in keepalived's form: a decimal number and a newline, mode 0644, under a write lock while in use.
//!
//! The lock and not the number says whether a daemon runs, so a file left by a crash is simply taken over. The lock
//! belongs to the open file (OFD), survives a fork and ends with the last process that has it open.

use rustix::fs::{FileType, Mode, OFlags, fchmod, fstat, open, stat, unlink};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// A pid has seven digits at most; what is longer is no pid file.
const MAX_READ_BYTES: u64 = 32;

/// How often the file may be replaced under our hands before we give up: each time another daemon just ended.
const MAX_ATTEMPTS: u32 = 5;

/// Why a pid file could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum PidFileError {
    /// Another process holds the lock.
    #[error("{}: already running{}", path.display(), pid.map(|pid| format!(" as process {pid}")).unwrap_or_default())]
    AlreadyRunning {
        /// The file.
        path: PathBuf,
        /// The number in it, if it holds one.
        pid: Option<u32>,
    },
    /// A directory, a symbolic link, a device or the like.
    #[error("{}: not a regular file", path.display())]
    NotRegular {
        /// The file.
        path: PathBuf,
    },
    /// Anything else the kernel says.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// A pid file that this process has locked.
///
/// Dropping it removes the file, unless the number in it is still somebody else's.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    file: File,
    previous: Option<u32>,
    /// The number in it is not somebody else's.
    ours: bool,
}

impl PidFile {
    /// Creates or takes over the file and locks it; a number in it stays until [`Self::write`].
    ///
    /// # Errors
    ///
    /// See [`PidFileError`].
    pub fn acquire(path: &Path) -> Result<Self, PidFileError> {
        let failed = |source: io::Error| PidFileError::Io { path: path.to_owned(), source };
        for _ in 0..MAX_ATTEMPTS {
            // Nonblocking, so that a FIFO in that place does not stop us for ever.
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
            let fd = match open(path, flags, Mode::from_raw_mode(0o644)) {
                Err(rustix::io::Errno::LOOP | rustix::io::Errno::ISDIR | rustix::io::Errno::NXIO) => {
                    return Err(PidFileError::NotRegular { path: path.to_owned() });
                }
                outcome => outcome.map_err(|error| failed(error.into()))?,
            };
            let opened = fstat(&fd).map_err(|error| failed(error.into()))?;
            if FileType::from_raw_mode(opened.st_mode) != FileType::RegularFile {
                return Err(PidFileError::NotRegular { path: path.to_owned() });
            }
            let mut file = File::from(fd);
            let previous = read_pid(&mut file);
            if !lock(&file).map_err(failed)? {
                return Err(PidFileError::AlreadyRunning { path: path.to_owned(), pid: previous });
            }
            // A daemon that ended between our open and our lock has removed the name: then we locked a ghost.
            let same = stat(path).is_ok_and(|named| (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino));
            if same {
                // The caller's umask does not apply: monitoring reads these.
                fchmod(&file, Mode::from_raw_mode(0o644)).map_err(|error| failed(error.into()))?;
                return Ok(Self { path: path.to_owned(), file, previous, ours: previous.is_none() });
            }
        }
        Err(PidFileError::AlreadyRunning { path: path.to_owned(), pid: None })
    }

    /// The number that was in the file when it was taken over: left by a daemon that did not remove it, or by one that
    /// does not lock.
    #[must_use]
    pub const fn previous(&self) -> Option<u32> {
        self.previous
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a number in place of what the file holds.
    ///
    /// # Errors
    ///
    /// `ENOSPC` and the like.
    pub fn write(&mut self, pid: u32) -> io::Result<()> {
        self.ours = true;
        self.file.rewind()?;
        self.file.set_len(0)?;
        self.file.write_all(format!("{pid}\n").as_bytes())
    }

    /// Removes the file as dropping it does, and says how that went.
    ///
    /// # Errors
    ///
    /// Those of `unlink`; a file that is gone already is none.
    pub fn remove(mut self) -> io::Result<()> {
        self.unlink()
    }

    /// Once, and only the file that we locked: another may have taken its name meanwhile.
    fn unlink(&mut self) -> io::Result<()> {
        if !core::mem::take(&mut self.ours) {
            return Ok(());
        }
        let ours = fstat(&self.file)?;
        match stat(&self.path) {
            Ok(named) if (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino) => Ok(unlink(&self.path)?),
            Ok(_) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Whoever wants to know how it went calls `remove`.
        let _ = self.unlink();
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(MAX_READ_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Takes the write lock on the whole file; false if somebody else has one, keepalived included.
fn lock(file: &File) -> io::Result<bool> {
    #[expect(clippy::cast_possible_truncation, reason = "libc gives these small numbers a wider type than the field")]
    let whole = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    #[expect(unsafe_code, reason = "no crate in use offers locks of the open file")]
    // SAFETY: the descriptor is open for the length of the call, and F_OFD_SETLK only reads the structure.
    let outcome = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const whole) };
    if outcome == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EACCES) => Ok(false),
        Some(_) | None => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A directory that is removed again.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("standfast-pid-{}-{name}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn it_holds_number_and_newline_and_vanishes_when_removed() {
        let directory = Directory::new("form");
        let path = directory.0.join("a.pid");
        let mut file = PidFile::acquire(&path).unwrap();
        file.write(1_234_567).unwrap();
        file.write(42).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "42\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        file.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_locked_file_means_already_running_and_names_the_process() {
        let directory = Directory::new("locked");
        let path = directory.0.join("a.pid");
        let mut first = PidFile::acquire(&path).unwrap();
        first.write(4711).unwrap();
        let error = PidFile::acquire(&path).unwrap_err();
        assert!(matches!(error, PidFileError::AlreadyRunning { pid: Some(4711), .. }), "{error}");
        assert!(error.to_string().ends_with("already running as process 4711"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "4711\n", "the refused one touched the file");
    }

    #[test]
    fn a_file_left_behind_is_taken_over_and_tells_its_number() {
        let directory = Directory::new("stale");
        let path = directory.0.join("a.pid");
        std::fs::write(&path, "999999999\n").unwrap();
        let mut file = PidFile::acquire(&path).unwrap();
        assert_eq!(file.previous(), Some(999_999_999));
        file.write(1).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n");
    }

    #[test]
    fn a_number_of_somebody_else_stays_until_it_is_written_over() {
        let directory = Directory::new("foreign");
        let path = directory.0.join("a.pid");
        std::fs::write(&path, "4711\n").unwrap();
        drop(PidFile::acquire(&path).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "4711\n");
        let mut file = PidFile::acquire(&path).unwrap();
        file.write(1).unwrap();
        drop(file);
        assert!(!path.exists(), "our own stays");
        drop(PidFile::acquire(&path).unwrap());
        assert!(!path.exists(), "a file that we made and never wrote stays");
    }

    #[test]
    fn links_directories_and_pipes_are_refused() {
        let directory = Directory::new("links");
        let target = directory.0.join("target");
        std::fs::write(&target, "precious").unwrap();
        let link = directory.0.join("link.pid");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let fifo = directory.0.join("fifo.pid");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        for path in [&link, &directory.0, &fifo] {
            let error = PidFile::acquire(path).unwrap_err();
            assert!(matches!(error, PidFileError::NotRegular { .. }), "{error}");
        }
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    }

    #[test]
    fn garbage_of_any_length_is_no_number_and_is_replaced() {
        let directory = Directory::new("garbage");
        let path = directory.0.join("a.pid");
        for garbage in [vec![b'9'; 100_000], vec![0xff; 10], b"-1\n".to_vec(), Vec::new()] {
            std::fs::write(&path, garbage).unwrap();
            let mut file = PidFile::acquire(&path).unwrap();
            assert_eq!(file.previous(), None);
            file.write(7).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "7\n");
        }
    }

    #[test]
    fn a_successor_keeps_its_file_when_the_predecessor_removes_its_own() {
        let directory = Directory::new("successor");
        let path = directory.0.join("a.pid");
        let first = PidFile::acquire(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut second = PidFile::acquire(&path).unwrap();
        second.write(2).unwrap();
        first.remove().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "2\n");
    }
}
