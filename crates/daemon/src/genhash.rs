//! keepalived's genhash mode: the digest of a page, by `standfast genhash`.
//!
//! It finds that command and becomes it. It fetches nothing itself.

use crate::exit_status::ExitStatus;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The operator's command, installed beside the daemon.
const COMMAND: &str = "standfast";

/// Whether a program that is called so is genhash: a link of that name makes it one, as with keepalived.
#[must_use]
pub fn is_named(program: Option<&OsStr>) -> bool {
    program.and_then(|program| Path::new(program).file_name()).is_some_and(|name| name == "genhash")
}

/// Becomes the command, with genhash's words. Returns only if there is no such command.
#[must_use]
pub fn become_it(words: &[OsString]) -> ExitStatus {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(COMMAND));
    let program = beside.filter(|path| path.exists()).unwrap_or_else(|| PathBuf::from(COMMAND));
    // Called so it keeps to the exit statuses of genhash.
    let error = Command::new(&program).arg0("genhash").args(words).exec();
    eprintln!("standfastd: genhash is done by {}, which cannot be run: {error}", program.display());
    ExitStatus::Fatal
}

#[cfg(test)]
mod tests {
    use super::is_named;
    use std::ffi::OsStr;

    #[test]
    fn the_name_of_the_program_chooses_genhash() {
        for (program, is) in [("genhash", true), ("/usr/bin/genhash", true), ("standfastd", false), ("", false)] {
            assert_eq!(is_named(Some(OsStr::new(program))), is, "{program}");
        }
        assert!(!is_named(None));
    }
}
