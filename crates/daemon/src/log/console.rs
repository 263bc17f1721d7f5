//! Standard error, for `-l` and for a foreground without any other log.

use super::{Line, Sink, Written, plain_lines};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::Write;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

/// Standard error as it is, shared with the other processes of the daemon.
pub(super) struct Console;

impl Sink for Console {
    fn write(&mut self, line: &Line<'_>) -> Written {
        let stderr = std::io::stderr();
        // The terminal or pipe is not ours to make nonblocking. A pipe that polls writable takes PIPE_BUF (4096) bytes,
        // and a line is written in one piece so that the processes' lines do not mix.
        let mut ready = [PollFd::new(&stderr, PollFlags::OUT)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        if !matches!(poll(&mut ready, Some(&now)), Ok(1..)) {
            return Written::No;
        }
        let mut text = String::new();
        for message in plain_lines(&line.message) {
            let begin = text.len();
            // The system's time of day, the only one that a reader of a log can compare.
            let _ = SystemTime.format_time(&mut Writer::new(&mut text));
            debug_assert!(text.len() > begin, "no time");
            text.push_str(&format!(" {}[{}]: {message}\n", line.identifier, line.pid));
        }
        match stderr.lock().write_all(text.as_bytes()) {
            Ok(()) => Written::Yes,
            Err(_) => Written::No,
        }
    }
}
