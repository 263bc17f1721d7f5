//! When a process gives back memory that it needed for a while: once it has been calm for a moment.
//!
//! What a status of twenty thousand servers takes on its way is several times what stays of it. Giving it back costs a
//! look through the process's own memory, and taking it again what the kernel asks for each page, so nothing is given back
//! while more of the same may come. It owns a date and nothing else.

use core::time::Duration;
use standfast_kernel::process::memory::give_back_memory;
use standfast_model::Instant;

/// So long nothing large must have passed through: a site whose servers come and go tells of them several times a second.
const CALM: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tidiness {
    due: Option<Instant>,
}

impl Tidiness {
    /// Something large passed through just now.
    pub(crate) fn disturb(&mut self, now: Instant) {
        self.due = Some(now + CALM);
    }

    /// When [`Self::wake`] has something to do.
    pub(crate) const fn next_deadline(self) -> Option<Instant> {
        self.due
    }

    /// Gives back what is free, if it is time to. True if it was.
    pub(crate) fn wake(&mut self, now: Instant) -> bool {
        let due = self.due.take_if(|due| *due <= now).is_some();
        if due {
            give_back_memory();
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_again_and_again_is_waited_for_and_memory_given_back_once_behind_the_last_of_it() {
        let at = |millis: u64| Instant::from_nanos(millis * 1_000_000);
        let mut tidiness = Tidiness::default();
        assert_eq!(tidiness.next_deadline(), None);
        for millis in [0, 200, 400] {
            assert!(!tidiness.wake(at(millis)));
            tidiness.disturb(at(millis));
        }
        assert_eq!(tidiness.next_deadline(), Some(at(1400)));
        assert!(!tidiness.wake(at(1399)));
        assert!(tidiness.wake(at(1400)));
        assert_eq!(tidiness.next_deadline(), None);
        assert!(!tidiness.wake(at(9000)));
    }
}
