//! Which instance is due when: an ordered index with one entry per instance.
//!
//! It never decides what is due; the phase of an instance does. Reading the earliest entry and moving one are
//! logarithmic, so ten thousand instances cost no more per event than a few.

use standfast_model::Instant;
use standfast_model::config::vrrp::InstanceId;
use std::collections::BTreeSet;

/// The earliest deadline of every instance that has one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deadlines {
    due: BTreeSet<(Instant, InstanceId)>,
}

impl Deadlines {
    /// Moves the entry of `id` from `before` to `after`; none is no entry.
    pub(crate) fn change(&mut self, id: InstanceId, before: Option<Instant>, after: Option<Instant>) {
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.due.remove(&(before, id));
        }
        if let Some(after) = after {
            self.due.insert((after, id));
        }
    }

    /// The earliest of all.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Everything due at `now` or before, the earliest first, ties in the order of the configuration.
    pub(crate) fn due_at(&self, now: Instant) -> Vec<InstanceId> {
        self.due.range(..=(now, InstanceId(u32::MAX))).map(|(_, id)| *id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_earliest_first_and_nothing_later_comes() {
        let at = Instant::from_nanos;
        let mut deadlines = Deadlines::default();
        for (id, nanos) in [(1, 30), (2, 10), (3, 20), (4, 10), (5, 21)] {
            deadlines.change(InstanceId(id), None, Some(at(nanos)));
        }
        deadlines.change(InstanceId(2), Some(at(10)), Some(at(40)));
        deadlines.change(InstanceId(5), Some(at(21)), None);
        assert_eq!(deadlines.first(), Some(at(10)));
        assert_eq!(deadlines.due_at(at(20)), [4, 3].map(InstanceId));
        assert_eq!(deadlines.due_at(at(9)), []);
    }
}
