//! Whether a program can take the place of another: the program itself says so, before anything is changed.
//!
//! It is run as a child with [`ARGUMENT`] in front of the daemon's own words, reads the configuration as it would at its
//! start, makes of it what its workers would get, and answers in one line.

use super::VERSION;
use crate::command_line::{self, Invocation, Options};
use crate::configuration;
use crate::exit_status::ExitStatus;
use crate::supervisor::{kinds_to_run, slice_of};
use standfast_kernel::release::missing_features;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The first word of the command line. With `=force` behind it, statements that are ignored do not matter.
pub const ARGUMENT: &str = "--judge-upgrade";

const FORCE: &str = "--judge-upgrade=force";

/// The words to ask a program with.
#[must_use]
pub fn question(own: impl Iterator<Item = OsString>, configuration: &Path, force: bool) -> Vec<OsString> {
    let first = OsString::from(if force { FORCE } else { ARGUMENT });
    // The last one counts, and ours may be relative to a directory that the daemon has left.
    let last = [OsString::from("-f"), configuration.as_os_str().to_owned()];
    core::iter::once(first).chain(own).chain(last).collect()
}

/// Whether this is a question, and whether it is one with force.
#[must_use]
pub fn asked(first: &OsStr) -> Option<bool> {
    match first.to_str() {
        Some(ARGUMENT) => Some(false),
        Some(FORCE) => Some(true),
        Some(_) | None => None,
    }
}

/// What the program says that it is, if its answer is that of a successor.
///
/// # Errors
///
/// Why it is none, in words.
pub fn release_of(answer: &str) -> Result<String, String> {
    let words: Vec<&str> = answer.split_whitespace().collect();
    match words.as_slice() {
        ["standfastd", release, "handover", version] if *version == VERSION.to_string() => Ok((*release).to_owned()),
        ["standfastd", release, "handover", version] => {
            Err(format!("release {release} takes over in form {version}, this one hands over in form {VERSION}"))
        }
        _ => Err("it does not say that it is a standfastd".to_owned()),
    }
}

/// Answers the question.
#[must_use]
pub fn answer(words: impl Iterator<Item = OsString>, force: bool) -> ExitStatus {
    let outcome = match command_line::parse(words) {
        Ok(Invocation::Run(options)) => judge(&options, force),
        Ok(
            Invocation::Help
            | Invocation::Version
            | Invocation::Genhash(_)
            | Invocation::SignalNumber(_)
            | Invocation::Keywords { .. },
        ) => Err("these are not the words of a daemon".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    match outcome {
        Ok(()) => {
            println!("standfastd {} handover {VERSION}", env!("CARGO_PKG_VERSION"));
            ExitStatus::Ok
        }
        Err(why) => {
            println!("{why}");
            ExitStatus::Configuration
        }
    }
}

fn judge(options: &Options, force: bool) -> Result<(), String> {
    let missing = missing_features();
    if !missing.is_empty() {
        return Err(format!("this kernel lacks {}", missing.join(" and ")));
    }
    let config = configuration::upgrade(options, force)?;
    for kind in kinds_to_run(options, &config) {
        slice_of(kind, &config).map_err(|error| format!("{kind} worker: {error}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_release_that_takes_over_in_our_form_is_a_successor() {
        assert_eq!(release_of("standfastd 9.9.9 handover 1\n"), Ok("9.9.9".to_owned()));
        for other in ["", "standfastd 9.9.9 handover 2", "keepalived 2.3.3", "standfastd 1 handover 1 and more"] {
            assert!(release_of(other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn the_question_is_known_by_its_first_word_and_ends_with_the_configuration() {
        let words = question([OsString::from("-n")].into_iter(), Path::new("/etc/k.conf"), true);
        assert_eq!(words, ["--judge-upgrade=force", "-n", "-f", "/etc/k.conf"]);
        assert_eq!((asked(&words[0]), asked(OsStr::new(ARGUMENT))), (Some(true), Some(false)));
        assert_eq!(asked(OsStr::new("--judge")), None);
    }
}
