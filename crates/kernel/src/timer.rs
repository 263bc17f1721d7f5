//! The clock of a worker and the one timer it waits on.
//!
//! A timerfd on `CLOCK_BOOTTIME`: tokio's own timers round up to milliseconds, this one is late by tens of
//! microseconds. It owns no deadline policy: it is armed with what a core says its next deadline is.

use crate::async_fd::AsyncFd;
use core::time::Duration;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use standfast_model::Instant;
use std::io;
use std::os::fd::OwnedFd;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// What time it is: the only reading of a clock in the daemon, in nanoseconds of `CLOCK_BOOTTIME`.
#[must_use]
pub fn boottime() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the one place where the clock of the cores is read")]
    let now = rustix::time::clock_gettime(ClockId::Boottime);
    // Neither field is ever negative: the clock starts at boot.
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    Instant::from_nanos(seconds.saturating_mul(NANOS_PER_SECOND).saturating_add(nanos))
}

/// Microseconds of `CLOCK_MONOTONIC`, which the service manager compares with its own (`MONOTONIC_USEC`); nothing of ours
/// goes by it.
#[must_use]
pub fn monotonic_micros() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the service manager asks for this clock")]
    let now = rustix::time::clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0) / 1000)
}

/// What the clock of the wall shows, UTC since 1970: for texts that people read and for what is compared with other
/// hosts. It jumps; nothing is timed by it.
#[must_use]
pub fn wall_clock() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "the one place where the clock of the wall is read")]
    let now = rustix::time::clock_gettime(ClockId::Realtime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// One absolute timer.
#[derive(Debug)]
pub struct Timer {
    fd: AsyncFd<OwnedFd>,
    armed: Option<Instant>,
}

impl Timer {
    /// A timer that is not armed.
    ///
    /// # Errors
    ///
    /// `EMFILE` and `ENFILE`: no descriptor is left.
    pub fn new() -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self { fd: AsyncFd::new(fd)?, armed: None })
    }

    /// Arms the timer for a moment, or disarms it. A moment that has passed expires at once.
    ///
    /// Arming it for what it is armed for already costs nothing, so a loop may call this in every round.
    ///
    /// # Errors
    ///
    /// None that the kernel documents for a valid timer; passed on all the same.
    pub fn arm(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        if self.armed == deadline {
            return Ok(());
        }
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value = deadline.map_or(zero, timespec);
        timerfd_settime(
            self.fd.get_ref(),
            TimerfdTimerFlags::ABSTIME,
            &Itimerspec { it_interval: zero, it_value: value },
        )?;
        self.armed = deadline;
        Ok(())
    }

    /// As [`Self::arm`], for a caller that minds being woken too early less than a system call: a timer that is armed for
    /// an earlier moment stays as it is. Who waits for others' silence moves its deadline with all that it hears, and is
    /// woken for nothing once in the time that the silence would take.
    ///
    /// # Errors
    ///
    /// As [`Self::arm`].
    pub fn arm_by(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        let early = self.armed.is_some_and(|armed| deadline.is_none_or(|deadline| armed <= deadline));
        if early { Ok(()) } else { self.arm(deadline) }
    }

    /// Waits until the armed moment has come; for ever while there is none. The timer is then no longer armed.
    ///
    /// Dropping the future before it is ready leaves the timer armed.
    ///
    /// # Errors
    ///
    /// If the runtime is shutting down.
    pub async fn expired(&mut self) -> io::Result<()> {
        self.expired_at().await.map(drop)
    }

    /// As [`Self::expired`], and what time it is then.
    ///
    /// # Errors
    ///
    /// As [`Self::expired`].
    pub async fn expired_at(&mut self) -> io::Result<Instant> {
        loop {
            self.fd.readable_once().await?;
            // The clock says it as well, and costs no system call. What was not read does no harm: arming the timer
            // again takes it back, and the next moment is told anew.
            let now = boottime();
            let due = self.armed.is_some_and(|at| now >= at);
            // Eight octets: how often it expired. Re-arming takes the count back, hence the loop.
            let mut count = [0; 8];
            if due || self.fd.try_read(|fd| Ok(rustix::io::read(fd, &mut count)?))?.is_some() {
                self.armed = None;
                return Ok(now);
            }
        }
    }
}

/// Boot itself would be all zeros, which disarms: it becomes one nanosecond later, and is past in any case.
fn timespec(at: Instant) -> Timespec {
    let nanos = at.as_nanos().max(1);
    Timespec {
        tv_sec: i64::try_from(nanos / NANOS_PER_SECOND).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(nanos % NANOS_PER_SECOND).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[tokio::test]
    async fn expires_not_before_its_moment_and_soon_after_it() {
        let mut timer = Timer::new().unwrap();
        for milliseconds in [0, 1, 7, 20] {
            let deadline = boottime() + Duration::from_millis(milliseconds);
            timer.arm(Some(deadline)).unwrap();
            timer.expired().await.unwrap();
            let late = boottime();
            assert!(late >= deadline, "{late:?} before {deadline:?}");
            // Generous, because this machine runs other tests beside this one.
            assert!(late.since(deadline) < Duration::from_secs(2), "{late:?} long after {deadline:?}");
        }
    }

    #[tokio::test]
    async fn a_moment_long_past_and_the_moment_of_boot_expire_at_once() {
        let mut timer = Timer::new().unwrap();
        for deadline in [Instant::ZERO, Instant::from_nanos(1), boottime() - Duration::from_secs(1)] {
            timer.arm(Some(deadline)).unwrap();
            tokio::time::timeout(Duration::from_secs(5), timer.expired()).await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_timer_moved_to_later_or_disarmed_after_it_expired_does_not_fire() {
        let mut timer = Timer::new().unwrap();
        for later in [Some(boottime() + Duration::from_secs(3600)), None] {
            timer.arm(Some(Instant::ZERO)).unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
            timer.arm(later).unwrap();
            let fired = tokio::time::timeout(Duration::from_millis(30), timer.expired()).await;
            assert!(fired.is_err(), "fired although moved to {later:?}");
        }
    }

    #[tokio::test]
    async fn a_timer_that_may_be_early_is_never_late() {
        let mut timer = Timer::new().unwrap();
        let soon = boottime() + Duration::from_millis(10);
        timer.arm_by(Some(soon)).unwrap();
        for later in [Some(soon + Duration::from_secs(3600)), None] {
            timer.arm_by(later).unwrap();
            assert_eq!(timer.armed, Some(soon), "left alone");
        }
        tokio::time::timeout(Duration::from_secs(5), timer.expired()).await.unwrap().unwrap();
        assert!(boottime() >= soon);
        timer.arm_by(Some(soon + Duration::from_secs(3600))).unwrap();
        let sooner = boottime() + Duration::from_millis(10);
        timer.arm_by(Some(sooner)).unwrap();
        tokio::time::timeout(Duration::from_secs(5), timer.expired()).await.unwrap().unwrap();
        assert!(boottime() >= sooner);
    }

    #[tokio::test]
    async fn arming_again_for_the_moment_that_has_fired_fires_again() {
        let mut timer = Timer::new().unwrap();
        for _ in 0..2 {
            timer.arm(Some(Instant::from_nanos(7))).unwrap();
            tokio::time::timeout(Duration::from_secs(5), timer.expired()).await.unwrap().unwrap();
        }
    }

    #[test]
    fn the_end_of_time_is_a_valid_deadline() {
        let spec = timespec(Instant::from_nanos(u64::MAX));
        assert_eq!((spec.tv_sec, spec.tv_nsec), (18_446_744_073, 709_551_615));
    }
}
