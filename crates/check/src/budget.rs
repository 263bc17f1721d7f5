//! The memory that all checks together may hold for what servers send.
//!
//! It counts and gives back. How much one check may hold is the check's own limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// 64 MiB: sixty-four checks with the longest page that a pattern is tried on, at the same moment; or all of five
/// thousand with an ordinary page of 12 KiB.
const MOST_BYTES: usize = 64 << 20;

/// What is left, shared by all checks of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    free: Arc<AtomicUsize>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { free: Arc::new(AtomicUsize::new(MOST_BYTES)) }
    }
}

impl Budget {
    /// A share that begins with nothing.
    pub(crate) fn share(&self) -> Share {
        Share { budget: self.clone(), bytes: 0 }
    }
}

/// What one check holds; it is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Budget,
    bytes: usize,
}

impl Share {
    /// Takes so many bytes more; false if they are not there.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let taken =
            self.budget.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(bytes)).is_ok();
        if taken {
            self.bytes += bytes;
        }
        taken
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.free.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, MOST_BYTES};

    #[test]
    fn what_a_share_took_is_gone_for_others_until_it_is_dropped() {
        let budget = Budget::default();
        let (mut one, mut other) = (budget.share(), budget.share());
        assert!(one.take(MOST_BYTES - 10));
        assert!(!other.take(11));
        assert!(other.take(10));
        drop(one);
        assert!(other.take(MOST_BYTES - 10));
        assert!(!other.take(1));
    }
}
