//! Descriptors that a runtime waits on: the one place where a descriptor is registered with the reactor.
//!
//! It never reads or writes by itself and decides nothing. Every wait is cancel-safe: dropping the future loses no
//! byte, because nothing is read before the caller reads it.

use core::task::{Context, Poll};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use tokio::io::Interest;

mod sealed {
    /// Closed, because the promise below is what the one `unsafe` block of this module rests on.
    pub trait Sealed {}
    impl Sealed for std::os::fd::OwnedFd {}
    impl Sealed for socket2::Socket {}
    impl Sealed for netlink_sys::Socket {}
}

/// An owner of exactly one descriptor, the same one from construction to drop.
pub trait Descriptor: AsFd + AsRawFd + sealed::Sealed {}
impl Descriptor for OwnedFd {}
impl Descriptor for socket2::Socket {}
impl Descriptor for netlink_sys::Socket {}

/// A nonblocking descriptor whose readiness the current runtime watches.
///
/// It gives out only shared references to what it owns, so the descriptor can be neither replaced nor closed while it
/// is registered.
#[derive(Debug)]
pub struct AsyncFd<T: Descriptor> {
    inner: tokio::io::unix::AsyncFd<T>,
}

impl<T: Descriptor> AsyncFd<T> {
    /// Makes the descriptor nonblocking and registers it with the reactor.
    ///
    /// # Errors
    ///
    /// Those of `fcntl` and `epoll_ctl`; `EPERM` for a regular file, which cannot be waited on.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime: that is a mistake in our own code, not of the world.
    pub fn new(owner: T) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&owner, true)?;
        #[expect(unsafe_code, reason = "tokio leaves the lifetime of the descriptor to the caller")]
        // SAFETY: `Descriptor` is sealed to owners that return the same open descriptor for as long as they live, and
        // nothing here hands out the owner by value or by mutable reference, so it stays open until it is unregistered.
        let inner = unsafe { tokio::io::unix::AsyncFd::register(owner) }?;
        Ok(Self { inner })
    }

    /// The owner, for socket options and the like.
    #[must_use]
    pub fn get_ref(&self) -> &T {
        self.inner.get_ref()
    }

    /// Waits until a read may succeed. It can return without one: the caller drains with [`Self::try_read`].
    ///
    /// # Errors
    ///
    /// If the runtime is shutting down.
    pub async fn readable(&self) -> io::Result<()> {
        self.inner.readable().await.map(|mut guard| guard.retain_ready())
    }

    /// Waits until a read may succeed, and takes it that there will be one or that what is there does not matter: the
    /// next wait is for something new.
    ///
    /// # Errors
    ///
    /// If the runtime is shutting down.
    pub async fn readable_once(&self) -> io::Result<()> {
        self.inner.readable().await.map(|mut guard| guard.clear_ready())
    }

    /// As [`Self::readable`], for a caller that waits on many descriptors in one future. Only the last caller's
    /// waker is kept.
    ///
    /// # Errors
    ///
    /// If the runtime is shutting down.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_read_ready(context).map_ok(|mut guard| guard.retain_ready())
    }

    /// Waits until a write may succeed.
    ///
    /// # Errors
    ///
    /// If the runtime is shutting down.
    pub async fn writable(&self) -> io::Result<()> {
        self.inner.writable().await.map(|mut guard| guard.retain_ready())
    }

    /// One nonblocking read by `operation`: `None` means that nothing is there now.
    ///
    /// The operation is always tried, also when the reactor has not yet heard of data: a late timer must not be
    /// handled before a packet that has already arrived.
    ///
    /// # Errors
    ///
    /// Those of `operation` except `WouldBlock`.
    pub fn try_read<R>(&self, operation: impl FnMut(&T) -> io::Result<R>) -> io::Result<Option<R>> {
        self.attempt(Interest::READABLE, operation)
    }

    /// One nonblocking write by `operation`: `None` means that there is no room now.
    ///
    /// # Errors
    ///
    /// Those of `operation` except `WouldBlock`.
    pub fn try_write<R>(&self, operation: impl FnMut(&T) -> io::Result<R>) -> io::Result<Option<R>> {
        self.attempt(Interest::WRITABLE, operation)
    }

    /// tokio's `try_io` refuses without trying while no event has come; then the operation is tried beside it. It
    /// clears the readiness only if no new event came meanwhile, so no wake-up is lost.
    fn attempt<R>(&self, interest: Interest, mut operation: impl FnMut(&T) -> io::Result<R>) -> io::Result<Option<R>> {
        let mut tried = false;
        let known_ready = self.inner.try_io(interest, |owner| {
            tried = true;
            operation(owner)
        });
        let outcome = if tried { known_ready } else { operation(self.inner.get_ref()) };
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use std::os::unix::net::UnixDatagram;

    fn receive(fd: &OwnedFd) -> io::Result<usize> {
        let mut byte = [0; 1];
        Ok(rustix::io::read(fd, &mut byte)?)
    }

    #[tokio::test]
    async fn data_is_read_before_the_reactor_has_seen_it() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let ours = AsyncFd::new(OwnedFd::from(ours)).unwrap();
        theirs.send(b"x").unwrap();
        // The reactor runs only in an await, and there has been none.
        assert_eq!(ours.try_read(receive).unwrap(), Some(1));
        assert_eq!(ours.try_read(receive).unwrap(), None);
    }

    #[tokio::test]
    async fn a_drained_descriptor_waits_for_the_next_datagram_and_not_in_a_circle() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let ours = AsyncFd::new(OwnedFd::from(ours)).unwrap();
        for _ in 0..3 {
            theirs.send(b"x").unwrap();
            ours.readable().await.unwrap();
            assert_eq!(ours.try_read(receive).unwrap(), Some(1));
            assert_eq!(ours.try_read(receive).unwrap(), None);
            let again = tokio::time::timeout(Duration::from_millis(20), ours.readable()).await;
            assert!(again.is_err(), "readable although drained");
        }
    }

    #[tokio::test]
    async fn one_future_that_waits_on_many_is_woken_by_each() {
        let pairs: Vec<_> = (0..3)
            .map(|_| {
                let (ours, theirs) = UnixDatagram::pair().unwrap();
                (AsyncFd::new(OwnedFd::from(ours)).unwrap(), theirs)
            })
            .collect();
        let any = || {
            core::future::poll_fn(|context| {
                let ready = pairs.iter().filter(|(ours, _)| ours.poll_readable(context).is_ready()).count();
                if ready > 0 { Poll::Ready(()) } else { Poll::Pending }
            })
        };
        assert!(tokio::time::timeout(Duration::from_millis(20), any()).await.is_err(), "ready without data");
        for (ours, theirs) in &pairs {
            // Sent only once the future waits: what wakes it is the reactor.
            let late = async {
                tokio::time::sleep(Duration::from_millis(5)).await;
                theirs.send(b"x").unwrap();
            };
            let (woken, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(5), any()), late);
            woken.unwrap();
            assert_eq!(ours.try_read(receive).unwrap(), Some(1));
            assert_eq!(ours.try_read(receive).unwrap(), None);
        }
    }
}
