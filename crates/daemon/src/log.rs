//! Where log lines go: journald with their fields, or syslog where there is no journald, and the console if wanted.
//!
//! Nothing here ever waits for a reader: a line that cannot leave at once is dropped and counted, and the count
//! follows with the next line that can. A stalled journald must not cost a master its mastership. What is said, and
//! how often, is [`journal`](crate::journal)'s business.

mod console;
mod journald;
mod moment;
mod syslog;
mod told;

use console::Console;
use core::fmt::{self, Write as _};
use core::sync::atomic::{AtomicU8, Ordering};
use journald::Journald;
pub use moment::{Together, together};
use rustix::fs::{Mode, OFlags, open};
use standfast_api::LogSettings;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use syslog::Syslog;
pub use told::take as take_told;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry};

/// The longest text of a line or a field in bytes: more than any line of ours needs, less than any socket refuses.
const MAX_TEXT_BYTES: usize = 4000;

/// The most fields that one line carries.
const MAX_FIELDS: usize = 16;

/// One line with its fields, as it goes to every sink.
struct Line<'a> {
    identifier: &'a str,
    pid: u32,
    facility: u8,
    severity: Severity,
    message: String,
    fields: Vec<(&'static str, String)>,
}

/// The severities of syslog that we use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Severity {
    Error = 3,
    Warning = 4,
    Informational = 6,
    Debug = 7,
}

impl Severity {
    /// keepalived says nearly everything at "info", so that is what our normal level maps to.
    fn of(level: Level) -> Self {
        if level == Level::ERROR {
            Self::Error
        } else if level == Level::WARN {
            Self::Warning
        } else if level == Level::INFO {
            Self::Informational
        } else {
            Self::Debug
        }
    }

    const fn number(self) -> u8 {
        self as u8
    }
}

/// What a sink did with a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Written {
    Yes,
    /// The reader is slow or away.
    No,
}

/// A place where lines go. Never blocks.
trait Sink: Send {
    fn write(&mut self, line: &Line<'_>) -> Written;
}

/// A sink with the count of what it could not take.
struct Counted {
    sink: Box<dyn Sink>,
    lost: u64,
}

impl Counted {
    fn new(sink: impl Sink + 'static) -> Self {
        Self { sink: Box::new(sink), lost: 0 }
    }

    fn write(&mut self, line: &Line<'_>) {
        if self.lost > 0 {
            let message = format!("{} log lines before this one were lost: the log was not read", self.lost);
            let fields = vec![("lost", self.lost.to_string())];
            let notice = Line { severity: Severity::Warning, message, fields, ..*line };
            if self.sink.write(&notice) == Written::No {
                self.lost = self.lost.saturating_add(1);
                return;
            }
            self.lost = 0;
        }
        if self.sink.write(line) == Written::No {
            self.lost = self.lost.saturating_add(1);
        }
    }
}

/// Sets up the log of this process. To be called once; the second call changes nothing.
///
/// `identifier` is the name in the system's log. In the foreground the console is used when there is no other place
/// and the log was not forbidden; the settings for the workers come back, with what was decided.
pub fn start(identifier: &'static str, settings: LogSettings, foreground: bool) -> LogSettings {
    let mut sinks = Vec::new();
    if settings.system {
        if let Some(journald) = Journald::open() {
            sinks.push(Counted::new(journald));
        } else if let Some(syslog) = Syslog::open() {
            sinks.push(Counted::new(syslog));
        }
    }
    let console = settings.console || (foreground && settings.system && sinks.is_empty());
    if console {
        sinks.push(Counted::new(Console));
    }
    sinks.push(Counted::new(told::Told));
    DETAIL.store(settings.detail, Ordering::Relaxed);
    let layer = LogLayer { identifier, facility: settings.facility.number(), sinks: Mutex::new(sinks) };
    // A second set-up would be our own mistake; the first one stays in force.
    let first = tracing::subscriber::set_global_default(Registry::default().with(layer)).is_ok();
    debug_assert!(first, "the log is set up twice");
    LogSettings { console, ..settings }
}

/// Standard output and standard error are this file from now on (`-g`), for the processes that are started too: what goes
/// to the console goes there. It is made readable for its owner and group, and what it holds stays.
///
/// # Errors
///
/// Those of `open`; `ELOOP` for a link, because others may write where a log lies.
pub fn take_standard_output_to(path: &Path) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = open(path, flags, Mode::from_raw_mode(0o640))?;
    rustix::stdio::dup2_stdout(&file)?;
    rustix::stdio::dup2_stderr(&file)?;
    Ok(())
}

/// How much is said: see [`LogSettings::detail`]. Changed by an operator's order while the process runs.
static DETAIL: AtomicU8 = AtomicU8::new(0);

/// Says so much from now on: 0 is normal, 1 detailed, 2 and more everything.
pub fn set_detail(detail: u8) {
    DETAIL.store(detail, Ordering::Relaxed);
    // What was not to be said is remembered at each place that says something.
    tracing::callsite::rebuild_interest_cache();
}

fn max_level() -> LevelFilter {
    match DETAIL.load(Ordering::Relaxed) {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        2..=u8::MAX => LevelFilter::TRACE,
    }
}

struct LogLayer {
    identifier: &'static str,
    facility: u8,
    /// One thread writes; the lock is there because the type of a subscriber asks for it.
    sinks: Mutex<Vec<Counted>>,
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        // Libraries have their own ideas of what an operator wants to read.
        *metadata.level() <= max_level() && metadata.target().starts_with("standfast")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(max_level())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut collected = Collected::default();
        event.record(&mut collected);
        let line = Line {
            identifier: self.identifier,
            pid: moment::pid(),
            facility: self.facility,
            severity: Severity::of(*event.metadata().level()),
            message: collected.message,
            fields: collected.fields,
        };
        // A panic while the lock was held leaves the sinks usable: they hold sockets and counts.
        let mut sinks = self.sinks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for sink in sinks.iter_mut() {
            sink.write(&line);
        }
    }
}

/// The message and fields of an event, each cut to its limit.
#[derive(Default)]
struct Collected {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Collected {
    fn take(&mut self, field: &Field, text: String) {
        if field.name() == "message" {
            self.message = text;
        } else if self.fields.len() < MAX_FIELDS {
            self.fields.push((field.name(), text));
        }
    }
}

impl Visit for Collected {
    fn record_str(&mut self, field: &Field, value: &str) {
        let mut text = Limited::default();
        // `Limited` takes everything and keeps what fits.
        let _ = text.write_str(value);
        self.take(field, text.0);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = Limited::default();
        let _ = write!(text, "{value:?}");
        self.take(field, text.0);
    }
}

/// A text that stops growing at the limit.
#[derive(Default)]
struct Limited(String);

impl fmt::Write for Limited {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = MAX_TEXT_BYTES.saturating_sub(self.0.len());
        let end = more.floor_char_boundary(room);
        self.0.push_str(more.get(..end).unwrap_or_default());
        Ok(())
    }
}

/// The lines of a text with everything a terminal or a log file would act upon made visible.
fn plain_lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|line| {
        let mut plain = String::with_capacity(line.len());
        for c in line.chars() {
            if c.is_control() && c != '\t' {
                plain.extend(c.escape_default());
            } else {
                plain.push(c);
            }
        }
        plain
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// A sink that takes lines while it is told to.
    #[derive(Clone, Default)]
    struct Reader {
        awake: Arc<Mutex<bool>>,
        lines: Arc<Mutex<Vec<String>>>,
    }

    impl Sink for Reader {
        fn write(&mut self, line: &Line<'_>) -> Written {
            if !*self.awake.lock().unwrap() {
                return Written::No;
            }
            self.lines.lock().unwrap().push(line.message.clone());
            Written::Yes
        }
    }

    fn line(message: &str) -> Line<'static> {
        Line {
            identifier: "Keepalived",
            pid: 1,
            facility: 3,
            severity: Severity::Informational,
            message: message.to_owned(),
            fields: Vec::new(),
        }
    }

    #[test]
    fn what_a_sleeping_reader_missed_is_counted_and_told_when_it_wakes() {
        let reader = Reader::default();
        let mut counted = Counted::new(reader.clone());
        for message in ["one", "two", "three"] {
            counted.write(&line(message));
        }
        *reader.awake.lock().unwrap() = true;
        counted.write(&line("four"));
        counted.write(&line("five"));
        let lines = reader.lines.lock().unwrap().clone();
        assert_eq!(lines, ["3 log lines before this one were lost: the log was not read", "four", "five"]);
    }

    #[test]
    fn texts_are_cut_at_a_character_and_not_inside_one() {
        let mut text = Limited::default();
        for _ in 0..MAX_TEXT_BYTES {
            write!(text, "ä€").unwrap();
        }
        assert!(text.0.len() <= MAX_TEXT_BYTES);
        assert!(text.0.len() > MAX_TEXT_BYTES - 3, "{}", text.0.len());
    }

    #[test]
    fn nothing_reaches_a_terminal_that_it_would_act_upon() {
        let lines: Vec<String> = plain_lines("a\u{1b}[31mb\r\nc\td\u{9b}").collect();
        assert_eq!(lines, ["a\\u{1b}[31mb", "c\td\\u{9b}"]);
    }
}
