//! What was there before a reload, each found by what it is matched by.
//!
//! Most reloads leave nearly everything in its order, and there may be twenty thousand of it: so it is gone through side by
//! side with what comes, and only what is passed over on the way to the next that stays is put where it can be looked up.

use std::collections::{BTreeMap, VecDeque};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Formers<K, T, I> {
    in_order: I,
    passed: BTreeMap<K, VecDeque<T>>,
}

impl<K: Ord, T, I: Iterator<Item = T>> Formers<K, T, I> {
    /// In the order in which they were.
    pub(super) fn new(in_order: I) -> Self {
        Self { in_order, passed: BTreeMap::new() }
    }

    /// Takes out the first one with that key; `of` says what each is matched by.
    pub(super) fn take(&mut self, key: &K, of: impl Fn(&T) -> K) -> Option<T> {
        if let Some(passed) = self.passed.get_mut(key).and_then(VecDeque::pop_front) {
            return Some(passed);
        }
        for former in self.in_order.by_ref() {
            let its_own = of(&former);
            if its_own == *key {
                return Some(former);
            }
            self.passed.entry(its_own).or_default().push_back(former);
        }
        None
    }

    /// Those that nobody has taken, in the order of their keys.
    pub(super) fn left(mut self, of: impl Fn(&T) -> K) -> impl Iterator<Item = T> {
        for former in self.in_order {
            self.passed.entry(of(&former)).or_default().push_back(former);
        }
        self.passed.into_values().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_is_found_once_and_the_first_of_several_first_in_whatever_order_they_are_asked_for(
            before in proptest::collection::vec(0..6_u8, 0..12),
            asked in proptest::collection::vec(0..6_u8, 0..12),
        ) {
            let mut expected: BTreeMap<u8, VecDeque<usize>> = BTreeMap::new();
            for (place, key) in before.iter().enumerate() {
                expected.entry(*key).or_default().push_back(place);
            }
            let mut formers = Formers::new(before.iter().enumerate());
            for key in asked {
                let found = formers.take(&key, |(_, key)| **key).map(|(place, _)| place);
                prop_assert_eq!(found, expected.get_mut(&key).and_then(VecDeque::pop_front));
            }
            let left: Vec<usize> = formers.left(|(_, key)| **key).map(|(place, _)| place).collect();
            prop_assert_eq!(left, expected.into_values().flatten().collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_stays_in_its_order_is_never_put_away() {
        let mut formers = Formers::new(0..1000);
        assert!(
            (0..1000)
                .filter(|number| number % 7 != 0)
                .all(|number| formers.take(&number, |number: &i32| *number) == Some(number))
        );
        assert_eq!(formers.passed.len(), 143);
        assert!(formers.left(|number| *number).eq((0..1000).step_by(7)));
    }
}
