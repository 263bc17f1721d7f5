//! The moment in which something is said: its time and the process that says it.
//!
//! Who takes in one event and may have thousands of things to say about it ([`together`]) asks the kernel at most once who
//! and when it is, and lets the console write many lines at a time. It owns that moment and says nothing itself.

use core::marker::PhantomData;
use standfast_kernel::timer::boottime;
use standfast_model::Instant;
use std::cell::{Cell, RefCell};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

/// A time and a process, each once it was asked for: most events leave nothing to say, and both are system calls
/// somewhere.
#[derive(Clone, Copy, Default, Debug)]
struct Moment {
    pid: Option<u32>,
    at: Option<Instant>,
}

thread_local! {
    /// The moment that lasts, if one does: a worker is one thread.
    static LASTING: Cell<Option<Moment>> = const { Cell::new(None) };
    /// Its time of day in writing, once that was asked for.
    static STAMP: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Everything that this thread says until the guard goes is said in one moment.
///
/// For the handling of one event, some milliseconds: what is said then differs in nothing by which of them it was.
#[must_use]
pub fn together() -> Together {
    let outermost = LASTING.get().is_none();
    if outermost {
        LASTING.set(Some(Moment::default()));
        STAMP.with_borrow_mut(String::clear);
    }
    Together { outermost, thread: PhantomData }
}

/// See [`together`]. At its end the console gets what was held back for it.
#[derive(Debug)]
pub struct Together {
    outermost: bool,
    /// It belongs to the thread that made it.
    thread: PhantomData<*const ()>,
}

impl Drop for Together {
    fn drop(&mut self) {
        if self.outermost {
            LASTING.set(None);
            super::console::flush();
        }
    }
}

/// Whether more is about to be said.
pub(super) fn lasts() -> bool {
    LASTING.get().is_some()
}

/// The process that says something now.
pub(super) fn pid() -> u32 {
    // Asked each time outside a moment: the process changes when the daemon leaves the terminal.
    of_moment(|moment| &mut moment.pid, std::process::id)
}

/// When something is said now.
pub(super) fn at() -> Instant {
    of_moment(|moment| &mut moment.at, boottime)
}

/// What the moment that lasts knows already, or is told now; asked anew where none lasts.
fn of_moment<T: Copy>(known: impl Fn(&mut Moment) -> &mut Option<T>, ask: impl Fn() -> T) -> T {
    let Some(mut moment) = LASTING.get() else { return ask() };
    let value = *known(&mut moment).get_or_insert_with(ask);
    LASTING.set(Some(moment));
    value
}

/// Writes the time of day, the only one that a reader of a log can compare.
pub(super) fn stamp(text: &mut String) {
    STAMP.with_borrow_mut(|stamp| {
        if !lasts() || stamp.is_empty() {
            stamp.clear();
            let _ = SystemTime.format_time(&mut Writer::new(stamp));
            debug_assert!(!stamp.is_empty(), "no time");
        }
        text.push_str(stamp);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_together_has_one_time_and_what_follows_another() {
        let before = at();
        let (moment, written) = {
            let _together = together();
            let moment = at();
            assert!(moment >= before);
            {
                // Who is called by someone who does the same ends nothing.
                let _inner = together();
                assert_eq!(at(), moment);
            }
            let mut stamps = [String::new(), String::new()];
            stamp(&mut stamps[0]);
            // Long enough for a time of day in microseconds to be another.
            while boottime().since(moment) < core::time::Duration::from_millis(1) {}
            stamp(&mut stamps[1]);
            assert_eq!(stamps[0], stamps[1]);
            assert_eq!((at(), pid(), lasts()), (moment, std::process::id(), true));
            (moment, stamps[0].clone())
        };
        let mut stamped = String::new();
        stamp(&mut stamped);
        assert!(at() > moment && !lasts() && stamped > written, "{stamped} after {written}");
    }
}
