//! Standard error, for `-l` and for a foreground without any other log.
//!
//! It owns the lines that are held back to be written many at a time while something is said
//! [`together`](super::together). Nothing here waits for a reader.

use super::{Line, Sink, Written, moment, plain_lines};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

/// A pipe that polls writable takes so many bytes in one piece (`PIPE_BUF`), so that the lines of our processes do not
/// mix.
const PIECE_BYTES: usize = 4096;

/// Lines that are not written yet.
static HELD: Mutex<String> = Mutex::new(String::new());

/// Standard error as it is, shared with the other processes of the daemon.
pub(super) struct Console;

impl Sink for Console {
    fn write(&mut self, line: &Line<'_>) -> Written {
        let mut text = String::new();
        for message in plain_lines(&line.message) {
            moment::stamp(&mut text);
            let _ = writeln!(text, " {}[{}]: {message}", line.identifier, line.pid);
        }
        // A panic while the lock was held leaves whole lines.
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        hold(&mut held, &text, moment::lasts(), put)
    }
}

/// Writes what was held back.
pub(super) fn flush() {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    if !held.is_empty() && put(&held) == Written::Yes {
        held.clear();
    }
}

/// Adds lines to those that are held, and writes as many as there must be: all, unless more `follow`. What a reader is
/// too slow for stays, up to a piece; what does not fit any more is lost.
fn hold(held: &mut String, text: &str, follow: bool, mut put: impl FnMut(&str) -> Written) -> Written {
    if !held.is_empty() && held.len() + text.len() > PIECE_BYTES {
        if put(held) == Written::No {
            return Written::No;
        }
        held.clear();
    }
    held.push_str(text);
    if !follow || held.len() >= PIECE_BYTES {
        if put(held) == Written::Yes {
            held.clear();
        } else if held.len() > PIECE_BYTES {
            // Alone, and longer than what may wait.
            held.clear();
            return Written::No;
        }
    }
    Written::Yes
}

fn put(text: &str) -> Written {
    let stderr = std::io::stderr();
    // The terminal or pipe is not ours to make nonblocking.
    let mut ready = [PollFd::new(&stderr, PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    if !matches!(poll(&mut ready, Some(&now)), Ok(1..)) {
        return Written::No;
    }
    match stderr.lock().write_all(text.as_bytes()) {
        Ok(()) => Written::Yes,
        Err(_) => Written::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_others_follow_are_written_in_pieces_and_the_last_takes_all_along() {
        let (mut held, mut written) = (String::new(), Vec::new());
        let line = |n: usize| format!("{n:099}\n");
        for n in 0..100 {
            hold(&mut held, &line(n), n < 99, |piece| {
                written.push(piece.to_owned());
                Written::Yes
            });
        }
        assert_eq!(held, "");
        assert!(written.iter().all(|piece| piece.len() <= PIECE_BYTES && piece.ends_with('\n')));
        assert_eq!(written.len(), 3);
        assert_eq!(written.concat(), (0..100).map(line).collect::<String>());
    }

    #[test]
    fn what_a_slow_reader_leaves_waits_up_to_a_piece_and_the_rest_is_lost_and_said_to_be() {
        let mut held = String::new();
        let line = "x".repeat(999) + "\n";
        let taken: Vec<Written> = (0..6).map(|_| hold(&mut held, &line, false, |_| Written::No)).collect();
        assert_eq!(taken, [vec![Written::Yes; 4], vec![Written::No; 2]].concat());
        let mut written = String::new();
        let read = |piece: &str| {
            written.push_str(piece);
            Written::Yes
        };
        assert_eq!(hold(&mut held, &line, false, read), Written::Yes);
        assert_eq!((written.len(), held.len()), (5000 - 1000 + 1000, 0));
        // One that is longer than a piece waits for nobody.
        assert_eq!(hold(&mut held, &line.repeat(5), false, |_| Written::No), Written::No);
        assert_eq!(held, "");
    }
}
