//! Limits in time: of each step of an attempt, and how long attempts took. The one place of this crate that uses a clock.
//!
//! All attempts of a prober write their deadlines into one book, so that a worker with thousands of checks under way
//! waits on the one timer that it has anyway. A timer of the runtime for each attempt would cost every check a wake of
//! the runtime and another look at its sockets.
//!
//! It ends what takes too long and judges nothing.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use standfast_kernel::timer::boottime;
use standfast_lvs::{Reason, Verdict};
use standfast_model::Instant;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The deadlines of all attempts of a prober. Clones are the same book.
#[derive(Clone, Debug, Default)]
pub struct Deadlines(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    /// Whom to wake at which time. Numbers tell apart what is due at the same time.
    entries: BTreeMap<Entry, Waker>,
    last: u64,
    /// What the clock has just shown, while what began then is at its first steps.
    reading: Option<Instant>,
    /// Who keeps the book, and until when that would wait.
    keeper: Option<(Option<Instant>, Waker)>,
}

type Entry = (Instant, u64);

impl Deadlines {
    /// When [`Self::pass`] is to be called next; none while nothing has a limit. It may change whenever an attempt is
    /// polled.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.book().entries.first_key_value().map(|((at, _), _)| *at)
    }

    /// Waits for a deadline before that time: who waits for that time is to call [`Self::pass`] earlier. One waits at a
    /// time. Cancel-safe.
    pub async fn sooner(&self, than: Option<Instant>) {
        poll_fn(|context| {
            let mut book = self.book();
            let next = book.entries.first_key_value().map(|((at, _), _)| *at);
            if next.is_some_and(|next| than.is_none_or(|than| next < than)) {
                book.keeper = None;
                return Poll::Ready(());
            }
            book.keeper = Some((than, context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// So late it is: ends the steps whose time is up, and wakes their attempts.
    pub fn pass(&self, now: Instant) {
        let mut book = self.book();
        while let Some(first) = book.entries.first_entry()
            && first.key().0 <= now
        {
            first.remove().wake();
        }
    }

    /// Keeps the deadlines of these attempts with a timer of the runtime, for who has no loop of its own.
    pub(crate) async fn kept<T>(&self, mut work: Pin<&mut impl Future<Output = T>>) -> T {
        let mut alarm: Option<(Instant, Pin<Box<tokio::time::Sleep>>)> = None;
        poll_fn(|context| {
            loop {
                if let Poll::Ready(done) = work.as_mut().poll(context) {
                    return Poll::Ready(done);
                }
                let Some(next) = self.next() else { return Poll::Pending };
                if alarm.as_ref().is_none_or(|(at, _)| *at != next) {
                    alarm = Some((next, Box::pin(tokio::time::sleep(next.since(boottime())))));
                }
                if !alarm.as_mut().is_some_and(|(_, sleep)| sleep.as_mut().poll(context).is_ready()) {
                    return Poll::Pending;
                }
                // The timer of the runtime knows another clock, whose ticks are milliseconds.
                self.pass(boottime().max(next));
                alarm = None;
            }
        })
        .await
    }

    /// Runs `work` to its end, or answers none when `limit` has passed, and the caller drops it. Work that is done at once
    /// has no deadline. The caller pins it: what is handed over by value would have its room twice, in each step within
    /// a step.
    pub(crate) async fn within<T>(&self, limit: Duration, mut work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        let mut stay = Stay { deadlines: self, entry: None };
        poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => stay.wait(limit, context).map(|()| None),
        })
        .await
    }

    /// The same for a step that may fail by itself: what takes too long has failed too.
    pub(crate) async fn step<T>(
        &self,
        limit: Duration,
        work: Pin<&mut impl Future<Output = Result<T, Verdict>>>,
    ) -> Result<T, Verdict> {
        let timed_out = Err(Verdict::Failed(Reason::TimedOut { after: limit }));
        self.within(limit, work).await.unwrap_or(timed_out)
    }

    /// Runs `work`, which begins at that time, and says when it ended. Steps that wait from its beginning on have their
    /// limits from there: where reading the clock is a system call, it is one of few that a check makes.
    pub(crate) async fn timed<T>(&self, begun: Instant, mut work: Pin<&mut impl Future<Output = T>>) -> (T, Instant) {
        let mut reading = Some(begun);
        let done = poll_fn(|context| {
            self.book().reading = reading.take();
            let polled = work.as_mut().poll(context);
            self.book().reading = None;
            polled
        });
        (done.await, boottime())
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing in here can be left half done, and nobody else is on this thread.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A step that is in the book, until it ends.
struct Stay<'book> {
    deadlines: &'book Deadlines,
    entry: Option<Entry>,
}

impl Stay<'_> {
    /// Ready when the time is up.
    fn wait(&mut self, limit: Duration, context: &Context<'_>) -> Poll<()> {
        let mut book = self.deadlines.book();
        match self.entry {
            None => {
                book.last += 1;
                let entry = (book.reading.unwrap_or_else(boottime) + limit, book.last);
                book.entries.insert(entry, context.waker().clone());
                self.entry = Some(entry);
                if let Some((_, waker)) = book.keeper.take_if(|(until, _)| until.is_none_or(|until| entry.0 < until)) {
                    waker.wake();
                }
                Poll::Pending
            }
            Some(entry) => match book.entries.get_mut(&entry) {
                Some(waker) => {
                    waker.clone_from(context.waker());
                    Poll::Pending
                }
                None => Poll::Ready(()),
            },
        }
    }
}

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.entry {
            self.deadlines.book().entries.remove(&entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Deadlines, boottime};
    use core::future::{pending, ready};
    use core::pin::pin;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use core::task::{Context, Poll, Waker};
    use core::time::Duration;
    use std::sync::Arc;
    use std::task::Wake;

    const SECOND: Duration = Duration::from_secs(1);

    /// A step that never ends by itself.
    async fn forever(deadlines: &Deadlines, limit: Duration) -> Option<()> {
        deadlines.within(limit, pin!(pending())).await
    }

    #[test]
    fn a_step_ends_when_its_time_has_passed_and_not_before() {
        let deadlines = Deadlines::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut short = pin!(forever(&deadlines, SECOND));
        let mut long = pin!(forever(&deadlines, SECOND * 2));
        assert_eq!(deadlines.next(), None);
        assert_eq!(short.as_mut().poll(&mut context), Poll::Pending);
        assert_eq!(long.as_mut().poll(&mut context), Poll::Pending);
        let first = deadlines.next().unwrap();
        assert!(first <= boottime() + SECOND);
        deadlines.pass(first - Duration::from_nanos(1));
        assert_eq!(short.as_mut().poll(&mut context), Poll::Pending);
        deadlines.pass(first);
        assert_eq!(short.as_mut().poll(&mut context), Poll::Ready(None));
        assert_eq!(long.as_mut().poll(&mut context), Poll::Pending);
        assert!(deadlines.next().unwrap() >= first + SECOND);
    }

    #[test]
    fn a_step_that_is_done_or_dropped_leaves_nothing_in_the_book() {
        let deadlines = Deadlines::default();
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(pin!(deadlines.within(SECOND, pin!(ready(7)))).poll(&mut context), Poll::Ready(Some(7)));
        assert_eq!(deadlines.next(), None);
        {
            let mut dropped = pin!(forever(&deadlines, SECOND));
            assert_eq!(dropped.as_mut().poll(&mut context), Poll::Pending);
            assert!(deadlines.next().is_some());
        }
        assert_eq!(deadlines.next(), None);
    }

    /// Counts how often it was woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_keeps_the_book_hears_of_a_deadline_that_comes_sooner_and_of_no_other() {
        for waits_for in [Some(boottime() + SECOND), None] {
            let deadlines = Deadlines::default();
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(Arc::clone(&woken));
            let (mut keeper, mut other) = (Context::from_waker(&waker), Context::from_waker(Waker::noop()));
            let mut sooner = pin!(deadlines.sooner(waits_for));
            assert_eq!(sooner.as_mut().poll(&mut keeper), Poll::Pending, "nothing is in the book");
            let mut later = pin!(forever(&deadlines, SECOND * 2));
            assert_eq!(later.as_mut().poll(&mut other), Poll::Pending);
            // Who waits for nothing would wait for ever.
            assert_eq!(woken.0.load(Ordering::Relaxed), usize::from(waits_for.is_none()));
            let mut soon = pin!(forever(&deadlines, SECOND / 2));
            assert_eq!(soon.as_mut().poll(&mut other), Poll::Pending);
            assert_eq!(woken.0.load(Ordering::Relaxed), 1, "once, and then it has been told");
            assert_eq!(sooner.as_mut().poll(&mut keeper), Poll::Ready(()));
        }
    }

    #[test]
    fn the_first_step_of_what_begins_has_its_limit_from_there_and_a_later_one_from_its_own_beginning() {
        let deadlines = Deadlines::default();
        let mut context = Context::from_waker(Waker::noop());
        let long_ago = boottime() - SECOND;
        let steps = async {
            let first = forever(&deadlines, SECOND).await;
            (first, forever(&deadlines, SECOND).await)
        };
        let mut steps = pin!(steps);
        let mut timed = pin!(deadlines.timed(long_ago, steps.as_mut()));
        assert!(timed.as_mut().poll(&mut context).is_pending());
        assert_eq!(deadlines.next(), Some(long_ago + SECOND));
        deadlines.pass(boottime());
        let now = boottime();
        assert!(timed.as_mut().poll(&mut context).is_pending());
        assert!(deadlines.next().unwrap() >= now + SECOND);
        deadlines.pass(now + SECOND * 2);
        let Poll::Ready((done, ended)) = timed.as_mut().poll(&mut context) else { unreachable!("both steps are over") };
        assert_eq!(done, (None, None));
        assert!(ended >= now);
    }

    #[tokio::test]
    async fn who_has_no_loop_of_its_own_keeps_deadlines_all_the_same() {
        let deadlines = Deadlines::default();
        let inner = pin!(forever(&deadlines, Duration::from_millis(20)));
        let mut outer = pin!(deadlines.within(SECOND * 3600, inner));
        let begun = boottime();
        let (done, ended) = deadlines.timed(begun, pin!(deadlines.kept(outer.as_mut()))).await;
        assert_eq!(done, Some(None));
        assert!(ended >= begun + Duration::from_millis(20), "{ended:?}");
        assert_eq!(deadlines.next(), None);
    }
}
