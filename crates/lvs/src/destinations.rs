//! The destinations of one service, in the order of their keys.
//!
//! A service may have twenty thousand, and a node five thousand services, each of them in the table that should be and in
//! the one that is. So they lie side by side, without room that nothing is in: a destination found, put in the place of
//! another or gone through costs what it costs in a tree, and one that comes or goes moves those behind it, which is no
//! more than the comparison that follows. The services of a group share theirs.

use standfast_model::ipvs::{Destination, DestinationKey};
use std::sync::Arc;

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Destinations {
    /// Ascending by key, and no key twice.
    rows: Arc<Vec<Destination>>,
}

impl Destinations {
    /// From here on they are its own.
    fn rows_mut(&mut self) -> &mut Vec<Destination> {
        Arc::make_mut(&mut self.rows)
    }

    fn place(&self, key: &DestinationKey) -> Result<usize, usize> {
        self.rows.binary_search_by(|row| row.key.cmp(key))
    }

    /// The destination with that key.
    #[must_use]
    pub fn get(&self, key: &DestinationKey) -> Option<&Destination> {
        self.rows.get(self.place(key).ok()?)
    }

    /// Puts one in, in the place of the one with its key; answers that one.
    pub fn insert(&mut self, destination: Destination) -> Option<Destination> {
        match self.place(&destination.key) {
            Ok(at) => self.rows_mut().get_mut(at).map(|row| core::mem::replace(row, destination)),
            Err(at) => {
                self.rows_mut().insert(at, destination);
                None
            }
        }
    }

    /// Takes one out, and answers it.
    pub fn remove(&mut self, key: &DestinationKey) -> Option<Destination> {
        self.place(key).ok().map(|at| self.rows_mut().remove(at))
    }

    /// Takes all of them out.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All of them, in the order of their keys.
    pub fn iter(&self) -> core::slice::Iter<'_, Destination> {
        self.rows.iter()
    }
}

/// In any order; of several with one key the last one counts.
impl FromIterator<Destination> for Destinations {
    fn from_iter<I: IntoIterator<Item = Destination>>(destinations: I) -> Self {
        let mut rows: Vec<Destination> = destinations.into_iter().collect();
        if !rows.is_sorted_by(|a, b| a.key < b.key) {
            rows.reverse();
            rows.sort_by_key(|row| row.key);
            rows.dedup_by_key(|row| row.key);
        }
        rows.shrink_to_fit();
        Self { rows: Arc::new(rows) }
    }
}

impl<'a> IntoIterator for &'a Destinations {
    type Item = &'a Destination;
    type IntoIter = core::slice::Iter<'a, Destination>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use standfast_model::ipvs::Forwarding;
    use std::collections::BTreeMap;

    fn destination(host: u8, weight: u32) -> Destination {
        let key = DestinationKey { address: [10, 0, 0, host].into(), port: 80 };
        Destination { key, forwarding: Forwarding::Nat, weight, upper_threshold: 0, lower_threshold: 0 }
    }

    proptest! {
        #[test]
        fn they_are_what_a_map_would_hold_whatever_comes_and_goes(
            first in proptest::collection::vec((0..12_u8, 0..3_u32), 0..20),
            then in proptest::collection::vec((0..12_u8, proptest::option::of(0..3_u32)), 0..20),
        ) {
            let first = || first.iter().map(|(host, weight)| destination(*host, *weight));
            let mut map: BTreeMap<_, _> = first().map(|row| (row.key, row)).collect();
            let mut rows: Destinations = first().collect();
            prop_assert!(rows.iter().eq(map.values()));
            for (host, weight) in then {
                let key = destination(host, 0).key;
                match weight.map(|weight| destination(host, weight)) {
                    Some(row) => prop_assert_eq!(rows.insert(row), map.insert(key, row)),
                    None => prop_assert_eq!(rows.remove(&key), map.remove(&key)),
                }
                prop_assert_eq!(rows.get(&key), map.get(&key));
                prop_assert!(rows.iter().eq(map.values()));
                prop_assert_eq!((rows.len(), rows.is_empty()), (map.len(), map.is_empty()));
            }
        }

        #[test]
        fn what_two_share_is_changed_in_one_of_them_alone(
            both in proptest::collection::vec((0..12_u8, 0..3_u32), 0..20),
            host in 0..12_u8,
            weight in proptest::option::of(3..5_u32),
        ) {
            let rows = || both.iter().map(|(host, weight)| destination(*host, *weight)).collect::<Destinations>();
            let other = rows();
            let mut one = other.clone();
            prop_assert!(Arc::ptr_eq(&one.rows, &other.rows));
            match weight.map(|weight| destination(host, weight)) {
                Some(row) => drop(one.insert(row)),
                None => drop(one.remove(&destination(host, 0).key)),
            }
            prop_assert_eq!(&other, &rows());
        }
    }
}
