//! The kernel's pattern for names of core files (`-M`), and what it was before.
//!
//! It owns that one number of the kernel and the note of it, and says nothing of who may write a core file.

use crate::run_state;
use std::io;
use std::path::{Path, PathBuf};

/// Where the kernel has it. It is the machine's, not a namespace's.
const KERNEL: &str = "/proc/sys/kernel/core_pattern";

/// What is set if no pattern is given, as keepalived has it: `core` in the directory of the process.
pub const DEFAULT: &str = "core";

/// The longest that the kernel takes (`CORENAME_MAX_SIZE`), less the end.
const MAX_BYTES: usize = 127;

/// A pattern that is set until it is given back.
#[derive(Debug)]
pub struct CorePattern {
    kernel: PathBuf,
    former: PathBuf,
}

impl CorePattern {
    /// Sets it. What there was before is noted in a file, so that a daemon that goes on in another's place, or after
    /// another's sudden death, gives back what was there before both.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a pattern that the kernel would cut; those of writing to `/run` and to `/proc`: in a container the
    /// latter is often forbidden.
    pub fn set(pattern: &str) -> io::Result<Self> {
        run_state::make_directory(Path::new(run_state::DIRECTORY))?;
        Self::set_in(Path::new(KERNEL), &Path::new(run_state::DIRECTORY).join("core_pattern"), pattern)
    }

    fn set_in(kernel: &Path, former: &Path, pattern: &str) -> io::Result<Self> {
        if pattern.len() > MAX_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a pattern has at most 127 octets"));
        }
        if !former.exists() {
            std::fs::write(former, std::fs::read(kernel)?)?;
        }
        std::fs::write(kernel, pattern)?;
        Ok(Self { kernel: kernel.to_owned(), former: former.to_owned() })
    }

    /// Gives back what was there before.
    ///
    /// # Errors
    ///
    /// As [`Self::set`].
    pub fn restore(self) -> io::Result<()> {
        std::fs::write(&self.kernel, std::fs::read(&self.former)?)?;
        std::fs::remove_file(&self.former)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_before_the_first_is_given_back_by_the_last() {
        let directory = std::env::temp_dir().join(format!("standfast-core-pattern-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (kernel, former) = (directory.join("kernel"), directory.join("former"));
        std::fs::write(&kernel, "|/usr/lib/handler %p\n").unwrap();
        // The first dies without a word.
        drop(CorePattern::set_in(&kernel, &former, "core").unwrap());
        assert_eq!(std::fs::read_to_string(&kernel).unwrap(), "core");
        let last = CorePattern::set_in(&kernel, &former, "/var/core.%p").unwrap();
        assert_eq!(std::fs::read_to_string(&kernel).unwrap(), "/var/core.%p");
        last.restore().unwrap();
        assert_eq!(std::fs::read_to_string(&kernel).unwrap(), "|/usr/lib/handler %p\n");
        assert!(!former.exists());
        assert!(CorePattern::set_in(&kernel, &former, &"x".repeat(128)).is_err());
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
