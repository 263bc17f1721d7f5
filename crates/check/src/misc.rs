//! `MISC_CHECK`: what the end of a command says of the server.
//!
//! It owns the meaning of exit statuses. It runs nothing: the runner does.

use crate::words;
use standfast_lvs::{CheckWeight, Inability, Reason, Verdict};
use standfast_model::Ended;
use standfast_model::config::probe::Misc;

/// The verdict on a command that ended so, and wrote this.
///
/// Status 0 is good, and leaves the configured weight. With `misc_dynamic` 2 to 255 are good too, and 2 more than the
/// weight. A command that could not be
/// run at all says nothing.
#[must_use]
pub fn judge(misc: &Misc, ended: &Ended, output: &str) -> Verdict {
    match ended {
        // Nothing more and nothing less: what an earlier status made of the weight ends.
        Ended::Exited(0) if misc.dynamic => Verdict::OkWithWeight(CheckWeight::Relative(0)),
        Ended::Exited(0) => Verdict::Ok,
        Ended::Exited(status) => match u32::try_from(*status).ok().and_then(|status| status.checked_sub(2)) {
            Some(weight) if misc.dynamic => Verdict::OkWithWeight(CheckWeight::Absolute(weight)),
            Some(_) | None => said(&format!("exit status {status}"), output),
        },
        Ended::Signalled(signal) => said(&format!("ended by signal {signal}"), output),
        Ended::TimedOut => Verdict::Failed(Reason::TimedOut { after: misc.timeout }),
        Ended::NotRun(why) => Verdict::Unable(Inability::NotPossible(words::shown(why.as_bytes()).into())),
    }
}

/// A failure with the first line of what the command wrote, which is its author's word on the reason.
fn said(what: &str, output: &str) -> Verdict {
    match output.lines().map(str::trim).find(|line| !line.is_empty()) {
        None => words::failed(what),
        Some(line) => words::failed(&format!("{what}: {}", words::shown(line.as_bytes()))),
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use core::time::Duration;
    use standfast_lvs::{CheckWeight, Reason, Verdict};
    use standfast_model::Ended;
    use standfast_model::config::probe::Misc;
    use standfast_model::config::script::Script;

    fn misc(dynamic: bool) -> Misc {
        let script = Script { words: vec![b"/bin/check".to_vec()], identity: None };
        Misc { script, timeout: Duration::from_secs(4), dynamic }
    }

    fn failed(words: &str) -> Verdict {
        Verdict::Failed(Reason::Answer(words.into()))
    }

    #[test]
    fn statuses_mean_what_misc_dynamic_says() {
        let (plain, dynamic) = (misc(false), misc(true));
        let weight = |weight| Verdict::OkWithWeight(CheckWeight::Absolute(weight));
        assert_eq!(judge(&plain, &Ended::Exited(0), ""), Verdict::Ok);
        let configured = Verdict::OkWithWeight(CheckWeight::Relative(0));
        assert_eq!(judge(&dynamic, &Ended::Exited(0), ""), configured);
        for misc in [&plain, &dynamic] {
            assert_eq!(judge(misc, &Ended::Exited(1), ""), failed("exit status 1"));
            assert_eq!(judge(misc, &Ended::Signalled(9), ""), failed("ended by signal 9"));
        }
        assert_eq!(judge(&plain, &Ended::Exited(2), ""), failed("exit status 2"));
        assert_eq!(judge(&dynamic, &Ended::Exited(2), ""), weight(0));
        assert_eq!(judge(&dynamic, &Ended::Exited(255), ""), weight(253));
    }

    #[test]
    fn a_failure_has_the_first_line_of_the_output() {
        let ended = Ended::Exited(1);
        assert_eq!(
            judge(&misc(false), &ended, "\n  no replica \x07\nmore"),
            failed("exit status 1: no replica \\u{7}")
        );
    }

    #[test]
    fn a_timeout_is_a_failure_and_a_command_that_never_ran_is_none() {
        let timed_out = Verdict::Failed(Reason::TimedOut { after: Duration::from_secs(4) });
        assert_eq!(judge(&misc(false), &Ended::TimedOut, ""), timed_out);
        let Verdict::Unable(inability) = judge(&misc(true), &Ended::NotRun("no such file".to_owned()), "") else {
            unreachable!()
        };
        assert_eq!(inability.to_string(), "no such file");
    }
}
